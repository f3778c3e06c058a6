//! `devrun wait`: until services are ready and all saves are live.

use devrun_core::effect::Exit;
use devrun_wire::session::{Ask, ServiceStatus, Status, SyncInfo};
use tokio::time::Instant;

use super::Trouble;
use super::arguments::{Global, Wait};
use super::client::{Client, place};
use super::context::Context;
use super::status::current;

/// How often a session is asked; an answer costs it next to nothing.
const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(50);

pub(super) async fn run(global: &Global, options: &Wait) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let options = &Wait {
        services: context.services(&options.services)?,
        ..options.clone()
    };
    let place = place(&context)?;
    let end = Instant::now() + options.timeout;
    let mut pause = tokio::time::interval(AGAIN_AFTER);
    loop {
        pause.tick().await;
        let status = match Client::ask(&place, &Ask::Status { caught_up: true }).await? {
            Some(mut client) => client.status().await?,
            None => None,
        };
        let status = match status {
            Some(status) => status,
            None => current(&context).await?,
        };
        let waiting = waiting(&status, &options.services);
        if waiting.is_empty() {
            return Ok(Exit::Done.code());
        }
        let failed: Vec<&&ServiceStatus> = waiting
            .iter()
            .filter(|service| service.state == "failed" || service.stale)
            .collect();
        if !failed.is_empty() && status.settled != Some(false) {
            return Err(Trouble::new(
                Exit::Failed,
                said(failed.into_iter().copied()),
            ));
        }
        if Instant::now() > end {
            let message = format!(
                "not ready after {} s: {}",
                options.timeout.as_secs(),
                said(waiting.into_iter())
            );
            return Err(Trouble::new(Exit::TimedOut, message));
        }
    }
}

/// Those that are not ready, or do not run what was saved.
fn waiting<'a>(status: &'a Status, names: &[String]) -> Vec<&'a ServiceStatus> {
    let asked = |service: &&ServiceStatus| match names.is_empty() {
        true => service.state != "off",
        false => names.contains(&service.name),
    };
    status
        .services
        .iter()
        .filter(asked)
        .filter(|service| {
            let serves = matches!(service.state.as_str(), "ready" | "done");
            // Nobody knows what is in a container before its trees were compared.
            let verifying = |sync: &SyncInfo| sync.state == "verifying";
            let compared = service.state == "done" || !service.sync.as_ref().is_some_and(verifying);
            !serves || service.stale || service.pending > 0 || !compared
        })
        .collect()
}

fn said<'a>(services: impl Iterator<Item = &'a ServiceStatus>) -> String {
    let told = |service: &ServiceStatus| {
        let refused = service
            .sync
            .as_ref()
            .is_some_and(|it| !it.not_synced.is_empty());
        let saves = match service.pending {
            0 => String::new(),
            // The reason says which.
            _ if refused => String::new(),
            1 => ", 1 save is not live yet".to_owned(),
            count => format!(", {count} saves are not live yet"),
        };
        let reason = service.reason.as_deref().unwrap_or("");
        let comma = if refused && service.state == "ready" {
            ","
        } else {
            ""
        };
        let state = format!("{} is {}{comma} {reason}", service.name, service.state);
        format!("{}{saves}", state.trim_end())
    };
    services.map(told).collect::<Vec<_>>().join("; ")
}
