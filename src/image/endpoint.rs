//! A connection to the engine, for the calls whose connection is turned around.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// Both directions of a connection.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A connection that is being opened.
pub(crate) type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Connection>>> + Send>>;

/// How the engine is reached.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// Where it listens, for people.
    name: String,
    open: Arc<dyn Fn() -> Opening + Send + Sync>,
}

/// Why the engine gave no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nothing listens there.
    #[error("no engine answers at {endpoint}: {source}")]
    Connect {
        /// Where it was looked for.
        endpoint: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the engine broke: {0}")]
    Broken(#[from] hyper::Error),
    /// It was not taken as HTTP.
    #[error("cannot ask the engine: {0}")]
    Request(#[from] hyper::http::Error),
    /// It refused.
    #[error("the engine refused: {message} (status {status})")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// It answered something else than is known.
    #[error("the engine's answer cannot be read: {0}")]
    Answer(String),
    /// The answer ended before the end.
    #[error("the engine ended the build without a result; was it stopped?")]
    Cut,
}

impl Endpoint {
    /// An engine of that name, and how a connection to it is opened.
    pub(crate) fn new(
        name: String,
        open: impl Fn() -> Opening + Send + Sync + 'static,
    ) -> Endpoint {
        let open = Arc::new(open);
        Endpoint { name, open }
    }

    /// Connects; `tasks` drives the connection, and closes it when dropped.
    pub(super) async fn connect(
        &self,
        tasks: &mut JoinSet<()>,
    ) -> Result<SendRequest<Full<Bytes>>, EngineError> {
        let stream = (self.open)().await.map_err(|source| EngineError::Connect {
            endpoint: self.name.clone(),
            source,
        })?;
        speak_http(stream, tasks).await
    }
}

async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    tasks: &mut JoinSet<()>,
) -> Result<SendRequest<Full<Bytes>>, EngineError> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tasks.spawn(async move {
        // Whoever waits for an answer on it hears of the end as well.
        let _ = connection.with_upgrades().await;
    });
    Ok(sender)
}

/// The engine's own words in an answer that is a refusal.
pub(super) async fn refusal(response: Response<Incoming>) -> EngineError {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let status = response.status();
    match response.into_body().collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let message = match serde_json::from_slice::<Message>(&body) {
                Ok(message) => message.message,
                Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
            };
            EngineError::Refused { status, message }
        }
        Err(error) => EngineError::Broken(error),
    }
}
