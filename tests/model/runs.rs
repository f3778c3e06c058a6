//! Many cases on one stage; one that fails is told as small as it can be made.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::kit::patience;
use crate::stage::{Stage, TREES};

/// How long a case that fails is made smaller.
const SHRINKING: Duration = Duration::from_secs(120);
/// What depends on chance may well go right once.
const TRIES: usize = 3;

/// How many cases there are to be, and which.
pub struct Wanted {
    pub from: u64,
    pub count: u64,
    /// Or until then.
    pub until: Option<Instant>,
}

impl Wanted {
    /// So many, or what `cargo xtask soak sync` says.
    pub fn of_environment(count: u64) -> Wanted {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let minutes = number("DEVRUN_SOAK_MINUTES");
        Wanted {
            from: number("DEVRUN_SOAK_SEED").unwrap_or(1),
            count: minutes.map_or(count, |_| u64::MAX),
            until: minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60)),
        }
    }
}

/// Runs them all; panics with the first that fails, made small.
pub fn run(wanted: &Wanted) {
    let mut stage = Stage::new();
    let mut place = Place::default();
    let start = Instant::now();
    for done in 0..wanted.count {
        if done > 0 && wanted.until.is_some_and(|until| Instant::now() >= until) {
            println!("{done} cases in {} s", start.elapsed().as_secs());
            return;
        }
        let case = Case::of(wanted.from + done);
        println!("seed {} after {} s", case.seed, start.elapsed().as_secs());
        let told = place.run(&case, &mut stage);
        if !told.is_empty() {
            let events = stage.events();
            println!("seed {} failed:\n{told}\n{case}\n{events}", case.seed);
            if done > 0 {
                // What is left of it goes meanwhile.
                println!("before it:\n{}", Case::of(case.seed - 1));
            }
            let (small, told) = shrunk(&case, told, stage);
            panic!(
                "seed {}:\n{small}\n{told}\nto see it again: cargo xtask soak sync --minutes 0 --seed {}",
                case.seed, case.seed
            );
        }
    }
}

/// Each run has a folder of its own, which goes when the next one begins.
#[derive(Default)]
struct Place {
    count: usize,
    last: Option<PathBuf>,
}

impl Place {
    fn run(&mut self, case: &Case, stage: &mut Stage) -> String {
        let shared = stage.shared.clone();
        if let Some(last) = &self.last {
            let folders = TREES.map(|tree| shared.stack.path(tree).join(last));
            for gone in folders.iter().chain([&shared.top().join("outside")]) {
                let _ = std::fs::remove_dir_all(gone);
                let _ = std::fs::remove_file(gone);
            }
            shared.forget_own(last);
        }
        self.count += 1;
        let folder = PathBuf::from(format!("s{}", self.count));
        let told = case.run(stage, &folder);
        if let Some(last) = self.last.replace(folder) {
            shared.ask(|inside| inside.clean(Path::new(&last)));
        }
        told
    }
}

/// Leaves out what it fails without as well.
fn shrunk(case: &Case, told: String, stage: Stage) -> (Case, String) {
    let end = Instant::now() + patience(SHRINKING.as_secs());
    drop(stage);
    let (mut small, mut told) = (case.clone(), told);
    let (mut stage, mut place) = (Stage::new(), Place::default());
    let mut width = small.len().div_ceil(2);
    while width > 0 {
        let mut from = 0;
        while from < small.len() {
            let fewer = small.without(from, from + width);
            let mut still = String::new();
            for _ in 0..TRIES {
                if Instant::now() > end {
                    return (small, told);
                }
                still = place.run(&fewer, &mut stage);
                if !still.is_empty() {
                    break;
                }
            }
            if still.is_empty() {
                from += width;
            } else {
                (small, told) = (fewer, still);
                // What is wrong now is not to be there in the next one's comparison.
                drop(stage);
                (stage, place) = (Stage::new(), Place::default());
            }
        }
        width /= 2;
    }
    (small, told)
}
