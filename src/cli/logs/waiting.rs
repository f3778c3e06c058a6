//! Lines that wait to be printed: in order of time, and of a service that floods only the newest.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::follow::Told;

/// Lines that come so close together are put in order of their time.
pub(super) const WINDOW: Duration = Duration::from_millis(25);
/// So many lines of one service may wait; of more, the oldest are dropped.
const MOST: usize = 2_000;
/// So many bytes of them.
const MOST_BYTES: usize = 4 << 20;
/// A service of which more lines than this wait lets the others go first.
const FLOOD: usize = 256;

/// What waits, of each service.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<String, Queue>);

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<(Instant, Told)>,
    lines: usize,
    bytes: usize,
}

impl Waiting {
    /// This came at that moment.
    pub(super) fn add(&mut self, service: String, told: Told, now: Instant) {
        self.0.entry(service).or_default().add(told, now);
    }

    /// When the next one may be told; `None` where nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let came = self.0.values().filter_map(Queue::came).min()?;
        Some(came + WINDOW)
    }

    /// The next one to tell, of those that have waited long enough for others to come before them.
    pub(super) fn next(&mut self, now: Instant) -> Option<(String, Told)> {
        let ripe = |queue: &Queue| queue.came().is_some_and(|came| came + WINDOW <= now);
        if !self.0.values().any(ripe) {
            return None;
        }
        let heads = self.0.iter().filter_map(|(service, queue)| {
            let (_, told) = queue.items.front()?;
            let floods = queue.lines > FLOOD;
            Some((floods, told.time(), service))
        });
        let (_, _, service) = heads.min()?;
        let service = service.clone();
        let told = self.0.get_mut(&service)?.take()?;
        Some((service, told))
    }
}

impl Queue {
    fn came(&self) -> Option<Instant> {
        self.items.front().map(|(came, _)| *came)
    }

    fn add(&mut self, told: Told, now: Instant) {
        self.lines += 1;
        self.bytes += told.size();
        self.items.push_back((now, told));
        while self.lines > MOST || (self.bytes > MOST_BYTES && self.lines > 1) {
            self.drop_oldest();
        }
    }

    fn take(&mut self) -> Option<Told> {
        let (_, told) = self.items.pop_front()?;
        if !matches!(told, Told::Dropped(..)) {
            self.lines -= 1;
        }
        self.bytes -= told.size();
        Some(told)
    }

    /// The oldest line becomes a number, at its place: what tells of another start stays.
    fn drop_oldest(&mut self) {
        let oldest = self
            .items
            .iter()
            .position(|(_, told)| matches!(told, Told::Line(_)));
        let Some(at) = oldest else {
            // Only starts are waiting: as many as that are told by none.
            self.take();
            return;
        };
        let Some((_, line)) = self.items.remove(at) else {
            return;
        };
        self.lines -= 1;
        self.bytes -= line.size();
        let before = at.checked_sub(1).and_then(|at| self.items.get_mut(at));
        if let Some((_, Told::Dropped(count, time))) = before {
            *count += 1;
            *time = line.time();
            return;
        }
        // It is told where the first line stands that is still there.
        let came = self
            .items
            .get(at)
            .map_or_else(Instant::now, |(came, _)| *came);
        self.items.insert(at, (came, Told::Dropped(1, line.time())));
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::engine::{LogLine, LogStream};

    fn at(time: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(time).unwrap()
    }

    fn line(time: i64) -> Told {
        Told::Line(LogLine {
            time: at(time),
            stream: LogStream::Stdout,
            text: format!("line {time}"),
        })
    }

    fn all(waiting: &mut Waiting, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| waiting.next(now))
            .map(|(service, told)| match told {
                Told::Line(line) => format!("{service} {}", line.time.unix_timestamp()),
                Told::Again(how, _) => format!("{service} {how}"),
                Told::Dropped(count, _) => format!("{service} dropped {count}"),
            })
            .collect()
    }

    #[test]
    fn what_comes_together_is_told_in_order_of_time() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.add("a".into(), line(2), now);
        assert_eq!(waiting.next(now), None, "another one may come before it");
        waiting.add("b".into(), line(1), now + WINDOW / 2);
        waiting.add("a".into(), line(3), now + WINDOW / 2);
        assert_eq!(waiting.due(), Some(now + WINDOW));
        assert_eq!(all(&mut waiting, now + WINDOW * 2), ["b 1", "a 2", "a 3"]);
        assert_eq!(waiting.due(), None);
    }

    #[test]
    fn of_a_flood_the_newest_lines_stay_and_the_rest_is_counted_where_it_was() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let more = 12_431;
        let last = i64::try_from(MOST).unwrap() + more;
        for time in 1..=last {
            waiting.add("noisy".into(), line(time), now);
        }
        let told = all(&mut waiting, now + WINDOW);
        assert_eq!(told.first().unwrap(), "noisy dropped 12431");
        assert_eq!(told.get(1).unwrap(), "noisy 12432");
        assert_eq!(
            (told.len(), told.last()),
            (MOST + 1, Some(&format!("noisy {last}")))
        );
    }

    #[test]
    fn a_flood_lets_the_others_go_first() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        for time in 1..=1000 {
            waiting.add("noisy".into(), line(time), now);
        }
        waiting.add("calm".into(), line(999), now);
        assert_eq!(all(&mut waiting, now + WINDOW).first().unwrap(), "calm 999");
    }

    #[test]
    fn another_start_is_told_between_what_was_dropped_before_and_after_it() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.add("a".into(), line(1), now);
        waiting.add("a".into(), Told::Again("restarted", at(2)), now);
        for time in 3..=i64::try_from(MOST).unwrap() + 3 {
            waiting.add("a".into(), line(time), now);
        }
        let told = all(&mut waiting, now + WINDOW);
        assert_eq!(
            told.get(..4).unwrap(),
            ["a dropped 1", "a restarted", "a dropped 2", "a 5"]
        );
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        for time in 0..10 {
            let text = "x".repeat(1 << 20);
            let line = LogLine {
                time: at(time),
                stream: LogStream::Stdout,
                text,
            };
            waiting.add("a".into(), Told::Line(line), now);
        }
        let told = all(&mut waiting, now + WINDOW);
        assert!(told.len() <= 5, "{told:?}");
        assert!(told.first().unwrap().starts_with("a dropped"), "{told:?}");
    }
}
