//! Single steps of a session, for commands that do one of them alone.

use std::path::Path;
use std::sync::Arc;

use devrun_core::event::{Failure, Op, Outcome, Progress};
use devrun_core::make;
use devrun_core::plan::Rules;
use devrun_core::spec::Image;
use devrun_stack::{Build, Pull, Service, Source, Stack};
use tokio::sync::mpsc;

use super::containers::{self, failure};
use super::making::{Maker, Wanted, others_stand_on};
use super::places::Places;
use super::{Input, images, pushing};
use crate::engine::Engine;
use crate::image::Recipe;

/// So much progress may wait to be told.
const WAITING: usize = 64;

/// How an image is had.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    /// All that the build reads counts, also what is synced.
    pub(crate) whole: bool,
    /// Build even if one of these inputs is there.
    pub(crate) force: bool,
    /// Take no step from an earlier build.
    pub(crate) no_cache: bool,
    /// Ask for newer images: of the base, or of the service itself where it is not built.
    pub(crate) pull: bool,
}

/// Has the image of a service, by building or pulling it if need be; tells the steps. Answers with
/// the image and whether it is new.
pub(crate) async fn image_of(
    engine: &Engine,
    (stack, rules, places): (&Stack, &Arc<Rules>, &Places),
    service: &Service,
    how: How,
    mut tell: impl FnMut(Progress),
) -> Result<(Image, bool), Failure> {
    let (inputs, mut steps) = mpsc::channel(WAITING);
    let op = Op {
        service: service.name.clone(),
        number: 0,
    };
    let engine = engine.clone();
    let had = async {
        match &service.source {
            Source::Image(reference) => {
                let named = images::Named {
                    reference: reference.clone(),
                    policy: if how.pull { Pull::Always } else { service.pull },
                    platform: service.settings.platform.clone(),
                };
                images::pull(engine, op, named, inputs).await
            }
            Source::Build(build) => {
                let wanted = wanted(stack, service, build, how);
                let maker = Maker {
                    engine,
                    rules: rules.clone(),
                    places: places.clone(),
                    shared: None,
                };
                images::build(maker, op, wanted, inputs).await
            }
        }
    };
    let mut had = std::pin::pin!(had);
    let outcome = loop {
        tokio::select! {
            outcome = &mut had => break outcome,
            Some(input) = steps.recv() => told(input, &mut tell),
        }
    };
    while let Ok(input) = steps.try_recv() {
        told(input, &mut tell);
    }
    match outcome {
        Outcome::Image { image, made } => Ok((image, made)),
        Outcome::Failed(failure) => Err(failure),
        other => Err(unexpected(&other)),
    }
}

fn told(input: Input, tell: &mut impl FnMut(Progress)) {
    if let Input::Progress { progress, .. } = input {
        tell(progress);
    }
}

/// Makes the network and the volumes of a stack where they are missing.
pub(crate) async fn prepared(engine: &Engine, stack: &Stack) -> Result<(), Failure> {
    let (networks, volumes) = (stack.networks.clone(), stack.volumes.clone());
    match containers::prepare(engine.clone(), containers::labels(stack), networks, volumes).await {
        Outcome::Prepared { .. } => Ok(()),
        Outcome::Failed(failure) => Err(failure),
        other => Err(unexpected(&other)),
    }
}

/// Brings secrets, configuration files and all that is synced into a container that need not run.
pub(crate) async fn brought_over(
    engine: &Engine,
    rules: &Rules,
    service: &Service,
    container: &str,
) -> Result<(), Failure> {
    containers::put(engine, container, &make::files(service)).await?;
    let pushed = pushing::push(engine, rules, &service.name, container, None).await;
    pushed.map(|_| ())
}

fn wanted(stack: &Stack, service: &Service, build: &Build, how: How) -> Wanted {
    Wanted {
        first: others_stand_on(stack, &service.name),
        build: build.clone(),
        name: make::image_name(stack, service),
        stack: stack.name.clone(),
        whole: how.whole,
        force: how.force,
        no_cache: how.no_cache,
        pull: how.pull,
    }
}

/// Whether an image of the present inputs is there; `None` where it would have to be built or
/// pulled.
pub(crate) async fn image_at_hand(
    engine: &Engine,
    stack: &Stack,
    rules: &Arc<Rules>,
    service: &Service,
    whole: bool,
) -> Result<Option<Image>, Failure> {
    match &service.source {
        Source::Image(reference) => engine.inspect_image(reference).await.map_err(failure),
        Source::Build(build) => {
            let how = How {
                whole,
                ..How::default()
            };
            let wanted = wanted(stack, service, build, how);
            at_hand(engine, rules).found(&wanted, &service.name).await
        }
    }
}

/// What the image of a service would be made of now, of all but what is synced.
pub(super) async fn recipe_of(
    engine: &Engine,
    stack: &Stack,
    rules: &Arc<Rules>,
    (service, build): (&Service, &Build),
) -> Result<Recipe, Failure> {
    let wanted = wanted(stack, service, build, How::default());
    at_hand(engine, rules).recipe(&wanted, &service.name).await
}

fn at_hand(engine: &Engine, rules: &Arc<Rules>) -> Maker {
    Maker {
        engine: engine.clone(),
        rules: rules.clone(),
        places: Places::new(None),
        shared: None,
    }
}

/// The rules of a stack, with what its ignore files say now.
pub(crate) fn rules_of(stack: &Stack) -> Arc<Rules> {
    Arc::new(Rules::compile(stack, &crate::watch::ignore_texts(stack)))
}

/// A path as people name it who stand in the stack's folder.
pub(crate) fn shown<'a>(stack: &Stack, path: &'a Path) -> std::path::Display<'a> {
    path.strip_prefix(&stack.root).unwrap_or(path).display()
}

fn unexpected(outcome: &Outcome) -> Failure {
    Failure {
        message: format!("an answer to another question: {outcome:?}"),
        ..Failure::default()
    }
}
