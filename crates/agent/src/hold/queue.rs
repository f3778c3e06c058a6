//! Who waits, in order, and who is to be answered now.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use devrun_wire::frames::Behind;

use super::ask::Ask;

/// So many wait at a time; whoever comes then is told so at once.
const MOST: usize = 512;
/// After this a person is shown what is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// So often it is tried whether a service takes connections that took none before.
const TRY_EVERY: Duration = Duration::from_millis(50);
/// So often it is looked for clients that have gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the proxy is to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Pass it on to this place, on the way of its route.
    Go {
        to: String,
        open: bool,
        suffix: String,
    },
    /// Say what the service is doing.
    Page,
    /// Say that it is lost.
    Lost,
    /// Say that its answer did not come in time.
    Late,
}

/// Somebody who waits, and how to answer.
#[derive(Debug)]
struct Waiting<C> {
    ask: Ask,
    since: Instant,
    client: C,
}

/// A port of a service that took no connection.
pub(super) type Closed = (String, u16);

/// All of them.
#[derive(Debug)]
pub(super) struct Queue<C> {
    services: Vec<Behind>,
    waiting: VecDeque<Waiting<C>>,
    /// What was found out about closed ports: when, and whether they are open now.
    tried: HashMap<Closed, (Instant, bool)>,
    looked: Option<Instant>,
    turn: usize,
}

/// What is to be done now, and when to look again.
#[derive(Debug)]
pub(super) struct Round<C> {
    pub(super) answers: Vec<(C, Answer)>,
    /// Addresses to try.
    pub(super) tries: Vec<(Closed, Vec<Ipv4Addr>)>,
    pub(super) next: Option<Instant>,
}

impl<C> Default for Queue<C> {
    fn default() -> Self {
        Queue {
            services: Vec::new(),
            waiting: VecDeque::new(),
            tried: HashMap::new(),
            looked: None,
            turn: 0,
        }
    }
}

impl<C> Queue<C> {
    pub(super) fn tell(&mut self, services: Vec<Behind>) {
        self.services = services;
    }

    /// Takes somebody in, unless there are too many.
    pub(super) fn add(&mut self, ask: Ask, client: C, since: Instant) -> Result<(), C> {
        if self.waiting.len() >= MOST {
            return Err(client);
        }
        self.waiting.push_back(Waiting { ask, since, client });
        Ok(())
    }

    pub(super) fn note_try(&mut self, port: Closed, open: bool, now: Instant) {
        self.tried.insert(port, (now, open));
    }

    /// Goes through all who wait. `gone` tells whether a client has gone.
    pub(super) fn round(&mut self, now: Instant, gone: impl Fn(&C) -> bool) -> Round<C> {
        let mut round = Round {
            answers: Vec::new(),
            tries: Vec::new(),
            next: None,
        };
        let look = self.looked.is_none_or(|then| now >= then + LOOK_EVERY);
        if look {
            self.looked = Some(now);
        }
        for one in std::mem::take(&mut self.waiting) {
            if look && gone(&one.client) {
                continue;
            }
            match self.verdict(&one, now) {
                Verdict::Answer(answer) => round.answers.push((one.client, answer)),
                Verdict::Wait { until, tries } => {
                    round.next = Some(round.next.map_or(until, |next| next.min(until)));
                    if let Some(tries) = tries
                        && !round.tries.contains(&tries)
                    {
                        round.tries.push(tries);
                    }
                    self.waiting.push_back(one);
                }
            }
        }
        if self.waiting.is_empty() {
            self.tried.clear();
        } else {
            let look = now + LOOK_EVERY;
            round.next = Some(round.next.map_or(look, |next| next.min(look)));
        }
        round
    }

    fn verdict(&mut self, one: &Waiting<C>, now: Instant) -> Verdict {
        let ask = &one.ask;
        if ask.spent {
            return Verdict::Answer(match ask.late {
                true => Answer::Late,
                false => Answer::Lost,
            });
        }
        let found = self.services.iter().find(|it| it.name == ask.service);
        let Some(behind) = found.filter(|_| !ask.worn) else {
            return Verdict::Answer(Answer::Page);
        };
        let mut tries = None;
        let mut until = None;
        if behind.ready {
            let port = (ask.service.clone(), ask.port);
            // One that has just fallen takes connections until it is wholly gone.
            let from = match ask.fell {
                true => one.since + TRY_EVERY,
                false => one.since,
            };
            // Only what was found out since then is about its own case.
            let tried = self.tried.get(&port).filter(|(at, _)| *at > from);
            if !ask.refused || tried.is_some_and(|(_, open)| *open) {
                return Verdict::Answer(self.go(ask));
            }
            let next = tried.map_or(from, |(at, _)| *at + TRY_EVERY);
            if next <= now {
                let addresses = behind.addresses.iter().copied().map(Ipv4Addr::from);
                tries = Some((port, addresses.collect()));
            }
            until = Some(next.max(now + TRY_EVERY));
        }
        let end = one.since + Duration::from_millis(behind.hold_ms);
        let end = match ask.navigates {
            true => end.min(one.since + PATIENCE),
            false => end,
        };
        match now >= end {
            true => Verdict::Answer(Answer::Page),
            false => Verdict::Wait {
                until: until.map_or(end, |until: Instant| until.min(end)),
                tries,
            },
        }
    }

    /// Where it is by now: the proxy may remember an address for a while after it has changed.
    fn go(&mut self, ask: &Ask) -> Answer {
        let found = self.services.iter().find(|it| it.name == ask.service);
        let addresses = found.map_or(&[][..], |behind| &behind.addresses);
        self.turn = self.turn.wrapping_add(1);
        let place = self.turn.checked_rem(addresses.len());
        let host = match place.and_then(|place| addresses.get(place)) {
            Some(address) => Ipv4Addr::from(*address).to_string(),
            None => ask.service.clone(),
        };
        Answer::Go {
            to: format!("{host}:{}", ask.port),
            open: ask.open,
            suffix: ask.suffix.clone(),
        }
    }
}

enum Verdict {
    Answer(Answer),
    Wait {
        until: Instant,
        tries: Option<(Closed, Vec<Ipv4Addr>)>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: u32 = 0xAC12_0005;

    fn behind(ready: bool, hold_ms: u64) -> Behind {
        Behind {
            name: "web".into(),
            ready,
            hold_ms,
            addresses: vec![WEB],
        }
    }

    fn ask() -> Ask {
        Ask {
            service: "web".into(),
            port: 80,
            open: false,
            navigates: false,
            refused: false,
            fell: false,
            spent: false,
            late: false,
            worn: false,
            suffix: String::new(),
        }
    }

    fn go() -> Answer {
        Answer::Go {
            to: "172.18.0.5:80".into(),
            open: false,
            suffix: String::new(),
        }
    }

    fn answers(queue: &mut Queue<u32>, now: Instant) -> Vec<(u32, Answer)> {
        queue.round(now, |_| false).answers
    }

    #[test]
    fn they_wait_until_their_service_is_ready_and_go_in_order() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.tell(vec![behind(false, 30_000)]);
        for client in 0..3 {
            queue.add(ask(), client, now).unwrap();
        }
        let round = queue.round(now, |_| false);
        assert!(round.answers.is_empty());
        assert!(round.next.is_some());
        queue.tell(vec![behind(true, 30_000)]);
        let wanted: Vec<_> = (0..3).map(|client| (client, go())).collect();
        assert_eq!(answers(&mut queue, now), wanted);
        assert_eq!(queue.round(now, |_| false).next, None);
    }

    #[test]
    fn the_wait_has_an_end_which_is_sooner_for_people() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.tell(vec![behind(false, 30_000)]);
        queue.add(ask(), 1, now).unwrap();
        let person = Ask {
            navigates: true,
            ..ask()
        };
        queue.add(person, 2, now).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(answers(&mut queue, now + second), [(2, Answer::Page)]);
        assert!(answers(&mut queue, now + 29 * second).is_empty());
        assert_eq!(answers(&mut queue, now + 30 * second), [(1, Answer::Page)]);
    }

    #[test]
    fn where_there_is_nothing_to_wait_for_the_answer_comes_at_once() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.tell(vec![behind(false, 0)]);
        queue.add(ask(), 1, now).unwrap();
        let stranger = Ask {
            service: "other".into(),
            ..ask()
        };
        queue.add(stranger, 2, now).unwrap();
        let spent = Ask {
            spent: true,
            ..ask()
        };
        queue.add(spent.clone(), 3, now).unwrap();
        let late = Ask {
            late: true,
            ..spent
        };
        queue.add(late, 4, now).unwrap();
        assert_eq!(
            answers(&mut queue, now),
            [
                (1, Answer::Page),
                (2, Answer::Page),
                (3, Answer::Lost),
                (4, Answer::Late)
            ]
        );
    }

    #[test]
    fn one_that_fell_is_given_a_moment_to_be_gone() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.tell(vec![behind(true, 30_000)]);
        let fell = Ask {
            refused: true,
            fell: true,
            ..ask()
        };
        queue.add(fell, 1, now).unwrap();
        let round = queue.round(now, |_| false);
        assert!(round.answers.is_empty() && round.tries.is_empty());
        assert_eq!(round.next, Some(now + TRY_EVERY));
        assert_eq!(queue.round(now + TRY_EVERY, |_| false).tries.len(), 1);
    }

    #[test]
    fn one_that_takes_no_connection_is_tried_until_it_does() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.tell(vec![behind(true, 30_000)]);
        let refused = Ask {
            refused: true,
            ..ask()
        };
        queue.add(refused, 1, now).unwrap();
        let port = ("web".to_owned(), 80);
        let round = queue.round(now, |_| false);
        assert_eq!(round.tries, [(port.clone(), vec![Ipv4Addr::from(WEB)])]);
        let later = now + Duration::from_millis(1);
        queue.note_try(port.clone(), false, later);
        let round = queue.round(later, |_| false);
        assert!(round.answers.is_empty() && round.tries.is_empty());
        let again = later + TRY_EVERY;
        assert_eq!(queue.round(again, |_| false).tries.len(), 1);
        queue.note_try(port, true, again);
        assert_eq!(answers(&mut queue, again), [(1, go())]);
    }

    #[test]
    fn too_many_are_turned_away_and_who_went_is_forgotten() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.tell(vec![behind(false, 30_000)]);
        for client in 0..512 {
            queue.add(ask(), client, now).unwrap();
        }
        assert_eq!(queue.add(ask(), 999, now), Err(999));
        queue.round(now, |client| *client != 7);
        queue.tell(vec![behind(true, 30_000)]);
        assert_eq!(answers(&mut queue, now), [(7, go())]);
    }
}
