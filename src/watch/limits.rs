//! The kernel's limits of watching, and how they are raised.

use rustix::fs::{StatVfsMountFlags, statvfs};

/// Where the kernel's settings are seen.
const SETTINGS: &str = "/proc/sys/fs/inotify";

/// One of them; `None` where it cannot be read.
pub(crate) fn limit(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("{SETTINGS}/{name}")).ok()?;
    text.trim().parse().ok()
}

/// The command that sets it. A container sees the settings of its machine and cannot change them.
pub(crate) fn command(name: &str, value: u64) -> String {
    let seen = statvfs(SETTINGS);
    let fixed = seen.is_ok_and(|seen| seen.f_flag.contains(StatVfsMountFlags::RDONLY));
    told(name, value, fixed)
}

fn told(name: &str, value: u64, fixed: bool) -> String {
    let place = match fixed {
        true => " on the machine itself (in this container it cannot be changed)",
        false => "",
    };
    format!("`sudo sysctl fs.inotify.{name}={value}`{place}")
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_command_is_for_where_it_works() {
        assert_eq!(
            told("max_user_watches", 9, false),
            "`sudo sysctl fs.inotify.max_user_watches=9`"
        );
        let inside = told("max_user_watches", 9, true);
        assert!(inside.contains("on the machine itself"), "{inside}");
    }
}
