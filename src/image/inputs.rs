//! What an image is made of, as one hash: while it is equal, nothing has to be built.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use devrun_stack::Build;
use sha2::{Digest, Sha256};

use super::context::{Context, ContextError, Entry, Kind};

#[cfg(test)]
mod tests;

/// The hash of all that goes into a build: Dockerfile, stage, arguments, platform (`linux/amd64`),
/// the other contexts by their names, each as a text that differs when it does, and path, content and executable bits of the files of the context. Paths for which `exclude`
/// says yes do not count (relative to the context, forward slashes; asked for folders as well):
/// what is synced into the container anyway is no reason to build. Nor does `.git`, which
/// changes all the time. Blocks while it reads.
pub(crate) fn inputs_hash(
    build: &Build,
    platform: &str,
    contexts: &[(String, String)],
    exclude: impl Fn(&str) -> bool,
) -> Result<String, ContextError> {
    let mut hash = Fields(Sha256::new());
    let text = match &build.inline {
        Some(text) => text.clone().into_bytes(),
        None => fs::read(&build.dockerfile).map_err(ContextError::read(&build.dockerfile))?,
    };
    hash.field(&text);
    hash.field(build.target.as_deref().unwrap_or_default().as_bytes());
    hash.field(platform.as_bytes());
    hash.field(&build.args.len().to_le_bytes());
    for (name, value) in &build.args {
        hash.field(name.as_bytes());
        hash.field(value.as_bytes());
    }
    // A secret leaves no trace in an image, and what was made with it differs all the same.
    for (name, content) in &build.secrets {
        hash.field(name.as_bytes());
        hash.field(&content.0);
    }
    for name in build.ssh.keys() {
        hash.field(name.as_bytes());
    }
    for (name, content) in contexts {
        hash.field(name.as_bytes());
        hash.field(content.as_bytes());
    }
    let context = Context::open(&build.context, &build.dockerfile)?;
    hash.tree(&context, exclude)?;
    Ok(hash.digits())
}

/// The hash of a folder that a build reads besides its context.
pub(crate) fn folder_hash(
    folder: &Path,
    exclude: impl Fn(&str) -> bool,
) -> Result<String, ContextError> {
    let mut hash = Fields(Sha256::new());
    hash.tree(&Context::of_folder(folder)?, exclude)?;
    Ok(hash.digits())
}

/// A hash of fields: each with its length, so that no two lists of fields look alike.
struct Fields(Sha256);

impl Fields {
    fn digits(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn tree(
        &mut self,
        context: &Context,
        exclude: impl Fn(&str) -> bool,
    ) -> Result<(), ContextError> {
        for entry in context.walk()? {
            let entry = entry?;
            let in_git = entry.path.split('/').any(|part| part == ".git");
            if !in_git && !exclude(&entry.path) {
                self.entry(&entry)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), ContextError> {
        match &entry.kind {
            Kind::Folder => self.field(b"folder"),
            Kind::Link(target) => {
                self.field(b"link");
                self.field(target.as_bytes());
            }
            Kind::File(_) => {
                let digest = match content(entry) {
                    Ok(digest) => digest,
                    // Gone since it was listed, so it is no part of the build.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                    Err(e) => return Err(ContextError::read(&entry.disk)(e)),
                };
                // The whole mode would differ between checkouts with another umask.
                let executable = entry.mode & 0o111 != 0;
                self.field(if executable { b"executable" } else { b"file" });
                self.field(&digest);
            }
        }
        self.field(entry.path.as_bytes());
        Ok(())
    }
}

fn content(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut file = File::open(&entry.disk)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().to_vec()),
            n => hash.update(&buffer[..n]),
        }
    }
}
