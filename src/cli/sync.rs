//! `devrun sync`: containers are in line with the host, or it is said where they are not.

use std::sync::Arc;

use devrun_core::effect::Exit;
use devrun_core::notice::NoticeEvent;
use devrun_core::plan::Rules;
use devrun_core::spec::ContainerState;
use devrun_wire::session::{Ask, Compared, Status, Tell};
use serde_json::json;

use super::Trouble;
use super::arguments::{Format, Global, Sync};
use super::client::{Client, place};
use super::context::Context;
use super::down;
use super::output::line;
use super::run::trouble;
use super::signals::Signals;
use crate::engine::Engine;
use crate::report::paint::{BAD, BUSY, DIM, GOOD, NAME};
use crate::report::{Stamped, counted, first};
use crate::session::place::Place;
use crate::session::single::rules_of;
use crate::session::{follow_alone, sync_alone, verify_alone};

/// What became of one service.
struct Told {
    compared: Compared,
    /// What followed.
    then: Vec<String>,
    /// It is not as it should be.
    failed: bool,
}

pub(super) async fn run(global: &Global, options: &Sync) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let services = asked(&context, options)?;
    let place = place(&context)?;
    // What was saved before the call is noticed first.
    let told = match Client::ask(&place, &Ask::Status { caught_up: true }).await? {
        Some(mut client) => match client.status().await? {
            Some(status) => by_session(&place, &status, services, options.verify).await?,
            None => alone(&context, services, options.verify).await?,
        },
        None => alone(&context, services, options.verify).await?,
    };
    print(global, options.verify, &told)?;
    Ok(match told.iter().any(|one| one.failed) {
        true => Exit::Failed.code(),
        false => Exit::Done.code(),
    })
}

/// The services named, else all that sync something.
fn asked(context: &Context, options: &Sync) -> Result<Vec<String>, Trouble> {
    let named = context.services(&options.services)?;
    let all = &context.stack.services;
    let syncs = |name: &String| {
        let found = context.stack.service(name);
        found.is_some_and(|service| !service.sync.is_empty())
    };
    if let Some(name) = named.iter().find(|name| !syncs(name)) {
        let message = format!("{name} has no `sync`: there is nothing to compare");
        return Err(Trouble::usage(message));
    }
    if !named.is_empty() {
        return Ok(named);
    }
    let names = all.iter().map(|service| service.name.clone());
    let found: Vec<String> = names.filter(syncs).collect();
    match found.is_empty() {
        true => Err(Trouble::usage(
            "no service has a `sync`: there is nothing to compare",
        )),
        false => Ok(found),
    }
}

async fn by_session(
    place: &Place,
    status: &Status,
    services: Vec<String>,
    verify: bool,
) -> Result<Vec<Told>, Trouble> {
    if verify {
        let Some(mut client) = Client::ask(place, &Ask::Verify { services }).await? else {
            return Err(ended());
        };
        while let Some(tell) = client.next().await? {
            if let Tell::Verified { services } = tell {
                return Ok(services.into_iter().map(verified).collect());
            }
        }
        return Err(ended());
    }
    let runs = |name: &String| {
        let found = status.services.iter().find(|it| it.name == *name);
        found.is_some_and(|it| {
            let state = it.state.as_str();
            matches!(state, "ready" | "unhealthy" | "updating" | "starting")
        })
    };
    let (running, others): (Vec<String>, Vec<String>) = services.iter().cloned().partition(runs);
    let mut told: Vec<Told> = others.into_iter().map(|name| not_running(&name)).collect();
    if !running.is_empty() {
        told.extend(brought_over(place, running).await?);
    }
    told.sort_by_key(|one| {
        services
            .iter()
            .position(|name| *name == one.compared.service)
    });
    Ok(told)
}

/// Lets the session compare, and hears what it tells until all is done.
async fn brought_over(place: &Place, services: Vec<String>) -> Result<Vec<Told>, Trouble> {
    let mut signals = Signals::listen()?;
    let mut told: Vec<Told> = services.iter().map(|name| not_compared(name)).collect();
    let Some(mut client) = Client::ask(place, &Ask::Sync { services }).await? else {
        return Err(ended());
    };
    loop {
        let tell = tokio::select! {
            tell = client.next() => tell?.ok_or_else(ended)?,
            () = signals.next() => return Err(Trouble::new(Exit::Interrupted, "")),
        };
        let Tell::Notice { notice } = tell else {
            continue;
        };
        let Ok(Stamped { notice, .. }) = serde_json::from_value::<Stamped>(notice) else {
            continue;
        };
        let service = notice.service.unwrap_or_default();
        let one = told.iter_mut().find(|one| one.compared.service == service);
        match (one, notice.event) {
            (_, NoticeEvent::Settled { .. }) => return Ok(told),
            (_, NoticeEvent::SessionEnded { .. }) => return Err(ended()),
            (Some(one), event) => one.hear(event),
            (None, _) => {}
        }
    }
}

impl Told {
    fn hear(&mut self, event: NoticeEvent) {
        match event {
            // After a restart that followed it is compared once more.
            NoticeEvent::Compared { changed: 0, .. } if self.compared.reason.is_none() => {}
            NoticeEvent::Compared {
                compared,
                changed,
                paths,
                refused,
            } => {
                self.compared.reason = None;
                self.compared.compared = compared;
                self.compared.brought = changed;
                self.compared.changed = paths;
                self.failed = refused > 0;
            }
            NoticeEvent::Warning { message } => self.then.push(message),
            NoticeEvent::UpdateDone {
                outcome,
                action,
                details,
                ..
            } => {
                self.failed |= outcome == "failed";
                self.then.extend((!action.is_empty()).then_some(action));
                self.then.extend(details);
            }
            NoticeEvent::ServiceState { to, reason, .. } if to == "failed" => {
                self.failed = true;
                self.then.push(reason.unwrap_or(to));
            }
            _ => {}
        }
    }
}

/// Where no session runs: by agents of our own.
async fn alone(
    context: &Context,
    services: Vec<String>,
    verify: bool,
) -> Result<Vec<Told>, Trouble> {
    let engine = Engine::connect().await?;
    let containers = down::ours(engine.snapshot(&context.stack.name).await?, context)?;
    let rules = rules_of(&context.stack);
    let mut told = Vec::new();
    for name in &services {
        let found = containers.iter().find(|one| one.service() == name);
        let Some(container) = found.filter(|one| one.state == ContainerState::Running) else {
            told.push(not_running(name));
            continue;
        };
        told.push(match verify {
            true => {
                verified(verify_alone(&engine, &context.stack, &rules, name, &container.id).await)
            }
            false => synced(&engine, context, &rules, name, &container.id).await?,
        });
    }
    Ok(told)
}

async fn synced(
    engine: &Engine,
    context: &Context,
    rules: &Arc<Rules>,
    service: &str,
    container: &str,
) -> Result<Told, Trouble> {
    let synced = sync_alone(engine, &context.stack, rules, service, container).await;
    let (compared, changed) = synced.map_err(|failure| trouble(service, failure))?;
    let mut told = Told {
        failed: !compared.problems.is_empty(),
        compared,
        then: Vec::new(),
    };
    for follow in rules.after_comparison(service, &changed) {
        let done = follow_alone(engine, container, &follow).await;
        told.then.push(
            done.map_err(|failure| trouble(service, failure))?
                .to_owned(),
        );
    }
    Ok(told)
}

fn verified(compared: Compared) -> Told {
    let equal = compared.differences.is_empty() && compared.problems.is_empty();
    Told {
        failed: !equal || compared.reason.is_some(),
        compared,
        then: Vec::new(),
    }
}

/// What does not run cannot be wrong: its next start compares.
fn not_running(service: &str) -> Told {
    let compared = Compared {
        service: service.to_owned(),
        reason: Some("does not run; its next start compares".to_owned()),
        ..Compared::default()
    };
    Told {
        compared,
        then: Vec::new(),
        failed: false,
    }
}

fn not_compared(service: &str) -> Told {
    let mut told = not_running(service);
    told.compared.reason = Some("could not be compared; devrun status says more".to_owned());
    told.failed = true;
    told
}

fn ended() -> Trouble {
    Trouble::new(Exit::Failed, "the session ended")
}

fn print(global: &Global, verify: bool, told: &[Told]) -> Result<(), Trouble> {
    if global.format == Format::Json {
        let services: Vec<serde_json::Value> = told
            .iter()
            .map(|one| {
                let mut object = json!(one.compared);
                if let Some(object) = object.as_object_mut().filter(|_| !one.then.is_empty()) {
                    object.insert("then".to_owned(), json!(one.then));
                }
                object
            })
            .collect();
        return line(global.color, &json!({ "services": services }).to_string());
    }
    let width = told.iter().map(|one| one.compared.service.len()).max();
    let width = width.unwrap_or_default();
    for one in told {
        if global.quiet && !one.failed {
            continue;
        }
        let name = &one.compared.service;
        let text = match &one.compared.reason {
            Some(reason) => format!("{BUSY}{reason}{BUSY:#}"),
            None if verify => of_verified(&one.compared),
            None => of_synced(one),
        };
        line(
            global.color,
            &format!("{NAME}{name:width$}{NAME:#}  {text}"),
        )?;
        for found in &one.compared.differences {
            line(
                global.color,
                &format!("  {BUSY}{:<8}{BUSY:#} {}", found.kind, found.path),
            )?;
        }
        for problem in &one.compared.problems {
            let text = format!(
                "  {BAD}{:<8}{BAD:#} {}: {}",
                "not", problem.path, problem.reason
            );
            line(global.color, &text)?;
        }
    }
    Ok(())
}

fn of_verified(compared: &Compared) -> String {
    let count = counted(compared.compared, "path");
    match compared.differences.len() {
        0 if compared.problems.is_empty() => format!("{count} compared, {GOOD}all equal{GOOD:#}"),
        0 => format!("{count} compared"),
        1 => format!("{count} compared, 1 differs"),
        differ => format!("{count} compared, {differ} differ"),
    }
}

fn of_synced(told: &Told) -> String {
    let changed = &told.compared.changed;
    let count = counted(told.compared.compared, "path");
    let mut text = match told.compared.brought {
        0 if told.failed => format!("{count} compared"),
        0 => format!("{count} compared, {GOOD}all equal{GOOD:#}"),
        all => format!(
            "{count} compared, {all} brought over {DIM}({}){DIM:#}",
            first(changed, all)
        ),
    };
    for then in &told.then {
        text.push_str(", ");
        text.push_str(then);
    }
    text
}
