//! Images: pulled where they are missing, built where none of these inputs is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use devrun_core::early::Basis;
use devrun_core::event::{Failure, Op, Outcome, Progress};
use devrun_core::plan::Rules;
use devrun_core::spec::{Image, label};
use devrun_stack::{Build, BuildContext, Location, Pull};
use tokio::sync::mpsc;

use super::Input;
use super::containers::failure;
use super::looking::Looked;
use super::{agreed, tidying, trees};
use crate::engine::{Engine, MAKE_ROOM, says_full};
use crate::image::{
    self, BuildError, BuildRequest, Contents, ContextError, SecretSource, Step, StepState,
};

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

/// What the image of these inputs is called, and what they are.
pub(super) async fn tag_of(
    engine: &Engine,
    build: &Build,
    name: &str,
    service: &str,
    rules: &Arc<Rules>,
) -> Result<(String, Contents), Failure> {
    let version = engine.version().await.map_err(failure)?;
    let own = || format!("{}/{}", version.os, version.arch);
    let platform = build.platform.clone().unwrap_or_else(own);
    let (spec, service, rules) = (build.clone(), service.to_owned(), rules.clone());
    let hashed = tokio::task::spawn_blocking(move || {
        let mut contents = Contents::default();
        let hash = hash_of(&spec, &platform, &service, &rules, &mut contents)?;
        contents.finish();
        Ok::<_, ContextError>((hash, contents))
    });
    let (hash, contents) = match hashed.await {
        Ok(hashed) => hashed.map_err(|error| said(error.to_string()))?,
        Err(error) => return Err(said(format!("its files could not be read: {error}"))),
    };
    Ok((image::image_tag(name, &hash), contents))
}

/// The hash of all that an image is made of, other contexts included. Blocks.
fn hash_of(
    build: &Build,
    platform: &str,
    service: &str,
    rules: &Rules,
    contents: &mut Contents,
) -> Result<String, ContextError> {
    let mut contexts = Vec::new();
    for (name, context) in &build.contexts {
        let content = match context {
            BuildContext::Folder(folder) => folder_hash(folder, service, rules, contents)?,
            BuildContext::Image(image) => image.clone(),
            BuildContext::Service { name, build } => {
                let platform = build.platform.as_deref().unwrap_or(platform);
                hash_of(build, platform, name, rules, contents)?
            }
        };
        contexts.push((name.clone(), content));
    }
    // What is synced over anyway is no reason to build.
    image::inputs_hash(build, platform, &contexts, contents, |path| {
        !rules.image_input(service, &build.context.join(path))
    })
}

fn folder_hash(
    folder: &Path,
    service: &str,
    rules: &Rules,
    contents: &mut Contents,
) -> Result<String, ContextError> {
    image::folder_hash(folder, contents, |path| {
        !rules.image_input(service, &folder.join(path))
    })
}

/// Has an image of these inputs, by building it if need be.
pub(super) async fn build(
    engine: Engine,
    op: Op,
    wanted: Wanted,
    rules: Arc<Rules>,
    inputs: mpsc::Sender<Input>,
) -> Outcome {
    let news = News {
        inputs: &inputs,
        op: &op,
    };
    let began = agreed::just_before_now();
    match made(&engine, &wanted, &op.service, &rules, &news).await {
        Ok((image, true)) => {
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
struct News<'a> {
    inputs: &'a mpsc::Sender<Input>,
    op: &'a Op,
}

impl News<'_> {
    /// Of this image; of use once it is there.
    async fn inputs_are(&self, tag: &str, contents: Contents) {
        let input = Input::Inputs {
            service: self.op.service.clone(),
            looked: Looked::new(tag, contents),
        };
        // Where nobody hears it, the session ends.
        let _ = self.inputs.send(input).await;
    }

    fn step(&self, step: Step) {
        if let Some(progress) = told(step) {
            tell(self.inputs, self.op, progress);
        }
    }
}

/// The image, and whether it is new.
async fn made(
    engine: &Engine,
    wanted: &Wanted,
    service: &str,
    rules: &Arc<Rules>,
    news: &News<'_>,
) -> Result<(Image, bool), Failure> {
    let build = &wanted.build;
    let (tag, contents) = tag_of(engine, build, &wanted.name, service, rules).await?;
    // Those of what it begins with are among its own.
    if service == news.op.service {
        news.inputs_are(&tag, contents).await;
    }
    if !wanted.force
        && let Some(image) = engine.inspect_image(&tag).await.map_err(failure)?
    {
        return Ok((image, false));
    }
    // What it begins with is part of its own making.
    if service == news.op.service {
        making(news.inputs, news.op).await;
    }
    let former = match wanted.force {
        true => keep_former(engine, &tag).await?,
        false => None,
    };
    let mut stages = BTreeMap::new();
    for (name, context) in &build.contexts {
        let image = match context {
            BuildContext::Image(image) => image.clone(),
            BuildContext::Folder(folder) => {
                folder_image(engine, wanted, service, (name, folder), rules).await?
            }
            BuildContext::Service { name, build } => {
                let inner = Wanted {
                    build: build.as_ref().clone(),
                    name: format!("{}-{name}", wanted.stack),
                    stack: wanted.stack.clone(),
                    force: false,
                    no_cache: false,
                    pull: false,
                };
                Box::pin(made(engine, &inner, name, rules, news))
                    .await?
                    .0
                    .name
            }
        };
        stages.insert(name.clone(), image);
    }
    let inline = build.inline.as_deref().map(image::written).transpose();
    let inline =
        inline.map_err(|error| said(format!("its Dockerfile could not be written: {error}")))?;
    let place = inline.as_ref().map(|_| build.at.clone());
    let secrets = build.secrets.clone().into_iter();
    // No registry has what was made here.
    let only_here = |context: &BuildContext| !matches!(context, BuildContext::Image(_));
    let request = BuildRequest {
        context: build.context.clone(),
        dockerfile: match &inline {
            Some(file) => file.path().to_owned(),
            None => build.dockerfile.clone(),
        },
        platform: build.platform.clone(),
        target: build.target.clone(),
        args: build.args.clone(),
        tag: tag.clone(),
        labels: labels(wanted),
        secrets: secrets
            .map(|(name, content)| (name, SecretSource::Bytes(content.0)))
            .collect(),
        ssh: build.ssh.clone(),
        stages,
        network: build.network.clone(),
        cache_from: build.cache_from.clone(),
        no_cache: wanted.no_cache,
        pull: wanted.pull && !build.contexts.values().any(only_here),
    };
    let built = image::build(&endpoint(engine), request, |step| news.step(step)).await;
    built.map_err(|error| explained(error, place.as_ref()))?;
    let image = there(engine, &tag).await?;
    if let Some((_, name)) = former.filter(|(id, _)| *id == image.id) {
        engine.remove_image(&name).await.map_err(failure)?;
    }
    Ok((image, true))
}

/// What is to be built anew goes on under another name, for containers may be made of it.
async fn keep_former(engine: &Engine, tag: &str) -> Result<Option<(String, String)>, Failure> {
    let Some(former) = engine.inspect_image(tag).await.map_err(failure)? else {
        return Ok(None);
    };
    let name = tidying::former_name(tag, &former.id);
    engine
        .name_image(&former.id, &name)
        .await
        .map_err(failure)?;
    Ok(Some((former.id, name)))
}

/// A folder as an image, which a stage can begin with.
async fn folder_image(
    engine: &Engine,
    wanted: &Wanted,
    service: &str,
    (name, folder): (&str, &Path),
    rules: &Arc<Rules>,
) -> Result<String, Failure> {
    let (path, by, asked) = (folder.to_owned(), service.to_owned(), rules.clone());
    let hashed = tokio::task::spawn_blocking(move || {
        folder_hash(&path, &by, &asked, &mut Contents::default())
    });
    let hash = match hashed.await {
        Ok(hash) => hash.map_err(|error| said(error.to_string()))?,
        Err(error) => return Err(said(format!("its files could not be read: {error}"))),
    };
    let tag = image::image_tag(&format!("{}-{name}", wanted.name), &hash);
    let there_already = engine.inspect_image(&tag).await.map_err(failure)?;
    if there_already.is_some() {
        return Ok(tag);
    }
    let dockerfile = image::written("FROM scratch\nCOPY . /\n")
        .map_err(|error| said(format!("its Dockerfile could not be written: {error}")))?;
    let request = BuildRequest {
        context: folder.to_owned(),
        dockerfile: dockerfile.path().to_owned(),
        platform: wanted.build.platform.clone(),
        target: None,
        args: BTreeMap::new(),
        tag: tag.clone(),
        labels: labels(wanted),
        secrets: BTreeMap::new(),
        ssh: BTreeMap::new(),
        stages: BTreeMap::new(),
        network: None,
        cache_from: Vec::new(),
        no_cache: false,
        pull: false,
    };
    let built = image::build(&endpoint(engine), request, |_| ()).await;
    built.map_err(|error| {
        said(format!(
            "the context {name} could not be read from {}: {error}",
            folder.display()
        ))
    })?;
    Ok(tag)
}

/// Nothing of its inputs stands on an image: of other inputs that come to the same files it is the
/// same one, and what runs from it need not be replaced.
fn labels(wanted: &Wanted) -> BTreeMap<String, String> {
    BTreeMap::from([(label::STACK.to_owned(), wanted.stack.clone())])
}

async fn there(engine: &Engine, tag: &str) -> Result<Image, Failure> {
    let found = engine.inspect_image(tag).await.map_err(failure)?;
    found.ok_or_else(|| said(format!("{tag} is not there although it was built")))
}

fn said(message: String) -> Failure {
    Failure {
        message,
        ..Failure::default()
    }
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
