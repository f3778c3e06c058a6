//! `devrun status`: every service, its state, health and why it is in it.

use devrun_core::effect::Exit;
use devrun_wire::session::{Ask, ServiceStatus, Status};

use super::Trouble;
use super::arguments::{Format, Global};
use super::client::{Client, place};
use super::context::Context;
use super::labels;
use super::output::line;
use crate::engine::Engine;
use crate::report::paint::{self, BUSY, DIM};
use crate::report::table;
use crate::session::{ago, without_session};

pub(super) async fn run(global: &Global) -> Result<u8, Trouble> {
    let context = labels::context(global).await?;
    let asked = Client::ask(&place(&context)?, &Ask::Status { caught_up: false }).await?;
    let told = match asked {
        Some(mut client) => client.status().await?,
        None => None,
    };
    let status = match told {
        Some(status) => status,
        None => current(&context).await?,
    };
    match global.format {
        Format::Json => {
            let json =
                serde_json::to_string(&status).map_err(|error| Trouble::local("status", &error))?;
            line(global.color, &json)?;
        }
        Format::Text => print(global, &status)?,
    }
    Ok(Exit::Done.code())
}

/// How things are without a session: what the engine says.
pub(super) async fn current(context: &Context) -> Result<Status, Trouble> {
    let engine = Engine::connect().await?;
    let containers = engine.snapshot(&context.stack.name).await?;
    Ok(without_session(&context.stack, &containers))
}

/// Said before anything else where containers run that nobody watches.
pub(super) fn not_watching(global: &Global, status: &Status) {
    let runs = |service: &ServiceStatus| {
        !matches!(
            service.state.as_str(),
            "stopped" | "off" | "done" | "failed"
        )
    };
    if status.session.is_none() && status.services.iter().any(runs) && !global.quiet {
        paint::stderr_line(
            global.color,
            &format!("{BUSY}not watching{BUSY:#}: saves do not reach these containers. devrun up"),
        );
    }
}

fn print(global: &Global, status: &Status) -> Result<(), Trouble> {
    not_watching(global, status);
    for text in table_of(status).into_iter().chain(polled(status)) {
        line(global.color, &text)?;
    }
    if let Some(wrong) = &status.wrong {
        line(
            global.color,
            &format!("{BUSY}not in force{BUSY:#}: the Stackfile as it was saved last\n{wrong}"),
        )?;
    }
    if global.verbose > 0 {
        for text in status.services.iter().filter_map(synced) {
            line(global.color, &text)?;
        }
    }
    Ok(())
}

/// How changes travel into a container, and what of them is not there.
fn synced(service: &ServiceStatus) -> Option<String> {
    let sync = service.sync.as_ref()?;
    let by = sync.transport.as_deref().unwrap_or("nothing yet");
    let refused = sync.not_synced.iter();
    let refused = refused.map(|it| format!("\n  {}: {}", it.path, it.reason));
    let state = &sync.state;
    Some(format!(
        "{DIM}sync{DIM:#} {}: by {by}, {state}{}",
        service.name,
        refused.collect::<String>()
    ))
}

/// What is noticed later than elsewhere, and why.
fn polled(status: &Status) -> impl Iterator<Item = String> {
    let polled = status.watch.iter().flat_map(|watch| &watch.polled);
    polled.map(|polled| {
        let folders = match polled.folders {
            1 => "1 folder".to_owned(),
            count => format!("{count} folders"),
        };
        format!(
            "{BUSY}polling{BUSY:#} {}: {folders}, {}",
            polled.folder, polled.why
        )
    })
}

fn table_of(status: &Status) -> Vec<String> {
    let rows = status.services.iter().map(|service| {
        let state = paint::of_state(&service.state);
        let since = service.since.as_deref().map_or_else(String::new, ago);
        let ports: Vec<String> = service
            .ports
            .iter()
            .map(|port| format!("{}→{}", port.host, port.container))
            .collect();
        vec![
            table::Cell::styled(paint::NAME, &service.name),
            table::Cell::styled(state, &service.state),
            table::Cell::plain(service.health.as_deref().unwrap_or("-")),
            table::Cell::plain(&since),
            table::Cell::plain(&ports.join(", ")),
            table::Cell::styled(DIM, &details(service)),
        ]
    });
    let head = ["SERVICE", "STATE", "HEALTH", "SINCE", "PORTS", "WHY"];
    table::lines(&head, rows.collect())
}

/// On one line, whatever a probe or a log said.
fn details(service: &ServiceStatus) -> String {
    let mut text = service.reason.clone().unwrap_or_default();
    if let Some(last) = service.details.last().filter(|_| service.state == "failed") {
        text = format!("{text}: {last}");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(object: serde_json::Value) -> serde_json::Value {
        let mut whole = serde_json::json!({
            "health": null, "reason": null, "since": null, "exit_code": null, "container": null,
            "image": null, "ports": [], "routes": [], "restarts": 0, "sync": null,
        });
        if let (Some(whole), Some(object)) = (whole.as_object_mut(), object.as_object()) {
            whole.extend(object.clone());
        }
        whole
    }

    #[test]
    fn one_line_a_service_with_all_that_a_person_asks() {
        let services = [
            serde_json::json!({"name": "db", "state": "ready", "health": "healthy",
                "ports": [{"host": 5432, "container": 5432}]}),
            serde_json::json!({"name": "backend", "state": "failed",
                "reason": "exited with 1,\n3 times in 4 s",
                "details": ["Traceback", "ImportError: djnago"],
                "ports": [{"host": 8000, "container": 80}, {"host": 9000, "container": 9000}]}),
            serde_json::json!({"name": "frontend", "state": "waiting",
                "reason": "for backend, which is failed"}),
            serde_json::json!({"name": "celery", "state": "off", "reason": "--profile with-celery"}),
        ]
        .map(service);
        let status = serde_json::json!({"stack": "app", "file": "/app/Stackfile.kdl",
            "session": null, "proxy": null, "services": services});
        let lines = table_of(&serde_json::from_value(status).unwrap());
        let text = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        insta::assert_snapshot!(text);
    }
}
