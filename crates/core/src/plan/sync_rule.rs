//! A `sync`: which paths it brings over, and where to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_stack::{Location, Owner, Sync};
use ignore::Match;
use ignore::gitignore::Gitignore;

use super::ignored::{
    DockerScope, GitIgnores, GitScope, first_on_the_way, gitignore, is_never_wanted, step,
};
use super::service::Trigger;

/// A tree that is kept in step with the host.
#[derive(Debug, Clone)]
pub struct SyncRule {
    /// Outside: a folder, absolute.
    pub from: PathBuf,
    /// Inside: a folder, absolute.
    pub to: String,
    /// Whether what the host does not have is removed inside.
    pub mirror: bool,
    /// Whether what differs is brought over when the container starts, and not only saves.
    pub initial: bool,
    /// To whom it belongs inside; unless told, to the container's user.
    pub owner: Option<Owner>,
    /// Permission bits of files; unless told, those of the host.
    pub mode: Option<u32>,
    /// Where it is declared.
    pub at: Location,
    /// The rule's own `ignore`.
    own: Gitignore,
    /// What comes back from the container.
    back: Gitignore,
    git: GitScope,
    docker: Option<Arc<DockerScope>>,
    pub(super) on: Vec<Trigger>,
}

/// What a rule says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It lies outside, or its name cannot be told to a container.
    Outside,
    /// The rule itself says that it is to be left alone.
    LeftAlone,
    /// Git or Docker ignore it, and the rule does not name it.
    Ignored,
    /// It is brought over.
    Covered,
}

impl SyncRule {
    pub(super) fn new(
        sync: &Sync,
        gitignores: &Arc<GitIgnores>,
        docker: Option<Arc<DockerScope>>,
    ) -> Self {
        Self {
            from: sync.from.clone(),
            to: sync.to.clone(),
            mirror: sync.mirror,
            initial: sync.initial,
            owner: sync.owner,
            mode: sync.mode,
            at: sync.at.clone(),
            own: gitignore(&sync.from, sync.ignore.iter().map(String::as_str)),
            back: gitignore(&sync.from, sync.back.iter().map(String::as_str)),
            git: GitScope::new(&sync.from, gitignores),
            docker,
            on: Trigger::all(&sync.from, &sync.on),
        }
    }

    /// Whether the rule brings over the path `rel`, relative to [`from`](Self::from); the root
    /// itself it does. What is below a folder that is not wanted is not wanted either, except
    /// where a rule or a `.dockerignore` takes it back in: to walk the tree, ask
    /// [`enters`](Self::enters) about folders.
    #[must_use]
    pub fn wants(&self, rel: &Path, is_dir: bool) -> bool {
        self.verdict(&self.from.join(rel), is_dir) == Verdict::Covered
    }

    /// Whether the host is to have the file `rel`, relative to [`from`](Self::from), where the
    /// container made it. A name may say so in spite of `.gitignore`, not in spite of `ignore`.
    #[must_use]
    pub fn brings_back(&self, rel: &Path) -> bool {
        let path = self.from.join(rel);
        !rel.as_os_str().is_empty()
            && self
                .back
                .matched_path_or_any_parents(&path, false)
                .is_ignore()
            && !matches!(
                self.verdict(&path, false),
                Verdict::Outside | Verdict::LeftAlone
            )
    }

    /// Whether anything comes back at all.
    #[must_use]
    pub fn has_back(&self) -> bool {
        !self.back.is_empty()
    }

    /// Whether something wanted can lie below the folder `rel`, relative to
    /// [`from`](Self::from).
    #[must_use]
    pub fn enters(&self, rel: &Path) -> bool {
        self.may_want_below(&self.from.join(rel))
    }

    /// Where that path (absolute, on the host) lies inside; `None` if it lies outside of
    /// [`from`](Self::from) or its name is not Unicode.
    #[must_use]
    pub fn target(&self, path: &Path) -> Option<String> {
        let rel = path.strip_prefix(&self.from).ok()?.to_str()?;
        if rel.is_empty() {
            return Some(self.to.clone());
        }
        Some(format!("{}/{rel}", self.to.trim_end_matches('/')))
    }

    pub(super) fn verdict(&self, path: &Path, is_dir: bool) -> Verdict {
        if self.target(path).is_none() {
            return Verdict::Outside;
        }
        if is_never_wanted(&self.from, path, is_dir) {
            return Verdict::LeftAlone;
        }
        let mut taken_in = None;
        let mut steps = 0;
        let left_alone = first_on_the_way(&self.from, path, is_dir, |at, is_dir| {
            steps += 1;
            match self.own.matched(at, is_dir) {
                Match::None => false,
                Match::Ignore(_) => true,
                Match::Whitelist(_) => {
                    taken_in.get_or_insert(steps);
                    false
                }
            }
        });
        if left_alone.is_some() {
            return Verdict::LeftAlone;
        }
        let git = self.git.depth(path, is_dir);
        let docker = self
            .docker
            .as_ref()
            .and_then(|docker| docker.depth(&self.from, path));
        let named = |depth: usize| {
            let ignored = step(&self.from, path, depth);
            taken_in.is_some_and(|steps| steps <= depth)
                || self.patterns().any(|pattern| {
                    pattern.spells_out(&ignored)
                        && (pattern.matches(path) || (is_dir && pattern.may_match_below(path)))
                })
        };
        match git.into_iter().chain(docker).all(named) {
            true => Verdict::Covered,
            false => Verdict::Ignored,
        }
    }

    pub(super) fn may_want_below(&self, folder: &Path) -> bool {
        if self.from.starts_with(folder) {
            return true;
        }
        match self.verdict(folder, true) {
            Verdict::Covered => true,
            Verdict::Outside | Verdict::LeftAlone => false,
            // Unlike Git, Docker takes back in what lies below an ignored folder.
            Verdict::Ignored => {
                self.git.depth(folder, true).is_none()
                    && !self
                        .docker
                        .as_ref()
                        .is_some_and(|docker| docker.ignores_all_below(folder))
            }
        }
    }

    fn patterns(&self) -> impl Iterator<Item = &super::pattern::Pattern> {
        self.on.iter().flat_map(|trigger| &trigger.patterns)
    }
}
