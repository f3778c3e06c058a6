//! Reuse is insertion: defaults, then templates, then the service, each laid over the former.
//!
//! Single words replace, keyed ones merge by what they are called inside, `ignore`, `on` and
//! `depends-on` add, and `(remove)` and `(replace)` edit.

use kdl::KdlNode;

use crate::context::Context;
use crate::draft::{Draft, Once, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::model::Speaker;
use crate::read::{self, Document, ServiceNode};
use crate::words::{self, Place};

/// A service with all its layers.
pub(crate) struct Laid<'a> {
    pub(crate) node: &'a ServiceNode<'a>,
    pub(crate) draft: Draft,
    /// The layer of `defaults`, which does not make a task restart.
    pub(crate) defaults: usize,
}

/// All services; templates that nobody uses are read too, for their problems.
pub(crate) fn services<'a>(cx: &mut Context<'_>, document: &'a Document<'a>) -> Vec<Laid<'a>> {
    let laid: Vec<Laid<'a>> = document
        .services
        .iter()
        .map(|node| service(cx, document, node))
        .collect();
    for template in &document.templates {
        let mut layers = Layers {
            document,
            draft: Draft {
                alone: true,
                ..Draft::default()
            },
            chain: Vec::new(),
            done: Vec::new(),
        };
        layers.template(cx, &template.name, template.at);
    }
    if document.services.is_empty() && document.defaults.is_some() {
        let mut layers = Layers {
            document,
            draft: Draft {
                alone: true,
                ..Draft::default()
            },
            chain: Vec::new(),
            done: Vec::new(),
        };
        layers.defaults(cx);
    }
    laid
}

/// One service.
pub(crate) fn service<'a>(
    cx: &mut Context<'_>,
    document: &'a Document<'a>,
    node: &'a ServiceNode<'a>,
) -> Laid<'a> {
    let mut layers = Layers {
        document,
        draft: Draft::default(),
        chain: Vec::new(),
        done: Vec::new(),
    };
    layers.defaults(cx);
    let defaults = cx.layer;
    layers.body(cx, node.children(), node.kind.place(), Speaker::Itself);
    layers.draft.lean_on_network();
    Laid {
        node,
        draft: layers.draft,
        defaults,
    }
}

struct Layers<'a> {
    document: &'a Document<'a>,
    draft: Draft,
    /// Templates that are being laid, outermost first.
    chain: Vec<String>,
    done: Vec<String>,
}

const USE: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "use TEMPLATE",
};

impl Layers<'_> {
    fn defaults(&mut self, cx: &mut Context<'_>) {
        let nodes = self
            .document
            .defaults
            .and_then(KdlNode::children)
            .map_or(&[][..], |block| block.nodes());
        self.body(cx, nodes, Place::Service, Speaker::Defaults);
    }

    /// The templates that a body uses lie below it, wherever in it they are named.
    fn body(&mut self, cx: &mut Context<'_>, nodes: &[KdlNode], place: Place, speaker: Speaker) {
        for node in nodes.iter().filter(|node| node.name().value() == "use") {
            cx.no_edit(node);
            if let Some(line) = cx.line(node, &USE) {
                for name in line.words.iter().filter(|name| !name.broken) {
                    self.template(cx, &name.value, name.span);
                }
            }
        }
        let layer = cx.next_layer(speaker);
        let words = || nodes.iter().filter(|node| node.name().value() != "use");
        // Edits are about what lies below, not about what stands beside them: where in the body
        // they stand makes no difference. What is replaced is there to be removed, too.
        let is_here = |node: &&KdlNode| place.has(node.name().value());
        for node in words().filter(is_here) {
            edit(cx, self.document, &mut self.draft, node);
        }
        for node in words().filter(is_here).filter(|node| is_replacement(node)) {
            self.draft.clear(node.name().value());
        }
        for node in words() {
            word(cx, self.document, &mut self.draft, node, place, layer);
        }
    }

    fn template(&mut self, cx: &mut Context<'_>, name: &str, at: miette::SourceSpan) {
        let Some(template) = self
            .document
            .templates
            .iter()
            .find(|template| template.name == name)
        else {
            let names = self
                .document
                .templates
                .iter()
                .map(|template| template.name.as_str());
            let help = match words::nearest(name, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it at the top: template {name} {{ … }}"),
            };
            let problem = cx
                .error(
                    "stackfile::unknown-template",
                    at,
                    "not declared",
                    format!("there is no template `{name}`"),
                )
                .advise(help);
            return cx.report(problem);
        };
        if self.chain.iter().any(|outer| outer == name) {
            let circle = format!("{} → {name}", self.chain.join(" → "));
            let problem = cx
                .error(
                    "stackfile::template-circle",
                    at,
                    "leads back",
                    format!("templates use each other in a circle: {circle}"),
                )
                .advise("take one of the `use` away");
            return cx.report(problem);
        }
        if self.done.iter().any(|laid| laid == name) {
            return;
        }
        self.chain.push(name.to_owned());
        let speaker = Speaker::Template(name.to_owned());
        self.body(cx, template.children(), Place::Service, speaker);
        self.chain.pop();
        self.done.push(name.to_owned());
    }
}

fn edit(cx: &mut Context<'_>, document: &Document<'_>, draft: &mut Draft, node: &KdlNode) {
    match node.ty().map(kdl::KdlIdentifier::value) {
        None => read::edits_inside(cx, draft, node),
        Some("remove") => remove(cx, document, draft, node),
        Some("replace") => {}
        Some(other) => cx.unknown_edit(node, other),
    }
}

fn is_replacement(node: &KdlNode) -> bool {
    node.ty().is_some_and(|edit| edit.value() == "replace")
}

fn word(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    draft: &mut Draft,
    node: &KdlNode,
    place: Place,
    layer: usize,
) {
    if !place.has(node.name().value()) {
        return cx.unknown_word(node, place);
    }
    if node.ty().is_none() || is_replacement(node) {
        read::service_word(cx, document, draft, node, layer);
    }
}

impl Context<'_> {
    pub(crate) fn unknown_edit(&mut self, node: &KdlNode, written: &str) {
        let span = node
            .ty()
            .map_or(node.name().span(), kdl::KdlIdentifier::span);
        let help = match words::nearest(written, ["remove", "replace"].into_iter()) {
            Some(near) => format!("did you mean ({near})?"),
            None => "known are (remove) and (replace)".to_owned(),
        };
        let problem = self
            .error(
                "stackfile::unknown-edit",
                span,
                "not known",
                format!("({written}) says nothing here"),
            )
            .advise(help);
        self.report(problem);
    }

    /// Nodes that lie over nothing have nothing to edit.
    pub(crate) fn no_edit(&mut self, node: &KdlNode) {
        if let Some(edit) = node.ty() {
            let problem = self
                .error(
                    "stackfile::unknown-edit",
                    edit.span(),
                    "not here",
                    format!("({}) edits nothing here", edit.value()),
                )
                .advise("(remove) and (replace) stand before the words of a service");
            self.report(problem);
        }
    }

    /// Says a single word: twice in one layer is a problem, in a later layer it replaces.
    pub(crate) fn once<T>(&mut self, place: &mut Once<T>, said: Said<T>, word: &str) {
        if let Some(before) = place.as_ref().filter(|before| before.layer == said.layer) {
            self.twice(said.at, before.at, format!("`{word}` is said twice"));
        }
        *place = Some(said);
    }

    /// Says a keyed word: in one layer each key once, in a later layer it replaces its like.
    pub(crate) fn keyed<T>(
        &mut self,
        list: &mut Vec<Said<T>>,
        said: Said<T>,
        same: impl Fn(&T, &T) -> bool,
        what: &str,
    ) {
        match list
            .iter_mut()
            .find(|before| same(&before.value, &said.value))
        {
            Some(before) => {
                if before.layer == said.layer {
                    self.twice(said.at, before.at, format!("{what} is said twice"));
                }
                *before = said;
            }
            None => list.push(said),
        }
    }

    pub(crate) fn twice(
        &mut self,
        again: miette::SourceSpan,
        first: miette::SourceSpan,
        message: String,
    ) {
        let problem = self
            .error("stackfile::twice", again, "again here", message)
            .also(first, "first here");
        self.report(problem);
    }
}

const REMOVAL: Shape = Shape {
    words: (0, MANY),
    properties: &["to", "protocol", "host"],
    block: Block::Maybe,
    example: "(remove)port to=8000",
};

fn remove(cx: &mut Context<'_>, document: &Document<'_>, draft: &mut Draft, node: &KdlNode) {
    let Some(line) = cx.line(node, &REMOVAL) else {
        return;
    };
    let word = node.name().value();
    let whole = line.words.is_empty() && line.properties.is_empty() && line.children().is_empty();
    let removed = if whole {
        draft.clear(word)
    } else {
        remove_keyed(document, draft, word, &line)
    };
    if !removed && !draft.alone {
        let problem = cx
            .error(
                "stackfile::nothing-to-remove",
                line.at(),
                "removes nothing",
                format!("there is no such `{word}` to remove"),
            )
            .advise("what `defaults` and the templates in `use` say can be removed");
        cx.report(problem);
    }
}

fn remove_keyed(document: &Document<'_>, draft: &mut Draft, word: &str, line: &Line<'_>) -> bool {
    fn drop<T>(list: &mut Vec<Said<T>>, gone: impl Fn(&T) -> bool) -> bool {
        let before = list.len();
        list.retain(|said| !gone(&said.value));
        list.len() < before
    }
    let to = line
        .property("to")
        .map_or("", |text| text.value.as_str())
        .trim_end_matches('/');
    let named = |name: &str| line.words.iter().any(|word| word.value == name);
    match word {
        "network" => drop(&mut draft.networks, |one| {
            let of_name = |name: &str| document.network(name) == one.network;
            line.words.iter().any(|word| of_name(&word.value))
        }),
        "environment" => {
            let mut all = true;
            for child in line.children() {
                all &= draft.environment.remove(child.name().value()).is_some();
            }
            all
        }
        "port" => {
            let protocol = line
                .property("protocol")
                .map_or("tcp", |text| text.value.as_str());
            let number = line.words.first().map_or(to, |word| word.value.as_str());
            drop(&mut draft.ports, |port| {
                port.container.to_string() == number && port.protocol == protocol
            })
        }
        "volume" | "bind" => drop(&mut draft.mounts, |mount| mount.target == to),
        "sync" => drop(&mut draft.sync, |sync| sync.to == to),
        "route" => {
            let host = line.property("host").map(|text| text.value.as_str());
            drop(&mut draft.routes, |route| {
                named(&route.pattern) && route.host.as_deref() == host
            })
        }
        "depends-on" => drop(&mut draft.depends_on, |dependency| {
            named(&dependency.service)
        }),
        "on" => drop(&mut draft.on, |rule| {
            rule.patterns.iter().all(|pattern| named(pattern))
        }),
        "env-file" => drop(&mut draft.env_files, |path| {
            line.words.iter().any(|word| path.ends_with(&word.value))
        }),
        "secret" | "config-file" => drop(&mut draft.files, |file| {
            named(&file.name) || file.target == to
        }),
        "label" | "sysctl" => {
            let keys: Vec<&str> = line
                .children()
                .iter()
                .map(|child| child.name().value())
                .collect();
            draft
                .settings
                .drop_keyed(word, |key| keys.contains(&key))
                .unwrap_or(false)
        }
        _ => match draft.settings.drop_keyed(word, named) {
            Some(dropped) => dropped,
            None => draft.clear(word),
        },
    }
}
