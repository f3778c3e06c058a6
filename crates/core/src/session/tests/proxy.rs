//! What the proxy is given and told.

use super::bench::{Bench, attached};
use super::stacks::{APP, loaded};
use devrun_stack::Content;

use crate::certificate::{self, Certificate};
use crate::effect::Effect;
use crate::event::{Event, Failure, Outcome, Stackfile};
use crate::observed::Happened;
use crate::routes::CONFIG_PATH;

const NOTHING: [&str; 0] = [];

/// [`APP`] with this text as the proxy's configuration.
fn with_config(text: &str) -> Event {
    let mut event = loaded(APP);
    if let Event::Stackfile(Stackfile::Loaded { proxy_configs, .. }) = &mut event {
        proxy_configs[0].1 = text.to_owned();
    }
    event
}

const OTHER: &str = "http { server { listen 80; gzip on; include devrun-routes; } }";

#[test]
fn it_starts_with_its_configuration_and_with_what_is_ready() {
    let mut bench = Bench::new(APP);
    bench.finish_until("create entry");
    let Effect::Create { files, .. } = bench.effect("create entry") else {
        panic!("no container is made");
    };
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.contains(&"/etc/nginx/nginx.conf"), "{paths:?}");
    assert!(
        paths.iter().any(|path| path.contains("backend")),
        "{paths:?}"
    );
    bench.ok("create entry");
    assert_eq!(bench.session.view().generation, 1);
    assert_eq!(
        bench.ok("attach entry-1"),
        ["probe entry-1", "tell entry-1 backend=ready"],
        "what it was made with is not given to it again"
    );
    assert_eq!(bench.ok("probe entry-1"), ["read entry-1 1"]);
    let counted = "entry routes 1".to_owned();
    assert!(!bench.heard().contains(&counted), "it may not have it");
    assert_eq!(bench.ok("read entry-1 1"), NOTHING);
    assert!(bench.heard().contains(&counted));
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn another_configuration_is_applied_without_a_restart_under_a_growing_number() {
    let mut bench = Bench::ready();
    assert_eq!(bench.service("entry").pending, 0);
    assert_eq!(bench.feed(with_config(OTHER)), ["apply entry-1 2"]);
    assert_eq!(bench.service("entry").pending, 1, "who waits, waits for it");
    assert_eq!(
        bench.feed(with_config("http { server { include devrun-routes; } }")),
        NOTHING
    );
    assert_eq!(
        bench.ok("apply entry-1 2"),
        ["apply entry-1 3"],
        "edited once more meanwhile"
    );
    assert_eq!(bench.ok("apply entry-1 3"), NOTHING);
    assert_eq!(bench.service("entry").pending, 0);
    assert!(bench.heard().contains(&"entry routes 3".to_owned()));
    assert!(bench.session.view().settled);
}

/// [`APP`] with TLS.
fn with_tls() -> Event {
    let text = APP.replace(
        "proxy entry {",
        "proxy entry {\n    tls\n    port 8443 to=443",
    );
    assert_ne!(text, APP);
    loaded(&text)
}

/// The same with this certificate.
fn with_certificate(made: Result<&str, &str>) -> Event {
    let mut event = with_tls();
    if let Event::Stackfile(Stackfile::Loaded { certificate, .. }) = &mut event {
        *certificate = Some(made.map_err(str::to_owned).map(|id| Certificate {
            id: id.to_owned(),
            pem: Content(b"key".to_vec()),
        }));
    }
    event
}

#[test]
fn another_certificate_is_brought_along_and_reloads_the_proxy_alone() {
    let mut bench = Bench::new(APP);
    bench.feed(with_certificate(Ok("first")));
    bench.finish_until("create entry");
    let Effect::Create { files, .. } = bench.effect("create entry") else {
        panic!("no container is made");
    };
    let made = files.iter().find(|file| file.path == certificate::PATH);
    assert_eq!(made.map(|file| file.mode), Some(0o600));
    bench.finish();
    assert_eq!(bench.feed(with_certificate(Ok("first"))), NOTHING);
    let asked = bench.feed(with_certificate(Ok("second")));
    assert_eq!(asked, ["apply entry-1 2"]);
    let Effect::ProxyApply { certificate, .. } = bench.effect("apply entry-1 2") else {
        panic!("nothing is applied");
    };
    let path = certificate.as_ref().map(|file| file.path.as_str());
    assert_eq!(path, Some(certificate::PATH));
    assert_eq!(bench.ok("apply entry-1 2"), NOTHING);
    assert_eq!(
        bench.feed(with_tls()),
        NOTHING,
        "who only foresees makes none, and none is missed"
    );
    assert_eq!(
        bench.feed(with_certificate(Err("the disk is full"))),
        NOTHING,
        "the one from before serves on"
    );
}

#[test]
fn one_that_nginx_refuses_leaves_the_old_one_and_is_not_asked_again() {
    let mut bench = Bench::ready();
    bench.feed(with_config(OTHER));
    assert_eq!(mistake(&mut bench, "apply entry-1 2"), NOTHING);
    assert_eq!(
        bench.state("entry"),
        "ready: its routes are those of before: nginx.conf:1: unknown word"
    );
    assert_eq!(bench.service("entry").pending, 0, "nobody waits in vain");
    let heard = bench.heard();
    assert!(heard.contains(&"entry warning: nginx.conf:1: unknown word".to_owned()));
    assert_eq!(bench.feed(with_config(OTHER)), NOTHING);
    assert_eq!(bench.load(APP), ["apply entry-1 3"], "mended");
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
}

/// nginx finds one in what it is given.
fn mistake(bench: &mut Bench, line: &str) -> Vec<String> {
    let failure = Failure {
        message: "nginx.conf:1: unknown word".to_owned(),
        impossible: true,
        ..Failure::default()
    };
    bench.ends(line, Outcome::Failed(failure))
}

#[test]
fn what_takes_no_effect_is_tried_once_more_and_then_when_somebody_says_so() {
    let mut bench = Bench::ready();
    bench.feed(with_config(OTHER));
    assert_eq!(
        bench.fails("apply entry-1 2", "it does not reload"),
        NOTHING
    );
    assert!(!bench.session.view().settled, "it is not over");
    assert_eq!(bench.wake(), ["apply entry-1 3"]);
    assert_eq!(
        bench.fails("apply entry-1 3", "it does not reload"),
        NOTHING
    );
    assert_eq!(bench.session.next_deadline(), None);
    let state = bench.state("entry");
    assert!(state.ends_with("of before: it does not reload"), "{state}");
    let heard = bench.heard();
    let told = heard
        .iter()
        .filter(|line| line.contains("it does not reload"));
    assert_eq!(told.count(), 2, "{heard:#?}");
    assert_eq!(bench.up(&[]), ["apply entry-1 4"]);
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn where_its_agent_went_in_the_middle_what_it_works_with_is_not_known() {
    let mut bench = Bench::ready();
    bench.feed(with_config(OTHER));
    bench.fails("apply entry-1 2", "its container cannot be reached");
    assert_eq!(bench.load(APP), NOTHING, "it rests");
    assert_eq!(
        bench.wake(),
        ["apply entry-1 3"],
        "though it had this before"
    );
}

/// What the proxy is to be started with.
fn files(effect: &Effect) -> String {
    let (Effect::Create { files, .. } | Effect::Start { files, .. }) = effect else {
        panic!("nothing is started by {effect:?}");
    };
    let config = files.iter().find(|file| file.path == CONFIG_PATH).unwrap();
    String::from_utf8_lossy(&config.content.0).into_owned()
}

#[test]
fn a_proxy_that_starts_anew_starts_with_what_nginx_takes() {
    let mut bench = Bench::ready();
    bench.feed(with_config(OTHER));
    mistake(&mut bench, "apply entry-1 2");
    bench.stop(&["entry"]);
    bench.finish();
    bench.up(&["entry"]);
    bench.finish_until("start entry-1");
    let config = files(bench.effect("start entry-1"));
    assert!(!config.contains("gzip on;"), "{config}");
    bench.ok("start entry-1");
    assert_eq!(
        bench.ok("attach entry-1")[0],
        "apply entry-1 4",
        "perhaps now"
    );
}

#[test]
fn one_that_falls_of_what_it_began_with_begins_otherwise_once_that_is_mended() {
    let mut bench = Bench::with(crate::session::Options::default());
    bench.feed(with_config(OTHER));
    bench.connect();
    bench.finish_until("create entry");
    bench.ok("create entry");
    for _ in 0..3 {
        bench.happens("entry-1", Happened::Exited { code: 1 });
        bench.finish();
        bench.happens("entry-1", Happened::Started);
    }
    bench.happens("entry-1", Happened::Exited { code: 1 });
    bench.finish();
    assert!(bench.state("entry").starts_with("failed"));
    let seen = bench.load(APP);
    assert!(
        seen.contains(&"create entry replacing entry-1".to_owned()),
        "{seen:?}"
    );
    let config = files(bench.effect("create entry"));
    assert!(!config.contains("gzip on;"), "{config}");
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn who_loses_its_route_gets_requests_until_nginx_works_without_it() {
    let mut bench = Bench::ready();
    bench.load(&APP.replace("route \"/api/*\"", ""));
    bench.finish_until("apply entry-1 2");
    mistake(&mut bench, "apply entry-1 2");
    bench.save(&["backend/app.py"]);
    let lines = bench.finish();
    let told = lines.iter().rfind(|line| line.starts_with("tell"));
    assert_eq!(told.map(String::as_str), Some("tell entry-1 backend=ready"));
    bench.load(APP);
    bench.finish();
    let lines = bench.load(&APP.replace("route \"/api/*\"", ""));
    assert_eq!(lines, ["apply entry-1 4"]);
    assert_eq!(bench.ok("apply entry-1 4"), ["tell entry-1"]);
}

#[test]
fn a_route_to_another_port_waits_until_that_answers() {
    let mut bench = Bench::new(WITHOUT_CHECK);
    bench.finish();
    let other = WITHOUT_CHECK.replace("route \"/*\"", "route \"/*\" port=9000");
    let seen = bench.load(&other);
    assert_eq!(
        seen,
        [
            "probe web-1",
            "apply entry-1 2",
            "tell entry-1 web=updating"
        ]
    );
    assert_eq!(bench.ok("probe web-1"), ["tell entry-1 web=ready"]);
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("restart")),
        "{lines:?}"
    );
}

const WITHOUT_CHECK: &str = r#"
stack app
service web {
    image "web:1"
    port 8000
    route "/*"
}
service follower { image "follower:1"; depends-on web follow=#true }
proxy entry {
    image "nginx:1.26"
    config "nginx.conf"
    depends-on web
    port 8080 to=80
}
"#;

#[test]
fn each_change_of_readiness_is_told_and_only_changes() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py"]);
    bench.ok("sync backend-1");
    assert_eq!(
        bench.wake(),
        ["restart backend-1", "tell entry-1 backend=updating"]
    );
    bench.ok("restart backend-1");
    bench.ok("attach backend-1");
    assert_eq!(bench.ok("probe backend-1"), ["tell entry-1 backend=ready"]);
    let died = bench.happens("backend-1", Happened::Exited { code: 1 });
    assert_eq!(died, ["explain backend-1", "tell entry-1 backend=updating"]);
    bench.happens("db-1", Happened::OutOfMemory);
    assert_eq!(bench.open(), ["explain backend-1"]);
    assert_eq!(
        bench.ok("explain backend-1"),
        ["tell entry-1 backend=failed"],
        "with its last words"
    );
}

#[test]
fn a_new_agent_is_told_again() {
    let mut bench = Bench::ready();
    let container = "entry-1".to_owned();
    bench.feed(Event::AgentGone { container });
    assert_eq!(
        bench.ends("attach entry-1", attached(&[])),
        ["tell entry-1 backend=ready"]
    );
}

#[test]
fn a_proxy_of_an_earlier_session_is_given_the_configuration_of_this_one() {
    let first = Bench::ready();
    let mut bench = Bench::with(crate::session::Options {
        first_generation: 40,
        ..crate::session::Options::default()
    });
    bench.takes_over(&first);
    bench.load(APP);
    bench.connect();
    let lines = bench.finish();
    assert!(lines.contains(&"apply entry-1 41".to_owned()), "{lines:?}");
    assert_eq!(bench.session.view().generation, 41);
}

#[test]
fn a_configuration_that_does_not_say_where_the_routes_go_is_told() {
    let mut bench = Bench::with(crate::session::Options::default());
    bench.feed(with_config("http { }"));
    bench.connect();
    bench.finish();
    let heard = bench.heard();
    assert!(
        heard
            .iter()
            .any(|line| line.contains("include devrun-routes;")),
        "{heard:#?}"
    );
}

#[test]
fn what_nginx_ended_of_is_told_in_lines_of_the_stackfile() {
    let mut bench = Bench::new(&APP.replace(
        "route \"/api/*\"",
        "route \"/api/*\" { nginx \"gzzip off;\" }",
    ));
    bench.finish_until("create entry");
    let Effect::Create { files, .. } = bench.effect("create entry") else {
        panic!("no container is made");
    };
    let config = files.iter().find(|file| file.path == CONFIG_PATH).unwrap();
    let config = String::from_utf8_lossy(&config.content.0).into_owned();
    let at = config.lines().position(|line| line.contains("gzzip"));
    bench.ok("create entry");
    bench.happens("entry-1", Happened::Exited { code: 1 });
    let said = format!(
        "nginx: [emerg] unknown directive \"gzzip\" in {CONFIG_PATH}:{}",
        at.unwrap() + 1
    );
    let lines = vec![said];
    bench.ends("explain entry-1", Outcome::Explained { lines });
    let declared = APP.lines().position(|line| line.contains("route")).unwrap() + 1;
    assert_eq!(
        bench.service("entry").details,
        [format!(
            "Stackfile.kdl:{declared}: [emerg] unknown directive \"gzzip\": gzzip off;"
        )]
    );
}

#[test]
fn who_is_gone_for_a_moment_is_not_called_ready_without_its_probe() {
    let mut bench = Bench::ready();
    bench.disconnect();
    assert_eq!(bench.connect().last().unwrap(), "attach entry-1");
    let outcome = Outcome::Attached {
        transport: crate::event::Transport::Agent,
        compared: Some(0),
        owed: Vec::new(),
        mirrored: Vec::new(),
        changed: vec![],
        problems: vec![],
        owes_hooks: false,
    };
    let told = bench.ends("attach entry-1", outcome);
    assert!(
        told.contains(&"tell entry-1 backend=updating".to_owned()),
        "{told:?}"
    );
}

/// How long requests for the backend may wait, as the proxy was told last.
fn hold(bench: &Bench) -> u64 {
    let (_, states) = bench.session.told_proxy.as_ref().unwrap();
    let backend = states.iter().find(|state| state.service == "backend");
    backend.unwrap().hold.as_secs()
}

#[test]
fn requests_wait_for_what_comes_and_for_nothing_else() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py"]);
    bench.ok("sync backend-1");
    bench.wake();
    assert_eq!(hold(&bench), 30, "it restarts");
    bench.ok("restart backend-1");
    bench.ok("attach backend-1");
    bench.ok("probe backend-1");
    bench.happens("backend-1", Happened::Exited { code: 1 });
    assert_eq!(hold(&bench), 30, "it fell, and the engine starts it again");
    bench.happens("backend-1", Happened::Started);
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.finish();
    assert_eq!(hold(&bench), 0, "it does not start");
    bench.save(&["backend/other.py"]);
    assert_eq!(hold(&bench), 30, "what was mended is tried");
    bench.stop(&["backend"]);
    bench.finish();
    assert_eq!(hold(&bench), 0, "it was stopped");
}

#[test]
fn requests_wait_for_one_that_waits_unless_that_is_in_vain() {
    let mut bench = Bench::ready();
    bench.stop(&["db"]);
    bench.finish();
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.happens("backend-1", Happened::Removed);
    bench.finish();
    assert_eq!(bench.state("backend"), "waiting: for db, which is stopped");
    assert_eq!(hold(&bench), 0);
    bench.up(&["db"]);
    assert_eq!(hold(&bench), 30);
}
