//! Images as files, as `docker save` and `docker load` know them.

use std::time::Duration;

use bollard::query_parameters::ImportImageOptions;
use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::classify::classify;
use super::{Engine, EngineError, within};

/// So long an engine may take for one large image.
const LARGE: Duration = Duration::from_secs(600);

/// What the engine says of an image that it has taken in, before the name.
const LOADED: &str = "Loaded image: ";

impl Engine {
    /// Takes in what is in an archive; answers with the name of one image in it.
    pub(crate) async fn load_image(&self, file: File) -> Result<Option<String>, EngineError> {
        let doing = "loading an image";
        let mut answers = self.docker.import_image(
            ImportImageOptions::default(),
            bollard::body_try_stream(ReaderStream::new(file)),
            None,
        );
        let call = async {
            let mut name = None;
            while let Some(answer) = answers.next().await {
                let said = answer?.stream.unwrap_or_default();
                if let Some(loaded) = said.trim_end().strip_prefix(LOADED) {
                    name = Some(loaded.to_owned());
                }
            }
            Ok(name)
        };
        within(doing, LARGE, call).await
    }

    /// Writes an image with this one name into a file.
    pub(crate) async fn save_image(&self, name: &str, file: &mut File) -> Result<(), EngineError> {
        let doing = format!("saving {name}");
        let mut pieces = std::pin::pin!(self.docker.export_image(name));
        let written = async {
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| classify(&doing, error))?;
                let written = file.write_all(&piece).await;
                written.map_err(|error| unwritten(&doing, &error))?;
            }
            file.flush()
                .await
                .map_err(|error| unwritten(&doing, &error))
        };
        let limit = LARGE;
        let late = |_| EngineError::TimedOut {
            doing: doing.clone(),
            limit,
        };
        tokio::time::timeout(limit, written).await.map_err(late)?
    }
}

fn unwritten(doing: &str, error: &std::io::Error) -> EngineError {
    EngineError::Local {
        doing: doing.to_owned(),
        detail: error.to_string(),
    }
}
