//! Whose run it is that left something on the engine, and whether it still lives.

use std::fmt;
use std::str::FromStr;

/// The process of a run, so that nobody takes it for another one: numbers of processes come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// When it began, as its kernel counts.
    pub start: u64,
    /// Which start of the machine that was.
    pub boot: String,
    /// Which machine, and which view of its processes.
    pub machine: String,
}

/// Whether a run lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Its process runs.
    Alive,
    /// Its process is gone: what it left is nobody's.
    Dead,
    /// It is of another machine; only that one knows.
    Elsewhere,
}

impl Owner {
    /// Whether this run lives, seen from the process `here`; `start_of` says when a process of
    /// this machine began, if it runs.
    #[must_use]
    pub fn life(&self, here: &Owner, start_of: impl Fn(u32) -> Option<u64>) -> Life {
        if self.machine != here.machine {
            Life::Elsewhere
        } else if self.boot == here.boot && start_of(self.pid) == Some(self.start) {
            Life::Alive
        } else {
            Life::Dead
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner {
            pid,
            start,
            boot,
            machine,
        } = self;
        write!(f, "{pid}.{start}.{boot}.{machine}")
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Owner, ()> {
        let mut parts = text.splitn(4, '.');
        let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or(());
        Ok(Owner {
            pid: next()?.parse().map_err(|_| ())?,
            start: next()?.parse().map_err(|_| ())?,
            boot: next()?.to_owned(),
            machine: next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pid: u32, start: u64, boot: &str, machine: &str) -> Owner {
        Owner {
            pid,
            start,
            boot: boot.into(),
            machine: machine.into(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_others_wrote_is_not() {
        let one = owner(42, 4711, "b00t", "host.example.4026531836");
        assert_eq!(one.to_string().parse(), Ok(one));
        for text in ["", "42", "42.1.b", "x.1.b.m", "42..b.m", "42.1.b."] {
            assert_eq!(text.parse::<Owner>(), Err(()), "{text}");
        }
    }

    #[test]
    fn only_what_is_known_to_be_dead_is_dead() {
        let here = owner(1, 1, "b", "m");
        let runs = |pid: u32| (pid == 42).then_some(7);
        for (other, life) in [
            (owner(42, 7, "b", "m"), Life::Alive),
            (owner(42, 8, "b", "m"), Life::Dead),
            (owner(43, 7, "b", "m"), Life::Dead),
            (owner(42, 7, "before", "m"), Life::Dead),
            (owner(42, 7, "b", "other"), Life::Elsewhere),
            (owner(43, 7, "b", "other"), Life::Elsewhere),
        ] {
            assert_eq!(other.life(&here, runs), life, "{other}");
        }
    }
}
