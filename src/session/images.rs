//! Images: pulled where they are missing, built where none of these inputs is there.

use devrun_core::early::Basis;
use devrun_core::event::{Failure, Op, Outcome, Progress};
use devrun_stack::{Location, Pull};
use tokio::sync::mpsc;

use super::Input;
use super::containers::failure;
use super::looking::Looked;
use super::making::{Maker, Wanted};
use super::{agreed, trees};
use crate::engine::{Engine, MAKE_ROOM, says_full};
use crate::image::{self, BuildError, Contents, Step, StepState};

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

/// Has an image of these inputs, by building it if need be.
pub(super) async fn build(
    maker: Maker,
    op: Op,
    wanted: Wanted,
    inputs: mpsc::Sender<Input>,
) -> Outcome {
    let news = News {
        inputs: &inputs,
        op: &op,
    };
    let began = agreed::just_before_now();
    let mut contents = Contents::default();
    let made = maker.made(&wanted, &op.service, &news, &mut contents);
    match made.await {
        Ok((image, true)) => {
            let rules = maker.rules.clone();
            let (id, service) = (image.id.clone(), op.service.clone());
            let remembered = tokio::task::spawn_blocking(move || {
                trees::remember_image(&rules, &service, &id);
                agreed::set(&id, Basis::Claimed(began), rules.syncs_hash(&service));
            });
            // Only what is gone on the host would be missed.
            let _ = remembered.await;
            Outcome::Image { image, made: true }
        }
        Ok((image, false)) => Outcome::Image { image, made: false },
        Err(failure) => Outcome::Failed(failure),
    }
}

/// To whom a build is told.
pub(super) struct News<'a> {
    inputs: &'a mpsc::Sender<Input>,
    op: &'a Op,
}

impl News<'_> {
    /// Of this image; of use once it is there.
    pub(super) async fn inputs_are(&self, tag: &str, contents: Contents) {
        let input = Input::Inputs {
            service: self.op.service.clone(),
            looked: Looked::new(tag, contents),
        };
        // Where nobody hears it, the session ends.
        let _ = self.inputs.send(input).await;
    }

    pub(super) fn is_of(&self, service: &str) -> bool {
        service == self.op.service
    }

    pub(super) async fn making(&self) {
        making(self.inputs, self.op).await;
    }

    /// It cannot go on yet.
    pub(super) fn waits(&self, reason: String) {
        tell(self.inputs, self.op, Progress::Waits { reason });
    }

    pub(super) fn step(&self, step: Step) {
        if let Some(progress) = told(step) {
            tell(self.inputs, self.op, progress);
        }
    }
}

pub(super) fn said(message: String) -> Failure {
    Failure {
        message,
        ..Failure::default()
    }
}

pub(super) fn endpoint(engine: &Engine) -> image::Endpoint {
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

pub(super) fn explained(error: BuildError, inline: Option<&Location>) -> Failure {
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
