//! Images: what is known of them, and pulling.

use std::collections::HashSet;
use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{
    CreateImageOptions, ListContainersOptions, ListImagesOptions, RemoveImageOptions,
    TagImageOptions,
};
use devrun_core::keep::Stored;
use devrun_core::spec::{Image, has_left, label};
use futures_util::StreamExt;
use time::format_description::well_known::Rfc3339;

use super::classify::classify;
use super::{Engine, EngineError, PATIENT, PROMPT, filters, optional, registry, within};
use crate::client::{LoginError, Logins};

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullProgress {
    /// The layer; empty where it is about the whole.
    pub(crate) layer: String,
    /// What the engine says: `Downloading`, `Extracting`, `Pull complete`.
    pub(crate) status: String,
    /// Bytes done and in all, while there are any.
    pub(crate) bytes: Option<(u64, u64)>,
}

/// How long a registry may be silent.
const SILENCE: Duration = Duration::from_secs(120);

impl Engine {
    /// What is known of an image, by name or id; `None` if it is not on this machine.
    pub(crate) async fn inspect_image(
        &self,
        reference: &str,
    ) -> Result<Option<Image>, EngineError> {
        let doing = format!("inspecting {reference}");
        let Some(image) =
            optional(within(&doing, PROMPT, self.docker.inspect_image(reference)).await)?
        else {
            return Ok(None);
        };
        let config = image.config.unwrap_or_default();
        let tcp = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
        let health = config
            .healthcheck
            .and_then(|health| health.test)
            .unwrap_or_default();
        let tag = image.repo_tags.unwrap_or_default().into_iter().next();
        // One whose steps were all in the cache is as old as these, and has its name since now.
        let named = image.metadata.and_then(|metadata| metadata.last_tag_time);
        let made = image.created.max(named);
        Ok(Some(Image {
            id: image.id.unwrap_or_default(),
            name: match reference.starts_with("sha256:") {
                true => tag.unwrap_or_else(|| reference.to_owned()),
                false => reference.to_owned(),
            },
            created: made
                .and_then(|time| time.format(&Rfc3339).ok())
                .unwrap_or_default(),
            working_dir: config.working_dir.unwrap_or_default(),
            exposed: config
                .exposed_ports
                .unwrap_or_default()
                .iter()
                .filter_map(tcp)
                .collect(),
            has_healthcheck: health.first().is_some_and(|first| first != "NONE"),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            nginx: config.env.unwrap_or_default().iter().find_map(|set| {
                let version = set.strip_prefix("NGINX_VERSION=")?;
                Some(version.to_owned())
            }),
        }))
    }

    /// Pulls an image with the credentials that `docker login` left, telling each step.
    pub(crate) async fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        mut progress: impl FnMut(PullProgress),
    ) -> Result<Image, EngineError> {
        let doing = format!("pulling {reference}");
        let (name, tag) = registry::split(reference);
        let credentials = self.credentials(reference).await?;
        let options = CreateImageOptions {
            from_image: Some(name.to_owned()),
            tag: Some(tag.to_owned()),
            platform: platform.unwrap_or_default().to_owned(),
            ..Default::default()
        };
        let mut steps = self.docker.create_image(Some(options), None, credentials);
        loop {
            let step = tokio::time::timeout(SILENCE, steps.next()).await;
            let step = step.map_err(|_| EngineError::RegistryUnreachable {
                image: reference.to_owned(),
                detail: format!("silent for {} s", SILENCE.as_secs()),
            })?;
            match step {
                None => break,
                Some(Ok(CreateImageInfo {
                    error_detail: Some(error),
                    ..
                })) => {
                    return Err(registry::refused(
                        reference,
                        &error.message.unwrap_or_default(),
                    ));
                }
                Some(Ok(info)) => progress(step_of(info)),
                Some(Err(error)) => return Err(pull_error(&doing, reference, error)),
            }
        }
        let pulled = self.inspect_image(reference).await?;
        pulled.ok_or_else(|| EngineError::ImageMissing {
            image: reference.to_owned(),
        })
    }

    async fn credentials(
        &self,
        reference: &str,
    ) -> Result<Option<bollard::auth::DockerCredentials>, EngineError> {
        let server = match registry::host(reference) {
            Some(host) => host.to_owned(),
            // What the engine asks where a reference names no registry, it knows itself.
            None => {
                let info = within(
                    "asking the engine for its registry",
                    PROMPT,
                    self.docker.info(),
                )
                .await?;
                info.index_server_address.unwrap_or_default()
            }
        };
        let unknown = |error: LoginError| EngineError::LoginUnknown {
            image: reference.to_owned(),
            detail: error.to_string(),
        };
        let logins = Logins::of_this_user().await.map_err(unknown)?;
        let login = logins.of(&server).await.map_err(unknown)?;
        Ok(login.map(|(address, login)| registry::credentials(address, login)))
    }

    /// The images of a stack, and which of them a container has.
    pub(crate) async fn stored_images(&self, stack: &str) -> Result<Vec<Stored>, EngineError> {
        let of_stack = format!("{}={stack}", label::STACK);
        let images = ListImagesOptions {
            filters: filters(&[("label", &[&of_stack])]),
            ..Default::default()
        };
        let containers = ListContainersOptions {
            all: true,
            ..Default::default()
        };
        let images = self.docker.list_images(Some(images));
        let images = within("listing images", PROMPT, images).await?;
        let mut stored = Vec::new();
        for image in images {
            // One that went away meanwhile is not of interest.
            let call = self.docker.inspect_image(&image.id);
            let Some(found) = optional(within("inspecting an image", PROMPT, call).await)? else {
                continue;
            };
            let layers = found.root_fs.and_then(|root| root.layers);
            let layers = layers.map_or(0, |layers| layers.len());
            let made_like = serde_json::to_string(&found.config).unwrap_or_default();
            let named_at = found.metadata.and_then(|known| known.last_tag_time);
            stored.push(Stored {
                names: found.repo_tags.unwrap_or_default(),
                named_at: named_at.map_or_else(
                    || i128::from(image.created) * 1_000_000_000,
                    |time| time.unix_timestamp_nanos(),
                ),
                size: u64::try_from(image.size).unwrap_or_default(),
                id: image.id,
                in_use: false,
                leaves: false,
                made_like: format!("{layers} {made_like}"),
            });
        }
        // Asked last: whatever was made of one of them by now is seen.
        let containers = self.docker.list_containers(Some(containers));
        let containers = within("listing containers", PROMPT, containers).await?;
        let (mut used, mut left) = (HashSet::new(), HashSet::new());
        for one in containers {
            let names = one.names.unwrap_or_default();
            let of = if names.iter().any(|name| has_left(name)) {
                &mut left
            } else {
                &mut used
            };
            of.extend(one.image_id);
        }
        for image in &mut stored {
            let is_used = used.contains(&image.id);
            image.leaves = !is_used && left.contains(&image.id);
            image.in_use = is_used || image.leaves;
        }
        Ok(stored)
    }

    /// All names of an image; none where it is not there.
    pub(crate) async fn names_of_image(&self, image: &str) -> Result<Vec<String>, EngineError> {
        let doing = format!("inspecting {image}");
        let found = optional(within(&doing, PROMPT, self.docker.inspect_image(image)).await)?;
        Ok(found.and_then(|found| found.repo_tags).unwrap_or_default())
    }

    /// Gives an image one name more; whatever had it before loses it.
    pub(crate) async fn name_image(&self, image: &str, name: &str) -> Result<(), EngineError> {
        let (repository, tag) = registry::split(name);
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        let call = self.docker.tag_image(image, Some(options));
        within(&format!("naming {name}"), PROMPT, call).await
    }

    /// Removes an image, or one of its names; one that is not there is fine.
    pub(crate) async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let call = self
            .docker
            .remove_image(reference, None::<RemoveImageOptions>, None);
        optional(within(&format!("removing {reference}"), PATIENT, call).await).map(|_| ())
    }
}

fn step_of(info: CreateImageInfo) -> PullProgress {
    let detail = info.progress_detail.unwrap_or_default();
    let size = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok());
    PullProgress {
        layer: info.id.unwrap_or_default(),
        status: info.status.unwrap_or_default(),
        bytes: size(detail.current).zip(size(detail.total)),
    }
}

fn pull_error(doing: &str, reference: &str, error: bollard::errors::Error) -> EngineError {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => registry::refused(reference, &message),
        Error::DockerStreamError { error } => registry::refused(reference, &error),
        other => classify(doing, other),
    }
}
