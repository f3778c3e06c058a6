//! The stack as its containers tell it, where the Stackfile is wrong or gone: what was started can
//! be looked at and ended all the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::spec::{Container, label};
use devrun_stack::{Host, Options, PathKind, Stack};

use super::Trouble;
use super::arguments::Global;
use super::context::{Context, load_options, print_diagnostics};
use crate::engine::Engine;
use crate::report::paint::{BUSY, stderr_line};
use crate::session::load::{LoadOptions, load, root_hash};

/// What is said of the Stackfile, and where its containers are looked for.
struct Without {
    options: LoadOptions,
    /// Folders that may be the checkout's.
    roots: Vec<PathBuf>,
    /// `Stackfile.kdl is wrong (…)`.
    why: String,
    diagnostics: Vec<devrun_stack::Diagnostic>,
    trouble: Trouble,
}

/// The stack of the Stackfile; where it is wrong or gone, the one whose containers were started
/// from this checkout. Only for commands that ask and do nothing of what a Stackfile says.
pub(super) async fn context(global: &Global) -> Result<Context, Trouble> {
    let without = match read(global)? {
        Ok(context) => return Ok(context),
        Err(without) => *without,
    };
    if let Some(stack) = started(global, &without).await {
        if !global.quiet {
            stderr_line(
                global.color,
                &format!(
                    "{BUSY}warning:{BUSY:#} {}; going by the containers of {}",
                    without.why, stack.name
                ),
            );
        }
        return Ok(Context {
            options: without.options,
            stack: Arc::new(stack),
        });
    }
    print_diagnostics(global, &without.diagnostics);
    Err(without.trouble)
}

fn read(global: &Global) -> Result<Result<Context, Box<Without>>, Trouble> {
    let options = match load_options(global) {
        Ok(options) => options,
        Err(trouble) => return Ok(Err(Box::new(gone(trouble)?))),
    };
    let loaded = load(&options).map_err(|error| Trouble::local("reading the Stackfile", &error))?;
    let root = options.file.parent().map(Path::to_owned);
    Ok(match loaded.stack {
        Ok(stack) => Ok(Context {
            options,
            stack: Arc::new(stack),
        }),
        Err(rejected) => Err(Box::new(Without {
            why: format!("{} is wrong (`devrun check` says how)", options.shown),
            options,
            roots: root.into_iter().collect(),
            diagnostics: rejected.0,
            trouble: Trouble::usage(""),
        })),
    })
}

fn gone(trouble: Trouble) -> Result<Without, Trouble> {
    let here = std::env::current_dir().map_err(|error| Trouble::local("this folder", &error))?;
    Ok(Without {
        options: LoadOptions {
            file: here.join("Stackfile.kdl"),
            shown: "Stackfile.kdl".to_owned(),
            ..LoadOptions::default()
        },
        roots: here.ancestors().map(Path::to_owned).collect(),
        why: trouble.message.clone(),
        diagnostics: Vec::new(),
        trouble,
    })
}

/// The one stack that was started from there; the one of that name where one is given.
async fn started(global: &Global, without: &Without) -> Option<Stack> {
    let engine = Engine::connect().await.ok()?;
    let mut containers = engine.containers_labelled(label::ROOT).await.ok()?;
    let roots: Vec<String> = without.roots.iter().map(|root| root_hash(root)).collect();
    containers.retain(|container| {
        let name = container.label(label::STACK);
        let here = roots
            .iter()
            .any(|root| root == container.label(label::ROOT));
        let wanted = global.project_name.as_deref().is_none_or(|it| it == name);
        here && wanted && container.label(label::RUN).is_empty()
    });
    of_labels(&containers)
}

/// Nothing is at any path, and nothing needs to be.
struct Nothing;

impl Host for Nothing {
    fn read(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn kind(&self, _: &Path) -> Option<PathKind> {
        None
    }
}

/// A stack with these services and nothing else, through the one reader that makes stacks; none
/// where they are of several.
fn of_labels(containers: &[Container]) -> Option<Stack> {
    let names: BTreeSet<&str> = containers
        .iter()
        .map(|container| container.label(label::STACK))
        .collect();
    let mut names = names.into_iter();
    let (Some(name), None) = (names.next(), names.next()) else {
        return None;
    };
    let services: BTreeSet<&str> = containers
        .iter()
        .map(|container| container.service())
        .filter(|service| !service.is_empty())
        .collect();
    let mut text = format!("stack {name}\n");
    for service in services {
        text.push_str(&format!("service {service} {{ image \"of:labels\"; }}\n"));
    }
    let root = Path::new(containers.first()?.label(label::ROOT_PATH));
    let options = Options {
        file: root.join("Stackfile.kdl"),
        shown: "Stackfile.kdl".to_owned(),
        text,
        ..Options::default()
    };
    devrun_stack::load(&options, &Nothing).stack.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;

    fn container(stack: &str, service: &str) -> Container {
        let checkout = (label::ROOT_PATH, "/home/me/shop");
        let labels = [(label::STACK, stack), (label::SERVICE, service), checkout];
        sample::container(service, labels)
    }

    #[test]
    fn the_services_and_the_checkout_are_as_the_labels_say() {
        let stack = of_labels(&[container("shop", "db"), container("shop", "web")]).unwrap();
        assert_eq!(
            (stack.name.as_str(), stack.root.to_str()),
            ("shop", Some("/home/me/shop"))
        );
        assert!(stack.service("db").is_some() && stack.service("web").is_some());
        assert_eq!(stack.services.len(), 2);
    }

    #[test]
    fn of_two_stacks_none_is_guessed() {
        assert_eq!(
            of_labels(&[container("shop", "db"), container("other", "db")]),
            None
        );
        assert_eq!(of_labels(&[]), None);
    }
}
