//! The rules of one service.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::{Action, Build, BuildContext, Location, MountSource, On, Service, Source};

use super::IgnoreTexts;
use super::decide::Tally;
use super::ignored::{DockerScope, GitIgnores, GitScope, is_never_wanted, step};
use super::pattern::Pattern;
use super::sync_rule::{Common, SyncRule, Verdict};

/// An `on`.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    pub(super) patterns: Vec<Pattern>,
    pub(super) actions: Vec<Action>,
    pub(super) settle: Duration,
    pub(super) at: Location,
}

impl Trigger {
    pub(super) fn all(base: &Path, on: &[On]) -> Vec<Self> {
        let one = |on: &On| Self {
            patterns: on
                .patterns
                .iter()
                .map(|text| Pattern::new(base, text))
                .collect(),
            actions: on.actions.clone(),
            settle: on.settle,
            at: on.at.clone(),
        };
        on.iter().map(one).collect()
    }

    pub(super) fn matches(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    fn rebuilds(&self, path: &Path) -> bool {
        self.actions.contains(&Action::Rebuild) && self.matches(path)
    }
}

#[derive(Debug, Clone)]
pub(super) struct ServiceRules {
    pub(super) name: String,
    pub(super) syncs: Vec<SyncRule>,
    root: PathBuf,
    /// Whatever is synced asks for another run.
    task: bool,
    pub(super) git: GitScope,
    pub(super) on: Vec<Trigger>,
    build: Option<BuildRule>,
    /// Host folders that are mounted: what lies in them is live without our doing.
    binds: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
struct BuildRule {
    docker: Arc<DockerScope>,
    git: GitScope,
    /// Folders that it reads besides its context.
    more: Vec<(Arc<DockerScope>, GitScope)>,
    /// Dockerfile and the files that say what it ignores.
    files: Vec<PathBuf>,
    /// Services whose images it begins with.
    built_on: Vec<String>,
    at: Location,
}

/// What a file is to a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The Dockerfile.
    Dockerfile,
    /// It says what is left out.
    Ignores,
    /// It lies in a folder that is read.
    Read,
}

/// The files that may say what a build ignores, the one that counts first.
fn docker_ignore_files(build: &Build) -> [PathBuf; 2] {
    let mut own = build.dockerfile.clone().into_os_string();
    own.push(".dockerignore");
    [PathBuf::from(own), build.context.join(".dockerignore")]
}

/// The same, and those of its other folders.
pub(super) fn all_docker_ignore_files(build: &Build) -> Vec<PathBuf> {
    let mut files = docker_ignore_files(build).to_vec();
    files.extend(folders(build).map(|folder| folder.join(".dockerignore")));
    files
}

/// The folders that a build reads besides its context.
fn folders(build: &Build) -> impl Iterator<Item = &PathBuf> {
    build.contexts.values().filter_map(|context| match context {
        BuildContext::Folder(folder) => Some(folder),
        _ => None,
    })
}

impl BuildRule {
    fn new(build: &Build, texts: &IgnoreTexts, gitignores: &Arc<GitIgnores>) -> Self {
        let ignore_files = docker_ignore_files(build);
        let found = ignore_files.iter().find_map(|it| texts.get_key_value(it));
        let mut files = vec![build.dockerfile.clone()];
        files.extend(all_docker_ignore_files(build));
        let scope = |folder: &PathBuf| {
            let found = texts.get_key_value(&folder.join(".dockerignore"));
            let docker = DockerScope::new(folder, found);
            (Arc::new(docker), GitScope::new(folder, gitignores))
        };
        let service = |context: &BuildContext| match context {
            BuildContext::Service { name, .. } => Some(name.clone()),
            _ => None,
        };
        Self {
            more: folders(build).map(scope).collect(),
            built_on: build.contexts.values().filter_map(service).collect(),
            docker: Arc::new(DockerScope::new(&build.context, found)),
            git: GitScope::new(&build.context, gitignores),
            files,
            at: build.at.clone(),
        }
    }

    /// What the path is to the build, if a change of it may change the image.
    fn part(&self, path: &Path) -> Option<Part> {
        match self.files.iter().position(|file| file == path) {
            Some(0) => Some(Part::Dockerfile),
            Some(_) => Some(Part::Ignores),
            None => self.reads(path, false).then_some(Part::Read),
        }
    }

    fn reads(&self, path: &Path, is_dir: bool) -> bool {
        self.scope(path, is_dir).is_some()
    }

    /// What Git says of the folder by which the path is read; the context itself goes first.
    fn scope(&self, path: &Path, is_dir: bool) -> Option<&GitScope> {
        let reads = |docker: &DockerScope| {
            let context = &docker.context;
            path.starts_with(context)
                && !is_never_wanted(context, path, is_dir)
                && !docker.ignores(path)
        };
        self.scopes()
            .find(|(docker, _)| reads(docker))
            .map(|(_, git)| git)
    }

    fn scopes(&self) -> impl Iterator<Item = (&DockerScope, &GitScope)> {
        let more = self.more.iter().map(|(docker, git)| (&**docker, git));
        std::iter::once((&*self.docker, &self.git)).chain(more)
    }
}

impl ServiceRules {
    pub(super) fn new(
        service: &Service,
        root: &Path,
        texts: &IgnoreTexts,
        common: &Common<'_>,
    ) -> Self {
        let gitignores = common.gitignores;
        let build = match &service.source {
            Source::Build(build) => Some(BuildRule::new(build, texts, gitignores)),
            Source::Image(_) => None,
        };
        let docker = build.as_ref().map(|build| &build.docker);
        let rule = |sync| SyncRule::new(service, sync, common, docker.map(Arc::clone));
        let bind = |source: &MountSource| match source {
            MountSource::Bind(path) => Some(path.clone()),
            MountSource::Volume(_) => None,
        };
        Self {
            name: service.name.clone(),
            syncs: service.sync.iter().map(rule).collect(),
            root: root.to_path_buf(),
            task: service.task,
            git: GitScope::new(root, gitignores),
            on: Trigger::all(root, &service.on),
            binds: service
                .mounts
                .iter()
                .filter_map(|mount| bind(&mount.source))
                .collect(),
            build,
        }
    }

    /// The folders that its build reads, with what is ignored in them; the context goes first.
    pub(super) fn scopes(&self) -> impl Iterator<Item = (&DockerScope, &GitScope)> {
        self.build.iter().flat_map(BuildRule::scopes)
    }

    /// Whether any of its triggers names that path, wherever it stands, or a task works with it.
    pub(super) fn is_triggered_by(&self, path: &Path) -> bool {
        let inner = self.syncs.iter().flat_map(|rule| &rule.on);
        let triggered = inner.chain(&self.on).any(|trigger| trigger.matches(path));
        triggered || (self.task && self.covers(path))
    }

    /// The number of the rule that wants quiet before it acts on that path, and how long; of
    /// several the most patient one.
    pub(super) fn settle(&self, path: &Path) -> Option<(usize, Duration)> {
        let verdicts = self
            .syncs
            .iter()
            .map(|rule| (rule, rule.verdict(path, false)));
        let syncs = verdicts
            .clone()
            .map(|(rule, verdict)| (verdict == Verdict::Covered).then_some(rule.settle));
        let inner = verdicts.flat_map(|(rule, verdict)| {
            let asks = move |it: &Trigger| verdict.is_heeded() && it.matches(path);
            rule.on.iter().map(move |it| asks(it).then_some(it.settle))
        });
        let own = self.on.iter().map(|it| {
            let asks = it.matches(path) && self.heeds(path, false);
            asks.then_some(it.settle)
        });
        let all = syncs.chain(inner).chain(own).enumerate();
        let patient = all.filter_map(|(number, pause)| Some((number, pause?)));
        patient
            .filter(|(_, pause)| !pause.is_zero())
            .max_by_key(|(_, pause)| *pause)
    }

    /// Adds to the tally what a change of that path asks for.
    pub(super) fn weigh(&self, path: &Path, tally: &mut Tally<'_>) {
        let mut number = 0;
        // Of what is brought over, whether it differs is seen in the container.
        let same = tally.is_same(path) && !self.covers(path);
        for rule in &self.syncs {
            let verdict = rule.verdict(path, false);
            if verdict == Verdict::Covered {
                tally.sync(path, &rule.at);
            }
            for trigger in &rule.on {
                if !same && verdict.is_heeded() && trigger.matches(path) {
                    tally.trigger(number, path, trigger);
                }
                number += 1;
            }
        }
        for trigger in &self.on {
            if !same && trigger.matches(path) && self.heeds(path, false) {
                tally.trigger(number, path, trigger);
            }
            number += 1;
        }
        if let Some(build) = self.build.as_ref().filter(|_| self.rebuilds(path, false)) {
            tally.rebuild(path, &build.at);
        }
    }

    /// The Dockerfile of its build, if it has one.
    pub(super) fn dockerfile(&self) -> Option<&Path> {
        let build = self.build.as_ref()?;
        build.files.first().map(PathBuf::as_path)
    }

    /// What the path is to its build.
    pub(super) fn part_of_build(&self, path: &Path) -> Option<Part> {
        self.build.as_ref()?.part(path)
    }

    /// The services whose images its own begins with.
    pub(super) fn built_on(&self) -> &[String] {
        self.build.as_ref().map_or(&[], |build| &build.built_on)
    }

    /// Its image changes because another one did.
    pub(super) fn rebuild(&self, path: &Path, tally: &mut Tally<'_>) {
        if let Some(build) = &self.build {
            tally.rebuild(path, &build.at);
        }
    }

    pub(super) fn covers(&self, path: &Path) -> bool {
        self.syncs
            .iter()
            .any(|rule| rule.verdict(path, false) == Verdict::Covered)
    }

    /// Whether a trigger acts on a change of that file, which is not brought over.
    pub(super) fn remembers(&self, path: &Path) -> bool {
        let names = |rule: &SyncRule| {
            rule.on.iter().any(|trigger| trigger.matches(path))
                && rule.verdict(path, false) == Verdict::Live
        };
        let own = || self.on.iter().any(|trigger| trigger.matches(path)) && self.heeds(path, false);
        (own() || self.syncs.iter().any(names)) && !self.covers(path)
    }

    /// Whether it can on one below that folder.
    pub(super) fn remembers_below(&self, folder: &Path) -> bool {
        let names = |rule: &SyncRule| {
            rule.patterns().any(|one| one.may_match_below(folder))
                && rule.verdict(folder, true).is_heeded()
        };
        let own = || self.patterns().any(|one| one.may_match_below(folder));
        (own() && self.heeds(folder, true))
            || (!self.binds.is_empty() && self.syncs.iter().any(names))
    }

    /// The folders in which all of these lie.
    pub(super) fn remembered(&self) -> impl Iterator<Item = PathBuf> {
        // What is not brought over by the sync that names it is there by a mount.
        let live = self.syncs.iter().filter(|_| !self.binds.is_empty());
        let live = live.flat_map(SyncRule::patterns);
        self.patterns().chain(live).map(Pattern::folder)
    }

    /// Whether the image's hash counts it. What Git ignores counts too, for the build reads it.
    pub(super) fn image_input(&self, path: &Path) -> bool {
        let Some(build) = &self.build else {
            return false;
        };
        if build.files.iter().any(|file| file == path) {
            return true;
        }
        let asked_for = || {
            let covering = self
                .syncs
                .iter()
                .filter(|rule| rule.verdict(path, false).is_heeded());
            let mut triggers = covering.flat_map(|rule| &rule.on).chain(&self.on);
            triggers.any(|trigger| trigger.rebuilds(path))
        };
        build.reads(path, false) && (!self.is_cared_for(path, false) || asked_for())
    }

    /// Whether a change of that path can ask for anything.
    pub(super) fn concerns(&self, path: &Path, is_dir: bool) -> bool {
        let by_sync = |rule: &SyncRule| match rule.verdict(path, is_dir) {
            Verdict::Covered => true,
            Verdict::Live => rule.on.iter().any(|trigger| trigger.matches(path)),
            _ => false,
        };
        self.syncs.iter().any(by_sync)
            || self.rebuilds(path, is_dir)
            || (self.heeds(path, is_dir) && self.on.iter().any(|trigger| trigger.matches(path)))
    }

    /// Whether something below that folder can ask for anything.
    pub(super) fn looks_below(&self, folder: &Path) -> bool {
        let left_alone = || {
            let says_so = |rule: &SyncRule| {
                let verdict = rule.verdict(folder, true);
                matches!(
                    verdict,
                    Verdict::Never | Verdict::LeftAlone | Verdict::Hidden(_)
                )
            };
            self.syncs.iter().any(says_so) || self.is_mounted(folder)
        };
        let reads_below = |(docker, git): (&DockerScope, &GitScope)| {
            let context = &docker.context;
            context.starts_with(folder)
                || (folder.starts_with(context)
                    && !is_never_wanted(context, folder, true)
                    && !docker.ignores_all_below(folder)
                    && !left_alone()
                    && (git.depth(folder, true).is_none() || self.is_named(folder, true)))
        };
        let build = self
            .build
            .as_ref()
            .is_some_and(|build| build.scopes().any(reads_below));
        build
            || self.syncs.iter().any(|rule| rule.may_want_below(folder))
            || (self.heeds(folder, true)
                && self
                    .patterns()
                    .any(|pattern| pattern.may_match_below(folder)))
    }

    /// The folders in which all that concerns it lies.
    pub(super) fn roots(&self) -> impl Iterator<Item = PathBuf> {
        let build = self.build.iter().flat_map(|build| {
            let folders = build.files.iter().filter_map(|file| file.parent());
            folders
                .chain(build.scopes().map(|(docker, _)| docker.context.as_path()))
                .map(Path::to_path_buf)
        });
        let syncs = self.syncs.iter().map(|rule| rule.from.clone());
        build
            .chain(syncs)
            .chain(self.patterns().map(Pattern::folder))
    }

    /// Whether a changed path asks for a new image without a rule that says so.
    fn rebuilds(&self, path: &Path, is_dir: bool) -> bool {
        self.build.as_ref().is_some_and(|build| {
            build.files.iter().any(|file| file == path)
                || (build.scope(path, is_dir).is_some_and(|git| {
                    git.depth(path, is_dir).is_none() || self.is_named(path, is_dir)
                }) && !self.is_cared_for(path, is_dir))
        })
    }

    /// Brought over, mounted, or to be left alone by a sync rule's own word.
    fn is_cared_for(&self, path: &Path, is_dir: bool) -> bool {
        let by_rule = |rule: &SyncRule| rule.verdict(path, is_dir).is_cared_for();
        self.syncs.iter().any(by_rule) || self.is_mounted(path)
    }

    pub(super) fn is_mounted(&self, path: &Path) -> bool {
        self.binds.iter().any(|bind| path.starts_with(bind))
    }

    /// Whether the service's own triggers may look at it.
    pub(super) fn heeds(&self, path: &Path, is_dir: bool) -> bool {
        !is_never_wanted(&self.root, path, is_dir)
            && (self.git.depth(path, is_dir).is_none() || self.is_named(path, is_dir))
    }

    /// Whether a trigger of the service names what Git ignores on the way to that path.
    fn is_named(&self, path: &Path, is_dir: bool) -> bool {
        let ignored = match self.git.depth(path, is_dir) {
            Some(depth) => step(&self.root, path, depth),
            None => path.to_path_buf(),
        };
        self.patterns().any(|pattern| {
            pattern.spells_out(&ignored)
                && (pattern.matches(path) || (is_dir && pattern.may_match_below(path)))
        })
    }

    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.on.iter().flat_map(|trigger| &trigger.patterns)
    }
}
