//! A file that is made by what its own save triggers would be saved, and trigger, for ever.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::Machine;

/// A save that comes so soon after the last update may be that update's own work.
const ECHO: Duration = Duration::from_secs(1);
/// So often in a row is no accident. Somebody who saves all the time while a service restarts may
/// look like that too; then nothing worse happens than a pause.
const TURNS: u32 = 6;
/// What follows waits that long, and twice as long each time.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// What a service's saves have led to lately, one right after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Circle {
    /// When the last thing that follows saves was begun with, and how many there were.
    fired: Option<(Duration, u32)>,
    /// When the last update was over.
    ended: Option<Duration>,
    /// In how many turns each path was saved, and the last one.
    turns: BTreeMap<PathBuf, (u32, u32)>,
    found: Option<PathBuf>,
    pause: Duration,
}

impl Circle {
    /// Something that follows saves begins.
    pub(super) fn fires(&mut self, now: Duration) {
        let before = self.fired.map_or(0, |(_, count)| count);
        self.fired = Some((now, before + 1));
    }

    /// An update is over.
    pub(super) fn ends(&mut self, now: Duration) {
        self.ended = Some(now);
    }

    /// A path was saved that something follows; `busy` with the last saves or not. True if it is
    /// known from now on that it goes round.
    fn saved(&mut self, path: &Path, busy: bool, now: Duration) -> bool {
        let is_echo = self.ended.is_some_and(|ended| now < ended + ECHO);
        let Some((_, turn)) = self.fired.filter(|_| busy || is_echo) else {
            *self = Circle::default();
            return false;
        };
        let (count, last) = self.turns.entry(path.to_owned()).or_default();
        if *last == turn {
            return false;
        }
        (*count, *last) = (*count + 1, turn);
        let goes_round = *count >= TURNS;
        let is_new = self.found.is_none();
        if !goes_round {
            // Somebody else's save does not wait.
            self.found = None;
            return false;
        }
        self.found = Some(path.to_owned());
        self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
        is_new && self.pause == SHORTEST
    }

    /// Until when what follows waits.
    pub(super) fn rests_until(&self) -> Option<Duration> {
        let (fired, _) = self.fired.filter(|_| self.found.is_some())?;
        Some(fired + self.pause)
    }
}

impl Machine {
    /// Takes note of a save that something follows; true if it turns out to go round.
    pub(super) fn goes_round(&mut self, path: &Path, now: Duration) -> bool {
        let busy = self.update.is_some() || self.busy.is_some();
        self.circle.saved(path, busy, now)
    }

    /// Why what follows waits, if it does for that reason.
    pub(super) fn why_it_rests(&self) -> Option<String> {
        let path = self.circle.found.as_ref()?;
        let name = path.file_name()?.to_string_lossy().into_owned();
        (!self.follow.is_empty()).then(|| {
            format!(
                "{name} is changed by what its own save triggers, which waits {} s now",
                self.circle.pause.as_secs()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(300);

    #[test]
    fn what_comes_back_each_time_is_found_and_waits_longer_and_longer() {
        let path = Path::new("/gen.py");
        let mut circle = Circle::default();
        let mut now = Duration::ZERO;
        assert!(!circle.saved(path, false, now));
        for turn in 1..=TURNS {
            assert_eq!(circle.rests_until(), None);
            circle.fires(now);
            now += TURN;
            assert_eq!(circle.saved(path, true, now), turn == TURNS, "{turn}");
            assert!(!circle.saved(path, true, now), "twice in one turn is once");
        }
        for pause in [5, 10, 20, 40, 60, 60] {
            let until = circle.rests_until().unwrap();
            assert_eq!(until, now - TURN + Duration::from_secs(pause));
            now = until;
            circle.fires(now);
            now += TURN;
            assert!(!circle.saved(path, true, now), "it is said once");
        }
        // Somebody saves another file.
        assert!(!circle.saved(Path::new("/other.py"), true, now));
        assert_eq!(circle.rests_until(), None);
    }

    #[test]
    fn whoever_saves_after_a_while_is_a_person() {
        let path = Path::new("/views.py");
        let mut circle = Circle::default();
        let mut now = Duration::ZERO;
        for _ in 0..TURNS * 3 {
            assert!(!circle.saved(path, false, now));
            circle.fires(now);
            now += TURN;
            circle.ends(now);
            now += ECHO;
        }
        assert_eq!(circle.rests_until(), None);
    }
}
