//! What a run leaves behind: removed at its end, and what a run left that was killed by the next.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use devrun_core::effect::Exit;
use devrun_core::keep;
use devrun_core::spec::{Container, label};
use devrun_core::verdict::{Life, Owner};
use devrun_stack::{Mount, MountSource, Stack};
use futures_util::future::try_join_all;

use crate::cli::{Trouble, ending};
use crate::engine::Engine;
use crate::session::load::root_hash;
use crate::session::{place, tidying};

/// Before an owner in the label of what may be kept on purpose: only its file tells that it was not.
const MAY_BE_KEPT: &str = "keep.";

/// This process.
pub(super) fn here() -> Owner {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let boot: String = text("/proc/sys/kernel/random/boot_id")
        .chars()
        .take(8)
        .collect();
    let host = text("/proc/sys/kernel/hostname");
    // Numbers of processes mean nothing elsewhere, nor in another container.
    let view = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let pid = std::process::id();
    Owner {
        pid,
        start: start_of(pid).unwrap_or(0),
        boot: if boot.is_empty() {
            "none".to_owned()
        } else {
            boot
        },
        machine: root_hash(Path::new(&format!("{} {}", host.trim(), view.display()))),
    }
}

/// When a process began that runs.
fn start_of(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    // One that ended and was not asked how is no process any more.
    let runs = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| runs)
}

/// The value of [`label::RUN`].
pub(super) fn run_label(owner: &Owner, may_be_kept: bool) -> String {
    match may_be_kept {
        true => format!("{MAY_BE_KEPT}{owner}"),
        false => owner.to_string(),
    }
}

/// A note of this machine that a run is under way, for the case that it is killed before it has
/// made a container.
#[derive(Debug)]
pub(super) struct Note(PathBuf);

impl Note {
    pub(super) fn leave(stack: &str, owner: &Owner) -> std::io::Result<Note> {
        let folder = notes();
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(stack);
        std::fs::write(&path, owner.to_string())?;
        Ok(Note(path))
    }

    /// All is removed, or kept on purpose.
    pub(super) fn take_back(self) {
        let _ = std::fs::remove_file(self.0);
    }
}

fn notes() -> PathBuf {
    place::folder().join("runs")
}

/// Runs of this machine that were killed: by their notes, and by what they left on the engine.
async fn dead(engine: &Engine, here: &Owner) -> Result<BTreeSet<String>, Trouble> {
    let is_dead = |owner: &str| {
        let owner: Option<Owner> = owner.parse().ok();
        owner.is_some_and(|owner| owner.life(here, start_of) == Life::Dead)
    };
    let mut dead = BTreeSet::new();
    for entry in std::fs::read_dir(notes()).into_iter().flatten().flatten() {
        let owner = std::fs::read_to_string(entry.path()).unwrap_or_default();
        if let (true, Ok(name)) = (is_dead(&owner), entry.file_name().into_string()) {
            dead.insert(name);
        }
    }
    for container in engine.containers_labelled(label::RUN).await? {
        let stack = container.label(label::STACK);
        if is_dead(container.label(label::RUN)) && !stack.is_empty() {
            dead.insert(stack.to_owned());
        }
    }
    Ok(dead)
}

/// Removes what runs left that were killed; answers with their names.
pub(super) async fn clear_dead(engine: &Engine, here: &Owner) -> Result<Vec<String>, Trouble> {
    let mut cleared = Vec::new();
    for stack in dead(engine, here).await? {
        // Under a name that somebody chose, a person's own stack may be by now.
        let containers = engine.snapshot(&stack).await?;
        let somebodys = containers.iter().any(|it| it.label(label::RUN).is_empty());
        if !somebodys {
            clean_up(engine, &stack, None, &Lasting::default()).await?;
            cleared.push(stack.clone());
        }
        let _ = std::fs::remove_file(notes().join(&stack));
    }
    Ok(cleared)
}

/// What a run ends with is the end of all that has its name.
pub(super) async fn not_somebodys(
    engine: &Engine,
    stack: &str,
    here: &Owner,
) -> Result<(), Trouble> {
    let containers = engine.snapshot(stack).await?;
    if let Some(found) = containers.iter().find(|it| it.label(label::RUN).is_empty()) {
        let (name, place) = (&found.name, found.label(label::ROOT_PATH));
        return Err(Trouble::new(
            Exit::Failed,
            format!("the stack {stack} is somebody's own: {name} was started by `up` in {place}"),
        )
        .hint(format!(
            "leave -p out, so that this run gets a name of its own; or devrun -p {stack} down there"
        )));
    }
    let lives = containers.iter().find(|container| {
        let owner = container.label(label::RUN);
        let owner = owner.strip_prefix(MAY_BE_KEPT).unwrap_or(owner);
        let owner: Option<Owner> = owner.parse().ok();
        owner.is_some_and(|owner| owner.life(here, start_of) == Life::Alive)
    });
    match lives {
        None => Ok(()),
        Some(found) => Err(Trouble::new(
            Exit::Failed,
            format!(
                "another run is under way under the name {stack}: {} is of it",
                found.name
            ),
        )
        .hint("leave -p out, so that each run gets a name of its own")),
    }
}

/// Volumes and images of the stack. Under a name that somebody chose they may be from before.
#[derive(Debug, Default)]
pub(super) struct Lasting {
    volumes: BTreeSet<String>,
    images: BTreeSet<String>,
}

pub(super) async fn lasting(engine: &Engine, stack: &str) -> Result<Lasting, Trouble> {
    let of_stack = format!("{}={stack}", label::STACK);
    let shared = keep::shared_name(stack);
    let (volumes, images, shared) = tokio::try_join!(
        engine.volumes_labelled(&of_stack),
        engine.stored_images(stack),
        engine.stored_images(&shared),
    )?;
    let own = format!("{stack}-");
    let shared = shared.into_iter().flat_map(|image| image.names);
    let images = images.into_iter().flat_map(|image| image.names);
    Ok(Lasting {
        volumes: volumes.into_keys().collect(),
        images: images
            .chain(shared.filter(|name| name.starts_with(&own)))
            .collect(),
    })
}

/// Removes all that this run made, data included, and nothing that was there before. Of a stack
/// that is known, what need not be told to end is killed.
pub(super) async fn clean_up(
    engine: &Engine,
    name: &str,
    stack: Option<&Stack>,
    before: &Lasting,
) -> Result<(), Trouble> {
    let of_stack = format!("{}={name}", label::STACK);
    engine.all_made().await;
    let (told, killed) = parting(engine.all_of(name).await?, stack);
    let (needed, free) = needed_by(killed, &told);
    let telling = ending::remove_all(engine, told, ending::End::Discard, |_| {});
    tokio::try_join!(telling, kill(engine, free))?;
    kill(engine, needed).await?;
    let (networks, now) = tokio::join!(engine.networks_labelled(&of_stack), lasting(engine, name));
    let (networks, now) = (networks?, now?);
    let networks = try_join_all(networks.keys().map(|name| engine.remove_network(name)));
    let volumes = now.volumes.difference(&before.volumes);
    let volumes = try_join_all(volumes.map(|name| engine.remove_volume(name)));
    // One after the other: names of one image are.
    let images = async {
        for name in now.images.difference(&before.images) {
            engine.remove_image(name).await?;
        }
        Ok(())
    };
    tokio::try_join!(networks, volumes, images)?;
    if let Some(stack) = stack {
        for old in tidying::old_shared(engine, stack, false).await? {
            // What is not removed now is removed next time.
            let _ = tidying::remove(engine, &old).await;
        }
    }
    Ok(())
}

async fn kill(engine: &Engine, containers: Vec<Container>) -> Result<(), Trouble> {
    let ends = containers.iter().map(|it| engine.discard(&it.id));
    try_join_all(ends).await?;
    Ok(())
}

/// Those that are to be told to end, and those whose end nobody can see: nothing of theirs outlives
/// the run, and nobody said how they want to be ended.
fn parting(containers: Vec<Container>, stack: Option<&Stack>) -> (Vec<Container>, Vec<Container>) {
    let is_to_be_told = |container: &Container| {
        let Some(stack) = stack else { return true };
        let Some(service) = stack.service(container.service()) else {
            return false;
        };
        let outlives = |mount: &Mount| match &mount.source {
            MountSource::Bind(_) => !mount.read_only,
            MountSource::Volume(name) => {
                let mut volumes = stack.volumes.iter();
                volumes.any(|it| it.external && it.engine_name == *name)
            }
        };
        !container.label(label::GRACE).is_empty()
            || !container.label(label::PRE_STOP).is_empty()
            || service.settings.stop_signal.is_some()
            || service.mounts.iter().any(outlives)
    };
    containers.into_iter().partition(is_to_be_told)
}

/// Those on which one of the others depends, and the rest.
fn needed_by(containers: Vec<Container>, others: &[Container]) -> (Vec<Container>, Vec<Container>) {
    let mut needed: BTreeSet<String> = BTreeSet::new();
    let on = |container: &Container| -> Vec<String> {
        let on = container.label(label::DEPENDS_ON).split(',');
        on.filter(|it| !it.is_empty()).map(str::to_owned).collect()
    };
    let mut more: Vec<String> = others.iter().flat_map(on).collect();
    while let Some(name) = more.pop() {
        let found = containers.iter().filter(|it| it.service() == name);
        let further: Vec<String> = found.flat_map(on).collect();
        if needed.insert(name) {
            more.extend(further);
        }
    }
    containers
        .into_iter()
        .partition(|it| needed.contains(it.service()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;
    use devrun_stack::{Service, Volume};

    #[test]
    fn killed_is_whose_end_nobody_can_see() {
        let bind = |read_only| Mount {
            source: MountSource::Bind("/srv".into()),
            target: "/srv".into(),
            read_only,
            at: devrun_stack::Location::default(),
        };
        let service = |name: &str, mounts: Vec<Mount>| Service {
            name: name.into(),
            mounts,
            ..Service::default()
        };
        let lasting = Mount {
            source: MountSource::Volume("data".into()),
            ..bind(false)
        };
        let stack = Stack {
            services: vec![
                service("db", Vec::new()),
                service("writes", vec![bind(false)]),
                service("reads", vec![bind(true)]),
                service("lasts", vec![lasting]),
                service("asks", Vec::new()),
                service("cache", Vec::new()),
            ],
            volumes: vec![Volume {
                name: "data".into(),
                engine_name: "data".into(),
                shared: false,
                external: true,
                doc: None,
                at: devrun_stack::Location::default(),
            }],
            ..Stack::default()
        };
        let container = |name: &str, more: (&'static str, &'static str)| {
            sample::container(name, [(label::SERVICE, name), more])
        };
        let all = vec![
            container("db", (label::DEPENDS_ON, "")),
            container("writes", (label::DEPENDS_ON, "db")),
            container("reads", (label::DEPENDS_ON, "db")),
            container("lasts", (label::DEPENDS_ON, "")),
            container("asks", (label::GRACE, "500")),
            container("cache", (label::DEPENDS_ON, "")),
        ];
        let names = |all: &[Container]| -> Vec<String> {
            all.iter().map(|it| it.service().to_owned()).collect()
        };
        let (told, killed) = parting(all.clone(), Some(&stack));
        assert_eq!(names(&told), ["writes", "lasts", "asks"]);
        let (needed, free) = needed_by(killed, &told);
        assert_eq!(names(&needed), ["db"]);
        assert_eq!(names(&free), ["reads", "cache"]);
        assert_eq!(parting(all, None).1, Vec::new());
    }
}
