//! `devrun events`: what happens, one JSON object a line.

use devrun_core::effect::Exit;
use devrun_wire::session::{Ask, Tell};

use super::Trouble;
use super::arguments::{Events, Global};
use super::client::{Client, place};
use super::context::Context;
use super::output::line;
use super::signals::Signals;

pub(super) async fn run(global: &Global, options: &Events) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let ask = match options.follow {
        true => Ask::Follow,
        false => Ask::History,
    };
    let Some(mut client) = Client::ask(&place(&context)?, &ask).await? else {
        return Err(Trouble::new(
            Exit::Failed,
            format!("{} has no session, so nothing happens", context.stack.name),
        )
        .hint("devrun up"));
    };
    let mut signals = Signals::listen()?;
    loop {
        let tell = tokio::select! {
            tell = client.next() => tell?,
            () = signals.next() => return Ok(Exit::Done.code()),
        };
        match tell {
            Some(Tell::Notice { notice }) => line(global.color, &notice.to_string())?,
            Some(_) => {}
            None => return Ok(Exit::Done.code()),
        }
    }
}
