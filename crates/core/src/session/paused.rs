//! Rules that trigger themselves are paused: until somebody says so, or the Stackfile is saved.

use std::path::{Path, PathBuf};

use devrun_stack::{Location, MountSource};

use super::Session;
use super::machine::{Machine, Update};
use super::update::shortened;
use crate::notice::{NoticeEvent, RuledOut};
use crate::plan::{Decision, Rules, Without};

/// A rule that does not act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paused {
    rule: Location,
    /// What is changed by what it triggers, for people.
    path: String,
}

impl Machine {
    /// What the rules that act ask for.
    pub(super) fn decide(&self, rules: &Rules, paths: &[PathBuf]) -> Decision {
        let paused = self.paused_rules();
        rules.decide_without(&self.name, paths, self.without(&paused))
    }

    fn paused_rules(&self) -> Vec<Location> {
        self.paused
            .iter()
            .map(|paused| paused.rule.clone())
            .collect()
    }

    fn without<'a>(&'a self, rules: &'a [Location]) -> Without<'a> {
        Without {
            rules,
            same: Some(&self.same),
        }
    }

    /// These were saved, some of them with the same content. Where something is to be done for
    /// them yet, or was in vain, a save of the same asks for it all the same.
    pub(super) fn note_contents(&mut self, paths: &[PathBuf], same: &[PathBuf]) {
        let failed = self.has_failed();
        for path in paths {
            let waits = failed
                || self.planned.contains(path)
                || [&self.pending, &self.missed, &self.set_aside]
                    .iter()
                    .any(|waiting| waiting.contains(path));
            if !same.contains(path) || failed {
                self.same.remove(path);
            } else if !waits {
                self.same.insert(path.clone());
            }
        }
    }

    /// What was not done, and why.
    pub(super) fn ruled_out(
        &self,
        rules: &Rules,
        paths: &[PathBuf],
        decision: &Decision,
    ) -> Vec<RuledOut> {
        let paused = self.paused_rules();
        rules.ruled_out(&self.name, paths, decision, self.without(&paused))
    }

    /// Keeps the saves that only rules that do not act are about, until these do again.
    pub(super) fn set_aside(&mut self, rules: &Rules, paths: &[PathBuf]) {
        if self.paused.is_empty() {
            return;
        }
        for path in paths {
            let one = std::slice::from_ref(path);
            if rules.decide_without(&self.name, one, self.without(&[])) != self.decide(rules, one) {
                self.set_aside.insert(path.clone());
            }
        }
    }

    /// Which of its rules do not act, and because of which file.
    pub(super) fn paused(&self) -> impl Iterator<Item = (String, String)> {
        let all = self.paused.iter();
        all.map(|paused| (paused.rule.to_string(), paused.path.clone()))
    }

    pub(super) fn why_paused(&self) -> Option<String> {
        let Paused { rule, path } = self.paused.first()?;
        let saves = match self.set_aside.len() {
            0 => String::new(),
            1 => ", 1 save waits".to_owned(),
            count => format!(", {count} saves wait"),
        };
        Some(format!(
            "{rule} is paused, for {path} is changed by what its own save triggers{saves}; \
             `devrun trigger {}` goes on",
            self.name
        ))
    }
}

impl Session {
    /// Whether a container has the folder of that path, and may write into it.
    pub(super) fn containers_write(&self, path: &Path) -> bool {
        let services = self.stack.iter().flat_map(|stack| &stack.services);
        let mut mounts = services.flat_map(|service| &service.mounts);
        mounts.any(|mount| match &mount.source {
            MountSource::Bind(from) => !mount.read_only && path.starts_with(from),
            MountSource::Volume(_) => false,
        })
    }

    /// All rules of a service that a save of that path triggers do so no more.
    pub(super) fn pause(&mut self, name: &str, path: &Path) {
        let Some(rules) = self.rules.clone() else {
            return;
        };
        let shown = self.shown_path(path);
        let mut told = Vec::new();
        if let Some(machine) = self.machines.get_mut(name) {
            for rule in rules.rules_about(name, path) {
                if machine.paused.iter().any(|paused| paused.rule == rule) {
                    continue;
                }
                told.push(rule.to_string());
                machine.paused.push(Paused {
                    rule,
                    path: shown.clone(),
                });
            }
            machine.set_aside(&rules, &[path.to_owned()]);
        }
        let cause = self.cause_of(name);
        for rule in told {
            let path = shown.clone();
            self.notice(Some(name), cause, NoticeEvent::RulePaused { rule, path });
        }
    }

    /// They do so again; what was saved meanwhile is followed now.
    pub(super) fn resume(&mut self, name: &str) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let paused = std::mem::take(&mut machine.paused);
        let aside: Vec<PathBuf> = std::mem::take(&mut machine.set_aside).into_iter().collect();
        machine.circle = super::circle::Circle::default();
        for Paused { rule, .. } in paused {
            let rule = rule.to_string();
            self.notice(Some(name), None, NoticeEvent::RuleResumed { rule });
        }
        let needs = self.needs(name, &aside);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if aside.is_empty() || (needs.is_empty() && !machine.task) {
            return;
        }
        let update = machine.update.get_or_insert_with(|| Update {
            began: now,
            ..Update::default()
        });
        update.paths = shortened(aside.iter());
        update.saved.extend(aside);
        if machine.task {
            machine.run_due = true;
        } else if machine.running() {
            machine.saved.get_or_insert((now, now));
            machine.add_follow(needs);
        } else {
            self.wake(name, needs);
        }
    }
}
