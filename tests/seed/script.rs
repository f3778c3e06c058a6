//! The commands of the seed, read from `commands.md` and turned into devrun's.

use std::collections::VecDeque;

/// One command, as it stands in the document.
#[derive(Debug)]
pub(crate) struct Step {
    /// The heading above it.
    pub(crate) heading: String,
    /// As written.
    pub(crate) text: String,
    /// What the same block exports before it.
    exports: Vec<String>,
    /// What is typed into it: the lines after `# >>> `.
    pub(crate) typed: Vec<String>,
}

impl Step {
    /// What bash is given.
    pub(crate) fn line(&self) -> String {
        let mut lines = self.exports.clone();
        lines.push(translated(&self.text));
        lines.join("\n")
    }
}

/// `docker compose` is `devrun`, the helper script's verbs are devrun's, `sudo` is not needed by
/// whom the tests run as, and the service in question is the backend.
fn translated(text: &str) -> String {
    [
        ("./docker-dev.sh start", "devrun up -d"),
        ("./docker-dev.sh stop", "devrun down"),
        ("./docker-dev.sh", "devrun"),
        ("docker compose", "devrun"),
        ("sudo ", ""),
        ("<service-name>", "backend"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
}

/// All commands, in the document's order.
pub(crate) fn steps() -> VecDeque<Step> {
    let mut steps: VecDeque<Step> = VecDeque::new();
    let (mut heading, mut exports, mut inside) = (String::new(), Vec::new(), false);
    for line in include_str!("commands.md").lines() {
        if line.starts_with("```") {
            inside = !inside;
            exports.clear();
        } else if !inside {
            if let Some(text) = line.strip_prefix("### ") {
                text.clone_into(&mut heading);
            }
        } else if let Some(typed) = line.strip_prefix("# >>> ") {
            steps.back_mut().unwrap().typed.push(typed.to_owned());
        } else if line.starts_with("export ") {
            exports.push(line.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            let (heading, text, exports) = (heading.clone(), line.to_owned(), exports.clone());
            steps.push_back(Step {
                heading,
                text,
                exports,
                typed: Vec::new(),
            });
        }
    }
    steps
}
