//! `devrun ci`: one pass that tells the truth: start, wait, tasks and checks, clean up.

mod checks;
mod collect;
mod failed;
mod github;
mod hurry;
mod left;
mod pass;
mod ports;
mod remains;
mod reports;
mod told;

use std::collections::BTreeMap;

use devrun_core::effect::Exit;
use devrun_core::notice::NoticeEvent;
use devrun_core::verdict::{Last, Owner, Report, Why};
use devrun_stack::Source;
use time::OffsetDateTime;

use super::Trouble;
use super::arguments::{Ci, Global};
use super::context::Context;
use super::signals::Signals;
use super::up::Printer;
use crate::engine::Engine;
use crate::report::paint::{BAD, BUSY, DIM, GOOD};
use crate::report::{Clock, Reader, counted, seconds};
use crate::session::load::root_hash;
use hurry::Hurry;
use pass::Ran;
use told::Told;

/// So many tests that failed are told.
const TESTS: usize = 20;

/// What a run is about.
struct Stage<'a> {
    global: &'a Global,
    options: &'a Ci,
    context: &'a Context,
    engine: &'a Engine,
    /// The stack's name in the Stackfile.
    declared: String,
    /// The value of the label by which all of the run is known.
    label: String,
    began: OffsetDateTime,
}

/// A project name of its own, so that a developer's own stack is left alone.
fn run_name(stack: &str, owner: &Owner) -> String {
    let hash = root_hash(std::path::Path::new(&owner.to_string()));
    format!("{stack}-ci-{}", hash.get(..8).unwrap_or(&hash))
}

pub(super) async fn run(global: &Global, options: &Ci, clock: Clock) -> Result<u8, Trouble> {
    let declared = Context::of(global)?;
    declared.services(&options.services)?;
    task_exists(&declared, options)?;
    let owner = remains::here();
    let mut global = global.clone();
    let name = declared.stack.name.clone();
    global
        .project_name
        .get_or_insert_with(|| run_name(&name, &owner));
    let ports = match options.declared_ports {
        true => BTreeMap::new(),
        false => ports::free(&declared.stack),
    };
    let context = Context::with_ports(&global, ports)?;
    let engine = Engine::connect().await?;
    let mut told = Told::new(
        &global,
        clock,
        Printer::new(&global, &context, clock, Reader::Pass),
    );
    for cleared in remains::clear_dead(&engine, &owner).await? {
        told.aside(&format!(
            "{DIM}removed what the run {cleared} left, which was killed{DIM:#}"
        ));
    }
    let stack = &context.stack.name;
    remains::not_somebodys(&engine, stack, &owner).await?;
    let before = remains::lasting(&engine, stack).await?;
    let mut hurry = Hurry::new(Signals::listen()?, global.color);
    let note = remains::Note::leave(stack, &owner)
        .map_err(|error| Trouble::local("the note of this run", &error))?;
    let stage = Stage {
        label: remains::run_label(&owner, options.keep || options.keep_on_failure),
        declared: name,
        began: reports::now(),
        global: &global,
        options,
        context: &context,
        engine: &engine,
    };
    let ran = match pass::run(&stage, &mut told, &mut hurry).await {
        Ok(None) => return Ok(at_once(&told, stack)),
        Ok(Some(ran)) => Ok(ran),
        Err(trouble) => Err(trouble),
    };
    let report = match &ran {
        Ok(ran) => tokio::select! {
            report = tell(&stage, ran, &mut told) => Some(report?),
            () = hurry.second() => return Ok(at_once(&told, stack)),
        },
        Err(_) => None,
    };
    if ran.is_ok() {
        tokio::select! {
            left = left::images(&stage, &mut told) => left?,
            () = hurry.second() => return Ok(at_once(&told, stack)),
        }
    }
    let good = ran.as_ref().is_ok_and(|ran| ran.end.code == 0);
    let kept = options.keep || (options.keep_on_failure && !good);
    if kept {
        note.take_back();
        tell_kept(&told, stack);
    } else {
        let cleaning = remains::clean_up(&engine, stack, Some(&context.stack), &before);
        let cleaned = tokio::select! {
            cleaned = cleaning => cleaned,
            () = hurry.second() => return Ok(at_once(&told, stack)),
        };
        match cleaned {
            Ok(()) => note.take_back(),
            Err(trouble) => left_behind(&stage, &ran, report, &trouble, &told)?,
        }
    }
    let ran = ran?;
    last_line(&stage, &ran, &mut told)?;
    Ok(ran.end.code)
}

/// What whoever does not wait for the removing is told.
fn at_once(told: &Told, stack: &str) -> u8 {
    told.aside(&format!(
        "not all is removed: devrun -p {stack} down --volumes, or the next run does it"
    ));
    Exit::Interrupted.code()
}

fn task_exists(declared: &Context, options: &Ci) -> Result<(), Trouble> {
    let Some(name) = &options.until else {
        return Ok(());
    };
    let tasks = declared.stack.services.iter().filter(|it| it.task);
    let tasks: Vec<&str> = tasks.map(|it| it.name.as_str()).collect();
    match tasks.contains(&name.as_str()) {
        true => Ok(()),
        false => {
            let known = match tasks.is_empty() {
                true => "it has no task: task NAME { … }".to_owned(),
                false => format!("it has {}", tasks.join(", ")),
            };
            Err(Trouble::usage(format!("{} has no task {name}", declared.stack.name)).hint(known))
        }
    }
}

/// How it ended, in one word.
fn outcome(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "passed",
        Exit::TimedOut => "timed-out",
        Exit::Interrupted => "interrupted",
        Exit::NoEngine => "no-engine",
        Exit::Failed | Exit::Usage => "failed",
    }
}

fn whys(ran: &Ran) -> Vec<Why> {
    let reasons = ran.end.reasons.iter();
    reasons.map(|it| ran.pass.why(it, ran.took)).collect()
}

/// Says what it came to, and writes it where it is asked for.
async fn tell(stage: &Stage<'_>, ran: &Ran, told: &mut Told) -> Result<Report, Trouble> {
    let whys = whys(ran);
    let texts: Vec<String> = whys.iter().map(|it| it.text.clone()).collect();
    let report = reports::of(stage, ran, outcome(ran.end.exit), texts);
    if let Some(folder) = &stage.options.logs
        && let Err(trouble) = reports::logs(stage, ran, folder).await
    {
        told.warn(
            None,
            format!("not all logs are written: {}", trouble.message),
        )?;
    }
    if let Err(trouble) = reports::write(stage, ran, &report) {
        told.warn(None, format!("not written: {}", trouble.message))?;
    }
    summary(ran, &report, told)?;
    let root = &stage.context.stack.root;
    for why in &whys {
        let at = match why.at.as_str() {
            "" => String::new(),
            at => format!(" ({at})"),
        };
        told.always(&format!("{BAD}{}{BAD:#}{at}", why.text))?;
        for line in &why.details {
            told.always(&format!("    {line}"))?;
        }
        told.annotate(root, why, dockerfile(stage, &why.name).as_deref())?;
    }
    tell_tests(stage, ran, told)?;
    Ok(report)
}

/// Tests that failed in what checks collected.
fn tell_tests(stage: &Stage<'_>, ran: &Ran, told: &Told) -> Result<(), Trouble> {
    let root = &stage.context.stack.root;
    let failed = failed::all(&stage.context.stack, ran);
    for one in failed.iter().take(TESTS) {
        let at = match one.place(root) {
            Some(place) => format!(" ({place})"),
            None => String::new(),
        };
        let text = format!("test {BAD}failed{BAD:#}: {}{at}", one.text());
        told.always(&format!("  check {}: {text}", one.check))?;
        told.annotate_test(root, one)?;
    }
    match failed.len().saturating_sub(TESTS) {
        0 => Ok(()),
        more => told.always(&format!("  {more} more tests failed")),
    }
}

/// The Dockerfile of a service, from the Stackfile's folder on.
fn dockerfile(stage: &Stage<'_>, service: &str) -> Option<String> {
    let stack = &stage.context.stack;
    match &stack.service(service)?.source {
        Source::Build(build) => {
            let path = build.dockerfile.strip_prefix(&stack.root);
            Some(path.unwrap_or(&build.dockerfile).display().to_string())
        }
        Source::Image(_) => None,
    }
}

/// What is worth knowing of a good run too.
fn summary(ran: &Ran, report: &Report, told: &Told) -> Result<(), Trouble> {
    for run in ran.pass.checks.iter().filter(|it| it.is_flaky()) {
        let (name, attempts) = (&run.check.name, run.attempts.len());
        told.text(&format!(
            "{BUSY}flaky{BUSY:#}: check {name} passed at attempt {attempts}"
        ))?;
    }
    for service in ran.pass.services.iter().filter(|it| it.restarts > 0) {
        let times = counted(service.restarts as usize, "time");
        told.text(&format!(
            "{BUSY}restarts{BUSY:#}: {} was started again {times}",
            service.name
        ))?;
    }
    let cache = &report.cache;
    if cache.built + cache.unchanged > 0 {
        let steps = match cache.steps_run + cache.steps_cached {
            0 => String::new(),
            all => format!(", {} of {all} steps from the cache", cache.steps_cached),
        };
        told.text(&format!(
            "cache: {} unchanged, {} built{steps}",
            counted(cache.unchanged, "image"),
            cache.built
        ))?;
    }
    let path: Vec<String> = report
        .critical_path
        .iter()
        .map(|it| {
            let took = std::time::Duration::from_millis(it.to_ms.saturating_sub(it.from_ms));
            format!(
                "{} {} {}",
                it.name,
                it.what,
                seconds(took.as_secs_f64() * 1000.0)
            )
        })
        .collect();
    match path.is_empty() {
        true => Ok(()),
        false => told.text(&format!("critical path: {}", path.join(" → "))),
    }
}

fn tell_kept(told: &Told, stack: &str) {
    told.aside(&format!(
        "kept: devrun -p {stack} status, devrun -p {stack} logs, devrun -p {stack} exec SERVICE …"
    ));
    told.aside(&format!("to remove it: devrun -p {stack} down --volumes"));
}

/// A run that leaves something behind says so, and is no good one.
fn left_behind(
    stage: &Stage<'_>,
    ran: &Result<Ran, Trouble>,
    report: Option<Report>,
    trouble: &Trouble,
    told: &Told,
) -> Result<(), Trouble> {
    let stack = &stage.context.stack.name;
    told.aside(&format!(
        "{BAD}not all is removed{BAD:#}: {}; devrun -p {stack} down --volumes",
        trouble.message
    ));
    if let (Ok(ran), Some(mut report)) = (ran, report) {
        report.head.left.push(trouble.message.clone());
        // It was said once already where it cannot be written.
        let _ = reports::write(stage, ran, &report);
        if ran.end.code == 0 {
            return Err(trouble.clone());
        }
    }
    Ok(())
}

/// The exit code, in words.
fn last_line(stage: &Stage<'_>, ran: &Ran, told: &mut Told) -> Result<(), Trouble> {
    let reasons: Vec<String> = whys(ran).into_iter().map(|it| it.text).collect();
    told.own(
        NoticeEvent::RunEnded {
            outcome: outcome(ran.end.exit).to_owned(),
            code: ran.end.code,
            reasons,
        },
        None,
        Some((ran.took.as_secs_f64() * 1000.0).round()),
    )?;
    if ran.end.exit == Exit::Done && stage.global.quiet {
        return Ok(());
    }
    let took = seconds(ran.took.as_secs_f64() * 1000.0);
    let Last {
        before,
        word,
        after,
    } = ran.pass.last(&ran.end, ran.took, &took);
    let style = match ran.end.exit {
        Exit::Done => GOOD,
        _ => BAD,
    };
    told.last(&format!("{before}{style}{word}{style:#}{after}"))
}
