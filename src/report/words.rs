//! What the program says to itself, in words for people.

use devrun_core::notice::Part;

/// Steps that took less, and those that were in the cache, are not worth a line.
pub(super) const WORTH_A_LINE: f64 = 100.0;

/// A step of a build is cut to this where it stands among other things.
const STEP: usize = 50;

/// `0.9 s`, `140 s`, `4 ms`.
pub(crate) fn seconds(millis: f64) -> String {
    if millis < 100.0 {
        format!("{millis:.0} ms")
    } else if millis < 100_000.0 {
        format!("{:.1} s", millis / 1000.0)
    } else {
        format!("{:.0} s", millis / 1000.0)
    }
}

/// `1 file`, `2 files`.
pub(crate) fn counted(count: usize, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {word}{ending}")
}

/// What a comparison found: `214 files compared, 2 brought over`.
pub(super) fn compared(compared: usize, changed: usize, refused: usize) -> String {
    let mut text = format!("{} compared", counted(compared, "path"));
    text.push_str(&match changed {
        0 if refused == 0 => ", all equal".to_owned(),
        0 => String::new(),
        count => format!(", {count} brought over"),
    });
    if refused > 0 {
        text.push_str(&format!(", {refused} not"));
    }
    text
}

/// The first few of so many.
pub(crate) fn first(paths: &[String], all: usize) -> String {
    const SHOWN: usize = 3;
    let told: Vec<&str> = paths.iter().take(SHOWN).map(String::as_str).collect();
    match all.saturating_sub(told.len()) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// A step of a build on one line: without the folds of the Dockerfile and the mounts, which are
/// long and the same every time, and not longer than `room`.
pub(super) fn step(name: &str, room: usize) -> String {
    let words = name
        .split_whitespace()
        .filter(|word| !word.starts_with("--mount="));
    shortened(&words.collect::<Vec<_>>().join(" "), room)
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// What a plan announces, if it is something that takes its time: `sync+rebuild` is a rebuild.
pub(super) fn large(action: &str) -> Option<&'static str> {
    ["rebuild", "recreate", "roll"]
        .into_iter()
        .find(|word| action.contains(word))
}

/// The reason of a plan, `api/views.py: sync rule, Stackfile.kdl:31`, as the file's name and the
/// rule's place; a reason without a file has only the second.
pub(super) fn reason(reason: &str) -> (Option<&str>, &str) {
    let Some((path, rule)) = reason
        .split_once(": ")
        .filter(|(path, _)| *path != "changed" && !path.contains(" ("))
    else {
        return (None, reason);
    };
    let rule = ["on rule, ", "sync rule, "]
        .iter()
        .find_map(|prefix| rule.strip_prefix(prefix))
        .unwrap_or(rule);
    (Some(path.rsplit('/').next().unwrap_or(path)), rule)
}

/// What was done, without the steps that go without saying.
pub(super) fn done(action: &str) -> String {
    let words: Vec<&str> = action.split(", ").collect();
    let told = |word: &&str| !matches!(*word, "synced" | "recreated");
    if words.contains(&"rebuilt") {
        let told: Vec<&str> = words.into_iter().filter(told).collect();
        return told.join(", ");
    }
    action.to_owned()
}

/// Whether what was done ended in a process that became ready again.
pub(super) fn became_ready(action: &str) -> bool {
    ["restarted", "recreated", "rebuilt"]
        .iter()
        .any(|word| action.contains(word))
}

/// The last line that says something.
pub(super) fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("no answer")
}

/// How long each part took, in the order in which they came: `waited 50 ms for quiet, synced 3 ms`.
/// Nothing where there is no more than one worth a word.
pub(crate) fn parts(parts: &[Part]) -> Option<String> {
    let told: Vec<&Part> = parts.iter().filter(|part| part.took_ms >= 0.5).collect();
    let is_one = told.len() < 2 && told.iter().all(|part| part.slowest.is_none());
    let told: Vec<String> = told.into_iter().map(part).collect();
    (!is_one).then(|| told.join(", "))
}

fn part(part: &Part) -> String {
    let took = seconds(part.took_ms);
    match part.what.as_str() {
        "waited" => {
            let of = part.of.as_deref();
            let of = of.map_or_else(String::new, |of| match of {
                "settle" => " for the rule's `settle`".to_owned(),
                other => format!(" for {other}"),
            });
            format!("waited {took}{of}")
        }
        "built" => {
            let slowest = part.slowest.as_ref().filter(|step| step.took_ms >= 0.5);
            let slowest = slowest.map_or_else(String::new, |slowest| {
                let name = step(&slowest.name, STEP);
                format!(" (slowest step: {name}, {})", seconds(slowest.took_ms))
            });
            format!("built {took}{slowest}")
        }
        "image" => format!("looked for the image {took}"),
        "given-up" => format!("built in vain {took}"),
        "drained" => format!("let requests end {took}"),
        "compared" => format!("compared files {took}"),
        "ran" => format!("ran its command {took}"),
        "post-start" => format!("ran post-start {took}"),
        "routed" => format!("applied routes {took}"),
        "probed" => format!("probed until ready {took}"),
        "explained" => format!("read its log {took}"),
        other => format!("{other} {took}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_are_of_use() {
        let shown = [3.6, 99.4, 123.0, 912.0, 14_240.0, 99_949.0, 139_900.0].map(seconds);
        assert_eq!(
            shown,
            [
                "4 ms", "99 ms", "0.1 s", "0.9 s", "14.2 s", "99.9 s", "140 s"
            ]
        );
    }

    #[test]
    fn a_step_stands_on_one_line() {
        let name = "[dev 4/6] RUN --mount=type=cache,target=/root/.cache     pip install \t -r requirements.txt";
        assert_eq!(
            step(name, 100),
            "[dev 4/6] RUN pip install -r requirements.txt"
        );
        assert_eq!(step(name, 20), "[dev 4/6] RUN pip i…");
        assert_eq!(step("[1/2] RUN größer", 15), "[1/2] RUN größ…");
    }

    #[test]
    fn parts_of_an_update_are_one_line() {
        let part = |what: &str, of: Option<&str>, took_ms| Part {
            what: what.to_owned(),
            of: of.map(str::to_owned),
            took_ms,
            slowest: None,
        };
        let built = Part {
            slowest: Some(devrun_core::notice::Step {
                name: "[2/4] RUN pip install".to_owned(),
                took_ms: 1100.0,
            }),
            ..part("built", None, 1400.0)
        };
        let all = [
            part("waited", Some("quiet"), 50.0),
            built,
            part("stopped", None, 210.0),
            part("created", None, 41.2),
            part("compared", None, 0.3),
            part("waited", Some("db"), 1200.0),
            part("probed", None, 300.0),
        ];
        insta::assert_snapshot!(parts(&all).unwrap(), @"waited 50 ms for quiet, built 1.4 s (slowest step: [2/4] RUN pip install, 1.1 s), stopped 0.2 s, created 41 ms, waited 1.2 s for db, probed until ready 0.3 s");
        assert_eq!(parts(&[part("synced", None, 1.3)]), None);
        assert_eq!(parts(&[]), None);
    }

    #[test]
    fn reasons_are_split_into_file_and_rule() {
        let cases = [
            (
                "backend/requirements.txt: on rule, Stackfile.kdl:74",
                (Some("requirements.txt"), "Stackfile.kdl:74"),
            ),
            (
                "web/Dockerfile: read by the build, Stackfile.kdl:9",
                (Some("Dockerfile"), "read by the build, Stackfile.kdl:9"),
            ),
            (
                "changed: environment, image",
                (None, "changed: environment, image"),
            ),
            ("asked for", (None, "asked for")),
        ];
        for (text, expected) in cases {
            assert_eq!(reason(text), expected);
        }
    }
}
