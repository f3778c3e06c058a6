//! Whole runs by chance, in virtual time: what the session, the engine and the checks of a made-up
//! stack do is told to a pass, and the end it comes to is held against the definition of done.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::super::Last;
use super::super::*;
use super::oracle::{self, Expected};
use super::plot::{AGAIN, Ask, Fate, Part, Plot, SETTLE, plot};
use crate::session::STARTS_AGAIN;

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Starts(usize),
    Stumbles(usize),
    Comes(usize),
    Late(usize, u32),
    Asked(usize),
    /// The engine has said how all are.
    Sure,
}

/// From outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outside {
    Nothing,
    Time(u64),
    Interrupt(u64),
    EngineGone(u64),
}

struct World<'a> {
    plot: &'a Plot,
    pass: Pass,
    now: u64,
    turns: BTreeMap<(u64, usize), Turn>,
    count: usize,
    state: Vec<&'static str>,
    restarts: Vec<u32>,
    failed: Vec<u32>,
    code: Vec<Option<i64>>,
    told_rest: bool,
}

fn name(place: usize) -> String {
    format!("s{place}")
}

fn stack(plot: &Plot) -> Stack {
    let service = |(place, part): (usize, &Part)| Service {
        name: name(place),
        task: part.task,
        depends_on: part.after.iter().map(|it| super::on(&name(*it))).collect(),
        ready_timeout: Duration::from_millis(Plot::limit(place)),
        ..Service::default()
    };
    let check = |(place, ask): (usize, &Ask)| {
        let after: Vec<String> = ask.after.iter().map(|it| format!("c{it}")).collect();
        let after: Vec<&str> = after.iter().map(String::as_str).collect();
        super::check(&format!("c{place}"), &after, ask.retries)
    };
    Stack {
        services: plot.parts.iter().enumerate().map(service).collect(),
        checks: plot.asks.iter().enumerate().map(check).collect(),
        ..Stack::default()
    }
}

impl World<'_> {
    fn new(plot: &Plot, timeout: u64) -> World<'_> {
        let stack = stack(plot);
        let setup = Setup {
            settle: Duration::from_millis(SETTLE),
            until: plot.until.map(name),
            fail_fast: plot.fail_fast,
            restarts_allowed: plot.restarts_allowed,
            timeout: Duration::from_millis(timeout),
            jobs: plot.jobs,
        };
        let wanted: Vec<String> = (0..plot.parts.len())
            .filter(|it| !plot.parts[*it].off)
            .map(name)
            .collect();
        let count = plot.parts.len();
        World {
            pass: Pass::new(&stack, |it| wanted.contains(&it.name), setup),
            plot,
            now: 0,
            turns: BTreeMap::new(),
            count: 0,
            state: vec!["waiting"; count],
            restarts: vec![0; count],
            failed: vec![0; plot.asks.len()],
            code: vec![None; count],
            told_rest: false,
        }
    }

    fn then(&mut self, after: u64, turn: Turn) {
        self.count += 1;
        self.turns.insert((self.now + after, self.count), turn);
    }

    fn tell(&mut self, service: Option<usize>, event: NoticeEvent) {
        let notice = Notice {
            seq: 1,
            cause: None,
            event,
            service: service.map(name),
            took_ms: None,
        };
        self.pass.hear(&notice, Duration::from_millis(self.now));
    }

    fn is(&mut self, place: usize, state: &'static str, reason: &str) {
        self.state[place] = state;
        let event = NoticeEvent::ServiceState {
            from: String::new(),
            to: state.to_owned(),
            reason: Some(reason.to_owned()).filter(|it| !it.is_empty()),
            details: Vec::new(),
            parts: Vec::new(),
        };
        self.tell(Some(place), event);
    }

    /// Who has waited long enough begins; who waits for one that failed never does.
    fn begin(&mut self) {
        for place in 0..self.plot.parts.len() {
            let part = &self.plot.parts[place];
            let there = |it: &usize| matches!(self.state[*it], "ready" | "done");
            if self.state[place] == "waiting" && !part.off && part.after.iter().all(there) {
                self.state[place] = "starting";
                self.then(0, Turn::Starts(place));
            }
        }
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Starts(place) => {
                let part = &self.plot.parts[place];
                self.is(place, "starting", "");
                for stumble in 0..part.stumbles {
                    let at = AGAIN / 2 + AGAIN * u64::from(stumble);
                    self.then(at, Turn::Stumbles(place));
                }
                let takes = AGAIN * u64::from(part.stumbles) + part.takes;
                match (part.fate, part.task) {
                    // The session gives it up; of a task it says nothing.
                    (Fate::Endless, false) => self.then(Plot::limit(place), Turn::Comes(place)),
                    (Fate::Endless, true) => {}
                    _ => self.then(takes, Turn::Comes(place)),
                }
            }
            Turn::Stumbles(place) => self.restarts[place] += 1,
            Turn::Comes(place) => self.comes(place),
            Turn::Late(place, stage) => self.late(place, stage),
            Turn::Sure => {}
            Turn::Asked(place) => {
                let ask = &self.plot.asks[place];
                let fails = self.failed[place] < ask.fails;
                self.failed[place] += u32::from(fails);
                let why = fails.then(|| "ended with 1".to_owned());
                let attempt = Attempt {
                    from: Duration::from_millis(self.now - ask.takes),
                    to: Duration::from_millis(self.now),
                    why: why.into_iter().collect(),
                    output: String::new(),
                };
                self.pass.attempted(place, attempt);
            }
        }
    }

    fn comes(&mut self, place: usize) {
        let part = &self.plot.parts[place];
        match part.fate {
            Fate::Broken => self.is(place, "failed", "its build failed"),
            Fate::Endless => self.is(place, "failed", "not ready in time"),
            Fate::Code(code) => {
                self.code[place] = Some(code);
                self.is(place, "failed", &format!("task ended with {code}"));
            }
            _ if part.task => {
                self.code[place] = Some(0);
                self.is(place, "done", "");
            }
            _ => self.is(place, "ready", ""),
        }
    }

    fn late(&mut self, place: usize, stage: u32) {
        match self.plot.parts[place].fate {
            Fate::Dies => self.is(place, "failed", "exited with 137"),
            Fate::Sick(time) if stage == 0 => {
                self.is(place, "unhealthy", "its health check fails");
                self.then(time, Turn::Late(place, 1));
            }
            Fate::Restarts(times) if stage < 2 * times => {
                match stage % 2 {
                    0 => {
                        self.restarts[place] += 1;
                        self.is(place, "failed", &format!("exited with 1, {STARTS_AGAIN}"));
                    }
                    _ => self.is(place, "ready", ""),
                }
                self.then(AGAIN, Turn::Late(place, stage + 1));
            }
            Fate::Sick(_) => self.is(place, "ready", ""),
            _ => {}
        }
    }

    /// What is not told, but known to whoever asks; and that all have come to rest.
    fn look(&mut self) {
        for place in 0..self.plot.parts.len() {
            let look = Look {
                state: self.state[place].to_owned(),
                restarts: self.restarts[place],
                code: self.code[place],
                ..Look::default()
            };
            self.pass.look(&name(place), look);
        }
        let going = |it: &&ServiceRun| it.standing == Standing::Going && it.state != "waiting";
        let going = self.pass.services.iter().any(|it| going(&it));
        if !going && !self.told_rest && !self.turns.values().any(|it| matches!(it, Turn::Starts(_)))
        {
            let ready = self.pass.services.iter().all(|it| it.standing.is_fine());
            self.tell(None, NoticeEvent::Settled { ready, watching: 0 });
        }
        self.told_rest = !going;
    }

    /// To its end, and when that was.
    fn run(mut self, outside: Outside) -> (Pass, End, u64) {
        self.begin();
        let mut gone = false;
        loop {
            self.look();
            let now = Duration::from_millis(self.now);
            for one in self.pass.advance(now) {
                match one {
                    Do::End(end) => return (self.pass, end, self.now),
                    Do::Check { place, .. } => {
                        self.may_run(place);
                        self.then(self.plot.asks[place].takes, Turn::Asked(place));
                    }
                    Do::Settled => {
                        for (place, part) in self.plot.parts.iter().enumerate() {
                            if !part.off {
                                self.then(Plot::late(place), Turn::Late(place, 0));
                            }
                        }
                    }
                    Do::Confirm => {
                        self.pass.confirm(true, now);
                        self.then(0, Turn::Sure);
                    }
                    Do::Checks | Do::Restarted { .. } => {}
                }
            }
            let next = self.turns.keys().next().copied().filter(|_| !gone);
            let at = next.map_or(u64::MAX, |(at, _)| at);
            let due = u64::try_from(self.pass.deadline().as_millis()).unwrap();
            match outside {
                Outside::Interrupt(when) if when < at.min(due) => {
                    self.now = when;
                    self.pass.stop(Stop::Interrupted);
                    continue;
                }
                Outside::EngineGone(when) if !gone && when < at.min(due) => {
                    self.now = when;
                    gone = true;
                    for place in 0..self.plot.parts.len() {
                        self.is(place, "waiting", ENGINE_AWAY);
                    }
                    continue;
                }
                _ => {}
            }
            self.now = at.min(due).max(self.now);
            if at <= due
                && let Some(key) = next
                && let Some(turn) = self.turns.remove(&key)
            {
                self.turn(turn);
                self.begin();
            }
        }
    }

    /// It has a place, and those before it have passed.
    fn may_run(&self, place: usize) {
        let checks = &self.pass.checks;
        let running = checks.iter().filter(|it| it.standing == Checked::Running);
        assert!(running.count() <= self.plot.jobs);
        for before in &self.plot.asks[place].after {
            assert_eq!(checks[*before].standing, Checked::Passed);
        }
    }
}

const NEVER: u64 = 100_000_000;

fn text(last: &Last) -> String {
    format!("{}{}{}", last.before, last.word, last.after)
}

fn names(end: &End) -> Vec<String> {
    let name = |it: &Reason| match it {
        Reason::Stopped(_) => String::new(),
        Reason::Service(name)
        | Reason::Unhealthy(name)
        | Reason::Restarts(name, _)
        | Reason::Check(name) => name.clone(),
    };
    end.reasons.iter().map(name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_run_ends_as_the_definition_says(plot in plot(), outside in 0..4_u8, part in 0..1_500_u64) {
        let (pass, end, over) = World::new(&plot, NEVER).run(Outside::Nothing);
        let Expected { code, must, may, last } = oracle::expected(&plot);
        let names = names(&end);
        prop_assert_eq!(end.code, code, "{:?}", names);
        prop_assert!(must.iter().all(|it| names.contains(it)), "{must:?} in {names:?}");
        prop_assert!(names.iter().all(|it| may.contains(it)), "{names:?} in {may:?}");
        let said = text(&pass.last(&end, Duration::from_millis(over), "7 s"));
        match &last {
            Some(last) => prop_assert_eq!(&said, last),
            None => {
                let more = match names.len() {
                    1 => String::new(),
                    count => format!(", and {} more", count - 1),
                };
                prop_assert!(said.starts_with("failed: ") && said.contains(&names[0]), "{said}");
                prop_assert!(said.ends_with(&format!("{more} (exit code {code})")), "{said}");
            }
        }

        // The same, cut off at some moment, or not.
        let when = over * part / 1_000;
        if when == over {
            return Ok(());
        }
        let (outside, stopped, said) = match outside {
            0 => (Outside::Interrupt(when), 130, "interrupted (exit code 130)".to_owned()),
            1 => (Outside::EngineGone(when), 3, "failed: no engine answers any more".to_owned()),
            _ => (Outside::Time(when), 4, "failed: time ran out after ".to_owned()),
        };
        let timeout = if let Outside::Time(at) = outside { at } else { NEVER };
        let (pass, cut, at) = World::new(&plot, timeout).run(outside);
        // A check that has failed has failed, whatever else becomes known meanwhile.
        let known = matches!(outside, Outside::EngineGone(_)) && cut.code == 1;
        if when > over {
            prop_assert_eq!((cut, at), (end, over));
        } else if known {
            prop_assert_eq!(code, 1);
            prop_assert!(over - when <= u64::try_from(TOGETHER.as_millis()).unwrap());
        } else {
            prop_assert_eq!(cut.code, stopped);
            let last = text(&pass.last(&cut, Duration::from_millis(at), "7 s"));
            prop_assert!(last.starts_with(&said), "{last}");
        }
    }
}
