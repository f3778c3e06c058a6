//! What happened to a service, each thing with what led to it.

use devrun_core::notice::{NoticeEvent, RuledOut, said_of_paused};
use serde_json::{Value, json};

use crate::report::paint::{BAD, DIM, GOOD};
use crate::report::{Clock, Stamped, first, parts, seconds};

/// One thing, and what led to it, the nearest first.
pub(super) struct Happened<'a> {
    what: &'a Stamped,
    because: Vec<&'a Stamped>,
}

/// The last things that happened to a service, oldest first.
pub(super) fn of<'a>(service: &str, notices: &'a [Stamped], most: usize) -> Vec<Happened<'a>> {
    let told: Vec<Happened> = notices
        .iter()
        .filter(|stamped| stamped.notice.service.as_deref() == Some(service))
        .filter(|stamped| is_worth_telling(stamped, notices))
        .map(|what| Happened {
            what,
            because: causes(what, notices),
        })
        .collect();
    let from = told.len().saturating_sub(most);
    told.into_iter().skip(from).collect()
}

/// So many lines of what failed stand below it.
const LAST_WORDS: usize = 5;

/// Ends, not ways: of an update its result, of a state only those that last.
fn is_worth_telling(stamped: &Stamped, notices: &[Stamped]) -> bool {
    match &stamped.notice.event {
        NoticeEvent::UpdateDone { .. }
        | NoticeEvent::Warning { .. }
        | NoticeEvent::RulePaused { .. }
        | NoticeEvent::RuleResumed { .. }
        | NoticeEvent::SyncMended { .. } => true,
        NoticeEvent::ServiceState { from, to, .. } => match to.as_str() {
            "failed" | "unhealthy" | "stopped" | "done" => true,
            // The end of an update is told as such.
            "ready" => from != "updating",
            _ => false,
        },
        // What came of it is told instead, once it is there.
        NoticeEvent::UpdatePlanned { .. } => {
            let followed = |later: &Stamped| {
                later.notice.seq > stamped.notice.seq
                    && later.notice.service == stamped.notice.service
                    && matches!(later.notice.event, NoticeEvent::UpdateDone { .. })
            };
            !notices.iter().any(followed)
        }
        NoticeEvent::Mirrored { .. } | NoticeEvent::BroughtBack { .. } => true,
        NoticeEvent::Compared { changed, .. } => *changed > 0,
        // The end of an update tells of its build as well.
        NoticeEvent::BuildDone { outcome, .. } if outcome != "superseded" => {
            let cause = stamped.notice.cause;
            let end = |other: &&Stamped| {
                other.notice.service == stamped.notice.service
                    && matches!(other.notice.event, NoticeEvent::UpdateDone { .. })
            };
            let mut ends = notices.iter().filter(end);
            let of_update = cause.is_some() && ends.any(|end| end.notice.cause == cause);
            outcome != "unchanged" && !of_update
        }
        NoticeEvent::BuildDone { .. } => true,
        _ => false,
    }
}

fn causes<'a>(what: &Stamped, notices: &'a [Stamped]) -> Vec<&'a Stamped> {
    let mut causes = Vec::new();
    let mut next = what.notice.cause;
    while let Some(cause) = next.and_then(|seq| notices.iter().find(|it| it.notice.seq == seq)) {
        causes.push(cause);
        // A cause is always older than what it led to; anything else would never end.
        next = cause.notice.cause.filter(|seq| *seq < cause.notice.seq);
    }
    causes
}

impl Happened<'_> {
    pub(super) fn json(&self) -> Value {
        json!({ "what": self.what, "because": self.because })
    }

    pub(super) fn lines(&self, clock: Clock) -> Vec<String> {
        let time =
            Clock::parse(&self.what.time).map_or_else(String::new, |time| clock.time_of_day(time));
        let mut lines = vec![format!("  {DIM}{time}{DIM:#}  {}", self.said())];
        let because = self.because.iter().filter_map(|cause| because(cause));
        let ruled_out = std::iter::once(&self.what).chain(&self.because);
        let ruled_out = ruled_out.flat_map(|one| ruled_out_by(one));
        let took = self.parts().map(|parts| format!("took: {parts}"));
        let below = because.chain(ruled_out.map(RuledOut::said)).chain(took);
        let below = below.chain(self.last_words());
        lines.extend(below.map(|text| format!("            {DIM}{text}{DIM:#}")));
        lines
    }

    /// What it said when it failed, after the line that says of what.
    fn last_words(&self) -> impl Iterator<Item = String> {
        let details = match &self.what.notice.event {
            NoticeEvent::UpdateDone {
                outcome, details, ..
            } if outcome == "failed" => details.get(1..).unwrap_or_default(),
            _ => &[],
        };
        let skipped = details.len().saturating_sub(LAST_WORDS);
        details.iter().skip(skipped).map(|line| format!("│ {line}"))
    }

    /// How long each part of it took.
    fn parts(&self) -> Option<String> {
        match &self.what.notice.event {
            NoticeEvent::UpdateDone { parts: all, .. }
            | NoticeEvent::ServiceState { parts: all, .. } => parts(all),
            _ => None,
        }
    }

    fn said(&self) -> String {
        let took = self
            .what
            .notice
            .took_ms
            .map_or_else(String::new, |took| format!(" in {}", seconds(took)));
        match &self.what.notice.event {
            NoticeEvent::UpdateDone {
                outcome,
                action,
                paths,
                details,
                ..
            } => {
                let paths = match paths.as_str() {
                    "" => String::new(),
                    paths => format!("{paths} → "),
                };
                match outcome.as_str() {
                    "ok" => format!("{paths}{GOOD}{action}{GOOD:#}{took}"),
                    "incomplete" => format!("{paths}{action}, {BAD}not all of it{BAD:#}"),
                    _ => {
                        let why = details.first().map_or("", String::as_str);
                        format!("{paths}{action} {BAD}failed{BAD:#} {why}")
                    }
                }
            }
            NoticeEvent::ServiceState { to, reason, .. } => {
                let reason = reason
                    .as_deref()
                    .map_or_else(String::new, |reason| format!(": {reason}"));
                format!("{to}{took}{reason}")
            }
            NoticeEvent::UpdatePlanned { action, reason, .. } => format!("{action}: {reason}"),
            NoticeEvent::BuildDone { outcome, image } => match outcome.as_str() {
                "failed" => format!("{BAD}build failed{BAD:#}"),
                "superseded" => "build given up for a newer save".to_owned(),
                _ => format!("built {image}{took}"),
            },
            NoticeEvent::Warning { message } => format!("warning: {message}"),
            NoticeEvent::Compared { changed, paths, .. } => {
                let first = first(paths, *changed);
                format!("compared with the host, brought over: {first}{took}")
            }
            NoticeEvent::Mirrored { count, paths } => {
                let first = first(paths, *count);
                format!("removed by mirror, not on the host: {first}")
            }
            NoticeEvent::BroughtBack { count, paths } => {
                format!(
                    "from the container, on the host now: {}",
                    first(paths, *count)
                )
            }
            NoticeEvent::RulePaused { rule, path } => {
                let service = self.what.notice.service.as_deref().unwrap_or_default();
                said_of_paused(service, rule, path)
            }
            NoticeEvent::RuleResumed { rule } => format!("{rule} acts again"),
            NoticeEvent::SyncMended { paths, .. } => format!("live now: {}", paths.join(", ")),
            _ => String::new(),
        }
    }
}

/// What was not chosen, where something was.
fn ruled_out_by(stamped: &Stamped) -> &[RuledOut] {
    match &stamped.notice.event {
        NoticeEvent::UpdatePlanned { ruled_out, .. } => ruled_out,
        _ => &[],
    }
}

fn because(cause: &Stamped) -> Option<String> {
    match &cause.notice.event {
        NoticeEvent::UpdatePlanned { action, reason, .. } => Some(format!(
            "because of {reason} ({})",
            action.replace('+', ", ")
        )),
        NoticeEvent::FilesChanged { count, paths } => {
            let more = match count.saturating_sub(paths.len()) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Some(format!("saved: {}{more}", paths.join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devrun_core::notice::{Notice, Part};

    fn notice(seq: u64, cause: Option<u64>, service: Option<&str>, event: NoticeEvent) -> Stamped {
        Stamped {
            time: "2025-01-01T12:01:07Z".to_owned(),
            notice: Notice {
                seq,
                cause,
                event,
                service: service.map(str::to_owned),
                took_ms: None,
            },
        }
    }

    fn part(what: &str, of: Option<&str>, took_ms: f64) -> Part {
        Part {
            what: what.to_owned(),
            of: of.map(str::to_owned),
            took_ms,
            slowest: None,
        }
    }

    #[test]
    fn an_update_is_told_by_its_end_with_plan_and_save_below() {
        let notices = [
            notice(
                1,
                None,
                None,
                NoticeEvent::FilesChanged {
                    count: 1,
                    paths: vec!["api/views.py".to_owned()],
                },
            ),
            notice(
                2,
                Some(1),
                Some("api"),
                NoticeEvent::UpdatePlanned {
                    action: "sync+restart".to_owned(),
                    reason: "api/views.py: on rule, Stackfile.kdl:33".to_owned(),
                    ruled_out: vec![RuledOut {
                        what: "rebuild".to_owned(),
                        because: "a sync rule covers it (Stackfile.kdl:31)".to_owned(),
                        path: None,
                        file: None,
                        line: None,
                    }],
                },
            ),
            notice(
                3,
                Some(2),
                Some("api"),
                NoticeEvent::UpdateDone {
                    outcome: "ok".to_owned(),
                    action: "synced, restarted".to_owned(),
                    paths: "views.py".to_owned(),
                    details: Vec::new(),
                    parts: vec![
                        part("waited", Some("quiet"), 50.0),
                        part("restarted", None, 400.0),
                    ],
                },
            ),
        ];
        let told = of("api", &notices, 5);
        let lines: Vec<String> = told
            .iter()
            .flat_map(|one| one.lines(Clock::utc()))
            .map(|line| anstream::adapter::strip_str(&line).to_string())
            .collect();
        assert_eq!(
            lines,
            [
                "  12:01:07  views.py → synced, restarted",
                "            because of api/views.py: on rule, Stackfile.kdl:33 (sync, restart)",
                "            saved: api/views.py",
                "            not rebuilt: a sync rule covers it (Stackfile.kdl:31)",
                "            took: waited 50 ms for quiet, restarted 0.4 s",
            ]
        );
        assert!(of("db", &notices, 5).is_empty());
    }
}
