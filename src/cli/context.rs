//! From the arguments to the stack they mean.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_stack::Stack;

use super::Trouble;
use super::arguments::{Format, Global};
use crate::report::mask;
use crate::session::load::{LoadOptions, load};

/// A Stackfile, found and read.
pub(super) struct Context {
    pub(super) options: LoadOptions,
    pub(super) stack: Arc<Stack>,
}

impl Context {
    /// The one service that a name stands for, for what can be done with one alone: of several
    /// replicas the first that `suits`.
    pub(super) fn one(
        &self,
        name: &String,
        suits: impl Fn(&str) -> bool,
    ) -> Result<String, Trouble> {
        let names = self.services(std::slice::from_ref(name))?;
        let found = names.iter().find(|name| suits(name)).or(names.first());
        Ok(found.unwrap_or(name).clone())
    }

    /// Finds the Stackfile and reads it; what is wrong with it is printed.
    pub(super) fn of(global: &Global) -> Result<Context, Trouble> {
        Context::with_ports(global, BTreeMap::new())
    }

    /// The same, with other ports of the host than the Stackfile says.
    pub(super) fn with_ports(
        global: &Global,
        ports: BTreeMap<u16, u16>,
    ) -> Result<Context, Trouble> {
        let options = LoadOptions {
            ports,
            ..load_options(global)?
        };
        let loaded =
            load(&options).map_err(|error| Trouble::local("reading the Stackfile", &error))?;
        match loaded.stack {
            Ok(stack) => Ok(Context {
                options,
                stack: Arc::new(stack),
            }),
            Err(rejected) => {
                print_diagnostics(global, &rejected.0);
                Err(Trouble::usage(""))
            }
        }
    }

    /// The services that these names stand for: each itself, or all replicas of one. None is left
    /// out, and no name stands for nothing.
    pub(super) fn services(&self, names: &[String]) -> Result<Vec<String>, Trouble> {
        let members = |name: &String| {
            let found = self.stack.members(name).map(|it| it.name.clone());
            found.collect::<Vec<_>>()
        };
        let Some(unknown) = names.iter().find(|name| members(name).is_empty()) else {
            return Ok(names.iter().flat_map(members).collect());
        };
        let known: Vec<&str> = self
            .stack
            .services
            .iter()
            .map(devrun_stack::Service::declared_as)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        Err(
            Trouble::usage(format!("{} has no service {unknown}", self.stack.name))
                .hint(format!("it has {}", known.join(", "))),
        )
    }
}

/// Where the Stackfile is and what changes it.
pub(super) fn load_options(global: &Global) -> Result<LoadOptions, Trouble> {
    let here = std::env::current_dir().map_err(|error| Trouble::local("this folder", &error))?;
    let (file, shown) = match global.file.as_ref().or(global.file_before.as_ref()) {
        Some(file) => {
            let file = here.join(file);
            let shown = file
                .strip_prefix(&here)
                .unwrap_or(&file)
                .display()
                .to_string();
            (file, shown)
        }
        None => {
            let file = find(&here).ok_or_else(|| {
                Trouble::usage("there is no Stackfile.kdl here, nor in any folder above")
                    .hint("go to the project's folder, or name the file: devrun -f FILE …")
            })?;
            let shown = file
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            (file, shown)
        }
    };
    let file = file
        .canonicalize()
        .map_err(|error| Trouble::usage(format!("{shown}: {error}")))?;
    let shell: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(LoadOptions {
        file,
        shown,
        project_name: global.project_name.clone(),
        shell,
        env_file: global.env_file.as_ref().map(|file| here.join(file)),
        ports: BTreeMap::new(),
    })
}

fn find(here: &Path) -> Option<PathBuf> {
    here.ancestors()
        .map(|folder| folder.join("Stackfile.kdl"))
        .find(|file| file.is_file())
}

/// Prints diagnostics as people or editors want them.
pub(super) fn print_diagnostics(global: &Global, diagnostics: &[devrun_stack::Diagnostic]) {
    let mut err = anstream::AutoStream::new(std::io::stderr(), super::output::choice(global.color));
    if global.format == Format::Json {
        for diagnostic in diagnostics {
            let object = diagnostic_json(diagnostic).to_string();
            let _ = writeln!(std::io::stdout(), "{}", mask::printed(&object));
        }
        return;
    }
    for diagnostic in diagnostics {
        let text = crate::report::diagnostic(diagnostic);
        let _ = writeln!(err, "{}", mask::printed(&text));
    }
}

fn diagnostic_json(diagnostic: &devrun_stack::Diagnostic) -> serde_json::Value {
    let (at, end) = (diagnostic.location(), diagnostic.end());
    let related: Vec<serde_json::Value> = diagnostic
        .related()
        .into_iter()
        .map(|(at, label)| serde_json::json!({"line": at.line, "column": at.column, "message": label}))
        .collect();
    serde_json::json!({
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "end_line": end.line,
        "end_column": end.column,
        "severity": if diagnostic.is_warning() { "warning" } else { "error" },
        "code": diagnostic.code(),
        "message": diagnostic.message(),
        "help": diagnostic.help(),
        "related": related,
    })
}
