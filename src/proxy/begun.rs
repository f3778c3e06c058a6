//! Whether a process that has just begun works with what was put into its container.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::config::{ASK_AGAIN_AFTER, is_number};
use super::error::ProxyError;
use super::inside::{Inside, Ran};

/// It may not listen yet.
const BEGUN_WITHIN: Duration = Duration::from_secs(10);
/// Once it answers otherwise: an entrypoint may start nginx twice.
const OTHERWISE_FOR: Duration = Duration::from_secs(1);
/// Another configuration may write each of these questions into its log.
const ASK_OTHERS_AFTER: Duration = Duration::from_millis(250);

/// What it says where that is not this number. Where it is, it is asked once.
pub(crate) async fn begun_otherwise(
    inside: &impl Inside,
    generation: u64,
    url: &str,
) -> Result<Option<String>, ProxyError> {
    let mut give_up = Instant::now() + BEGUN_WITHIN;
    let mut said = String::from("nothing");
    while let Ok(ran) = timeout_at(give_up, inside.http(url, BEGUN_WITHIN)).await {
        let ran = ran?;
        if is_number(&ran, generation) {
            return Ok(None);
        }
        said = in_a_line(&ran);
        let mut next = Instant::now() + ASK_AGAIN_AFTER;
        if said.starts_with("HTTP/") {
            give_up = give_up.min(Instant::now() + OTHERWISE_FOR);
            next = Instant::now() + ASK_OTHERS_AFTER;
        }
        if next >= give_up {
            break;
        }
        sleep_until(next).await;
    }
    Ok(Some(said))
}

/// The page of an error says no more than its status.
fn in_a_line(ran: &Ran) -> String {
    let count = if ran.code == 0 { 2 } else { 1 };
    let lines = ran.output.lines().map(str::trim).take(count);
    lines.collect::<Vec<_>>().join(" ")
}
