//! What saving a file would do, and by which rule.

use std::path::Path;

use devrun_core::notice::{RuledOut, said_of_paused};
use devrun_core::plan::{Decision, Follow, OnReason, Rules, SyncReason, Without};
use devrun_stack::{Location, MountSource, Service, Stack};
use devrun_wire::session::{PausedRule, Status};
use serde_json::json;

use super::Answer;
use crate::report::paint::{DIM, NAME};
use crate::session::reading::add_line;
use crate::session::single::shown;

/// What it would do to one service.
struct Effect {
    service: String,
    /// Nothing where it is empty.
    does: Vec<String>,
    why: Vec<String>,
    /// What else could have been done.
    ruled_out: Vec<RuledOut>,
    /// Something of the service has to do with the path.
    concerned: bool,
}

pub(super) fn answer(
    stack: &Stack,
    rules: &Rules,
    session: Option<&Status>,
    path: &Path,
) -> Answer {
    let name = shown(stack, path).to_string();
    let general = general(stack, path);
    let services = stack.services.iter();
    let known = |name: &str| session?.services.iter().find(|one| one.name == name);
    let effect = |it: &Service| {
        let paused = known(&it.name).map_or(&[][..], |known| &known.paused);
        effect(stack, rules, paused, it, path)
    };
    let effects: Vec<Effect> = services.map(effect).collect();
    let (concerned, others): (Vec<_>, Vec<_>) = effects.iter().partition(|it| it.concerned);
    let untouched: Vec<&str> = others.iter().map(|one| one.service.as_str()).collect();
    let mut lines = vec![format!("saving {NAME}{name}{NAME:#}")];
    lines.extend(general.iter().map(|text| format!("  {text}")));
    let width = concerned.iter().map(|effect| effect.service.len()).max();
    let width = width.unwrap_or(0);
    for effect in &concerned {
        let does = match effect.does.is_empty() {
            true => "nothing".to_owned(),
            false => effect.does.join(", "),
        };
        let why = effect.why.join("; ");
        lines.push(format!(
            "  {:width$}  {does}  {DIM}{why}{DIM:#}",
            effect.service
        ));
        let not = effect.ruled_out.iter().map(RuledOut::said);
        lines.extend(not.map(|text| format!("  {:width$}  {DIM}{text}{DIM:#}", "")));
    }
    if concerned.is_empty() && general.is_empty() {
        lines.push(
            "  does nothing: it lies in no tree that is synced, in no build's context, and no `on` \
             names it"
                .to_owned(),
        );
    } else if !others.is_empty() && general.is_empty() {
        let names = untouched.join(", ");
        lines.push(format!("  {DIM}nothing to {names}{DIM:#}"));
    }
    let services: Vec<_> = concerned
        .iter()
        .map(|one| {
            json!({
                "service": one.service, "does": one.does, "why": one.why.join("; "),
                "ruled_out": one.ruled_out,
            })
        })
        .collect();
    Answer {
        lines,
        json: json!({"path": name, "stack": general, "services": services, "untouched": untouched}),
    }
}

/// What it does to the stack as a whole.
fn general(stack: &Stack, path: &Path) -> Vec<String> {
    let mut told = Vec::new();
    if path == stack.file || stack.reads.iter().any(|read| read == path) {
        told.push("the Stackfile is read again, and what differs is applied".to_owned());
    }
    if Rules::is_ignore_file(path) {
        told.push("what is ignored is looked at again".to_owned());
    }
    let proxies = stack.services.iter().filter(|service| {
        service
            .proxy
            .as_ref()
            .is_some_and(|proxy| proxy.config == path)
    });
    told.extend(proxies.map(|proxy| {
        format!(
            "the configuration of {} is tested, and applied without a restart",
            proxy.name
        )
    }));
    told
}

fn effect(
    stack: &Stack,
    rules: &Rules,
    paused: &[PausedRule],
    service: &Service,
    path: &Path,
) -> Effect {
    let is_paused = |at: &Location| paused.iter().find(|one| one.rule == at.to_string());
    let mut about = rules.rules_about(&service.name, path);
    about.retain(|at| is_paused(at).is_some());
    let without = Without {
        rules: &about,
        same: None,
    };
    let decision = rules.decide_without(&service.name, &[path.to_owned()], without);
    let by = about.iter().filter_map(is_paused);
    let paused = by.map(|one| said_of_paused(&service.name, &one.rule, &one.path));
    let explained = rules.explain(&service.name, path, path.is_dir());
    if decision.is_nothing() {
        let mut why: Vec<String> = explained.syncs.iter().map(of_sync).collect();
        let built = explained
            .build
            .as_ref()
            .filter(|build| !build.why.is_empty());
        let known = |text: &str| why.iter().any(|one| one.contains(text));
        if let Some(build) = built.filter(|build| !known(&build.why)) {
            why.push(format!("build: {}", build.why));
        }
        let acting = explained.on.iter().filter(|one| !about.contains(&one.at));
        why.extend(acting.map(of_on).chain(paused));
        let mounted = mounted(service, path).map(|at| format!("is live already, mounted at {at}"));
        return Effect {
            service: service.name.clone(),
            concerned: !why.is_empty() || mounted.is_some(),
            does: mounted.into_iter().collect(),
            why,
            ruled_out: Vec::new(),
        };
    }
    let does = does(rules, service, path, &decision);
    let mut ruled_out = rules.ruled_out(&service.name, &[path.to_owned()], &decision, without);
    for one in &mut ruled_out {
        add_line(one, stack, service);
    }
    let at = decision.at.clone();
    let decided = match decision.reason.split_once(": ") {
        Some((_, why)) => why.to_owned(),
        None => decision.reason,
    };
    let mut why = vec![decided];
    let others = explained
        .on
        .iter()
        .filter(|one| Some(&one.at) != at.as_ref() && !about.contains(&one.at));
    why.extend(others.map(of_on).chain(paused));
    Effect {
        service: service.name.clone(),
        does,
        why,
        ruled_out,
        concerned: true,
    }
}

fn of_sync(reason: &SyncReason) -> String {
    format!("{} ({})", reason.why, reason.at)
}

fn of_on(reason: &OnReason) -> String {
    match reason.why.is_empty() {
        true => format!("on rule, {}", reason.at),
        false => format!("on rule, {}: {}", reason.at, reason.why),
    }
}

fn does(rules: &Rules, service: &Service, path: &Path, decision: &Decision) -> Vec<String> {
    let mut does = Vec::new();
    let syncs = rules.sync_rules(&service.name).iter();
    let targets = syncs.filter(|rule| {
        path.strip_prefix(&rule.from)
            .is_ok_and(|below| rule.wants(below, false))
    });
    let targets: Vec<String> = targets.filter_map(|rule| rule.target(path)).collect();
    if !decision.sync.is_empty() {
        does.push(format!("sync to {}", targets.join(" and ")));
    }
    does.extend(decision.follow.iter().map(|follow| match follow {
        Follow::Exec(command) => format!("exec `{}`", command.argv().join(" ")),
        Follow::Signal(name) => format!("signal {name}"),
        Follow::Restart => "restart".to_owned(),
        Follow::Recreate => "recreate".to_owned(),
        Follow::Rebuild => "rebuild".to_owned(),
        Follow::Run(task) => format!("run {task}"),
    }));
    does
}

fn mounted(service: &Service, path: &Path) -> Option<String> {
    service.mounts.iter().find_map(|mount| match &mount.source {
        MountSource::Bind(from) => {
            let below = path.strip_prefix(from).ok()?;
            let target = Path::new(&mount.target).join(below);
            Some(
                target
                    .display()
                    .to_string()
                    .trim_end_matches('/')
                    .to_owned(),
            )
        }
        MountSource::Volume(_) => None,
    })
}
