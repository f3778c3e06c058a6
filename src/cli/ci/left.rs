//! What a run leaves for machines with another engine: images in folders, by `cache-to`.

use devrun_core::keep::{Stored, shared_name};
use devrun_core::make::image_name;
use devrun_stack::Source;

use super::Stage;
use super::told::Told;
use crate::cli::Trouble;
use crate::session::image_cache;

/// Leaves each image that this run has. One that cannot be left is told, and fails nothing.
pub(super) async fn images(stage: &Stage<'_>, told: &mut Told) -> Result<(), Trouble> {
    let stack = &stage.context.stack;
    let folders = stack
        .services
        .iter()
        .filter_map(|service| match &service.source {
            Source::Build(build) => Some((service, build.cache_to.as_ref()?)),
            Source::Image(_) => None,
        });
    let folders: Vec<_> = folders.collect();
    if folders.is_empty() {
        return Ok(());
    }
    let shared = shared_name(&stack.name);
    let stored = match stage.engine.stored_images(&shared).await {
        Ok(stored) => stored,
        Err(error) => return told.warn(None, format!("no image is left for others: {error}")),
    };
    for (service, folder) in folders {
        // Of several that are built into the same image, the one by which it is called.
        let called = image_name(stack, service);
        let (Some(name), Some(tag)) = (
            called.strip_prefix(&format!("{}-", stack.name)),
            tag_of(&stored, &format!("{called}:")),
        ) else {
            continue;
        };
        let image = format!("{shared}-{name}:{tag}");
        let left = image_cache::leave(stage.engine, folder, name, &image).await;
        if let Err(error) = left {
            told.warn(
                Some(name),
                format!("its image is not left for others: {error}"),
            )?;
        }
    }
    Ok(())
}

/// The hash of all that the image of this run was made of, as it stands in its longer name.
fn tag_of<'a>(stored: &'a [Stored], begin: &str) -> Option<&'a str> {
    let named = stored.iter().flat_map(|image| {
        let tags = image
            .names
            .iter()
            .filter_map(|name| name.strip_prefix(begin));
        tags.map(move |tag| ((image.in_use, image.named_at), tag))
    });
    let whole = named.filter(|(_, tag)| tag.contains('-'));
    whole.max().map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_images_the_one_in_use_is_left_by_its_longer_name() {
        let image = |names: [&str; 2], in_use, named_at| Stored {
            names: names.map(str::to_owned).to_vec(),
            in_use,
            named_at,
            ..Stored::default()
        };
        let stored = [
            image(["shop-ci-1-api:aa", "shop-ci-1-api:aa-11"], false, 9),
            image(["shop-ci-1-api:bb", "shop-ci-1-api:bb-22"], true, 5),
            image(["shop-ci-1-api-two:cc", "shop-ci-1-api-two:cc-33"], true, 7),
        ];
        assert_eq!(tag_of(&stored, "shop-ci-1-api:"), Some("bb-22"));
        assert_eq!(tag_of(&stored[2..], "shop-ci-1-api:"), None);
    }
}
