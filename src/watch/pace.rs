//! How often what changed is told: a save at once, a storm of them in portions.

use std::time::Duration;

use tokio::time::Instant;

/// So many are told without a pause: what an editor does for one "save all".
const AT_ONCE: u32 = 8;
/// Between two portions of a storm. Each costs whoever hears of it a turn, and what comes in one
/// of them is sent in one go.
const APART: Duration = Duration::from_millis(4);

/// When something may be told again.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    /// So many in a row came with hardly a pause.
    row: u32,
}

impl Pace {
    /// Not before then; `None` is at once.
    pub(super) fn due(&self) -> Option<Instant> {
        self.last
            .filter(|_| self.row >= AT_ONCE)
            .map(|last| last + APART)
    }

    /// Something was told.
    pub(super) fn told(&mut self, now: Instant) {
        let close = self.last.is_some_and(|last| now < last + 2 * APART);
        self.row = if close { self.row.saturating_add(1) } else { 1 };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_told_at_once_and_a_storm_in_portions_until_it_is_over() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..AT_ONCE {
            assert_eq!(pace.due(), None);
            pace.told(start);
        }
        assert_eq!(pace.due(), Some(start + APART));
        let later = start + APART;
        pace.told(later);
        assert_eq!(pace.due(), Some(later + APART));
        pace.told(later + 2 * APART);
        assert_eq!(pace.due(), None);
    }
}
