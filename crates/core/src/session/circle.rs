//! A file that is written by what its own save triggers would be saved, and trigger, for ever.
//!
//! Who saves fast looks the same at first: a save right after each update. So what follows is held
//! back for a while, several saves long. Whoever saves without being triggered is somebody else; who
//! waits until it is triggered, and saves then, time after time, is the rule itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::Machine;

/// A save that comes so soon after the last update may be that update's own work.
const ECHO: Duration = Duration::from_secs(2);
/// So often in a row is worth a trial.
const TURNS: u32 = 6;
/// So many trials in a row without a save are no accident.
const TRIALS: u32 = 2;
/// A trial is so many times as long as the longest pause between two saves, so that somebody who
/// goes on saving does so in it.
const PAUSES: u32 = 2;
const SHORTEST: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(20);
/// A container that writes without end triggers whenever it is looked at, also in a trial.
const MANY: u32 = 50;
const LONG: Duration = Duration::from_secs(180);

/// What a service's saves have led to lately, one right after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Circle {
    /// How often something that follows saves was begun with, and when last.
    turn: u32,
    fired: Option<Duration>,
    /// When the last update was over.
    ended: Option<Duration>,
    streaks: BTreeMap<PathBuf, Streak>,
    trial: Option<Trial>,
}

/// A path that was saved in each of the last turns.
#[derive(Debug, Clone, PartialEq)]
struct Streak {
    since: Duration,
    last: Duration,
    /// The longest pause between two saves.
    pause: Duration,
    turns: u32,
    /// The last of them.
    turn: u32,
    /// In which of its turns there may be a trial.
    trial_at: u32,
    /// Trials in a row in which it was not saved.
    silent: u32,
}

/// What follows is held back, to see whether the path is saved all the same.
#[derive(Debug, Clone, PartialEq)]
struct Trial {
    path: PathBuf,
    length: Duration,
    /// Since when; not before what was triggered last is over.
    began: Option<Duration>,
}

impl Trial {
    fn is_on(&self, now: Duration) -> bool {
        self.began.is_some_and(|began| now < began + self.length)
    }
}

impl Circle {
    /// Something that follows saves begins.
    pub(super) fn fires(&mut self, now: Duration) {
        if self.fired.replace(now) == Some(now) {
            // A task that is restarted is both.
            return;
        }
        self.turn += 1;
        let over = self.trial.take().filter(|trial| !trial.is_on(now));
        let silent = over.filter(|trial| trial.began.is_some());
        if let Some(streak) = silent.and_then(|trial| self.streaks.get_mut(&trial.path)) {
            streak.silent += 1;
        }
    }

    /// An update is over.
    pub(super) fn ends(&mut self, now: Duration) {
        self.ended = Some(now);
    }

    /// Nothing is under way: what follows could begin now.
    pub(super) fn could_fire(&mut self, now: Duration) {
        if let Some(trial) = &mut self.trial {
            trial.began.get_or_insert(now);
        }
    }

    /// A path was saved that something follows, `busy` with the last saves or not, where a container
    /// may write it or not. True if it is known now that it goes round.
    fn saved(&mut self, path: &Path, busy: bool, writable: bool, now: Duration) -> bool {
        if self.trial.as_ref().is_some_and(|trial| trial.is_on(now)) {
            // Nobody has to wait who is not triggered.
            self.trial = None;
            if let Some(streak) = self.streaks.get_mut(path) {
                streak.silent = 0;
                streak.trial_at = streak.turns + TURNS;
                streak.last = now;
            }
            return false;
        }
        let is_echo = self.ended.is_some_and(|ended| now < ended + ECHO);
        if self.turn == 0 || !(busy || is_echo) {
            *self = Circle::default();
            return false;
        }
        let turn = self.turn;
        self.streaks.retain(|_, streak| streak.turn + 1 >= turn);
        let streak = self.streaks.entry(path.to_owned()).or_insert(Streak {
            since: now,
            last: now,
            pause: Duration::ZERO,
            turns: 0,
            turn: 0,
            trial_at: TURNS,
            silent: 0,
        });
        streak.pause = streak.pause.max(now.saturating_sub(streak.last));
        streak.last = now;
        if streak.turn == turn {
            return false;
        }
        streak.turn = turn;
        streak.turns += 1;
        let endless = writable && streak.turns >= MANY && now >= streak.since + LONG;
        if streak.silent >= TRIALS || endless {
            *self = Circle::default();
            return true;
        }
        if streak.turns >= streak.trial_at && self.trial.is_none() {
            self.trial = Some(Trial {
                path: path.to_owned(),
                length: (streak.pause * PAUSES).clamp(SHORTEST, LONGEST),
                began: None,
            });
        }
        false
    }

    /// Until when what follows waits.
    pub(super) fn rests_until(&self) -> Option<Duration> {
        let trial = self.trial.as_ref()?;
        Some(trial.began? + trial.length)
    }
}

impl Machine {
    /// Takes note of a save that something follows; true if it turns out to go round.
    pub(super) fn goes_round(&mut self, path: &Path, writable: bool, now: Duration) -> bool {
        let busy = self.update.is_some() || self.busy.is_some();
        self.circle.saved(path, busy, writable, now)
    }

    /// Why what follows waits, if it does for that reason.
    pub(super) fn why_it_rests(&self) -> Option<String> {
        let trial = self.circle.trial.as_ref()?;
        trial.began?;
        let name = trial.path.file_name()?.to_string_lossy();
        let waits = !self.follow.is_empty() || self.task;
        waits.then(|| {
            format!(
                "what follows waits {} s, to see whether {name} is written by what its own save triggers",
                trial.length.as_secs()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(300);

    fn after_trial(circle: &mut Circle, now: Duration) -> Duration {
        circle.could_fire(now);
        circle.rests_until().unwrap_or(now)
    }

    #[test]
    fn what_comes_back_each_time_also_after_a_pause_goes_round() {
        let path = Path::new("/gen.py");
        let mut circle = Circle::default();
        let mut now = Duration::ZERO;
        assert!(!circle.saved(path, false, false, now));
        for turn in 1..=TURNS + TRIALS {
            let due = after_trial(&mut circle, now);
            assert_eq!(due > now, turn > TURNS, "{turn}");
            now = due;
            circle.fires(now);
            now += TURN;
            let found = circle.saved(path, true, false, now);
            assert_eq!(found, turn == TURNS + TRIALS, "{turn}");
            assert!(
                !circle.saved(path, true, false, now),
                "twice in one turn is once"
            );
        }
    }

    #[test]
    fn whoever_saves_in_the_pause_as_well_is_somebody_else_and_waits_for_nothing() {
        let path = Path::new("/views.py");
        let mut circle = Circle::default();
        let mut now = Duration::ZERO;
        for _ in 0..TURNS * 20 {
            assert!(!circle.saved(path, true, false, now));
            circle.could_fire(now);
            if circle.rests_until().is_some() {
                now += TURN;
                assert!(!circle.saved(path, true, false, now));
                assert_eq!(circle.rests_until(), None);
            }
            circle.fires(now);
            now += TURN;
        }
    }

    #[test]
    fn whoever_saves_after_a_while_is_a_person() {
        let path = Path::new("/views.py");
        let mut circle = Circle::default();
        let mut now = Duration::ZERO;
        for _ in 0..TURNS * 3 {
            assert!(!circle.saved(path, false, false, now));
            circle.fires(now);
            now += TURN;
            circle.ends(now);
            now += ECHO;
        }
        assert_eq!(circle.trial, None);
    }

    #[test]
    fn a_container_that_writes_without_end_is_found_in_the_end() {
        let path = Path::new("/log.txt");
        let turns = |writable: bool| {
            let mut circle = Circle::default();
            let mut now = Duration::ZERO;
            circle.fires(now);
            (0..2_000).find(|_| {
                now += TURN;
                let found = circle.saved(path, true, writable, now);
                circle.could_fire(now);
                if circle.rests_until().is_none() {
                    circle.fires(now);
                }
                found
            })
        };
        assert!(turns(true).is_some());
        assert_eq!(turns(false), None);
    }
}
