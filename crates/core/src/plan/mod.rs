//! What a changed file means for each service.
//!
//! Pure: which files say what is to be ignored, and what is in them, the shell tells.

mod around;
mod decide;
mod explain;
mod ignored;
mod include;
mod named;
mod pattern;
mod ruled_out;
mod service;
mod settings;
mod sync_rule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::ignore::GitIgnore;
use devrun_stack::{Command, Location, Mount, On, Placed, Source, Stack, Sync};

pub use explain::{BuildReason, Explanation, OnReason, SyncReason};
pub use named::Named;
pub use sync_rule::{SingleFile, SyncRule};

use decide::Tally;
use service::{ServiceRules, all_docker_ignore_files};
use settings::Settings;
use sync_rule::Common;

/// The text of each `.gitignore`, `.dockerignore` and `DOCKERFILE.dockerignore` that was found,
/// by its absolute path.
pub type IgnoreTexts = BTreeMap<PathBuf, String>;

/// The rules of a stack for files, compiled. Equal if they were compiled from equals.
#[derive(Clone)]
pub struct Rules {
    from: Input,
    services: Vec<ServiceRules>,
    /// Single files that matter wherever they lie.
    files: BTreeSet<PathBuf>,
    roots: BTreeSet<PathBuf>,
}

/// All that the rules depend on.
#[derive(Debug, Clone, PartialEq)]
struct Input {
    root: PathBuf,
    files: BTreeSet<PathBuf>,
    services: Vec<ServiceInput>,
    texts: IgnoreTexts,
}

#[derive(Debug, Clone, PartialEq)]
struct ServiceInput {
    name: String,
    source: Source,
    sync: Vec<Sync>,
    on: Vec<On>,
    mounts: Vec<Mount>,
    /// Where a tmpfs, or a file that is put there, has its place inside.
    taken: Vec<String>,
}

/// What has to be done for one service because of some changed paths.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// Paths to bring over, absolute, sorted, each once.
    pub sync: Vec<PathBuf>,
    /// What follows, in order; the strongest has swallowed what it makes pointless.
    pub follow: Vec<Follow>,
    /// The path and rule that decided, for people:
    /// `backend/api/views.py: sync rule, Stackfile.kdl:31`. Empty if nothing is to be done.
    pub reason: String,
    /// The rule's place in the Stackfile.
    pub at: Option<Location>,
}

impl Decision {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.sync.is_empty() && self.follow.is_empty()
    }
}

/// What does not act.
#[derive(Debug, Clone, Copy, Default)]
pub struct Without<'a> {
    /// The rules at these places.
    pub rules: &'a [Location],
    /// Rules about files that are not brought over, if it is one of these.
    pub same: Option<&'a BTreeSet<PathBuf>>,
}

/// What follows a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// A command in the container.
    Exec(Command),
    /// A signal to the process.
    Signal(String),
    /// A restart of the same container.
    Restart,
    /// A new container.
    Recreate,
    /// A new image and a new container.
    Rebuild,
    /// Another run of a task, by its name; what comes after it waits for its end.
    Run(String),
}

impl Follow {
    /// `exec`, `restart`, …: the word of the Stackfile.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Follow::Exec(_) => "exec",
            Follow::Signal(_) => "signal",
            Follow::Restart => "restart",
            Follow::Recreate => "recreate",
            Follow::Rebuild => "rebuild",
            Follow::Run(_) => "run",
        }
    }
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.services.iter().map(|service| service.name.as_str());
        f.debug_tuple("Rules")
            .field(&names.collect::<Vec<_>>())
            .finish()
    }
}

impl Rules {
    /// Compiles the rules of a stack.
    #[must_use]
    pub fn compile(stack: &Stack, ignores: &IgnoreTexts) -> Self {
        let gitignores = ignores
            .iter()
            .filter(|(path, _)| path.file_name().is_some_and(|name| name == ".gitignore"))
            .filter_map(|(path, text)| Some((path.parent()?, text)))
            .map(|(folder, text)| (folder.to_path_buf(), GitIgnore::parse(folder, text)))
            .collect();
        let common = Common {
            gitignores: &Arc::new(gitignores),
            settings: &Arc::new(Settings::new(stack)),
        };
        let rules = |service| ServiceRules::new(service, &stack.root, ignores, &common);
        let services: Vec<ServiceRules> = stack.services.iter().map(rules).collect();

        let mut files: BTreeSet<PathBuf> = stack.reads.iter().cloned().collect();
        files.insert(stack.file.clone());
        files.extend(ignores.keys().cloned());
        let proxies = stack
            .services
            .iter()
            .filter_map(|service| service.proxy.as_ref());
        files.extend(proxies.map(|proxy| proxy.config.clone()));

        let mut roots: BTreeSet<PathBuf> = services.iter().flat_map(ServiceRules::roots).collect();
        roots.extend(
            files
                .iter()
                .filter_map(|file| file.parent())
                .map(Path::to_path_buf),
        );
        Self {
            from: Input::new(stack, &files, ignores),
            services,
            files,
            roots,
        }
    }

    /// What has to be done for a service because these paths (absolute) changed. The order of
    /// the paths does not matter; an unknown service needs nothing.
    #[must_use]
    pub fn decide(&self, service: &str, paths: &[PathBuf]) -> Decision {
        self.decide_without(service, paths, Without::default())
    }

    /// The same, without what does not act.
    #[must_use]
    pub fn decide_without(
        &self,
        service: &str,
        paths: &[PathBuf],
        without: Without<'_>,
    ) -> Decision {
        let mut tally = Tally::without(without);
        if let Some(service) = self.service(service) {
            for path in paths.iter().collect::<BTreeSet<_>>() {
                service.weigh(path, &mut tally);
                if service
                    .built_on()
                    .iter()
                    .any(|one| self.rebuilds(one, path))
                {
                    service.rebuild(path, &mut tally);
                }
            }
        }
        tally.decision(|path| {
            let shown = path.strip_prefix(&self.from.root).unwrap_or(path);
            shown.display().to_string()
        })
    }

    /// The places of all that a save of that path triggers.
    #[must_use]
    pub fn rules_about(&self, service: &str, path: &Path) -> Vec<Location> {
        let Some(rules) = self.service(service) else {
            return Vec::new();
        };
        let mut tally = Tally::default();
        rules.weigh(path, &mut tally);
        if rules
            .built_on()
            .iter()
            .any(|one| self.rebuilds(one, &path.to_owned()))
        {
            rules.rebuild(path, &mut tally);
        }
        tally.places()
    }

    /// Whether an `on` of the service names that path, so that something may follow from a change
    /// of it. Quick: asked for each file before it is sent.
    #[must_use]
    pub fn may_follow(&self, service: &str, path: &Path) -> bool {
        self.service(service)
            .is_some_and(|service| service.is_triggered_by(path))
    }

    /// What follows for a service from files that differed and had to be brought into a container
    /// that is there.
    #[must_use]
    pub fn after_comparison(&self, service: &str, changed: &[PathBuf]) -> Vec<Follow> {
        let asks = |path: &PathBuf, follow: &Follow| {
            let decision = self.decide(service, std::slice::from_ref(path));
            decision.follow.contains(follow)
        };
        // Whether the image is fresh was decided by its inputs already.
        let live = changed.iter().filter(|path| !asks(path, &Follow::Rebuild));
        // A new container begins with the image's files again: making yet another one would go
        // round in a circle, while a restart finds the files that were just brought over.
        let (anew, others): (Vec<_>, Vec<_>) = live
            .cloned()
            .partition(|path| asks(path, &Follow::Recreate));
        let restart = (!anew.is_empty()).then_some(Follow::Restart);
        let mut follow = self.decide(service, &others).follow;
        follow.retain(|one| restart.is_none() || *one != Follow::Restart);
        follow.into_iter().chain(restart).collect()
    }

    /// Whether a command or a task is to run where such a file was brought into a container, even one
    /// whose process has not begun yet.
    #[must_use]
    pub fn asks_for_command(&self, service: &str, path: &Path) -> bool {
        let follow = self.after_comparison(service, &[path.to_owned()]);
        let runs = |one: &Follow| matches!(one, Follow::Exec(_) | Follow::Run(_));
        follow.iter().any(runs)
    }

    /// Whether a service's image changes with that path. Replicas have one image.
    fn rebuilds(&self, service: &str, path: &PathBuf) -> bool {
        let names = [service.to_owned(), format!("{service}-1")];
        let found = names.iter().find(|name| self.service(name).is_some());
        found.is_some_and(|name| {
            let decision = self.decide(name, std::slice::from_ref(path));
            decision.follow.contains(&Follow::Rebuild)
        })
    }

    /// Whether a sync rule of the service brings over that file.
    #[must_use]
    pub fn covers(&self, service: &str, path: &Path) -> bool {
        self.service(service)
            .is_some_and(|service| service.covers(path))
    }

    /// The sync rules of a service, in order of declaration.
    #[must_use]
    pub fn sync_rules(&self, service: &str) -> &[SyncRule] {
        self.service(service).map_or(&[], |service| &service.syncs)
    }

    /// Whether it depends on the content of that file whether a save of it asks for something, and
    /// nothing else is compared to find that out: an `on` names it, and it is not brought over.
    #[must_use]
    pub fn remembers(&self, path: &Path) -> bool {
        let mut services = self.services.iter();
        services.any(|service| service.remembers(path))
    }

    /// Whether there can be such a file below that folder.
    #[must_use]
    pub fn remembers_below(&self, folder: &Path) -> bool {
        let mut services = self.services.iter();
        services.any(|service| service.remembers_below(folder))
    }

    /// The folders in which all such files lie.
    #[must_use]
    pub fn remembered_folders(&self) -> BTreeSet<PathBuf> {
        let services = self.services.iter();
        services.flat_map(ServiceRules::remembered).collect()
    }

    /// The rule, by its number, that wants quiet before it acts on that file, and how long.
    #[must_use]
    pub fn settle(&self, service: &str, path: &Path) -> Option<(usize, Duration)> {
        self.service(service)?.settle(path)
    }

    /// Whether what is synced to a service may be something else than by these older rules, so
    /// that its trees have to be compared anew.
    #[must_use]
    pub fn syncs_otherwise(&self, before: &Self, service: &str) -> bool {
        self.from.syncs_of(service) != before.from.syncs_of(service)
    }

    /// A number that is another one where [`Self::syncs_otherwise`] would say so, to be kept by
    /// whoever ends.
    #[must_use]
    pub fn syncs_hash(&self, service: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(format!("{:?}", self.from.syncs_of(service)).as_bytes());
        hasher.finish()
    }

    /// Whether that file counts into the hash of the service's image: the Dockerfile, what says
    /// what is ignored, and all of the context that is not ignored there and that no sync rule
    /// covers or leaves alone, nor a mounted folder; and what is covered but asks for `rebuild`.
    #[must_use]
    pub fn image_input(&self, service: &str, path: &Path) -> bool {
        self.service(service)
            .is_some_and(|service| service.image_input(path))
    }

    /// The folders to watch; each down to what is [pruned](Self::prunes). One may lie in
    /// another, even below something pruned there, and some may not exist.
    #[must_use]
    pub fn roots(&self) -> Vec<PathBuf> {
        self.roots.iter().cloned().collect()
    }

    /// Whether nothing below that folder matters to any rule, so that a walk need not enter it.
    #[must_use]
    pub fn prunes(&self, folder: &Path) -> bool {
        let leads_to_root = self.roots.iter().any(|root| root.starts_with(folder));
        !leads_to_root
            && !self
                .services
                .iter()
                .any(|service| service.looks_below(folder))
    }

    /// Whether a change of that path matters at all.
    #[must_use]
    pub fn concerns(&self, path: &Path, is_dir: bool) -> bool {
        self.files.contains(path)
            || (!is_dir && Self::is_ignore_file(path))
            || self
                .services
                .iter()
                .any(|service| service.concerns(path, is_dir))
    }

    /// Whether it is a file by which the rules were, or would be, compiled: after a change of
    /// it they have to be compiled anew.
    #[must_use]
    pub fn is_ignore_file(path: &Path) -> bool {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name == ".gitignore" || name.ends_with(".dockerignore"))
    }

    /// The files that may say what the builds of a stack ignore, whether they exist or not.
    #[must_use]
    pub fn docker_ignore_files(stack: &Stack) -> Vec<PathBuf> {
        let builds = stack
            .services
            .iter()
            .filter_map(|service| match &service.source {
                Source::Build(build) => Some(build),
                Source::Image(_) => None,
            });
        builds
            .flat_map(|build| all_docker_ignore_files(build))
            .collect()
    }

    fn service(&self, name: &str) -> Option<&ServiceRules> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// What of a service says what is synced, and where to.
type Syncs<'a> = (Vec<Sync>, Vec<Mount>, &'a [String]);

impl Input {
    /// All that has a say in what is synced to a service; `None` where nothing is.
    fn syncs_of(&self, service: &str) -> Option<(Syncs<'_>, Vec<(&PathBuf, &String)>)> {
        let own = self.services.iter().find(|one| one.name == service)?;
        let mut folders: Vec<&Path> = own.sync.iter().map(|sync| &*sync.from).collect();
        if let Source::Build(build) = &own.source {
            folders.push(&build.context);
            folders.extend(build.dockerfile.parent());
        }
        let has_a_say = |file: &Path| {
            let at = file.parent().unwrap_or(file);
            folders
                .iter()
                .any(|one| one.starts_with(at) || at.starts_with(one))
        };
        let texts = self.texts.iter().filter(|(file, _)| has_a_say(file));
        let syncs: Syncs<'_> = (
            own.sync.without_places(),
            own.mounts.without_places(),
            &own.taken,
        );
        (!own.sync.is_empty()).then(|| (syncs, texts.collect()))
    }

    fn new(stack: &Stack, files: &BTreeSet<PathBuf>, texts: &IgnoreTexts) -> Self {
        let services = stack.services.iter().map(|service| ServiceInput {
            name: service.name.clone(),
            source: service.source.clone(),
            sync: service.sync.clone(),
            on: service.on.clone(),
            mounts: service.mounts.clone(),
            taken: around::taken(service).cloned().collect(),
        });
        Self {
            root: stack.root.clone(),
            files: files.clone(),
            services: services.collect(),
            texts: texts.clone(),
        }
    }
}
