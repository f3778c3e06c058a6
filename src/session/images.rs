//! Images: pulled where they are missing, built where none of these inputs is there.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use devrun_core::event::{Failure, Op, Outcome, Progress};
use devrun_core::plan::Rules;
use devrun_core::spec::label;
use devrun_stack::{Build, Location, Pull};
use tokio::sync::mpsc;

use super::Input;
use super::containers::failure;
use super::trees;
use crate::engine::{Engine, MAKE_ROOM, says_full};
use crate::image::{self, BuildError, BuildRequest, SecretSource, Step, StepState};

/// An image that somebody else makes.
pub(super) struct Named {
    pub(super) reference: String,
    pub(super) policy: Pull,
    pub(super) platform: Option<String>,
}

/// Has the image, by pulling it where its policy says so.
pub(super) async fn pull(
    engine: Engine,
    op: Op,
    named: Named,
    inputs: mpsc::Sender<Input>,
) -> Outcome {
    let reference = named.reference;
    match engine.inspect_image(&reference).await {
        Ok(Some(image)) if named.policy != Pull::Always => {
            return Outcome::Image { image, made: false };
        }
        Ok(None) if named.policy == Pull::Never => {
            return Outcome::Failed(Failure {
                message: format!("the image {reference} is not there, and is never pulled"),
                hint: Some(format!(
                    "docker pull {reference}, or take `pull never` away"
                )),
                ..Failure::default()
            });
        }
        Ok(_) => {}
        Err(error) => return Outcome::Failed(failure(error)),
    }
    making(&inputs, &op).await;
    let mut last = String::new();
    let pulled = engine.pull(&reference, named.platform.as_deref(), |progress| {
        // Layers move in hundreds of small steps; a line for each change of what happens will do.
        if progress.layer.is_empty() && progress.status != last {
            last.clone_from(&progress.status);
            tell(
                &inputs,
                &op,
                Progress::Pull {
                    status: progress.status,
                },
            );
        }
    });
    match pulled.await {
        Ok(image) => Outcome::Image { image, made: true },
        Err(error) => Outcome::Failed(failure(error)),
    }
}

/// What is built, and what it is called.
pub(super) struct Wanted {
    pub(super) build: Build,
    pub(super) name: String,
    pub(super) stack: String,
    pub(super) force: bool,
    /// Take no step from an earlier build.
    pub(super) no_cache: bool,
    /// Ask for a newer base image.
    pub(super) pull: bool,
}

/// What the image of these inputs is called, and the hash of the inputs.
pub(super) async fn tag_of(
    engine: &Engine,
    build: &Build,
    name: &str,
    service: &str,
    rules: &Arc<Rules>,
) -> Result<(String, String), Failure> {
    let version = engine.version().await.map_err(failure)?;
    let own = || format!("{}/{}", version.os, version.arch);
    let platform = build.platform.clone().unwrap_or_else(own);
    let (spec, service, rules) = (build.clone(), service.to_owned(), rules.clone());
    let hashed = tokio::task::spawn_blocking(move || {
        let context = spec.context.clone();
        // What is synced over anyway is no reason to build.
        image::inputs_hash(&spec, &platform, |path| {
            !rules.image_input(&service, &context.join(path))
        })
    });
    let said = |message: String| Failure {
        message,
        ..Failure::default()
    };
    let hash = match hashed.await {
        Ok(hash) => hash.map_err(|error| said(error.to_string()))?,
        Err(error) => return Err(said(format!("its files could not be read: {error}"))),
    };
    Ok((image::image_tag(name, &hash), hash))
}

/// Has an image of these inputs, by building it if need be.
pub(super) async fn build(
    engine: Engine,
    op: Op,
    wanted: Wanted,
    rules: Arc<Rules>,
    inputs: mpsc::Sender<Input>,
) -> Outcome {
    let named = tag_of(&engine, &wanted.build, &wanted.name, &op.service, &rules);
    let (tag, hash) = match named.await {
        Ok(named) => named,
        Err(failure) => return Outcome::Failed(failure),
    };
    if !wanted.force {
        match engine.inspect_image(&tag).await {
            Ok(Some(image)) => return Outcome::Image { image, made: false },
            Ok(None) => {}
            Err(error) => return Outcome::Failed(failure(error)),
        }
    }
    let inline = match wanted.build.inline.as_deref().map(written).transpose() {
        Ok(inline) => inline,
        Err(error) => return failed(format!("its Dockerfile could not be written: {error}")),
    };
    let place = inline.as_ref().map(|_| wanted.build.at.clone());
    let secrets = wanted.build.secrets.into_iter();
    let request = BuildRequest {
        context: wanted.build.context,
        dockerfile: match &inline {
            Some(file) => file.path().to_owned(),
            None => wanted.build.dockerfile,
        },
        platform: wanted.build.platform,
        target: wanted.build.target,
        args: wanted.build.args,
        tag: tag.clone(),
        labels: BTreeMap::from([
            (label::STACK.to_owned(), wanted.stack),
            (label::INPUTS.to_owned(), hash),
        ]),
        secrets: secrets
            .map(|(name, content)| (name, SecretSource::Bytes(content.0)))
            .collect(),
        ssh: wanted.build.ssh,
        no_cache: wanted.no_cache,
        pull: wanted.pull,
    };
    making(&inputs, &op).await;
    let endpoint = endpoint(&engine);
    let built = image::build(&endpoint, request, |step| {
        if let Some(progress) = told(step) {
            tell(&inputs, &op, progress);
        }
    });
    match built.await {
        Ok(_) => match engine.inspect_image(&tag).await {
            Ok(Some(image)) => {
                let id = image.id.clone();
                let service = op.service.clone();
                let remembered = tokio::task::spawn_blocking(move || {
                    trees::remember_image(&rules, &service, &id);
                });
                // Only what is gone on the host would be missed.
                let _ = remembered.await;
                Outcome::Image { image, made: true }
            }
            Ok(None) => failed(format!("{tag} is not there although it was built")),
            Err(error) => Outcome::Failed(failure(error)),
        },
        Err(error) => Outcome::Failed(explained(error, place.as_ref())),
    }
}

/// A Dockerfile that stands in the Stackfile, as a file for as long as it is built.
fn written(text: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("devrun-").tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn endpoint(engine: &Engine) -> image::Endpoint {
    let dialer = engine.dialer().clone();
    image::Endpoint::new(engine.endpoint().to_string(), move || {
        let dialer = dialer.clone();
        Box::pin(async move {
            let stream = dialer.open().await?;
            Ok(Box::new(stream) as Box<dyn image::Connection>)
        })
    })
}

fn told(step: Step) -> Option<Progress> {
    let took_ms = match step.state {
        StepState::Started => None,
        StepState::Done { took } => Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        StepState::Output(_) | StepState::Failed { .. } => return None,
    };
    // What the engine does besides the Dockerfile's steps is not worth a line.
    step.line?;
    Some(Progress::Step {
        name: step.name,
        cached: step.cached,
        took_ms,
    })
}

/// What was looked for is not there, and is now made.
async fn making(inputs: &mpsc::Sender<Input>, op: &Op) {
    let input = Input::Progress {
        op: op.clone(),
        progress: Progress::Making,
    };
    // Where nobody hears it, the session ends.
    let _ = inputs.send(input).await;
}

/// Progress is for people: where the loop is far behind, one line less does no harm.
fn tell(inputs: &mpsc::Sender<Input>, op: &Op, progress: Progress) {
    let _ = inputs.try_send(Input::Progress {
        op: op.clone(),
        progress,
    });
}

fn failed(message: String) -> Outcome {
    Outcome::Failed(Failure {
        message,
        ..Failure::default()
    })
}

fn explained(error: BuildError, inline: Option<&Location>) -> Failure {
    let BuildError::Failed(failure) = error else {
        let message = error.to_string();
        return Failure {
            hint: says_full(&message).then(|| MAKE_ROOM.to_owned()),
            message,
            ..Failure::default()
        };
    };
    let full = says_full(&failure.message) || failure.output.iter().any(|line| says_full(line));
    let file = failure.dockerfile.file_name().unwrap_or_default();
    let name = match inline {
        Some(_) => "dockerfile-inline".to_owned(),
        None => file.to_string_lossy().into_owned(),
    };
    let place = failure
        .line
        .map_or_else(|| name.clone(), |line| format!("{name}:{line}"));
    let step = failure.step.clone().unwrap_or_default();
    let mut details = vec![format!("{place}  {step}").trim_end().to_owned()];
    details.extend(failure.output.iter().cloned());
    details.push(failure.message.clone());
    Failure {
        message: match full {
            true => format!("its build failed at {place}: the engine's disk is full"),
            false => format!("its build failed at {place}"),
        },
        details,
        hint: Some(match inline {
            _ if full => MAKE_ROOM.to_owned(),
            Some(at) => format!("mend it at {at} and save"),
            None => format!("mend {} and save it", failure.dockerfile.display()),
        }),
        ..Failure::default()
    }
}
