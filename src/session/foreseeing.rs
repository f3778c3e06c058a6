//! What would be done if something were applied, told before it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use devrun_core::event::{Event, Failure, Request, Stackfile, WatchEvent};
use devrun_core::live::Capacity;
use devrun_core::observed::Observed;
use devrun_core::plan::Rules;
use devrun_core::session::{Foresight, Options, STALE, Session, State, wanted};
use devrun_core::spec::Container;
use devrun_stack::{Build, Service, Source, Stack};
use devrun_wire::session::{PlannedStep, Tell};
use tokio::sync::mpsc;

use super::driver::Driver;
use super::load::{self, LoadOptions};
use super::recipes;
use super::single::{image_at_hand, recipe_of, shown};
use crate::engine::{Engine, nanoseconds};
use crate::image;
use crate::report::first;

/// What would be asked for.
pub(super) struct Asked {
    pub(super) services: Vec<String>,
    pub(super) profiles: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) build: bool,
    pub(super) recreate: bool,
    pub(super) file: String,
}

impl Driver {
    /// Answers what this session would do. It goes on meanwhile, and does not do it.
    pub(super) fn foresee(&self, asked: Asked, reply: mpsc::UnboundedSender<Tell>) {
        let mut options = self.load.clone();
        options.shell.extend(asked.variables);
        // Called as the one that it is to take the place of: its lines are the same ones.
        options.file = PathBuf::from(asked.file);
        let (core, engine) = (self.core.clone(), self.engine.clone());
        let request = Request::Up {
            services: asked.services.clone(),
            profiles: asked.profiles.clone(),
            build: asked.build,
            recreate: asked.recreate,
        };
        tokio::spawn(async move {
            let mut known = (BTreeSet::new(), BTreeMap::new());
            for service in core.view().services {
                let image = service.image.map(|image| (service.name.clone(), image));
                known.1.extend(image);
                if service.state != State::Off {
                    known.0.insert(service.name);
                }
            }
            let events = vec![Event::Request(request)];
            let chosen = (asked.services, asked.profiles);
            let chosen = (&*chosen.0, &*chosen.1, asked.build);
            let told = foreseen(&engine, core, &options, events, chosen, known);
            let _ = reply.send(as_told(told.await));
        });
    }
}

fn as_told(foresight: Result<Foresight, Failure>) -> Tell {
    match foresight {
        Ok(foresight) => Tell::Foreseen {
            steps: foresight.steps.into_iter().map(step).collect(),
            warnings: foresight.warnings,
            fails: foresight.fails,
        },
        Err(failure) => Tell::Foreseen {
            steps: Vec::new(),
            warnings: vec![failure.message],
            fails: true,
        },
    }
}

fn step(step: devrun_core::session::Foreseen) -> PlannedStep {
    PlannedStep {
        service: step.service,
        action: step.action.to_owned(),
        reason: step.reason,
    }
}

/// What a session would do that is begun now, where these containers are.
pub(crate) async fn foresee_alone(
    engine: &Engine,
    load: &LoadOptions,
    options: Options,
    containers: Vec<Container>,
    capacity: Capacity,
) -> Tell {
    let chosen = (options.services.clone(), options.profiles.clone());
    let in_use = containers
        .iter()
        .map(|one| (one.service().to_owned(), one.image_id.clone()))
        .collect();
    let events = vec![
        Event::Watch(WatchEvent::Ready { files: 0 }),
        Event::Engine(Observed::Connected {
            containers,
            capacity,
        }),
    ];
    let build = options.build;
    let core = Session::new(options);
    let chosen = (&*chosen.0, &*chosen.1, build);
    let known = (BTreeSet::new(), in_use);
    as_told(foreseen(engine, core, load, events, chosen, known).await)
}

/// Known are the services that run, and the images that are in use, by service.
async fn foreseen(
    engine: &Engine,
    core: Session,
    options: &LoadOptions,
    events: Vec<Event>,
    (services, profiles, build): (&[String], &[String], bool),
    (mut runs, in_use): (BTreeSet<String>, BTreeMap<String, String>),
) -> Result<Foresight, Failure> {
    let options = options.clone();
    let read = tokio::task::spawn_blocking(move || load::read(&options).0).await;
    let stackfile = read.map_err(|error| said(error.to_string()))?;
    let (stack, rules) = match &stackfile {
        Stackfile::Loaded { stack, rules, .. } => (stack.clone(), rules.clone()),
        Stackfile::Rejected { message } => return Err(said(message.clone())),
    };
    runs.extend(wanted(&stack, services, profiles));
    let mut images = BTreeMap::new();
    for service in stack.services.iter().filter(|one| runs.contains(&one.name)) {
        let whole = build && (services.is_empty() || services.contains(&service.name));
        if let Some(image) = image_at_hand(engine, &stack, &rules, service, whole).await? {
            images.insert(service.name.clone(), image);
        }
    }
    let all = std::iter::once(Event::Stackfile(stackfile)).chain(events);
    let mut foresight = core.foresee(all.collect(), &images);
    for step in &mut foresight.steps {
        let image = in_use.get(&step.service).filter(|_| step.reason == STALE);
        let Some(image) = image else {
            continue;
        };
        if let Some(reason) = stale(engine, &stack, &rules, &step.service, image).await {
            step.reason = reason;
        }
    }
    Ok(foresight)
}

/// What of its inputs differs from those of that image; where these are not known, what is newer.
async fn stale(
    engine: &Engine,
    stack: &Arc<Stack>,
    rules: &Arc<Rules>,
    service: &str,
    image: &str,
) -> Option<String> {
    let (service, build) = built(stack, service)?;
    let names = engine.names_of_image(image).await.unwrap_or_default();
    let now = recipe_of(engine, stack, rules, (service, build)).await;
    if let Ok(now) = now {
        let (stack, build) = (stack.clone(), build.clone());
        let differs = move || recipes::differs(&names, &now, &stack, &build);
        let differs = tokio::task::spawn_blocking(differs).await;
        if let Ok(Some(differs)) = differs {
            let said = first(&differs, differs.len());
            return (!differs.is_empty()).then(|| format!("differs from its image: {said}"));
        }
    }
    let files = newer(engine, stack, rules, &service.name, image).await?;
    Some(format!("newer than its image: {files}"))
}

fn built<'s>(stack: &'s Stack, service: &str) -> Option<(&'s Service, &'s Build)> {
    let service = stack.service(service)?;
    match &service.source {
        Source::Build(build) => Some((service, build.as_ref())),
        Source::Image(_) => None,
    }
}

/// What of a service's build was saved after that image was made. What was removed since, or has
/// another time than that of its save, is not seen.
async fn newer(
    engine: &Engine,
    stack: &Arc<Stack>,
    rules: &Arc<Rules>,
    service: &str,
    image: &str,
) -> Option<String> {
    let made = engine.inspect_image(image).await.ok()??;
    let since = nanoseconds(&made.created)?;
    let (stack, rules, service) = (stack.clone(), rules.clone(), service.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        let (_, build) = built(&stack, &service)?;
        let excluded = |path: &str| !rules.image_input(&service, &build.context.join(path));
        let changed = image::changed_since(build, since, excluded);
        let paths: Vec<String> = changed
            .iter()
            .map(|path| shown(&stack, path).to_string())
            .collect();
        (!paths.is_empty()).then(|| first(&paths, paths.len()))
    });
    looked.await.ok()?
}

fn said(message: String) -> Failure {
    Failure {
        message,
        ..Failure::default()
    }
}
