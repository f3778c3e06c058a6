//! A build, from the request to the image's id.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use prost::Message;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::context::{Context, ContextError};
use super::dockerfile::Dockerfile;
use super::endpoint::{Endpoint, EngineError, refusal};
use super::filesync::{DOCKERFILE, Files};
use super::progress::{Progress, Step, is_cancelled};
use super::secrets::{SecretSource, Secrets};
use super::session::{Offers, Session};
use super::ssh::Agents;
use super::stages::Begun;

#[cfg(test)]
mod tests;

/// What to build.
#[derive(Debug, Clone)]
pub(crate) struct BuildRequest {
    /// The folder that COPY reads from.
    pub(crate) context: PathBuf,
    /// The Dockerfile; may lie outside the context.
    pub(crate) dockerfile: PathBuf,
    /// Which system and processor it is for, unless the engine's own.
    pub(crate) platform: Option<String>,
    /// The stage to stop at.
    pub(crate) target: Option<String>,
    /// Build arguments.
    pub(crate) args: BTreeMap<String, String>,
    /// The image's name.
    pub(crate) tag: String,
    /// The image's labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// What `RUN --mount=type=secret,id=NAME` may read.
    pub(crate) secrets: BTreeMap<String, SecretSource>,
    /// Agents that `RUN --mount=type=ssh,id=NAME` may ask, by their sockets.
    pub(crate) ssh: BTreeMap<String, Option<PathBuf>>,
    /// Images that are stages before the first one, by the stages' names.
    pub(crate) stages: BTreeMap<String, String>,
    /// Which network `RUN` has, unless the engine's own.
    pub(crate) network: Option<String>,
    /// Images whose layers may be taken.
    pub(crate) cache_from: Vec<String>,
    /// Take no step from an earlier build.
    pub(crate) no_cache: bool,
    /// Ask for a newer base image.
    pub(crate) pull: bool,
}

/// What came of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Built {
    /// The image's id, `sha256:…`.
    pub(crate) image_id: String,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// What the Dockerfile says cannot be done.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// The files cannot be read.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The engine does not do its part.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An ssh agent that it asks for does not answer.
    #[error("{0}")]
    Agent(String),
    /// Somebody else ended it.
    #[error("the build was cancelled")]
    Cancelled,
}

/// What the Dockerfile says, and why it cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The Dockerfile.
    pub(crate) dockerfile: PathBuf,
    /// The line in it.
    pub(crate) line: Option<usize>,
    /// The instruction, `RUN pip install -r requirements.txt`.
    pub(crate) step: Option<String>,
    /// The last lines that it wrote.
    pub(crate) output: Vec<String>,
    /// What the engine says about it.
    pub(crate) message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.dockerfile.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(step) = &self.step {
            write!(f, "  {step}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Builds an image, and tells each step. Dropping the future ends the build.
pub(crate) async fn build(
    endpoint: &Endpoint,
    mut request: BuildRequest,
    mut steps: impl FnMut(Step) + Send,
) -> Result<Built, BuildError> {
    let text = tokio::fs::read(&request.dockerfile)
        .await
        .map_err(ContextError::read(&request.dockerfile))?;
    let context = Context::open(&request.context, &request.dockerfile)?;
    let begun = Begun::with(&String::from_utf8_lossy(&text), &request.stages);
    let other = match request.stages.is_empty() {
        true => None,
        false => Some(written(&begun.text).map_err(ContextError::read(&request.dockerfile))?),
    };
    request.target = request.target.map(|target| begun.target(&target));
    let sent = other
        .as_ref()
        .map_or(&*request.dockerfile, |file| file.path());
    let files = Files::new(context, sent.to_owned());
    let secrets = Secrets::with_host_authorities(request.secrets.clone());
    // Holds all connections of this build, and closes them when it goes.
    let mut tasks = JoinSet::new();
    let key = context_key(&request);
    let agents = Agents(request.ssh.clone());
    agents.answer().await.map_err(BuildError::Agent)?;
    let offers = Offers {
        files: files.clone(),
        secrets,
        agents,
    };
    let session = Session::open(endpoint, &key, offers, &mut tasks).await?;
    let mut sender = endpoint.connect(&mut tasks).await?;
    let post = Request::post(build_path(&request, &session.id))
        .header("Host", "engine")
        .body(Full::new(Bytes::new()))
        .map_err(EngineError::from)?;
    let response = sender.send_request(post).await.map_err(EngineError::from)?;
    if response.status() != StatusCode::OK {
        return Err(refusal(response).await.into());
    }
    let dockerfile = Dockerfile::parse(&begun.text).moved(|line| begun.written(line));
    let mut progress = Progress::new(dockerfile);
    match follow(response, &mut progress, &mut steps).await? {
        Outcome::Image(image_id) => Ok(Built { image_id }),
        Outcome::Error(message) => Err(match files.take_failure() {
            Some(error) => error.into(),
            None => explain(request, &progress, &message, &begun),
        }),
    }
}

enum Outcome {
    Image(String),
    Error(String),
}

/// One line of the engine's answer.
#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    aux: Option<Value>,
    error: Option<String>,
}

async fn follow(
    response: Response<Incoming>,
    progress: &mut Progress,
    steps: &mut (impl FnMut(Step) + Send),
) -> Result<Outcome, EngineError> {
    let mut body = response.into_body();
    let mut buffer = Vec::new();
    let mut image = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        buffer.extend_from_slice(&data);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(&line).map_err(unreadable)?;
            if let Some(error) = line.error {
                return Ok(Outcome::Error(error));
            }
            match (line.id.as_deref(), line.aux) {
                (Some("moby.buildkit.trace"), Some(Value::String(aux))) => {
                    let bytes = STANDARD.decode(aux).map_err(unreadable)?;
                    let report = StatusResponse::decode(&*bytes).map_err(unreadable)?;
                    progress.absorb(report).into_iter().for_each(&mut *steps);
                }
                (Some("moby.image.id"), Some(aux)) => {
                    image = aux["ID"].as_str().map(str::to_owned);
                }
                _ => {}
            }
        }
    }
    image.map(Outcome::Image).ok_or(EngineError::Cut)
}

fn unreadable(error: impl std::fmt::Display) -> EngineError {
    EngineError::Answer(error.to_string())
}

/// A Dockerfile that stands nowhere, as a file for as long as it is built.
pub(crate) fn written(text: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("devrun-").tempfile()?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(file)
}

fn explain(request: BuildRequest, progress: &Progress, message: &str, begun: &Begun) -> BuildError {
    let dockerfile = request.dockerfile;
    if let Some(step) = progress.failed_step() {
        return BuildError::Failed(Box::new(Failure {
            dockerfile,
            line: step.line,
            step: Some(instruction(&step.name)),
            output: step.output,
            message: without_command(&step.message).to_owned(),
        }));
    }
    if is_cancelled(message) {
        return BuildError::Cancelled;
    }
    // The layers of the engine each put a few words in front.
    let wrapped = "failed to create LLB definition: ";
    let message = message.rsplit(wrapped).next().unwrap_or(message);
    let (line, message) = match line_in(message) {
        Some((line, message)) => (begun.written(line), message),
        None => (None, message),
    };
    BuildError::Failed(Box::new(Failure {
        dockerfile,
        line,
        step: None,
        output: Vec::new(),
        message: message.to_owned(),
    }))
}

/// A step as it stands in the Dockerfile, without the mounts: `RUN make`.
fn instruction(step: &str) -> String {
    let name = step.split_once("] ").map_or(step, |(_, name)| name);
    match name.strip_prefix("RUN ") {
        Some(mut command) => {
            while let Some((_, rest)) = command
                .trim_start()
                .split_once(' ')
                .filter(|(word, _)| word.starts_with("--"))
            {
                command = rest;
            }
            format!("RUN {}", command.trim_start())
        }
        None => name.to_owned(),
    }
}

/// The engine repeats the whole command before it says how it ended.
fn without_command(message: &str) -> &str {
    match message.rfind("exit code: ") {
        Some(at) => &message[at..],
        None => message,
    }
}

/// The line that an error about the Dockerfile itself names, and the rest of it:
/// `dockerfile parse error line 3: unknown instruction`, or `… on line 3: …`.
fn line_in(message: &str) -> Option<(usize, &str)> {
    let (_, after) = message.split_once("parse error")?.1.split_once("line ")?;
    let (digits, rest) = after.split_once(": ")?;
    Some((digits.parse().ok()?, rest))
}

/// The same for each build of a context, so that the engine compares with what it got last.
fn context_key(request: &BuildRequest) -> String {
    let mut key = "devrun-".to_owned();
    let digest = Sha256::digest(request.context.as_os_str().as_encoded_bytes());
    for byte in &digest[..16] {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// Without a version in front, the newest that the engine speaks.
fn build_path(request: &BuildRequest, session: &str) -> String {
    let json = |map: &BTreeMap<String, String>| {
        let map = map
            .iter()
            .map(|(k, v)| (k.clone(), Value::String(v.clone())));
        Value::Object(map.collect()).to_string()
    };
    let images = request.cache_from.iter().cloned().map(Value::String);
    let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
    let fields = [
        ("version", "2".to_owned()),
        ("session", session.to_owned()),
        ("remote", "client-session".to_owned()),
        ("dockerfile", DOCKERFILE.to_owned()),
        ("t", request.tag.clone()),
        ("platform", request.platform.clone().unwrap_or_default()),
        ("target", request.target.clone().unwrap_or_default()),
        ("buildargs", json(&request.args)),
        ("labels", json(&request.labels)),
        ("networkmode", request.network.clone().unwrap_or_default()),
        ("cachefrom", Value::Array(images.collect()).to_string()),
        ("nocache", flag(request.no_cache)),
        ("pull", flag(request.pull)),
        ("rm", flag(true)),
    ];
    let mut path = "/build".to_owned();
    for (index, (name, value)) in fields.iter().enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}
