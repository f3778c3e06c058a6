//! Networks whose addresses are divided: the engine gives those of the lower half, devrun those of
//! the upper one to containers that take the place of others; see [`devrun_core::addresses`].
//!
//! An engine takes an address from us only where it was told the subnet as well. The one that it
//! would choose itself disturbs nothing on its machine, and so must ours.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};
use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::{
    InspectContainerOptions, InspectNetworkOptions, ListContainersOptions, ListNetworksOptions,
};
use devrun_core::addresses::{Pool, Subnet, choose};
use devrun_core::spec::label;

use super::{Engine, EngineError, PATIENT, PROMPT, filters, within};

/// So often another one may take the subnet that we chose.
const TRIES: u64 = 3;
/// The engine's word for the link that a network is.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// A network in which devrun gives addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// Its id.
    pub(crate) network: String,
    pub(crate) subnet: Subnet,
    /// Addresses of containers, also of those that stand still.
    pub(crate) taken: BTreeSet<Ipv4Addr>,
}

impl Engine {
    /// Makes a network whose addresses are divided; where that cannot be, as the engine likes.
    pub(super) async fn create_divided(
        &self,
        request: NetworkCreateRequest,
    ) -> Result<(), EngineError> {
        for again in 0..TRIES {
            let Some(subnet) = self.free_subnet(&request, again).await? else {
                break;
            };
            match self.create_network(within_subnet(&request, subnet)).await {
                Err(EngineError::SubnetTaken { .. }) => {}
                other => return other,
            }
        }
        self.create_network(request).await
    }

    pub(super) async fn create_network(
        &self,
        request: NetworkCreateRequest,
    ) -> Result<(), EngineError> {
        let doing = format!("creating the network {}", request.name);
        let docker = self.docker.clone();
        let call = async move { docker.create_network(request).await };
        self.make(doing, call).await.map(|_| ())
    }

    /// One that nothing on the engine's machine has. Where that machine is not this one, the engine
    /// alone knows: it makes the network once, and what it chose is free again afterwards.
    async fn free_subnet(
        &self,
        request: &NetworkCreateRequest,
        again: u64,
    ) -> Result<Option<Subnet>, EngineError> {
        let list = self.docker.list_networks(None::<ListNetworksOptions>);
        let list = within("listing networks", PROMPT, list).await?;
        let networks: Vec<Known> = list
            .into_iter()
            .map(|network| Known {
                link: link(network.id.as_deref(), network.options.as_ref()),
                subnets: subnets(network.ipam.as_ref()),
            })
            .collect();
        let routes = routes(&std::fs::read_to_string("/proc/net/route").unwrap_or_default());
        if self.endpoint().elsewhere().is_none() && are_of_one_machine(&networks, &routes) {
            let resolver = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
            let mut occupied = name_servers(&resolver);
            occupied.extend(networks.into_iter().flat_map(|network| network.subnets));
            occupied.extend(routes.into_iter().map(|(_, subnet)| subnet));
            let pools = self.version().await?.pools;
            return Ok(choose(&pools, &occupied, seed(&request.name, again)));
        }
        self.create_network(request.clone()).await?;
        let chosen = self.subnet_of(&request.name).await?;
        let chosen = chosen.filter(|subnet| subnet.is_roomy());
        let doing = format!("dividing the addresses of the network {}", request.name);
        within(&doing, PATIENT, self.docker.remove_network(&request.name)).await?;
        Ok(chosen)
    }

    async fn subnet_of(&self, name: &str) -> Result<Option<Subnet>, EngineError> {
        let call = self
            .docker
            .inspect_network(name, None::<InspectNetworkOptions>);
        let found = within("inspecting a network", PROMPT, call).await?;
        let found = subnets(found.ipam.as_ref());
        Ok(found.first().copied().filter(|_| found.len() == 1))
    }

    /// What there is to know before an address of that network is given to a container of the stack;
    /// `None` where the network is not divided, or not of the stack.
    pub(crate) async fn room(
        &self,
        network: &str,
        stack: &str,
    ) -> Result<Option<Room>, EngineError> {
        let call = self
            .docker
            .inspect_network(network, None::<InspectNetworkOptions>);
        let found = within("inspecting a network", PROMPT, call).await?;
        let labels = found.labels.unwrap_or_default();
        let ours = labels.get(label::STACK).is_some_and(|it| it == stack);
        let Some(subnet) = divided(found.ipam.as_ref()).filter(|_| ours) else {
            return Ok(None);
        };
        let options = ListContainersOptions {
            all: true,
            filters: filters(&[("network", &[network])]),
            ..Default::default()
        };
        let call = self.docker.list_containers(Some(options));
        let list = within("listing the containers of a network", PROMPT, call).await?;
        let ends = list.into_iter().filter_map(|container| {
            let networks = container.network_settings?.networks?;
            Some(networks.into_iter().filter(|(name, _)| name == network))
        });
        let taken = ends.flatten().flat_map(|(_, end)| addresses(&end));
        Ok(Some(Room {
            network: found.id.unwrap_or_default(),
            subnet,
            taken: taken.collect(),
        }))
    }

    /// Whoever has its address keeps it: from now on the engine chooses this one's.
    pub(crate) async fn give_up_address(&self, container: &str) -> Result<(), EngineError> {
        let doing = "giving a container another address";
        let call = self
            .docker
            .inspect_container(container, None::<InspectContainerOptions>);
        let found = within(doing, PROMPT, call).await?;
        let networks = found.network_settings.and_then(|it| it.networks);
        for (name, end) in networks.into_iter().flatten() {
            if fixed(&end).is_none() {
                continue;
            }
            let leave = NetworkDisconnectRequest {
                container: container.to_owned(),
                force: Some(true),
            };
            let call = self.docker.disconnect_network(&name, leave);
            within(doing, PROMPT, call).await?;
            let join = NetworkConnectRequest {
                container: container.to_owned(),
                endpoint_config: Some(EndpointSettings {
                    aliases: end.aliases,
                    ..Default::default()
                }),
            };
            let call = self.docker.connect_network(&name, join);
            within(doing, PROMPT, call).await?;
        }
        Ok(())
    }
}

/// What of a network matters for another one.
#[derive(Debug)]
struct Known {
    link: String,
    subnets: Vec<Subnet>,
}

fn link(id: Option<&str>, options: Option<&std::collections::HashMap<String, String>>) -> String {
    let named = options.and_then(|options| options.get(BRIDGE_NAME));
    named.cloned().unwrap_or_else(|| {
        let digits: String = id.unwrap_or_default().chars().take(12).collect();
        format!("br-{digits}")
    })
}

fn subnets(ipam: Option<&Ipam>) -> Vec<Subnet> {
    let configs = ipam.and_then(|ipam| ipam.config.as_ref());
    let texts = configs
        .into_iter()
        .flatten()
        .filter_map(|it| it.subnet.as_ref());
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// The subnet of a network that we made so.
fn divided(ipam: Option<&Ipam>) -> Option<Subnet> {
    let [config] = ipam?.config.as_deref()? else {
        return None;
    };
    let subnet: Subnet = config.subnet.as_ref()?.parse().ok()?;
    let range: Subnet = config.ip_range.as_ref()?.parse().ok()?;
    (subnet.is_roomy() && range == subnet.lower_half()).then_some(subnet)
}

fn within_subnet(request: &NetworkCreateRequest, subnet: Subnet) -> NetworkCreateRequest {
    NetworkCreateRequest {
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.to_string()),
                ip_range: Some(subnet.lower_half().to_string()),
                gateway: Some(subnet.gateway().to_string()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..request.clone()
    }
}

/// The address that a container has been given for good.
fn fixed(end: &EndpointSettings) -> Option<Ipv4Addr> {
    let given = end.ipam_config.as_ref()?.ipv4_address.as_ref()?;
    given.parse().ok()
}

fn addresses(end: &EndpointSettings) -> impl Iterator<Item = Ipv4Addr> + use<> {
    let has = end.ip_address.as_ref().and_then(|text| text.parse().ok());
    fixed(end).into_iter().chain(has)
}

/// A container's place on a network, by an address of ours where it gets one.
pub(super) fn at(address: Option<&Ipv4Addr>) -> Option<EndpointIpamConfig> {
    address.map(|address| EndpointIpamConfig {
        ipv4_address: Some(address.to_string()),
        ..Default::default()
    })
}

/// This machine's ways by their links, as the kernel prints them: bytes in memory, read as numbers
/// of this machine. Those to everywhere occupy nothing.
fn routes(table: &str) -> Vec<(String, Subnet)> {
    let address = |word: &str| u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes);
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (link, to) = (words.first()?, address(words.get(1)?)?);
        let mask = u32::from(Ipv4Addr::from(address(words.get(7)?)?));
        let prefix = u8::try_from(mask.leading_ones()).ok()?;
        let subnet = Subnet::new(Ipv4Addr::from(to), prefix)?;
        (prefix > 0).then(|| ((*link).to_owned(), subnet))
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// Whether the engine's links are among ours: then our ways are all that its machine has.
fn are_of_one_machine(networks: &[Known], routes: &[(String, Subnet)]) -> bool {
    networks.iter().any(|network| {
        let leads_there =
            |(link, to): &(String, Subnet)| *link == network.link && network.subnets.contains(to);
        routes.iter().any(leads_there)
    })
}

/// Whom this machine asks for names must stay in reach.
fn name_servers(resolver: &str) -> Vec<Subnet> {
    let lines = resolver
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    let servers = lines.filter_map(|rest| rest.trim().parse::<Ipv4Addr>().ok());
    servers
        .filter_map(|server| Subnet::new(server, 32))
        .collect()
}

fn seed(name: &str, again: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish().wrapping_add(again)
}

/// From what the engine cuts its networks.
pub(super) fn pools(info: &bollard::models::SystemInfo) -> Vec<Pool> {
    let Some(told) = info
        .default_address_pools
        .as_ref()
        .filter(|it| !it.is_empty())
    else {
        return devrun_core::addresses::usual_pools();
    };
    let pool = |told: &bollard::models::SystemInfoDefaultAddressPools| {
        Some(Pool {
            whole: told.base.as_ref()?.parse().ok()?,
            prefix: u8::try_from(told.size?).ok()?,
        })
    };
    told.iter().filter_map(pool).collect()
}

/// By the engine's names of networks.
pub(crate) type Addresses = BTreeMap<String, Ipv4Addr>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Making;
    use crate::engine::tests::kit::Stage;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
torn";

    fn known(link: &str, subnet: &str) -> Known {
        Known {
            link: link.to_owned(),
            subnets: vec![subnet.parse().unwrap()],
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn an_engine_of_this_machine_is_known_by_its_links() {
        let routes = routes(ROUTES);
        let way = ("docker0".to_owned(), "172.17.0.0/16".parse().unwrap());
        assert_eq!(routes, [way]);
        let of = |network| are_of_one_machine(&[network], &routes);
        assert!(of(known("docker0", "172.17.0.0/16")));
        assert!(!of(known("docker0", "172.18.0.0/16")), "another machine's");
        assert!(!of(known("br-1f0000000000", "172.17.0.0/16")));
        assert!(!are_of_one_machine(&[], &routes));
    }

    #[test]
    fn links_are_called_as_the_network_says_or_after_its_id() {
        let options = [(BRIDGE_NAME.to_owned(), "docker0".to_owned())].into();
        assert_eq!(link(Some("1f"), Some(&options)), "docker0");
        assert_eq!(link(Some("1f23456789abcdef"), None), "br-1f23456789ab");
    }

    #[test]
    fn only_what_is_divided_as_ours_is_ours_to_give_from() {
        let of = |subnet: &str, range: Option<&str>| {
            let config = IpamConfig {
                subnet: Some(subnet.to_owned()),
                ip_range: range.map(str::to_owned),
                ..Default::default()
            };
            divided(Some(&Ipam {
                config: Some(vec![config]),
                ..Default::default()
            }))
        };
        let subnet: Subnet = "172.21.0.0/16".parse().unwrap();
        assert_eq!(of("172.21.0.0/16", Some("172.21.0.0/17")), Some(subnet));
        assert_eq!(of("172.21.0.0/16", Some("172.21.128.0/17")), None);
        assert_eq!(of("172.21.0.0/16", None), None);
        assert_eq!(of("fd00::/64", None), None);
        let request = within_subnet(&NetworkCreateRequest::default(), subnet);
        assert_eq!(divided(request.ipam.as_ref()), Some(subnet));
    }

    #[test]
    fn name_servers_are_kept_clear_of() {
        let text = "search lan\nnameserver 172.18.0.2 \nnameserver fe80::1\n#nameserver 1.1.1.1\n";
        let server: Subnet = "172.18.0.2/32".parse().unwrap();
        assert_eq!(name_servers(text), [server]);
    }

    #[tokio::test]
    async fn who_has_an_address_keeps_it_and_the_other_one_starts_all_the_same() {
        let stage = Stage::set("addresses").await;
        let (engine, network) = (&stage.engine, stage.stack.as_str());
        let room = engine.room(network, network).await.unwrap().unwrap();
        assert_eq!(room.taken, BTreeSet::new());
        assert_eq!(engine.room(network, "another").await.unwrap(), None);
        let address = room.subnet.next(&room.taken, None).unwrap();
        let addresses = Addresses::from([(network.to_owned(), address)]);
        let make = async |service: &str| {
            let spec = stage.spec(service, "sleep 100");
            let making = Making {
                name: &spec.name,
                agent_volume: None,
                addresses: &addresses,
            };
            engine.create_aside(&spec, making).await.unwrap().id
        };
        let (first, second) = (make("one").await, make("two").await);
        engine.start(&first).await.unwrap();
        let room = engine.room(network, network).await.unwrap().unwrap();
        assert_eq!(
            room.taken,
            BTreeSet::from([address]),
            "of one that stands still, too"
        );
        let refused = engine.start(&second).await.unwrap_err();
        assert!(
            matches!(refused, EngineError::AddressTaken { .. }),
            "{refused}"
        );
        engine.give_up_address(&second).await.unwrap();
        engine.start(&second).await.unwrap();
        let found = engine.addresses(&second).await.unwrap();
        assert!(
            found.contains_key(network) && found[network] != address,
            "{found:?}"
        );
    }
}
