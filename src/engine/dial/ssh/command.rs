//! What `ssh` is asked to do.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::LIMIT;
use crate::engine::locate::Ssh;

fn ssh(target: &Ssh, folder: &Path) -> Command {
    let mut command = Command::new("ssh");
    command
        .arg("-o")
        .arg(format!("ControlPath={}", folder.join("ssh").display()));
    if let Some(user) = &target.user {
        command.args(["-l", user]);
    }
    if let Some(port) = target.port {
        command.args(["-p", &port.to_string()]);
    }
    command
}

/// Runs something there. It asks nobody: devrun may run where nobody is asked.
fn running(target: &Ssh, folder: &Path, control: &str, there: &str) -> Command {
    let mut command = ssh(target, folder);
    let connect = format!("ConnectTimeout={}", LIMIT.as_secs());
    for option in [
        "BatchMode=yes",
        &connect,
        // A machine that is gone without a word is noticed in a quarter of a minute.
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        control,
        "ControlPersist=no",
        // Those of the person's own configuration belong to the person's own connections.
        "ClearAllForwardings=yes",
        "RemoteCommand=none",
    ] {
        command.args(["-o", option]);
    }
    command
        .args(["-T", "--", &target.host, there])
        .stderr(Stdio::piped())
        // Ctrl-C is for us: until all is stopped, the way is needed.
        .process_group(0);
    command
}

/// The connection itself.
pub(super) fn master(target: &Ssh, folder: &Path, ask: &str) -> Command {
    let mut command = running(target, folder, "ControlMaster=yes", ask);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Makes `engine.sock` here the engine's socket there.
pub(super) fn forwarding(target: &Ssh, folder: &Path, there: &str) -> Command {
    let mut command = ssh(target, folder);
    let here = folder.join("engine.sock");
    command.args([
        // Forwards of the person's own configuration would be asked for as well, and may be open.
        "-F",
        "/dev/null",
        "-O",
        "forward",
        "-L",
        &format!("{}:{there}", here.display()),
    ]);
    command.args(["--", &target.host]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// One connection to the engine as `docker` has them: its program there passes it on. Where the
/// server allows no more programs in one connection, ssh makes another one by itself.
pub(super) fn dialing(target: &Ssh, folder: &Path) -> Command {
    let there = match &target.path {
        Some(path) => format!("docker --host {} system dial-stdio", quoted(path)),
        None => "docker system dial-stdio".to_owned(),
    };
    running(target, folder, "ControlMaster=no", &there)
}

/// For the shell there.
fn quoted(path: &str) -> String {
    format!("'unix://{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_stays_one_word_for_the_shell_there() {
        assert_eq!(quoted("/run/my e.sock"), "'unix:///run/my e.sock'");
        assert_eq!(quoted("/a';reboot'"), r"'unix:///a'\'';reboot'\'''");
    }
}
