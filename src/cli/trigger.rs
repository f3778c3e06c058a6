//! `devrun trigger`: what waits for somebody to say so is brought over.

use devrun_core::effect::Exit;
use devrun_stack::{Service, Trigger};
use devrun_wire::session::Ask;

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
    for name in &services {
        if context.stack.service(name).is_some_and(by_itself) && !global.quiet {
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

fn by_itself(service: &Service) -> bool {
    service.trigger == Trigger::Auto
}
