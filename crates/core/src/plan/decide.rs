//! Adds up what several changed paths ask for, whatever their order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use devrun_stack::{Action, Location};

use super::service::Trigger;
use super::{Decision, Follow, Without};

/// What the changed paths of a batch ask for, so far. Paths have to come sorted.
#[derive(Debug, Default)]
pub(super) struct Tally<'p> {
    without: Without<'p>,
    sync: Vec<PathBuf>,
    synced_by: Option<Cause>,
    /// By number of the trigger and number of the action in it: the order of declaration.
    actions: BTreeMap<(usize, usize), (Follow, Cause)>,
    rebuild: Option<Cause>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    path: PathBuf,
    rule: &'static str,
    file: String,
    line: usize,
    column: usize,
}

impl Cause {
    fn new(path: &Path, rule: &'static str, at: &Location) -> Self {
        Self {
            path: path.to_path_buf(),
            rule,
            file: at.file.clone(),
            line: at.line,
            column: at.column,
        }
    }

    fn place(&self) -> Location {
        Location {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
        }
    }
}

impl<'p> Tally<'p> {
    pub(super) fn without(without: Without<'p>) -> Self {
        Self {
            without,
            ..Self::default()
        }
    }

    /// Whether rules that do not bring that file over do not act on it.
    pub(super) fn is_same(&self, path: &Path) -> bool {
        self.without.same.is_some_and(|same| same.contains(path))
    }

    /// Where the rules stand that ask for more than a sync; the sync alone where there are none.
    pub(super) fn places(&self) -> Vec<Location> {
        let causes = self.actions.values().map(|(_, cause)| cause);
        let causes = causes.chain(&self.rebuild);
        let mut places: Vec<Location> = Vec::new();
        for place in causes.map(Cause::place) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() {
            places.extend(self.synced_by.as_ref().map(Cause::place));
        }
        places
    }

    pub(super) fn sync(&mut self, path: &Path, at: &Location) {
        if self.without.rules.contains(at) {
            return;
        }
        if self.sync.last().is_none_or(|last| last != path) {
            self.sync.push(path.to_path_buf());
        }
        self.synced_by
            .get_or_insert_with(|| Cause::new(path, "sync rule", at));
    }

    pub(super) fn trigger(&mut self, number: usize, path: &Path, trigger: &Trigger) {
        if self.without.rules.contains(&trigger.at) {
            return;
        }
        for (index, action) in trigger.actions.iter().enumerate() {
            self.actions.entry((number, index)).or_insert_with(|| {
                let follow = match action.clone() {
                    Action::Exec(command) => Follow::Exec(command),
                    Action::Signal(name) => Follow::Signal(name),
                    Action::Restart => Follow::Restart,
                    Action::Recreate => Follow::Recreate,
                    Action::Rebuild => Follow::Rebuild,
                    Action::Run(task) => Follow::Run(task),
                };
                (follow, Cause::new(path, "on rule", &trigger.at))
            });
        }
    }

    pub(super) fn rebuild(&mut self, path: &Path, at: &Location) {
        if self.without.rules.contains(at) {
            return;
        }
        self.rebuild
            .get_or_insert_with(|| Cause::new(path, "read by the build", at));
    }

    /// What the rules ask for and these steps leave out, each kind once, with the rule's place and
    /// the path.
    pub(super) fn swallowed(&self, follow: &[Follow]) -> Vec<(Follow, PathBuf, Location)> {
        let mut swallowed: Vec<(Follow, PathBuf, Location)> = Vec::new();
        for (action, cause) in self.actions.values() {
            let known = swallowed
                .iter()
                .any(|(one, ..)| one.word() == action.word());
            if !known && !follow.contains(action) {
                swallowed.push((action.clone(), cause.path.clone(), cause.place()));
            }
        }
        swallowed
    }

    /// The strongest wins, and what it makes pointless is dropped.
    pub(super) fn decision(self, shown: impl Fn(&Path) -> String) -> Decision {
        let Self {
            sync,
            synced_by,
            actions,
            rebuild,
            ..
        } = self;
        let actions: Vec<(Follow, Cause)> = actions.into_values().collect();
        let cause_of = |wanted: &dyn Fn(&Follow) -> bool| {
            let those = actions.iter().filter(|(follow, _)| wanted(follow));
            those.map(|(_, cause)| cause.clone()).min()
        };
        let rebuild = rebuild
            .into_iter()
            .chain(cause_of(&|follow| *follow == Follow::Rebuild))
            .min();
        let recreate = cause_of(&|follow| *follow == Follow::Recreate);
        let restart = cause_of(&|follow| *follow == Follow::Restart);
        let is_task = |follow: &Follow| matches!(follow, Follow::Run(_));
        let goes_first = |follow: &Follow| matches!(follow, Follow::Exec(_) | Follow::Run(_));
        // A task is another service: nothing that happens to this one makes its run pointless.
        let (before, strongest, cause) = if rebuild.is_some() {
            let before = once_each(&actions, is_task);
            (before, Some(Follow::Rebuild), rebuild)
        } else if recreate.is_some() {
            let before = once_each(&actions, is_task);
            (before, Some(Follow::Recreate), recreate)
        } else if restart.is_some() {
            let before = once_each(&actions, goes_first);
            (before, Some(Follow::Restart), restart)
        } else {
            (once_each(&actions, |_| true), None, cause_of(&|_| true))
        };
        let follow = before.into_iter().chain(strongest).collect();
        let (reason, at) = match cause.or(synced_by) {
            Some(Cause {
                path,
                rule,
                file,
                line,
                column,
            }) => {
                let at = Location { file, line, column };
                (format!("{}: {rule}, {at}", shown(&path)), Some(at))
            }
            None => (String::new(), None),
        };
        Decision {
            sync,
            follow,
            reason,
            at,
        }
    }
}

fn once_each(actions: &[(Follow, Cause)], wanted: impl Fn(&Follow) -> bool) -> Vec<Follow> {
    let mut once: Vec<Follow> = Vec::new();
    for (follow, _) in actions {
        if wanted(follow) && !once.contains(follow) {
            once.push(follow.clone());
        }
    }
    once
}
