//! `devrun why`: what happened to a service and what caused it, what saving a path would do, where
//! a URL leads.

mod address;
mod path;
mod story;

use std::path::{Path, PathBuf};

use devrun_core::effect::Exit;
use devrun_stack::Stack;
use devrun_wire::session::{Ask, ServiceStatus, Status, Tell};
use serde_json::{Value, json};

use super::Trouble;
use super::arguments::{Format, Global, Why};
use super::client::{Client, place};
use super::context::Context;
use super::output::line;
use super::status::{current, not_watching};
use crate::report::paint::{self, DIM, NAME};
use crate::report::{Clock, Stamped};
use crate::session::ago;
use crate::session::single::rules_of;

/// What is asked about.
#[derive(Debug, PartialEq, Eq)]
enum Question {
    /// All services.
    All,
    /// One of them.
    Service(String),
    /// A path on the host, absolute.
    Path(PathBuf),
    /// Something a browser asks for.
    Address(address::Address),
}

pub(super) async fn run(global: &Global, options: &Why, clock: Clock) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let here = std::env::current_dir().map_err(|error| Trouble::local("this folder", &error))?;
    match question(&context.stack, &here, options.what.as_deref()) {
        Question::All => services(global, &context, clock, None).await,
        Question::Service(name) => services(global, &context, clock, Some(&name)).await,
        Question::Path(file) => {
            let session = of_session(&context).await.ok().flatten();
            let rules = rules_of(&context.stack);
            let answer = path::answer(&context.stack, &rules, session.as_ref(), &file);
            told(global, &answer.lines, &answer.json)
        }
        Question::Address(asked) => {
            let status = status(&context).await.ok();
            let answer = address::answer(&context.stack, &asked, status.as_ref())?;
            told(global, &answer.lines, &answer.json)
        }
    }
}

/// An answer in both forms.
struct Answer {
    lines: Vec<String>,
    json: Value,
}

/// A name of the stack wins; what looks like a URL is one; a path that starts with `/` is one of the
/// host where it lies in the project or exists, else one of the entry point.
fn question(stack: &Stack, here: &Path, what: Option<&str>) -> Question {
    let Some(what) = what else {
        return Question::All;
    };
    if stack.members(what).next().is_some() {
        return Question::Service(what.to_owned());
    }
    if let Some(address) = address::Address::of(what) {
        return Question::Address(address);
    }
    let path = tidy(&here.join(what));
    if what.starts_with('/') && !path.starts_with(&stack.root) && !path.exists() {
        return Question::Address(address::Address::path(what));
    }
    Question::Path(path)
}

/// Without `.` and `..`; the path need not exist.
fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

/// How the session is, if there is one.
async fn of_session(context: &Context) -> Result<Option<Status>, Trouble> {
    let ask = Ask::Status { caught_up: false };
    match Client::ask(&place(context)?, &ask).await? {
        Some(mut client) => client.status().await,
        None => Ok(None),
    }
}

async fn status(context: &Context) -> Result<Status, Trouble> {
    match of_session(context).await? {
        Some(status) => Ok(status),
        None => current(context).await,
    }
}

/// What the session has told so far; nothing where there is none.
async fn notices(context: &Context) -> Result<Vec<Stamped>, Trouble> {
    let mut notices = Vec::new();
    if let Some(mut client) = Client::ask(&place(context)?, &Ask::History).await? {
        while let Some(tell) = client.next().await? {
            if let Tell::Notice { notice } = tell
                && let Ok(stamped) = serde_json::from_value(notice)
            {
                notices.push(stamped);
            }
        }
    }
    Ok(notices)
}

async fn services(
    global: &Global,
    context: &Context,
    clock: Clock,
    only: Option<&str>,
) -> Result<u8, Trouble> {
    let status = status(context).await?;
    let notices = notices(context).await?;
    not_watching(global, &status);
    let asked = status.services.iter().filter(|service| {
        only.is_none_or(|name| name == service.name || service.service.as_deref() == Some(name))
    });
    let most = if only.is_some() { 20 } else { 3 };
    let mut all = Vec::new();
    for service in asked {
        let happened = story::of(&service.name, &notices, most);
        if global.format == Format::Json {
            let happened: Vec<Value> = happened.iter().map(story::Happened::json).collect();
            all.push(json!({
                "service": service.name, "state": service.state, "reason": service.reason,
                "happened": happened,
            }));
            continue;
        }
        line(global.color, &head(service))?;
        for one in &happened {
            for text in one.lines(clock) {
                line(global.color, &text)?;
            }
        }
        if happened.is_empty() && status.session.is_some() {
            line(
                global.color,
                &format!("  {DIM}nothing was done to it{DIM:#}"),
            )?;
        }
    }
    if global.format == Format::Json {
        line(global.color, &json!({ "services": all }).to_string())?;
    }
    Ok(Exit::Done.code())
}

fn head(service: &ServiceStatus) -> String {
    let style = paint::of_state(&service.state);
    let (name, state) = (&service.name, &service.state);
    let since = service
        .since
        .as_deref()
        .map_or_else(String::new, |since| format!(" since {}", ago(since)));
    let reason = service
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{NAME}{name}{NAME:#} is {style}{state}{style:#}{since}{reason}")
}

fn told(global: &Global, lines: &[String], json: &Value) -> Result<u8, Trouble> {
    match global.format {
        Format::Json => line(global.color, &json.to_string())?,
        Format::Text => {
            for text in lines {
                line(global.color, text)?;
            }
        }
    }
    Ok(Exit::Done.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_is_told_by_its_looks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let stack = Stack {
            root: root.clone(),
            services: vec![devrun_stack::Service {
                name: "api".to_owned(),
                ..Default::default()
            }],
            ..Stack::default()
        };
        let asked = |what: &str| question(&stack, &root, Some(what));
        let inside = root.join("api/views.py");
        assert_eq!(question(&stack, &root, None), Question::All);
        assert_eq!(asked("api"), Question::Service("api".to_owned()));
        assert_eq!(asked("api/./x/../views.py"), Question::Path(inside.clone()));
        assert_eq!(asked(inside.to_str().unwrap()), Question::Path(inside));
        assert_eq!(asked("/etc/hosts"), Question::Path("/etc/hosts".into()));
        assert!(matches!(asked("/api/v1/"), Question::Address(_)));
        assert!(matches!(asked("http://localhost/x"), Question::Address(_)));
        assert!(matches!(asked("localhost:8000/x"), Question::Address(_)));
    }
}
