//! Whether saves have changed anything of what the image in use was made of.

use std::path::PathBuf;
use std::sync::Arc;

use devrun_core::event::Outcome;

use crate::image::Contents;

/// What an image was made of, or is being made of.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    image: String,
    contents: Arc<Contents>,
}

impl Looked {
    pub(super) fn new(image: &str, contents: Contents) -> Looked {
        Looked {
            image: image.to_owned(),
            contents: Arc::new(contents),
        }
    }
}

/// Looks at these files alone; the engine is not asked. `Same` only where it is certain.
pub(super) async fn look(known: Option<Looked>, image: String, paths: Vec<PathBuf>) -> Outcome {
    let looked = tokio::task::spawn_blocking(move || {
        known.is_some_and(|known| {
            known.image == image && known.contents.still(paths.iter().map(PathBuf::as_path))
        })
    });
    Outcome::Looked {
        same: looked.await.unwrap_or(false),
    }
}
