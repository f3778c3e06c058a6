//! Who reaches whom.

use miette::SourceSpan;

use crate::context::Context;
use crate::draft::{DraftDependency, DraftPort, Once, Said};
use crate::merge::Laid;
use crate::read::{DEFAULT_NETWORK, Document, Kind};

/// Reports networks and network modes that contradict what else is said.
pub(super) fn stack(cx: &mut Context<'_>, document: &Document<'_>, laid: &[Laid<'_>]) {
    for service in laid {
        network_mode(cx, service);
        shared(cx, laid, service);
    }
    routed(cx, document, laid);
    unused(cx, document, laid);
}

/// With the machine's own network, or none, there are neither networks nor published ports.
fn network_mode(cx: &mut Context<'_>, service: &Laid<'_>) {
    let Some(mode) = service.draft.settings.network_mode.as_ref() else {
        return;
    };
    let name = &service.node.name;
    if mode.value.contains(':') {
        return;
    }
    if let Some(network) = service.draft.networks.first() {
        let problem = cx
            .error(
                "stackfile::network-mode",
                network.at,
                "joins a network",
                format!(
                    "`{name}` has the network mode {}, and so no networks",
                    mode.value
                ),
            )
            .also(mode.at, "said here")
            .advise("say one of the two");
        cx.report(problem);
    }
    let published = |port: &DraftPort| port.host.is_some_and(|host| host != port.container);
    let wrong = |port: &&Said<DraftPort>| mode.value == "none" || published(&port.value);
    if let Some(port) = service.draft.ports.iter().find(wrong) {
        let (message, help) = if mode.value == "none" {
            (
                "a container without a network publishes nothing",
                "take the port or the mode away",
            )
        } else {
            (
                "on the network of the machine a port is the same outside and inside",
                "say the port that the process listens on, without to=",
            )
        };
        let problem = cx
            .error("stackfile::network-mode", port.at, "published", message)
            .also(mode.at, "said here")
            .advise(help);
        cx.report(problem);
    }
}

/// With another container's network come its ports, its names and its resolver: the engine takes
/// no others.
fn shared(cx: &mut Context<'_>, laid: &[Laid<'_>], service: &Laid<'_>) {
    let (draft, name) = (&service.draft, &service.node.name);
    let settings = &draft.settings;
    let Some(mode) = settings.network_mode.as_ref() else {
        return;
    };
    let Some((kind, other)) = mode.value.split_once(':') else {
        return;
    };
    let whose = match kind {
        "service" => format!("`{other}`"),
        _ => format!("the container {other}"),
    };
    let first = |list: &[Said<String>]| list.first().map(|said| said.at);
    let once = |said: &Once<String>| said.as_ref().map(|said| said.at);
    let refused = [
        ("network", draft.networks.first().map(|said| said.at)),
        ("port", draft.ports.first().map(|said| said.at)),
        ("expose", first(&settings.expose)),
        ("hostname", once(&settings.hostname)),
        ("domainname", once(&settings.domainname)),
        (
            "extra-host",
            settings.extra_hosts.first().map(|said| said.at),
        ),
        ("dns", first(&settings.dns)),
        ("dns-search", first(&settings.dns_search)),
        ("dns-opt", first(&settings.dns_opt)),
    ];
    for (word, at) in refused {
        let Some(at) = at else { continue };
        let help = match kind {
            "service" => format!("say it in `{other}`, whose network it is"),
            _ => format!("take `{word}` away: {whose} has its own"),
        };
        let problem = cx
            .error(
                "stackfile::network-mode",
                at,
                "not its own",
                format!("`{name}` has the network of {whose}, and so no `{word}` of its own"),
            )
            .also(mode.at, "said here")
            .advise(help);
        cx.report(problem);
    }
    let lender = laid.iter().find(|one| one.node.name == other);
    let several = lender.and_then(|one| one.draft.settings.replicas.as_ref());
    if let Some(replicas) = several.filter(|_| kind == "service") {
        let problem = cx
            .error(
                "stackfile::network-mode",
                mode.at,
                "of which one?",
                format!("{whose} is several containers, each with a network of its own"),
            )
            .also(replicas.at, "said here")
            .advise("share the network of a service without `replicas`");
        cx.report(problem);
    }
    let ends = |one: &Laid<'_>| one.node.name == other && one.is_task();
    if kind == "service" && laid.iter().any(ends) {
        let problem = cx
            .error(
                "stackfile::network-mode",
                mode.at,
                "ends",
                format!("{whose} is a task: when it ends, its network is gone"),
            )
            .advise("share the network of a service that goes on");
        cx.report(problem);
    }
    let optional = |on: &&Said<DraftDependency>| on.value.service == other && !on.value.required;
    if let Some(dependency) = draft.depends_on.iter().find(optional) {
        let problem = cx
            .error(
                "stackfile::network-mode",
                dependency.at,
                "cannot be done without",
                format!("`{name}` has the network of {whose}, and so needs it"),
            )
            .also(mode.at, "said here")
            .advise("take required=#false away");
        cx.report(problem);
    }
}

/// The proxy passes requests on by name, so that it shares a network with whom it passes them to.
fn routed(cx: &mut Context<'_>, document: &Document<'_>, laid: &[Laid<'_>]) {
    let Some(proxy) = laid.iter().find(|one| one.node.kind == Kind::Proxy) else {
        return;
    };
    let serving = on(document, proxy);
    for service in laid {
        let mut routes = service.draft.routes.iter();
        let Some(first) = routes.find(|route| route.value.goes_on()) else {
            continue;
        };
        if on(document, service)
            .iter()
            .any(|one| serving.contains(one))
        {
            continue;
        }
        let help = match service.draft.network_of() {
            Some((other, _)) => format!(
                "it is reached at `{other}`, whose network it has: say the route there, with port="
            ),
            None => format!(
                "put both on one: `network {DEFAULT_NETWORK}` is the one that they are on unless they say otherwise"
            ),
        };
        let problem = cx
            .error(
                "stackfile::unreachable",
                first.at,
                "cannot be served",
                format!(
                    "the proxy `{}` and `{}` have no network in common",
                    proxy.node.name, service.node.name
                ),
            )
            .also(place(service), "its network")
            .also(place(proxy), "the proxy's")
            .advise(help);
        cx.report(problem);
    }
}

/// The engine's names of the networks that a service will be on.
fn on(document: &Document<'_>, service: &Laid<'_>) -> Vec<String> {
    if service.draft.settings.network_mode.is_some() {
        return Vec::new();
    }
    if service.draft.networks.is_empty() {
        return vec![document.network(DEFAULT_NETWORK)];
    }
    let networks = service.draft.networks.iter();
    networks.map(|said| said.value.network.clone()).collect()
}

/// Where a service says which network it is on; its name where it does not.
fn place(service: &Laid<'_>) -> SourceSpan {
    let mode = service
        .draft
        .settings
        .network_mode
        .as_ref()
        .map(|mode| mode.at);
    let joined = service.draft.networks.first().map(|network| network.at);
    mode.or(joined).unwrap_or(service.node.at)
}

fn unused(cx: &mut Context<'_>, document: &Document<'_>, laid: &[Laid<'_>]) {
    for network in &document.networks {
        let used = laid
            .iter()
            .any(|service| on(document, service).contains(&network.value.engine_name));
        if !used {
            let warning = cx
                .error(
                    "stackfile::unused",
                    network.at,
                    "nobody is on it",
                    format!("network `{}` is declared and not used", network.value.name),
                )
                .advise("join it with `network NAME` in a service, or take the line away");
            cx.warn(warning);
        }
    }
}
