//! What the proxy is started with: never with what nginx refused once, where it is known to work
//! with another one.

use std::collections::BTreeSet;

use super::Invariants;
use crate::effect::{Effect, PutFile};
use crate::event::Outcome;
use crate::routes::CONFIG_PATH;
use crate::session::{State, View};

/// What is known of configurations.
#[derive(Debug, Default)]
pub(super) struct Configs {
    refused: BTreeSet<String>,
    /// One was given to it.
    given: bool,
    /// It worked with one.
    proved: bool,
}

/// The same for all that differ in their number only.
pub(crate) fn heeded(config: &str) -> String {
    let lines = config.lines().map(str::trim);
    let heeded = lines.filter(|line| !line.starts_with('#') && !line.starts_with("return 200 \""));
    heeded.map(without_number).collect::<Vec<_>>().join("\n")
}

fn without_number(line: &str) -> String {
    match line.split_once("\"generation\":") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{before}{after}")
        }
        None => line.to_owned(),
    }
}

impl Invariants {
    pub(super) fn note_config(&mut self, effect: &Effect, outcome: &Outcome) {
        let Effect::ProxyApply { config, .. } = effect else {
            return;
        };
        match outcome {
            Outcome::ProxyApplied { .. } => self.configs.proved = true,
            Outcome::Failed(failure) if failure.impossible => {
                self.configs.refused.insert(heeded(config));
            }
            _ => {}
        }
    }

    pub(super) fn note_proved(&mut self, view: &View) {
        let Some(stack) = &self.stack else { return };
        let proxy = stack.services.iter().find(|it| it.proxy.is_some());
        let proxy = proxy.and_then(|proxy| view.services.iter().find(|it| it.name == proxy.name));
        let ready = proxy.is_some_and(|it| it.state == State::Ready);
        self.configs.proved |= ready && self.configs.given;
    }

    pub(super) fn check_files(&mut self, files: &[PutFile]) -> Result<(), String> {
        let Some(config) = files.iter().find(|file| file.path == CONFIG_PATH) else {
            return Ok(());
        };
        self.configs.given = true;
        let text = String::from_utf8_lossy(&config.content.0);
        match self.configs.proved && self.configs.refused.contains(&heeded(&text)) {
            true => Err("it is to begin with what nginx has refused".to_owned()),
            false => Ok(()),
        }
    }
}
