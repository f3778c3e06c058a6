//! Who has a port of the host.

use std::path::PathBuf;

use bollard::query_parameters::ListContainersOptions;
use devrun_core::spec::label;

use super::{Engine, EngineError, PROMPT, within};

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortHolder {
    /// A container.
    Container {
        /// Its name.
        name: String,
        /// The stack that it belongs to; empty if it is not ours.
        stack: String,
    },
    /// A process of this machine.
    Process {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
}

impl std::fmt::Display for PortHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container { name, stack } if stack.is_empty() => {
                write!(f, "the container {name}")
            }
            Self::Container { name, stack } => {
                write!(f, "the container {name} of the stack {stack}")
            }
            Self::Process { pid, name } => write!(f, "{name} (process {pid})"),
        }
    }
}

impl Engine {
    /// Who has that TCP port of the host, as far as can be seen: `None` is not "nobody".
    pub(crate) async fn port_holder(&self, port: u16) -> Result<Option<PortHolder>, EngineError> {
        let call = self.docker.list_containers(None::<ListContainersOptions>);
        let list = within("looking who has a port", PROMPT, call).await?;
        let holder = list.into_iter().find(|container| {
            container
                .ports
                .iter()
                .flatten()
                .any(|published| published.public_port == Some(port))
        });
        if let Some(container) = holder {
            let stack = container
                .labels
                .and_then(|labels| labels.get(label::STACK).cloned())
                .unwrap_or_default();
            return Ok(Some(PortHolder::Container {
                name: first_name(container.names),
                stack,
            }));
        }
        if self.endpoint().elsewhere().is_some() {
            return Ok(None);
        }
        // Walks over every open file of the machine.
        Ok(tokio::task::spawn_blocking(move || process_of(port))
            .await
            .ok()
            .flatten())
    }
}

/// The first of a container's names, without the slash.
pub(super) fn first_name(names: Option<Vec<String>>) -> String {
    let first = names
        .unwrap_or_default()
        .into_iter()
        .next()
        .unwrap_or_default();
    first.trim_start_matches('/').to_owned()
}

fn process_of(port: u16) -> Option<PortHolder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<PathBuf> = tables
        .iter()
        .flat_map(|table| listening(table, port))
        .map(|inode| PathBuf::from(format!("socket:[{inode}]")))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Those of other users cannot be read.
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let mut links = files
            .flatten()
            .filter_map(|file| std::fs::read_link(file.path()).ok());
        if links.any(|link| sockets.contains(&link)) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(PortHolder::Process {
                pid,
                name: name.trim().to_owned(),
            });
        }
    }
    None
}

/// Inodes of the sockets that listen on the port, from a table of the kernel.
fn listening(table: &str, port: u16) -> Vec<&str> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| {
        row.get(3) == Some(&LISTEN) && row.get(1).is_some_and(|local| local.ends_with(&suffix))
    })
    .filter_map(|row| row.get(9).copied())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_on_that_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n\
            1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4343 1 0 100 0 0 10 0\n\
            2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1 0 100 0 0 10 0\n";
        assert_eq!(listening(table, 8080), ["4242"]);
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = process_of(listener.local_addr().unwrap().port());
        assert!(
            matches!(holder, Some(PortHolder::Process { pid, .. }) if pid == std::process::id()),
            "{holder:?}"
        );
    }
}
