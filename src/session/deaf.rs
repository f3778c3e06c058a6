//! Whether a process can be told to end, read from this machine's own kernel where the container
//! runs here: no process has to be started in the container for it.

use std::fs;
use std::path::Path;

use devrun_wire::process::{catches, caught, is_init};

use crate::engine::FirstProcess;

/// Whether the process cannot receive the signal by which it is told to end; `None` where the
/// container does not run on this machine, or its kernel does not say.
pub(super) fn on_this_machine(process: &FirstProcess) -> Option<bool> {
    let place = Path::new("/proc").join(process.pid.to_string());
    // The engine may be another machine's, and the number somebody else's here.
    let groups = fs::read_to_string(place.join("cgroup")).ok()?;
    if !groups.contains(&process.container) {
        return None;
    }
    let caught = caught(&fs::read_to_string(place.join("status")).ok()?)?;
    let comm = fs::read_to_string(place.join("comm")).ok()?;
    let cmdline = fs::read(place.join("cmdline")).ok()?;
    Some(!is_init(&comm, &cmdline) && !catches(caught, process.stop_signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_the_containers_says_nothing() {
        let process = FirstProcess {
            pid: std::process::id(),
            container: "f".repeat(64),
            stop_signal: 15,
        };
        assert_eq!(on_this_machine(&process), None);
    }
}
