//! Tells the network that this container is back.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};

/// The port on which nobody has to listen ("discard").
const DISCARD: u16 = 9;

/// Sends an empty datagram on each network, which makes the kernel ask it for a neighbour.
///
/// Who connected while the container was away is waiting for an answer to "who has this
/// address", and the kernel repeats that question only once a second: until then every
/// connection hangs, to the published port and from other containers, also when the service
/// has long been listening. A question of ours carries our address and everybody hears it.
pub(crate) fn announce() {
    // Without a network there is nobody to be told, and nobody is missed.
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else {
        return;
    };
    for neighbour in neighbours(&routes) {
        // A hint: where it does not arrive, the second passes.
        let _ = socket.send_to(&[], (neighbour, DISCARD));
    }
}

/// One address on each network: its gateway, or else the first, which a bridge mostly has.
fn neighbours(routes: &str) -> BTreeSet<Ipv4Addr> {
    let lines = routes.lines().skip(1);
    lines.filter_map(neighbour).collect()
}

fn neighbour(line: &str) -> Option<Ipv4Addr> {
    let mut words = line.split_whitespace().skip(1);
    let (network, gateway) = (address(words.next()?)?, address(words.next()?)?);
    let mask = address(words.nth(4)?)?;
    match () {
        () if !gateway.is_unspecified() => Some(gateway),
        () if network.is_unspecified() || mask == Ipv4Addr::BROADCAST => None,
        () => u32::from(network).checked_add(1).map(Ipv4Addr::from),
    }
}

/// As the kernel prints it: the bytes in memory, read as a number of this machine.
pub(crate) fn address(word: &str) -> Option<Ipv4Addr> {
    let number = u32::from_str_radix(word, 16).ok()?;
    Some(Ipv4Addr::from(number.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::neighbours;

    #[test]
    #[cfg(target_endian = "little")]
    fn one_neighbour_on_each_network_is_asked_for() {
        let routes = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t01001FAC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t00001FAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t000010AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth2\t0500A8C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
torn";
        let found: Vec<String> = neighbours(routes).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["172.16.0.1", "172.31.0.1"]);
        assert!(neighbours("").is_empty());
    }
}
