//! Containers, network and volumes: what the core asks for, in calls to the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use devrun_core::effect::PutFile;
use devrun_core::event::{Failure, MakingPart, Outcome, Synced};
use devrun_core::live::Live;
use devrun_core::session::DEAF;
use devrun_core::spec::{ContainerSpec, label};
use devrun_stack::{Network, Stack, Volume};
use futures_util::StreamExt;
use tokio::sync::OnceCell;

use super::agent_binary::AGENT;
use super::agents::Agent;
use super::early::{Early, Of};
use super::hooks;
use super::load::root_hash;
use super::stopping::{self, remove};
use super::users;
use crate::engine::{Created, Engine, EngineError, Found, LogOptions};

/// So many lines of a log explain a failure.
const LOG_LINES: usize = 15;
/// How long the log of a failed service may take to arrive.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// The engine's error as the core wants it.
pub(super) fn failure(error: EngineError) -> Failure {
    Failure {
        message: error.to_string(),
        details: Vec::new(),
        hint: error.hint(),
        container_gone: matches!(error, EngineError::NoSuchContainer { .. }),
        created: None,
        refused: error.is_refusal(),
        away: error.is_away(),
        impossible: matches!(error, EngineError::OutOfRange { .. }),
        port: match error {
            EngineError::PortTaken { port } => Some(port),
            _ => None,
        },
    }
}

/// What is written on networks and volumes: whose they are, and from which checkout.
pub(super) fn labels(stack: &Stack) -> BTreeMap<String, String> {
    let labels = [
        (label::STACK, stack.name.clone()),
        (label::ROOT, root_hash(&stack.root)),
        (label::ROOT_PATH, stack.root.display().to_string()),
    ];
    labels.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Makes network and volumes where they are missing.
pub(super) async fn prepare(
    engine: Engine,
    labels: BTreeMap<String, String>,
    networks: Vec<Network>,
    volumes: Vec<Volume>,
) -> Outcome {
    for network in networks {
        if let Err(failure) = network_ready(&engine, &network, &labels).await {
            return Outcome::Failed(failure);
        }
    }
    let mut existing = Vec::new();
    for volume in volumes {
        match volume_ready(&engine, &volume, &labels).await {
            Ok(true) => existing.push(volume.engine_name),
            Ok(false) => {}
            Err(failure) => return Outcome::Failed(failure),
        }
    }
    Outcome::Prepared { existing }
}

async fn network_ready(
    engine: &Engine,
    network: &Network,
    labels: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let name = &network.engine_name;
    if !network.external {
        return match engine.ensure_network(network, labels).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure(error)),
        };
    }
    if engine.has_network(name).await.map_err(failure)? {
        return Ok(());
    }
    Err(Failure {
        message: format!("the external network {name} is not there"),
        hint: Some(format!(
            "docker network create {name}, or drop external=#true at {}",
            network.at
        )),
        ..Failure::default()
    })
}

/// Whether a volume was there before without having been made for this stack and checkout.
async fn volume_ready(
    engine: &Engine,
    volume: &Volume,
    labels: &BTreeMap<String, String>,
) -> Result<bool, Failure> {
    let name = &volume.engine_name;
    if volume.external {
        return match engine.volume(name).await.map_err(failure)? {
            Some(_) => Ok(false),
            None => Err(Failure {
                message: format!("the external volume {name} is not there"),
                hint: Some(format!(
                    "docker volume create {name}, or drop external=#true at {}",
                    volume.at
                )),
                ..Failure::default()
            }),
        };
    }
    match engine.ensure_volume(name, labels).await.map_err(failure)? {
        Found::Made => Ok(false),
        Found::Existing(theirs) => {
            let stack = labels.get(label::STACK).map_or("", String::as_str);
            let users = engine.volume_users(name).await.map_err(failure)?;
            if let Some(other) = users
                .iter()
                .find(|user| user.writable && user.stack != stack)
            {
                return Err(Failure {
                    message: format!(
                        "the volume {name} is in use by {}, which is not of this stack",
                        other.container
                    ),
                    hint: Some(format!(
                        "stop {}, or run this stack beside it with -p OTHER-NAME",
                        other.container
                    )),
                    ..Failure::default()
                });
            }
            // Those of earlier versions do not say from which checkout they are.
            let elsewhere = theirs
                .get(label::ROOT)
                .is_some_and(|root| Some(root) != labels.get(label::ROOT));
            Ok(elsewhere || theirs.get(label::STACK).map(String::as_str) != Some(stack))
        }
    }
}

/// What comes before the start of a process.
pub(super) struct First {
    /// Written into the container.
    pub(super) files: Vec<PutFile>,
    /// Commands belong to the start, which is remembered.
    pub(super) owes_hooks: bool,
    /// What is synced is brought over; without a Stackfile nobody knows what that is.
    pub(super) early: Option<Early>,
}

impl First {
    /// It may end before anybody compares its files.
    pub(super) fn is_task(&self) -> bool {
        self.early.as_ref().is_some_and(|early| early.is_task)
    }

    /// Some of it lies in volumes, which a container that still runs may have as well.
    pub(super) fn is_shared(&self) -> bool {
        let Some(early) = &self.early else {
            return false;
        };
        let targets = early.rules.sync_rules(&early.service).iter();
        let mut paths = (targets.map(|rule| &rule.to)).chain(self.files.iter().map(|it| &it.path));
        paths.any(|path| early.is_in_volume(Path::new(path)))
    }

    /// Writes all of it into a container that does not run.
    pub(super) async fn fill(
        &self,
        engine: &Engine,
        container: &str,
        of: Of<'_>,
    ) -> Result<Synced, Failure> {
        if self.owes_hooks {
            hooks::owed(container);
        }
        put(engine, container, &self.files).await?;
        Ok(self.bring(engine, container, of).await)
    }

    /// Brings over what is synced.
    pub(super) async fn bring(&self, engine: &Engine, container: &str, of: Of<'_>) -> Synced {
        match &self.early {
            Some(early) => early.bring(engine, container, of).await,
            None => Synced::default(),
        }
    }
}

/// The volume with the agent, made at the first container of a session.
pub(super) async fn agent_volume(
    engine: &Engine,
    volume: &OnceCell<String>,
    image: &str,
) -> Result<String, Failure> {
    let volume = volume.get_or_try_init(|| engine.ensure_agent_volume(AGENT, image));
    volume.await.cloned().map_err(failure)
}

/// Makes a container and starts it.
pub(super) async fn create(
    engine: Engine,
    spec: ContainerSpec,
    first: First,
    volume: String,
    over: impl Fn(MakingPart),
) -> Outcome {
    let mut created = engine.create(&spec, Some(&volume)).await;
    if matches!(created, Err(EngineError::NameTaken { .. })) && clear_our_own(&engine, &spec).await
    {
        created = engine.create(&spec, Some(&volume)).await;
    }
    let created = match created {
        Ok(created) => created,
        Err(error) => return Outcome::Failed(name_taken(&engine, &spec, error).await),
    };
    over(MakingPart::Created);
    let image = Of::Image(&spec.image_id);
    let outcome = start(&engine, &created.id, image, &first).await;
    of_created(outcome, created)
}

/// How the start of one that was just made is told.
pub(super) fn of_created(outcome: Outcome, created: Created) -> Outcome {
    match outcome {
        Outcome::Failed(failure) if !failure.container_gone => Outcome::Failed(Failure {
            created: Some(created.id),
            ..failure
        }),
        other => other.warned(created.warnings),
    }
}

/// Removes what an earlier attempt left under this name: a container whose start failed, or was
/// given up half-way, is known to the engine alone. Whether there was one.
pub(super) async fn clear_our_own(engine: &Engine, spec: &ContainerSpec) -> bool {
    let Ok(Some(found)) = engine.find_by_name(&spec.name).await else {
        return false;
    };
    let same = |key: &str| found.label(key) == spec.labels.get(key).map_or("", String::as_str);
    let ours = [label::STACK, label::SERVICE, label::ROOT, label::RUN]
        .into_iter()
        .all(same);
    ours && remove(engine, None, &found.id, super::GRACE).await.is_ok()
}

/// What Docker Compose writes on its containers.
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_FOLDER: &str = "com.docker.compose.project.working_dir";

/// A name that is taken: by whom, and the way out.
pub(super) async fn name_taken(
    engine: &Engine,
    spec: &ContainerSpec,
    error: EngineError,
) -> Failure {
    let EngineError::NameTaken { .. } = error else {
        return failure(error);
    };
    let name = &spec.name;
    let found = engine.find_by_name(name).await.ok().flatten();
    let (whose, mend) = match &found {
        Some(other) if !other.label(label::STACK).is_empty() => {
            let (stack, place) = (other.label(label::STACK), other.label(label::ROOT_PATH));
            (
                format!("the container {name} belongs to the stack {stack} in {place}"),
                format!("`devrun down` there, or `docker rm {name}`"),
            )
        }
        Some(other) if !other.label(COMPOSE_PROJECT).is_empty() => {
            let project = other.label(COMPOSE_PROJECT);
            let place = other.label(COMPOSE_FOLDER);
            (
                format!("the container {name} belongs to the Compose project {project} in {place}"),
                format!("`docker compose -p {project} down` removes its containers"),
            )
        }
        _ => (
            format!("there is a container {name} that devrun did not make"),
            format!("docker rm {name}"),
        ),
    };
    Failure {
        message: whose,
        hint: Some(format!(
            "{mend}, or run this stack beside it with -p OTHER-NAME"
        )),
        ..Failure::default()
    }
}

/// Starts a container that exists.
pub(super) async fn start(engine: &Engine, container: &str, of: Of<'_>, first: &First) -> Outcome {
    match first.fill(engine, container, of).await {
        Ok(synced) => launch(engine, container, synced.changed).await,
        Err(failure) => Outcome::Failed(failure),
    }
}

/// Starts a container that has all that it is to begin with; `brought` was brought over for that.
pub(super) async fn launch(engine: &Engine, container: &str, brought: Vec<PathBuf>) -> Outcome {
    let mut done = engine.start(container).await;
    if let Err(EngineError::AddressTaken { .. }) = done {
        // A stranger has it: no address is worth a start that fails.
        done = match engine.give_up_address(container).await {
            Ok(()) => engine.start(container).await,
            Err(error) => Err(error),
        };
    }
    match done {
        Ok(()) => started(engine, container, brought).await,
        Err(error) => Outcome::Failed(port_taken(engine, error).await),
    }
}

/// Stops a container; it is kept.
pub(super) async fn stop(
    engine: Engine,
    agent: Option<Agent>,
    container: String,
    grace: Duration,
) -> Outcome {
    match stopping::stop(&engine, agent.as_ref(), &container, grace).await {
        Ok(deaf) => Outcome::Stopped { deaf },
        Err(error) => Outcome::Failed(failure(error)),
    }
}

/// Stops and removes a container; its volumes stay.
pub(super) async fn discard(
    engine: Engine,
    agent: Option<Agent>,
    container: String,
    grace: Duration,
) -> Outcome {
    match remove(&engine, agent.as_ref(), &container, grace).await {
        Ok(_) => Outcome::Removed,
        Err(error) => Outcome::Failed(failure(error)),
    }
}

/// Changes limits and restart policy of one that is there.
pub(super) async fn update(
    engine: Engine,
    container: String,
    live: Live,
    memory_swap: Option<i64>,
) -> Outcome {
    match engine.update(&container, live, memory_swap).await {
        Ok(()) => Outcome::Updated,
        Err(error) => Outcome::Failed(failure(error)),
    }
}

/// Calls it otherwise.
pub(super) async fn rename(engine: Engine, container: String, name: String) -> Outcome {
    match engine.rename(&container, &name).await {
        Ok(()) => Outcome::Renamed,
        // It may have been done by a call that was given up: the engine refuses the name that it has.
        Err(error) => match engine.inspect(&container).await {
            Ok(Some(found)) if found.name == name => Outcome::Renamed,
            _ => Outcome::Failed(failure(error)),
        },
    }
}

/// Sends a signal to its process.
pub(super) async fn signal(engine: Engine, container: String, signal: String) -> Outcome {
    match engine.kill(&container, &signal).await {
        Ok(()) => Outcome::Signalled,
        Err(error) => Outcome::Failed(failure(error)),
    }
}

/// Restarts the same container.
pub(super) async fn restart(
    engine: Engine,
    agent: Option<Agent>,
    container: String,
    grace: Duration,
) -> Outcome {
    match stopping::restart(&engine, agent.as_ref(), &container, grace).await {
        Ok(deaf) => {
            let outcome = started(&engine, &container, Vec::new()).await;
            outcome.warned(deaf.then(|| DEAF.to_owned()))
        }
        Err(error) => Outcome::Failed(port_taken(&engine, error).await),
    }
}

async fn started(engine: &Engine, container: &str, brought: Vec<PathBuf>) -> Outcome {
    match engine.inspect(container).await {
        Ok(Some(found)) => Outcome::Started {
            container: container.to_owned(),
            started_ns: found.started_ns,
            warnings: Vec::new(),
            brought,
        },
        Ok(None) => Outcome::Failed(Failure {
            message: "it was removed while it was being started".to_owned(),
            container_gone: true,
            ..Failure::default()
        }),
        Err(error) => Outcome::Failed(failure(error)),
    }
}

/// Who has the port, and what to change.
async fn port_taken(engine: &Engine, error: EngineError) -> Failure {
    let EngineError::PortTaken { port } = error else {
        return failure(error);
    };
    let mut told = failure(error);
    if let Ok(Some(holder)) = engine.port_holder(port).await {
        told.message = format!("port {port} of the host is taken by {holder}");
    }
    told
}

pub(super) async fn put(
    engine: &Engine,
    container: &str,
    files: &[PutFile],
) -> Result<(), Failure> {
    if files.is_empty() {
        return Ok(());
    }
    let owner = match files.iter().any(|file| file.for_user) {
        true => users::owner(engine, container).await,
        false => None,
    };
    let folders: BTreeSet<&str> = files.iter().map(|file| file.below.as_str()).collect();
    for folder in folders {
        let tar = tar_of(files, folder, owner).map_err(|error| Failure {
            message: format!("its files could not be packed: {error}"),
            ..Failure::default()
        })?;
        engine
            .upload_tar_bytes(container, folder, tar)
            .await
            .map_err(failure)?;
    }
    Ok(())
}

/// Those that are unpacked in that folder; `owner` is the container's user.
fn tar_of(files: &[PutFile], folder: &str, owner: Option<(u64, u64)>) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files.iter().filter(|file| file.below == folder) {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.0.len() as u64);
        header.set_mode(file.mode);
        header.set_mtime(0);
        if let Some((uid, gid)) = owner.filter(|_| file.for_user) {
            header.set_uid(uid);
            header.set_gid(gid);
        }
        let path = file.path.strip_prefix(folder).unwrap_or(&file.path);
        tar.append_data(
            &mut header,
            path.trim_start_matches('/'),
            file.content.0.as_slice(),
        )?;
    }
    tar.into_inner()
}

/// The last lines of its log.
pub(super) async fn explain(engine: Engine, container: String) -> Outcome {
    let options = LogOptions {
        tail: Some(LOG_LINES),
        ..LogOptions::default()
    };
    let mut log = engine.logs(&container, options);
    let mut lines = Vec::new();
    let read = async {
        while let Some(Ok(line)) = log.next().await {
            lines.push(line.text);
        }
    };
    // A log that does not come is no reason not to say that the service failed.
    let _ = tokio::time::timeout(LOG_PATIENCE, read).await;
    Outcome::Explained { lines }
}
