//! `devrun ci`: one pass that tells the truth: start, wait, tasks and checks, clean up.

use std::collections::BTreeSet;
use std::time::Duration;

use devrun_core::effect::Exit;
use devrun_core::notice::{Notice, NoticeEvent};
use devrun_core::session::Options;
use devrun_stack::{Check, CheckTest};

use super::Trouble;
use super::arguments::{Ci, Format, Global};
use super::context::Context;
use super::ending;
use super::output::line;
use super::signals::Signals;
use super::up::{Printer, first_generation};
use crate::engine::Engine;
use crate::report::paint::{BAD, GOOD, stderr_line};
use crate::report::{Clock, Feed, Reader, Stamped};
use crate::session::load::root_hash;
use crate::session::{Begin, Running, begin};
use devrun_core::spec::{Container, label};
use tokio::time::Instant;

/// A project name of its own, so that a developer's own stack is left alone.
fn run_name(stack: &str) -> String {
    format!("{stack}-ci-{}", std::process::id())
}

pub(super) async fn run(global: &Global, options: &Ci, clock: Clock) -> Result<u8, Trouble> {
    let declared = Context::of(global)?;
    declared.services(&options.services)?;
    let mut global = global.clone();
    if global.project_name.is_none() {
        global.project_name = Some(run_name(&declared.stack.name));
    }
    let context = Context::of(&global)?;
    let engine = Engine::connect().await?;
    let end = Instant::now() + options.timeout;
    not_somebodys(&engine, &context.stack.name).await?;
    let before = lasting(&engine, &context.stack.name).await?;
    let exit = pass(&global, options, &context, &engine, clock, end).await;
    if options.keep {
        let name = &context.stack.name;
        stderr_line(
            global.color,
            &format!("kept: devrun -p {name} status, devrun -p {name} down --volumes"),
        );
    } else {
        clean_up(&engine, &context.stack.name, &before).await?;
    }
    let exit = exit?;
    let said = match exit {
        Exit::Done if global.quiet => return Ok(exit.code()),
        Exit::Done => format!("{GOOD}passed{GOOD:#}"),
        Exit::TimedOut => format!("{BAD}failed{BAD:#}: time ran out"),
        Exit::Interrupted => format!("{BAD}interrupted{BAD:#}"),
        _ => format!("{BAD}failed{BAD:#}"),
    };
    if global.format == Format::Text {
        line(global.color, &format!("{said} (exit code {})", exit.code()))?;
    }
    Ok(exit.code())
}

/// What a run ends with is the end of all that has its name.
async fn not_somebodys(engine: &Engine, stack: &str) -> Result<(), Trouble> {
    let containers = engine.snapshot(stack).await?;
    let Some(found) = containers.iter().find(|it| it.label(label::RUN).is_empty()) else {
        return Ok(());
    };
    let (name, place) = (&found.name, found.label(label::ROOT_PATH));
    Err(Trouble::new(
        Exit::Failed,
        format!("the stack {stack} is somebody's own: {name} was started by `up` in {place}"),
    )
    .hint(format!(
        "leave -p out, so that this run gets a name of its own; or devrun -p {stack} down there"
    )))
}

/// Everything but the cleaning up.
async fn pass(
    global: &Global,
    options: &Ci,
    context: &Context,
    engine: &Engine,
    clock: Clock,
    end: Instant,
) -> Result<Exit, Trouble> {
    let mut signals = Signals::listen()?;
    let (running, feed) = begin(Begin {
        engine: engine.clone(),
        load: context.options.clone(),
        options: Options {
            services: options.services.clone(),
            profiles: global.profile.clone(),
            watch: false,
            build: true,
            root: root_hash(&context.stack.root),
            run: Some(std::process::id().to_string()),
            first_generation: first_generation(),
            ..Options::default()
        },
        parallel: global.parallel,
        listener: None,
    });
    let mut printer = Printer::new(global, context, clock, Reader::Pass);
    let exit = tokio::select! {
        exit = start_and_check(context, engine, feed, &mut printer) => exit,
        () = tokio::time::sleep_until(end) => Ok(Exit::TimedOut),
        () = signals.next() => Ok(Exit::Interrupted),
    };
    finish(running).await;
    exit
}

/// The session lets go; its containers are removed by the cleaning up.
async fn finish(running: Running) {
    running.end(false).await;
    running.ended().await;
}

async fn start_and_check(
    context: &Context,
    engine: &Engine,
    mut feed: Feed,
    printer: &mut Printer,
) -> Result<Exit, Trouble> {
    let mut last;
    loop {
        let Some(stamped) = feed.recv().await else {
            return Ok(Exit::Failed);
        };
        printer.print(&stamped)?;
        last = stamped.notice.seq;
        match stamped.notice.event {
            NoticeEvent::Settled { ready: true, .. } => break,
            NoticeEvent::Settled { ready: false, .. } | NoticeEvent::SessionEnded { .. } => {
                return Ok(Exit::Failed);
            }
            _ => {}
        }
    }
    let containers = engine.snapshot(&context.stack.name).await?;
    let mut exit = Exit::Done;
    for check in &context.stack.checks {
        let began = Instant::now();
        let failed = ask(context, engine, &containers, check).await.err();
        let (outcome, details) = match failed {
            None => ("ok", Vec::new()),
            Some(why) => {
                exit = Exit::Failed;
                ("failed", why.lines().map(str::to_owned).collect())
            }
        };
        last += 1;
        printer.print(&Stamped::now(Notice {
            seq: last,
            cause: None,
            event: NoticeEvent::CheckDone {
                check: check.name.clone(),
                outcome: outcome.to_owned(),
                at: check.at.to_string(),
                details,
            },
            service: None,
            took_ms: Some((began.elapsed().as_secs_f64() * 1000.0).round()),
        }))?;
    }
    Ok(exit)
}

/// Asks what a check asks; why it does not pass.
async fn ask(
    context: &Context,
    engine: &Engine,
    containers: &[Container],
    check: &Check,
) -> Result<(), String> {
    let (service, command) = match &check.test {
        CheckTest::Http(path) => return http(context, path, check.timeout).await,
        CheckTest::Exec { service, command } => (service, command),
    };
    let found = containers
        .iter()
        .find(|container| container.service() == service);
    match found {
        Some(container) => exec(engine, &container.id, &command.argv(), check.timeout).await,
        None => Err(format!("{service} has no container")),
    }
}

async fn exec(
    engine: &Engine,
    container: &str,
    argv: &[String],
    timeout: Duration,
) -> Result<(), String> {
    match engine.exec_run(container, argv, timeout).await {
        Ok(ran) if ran.timed_out => Err(format!(
            "no end after {} s\n{}",
            timeout.as_secs(),
            ran.output
        )),
        Ok(ran) if ran.code == 0 => Ok(()),
        Ok(ran) => Err(format!("ended with {}\n{}", ran.code, ran.output)),
        Err(error) => Err(error.to_string()),
    }
}

async fn http(context: &Context, path: &str, timeout: Duration) -> Result<(), String> {
    let url = match &context.stack.url {
        _ if path.contains("://") => path.to_owned(),
        Some(url) => format!("{url}{path}"),
        None => {
            return Err(
                "the stack has no proxy with a published port, so a path leads nowhere".to_owned(),
            );
        }
    };
    let answer = tokio::time::timeout(timeout, super::http::get(&url)).await;
    match answer {
        Err(_) => Err(format!("{url}: no answer after {} s", timeout.as_secs())),
        Ok(Err(error)) => Err(format!("{url}: {error}")),
        Ok(Ok(answer)) if (200..300).contains(&answer.status) => Ok(()),
        Ok(Ok(answer)) => Err(format!("{url} answered {}\n{}", answer.status, answer.body)),
    }
}

/// Volumes and images of the stack. Under a name that somebody chose they may be from before.
#[derive(Debug)]
struct Lasting {
    volumes: BTreeSet<String>,
    images: BTreeSet<String>,
}

async fn lasting(engine: &Engine, stack: &str) -> Result<Lasting, Trouble> {
    let of_stack = format!("{}={stack}", label::STACK);
    let volumes = engine.volumes_labelled(&of_stack).await?;
    let images = engine.stored_images(stack).await?;
    Ok(Lasting {
        volumes: volumes.into_keys().collect(),
        images: images.into_iter().flat_map(|image| image.names).collect(),
    })
}

/// Removes all that this run made, data included, and nothing that was there before.
async fn clean_up(engine: &Engine, stack: &str, before: &Lasting) -> Result<(), Trouble> {
    let of_stack = format!("{}={stack}", label::STACK);
    let made = engine.snapshot(stack).await?;
    ending::remove_all(engine, made, ending::End::Discard, |_| {}).await?;
    for name in engine.networks_labelled(&of_stack).await?.keys() {
        engine.remove_network(name).await?;
    }
    let now = lasting(engine, stack).await?;
    for name in now.volumes.difference(&before.volumes) {
        engine.remove_volume(name).await?;
    }
    // What they were built from stays in the builder's cache: the next run is as quick.
    for name in now.images.difference(&before.images) {
        engine.remove_image(name).await?;
    }
    Ok(())
}
