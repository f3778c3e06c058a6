//! From a draft to a service: what was not said is worked out.

mod builds;
mod origins;
pub(crate) mod replicas;

use std::collections::BTreeMap;
use std::time::Duration;

use miette::SourceSpan;

use crate::context::Context;
use crate::draft::{Draft, DraftProbe, DraftRoute, DraftSource, Goes, Said};
use crate::merge::Laid;
use crate::model::{
    Condition, DependsOn, Healthcheck, On, Origin, Probe, Proxy, Redirect, Restart, Route, Service,
    Source, Sync, Tls,
};
use crate::notes::Extent;
use crate::read::{self, Kind};

impl Laid<'_> {
    /// Whether it is expected to end.
    pub(crate) fn is_task(&self) -> bool {
        self.node.kind == Kind::Task || self.draft.task.is_some()
    }
}

/// The service with where its values come from; `None` where a problem left too little of it.
pub(crate) fn service(
    cx: &mut Context<'_>,
    all: &[Laid<'_>],
    laid: &Laid<'_>,
) -> Option<(Service, BTreeMap<String, Origin>)> {
    let draft = &laid.draft;
    let (environment, assigned) = environment(cx, draft);
    let mut origins = origins::of(cx, draft);
    origins.extend(assigned);
    let routes = routes(cx, draft, &laid.node.name);
    let redirects = redirects(cx, draft);
    let sync = syncs(cx, draft);
    let healthcheck = healthcheck(cx, draft);
    let source = source(cx, all, laid)?;
    let proxy = match (laid.node.kind, &draft.config) {
        (Kind::Proxy, Some(config)) => Some(Proxy {
            config: config.value.clone(),
            health: said(draft.health.as_ref()),
            tls: draft.tls.as_ref().map(|said| Tls {
                hosts: said.value.hosts.clone(),
                port: said.value.port,
                redirect: said.value.redirect,
                at: cx.location(said.at),
            }),
        }),
        _ => None,
    };
    let service = Service {
        name: laid.node.name.clone(),
        container_name: laid.node.container_name.clone(),
        init: said(draft.init.as_ref()).unwrap_or(matches!(source, Source::Build(_))),
        source,
        proxy,
        command: said(draft.command.as_ref()),
        environment,
        networks: in_order(&draft.networks),
        ports: draft
            .ports
            .iter()
            .filter_map(|port| port.value.published(port.at, cx))
            .collect(),
        mounts: in_order(&draft.mounts),
        depends_on: depends_on(all, draft),
        healthcheck,
        healthcheck_off: draft
            .healthcheck
            .as_ref()
            .is_some_and(|said| said.value.is_none()),
        limits: said(draft.limits.as_ref()).unwrap_or_default(),
        reservations: said(draft.reservations.as_ref()).unwrap_or_default(),
        restart: restart(laid),
        logging: said(draft.logging.as_ref()),
        profiles: said(draft.profiles.as_ref()).unwrap_or_default(),
        task: laid.is_task(),
        routes,
        redirects,
        update: said(draft.update.as_ref()).unwrap_or_default(),
        sync,
        on: rules(&draft.on),
        ready_timeout: said(draft.ready_timeout.as_ref()).unwrap_or(Duration::from_secs(300)),
        files: in_order(&draft.files),
        post_start: in_order(&draft.post_start),
        pre_stop: in_order(&draft.pre_stop),
        pull: said(draft.settings.pull.as_ref()).unwrap_or_default(),
        replica: None,
        trigger: said(draft.settings.trigger.as_ref()).unwrap_or_default(),
        settings: draft.settings.settled(),
        at: cx.location(laid.node.at),
    };
    Some((service, origins))
}

fn said<T: Clone>(place: Option<&Said<T>>) -> Option<T> {
    place.map(|said| said.value.clone())
}

fn in_order<T: Clone>(list: &[Said<T>]) -> Vec<T> {
    list.iter().map(|said| said.value.clone()).collect()
}

fn rules(list: &[Said<On>]) -> Vec<On> {
    in_order(list)
}

type Origins = BTreeMap<String, Origin>;

/// What the files say, and over it what the Stackfile says.
fn environment(cx: &mut Context<'_>, draft: &Draft) -> (BTreeMap<String, String>, Origins) {
    let (mut values, mut origins) = (BTreeMap::new(), Origins::new());
    for file in &draft.env_files {
        for (key, assigned) in read::service_file(cx, &file.value, file.at) {
            origins.insert(format!("environment {key}"), assigned.origin);
            values.insert(key, assigned.value);
        }
    }
    for (key, said) in &draft.environment {
        let origin = cx.origin(said.at, said.layer, Extent::Line);
        origins.insert(format!("environment {key}"), origin);
        values.insert(key.clone(), said.value.clone());
    }
    (values, origins)
}

fn source(cx: &Context<'_>, all: &[Laid<'_>], laid: &Laid<'_>) -> Option<Source> {
    if let DraftSource::Image(image) = &laid.draft.source.as_ref()?.value {
        return Some(Source::Image(image.clone()));
    }
    let build = builds::of(cx, all, laid, &mut Vec::new())?;
    Some(Source::Build(Box::new(build)))
}

/// The defaults of the stack are for what goes on; a task ends.
fn restart(laid: &Laid<'_>) -> Restart {
    let policy = laid
        .draft
        .restart
        .as_ref()
        .filter(|said| !laid.is_task() || said.layer != laid.defaults);
    policy.map_or(Restart::No, |said| said.value)
}

fn depends_on(all: &[Laid<'_>], draft: &Draft) -> Vec<DependsOn> {
    let inferred = |name: &str| {
        let task = all
            .iter()
            .any(|other| other.node.name == name && other.is_task());
        if task {
            Condition::Completed
        } else {
            Condition::Healthy
        }
    };
    let resolved = |said: &Said<crate::draft::DraftDependency>| DependsOn {
        service: said.value.service.clone(),
        condition: said
            .value
            .condition
            .unwrap_or_else(|| inferred(&said.value.service)),
        follow: said.value.follow,
        required: said.value.required,
    };
    draft.depends_on.iter().map(resolved).collect()
}

/// The service's one port inside, or what is to be said about that.
fn one_port(
    cx: &mut Context<'_>,
    draft: &Draft,
    at: SourceSpan,
    whose: &str,
    property: &str,
) -> Option<u16> {
    let ports = draft.inside_ports();
    if let [only] = ports[..] {
        return Some(only);
    }
    let (label, message) = if ports.is_empty() {
        (
            "to which port?",
            format!("{whose} has no `port`, so it is not known where this goes"),
        )
    } else {
        let list = ports
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        (
            "to which port?",
            format!("{whose} has several ports inside ({list})"),
        )
    };
    let problem = cx
        .error("stackfile::which-port", at, label, message)
        .advise(format!("say {property}"));
    cx.report(problem);
    None
}

fn redirects(cx: &Context<'_>, draft: &Draft) -> Vec<Redirect> {
    let redirect = |said: &Said<DraftRoute>| match &said.value.goes {
        Goes::On { .. } => None,
        Goes::Elsewhere { to, status } => Some(Redirect {
            host: said.value.host.clone(),
            pattern: said.value.pattern.clone(),
            to: to.clone(),
            status: *status,
            at: cx.location(said.at),
        }),
    };
    draft.routes.iter().filter_map(redirect).collect()
}

fn routes(cx: &mut Context<'_>, draft: &Draft, name: &str) -> Vec<Route> {
    let mut routes = Vec::new();
    for said in &draft.routes {
        let Goes::On { port, passing } = &said.value.goes else {
            continue;
        };
        let port = port.or_else(|| {
            one_port(
                cx,
                draft,
                said.at,
                &format!("`{name}`"),
                "port=8000 beside the route",
            )
        });
        if let Some(port) = port {
            routes.push(Route {
                host: said.value.host.clone(),
                pattern: said.value.pattern.clone(),
                port,
                passing: passing.clone(),
                at: cx.location(said.at),
            });
        } else {
            // The next one would say the same.
            break;
        }
    }
    routes
}

fn healthcheck(cx: &mut Context<'_>, draft: &Draft) -> Option<Healthcheck> {
    let said = draft.healthcheck.as_ref()?;
    let health = said.value.as_ref()?;
    let test = match &health.test {
        DraftProbe::Command(command) => Probe::Command(command.clone()),
        DraftProbe::Url(url) => Probe::Http(url.clone()),
        DraftProbe::Tcp(port) => Probe::Tcp(*port),
        DraftProbe::Log(text) => Probe::Log(text.clone()),
        DraftProbe::Path(path) => {
            let port = one_port(
                cx,
                draft,
                said.at,
                "the service",
                "the whole address, http=\"http://localhost:8000/health\"",
            )?;
            Probe::Http(format!("http://localhost:{port}{path}"))
        }
    };
    Some(Healthcheck {
        test,
        interval: health.interval,
        timeout: health.timeout,
        retries: health.retries,
        start_period: health.start_period,
    })
}

fn syncs(cx: &mut Context<'_>, draft: &Draft) -> Vec<Sync> {
    let mut syncs = Vec::new();
    for said in &draft.sync {
        let sync = &said.value;
        let Some(from) = sync.source(draft.source.as_ref()) else {
            if draft.source.is_some() {
                let problem = cx
                    .error(
                        "stackfile::sync-source",
                        said.at,
                        "from where?",
                        "`sync` without a source takes the build context, and there is no `build`",
                    )
                    .advise("sync \"FOLDER\" to=\"/inside\"");
                cx.report(problem);
            }
            continue;
        };
        syncs.push(Sync {
            from: from.clone(),
            file: sync.file,
            to: sync.to.clone(),
            include: in_order(&sync.include),
            ignore: in_order(&sync.ignore),
            back: in_order(&sync.back),
            on: rules(&sync.on),
            mirror: self::said(sync.mirror.as_ref()).unwrap_or(false),
            initial: self::said(sync.initial.as_ref()).unwrap_or(true),
            owner: self::said(sync.owner.as_ref()),
            mode: self::said(sync.mode.as_ref()),
            settle: self::said(sync.settle.as_ref()).unwrap_or_default(),
            at: cx.location(said.at),
        });
    }
    syncs
}
