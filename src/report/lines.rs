//! Notices as lines for people.

mod updates;

use std::collections::BTreeMap;

use anstyle::Style;
use devrun_core::notice::{NoticeEvent, said_of_paused};
use time::OffsetDateTime;

use super::paint::{self, BAD, BUSY, DIM, GOOD, NAME};
use super::words::{self, counted, last_line, seconds};
use super::{Clock, Sheet, Stamped};

#[cfg(test)]
mod tests;

/// So many lines of details stand below a failure.
const DETAILS: usize = 20;

/// Who reads the lines: it decides what ends them, and what was told elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The terminal in which the session runs.
    Owner,
    /// A command that leaves the session in the background.
    Starter,
    /// A terminal that follows a session begun elsewhere.
    Guest,
    /// A command that hands something over to a session begun elsewhere, and leaves.
    Caller,
    /// One pass without a session to come back to.
    Pass,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Volume {
    /// Only what went wrong.
    Quiet,
    /// A line for what matters.
    Normal,
    /// Each step.
    Verbose,
}

/// Turns a stream of notices into lines: each notice into some, or none.
#[derive(Debug)]
pub(crate) struct Lines {
    sheet: Sheet,
    clock: Clock,
    reader: Reader,
    volume: Volume,
    /// The first `settled` was told: from then on lines carry the time of day.
    settled: bool,
    began: Option<OffsetDateTime>,
    /// The time of the notice that is being told.
    now: Option<OffsetDateTime>,
    /// The session stops its services.
    stopping: bool,
    told: BTreeMap<String, Told>,
}

/// What was told of a service, or is to be told later.
#[derive(Debug, Default)]
struct Told {
    state: String,
    /// It was told that it is ready.
    ready: bool,
    /// It was ready and is so no longer: its return is worth a line.
    away: bool,
    /// The time of day since when the version that serves is there.
    live: Option<String>,
    /// Its image is being made; told by the first thing that really has to be done for that.
    making: Option<String>,
    /// It was said that a rebuild is on its way.
    rebuild: bool,
    /// What was said of its image last.
    image: Image,
}

/// Of an image, as far as it was told.
#[derive(Debug, Default, PartialEq, Eq)]
enum Image {
    #[default]
    Well,
    /// That its build failed, and the version before serves.
    Failed,
    /// That, and it is there by now, which is to be said.
    There,
}

impl Lines {
    pub(crate) fn new(sheet: Sheet, clock: Clock, reader: Reader, volume: Volume) -> Lines {
        Lines {
            sheet,
            clock,
            reader,
            volume,
            settled: false,
            began: None,
            now: None,
            stopping: false,
            told: BTreeMap::new(),
        }
    }

    /// The stack looks otherwise from now on.
    pub(crate) fn changed(&mut self, sheet: Sheet) {
        self.sheet = sheet;
    }

    /// The lines for one notice, with colours; empty where it is not worth one.
    pub(crate) fn of(&mut self, stamped: &Stamped) -> Vec<String> {
        self.now = Clock::parse(&stamped.time);
        self.began = self.began.or(self.now);
        let event = &stamped.notice.event;
        let service = stamped.notice.service.as_deref().unwrap_or("");
        let lines = self.told(service, event, stamped.notice.took_ms);
        if self.volume == Volume::Quiet && !is_bad(event) {
            return Vec::new();
        }
        lines
    }

    fn told(&mut self, service: &str, event: &NoticeEvent, took: Option<f64>) -> Vec<String> {
        match event {
            NoticeEvent::SessionStarted {
                stack,
                file,
                services,
            } => {
                let services = counted(*services, "service");
                vec![format!("{NAME}{stack}{NAME:#} · {services} · {file}")]
            }
            NoticeEvent::ServiceState {
                from,
                to,
                reason,
                details,
                ..
            } => {
                let reason = reason.as_deref().unwrap_or("");
                self.note_state(service, from, to, reason);
                self.state(service, (from, to), reason, details, took)
            }
            NoticeEvent::Settled { ready, watching } => self.settle(*ready, *watching),
            NoticeEvent::BuildStarted { reason } => self.build_started(service, reason),
            NoticeEvent::BuildStep { name, cached } => {
                self.build_step(service, name, *cached, took)
            }
            NoticeEvent::BuildDone { outcome, image } => self.build_done(service, outcome, image),
            NoticeEvent::UpdatePlanned {
                action,
                reason,
                ruled_out,
            } => self.planned(service, action, reason, ruled_out),
            NoticeEvent::UpdateDone {
                outcome,
                action,
                paths,
                details,
                ..
            } => match outcome.as_str() {
                "ok" => self.updated(service, action, paths, took),
                "incomplete" => self.incomplete(service, action, paths),
                _ => self.update_failed(service, action, paths, details),
            },
            NoticeEvent::ProbeFailed { output } => {
                self.if_verbose(service, "probe", last_line(output))
            }
            NoticeEvent::RoutesApplied { generation } => self.if_verbose(
                service,
                "routes",
                &format!("applied, generation {generation}"),
            ),
            NoticeEvent::Log { text, .. } => {
                let width = self.sheet.width;
                vec![format!("{DIM}{service:width$} |{DIM:#} {text}")]
            }
            NoticeEvent::Warning { message } => self.warning(service, message),
            NoticeEvent::RulePaused { rule, path } => {
                self.warning(service, &said_of_paused(service, rule, path))
            }
            NoticeEvent::RuleResumed { rule } => {
                self.quiet(service, "rule", &format!("{rule} acts again"))
            }
            NoticeEvent::SyncMended { count, paths } => self.mended(service, *count, paths),
            NoticeEvent::CheckDone {
                check,
                outcome,
                attempts,
                at,
                details,
            } => checked((check, *attempts), outcome, at, details, took),
            NoticeEvent::BroughtBack { count, paths } => {
                let first = words::first(paths, *count);
                self.quiet(service, "back", &format!("{first}, from the container"))
            }
            NoticeEvent::Mirrored { count, paths } => {
                let first = words::first(paths, *count);
                self.quiet(
                    service,
                    "mirror",
                    &format!("removed {first}, not on the host"),
                )
            }
            NoticeEvent::Compared {
                compared,
                changed,
                paths,
                refused,
            } => self.compared(service, (*compared, *changed, *refused), paths, took),
            NoticeEvent::SessionEnded { .. } if self.stopping => {
                vec!["stopped; containers and data are kept".to_owned()]
            }
            NoticeEvent::SessionEnded { .. }
            | NoticeEvent::RunEnded { .. }
            | NoticeEvent::StackfileChanged
            | NoticeEvent::FilesChanged { .. }
            | NoticeEvent::Synced { .. } => Vec::new(),
        }
    }

    fn entry(&mut self, service: &str) -> &mut Told {
        self.told.entry(service.to_owned()).or_default()
    }

    fn note_state(&mut self, service: &str, from: &str, to: &str, reason: &str) {
        let settled = self.settled;
        let now = self.time_of_day();
        let told = self.entry(service);
        to.clone_into(&mut told.state);
        match to {
            "ready" | "done" => told.live = now,
            "pulling" => told.making = Some(reason.to_owned()),
            _ if settled && from == "ready" => told.away = true,
            _ => {}
        }
    }

    fn state(
        &mut self,
        service: &str,
        (from, to): (&str, &str),
        reason: &str,
        details: &[String],
        took: Option<f64>,
    ) -> Vec<String> {
        let style = paint::of_state(to);
        match to {
            "ready" | "done" => self.becomes_ready(service, from, to, took),
            "failed" | "unhealthy" => {
                let mut lines = vec![self.row(service, style, to, reason)];
                lines.extend(match reason.starts_with("its build failed") {
                    true => self.details(&self.of_build(details)),
                    false => self.details(details),
                });
                lines
            }
            "stopped" if self.settled => {
                let by_session = reason == "the session ends";
                self.stopping |= by_session;
                let why = if by_session { "" } else { reason };
                vec![self.row(service, style, to, why)]
            }
            "building" | "pulling" | "starting" | "updating" | "waiting"
                if self.volume == Volume::Verbose =>
            {
                let reason = reason.strip_prefix(to).unwrap_or(reason);
                vec![self.row(service, style, to, reason.trim_start())]
            }
            _ => Vec::new(),
        }
    }

    fn becomes_ready(
        &mut self,
        service: &str,
        from: &str,
        to: &str,
        took: Option<f64>,
    ) -> Vec<String> {
        let told = self.entry(service);
        let first = !std::mem::replace(&mut told.ready, true);
        let back = std::mem::take(&mut told.away);
        let took = took.map_or_else(String::new, seconds);
        let place = self.sheet.place(service);
        if !self.settled {
            return match first {
                true => vec![self.timed(service, GOOD, to, &took, &place)],
                false => Vec::new(),
            };
        }
        let word = match (first, back) {
            (true, _) => to,
            (false, true) if from == "unhealthy" => "healthy again",
            (false, true) => "ready again",
            (false, false) => return Vec::new(),
        };
        let took = match took.as_str() {
            "" => took,
            took => format!(" in {took}"),
        };
        vec![self.dated(service, &format!("{GOOD}{word}{GOOD:#}{took}"))]
    }

    fn settle(&mut self, ready: bool, watching: usize) -> Vec<String> {
        if std::mem::replace(&mut self.settled, true) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        let width = self.sheet.width;
        for (service, told) in &self.told {
            if told.state == "waiting" {
                let ready = |other: &str| self.told.get(other).is_some_and(|told| told.ready);
                let reason = self.sheet.waits_for(service, ready);
                lines.push(format!(
                    "  {service:width$}  {BUSY}waiting {BUSY:#} {reason}"
                ));
            }
        }
        // Who comes later has not heard of all.
        let elsewhere = matches!(self.reader, Reader::Guest | Reader::Caller);
        for (service, profile) in self.sheet.profiles() {
            let started = self
                .told
                .get(service)
                .is_some_and(|told| told.state != "off");
            if !started && !elsewhere {
                lines.push(format!(
                    "  {service:width$}  {DIM}off{DIM:#}              --profile {profile}"
                ));
            }
        }
        let took = match (self.began, self.now) {
            (Some(began), Some(now)) => {
                format!(" in {}", seconds((now - began).as_seconds_f64() * 1000.0))
            }
            _ => String::new(),
        };
        let (style, word) = if ready {
            (GOOD, "ready")
        } else {
            (BAD, "not ready")
        };
        let rest = self.what_now(watching);
        lines.push(format!("{style}{word}{style:#}{took}{rest}"));
        lines
    }

    /// The first line for who comes later.
    pub(crate) fn head(&self, stack: &str) -> Option<String> {
        let text = format!("{NAME}{stack}{NAME:#} · runs already, what is new is applied");
        (self.volume != Volume::Quiet).then_some(text)
    }

    /// What goes on from here, and how to end it.
    fn what_now(&self, watching: usize) -> String {
        let watch = match watching {
            0 => "not watching".to_owned(),
            files => format!("watching {}", counted(files, "file")),
        };
        let end = match self.reader {
            Reader::Owner => "Ctrl-C stops",
            Reader::Starter | Reader::Caller => "`devrun stop` stops",
            Reader::Guest => "Ctrl-C leaves the session running",
            Reader::Pass => return String::new(),
        };
        format!(" · {watch} · {end}")
    }

    fn quiet(&self, service: &str, word: &str, text: &str) -> Vec<String> {
        vec![self.row(service, DIM, word, text)]
    }

    fn warning(&self, service: &str, message: &str) -> Vec<String> {
        let mut parts = message.lines();
        let first = parts.next().unwrap_or("");
        let head = match (service, self.settled) {
            ("", true) => self.dated_in(BUSY, "warning", first),
            ("", false) => format!("  {}", self.named(BUSY, "warning", first)),
            _ => self.row(service, BUSY, "warning", first),
        };
        let mut lines = vec![head];
        lines.extend(parts.map(|line| format!("    {line}")));
        lines
    }

    /// The last of these lines; the first of them says where.
    fn details(&self, details: &[String]) -> Vec<String> {
        let indent = if self.settled { 9 } else { 2 } + self.sheet.width + 2;
        let shown = |line: &str| format!("{:indent$}{DIM}{line}{DIM:#}", "");
        let [first, rest @ ..] = details else {
            return Vec::new();
        };
        let skipped = details.len().saturating_sub(DETAILS);
        let mut lines = vec![shown(first)];
        if skipped > 0 {
            lines.push(shown(&format!("… {} more", counted(skipped + 1, "line"))));
        }
        let from = if skipped > 0 { skipped + 1 } else { 0 };
        lines.extend(rest.iter().skip(from).map(|line| shown(line)));
        lines
    }

    fn if_verbose(&self, service: &str, word: &str, text: &str) -> Vec<String> {
        match self.volume {
            Volume::Verbose => vec![self.row(service, DIM, word, text)],
            Volume::Quiet | Volume::Normal => Vec::new(),
        }
    }

    /// `  backend   failed   why`, and with the time of day once all was settled.
    fn row(&self, service: &str, style: Style, word: &str, text: &str) -> String {
        let text = match text {
            "" => format!("{style}{word}{style:#}"),
            text => format!("{style}{word:<8}{style:#} {text}"),
        };
        self.placed(service, &text)
    }

    /// `  backend   ready    1.9 s   where`.
    fn timed(&self, service: &str, style: Style, word: &str, took: &str, text: &str) -> String {
        let line = format!("{style}{word:<8}{style:#}{took:>6}   {text}");
        self.placed(service, line.trim_end())
    }

    fn placed(&self, service: &str, text: &str) -> String {
        match self.settled {
            true => self.dated(service, text),
            false => format!("  {}", self.named(Style::new(), service, text)),
        }
    }

    /// `12:01:07 backend   …`.
    fn dated(&self, service: &str, text: &str) -> String {
        self.dated_in(Style::new(), service, text)
    }

    fn dated_in(&self, style: Style, service: &str, text: &str) -> String {
        let time = self.time_of_day().unwrap_or_default();
        format!("{DIM}{time}{DIM:#} {}", self.named(style, service, text))
    }

    fn named(&self, style: Style, service: &str, text: &str) -> String {
        let width = self.sheet.width;
        format!("{style}{service:width$}{style:#}  {text}")
    }

    fn time_of_day(&self) -> Option<String> {
        self.now.map(|now| self.clock.time_of_day(now))
    }
}

fn checked(
    (check, attempts): (&str, usize),
    outcome: &str,
    at: &str,
    details: &[String],
    took: Option<f64>,
) -> Vec<String> {
    let took = seconds(took.unwrap_or_default());
    let head = format!("  check {NAME}{check}{NAME:#}");
    let mut lines = vec![match (outcome, attempts) {
        ("ok", 0 | 1) => format!("{head}  {GOOD}passed{GOOD:#} in {took}"),
        ("ok", _) => {
            format!("{head}  {BUSY}flaky{BUSY:#}: passed in {took}, at attempt {attempts} ({at})")
        }
        ("skipped", _) => format!("{head}  {BUSY}skipped{BUSY:#} ({at})"),
        (_, 0 | 1) => format!("{head}  {BAD}failed{BAD:#} after {took} ({at})"),
        _ => format!("{head}  {BAD}failed{BAD:#} {attempts} times in {took} ({at})"),
    }];
    lines.extend(details.iter().map(|line| format!("    {line}")));
    lines
}

fn is_bad(event: &NoticeEvent) -> bool {
    match event {
        NoticeEvent::ServiceState { to, .. } => to == "failed" || to == "unhealthy",
        NoticeEvent::UpdateDone { outcome, .. } | NoticeEvent::CheckDone { outcome, .. } => {
            outcome == "failed"
        }
        NoticeEvent::Settled { ready, .. } => !ready,
        NoticeEvent::Warning { .. } | NoticeEvent::RulePaused { .. } | NoticeEvent::Log { .. } => {
            true
        }
        _ => false,
    }
}
