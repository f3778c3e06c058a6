//! Stacks by chance, with all that becomes of them.

use proptest::prelude::*;

pub(super) const SETTLE: u64 = 2_000;
/// From one start of a process to the next, where it is started again.
pub(super) const AGAIN: u64 = 1_000;

/// What becomes of a service or task, of which all it depends on is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Ready, or ended with 0.
    Good,
    /// It cannot be built, pulled or made.
    Broken,
    /// It is never ready, or does not end.
    Endless,
    /// A task that ends with this.
    Code(i64),
    /// A server that ends while the checks run, and is not started again.
    Dies,
    /// A server that is unhealthy for a time while the checks run.
    Sick(u64),
    /// A server that ends so often while the checks run, and is started again.
    Restarts(u32),
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) task: bool,
    /// Of no profile that is chosen.
    pub(super) off: bool,
    /// Places of those before it.
    pub(super) after: Vec<usize>,
    /// Milliseconds from its start until it is ready or over.
    pub(super) takes: u64,
    /// So often it is started again before it is ready.
    pub(super) stumbles: u32,
    pub(super) fate: Fate,
}

#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) after: Vec<usize>,
    /// So many attempts fail before one passes.
    pub(super) fails: u32,
    pub(super) retries: u32,
    /// Milliseconds of each attempt.
    pub(super) takes: u64,
}

/// A stack with all that becomes of it, and how it is run.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) parts: Vec<Part>,
    pub(super) asks: Vec<Ask>,
    pub(super) until: Option<usize>,
    pub(super) fail_fast: bool,
    pub(super) restarts_allowed: u32,
    pub(super) jobs: usize,
}

impl Plot {
    /// How long a service may take to be ready, a task to end.
    pub(super) fn limit(place: usize) -> u64 {
        100_000 + (48 << place)
    }

    /// When something happens to a server while the checks run: never when something else does.
    pub(super) fn late(place: usize) -> u64 {
        500 + u64::try_from(place).unwrap()
    }
}

fn part() -> impl Strategy<Value = Part> {
    let fate = prop_oneof![
        12 => Just(Fate::Good),
        1 => Just(Fate::Broken),
        1 => Just(Fate::Endless),
        1 => (1..300_i64).prop_map(Fate::Code),
        1 => Just(Fate::Dies),
        1 => (1..5_u64).prop_map(|times| Fate::Sick(times * 1_000)),
        1 => (1..5_u32).prop_map(Fate::Restarts),
    ];
    let stumbles = prop_oneof![5 => Just(0_u32), 1 => 1..4_u32];
    let after = prop::collection::vec(0..4_usize, 0..3);
    (
        any::<bool>(),
        prop::bool::weighted(0.15),
        after,
        (0..9_u64, stumbles),
        fate,
    )
        .prop_map(|(task, off, after, (seconds, stumbles), fate)| Part {
            task,
            off,
            after,
            takes: seconds * 1_000,
            stumbles,
            fate,
        })
}

fn ask() -> impl Strategy<Value = Ask> {
    let after = prop::collection::vec(0..4_usize, 0..2);
    let fails = prop_oneof![4 => Just(0_u32), 2 => 1..4_u32];
    (after, fails, 0..3_u32, 1..5_u64).prop_map(|(after, fails, retries, seconds)| Ask {
        after,
        fails,
        retries,
        takes: seconds * 1_000,
    })
}

pub(super) fn plot() -> impl Strategy<Value = Plot> {
    let options = (
        prop::option::weighted(0.2, 0..4_usize),
        any::<bool>(),
        0..4_u32,
        1..5_usize,
    );
    let parts = prop::collection::vec(part(), 1..5);
    (parts, prop::collection::vec(ask(), 0..5), options).prop_map(
        |(mut parts, mut asks, (until, fail_fast, restarts_allowed, jobs))| {
            for place in 0..parts.len() {
                let (before, rest) = parts.split_at_mut(place);
                let part = &mut rest[0];
                part.after
                    .retain(|it| before.get(*it).is_some_and(|it| !it.off));
                // No two come to their end at the same moment.
                part.takes += 3 << place;
                part.stumbles *= u32::from(!part.task);
                part.fate = match (part.task, part.fate) {
                    (true, Fate::Dies | Fate::Sick(_) | Fate::Restarts(_))
                    | (false, Fate::Code(_)) => Fate::Broken,
                    (_, fate) => fate,
                };
            }
            for (place, ask) in asks.iter_mut().enumerate() {
                ask.after.retain(|it| *it < place);
            }
            let is_task = |place: &usize| parts.get(*place).is_some_and(|it| it.task && !it.off);
            let late =
                |it: &Part| matches!(it.fate, Fate::Dies | Fate::Sick(_) | Fate::Restarts(_));
            let timed = fail_fast || parts.iter().any(late);
            Plot {
                until: until.filter(is_task),
                fail_fast,
                restarts_allowed,
                // How long the checks take is easy to say where none waits for a place.
                jobs: if timed { asks.len().max(1) } else { jobs },
                parts,
                asks,
            }
        },
    )
}
