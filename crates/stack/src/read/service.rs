//! The words of a service: those of one line, and the way to the others.

use kdl::KdlNode;

use super::{
    Document, build, command, depends, environment, files, health, mounts, networks, ports, route,
    settings, sync, tls, update,
};
use crate::context::{Context, Form};
use crate::draft::{Draft, DraftSource, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::load::PathKind;
use crate::model::{Logging, Resources, Restart};
use crate::value;
use crate::words;

const fn one(example: &'static str) -> Shape {
    Shape {
        words: (1, 1),
        properties: &[],
        block: Block::Never,
        example,
    }
}

const IMAGE: Shape = one("image \"postgres:17\"");
const READY_TIMEOUT: Shape = one("ready-timeout \"2m\"");
const INIT: Shape = one("init #true");
const CONFIG: Shape = one("config \"nginx/nginx.conf\"");
const HEALTH: Shape = one("health \"/health\"");
const TASK: Shape = Shape {
    words: (0, 0),
    properties: &[],
    block: Block::Never,
    example: "task",
};
const PROFILE: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "profile with-celery",
};
const ENV_FILE: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "env-file \"backend/.env.docker\"",
};
const COMMAND: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "command \"program\" \"argument\"",
};
const AMOUNTS: Shape = Shape {
    words: (0, 0),
    properties: &["cpus", "memory"],
    block: Block::Never,
    example: "limits cpus=1 memory=\"512M\"",
};
const RESTART: Shape = Shape {
    words: (1, 1),
    properties: &["retries"],
    block: Block::Never,
    example: "restart unless-stopped",
};
const LOGGING: Shape = Shape {
    words: (1, 1),
    properties: &["*"],
    block: Block::Never,
    example: "logging json-file max-size=\"10M\" max-file=3",
};

/// What the block of a word takes away from what lies below.
pub(crate) fn edits_inside(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode) {
    match node.name().value() {
        "environment" => environment::edits(cx, draft, node),
        "sync" => sync::edits(cx, draft, node),
        _ => {}
    }
}

/// Reads one word into the draft; the word belongs here.
pub(crate) fn service_word(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    draft: &mut Draft,
    node: &KdlNode,
    layer: usize,
) {
    match node.name().value() {
        "build" => build::build(cx, document, draft, node, layer),
        "environment" => environment::environment(cx, draft, node, layer),
        "port" => ports::port(cx, draft, node, layer),
        "network" => networks::joined(cx, document, draft, node, layer),
        "volume" => mounts::volume(cx, document, draft, node, layer),
        "bind" => mounts::bind(cx, draft, node, layer),
        "secret" | "config-file" => files::taken(cx, document, draft, node, layer),
        "depends-on" => depends::depends_on(cx, draft, node, layer),
        "healthcheck" => health::healthcheck(cx, draft, node, layer),
        "route" => route::route(cx, draft, node, layer),
        "tls" => tls::tls(cx, draft, node, layer),
        "update" => update::update(cx, draft, node, layer),
        "sync" => sync::sync(cx, draft, node, layer),
        "on" => sync::service_on(cx, draft, node, layer),
        word => {
            if !settings::setting(cx, draft, node, layer) {
                line_word(cx, draft, node, layer, word);
            }
        }
    }
}

fn line_word(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize, word: &str) {
    let shape = match word {
        "image" => &IMAGE,
        "ready-timeout" => &READY_TIMEOUT,
        "init" => &INIT,
        "config" => &CONFIG,
        "health" => &HEALTH,
        "task" => &TASK,
        "profile" => &PROFILE,
        "env-file" => &ENV_FILE,
        "command" | "post-start" | "pre-stop" => &COMMAND,
        "limits" | "reservations" => &AMOUNTS,
        "restart" => &RESTART,
        _ => &LOGGING,
    };
    let Some(line) = cx.line(node, shape) else {
        return;
    };
    let at = line.at();
    macro_rules! say {
        ($place:ident, $value:expr) => {
            if let Some(value) = $value {
                cx.once(&mut draft.$place, Said { value, at, layer }, word);
            }
        };
    }
    match word {
        "image" => say!(source, image(cx, &line).map(DraftSource::Image)),
        "ready-timeout" => say!(ready_timeout, cx.parsed(&line.words[0], value::some_time)),
        "init" => say!(init, cx.flag(&line.words[0])),
        "config" => say!(config, config(cx, &line)),
        "health" => say!(
            health,
            route::pattern(cx, &line.words[0], route::Kind::Exact)
        ),
        "task" => say!(task, Some(())),
        "profile" => say!(
            profiles,
            Some(line.words.iter().map(|text| cx.string(text)).collect())
        ),
        "env-file" => env_files(cx, draft, &line, layer),
        "command" => say!(command, command(cx, &line.words)),
        "post-start" | "pre-stop" => {
            let list = match word {
                "post-start" => &mut draft.post_start,
                _ => &mut draft.pre_stop,
            };
            list.extend(command(cx, &line.words).map(|value| Said { value, at, layer }));
        }
        "limits" => say!(limits, amounts(cx, &line)),
        "reservations" => say!(reservations, amounts(cx, &line)),
        "restart" => say!(restart, restart(cx, &line)),
        _ => say!(logging, logging(cx, &line)),
    }
}

fn image(cx: &mut Context<'_>, line: &Line<'_>) -> Option<String> {
    let text = &line.words[0];
    let name = cx.string(text);
    if text.broken || matches!(text.form, Form::Bool(_)) {
        return None;
    }
    if name.is_empty() || name.contains(char::is_whitespace) || name.starts_with(['/', '.', '-']) {
        let problem = cx
            .error(
                "stackfile::value",
                text.span,
                "not an image",
                format!("\"{name}\" is not the name of an image"),
            )
            .advise("an image is written \"postgres:17\"; from a Dockerfile: build \"folder\"");
        cx.report(problem);
        return None;
    }
    Some(name)
}

fn config(cx: &mut Context<'_>, line: &Line<'_>) -> Option<std::path::PathBuf> {
    let text = &line.words[0];
    let written = cx.string(text);
    if text.broken {
        return None;
    }
    let path = cx.path(&written);
    cx.existing(&path, text.span, Some(PathKind::File), "configuration")
        .then_some(path)
}

fn env_files(cx: &mut Context<'_>, draft: &mut Draft, line: &Line<'_>, layer: usize) {
    for text in &line.words {
        let written = cx.string(text);
        if !text.broken {
            let path = cx.path(&written);
            cx.keyed(
                &mut draft.env_files,
                Said {
                    value: path,
                    at: text.span,
                    layer,
                },
                |a, b| a == b,
                "this env file",
            );
        }
    }
}

fn amounts(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Resources> {
    if line.node.entries().is_empty() {
        let word = line.node.name().value();
        let problem = cx
            .error(
                "stackfile::missing",
                line.at(),
                "of what?",
                format!("`{word}` says no amount"),
            )
            .advise(format!("it is written {word} cpus=0.5 memory=\"512M\""));
        cx.report(problem);
        return None;
    }
    Some(Resources {
        cpus: line
            .property("cpus")
            .and_then(|text| cx.parsed(text, value::cpus)),
        memory: line
            .property("memory")
            .and_then(|text| cx.parsed(text, value::size)),
    })
}

fn restart(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Restart> {
    let text = &line.words[0];
    let retries = line
        .property("retries")
        .map(|retries| (retries.span, cx.parsed(retries, value::count)));
    let policy = match text.value.as_str() {
        "no" => Restart::No,
        "always" => Restart::Always,
        "unless-stopped" => Restart::UnlessStopped,
        "on-failure" => Restart::OnFailure(retries.and_then(|(_, count)| count)),
        _ if text.broken => return None,
        other => {
            let help = if matches!(text.form, Form::Bool(false)) {
                "switched off is `restart no`".to_owned()
            } else if let Some(count) = other.strip_prefix("on-failure:") {
                format!("restart on-failure retries={count}")
            } else {
                match words::nearest(
                    other,
                    ["no", "always", "on-failure", "unless-stopped"].into_iter(),
                ) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "known are no, always, on-failure, unless-stopped".to_owned(),
                }
            };
            let problem = cx
                .error(
                    "stackfile::value",
                    text.span,
                    "not known",
                    format!("`{other}` is not a restart policy"),
                )
                .advise(help);
            cx.report(problem);
            return None;
        }
    };
    if let Some((span, _)) = retries.filter(|_| !matches!(policy, Restart::OnFailure(_))) {
        let problem = cx
            .error(
                "stackfile::unknown-property",
                span,
                "not here",
                format!("`restart {}` does not count", text.value),
            )
            .advise("retries= goes with on-failure");
        cx.report(problem);
    }
    Some(policy)
}

const JSON_FILE: &[&str] = &[
    "max-size",
    "max-file",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
];

fn logging(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Logging> {
    let driver = cx.string(&line.words[0]);
    if line.words[0].broken {
        return None;
    }
    let mut logging = Logging {
        driver,
        options: std::collections::BTreeMap::new(),
    };
    for (key, text) in &line.properties {
        if matches!(logging.driver.as_str(), "json-file" | "local")
            && !JSON_FILE.contains(&key.as_str())
        {
            let help = match words::nearest(key, JSON_FILE.iter().copied()) {
                Some(near) => format!("did you mean `{near}=`?"),
                None => format!("it knows {}", JSON_FILE.join(", ")),
            };
            let problem = cx
                .error(
                    "stackfile::unknown-property",
                    text.span,
                    "not known",
                    format!("the driver {} has no option `{key}`", logging.driver),
                )
                .advise(help);
            cx.report(problem);
            continue;
        }
        // The engine takes booleans as text.
        logging.options.insert(key.clone(), text.value.clone());
    }
    Some(logging)
}
