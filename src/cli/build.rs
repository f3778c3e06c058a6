//! `devrun build`: images, without starting anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use devrun_core::effect::Exit;
use devrun_core::event::Progress;
use devrun_core::make::image_name;
use devrun_core::plan::Rules;
use devrun_core::session::wanted;
use devrun_stack::{BuildContext, Service, Source, Stack};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::Trouble;
use super::arguments::{Build, Format, Global};
use super::context::Context;
use super::output::line;
use super::run::trouble;
use crate::engine::Engine;
use crate::report::paint::{DIM, GOOD, NAME, stderr_line};
use crate::report::seconds;
use crate::session::places::Places;
use crate::session::single::{How, image_of, rules_of};

/// The end of a step that took less, milliseconds, goes without saying.
const WORTH_A_LINE: u64 = 1000;

pub(super) async fn run(global: &Global, options: &Build) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let options = &Build {
        services: context.services(&options.services)?,
        ..options.clone()
    };
    let services = asked(global, options, &context)?;
    let engine = Engine::connect().await?;
    let rules = rules_of(&context.stack);
    let places = Places::new(global.parallel);
    let of = (&*context.stack, &rules, &places);
    let mut made_anew = BTreeSet::new();
    // What others stand on is there, and is the new one, before they are looked at.
    let mut levels: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for service in services {
        // Services that share an image have it built anew once.
        let first = made_anew.insert(image_name(&context.stack, service));
        let how = How {
            whole: true,
            force: first && (options.no_cache || options.pull),
            no_cache: first && options.no_cache,
            pull: first && options.pull,
        };
        let one = one(global, &engine, of, service, how);
        levels.entry(depth(service)).or_default().push(one);
    }
    for level in levels.into_values() {
        try_join_all(level).await?;
    }
    Ok(Exit::Done.code())
}

async fn one(
    global: &Global,
    engine: &Engine,
    of: (&Stack, &Arc<Rules>, &Places),
    service: &Service,
    how: How,
) -> Result<(), Trouble> {
    let began = Instant::now();
    let tell = |progress| step(global, &service.name, progress);
    let (image, made) = image_of(engine, of, service, how, tell)
        .await
        .map_err(|failure| trouble(&service.name, failure))?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    told(global, &service.name, &image.name, made, took)
}

/// On how many images of the stack it stands, one on the other.
fn depth(service: &Service) -> usize {
    fn of(build: &devrun_stack::Build) -> usize {
        let below = build.contexts.values().map(|context| match context {
            BuildContext::Service { build, .. } => 1 + of(build),
            _ => 0,
        });
        below.max().unwrap_or(0)
    }
    match &service.source {
        Source::Build(build) => of(build),
        Source::Image(_) => 0,
    }
}

/// The services that have something to build.
fn asked<'a>(
    global: &Global,
    options: &Build,
    context: &'a Context,
) -> Result<Vec<&'a Service>, Trouble> {
    let chosen = match options.services.is_empty() {
        true => wanted(&context.stack, &[], &global.profile),
        // Those named alone: an image needs none of the services that its container waits for.
        false => options.services.iter().cloned().collect(),
    };
    let (built, ready): (Vec<_>, Vec<_>) = context
        .stack
        .services
        .iter()
        .filter(|service| chosen.contains(&service.name))
        .partition(|service| matches!(service.source, Source::Build(_)));
    for service in ready {
        if let (Source::Image(image), false) = (&service.source, options.services.is_empty()) {
            stderr_line(
                global.color,
                &format!("{} is not built, it runs {image}", service.name),
            );
        }
    }
    match built.is_empty() && options.services.is_empty() {
        true => Err(Trouble::usage(format!(
            "{} has no service that is built",
            context.stack.name
        ))),
        false => Ok(built),
    }
}

fn step(global: &Global, service: &str, progress: Progress) {
    let Progress::Step {
        name,
        cached,
        took_ms,
    } = progress
    else {
        return;
    };
    let verbose = global.verbose > 0;
    let took = match (cached, took_ms) {
        (true, _) if verbose => "cached".to_owned(),
        (false, Some(millis)) if verbose || millis >= WORTH_A_LINE => {
            format!("took {}", seconds(millis as f64))
        }
        (false, None) if verbose || !name.starts_with("[internal]") => String::new(),
        _ => return,
    };
    if !global.quiet && global.format == Format::Text {
        stderr_line(
            global.color,
            &format!("  {NAME}{service}{NAME:#}  {DIM}{name}  {took}{DIM:#}"),
        );
    }
}

fn told(global: &Global, service: &str, image: &str, made: bool, took: f64) -> Result<(), Trouble> {
    if global.format == Format::Json {
        let object = serde_json::json!({
            "service": service, "image": image, "made": made, "took_ms": took,
        });
        return line(global.color, &object.to_string());
    }
    let text = match made {
        true => format!("{GOOD}built{GOOD:#}      {image} in {}", seconds(took)),
        false => format!("unchanged  {image}"),
    };
    line(global.color, &format!("{NAME}{service}{NAME:#}  {text}"))
}
