//! What is special where this is Debian or one of its children, and we are root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Once;

use crate::run::{self, Error};

/// Whether packages can be installed here without asking anybody.
pub(crate) fn can_install() -> bool {
    is_root() && run::which("apt-get").is_some() && is_family(&os_release())
}

/// Whether this is Debian itself.
pub(crate) fn is_debian() -> bool {
    field(&os_release(), "ID").as_deref() == Some("debian")
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

pub(crate) fn codename() -> Option<String> {
    field(&os_release(), "VERSION_CODENAME")
}

/// Installs packages; what they merely recommend stays away.
pub(crate) fn install(packages: &[&str]) -> Result<(), Error> {
    static LISTS: Once = Once::new();
    run::step(&format!("installing {}", packages.join(", ")), || {
        // An old list may still do; where it does not, the install says so.
        LISTS.call_once(|| {
            let _ = run::quiet("apt-update", apt_get().arg("update"));
        });
        let asleep = packages.contains(&"openssh-server") && Path::new(SYSTEMD).exists();
        if asleep {
            of_sshd("mask")?;
        }
        let installed = run::quiet(
            "apt-install",
            apt_get()
                .args(["install", "--yes", "--no-install-recommends"])
                .args(packages),
        );
        if asleep {
            of_sshd("unmask")?;
            of_sshd("disable")?;
        }
        installed
    })
}

/// There where systemd runs the machine.
const SYSTEMD: &str = "/run/systemd/system";

/// Debian would start a server of ssh with its package, on a machine that had none: tests need the
/// program, nobody wants the open door.
fn of_sshd(verb: &str) -> Result<(), Error> {
    let mut command = Command::new("systemctl");
    command.args([verb, "ssh.service", "ssh.socket"]);
    run::quiet("sshd", &mut command)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn os_release() -> String {
    fs::read_to_string("/etc/os-release").unwrap_or_default()
}

fn is_family(os_release: &str) -> bool {
    let id = field(os_release, "ID").unwrap_or_default();
    let like = field(os_release, "ID_LIKE").unwrap_or_default();
    std::iter::once(id.as_str())
        .chain(like.split_whitespace())
        .any(|name| name == "debian" || name == "ubuntu")
}

fn field(os_release: &str, name: &str) -> Option<String> {
    os_release
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{field, is_family};

    #[test]
    fn knows_debian_and_its_children() {
        assert!(is_family("ID=debian\n"));
        assert!(is_family("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_family("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_family("ID=fedora\n"));
        assert!(!is_family(""));
    }

    #[test]
    fn reads_a_quoted_field() {
        let text = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\n";
        assert_eq!(field(text, "NAME").as_deref(), Some("Debian GNU/Linux"));
        assert_eq!(field(text, "VERSION_CODENAME").as_deref(), Some("bookworm"));
        assert_eq!(field(text, "VERSION"), None);
    }
}
