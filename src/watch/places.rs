//! Where the rules' folders really lie. The kernel tells of a folder by one name only, so
//! folders are watched by their real path, and told by the path that the rules know.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::plan::Rules;

/// What is watched for, and under which names.
#[derive(Debug)]
pub(super) struct Places {
    rules: Arc<Rules>,
    files: BTreeSet<PathBuf>,
    all: Vec<Place>,
}

/// A folder as the rules name it, and where it really is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) given: PathBuf,
    pub(super) real: PathBuf,
}

impl Places {
    pub(super) fn new(rules: Arc<Rules>, files: Vec<PathBuf>) -> Self {
        let mut places = Self {
            rules,
            files: files.into_iter().collect(),
            all: Vec::new(),
        };
        places.locate();
        places
    }

    /// The same, looked for anew.
    pub(super) fn again(&self) -> Self {
        Self::new(
            Arc::clone(&self.rules),
            self.files.iter().cloned().collect(),
        )
    }

    /// Looks again where everything lies; a link may lead elsewhere now.
    pub(super) fn locate(&mut self) {
        let folders = self
            .files
            .iter()
            .filter_map(|file| file.parent())
            .map(Path::to_path_buf);
        let given: BTreeSet<PathBuf> = self.rules.roots().into_iter().chain(folders).collect();
        let place = |given: PathBuf| Place {
            real: real(&given),
            given,
        };
        self.all = given.into_iter().map(place).collect();
    }

    pub(super) fn all(&self) -> &[Place] {
        &self.all
    }

    /// A folder that is watched for itself, whatever is ignored above it.
    pub(super) fn is_place(&self, real: &Path) -> bool {
        self.all.iter().any(|place| place.real == real)
    }

    /// Whether a walk need not enter that folder.
    pub(super) fn prune(&self, real: &Path) -> bool {
        !self.is_place(real)
            && self
                .names(real)
                .iter()
                .all(|given| self.rules.prunes(given))
    }

    /// Under which names a path is to be told; none if it does not matter.
    pub(super) fn told_as(&self, real: &Path, is_dir: bool) -> Vec<PathBuf> {
        let mut names = self.names(real);
        names.retain(|given| self.files.contains(given) || self.rules.concerns(given, is_dir));
        names
    }

    /// Whether a file that is told means nothing to the rules: whoever asked for it wants to know
    /// how far the news have come.
    pub(super) fn is_mark(&self, given: &Path) -> bool {
        !self.rules.concerns(given, false)
    }

    fn names(&self, real: &Path) -> Vec<PathBuf> {
        if self.all.iter().all(|place| place.given == place.real) {
            return vec![real.to_path_buf()];
        }
        let below = |place: &Place| {
            let rel = real.strip_prefix(&place.real).ok()?;
            Some(place.given.join(rel).components().collect::<PathBuf>())
        };
        let names: BTreeSet<PathBuf> = self.all.iter().filter_map(below).collect();
        match names.is_empty() {
            true => vec![real.to_path_buf()],
            false => names.into_iter().collect(),
        }
    }
}

/// The path without links, as far as it exists.
pub(super) fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest).components().collect())
    });
    found.unwrap_or_else(|| path.to_path_buf())
}
