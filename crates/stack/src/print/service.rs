//! A service: what it is made of, and in which order that is told.

use super::page::Page;
use super::{amounts, build, settings, text, words};
use crate::model::{Service, Source, Update};

pub(super) fn service(page: &mut Page<'_>, service: &Service) {
    let Service {
        name,
        container_name,
        source,
        proxy,
        command,
        environment,
        networks,
        ports,
        mounts,
        depends_on,
        healthcheck,
        healthcheck_off,
        limits,
        reservations,
        restart,
        logging,
        profiles,
        init,
        task,
        routes,
        redirects,
        update,
        sync,
        on,
        ready_timeout,
        files,
        post_start,
        pre_stop,
        pull,
        trigger,
        replica,
        settings,
        at: _,
    } = service;
    let name = replica.as_ref().map_or(name, |replica| &replica.of);
    page.owner = format!("service {name}");
    let word = match (proxy, task) {
        (Some(_), _) => "proxy",
        (None, true) => "task",
        (None, false) => "service",
    };
    let mut head = format!("{word} {}", text::name(name));
    if replica.is_none() && *container_name != format!("{}-{name}", page.stack.name) {
        head += &format!(" name={}", page.quoted(container_name));
    }
    let comment = page.whence("declaration");
    page.block(&head, comment, |page| {
        match source {
            Source::Image(image) => page.say("image", &format!("image {}", page.quoted(image))),
            Source::Build(of) => build::build(page, of),
        }
        if let Some(replica) = replica {
            page.say("replicas", &format!("replicas {}", replica.count));
        }
        if let Some(proxy) = proxy {
            words::proxy(page, proxy);
        }
        settings::process(page, settings);
        if let Some(command) = command {
            page.say("command", &format!("command {}", page.command(command)));
        }
        page.table("environment", environment.iter(), |key| {
            format!("environment {key}")
        });
        words::networks(page, networks);
        words::ports(page, ports);
        words::mounts(page, mounts);
        words::files(page, files);
        words::depends_on(page, depends_on);
        words::healthcheck(page, healthcheck.as_ref(), *healthcheck_off);
        let time = amounts::duration(*ready_timeout);
        page.say("ready-timeout", &format!("ready-timeout \"{time}\""));
        words::resources(page, "limits", limits);
        words::resources(page, "reservations", reservations);
        words::restart(page, *restart);
        if let Some(logging) = logging {
            words::logging(page, logging);
        }
        if !profiles.is_empty() {
            let names: Vec<String> = profiles.iter().map(|name| page.word(name)).collect();
            page.say("profile", &format!("profile {}", names.join(" ")));
        }
        page.say("init", &format!("init #{init}"));
        words::hooks(page, "post-start", post_start);
        words::hooks(page, "pre-stop", pre_stop);
        words::routes(page, routes, redirects);
        if !routes.is_empty() || *update != Update::default() {
            words::update(page, *update);
        }
        for tree in sync {
            words::sync(page, tree);
        }
        for rule in on {
            words::on(page, "on", rule);
        }
        words::pull(page, *pull);
        words::trigger(page, *trigger);
        settings::machine(page, settings);
    });
}
