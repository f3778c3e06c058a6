//! `devrun stop`: services end in reverse order; containers and data are kept.

use devrun_core::effect::Exit;
use devrun_core::spec::label;
use devrun_wire::session::Ask;

use super::Trouble;
use super::arguments::{Global, Names};
use super::client::{Client, place};
use super::labels;
use super::{down, ending};
use crate::engine::Engine;
use crate::report::paint::stderr_line;

pub(super) async fn run(global: &Global, options: &Names) -> Result<u8, Trouble> {
    let context = labels::context(global).await?;
    let options = &Names {
        services: context.services(&options.services)?,
    };
    let place = place(&context)?;
    let told = |text: &str| {
        if !global.quiet {
            stderr_line(global.color, text);
        }
    };
    if !options.services.is_empty() {
        let services = options.services.clone();
        if let Some(mut client) = Client::ask(&place, &Ask::Stop { services }).await? {
            client.status().await?;
            told(&format!(
                "stopped {}; containers and data are kept",
                options.services.join(", ")
            ));
            return Ok(Exit::Done.code());
        }
    }
    let engine = Engine::connect().await?;
    if options.services.is_empty() {
        down::end_session(&place).await?;
    }
    let mut containers = down::ours(engine.snapshot(&context.stack.name).await?, &context)?;
    // What somebody runs with `devrun run` ends by itself.
    containers.retain(|container| container.label(label::ONE_OFF).is_empty());
    if !options.services.is_empty() {
        containers.retain(|container| {
            options
                .services
                .iter()
                .any(|name| name == container.service())
        });
    }
    match ending::stop_all(&engine, containers, told).await? {
        0 => told("nothing was running"),
        _ => told("containers and data are kept; `devrun up` starts them again"),
    }
    Ok(Exit::Done.code())
}
