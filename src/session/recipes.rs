//! What images were made of, remembered across sessions by their names: what of it differs once
//! one is stale can then be said, whatever the times of files are. Forgotten with the image.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use devrun_stack::{Build, BuildContext, Stack};

use super::agreed::replace;
use super::place::folder;
use super::single::shown;
use crate::image::{Change, Difference, Recipe};

/// Digits of the hash in a tag, behind which longer names go on.
const DIGITS: usize = 12;

fn kept() -> PathBuf {
    folder().join("known")
}

/// The longer names of an image are of the same inputs.
fn file(folder: &Path, image: &str) -> Option<PathBuf> {
    let (name, tag) = image.rsplit_once(':')?;
    let tag = tag.get(..DIGITS)?;
    if !tag.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let name = name.replace('/', "+");
    Some(folder.join(format!("{name}:{tag}.recipe")))
}

/// What an image of that name was made of, as it is there now.
pub(super) async fn remember(image: String, recipe: Recipe) {
    let written = tokio::task::spawn_blocking(move || write(&kept(), &image, &recipe)).await;
    if let Ok(Err(error)) = written {
        tracing::debug!(%error, "what an image was made of is not remembered");
    }
}

fn write(folder: &Path, image: &str, recipe: &Recipe) -> io::Result<()> {
    let (Some(file), Some(text)) = (file(folder, image), recipe.text()) else {
        return Ok(());
    };
    match File::options().append(true).open(&file) {
        // Its name says what it is made of. Shows that this is still of use.
        Ok(known) => known.set_modified(SystemTime::now()),
        Err(_) => replace(&file, &text),
    }
}

fn read(folder: &Path, image: &str) -> Option<Recipe> {
    Recipe::read(&fs::read(file(folder, image)?).ok()?)
}

/// An image has this name no more.
pub(super) fn forget(image: &str) {
    forget_in(&kept(), image);
}

fn forget_in(folder: &Path, image: &str) {
    let is_own = |(_, tag): (&str, &str)| tag.len() == DIGITS;
    if let Some(file) = file(folder, image)
        && image.rsplit_once(':').is_some_and(is_own)
    {
        // Not each has one.
        let _ = fs::remove_file(file);
    }
}

/// What of these inputs is another since an image of these names was made, for people; nothing where
/// all are the same, and `None` where that is not known. Blocks.
pub(super) fn differs(
    names: &[String],
    now: &Recipe,
    stack: &Stack,
    build: &Build,
) -> Option<Vec<String>> {
    let known = names.iter().filter_map(|name| read(&kept(), name));
    let all = known.filter_map(|before| now.since(&before));
    // Several inputs may come to the same image: one that is closest tells enough.
    let differences = all.min_by_key(Vec::len)?;
    let said = differences.iter().map(|one| said(one, stack, build));
    let mut said: Vec<String> = said.collect();
    if said.is_empty() && !build.secrets.is_empty() {
        said.push("a secret".to_owned());
    }
    // It is a file of the context as well.
    let mut told = HashSet::new();
    said.retain(|one| told.insert(one.clone()));
    Some(said)
}

fn said(difference: &Difference, stack: &Stack, build: &Build) -> String {
    match difference {
        Difference::Dockerfile if build.inline.is_some() => {
            format!("dockerfile-inline ({})", build.at)
        }
        Difference::Dockerfile => shown(stack, &build.dockerfile).to_string(),
        Difference::Said(said) => said.clone(),
        Difference::File {
            context,
            path,
            change,
        } => {
            let folder = match build.contexts.get(context) {
                Some(BuildContext::Folder(folder)) => folder,
                _ => &build.context,
            };
            let path = folder.join(path);
            let path = shown(stack, &path);
            match change {
                Change::Other => path.to_string(),
                Change::New => format!("{path} (new)"),
                Change::Gone => format!("{path} (gone)"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_each_of_its_names_until_it_has_lost_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (own, longer) = ("app-web:0123456789ab", "app-web:0123456789ab-cdef");
        let mut recipe = Recipe::default();
        recipe.note_said("target".to_owned(), b"dev");
        for _ in 0..2 {
            write(folder, own, &recipe).unwrap();
        }
        assert_eq!(read(folder, own), Some(recipe.clone()));
        assert_eq!(read(folder, longer), Some(recipe.clone()));
        assert_eq!(read(folder, "app-web:longer/other name"), None);
        assert_eq!(read(folder, "app-web"), None);
        forget_in(folder, longer);
        assert_eq!(read(folder, own), Some(recipe));
        forget_in(folder, own);
        assert_eq!(read(folder, own), None);
    }
}
