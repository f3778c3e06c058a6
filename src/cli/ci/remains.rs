//! What a run leaves behind: removed at its end, and what a run left that was killed by the next.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use devrun_core::effect::Exit;
use devrun_core::spec::label;
use devrun_core::verdict::{Life, Owner};

use crate::cli::{Trouble, ending};
use crate::engine::Engine;
use crate::session::load::root_hash;
use crate::session::place;

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
            clean_up(engine, &stack, &Lasting::default()).await?;
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
    let volumes = engine.volumes_labelled(&of_stack).await?;
    let images = engine.stored_images(stack).await?;
    Ok(Lasting {
        volumes: volumes.into_keys().collect(),
        images: images.into_iter().flat_map(|image| image.names).collect(),
    })
}

/// Removes all that this run made, data included, and nothing that was there before.
pub(super) async fn clean_up(
    engine: &Engine,
    stack: &str,
    before: &Lasting,
) -> Result<(), Trouble> {
    let of_stack = format!("{}={stack}", label::STACK);
    let made = engine.snapshot(stack).await?;
    ending::remove_all(engine, made, ending::End::Discard, |_| {}).await?;
    for name in engine.networks_labelled(&of_stack).await?.keys() {
        engine.remove_network(name).await?;
    }
    let now = lasting(engine, stack).await?;
    for name in now.volumes.difference(&before.volumes) {
        engine.remove_volume(name).await?;
    }
    // What they were built from stays in the builder's cache: the next run is as quick.
    for name in now.images.difference(&before.images) {
        engine.remove_image(name).await?;
    }
    Ok(())
}
