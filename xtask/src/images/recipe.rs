//! What a stand-in is made from: the files of its folder and of the base.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BASE, Error, Image};
use crate::run;

/// The folder that a stand-in is built from.
pub(super) fn folder(image: Image) -> PathBuf {
    run::root().join("xtask/images").join(image.folder)
}

/// Changes when a stand-in would come out differently.
pub(super) fn hash(image: Image) -> Result<String, Error> {
    let mut state = FNV_OFFSET;
    add(&mut state, &folder(BASE))?;
    if image != BASE {
        add(&mut state, &folder(image))?;
    }
    Ok(format!("{state:016x}"))
}

fn add(state: &mut u64, folder: &Path) -> Result<(), Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        files.push(entry.map_err(|source| unreadable(folder, source))?.path());
    }
    files.sort();
    for file in files {
        let content = fs::read(&file).map_err(|source| unreadable(&file, source))?;
        let name = file.file_name().unwrap_or_default();
        fnv(state, name.as_encoded_bytes());
        fnv(state, &content.len().to_le_bytes());
        fnv(state, &content);
    }
    Ok(())
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::Recipe {
        path: path.to_owned(),
        source,
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a: the standard library promises no hash that stays the same.
fn fnv(state: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        *state = (*state ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BASE, IMAGES};
    use super::{FNV_OFFSET, fnv, hash};

    #[test]
    fn the_hash_is_the_published_one() {
        let mut state = FNV_OFFSET;
        fnv(&mut state, b"foobar");
        assert_eq!(state, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_image_has_a_recipe_of_its_own() {
        let mut hashes: Vec<String> = IMAGES
            .into_iter()
            .chain([BASE])
            .map(|image| hash(image).unwrap())
            .collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), IMAGES.len() + 1);
    }
}
