//! What an image is made of, as one hash: while it is equal, nothing has to be built.

use std::fs;
use std::io;
use std::path::Path;

use devrun_stack::Build;
use sha2::{Digest, Sha256};

use super::contents::{Contents, digest};
use super::context::{Context, ContextError, Entry, Kind};
use super::recipe::Recipe;

#[cfg(test)]
mod tests;

/// The hash of all that goes into a build: Dockerfile, stage, arguments, platform (`linux/amd64`),
/// the other contexts by their names, each as a text that differs when it does, and path, content and executable bits of the files of the context. Paths for which `exclude`
/// says yes do not count (relative to the context, forward slashes; asked for folders as well):
/// what is synced into the container anyway is no reason to build. Nor does `.git`, which
/// changes all the time. What lies where is noted in `contents`. Blocks while it reads.
pub(crate) fn inputs_hash(
    build: &Build,
    platform: &str,
    contexts: &[(String, String)],
    contents: &mut Contents,
    exclude: impl Fn(&str) -> bool,
) -> Result<String, ContextError> {
    let mut hash = Fields {
        hash: Sha256::new(),
        contents,
        of: "",
    };
    let text = match &build.inline {
        Some(text) => text.clone().into_bytes(),
        None => fs::read(&build.dockerfile).map_err(ContextError::read(&build.dockerfile))?,
    };
    if build.inline.is_none() {
        let contents = &mut hash.contents;
        // Nobody makes a Dockerfile executable; one who does is looked at more closely.
        contents.note_file(&build.dockerfile, false, &Sha256::digest(&text));
    }
    let recipe = &mut hash.contents.recipe;
    recipe.note_dockerfile(&text);
    note_declared(recipe, build, platform);
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
    if let Some(network) = &build.network {
        hash.field(network.as_bytes());
    }
    for (name, content) in contexts {
        hash.field(name.as_bytes());
        hash.field(content.as_bytes());
    }
    let context = Context::open(&build.context, &build.dockerfile)?;
    hash.tree(&context, exclude)?;
    Ok(hash.digits())
}

/// What of a recipe is in the Stackfile. Of secrets only the names: what their content is hashed to
/// is not to lie around.
fn note_declared(recipe: &mut Recipe, build: &Build, platform: &str) {
    let target = build.target.as_deref().unwrap_or_default();
    recipe.note_said("target".to_owned(), target.as_bytes());
    recipe.note_said("platform".to_owned(), platform.as_bytes());
    let network = build.network.as_deref().unwrap_or_default();
    recipe.note_said("network".to_owned(), network.as_bytes());
    for (name, value) in &build.args {
        recipe.note_said(format!("build argument {name}"), value.as_bytes());
    }
    for name in build.secrets.keys() {
        recipe.note_said(format!("secret {name}"), b"");
    }
    for name in build.ssh.keys() {
        recipe.note_said(format!("ssh {name}"), b"");
    }
}

/// The hash of a folder that a build reads besides its context, under that name.
pub(crate) fn folder_hash(
    (name, folder): (&str, &Path),
    contents: &mut Contents,
    exclude: impl Fn(&str) -> bool,
) -> Result<String, ContextError> {
    let mut hash = Fields {
        hash: Sha256::new(),
        contents,
        of: name,
    };
    hash.tree(&Context::of_folder(folder)?, exclude)?;
    Ok(hash.digits())
}

/// A hash of fields: each with its length, so that no two lists of fields look alike.
struct Fields<'a> {
    hash: Sha256,
    contents: &'a mut Contents,
    /// The name of the folder that is read besides the context.
    of: &'a str,
}

impl Fields<'_> {
    fn digits(self) -> String {
        let digest = self.hash.finalize();
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
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), ContextError> {
        match &entry.kind {
            Kind::Folder => self.field(b"folder"),
            Kind::Link(target) => {
                self.field(b"link");
                self.field(target.as_bytes());
                let contents = &mut self.contents;
                contents.note_link(&entry.disk, Path::new(target));
                contents.recipe.note_link(self.of, &entry.path, target);
            }
            Kind::File(_) => {
                let digest = match digest(&entry.disk) {
                    Ok(digest) => digest,
                    // Gone since it was listed, so it is no part of the build.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                    Err(e) => return Err(ContextError::read(&entry.disk)(e)),
                };
                // The whole mode would differ between checkouts with another umask.
                let executable = entry.mode & 0o111 != 0;
                self.field(if executable { b"executable" } else { b"file" });
                self.field(&digest);
                let contents = &mut self.contents;
                contents.note_file(&entry.disk, executable, &digest);
                let recipe = &mut contents.recipe;
                recipe.note_file(self.of, &entry.path, executable, &digest);
            }
        }
        self.field(entry.path.as_bytes());
        Ok(())
    }
}
