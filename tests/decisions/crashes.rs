//! `kill -9`, and a connection to the engine that breaks, at any moment of any update: afterwards
//! there is one container of each service, made of what the host has, and what the save asked for
//! has been done.
//!
//! `DEVRUN_CRASHES` says how many of all moments are tried (`all`, or a number),
//! `DEVRUN_CRASH_SEED` which, and `DEVRUN_CRASHES_FROM` from which of them on.

use crate::kit::relay::Relay;
use crate::kit::{Scratch, Session, docker, eventually, within};

/// Copies what it begins with, so that a process of before is told from one of now.
const STACKFILE: &str = r#"stack app
service web {
    build "web"
    init #true
    command "cp /app/main.py /tmp/began; exec sleep infinity"
    sync "web/app" to="/app" {
        on "*.sh" { exec "cp /app/tool.sh /tmp/ran" }
        on "*.py" { restart }
        on "*.fresh" { recreate }
    }
}
service cache { image "redis:7"; init #true; command "sleep" "infinity"; depends-on web follow=#true }
"#;

const FILES: [&str; 5] = [
    "web/setup.txt",
    "web/app/page.html",
    "web/app/tool.sh",
    "web/app/main.py",
    "web/app/all.fresh",
];

/// What is changed, where that is read in the container, and at least as many requests as it takes.
const UPDATES: [(&str, &str, usize); 5] = [
    ("web/setup.txt", "/setup.txt", 28),
    ("web/app/all.fresh", "/app/all.fresh", 24),
    ("web/app/main.py", "/tmp/began", 16),
    ("web/app/tool.sh", "/tmp/ran", 3),
    // All of it, from nothing.
    ("", "", 44),
];

/// What happens, and when.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// devrun is killed at the request after so many: before or after the engine hears of it.
    KilledAtRequest { passes: usize, after: bool },
    /// devrun is killed once so many events have told of the update.
    KilledAtEvent(usize),
    /// Every connection to the engine breaks at such a request.
    Cut { passes: usize, after: bool },
}

/// All moments of all updates, in an order by chance.
fn moments(mut seed: u64) -> Vec<(usize, Blow)> {
    let mut all = Vec::new();
    for (update, (_, _, requests)) in UPDATES.iter().enumerate() {
        for passes in 0..*requests {
            for after in [false, true] {
                all.push((update, Blow::KilledAtRequest { passes, after }));
                all.push((update, Blow::Cut { passes, after }));
            }
        }
        all.extend((1..8).map(|count| (update, Blow::KilledAtEvent(count))));
    }
    // Fisher and Yates, with the numbers of a linear generator.
    for left in (1..all.len()).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let with = usize::try_from(seed >> 33).unwrap() % (left + 1);
        all.swap(left, with);
    }
    all
}

fn of_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct World {
    stack: Scratch,
    relay: Relay,
    session: Session,
    count: usize,
}

impl World {
    fn new() -> World {
        let mut files: Vec<(&str, &str)> = FILES.iter().map(|path| (*path, "0\n")).collect();
        files.push(("Stackfile.kdl", STACKFILE));
        files.push((
            "web/Dockerfile",
            "FROM redis:7\nCOPY setup.txt /setup.txt\nCOPY app /app\n",
        ));
        let mut stack = Scratch::new("crash", &files);
        let relay = Relay::between(&mut stack);
        let mut session = stack.up(&[]);
        session.ready();
        World {
            stack,
            relay,
            session,
            count: 0,
        }
    }

    /// An update, and a blow in the middle of it.
    fn strike(&mut self, update: usize, blow: Blow) {
        self.count += 1;
        let (path, inside, _) = UPDATES[update];
        if path.is_empty() {
            self.stack.ok(&["down"]);
            self.session = self.stack.up(&[]);
        }
        self.arm(blow);
        if !path.is_empty() {
            self.stack.write(path, &format!("{}\n", self.count));
        }
        if let Blow::KilledAtEvent(count) = blow {
            // Fewer may be all that there is to tell.
            for _ in 0..count {
                self.session.found(2, |_| true);
            }
            let _ = self.session.child.kill();
        }
        let over = |event: &serde_json::Value| {
            event["event"] == "update-done" || event["event"] == "settled"
        };
        if self.session.found(60, over).is_none() {
            // It says nothing more just before it has ended.
            within(2, || self.session.child.try_wait().unwrap());
        }
        self.relay.disarm();
        if self.session.child.try_wait().unwrap().is_some() || !matches!(blow, Blow::Cut { .. }) {
            let _ = self.session.child.kill();
            // Until then it has the lock.
            self.session.child.wait().unwrap();
            self.session = self.stack.up(&[]);
            self.session.ready();
        }
        self.stack.ok(&["wait", "--timeout", "60s"]);
        self.check(inside, &format!("{path}, {blow:?}"));
    }

    fn arm(&self, blow: Blow) {
        match blow {
            Blow::KilledAtEvent(_) => {}
            Blow::KilledAtRequest { passes, after } => {
                let pid = self.session.child.id().to_string();
                self.relay.at(passes, after, move || {
                    let kill = std::process::Command::new("kill")
                        .args(["-9", &pid])
                        .status();
                    assert!(kill.unwrap().success());
                });
            }
            Blow::Cut { passes, after } => {
                let relay = self.relay.clone();
                self.relay.at(passes, after, move || {
                    relay.cut();
                    relay.listen();
                });
            }
        }
    }

    /// What the save of a file that is read there asked for is done; what it is about, for people.
    fn check(&self, inside: &str, what: &str) {
        let told = || format!("{what}\n{}", self.session.dump());
        let label = format!("label=devrun.stack={}", self.stack.name);
        let format = "{{.Names}} {{.State}}";
        let all = ["ps", "-a", "--filter", &label, "--format", format];
        // The engine goes on with a removal that it was asked for, whoever asked is there or not.
        let all = eventually("what is being removed to be gone", 20, || {
            let all = docker(&all).out;
            (!all.contains(" removing")).then_some(all)
        });
        let mut names: Vec<String> = all.lines().map(str::to_owned).collect();
        // What the making of an agent was given up in is looked at by its session, which may take
        // a moment; it has the labels of the image that it is of.
        names.retain(|name| !name.starts_with("devrun-agent-"));
        names.sort();
        let expected =
            ["cache", "web"].map(|name| format!("{} running", self.stack.container(name)));
        assert_eq!(names, expected, "{}", told());

        let format = "{{.Repository}}:{{.Tag}}";
        let images = ["images", "-a", "--filter", &label, "--format", format];
        let ours = format!("{}-web:", self.stack.name);
        // What a build left that was cut off goes once another one is over.
        let named = within(10, || {
            let all = docker(&images).out;
            all.lines()
                .all(|name| name.starts_with(&ours))
                .then_some(())
        });
        assert!(named.is_some(), "{}: {}", docker(&images).out, told());
        let web = self.stack.container("web");
        for path in FILES {
            let there = format!("/{}", path.strip_prefix("web/").unwrap());
            let text = docker(&["exec", &web, "cat", &there]).out;
            assert_eq!(text, self.stack.read(path), "{there}: {}", told());
        }
        let began = docker(&["exec", &web, "cat", "/tmp/began"]).out;
        assert_eq!(
            began,
            self.stack.read("web/app/main.py"),
            "not restarted: {}",
            told()
        );
        if inside == "/tmp/ran" {
            let ran = docker(&["exec", &web, "cat", inside]).out;
            let asked = self.stack.read("web/app/tool.sh");
            assert_eq!(ran, asked, "not run: {}", told());
        }
        let service = self.stack.service("web");
        assert_eq!(service["state"], "ready", "{service} {}", told());
    }

    fn nothing_is_left_after_down(&self) {
        let agent = ["ps", "-aq", "--filter", "name=devrun-agent-", "--filter"];
        let of_stack = format!("label=devrun.stack={}", self.stack.name);
        eventually("what is left of the agent's making to go", 40, || {
            let left = docker(&[&agent[..], &[&of_stack]].concat()).out;
            left.is_empty().then_some(())
        });
        self.stack.ok(&["down", "--volumes"]);
        let label = format!("label=devrun.stack={}", self.stack.name);
        for kind in ["container", "network", "volume"] {
            let all: &[&str] = if kind == "container" { &["-a"] } else { &[] };
            let left = docker(&[&[kind, "ls", "-q", "--filter", &label], all].concat());
            assert_eq!(left.out, "", "{kind}");
        }
    }
}

#[test]
fn whatever_happens_in_the_middle_of_an_update_it_is_finished_or_done_again() {
    let seed = of_environment("DEVRUN_CRASH_SEED").and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let count = match of_environment("DEVRUN_CRASHES").as_deref() {
        Some("all") => usize::MAX,
        count => count.and_then(|text| text.parse().ok()).unwrap_or(14),
    };
    println!("seed {seed}");
    let mut world = World::new();
    let from = of_environment("DEVRUN_CRASHES_FROM").and_then(|text| text.parse().ok());
    let moments = moments(seed).into_iter().enumerate();
    for (number, (update, blow)) in moments.skip(from.unwrap_or(0)).take(count) {
        println!("moment {number}: {} {blow:?}", UPDATES[update].0);
        world.strike(update, blow);
    }
    world.nothing_is_left_after_down();
}
