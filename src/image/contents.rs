//! What lay where when an image was hashed, so that a save of the same content is seen as one
//! without anything else being read, and without a word to the engine.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::recipe::Recipe;

/// The content of each place that went into an image. Sixteen bytes for each, because a context
/// may have a hundred thousand files.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    places: Vec<(u64, u64)>,
    /// Of the image that is being hashed.
    pub(crate) recipe: Recipe,
}

impl Contents {
    /// A file whose content has that digest.
    pub(super) fn note_file(&mut self, place: &Path, executable: bool, digest: &[u8]) {
        let content = short(&(executable, digest));
        self.places.push((short(place), content));
    }

    /// A link that points there.
    pub(super) fn note_link(&mut self, place: &Path, target: &Path) {
        self.places.push((short(place), short(target)));
    }

    /// Nothing more is added. What was read twice and changed in between is not known.
    pub(crate) fn finish(&mut self) {
        let all = &mut self.places;
        all.sort_unstable();
        all.dedup();
        let known: Vec<_> = all.chunk_by(|a, b| a.0 == b.0).collect();
        let known = known.into_iter().filter(|group| group.len() == 1);
        self.places = known.flatten().copied().collect();
    }

    /// Whether all these places went into the image, and are still what they were. A folder does
    /// not say what became of what is in it. Blocks while it reads.
    pub(crate) fn still<'p>(&self, mut places: impl Iterator<Item = &'p Path>) -> bool {
        places.all(|place| {
            let content = look(place);
            let is_in = |content| self.places.binary_search(&(short(place), content)).is_ok();
            content.is_ok_and(is_in)
        })
    }
}

/// A file or link; an error for everything else, and for what cannot be read.
pub(crate) fn look(place: &Path) -> io::Result<u64> {
    let meta = fs::symlink_metadata(place)?;
    if meta.is_symlink() {
        return Ok(short(&fs::read_link(place)?));
    }
    if !meta.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let digest = digest(place)?;
    Ok(short(&(meta.mode() & 0o111 != 0, digest.as_slice())))
}

/// The digest of a file's content.
pub(super) fn digest(place: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(place)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().to_vec()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn short(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{Contents, digest};

    #[test]
    fn only_what_was_there_and_is_the_same_is_the_same() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let names = ["file", "link", "other", "torn"];
        let [file, link, other, torn] = names.map(|name| folder.path().join(name));
        fs::write(&file, "one")?;
        fs::write(&torn, "one")?;
        symlink("file", &link)?;
        let mut contents = Contents::default();
        let one = digest(&file)?;
        contents.note_file(&file, false, &one);
        contents.note_file(&file, false, &one);
        contents.note_link(&link, "file".as_ref());
        contents.note_file(&torn, false, b"before");
        contents.note_file(&torn, false, &one);
        contents.finish();
        let still = |places: &[&std::path::PathBuf]| {
            contents.still(places.iter().map(|place| place.as_path()))
        };
        assert!(still(&[&file, &link]));
        assert!(!still(&[&folder.path().to_owned()]));
        assert!(!still(&[&torn]));

        fs::write(&other, "one")?;
        assert!(!still(&[&file, &other]));
        fs::write(&file, "two")?;
        assert!(!still(&[&file]));
        fs::write(&file, "one")?;
        assert!(still(&[&file]));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        assert!(!still(&[&file]));
        fs::remove_file(&link)?;
        assert!(!still(&[&link]));
        fs::write(&link, "one")?;
        assert!(!still(&[&link]));
        Ok(())
    }
}
