//! What saving a file would do, and by which rule.

use std::path::{Path, PathBuf};

use devrun_core::plan::{Decision, Follow, Rules};
use devrun_stack::{MountSource, Service, Source, Stack};
use serde_json::json;

use super::Answer;
use crate::report::paint::{DIM, NAME};
use crate::session::single::shown;

/// What it would do to one service.
struct Effect {
    service: String,
    does: Vec<String>,
    why: String,
}

pub(super) fn answer(stack: &Stack, rules: &Rules, path: &Path) -> Answer {
    let name = shown(stack, path).to_string();
    let general = general(stack, path);
    let effects: Vec<Effect> = stack
        .services
        .iter()
        .filter_map(|service| effect(rules, service, path))
        .collect();
    let mut lines = vec![format!("saving {NAME}{name}{NAME:#}")];
    let width = effects.iter().map(|effect| effect.service.len()).max();
    let width = width.unwrap_or(0);
    lines.extend(general.iter().map(|text| format!("  {text}")));
    for effect in &effects {
        lines.push(format!(
            "  {:width$}  {}  {DIM}{}{DIM:#}",
            effect.service,
            effect.does.join(", "),
            effect.why
        ));
    }
    if effects.is_empty() && general.is_empty() {
        lines.push(format!("  does nothing: {}", nothing(stack, rules, path)));
    }
    let services: Vec<_> = effects
        .iter()
        .map(|effect| json!({"service": effect.service, "does": effect.does, "why": effect.why}))
        .collect();
    Answer {
        lines,
        json: json!({"path": name, "stack": general, "services": services}),
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

fn effect(rules: &Rules, service: &Service, path: &Path) -> Option<Effect> {
    let decision = rules.decide(&service.name, &[path.to_owned()]);
    let mounted = mounted(service, path);
    if decision.is_nothing() {
        let at = mounted?;
        return Some(Effect {
            service: service.name.clone(),
            does: vec![format!("is live already, mounted at {at}")],
            why: String::new(),
        });
    }
    let does = does(rules, service, path, &decision);
    let why = match decision.reason.split_once(": ") {
        Some((_, why)) => why.to_owned(),
        None => decision.reason,
    };
    Some(Effect {
        service: service.name.clone(),
        does,
        why,
    })
}

fn does(rules: &Rules, service: &Service, path: &Path, decision: &Decision) -> Vec<String> {
    let mut does = Vec::new();
    if !decision.sync.is_empty() {
        let syncs = rules.sync_rules(&service.name).iter();
        let mut targets = syncs
            .filter(|rule| {
                path.strip_prefix(&rule.from)
                    .is_ok_and(|below| rule.wants(below, false))
            })
            .filter_map(|rule| rule.target(path));
        let target = targets.next().unwrap_or_default();
        does.push(format!("sync to {target}"));
    }
    does.extend(decision.follow.iter().map(|follow| match follow {
        Follow::Exec(command) => format!("exec `{}`", command.argv().join(" ")),
        Follow::Signal(name) => format!("signal {name}"),
        Follow::Restart => "restart".to_owned(),
        Follow::Recreate => "recreate".to_owned(),
        Follow::Rebuild => "rebuild".to_owned(),
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

/// Why no service cares.
fn nothing(stack: &Stack, rules: &Rules, path: &Path) -> String {
    let holders = |folder: &dyn Fn(&Service) -> Vec<PathBuf>| -> Vec<String> {
        let holds = |service: &&Service| folder(service).iter().any(|it| path.starts_with(it));
        let services = stack.services.iter().filter(holds);
        services.map(|service| service.name.clone()).collect()
    };
    let synced = holders(&|service| {
        let rules = rules.sync_rules(&service.name).iter();
        rules.map(|rule| rule.from.clone()).collect()
    });
    let built = holders(&|service| match &service.source {
        Source::Build(build) => vec![build.context.clone()],
        Source::Image(_) => Vec::new(),
    });
    if !synced.is_empty() {
        format!(
            "an `ignore`, .gitignore or .dockerignore keeps it out of the sync of {}",
            synced.join(", ")
        )
    } else if !built.is_empty() {
        format!(
            ".gitignore or .dockerignore keeps it out of the build of {}",
            built.join(", ")
        )
    } else {
        "it lies in no tree that is synced, in no build's context, and no `on` names it".to_owned()
    }
}
