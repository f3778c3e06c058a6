//! Which addresses containers get that take the place of others.
//!
//! Where a container had an address, the kernel sends to its last known place for a while, and
//! whoever connected too early is answered a second later. A container with an address that
//! nobody had lately is found at once. In a network that devrun makes the engine therefore gives
//! addresses of the lower half alone, and devrun those of the upper one.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A range of IPv4 addresses, `172.21.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    base: u32,
    prefix: u8,
}

/// It is not written as a subnet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSubnet;

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        let (address, prefix) = text.split_once('/').ok_or(NoSubnet)?;
        let address: Ipv4Addr = address.parse().map_err(|_| NoSubnet)?;
        let prefix = prefix.parse().map_err(|_| NoSubnet)?;
        Subnet::new(address, prefix).ok_or(NoSubnet)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

impl Subnet {
    /// The one of so many fixed bits that an address is in.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix: u8) -> Option<Subnet> {
        let mask = mask(prefix)?;
        Some(Subnet {
            base: u32::from(address) & mask,
            prefix,
        })
    }

    fn last(self) -> u32 {
        self.base | !mask(self.prefix).unwrap_or(u32::MAX)
    }

    /// Whether they have an address in common.
    #[must_use]
    pub fn overlaps(self, other: Subnet) -> bool {
        self.base <= other.last() && other.base <= self.last()
    }

    /// Where both halves have room for containers.
    #[must_use]
    pub fn is_roomy(self) -> bool {
        (8..=ROOMY).contains(&self.prefix)
    }

    /// Its first address, which the engine's machine has.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base | 1)
    }

    /// Of which the engine gives addresses.
    #[must_use]
    pub fn lower_half(self) -> Subnet {
        Subnet {
            prefix: self.prefix + 1,
            ..self
        }
    }

    /// The address after `last` that nobody has, of those that devrun gives; without a last one
    /// after the highest that is in use, so that one that was given lately is not given again.
    #[must_use]
    pub fn next(self, taken: &BTreeSet<Ipv4Addr>, last: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        if !self.is_roomy() {
            return None;
        }
        let first = self.lower_half().last() + 1;
        let end = self.last();
        let range = Ipv4Addr::from(first)..Ipv4Addr::from(end);
        let highest = || taken.range(range.clone()).next_back().copied();
        let last = last.filter(|last| range.contains(last)).or_else(highest);
        let after = last.map_or(first, |last| u32::from(last) + 1);
        let mut addresses = (after..end).chain(first..end).map(Ipv4Addr::from);
        addresses.find(|address| !taken.contains(address))
    }
}

/// The most fixed bits of a subnet that is divided.
const ROOMY: u8 = 26;

fn mask(prefix: u8) -> Option<u32> {
    match prefix {
        0 => Some(0),
        1..=32 => Some(u32::MAX << (32 - u32::from(prefix))),
        _ => None,
    }
}

/// A range that networks are cut from, and how many bits of each are fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// All of it.
    pub whole: Subnet,
    /// `16`: each network has as many addresses as `172.21.0.0/16`.
    pub prefix: u8,
}

impl Pool {
    fn subnets(self) -> impl Iterator<Item = Subnet> {
        let fits = (self.whole.prefix..=ROOMY).contains(&self.prefix);
        let size = mask(self.prefix).map_or(1, |mask| u64::from(!mask) + 1);
        let whole = u64::from(self.whole.last()) + 1 - u64::from(self.whole.base);
        let count = if fits { whole / size } else { 0 };
        (0..count).filter_map(move |number| {
            Some(Subnet {
                base: u32::try_from(u64::from(self.whole.base) + number * size).ok()?,
                prefix: self.prefix,
            })
        })
    }
}

/// What an engine cuts networks from that was not told otherwise.
#[must_use]
pub fn usual_pools() -> Vec<Pool> {
    let pool = |a, b, prefix, each| Pool {
        whole: Subnet {
            base: u32::from(Ipv4Addr::new(a, b, 0, 0)),
            prefix,
        },
        prefix: each,
    };
    vec![
        pool(172, 17, 16, 16),
        pool(172, 18, 16, 16),
        pool(172, 19, 16, 16),
        pool(172, 20, 14, 16),
        pool(172, 24, 14, 16),
        pool(172, 28, 14, 16),
        pool(192, 168, 16, 20),
    ]
}

/// So many of those that are free are chosen from.
const CHOICE: usize = 8;

/// A subnet for a new network, of those that nothing on the engine's machine has. Two that choose
/// at the same moment by other seeds mostly choose otherwise.
#[must_use]
pub fn choose(pools: &[Pool], occupied: &[Subnet], seed: u64) -> Option<Subnet> {
    let all = pools.iter().flat_map(|pool| pool.subnets());
    let free = all.filter(|subnet| {
        subnet.is_roomy() && !occupied.iter().any(|other| other.overlaps(*subnet))
    });
    let free: Vec<Subnet> = free.take(CHOICE).collect();
    let at = seed.checked_rem(u64::try_from(free.len()).ok()?)?;
    free.get(usize::try_from(at).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    fn address(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    fn next(within: &str, taken: &[&str], last: Option<&str>) -> Option<String> {
        let taken = taken.iter().map(|text| address(text)).collect();
        let given = subnet(within).next(&taken, last.map(address));
        given.map(|address| address.to_string())
    }

    #[test]
    fn subnets_are_read_and_written() {
        assert_eq!(subnet("172.21.7.1/16").to_string(), "172.21.0.0/16");
        assert_eq!(subnet("172.21.0.0/16").gateway(), address("172.21.0.1"));
        let lower = subnet("172.21.0.0/16").lower_half();
        assert_eq!(lower.to_string(), "172.21.0.0/17");
        for wrong in ["172.21.0.0", "172.21.0.0/33", "fd00::/8", "a/16", ""] {
            assert_eq!(wrong.parse::<Subnet>(), Err(NoSubnet), "{wrong}");
        }
    }

    #[test]
    fn each_address_is_of_the_upper_half_and_comes_after_the_last() {
        let of = |taken: &[&str], last| next("10.0.0.0/24", taken, last);
        assert_eq!(of(&["10.0.0.2"], None).as_deref(), Some("10.0.0.128"));
        assert_eq!(of(&["10.0.0.130"], None).as_deref(), Some("10.0.0.131"));
        let last = Some("10.0.0.140");
        assert_eq!(of(&["10.0.0.130"], last).as_deref(), Some("10.0.0.141"));
        assert_eq!(of(&["10.0.0.141"], last).as_deref(), Some("10.0.0.142"));
    }

    #[test]
    fn after_the_highest_comes_the_lowest_that_is_free() {
        let of = |taken: &[&str], last| next("10.0.0.0/24", taken, last);
        // 10.0.0.255 is everybody's.
        assert_eq!(of(&[], Some("10.0.0.254")).as_deref(), Some("10.0.0.128"));
        let taken = ["10.0.0.254", "10.0.0.128"];
        assert_eq!(of(&taken, None).as_deref(), Some("10.0.0.129"));
        // One of another network, or of the engine's half, says nothing.
        assert_eq!(of(&[], Some("10.0.7.200")).as_deref(), Some("10.0.0.128"));
    }

    #[test]
    fn where_there_is_no_room_none_is_given() {
        let all: BTreeSet<Ipv4Addr> = (0..=255)
            .map(|last| Ipv4Addr::new(10, 0, 0, last))
            .collect();
        assert_eq!(subnet("10.0.0.0/24").next(&all, None), None);
        assert_eq!(next("10.0.0.0/27", &[], None), None);
        assert_eq!(next("0.0.0.0/0", &[], None), None);
    }

    #[test]
    fn a_new_network_overlaps_nothing() {
        let occupied = ["172.17.0.0/16", "172.16.0.0/12", "192.168.0.0/19"].map(subnet);
        let chosen = choose(&usual_pools(), &occupied, 0).unwrap();
        assert_eq!(chosen, subnet("192.168.32.0/20"));
        let other = choose(&usual_pools(), &occupied, 1).unwrap();
        assert_eq!(other, subnet("192.168.48.0/20"));
        assert_eq!(choose(&usual_pools(), &[subnet("0.0.0.0/0")], 0), None);
        let first = choose(&usual_pools(), &[], 0);
        assert_eq!(first, Some(subnet("172.17.0.0/16")));
        let route = subnet("172.19.255.255/32");
        assert_eq!(
            choose(&usual_pools(), &[route], 2),
            Some(subnet("172.20.0.0/16"))
        );
    }

    #[test]
    fn pools_of_any_shape_are_no_danger() {
        for (whole, prefix) in [("0.0.0.0/0", 0), ("10.0.0.0/24", 16), ("0.0.0.0/0", 40)] {
            let pool = Pool {
                whole: subnet(whole),
                prefix,
            };
            assert_eq!(choose(&[pool], &[], 7), None, "{whole} {prefix}");
        }
        let pool = Pool {
            whole: subnet("10.0.0.0/8"),
            prefix: 24,
        };
        assert_eq!(choose(&[pool], &[], 8), Some(subnet("10.0.0.0/24")));
    }
}
