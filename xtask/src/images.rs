//! The base images that the examples and the tests stand on: pulled, or where
//! no registry answers, made from Debian's packages under the same names.

mod pull;
mod recipe;
mod standin;

use std::path::PathBuf;
use std::process::Command;

use crate::run;

/// Marks what we made, and so what we may replace and remove.
const LABEL: &str = "devrun.standin";
/// Hash of what a stand-in was made from.
const RECIPE_LABEL: &str = "devrun.standin.recipe";

/// An image that something in this repository names.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Image {
    name: &'static str,
    /// Folder below `xtask/images` that makes its stand-in.
    folder: &'static str,
}

/// The slowest to make first, so that the last one does not work alone.
const IMAGES: [Image; 6] = [
    Image {
        name: "node:20-slim",
        folder: "node",
    },
    Image {
        name: "postgres:17",
        folder: "postgres",
    },
    Image {
        name: "python:3.13-slim",
        folder: "python",
    },
    Image {
        name: "nginx:1.26",
        folder: "nginx",
    },
    Image {
        name: "redis:7",
        folder: "redis",
    },
    Image {
        name: "registry:2",
        folder: "registry",
    },
];

/// What every stand-in is built on.
const BASE: Image = Image {
    name: "devrun/standin-base:trixie",
    folder: "base",
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error("{}: {source}", path.display())]
    Recipe {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "no registry answers for {missing}, and stand-ins are made with debootstrap, as root.\n\
         Let the engine reach a registry, or install debootstrap and debian-archive-keyring and \
         run this as root."
    )]
    CannotMake { missing: String },
    #[error("not removed, because a container uses it: {0}. Remove that container first.")]
    InUse(String),
}

#[derive(Debug, PartialEq)]
enum State {
    Absent,
    /// Pulled, built by somebody else, or a stand-in as we would make it now.
    Present,
    /// A stand-in that was made from an older recipe.
    Stale,
}

/// Returns when the engine has every base image.
pub(crate) fn ensure() -> Result<(), Error> {
    let mut absent = Vec::new();
    let mut to_make = Vec::new();
    for image in IMAGES {
        match state(image)? {
            State::Present => {}
            State::Absent => absent.push(image),
            State::Stale => to_make.push(image),
        }
    }
    to_make.extend(pull::pull(&absent)?);
    if to_make.is_empty() {
        return Ok(());
    }
    standin::make(&to_make)
}

/// Removes every stand-in, and nothing that was pulled.
pub(crate) fn remove() -> Result<(), Error> {
    let mut in_use = Vec::new();
    for image in IMAGES.into_iter().chain([BASE]) {
        if labels(image.name)?.is_none_or(|(mark, _)| mark.is_empty()) {
            continue;
        }
        let removed = run::answer(Command::new("docker").args(["image", "rm", image.name]))?;
        match removed {
            Some(_) => run::say(&format!("removed {}", image.name)),
            None => in_use.push(image.name),
        }
    }
    if in_use.is_empty() {
        Ok(())
    } else {
        Err(Error::InUse(in_use.join(", ")))
    }
}

fn state(image: Image) -> Result<State, Error> {
    Ok(match labels(image.name)? {
        None => State::Absent,
        Some((mark, _)) if mark.is_empty() => State::Present,
        Some((_, recipe)) if recipe == recipe::hash(image)? => State::Present,
        Some(_) => State::Stale,
    })
}

/// Both labels of an image, empty where it has none; `None` where there is no image.
fn labels(name: &str) -> Result<Option<(String, String)>, Error> {
    let format = format!(
        "{{{{with .Config}}}}{{{{with .Labels}}}}{{{{index . \"{LABEL}\"}}}} \
         {{{{index . \"{RECIPE_LABEL}\"}}}}{{{{end}}}}{{{{end}}}}"
    );
    let mut command = Command::new("docker");
    command.args(["image", "inspect", "--format", &format, name]);
    Ok(run::answer(&mut command)?.map(|line| {
        let (mark, recipe) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        (mark.to_owned(), recipe.to_owned())
    }))
}
