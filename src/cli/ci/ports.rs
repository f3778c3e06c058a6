//! Ports that nobody has, so that a run disturbs neither a developer's stack nor another run.

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};

use devrun_stack::{Port, Stack};

/// Holds a port until all are chosen, so that none is chosen twice.
enum Held {
    Tcp(#[expect(dead_code, reason = "open as long as it is held")] Vec<TcpListener>),
    Udp(#[expect(dead_code, reason = "open as long as it is held")] Vec<UdpSocket>),
}

/// How often another one is asked for, where one is free on one address only.
const ATTEMPTS: usize = 20;

/// By the port that the Stackfile says, one that the system chose. Where none is to be had the
/// declared one stays.
pub(super) fn free(stack: &Stack) -> BTreeMap<u16, u16> {
    let mut chosen = BTreeMap::new();
    let mut held = Vec::new();
    for port in stack.services.iter().flat_map(|service| &service.ports) {
        if chosen.contains_key(&port.host) {
            continue;
        }
        let found = (0..ATTEMPTS).find_map(|_| one(port).ok());
        if let Some((number, sockets)) = found {
            chosen.insert(port.host, number);
            held.push(sockets);
        }
    }
    chosen
}

/// One that is free on all addresses that this machine has of those.
fn one(port: &Port) -> std::io::Result<(u16, Held)> {
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let usable = |bind: &&String| has_ipv6 || !bind.contains(':');
    let binds: Vec<&str> = port
        .bind
        .iter()
        .filter(usable)
        .map(String::as_str)
        .collect();
    let address = |bind: &str, number: u16| match bind.contains(':') {
        true => format!("[{bind}]:{number}"),
        false => format!("{bind}:{number}"),
    };
    let first = binds.first().copied().unwrap_or("127.0.0.1");
    if port.protocol == "udp" {
        let socket = UdpSocket::bind(address(first, 0))?;
        let number = socket.local_addr()?.port();
        let mut all = vec![socket];
        for bind in binds.iter().skip(1) {
            all.push(UdpSocket::bind(address(bind, number))?);
        }
        return Ok((number, Held::Udp(all)));
    }
    let listener = TcpListener::bind(address(first, 0))?;
    let number = listener.local_addr()?.port();
    let mut all = vec![listener];
    for bind in binds.iter().skip(1) {
        all.push(TcpListener::bind(address(bind, number))?);
    }
    Ok((number, Held::Tcp(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_declared_port_has_another_one_of_its_own() {
        let port = |host: u16, protocol: &str| Port {
            bind: vec!["127.0.0.1".into()],
            host,
            container: 80,
            protocol: protocol.into(),
            at: devrun_stack::Location::default(),
        };
        let service = devrun_stack::Service {
            ports: vec![port(8000, "tcp"), port(8001, "tcp"), port(53, "udp")],
            ..devrun_stack::Service::default()
        };
        let stack = Stack {
            services: vec![service],
            ..Stack::default()
        };
        let chosen = free(&stack);
        assert_eq!(chosen.keys().copied().collect::<Vec<_>>(), [53, 8000, 8001]);
        assert_ne!(chosen[&8000], chosen[&8001]);
    }
}
