//! `devrun trigger`: what waits for somebody to say so is brought over, rules that are paused act
//! again, and what failed is tried again.

use devrun_core::effect::Exit;
use devrun_stack::{Service, Trigger};
use devrun_wire::session::{Ask, ServiceStatus, SyncInfo};

use super::Trouble;
use super::arguments::{Global, Names};
use super::client::{Client, place};
use super::context::Context;
use super::up::{Printer, follow};
use crate::report::paint::{DIM, stderr_line};
use crate::report::{Clock, Reader};

pub(super) async fn run(global: &Global, options: &Names, clock: Clock) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let services = context.services(&options.services)?;
    let status = match Client::ask(&place(&context)?, &Ask::Status { caught_up: false }).await? {
        Some(mut client) => client.status().await?,
        None => None,
    };
    let known = |name: &String| status.as_ref()?.services.iter().find(|it| it.name == *name);
    for name in &services {
        let by_itself = context.stack.service(name).is_some_and(by_itself);
        if by_itself && !known(name).is_some_and(needs_it) && !global.quiet {
            let text = format!(
                "{DIM}saves of {name} are brought over by themselves; `trigger manual` in it lets \
                 them wait{DIM:#}"
            );
            stderr_line(global.color, &text);
        }
    }
    let ask = Ask::Trigger { services };
    match Client::ask(&place(&context)?, &ask).await? {
        Some(client) => {
            let printer = Printer::new(global, &context, clock, Reader::Caller);
            follow(client, printer, true).await
        }
        None => Err(
            Trouble::new(Exit::Failed, "no session collects saves of this stack")
                .hint("devrun up -d brings over whatever differs"),
        ),
    }
}

/// There is something to go on with, or to try again.
fn needs_it(service: &ServiceStatus) -> bool {
    let unsynced = |sync: &SyncInfo| !sync.not_synced.is_empty();
    !service.paused.is_empty()
        || service.stale
        || service.pending > 0
        || service.state == "failed"
        || service.sync.as_ref().is_some_and(unsynced)
}

fn by_itself(service: &Service) -> bool {
    service.trigger == Trigger::Auto
}
