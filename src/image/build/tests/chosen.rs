//! Which ignore file counts for a Dockerfile: ours, and the one that the engine's own frontend
//! chooses when it is given all that it asks for. It says what it has chosen by what it wants left
//! out of the context.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::moby::filesync::packet::file_sync_server::FileSync;
use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::super::super::context::{Context, Entry, Kind};
use super::super::super::filesync::{answer, send};
use super::super::super::progress::Progress;
use super::super::super::secrets::Secrets;
use super::super::super::session::{Offers, Session};
use super::super::super::ssh::Agents;
use super::super::{Dockerfile, Outcome, build_path, context_key, follow};
use super::{Project, Step, endpoint};

/// Has the files of two folders as they are, and applies no rules but those that it is told.
#[derive(Debug, Clone)]
struct Honest {
    dockerfile: PathBuf,
    context: PathBuf,
    /// What is to be left out of the context, once that is said.
    without: Arc<Mutex<Option<BTreeSet<String>>>>,
}

#[tonic::async_trait]
impl FileSync for Honest {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;
    type TarStreamStream = ReceiverStream<Result<Packet, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let asked = request.metadata();
        let said = |key: &str| -> BTreeSet<String> {
            let values = asked.get_all(key).iter();
            values.map(|it| it.to_str().unwrap().to_owned()).collect()
        };
        let mut only = said("include-patterns");
        only.extend(said("followpaths"));
        let without = said("exclude-patterns");
        let folder = match said("dir-name").contains("context") {
            true => self.context.clone(),
            false => self.dockerfile.parent().unwrap().to_owned(),
        };
        if only.is_empty() {
            *self.without.lock().unwrap() = Some(without.clone());
        }
        let wanted = move |entry: &Entry| {
            (only.is_empty() || only.contains(&entry.path)) && !without.contains(&entry.path)
        };
        let entries: Vec<_> = files(&folder).into_iter().filter(wanted).map(Ok).collect();
        let packets = answer(request.into_inner(), move |out, wanted| {
            send(entries.into_iter(), out, wanted).unwrap();
        });
        Ok(Response::new(packets))
    }

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("ask with DiffCopy"))
    }
}

/// Those directly in the folder, in order.
fn files(folder: &Path) -> Vec<Entry> {
    let all = fs::read_dir(folder).unwrap().flatten();
    let mut entries: Vec<Entry> = all
        .filter(|file| file.file_type().unwrap().is_file())
        .map(|file| Entry {
            path: file.file_name().into_string().unwrap(),
            disk: file.path(),
            kind: Kind::File(file.metadata().unwrap().len()),
            mode: 0o644,
            modified: 0,
        })
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

impl Project {
    /// What the engine wants left out, where it chooses.
    async fn left_out_by_engine(&self) -> BTreeSet<String> {
        let request = &self.request;
        let files = Honest {
            dockerfile: request.dockerfile.clone(),
            context: request.context.clone(),
            without: Arc::default(),
        };
        let without = files.without.clone();
        let offers = Offers {
            files,
            secrets: Secrets::with_host_authorities(BTreeMap::new()),
            agents: Agents(BTreeMap::new()),
        };
        let mut tasks = JoinSet::new();
        let key = context_key(request);
        let session = Session::open(&endpoint(), &key, offers, &mut tasks).await;
        let path = build_path(request, &session.unwrap().id);
        let name = request.dockerfile.file_name().unwrap().to_str().unwrap();
        let path = path.replace("dockerfile=Dockerfile", &format!("dockerfile={name}"));
        let post = hyper::Request::post(path).header("Host", "engine");
        let post = post.body(Full::new(Bytes::new())).unwrap();
        let mut sender = endpoint().connect(&mut tasks).await.unwrap();
        let response = sender.send_request(post).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut progress = Progress::new(Dockerfile::parse(""));
        match follow(response, &mut progress, &mut |_: Step| {}).await {
            Ok(Outcome::Image(id)) => self.images.lock().unwrap().push(id),
            Ok(Outcome::Error(message)) => panic!("{message}"),
            Err(error) => panic!("{error}"),
        }
        let without = without.lock().unwrap().take();
        without.expect("the engine asks for the context")
    }

    /// What we leave out.
    fn left_out(&self) -> BTreeSet<String> {
        let request = &self.request;
        let context = Context::open(&request.context, &request.dockerfile).unwrap();
        let kept: BTreeSet<String> = context.walk().unwrap().map(|it| it.unwrap().path).collect();
        let all = ["own", "main", "kept"].map(str::to_owned);
        all.into_iter()
            .filter(|name| !kept.contains(name))
            .collect()
    }
}

#[tokio::test]
async fn the_ignore_file_that_counts_is_the_one_that_the_engine_chooses() {
    let places = [
        "Dockerfile",
        "context/Dockerfile",
        "context/app.Dockerfile",
        "below/of.app",
    ];
    let own_texts = [None, Some("own\n"), Some(""), Some("# nothing\n")];
    for (place, own, main) in places.iter().flat_map(|place| {
        let texts = own_texts.iter().flat_map(|own| [(own, true), (own, false)]);
        texts.map(move |(own, main)| (place, own, main))
    }) {
        let mut project = Project::new("chosen", "");
        for name in ["own", "main", "kept"] {
            project.write(name, name);
        }
        let dockerfile = project.dir.path().join(place);
        fs::create_dir_all(dockerfile.parent().unwrap()).unwrap();
        fs::write(&dockerfile, "FROM scratch\nCOPY . /\n").unwrap();
        if let Some(own) = own {
            let file = format!("{}.dockerignore", dockerfile.display());
            fs::write(file, own).unwrap();
        }
        if main {
            project.write(".dockerignore", "main\n");
        }
        project.request.dockerfile = dockerfile;
        assert_eq!(
            project.left_out(),
            project.left_out_by_engine().await,
            "{place}, with {own:?} of its own; one of the context: {main}"
        );
    }
}
