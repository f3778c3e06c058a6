//! `update`: what becomes of requests meanwhile.

use kdl::KdlNode;

use crate::context::Context;
use crate::draft::{Draft, Said};
use crate::line::{Block, Shape};
use crate::model::Update;
use crate::value;

const UPDATE: Shape = Shape {
    words: (0, 1),
    properties: &["hold", "drain"],
    block: Block::Never,
    example: "update replace hold=\"30s\" drain=\"5s\"",
};

pub(super) fn update(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &UPDATE) else {
        return;
    };
    let mut time = |name: &str| {
        let text = line.property(name)?;
        cx.parsed(text, value::duration)
    };
    let (hold, drain) = (time("hold"), time("drain"));
    let roll = line.words.first().and_then(|word| cx.parsed(word, way));
    let unless_told = Update::default();
    let value = Update {
        roll: roll.unwrap_or(unless_told.roll),
        hold: hold.unwrap_or(unless_told.hold),
        drain: drain.unwrap_or(unless_told.drain),
    };
    let at = line.at();
    cx.once(&mut draft.update, Said { value, at, layer }, "update");
}

/// Whether it rolls.
fn way(text: &str) -> Result<bool, value::Unfit> {
    match text {
        "replace" => Ok(false),
        "roll" => Ok(true),
        _ => Err(value::Unfit {
            label: "not known".into(),
            message: format!("\"{text}\" is not a way to update"),
            help: "`update replace`: the old container ends, then the new one starts, and requests wait meanwhile; `update roll`: the new one starts beside the old one, which serves until it is ready".into(),
        }),
    }
}
