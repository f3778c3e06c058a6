//! Connections to what runs in the same container.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Instant;

use crate::clock;

/// Exit code of a question that was answered, and not with yes.
pub(crate) const NO: i32 = 1;
/// Exit code of what ran out of time.
pub(crate) const TIMED_OUT: i32 = 124;

/// How a question or a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) output: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(code: i32, output: impl Into<Vec<u8>>) -> Self {
        Answer {
            code,
            output: output.into(),
        }
    }

    /// What an error of a connection means.
    pub(crate) fn failed(what: &str, error: &io::Error) -> Self {
        let timed_out = matches!(
            error.kind(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
        );
        if timed_out {
            Answer::new(TIMED_OUT, format!("{what}: no answer in time"))
        } else {
            Answer::new(NO, format!("{what}: {error}"))
        }
    }
}

/// Does this port take a connection?
pub(crate) fn tcp(port: u16, deadline: Instant) -> Answer {
    match connect(&loopback(), port, deadline) {
        Ok(_) => Answer::new(0, ""),
        Err(error) => Answer::failed(&format!("port {port}"), &error),
    }
}

/// Connects to the first address that takes it; the error is that of the first one.
pub(crate) fn connect(addresses: &[IpAddr], port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut first = None;
    for address in addresses {
        let left = clock::left(deadline).ok_or(io::ErrorKind::TimedOut)?;
        match TcpStream::connect_timeout(&SocketAddr::new(*address, port), left) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

/// The addresses of a host as it is called inside. The C library's resolver is left alone: in
/// a static program it would load parts of the container's own C library.
pub(crate) fn resolve(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return loopback().to_vec();
    }
    match host.parse() {
        Ok(address) => vec![address],
        Err(_) => listed(&fs::read_to_string("/etc/hosts").unwrap_or_default(), host),
    }
}

fn loopback() -> [IpAddr; 2] {
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

fn listed(hosts: &str, host: &str) -> Vec<IpAddr> {
    let lines = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words
                .any(|name| name.eq_ignore_ascii_case(host))
                .then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{listed, resolve};

    #[test]
    fn names_are_looked_up_in_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n172.18.0.3\tbackend app-backend # ours\n# 1.2.3.4 db\n";
        assert_eq!(
            listed(hosts, "app-backend"),
            ["172.18.0.3".parse::<std::net::IpAddr>().unwrap()]
        );
        assert!(listed(hosts, "db").is_empty());
        assert_eq!(resolve("LOCALHOST").len(), 2);
        assert_eq!(resolve("::1").len(), 1);
    }
}
