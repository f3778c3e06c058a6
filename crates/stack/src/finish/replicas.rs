//! Several equal services, declared as one.

use crate::context::Context;
use crate::merge::Laid;
use crate::model::{Check, CheckTest, DependsOn, Inside, Replica, Service};

/// The services that one that is declared stands for.
pub(crate) fn of(cx: &mut Context<'_>, laid: &Laid<'_>, service: Service) -> Vec<Service> {
    let Some(said) = &laid.draft.settings.replicas else {
        return vec![service];
    };
    let count = said.value;
    fits(cx, laid, &service, count);
    let stack = cx.variables.stack.clone();
    let member = |number| {
        let name = format!("{}-{number}", service.name);
        Service {
            container_name: format!("{stack}-{name}"),
            replica: Some(Replica {
                of: service.name.clone(),
                number,
                count,
            }),
            name,
            ..service.clone()
        }
    };
    (1..=count).map(member).collect()
}

/// What there can be one of only.
fn fits(cx: &mut Context<'_>, laid: &Laid<'_>, service: &Service, count: u32) {
    let Some(said) = &laid.draft.settings.replicas else {
        return;
    };
    let (at, name) = (said.at, &service.name);
    let plain = format!("{}-{name}", cx.variables.stack);
    let (also, what, help) = if let Some(port) = laid
        .draft
        .ports
        .first()
        .filter(|_| count > 1 && !service.ports.is_empty())
    {
        (
            port.at,
            "one container alone can have a port of this machine",
            "a `route` of the proxy reaches all of them; or take the port away",
        )
    } else if service.task {
        (
            laid.node.at,
            "a task runs once",
            "make it a service, or take `replicas` away",
        )
    } else if service.container_name != plain {
        (
            laid.node.at,
            "several containers cannot share one name",
            "take `name=` away: they are called STACK-SERVICE-1, -2, …",
        )
    } else {
        return;
    };
    let problem = cx
        .error(
            "stackfile::replicas",
            at,
            format!("{count} of `{name}`"),
            what.to_owned(),
        )
        .also(also, "here".to_owned())
        .advise(help);
    cx.report(problem);
}

/// Whoever names several means all of them; a check needs one, and takes the first.
pub(crate) fn resolve(services: &mut [Service], checks: &mut [Check]) {
    let replicas: Vec<(String, String)> = services
        .iter()
        .filter_map(|service| Some((service.replica.as_ref()?.of.clone(), service.name.clone())))
        .collect();
    if replicas.is_empty() {
        return;
    }
    let members = |of: &str| {
        let of = of.to_owned();
        replicas
            .iter()
            .filter(move |(group, _)| *group == of)
            .map(|(_, name)| name.clone())
    };
    for service in services {
        service.depends_on = std::mem::take(&mut service.depends_on)
            .into_iter()
            .flat_map(|dependency| {
                let names: Vec<String> = members(&dependency.service).collect();
                match names.is_empty() {
                    true => vec![dependency],
                    false => names
                        .into_iter()
                        .map(|service| DependsOn {
                            service,
                            ..dependency.clone()
                        })
                        .collect(),
                }
            })
            .collect();
    }
    for check in checks {
        let (CheckTest::Exec { service, .. }
        | CheckTest::Run {
            inside: Inside::Service(service),
            ..
        }) = &mut check.test
        else {
            continue;
        };
        if let Some(first) = members(service).next() {
            *service = first;
        }
    }
}

/// Two services of one name, where one of them is a replica.
pub(crate) fn names(cx: &mut Context<'_>, laid: &[Laid<'_>], services: &[Service]) {
    for (at, service) in services.iter().enumerate() {
        let Some(other) = services[..at].iter().find(|it| it.name == service.name) else {
            continue;
        };
        let place = |declared: &str| {
            let found = laid.iter().find(|one| one.node.name == declared);
            found.map(|found| found.node.at)
        };
        if let (Some(here), Some(there)) =
            (place(service.declared_as()), place(other.declared_as()))
        {
            let problem = cx
                .error(
                    "stackfile::twice",
                    here,
                    "again here".to_owned(),
                    format!("two services would be called `{}`", service.name),
                )
                .also(there, "first here".to_owned())
                .advise("replicas are called NAME-1, NAME-2, …: give the other one another name");
            cx.report(problem);
        }
    }
}
