//! Comparisons that somebody asks for: in a session, and where none runs.

use std::path::Path;

use devrun_core::event::{Failure, Outcome, Request};
use devrun_core::plan::{Follow, Rules};
use devrun_core::session::ServiceView;
use devrun_stack::Stack;
use devrun_wire::session::{Compared, Difference, NotSynced, Tell};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::agents::Agent;
use super::ahead::Ahead;
use super::containers::failure;
use super::driver::{Driver, Input};
use super::inside::Hands;
use super::perform::COMMAND_PATIENCE;
use super::single::shown;
use super::trees;
use crate::engine::Engine;
use crate::sync::connection::SyncError;
use crate::sync::verify::Verified;

impl Driver {
    /// Brings over what differs; the answers are notices.
    pub(super) fn on_sync(&mut self, services: Vec<String>, reply: mpsc::UnboundedSender<Tell>) {
        self.follow(false, reply);
        self.feed(devrun_core::event::Event::Request(Request::Sync {
            services,
        }));
    }

    /// Says what differs, once what is under way in these containers is over.
    pub(super) fn on_verify(&mut self, services: Vec<String>, reply: mpsc::UnboundedSender<Tell>) {
        let Some(stack) = self.stack.clone() else {
            let message = "the session has read no Stackfile yet".to_owned();
            let _ = reply.send(Tell::Refused { message });
            return;
        };
        let view = self.core.view();
        let agent = |name: &String| {
            let found = view.services.iter().find(|service| service.name == *name);
            self.agent_of(found).map_err(str::to_owned)
        };
        let asked: Vec<(String, Result<Agent, String>)> = services
            .iter()
            .map(|name| (name.clone(), agent(name)))
            .collect();
        for name in &services {
            *self.verifying.entry(name.clone()).or_default() += 1;
        }
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let compared = join_all(asked.into_iter().map(|(service, agent)| {
                let stack = &stack;
                async move {
                    match agent {
                        Ok(agent) => compared(stack, service, trees::verify(&agent).await),
                        Err(reason) => not_compared(service, reason),
                    }
                }
            }));
            let told = Tell::Verified {
                services: compared.await,
            };
            // Whoever asked may have left.
            let _ = reply.send(told);
            let _ = inputs.send(Input::Verified { services }).await;
        });
    }

    /// Who works in its container, if that runs.
    pub(super) fn agent_of(&self, service: Option<&ServiceView>) -> Result<Agent, &'static str> {
        let running = "does not run; its next start compares";
        let service = service.ok_or(running)?;
        let container = service.container.as_ref().ok_or(running)?;
        self.agents.get(container).cloned().ok_or(running)
    }

    pub(super) fn verified(&mut self, services: &[String]) {
        for name in services {
            let left = self.verifying.remove(name).map_or(0, |count| count - 1);
            if left > 0 {
                self.verifying.insert(name.clone(), left);
            }
        }
    }
}

/// Compares a running container with the host where no session does, and changes nothing.
pub(crate) async fn verify_alone(
    engine: &Engine,
    stack: &Stack,
    rules: &Rules,
    service: &str,
    container: &str,
) -> Compared {
    match trees::attach_unseen(engine, rules, service, container).await {
        Ok(agent) => compared(stack, service.to_owned(), trees::verify(&agent).await),
        Err(error) => not_compared(service.to_owned(), error.to_string()),
    }
}

/// Brings over what differs into a running container where no session does; the changed paths,
/// absolute, by which what follows is known.
pub(crate) async fn sync_alone(
    engine: &Engine,
    stack: &Stack,
    rules: &std::sync::Arc<Rules>,
    service: &str,
    container: &str,
) -> Result<(Compared, Vec<std::path::PathBuf>), Failure> {
    let attached = trees::attach(
        engine.clone(),
        rules.clone(),
        (service.to_owned(), container.to_owned()),
        // Nobody watches here.
        (None, Ahead::default().gate()),
    );
    let (outcome, _agent) = attached.await;
    match outcome {
        Outcome::Attached {
            compared,
            changed,
            problems,
            ..
        } => {
            let told = Compared {
                service: service.to_owned(),
                compared: compared.unwrap_or(changed.len()),
                brought: changed.len(),
                changed: changed.iter().map(|path| named(stack, path)).collect(),
                problems: problems
                    .iter()
                    .map(|problem| not_synced(stack, &problem.path, &problem.message))
                    .collect(),
                ..Compared::default()
            };
            Ok((told, changed))
        }
        Outcome::Failed(failure) => Err(failure),
        other => Err(Failure {
            message: format!("an answer to another question: {other:?}"),
            ..Failure::default()
        }),
    }
}

fn compared(stack: &Stack, service: String, verified: Result<Verified, SyncError>) -> Compared {
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return not_compared(service, error.to_string()),
    };
    let difference =
        |(path, kind): &(std::path::PathBuf, crate::sync::verify::Differs)| Difference {
            path: named(stack, path),
            kind: kind.word().to_owned(),
        };
    Compared {
        service,
        compared: verified.compared,
        differences: verified.differences.iter().map(difference).collect(),
        problems: verified
            .problems
            .iter()
            .map(|problem| not_synced(stack, &problem.path, &problem.message))
            .collect(),
        ..Compared::default()
    }
}

fn not_compared(service: String, reason: String) -> Compared {
    Compared {
        service,
        reason: Some(reason),
        ..Compared::default()
    }
}

fn not_synced(stack: &Stack, path: &Path, reason: &str) -> NotSynced {
    NotSynced {
        path: named(stack, path),
        reason: reason.to_owned(),
    }
}

fn named(stack: &Stack, path: &Path) -> String {
    shown(stack, path).to_string()
}

/// Does what follows where no session does; in words, what was done. A new image or container is
/// a session's business.
pub(crate) async fn follow_alone(
    engine: &Engine,
    container: &str,
    follow: &Follow,
) -> Result<&'static str, Failure> {
    match follow {
        Follow::Exec(command) => {
            let hands = Hands {
                engine: engine.clone(),
                container: container.to_owned(),
                agent: None,
            };
            let ran = hands.command(&command.argv(), COMMAND_PATIENCE).await;
            let ran = ran.map_err(|error| Failure {
                message: error.message,
                ..Failure::default()
            })?;
            match ran.code {
                0 => Ok("ran its command"),
                code => Err(Failure {
                    message: format!("its command ended with {code}"),
                    details: ran.output.lines().map(str::to_owned).collect(),
                    ..Failure::default()
                }),
            }
        }
        Follow::Signal(signal) => {
            engine.kill(container, signal).await.map_err(failure)?;
            Ok("signalled")
        }
        Follow::Restart => {
            let restarted = super::restart(engine, None, container, super::GRACE).await;
            restarted.map_err(failure)?;
            Ok("restarted")
        }
        Follow::Recreate | Follow::Rebuild => Ok("`devrun up` makes it anew"),
        Follow::Run(_) => Ok("`devrun restart` and the task's name runs it"),
    }
}
