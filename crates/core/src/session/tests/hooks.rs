//! Commands that belong to a start, and dependencies that may be missing.

use super::bench::Bench;
use crate::effect::Effect;
use crate::event::{Outcome, Transport};

const HOOKED: &str = r#"
stack app
secret key text="s3cret"
service web {
    image "x:1"
    secret key mode="0400"
    post-start "one"
    post-start "two"
    healthcheck "true"
}
service after { image "y:1"; depends-on web }
"#;

#[test]
fn hooks_run_in_order_between_the_start_and_the_first_question() {
    let mut bench = Bench::new(HOOKED);
    bench.ok("prepare");
    assert_eq!(bench.ok("pull web"), ["create web"]);
    bench.ok("create web");
    assert_eq!(bench.ok("attach web-1"), ["exec web-1 one"]);
    assert_eq!(bench.ok("exec web-1 one"), ["exec web-1 two"]);
    assert_eq!(
        bench.ok("exec web-1 two"),
        ["hooks of web-1 are over", "probe web-1"]
    );
    bench.ok("pull after");
    assert_eq!(bench.ok("probe web-1"), ["create after"]);
}

#[test]
fn a_hook_that_fails_is_a_start_that_fails() {
    let mut bench = Bench::new(HOOKED);
    bench.ok("prepare");
    bench.ok("pull web");
    bench.ok("create web");
    bench.ok("attach web-1");
    bench.ok("pull after");
    assert_eq!(bench.fails("exec web-1 one", "`one` ended with 1"), [""; 0]);
    assert_eq!(bench.state("web"), "failed: `one` ended with 1");
    assert!(
        bench.state("after").starts_with("waiting"),
        "{}",
        bench.state("after")
    );
}

#[test]
fn hooks_that_the_session_before_did_not_come_to_run_now() {
    let mut bench = Bench::new(HOOKED);
    bench.ok("prepare");
    bench.ok("pull web");
    bench.ok("create web");
    let owes = |owes_hooks| Outcome::Attached {
        transport: Transport::Agent,
        compared: Some(0),
        owed: Vec::new(),
        mirrored: Vec::new(),
        changed: vec![],
        problems: vec![],
        owes_hooks,
    };
    // Those of its own start run once.
    assert_eq!(bench.ends("attach web-1", owes(true)), ["exec web-1 one"]);
    bench.ok("exec web-1 one");
    bench.ok("exec web-1 two");
    let begun = |owing: bool| {
        // Another session finds what runs already.
        let mut next = Bench::new(HOOKED);
        next.containers = bench.containers.clone();
        next.connect();
        next.ok("prepare");
        next.ok("pull web");
        next.ends("attach web-1", owes(owing))
    };
    assert_eq!(begun(true), ["exec web-1 one"]);
    assert_eq!(begun(false), ["probe web-1"]);
}

#[test]
fn a_service_gets_its_secrets_with_their_permissions_before_it_starts() {
    let mut bench = Bench::new(HOOKED);
    bench.ok("prepare");
    bench.ok("pull web");
    let Effect::Create { files, .. } = bench.effect("create web") else {
        panic!("not a container");
    };
    assert_eq!(files.len(), 1);
    assert_eq!(
        (files[0].path.as_str(), files[0].mode),
        ("/run/secrets/key", 0o400)
    );
    assert!(!format!("{:?}", bench.effect("create web")).contains("s3cret"));
}

#[test]
fn who_is_not_required_is_not_waited_for_when_off_or_failed() {
    let text = r#"
stack app
service mail { image "m:1"; profile extra }
service cache { image "c:1" }
service web { image "x:1"; depends-on mail cache required=#false }
"#;
    let mut bench = Bench::new(text);
    bench.ok("prepare");
    bench.ok("pull web");
    assert_eq!(bench.state("mail"), "off: --profile extra");
    assert_eq!(bench.ok("pull cache"), ["create cache"]);
    assert_eq!(bench.fails("create cache", "no room"), ["create web"]);
}
