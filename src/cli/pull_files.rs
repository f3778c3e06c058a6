//! `devrun pull-files`: files of a container for the host, listed before they come.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use devrun_core::effect::Exit;
use devrun_core::plan::Named;
use devrun_core::spec::ContainerState;
use devrun_wire::session::{Ask, PullFile, Tell};
use serde_json::json;

use super::arguments::{Format, Global, PullFiles};
use super::client::{Client, place};
use super::context::Context;
use super::output::line;
use super::run::trouble;
use super::{Trouble, down};
use crate::engine::Engine;
use crate::report::counted;
use crate::report::paint::{BAD, BUSY, DIM, GOOD};
use crate::session::single::{rules_of, shown};
use crate::session::{Found, Newer, Pull, look};

pub(super) async fn run(global: &Global, options: &PullFiles) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let engine = Engine::connect().await?;
    let containers = down::ours(engine.snapshot(&context.stack.name).await?, &context)?;
    let running = |name: &str| {
        let found = containers.iter().find(|one| one.service() == name);
        found.filter(|one| one.state == ContainerState::Running)
    };
    let service = context.one(&options.service, |name| running(name).is_some())?;
    let declared = context.stack.service(&service);
    if declared.is_none_or(|service| service.sync.is_empty()) {
        let message = format!("{service} has no `sync`, so it is not known where its files belong");
        return Err(Trouble::usage(message).hint("docker cp copies any file of a container"));
    }
    let Some(container) = running(&service) else {
        let message = format!("{service} does not run");
        return Err(Trouble::new(Exit::Failed, message).hint(format!("devrun up -d {service}")));
    };
    let rules = rules_of(&context.stack);
    let whose = (service.as_str(), container.id.as_str());
    let pull = look(&engine, &rules, whose, &Named::new(&options.patterns)).await;
    let pull = pull.map_err(|failure| trouble(&service, failure))?;
    let coming: Vec<&Found> = pull
        .found
        .iter()
        .filter(|found| found.newer != Newer::OnHost)
        .collect();
    if global.format == Format::Text {
        list(global, &context, &pull)?;
    }
    let bring = !options.dry_run && !coming.is_empty() && agreed(options, coming.len())?;
    let mut failed = Vec::new();
    if bring {
        let reasons = brought(&context, &service, &pull, &coming).await?;
        let came = coming.iter().zip(reasons);
        failed.extend(came.filter_map(|(found, reason)| Some((*found, reason?))));
    }
    report(global, &context, &pull, (bring, &failed))?;
    Ok(match failed.is_empty() {
        true => Exit::Done.code(),
        false => Exit::Failed.code(),
    })
}

/// Brings them over: by the session, which knows then that they are no saves of the host; alone
/// where none runs. Why not, of those that did not come.
async fn brought(
    context: &Context,
    service: &str,
    pull: &Pull,
    coming: &[&Found],
) -> Result<Vec<Option<String>>, Trouble> {
    let files: Vec<PullFile> = coming.iter().map(|found| found.asked()).collect();
    let ask = Ask::Pull {
        service: service.to_owned(),
        files: files.clone(),
    };
    let Some(mut session) = Client::ask(&place(context)?, &ask).await? else {
        return Ok(pull.bring(&files).await);
    };
    while let Some(tell) = session.next().await? {
        if let Tell::Pulled { reasons } = tell {
            return Ok(reasons);
        }
    }
    Err(Trouble::new(Exit::Failed, "the session ended"))
}

/// What would come, and what stays.
fn list(global: &Global, context: &Context, pull: &Pull) -> Result<(), Trouble> {
    for found in &pull.found {
        let (style, word, rest) = match found.newer {
            Newer::New => (GOOD, "new", ""),
            Newer::Inside => (BUSY, "newer", ", replaces the host's older one"),
            Newer::OnHost => (DIM, "stays", ", the host's is newer"),
        };
        let path = shown(&context.stack, &found.path);
        let size = counted(usize::try_from(found.size).unwrap_or(usize::MAX), "byte");
        let text = format!("  {style}{word:<6}{style:#} {path}  {DIM}{size}{rest}{DIM:#}");
        line(global.color, &text)?;
    }
    Ok(())
}

/// Whether somebody says yes; nobody is asked without a terminal.
fn agreed(options: &PullFiles, count: usize) -> Result<bool, Trouble> {
    if options.yes {
        return Ok(true);
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let message = format!(
            "{} would come, and nobody can be asked",
            counted(count, "file")
        );
        return Err(Trouble::usage(message).hint("--yes brings them, --dry-run only lists them"));
    }
    let mut stderr = std::io::stderr();
    let asked = write!(
        stderr,
        "bring {} to the host? [y/N] ",
        counted(count, "file")
    );
    let asked = asked.and_then(|()| stderr.flush());
    let mut answer = String::new();
    let answered = asked.and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    answered.map_err(|error| Trouble::local("asking", &error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn report(
    global: &Global,
    context: &Context,
    pull: &Pull,
    (brought, failed): (bool, &[(&Found, String)]),
) -> Result<(), Trouble> {
    let reason = |found: &Found| {
        let failed = failed.iter().find(|(one, _)| one.path == found.path);
        failed.map(|(_, reason)| reason.clone())
    };
    if global.format == Format::Json {
        let files: Vec<serde_json::Value> = pull
            .found
            .iter()
            .map(|found| {
                let newer = match found.newer {
                    Newer::New => "new",
                    Newer::Inside => "container",
                    Newer::OnHost => "host",
                };
                let came = brought && found.newer != Newer::OnHost && reason(found).is_none();
                json!({
                    "path": shown(&context.stack, &found.path).to_string(),
                    "newer": newer, "size": found.size, "brought": came, "reason": reason(found),
                })
            })
            .collect();
        return line(global.color, &json!({ "files": files }).to_string());
    }
    for (found, reason) in failed {
        let path = shown(&context.stack, &found.path);
        line(
            global.color,
            &format!("  {BAD}not{BAD:#}    {path}: {reason}"),
        )?;
    }
    let coming = pull
        .found
        .iter()
        .filter(|found| found.newer != Newer::OnHost);
    let coming = coming.count();
    let text = match coming {
        0 => {
            "nothing would come: what differs is newer on the host, or there is nothing".to_owned()
        }
        _ if brought => format!("{} brought", counted(coming - failed.len(), "file")),
        _ => format!("{} would come", counted(coming, "file")),
    };
    match global.quiet {
        true => Ok(()),
        false => line(global.color, &text),
    }
}
