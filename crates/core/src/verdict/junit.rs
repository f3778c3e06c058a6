//! JUnit's XML as Jenkins reads it.

use std::fmt::Write;
use std::time::Duration;

use super::failed::{attribute, tag_end};

/// A group of cases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// When it began, `2026-01-31T12:00:00`.
    pub timestamp: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// A service, a task, a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What groups it, `app.check`.
    pub class: String,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts before the last one, none of which passed: in one line, and in full.
    pub before: Vec<(String, String)>,
    /// What it printed.
    pub output: String,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Well.
    #[default]
    Passed,
    /// It did not hold: in one line, and in full.
    Failed(String, String),
    /// It was not run, because of this.
    Skipped(String),
}

/// A whole file; `collected` are suites as [`suites_of`] finds them in files of others.
#[must_use]
pub fn document(name: &str, took: Duration, suites: &[Suite], collected: &[String]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut all = Counts::default();
    for suite in suites {
        all.add(&Counts::of(suite));
    }
    for suite in collected {
        all.add(&Counts::said_by(suite));
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        escaped(name),
        all.tests,
        all.failures,
        all.errors,
        time(took),
    );
    for one in suites {
        suite(&mut text, one);
    }
    for suite in collected {
        text.push_str(suite.trim());
        text.push('\n');
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, suite: &Suite) {
    let counts = Counts::of(suite);
    let took: Duration = suite.cases.iter().map(|case| case.took).sum();
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\" timestamp=\"{}\">",
        escaped(&suite.name),
        counts.tests,
        counts.failures,
        counts.skipped,
        time(took),
        escaped(&suite.timestamp),
    );
    for case in &suite.cases {
        let _ = write!(
            text,
            "    <testcase name=\"{}\" classname=\"{}\" time=\"{}\"",
            escaped(&case.name),
            escaped(&case.class),
            time(case.took),
        );
        let is_short = case.before.is_empty() && case.output.is_empty();
        if case.outcome == Outcome::Passed && is_short {
            text.push_str("/>\n");
            continue;
        }
        text.push_str(">\n");
        match &case.outcome {
            Outcome::Passed => {}
            Outcome::Failed(message, whole) => {
                let _ = writeln!(
                    text,
                    "      <failure message=\"{}\" type=\"failed\">{}</failure>",
                    escaped(message),
                    escaped(whole),
                );
            }
            Outcome::Skipped(message) => {
                let _ = writeln!(text, "      <skipped message=\"{}\"/>", escaped(message));
            }
        }
        // What passed at last is flaky.
        let word = match case.outcome {
            Outcome::Passed => "flakyFailure",
            _ => "rerunFailure",
        };
        for (message, whole) in &case.before {
            let _ = writeln!(
                text,
                "      <{word} message=\"{}\" type=\"failed\">{}</{word}>",
                escaped(message),
                escaped(whole),
            );
        }
        if !case.output.is_empty() {
            let _ = writeln!(
                text,
                "      <system-out>{}</system-out>",
                escaped(&case.output)
            );
        }
        text.push_str("    </testcase>\n");
    }
    text.push_str("  </testsuite>\n");
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(suite: &Suite) -> Counts {
        let count = |wanted: fn(&Outcome) -> bool| {
            suite
                .cases
                .iter()
                .filter(|case| wanted(&case.outcome))
                .count()
        };
        Counts {
            tests: suite.cases.len(),
            failures: count(|outcome| matches!(outcome, Outcome::Failed(..))),
            errors: 0,
            skipped: count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        }
    }

    /// What a suite of somebody else says in its first tag.
    fn said_by(suite: &str) -> Counts {
        let tag = &suite[..tag_end(suite)];
        let number = |name: &str| {
            let value = attribute(tag, name);
            value
                .and_then(|value| value.trim().parse().ok())
                .unwrap_or(0)
        };
        Counts {
            tests: number("tests"),
            failures: number("failures"),
            errors: number("errors"),
            skipped: number("skipped"),
        }
    }

    fn add(&mut self, other: &Counts) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }
}

/// The outermost suites in a file that somebody else wrote; `None` if it is not one.
#[must_use]
pub fn suites_of(file: &str) -> Option<Vec<String>> {
    const OPEN: &str = "<testsuite";
    const CLOSE: &str = "</testsuite>";
    let mut suites = Vec::new();
    let mut rest = file;
    let mut known = file.contains("<testsuites");
    while let Some(at) = rest.find(OPEN) {
        let whole = &rest[at..];
        let after = whole.as_bytes().get(OPEN.len()).copied().unwrap_or(b' ');
        if !(after.is_ascii_whitespace() || matches!(after, b'>' | b'/')) {
            rest = &whole[OPEN.len()..];
            continue;
        }
        known = true;
        let tag = Some(tag_end(whole)).filter(|end| *end < whole.len())?;
        let end = match whole[..tag].ends_with('/') {
            true => tag + 1,
            false => closing(whole, OPEN, CLOSE)?,
        };
        suites.push(whole[..end].to_owned());
        rest = &whole[end..];
    }
    known.then_some(suites)
}

/// Where the suite ends with which this text begins; suites may hold suites, and text may look
/// like one.
fn closing(text: &str, open: &str, close: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("<![CDATA[") {
            at += rest.find("]]>")? + 3;
        } else if rest.starts_with("<!--") {
            at += rest.find("-->")? + 3;
        } else if rest.starts_with(close) {
            depth = depth.checked_sub(1)?;
            at += close.len();
            if depth == 0 {
                return Some(at);
            }
        } else if rest.starts_with(open) {
            let tag = Some(tag_end(rest)).filter(|end| *end < rest.len())?;
            depth += usize::from(!rest[..tag].ends_with('/'));
            at += tag + 1;
        } else {
            at += rest.find('<').filter(|next| *next > 0).unwrap_or(1);
            while !text.is_char_boundary(at) {
                at += 1;
            }
        }
    }
    None
}

fn time(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}

/// What XML can hold; colours of terminals cannot stand in it.
fn escaped(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => done.push_str("&amp;"),
            '<' => done.push_str("&lt;"),
            '>' => done.push_str("&gt;"),
            '"' => done.push_str("&quot;"),
            '\n' | '\t' => done.push(character),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {
                done.push('\u{fffd}')
            }
            other => done.push(other),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_all_kinds_of_ends() {
        let case = |name: &str, outcome: Outcome, output: &str| Case {
            name: name.into(),
            class: "app.check".into(),
            took: Duration::from_millis(1500),
            outcome,
            before: Vec::new(),
            output: output.into(),
        };
        let again = |it: Case| Case {
            before: vec![("no answer".into(), "no answer\nat all".into())],
            ..it
        };
        let suite = Suite {
            name: "checks".into(),
            timestamp: "2026-01-31T12:00:00".into(),
            cases: vec![
                case("a", Outcome::Passed, ""),
                case(
                    "b",
                    Outcome::Failed("said \"<no>\"".into(), "line\n\u{1b}[31mred & dead".into()),
                    "out",
                ),
                case("c", Outcome::Skipped("b failed".into()), ""),
                case("d", Outcome::Passed, "well"),
                again(case("e", Outcome::Passed, "")),
                again(case("f", Outcome::Failed("no".into(), "no".into()), "")),
            ],
        };
        let theirs = "<testsuite name='t' tests='3' failures='1' errors='1'><testcase name=\"x\"/></testsuite>";
        let text = document(
            "app",
            Duration::from_secs(3),
            &[suite],
            &[theirs.to_owned()],
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn suites_are_found_in_what_others_write() {
        let nested = "<testsuite name=\"a\"><testsuite name=\"b\"/><testcase><system-out><![CDATA[</testsuite>]]></system-out></testcase></testsuite>";
        for (file, found) in [
            (
                "<?xml version=\"1.0\"?><testsuite tests=\"0\"/>".to_owned(),
                Some(vec!["<testsuite tests=\"0\"/>"]),
            ),
            (
                format!("<testsuites a=\"b\">{nested}<testsuite>ü</testsuite></testsuites>"),
                Some(vec![nested, "<testsuite>ü</testsuite>"]),
            ),
            ("<testsuites/>".to_owned(), Some(vec![])),
            ("<testsuite>".to_owned(), None),
            ("{}".to_owned(), None),
        ] {
            let suites = suites_of(&file);
            let suites = suites
                .as_ref()
                .map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(suites, found, "{file}");
        }
    }
}
