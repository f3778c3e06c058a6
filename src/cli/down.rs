//! `devrun down`: the session ends, containers and networks go, data stays unless told.

use std::collections::BTreeMap;

use devrun_core::effect::Exit;
use devrun_core::spec::{Container, label};
use devrun_wire::session::Ask;

use super::Trouble;
use super::arguments::{Down, Global};
use super::client::{Client, place};
use super::context::Context;
use super::ending;
use super::labels;
use crate::engine::Engine;
use crate::report::paint::stderr_line;
use crate::session::load::root_hash;
use crate::session::place::Place;
use crate::session::{clear_left_overs, forget_saves};

/// How long a session may take to let go of its lock.
const LETTING_GO: std::time::Duration = std::time::Duration::from_secs(30);

pub(super) async fn run(global: &Global, options: &Down) -> Result<u8, Trouble> {
    let context = labels::context(global).await?;
    let engine = Engine::connect().await?;
    end_session(&place(&context)?).await?;
    let stack = &context.stack.name;
    let containers: Vec<Container> = ours(engine.all_of(stack).await?, &context)?;
    let told = |text: &str| {
        if !global.quiet {
            stderr_line(global.color, text);
        }
    };
    let how = match options.volumes {
        true => ending::End::Discard,
        false => ending::End::Remove,
    };
    let names: Vec<String> = containers.iter().map(|one| one.name.clone()).collect();
    let removed = ending::remove_all(&engine, containers, how, told).await?;
    forget_saves(&names);
    let networks = engine
        .networks_labelled(&format!("{}={stack}", label::STACK))
        .await?;
    for name in networks.keys() {
        engine.remove_network(name).await?;
        told(&format!("  network {name} removed"));
    }
    if options.volumes {
        let volumes = engine
            .volumes_labelled(&format!("{}={stack}", label::STACK))
            .await?;
        for (name, labels) in &volumes {
            if let Some(place) = other_checkout(labels, &context) {
                told(&format!(
                    "  volume {name} kept: it was made from {place}; `devrun down --volumes` there, or `docker volume rm {name}`"
                ));
                continue;
            }
            engine.remove_volume(name).await?;
            told(&format!("  volume {name} removed, with all data in it"));
        }
    }
    clear_left_overs(&engine).await?;
    if removed == 0 && networks.is_empty() {
        told(&format!("{stack} is down already"));
    }
    Ok(Exit::Done.code())
}

/// The folder that a volume was made from, where that is not this one. Volumes of earlier versions
/// do not say.
fn other_checkout<'a>(labels: &'a BTreeMap<String, String>, context: &Context) -> Option<&'a str> {
    let root = labels.get(label::ROOT)?;
    let place = labels.get(label::ROOT_PATH).map_or("", String::as_str);
    (*root != root_hash(&context.stack.root)).then_some(place)
}

/// The session, if there is one, lets go of the containers without stopping them.
pub(super) async fn end_session(place: &Place) -> Result<(), Trouble> {
    if let Some(mut client) = Client::ask(place, &Ask::End { stop: false }).await? {
        while client.next().await?.is_some() {}
    }
    let end = tokio::time::Instant::now() + LETTING_GO;
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(10));
    while place.is_locked() {
        pause.tick().await;
        if tokio::time::Instant::now() > end {
            return Err(
                Trouble::new(Exit::TimedOut, "the session of this stack does not end")
                    .hint("end it with Ctrl-C where it runs"),
            );
        }
    }
    Ok(())
}

/// Containers of this checkout; those of another one are not ours to touch.
pub(super) fn ours(
    containers: Vec<Container>,
    context: &Context,
) -> Result<Vec<Container>, Trouble> {
    let root = root_hash(&context.stack.root);
    let stranger = containers.iter().find(|container| {
        container.label(label::ROOT) != root && container.label(label::RUN).is_empty()
    });
    match stranger {
        None => Ok(containers),
        Some(stranger) => Err(Trouble::new(
            Exit::Failed,
            format!(
                "{} belongs to the stack of the same name in {}",
                stranger.name,
                stranger.label(label::ROOT_PATH)
            ),
        )
        .hint("end that one in its own folder, or name this one otherwise with -p")),
    }
}
