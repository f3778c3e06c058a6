//! The last line of a run: its exit code, in words.

use std::time::Duration;

use super::{Checked, End, Pass, Standing};
use crate::effect::Exit;

/// The line in parts, so that its word can have a colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// What it came to.
    pub before: String,
    /// `passed`, `failed`, `interrupted`.
    pub word: &'static str,
    /// Why, and the code.
    pub after: String,
}

impl Pass {
    /// The end in words; `took` is how long the run was, for people.
    #[must_use]
    pub fn last(&self, end: &End, now: Duration, took: &str) -> Last {
        let code = format!(" (exit code {})", end.code);
        match end.exit {
            Exit::Done => Last {
                before: format!("{} in {took}: ", self.what_passed()),
                word: "passed",
                after: code,
            },
            Exit::Interrupted => Last {
                before: String::new(),
                word: "interrupted",
                after: code,
            },
            _ => {
                let first = end.reasons.first();
                let first = first.map_or_else(String::new, |it| self.why(it, now).text);
                let more = match end.reasons.len() {
                    0 | 1 => String::new(),
                    several => format!(", and {} more", several - 1),
                };
                Last {
                    before: String::new(),
                    word: "failed",
                    after: format!(": {first}{more}{code}"),
                }
            }
        }
    }

    /// `5 services ready, 1 task done, 4 checks`.
    fn what_passed(&self) -> String {
        let standing = |wanted: Standing| {
            let services = self.services.iter();
            services.filter(|it| it.standing == wanted).count()
        };
        let mut parts = vec![format!(
            "{} ready",
            counted(standing(Standing::Ready), "service")
        )];
        match standing(Standing::Done) {
            0 => {}
            done => parts.push(format!("{} done", counted(done, "task"))),
        }
        let checks = self.checks.iter();
        match checks.filter(|it| it.standing == Checked::Passed).count() {
            0 => {}
            passed => parts.push(counted(passed, "check")),
        }
        parts.join(", ")
    }
}

/// `1 time`, `2 times`.
pub(super) fn counted(count: usize, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {word}{ending}")
}
