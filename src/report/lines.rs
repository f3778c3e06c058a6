//! Notices as lines for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use devrun_core::notice::NoticeEvent;

use super::paint::{self, BAD, DIM, GOOD, NAME};
use super::{Clock, Sheet, Stamped};

/// So many lines of details stand below a failure.
const DETAILS: usize = 20;

/// Turns a stream of notices into lines: each notice into some, or none.
#[derive(Debug)]
pub(crate) struct Lines {
    sheet: Sheet,
    clock: Clock,
    verbose: bool,
    quiet: bool,
    /// The first `settled` was told: from then on lines carry the time of day.
    settled: bool,
    began: Option<time::OffsetDateTime>,
    /// Somebody joined a session, and wants to know when it is settled again.
    joined: bool,
    told: BTreeSet<String>,
}

impl Lines {
    pub(crate) fn new(sheet: Sheet, clock: Clock, verbose: bool, quiet: bool) -> Lines {
        Lines {
            sheet,
            clock,
            verbose,
            quiet,
            settled: false,
            began: None,
            joined: false,
            told: BTreeSet::new(),
        }
    }

    /// From here on as if the session's beginning had been told elsewhere.
    pub(crate) fn join(&mut self) {
        self.settled = true;
        self.joined = true;
    }

    /// The lines for one notice, with colours; empty where it is not worth one.
    pub(crate) fn of(&mut self, stamped: &Stamped) -> Vec<String> {
        let time = Clock::parse(&stamped.time);
        self.began = self.began.or(time);
        let service = stamped.notice.service.as_deref().unwrap_or("");
        let took = stamped.notice.took_ms;
        let mut lines = match &stamped.notice.event {
            NoticeEvent::SessionStarted {
                stack,
                file,
                services,
            } => {
                vec![format!(
                    "{NAME}{stack}{NAME:#} · {services} services · {file}"
                )]
            }
            NoticeEvent::ServiceState {
                from,
                to,
                reason,
                details,
            } => self.state(service, (from, to), reason.as_deref(), details, took, time),
            NoticeEvent::Settled { ready, watching } => self.settled(*ready, *watching, time),
            NoticeEvent::BuildStarted { reason } if self.verbose || self.settled => {
                vec![self.dated(time, service, &format!("building ({reason})"))]
            }
            NoticeEvent::BuildStep { name, cached } => {
                self.step(service, name, *cached, took, time)
            }
            NoticeEvent::BuildDone { outcome, image } if self.verbose => {
                vec![self.dated(time, service, &format!("image {outcome} {image}"))]
            }
            NoticeEvent::UpdatePlanned { action, reason } => {
                self.planned(service, action, reason, time)
            }
            NoticeEvent::UpdateDone {
                outcome,
                action,
                paths,
                details,
            } => self.updated(service, outcome == "ok", action, paths, details, took, time),
            NoticeEvent::ProbeFailed { output } if self.verbose => {
                vec![self.dated(time, service, &format!("probe: {}", last_line(output)))]
            }
            NoticeEvent::Log { text, .. } => vec![format!(
                "{DIM}{service:width$} |{DIM:#} {text}",
                width = self.sheet.width
            )],
            NoticeEvent::Warning { message } => self.warning(service, message, time),
            _ => Vec::new(),
        };
        if self.quiet && !is_bad(&stamped.notice.event) {
            lines.clear();
        }
        lines
    }

    fn state(
        &mut self,
        service: &str,
        (from, to): (&str, &str),
        reason: Option<&str>,
        details: &[String],
        took: Option<f64>,
        time: Option<time::OffsetDateTime>,
    ) -> Vec<String> {
        let style = paint::of_state(to);
        let width = self.sheet.width;
        match to {
            "ready" | "done" if !self.settled || !self.told.contains(service) => {
                self.told.insert(service.to_owned());
                let took = took.map_or_else(String::new, seconds);
                let place = self.sheet.place(service);
                let line =
                    format!("  {service:width$}  {style}{to:<8}{style:#} {took:>6}   {place}");
                vec![line.trim_end().to_owned()]
            }
            "ready" if from == "unhealthy" => {
                vec![self.dated(time, service, &format!("{GOOD}healthy again{GOOD:#}"))]
            }
            "failed" | "unhealthy" => {
                let reason = reason.unwrap_or("");
                let head = if self.settled {
                    self.dated(time, service, &format!("{style}{to}{style:#}   {reason}"))
                } else {
                    format!("  {service:width$}  {style}{to:<8}{style:#} {reason}")
                };
                let mut lines = vec![head];
                lines.extend(self.details(details));
                lines
            }
            "building" | "pulling" | "starting" if self.verbose => {
                vec![format!(
                    "  {service:width$}  {style}{to:<8}{style:#} {}",
                    reason.unwrap_or("")
                )]
            }
            _ => Vec::new(),
        }
    }

    fn details(&self, details: &[String]) -> Vec<String> {
        let skipped = details.len().saturating_sub(DETAILS);
        let indent = if self.settled { 9 } else { 2 } + self.sheet.width + 2;
        details
            .iter()
            .skip(skipped)
            .map(|line| format!("{:indent$}{DIM}{line}{DIM:#}", ""))
            .collect()
    }

    fn settled(
        &mut self,
        ready: bool,
        watching: usize,
        time: Option<time::OffsetDateTime>,
    ) -> Vec<String> {
        let took = match (self.began, time) {
            (Some(began), Some(time)) => {
                format!(" in {}", seconds((time - began).as_seconds_f64() * 1000.0))
            }
            _ => String::new(),
        };
        if std::mem::replace(&mut self.settled, true) && !std::mem::take(&mut self.joined) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for (service, profile) in self.sheet.profiles() {
            if !self.told.contains(service) {
                let width = self.sheet.width;
                lines.push(format!(
                    "  {service:width$}  {DIM}off{DIM:#}              --profile {profile}"
                ));
            }
        }
        let watch = match watching {
            0 => String::new(),
            files => format!(" · watching {files} files · Ctrl-C stops"),
        };
        lines.push(if ready {
            format!("{GOOD}ready{GOOD:#}{took}{watch}")
        } else {
            format!("{BAD}not ready{BAD:#}{took}{watch}")
        });
        lines
    }

    fn step(
        &self,
        service: &str,
        name: &str,
        cached: bool,
        took: Option<f64>,
        time: Option<time::OffsetDateTime>,
    ) -> Vec<String> {
        if took.is_none() && !self.verbose {
            return Vec::new();
        }
        let end = match (cached, took) {
            (true, _) => format!("{DIM}cached{DIM:#}"),
            (false, Some(took)) => seconds(took),
            (false, None) => String::new(),
        };
        let width = self.sheet.width;
        let line = match self.settled {
            true => self.dated(time, service, &format!("{DIM}{name}{DIM:#} {end}")),
            false => format!("  {service:width$}  {DIM}build    {name}{DIM:#} {end}"),
        };
        vec![line.trim_end().to_owned()]
    }

    fn planned(
        &self,
        service: &str,
        action: &str,
        reason: &str,
        time: Option<time::OffsetDateTime>,
    ) -> Vec<String> {
        let worth = self.verbose || action.contains("rebuild") || action.contains("recreate");
        if !worth {
            return Vec::new();
        }
        let width = self.sheet.width;
        vec![match self.settled {
            true => self.dated(time, service, &format!("{action} ({reason})")),
            false => format!("  {service:width$}  {DIM}{action} ({reason}){DIM:#}"),
        }]
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one notice, taken apart once"
    )]
    fn updated(
        &self,
        service: &str,
        ok: bool,
        action: &str,
        paths: &str,
        details: &[String],
        took: Option<f64>,
        time: Option<time::OffsetDateTime>,
    ) -> Vec<String> {
        let took = took.map_or_else(String::new, |took| format!(" in {}", seconds(took)));
        if ok {
            let ready = if action.contains("restarted") || action.contains("recreated") {
                ", ready"
            } else {
                ""
            };
            return vec![self.dated(time, service, &format!("{paths} → {action}{ready}{took}"))];
        }
        let style = BAD;
        let mut lines = vec![self.dated(
            time,
            service,
            &format!("{paths} → {action}, {style}failed{style:#}"),
        )];
        lines.extend(self.details(details));
        lines
    }

    fn warning(
        &self,
        service: &str,
        message: &str,
        time: Option<time::OffsetDateTime>,
    ) -> Vec<String> {
        let style = paint::BUSY;
        let mut parts = message.lines();
        let first = parts.next().unwrap_or("");
        let head = if self.settled {
            self.dated(time, service, &format!("{style}warning{style:#} {first}"))
        } else if service.is_empty() {
            format!("  {style}warning{style:#} {first}")
        } else {
            format!("  {style}warning{style:#} {service}: {first}")
        };
        let mut lines = vec![head];
        lines.extend(parts.map(|line| format!("    {line}")));
        lines
    }

    /// `12:01:07 backend   …`.
    fn dated(&self, time: Option<time::OffsetDateTime>, service: &str, text: &str) -> String {
        let mut line = String::new();
        if let Some(time) = time {
            // Writing to a string cannot fail.
            let _ = write!(line, "{DIM}{}{DIM:#} ", self.clock.time_of_day(time));
        }
        let width = self.sheet.width;
        let _ = write!(line, "{service:width$}  {text}");
        line
    }
}

fn is_bad(event: &NoticeEvent) -> bool {
    match event {
        NoticeEvent::ServiceState { to, .. } => to == "failed" || to == "unhealthy",
        NoticeEvent::UpdateDone { outcome, .. } => outcome == "failed",
        NoticeEvent::Settled { ready, .. } => !ready,
        NoticeEvent::Warning { .. } | NoticeEvent::Log { .. } => true,
        _ => false,
    }
}

/// `0.9 s`, `14 s`, `4 ms`.
pub(crate) fn seconds(millis: f64) -> String {
    if millis < 100.0 {
        format!("{millis:.0} ms")
    } else if millis < 100_000.0 {
        format!("{:.1} s", millis / 1000.0)
    } else {
        format!("{:.0} s", millis / 1000.0)
    }
}

fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("no answer")
}
