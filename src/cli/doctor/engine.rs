//! The engine: its version, what it can do, its machine, its clock.

use devrun_core::session::wanted;
use devrun_stack::Stack;
use time::OffsetDateTime;

use super::{Finding, Verdict};
use crate::engine::{About, Endpoint, Engine, EngineError, EngineVersion};
use crate::report::Clock;
use crate::report::amount::size;

/// The oldest engine that everything was tried with.
const OLDEST: (u32, u32) = (23, 0);
/// The API since which BuildKit is a part of the engine.
const BUILDKIT: (u32, u32) = (1, 39);
/// So much memory a whole application with its tools wants; bytes, as makers of memory count.
const MEMORY: u64 = 8_000_000_000;
/// A machine never shows all of its memory: the kernel keeps some.
const SHOWN: f64 = 0.93;
/// So much room images and volumes want; bytes, as makers of disks count.
const DISK: u64 = 20_000_000_000;
/// With less than this nothing can be built.
const NO_DISK: u64 = 1_000_000_000;
/// By so much two clocks may differ, seconds.
const CLOCKS: f64 = 2.0;

pub(super) async fn look(
    engine: &Engine,
    stack: Option<&Stack>,
    profiles: &[String],
) -> Vec<Finding> {
    let endpoint = engine.endpoint();
    let (version, about) = match asked(engine).await {
        Ok(answers) => answers,
        Err(error) => {
            return vec![Finding::bad(
                "engine",
                Verdict::Wrong,
                error.to_string(),
                error
                    .hint()
                    .unwrap_or_else(|| "restart the engine".to_owned()),
            )];
        }
    };
    let mut findings = vec![
        of_version(&version, endpoint, engine.origin()),
        buildkit(&version),
    ];
    let reserved = stack.map_or(0, |stack| reserved(stack, profiles));
    findings.push(memory(version.memory, reserved));
    findings.extend(disk(&about, endpoint));
    findings.extend(clock(&about, OffsetDateTime::now_utc()));
    findings
}

async fn asked(engine: &Engine) -> Result<(EngineVersion, About), EngineError> {
    Ok((engine.version().await?, engine.about().await?))
}

fn of_version(version: &EngineVersion, endpoint: &Endpoint, origin: &str) -> Finding {
    let found = format!("{} at {endpoint} ({origin})", version.version);
    if numbers(&version.version) >= OLDEST {
        return Finding::ok("engine", found);
    }
    let (major, minor) = OLDEST;
    Finding::bad(
        "engine",
        Verdict::Warning,
        format!("{found}, older than {major}.{minor}"),
        "everything is expected to work; a newer engine starts and builds faster",
    )
}

fn buildkit(version: &EngineVersion) -> Finding {
    if numbers(&version.api) >= BUILDKIT {
        return Finding::ok(
            "BuildKit",
            format!("part of the engine (API {})", version.api),
        );
    }
    Finding::bad(
        "BuildKit",
        Verdict::Wrong,
        format!("the engine's API {} has none", version.api),
        "install Docker Engine 18.09 or newer",
    )
}

/// The first two numbers of a version.
fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version
        .split(|character: char| !character.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// What the services that start are promised together.
fn reserved(stack: &Stack, profiles: &[String]) -> u64 {
    let chosen = wanted(stack, &[], profiles);
    let services = stack.services.iter();
    services
        .filter(|service| chosen.contains(&service.name))
        .filter_map(|service| service.reservations.memory)
        .sum()
}

fn memory(bytes: u64, reserved: u64) -> Finding {
    let found = size(bytes);
    if bytes < reserved {
        return Finding::bad(
            "memory",
            Verdict::Wrong,
            format!(
                "{found}, and {} are reserved by the Stackfile",
                size(reserved)
            ),
            "reserve less, or give the engine's machine more (devrun config shows the sums)",
        );
    }
    if (bytes as f64) < MEMORY as f64 * SHOWN {
        return Finding::bad(
            "memory",
            Verdict::Warning,
            format!("{found}, and 8 GB are advised"),
            "end what else needs memory, or lower the limits in the Stackfile",
        );
    }
    Finding::ok("memory", found)
}

/// Only of this machine: the disks of another one cannot be asked for.
fn disk(about: &About, endpoint: &Endpoint) -> Option<Finding> {
    let (Endpoint::Unix(_), Some(data)) = (endpoint, &about.data) else {
        return None;
    };
    // A user may not look into the engine's folder, but on its disk lies the folder above too.
    let stat = data
        .ancestors()
        .find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(room(
        stat.f_bavail * stat.f_frsize,
        &data.display().to_string(),
    ))
}

fn room(free: u64, place: &str) -> Finding {
    let found = format!("{} free for {place}", size(free));
    let mend = "docker system df shows what takes the room, docker builder prune and docker image \
                prune free some";
    if free < NO_DISK {
        Finding::bad("disk", Verdict::Wrong, found, mend)
    } else if free < DISK {
        Finding::bad(
            "disk",
            Verdict::Warning,
            format!("{found}, and 20 GB are advised"),
            mend,
        )
    } else {
        Finding::ok("disk", found)
    }
}

fn clock(about: &About, now: OffsetDateTime) -> Option<Finding> {
    let theirs = Clock::parse(&about.time)?;
    let off = (theirs - now).as_seconds_f64();
    if off.abs() <= CLOCKS {
        return Some(Finding::ok(
            "clock",
            "the engine's and this machine's agree",
        ));
    }
    Some(Finding::bad(
        "clock",
        Verdict::Warning,
        format!("the engine's is {off:.1} s away from this machine's"),
        "set both by NTP (timedatectl set-ntp true), else logs are out of order",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str, api: &str) -> EngineVersion {
        EngineVersion {
            pools: Vec::new(),
            version: version.to_owned(),
            api: api.to_owned(),
            cpus: 2,
            memory: 0,
            arch: String::new(),
            os: String::new(),
        }
    }

    #[test]
    fn an_old_engine_is_a_warning_and_one_that_cannot_build_is_wrong() {
        let endpoint = Endpoint::Unix("/run/docker.sock".into());
        let of = |text| of_version(&version(text, "1.41"), &endpoint, "the default").verdict;
        assert_eq!(of("20.10.24+dfsg1"), Verdict::Warning);
        assert_eq!(of("23.0.0"), Verdict::Ok);
        assert_eq!(of("28.1.1-rc.1"), Verdict::Ok);
        assert_eq!(buildkit(&version("", "1.41")).verdict, Verdict::Ok);
        assert_eq!(buildkit(&version("", "1.38")).verdict, Verdict::Wrong);
    }

    #[test]
    fn memory_and_disk_are_advised_and_needed() {
        assert_eq!(memory(7_900_000_000, 0).verdict, Verdict::Ok);
        assert_eq!(memory(4_000_000_000, 0).verdict, Verdict::Warning);
        assert_eq!(
            memory(16_000_000_000, 17_000_000_000).verdict,
            Verdict::Wrong
        );
        assert_eq!(room(30_000_000_000, "/x").verdict, Verdict::Ok);
        assert_eq!(room(10_000_000_000, "/x").verdict, Verdict::Warning);
        assert_eq!(room(10_000_000, "/x").verdict, Verdict::Wrong);
    }

    #[test]
    fn clocks_that_differ_are_said() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(100);
        let about = |time: &str| About {
            data: None,
            time: time.to_owned(),
        };
        let verdict = |time| clock(&about(time), now).map(|finding| finding.verdict);
        assert_eq!(verdict("1970-01-01T00:01:40.5Z"), Some(Verdict::Ok));
        assert_eq!(verdict("1970-01-01T00:02:40Z"), Some(Verdict::Warning));
        assert_eq!(verdict(""), None);
    }
}
