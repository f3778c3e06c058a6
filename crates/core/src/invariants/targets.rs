//! What effects are about.

use crate::effect::{Effect, Old};
use crate::event::Op;

/// What an operation works on; two on the same at once would be a race.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Stack,
    Image(&'a str),
    Container(&'a str),
    /// The large files of its container.
    Large(&'a str),
    /// Its saves: looked at beside all else, and of the answers only the last one counts.
    Saves(&'a str),
}

/// The container that an effect is about.
pub(super) fn container_of(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::Start { container, .. }
        | Effect::Restart { container, .. }
        | Effect::Update { container, .. }
        | Effect::Attach { container, .. }
        | Effect::Probe { container, .. }
        | Effect::Sync { container, .. }
        | Effect::SyncLarge { container, .. }
        | Effect::Push { container, .. }
        | Effect::Exec { container, .. }
        | Effect::Signal { container, .. }
        | Effect::ProxyApply { container, .. }
        | Effect::ProxyRead { container, .. }
        | Effect::ProxyStates { container, .. }
        | Effect::HooksOver { container }
        | Effect::FollowsOver { container }
        | Effect::Explain { container, .. }
        | Effect::Remove { container, .. }
        | Effect::Rename { container, .. }
        | Effect::Stop { container, .. } => Some(container),
        _ => None,
    }
}

/// The operation that an effect begins, and on what.
pub(crate) fn target(effect: &Effect) -> Option<(&Op, Target<'_>)> {
    match effect {
        Effect::Prepare { op, .. } => Some((op, Target::Stack)),
        Effect::Pull { op, .. } | Effect::Build { op, .. } => {
            Some((op, Target::Image(&op.service)))
        }
        Effect::Create {
            op, replaces: None, ..
        } => Some((op, Target::Container(&op.service))),
        Effect::Create {
            op,
            replaces: Some(Old { container, .. }),
            ..
        }
        | Effect::Start { op, container, .. }
        | Effect::Restart { op, container, .. }
        | Effect::Update { op, container, .. }
        | Effect::Attach { op, container, .. }
        | Effect::Probe { op, container, .. }
        | Effect::Sync { op, container, .. }
        | Effect::Push { op, container, .. }
        | Effect::Exec { op, container, .. }
        | Effect::Signal { op, container, .. }
        | Effect::ProxyApply { op, container, .. }
        | Effect::ProxyRead { op, container, .. }
        | Effect::Explain { op, container, .. }
        | Effect::Remove { op, container, .. }
        | Effect::Rename { op, container, .. }
        | Effect::Stop { op, container, .. } => Some((op, Target::Container(container))),
        Effect::SyncLarge { op, container, .. } => Some((op, Target::Large(container))),
        Effect::Look { op, .. } => Some((op, Target::Saves(&op.service))),
        Effect::ProxyStates { .. }
        | Effect::TidyImages { .. }
        | Effect::HooksOver { .. }
        | Effect::FollowsOver { .. }
        | Effect::Cancel { .. }
        | Effect::Watch { .. }
        | Effect::Notice(_)
        | Effect::Exit(_) => None,
    }
}
