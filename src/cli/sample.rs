//! For tests: a container as the engine tells of it.

use devrun_core::live::Live;
use devrun_core::spec::{Container, ContainerState};

/// One that runs, with these labels.
pub(super) fn container<const N: usize>(name: &str, labels: [(&str, &str); N]) -> Container {
    Container {
        id: name.to_owned(),
        name: name.to_owned(),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        state: ContainerState::Running,
        health: None,
        exit_code: None,
        started_at: String::new(),
        started_ns: 0,
        finished_at: String::new(),
        restarts: 0,
        image_id: String::new(),
        image: String::new(),
        ports: Vec::new(),
        live: Live::default(),
    }
}
