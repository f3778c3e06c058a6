//! How things are, in the shape of the contract: of a session, or of what the engine says.

use std::time::Duration;

use devrun_core::event::Transport;
use devrun_core::session::{Held, ServiceView, State, View};
use devrun_core::spec::{Container, ContainerState, Health};
use devrun_stack::{Route, Service, Stack};
use devrun_wire::session::{
    ContainerInfo, NotSynced, PausedRule, PolledInfo, PortInfo, ProxyInfo, ServiceStatus,
    SessionInfo, Status, SyncInfo, WatchInfo,
};
use time::OffsetDateTime;

use super::driver::Driver;
use crate::report::Clock;

/// So many paths that could not be brought over stand in an answer; all are counted.
const NAMED: usize = 20;

impl Driver {
    /// How this session is.
    pub(super) fn status(&self) -> Status {
        let view = self.core.view();
        let Some(stack) = &self.stack else {
            return Status {
                stack: String::new(),
                file: self.load.shown.clone(),
                session: None,
                proxy: None,
                services: Vec::new(),
                settled: Some(false),
                wrong: None,
                watch: None,
            };
        };
        let now = OffsetDateTime::now_utc();
        let elapsed = self.began.elapsed();
        let of_view = |view: &ServiceView| {
            let service = stack.service(&view.name)?;
            let since = now - elapsed.saturating_sub(view.since);
            let mut status = status_of_view(service, view, since);
            if let Some(sync) = &mut status.sync
                && self.verifying.contains_key(&view.name)
            {
                "verifying".clone_into(&mut sync.state);
            }
            Some(status)
        };
        Status {
            stack: stack.name.clone(),
            file: stack.file.display().to_string(),
            session: Some(SessionInfo {
                pid: std::process::id(),
                since: self.since.clone(),
                engine: self.engine.endpoint().settled().to_string(),
            }),
            proxy: stack.url.clone().map(|url| ProxyInfo {
                url,
                generation: view.generation,
            }),
            services: view.services.iter().filter_map(of_view).collect(),
            settled: Some(view.settled),
            wrong: view.wrong.clone(),
            watch: self.watch.then(|| watch_info(&view)),
        }
    }
}

fn not_synced((path, reason): &(String, String)) -> NotSynced {
    NotSynced {
        path: path.clone(),
        reason: reason.clone(),
    }
}

fn paused_rule((rule, path): &(String, String)) -> PausedRule {
    PausedRule {
        rule: rule.clone(),
        path: path.clone(),
    }
}

fn watch_info(view: &View) -> WatchInfo {
    let polled = view.polled.iter().map(|polled| PolledInfo {
        folder: polled.folder.display().to_string(),
        folders: polled.folders,
        why: polled.why.clone(),
    });
    WatchInfo {
        files: view.watching,
        polled: polled.collect(),
    }
}

fn status_of_view(service: &Service, view: &ServiceView, since: OffsetDateTime) -> ServiceStatus {
    let sync = (!service.sync.is_empty()).then(|| SyncInfo {
        transport: view.transport.map(|transport| {
            match transport {
                Transport::Agent => "agent",
                Transport::Archive => "archive",
            }
            .to_owned()
        }),
        state: match (view.pending, view.transport) {
            (0, Some(_)) => "live",
            (_, None) if view.state == State::Ready => "verifying",
            _ => "pending",
        }
        .to_owned(),
        pending: view.pending,
        held: view.held.map(|held| {
            match held {
                Held::Terminal => "terminal",
                Held::Trigger => "trigger",
            }
            .to_owned()
        }),
        not_synced: view.unsynced.iter().take(NAMED).map(not_synced).collect(),
    });
    ServiceStatus {
        state: view.state.word().to_owned(),
        health: view.health.map(str::to_owned),
        reason: view.reason.clone(),
        details: view.details.clone(),
        since: (view.state != State::Off).then(|| Clock::rfc3339(since)),
        exit_code: view.exit_code,
        container: view.container.as_ref().map(|id| ContainerInfo {
            id: id.clone(),
            name: service.container_name.clone(),
        }),
        image: view.image.clone(),
        restarts: view.restarts,
        sync,
        pending: match view.held {
            Some(Held::Trigger) => 0,
            _ => view.pending,
        },
        paused: view.paused.iter().map(paused_rule).collect(),
        stale: view.stale,
        start_ms: view
            .took
            .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        ..declared(service)
    }
}

/// What can be said of a service without looking at the engine.
fn declared(service: &Service) -> ServiceStatus {
    ServiceStatus {
        name: service.name.clone(),
        service: service.replica.as_ref().map(|replica| replica.of.clone()),
        state: State::Stopped.word().to_owned(),
        health: None,
        reason: None,
        details: Vec::new(),
        since: None,
        exit_code: None,
        container: None,
        image: None,
        ports: service
            .ports
            .iter()
            .map(|port| PortInfo {
                host: port.host,
                container: port.container,
            })
            .collect(),
        routes: service.routes.iter().map(Route::name).collect(),
        restarts: 0,
        sync: None,
        pending: 0,
        paused: Vec::new(),
        stale: false,
        start_ms: None,
    }
}

/// How a stack is whose session does not live: what the engine says.
pub(crate) fn without_session(stack: &Stack, containers: &[Container]) -> Status {
    let services = stack.services.iter().map(|service| {
        let found = containers
            .iter()
            .find(|container| container.service() == service.name);
        match found {
            Some(container) => status_of_container(service, container),
            None => status_of_nothing(service),
        }
    });
    Status {
        stack: stack.name.clone(),
        file: stack.file.display().to_string(),
        session: None,
        proxy: stack
            .url
            .clone()
            .map(|url| ProxyInfo { url, generation: 0 }),
        services: services.collect(),
        settled: None,
        wrong: None,
        watch: None,
    }
}

fn status_of_nothing(service: &Service) -> ServiceStatus {
    let (state, reason) = match service.profiles.first() {
        Some(profile) => (State::Off, format!("--profile {profile}")),
        None => (
            State::Stopped,
            "never started, or removed by `devrun down`".to_owned(),
        ),
    };
    ServiceStatus {
        state: state.word().to_owned(),
        reason: Some(reason),
        ..declared(service)
    }
}

fn status_of_container(service: &Service, container: &Container) -> ServiceStatus {
    let (state, reason) = state_of_container(service, container);
    let running = container.state == ContainerState::Running;
    let health = container.health.filter(|_| running).map(|health| {
        match health {
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        }
        .to_owned()
    });
    let since = if running {
        &container.started_at
    } else {
        &container.finished_at
    };
    ServiceStatus {
        state: state.word().to_owned(),
        health,
        reason,
        since: Clock::parse(since).map(Clock::rfc3339),
        exit_code: container.exit_code.filter(|_| !running),
        container: Some(ContainerInfo {
            id: container.id.clone(),
            name: container.name.clone(),
        }),
        image: Some(container.image.clone()),
        restarts: container.restarts,
        ports: published(container),
        ..declared(service)
    }
}

/// The ports that it has: a run of `ci` has others than the Stackfile says.
fn published(container: &Container) -> Vec<PortInfo> {
    let mut ports: Vec<(u16, u16)> = Vec::new();
    for port in &container.ports {
        let port = (port.host, port.container);
        // At several addresses it is one.
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    let info = |(host, container)| PortInfo { host, container };
    ports.into_iter().map(info).collect()
}

fn state_of_container(service: &Service, container: &Container) -> (State, Option<String>) {
    let code = container.exit_code.unwrap_or_default();
    match container.state {
        ContainerState::Running => match container.health {
            Some(Health::Unhealthy) => {
                (State::Unhealthy, Some("its health check fails".to_owned()))
            }
            Some(Health::Starting) => (
                State::Starting,
                Some("its health check has not been answered yet".to_owned()),
            ),
            _ => (State::Ready, None),
        },
        ContainerState::Restarting => (
            State::Failed,
            Some(format!("exited with {code}, the engine starts it again")),
        ),
        ContainerState::Paused => (State::Stopped, Some("paused".to_owned())),
        ContainerState::Exited if service.task && code == 0 => (State::Done, None),
        ContainerState::Exited if service.task => {
            (State::Failed, Some(format!("task ended with {code}")))
        }
        ContainerState::Exited => (State::Stopped, Some(format!("exited with {code}"))),
        ContainerState::Created => (State::Stopped, Some("made, but never started".to_owned())),
        ContainerState::Dead => (State::Failed, Some("half removed by the engine".to_owned())),
    }
}

/// How long ago, for people.
pub(crate) fn ago(since: &str) -> String {
    let Some(since) = Clock::parse(since) else {
        return String::new();
    };
    let passed = OffsetDateTime::now_utc() - since;
    lasted(Duration::try_from(passed).unwrap_or_default())
}

/// A long time in one number.
pub(crate) fn lasted(passed: Duration) -> String {
    let passed = passed.as_secs();
    match passed {
        0..120 => format!("{passed} s"),
        120..7200 => format!("{} min", passed / 60),
        7200..172_800 => format!("{} h", passed / 3600),
        _ => format!("{} d", passed / 86_400),
    }
}
