//! What was built elsewhere: images that another machine left, and layers of images.

use std::collections::BTreeMap;

use devrun_core::event::Failure;
use devrun_core::spec::Image;
use devrun_stack::CacheFrom;

use super::super::containers::failure;
use super::super::image_cache;
use super::super::images::News;
use super::{Maker, Names, Wanted};

impl Maker {
    /// What another machine left, and what may be of use for building where it left none.
    pub(super) async fn fetched(
        &self,
        wanted: &Wanted,
        names: &Names,
        news: &News<'_>,
    ) -> Result<Option<Image>, Failure> {
        let (from, service) = (&wanted.build.cache_from, wanted.service());
        let Some(shared) = &names.shared else {
            return Ok(None);
        };
        if image_cache::folders(from, service).next().is_none() {
            return Ok(None);
        }
        news.waits("an image that was left by another machine is loaded".to_owned());
        let Some(name) = image_cache::fetch(&self.engine, from, service, shared).await else {
            return Ok(None);
        };
        // The stack may have had another name there.
        if name != *shared {
            let named = self.engine.name_image(&name, shared).await;
            named.map_err(failure)?;
            self.engine.remove_image(&name).await.map_err(failure)?;
        }
        Ok(self.at_hand(wanted, names).await?.fits)
    }

    /// The arguments of a build, and images whose layers it may take. One that is left for other
    /// machines says in itself what its layers are made of.
    pub(super) async fn cached(&self, wanted: &Wanted) -> (BTreeMap<String, String>, Vec<String>) {
        let build = &wanted.build;
        let mut args = build.args.clone();
        let images = build.cache_from.iter().filter_map(|one| match one {
            CacheFrom::Image(image) => Some(image.clone()),
            CacheFrom::Folder(_) => None,
        });
        let mut images: Vec<String> = images.collect();
        if let Some(shared) = &self.shared {
            let (engine, from) = (&self.engine, &build.cache_from);
            let called = format!("{shared}-{}", wanted.service());
            let left = image_cache::fetch_others(engine, from, wanted.service(), &called);
            images.extend(left.await);
            if build.cache_to.is_some() {
                args.entry("BUILDKIT_INLINE_CACHE".to_owned())
                    .or_insert_with(|| "1".to_owned());
            }
        }
        (args, images)
    }
}
