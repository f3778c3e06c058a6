//! Calls that turn into a plain byte stream. Made here and not by the client, which takes apart
//! what a terminal prints and delays small pieces on TCP.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;

use super::classify::{chain, from_answer};
use super::{Dialer, EngineError, PROMPT};

/// Both directions of a call that has become a byte stream.
pub(super) type Duplex = TokioIo<Upgraded>;

#[derive(Deserialize)]
struct Answer {
    message: String,
}

/// Posts `body` to `path` and hands over the connection once the engine has agreed.
pub(super) async fn post(
    dialer: &Dialer,
    path: &str,
    body: String,
    doing: &str,
) -> Result<Duplex, EngineError> {
    let timed_out = |_| EngineError::TimedOut {
        doing: doing.to_owned(),
        limit: PROMPT,
    };
    tokio::time::timeout(PROMPT, upgrade(dialer, path, body, doing))
        .await
        .map_err(timed_out)?
}

async fn upgrade(
    dialer: &Dialer,
    path: &str,
    body: String,
    doing: &str,
) -> Result<Duplex, EngineError> {
    let lost = |error: &dyn std::error::Error| EngineError::Lost {
        doing: doing.to_owned(),
        detail: chain(error),
    };
    let stream = dialer.open().await.map_err(|error| lost(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| lost(&error))?;
    // Ends by itself with the stream; its errors reach us through the stream.
    tokio::spawn(connection.with_upgrades());
    let request = Request::post(path)
        .header(HOST, "engine")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "tcp")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| lost(&error))?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| lost(&error))?;
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|error| lost(&error))?;
        return Ok(TokioIo::new(upgraded));
    }
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| lost(&error))?
        .to_bytes();
    let message = serde_json::from_slice::<Answer>(&body).map_or_else(
        |_| String::from_utf8_lossy(&body).into_owned(),
        |answer| answer.message,
    );
    Err(from_answer(doing.to_owned(), status.as_u16(), &message))
}
