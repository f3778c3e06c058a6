//! What the engine can change in a container that is there: limits, reservations, restart policy.

use devrun_stack::{Resources, Restart, Service};

use crate::spec::ContainerSpec;

/// Limits, reservations and restart policy, in the engine's units; 0 where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Upper bound of CPUs, in billionths of one.
    pub nano_cpus: i64,
    /// Upper bound of memory, bytes.
    pub memory: i64,
    /// Its share where CPUs are scarce. The engine knows no reservation of CPUs; shares give the
    /// same proportions under load.
    pub cpu_shares: i64,
    /// What it is promised of memory, bytes.
    pub memory_reservation: i64,
    /// So many processes at most.
    pub pids: i64,
    /// What the engine does when it ends.
    pub restart: Restart,
}

/// What the engine's machine has; 0 where that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// CPUs.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
}

impl Live {
    /// As a service is declared.
    #[must_use]
    pub fn of_service(service: &Service) -> Live {
        let pids = service.settings.pids_limit;
        Live::new(service.limits, service.reservations, pids, service.restart)
    }

    /// As a container is to be made.
    #[must_use]
    pub fn of_spec(spec: &ContainerSpec) -> Live {
        let pids = spec.settings.pids_limit;
        Live::new(spec.limits, spec.reservations, pids, spec.restart)
    }

    fn new(
        limits: Resources,
        reservations: Resources,
        pids: Option<i64>,
        restart: Restart,
    ) -> Live {
        Live {
            nano_cpus: limits.cpus.map_or(0, |cpus| (cpus * 1e9).round() as i64),
            memory: bytes(limits.memory),
            cpu_shares: reservations.cpus.map_or(0, shares),
            memory_reservation: bytes(reservations.memory),
            // What is without a bound by its own word is so without a word as well.
            pids: pids.unwrap_or(0).max(0),
            restart,
        }
    }

    /// The same on a machine that has so much: more cannot be given.
    #[must_use]
    pub fn within(self, machine: Capacity) -> Live {
        let cut = |wanted: i64, most: i64| if most > 0 { wanted.min(most) } else { wanted };
        Live {
            nano_cpus: cut(self.nano_cpus, i64::from(machine.cpus) * 1_000_000_000),
            memory: cut(self.memory, bytes(Some(machine.memory))),
            ..self
        }
    }

    /// What differs, in the Stackfile's words: `limits memory, restart`.
    #[must_use]
    pub fn difference(&self, wanted: &Live) -> String {
        let policy = (self.restart != wanted.restart).then_some("restart");
        let amounts = self.amounts(wanted).into_iter();
        let amounts = amounts.filter_map(|(word, now, then)| (now != then).then_some(word));
        amounts.chain(policy).collect::<Vec<_>>().join(", ")
    }

    /// The first bound of this one that is not to hold any more and that no engine takes back:
    /// nothing said means unchanged to it.
    #[must_use]
    pub fn lifts(&self, wanted: &Live) -> Option<&'static str> {
        let mut amounts = self.amounts(wanted).into_iter();
        amounts.find_map(|(word, now, then)| {
            let lifted = now != 0 && then == 0 && word != PIDS;
            lifted.then_some(word)
        })
    }

    fn amounts(&self, wanted: &Live) -> [(&'static str, i64, i64); 5] {
        [
            ("limits cpus", self.nano_cpus, wanted.nano_cpus),
            ("limits memory", self.memory, wanted.memory),
            ("reservations cpus", self.cpu_shares, wanted.cpu_shares),
            (
                "reservations memory",
                self.memory_reservation,
                wanted.memory_reservation,
            ),
            (PIDS, self.pids, wanted.pids),
        ]
    }
}

const PIDS: &str = "pids-limit";

fn bytes(amount: Option<u64>) -> i64 {
    amount.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

fn shares(cpus: f64) -> i64 {
    ((cpus * 1024.0).round() as i64).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Live = Live {
        nano_cpus: 500_000_000,
        memory: 1 << 30,
        cpu_shares: 512,
        memory_reservation: 1 << 20,
        pids: 100,
        restart: Restart::Always,
    };

    #[test]
    fn what_differs_is_told_in_the_words_of_the_stackfile() {
        assert_eq!(HALF.difference(&HALF), "");
        let more = Live {
            memory: 2 << 30,
            restart: Restart::No,
            ..HALF
        };
        assert_eq!(HALF.difference(&more), "limits memory, restart");
        assert_eq!(
            Live::default().difference(&HALF),
            "limits cpus, limits memory, reservations cpus, reservations memory, pids-limit, restart"
        );
    }

    #[test]
    fn a_bound_can_be_set_moved_and_but_for_that_of_processes_not_taken_back() {
        assert_eq!(Live::default().lifts(&HALF), None);
        let no_processes = Live { pids: 0, ..HALF };
        assert_eq!(HALF.lifts(&no_processes), None);
        let no_memory = Live { memory: 0, ..HALF };
        assert_eq!(HALF.lifts(&no_memory), Some("limits memory"));
    }

    #[test]
    fn no_machine_gives_more_than_it_has() {
        let small = Capacity {
            cpus: 0,
            memory: 1 << 20,
        };
        let cut = HALF.within(small);
        assert_eq!((cut.nano_cpus, cut.memory), (HALF.nano_cpus, 1 << 20));
        assert_eq!(HALF.within(Capacity::default()), HALF);
    }
}
