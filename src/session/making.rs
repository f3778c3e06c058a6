//! An image of what is there now: what it stands on comes first, its name says what it is made of,
//! and only where there is none of that name it is built.

mod cached;
mod folder;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::event::Failure;
use devrun_core::plan::Rules;
use devrun_core::spec::{Image, label};
use devrun_stack::{Build, BuildContext, Source, Stack, dockerfile};

use super::containers::failure;
use super::images::{News, endpoint, explained, said};
use super::places::{Places, Wish};
use super::{recipes, tidying};
use crate::engine::Engine;
use crate::image::{self, BuildRequest, Contents, ContextError, Recipe, SecretSource};

/// What is built, and what it is called.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) build: Build,
    pub(super) name: String,
    pub(super) stack: String,
    /// All that the build reads counts, also what is synced.
    pub(super) whole: bool,
    /// Build even if one of these inputs is there.
    pub(super) force: bool,
    /// Take no step from an earlier build.
    pub(super) no_cache: bool,
    /// Ask for a newer base image.
    pub(super) pull: bool,
    /// Others stand on it.
    pub(super) first: bool,
}

impl Wanted {
    /// Of several that are built into the same image, the one by which it is called.
    fn service(&self) -> &str {
        let name = self.name.strip_prefix(&self.stack);
        name.and_then(|name| name.strip_prefix('-'))
            .unwrap_or(&self.name)
    }

    /// What a context of it is built from.
    fn context(&self, name: &str, build: &Build) -> Wanted {
        Wanted {
            build: build.clone(),
            name: format!("{}-{name}", self.stack),
            stack: self.stack.clone(),
            whole: self.whole,
            force: false,
            no_cache: false,
            pull: false,
            first: true,
        }
    }
}

/// What makes images.
pub(super) struct Maker {
    pub(super) engine: Engine,
    pub(super) rules: Arc<Rules>,
    pub(super) places: Places,
    /// Before `-SERVICE`: what images are also called that are to outlive this stack, so that the
    /// next one of the same content need not build.
    pub(super) shared: Option<String>,
}

/// What an image stands on.
#[derive(Default)]
struct Ground {
    /// Images by the stages that begin with them.
    stages: BTreeMap<String, String>,
    /// What differs when it does, by name.
    identities: Vec<(String, Identity)>,
    /// An image of the stack is not there, and nobody makes it.
    lacks: bool,
}

#[derive(Clone)]
enum Identity {
    /// A folder, whose content counts.
    Folder(PathBuf),
    /// The id of an image; empty where it is not on this machine.
    Image(String),
}

/// Names of an image.
struct Names {
    /// Of all that it is made of, but what is synced.
    tag: String,
    /// Of that as well.
    whole: Option<String>,
    /// The same for whoever comes later.
    shared: Option<String>,
    recipe: Recipe,
}

/// Images that are there already.
struct AtHand {
    /// Has the name that is to be given.
    own: Option<Image>,
    /// Nothing need be built.
    fits: Option<Image>,
}

impl Maker {
    /// The image, and whether it is new.
    pub(super) async fn made(
        &self,
        wanted: &Wanted,
        service: &str,
        news: &News<'_>,
        contents: &mut Contents,
    ) -> Result<(Image, bool), Failure> {
        let ground = self.ground(wanted, service, Some(news), contents).await?;
        if ground.lacks {
            return Err(said(format!("what {service} stands on is not there")));
        }
        let names = self.names(wanted, service, &ground, contents).await?;
        if news.is_of(service) {
            // Those of what it begins with are among its own.
            news.inputs_are(&names.tag, std::mem::take(contents)).await;
        }
        let made = self.had(wanted, service, &names, (&ground, news)).await?;
        // Nobody asks a pass why its images were stale.
        if self.shared.is_none() {
            // Whoever waits for the image does not wait for that.
            tokio::spawn(recipes::remember(names.tag, names.recipe));
        }
        Ok(made)
    }

    async fn had(
        &self,
        wanted: &Wanted,
        service: &str,
        names: &Names,
        (ground, news): (&Ground, &News<'_>),
    ) -> Result<(Image, bool), Failure> {
        let mut found = self.at_hand(wanted, names).await?;
        if let Some(image) = found.fits {
            return Ok((image, false));
        }
        let wish = Wish {
            name: wanted.name.clone(),
            first: wanted.first,
            cores: self.cores().await?,
        };
        let mut waited = false;
        let place = self.places.take(wish, |reason| {
            waited = true;
            news.waits(reason);
        });
        let place = place.await;
        if waited {
            // Whoever had the place before may have made it.
            found = self.at_hand(wanted, names).await?;
            if let Some(image) = found.fits {
                return Ok((image, false));
            }
        }
        if !wanted.force
            && let Some(image) = self.fetched(wanted, names, news).await?
        {
            return Ok((image, false));
        }
        // What it begins with is part of its own making.
        news.making().await;
        let made = self.build(wanted, (service, ground), (names, found.own), news);
        let built = made.await;
        drop(place);
        built
    }

    /// The image of what is there now, if there is one; nothing is built.
    pub(super) async fn found(
        &self,
        wanted: &Wanted,
        service: &str,
    ) -> Result<Option<Image>, Failure> {
        let mut contents = Contents::default();
        let ground = self.ground(wanted, service, None, &mut contents).await?;
        if ground.lacks {
            return Ok(None);
        }
        let names = self.names(wanted, service, &ground, &mut contents).await?;
        let name = names.whole.as_ref().unwrap_or(&names.tag);
        self.engine.inspect_image(name).await.map_err(failure)
    }

    /// What the image of now would be made of; nothing is built.
    pub(super) async fn recipe(&self, wanted: &Wanted, service: &str) -> Result<Recipe, Failure> {
        let mut contents = Contents::default();
        let ground = self.ground(wanted, service, None, &mut contents).await?;
        let names = self.names(wanted, service, &ground, &mut contents).await?;
        Ok(names.recipe)
    }

    /// What it stands on, made where somebody is to hear of it.
    async fn ground(
        &self,
        wanted: &Wanted,
        service: &str,
        news: Option<&News<'_>>,
        contents: &mut Contents,
    ) -> Result<Ground, Failure> {
        let mut ground = Ground::default();
        for (name, context) in &wanted.build.contexts {
            let (stage, identity) = match context {
                BuildContext::Image(image) => (image.clone(), self.id_of(image).await?),
                BuildContext::Folder(folder) => {
                    let context = (name.as_str(), folder.as_path());
                    let stage = match news {
                        Some(news) => self.folder_image(wanted, service, context, news).await?,
                        None => String::new(),
                    };
                    (stage, Identity::Folder(folder.clone()))
                }
                BuildContext::Service { name, build } => {
                    let inner = wanted.context(name, build);
                    let image = match news {
                        Some(news) => {
                            let made = Box::pin(self.made(&inner, name, news, contents));
                            Some(made.await?.0)
                        }
                        None => Box::pin(self.found(&inner, name)).await?,
                    };
                    ground.lacks |= image.is_none();
                    let image = image.unwrap_or_default();
                    (image.name, Identity::Image(image.id))
                }
            };
            ground.stages.insert(name.clone(), stage);
            ground.identities.push((name.clone(), identity));
        }
        for base in bases(&wanted.build).await {
            let id = self.id_of(&base).await?;
            ground.identities.push((format!("FROM {base}"), id));
        }
        Ok(ground)
    }

    async fn id_of(&self, image: &str) -> Result<Identity, Failure> {
        let found = self.engine.inspect_image(image).await.map_err(failure)?;
        Ok(Identity::Image(
            found.map(|found| found.id).unwrap_or_default(),
        ))
    }

    async fn cores(&self) -> Result<usize, Failure> {
        let version = self.engine.version().await.map_err(failure)?;
        Ok(usize::try_from(version.cpus).unwrap_or(1))
    }

    /// What the image of these inputs is called.
    async fn names(
        &self,
        wanted: &Wanted,
        service: &str,
        ground: &Ground,
        contents: &mut Contents,
    ) -> Result<Names, Failure> {
        let version = self.engine.version().await.map_err(failure)?;
        let own = || format!("{}/{}", version.os, version.arch);
        let platform = wanted.build.platform.clone().unwrap_or_else(own);
        let (build, service) = (wanted.build.clone(), service.to_owned());
        let (rules, whole) = (self.rules.clone(), wanted.whole);
        let (identities, mut read) = (ground.identities.clone(), std::mem::take(contents));
        let hashed = blocking(move || {
            // What is synced over anyway is no reason to build.
            let synced = |path: &Path| !rules.image_input(&service, path);
            read.recipe = Recipe::default();
            let hash = hash_of(&build, &platform, &identities, &mut read, &synced)?;
            read.finish();
            let recipe = std::mem::take(&mut read.recipe);
            let mut nothing = Contents::default();
            let all = |_: &Path| false;
            let whole = match whole {
                true => Some(hash_of(&build, &platform, &identities, &mut nothing, &all)?),
                false => None,
            };
            Ok((hash, whole, read, recipe))
        });
        let (hash, whole, read, recipe) = hashed.await?;
        *contents = read;
        let tag = image::image_tag(&wanted.name, &hash);
        let whole = whole.map(|whole| tidying::longer_name(&tag, &whole));
        let shared = whole.as_deref();
        Ok(Names {
            shared: shared.and_then(|name| self.shared_name(wanted, name)),
            whole,
            tag,
            recipe,
        })
    }

    fn shared_name(&self, wanted: &Wanted, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&wanted.stack)?;
        Some(format!("{}{rest}", self.shared.as_ref()?))
    }

    /// What another stack left, under a name of this one's.
    async fn shared(&self, shared: Option<&str>, name: &str) -> Result<Option<Image>, Failure> {
        let Some(shared) = shared else {
            return Ok(None);
        };
        let found = self.engine.inspect_image(shared).await.map_err(failure)?;
        let Some(image) = found else {
            return Ok(None);
        };
        // Whoever tidies up may have been quicker.
        let named = self.engine.name_image(&image.id, name).await;
        Ok(named.is_ok().then_some(image))
    }

    /// Nothing of its inputs stands on an image: of other inputs that come to the same files it is
    /// the same one, and what runs from it need not be replaced.
    fn labels(&self, wanted: &Wanted) -> BTreeMap<String, String> {
        let stack = self.shared.as_ref().unwrap_or(&wanted.stack);
        BTreeMap::from([(label::STACK.to_owned(), stack.clone())])
    }

    /// What there is by these names. Where all counts, what fits gets the shorter name too, by which
    /// it is found where that does not.
    async fn at_hand(&self, wanted: &Wanted, names: &Names) -> Result<AtHand, Failure> {
        let own = self.engine.inspect_image(&names.tag).await;
        let own = own.map_err(failure)?;
        let whole = match &names.whole {
            _ if wanted.force => return Ok(AtHand { own, fits: None }),
            Some(whole) => whole,
            None => {
                let fits = own.clone();
                return Ok(AtHand { own, fits });
            }
        };
        let image = match self.engine.inspect_image(whole).await.map_err(failure)? {
            Some(image) => Some(image),
            None => self.shared(names.shared.as_deref(), whole).await?,
        };
        let Some(image) = image else {
            return Ok(AtHand { own, fits: None });
        };
        if own.as_ref().is_none_or(|own| own.id != image.id) {
            if let Some(other) = &own {
                self.keep(&names.tag, other).await?;
            }
            let named = self.engine.name_image(&image.id, &names.tag).await;
            named.map_err(failure)?;
        }
        let name = names.tag.clone();
        let fits = Some(Image { name, ..image });
        Ok(AtHand { own, fits })
    }

    /// What loses its name goes on under another one, for containers may be made of it.
    async fn keep(&self, tag: &str, image: &Image) -> Result<String, Failure> {
        let name = tidying::longer_name(tag, image.id.trim_start_matches("sha256:"));
        let named = self.engine.name_image(&image.id, &name).await;
        named.map_err(failure)?;
        Ok(name)
    }

    async fn build(
        &self,
        wanted: &Wanted,
        (service, ground): (&str, &Ground),
        (names, before): (&Names, Option<Image>),
        news: &News<'_>,
    ) -> Result<(Image, bool), Failure> {
        let engine = &self.engine;
        let former = match &before {
            Some(image) => Some(self.keep(&names.tag, image).await?),
            None => None,
        };
        self.run(wanted, &names.tag, &ground.stages, news).await?;
        let image = engine.inspect_image(&names.tag).await.map_err(failure)?;
        let image = image
            .ok_or_else(|| said(format!("{} is not there although it was built", names.tag)))?;
        let is_new = before.is_none_or(|before| before.id != image.id);
        if let Some(name) = former.filter(|_| !is_new) {
            engine.remove_image(&name).await.map_err(failure)?;
        }
        if let Some(whole) = &names.whole {
            // What was saved while it was built may be in it or not.
            let mut contents = Contents::default();
            let now = self.names(wanted, service, ground, &mut contents).await?;
            if now.whole.as_ref() == Some(whole) {
                for name in [Some(whole), names.shared.as_ref()].into_iter().flatten() {
                    engine.name_image(&image.id, name).await.map_err(failure)?;
                }
            }
        }
        Ok((image, is_new || wanted.force))
    }

    async fn run(
        &self,
        wanted: &Wanted,
        tag: &str,
        stages: &BTreeMap<String, String>,
        news: &News<'_>,
    ) -> Result<(), Failure> {
        let build = &wanted.build;
        let inline = build.inline.as_deref().map(image::written).transpose();
        let inline = inline.map_err(|error| unwritten(&error))?;
        let (args, cache_from) = self.cached(wanted).await;
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
            args,
            tag: tag.to_owned(),
            labels: self.labels(wanted),
            secrets: secrets
                .map(|(name, content)| (name, SecretSource::Bytes(content.0)))
                .collect(),
            ssh: build.ssh.clone(),
            stages: stages.clone(),
            network: build.network.clone(),
            cache_from,
            no_cache: wanted.no_cache,
            pull: wanted.pull && !build.contexts.values().any(only_here),
        };
        let built = image::build(&endpoint(&self.engine), request, |step| news.step(step)).await;
        built.map_err(|error| explained(error, place.as_ref()))?;
        Ok(())
    }
}

/// The hash of all that an image is made of. Blocks.
fn hash_of(
    build: &Build,
    platform: &str,
    identities: &[(String, Identity)],
    contents: &mut Contents,
    exclude: &dyn Fn(&Path) -> bool,
) -> Result<String, ContextError> {
    let mut contexts = Vec::new();
    for (name, identity) in identities {
        let content = match identity {
            Identity::Folder(folder) => folder_hash((name, folder), contents, exclude)?,
            Identity::Image(id) => {
                let recipe = &mut contents.recipe;
                recipe.note_said(format!("the image {}", named(name)), id.as_bytes());
                id.clone()
            }
        };
        contexts.push((name.clone(), content));
    }
    image::inputs_hash(build, platform, &contexts, contents, |path| {
        exclude(&build.context.join(path))
    })
}

/// By its own name, also where the Dockerfile says it.
fn named(identity: &str) -> &str {
    identity.strip_prefix("FROM ").unwrap_or(identity)
}

fn folder_hash(
    (name, folder): (&str, &Path),
    contents: &mut Contents,
    exclude: &dyn Fn(&Path) -> bool,
) -> Result<String, ContextError> {
    image::folder_hash((name, folder), contents, |path| exclude(&folder.join(path)))
}

/// The images that a Dockerfile itself names. One that cannot be read is told of by whoever needs
/// what is in it.
pub(super) async fn bases(build: &Build) -> Vec<String> {
    let text = match &build.inline {
        Some(text) => text.clone(),
        None => {
            let read = tokio::fs::read(&build.dockerfile).await.unwrap_or_default();
            String::from_utf8_lossy(&read).into_owned()
        }
    };
    let all = dockerfile::bases(&text, &build.args, build.target.as_deref());
    let is_context = |name: &String| build.contexts.contains_key(image::stage_of(name));
    all.into_iter().filter(|name| !is_context(name)).collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ContextError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| said(error.to_string())),
        Err(error) => Err(said(format!("its files could not be read: {error}"))),
    }
}

fn unwritten(error: &std::io::Error) -> Failure {
    said(format!("its Dockerfile could not be written: {error}"))
}

/// Whether the image of a service is what another one begins with.
pub(super) fn others_stand_on(stack: &Stack, service: &str) -> bool {
    let builds = stack.services.iter().filter_map(|one| match &one.source {
        Source::Build(build) => Some(build.as_ref()),
        Source::Image(_) => None,
    });
    builds.into_iter().any(|build| stands_on(build, service))
}

fn stands_on(build: &Build, service: &str) -> bool {
    build.contexts.values().any(|context| match context {
        BuildContext::Service { name, build } => name == service || stands_on(build, service),
        _ => false,
    })
}
