//! What was not chosen for a save, and why not: the plan's own verdicts in words.

use std::path::{Path, PathBuf};

use devrun_stack::Location;

use super::decide::Tally;
use super::service::{Part, ServiceRules};
use super::sync_rule::Verdict;
use super::{Decision, Follow, Rules, Without};
use crate::notice::RuledOut;

/// So many of the saved files are looked at; what is said of each kind is said once.
const LOOKED_AT: usize = 50;

impl Rules {
    /// What else could have been done about these saves, and why it is not.
    #[must_use]
    pub fn ruled_out(
        &self,
        service: &str,
        paths: &[PathBuf],
        decision: &Decision,
        without: Without<'_>,
    ) -> Vec<RuledOut> {
        let Some(service) = self.service(service).filter(|_| !decision.is_nothing()) else {
            return Vec::new();
        };
        let looked_at = || paths.iter().take(LOOKED_AT);
        let not_synced = looked_at().find(|path| !decision.sync.contains(path));
        let mut all: Vec<RuledOut> = not_synced
            .map(|path| self.not_synced(service, path))
            .into_iter()
            .collect();
        all.extend(self.swallowed(service, looked_at(), decision, without));
        if decision.follow.is_empty() {
            all.extend(looked_at().find_map(|path| self.not_restarted(service, path)));
        }
        if !decision.follow.contains(&Follow::Rebuild) {
            all.extend(looked_at().find_map(|path| self.not_rebuilt(service, path)));
        }
        all
    }

    fn not_synced(&self, service: &ServiceRules, path: &Path) -> RuledOut {
        let shown = self.shown(path);
        let dockerfile = service.dockerfile().map(|file| self.shown(file));
        let part = service.part_of_build(path);
        if part == Some(Part::Dockerfile) {
            let because = format!("{shown} is what its image is built by");
            return ruled_out("sync", because, &shown, None);
        }
        if part == Some(Part::Ignores) {
            let because = format!("{shown} says what its image is built from");
            return ruled_out("sync", because, &shown, None);
        }
        let explained = self.explain_sync(service, path);
        let (why, by) = match explained {
            Some((why, at)) => (format!("{why} ({at})"), Some(at)),
            None => (String::new(), None),
        };
        // The line is found by who can read it.
        let file = dockerfile.filter(|_| part == Some(Part::Read));
        match (file, why.as_str()) {
            (Some(file), "") => RuledOut {
                file: Some(file.clone()),
                ..ruled_out("sync", format!("{shown} is read by {file}"), &shown, None)
            },
            (_, "") => {
                let base = self.base_reading(service, path);
                let because = base.map_or_else(
                    || format!("no sync covers {shown}"),
                    |base| format!("{shown} is read by the build of {base}, which it is built on"),
                );
                ruled_out("sync", because, &shown, None)
            }
            _ => ruled_out("sync", format!("{shown}: {why}"), &shown, by.as_ref()),
        }
    }

    /// The service whose image its own begins with, if that one reads the path.
    fn base_reading<'s>(&self, service: &'s ServiceRules, path: &Path) -> Option<&'s String> {
        let path = path.to_owned();
        let mut bases = service.built_on().iter();
        bases.find(|base| self.rebuilds(base, &path))
    }

    /// What the first sync in whose source it lies says of a path that it does not bring over.
    fn explain_sync(&self, service: &ServiceRules, path: &Path) -> Option<(String, Location)> {
        service.syncs.iter().find_map(|rule| {
            let told = self.of_sync(rule, path, false)?;
            (!told.synced).then(|| (told.why, rule.at.clone()))
        })
    }

    fn swallowed<'p>(
        &self,
        service: &ServiceRules,
        paths: impl Iterator<Item = &'p PathBuf>,
        decision: &Decision,
        without: Without<'_>,
    ) -> Vec<RuledOut> {
        let mut tally = Tally::without(Without {
            rules: &[],
            ..without
        });
        for path in paths {
            service.weigh(path, &mut tally);
        }
        let strongest = decision.follow.last();
        let why = match strongest {
            Some(Follow::Rebuild) => "another image comes with a new container",
            Some(Follow::Recreate) => "it gets a new container",
            _ => "it is restarted anyway",
        };
        let swallowed = tally.swallowed(&decision.follow).into_iter();
        swallowed
            .map(|(action, path, at)| {
                let because = match without.rules.contains(&at) {
                    true => format!("its rule is paused ({at})"),
                    false => format!("{why} (asked for at {at})"),
                };
                ruled_out(action.word(), because, &self.shown(&path), Some(&at))
            })
            .collect()
    }

    /// A process that does not look at its files does not notice a new one.
    fn not_restarted(&self, service: &ServiceRules, path: &Path) -> Option<RuledOut> {
        let mut rules = service.syncs.iter();
        let rule = rules.find(|rule| rule.verdict(path, false) == Verdict::Covered)?;
        let (shown, at) = (self.shown(path), &rule.at);
        let because = match rule.on.is_empty() {
            true => format!("the sync has no `on` ({at})"),
            false => format!("no `on` of the sync names {shown} ({at})"),
        };
        Some(ruled_out("restart", because, &shown, Some(at)))
    }

    /// The image does not have it, but the container has.
    fn not_rebuilt(&self, service: &ServiceRules, path: &Path) -> Option<RuledOut> {
        service.dockerfile()?;
        let shown = self.shown(path);
        let told = |because: String, at: Option<&Location>| {
            Some(ruled_out("rebuild", because, &shown, at))
        };
        if service.part_of_build(path).is_some() {
            let mut rules = service.syncs.iter();
            let covers = rules.find(|rule| rule.verdict(path, false).is_heeded());
            return match covers {
                Some(rule) => {
                    let at = &rule.at;
                    told(format!("a sync rule covers it ({at})"), Some(at))
                }
                None if service.is_mounted(path) => {
                    told(format!("{shown} is mounted from the host"), None)
                }
                None => None,
            };
        }
        let decider = service
            .scopes()
            .find_map(|(docker, _)| docker.decider(path));
        let Some((file, line)) = decider else {
            return told(format!("the build does not read {shown}"), None);
        };
        let file = self.shown(&file);
        Some(RuledOut {
            because: format!("{file}:{line} leaves {shown} out of the build"),
            file: Some(file),
            line: Some(line),
            ..ruled_out("rebuild", String::new(), &shown, None)
        })
    }
}

fn ruled_out(what: &str, because: String, path: &str, at: Option<&Location>) -> RuledOut {
    RuledOut {
        what: what.to_owned(),
        because,
        path: Some(path.to_owned()),
        file: at.map(|at| at.file.clone()),
        line: at.map(|at| at.line),
    }
}
