//! A server of ssh of the test's own: its port, its keys, its configuration, nobody else's.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::kit::{Scratch, eventually, free_port};

/// What people have set for themselves, and what must not come between; the forward's port is taken.
const OF_THE_PERSON: &str = "  RequestTTY force\n  RemoteCommand sleep 1000\n  ControlMaster auto\n  \
     ControlPersist 60\n  ExitOnForwardFailure yes\n";

pub struct Sshd {
    child: Child,
    pub port: u16,
    folder: PathBuf,
}

impl Sshd {
    /// With these lines of its configuration beside what every test needs.
    pub fn start(folder: &Path, more: &str) -> Sshd {
        let folder = folder.join("ssh");
        std::fs::create_dir(&folder).unwrap();
        for name in ["host", "key", "other"] {
            keygen(&folder.join(name));
        }
        std::fs::copy(folder.join("key.pub"), folder.join("authorized")).unwrap();
        let port = free_port();
        let here = folder.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nPidFile none\n\
             AuthorizedKeysFile {here}/authorized\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n{more}"
        );
        std::fs::write(folder.join("sshd_config"), config).unwrap();
        // Where its service never ran, root's server has no folder to lock itself into.
        let _ = std::fs::create_dir("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f"])
            .arg(folder.join("sshd_config"))
            .arg("-E")
            .arg(folder.join("log"))
            .stdin(Stdio::null())
            .spawn()
            .expect("these tests need a server of ssh: apt-get install openssh-server");
        eventually("the server of ssh", 30, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Sshd {
            child,
            port,
            folder,
        }
    }

    /// The stack's commands know that machine as `farbox`, at this port, and this of its key.
    pub fn known_to(&self, stack: &mut Scratch, port: u16, key: &str, host_key: Option<&str>) {
        let here = self.folder.display();
        let known = host_key.map_or_else(String::new, |name| {
            let key = std::fs::read_to_string(self.folder.join(format!("{name}.pub"))).unwrap();
            format!("[127.0.0.1]:{port} {key}")
        });
        std::fs::write(self.folder.join("known"), known).unwrap();
        let config = format!(
            "Host farbox\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {here}/{key}\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {here}/known\n  \
             GlobalKnownHostsFile /dev/null\n{OF_THE_PERSON}  LocalForward 127.0.0.1:{} 127.0.0.1:1\n",
            self.port
        );
        std::fs::write(self.folder.join("config"), config).unwrap();
        // Ssh asks the user's record for the home folder, not HOME: so it is told by a wrapper.
        let wrapper = self.folder.join("bin/ssh");
        if !wrapper.exists() {
            std::fs::create_dir(self.folder.join("bin")).unwrap();
            std::fs::write(
                &wrapper,
                format!("#!/bin/sh\nexec /usr/bin/ssh -F {here}/config \"$@\"\n"),
            )
            .unwrap();
            std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let path = std::env::var("PATH").unwrap_or_default();
        stack.environment = vec![
            ("PATH".to_owned(), format!("{here}/bin:{path}")),
            ("DOCKER_HOST".to_owned(), "ssh://farbox".to_owned()),
        ];
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keygen(file: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(file)
        .status()
        .unwrap();
    assert!(made.success());
}
