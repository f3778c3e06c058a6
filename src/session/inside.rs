//! Commands and questions inside a container: through its agent, else through the engine's exec.

use std::time::Duration;

use devrun_wire::frames::{Behind, Request, Response};
use futures_util::StreamExt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::agents::Agent;
use crate::engine::{Engine, LogOptions};
use crate::image::own_authorities;
use crate::probe::Answer;
use crate::proxy::{Inside, InsideError, Ran};
use crate::sync::connection::{AgentConnection, SyncError};

/// The only way in that the rooms of probes and proxy are given.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    pub(super) engine: Engine,
    pub(super) container: String,
    pub(super) agent: Option<Agent>,
}

/// Where the host's authorities lie while a command runs.
const AUTHORITIES: &str = "/tmp/.devrun-host-ca.crt";
/// By what the usual installers find them: OpenSSL's programs, node, pip, curl, requests.
const AUTHORITY_VARIABLES: [&str; 5] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
];

/// The engine's exec needs some time of its own.
const SLACK: Duration = Duration::from_secs(5);

impl Hands {
    /// Runs a command to its end, or for so long.
    pub(super) async fn command(
        &self,
        argv: &[String],
        timeout: Duration,
    ) -> Result<Ran, InsideError> {
        match &self.agent {
            Some(agent) => {
                let request = run(argv.to_vec(), timeout);
                self.ask(&agent.connection, request).await
            }
            None => {
                let ran = self
                    .engine
                    .exec_run(&self.container, argv, timeout + SLACK)
                    .await;
                let ran = ran.map_err(|error| InsideError {
                    container_gone: error.is_absent(),
                    refused: error.is_refusal(),
                    message: error.to_string(),
                })?;
                Ok(Ran {
                    code: i32::try_from(ran.code).unwrap_or(1),
                    output: ran.output,
                })
            }
        }
    }

    /// Runs a command as [`Hands::command`] does, with the host's certificate authorities where it
    /// has some of its own: what `on` rules run installs packages, as builds do. They lie in the
    /// container for only that long.
    pub(super) async fn with_authorities(
        &self,
        argv: &[String],
        timeout: Duration,
    ) -> Result<Ran, InsideError> {
        let bundle = match own_authorities() {
            Some(file) if self.agent.is_some() => tokio::fs::read_to_string(file).await.ok(),
            _ => None,
        };
        let Some(bundle) = bundle else {
            return self.command(argv, timeout).await;
        };
        if self.write(AUTHORITIES, &bundle, 0o644).await.is_err() {
            return self.command(argv, timeout).await;
        }
        let mut with: Vec<String> = vec!["env".to_owned()];
        with.extend(AUTHORITY_VARIABLES.map(|name| format!("{name}={AUTHORITIES}")));
        with.extend(argv.iter().cloned());
        let ran = self.command(&with, timeout).await;
        // A container that is gone has nothing to be cleaned.
        let _ = self.remove(AUTHORITIES).await;
        ran
    }

    /// Takes a TCP port a connection? Without an agent there is nobody inside to try.
    pub(super) async fn tcp(&self, port: u16, timeout: Duration) -> Result<Ran, InsideError> {
        match &self.agent {
            Some(agent) => {
                self.ask(
                    &agent.connection,
                    Request::Tcp {
                        port,
                        timeout_ms: millis(timeout),
                    },
                )
                .await
            }
            None => {
                let line = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
                self.command(&["bash".into(), "-c".into(), line], timeout)
                    .await
            }
        }
    }

    /// Whether a line of its log since its last start has this text in it.
    pub(super) async fn logged(&self, text: &str, timeout: Duration) -> Answer {
        let options = match self.engine.inspect(&self.container).await {
            // The first lines may be older than what the engine calls the start; what came after
            // the last end belongs to this one.
            Ok(Some(found)) => LogOptions {
                since: OffsetDateTime::parse(&found.finished_at, &Rfc3339).ok(),
                ..LogOptions::default()
            },
            Ok(None) => return Answer::Lost("its container is gone".to_owned()),
            Err(error) => return Answer::Lost(error.to_string()),
        };
        let mut log = self.engine.logs(&self.container, options);
        let search = async {
            while let Some(line) = log.next().await {
                match line {
                    Ok(line) if in_line(text, &line.text) => return Answer::Good,
                    Ok(_) => {}
                    Err(error) => return Answer::Bad(error.to_string()),
                }
            }
            Answer::Bad(format!("no line of its log says \"{text}\""))
        };
        let found = tokio::time::timeout(timeout, search).await;
        found.unwrap_or_else(|_| Answer::Bad("its log could not be read in time".to_owned()))
    }

    /// From now on requests that the proxy cannot pass on are held as is said here.
    pub(super) async fn hold(
        &self,
        socket: String,
        services: Vec<Behind>,
    ) -> Result<(), InsideError> {
        match &self.agent {
            Some(agent) => {
                let request = Request::Hold { socket, services };
                self.ask(agent.writer(), request).await.map(|_| ())
            }
            None => Err(inside("without an agent nobody can hold them".to_owned())),
        }
    }

    /// Waits until no request of this container is with those, at most for so long.
    pub(super) async fn drain(
        &self,
        addresses: Vec<u32>,
        ports: Vec<u16>,
        limit: Duration,
    ) -> Result<(), InsideError> {
        let Some(agent) = &self.agent else {
            return Err(inside("without an agent nobody can look".to_owned()));
        };
        let timeout_ms = millis(limit);
        let request = Request::Drain {
            addresses,
            ports,
            timeout_ms,
        };
        self.ask(&agent.connection, request).await.map(|_| ())
    }

    async fn ask(&self, agent: &AgentConnection, request: Request) -> Result<Ran, InsideError> {
        match agent.request(request).await {
            Ok(Response::Exited { code, output, .. }) => {
                let output = String::from_utf8_lossy(&output).trim_end().to_owned();
                Ok(Ran { code, output })
            }
            Ok(Response::Done) => Ok(Ran {
                code: 0,
                output: String::new(),
            }),
            Ok(Response::Refused { message, .. }) => Err(inside(message)),
            Ok(other) => Err(inside(format!("the agent answered {other:?}"))),
            Err(error) => Err(gone(&error)),
        }
    }
}

impl Inside for Hands {
    async fn write(&self, path: &str, content: &str, mode: u32) -> Result<(), InsideError> {
        let Some(agent) = &self.agent else {
            return Err(inside(
                "without an agent nothing can be written into it".to_owned(),
            ));
        };
        let request = Request::Write {
            root: "/".to_owned(),
            path: path.trim_start_matches('/').as_bytes().to_vec(),
            mode,
            data: content.as_bytes().to_vec(),
            last: true,
        };
        self.ask(agent.writer(), request).await.map(|_| ())
    }

    async fn remove(&self, path: &str) -> Result<(), InsideError> {
        let Some(agent) = &self.agent else {
            return Err(inside(
                "without an agent nothing can be removed in it".to_owned(),
            ));
        };
        let path = path.trim_start_matches('/').as_bytes().to_vec();
        self.ask(
            agent.writer(),
            Request::Remove {
                root: "/".to_owned(),
                path,
            },
        )
        .await
        .map(|_| ())
    }

    async fn run(&self, argv: &[&str], timeout: Duration) -> Result<Ran, InsideError> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        self.command(&argv, timeout).await
    }

    async fn arrange(&self, argv: &[&str], timeout: Duration) -> Result<Ran, InsideError> {
        let Some(agent) = &self.agent else {
            return self.run(argv, timeout).await;
        };
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        self.ask(agent.writer(), run(argv, timeout)).await
    }

    async fn http(&self, url: &str, timeout: Duration) -> Result<Ran, InsideError> {
        match &self.agent {
            Some(agent) => {
                let url = url.to_owned();
                self.ask(
                    &agent.connection,
                    Request::Http {
                        url,
                        timeout_ms: millis(timeout),
                    },
                )
                .await
            }
            None => {
                let (host, url) = of_host(url);
                let header = host.map(|host| format!("--header=Host: {host}"));
                let argv = ["wget".to_owned(), "-qO-".to_owned()].into_iter();
                let argv: Vec<String> = argv.chain(header).chain([url]).collect();
                self.command(&argv, timeout).await
            }
        }
    }
}

fn run(argv: Vec<String>, timeout: Duration) -> Request {
    let timeout_ms = millis(timeout);
    Request::Run { argv, timeout_ms }
}

/// `http://HOST@PLACE/…` asks at that place for the host, as the agent does.
fn of_host(url: &str) -> (Option<&str>, String) {
    let place = url.strip_prefix("http://");
    let asked = place.and_then(|place| place.split_once('@'));
    match asked.filter(|(host, _)| !host.contains('/')) {
        Some((host, rest)) => (Some(host), format!("http://{rest}")),
        None => (None, url.to_owned()),
    }
}

/// The parts between the stars, one after the other.
fn in_line(text: &str, line: &str) -> bool {
    let mut rest = line;
    text.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn millis(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
}

fn inside(message: String) -> InsideError {
    InsideError {
        message,
        container_gone: false,
        refused: false,
    }
}

fn gone(error: &SyncError) -> InsideError {
    inside(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::in_line;

    #[test]
    fn a_star_stands_for_anything_within_the_line() {
        let line = "Listening on 0.0.0.0:8000 (ready)";
        for (text, found) in [
            ("Listening on", true),
            ("on *:8000", true),
            ("(ready)", true),
            ("8000*Listening", false),
            ("listening", false),
        ] {
            assert_eq!(in_line(text, line), found, "{text}");
        }
    }
}
