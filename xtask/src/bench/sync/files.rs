//! 5,000 files are made at once, and deleted again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::figures::Figures;
use super::super::{Error, pause};
use super::inside::Expected;
use super::pair::{Both, Pair, Side, file};
use super::{seconds, tree};

const COUNT: usize = 5_000;
/// In so many folders.
const FOLDERS: usize = 97;
/// What the one work leaves behind is not to be part of the other.
const CALM: Duration = Duration::from_secs(1);

pub(super) fn run(pair: &mut Pair, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    let mut deleted = Both::default();
    let made = pair.rounds(rounds, |side, round| {
        let folder = PathBuf::from(format!("data/new{round}"));
        let made = make(side, &folder)?;
        pause(CALM);
        let gone = delete(side, &folder)?;
        pause(CALM);
        let times = if side.is_devrun() {
            &mut deleted.ours
        } else {
            &mut deleted.theirs
        };
        times.push(gone);
        Ok(vec![made])
    })?;
    let work = "5,000 new files, after the last write until all are whole";
    seconds(figures, work, "new_files", &made, 0.6);
    seconds(figures, "deleting them", "delete", &deleted, 0.3);
    Ok(())
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
