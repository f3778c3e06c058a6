//! Whatever is in a `.dockerignore`: problems are in lines that are there, and a folder that a
//! walk need not enter has nothing in it that is wanted.

#![no_main]

use devrun_stack::ignore::DockerIgnore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let (path, text) = input.split_once('\n').unwrap_or((&input, ""));
    let rules = DockerIgnore::parse(text);
    for problem in rules.problems() {
        assert!(
            (1..=text.lines().count()).contains(&problem.line),
            "{problem}"
        );
    }
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != "." && *part != "..");
    let mut place = String::new();
    let mut closed = None;
    for part in parts {
        if !place.is_empty() {
            place.push('/');
        }
        place.push_str(part);
        let ignored = rules.ignores(&place);
        if let Some(folder) = &closed {
            assert!(ignored, "{place} is wanted, and {folder} is not entered");
        }
        if ignored && closed.is_none() && !rules.may_contain_exceptions(&place) {
            closed = Some(place.clone());
        }
    }
});
