//! 5,000 files are made at once, and deleted again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::figures::Figures;
use super::super::ground::file;
use super::super::{Error, pause};
use super::inside::Expected;
use super::pair::{Pair, Side};
use super::{seconds, tree};

const COUNT: usize = 5_000;
/// In so many folders.
const FOLDERS: usize = 97;
/// What the one work leaves behind is not to be part of the other.
const CALM: Duration = Duration::from_secs(1);

/// All are made before the first is deleted: an ext4 without a journal, which virtual machines
/// have, does not give out the numbers of deleted files for minutes and looks at each of them for
/// every new file. That would be measured, and not who brings the files.
pub(super) fn made(pair: &mut Pair, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    let made = pair.rounds(rounds, |side, round| {
        let made = make(side, &folder(round))?;
        pause(CALM);
        Ok(vec![made])
    })?;
    let work = "5,000 new files, after the last write until all are whole";
    seconds(figures, work, "new_files", &made, 0.6);
    Ok(())
}

/// What [`made`] has made goes again.
pub(super) fn deleted(pair: &mut Pair, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    let gone = pair.rounds(rounds, |side, round| {
        let gone = delete(side, &folder(round))?;
        pause(CALM);
        Ok(vec![gone])
    })?;
    seconds(figures, "deleting them", "delete", &gone, 0.3);
    Ok(())
}

fn folder(round: usize) -> PathBuf {
    PathBuf::from(format!("data/new{round}"))
}

fn make(side: &mut Side, folder: &Path) -> Result<f64, Error> {
    let expected: Vec<Expected> = (0..COUNT)
        .map(|number| {
            let path = folder.join(format!("d{}/f{number}.txt", number % FOLDERS));
            let content = tree::kilobyte(&format!("{number} {}", folder.display()));
            (path, Some(content))
        })
        .collect();
    for (path, content) in &expected {
        let path = side.tree.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| file(parent, error))?;
        }
        fs::write(&path, content.as_deref().unwrap_or_default())
            .map_err(|error| file(&path, error))?;
    }
    side.inside.agrees(&expected, Instant::now())
}

fn delete(side: &mut Side, folder: &Path) -> Result<f64, Error> {
    let absolute = side.tree.join(folder);
    fs::remove_dir_all(&absolute).map_err(|error| file(&absolute, error))?;
    side.inside.gone(folder, Instant::now())
}
