//! What a session costs while nothing happens: the example stack, ready, for a minute.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::figures::Figures;
use super::{Error, pause, side};
use crate::run::{self, say};

const STACK: &str = "devrun-bench-idle";
/// The ports of the example's variables, so that it runs beside anything else.
const PORTS: [(&str, &str); 5] = [
    ("PROXY_PORT", "18981"),
    ("BACKEND_PORT", "18982"),
    ("FRONTEND_PORT", "18983"),
    ("DB_PORT", "18984"),
    ("REDIS_PORT", "18985"),
];
/// The engine's own programs. What a health check runs is a child of the shim, and in its times
/// once it has ended.
const ENGINE: [&str; 3] = ["dockerd", "containerd", "containerd-shim"];
/// What follows a start (first health checks, caches) is not idle yet.
const CALM: Duration = Duration::from_secs(15);
const WHILE: Duration = Duration::from_secs(60);
const QUICK_WHILE: Duration = Duration::from_secs(20);
/// `USER_HZ`, in which the kernel counts times for programs on every platform that Linux runs on.
pub(super) const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn run(devrun: &Path, quick: bool) -> Result<Figures, Error> {
    let watched = if quick { QUICK_WHILE } else { WHILE };
    let figures = command(devrun, &["up", "-d"]).and_then(|_| measure(devrun, watched));
    let ended = command(devrun, &["down", "--volumes"]);
    let figures = figures?;
    ended?;
    Ok(figures)
}

fn measure(devrun: &Path, watched: Duration) -> Result<Figures, Error> {
    let status = command(devrun, &["status", "--format", "json"])?;
    let pid = number_after(&status, "\"pid\":")
        .ok_or_else(|| side("devrun", &format!("no session in {status}")))?;
    pause(CALM);
    let (own, engine) = (ticks(pid), engine_ticks());
    pause(watched);
    let share = |ticks: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let seconds = ticks as f64 / TICKS_PER_SECOND;
        100.0 * seconds / watched.as_secs_f64()
    };
    let own = share(ticks(pid).saturating_sub(own));
    let engine = share(engine_ticks().saturating_sub(engine));
    let resident = resident_megabytes(pid);
    say(&format!(
        "  idle for {} s: devrun {own:.2} % of a core and {resident:.1} MB; the engine with its \
         health checks {engine:.1} %",
        watched.as_secs()
    ));
    let mut figures = Figures::default();
    figures.table(&["a minute of the example, ready", "processor", "memory"]);
    figures.cells(&[
        "devrun",
        &format!("{own:.2} % of a core"),
        &format!("{resident:.1} MB"),
    ]);
    let engines = format!("{engine:.1} % of a core");
    figures.cells(&["the engine with its health checks", &engines, ""]);
    figures.at_most("idle.cpu_percent", own, 0.5);
    figures.at_most("idle.resident_mb", resident, 40.0);
    Ok(figures)
}

fn command(devrun: &Path, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(devrun)
        .args(["-p", STACK])
        .args(arguments)
        .envs(PORTS)
        .current_dir(run::root())
        .output()
        .map_err(|error| side("devrun", &error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(side("devrun", &String::from_utf8_lossy(&said)))
}

fn number_after(text: &str, word: &str) -> Option<u32> {
    let rest = text.split(word).nth(1)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

/// What a process and its ended children have used; 0 of one that is gone.
pub(super) fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything: state, …, utime, stime, cutime, cstime.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return 0;
    };
    let times = fields.split_whitespace().skip(11).take(4);
    times.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn engine_ticks() -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            // The kernel keeps the first 15 letters.
            ENGINE
                .iter()
                .any(|program| name.trim() == program.get(..15).unwrap_or(program))
        })
        .map(ticks)
        .sum()
}

pub(super) fn resident_megabytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::INFINITY) / 1024.0
}
