//! The client of the engine's API over our own connections, one for each call.

use std::io;

use bollard::errors::Error;
use bollard::{BollardRequest, Docker};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::Uri;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::Dialer;

/// A client whose every call gets a connection of the dialer's.
pub(super) fn over(dialer: Dialer, limit_secs: u64) -> Result<Docker, Error> {
    Docker::connect_with_custom_transport(
        move |request: BollardRequest| call(dialer.clone(), request),
        Some("http://engine"),
        limit_secs,
        bollard::API_DEFAULT_VERSION,
    )
}

async fn call(dialer: Dialer, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(dialer.open().await?)).await?;
    let (ended, why) = oneshot::channel();
    // Ends by itself once the answer was read or given up.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            // Whoever has an answer reads of it there.
            let _ = ended.send(error);
        }
    });
    let path = request.uri().path_and_query();
    *request.uri_mut() = match path {
        Some(path) => Uri::from(path.clone()),
        None => return Err(io::Error::from(io::ErrorKind::InvalidInput).into()),
    };
    request
        .headers_mut()
        .insert(HOST, HeaderValue::from_static("engine"));
    match sender.send_request(request).await {
        Ok(response) => Ok(response),
        // A connection that was refused before the request went out tells nobody else why: an
        // engine that does not take our certificate, say.
        Err(error) if error.is_canceled() => {
            drop(sender);
            Err(why.await.unwrap_or(error).into())
        }
        Err(error) => Err(error.into()),
    }
}
