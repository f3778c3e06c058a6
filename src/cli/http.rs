//! A plain question over HTTP, for the checks of `ci`.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::tls;

/// So much of an answer is read.
const LARGEST: usize = 1 << 20;

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Asks an `http://` URL, or the entry point where that is `https://`.
pub(super) async fn get(url: &str) -> Result<Answer, Error> {
    let uri: Uri = url.parse()?;
    let secure = uri.scheme_str() == Some("https");
    let host = uri.host().ok_or("the URL names no host")?;
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    if secure {
        asked(tls::connect(host, stream).await?, &uri).await
    } else {
        asked(stream, &uri).await
    }
}

async fn asked<S>(stream: S, uri: &Uri) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let authority = uri.authority().ok_or("the URL names no host")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header("host", authority.as_str())
        .header("accept", "*/*")
        .body(Empty::<bytes::Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LARGEST)
        .collect()
        .await?
        .to_bytes();
    driving.abort();
    Ok(Answer {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
