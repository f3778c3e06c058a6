//! The definition of done against another one, written down as a table.

use proptest::prelude::*;

use super::*;

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        1 => Just(Standing::Off),
        1 => Just(Standing::Going),
        4 => Just(Standing::Ready),
        1 => Just(Standing::Unhealthy),
        1 => Just(Standing::Failed),
        3 => Just(Standing::Done),
    ]
}

fn checked() -> impl Strategy<Value = Checked> {
    prop_oneof![
        1 => Just(Checked::Pending),
        1 => Just(Checked::Running),
        5 => Just(Checked::Passed),
        1 => Just(Checked::Failed),
        1 => Just(Checked::Skipped),
    ]
}

fn facts() -> impl Strategy<Value = Facts> {
    let service = (standing(), 0..4_u32, prop::option::of(0..300_i64));
    let stop = prop_oneof![
        12 => Just(None),
        1 => Just(Some(Stop::Interrupted)),
        1 => Just(Some(Stop::TimedOut)),
        1 => Just(Some(Stop::EngineGone)),
    ];
    (
        stop,
        prop::option::weighted(0.2, 0..4_usize),
        any::<(bool, bool, bool)>(),
        1..5_u32,
        prop::collection::vec(service, 0..4),
        prop::collection::vec(checked(), 0..4),
    )
        .prop_map(
            |(stop, until, (fail_fast, rested, settled), restarts_allowed, services, checks)| {
                Facts {
                    stop,
                    until: until.map(|place| format!("s{place}")),
                    fail_fast,
                    restarts_allowed,
                    rested,
                    settled,
                    services: services
                        .into_iter()
                        .enumerate()
                        .map(|(place, (standing, restarts, code))| ServiceFact {
                            name: format!("s{place}"),
                            standing,
                            restarts,
                            code,
                        })
                        .collect(),
                    checks: checks
                        .into_iter()
                        .enumerate()
                        .map(|(place, standing)| CheckFact {
                            name: format!("c{place}"),
                            standing,
                        })
                        .collect(),
                }
            },
        )
}

/// How many there are of each; the code, or none where it goes on. Reads as the issue does.
fn by_the_table(facts: &Facts) -> Option<u8> {
    let services = |wanted: Standing| {
        facts
            .services
            .iter()
            .filter(|it| it.standing == wanted)
            .count()
    };
    let checks = |wanted: Checked| {
        facts
            .checks
            .iter()
            .filter(|it| it.standing == wanted)
            .count()
    };
    let too_often = facts
        .services
        .iter()
        .filter(|it| it.restarts > facts.restarts_allowed)
        .count();
    let (died, sick, going) = (
        services(Standing::Failed),
        services(Standing::Unhealthy),
        services(Standing::Going),
    );
    let (bad, left) = (
        checks(Checked::Failed),
        checks(Checked::Pending) + checks(Checked::Running),
    );
    let untouched = checks(Checked::Pending) == facts.checks.len();
    let task = facts.until.as_ref().map(|name| {
        let found = facts.services.iter().find(|it| it.name == *name);
        found.map(|it| (it.standing, it.code.unwrap_or(1)))
    });
    let table: [(bool, Option<u8>); 15] = [
        (facts.stop == Some(Stop::Interrupted), Some(130)),
        (facts.stop == Some(Stop::TimedOut), Some(4)),
        (facts.stop == Some(Stop::EngineGone), Some(3)),
        (matches!(task, Some(Some((Standing::Done, _)))), Some(0)),
        (
            matches!(task, Some(Some((Standing::Failed, 1..=255)))),
            task.flatten().and_then(|(_, code)| u8::try_from(code).ok()),
        ),
        (matches!(task, Some(Some((Standing::Failed, _)))), Some(1)),
        (too_often > 0, Some(1)),
        (
            task.is_some() && died + bad > 0 && (facts.rested || facts.fail_fast),
            Some(1),
        ),
        (task.is_some(), None),
        (
            died > 0 && [facts.fail_fast, facts.rested, facts.settled, !untouched].contains(&true),
            Some(1),
        ),
        (bad > 0 && (left == 0 || facts.fail_fast), Some(1)),
        (!facts.settled || left > 0, None),
        (sick > 0, Some(1)),
        (going > 0 || died > 0, None),
        (true, Some(0)),
    ];
    table
        .into_iter()
        .find(|(holds, _)| *holds)
        .and_then(|(_, code)| code)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn it_is_as_the_table_says(facts in facts()) {
        let code = match judge(&facts) {
            Verdict::Open => None,
            Verdict::Over(end) => {
                prop_assert_eq!(end.reasons.is_empty(), end.code == 0, "{:?}", end);
                Some(end.code)
            }
        };
        prop_assert_eq!(code, by_the_table(&facts));
    }

    #[test]
    fn nothing_good_is_said_while_something_is_bad(facts in facts()) {
        if let Verdict::Over(End { code: 0, .. }) = judge(&facts)
            && facts.until.is_none()
        {
            let fine = facts.services.iter().all(|it| it.standing.is_fine());
            prop_assert!(fine && facts.checks.iter().all(|it| matches!(it.standing, Checked::Passed | Checked::Skipped)));
        }
    }
}

/// Nothing is left to chance where there are few: a task or service and a service, two checks.
#[test]
fn every_small_case_is_as_the_table_says() {
    use Checked::{Failed, Passed, Pending, Running, Skipped};
    let standings = [
        Standing::Off,
        Standing::Going,
        Standing::Ready,
        Standing::Unhealthy,
        Standing::Failed,
        Standing::Done,
    ];
    let checked = [Pending, Running, Passed, Failed, Skipped];
    let stops = [
        None,
        Some(Stop::Interrupted),
        Some(Stop::TimedOut),
        Some(Stop::EngineGone),
    ];
    let services = |first, code, restarts, second| {
        let fact = |name: &str, standing, restarts, code| ServiceFact {
            name: name.into(),
            standing,
            restarts,
            code,
        };
        vec![
            fact("s0", first, restarts, code),
            fact("s1", second, 0, None),
        ]
    };
    let mut seen = 0_u32;
    for (stop, first, second) in stops.iter().flat_map(|stop| {
        let pairs = standings.iter().flat_map(|a| standings.map(|b| (*a, b)));
        pairs.map(|(a, b)| (*stop, a, b))
    }) {
        for (one, other) in checked.iter().flat_map(|a| checked.map(|b| (*a, b))) {
            for bits in 0..32_u8 {
                let bit = |place: u8| bits & (1 << place) != 0;
                for (until, code) in [(None, None), (Some("s0"), Some(7)), (Some("s0"), Some(300))]
                {
                    let check = |name: &str, standing| CheckFact {
                        name: name.into(),
                        standing,
                    };
                    let facts = Facts {
                        stop,
                        until: until.map(str::to_owned),
                        fail_fast: bit(0),
                        rested: bit(1),
                        settled: bit(2),
                        restarts_allowed: 1,
                        services: services(first, code, if bit(3) { 2 } else { 1 }, second),
                        checks: match bit(4) {
                            true => vec![check("c0", one), check("c1", other)],
                            false => Vec::new(),
                        },
                    };
                    let code = match judge(&facts) {
                        Verdict::Open => None,
                        Verdict::Over(end) => Some(end.code),
                    };
                    assert_eq!(code, by_the_table(&facts), "{facts:?}");
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 4 * 36 * 25 * 32 * 3);
}
