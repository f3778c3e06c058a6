//! `depends-on`: whom a service waits for, and until when.

use kdl::KdlNode;

use crate::context::Context;
use crate::draft::{Draft, DraftDependency, Said};
use crate::line::{Block, MANY, Shape};
use crate::model::Condition;
use crate::words;

const DEPENDS_ON: Shape = Shape {
    words: (1, MANY),
    properties: &["condition", "follow", "required"],
    block: Block::Never,
    example: "depends-on db redis condition=healthy",
};

pub(super) fn depends_on(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &DEPENDS_ON) else {
        return;
    };
    let condition = line
        .property("condition")
        .and_then(|text| match text.value.as_str() {
            "started" => Some(Condition::Started),
            "healthy" => Some(Condition::Healthy),
            "completed" => Some(Condition::Completed),
            other => {
                if !text.broken {
                    let plain = other
                        .trim_start_matches("service_")
                        .replace("_successfully", "");
                    let help = match words::nearest(
                        &plain,
                        ["started", "healthy", "completed"].into_iter(),
                    ) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "known are started, healthy (the default) and completed".to_owned(),
                    };
                    let problem = cx
                        .error(
                            "stackfile::value",
                            text.span,
                            "not known",
                            format!("`{other}` is not a condition"),
                        )
                        .advise(help);
                    cx.report(problem);
                }
                None
            }
        });
    let follow = line
        .property("follow")
        .and_then(|text| cx.flag(text))
        .unwrap_or(false);
    let required = line
        .property("required")
        .and_then(|text| cx.flag(text))
        .unwrap_or(true);
    for name in line.words.iter().filter(|name| !name.broken) {
        let service = cx.string(name);
        let what = format!("the dependency on `{service}`");
        let value = DraftDependency {
            service,
            condition,
            follow,
            required,
        };
        cx.keyed(
            &mut draft.depends_on,
            Said {
                value,
                at: name.span,
                layer,
            },
            |a, b| a.service == b.service,
            &what,
        );
    }
}
