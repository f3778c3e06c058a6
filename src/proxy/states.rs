//! Which services get requests.

use devrun_core::effect::RouteState;
use devrun_core::routes::{Change, state_changes};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::error::ProxyError;
use super::inside::Inside;

/// nginx's workers are another user than the one that writes.
pub(super) const READABLE: u32 = 0o644;

/// Files that are on their way; without an agent each is a call of the engine.
const AT_ONCE: usize = 8;

/// Makes the container tell `now` where it told `before`; what it told is not known where `before`
/// is empty. The order of the steps is that of [`state_changes`]; after an error the caller does
/// not know what is told, and starts from an empty `before`.
pub(crate) async fn apply_states(
    inside: &impl Inside,
    before: &[RouteState],
    now: &[RouteState],
) -> Result<(), ProxyError> {
    for step in state_changes(before, now) {
        let changes = step.into_iter().map(|change| apply(inside, change));
        let changes = stream::iter(changes).buffer_unordered(AT_ONCE);
        changes.try_collect::<()>().await?;
    }
    Ok(())
}

async fn apply(inside: &impl Inside, change: Change) -> Result<(), ProxyError> {
    match change {
        Change::Write(file) => {
            let text = String::from_utf8_lossy(&file.content.0);
            inside.write(&file.path, &text, READABLE).await?;
        }
        Change::Remove(path) => inside.remove(&path).await?,
    }
    Ok(())
}
