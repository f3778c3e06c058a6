//! Trees that are brought into a container that does not run, in which no agent can work.

use std::path::{Path, PathBuf};

use devrun_core::event::{Failure, Synced};
use devrun_core::plan::Rules;
use tokio_util::io::ReaderStream;

use super::containers::failure;
use super::known::{self, Known};
use super::trees::tree;
use super::users;
use crate::engine::Engine;
use crate::sync::{archive, scan};

/// Brings paths, or with `None` everything that is synced, over by the engine's archive call.
/// What is gone on the host is removed by the agent once it can run.
pub(super) async fn push(
    engine: &Engine,
    rules: &Rules,
    service: &str,
    container: &str,
    paths: Option<&[PathBuf]>,
) -> Result<Synced, Failure> {
    let owner = users::owner(engine, container).await;
    let (known, _) = known::of_container(engine, container).await;
    let mut synced = Synced::default();
    for rule in rules.sync_rules(service) {
        if paths.is_none() && !rule.initial {
            continue;
        }
        let tree = tree(rule, &known);
        let wanted: Option<Vec<PathBuf>> = paths.map(|paths| {
            let relative = |path: &PathBuf| path.strip_prefix(&rule.from).ok().map(Path::to_owned);
            paths
                .iter()
                .filter_map(relative)
                .filter(|path| rule.wants(path, false))
                .collect()
        });
        let known = known.clone();
        let packed = scan::blocking(move || {
            let paths = wanted.unwrap_or_else(|| scan::list(&tree, Path::new("")).0);
            let tar = archive::tar_of(&tree, &paths, |_| owner)?;
            let absolute = paths
                .iter()
                .map(|path| tree.from.join(path))
                .collect::<Vec<_>>();
            let there = absolute.iter().filter(|path| !scan::is_absent(path));
            known.add(there.cloned());
            Ok((tar, absolute))
        });
        let (tar, absolute) = packed.await.map_err(|error| Failure {
            message: format!("cannot be read on the host: {error}"),
            ..Failure::default()
        })?;
        if absolute.is_empty() {
            continue;
        }
        let file = ReaderStream::new(tokio::fs::File::from_std(tar));
        engine
            .upload_tar(container, "/", file)
            .await
            .map_err(failure)?;
        if !rule.initial
            && let Ok(Some(found)) = engine.inspect(container).await
        {
            let saves = Known::of_saves(&found.name, &rule.to);
            saves.add(absolute.iter().cloned());
        }
        synced.files += absolute.len();
        synced.changed.extend(absolute);
    }
    Ok(synced)
}
