//! What holds for any stack and any change of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::bench::Bench;
use crate::spec::label;

/// One service: whom it depends on (of those before it), and what it is declared as.
#[derive(Debug, Clone, PartialEq)]
struct One {
    there: bool,
    needs: Vec<bool>,
    edition: u8,
    gigabytes: u8,
    always: bool,
}

const MOST: usize = 5;

fn one() -> impl Strategy<Value = One> {
    let needs = prop::collection::vec(prop::bool::weighted(0.4), MOST);
    let parts = (
        prop::bool::weighted(0.8),
        needs,
        0..3u8,
        0..3u8,
        any::<bool>(),
    );
    parts.prop_map(|(there, needs, edition, gigabytes, always)| One {
        there,
        needs,
        edition,
        gigabytes,
        always,
    })
}

/// A stack, and the same one with some of its services declared otherwise.
fn two() -> impl Strategy<Value = (Vec<One>, Vec<One>)> {
    let all = || prop::collection::vec(one(), MOST);
    let changed = prop::collection::vec(prop::bool::weighted(0.4), MOST);
    (all(), all(), changed).prop_map(|(first, other, changed)| {
        let both = first.iter().zip(other).zip(changed);
        let second = both.map(|((one, other), changed)| if changed { other } else { one.clone() });
        let second = second.collect();
        (first, second)
    })
}

fn name(number: usize) -> String {
    format!("s{number}")
}

fn declared(all: &[One], number: usize) -> Option<String> {
    let one = all.get(number).filter(|one| one.there)?;
    let mut text = format!(
        "service {} {{ image \"i:1\"; environment {{ E \"{}\" }}; restart {}",
        name(number),
        one.edition,
        if one.always {
            "always"
        } else {
            "unless-stopped"
        }
    );
    if one.gigabytes > 0 {
        text.push_str(&format!("; limits memory=\"{}G\"", one.gigabytes));
    }
    for (before, other) in all.iter().enumerate().take(number) {
        if one.needs[before] && other.there {
            text.push_str(&format!("; depends-on {}", name(before)));
        }
    }
    Some(text + " }\n")
}

fn stackfile(all: &[One]) -> String {
    let services = (0..all.len()).filter_map(|number| declared(all, number));
    let pilot = "service pilot { image \"i:1\" }\n";
    format!("stack app\n{pilot}{}", services.collect::<String>())
}

/// What is there, as far as it was declared: hash and limits by service.
fn made(bench: &Bench) -> BTreeMap<String, (String, String)> {
    let each = bench.containers.iter().map(|one| {
        let made = (one.label(label::SPEC).to_owned(), format!("{:?}", one.live));
        (one.service().to_owned(), made)
    });
    each.collect()
}

fn ids(bench: &Bench) -> BTreeMap<String, String> {
    let each = bench.containers.iter();
    each.map(|one| (one.service().to_owned(), one.id.clone()))
        .collect()
}

/// What is done about containers and images, without what is only asked or told.
fn work(lines: &[String]) -> Vec<&str> {
    let works = [
        "create", "start", "restart", "update", "stop", "remove", "build", "exec", "signal",
    ];
    let all = lines.iter().map(String::as_str);
    let mut done: Vec<&str> = all
        .filter(|line| works.iter().any(|word| line.starts_with(word)))
        .collect();
    done.sort_unstable();
    done
}

const FILES: &[&str] = &[
    "backend/requirements.txt",
    "backend/package.json",
    "backend/messages.po",
    "backend/server.conf",
    "backend/deploy.ini",
    "backend/app.py",
    "backend/page.html",
    "elsewhere/notes.txt",
];

fn some_files() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(FILES, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The order of dependencies is looked at after each event, by the invariants.
    #[test]
    fn a_change_ends_in_what_is_declared_and_moves_nothing_else((first, second) in two()) {
        let mut bench = Bench::new(&stackfile(&first));
        bench.finish();
        let before = ids(&bench);
        let lines = bench.load(&stackfile(&second));
        let lines = [lines, bench.finish()].concat();
        prop_assert!(bench.session.view().settled);

        let mut anew = Bench::new(&stackfile(&second));
        anew.finish();
        prop_assert_eq!(made(&bench), made(&anew));

        let after = ids(&bench);
        for number in 0..MOST {
            let name = name(number);
            let lifted = first[number].gigabytes > 0 && second[number].gigabytes == 0;
            let same_container = first[number].edition == second[number].edition && !lifted;
            if first[number].there && second[number].there && same_container {
                prop_assert_eq!(before.get(&name), after.get(&name), "{:?}", lines);
            }
            if first[number] == second[number] {
                let touched = lines.iter().filter(|line| line.contains(&format!(" {name}-")));
                let touched: Vec<String> = touched.cloned().collect();
                prop_assert!(work(&touched).is_empty(), "{:?}", lines);
            }
        }

        // Once more there is nothing to do: in this session, and in the next.
        let again = bench.load(&stackfile(&second));
        prop_assert!(work(&again).is_empty(), "{:?}", again);
        bench.disconnect();
        let again = [bench.connect(), bench.finish()].concat();
        prop_assert!(work(&again).is_empty(), "{:?}", again);
    }

    #[test]
    fn two_changes_at_once_end_as_the_second_alone((first, second) in two(), third in prop::collection::vec(one(), MOST)) {
        let mut both = Bench::new(&stackfile(&first));
        both.finish();
        both.load(&stackfile(&second));
        both.load(&stackfile(&third));
        both.finish();
        prop_assert!(both.session.view().settled);
        let mut anew = Bench::new(&stackfile(&third));
        anew.finish();
        prop_assert_eq!(made(&both), made(&anew));
    }

    #[test]
    fn saves_that_meet_ask_for_what_both_ask_for_together(first in some_files(), second in some_files()) {
        // Who saves the same file twice may see it followed twice.
        let second: Vec<&str> = second.into_iter().filter(|file| !first.contains(file)).collect();
        let mut apart = Bench::ready();
        apart.expect_recreation();
        let lines = [apart.save(&first), apart.save(&second), apart.finish()].concat();
        let mut together = Bench::ready();
        together.expect_recreation();
        let mut all = [first.clone(), second.clone()].concat();
        all.sort_unstable();
        all.dedup();
        let at_once = [together.save(&all), together.finish()].concat();
        prop_assert_eq!(work(&lines), work(&at_once));
        prop_assert_eq!(made(&apart), made(&together));
        prop_assert!(apart.session.view().settled);

        // No work without a file that asks for it.
        if all.iter().all(|file| matches!(*file, "backend/page.html" | "elsewhere/notes.txt")) {
            prop_assert!(work(&lines).is_empty(), "{:?}", lines);
        }
    }
}
