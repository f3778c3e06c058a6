//! Agents that hold a person's keys: what a `RUN --mount=type=ssh` says is passed on to them, and
//! no key reaches the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{
    BytesMessage, CheckAgentRequest, CheckAgentResponse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Where the person's own agent is.
const VARIABLE: &str = "SSH_AUTH_SOCK";
/// Under which a connection says whom it is for.
const ID: &str = "buildkit.ssh.id";
const DEFAULT: &str = "default";
const CHUNK: usize = 32 << 10;

/// The agents of one build, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Agents(pub(super) BTreeMap<String, Option<PathBuf>>);

impl Agents {
    /// All of them answer. A mount that is not `required` would be left out without a word.
    pub(super) async fn answer(&self) -> Result<(), String> {
        for id in self.0.keys() {
            if let Err(status) = self.connect(id).await {
                return Err(status.message().to_owned());
            }
        }
        Ok(())
    }

    fn socket(&self, id: &str) -> Result<PathBuf, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let named = self.0.get(id).ok_or_else(|| {
            Status::not_found(format!(
                "this build has no ssh agent {id}: write `ssh {id}` in the block of `build`"
            ))
        })?;
        let own = || std::env::var_os(VARIABLE).filter(|it| !it.is_empty());
        named.clone().or_else(|| own().map(PathBuf::from)).ok_or_else(|| {
            Status::failed_precondition(format!(
                "no ssh agent runs: {VARIABLE} is not set. eval $(ssh-agent); ssh-add; then start \
                 devrun again"
            ))
        })
    }

    async fn connect(&self, id: &str) -> Result<UnixStream, Status> {
        let socket = self.socket(id)?;
        UnixStream::connect(&socket).await.map_err(|error| {
            Status::unavailable(format!(
                "the ssh agent at {} does not answer: {error}",
                socket.display()
            ))
        })
    }
}

#[tonic::async_trait]
impl Ssh for Agents {
    type ForwardAgentStream = ReceiverStream<Result<BytesMessage, Status>>;

    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.connect(&request.into_inner().id).await?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get(ID);
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or(DEFAULT);
        let (mut from_agent, mut to_agent) = self.connect(id).await?.into_split();
        let mut asked = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(message)) = asked.message().await {
                if to_agent.write_all(&message.data).await.is_err() {
                    return;
                }
            }
        });
        let (out, answers) = mpsc::channel(8);
        tokio::spawn(async move {
            loop {
                let mut data = vec![0; CHUNK];
                let Ok(length @ 1..) = from_agent.read(&mut data).await else {
                    return;
                };
                data.truncate(length);
                if out.send(Ok(BytesMessage { data })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}
