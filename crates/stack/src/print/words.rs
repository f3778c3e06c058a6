//! The words of a service that devrun itself works with.

use super::page::Page;
use super::{amounts, text};
use crate::model::{
    Action, Attachment, Command, Condition, DependsOn, FileInside, Healthcheck, Logging, Mount,
    MountSource, On, Passing, Port, Probe, Proxy, Pull, Redirect, Resources, Restart, Route, Sync,
    Trigger, Update,
};

pub(super) fn proxy(page: &mut Page<'_>, proxy: &Proxy) {
    let Proxy {
        config,
        health,
        tls,
    } = proxy;
    page.say("config", &format!("config {}", page.path(config)));
    if let Some(health) = health {
        page.say("health", &format!("health {}", page.quoted(health)));
    }
    if let Some(tls) = tls {
        let hosts = tls
            .hosts
            .iter()
            .map(|host| format!(" {}", page.quoted(host)));
        let hosts: String = hosts.collect();
        let redirect = if tls.redirect { "" } else { " redirect=#false" };
        page.say("tls", &format!("tls{hosts} port={}{redirect}", tls.port));
    }
}

pub(super) fn networks(page: &mut Page<'_>, networks: &[Attachment]) {
    for Attachment { network, aliases } in networks {
        let known = page.stack.networks.iter();
        let name = known
            .filter(|one| one.engine_name == *network)
            .map(|one| one.name.as_str())
            .next()
            .unwrap_or(network);
        let head = format!("network {}", text::name(name));
        page.say_block(&format!("network {network}"), &head, |page| {
            if !aliases.is_empty() {
                let aliases: Vec<String> = aliases.iter().map(|alias| page.quoted(alias)).collect();
                page.row(&format!("alias {}", aliases.join(" ")), String::new());
            }
        });
    }
}

/// Neighbours of one line are a range again.
pub(super) fn ports(page: &mut Page<'_>, ports: &[Port]) {
    let mut rest = ports;
    while let Some(first) = rest.first() {
        let follows = |pair: &[Port]| {
            let (one, next) = (&pair[0], &pair[1]);
            one.at == next.at
                && one.bind == next.bind
                && one.protocol == next.protocol
                && one.host.checked_add(1) == Some(next.host)
                && one.container.checked_add(1) == Some(next.container)
        };
        let count = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
        let (now, later) = rest.split_at(count);
        let last = now.last().unwrap_or(first);
        let range = |first: u16, last: u16| match first == last {
            true => first.to_string(),
            false => format!("\"{first}-{last}\""),
        };
        let Port {
            bind,
            host,
            container,
            protocol,
            at: _,
        } = first;
        let mut line = format!("port {}", range(*host, last.host));
        if host != container {
            line += &format!(" to={}", range(*container, last.container));
        }
        if let [only] = &bind[..] {
            line += &format!(" bind=\"{only}\"");
        }
        if protocol != "tcp" {
            line += &format!(" protocol={protocol}");
        }
        page.say(&format!("port {container}/{protocol}"), &line);
        rest = later;
    }
}

pub(super) fn mounts(page: &mut Page<'_>, mounts: &[Mount]) {
    for mount in mounts {
        let Mount {
            source,
            target,
            read_only,
            at: _,
        } = mount;
        let what = match source {
            MountSource::Volume(engine_name) => {
                let known = page.stack.volumes.iter();
                let name = known
                    .filter(|volume| volume.engine_name == *engine_name)
                    .map(|volume| volume.name.as_str())
                    .next()
                    .unwrap_or(engine_name);
                format!("volume {}", text::name(name))
            }
            MountSource::Bind(path) => format!("bind {}", page.path(path)),
        };
        let sealed = if *read_only { " read-only=#true" } else { "" };
        let line = format!("{what} to={}{sealed}", page.quoted(target));
        page.say(&format!("mount {target}"), &line);
    }
}

pub(super) fn files(page: &mut Page<'_>, files: &[FileInside]) {
    for file in files {
        let FileInside {
            name,
            kind,
            target,
            mode,
            content: _,
        } = file;
        let line = format!(
            "{} {} to={} mode=\"{mode:04o}\"",
            kind.word(),
            text::name(name),
            page.quoted(target)
        );
        page.say(&format!("file {target}"), &line);
    }
}

pub(super) fn depends_on(page: &mut Page<'_>, all: &[DependsOn]) {
    let mut declared: Vec<DependsOn> = Vec::new();
    for one in all {
        let service = page.declared_as(&one.service);
        // All replicas of one are named at once.
        if declared.iter().all(|it| it.service != service) {
            declared.push(DependsOn {
                service,
                ..one.clone()
            });
        }
    }
    page.grouped(
        &declared,
        |one| format!("depends-on {}", one.service),
        |one| (one.condition, one.follow, one.required),
        |_, some| {
            let names = some.iter().map(|one| text::name(&one.service));
            let mut line = format!("depends-on {}", names.collect::<Vec<_>>().join(" "));
            let DependsOn {
                service: _,
                condition,
                follow,
                required,
            } = &some[0];
            line += match condition {
                Condition::Started => " condition=started",
                Condition::Healthy => " condition=healthy",
                Condition::Completed => " condition=completed",
            };
            if *follow {
                line += " follow=#true";
            }
            if !required {
                line += " required=#false";
            }
            line
        },
    );
}

pub(super) fn healthcheck(page: &mut Page<'_>, check: Option<&Healthcheck>, off: bool) {
    let Some(check) = check else {
        if off {
            page.say("healthcheck", "healthcheck none");
        }
        return;
    };
    let Healthcheck {
        test,
        interval,
        timeout,
        retries,
        start_period,
    } = check;
    let asked = match test {
        Probe::Command(command) => page.command(command),
        Probe::Http(address) => format!("http={}", page.text(address)),
        Probe::Tcp(port) => format!("tcp={port}"),
        Probe::Log(part) => format!("log={}", page.text(part)),
    };
    let [interval, timeout, start] =
        [interval, timeout, start_period].map(|time| amounts::duration(*time));
    let line = format!(
        "healthcheck {asked} interval=\"{interval}\" timeout=\"{timeout}\" retries={retries} start-period=\"{start}\""
    );
    page.say("healthcheck", &line);
}

pub(super) fn resources(page: &mut Page<'_>, word: &str, amounts: &Resources) {
    let Resources { cpus, memory } = amounts;
    let mut line = word.to_owned();
    if let Some(cpus) = cpus {
        line += &format!(" cpus={}", text::number(&cpus.to_string(), 0));
    }
    if let Some(memory) = memory {
        line += &format!(" memory=\"{}\"", amounts::size(*memory));
    }
    if line != word {
        page.say(word, &line);
    }
}

pub(super) fn logging(page: &mut Page<'_>, logging: &Logging) {
    let Logging { driver, options } = logging;
    let mut line = format!("logging {}", page.word(driver));
    for (name, value) in options {
        line += &format!(" {}={}", text::name(name), page.quoted_or_number(value));
    }
    page.say("logging", &line);
}

pub(super) fn hooks(page: &mut Page<'_>, word: &str, commands: &[Command]) {
    for (index, command) in commands.iter().enumerate() {
        let line = format!("{word} {}", page.command(command));
        page.say(&format!("{word} {}", index + 1), &line);
    }
}

/// Of which host; nothing where it is of all.
fn of_host(page: &Page<'_>, host: Option<&str>) -> String {
    host.map_or_else(String::new, |host| format!(" host={}", page.quoted(host)))
}

fn elsewhere(page: &mut Page<'_>, redirects: &[Redirect]) {
    for redirect in redirects {
        let Redirect {
            host,
            pattern,
            to,
            status,
            at: _,
        } = redirect;
        let host = of_host(page, host.as_deref());
        let (path, to) = (page.quoted(pattern), page.quoted(to));
        let line = format!("route {path}{host} redirect={to} status={status}");
        page.say(&format!("route {}", redirect.name()), &line);
    }
}

/// Those of one line are alike; what has a block has it by itself.
pub(super) fn routes(page: &mut Page<'_>, routes: &[Route], redirects: &[Redirect]) {
    let plain = |route: &Route| route.passing.nginx.is_empty();
    for some in routes.chunk_by(|one, next| plain(one) && plain(next)) {
        let head = &some[0];
        if plain(head) {
            page.grouped(
                some,
                |route| format!("route {}", route.name()),
                |route| (route.host.clone(), route.port, route.passing.clone()),
                route,
            );
            continue;
        }
        let line = route(page, some);
        page.say_block(&format!("route {}", head.name()), &line, |page| {
            for lines in &head.passing.nginx {
                let text = page.text(&lines.text);
                page.row(&format!("nginx {text}"), String::new());
            }
        });
    }
    elsewhere(page, redirects);
}

fn route(page: &Page<'_>, some: &[Route]) -> String {
    let patterns = some.iter().map(|route| page.quoted(&route.pattern));
    let mut line = format!("route {}", patterns.collect::<Vec<_>>().join(" "));
    let Route {
        host,
        pattern: _,
        port,
        passing,
        at: _,
    } = &some[0];
    let Passing {
        strip_prefix,
        secure,
        timeout,
        max_body,
        streams,
        nginx: _,
    } = passing;
    line += &of_host(page, host.as_deref());
    line += &format!(" port={port}");
    if *secure {
        line += " scheme=https";
    }
    if let Some(prefix) = strip_prefix {
        line += &format!(" strip-prefix={}", page.quoted(prefix));
    }
    if let Some(timeout) = timeout {
        line += &format!(" timeout=\"{}\"", amounts::duration(*timeout));
    }
    if let Some(max_body) = max_body {
        line += &format!(" max-body=\"{}\"", amounts::size(*max_body));
    }
    if *streams {
        line += " buffering=#false";
    }
    line
}

pub(super) fn update(page: &mut Page<'_>, update: Update) {
    let [hold, drain] = [update.hold, update.drain].map(amounts::duration);
    let way = if update.roll { "roll" } else { "replace" };
    let line = format!("update {way} hold=\"{hold}\" drain=\"{drain}\"");
    page.say("update", &line);
}

pub(super) fn sync(page: &mut Page<'_>, sync: &Sync) {
    let Sync {
        from,
        file: _,
        to,
        include,
        ignore,
        back,
        on: rules,
        mirror,
        initial,
        owner,
        mode,
        settle,
        at: _,
    } = sync;
    let whose = format!("sync {to}");
    let mut head = format!("sync {} to={}", page.path(from), page.quoted(to));
    if *mirror {
        head += " mirror=#true";
    }
    if !initial {
        head += " initial=#false";
    }
    if let Some(owner) = owner {
        head += &format!(" owner=\"{owner}\"");
    }
    if let Some(mode) = mode {
        head += &format!(" mode=\"{mode:04o}\"");
    }
    if !settle.is_zero() {
        head += &format!(" settle=\"{}\"", amounts::duration(*settle));
    }
    page.say_block(&whose, &head, |page| {
        for (word, patterns) in [("include", include), ("ignore", ignore), ("back", back)] {
            page.grouped(
                patterns,
                |pattern| format!("{whose} {word} {pattern}"),
                |_| (),
                |page, some| {
                    let patterns = some.iter().map(|pattern| page.quoted(pattern));
                    format!("{word} {}", patterns.collect::<Vec<_>>().join(" "))
                },
            );
        }
        for rule in rules {
            on(page, &format!("{whose} on"), rule);
        }
    });
}

pub(super) fn on(page: &mut Page<'_>, whose: &str, rule: &On) {
    let On {
        patterns,
        actions,
        settle,
        at: _,
    } = rule;
    let comment = page.whence(&format!("{whose} {}", patterns.join(" ")));
    let quoted: Vec<String> = patterns.iter().map(|one| page.quoted(one)).collect();
    let mut head = format!("on {}", quoted.join(" "));
    if !settle.is_zero() {
        head += &format!(" settle=\"{}\"", amounts::duration(*settle));
    }
    let words: Vec<String> = actions.iter().map(|one| action(page, one)).collect();
    if words.iter().any(|word| word.contains('\n')) {
        return page.block(&head, comment, |page| {
            for one in actions {
                let word = action(page, one);
                page.row(&word, String::new());
            }
        });
    }
    page.row(&format!("{head} {{ {} }}", words.join("; ")), comment);
}

fn action(page: &Page<'_>, action: &Action) -> String {
    match action {
        Action::Exec(command) => format!("exec {}", page.command(command)),
        Action::Signal(signal) => format!("signal {}", page.quoted(signal)),
        Action::Restart => "restart".to_owned(),
        Action::Recreate => "recreate".to_owned(),
        Action::Rebuild => "rebuild".to_owned(),
        Action::Run(task) => format!("run {task}"),
    }
}

pub(super) fn restart(page: &mut Page<'_>, restart: Restart) {
    let policy = match restart {
        Restart::No => "no".to_owned(),
        Restart::Always => "always".to_owned(),
        Restart::UnlessStopped => "unless-stopped".to_owned(),
        Restart::OnFailure(None) => "on-failure".to_owned(),
        Restart::OnFailure(Some(count)) => format!("on-failure retries={count}"),
    };
    page.say("restart", &format!("restart {policy}"));
}

pub(super) fn trigger(page: &mut Page<'_>, trigger: Trigger) {
    match trigger {
        Trigger::Auto => {}
        Trigger::Manual => page.say("trigger", "trigger manual"),
    }
}

pub(super) fn pull(page: &mut Page<'_>, pull: Pull) {
    match pull {
        Pull::Missing => {}
        Pull::Always => page.say("pull", "pull always"),
        Pull::Never => page.say("pull", "pull never"),
    }
}
