//! What the proxy is started with: never with what nginx refused once, where it is known to work
//! with another one.

use std::collections::BTreeSet;

use super::Invariants;
use crate::effect::{Effect, PutFile};
use crate::event::Outcome;
use crate::routes::CONFIG_PATH;

/// What is known of configurations.
#[derive(Debug, Default)]
pub(super) struct Configs {
    refused: BTreeSet<String>,
    /// It said that it works with one.
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
        match (effect, outcome) {
            (_, Outcome::ProxyApplied { .. }) => self.configs.proved = true,
            (Effect::ProxyApply { config, .. }, Outcome::Failed(failure)) if failure.impossible => {
                self.configs.refused.insert(heeded(config));
            }
            _ => {}
        }
    }

    pub(super) fn check_files(&mut self, files: &[PutFile]) -> Result<(), String> {
        let Some(config) = files.iter().find(|file| file.path == CONFIG_PATH) else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&config.content.0);
        match self.configs.proved && self.configs.refused.contains(&heeded(&text)) {
            true => Err("it is to begin with what nginx has refused".to_owned()),
            false => Ok(()),
        }
    }
}
