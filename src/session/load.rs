//! The Stackfile from the disk: text, rules, and the proxy's own configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::event::Stackfile;
use devrun_core::plan::Rules;
use devrun_stack::{Host, Loaded, Options, PathKind};

/// Where the Stackfile is and what changes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadOptions {
    /// Absolute.
    pub(crate) file: PathBuf,
    /// As people named it.
    pub(crate) shown: String,
    /// `-p`.
    pub(crate) project_name: Option<String>,
    /// The caller's environment.
    pub(crate) shell: BTreeMap<String, String>,
    /// `--env-file`, absolute.
    pub(crate) env_file: Option<PathBuf>,
    /// Ports of the host at which others are published instead.
    pub(crate) ports: BTreeMap<u16, u16>,
}

/// The host's files.
struct Disk;

impl Host for Disk {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn read_bytes(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn kind(&self, path: &Path) -> Option<PathKind> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(if metadata.is_dir() {
            PathKind::Folder
        } else {
            PathKind::File
        })
    }
}

/// Reads and understands the Stackfile.
pub(crate) fn load(options: &LoadOptions) -> std::io::Result<Loaded> {
    let text = std::fs::read_to_string(&options.file)?;
    let loaded = devrun_stack::load(
        &Options {
            file: options.file.clone(),
            shown: options.shown.clone(),
            text,
            project_name: options.project_name.clone(),
            shell: options.shell.clone(),
            env_file: options.env_file.clone(),
            ports: options.ports.clone(),
        },
        &Disk,
    );
    if let Ok(stack) = &loaded.stack {
        crate::report::mask::keep(stack, &options.shown);
    }
    Ok(loaded)
}

/// The Stackfile as an event, and the files whose change asks for another look.
pub(crate) fn read(options: &LoadOptions) -> (Stackfile, Vec<PathBuf>) {
    let loaded = match load(options) {
        Ok(loaded) => loaded,
        Err(error) => {
            let message = format!("{}: {error}", options.shown);
            return (Stackfile::Rejected { message }, vec![options.file.clone()]);
        }
    };
    let mut reads = loaded.reads;
    if !reads.contains(&options.file) {
        reads.push(options.file.clone());
    }
    let stack = match loaded.stack {
        Ok(stack) => Arc::new(stack),
        Err(rejected) => {
            let texts: Vec<String> = rejected.0.iter().map(crate::report::diagnostic).collect();
            return (
                Stackfile::Rejected {
                    message: texts.join("\n"),
                },
                reads,
            );
        }
    };
    let mut proxy_configs = Vec::new();
    for service in &stack.services {
        if let Some(proxy) = &service.proxy {
            reads.push(proxy.config.clone());
            if let Ok(text) = std::fs::read_to_string(&proxy.config) {
                proxy_configs.push((service.name.clone(), text));
            }
        }
    }
    let rules = Arc::new(Rules::compile(&stack, &crate::watch::ignore_texts(&stack)));
    let warnings = loaded
        .warnings
        .iter()
        .map(|warning| warning.message().to_string())
        .collect();
    (
        Stackfile::Loaded {
            stack,
            rules,
            proxy_configs,
            certificate: None,
            warnings,
        },
        reads,
    )
}

/// Hash of the checkout's path: tells two checkouts of the same stack apart.
pub(crate) fn root_hash(root: &Path) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
