//! Deadlines, and what is left until them.

use std::time::{Duration, Instant};

/// More patience than any probe or command is given.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// The moment when `timeout_ms` milliseconds have passed.
pub(crate) fn deadline(timeout_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(timeout_ms).min(LONGEST)
}

/// What is left until then; `None` where nothing is.
pub(crate) fn left(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

/// Microseconds since then.
pub(crate) fn micros_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}
