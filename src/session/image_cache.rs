//! Images in folders, for machines whose engines have none yet: a run of `devrun ci` leaves there
//! what it has built (`cache-to`), and takes from there what it would build (`cache-from`).
//!
//! Each service has a folder of its own with one archive, as `docker save` writes it, which is named
//! by the hash of all that went into the image.

use std::io;
use std::path::{Path, PathBuf};

use devrun_stack::CacheFrom;
use tokio::fs::{self, File};

use crate::engine::{Engine, EngineError};

/// The folders among these, each with the one of a service in it.
pub(super) fn folders<'a>(
    from: &'a [CacheFrom],
    service: &'a str,
) -> impl Iterator<Item = PathBuf> + 'a {
    from.iter().filter_map(move |one| match one {
        CacheFrom::Folder(folder) => Some(folder.join(service)),
        CacheFrom::Image(_) => None,
    })
}

fn archive(folder: &Path, tag: &str) -> PathBuf {
    folder.join(format!("{tag}.tar"))
}

/// The hash by which an image is known, the last part of its name.
fn tag_of(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, tag)| tag)
}

/// Has the image of that hash on the engine, if one was left; answers with its name there.
pub(super) async fn fetch(
    engine: &Engine,
    from: &[CacheFrom],
    service: &str,
    name: &str,
) -> Option<String> {
    for folder in folders(from, service) {
        if let Some(name) = load(engine, &archive(&folder, tag_of(name))).await {
            return Some(name);
        }
    }
    None
}

/// Images that were left of other inputs, whose layers may still be of use: their names here.
/// `called` is the name without the hash under which one that is here already is known.
pub(super) async fn fetch_others(
    engine: &Engine,
    from: &[CacheFrom],
    service: &str,
    called: &str,
) -> Vec<String> {
    let mut names = Vec::new();
    for folder in folders(from, service) {
        for file in archives(&folder).await.unwrap_or_default() {
            let tag = file.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{called}:{tag}");
            match engine.inspect_image(&name).await {
                Ok(Some(_)) => names.push(name),
                _ => names.extend(load(engine, &file).await),
            }
        }
    }
    names
}

/// One that cannot be read is as good as none: the image is built.
async fn load(engine: &Engine, file: &Path) -> Option<String> {
    let archive = File::open(file).await.ok()?;
    match engine.load_image(archive).await {
        Ok(name) => name,
        Err(error) => {
            tracing::debug!(%error, file = %file.display(), "an archive is of no use");
            // Nor to anybody else, and another one is to take its place.
            if matches!(error, EngineError::Other { .. }) {
                let _ = fs::remove_file(file).await;
            }
            None
        }
    }
}

/// Leaves an image, whole or not at all, and takes away what was left of the service before.
pub(crate) async fn leave(
    engine: &Engine,
    folder: &Path,
    service: &str,
    name: &str,
) -> Result<(), EngineError> {
    let folder = folder.join(service);
    let file = archive(&folder, tag_of(name));
    if fs::try_exists(&file).await.unwrap_or_default() {
        return Ok(());
    }
    let failed = |error: io::Error| EngineError::Local {
        doing: format!("writing {}", folder.display()),
        detail: error.to_string(),
    };
    fs::create_dir_all(&folder).await.map_err(failed)?;
    let before = archives(&folder).await.map_err(failed)?;
    let part = tempfile::Builder::new()
        .prefix(".part-")
        .tempfile_in(&folder)
        .map_err(failed)?;
    let mut written = File::from_std(part.reopen().map_err(failed)?);
    engine.save_image(name, &mut written).await?;
    part.persist(&file).map_err(|error| failed(error.error))?;
    for old in before {
        // Another run may have done so.
        let _ = fs::remove_file(old).await;
    }
    Ok(())
}

async fn archives(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut items = fs::read_dir(folder).await?;
    while let Some(item) = items.next_entry().await? {
        let path = item.path();
        if path.extension().is_some_and(|extension| extension == "tar") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
