//! `devrun logs`: of all or some services, prefixed, in order of time.

use std::io::Write;

use devrun_core::effect::Exit;
use devrun_core::spec::Container;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use time::OffsetDateTime;

use super::Trouble;
use super::arguments::{Color, Format, Global, Logs};
use super::client::place;
use super::context::Context;
use super::output::line;
use super::signals::Signals;
use super::status::{current, not_watching};
use crate::engine::{Engine, LogLine, LogOptions, LogStream};
use crate::report::Clock;
use crate::report::paint::DIM;

pub(super) async fn run(global: &Global, options: &Logs, clock: Clock) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    context.expect_services(&options.services)?;
    let engine = Engine::connect().await?;
    if !place(&context)?.is_locked() {
        not_watching(global, &current(&context).await?);
    }
    let wanted = LogOptions {
        follow: false,
        tail: tail(&options.tail)?,
        since: since(options.since.as_deref())?,
    };
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
    };
    let mut lines = past(&engine, &containers, wanted).await?;
    lines.sort_by_key(|(_, line)| line.time);
    let newest = lines.last().map(|(_, line)| line.time);
    for (service, line) in &lines {
        printer.print(service, line)?;
    }
    if options.follow {
        let from = LogOptions {
            follow: true,
            tail: None,
            since: newest.or_else(|| Some(OffsetDateTime::now_utc())),
        };
        follow(&engine, &containers, from, newest, &printer).await?;
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

async fn past(
    engine: &Engine,
    containers: &[Container],
    options: LogOptions,
) -> Result<Vec<(String, LogLine)>, Trouble> {
    let mut all = Vec::new();
    for container in containers {
        let mut log = engine.logs(&container.id, options);
        while let Some(line) = log.next().await {
            all.push((container.service().to_owned(), line?));
        }
    }
    Ok(all)
}

async fn follow(
    engine: &Engine,
    containers: &[Container],
    options: LogOptions,
    newest: Option<OffsetDateTime>,
    printer: &Printer<'_>,
) -> Result<(), Trouble> {
    let mut signals = Signals::listen()?;
    let mut streams = streams(engine, containers, options);
    loop {
        tokio::select! {
            next = streams.next() => match next {
                // What was printed as past is not printed again.
                Some((service, line)) if Some(line.time) > newest => printer.print(&service, &line)?,
                Some(_) => {}
                None => return Ok(()),
            },
            () = signals.next() => return Ok(()),
        }
    }
}

type Streams =
    SelectAll<std::pin::Pin<Box<dyn futures_util::Stream<Item = (String, LogLine)> + Send>>>;

fn streams(engine: &Engine, containers: &[Container], options: LogOptions) -> Streams {
    select_all(containers.iter().map(|container| {
        let service = container.service().to_owned();
        let log = engine.logs(&container.id, options);
        let named = log.filter_map(move |line| {
            let named = line.ok().map(|line| (service.clone(), line));
            std::future::ready(named)
        });
        Box::pin(named) as std::pin::Pin<Box<dyn futures_util::Stream<Item = _> + Send>>
    }))
}

struct Printer<'a> {
    global: &'a Global,
    clock: Clock,
    width: usize,
}

impl Printer<'_> {
    fn print(&self, service: &str, log: &LogLine) -> Result<(), Trouble> {
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
    engine: Engine,
    context: &Context,
    service: Option<String>,
    color: Color,
) -> tokio::task::JoinHandle<()> {
    let stack = context.stack.name.clone();
    tokio::spawn(async move {
        let mut since = OffsetDateTime::now_utc();
        let mut again = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            again.tick().await;
            let Ok(containers) = engine.snapshot(&stack).await else {
                continue;
            };
            let wanted = |container: &Container| {
                service
                    .as_ref()
                    .is_none_or(|name| name == container.service())
            };
            let containers: Vec<Container> = containers.into_iter().filter(wanted).collect();
            let options = LogOptions {
                follow: true,
                tail: None,
                since: Some(since),
            };
            let mut streams = streams(&engine, &containers, options);
            while let Some((service, log)) = streams.next().await {
                since = since.max(log.time);
                let mut out =
                    anstream::AutoStream::new(std::io::stdout(), super::output::choice(color));
                if writeln!(out, "{DIM}{service} |{DIM:#} {}", log.text).is_err() {
                    return;
                }
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
