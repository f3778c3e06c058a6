//! The container engine: the one that answers, else Debian's, installed and started.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{debian, run};

const SOCKET: &str = "/var/run/docker.sock";
const LOG: &str = "/var/log/devrun-dockerd.log";
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "no container engine answers, and this is not a Debian or Ubuntu where we are root.\n\
         Install Docker Engine 20.10 or newer, start it, and see that `docker version` names a \
         server; then run this again."
    )]
    None,
    #[error(
        "{at} leads to an engine, but there is no `docker` command.\n\
         Install it alone (package docker-cli, or docker-ce-cli from Docker's own packages) and \
         run this again."
    )]
    NoCommand { at: String },
    #[error(
        "the engine does not let this user in.\n\
         Run `sudo usermod -aG docker $USER`, log in anew, and run this again.\n\n{said}"
    )]
    NotAllowed { said: String },
    #[error(
        "{chosen} chooses an engine that does not answer. Start it, or undo that choice.\n\n{said}"
    )]
    ChosenOneSilent { chosen: String, said: String },
    #[error("dockerd did not come up within {} s; the end of {LOG}:\n\n{tail}", PATIENCE.as_secs())]
    NotUp { tail: String },
    #[error("{0}")]
    Run(String),
}

impl From<run::Error> for Error {
    fn from(error: run::Error) -> Self {
        Self::Run(error.to_string())
    }
}

/// What a look at this machine tells.
#[derive(Debug, Default)]
struct Machine {
    /// What `docker version` said on its error stream; `None` where an engine answered.
    silent: Option<String>,
    command: bool,
    daemon: bool,
    socket_answers: bool,
    /// What chooses another engine than the default one.
    chosen: Option<String>,
    can_install: bool,
}

#[derive(Debug, PartialEq)]
enum Plan {
    Use,
    Install,
    Start,
}

/// Returns when an engine answers. One that is there is left as it is.
pub(crate) fn ensure() -> Result<(), Error> {
    match plan(&look())? {
        Plan::Use => return Ok(()),
        Plan::Install => install()?,
        Plan::Start => {}
    }
    if ask().is_none() {
        return Ok(());
    }
    run::step("starting dockerd", start)
}

fn plan(machine: &Machine) -> Result<Plan, Error> {
    let Some(said) = &machine.silent else {
        return Ok(Plan::Use);
    };
    let said = said.clone();
    match &machine.chosen {
        Some(at) if !machine.command => return Err(Error::NoCommand { at: at.clone() }),
        Some(chosen) => {
            return Err(Error::ChosenOneSilent {
                chosen: chosen.clone(),
                said,
            });
        }
        None if machine.socket_answers && !machine.command => {
            return Err(Error::NoCommand {
                at: format!("the socket {SOCKET}"),
            });
        }
        None if said.contains("permission denied") => return Err(Error::NotAllowed { said }),
        None => {}
    }
    match (machine.can_install, machine.daemon && machine.command) {
        (false, _) => Err(Error::None),
        (true, false) => Ok(Plan::Install),
        (true, true) => Ok(Plan::Start),
    }
}

fn look() -> Machine {
    Machine {
        silent: ask(),
        command: run::which("docker").is_some(),
        daemon: run::which("dockerd").is_some(),
        socket_answers: UnixStream::connect(SOCKET).is_ok(),
        chosen: chosen(),
        can_install: debian::can_install(),
    }
}

/// How a person chose another engine than the default one.
fn chosen() -> Option<String> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if let Some(variable) = ["DOCKER_HOST", "DOCKER_CONTEXT"].into_iter().find(set) {
        return Some(format!("the variable {variable}"));
    }
    let mut inspect = Command::new("docker");
    inspect.args(["context", "inspect", "--format", "{{.Name}}"]);
    let context = run::answer(&mut inspect).ok().flatten()?;
    (context != "default").then(|| format!("the docker context {context}"))
}

/// `None` where an engine answers, else what the `docker` command said.
fn ask() -> Option<String> {
    let output = Command::new("timeout")
        .args(["10", "docker", "version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Older releases of Debian have command and daemon in one package, newer ones in two.
fn install() -> Result<(), Error> {
    if run::which("dockerd").is_none() {
        debian::install(&["docker.io"])?;
    }
    if run::which("docker").is_none() {
        debian::install(&["docker-cli"])?;
    }
    Ok(())
}

fn start() -> Result<(), Error> {
    if Path::new("/run/systemd/system").is_dir() {
        run::quiet(
            "systemctl",
            Command::new("systemctl").args(["start", "docker"]),
        )?;
        return wait(|| None);
    }
    // A package starts its daemon itself where the init scripts of old are in use.
    if is_coming_up() {
        return wait(|| None);
    }
    let mut daemon = spawn().map_err(|error| Error::Run(format!("dockerd: {error}")))?;
    wait(|| {
        daemon
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.to_string())
    })
}

fn is_coming_up() -> bool {
    let name_of = |pid: String| fs::read_to_string(format!("/proc/{}/comm", pid.trim()));
    ["/var/run/docker.pid", "/var/run/docker-ssd.pid"]
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).and_then(name_of).ok())
        .any(|name| name.trim() == "dockerd")
}

/// In a session of its own, so that what ends this terminal does not end the engine.
fn spawn() -> std::io::Result<Child> {
    let log = File::create(LOG)?;
    Command::new("setsid")
        .arg("dockerd")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Waits until the engine answers, its daemon has ended, or time is up.
fn wait(mut ended: impl FnMut() -> Option<String>) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        if ask().is_none() {
            return Ok(());
        }
        if ended().is_some() || start.elapsed() > PATIENCE {
            return Err(Error::NotUp {
                tail: run::tail(Path::new(LOG)),
            });
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the engine tells nobody that it is up"
        )]
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Machine, Plan, plan};

    fn silent() -> Machine {
        Machine {
            silent: Some("Cannot connect".into()),
            ..Machine::default()
        }
    }

    #[test]
    fn an_engine_that_answers_is_used_wherever_it_is() {
        let machine = Machine {
            chosen: Some("DOCKER_HOST".into()),
            ..Machine::default()
        };
        assert_eq!(plan(&machine), Ok(Plan::Use));
    }

    #[test]
    fn a_fresh_debian_gets_one() {
        let machine = Machine {
            can_install: true,
            ..silent()
        };
        assert_eq!(plan(&machine), Ok(Plan::Install));
    }

    #[test]
    fn one_that_is_installed_is_started() {
        let machine = Machine {
            can_install: true,
            daemon: true,
            command: true,
            ..silent()
        };
        assert_eq!(plan(&machine), Ok(Plan::Start));
    }

    #[test]
    fn elsewhere_it_says_what_to_install() {
        assert_eq!(plan(&silent()), Err(Error::None));
    }

    #[test]
    fn an_engine_that_a_person_chose_is_never_replaced_by_ours() {
        let chosen = Some("DOCKER_HOST".to_owned());
        let machine = Machine {
            can_install: true,
            command: true,
            chosen,
            ..silent()
        };
        assert!(matches!(plan(&machine), Err(Error::ChosenOneSilent { .. })));
    }

    #[test]
    fn an_engine_without_its_command_is_not_installed_over() {
        let machine = Machine {
            can_install: true,
            socket_answers: true,
            ..silent()
        };
        assert!(matches!(plan(&machine), Err(Error::NoCommand { .. })));
    }

    #[test]
    fn a_closed_door_is_not_a_missing_engine() {
        let silent = Some("permission denied while trying to connect".to_owned());
        let machine = Machine {
            silent,
            command: true,
            daemon: true,
            ..Machine::default()
        };
        assert!(matches!(plan(&machine), Err(Error::NotAllowed { .. })));
    }
}
