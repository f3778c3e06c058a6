//! What other commands ask of a session, and what they are told.

use devrun_core::event::{Event, Request};
use devrun_wire::session::{Ask, Tell};
use tokio::sync::mpsc;

use super::driver::Driver;
use super::foreseeing::Asked;

impl Driver {
    pub(super) fn on_ask(&mut self, ask: Ask, reply: mpsc::UnboundedSender<Tell>) {
        match ask {
            Ask::Status { caught_up: true } if self.watcher.is_some() => self.after_saves(reply),
            Ask::Status { .. } => {
                // Whoever asked and left does not want to know any more.
                let _ = reply.send(Tell::Status {
                    status: self.status(),
                });
            }
            Ask::Follow => self.follow(true, reply),
            Ask::History => {
                for notice in self
                    .hub
                    .kept()
                    .filter_map(|kept| serde_json::to_value(kept).ok())
                {
                    let _ = reply.send(Tell::Notice { notice });
                }
            }
            // Whoever hears nothing begins the next session.
            Ask::Up { .. } if self.core.is_ending() => {}
            Ask::Up {
                services,
                profiles,
                variables,
                build,
                recreate,
            } => {
                self.follow(false, reply);
                self.load.shell.extend(variables);
                // Nobody may have told of a save, or not yet.
                self.reload_if_changed();
                self.feed(Event::Request(Request::Up {
                    services,
                    profiles,
                    build,
                    recreate,
                }));
            }
            Ask::Foresee {
                services,
                profiles,
                variables,
                build,
                recreate,
                file,
            } => {
                let asked = Asked {
                    services,
                    profiles,
                    variables,
                    build,
                    recreate,
                    file,
                };
                self.foresee(asked, reply);
            }
            Ask::Stop { services } => {
                self.stopping.push((services.clone(), reply));
                self.feed(Event::Request(Request::Stop { services }));
            }
            Ask::Restart { services } => {
                self.follow(false, reply);
                self.feed(Event::Request(Request::Restart { services }));
            }
            Ask::Attach { service } => {
                self.feed(Event::Request(Request::Attach { service }));
                let _ = reply.send(Tell::Status {
                    status: self.status(),
                });
                // Held, so that the connection stands.
                self.terminals.push(reply);
            }
            Ask::Trigger { services } => {
                self.follow(false, reply);
                self.feed(Event::Request(Request::Trigger { services }));
            }
            Ask::Sync { services } => self.on_sync(services, reply),
            Ask::Verify { services } => self.on_verify(services, reply),
            Ask::Pull { service, files } => self.on_pull(service, files, reply),
            Ask::End { stop } => {
                self.follow(false, reply);
                self.feed(Event::Request(Request::End { stop }));
            }
        }
    }

    /// Passes notices on to a command.
    pub(super) fn follow(&mut self, from_the_start: bool, reply: mpsc::UnboundedSender<Tell>) {
        let mut feed = self.hub.listen(from_the_start);
        tokio::spawn(async move {
            while let Some(stamped) = feed.recv().await {
                let Ok(notice) = serde_json::to_value(stamped.as_ref()) else {
                    continue;
                };
                if reply.send(Tell::Notice { notice }).is_err() {
                    return;
                }
            }
        });
    }

    /// Those who asked for a stop are told once it is done, and the proxy knows.
    pub(super) fn answer_stops(&mut self) {
        if self.stopping.is_empty() || self.proxy_busy {
            return;
        }
        let status = self.status();
        self.stopping.retain(|(names, reply)| {
            let waits = status.services.iter().any(|service| {
                names.contains(&service.name)
                    && !matches!(
                        service.state.as_str(),
                        "stopped" | "off" | "done" | "failed"
                    )
            });
            if !waits {
                let _ = reply.send(Tell::Status {
                    status: status.clone(),
                });
            }
            waits
        });
    }

    /// Answers once every save up to now has been noticed: a file of our own is saved, and the
    /// kernel tells of saves in their order.
    fn after_saves(&mut self, reply: mpsc::UnboundedSender<Tell>) {
        self.waiting_for_saves.push(reply);
        if let Err(error) = std::fs::write(&self.mark, self.began.elapsed().as_nanos().to_string())
        {
            tracing::debug!(%error, "the mark");
            self.caught_up();
        }
    }

    pub(super) fn caught_up(&mut self) {
        let waiting = std::mem::take(&mut self.waiting_for_saves);
        self.waiting_for_proxy.extend(waiting);
        if !self.proxy_busy {
            self.publish_held();
        }
    }
}
