//! `var`: what a person may set.

use kdl::{KdlDocument, KdlNode};
use miette::SourceSpan;

use crate::context::Context;
use crate::dotenv;
use crate::line::{Block, Line, Shape};
use crate::model::Variable;

const VAR: Shape = Shape {
    words: (1, 2),
    properties: &["doc", "secret", "required", "choices"],
    block: Block::Never,
    example: "var PROXY_PORT 80 doc=\"the one entry point\"",
};

/// Reads all `var` nodes, in order; answers with the values that are never printed.
pub(crate) fn variables(cx: &mut Context<'_>, kdl: &KdlDocument) -> Vec<String> {
    let nodes: Vec<&KdlNode> = kdl
        .nodes()
        .iter()
        .filter(|node| node.name().value() == "var")
        .collect();
    let named = |node: &KdlNode| {
        node.get(0)
            .and_then(|value| value.as_string())
            .map(str::to_owned)
    };
    cx.variables.later = nodes.iter().filter_map(|node| named(node)).collect();
    let mut seen: Vec<(String, SourceSpan)> = Vec::new();
    for node in nodes {
        let Some(line) = cx.line(node, &VAR) else {
            continue;
        };
        let name = line.words[0].value.clone();
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name) {
            let first = *first;
            cx.twice(
                line.words[0].span,
                first,
                format!("variable {name} is declared twice"),
            );
            continue;
        }
        seen.push((name.clone(), line.words[0].span));
        if good_name(cx, &line) {
            let variable = variable(cx, &line, &name);
            cx.variables.declared.push(variable);
        }
        cx.variables.later.retain(|later| *later != name);
    }
    let secret = |variable: &&Variable| variable.secret && !variable.value.is_empty();
    cx.variables
        .declared
        .iter()
        .filter(secret)
        .map(|variable| variable.value.clone())
        .collect()
}

fn good_name(cx: &mut Context<'_>, line: &Line<'_>) -> bool {
    let name = &line.words[0];
    let problem = if name.value.starts_with("DEVRUN_") {
        cx.error(
            "stackfile::reserved",
            name.span,
            "reserved",
            format!("{} is devrun's own", name.value),
        )
        .advise("names that begin with DEVRUN_ are built in: DEVRUN_URL, DEVRUN_STACK")
    } else if !dotenv::is_key(&name.value) {
        cx.error(
            "stackfile::value",
            name.span,
            "not a name",
            format!("\"{}\" cannot be a variable's name", name.value),
        )
        .advise("letters, digits and `_`, and no digit first: var DB_PORT 5432")
    } else {
        return true;
    };
    cx.report(problem);
    false
}

fn variable(cx: &mut Context<'_>, line: &Line<'_>, name: &str) -> Variable {
    let secret = line
        .property("secret")
        .and_then(|text| cx.flag(text))
        .unwrap_or(false);
    let required = line
        .property("required")
        .and_then(|text| cx.flag(text))
        .unwrap_or(false);
    let here = cx.location(line.at()).to_string();
    let set = cx
        .variables
        .outside(name)
        .map(|(value, origin)| (value.to_owned(), origin.to_owned()));
    let default = line.words.get(1).map(|text| cx.string(text));
    let (value, origin) = match (set, default) {
        (Some((value, origin)), _) if !(required && value.is_empty()) => (value, origin),
        (_, Some(default)) if !required => (default, here),
        _ => {
            no_value(cx, line, name, required);
            (String::new(), here)
        }
    };
    chosen(cx, line, name, &value, &origin);
    Variable {
        name: name.to_owned(),
        value,
        origin,
        secret,
    }
}

fn no_value(cx: &mut Context<'_>, line: &Line<'_>, name: &str, required: bool) {
    let span = line.words[0].span;
    let problem = if required {
        let doc = line
            .property("doc")
            .map(|doc| format!(" ({})", doc.value))
            .unwrap_or_default();
        cx.error(
            "stackfile::required-variable",
            span,
            "required",
            format!("{name} must be set{doc}"),
        )
        .advise(format!(
            "in the shell (`export {name}=…`), in `.env` beside the Stackfile, or with --env-file"
        ))
    } else {
        cx.error(
            "stackfile::missing",
            span,
            "no value",
            format!("{name} has neither a value here nor one outside"),
        )
        .advise(format!(
            "say what holds unless a person sets it, `var {name} \"…\"`, or `required=#true`"
        ))
    };
    cx.report(problem);
}

fn chosen(cx: &mut Context<'_>, line: &Line<'_>, name: &str, value: &str, origin: &str) {
    let Some(choices) = line.property("choices").filter(|choices| !choices.broken) else {
        return;
    };
    if choices
        .value
        .split_whitespace()
        .any(|choice| choice == value)
    {
        return;
    }
    let problem = cx
        .error(
            "stackfile::choice",
            choices.span,
            "one of these",
            format!("{name} is \"{value}\" ({origin}), which is not a choice"),
        )
        .advise(format!(
            "choose one of {}",
            choices
                .value
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(", ")
        ));
    cx.report(problem);
}
