//! What a run prints: the session's notices and its own, numbered as one stream.

use std::io::IsTerminal;
use std::path::Path;

use devrun_core::notice::{Notice, NoticeEvent};
use devrun_core::verdict::Why;
use time::OffsetDateTime;

use super::failed::Failed;
use super::github;
use crate::cli::Trouble;
use crate::cli::arguments::{Color, Format, Global};
use crate::cli::output::line;
use crate::cli::up::Printer;
use crate::report::paint::stderr_line;
use crate::report::{Clock, Stamped};

/// Owned by the run.
pub(super) struct Told {
    printer: Printer,
    clock: Clock,
    color: Color,
    format: Format,
    quiet: bool,
    /// Nobody sees the lines come: each says when it was.
    plain: bool,
    github: bool,
    /// A folded group is open.
    group: bool,
    next: u64,
    /// By the session's number, less one, the stream's.
    numbers: Vec<u64>,
}

impl Told {
    pub(super) fn new(global: &Global, clock: Clock, printer: Printer) -> Told {
        Told {
            printer,
            clock,
            color: global.color,
            format: global.format,
            quiet: global.quiet,
            plain: !std::io::stdout().is_terminal(),
            github: github::is_here() && global.format == Format::Text,
            group: false,
            next: 0,
            numbers: Vec::new(),
        }
    }

    /// A notice of the session.
    pub(super) fn session(&mut self, stamped: &Stamped) -> Result<(), Trouble> {
        self.next += 1;
        self.numbers.push(self.next);
        let mut stamped = stamped.clone();
        stamped.notice.seq = self.next;
        stamped.notice.cause = stamped.notice.cause.and_then(|cause| {
            let place = usize::try_from(cause).ok()?.checked_sub(1)?;
            self.numbers.get(place).copied()
        });
        self.print(&stamped)
    }

    /// A notice of the run itself.
    pub(super) fn own(
        &mut self,
        event: NoticeEvent,
        service: Option<&str>,
        took_ms: Option<f64>,
    ) -> Result<(), Trouble> {
        self.next += 1;
        self.print(&Stamped::now(Notice {
            seq: self.next,
            cause: None,
            event,
            service: service.map(str::to_owned),
            took_ms,
        }))
    }

    pub(super) fn warn(&mut self, service: Option<&str>, message: String) -> Result<(), Trouble> {
        self.own(NoticeEvent::Warning { message }, service, None)
    }

    fn print(&mut self, stamped: &Stamped) -> Result<(), Trouble> {
        for text in self.printer.texts(stamped) {
            match self.format {
                Format::Json => line(self.color, &text)?,
                Format::Text => self.dated(&text)?,
            }
        }
        Ok(())
    }

    fn dated(&self, text: &str) -> Result<(), Trouble> {
        if !self.plain {
            return line(self.color, text);
        }
        let time = self.clock.time_of_day(OffsetDateTime::now_utc());
        let bare = anstream::adapter::strip_str(text).to_string();
        let dated = bare.get(..9).is_some_and(|start| {
            start.bytes().enumerate().all(|(at, byte)| match at {
                2 | 5 => byte == b':',
                8 => byte == b' ',
                _ => byte.is_ascii_digit(),
            })
        });
        match dated {
            true => line(self.color, text),
            false => line(self.color, &format!("{time} {text}")),
        }
    }

    /// A line for people; programs know it from what else they are told.
    pub(super) fn text(&self, text: &str) -> Result<(), Trouble> {
        match self.format {
            Format::Text if !self.quiet => self.dated(text),
            _ => Ok(()),
        }
    }

    /// A line for people that is printed whatever they want to hear.
    pub(super) fn always(&self, text: &str) -> Result<(), Trouble> {
        match self.format {
            Format::Text => self.dated(text),
            Format::Json => Ok(()),
        }
    }

    /// The last line, without a time.
    pub(super) fn last(&self, text: &str) -> Result<(), Trouble> {
        match self.format {
            Format::Text => line(self.color, text),
            Format::Json => Ok(()),
        }
    }

    /// Beside the result.
    pub(super) fn aside(&self, text: &str) {
        stderr_line(self.color, text);
    }

    /// Where nobody sees anything move: what is waited for.
    pub(super) fn heartbeat(&self, waits: &[String]) -> Result<(), Trouble> {
        if self.plain && !waits.is_empty() {
            self.text(&format!("… still waiting for {}", waits.join("; ")))?;
        }
        Ok(())
    }

    /// A folded part of the log, where it is shown by a page that can fold.
    pub(super) fn group(&mut self, title: Option<&str>) -> Result<(), Trouble> {
        if !self.github {
            return Ok(());
        }
        if std::mem::take(&mut self.group) {
            line(self.color, "::endgroup::")?;
        }
        if let Some(title) = title {
            self.group = true;
            line(self.color, &format!("::group::{title}"))?;
        }
        Ok(())
    }

    /// An annotation, where somebody reads them.
    pub(super) fn annotate(
        &self,
        root: &Path,
        why: &Why,
        dockerfile: Option<&str>,
    ) -> Result<(), Trouble> {
        let file = |file: &str| github::in_checkout(root, file);
        match self.github {
            true => line(self.color, &github::annotation(why, dockerfile, file)),
            false => Ok(()),
        }
    }

    /// The same for a test of somebody else's.
    pub(super) fn annotate_test(&self, root: &Path, failed: &Failed) -> Result<(), Trouble> {
        match self.github {
            true => line(self.color, &github::of_test(root, failed)),
            false => Ok(()),
        }
    }
}
