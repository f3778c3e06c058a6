//! The rules as docs/sync.md tells them, one after the other, slowly, and without the code that
//! they test.

use std::path::{Path, PathBuf};

/// Patterns as in a `.gitignore`, of which the last that matches decides.
pub(super) fn git_says(folder: &Path, lines: &[String], path: &Path, is_dir: bool) -> Option<bool> {
    let rel = parts(folder, path)?;
    let says = |line: &String| {
        let (takes_in, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line.as_str()),
        };
        (!rel.is_empty() && git_pattern(text, &rel, is_dir)).then_some(!takes_in)
    };
    lines.iter().rev().find_map(says)
}

fn git_pattern(text: &str, rel: &[String], is_dir: bool) -> bool {
    let (text, folders_only) = match text.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    if folders_only && !is_dir {
        return false;
    }
    let wanted: Vec<&str> = text.strip_prefix('/').unwrap_or(text).split('/').collect();
    if text.contains('/') {
        return in_parts(&wanted, rel);
    }
    rel.last().is_some_and(|name| in_name(text, name))
}

/// Whether a pattern in the manner of a `.gitignore` means a path, or a folder above it.
fn means(from: &Path, text: &str, path: &Path, is_dir: bool) -> bool {
    let line = [text.to_owned()];
    let mut ways = path.ancestors().take_while(|at| *at != from);
    ways.any(|at| git_says(from, &line, at, is_dir || at != path) == Some(true))
}

/// What lies below a folder, name by name.
fn parts(folder: &Path, path: &Path) -> Option<Vec<String>> {
    let rel = path.strip_prefix(folder).ok()?;
    Some(
        rel.iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect(),
    )
}

fn in_parts(wanted: &[&str], rel: &[String]) -> bool {
    match (wanted, rel) {
        ([], []) => true,
        (["**"], []) => false,
        (["**"], _) => true,
        (["**", rest @ ..], _) => (0..=rel.len()).any(|skip| in_parts(rest, &rel[skip..])),
        ([first, wanted @ ..], [name, rel @ ..]) => in_name(first, name) && in_parts(wanted, rel),
        _ => false,
    }
}

fn in_name(wanted: &str, name: &str) -> bool {
    match wanted.split_at_checked(1) {
        None => name.is_empty(),
        Some(("*", rest)) => (0..=name.len()).any(|skip| in_name(rest, &name[skip..])),
        Some(("?", rest)) => !name.is_empty() && in_name(rest, &name[1..]),
        Some((letter, rest)) => name
            .strip_prefix(letter)
            .is_some_and(|name| in_name(rest, name)),
    }
}

/// The stack that is asked about.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// Lines by the folder of the file.
    pub(super) git: Vec<(PathBuf, Vec<String>)>,
    /// The context of the build, its Dockerfile and the lines of its `.dockerignore`.
    pub(super) build: Option<(PathBuf, Vec<String>)>,
    pub(super) rules: Vec<Rule>,
    /// What else has a place inside: where, and the folder of the host that is mounted there.
    pub(super) places: Vec<(String, Option<PathBuf>)>,
}

#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) from: PathBuf,
    pub(super) to: String,
    pub(super) is_file: bool,
    pub(super) include: Vec<String>,
    pub(super) ignore: Vec<String>,
    pub(super) on: Vec<String>,
}

/// Which of the numbered paragraphs decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Outside,
    Never,
    Ignore,
    AnotherPlace,
    NotIncluded,
    Recipe,
    Variables,
    Ignored,
    Live,
    Synced,
}

impl World {
    pub(super) fn answer(&self, rule: &Rule, path: &Path, is_dir: bool) -> Answer {
        if rule.is_file {
            return match path == rule.from && !is_dir {
                true => Answer::Synced,
                false => Answer::Outside,
            };
        }
        let Some(rel) = parts(&rule.from, path) else {
            return Answer::Outside;
        };
        if is_never(&rel, is_dir) {
            return Answer::Never;
        }
        if self
            .first(rule, path, is_dir, |at, is_dir| {
                git_says(&rule.from, &rule.ignore, at, is_dir) == Some(true)
            })
            .is_some()
        {
            return Answer::Ignore;
        }
        let is_here = |(to, bound): &(String, Option<PathBuf>)| {
            *to == rule.to && bound.as_ref() == Some(&rule.from)
        };
        let mut is_live = self.places.iter().any(is_here);
        let inside = Path::new(&rule.to).join(rel.join("/"));
        if let Some((place, bound)) = self.place(rule, &inside) {
            let same = rule.from.join(place.strip_prefix(&rule.to).unwrap());
            if bound.as_ref() != Some(&same) {
                return Answer::AnotherPlace;
            }
            is_live = true;
        }
        let is_in = |text: &String| means(&rule.from, text, path, is_dir);
        if !rel.is_empty() && !rule.include.is_empty() && !rule.include.iter().any(is_in) {
            return Answer::NotIncluded;
        }
        if let Some(setting) = setting(&rel, is_dir).filter(|_| !rule.names_setting(path)) {
            return setting;
        }
        if self.is_ignored(rule, path, is_dir) {
            return Answer::Ignored;
        }
        match is_live {
            true => Answer::Live,
            false => Answer::Synced,
        }
    }

    /// The first on the way down to the path.
    fn first(
        &self,
        rule: &Rule,
        path: &Path,
        is_dir: bool,
        is: impl Fn(&Path, bool) -> bool,
    ) -> Option<PathBuf> {
        way(&rule.from, path)
            .into_iter()
            .find(|at| is(at, is_dir || at != path))
    }

    /// The deepest thing below the target that has this place for itself.
    fn place(&self, rule: &Rule, inside: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
        let others = self.rules.iter().map(|other| (other.to.clone(), None));
        let all = self.places.iter().cloned().chain(others);
        let below = all.filter(|(to, _)| {
            *to != rule.to && Path::new(to).starts_with(&rule.to) && inside.starts_with(to)
        });
        let deepest = below.max_by_key(|(to, _)| to.len())?;
        Some((PathBuf::from(deepest.0), deepest.1))
    }

    fn is_ignored(&self, rule: &Rule, path: &Path, is_dir: bool) -> bool {
        let names = |ignored: &PathBuf| rule.names(ignored, path, is_dir);
        let git = self.git_ignored(&rule.from, path, is_dir);
        let docker = self.docker_ignored(&rule.from, path);
        git.is_some_and(|at| !names(&at)) || docker.is_some_and(|at| !names(&at))
    }

    /// What Git ignores on the way from a folder that somebody named.
    fn git_ignored(&self, from: &Path, path: &Path, is_dir: bool) -> Option<PathBuf> {
        let says = |at: &Path, is_dir: bool, outer: bool| {
            let mut files: Vec<_> = self.git.iter().collect();
            files.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.components().count()));
            let mut nearest = files
                .into_iter()
                .filter(|(folder, _)| at != folder && at.starts_with(folder))
                .filter(|(folder, _)| outer || folder.starts_with(from));
            nearest.find_map(|(folder, lines)| git_says(folder, lines, at, is_dir)) == Some(true)
        };
        let is_itself = way(Path::new("/"), from)
            .iter()
            .any(|at| says(at, true, true));
        let mut way = way(from, path).into_iter();
        way.find(|at| says(at, is_dir || at != path, !is_itself))
    }

    fn docker_ignored(&self, from: &Path, path: &Path) -> Option<PathBuf> {
        if self.docker(from) || !self.docker(path) {
            return None;
        }
        way(from, path).into_iter().find(|at| self.docker(at))
    }

    /// Whether the build leaves it behind.
    fn docker(&self, path: &Path) -> bool {
        let Some((context, lines)) = &self.build else {
            return false;
        };
        let Some(rel) = parts(context, path).filter(|rel| !rel.is_empty()) else {
            return false;
        };
        let mut ignored = false;
        for line in lines {
            let text = line.strip_prefix('!').unwrap_or(line);
            let text = text.trim_matches('/');
            let wanted: Vec<&str> = text.split('/').collect();
            let hit = |end: usize| match wanted.as_slice() {
                ["**"] => true,
                wanted => in_parts(wanted, &rel[..end]),
            };
            if (1..=rel.len()).any(hit) {
                ignored = !line.starts_with('!');
            }
        }
        ignored
    }

    /// Whether a save asks for a new image without a rule that says so.
    pub(super) fn rebuilds(&self, path: &Path) -> bool {
        let Some((context, _)) = &self.build else {
            return false;
        };
        let files = ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"];
        if files.iter().any(|file| *path == context.join(file)) {
            return true;
        }
        let Some(rel) = parts(context, path) else {
            return false;
        };
        let cared_for = |rule: &Rule| {
            let answer = self.answer(rule, path, false);
            !matches!(
                answer,
                Answer::Outside | Answer::NotIncluded | Answer::Ignored | Answer::Variables
            )
        };
        let mut bound = self.places.iter().filter_map(|(_, bound)| bound.as_ref());
        !is_never(&rel, false)
            && !self.docker(path)
            && self.git_ignored(context, path, false).is_none()
            && !self.rules.iter().any(cared_for)
            && !bound.any(|bound| path.starts_with(bound))
    }

    /// Whether an `on` of a sync holds for it.
    pub(super) fn triggers(&self, path: &Path) -> bool {
        let mut heeding = self.rules.iter().filter(|rule| {
            let answer = self.answer(rule, path, false);
            matches!(answer, Answer::Synced | Answer::Live)
        });
        heeding.any(|rule| {
            let folder = if rule.is_file {
                rule.from.parent().unwrap()
            } else {
                &rule.from
            };
            rule.on.iter().any(|text| on_means(folder, text, path))
        })
    }
}

impl Rule {
    /// Whether the rule means `path` in spite of what ignores `ignored`, on the way there.
    fn names(&self, ignored: &Path, path: &Path, is_dir: bool) -> bool {
        let taken_in = way(&self.from, ignored).into_iter().any(|at| {
            let is_dir = is_dir || at != path;
            git_says(&self.from, &self.ignore, &at, is_dir) == Some(false)
        });
        let by_include = |text: &String| {
            let bare = text.trim_end_matches('/');
            let name = bare.strip_prefix("**/").unwrap_or(bare);
            let spelled = match name.contains('/') {
                true => spells_out(&self.from, bare, ignored),
                false => ignored.file_name().is_some_and(|own| own == name) && !is_wild(name),
            };
            spelled && means(&self.from, text, path, is_dir)
        };
        let by_on = |text: &String| {
            spells_out(&self.from, text, ignored) && on_means(&self.from, text, path)
        };
        taken_in || self.include.iter().any(by_include) || self.on.iter().any(by_on)
    }

    fn names_setting(&self, path: &Path) -> bool {
        let by_include = |text: &String| {
            let last = text
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or(text);
            let name = path.file_name().unwrap().to_string_lossy();
            !last.starts_with(['*', '?', '['])
                && in_name(last, &name)
                && means(&self.from, text, path, false)
        };
        let by_on =
            |text: &String| spells_out(&self.from, text, path) && on_means(&self.from, text, path);
        git_says(&self.from, &self.ignore, path, false) == Some(false)
            || self.include.iter().any(by_include)
            || self.on.iter().any(by_on)
    }
}

/// Whether a pattern begins with the names down to that path.
fn spells_out(from: &Path, text: &str, path: &Path) -> bool {
    let names = parts(from, path).unwrap();
    let mut wanted = text.trim_matches('/').split('/');
    names.iter().all(|name| {
        wanted
            .next()
            .is_some_and(|one| one == name && !is_wild(one))
    })
}

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a pattern of an `on` means a file: `*` stays within a folder, `**` does not.
fn on_means(from: &Path, text: &str, path: &Path) -> bool {
    let Some(rel) = parts(from, path) else {
        return false;
    };
    let text = text.trim_start_matches('/');
    let wanted: Vec<&str> = match text.strip_suffix('/') {
        Some(folder) => folder.split('/').chain(["**"]).collect(),
        None => text.split('/').collect(),
    };
    !rel.is_empty() && in_parts(&wanted, &rel)
}

fn is_never(rel: &[String], is_dir: bool) -> bool {
    let file = rel.last().filter(|_| !is_dir);
    rel.iter()
        .any(|name| name == ".git" || name.starts_with(".devrun-"))
        || file.is_some_and(|name| name.ends_with('~'))
}

fn setting(rel: &[String], is_dir: bool) -> Option<Answer> {
    match rel.last().filter(|_| !is_dir)?.as_str() {
        "Dockerfile" | "Stackfile.kdl" => Some(Answer::Recipe),
        name if name == ".env" || name.starts_with(".env.") => Some(Answer::Variables),
        _ => None,
    }
}

/// Each path on the way down from a folder.
fn way(from: &Path, path: &Path) -> Vec<PathBuf> {
    let mut way: Vec<PathBuf> = path
        .ancestors()
        .take_while(|at| *at != from)
        .map(Path::to_owned)
        .collect();
    way.reverse();
    way
}
