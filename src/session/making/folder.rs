//! A folder that a Dockerfile knows by a name, as an image.

use std::collections::BTreeMap;
use std::path::Path;

use devrun_core::event::Failure;

use super::super::containers::failure;
use super::super::images::{News, endpoint, said};
use super::super::places::Wish;
use super::{Maker, Wanted, blocking, folder_hash, unwritten};
use crate::image::{self, BuildRequest, Contents};

impl Maker {
    /// A folder as an image, which a stage can begin with.
    pub(super) async fn folder_image(
        &self,
        wanted: &Wanted,
        service: &str,
        (context, folder): (&str, &Path),
        news: &News<'_>,
    ) -> Result<String, Failure> {
        let (path, service, whole) = (folder.to_owned(), service.to_owned(), wanted.whole);
        let rules = self.rules.clone();
        let hashed = blocking(move || {
            let synced = |path: &Path| !whole && !rules.image_input(&service, path);
            folder_hash(("", &path), &mut Contents::default(), &synced)
        });
        let name = format!("{}-{context}", wanted.name);
        let tag = image::image_tag(&name, &hashed.await?);
        let shared = self.shared_name(wanted, &tag);
        let is_there = async || {
            let found = self.engine.inspect_image(&tag).await.map_err(failure)?;
            Ok::<_, Failure>(
                found.is_some() || self.shared(shared.as_deref(), &tag).await?.is_some(),
            )
        };
        if is_there().await? {
            return Ok(tag);
        }
        let wish = Wish {
            name,
            first: true,
            cores: self.cores().await?,
        };
        let _place = self.places.take(wish, |reason| news.waits(reason)).await;
        if is_there().await? {
            return Ok(tag);
        }
        let dockerfile = image::written("FROM scratch\nCOPY . /\n");
        let dockerfile = dockerfile.map_err(|error| unwritten(&error))?;
        let request = BuildRequest {
            context: folder.to_owned(),
            dockerfile: dockerfile.path().to_owned(),
            platform: wanted.build.platform.clone(),
            target: None,
            args: BTreeMap::new(),
            tag: tag.clone(),
            labels: self.labels(wanted),
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            stages: BTreeMap::new(),
            network: None,
            cache_from: Vec::new(),
            no_cache: false,
            pull: false,
        };
        let built = image::build(&endpoint(&self.engine), request, |_| ()).await;
        built.map_err(|error| {
            said(format!(
                "the context {context} could not be read from {}: {error}",
                folder.display()
            ))
        })?;
        if let Some(shared) = &shared {
            let named = self.engine.name_image(&tag, shared).await;
            named.map_err(failure)?;
        }
        Ok(tag)
    }
}
