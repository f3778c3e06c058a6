//! What the proxy knows of the services behind it, and requests that are with them.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use devrun_core::effect::RouteState;
use devrun_core::event::{MakingPart, Op};
use devrun_core::routes::{CLOSING_PATH, HOLD_SOCKET};
use devrun_wire::frames::Behind;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::driver::{Driver, Input};
use super::inside::Hands;
use crate::engine::Engine;
use crate::proxy::{Inside, ProxyError, apply_states};

/// How long the proxy may take to be told; everybody else waits for it.
const PROXY_PATIENCE: Duration = Duration::from_secs(2);
/// So long nginx may remember the address of a name that was looked up just before it changed: one
/// second, by a clock that counts whole ones.
const REMEMBERED: Duration = Duration::from_secs(2);

/// What a proxy's container was told.
#[derive(Debug, Default)]
pub(crate) struct Known {
    container: String,
    states: Vec<RouteState>,
    places: BTreeMap<String, Place>,
}

/// Where a service is.
#[derive(Debug, Clone, Default)]
struct Place {
    containers: Vec<String>,
    addresses: Vec<u32>,
    ready: bool,
    /// Its name means two containers.
    doubled: bool,
    /// When it stopped taking requests, or its name stopped to mean two containers.
    left: Option<Instant>,
    /// Until then nginx may ask its former address.
    moved: Option<Instant>,
}

impl Known {
    /// The first moment at which no former address is remembered any more.
    fn settled(&self) -> Option<Instant> {
        self.places.values().filter_map(|place| place.moved).min()
    }
}

impl Driver {
    /// The proxy is told one thing after the other, and always the newest.
    pub(super) fn tell_proxy(&mut self, container: String, states: Vec<RouteState>) {
        self.proxy_newest = Some((container, states));
        self.tell_proxy_newest();
    }

    fn tell_proxy_newest(&mut self) {
        self.proxy_behind = true;
        if self.proxy_busy {
            return;
        }
        let Some((container, states)) = self.proxy_newest.clone() else {
            return;
        };
        let told = self.proxy_told.take();
        let before = told.filter(|told| told.container == container);
        let before = before.unwrap_or_else(|| Known {
            container: container.clone(),
            ..Known::default()
        });
        self.proxy_behind = false;
        self.proxy_busy = true;
        let (hands, inputs) = (self.hands(&container), self.inputs.clone());
        let networks = self.proxy_networks();
        tokio::spawn(async move {
            let telling = tell(&hands, before, states, &networks);
            let known = match timeout(PROXY_PATIENCE, telling).await {
                Ok(Ok(known)) => Some(known),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the proxy was not told");
                    None
                }
                Err(_) => None,
            };
            let _ = inputs.send(Input::ProxyTold { known }).await;
        });
    }

    /// A new agent in the proxy's container has been told nothing yet, and what it lost is not known.
    pub(super) fn forget_proxy(&mut self, container: &str) {
        self.proxy_told.take_if(|told| told.container == container);
    }

    pub(super) fn proxy_told(&mut self, known: Option<Known>) {
        self.proxy_busy = false;
        if let Some(settled) = known.as_ref().and_then(Known::settled) {
            let inputs = self.inputs.clone();
            tokio::spawn(async move {
                sleep_until(settled).await;
                let _ = inputs.send(Input::ProxySettled).await;
            });
        }
        self.proxy_told = known;
        if self.proxy_behind {
            return self.tell_proxy_newest();
        }
        for waiting in std::mem::take(&mut self.waiting_for_pause) {
            // Whoever gave up does not listen.
            let _ = waiting.send(());
        }
        self.publish_held();
        self.answer_stops();
    }

    /// Names mean their new places now.
    pub(super) fn proxy_settled(&mut self) {
        self.tell_proxy_newest();
    }

    /// The engine's names of the networks that the proxy is on.
    fn proxy_networks(&self) -> Vec<String> {
        let Some(stack) = &self.stack else {
            return Vec::new();
        };
        let mut services = stack.services.iter();
        let proxy = services.find(|service| service.proxy.is_some());
        let names = proxy.map(|proxy| proxy.networks(stack)).unwrap_or_default();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Before a container is told to end: the proxy passes nothing on to it any more, which the
    /// core has asked for, and what is with it has ended, or had its time.
    pub(super) fn drained(
        &mut self,
        op: &Op,
        container: &str,
    ) -> impl Future<Output = ()> + Send + use<> {
        let work = self.draining(&op.service, container);
        let over = self.parts_of(op);
        async move {
            if let Some((limit, work)) = work {
                // It ends all the same.
                let _ = timeout(limit, work).await;
                over(MakingPart::Drained);
            }
        }
    }

    /// Until the proxy knows all that it is to know, or does not listen.
    pub(super) fn proxy_knows(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let told = self.proxy_busy.then(|| {
            let (sender, told) = oneshot::channel();
            self.waiting_for_pause.push(sender);
            told
        });
        async move {
            if let Some(told) = told {
                // The sender goes with the session.
                let _ = timeout(2 * PROXY_PATIENCE, told).await;
            }
        }
    }

    fn draining(
        &mut self,
        service: &str,
        container: &str,
    ) -> Option<(Duration, impl Future<Output = ()> + Send + use<>)> {
        let declared = self.stack.as_ref()?.service(service)?;
        let ports: Vec<u16> = declared.routes.iter().map(|route| route.port).collect();
        let drain = declared.update.drain;
        if ports.is_empty() {
            return None;
        }
        let hands = self.hands(&self.proxy_newest.as_ref()?.0);
        hands.agent.as_ref()?;
        let networks = self.proxy_networks();
        let told = self.proxy_knows();
        let container = container.to_owned();
        let work = async move {
            let addresses = addresses(&hands.engine, &container, &networks);
            let ((), addresses) = tokio::join!(told, addresses);
            if addresses.is_empty() {
                // It does not run, or there is no telling its connections from others.
                return;
            }
            if let Err(error) = hands.drain(addresses, ports, drain).await {
                tracing::debug!(%error, "nobody knows what is with it");
            }
        };
        Some((drain + PROXY_PATIENCE, work))
    }
}

/// Whoever waits is told first: nobody may be let go to where nothing is any more.
async fn tell(
    hands: &Hands,
    before: Known,
    states: Vec<RouteState>,
    networks: &[String],
) -> Result<Known, ProxyError> {
    if before.states.is_empty() {
        // A session that was killed in the middle of a reload may have left it.
        hands.remove(CLOSING_PATH).await?;
    }
    let mut known = Known {
        container: before.container,
        ..Known::default()
    };
    for state in &states {
        let old = before.places.get(&state.service).cloned();
        let place = placed(&hands.engine, old.unwrap_or_default(), state, networks).await;
        known.places.insert(state.service.clone(), place);
    }
    let behind = |state: &RouteState| Behind {
        name: state.service.clone(),
        ready: state.ready,
        hold_ms: u64::try_from(state.hold.as_millis()).unwrap_or(u64::MAX),
        addresses: known
            .places
            .get(&state.service)
            .map(|place| place.addresses.clone())
            .unwrap_or_default(),
    };
    let services = states.iter().map(behind).collect();
    let held = hands.hold(HOLD_SOCKET.to_owned(), services).await;
    if let Err(error) = &held {
        tracing::debug!(%error, "requests are not held");
    }
    known.states = states;
    for state in &mut known.states {
        let place = known.places.get(&state.service);
        // Whoever is asked about each request knows the address.
        state.ready &= place.is_none_or(|place| place.moved.is_none());
        state.ready &= held.is_err() || !state.doubled;
    }
    apply_states(hands, &before.states, &known.states).await?;
    Ok(known)
}

async fn placed(engine: &Engine, old: Place, state: &RouteState, networks: &[String]) -> Place {
    let now = Instant::now();
    let single = old.doubled && !state.doubled;
    let left = match single || (old.ready && !state.ready) {
        true => Some(now),
        false => old.left,
    };
    let doubled = state.doubled;
    if !state.ready {
        return Place {
            ready: false,
            doubled,
            left,
            moved: None,
            ..old
        };
    }
    let until = left.map(|left| left + REMEMBERED);
    let until = until.filter(|until| *until > now);
    if old.ready && old.containers == state.containers {
        return Place {
            doubled,
            left,
            moved: if single { until } else { old.moved.and(until) },
            ..old
        };
    }
    let mut found = Vec::new();
    for container in &state.containers {
        found.extend(addresses(engine, container, networks).await);
    }
    let moved = until.filter(|_| single || found != old.addresses);
    Place {
        containers: state.containers.clone(),
        addresses: found,
        ready: true,
        doubled,
        left,
        moved,
    }
}

/// As the proxy reaches it; what cannot be had is looked up by its name.
async fn addresses(engine: &Engine, container: &str, networks: &[String]) -> Vec<u32> {
    let found = engine.addresses(container).await.unwrap_or_default();
    let shared = |name: &String| found.get(name).copied();
    networks.iter().filter_map(shared).map(u32::from).collect()
}
