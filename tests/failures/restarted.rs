//! An engine that is ended and begun again, as by an update of the machine or by its death, in the
//! middle of an update: all comes back and what was saved is live, without anybody.
//!
//! `DEVRUN_RESTARTS` says how often, and `DEVRUN_RESTART_SEED` at which moments.

use std::time::Duration;

use crate::kit::own_engine::OwnEngine;
use crate::kit::{Scratch, Session, let_pass};

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
service slow { image "redis:7"; command "sleep" "infinity"; restart unless-stopped }
"#;

/// What is saved, and where the container shows that it was followed.
const SAVES: [(&str, &str); 5] = [
    ("web/app/main.py", "/tmp/began"),
    ("web/app/tool.sh", "/tmp/ran"),
    ("web/app/page.html", "/app/page.html"),
    ("web/app/all.fresh", "/app/all.fresh"),
    ("web/setup.txt", "/setup.txt"),
];

struct World {
    session: Session,
    stack: Scratch,
    engine: OwnEngine,
    chance: u64,
}

impl World {
    fn new(chance: u64) -> World {
        let mut files: Vec<(&str, &str)> = SAVES.iter().map(|(path, _)| (*path, "0\n")).collect();
        files.push(("Stackfile.kdl", STACKFILE));
        let dockerfile = "FROM redis:7\nCOPY setup.txt /setup.txt\nCOPY app /app\n";
        files.push(("web/Dockerfile", dockerfile));
        let engine = OwnEngine::start(&["redis:7"]);
        let mut stack = Scratch::new("restarted", &files);
        engine.between(&mut stack);
        let mut session = stack.up(&[]);
        session.ready();
        World {
            session,
            stack,
            engine,
            chance,
        }
    }

    /// Numbers of a linear generator.
    fn below(&mut self, most: u64) -> u64 {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) % most
    }

    /// What is saved next, and how long after that the blow comes.
    fn choose(&mut self) -> (usize, Duration) {
        let save = usize::try_from(self.below(SAVES.len() as u64)).unwrap();
        (save, Duration::from_millis(self.below(2000)))
    }

    fn strike(&mut self, number: usize, signal: i32, (save, moment): (usize, Duration)) {
        let (path, inside) = SAVES[save];
        self.session.catch_up();
        let before = self.session.seen.len();
        self.stack.write(path, &format!("{number}\n"));
        let_pass(moment);
        self.engine.end(signal);
        self.engine.begin();
        let waited = self.stack.run(&["wait", "--timeout", "60s"]);
        self.session.catch_up();
        let since: String = self.session.seen[before..]
            .iter()
            .map(|event| format!("{event}\n"))
            .collect();
        let told = format!("{number}: signal {signal}, {moment:?}, {path}\n{since}");
        assert_eq!(waited.code, 0, "{told}{waited:?}");
        let web = self.stack.container("web");
        let there = self.engine.docker(&["exec", &web, "cat", inside]).out;
        assert_eq!(there, self.stack.read(path), "{told}");
        for service in ["web", "cache", "slow"] {
            let state = self.stack.service(service)["state"].clone();
            assert_eq!(state, "ready", "{service} {told}");
        }
    }
}

#[test]
fn an_engine_that_is_restarted_in_the_middle_of_an_update_heals_by_itself() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("DEVRUN_RESTART_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let count = number("DEVRUN_RESTARTS").unwrap_or(2);
    println!("seed {seed}");
    let mut world = World::new(seed);
    for number in 1..=usize::try_from(count).unwrap() {
        let signal = if number % 2 == 1 { 15 } else { 9 };
        let chosen = world.choose();
        println!("{number}: signal {signal}, {chosen:?}");
        world.strike(number, signal, chosen);
    }
}
