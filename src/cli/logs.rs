//! `devrun logs`: of all or some services, prefixed, in order of time.

mod follow;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;

use devrun_core::effect::Exit;
use devrun_core::spec::Container;
use futures_util::StreamExt;
use time::OffsetDateTime;

use super::Trouble;
use super::arguments::{Color, Format, Global, Logs};
use super::client::place;
use super::context::Context;
use super::output::line;
use super::signals::Signals;
use super::status::{current, not_watching};
use crate::engine::{Engine, LogLine, LogOptions, LogStream};
use crate::report::paint::DIM;
use crate::report::{Clock, mask};
use follow::{Follower, From, Told};

pub(super) async fn run(global: &Global, options: &Logs, clock: Clock) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let options = &Logs {
        services: context.services(&options.services)?,
        ..options.clone()
    };
    let wanted = LogOptions {
        follow: false,
        tail: tail(&options.tail)?,
        since: since(options.since.as_deref())?,
    };
    let engine = Engine::connect().await?;
    if !place(&context)?.is_locked() {
        not_watching(global, &current(&context).await?);
    }
    let containers = chosen(&engine, &context, &options.services).await?;
    let width = containers
        .iter()
        .map(|container| container.service().len())
        .max()
        .unwrap_or(0);
    let printer = Printer {
        global,
        clock,
        width,
        grep: options.grep.as_deref(),
    };
    let (mut lines, newest) = past(&engine, &containers, wanted, &printer).await?;
    lines.sort_by_key(|(_, line)| line.time);
    for (service, line) in &lines {
        printer.print(service, line)?;
    }
    if options.follow {
        let from = From {
            services: newest,
            others: OffsetDateTime::UNIX_EPOCH,
        };
        let services = options.services.clone();
        let follower = Follower::new(&engine, &context.stack.name, services, from);
        follow(follower, &printer).await?;
    }
    Ok(Exit::Done.code())
}

async fn chosen(
    engine: &Engine,
    context: &Context,
    names: &[String],
) -> Result<Vec<Container>, Trouble> {
    let containers = engine.snapshot(&context.stack.name).await?;
    let wanted = |container: &Container| {
        names.is_empty() || names.iter().any(|name| name == container.service())
    };
    Ok(containers.into_iter().filter(wanted).collect())
}

/// The last lines of each, and up to when each was read. With a text to look for, the last that hold it: the engine would count
/// all lines.
async fn past(
    engine: &Engine,
    containers: &[Container],
    options: LogOptions,
    printer: &Printer<'_>,
) -> Result<(Vec<(String, LogLine)>, BTreeMap<String, OffsetDateTime>), Trouble> {
    let asked = LogOptions {
        tail: options.tail.filter(|_| printer.grep.is_none()),
        ..options
    };
    let mut all = Vec::new();
    let mut newest = BTreeMap::new();
    for container in containers {
        // Without a line there is only the clock to say what was left out.
        let mut last = match options.tail {
            Some(0) => OffsetDateTime::now_utc(),
            _ => options.since.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        };
        let mut log = engine.logs(&container.id, asked);
        let mut own = VecDeque::new();
        while let Some(line) = log.next().await {
            let line = line?;
            last = last.max(line.time);
            if printer.wants(&line) {
                own.push_back((container.service().to_owned(), line));
            }
            if options.tail.is_some_and(|most| own.len() > most) {
                own.pop_front();
            }
        }
        all.extend(own);
        newest.insert(container.service().to_owned(), last);
    }
    Ok((all, newest))
}

async fn follow(mut follower: Follower, printer: &Printer<'_>) -> Result<(), Trouble> {
    let mut signals = Signals::listen()?;
    loop {
        tokio::select! {
            next = follower.next() => match next {
                Some((service, Told::Line(line))) => printer.print(&service, &line)?,
                Some((service, Told::Again(how, time))) => printer.mark(&service, how, time)?,
                None => return Ok(()),
            },
            () = signals.next() => return Ok(()),
        }
    }
}

struct Printer<'a> {
    global: &'a Global,
    clock: Clock,
    width: usize,
    /// Only lines with this text.
    grep: Option<&'a str>,
}

impl Printer<'_> {
    fn wants(&self, log: &LogLine) -> bool {
        self.grep.is_none_or(|text| log.text.contains(text))
    }

    /// The next lines are of another start.
    fn mark(&self, service: &str, how: &str, time: OffsetDateTime) -> Result<(), Trouble> {
        let color = self.global.color;
        if self.global.format == Format::Json {
            let object = serde_json::json!({
                "time": Clock::rfc3339(time), "event": "log-begins", "service": service,
                "reason": how,
            });
            return line(color, &object.to_string());
        }
        let (width, time) = (self.width, self.clock.time_of_day(time));
        line(
            color,
            &format!("{DIM}{time} {service:width$} | ── {how} ──{DIM:#}"),
        )
    }

    fn print(&self, service: &str, log: &LogLine) -> Result<(), Trouble> {
        if !self.wants(log) {
            return Ok(());
        }
        let color = self.global.color;
        if self.global.format == Format::Json {
            let stream = match log.stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
            };
            let time = Clock::rfc3339(log.time);
            let object = serde_json::json!({
                "time": time, "event": "log", "service": service, "stream": stream, "text": log.text,
            });
            return line(color, &object.to_string());
        }
        let (width, time) = (self.width, self.clock.time_of_day(log.time));
        line(
            color,
            &format!("{DIM}{time} {service:width$} |{DIM:#} {}", log.text),
        )
    }
}

/// Prints logs beside what `up` prints, for as long as it runs.
pub(super) fn alongside(
    engine: &Engine,
    context: &Context,
    service: Option<String>,
    color: Color,
) -> tokio::task::JoinHandle<()> {
    let from = From {
        services: BTreeMap::new(),
        others: OffsetDateTime::now_utc(),
    };
    let services = service
        .iter()
        .flat_map(|name| context.stack.members(name))
        .map(|member| member.name.clone())
        .collect();
    let mut follower = Follower::new(engine, &context.stack.name, services, from);
    tokio::spawn(async move {
        while let Some((service, told)) = follower.next().await {
            let mut out =
                anstream::AutoStream::new(std::io::stdout(), super::output::choice(color));
            let written = match told {
                Told::Line(log) => {
                    writeln!(out, "{DIM}{service} |{DIM:#} {}", mask::printed(&log.text))
                }
                // What happened to the service is told by the session itself.
                Told::Again(..) => Ok(()),
            };
            if written.is_err() {
                return;
            }
        }
    })
}

fn tail(text: &str) -> Result<Option<usize>, Trouble> {
    if text == "all" {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| Trouble::usage(format!("--tail takes a number or `all`, not {text:?}")))
}

fn since(text: Option<&str>) -> Result<Option<OffsetDateTime>, Trouble> {
    let Some(text) = text else {
        return Ok(None);
    };
    if let Some(time) = Clock::parse(text) {
        return Ok(Some(time));
    }
    match super::arguments::duration(text) {
        Ok(ago) => Ok(Some(OffsetDateTime::now_utc() - ago)),
        Err(_) => Err(Trouble::usage(format!(
            "--since takes a duration (10m, 2h) or a time (2025-01-31T12:00:00Z), not {text:?}"
        ))),
    }
}
