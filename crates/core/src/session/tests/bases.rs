//! What images of the stack begin with becomes another image on the engine.

use super::bench::{Bench, image_there};
use super::stacks::APP;
use crate::event::Event;

const NOTHING: [&str; 0] = [];

fn changes(bench: &mut Bench) -> Vec<String> {
    bench.feed(Event::BaseChanged {
        base: "python:3.13".to_owned(),
        services: vec!["backend".to_owned()],
    })
}

#[test]
fn who_stands_on_it_is_built_anew_and_says_why() {
    let mut bench = Bench::ready();
    bench.heard();
    assert_eq!(changes(&mut bench), NOTHING);
    assert_eq!(bench.wake(), ["build backend"]);
    let lines = bench.ends("build backend", image_there("backend:2", true));
    let anew = "create backend replacing backend-1".to_owned();
    assert!(lines.contains(&anew), "{lines:?}");
    bench.finish();
    let heard = bench.heard();
    let told = "backend python:3.13 is another image → rebuilt, recreated: ok".to_owned();
    assert!(heard.contains(&told), "{heard:#?}");
    assert!(bench.session.view().settled);
}

#[test]
fn who_is_stopped_is_left_alone() {
    let mut bench = Bench::new(APP);
    bench.finish();
    bench.stop(&["entry", "backend"]);
    bench.finish();
    assert_eq!(changes(&mut bench), NOTHING);
    assert_eq!(bench.finish(), NOTHING);
}
