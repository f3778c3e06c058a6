//! Runs as they go, told by notices alone.

mod oracle;
mod plot;
mod runs;

use devrun_stack::{CheckTest, Command, Condition, DependsOn};

use super::service::ABOUT_TO_START;
use super::*;
use crate::session::STARTS_AGAIN;
use crate::verdict::{Head, Reason, report};

const T: fn(u64) -> Duration = Duration::from_secs;

fn check(name: &str, depends_on: &[&str], retries: u32) -> Check {
    Check {
        name: name.into(),
        test: CheckTest::Host {
            command: Command::Shell("true".into()),
        },
        environment: BTreeMap::new(),
        depends_on: depends_on.iter().map(|it| (*it).into()).collect(),
        timeout: T(60),
        retries,
        junit: None,
        at: devrun_stack::Location {
            file: "Stackfile.kdl".into(),
            line: 9,
            column: 1,
        },
    }
}

fn on(name: &str) -> DependsOn {
    DependsOn {
        service: name.into(),
        condition: Condition::Healthy,
        follow: false,
        required: true,
    }
}

fn stack(checks: Vec<Check>) -> Stack {
    let service = |name: &str, task: bool, after: &[&str]| Service {
        name: name.into(),
        task,
        depends_on: after.iter().map(|it| on(it)).collect(),
        ..Service::default()
    };
    Stack {
        services: vec![
            service("db", false, &[]),
            service("seed", true, &["db"]),
            service("web", false, &["db"]),
            service("off", false, &[]),
        ],
        checks,
        ..Stack::default()
    }
}

struct Told {
    pass: Pass,
    now: Duration,
}

impl Told {
    fn new(checks: Vec<Check>, more: impl FnOnce(&mut Setup)) -> Told {
        let mut setup = Setup {
            settle: T(2),
            restarts_allowed: 3,
            timeout: T(1000),
            jobs: 2,
            ..Setup::default()
        };
        more(&mut setup);
        let pass = Pass::new(&stack(checks), |it| it.name != "off", setup);
        Told { pass, now: T(0) }
    }

    fn hear(&mut self, service: Option<&str>, event: NoticeEvent) -> Vec<Do> {
        let notice = Notice {
            seq: 1,
            cause: None,
            event,
            service: service.map(str::to_owned),
            took_ms: None,
        };
        self.pass.hear(&notice, self.now);
        self.pass.advance(self.now)
    }

    fn state(&mut self, service: &str, to: &str, reason: &str) -> Vec<Do> {
        let event = NoticeEvent::ServiceState {
            from: String::new(),
            to: to.into(),
            reason: Some(reason.to_owned()).filter(|it| !it.is_empty()),
            details: vec![format!("last line of {service}")],
            parts: Vec::new(),
        };
        self.hear(Some(service), event)
    }

    fn all_ready(&mut self) -> Vec<Do> {
        self.state("db", "ready", "");
        self.state("seed", "done", "");
        self.state("web", "ready", "");
        self.rested(true)
    }

    fn rested(&mut self, ready: bool) -> Vec<Do> {
        self.hear(None, NoticeEvent::Settled { ready, watching: 0 })
    }

    fn at(&mut self, seconds: u64) -> Vec<Do> {
        self.now = T(seconds);
        self.pass.advance(self.now)
    }

    /// All run, if somebody asks.
    fn checked(&mut self, place: usize, why: &str) -> Vec<Do> {
        let todo = self.ended(place, why);
        if todo != [Do::Confirm] {
            return todo;
        }
        self.pass.confirm(true, self.now);
        self.now += TOGETHER;
        self.pass.advance(self.now)
    }

    fn ended(&mut self, place: usize, why: &str) -> Vec<Do> {
        let attempt = Attempt {
            from: self.now,
            to: self.now,
            why: Some(why.to_owned())
                .into_iter()
                .filter(|it| !it.is_empty())
                .collect(),
            output: "printed".into(),
        };
        self.pass.attempted(place, attempt);
        self.pass.advance(self.now)
    }
}

fn end(todo: &[Do]) -> Option<(u8, Vec<Reason>)> {
    todo.iter().find_map(|it| match it {
        Do::End(end) => Some((end.code, end.reasons.clone())),
        _ => None,
    })
}

fn begun(todo: &[Do]) -> Vec<(usize, u32)> {
    let check = |it: &Do| match it {
        Do::Check { place, attempt } => Some((*place, *attempt)),
        _ => None,
    };
    todo.iter().filter_map(check).collect()
}

#[test]
fn without_checks_ready_and_still_so_is_success() {
    let mut told = Told::new(Vec::new(), |_| {});
    assert_eq!(told.all_ready(), []);
    assert_eq!(told.pass.deadline(), T(2));
    assert_eq!(told.at(1), []);
    // The two seconds begin anew.
    told.state("web", "unhealthy", "its health check fails");
    assert_eq!(told.at(3), []);
    told.state("web", "ready", "");
    assert_eq!(told.at(4), []);
    assert_eq!(end(&told.at(5)), Some((0, Vec::new())));
    assert_eq!(told.at(6), [], "it is over once");
}

#[test]
fn checks_run_side_by_side_and_after_those_they_depend_on() {
    let checks = vec![
        check("a", &[], 0),
        check("b", &["a"], 0),
        check("c", &[], 1),
        check("d", &[], 0),
        check("e", &["b"], 0),
    ];
    let mut told = Told::new(checks, |_| {});
    assert_eq!(begun(&told.all_ready()), [(0, 1), (2, 1)]);
    assert_eq!(told.at(2), [Do::Settled]);
    assert_eq!(begun(&told.checked(2, "no")), [(2, 2)], "tried again");
    assert_eq!(begun(&told.checked(2, "")), [(3, 1)]);
    assert_eq!(begun(&told.checked(0, "broken")), []);
    let last = told.checked(3, "");
    assert_eq!(end(&last), Some((1, vec![Reason::Check("a".into())])));
    let standings: Vec<Checked> = told.pass.checks.iter().map(|it| it.standing).collect();
    use Checked::{Failed, Passed, Skipped};
    assert_eq!(standings, [Failed, Skipped, Passed, Passed, Skipped]);
    assert!(told.pass.checks[2].is_flaky());
}

#[test]
fn all_must_stay_ready_beside_the_checks_and_what_failed_meanwhile_is_asked_again() {
    let checks = vec![
        check("a", &[], 0),
        check("b", &["a"], 0),
        check("c", &[], 0),
    ];
    let mut told = Told::new(checks, |_| {});
    assert_eq!(begun(&told.all_ready()), [(0, 1), (2, 1)]);
    told.state("web", "unhealthy", "its health check fails");
    assert_eq!(told.ended(0, "no answer"), [], "nothing begins meanwhile");
    assert_eq!(told.checked(2, ""), []);
    assert_eq!(begun(&told.state("web", "ready", "")), [(0, 2)]);
    assert_eq!(begun(&told.checked(0, "")), [(1, 1)]);
    assert_eq!(told.checked(1, ""), [], "not all was ready for long enough");
    assert_eq!(told.at(2), [Do::Settled, Do::Confirm]);
    told.pass.confirm(true, told.now);
    assert_eq!(end(&told.at(2)), Some((0, Vec::new())));
    assert!(told.pass.checks[0].is_flaky(), "it is not hidden");

    // Where all stays ready, what failed has failed.
    let mut told = Told::new(vec![check("a", &[], 0)], |_| {});
    told.all_ready();
    assert_eq!(told.ended(0, "no answer"), [Do::Confirm]);
    told.pass.confirm(true, told.now);
    let mut shaken = Told {
        pass: told.pass.clone(),
        now: told.now,
    };
    assert_eq!(end(&told.at(1)), Some((1, vec![Reason::Check("a".into())])));
    assert_eq!(shaken.state("web", "unhealthy", "gone"), []);
    assert_eq!(begun(&shaken.state("web", "ready", "")), [(0, 2)]);
}

#[test]
fn one_that_dies_meanwhile_fails_the_run_at_once() {
    let mut told = Told::new(vec![check("a", &[], 0), check("b", &["a"], 0)], |_| {});
    told.all_ready();
    told.at(2);
    told.now = T(12);
    let over = told.state("db", "failed", "exited with 137");
    let reasons = vec![Reason::Service("db".into())];
    assert_eq!(end(&over), Some((1, reasons.clone())));
    let why = told.pass.why(&reasons[0], told.now);
    assert_eq!(
        why.text,
        "db died 12 s after the run began, 12 s into the checks: exited with 137"
    );
    assert_eq!(why.details, ["last line of db"]);
}

#[test]
fn one_whose_death_is_told_after_the_check_that_it_broke_is_the_reason() {
    let mut told = Told::new(vec![check("a", &[], 0)], |_| {});
    told.all_ready();
    told.at(2);
    assert_eq!(told.ended(0, "ended with 137"), [Do::Confirm]);
    told.pass.confirm(false, told.now);
    assert_eq!((told.at(3), told.pass.deadline()), (Vec::new(), T(5)));
    let mut late = Told {
        pass: told.pass.clone(),
        now: told.now,
    };
    let over = end(&told.state("db", "failed", "exited with 3"));
    let reasons = vec![Reason::Service("db".into()), Reason::Check("a".into())];
    assert_eq!(over, Some((1, reasons)));
    assert_eq!(end(&late.at(5)), Some((1, vec![Reason::Check("a".into())])));
}

#[test]
fn restarts_are_counted_and_are_fatal_beyond_what_is_allowed() {
    let mut told = Told::new(vec![check("a", &[], 0)], |setup| setup.restarts_allowed = 1);
    told.all_ready();
    told.at(2);
    told.state("db", "failed", &format!("exited with 1, {STARTS_AGAIN}"));
    let look = |restarts| Look {
        state: "starting".into(),
        restarts,
        ..Look::default()
    };
    told.pass.look("db", look(1));
    let restarted = Do::Restarted {
        service: "db".into(),
        restarts: 1,
    };
    assert_eq!(told.at(3), [restarted]);
    // All checks have passed, and it is waited for.
    assert_eq!(told.checked(0, ""), []);
    let mut good = Told {
        pass: told.pass.clone(),
        now: told.now,
    };
    assert_eq!(good.state("db", "ready", ""), [Do::Confirm]);
    good.pass.confirm(true, good.now);
    assert_eq!(end(&good.at(3)), Some((0, Vec::new())));
    told.pass.look("db", look(2));
    assert_eq!(
        end(&told.at(4)),
        Some((1, vec![Reason::Restarts("db".into(), 2)]))
    );
}

#[test]
fn what_will_not_become_ready_is_told_once_all_have_come_to_rest() {
    let mut told = Told::new(vec![check("a", &[], 0)], |_| {});
    told.state("seed", "failed", "task ended with 2");
    assert_eq!(end(&told.state("db", "ready", "")), None);
    let over = told.rested(false);
    assert_eq!(end(&over), Some((1, vec![Reason::Service("seed".into())])));
    let mut fast = Told::new(Vec::new(), |setup| setup.fail_fast = true);
    assert!(end(&fast.state("seed", "failed", "task ended with 2")).is_some());
}

#[test]
fn the_code_of_a_task_is_the_runs() {
    let until = |setup: &mut Setup| setup.until = Some("seed".into());
    let mut told = Told::new(vec![check("a", &[], 0)], until);
    let mut bad = Told::new(Vec::new(), until);
    assert_eq!(end(&told.state("seed", "done", "")), Some((0, Vec::new())));
    let look = Look {
        code: Some(7),
        ..Look::default()
    };
    bad.pass.look("seed", look);
    let over = bad.state("seed", "failed", "task ended with 7");
    assert_eq!(end(&over).map(|(code, _)| code), Some(7));
}

#[test]
fn time_outs_say_what_was_waited_for() {
    let mut told = Told::new(Vec::new(), |setup| setup.timeout = T(400));
    told.state("db", "ready", "");
    told.state(
        "web",
        "starting",
        "its health check says: connection refused",
    );
    told.state("seed", "starting", ABOUT_TO_START);
    assert_eq!(told.pass.deadline(), T(300));
    assert_eq!(told.at(299), []);
    assert_eq!(end(&told.at(300)), None, "another one is on its way");
    assert_eq!(
        end(&told.state("web", "ready", "")),
        Some((1, vec![Reason::Service("seed".into())]))
    );
    let seed = &told.pass.services[1];
    assert_eq!(seed.standing, Standing::Failed);
    assert_eq!(
        seed.reason.as_deref(),
        Some("not over after 300 s: it has not ended yet")
    );
    // What the session says of it later is of no interest.
    told.state("seed", "done", "");
    let mut told = Told::new(Vec::new(), |setup| setup.timeout = T(60));
    told.state("db", "ready", "");
    told.now = T(20);
    told.state(
        "web",
        "starting",
        "its health check says: connection refused",
    );
    told.pass.look(
        "web",
        Look {
            state: "starting".into(),
            details: vec!["booting".into()],
            ..Look::default()
        },
    );
    let over = told.at(60);
    let (code, reasons) = end(&over).expect("it is over");
    assert_eq!(code, 4);
    let why = told.pass.why(&reasons[0], told.now);
    insta::assert_snapshot!(format!("{}\n{}", why.text, why.details.join("\n")));
}

#[test]
fn an_engine_that_stays_away_ends_the_run() {
    let mut told = Told::new(Vec::new(), |_| {});
    told.state("db", "waiting", ENGINE_AWAY);
    assert_eq!(told.pass.deadline(), T(60));
    let over = told.at(60);
    assert_eq!(end(&over).map(|(code, _)| code), Some(3));
}

#[test]
fn a_report_has_the_timeline_and_what_made_it_long() {
    let mut told = Told::new(vec![check("a", &[], 0)], |_| {});
    told.state("db", "building", "its image is being built");
    told.now = T(5);
    told.state("db", "starting", "its container is being made");
    told.now = T(8);
    told.state("db", "ready", "");
    told.state("seed", "starting", "");
    told.state("web", "starting", "");
    told.now = T(9);
    told.state("seed", "done", "");
    told.now = T(12);
    told.all_ready();
    told.at(14);
    told.now = T(20);
    let over = told.checked(0, "");
    assert_eq!(end(&over).map(|(code, _)| code), Some(0));
    let head = Head {
        stack: "app".into(),
        run: "app-ci-1".into(),
        file: "Stackfile.kdl".into(),
        began: "2026-01-31T12:00:00.000Z".into(),
        outcome: "passed".into(),
        exit_code: 0,
        reasons: Vec::new(),
        left: Vec::new(),
    };
    let report = report(&told.pass, head, told.now);
    let path: Vec<String> = report
        .critical_path
        .iter()
        .map(|it| {
            format!(
                "{} {} {}-{}",
                it.name,
                it.what,
                it.from_ms / 1000,
                it.to_ms / 1000
            )
        })
        .collect();
    assert_eq!(
        path,
        [
            "db build 0-5",
            "db start 5-8",
            "web start 8-12",
            "a check 12-20"
        ]
    );
}
