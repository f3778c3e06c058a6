//! Which services get requests.

use devrun_core::effect::RouteState;
use devrun_core::routes::{Change, state_changes};

use super::error::ProxyError;
use super::inside::Inside;

/// nginx's workers are another user than the one that writes.
pub(super) const READABLE: u32 = 0o644;

/// Makes the container tell `now` where it told `before`; what it told is not known where `before`
/// is empty. The order of the steps is that of [`state_changes`]; after an error the caller does
/// not know what is told, and starts from an empty `before`.
pub(crate) async fn apply_states(
    inside: &impl Inside,
    before: &[RouteState],
    now: &[RouteState],
) -> Result<(), ProxyError> {
    for change in state_changes(before, now) {
        match change {
            Change::Write(file) => {
                let text = String::from_utf8_lossy(&file.content.0);
                inside.write(&file.path, &text, READABLE).await?;
            }
            Change::Remove(path) => inside.remove(&path).await?,
        }
    }
    Ok(())
}
