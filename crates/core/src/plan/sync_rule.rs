//! A `sync`: which paths it brings over, and where to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::ignore::GitIgnore;
use devrun_stack::{Location, Owner, Service, Sync};

use super::around::{self, Other, What};
use super::ignored::{DockerScope, GitIgnores, GitScope, first_on_the_way, is_never_wanted, step};
use super::include::Include;
use super::service::Trigger;
use super::settings::{Setting, Settings};

/// A tree, or a single file, that is kept in step with the host.
#[derive(Debug, Clone)]
pub struct SyncRule {
    /// Outside: a folder, absolute.
    pub from: PathBuf,
    /// Inside: a folder, absolute.
    pub to: String,
    /// Where the rule is about one file: what that is called in the two folders.
    pub file: Option<SingleFile>,
    /// Whether what the host does not have is removed inside.
    pub mirror: bool,
    /// Whether what differs is brought over when the container starts, and not only saves.
    pub initial: bool,
    /// To whom it belongs inside; unless told, to the container's user.
    pub owner: Option<Owner>,
    /// Permission bits of files; unless told, those of the host.
    pub mode: Option<u32>,
    /// How long nothing must have changed before something is sent.
    pub settle: Duration,
    /// Where it is declared.
    pub at: Location,
    /// The rule's own `ignore`.
    pub(super) own: GitIgnore,
    include: Include,
    /// What comes back from the container.
    back: GitIgnore,
    pub(super) git: GitScope,
    pub(super) docker: Option<Arc<DockerScope>>,
    settings: Arc<Settings>,
    pub(super) others: Vec<Other>,
    /// The source is mounted at the target: all of it is live already.
    is_bound: bool,
    pub(super) on: Vec<Trigger>,
}

/// A file that is synced by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleFile {
    /// Its name outside.
    pub outside: OsString,
    /// Its name inside.
    pub inside: String,
}

/// What a rule says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It lies outside.
    Outside,
    /// The rule's `include` does not let it in.
    NotIncluded,
    /// It belongs to Git, to an editor or to devrun.
    Never,
    /// The rule's own `ignore` says that it is to be left alone.
    LeftAlone,
    /// Something else has this place inside: that one of [`SyncRule::others`].
    Hidden(usize),
    /// It says how the stack is run, and the rule does not name it.
    Setting(Setting),
    /// Git or Docker ignore it, and the rule does not name it.
    Ignored(By),
    /// It is mounted from the host: nothing is to be brought over.
    Live,
    /// It is brought over.
    Covered,
}

/// Who ignores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Git,
    Docker,
}

impl Verdict {
    /// Whether the rule has the say over it, even if nothing is brought over, so that no new image
    /// is needed for it. Variables that are in the image already may be read there.
    pub(super) fn is_cared_for(self) -> bool {
        !matches!(
            self,
            Self::Outside
                | Self::NotIncluded
                | Self::Ignored(_)
                | Self::Setting(Setting::Environment)
        )
    }

    /// Whether the rule's `on` holds for it.
    pub(super) fn is_heeded(self) -> bool {
        matches!(self, Self::Covered | Self::Live)
    }
}

/// What all rules of a stack have in common.
pub(super) struct Common<'a> {
    pub(super) gitignores: &'a Arc<GitIgnores>,
    pub(super) settings: &'a Arc<Settings>,
}

impl SyncRule {
    pub(super) fn new(
        service: &Service,
        sync: &Sync,
        common: &Common<'_>,
        docker: Option<Arc<DockerScope>>,
    ) -> Self {
        let (from, to, file) = match single(sync) {
            Some((from, to, file)) => (from, to, Some(file)),
            None => (sync.from.clone(), sync.to.clone(), None),
        };
        let patterns =
            |list: &[String]| GitIgnore::of_lines(&from, list.iter().map(String::as_str));
        Self {
            own: patterns(&sync.ignore),
            back: patterns(&sync.back),
            include: Include::new(&from, &sync.include),
            git: GitScope::new(&from, common.gitignores),
            on: Trigger::all(&from, &sync.on),
            others: match file {
                Some(_) => Vec::new(),
                None => around::below(service, sync),
            },
            is_bound: around::is_bound(service, sync),
            settings: Arc::clone(common.settings),
            file,
            from,
            to,
            docker,
            mirror: sync.mirror,
            initial: sync.initial,
            owner: sync.owner,
            mode: sync.mode,
            settle: sync.settle,
            at: sync.at.clone(),
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
        let verdict = || self.verdict(&path, false);
        !rel.as_os_str().is_empty()
            && self
                .back
                .says_of_any(&path, false)
                .is_some_and(|says| says.ignored)
            && matches!(
                verdict(),
                Verdict::Covered | Verdict::NotIncluded | Verdict::Ignored(_)
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
        let folder = self.from.join(rel);
        self.may_want_below(&folder) && self.verdict(&folder, true) != Verdict::Live
    }

    /// Where that path (absolute, on the host) lies inside, for people; `None` if it lies outside
    /// of [`from`](Self::from).
    #[must_use]
    pub fn target(&self, path: &Path) -> Option<String> {
        let rel = path.strip_prefix(&self.from).ok()?.to_string_lossy();
        let to = self.to.trim_end_matches('/');
        match &self.file {
            Some(file) if *rel == *file.outside => Some(format!("{to}/{}", file.inside)),
            _ if rel.is_empty() => Some(self.to.clone()),
            _ => Some(format!("{to}/{rel}")),
        }
    }

    pub(super) fn verdict(&self, path: &Path, is_dir: bool) -> Verdict {
        let live = match self.is_bound {
            true => Verdict::Live,
            false => Verdict::Covered,
        };
        let Ok(rel) = path.strip_prefix(&self.from) else {
            return Verdict::Outside;
        };
        if let Some(file) = &self.file {
            // Whoever names a single file means it.
            return match rel.as_os_str() == file.outside && !is_dir {
                true => live,
                false => Verdict::Outside,
            };
        }
        if is_never_wanted(&self.from, path, is_dir) {
            return Verdict::Never;
        }
        let Some(taken_in) = self.own_words(path, is_dir) else {
            return Verdict::LeftAlone;
        };
        let live = match self.other_at(rel) {
            Some((_, true)) => Verdict::Live,
            Some((other, false)) => return Verdict::Hidden(other),
            None => live,
        };
        if !rel.as_os_str().is_empty() && !self.include.lets_in(path, is_dir) {
            return Verdict::NotIncluded;
        }
        if let Some(setting) = self.unnamed_setting(path, is_dir) {
            return Verdict::Setting(setting);
        }
        let ignored = self.ignored_by(path, is_dir, taken_in);
        ignored.map_or(live, Verdict::Ignored)
    }

    /// After how many steps on the way to the path the rule's own `ignore` takes something back in,
    /// if it does; `None` where it leaves the path alone.
    fn own_words(&self, path: &Path, is_dir: bool) -> Option<Option<usize>> {
        let (mut taken_in, mut steps) = (None, 0);
        let left_alone = first_on_the_way(&self.from, path, is_dir, |at, is_dir| {
            steps += 1;
            let says = self.own.says(at, is_dir);
            if says.is_some_and(|says| !says.ignored) {
                taken_in.get_or_insert(steps);
            }
            says.is_some_and(|says| says.ignored)
        });
        left_alone.is_none().then_some(taken_in)
    }

    /// By which pattern of its own the rule leaves the path alone.
    pub(super) fn left_alone_by(&self, path: &Path, is_dir: bool) -> Option<&str> {
        let depth = first_on_the_way(&self.from, path, is_dir, |at, is_dir| {
            let says = self.own.says(at, is_dir);
            says.is_some_and(|says| says.ignored)
        })?;
        let at = step(&self.from, path, depth);
        let says = self.own.says(&at, is_dir || at != path);
        says.map(|says| says.pattern)
    }

    /// What else has that place inside, the deepest of all, and whether the same is there.
    fn other_at(&self, rel: &Path) -> Option<(usize, bool)> {
        let others = self.others.iter().enumerate();
        let around = others.filter(|(_, other)| rel.starts_with(&other.below));
        let (index, other) = around.max_by_key(|(_, other)| other.below.iter().count())?;
        let same = match &other.what {
            What::Bind(from) => *from == self.from.join(&other.below),
            _ => false,
        };
        Some((index, same))
    }

    fn unnamed_setting(&self, path: &Path, is_dir: bool) -> Option<Setting> {
        let setting = self.settings.kind(path).filter(|_| !is_dir)?;
        let taken_in = self.own.says(path, false).is_some_and(|says| !says.ignored);
        let named = taken_in
            || self.include.names_file(&self.from, path)
            || self
                .patterns()
                .any(|one| one.spells_out(path) && one.matches(path));
        (!named).then_some(setting)
    }

    /// Who of Git and Docker ignores it without the rule naming it. `taken_in` is after how many
    /// steps on the way there the rule's own `ignore` took something back in.
    fn ignored_by(&self, path: &Path, is_dir: bool, taken_in: Option<usize>) -> Option<By> {
        let git = self.git.depth(path, is_dir);
        let docker = self.docker.as_ref();
        let docker = docker.and_then(|docker| docker.depth(&self.from, path));
        let named = |depth: usize| {
            let ignored = step(&self.from, path, depth);
            taken_in.is_some_and(|steps| steps <= depth)
                || self.include.names(&ignored, path, is_dir)
                || self.patterns().any(|pattern| {
                    pattern.spells_out(&ignored)
                        && (pattern.matches(path) || (is_dir && pattern.may_match_below(path)))
                })
        };
        let unnamed = |depth: Option<usize>| depth.is_some_and(|depth| !named(depth));
        if unnamed(git) {
            return Some(By::Git);
        }
        unnamed(docker).then_some(By::Docker)
    }

    /// Whether something below that folder can be wanted, or followed by something.
    pub(super) fn may_want_below(&self, folder: &Path) -> bool {
        if self.from.starts_with(folder) {
            return true;
        }
        match self.verdict(folder, true) {
            Verdict::Covered => true,
            Verdict::Live => self.patterns().any(|one| one.may_match_below(folder)),
            Verdict::Ignored(_) => self.is_taken_in_below(folder),
            Verdict::NotIncluded => {
                let taken_in = self.own_words(folder, true).flatten();
                self.include.may_let_in_below(folder)
                    && (self.ignored_by(folder, true, taken_in).is_none()
                        || self.is_taken_in_below(folder))
            }
            _ => false,
        }
    }

    /// Unlike Git, Docker takes back in what lies below an ignored folder.
    fn is_taken_in_below(&self, folder: &Path) -> bool {
        let docker = self.docker.as_ref();
        self.git.depth(folder, true).is_none()
            && !docker.is_some_and(|docker| docker.ignores_all_below(folder))
    }

    pub(super) fn patterns(&self) -> impl Iterator<Item = &super::pattern::Pattern> {
        self.on.iter().flat_map(|trigger| &trigger.patterns)
    }
}

/// The folders of a single file, and its names in them.
fn single(sync: &Sync) -> Option<(PathBuf, String, SingleFile)> {
    if !sync.file {
        return None;
    }
    let (to, inside) = sync.to.rsplit_once('/')?;
    let file = SingleFile {
        outside: sync.from.file_name()?.to_owned(),
        inside: inside.to_owned(),
    };
    let to = if to.is_empty() { "/" } else { to };
    Some((sync.from.parent()?.to_owned(), to.to_owned(), file))
}
