//! Stand-ins: Debian's packages under the official images' names, keeping as
//! much of their contract as the stack uses.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::{BASE, Error, Image, LABEL, RECIPE_LABEL, State, recipe, state};
use crate::{debian, run};

const SUITE: &str = "trixie";
/// Two at once keep the line busy while the other one unpacks.
const WORKERS: usize = 2;

/// Makes stand-ins for these images, over nothing but older stand-ins.
pub(super) fn make(images: &[Image]) -> Result<(), Error> {
    run::say("base images: stand-ins are made from Debian's packages, this takes a minute or two");
    if state(BASE)? != State::Present {
        require_debootstrap(images)?;
        run::step(BASE.name, make_base)?;
    }
    let queue = Mutex::new(images.iter().rev().copied().collect::<Vec<_>>());
    let next = || queue.lock().ok().and_then(|mut queue| queue.pop());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(image) = next() {
                        run::step(image.name, || build(image))?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

fn require_debootstrap(images: &[Image]) -> Result<(), Error> {
    let there = run::which("debootstrap").is_some();
    if debian::is_root() && there {
        return Ok(());
    }
    if !debian::can_install() {
        let names: Vec<&str> = images.iter().map(|image| image.name).collect();
        return Err(Error::CannotMake {
            missing: names.join(", "),
        });
    }
    debian::install(&["debootstrap", "debian-archive-keyring"])?;
    Ok(())
}

fn make_base() -> Result<(), Error> {
    // Not below a temporary folder of the system: that may forbid device files.
    let root = PathBuf::from("/var/tmp/devrun-standin-root");
    clear(&root)?;
    let outcome = bootstrap(&root)
        .and_then(|()| furnish(&root))
        .and_then(|()| import(&root));
    clear(&root)?;
    outcome
}

fn clear(root: &Path) -> Result<(), Error> {
    let mut command = Command::new("rm");
    command.args(["-rf", "--one-file-system", "--"]).arg(root);
    Ok(run::quiet("standin-clear", &mut command)?)
}

fn bootstrap(root: &Path) -> Result<(), Error> {
    let mut command = Command::new("debootstrap");
    command
        .args(["--variant=minbase", "--include=ca-certificates", SUITE])
        .arg(root);
    // The mirror that this machine can reach is the one that builds on it can reach.
    command.args(host_mirror());
    Ok(run::quiet("standin-debootstrap", &mut command)?)
}

/// Puts our settings in, and takes out what belongs to this machine or is never read.
fn furnish(root: &Path) -> Result<(), Error> {
    let settings = recipe::folder(BASE);
    let script = "set -eu
        install -m 644 \"$1/apt-quiet\" \"$2/etc/apt/apt.conf.d/90standin\"
        install -m 644 \"$1/dpkg-slim\" \"$2/etc/dpkg/dpkg.cfg.d/90standin\"
        install -m 755 \"$1/policy-rc.d\" \"$2/usr/sbin/policy-rc.d\"
        cd \"$2\"
        rm -f etc/resolv.conf etc/hostname var/log/*.log
        rm -rf var/lib/apt/lists/* var/cache/apt/* usr/share/man/* usr/share/info/*";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(settings).arg(root);
    Ok(run::quiet("standin-furnish", &mut command)?)
}

fn import(root: &Path) -> Result<(), Error> {
    let mut archive = Command::new("tar");
    archive.args([
        "--numeric-owner",
        "--one-file-system",
        "--create",
        "--directory",
    ]);
    archive
        .arg(root)
        .arg(".")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut archive = archive.spawn().map_err(|source| run::Error::Start {
        program: "tar".into(),
        source,
    })?;
    let mut command = Command::new("docker");
    command.args(["import", "--change", "CMD [\"bash\"]"]);
    command.args([
        "--change",
        &format!("LABEL {LABEL}=1 {RECIPE_LABEL}={}", recipe::hash(BASE)?),
    ]);
    command.args(["-", BASE.name]);
    let imported = match archive.stdout.take() {
        Some(stream) => run::quiet_from("standin-import", &mut command, stream.into()),
        None => Ok(()),
    };
    let archived = archive.wait().is_ok_and(|status| status.success());
    imported?;
    if archived {
        return Ok(());
    }
    Err(run::Error::Ended {
        program: "tar".into(),
        code: None,
    }
    .into())
}

/// The classic builder is in every `docker` command; the other one may lack its plug-in.
fn build(image: Image) -> Result<(), Error> {
    let older = id(image)?;
    let mut command = Command::new("docker");
    command
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "--force-rm", "--tag", image.name]);
    command.args(["--label", &format!("{LABEL}=1")]);
    command.args([
        "--label",
        &format!("{RECIPE_LABEL}={}", recipe::hash(image)?),
    ]);
    for proxy in ["http_proxy", "https_proxy", "no_proxy"] {
        command.args(["--build-arg", proxy]);
    }
    command.arg(recipe::folder(image));
    run::quiet(&format!("standin-{}", image.folder), &mut command)?;
    if let Some(older) = older.filter(|older| id(image).ok().flatten().as_ref() != Some(older)) {
        // Refused where something was built on it, which may well be.
        run::answer(Command::new("docker").args(["image", "rm", &older]))?;
    }
    Ok(())
}

fn id(image: Image) -> Result<Option<String>, Error> {
    let mut command = Command::new("docker");
    command.args(["image", "inspect", "--format", "{{.Id}}", image.name]);
    Ok(run::answer(&mut command)?)
}

/// The mirror that this machine installs Debian from, if it is a Debian.
fn host_mirror() -> Option<String> {
    let codename = debian::codename().filter(|_| debian::is_debian())?;
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let directory = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    files.extend(directory.map(|entry| entry.path()));
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| mirror_in(&text, &codename))
}

/// Finds the mirror of a suite in apt's sources, in the style of one line or of fields.
fn mirror_in(sources: &str, suite: &str) -> Option<String> {
    let one_line = sources.lines().filter_map(|line| {
        let rest = line.strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        Some((words.next()?, words.next()?.to_owned()))
    });
    let fields = sources.split("\n\n").filter_map(|paragraph| {
        let field = |name| paragraph.lines().find_map(|line| line.strip_prefix(name));
        Some((
            field("URIs:")?.split_whitespace().next()?,
            field("Suites:")?.to_owned(),
        ))
    });
    one_line
        .chain(fields)
        .find(|(uri, suites)| {
            uri.starts_with("http") && suites.split_whitespace().any(|name| name == suite)
        })
        .map(|(uri, _)| uri.to_owned())
}

#[cfg(test)]
mod tests;
