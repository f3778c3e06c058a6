//! What goes wrong while files are saved.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::kit::{docker, eventually};
use crate::stage::Stage;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The agents in the container are killed.
    Agent,
    /// devrun is killed and started again.
    Devrun,
    /// devrun ends as it should and is started again.
    Ended,
    Restart,
    /// Somebody asks devrun to restart it.
    Asked,
    /// The container is stopped, and started a while later.
    Stopped,
    /// The agents stand still for a while.
    Slow,
    /// The container is removed; devrun makes another one.
    Removed,
    /// The kernel's queue of file events is full: it drops what comes.
    Overflow,
    /// The host's folder is away for a while.
    Away,
    /// Somebody asks for a comparison.
    Compared,
    /// The disk of another target is full for a while.
    Full,
    /// Another configuration is saved; devrun makes another one.
    Anew,
    /// Nobody answers at the engine's socket for a while.
    Engine,
}

pub const CHEAP: [Fault; 5] = [
    Fault::Agent,
    Fault::Overflow,
    Fault::Slow,
    Fault::Away,
    Fault::Compared,
];
pub const DEAR: [Fault; 9] = [
    Fault::Full,
    Fault::Devrun,
    Fault::Ended,
    Fault::Restart,
    Fault::Asked,
    Fault::Stopped,
    Fault::Removed,
    Fault::Anew,
    Fault::Engine,
];

impl Stage {
    /// It happens. [`Fault::Full`] is another one's.
    pub fn befall(&mut self, fault: Fault) {
        let container = self.shared.stack.container("web");
        let _doing = self.shared.doing(&format!("until {fault}"));
        match fault {
            Fault::Agent => {
                self.shared.try_ask(|inside| inside.signal_agents(9));
            }
            Fault::Devrun => self.up_again(9),
            Fault::Ended => self.up_again(2),
            Fault::Restart => {
                self.shared.was_interrupted.store(true, Ordering::Relaxed);
                docker(&["restart", "-t", "0", &container]);
            }
            Fault::Asked => {
                self.shared.was_interrupted.store(true, Ordering::Relaxed);
                self.shared.stack.run(&["restart"]);
            }
            Fault::Stopped => {
                self.shared.was_interrupted.store(true, Ordering::Relaxed);
                docker(&["stop", "-t", "0", &container]);
                docker(&["start", &container]);
            }
            // Not by `docker pause`: where an exec begins at that moment, engine 20.10 never ends it.
            Fault::Slow => {
                self.shared.try_ask(|inside| inside.signal_agents(19));
                self.shared.try_ask(|inside| inside.list());
                self.shared.try_ask(|inside| inside.signal_agents(18));
            }
            Fault::Removed => {
                docker(&["rm", "-f", &container]);
                self.shared.forget_own(Path::new(""));
            }
            Fault::Anew => self.anew(),
            Fault::Overflow => self.overflow(),
            Fault::Away => self.away(),
            Fault::Compared => {
                self.shared.stack.run(&["sync"]);
            }
            Fault::Full => {}
            Fault::Engine => {
                self.relay.cut();
                self.relay.listen();
            }
        }
    }

    fn anew(&mut self) {
        let container = self.shared.stack.container("web");
        let id = || docker(&["inspect", "-f", "{{.Id}}", &container]).out;
        let before = id();
        self.configure_anew();
        eventually("another container", 60, || {
            let now = id();
            (!now.trim().is_empty() && now != before).then_some(())
        });
        self.shared.leave();
        self.shared.forget_own(Path::new(""));
    }

    fn away(&self) {
        let (tree, away) = (self.shared.top(), self.shared.stack.path("away"));
        fs::rename(&tree, &away).unwrap();
        self.shared.try_ask(|inside| inside.list());
        eventually("the folder is back", 20, || {
            // Writers may have made it anew meanwhile.
            let _ = fs::remove_dir_all(&tree);
            fs::rename(&away, &tree).ok()
        });
    }

    /// The real queue, really full: nobody reads from it while more happens than it holds.
    fn overflow(&self) {
        let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let most: usize = most.trim().parse().unwrap();
        self.signal(19);
        let names = ["flood-0", "flood-1"].map(|name| self.shared.top().join(name));
        // Two names in turn: equal events in a row are one.
        for number in 0..most / 2 + 100 {
            let _ = fs::write(&names[number % 2], "");
        }
        for name in names {
            let _ = fs::remove_file(name);
        }
        self.signal(18);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Agent => "the agent is killed",
            Fault::Devrun => "devrun is killed and started again",
            Fault::Ended => "devrun is ended and started again",
            Fault::Restart => "the container restarts",
            Fault::Asked => "devrun restarts the container",
            Fault::Compared => "all is compared",
            Fault::Full => "the disk of another target is full",
            Fault::Anew => "another configuration asks for another container",
            Fault::Stopped => "the container is stopped and started",
            Fault::Slow => "the agent stands still for a while",
            Fault::Removed => "the container is removed",
            Fault::Overflow => "the kernel's queue overflows",
            Fault::Away => "the host's folder is away for a while",
            Fault::Engine => "the engine is away for a while",
        })
    }
}
