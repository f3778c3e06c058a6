//! One file a family of words: what they may say, and how it lands in a [`crate::draft::Draft`].

mod build;
mod check;
mod depends;
mod environment;
mod files;
mod health;
mod mounts;
mod networks;
mod ports;
mod route;
mod service;
mod settings;
mod sync;
mod tls;
mod top;
mod update;
mod vars;

pub(crate) use check::checks;
pub(crate) use environment::{Assigned, service_file, variable_file};
pub(crate) use files::contents;
pub(crate) use networks::{
    DEFAULT as DEFAULT_NETWORK, engine_name as network_name, unsaid as default_network,
};
pub(crate) use service::{edits_inside, service_word};
pub(crate) use top::{Document, Kind, ServiceNode, document, stack_name};
pub(crate) use vars::variables;

use crate::context::{Context, Text};
use crate::model::Command;

/// One string is a shell line, several are an argv.
fn command(cx: &mut Context<'_>, words: &[Text]) -> Option<Command> {
    let mut texts: Vec<String> = words.iter().map(|word| cx.string(word)).collect();
    if words.iter().any(|word| word.broken) {
        return None;
    }
    if let Some(first) = words.first().filter(|first| first.value.trim().is_empty()) {
        let problem = cx
            .error(
                "stackfile::value",
                first.span,
                "empty",
                "this command is empty",
            )
            .advise("one string is a line for the shell, several are a program and its arguments");
        cx.report(problem);
        return None;
    }
    Some(if texts.len() == 1 {
        Command::Shell(texts.swap_remove(0))
    } else {
        Command::Argv(texts)
    })
}
