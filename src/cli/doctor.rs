//! `devrun doctor`: what this machine lacks, each with the mend.

mod engine;
mod host;
mod ports;

use devrun_core::effect::Exit;
use serde::Serialize;

use super::Trouble;
use super::arguments::{Format, Global};
use super::context::load_options;
use super::output::line;
use crate::engine::{Engine, EngineError};
use crate::report::paint::{BAD, BUSY, DIM, GOOD};
use crate::session::load::load;
use crate::session::single::rules_of;
use devrun_stack::Stack;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    name: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding {
            name: name.into(),
            verdict: Verdict::Ok,
            found: found.into(),
            mend: None,
        }
    }

    fn bad(
        name: impl Into<String>,
        verdict: Verdict,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding {
            verdict,
            mend: Some(mend.into()),
            ..Finding::ok(name, found)
        }
    }
}

pub(super) async fn run(global: &Global) -> Result<u8, Trouble> {
    let mut findings = Vec::new();
    let connected = Engine::connect().await;
    let stack = stackfile(global, &mut findings);
    match &connected {
        Ok(engine) => findings.extend(engine::look(engine, stack.as_ref(), &global.profile).await),
        Err(error) => findings.push(no_engine(error)),
    }
    findings.extend(host::look(stack.as_ref().map(rules_of)));
    if let (Ok(engine), Some(stack)) = (&connected, &stack) {
        findings.extend(ports::look(engine, stack, &global.profile).await);
    }
    print(global, &findings)?;
    let wrong = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Wrong);
    Ok(match (connected.is_err(), wrong) {
        (true, _) => Exit::NoEngine,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    }
    .code())
}

/// The Stackfile, if there is a valid one; without one the machine can still be looked at.
fn stackfile(global: &Global, findings: &mut Vec<Finding>) -> Option<Stack> {
    let loaded = load_options(global).ok().map(|options| {
        let loaded = load(&options).ok().and_then(|loaded| loaded.stack.ok());
        (options.shown, loaded)
    });
    let finding = match &loaded {
        None => Finding::bad(
            "Stackfile",
            Verdict::Warning,
            "none here nor in a folder above, so ports and files are not looked at",
            "go to the project's folder, or name it with -f",
        ),
        Some((shown, None)) => Finding::bad(
            "Stackfile",
            Verdict::Wrong,
            format!("{shown} is wrong, so ports and files are not looked at"),
            "devrun check says everything that is wrong with it",
        ),
        Some((shown, Some(stack))) => Finding::ok(
            "Stackfile",
            format!("{shown}, {} services", stack.services.len()),
        ),
    };
    findings.push(finding);
    loaded.and_then(|(_, stack)| stack)
}

fn no_engine(error: &EngineError) -> Finding {
    let found = error.to_string();
    let mend = error
        .hint()
        .unwrap_or_else(|| "start the engine: sudo systemctl start docker".to_owned());
    Finding::bad("engine", Verdict::Wrong, found, mend)
}

fn print(global: &Global, findings: &[Finding]) -> Result<(), Trouble> {
    if global.format == Format::Json {
        let object = serde_json::json!({ "checks": findings });
        return line(global.color, &object.to_string());
    }
    let width = findings.iter().map(|finding| finding.name.len()).max();
    let width = width.unwrap_or(0);
    for finding in findings {
        let (style, word) = match finding.verdict {
            Verdict::Ok => (GOOD, "ok"),
            Verdict::Warning => (BUSY, "warning"),
            Verdict::Wrong => (BAD, "wrong"),
        };
        let Finding { name, found, .. } = finding;
        let text = format!("{style}{word:<7}{style:#}  {name:width$}  {found}");
        line(global.color, text.trim_end())?;
        if let Some(mend) = &finding.mend {
            line(
                global.color,
                &format!(
                    "{:indent$}{DIM}mend: {mend}{DIM:#}",
                    "",
                    indent = width + 11
                ),
            )?;
        }
    }
    Ok(())
}
