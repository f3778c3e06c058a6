//! Files that say how the stack is run: they have no business inside, unless a rule names them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use devrun_stack::{Source, Stack};

/// What such a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// The Stackfile, or a Dockerfile.
    Recipe,
    /// Variables, often secret ones.
    Environment,
}

/// The files of a stack of which more is known than their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    recipes: BTreeSet<PathBuf>,
}

impl Settings {
    pub(super) fn new(stack: &Stack) -> Self {
        let builds = stack.services.iter();
        let builds = builds.filter_map(|service| match &service.source {
            Source::Build(build) => Some(build.dockerfile.clone()),
            Source::Image(_) => None,
        });
        let recipes = builds.chain([stack.file.clone()]).collect();
        Self { recipes }
    }

    pub(super) fn kind(&self, path: &Path) -> Option<Setting> {
        let name = path.file_name()?.to_str();
        if self.recipes.contains(path) || name.is_some_and(is_dockerfile) {
            return Some(Setting::Recipe);
        }
        let is_environment = name.is_some_and(|name| name == ".env" || name.starts_with(".env."));
        is_environment.then_some(Setting::Environment)
    }
}

fn is_dockerfile(name: &str) -> bool {
    let beside = |base: &str| {
        name == base
            || name
                .strip_prefix(base)
                .is_some_and(|rest| rest.starts_with('.') && rest != ".dockerignore")
    };
    beside("Dockerfile") || beside("Containerfile") || name.ends_with(".Dockerfile")
}
