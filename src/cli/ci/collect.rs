//! Reports that checks leave, in a container or on this machine.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use devrun_core::verdict::suites_of;
use devrun_stack::Stack;
use tokio::io::AsyncReadExt;

use crate::engine::Engine;

/// A file with its suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collected {
    /// The check that left it.
    pub(super) check: String,
    /// Where it was.
    pub(super) path: String,
    pub(super) suites: Vec<String>,
}

/// So much is read of what a path leads to.
const MOST: u64 = 64 << 20;
/// Clocks of file systems are coarse.
const COARSE: Duration = Duration::from_secs(2);

/// A file, or all `.xml` files of a folder, in a container; relative to its working directory.
pub(super) async fn from_container(
    engine: &Engine,
    stack: &Stack,
    id: &str,
    path: &str,
    began: SystemTime,
) -> Result<Vec<Collected>, String> {
    let told = |error: crate::engine::EngineError| error.to_string();
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => {
            let place = working_directory(engine, stack, id).await.map_err(told)?;
            format!("{}/{path}", place.trim_end_matches('/'))
        }
    };
    let Some(tar) = engine.download_tar(id, &path).await.map_err(told)? else {
        return Err(format!("it left no report {path}"));
    };
    let mut bytes = Vec::new();
    let mut limited = tar.take(MOST);
    limited
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| format!("{path}: {error}"))?;
    // Of an engine elsewhere the clock is another one.
    let began = Some(began).filter(|_| engine.endpoint().elsewhere().is_none());
    let files = unpacked(&bytes, began).map_err(|error| format!("{path}: {error}"))?;
    suites(&path, files)
}

async fn working_directory(
    engine: &Engine,
    stack: &Stack,
    id: &str,
) -> Result<String, crate::engine::EngineError> {
    let container = engine.inspect(id).await?;
    let service = container
        .as_ref()
        .and_then(|it| stack.service(it.service()));
    if let Some(place) = service.and_then(|it| it.settings.working_dir.clone()) {
        return Ok(place);
    }
    let image = container.map(|it| it.image_id).unwrap_or_default();
    let image = engine.inspect_image(&image).await?;
    Ok(image.map(|it| it.working_dir).unwrap_or_default())
}

fn unpacked(tar: &[u8], began: Option<SystemTime>) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.display().to_string();
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?);
        let old = began.is_some_and(|began| written + COARSE < began);
        if entry.header().entry_type().is_file() && !old {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            files.push((name, text));
        }
    }
    Ok(files)
}

/// The same on this machine.
pub(super) fn from_host(path: &Path, began: SystemTime) -> Result<Vec<Collected>, String> {
    let shown = path.display().to_string();
    let paths = match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![path.to_owned()],
    };
    let mut files = Vec::new();
    for path in paths {
        let Ok(metadata) = path.metadata() else {
            return Err(format!("it left no report {shown}"));
        };
        let old = metadata
            .modified()
            .is_ok_and(|written| written + COARSE < began);
        if metadata.is_file() && !old {
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
            files.push((path.display().to_string(), text));
        }
    }
    suites(&shown, files)
}

fn suites(path: &str, files: Vec<(String, String)>) -> Result<Vec<Collected>, String> {
    let several = files.len() > 1;
    let xml = |name: &str| Path::new(name).extension().is_some_and(|it| it == "xml");
    let wanted: Vec<_> = files
        .into_iter()
        .filter(|(name, _)| !several || xml(name))
        .collect();
    if wanted.is_empty() {
        return Err(format!(
            "it left no report {path}: what is there is from before"
        ));
    }
    let mut collected = Vec::new();
    for (name, text) in wanted {
        let Some(suites) = suites_of(&text) else {
            return Err(format!("{name} is no JUnit file"));
        };
        collected.push(Collected {
            check: String::new(),
            path: name,
            suites,
        });
    }
    Ok(collected)
}
