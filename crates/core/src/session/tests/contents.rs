//! Files of `on` rules outside of sync: what is in them counts, not that they were saved.

use super::bench::Bench;

const STACK: &str = r#"
stack app
service web {
    image "web:1"
    on "models/*.json" { exec "load models" }
}
"#;

const NOTHING: [&str; 0] = [];
const FILE: &str = "models/a.json";

fn ready() -> Bench {
    let mut bench = Bench::new(STACK);
    bench.finish();
    bench.heard();
    bench
}

#[test]
fn a_file_with_the_same_content_triggers_nothing() {
    let mut bench = ready();
    assert_eq!(bench.touch(&[FILE]), NOTHING);
    assert_eq!(bench.finish(), NOTHING);
    assert_eq!(bench.heard(), NOTHING);
    bench.save(&[FILE]);
    assert_eq!(bench.finish(), ["exec web-1 load models"]);
    bench.touch(&[FILE]);
    assert_eq!(bench.finish(), NOTHING);
}

#[test]
fn what_waits_or_was_in_vain_is_not_forgotten_because_of_a_touch() {
    let mut bench = ready();
    bench.save(&[FILE]);
    bench.touch(&[FILE]);
    bench.finish_until("exec web-1");
    bench.fails("exec web-1", "`load models` ended with 1");
    bench.touch(&[FILE]);
    assert_eq!(bench.finish(), ["exec web-1 load models"], "tried again");
    assert_eq!(bench.service("web").pending, 0);
}

#[test]
fn what_changed_while_events_were_lost_is_followed() {
    let mut bench = ready();
    bench.loses_events();
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("exec")),
        "{lines:?}"
    );
    bench.loses_events_of(&[FILE]);
    let lines = bench.finish();
    assert!(
        lines.contains(&"exec web-1 load models".to_owned()),
        "{lines:?}"
    );
    assert!(bench.session.view().settled);
}

#[test]
fn what_it_asks_for_outlives_a_sync_that_failed_beside_it() {
    let mut bench = Bench::new(
        r#"
stack app
service web {
    image "web:1"
    sync "src" to="/app"
    on "models/*.json" { exec "load models" }
}
"#,
    );
    bench.finish();
    bench.save(&[FILE, "src/a.txt"]);
    bench.fails("sync web-1", "the agent is gone");
    let lines = bench.finish();
    assert!(
        lines.contains(&"exec web-1 load models".to_owned()),
        "{lines:?}"
    );
}
