//! `devrun trigger`: what waits for somebody to say so is brought over.

use devrun_core::effect::Exit;
use devrun_stack::Trigger;
use devrun_wire::session::Ask;

use super::Trouble;
use super::arguments::{Global, Names};
use super::client::{Client, place};
use super::context::Context;
use super::up::{Printer, follow};
use crate::report::{Clock, Reader};

pub(super) async fn run(global: &Global, options: &Names, clock: Clock) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let options = &Names {
        services: context.services(&options.services)?,
    };
    let by_itself = options.services.iter().find(|name| {
        let service = context.stack.service(name);
        service.is_some_and(|service| service.trigger == Trigger::Auto)
    });
    if let Some(name) = by_itself {
        return Err(
            Trouble::usage(format!("saves of {name} are brought over by themselves"))
                .hint(format!("`trigger manual` in {name} lets them wait")),
        );
    }
    let ask = Ask::Trigger {
        services: options.services.clone(),
    };
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
