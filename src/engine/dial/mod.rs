//! Connections to the engine, however it is reached; all that speak to it open theirs here.

mod mend;
mod ssh;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::Endpoint;

pub(super) use mend::mend;

/// How long a machine may take to answer at all.
const LIMIT: Duration = Duration::from_secs(15);

/// Both directions of a connection.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Opens connections to one engine; clones share what it takes to reach it.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    endpoint: Endpoint,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Plain,
    Tls(tls::Connector),
    Ssh(Arc<ssh::Tunnel>),
}

impl Dialer {
    /// Reads what the way needs; what is wrong with it is the error. Nothing is opened yet.
    pub(super) fn new(endpoint: Endpoint) -> Result<Dialer, String> {
        let way = match &endpoint {
            Endpoint::Unix(_) | Endpoint::Tcp(_) => Way::Plain,
            Endpoint::Tls(tls) => Way::Tls(tls::Connector::new(tls)?),
            Endpoint::Ssh(ssh) => Way::Ssh(Arc::new(ssh::Tunnel::new(ssh.clone()))),
        };
        Ok(Dialer { endpoint, way })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A connection of the caller's own; within a bounded time there is one or an error.
    pub(crate) async fn open(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match (&self.way, &self.endpoint) {
            (Way::Ssh(tunnel), _) => Box::new(tunnel.open().await?),
            (Way::Tls(connector), Endpoint::Tls(tls)) => {
                let stream = tcp(&tls.address).await?;
                Box::new(in_time(&tls.address, connector.secure(stream)).await?)
            }
            (_, Endpoint::Unix(path)) => Box::new(UnixStream::connect(path).await?),
            (_, endpoint) => Box::new(tcp(endpoint.address()).await?),
        })
    }

    /// What the way itself said about a connection that was opened and came to nothing.
    pub(super) fn last_words(&self) -> Option<String> {
        match &self.way {
            Way::Ssh(tunnel) => tunnel.last_words(),
            Way::Plain | Way::Tls(_) => None,
        }
    }
}

async fn tcp(address: &str) -> io::Result<TcpStream> {
    let stream = in_time(address, TcpStream::connect(address)).await?;
    // Small frames go both ways all the time, and none may wait for the next.
    stream.set_nodelay(true)?;
    keep_alive(&stream)?;
    Ok(stream)
}

/// A machine that is gone without a word is noticed in half a minute, and not in the two hours
/// after which the kernel would ask.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(5))?;
    sockopt::set_tcp_keepcnt(stream, 4)?;
    Ok(())
}

async fn in_time<T>(address: &str, opening: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(LIMIT, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{address} gave no answer within {} s", LIMIT.as_secs()),
        )),
    }
}
