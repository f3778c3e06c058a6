//! Whether requests are with a service still, by the connections of this container: those to the
//! service, and those of clients, of which each may be about to become one.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::announce;
use crate::net::{Answer, NO, TIMED_OUT};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between the decision to pass a request on and its connection there may be a question for an
/// address: so long there must be none.
const QUIET: Duration = Duration::from_millis(25);

/// Connected, and about to be.
const ALIVE: [&str; 2] = ["01", "02"];
/// Of clients: connected, about to be, or waiting for an answer and for nothing else.
const COMING: [&str; 3] = ["01", "03", "08"];
/// The kernel keeps a connection alive by itself: the proxy asks for that where there is no end to
/// be waited for.
const KEPT_ALIVE: &str = "02";
const LISTENS: &str = "0A";

/// Waits until none is.
pub(crate) fn drain(addresses: &[u32], ports: &[u16], deadline: Instant) -> Answer {
    let mut quiet = None;
    loop {
        let Ok(table) = fs::read_to_string("/proc/net/tcp") else {
            return Answer::new(NO, "/proc/net/tcp cannot be read");
        };
        let (count, now) = (under_way(&table, addresses, ports), Instant::now());
        match count {
            // Whoever is not there yet is not let through either.
            0 if quiet.is_none() && nobody_asks(&table) => return Answer::new(0, ""),
            0 if now >= *quiet.get_or_insert(now) + QUIET => return Answer::new(0, ""),
            0 => {}
            _ => quiet = None,
        }
        if now >= deadline {
            return Answer::new(TIMED_OUT, format!("{count} requests"));
        }
        thread::park_timeout(LOOK_EVERY);
    }
}

fn under_way(table: &str, addresses: &[u32], ports: &[u16]) -> usize {
    let counts = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        let place = words.next().and_then(place);
        let state = words.next().unwrap_or_default();
        let timer = words.nth(1).and_then(|word| word.split(':').next());
        place.is_some_and(|(address, port)| addresses.contains(&address) && ports.contains(&port))
            && ALIVE.contains(&state)
            && timer != Some(KEPT_ALIVE)
    };
    table.lines().skip(1).filter(counts).count()
}

/// Whether there is no client at all.
fn nobody_asks(table: &str) -> bool {
    // Without IPv6 there is no such table, and nobody in it.
    let other = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    clients(table) + clients(&other) == 0
}

/// Connections to ports on which somebody listens here; one that nobody has accepted yet counts.
fn clients(table: &str) -> usize {
    let lines = || table.lines().skip(1).filter_map(port_and_state);
    let listened = lines().filter(|(_, state)| *state == LISTENS);
    let listened: Vec<&str> = listened.map(|(port, _)| port).collect();
    lines()
        .filter(|(port, state)| COMING.contains(state) && listened.contains(port))
        .count()
}

fn port_and_state(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace().skip(1);
    let (_, port) = words.next()?.rsplit_once(':')?;
    Some((port, words.nth(1)?))
}

fn place(word: &str) -> Option<(u32, u16)> {
    let (address, port) = word.split_once(':')?;
    let address = announce::address(address)?;
    Some((address.into(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::{clients, drain, under_way};
    use crate::clock::deadline;

    #[test]
    #[cfg(target_endian = "little")]
    fn connections_that_have_an_end_are_counted() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 040012AC:C350 050012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0
   2: 040012AC:C351 050012AC:1F40 02 00000001:00000000 01:00000063 00000000   101        0 3 1 0
   3: 040012AC:C352 050012AC:1F40 01 00000000:00000000 02:000A8B2E 00000000   101        0 4 1 0
   4: 040012AC:C353 050012AC:1F41 01 00000000:00000000 00:00000000 00000000   101        0 5 1 0
   5: 040012AC:C354 060012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 6 1 0
   6: 040012AC:C355 050012AC:1F40 06 00000000:00000000 03:000011A2 00000000     0        0 0 3 0
torn";
        let web = u32::from(Ipv4Addr::new(172, 18, 0, 5));
        assert_eq!(under_way(table, &[web], &[8000]), 2);
        assert_eq!(under_way(table, &[web], &[8000, 8001]), 3);
        assert_eq!(under_way(table, &[], &[8000]), 0);
    }

    #[test]
    fn clients_are_those_of_ports_that_are_listened_on() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 040012AC:0050 010012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0
   2: 040012AC:0050 010012AC:1F41 03 00000000:00000000 00:00000000 00000000   101        0 3 1 0
   3: 040012AC:0050 010012AC:1F42 08 00000000:00000000 00:00000000 00000000   101        0 3 1 0
   4: 040012AC:0050 010012AC:1F43 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0
   5: 040012AC:0051 010012AC:1F44 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0
torn";
        assert_eq!(clients(table), 3);
        assert_eq!(clients(""), 0);
    }

    #[test]
    fn it_is_waited_for_the_end_of_a_connection_or_of_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let here = [u32::from(Ipv4Addr::LOCALHOST)];
        assert_eq!(drain(&here, &[port], deadline(5_000)).code, 0);
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(drain(&here, &[port], deadline(50)).code, 124);
        drop(server);
        client.read_to_end(&mut Vec::new()).unwrap();
        drop(client);
        assert_eq!(drain(&here, &[port], deadline(5_000)).code, 0);
    }
}
