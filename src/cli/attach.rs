//! `devrun attach`: the terminal on the process of a service. Saves wait meanwhile.

use std::io::IsTerminal;

use devrun_core::effect::Exit;
use devrun_core::spec::ContainerState;
use devrun_wire::session::{Ask, Status};

use super::Trouble;
use super::arguments::{Attach, Global};
use super::client::{Client, place};
use super::context::Context;
use super::exec::running;
use super::status::{current, not_watching};
use crate::engine::{Attached, Engine};
use crate::report::paint::{BUSY, DIM, stderr_line};

pub(super) async fn run(global: &Global, options: &Attach) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    context.services(std::slice::from_ref(&options.service))?;
    let engine = Engine::connect().await?;
    let containers = engine.snapshot(&context.stack.name).await?;
    let name = &context.one(&options.service, |name| running(&containers, name))?;
    let Some(service) = context.stack.service(name) else {
        return Err(Trouble::usage(""));
    };
    let found = containers.into_iter().find(|it| it.service() == name);
    let Some(container) = found.filter(|it| it.state == ContainerState::Running) else {
        return Err(
            Trouble::new(Exit::Failed, format!("{name} is not running")).hint(format!(
                "devrun status says why; devrun up -d {name} starts it"
            )),
        );
    };
    let place = place(&context)?;
    // Held until the end: the session takes its own end for ours.
    let session = hold(&place, name).await?;
    if session.is_none() {
        not_watching(global, &current(&context).await?);
    }
    let (tty, input) = engine.streams(&container.id).await?;
    let told = |text: &str| {
        if !global.quiet {
            stderr_line(global.color, text);
        }
    };
    told(&hint(name, tty, input, &service.at.to_string()));
    let attached = engine.attach(&container.id, tty, input).await?;
    let waiting = match &session {
        Some(_) => waiting(&place, name).await?,
        None => 0,
    };
    drop(session);
    match waiting {
        0 => {}
        1 => told(&format!(
            "{BUSY}1 save waited{BUSY:#} and is brought over now"
        )),
        count => told(&format!(
            "{BUSY}{count} saves waited{BUSY:#} and are brought over now"
        )),
    }
    match attached {
        Attached::Left => Ok(Exit::Done.code()),
        Attached::Ended(code) => {
            told(&format!("{DIM}{name} ended with {code}{DIM:#}"));
            Ok(u8::try_from(code).unwrap_or(1))
        }
    }
}

/// From now on saves of the service wait, for as long as what is answered is kept.
async fn hold(
    place: &crate::session::place::Place,
    service: &str,
) -> Result<Option<Client>, Trouble> {
    let ask = Ask::Attach {
        service: service.to_owned(),
    };
    let Some(mut client) = Client::ask(place, &ask).await? else {
        return Ok(None);
    };
    Ok(client.status().await?.map(|_| client))
}

async fn waiting(place: &crate::session::place::Place, name: &str) -> Result<usize, Trouble> {
    let ask = Ask::Status { caught_up: true };
    let Some(mut client) = Client::ask(place, &ask).await? else {
        return Ok(0);
    };
    let status = client.status().await?;
    Ok(status.as_ref().map_or(0, |status| pending(status, name)))
}

fn pending(status: &Status, name: &str) -> usize {
    let service = status.services.iter().find(|it| it.name == name);
    let sync = service.and_then(|service| service.sync.as_ref());
    sync.map_or(0, |sync| sync.pending)
}

fn hint(name: &str, tty: bool, input: bool, at: &str) -> String {
    let leave = match tty && input && std::io::stdin().is_terminal() {
        true => "Ctrl-P Ctrl-Q",
        false => "Ctrl-C",
    };
    let mut text =
        format!("{DIM}on the process of {name}; {leave} leaves, saves wait meanwhile{DIM:#}");
    if !input {
        text.push_str(&format!(
            "\n{BUSY}what you type does not reach it:{BUSY:#} that takes `stdin-open #true` and \
             `tty #true` in {name} ({at})"
        ));
    }
    text
}
