//! What the tests stand on.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use bollard::query_parameters::CreateImageOptions;
use devrun_core::spec::{ContainerSpec, label};
use devrun_stack::{Attachment, Location, Network, Resources, Restart, Settings};
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use super::*;

/// A container that says little about itself.
pub(in crate::engine) fn spec(name: &str, service: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        service: service.into(),
        image: "image".into(),
        image_id: String::new(),
        command: None,
        environment: BTreeMap::new(),
        labels: BTreeMap::new(),
        networks: vec![on("network", &[])],
        ports: Vec::new(),
        mounts: Vec::new(),
        healthcheck: None,
        init: false,
        restart: Restart::No,
        logging: None,
        limits: Resources::default(),
        reservations: Resources::default(),
        folders: Vec::new(),
        settings: Settings::default(),
    }
}

/// A network as every stack has one.
pub(in crate::engine) fn network(name: &str) -> Network {
    Network {
        name: "default".into(),
        engine_name: name.into(),
        internal: false,
        external: false,
        driver: None,
        doc: None,
        at: Location::default(),
    }
}

/// A place on a network.
pub(in crate::engine) fn on(network: &str, aliases: &[&str]) -> Attachment {
    Attachment {
        network: network.into(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
    }
}

pub(super) fn argv(words: &str, last: &str) -> Vec<String> {
    words.split(' ').chain([last]).map(str::to_owned).collect()
}

/// An engine, an image and an empty stack; removes whatever came of it.
pub(in crate::engine) struct Stage {
    pub(in crate::engine) engine: Engine,
    pub(in crate::engine) stack: String,
    pub(super) image: String,
    volumes: Mutex<Vec<String>>,
}

impl Stage {
    pub(in crate::engine) async fn set(name: &str) -> Self {
        let stack = format!("devrun-enginetest-{}-{name}", std::process::id());
        let image = format!("{stack}:1");
        let engine = Engine::connect().await.unwrap();
        let volumes = Mutex::new(vec![format!("{stack}-data")]);
        let stage = Self {
            engine,
            stack,
            image,
            volumes,
        };
        let options = CreateImageOptions {
            from_src: Some("-".into()),
            repo: Some(stage.stack.clone()),
            tag: Some("1".into()),
            ..Default::default()
        };
        let body = bollard::body_full(root().into());
        let steps: Vec<_> = stage
            .engine
            .docker
            .create_image(Some(options), Some(body), None)
            .collect()
            .await;
        assert!(steps.iter().all(Result::is_ok), "{steps:?}");
        stage
            .engine
            .ensure_network(&network(&stage.stack), &stage.labels(""))
            .await
            .unwrap();
        stage
    }

    pub(in crate::engine) fn labels(&self, service: &str) -> BTreeMap<String, String> {
        let labels = [
            (label::STACK, self.stack.as_str()),
            (label::SERVICE, service),
            (label::ROOT, "a-checkout"),
        ];
        labels
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    pub(in crate::engine) fn spec(&self, service: &str, line: &str) -> ContainerSpec {
        ContainerSpec {
            image: self.image.clone(),
            image_id: self.image.clone(),
            command: Some(argv("/bin/sh -c", line)),
            labels: self.labels(service),
            networks: vec![on(&self.stack, &[])],
            ..spec(&format!("{}-{service}", self.stack), service)
        }
    }

    pub(super) async fn running(&self, service: &str) -> String {
        let id = self
            .engine
            .create(&self.spec(service, "sleep 100"), None)
            .await
            .unwrap()
            .id;
        self.engine.start(&id).await.unwrap();
        id
    }

    pub(super) fn also_remove(&self, volume: &str) {
        self.volumes.lock().unwrap().push(volume.to_owned());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let docker = |arguments: &[&str]| {
            Command::new("docker")
                .args(arguments)
                .output()
                .map(|done| done.stdout)
        };
        let of_stack = format!("label={}={}", label::STACK, self.stack);
        let ids = docker(&["ps", "-aq", "--filter", &of_stack]).unwrap_or_default();
        for id in String::from_utf8_lossy(&ids).split_whitespace() {
            let _ = docker(&["rm", "-fv", id]);
        }
        let _ = docker(&["network", "rm", &self.stack]);
        for volume in self.volumes.lock().unwrap().iter() {
            let _ = docker(&["volume", "rm", "-f", volume]);
        }
        let _ = docker(&["rmi", "-f", &self.image]);
    }
}

/// A way to the engine that can be cut: aborting the task closes what goes through it.
pub(super) fn relay(engine: &Engine, socket: &Path) -> JoinHandle<()> {
    let Endpoint::Unix(real) = engine.endpoint().clone() else {
        panic!("these tests need an engine on a socket");
    };
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = UnixStream::connect(&real).await.unwrap();
            connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    })
}

/// A root of one program under several names.
fn root() -> Vec<u8> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find_map(|path| std::fs::read(path).ok());
    let busybox =
        busybox.expect("these tests need a static busybox: apt-get install busybox-static");
    let mut tar = tar::Builder::new(Vec::new());
    let mut entry = |name: &str, kind: tar::EntryType, data: &[u8], link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(data.len() as u64);
        match link {
            "" => tar.append_data(&mut header, name, data).unwrap(),
            link => tar.append_link(&mut header, name, link).unwrap(),
        }
    };
    for folder in ["bin", "tmp", "data"] {
        entry(folder, tar::EntryType::Directory, &[], "");
    }
    entry("bin/busybox", tar::EntryType::Regular, &busybox, "");
    for name in ["sh", "cat", "echo", "sleep", "head", "tr", "stty"] {
        entry(
            &format!("bin/{name}"),
            tar::EntryType::Symlink,
            &[],
            "busybox",
        );
    }
    tar.into_inner().unwrap()
}
