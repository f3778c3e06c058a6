//! What a run writes: JUnit's XML, its own JSON, logs.

use std::path::Path;
use std::time::Duration;

use devrun_core::verdict::{
    Case, Checked, Head, Outcome, Report, Standing, Suite, document, report,
};
use futures_util::StreamExt;
use time::OffsetDateTime;

use super::Stage;
use super::pass::Ran;
use super::{failed, github};
use crate::cli::Trouble;
use crate::engine::LogOptions;
use crate::report::Clock;
use crate::report::mask::printed;

/// How long reading all logs may take.
const LOGS: Duration = Duration::from_secs(60);

/// The run as data.
pub(super) fn of(stage: &Stage<'_>, ran: &Ran, outcome: &str, reasons: Vec<String>) -> Report {
    let head = Head {
        stack: stage.declared.clone(),
        run: stage.context.stack.name.clone(),
        file: stage.context.options.shown.clone(),
        began: Clock::rfc3339(stage.began),
        outcome: outcome.to_owned(),
        exit_code: ran.end.code,
        reasons,
        left: Vec::new(),
    };
    report(&ran.pass, head, ran.took)
}

/// Writes all that is asked for.
pub(super) fn write(stage: &Stage<'_>, ran: &Ran, report: &Report) -> Result<(), Trouble> {
    let options = stage.options;
    if let Some(path) = &options.junit {
        to_file(path, &junit(stage, ran))?;
    }
    if let Some(path) = &options.report {
        // Plain data of ours: its JSON cannot fail.
        let text = serde_json::to_string_pretty(report).unwrap_or_default();
        to_file(path, &(text + "\n"))?;
    }
    let failed = failed::all(&stage.context.stack, ran);
    github::summary(report, &failed).map_err(|error| Trouble::local("the job's summary", &error))
}

fn to_file(path: &Path, text: &str) -> Result<(), Trouble> {
    let trouble = |error| Trouble::local(&path.display().to_string(), &error);
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(trouble)?;
    }
    std::fs::write(path, printed(text).as_bytes()).map_err(trouble)
}

fn junit(stage: &Stage<'_>, ran: &Ran) -> String {
    let stack = &stage.declared;
    let timestamp = Clock::rfc3339(stage.began);
    let timestamp = timestamp.split('.').next().unwrap_or_default().to_owned();
    let suite = |name: &str, cases: Vec<Case>| Suite {
        name: format!("{stack} {name}"),
        timestamp: timestamp.clone(),
        cases,
    };
    let (tasks, services): (Vec<_>, Vec<_>) = ran
        .pass
        .services
        .iter()
        .filter(|it| it.standing != Standing::Off)
        .partition(|it| it.task);
    let of_service = |service: &&devrun_core::verdict::ServiceRun| {
        let whole = service.told(ran.took).join("\n");
        let reason = service.reason.clone().unwrap_or_default();
        let kind = if service.task { "task" } else { "service" };
        let ready = service
            .spans
            .iter()
            .find(|it| matches!(it.what.as_str(), "ready" | "done" | "failed"));
        Case {
            name: service.name.clone(),
            class: format!("{stack}.{kind}"),
            took: ready.map_or(ran.took, |it| it.from),
            outcome: match service.standing {
                Standing::Ready | Standing::Done | Standing::Off => Outcome::Passed,
                Standing::Failed | Standing::Unhealthy => Outcome::Failed(reason, whole),
                Standing::Going => Outcome::Failed(format!("{}: {reason}", service.state), whole),
            },
            before: Vec::new(),
            output: String::new(),
        }
    };
    let of_check = |run: &devrun_core::verdict::CheckRun| {
        let last = run.attempts.last();
        let told = last.map_or_else(Vec::new, |it| it.why.clone());
        let output: Vec<&str> = run.attempts.iter().map(|it| it.output.as_str()).collect();
        Case {
            name: run.check.name.clone(),
            class: format!("{stack}.check"),
            took: run
                .attempts
                .iter()
                .map(|it| it.to.saturating_sub(it.from))
                .sum(),
            outcome: match run.standing {
                Checked::Passed => Outcome::Passed,
                Checked::Failed => {
                    let first = told.first().cloned().unwrap_or_default();
                    Outcome::Failed(first, told.join("\n"))
                }
                Checked::Running => {
                    Outcome::Failed("cut off when the run ended".to_owned(), String::new())
                }
                Checked::Skipped => Outcome::Skipped(run.skipped.clone().unwrap_or_default()),
                Checked::Pending => Outcome::Skipped("the run ended before".to_owned()),
            },
            before: before(run),
            output: output.join("\n").trim().to_owned(),
        }
    };
    let mut suites = vec![suite("services", services.iter().map(of_service).collect())];
    if !tasks.is_empty() {
        suites.push(suite("tasks", tasks.iter().map(of_service).collect()));
    }
    if !ran.pass.checks.is_empty() {
        suites.push(suite(
            "checks",
            ran.pass.checks.iter().map(of_check).collect(),
        ));
    }
    let collected: Vec<String> = ran
        .collected
        .iter()
        .flat_map(|it| it.suites.clone())
        .collect();
    document(stack, ran.took, &suites, &collected)
}

/// Attempts that did not pass and were not the last.
fn before(run: &devrun_core::verdict::CheckRun) -> Vec<(String, String)> {
    let failed = run
        .attempts
        .split_last()
        .map_or(&[][..], |(_, before)| before);
    let told = |it: &devrun_core::verdict::Attempt| {
        let first = it.why.first().cloned().unwrap_or_default();
        (first, it.told().join("\n"))
    };
    failed.iter().map(told).collect()
}

/// The whole log of each service, and what each check printed.
pub(super) async fn logs(stage: &Stage<'_>, ran: &Ran, folder: &Path) -> Result<(), Trouble> {
    for run in &ran.pass.checks {
        let text: String = run
            .attempts
            .iter()
            .map(|it| format!("{}\n", it.output))
            .collect();
        to_file(
            &folder.join(format!("check-{}.log", run.check.name)),
            text.trim_start(),
        )?;
    }
    let reading = async {
        for container in stage.engine.snapshot(&stage.context.stack.name).await? {
            let name = container.service();
            if name.is_empty() {
                continue;
            }
            let options = LogOptions {
                follow: false,
                tail: None,
                since: None,
            };
            let mut lines = stage.engine.logs(&container.id, options);
            let mut text = String::new();
            while let Some(line) = lines.next().await {
                let line = line?;
                text.push_str(&Clock::rfc3339(line.time));
                text.push(' ');
                text.push_str(&line.text);
                text.push('\n');
            }
            to_file(&folder.join(format!("{name}.log")), &text)?;
        }
        Ok(())
    };
    match tokio::time::timeout(LOGS, reading).await {
        Ok(read) => read,
        Err(_) => Err(Trouble::local("reading the logs", &"it took too long")),
    }
}

/// Now.
pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
