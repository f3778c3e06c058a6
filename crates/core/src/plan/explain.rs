//! Why a path is brought over, or is not: the same verdicts as in the plan, in words.

use std::path::Path;

use devrun_stack::Location;

use super::Rules;
use super::around::What;
use super::ignored::is_never_wanted;
use super::service::{ServiceRules, Trigger};
use super::settings::Setting;
use super::sync_rule::{By, SyncRule, Verdict};

/// What the rules of one service say of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Each sync in whose source the path lies, in order of declaration.
    pub syncs: Vec<SyncReason>,
    /// Whether the image's build reads it, if it lies in a folder of the build.
    pub build: Option<BuildReason>,
    /// Each `on` that matches the path, in order of declaration.
    pub on: Vec<OnReason>,
}

/// What an `on` says of a path that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnReason {
    /// Where it is declared.
    pub at: Location,
    /// Why it does not act all the same, for people; empty where it does.
    pub why: String,
}

/// What a sync says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReason {
    /// Whether the path is brought over.
    pub synced: bool,
    /// Where the sync is declared, `Stackfile.kdl:71`.
    pub at: String,
    /// Why it is so, for people.
    pub why: String,
}

/// What a build says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReason {
    /// Whether the build reads it.
    pub read: bool,
    /// Why it does not, or why a save does not ask for another image; empty where it does.
    pub why: String,
}

impl Rules {
    /// What decides about a path, also one that does not exist; a folder where `is_dir`.
    #[must_use]
    pub fn explain(&self, service: &str, path: &Path, is_dir: bool) -> Explanation {
        let Some(service) = self.service(service) else {
            return Explanation::default();
        };
        let syncs = service.syncs.iter();
        Explanation {
            syncs: syncs
                .filter_map(|rule| self.of_sync(rule, path, is_dir))
                .collect(),
            build: self.of_build(service, path, is_dir),
            on: self.of_triggers(service, path, is_dir),
        }
    }

    fn of_triggers(&self, service: &ServiceRules, path: &Path, is_dir: bool) -> Vec<OnReason> {
        let inner = service.syncs.iter().flat_map(|rule| {
            let heeded = rule.verdict(path, is_dir).is_heeded();
            rule.on.iter().filter(move |_| heeded)
        });
        let inner = inner.map(|trigger| (trigger, String::new()));
        let why = match service.heeds(path, is_dir) {
            true => String::new(),
            false => service
                .git
                .decider(path, is_dir)
                .map_or_else(|| never(path), |(file, line)| self.by_line(&file, line)),
        };
        let own = service.on.iter().map(|trigger| (trigger, why.clone()));
        let all = inner.chain(own).filter(|(it, _)| it.matches(path));
        let reason = |(trigger, why): (&Trigger, String)| OnReason {
            at: trigger.at.clone(),
            why,
        };
        all.map(reason).collect()
    }

    pub(super) fn of_sync(&self, rule: &SyncRule, path: &Path, is_dir: bool) -> Option<SyncReason> {
        let verdict = rule.verdict(path, is_dir);
        let why = match verdict {
            Verdict::Outside => return None,
            Verdict::Covered => "sync rule".to_owned(),
            Verdict::Live => "mounted from the host: live without being copied".to_owned(),
            Verdict::NotIncluded => "no `include` of it matches".to_owned(),
            Verdict::Never => never(path),
            Verdict::LeftAlone => match rule.left_alone_by(path, is_dir) {
                Some(pattern) => format!("left alone by `ignore \"{pattern}\"`"),
                None => "left alone by its `ignore`".to_owned(),
            },
            Verdict::Hidden(other) => rule.others.get(other).map_or_else(String::new, |other| {
                let at = rule
                    .target(&rule.from.join(&other.below))
                    .unwrap_or_default();
                match &other.what {
                    What::Volume(name) => format!("left alone: the volume {name} is at {at}"),
                    What::Bind(from) => {
                        format!("left alone: {} is mounted at {at}", self.shown(from))
                    }
                    What::Tmpfs => format!("left alone: a tmpfs is at {at}"),
                    What::File => format!("left alone: a secret or config-file is at {at}"),
                    What::Sync(declared) => format!("left to the sync to {at}, {declared}"),
                }
            }),
            Verdict::Setting(Setting::Recipe) => {
                "not synced unless a rule names it: it says how things are built and run".to_owned()
            }
            Verdict::Setting(Setting::Environment) => {
                "not synced unless a rule names it: it holds variables".to_owned()
            }
            Verdict::Ignored(by) => {
                let docker = rule.docker.as_ref();
                let line = match by {
                    By::Git => rule.git.decider(path, is_dir),
                    By::Docker => docker.and_then(|docker| docker.decider(path)),
                };
                line.map_or_else(
                    || "ignored".to_owned(),
                    |(file, line)| self.by_line(&file, line),
                )
            }
        };
        Some(SyncReason {
            synced: verdict == Verdict::Covered,
            at: rule.at.to_string(),
            why,
        })
    }

    fn of_build(&self, service: &ServiceRules, path: &Path, is_dir: bool) -> Option<BuildReason> {
        let mut scopes = service.scopes();
        let (docker, git) = scopes.find(|(docker, _)| path.starts_with(&docker.context))?;
        if is_never_wanted(&docker.context, path, is_dir) {
            let why = never(path);
            return Some(BuildReason { read: false, why });
        }
        if let Some((file, line)) = docker.decider(path) {
            let why = self.by_line(&file, line);
            return Some(BuildReason { read: false, why });
        }
        let git = git.decider(path, is_dir);
        let why = git.map(|(file, line)| self.by_line(&file, line));
        Some(BuildReason {
            read: true,
            why: why.unwrap_or_default(),
        })
    }

    fn by_line(&self, file: &Path, line: usize) -> String {
        let text = self.from.texts.get(file).map_or("", String::as_str);
        let pattern = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        format!(
            "ignored by {}:{line} (`{}`)",
            self.shown(file),
            pattern.trim()
        )
    }

    pub(super) fn shown(&self, path: &Path) -> String {
        let shown = path.strip_prefix(&self.from.root).unwrap_or(path);
        shown.display().to_string()
    }
}

fn never(path: &Path) -> String {
    let name = |wanted: &str| path.iter().any(|part| part == wanted);
    match path.file_name().and_then(|name| name.to_str()) {
        _ if name(".git") => "never synced: Git's own".to_owned(),
        Some(file) if file.starts_with(".devrun-") => "never synced: devrun's own".to_owned(),
        _ => "never synced: an editor's temporary file".to_owned(),
    }
}
