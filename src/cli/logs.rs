//! `devrun logs`: of all or some services, prefixed, in order of time.

mod access;
mod follow;
mod waiting;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;

use devrun_core::effect::Exit;
use devrun_core::spec::Container;
use futures_util::{Stream, StreamExt};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};

use super::Trouble;
use super::arguments::{Color, Format, Global, Logs};
use super::client::place;
use super::context::Context;
use super::output::line;
use super::signals::Signals;
use super::status::{current, not_watching};
use crate::engine::{Engine, EngineError, LogLine, LogOptions, LogStream};
use crate::report::Clock;
use crate::report::paint::DIM;
use follow::{Follower, From, Handful, Told};

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
        color: global.color,
        format: global.format,
        clock,
        width,
        grep: options.grep.clone(),
        proxy: proxy(&context),
    };
    let newest = past(&engine, &containers, wanted, &printer).await?;
    if options.follow {
        let from = From {
            services: newest,
            others: OffsetDateTime::UNIX_EPOCH,
        };
        let services = options.services.clone();
        let follower = Follower::new(&engine, &context.stack.name, services, from);
        follow(follower.only(options.grep.clone()), printer).await?;
    }
    Ok(Exit::Done.code())
}

/// Whose lines are of requests.
fn proxy(context: &Context) -> Option<String> {
    let mut services = context.stack.services.iter();
    let proxy = services.find(|service| service.proxy.is_some())?;
    Some(proxy.name.clone())
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

type Log = Pin<Box<dyn Stream<Item = Result<LogLine, EngineError>> + Send>>;

/// Tells what there is, all services in order of time; answers up to when each was read.
async fn past(
    engine: &Engine,
    containers: &[Container],
    options: LogOptions,
    printer: &Printer,
) -> Result<BTreeMap<String, OffsetDateTime>, Trouble> {
    let mut newest = BTreeMap::new();
    let mut logs = Vec::new();
    for container in containers {
        // Without a line there is only the clock to say what was left out.
        let from = match options.tail {
            Some(0) => OffsetDateTime::now_utc(),
            _ => options.since.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        };
        let (log, last) = match (&printer.grep, options.tail) {
            (Some(_), Some(most)) => {
                last_with_text(engine, container, options, most, printer).await?
            }
            _ => (Box::pin(engine.logs(&container.id, options)) as Log, from),
        };
        newest.insert(container.service().to_owned(), last.max(from));
        logs.push((container.service(), log.fuse(), None));
    }
    // Read side by side and in step, so that no log has to fit into the memory.
    loop {
        for (_, log, head) in &mut logs {
            if head.is_none() {
                *head = log.next().await.transpose()?;
            }
        }
        let heads = logs.iter_mut().filter(|(_, _, head)| head.is_some());
        let first = heads.min_by_key(|(_, _, head)| head.as_ref().map(|line| line.time));
        let Some((service, _, head)) = first else {
            return Ok(newest);
        };
        if let Some(line) = head.take() {
            let last = newest.entry((*service).to_owned()).or_insert(line.time);
            *last = line.time.max(*last);
            printer.print(service, &line)?;
        }
    }
}

/// The last lines that hold the text, and up to when it was looked for: the engine would count all
/// lines.
async fn last_with_text(
    engine: &Engine,
    container: &Container,
    options: LogOptions,
    most: usize,
    printer: &Printer,
) -> Result<(Log, OffsetDateTime), Trouble> {
    let all = LogOptions {
        tail: None,
        ..options
    };
    let mut log = engine.logs(&container.id, all);
    let mut lines = VecDeque::new();
    let mut last = OffsetDateTime::UNIX_EPOCH;
    while let Some(line) = log.next().await {
        let line = line?;
        last = last.max(line.time);
        if printer.wants(&line) {
            lines.push_back(Ok(line));
        }
        if lines.len() > most {
            lines.pop_front();
        }
    }
    Ok((Box::pin(futures_util::stream::iter(lines)), last))
}

async fn follow(follower: Follower, printer: Printer) -> Result<(), Trouble> {
    let mut signals = Signals::listen()?;
    let (hands, printed) = printing(move |service, told| match told {
        Told::Line(line) => printer.print(&service, &line),
        Told::Again(how, time) => printer.mark(&service, &Mark::begins(how, time)),
        Told::Dropped(count, time) => printer.mark(&service, &Mark::dropped(count, time)),
    });
    tokio::select! {
        () = follower.run(hands) => printed.await.unwrap_or(Ok(())),
        () = signals.next() => Ok(()),
    }
}

/// A thread that prints, as a terminal may be slow and must not keep anybody else. Tells why it
/// ended.
fn printing(
    print: impl Fn(String, Told) -> Result<(), Trouble> + Send + 'static,
) -> (
    mpsc::Sender<Handful>,
    oneshot::Receiver<Result<(), Trouble>>,
) {
    let (hands, mut handfuls) = mpsc::channel::<Handful>(1);
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut result = Ok(());
        while let (Ok(()), Some(handful)) = (&result, handfuls.blocking_recv()) {
            result = handful
                .into_iter()
                .try_for_each(|(service, told)| print(service, told));
        }
        // Whoever asked may be gone.
        let _ = ended.send(result);
    });
    (hands, end)
}

/// What is said between lines.
struct Mark {
    time: OffsetDateTime,
    text: String,
    /// The fields of its own.
    json: serde_json::Value,
}

impl Mark {
    /// The next lines are of another start.
    fn begins(how: &str, time: OffsetDateTime) -> Mark {
        Mark {
            time,
            text: how.to_owned(),
            json: serde_json::json!({"event": "log-begins", "reason": how}),
        }
    }

    fn dropped(count: u64, time: OffsetDateTime) -> Mark {
        let lines = if count == 1 { "line" } else { "lines" };
        Mark {
            time,
            text: format!("{} {lines} dropped", thousands(count)),
            json: serde_json::json!({"event": "log-dropped", "count": count}),
        }
    }
}

/// `12,431`.
fn thousands(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        _ => format!("{},{:03}", thousands(count / 1000), count % 1000),
    }
}

struct Printer {
    color: Color,
    format: Format,
    clock: Clock,
    width: usize,
    /// Only lines with this text.
    grep: Option<String>,
    proxy: Option<String>,
}

impl Printer {
    fn wants(&self, log: &LogLine) -> bool {
        self.grep
            .as_ref()
            .is_none_or(|text| log.text.contains(text))
    }

    fn mark(&self, service: &str, mark: &Mark) -> Result<(), Trouble> {
        if self.format == Format::Json {
            let mut object = serde_json::json!({
                "time": Clock::rfc3339(mark.time), "service": service,
            });
            if let (Some(object), Some(own)) = (object.as_object_mut(), mark.json.as_object()) {
                object.extend(own.clone());
            }
            return line(self.color, &object.to_string());
        }
        let (width, time) = (self.width, self.clock.time_of_day(mark.time));
        let text = &mark.text;
        line(
            self.color,
            &format!("{DIM}{time} {service:width$} | ── {text} ──{DIM:#}"),
        )
    }

    fn print(&self, service: &str, log: &LogLine) -> Result<(), Trouble> {
        if !self.wants(log) {
            return Ok(());
        }
        let color = self.color;
        let is_proxy = self.proxy.as_deref() == Some(service);
        if self.format == Format::Json {
            let stream = match log.stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
            };
            let time = Clock::rfc3339(log.time);
            let mut object = serde_json::json!({
                "time": time, "event": "log", "service": service, "stream": stream, "text": log.text,
            });
            if let Some(request) = is_proxy.then(|| access::object(&log.text)).flatten() {
                object["request"] = request;
            }
            return line(color, &object.to_string());
        }
        let (width, time) = (self.width, self.clock.time_of_day(log.time));
        line(
            color,
            &format!(
                "{DIM}{time} {service:width$} |{DIM:#} {}",
                shown(is_proxy, log)
            ),
        )
    }
}

fn shown(is_proxy: bool, log: &LogLine) -> Cow<'_, str> {
    let request = is_proxy.then(|| access::readable(&log.text)).flatten();
    request.map_or(Cow::Borrowed(log.text.as_str()), Cow::Owned)
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
    let follower = Follower::new(engine, &context.stack.name, services, from);
    let proxy = proxy(context);
    let (hands, _) = printing(move |service, told| {
        let text = match told {
            Told::Line(log) => {
                let text = shown(proxy.as_ref() == Some(&service), &log);
                format!("{DIM}{service} |{DIM:#} {text}")
            }
            Told::Dropped(count, time) => {
                let text = Mark::dropped(count, time).text;
                format!("{DIM}{service} | ── {text} ──{DIM:#}")
            }
            // What happened to the service is told by the session itself.
            Told::Again(..) => return Ok(()),
        };
        line(color, &text)
    });
    tokio::spawn(follower.run(hands))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_lines_are_counted_as_people_read_numbers() {
        let text = |count| Mark::dropped(count, OffsetDateTime::UNIX_EPOCH).text;
        assert_eq!(text(1), "1 line dropped");
        assert_eq!(text(999), "999 lines dropped");
        assert_eq!(text(12_431), "12,431 lines dropped");
        assert_eq!(text(1_000_007), "1,000,007 lines dropped");
    }
}
