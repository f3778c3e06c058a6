//! One stack for many cases: a container that waits, a session that watches, a helper inside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::deadline::{Doing, Waits};
use crate::inside::Inside;
use crate::kit::relay::Relay;
use crate::kit::{Ran, Scratch, Session, eventually, within};

const STACKFILE: &str = "stack model
service web {
    image \"python:3.13-slim\"
    command \"sleep\" \"infinity\"
    init #true
    label { turn \"0\" }
    tmpfs \"/live/small\" size=\"64M\"
    sync \"tree\" to=\"/live/tree\" {
        ignore \"skip\" \"*.skip\"
    }
    sync \"small\" to=\"/live/small\"
}
";

/// What is synced. The second one's target is small, and in memory: it is empty after each end of
/// the container.
pub const TREES: [&str; 2] = ["tree", "small"];

pub struct Stage {
    pub shared: Arc<Shared>,
    session: Option<Session>,
    pub relay: Relay,
    /// How often the configuration was changed.
    turn: usize,
}

/// What writers and faults use at the same time.
pub struct Shared {
    pub stack: Arc<Scratch>,
    waits: Waits,
    helper: Mutex<Option<Inside>>,
    /// The container ended while something may have been brought over.
    pub was_interrupted: AtomicBool,
    /// What the container made, in the tree.
    own: Mutex<BTreeSet<PathBuf>>,
}

impl Stage {
    pub fn new() -> Stage {
        let mut stack = Scratch::new("model", &[("Stackfile.kdl", STACKFILE)]);
        for tree in TREES {
            std::fs::create_dir(stack.path(tree)).unwrap();
        }
        let relay = Relay::open(stack.state.join("engine.sock"));
        stack
            .environment
            .push(("DOCKER_HOST".to_owned(), relay.address()));
        let stack = Arc::new(stack);
        let shared = Arc::new(Shared {
            waits: Waits::watched(Arc::downgrade(&stack)),
            stack,
            helper: Mutex::default(),
            was_interrupted: AtomicBool::new(false),
            own: Mutex::default(),
        });
        let mut stage = Stage {
            shared,
            session: None,
            relay,
            turn: 0,
        };
        stage.up();
        stage
    }

    fn up(&mut self) {
        let _doing = self.shared.doing("for devrun up to be ready");
        let mut session = self.shared.stack.up(&[]);
        session.ready();
        self.session = Some(session);
    }

    /// Ends devrun by that signal, and starts it again.
    pub fn up_again(&mut self, signal: i32) {
        if let Some(session) = self.session.take() {
            let _doing = self.shared.doing("for devrun up to end");
            session.signal(signal);
            session.end();
        }
        self.up();
    }

    /// Saves a configuration of which another container has to be made.
    pub fn configure_anew(&mut self) {
        self.turn += 1;
        let turn = format!("turn \"{}\"", self.turn);
        let text = STACKFILE.replace("turn \"0\"", &turn);
        self.shared.stack.write("Stackfile.kdl", &text);
    }

    /// Signals devrun, which goes on.
    pub fn signal(&self, number: i32) {
        if let Some(session) = &self.session {
            session.signal(number);
        }
    }

    /// What the session told, for whoever looks for the reason of a failure.
    pub fn events(&mut self) -> String {
        self.session.as_mut().map_or_else(String::new, |session| {
            session.catch_up();
            let from = session.seen.len().saturating_sub(40);
            let last = session.seen[from..].iter();
            last.map(|event| format!("{event}\n")).collect()
        })
    }
}

impl Shared {
    pub fn top(&self) -> PathBuf {
        self.stack.path(TREES[0])
    }

    /// Notes what is waited for, until the answer is dropped.
    pub fn doing(&self, what: &str) -> Doing {
        self.waits.doing(what)
    }

    pub fn status(&self) -> serde_json::Value {
        self.stack.status()
    }

    /// Until all is live; what it says where it will not be.
    pub fn live(&self) -> Result<(), String> {
        let _doing = self.doing("for devrun wait");
        let mut wait = self.stack.command(&["wait", "--timeout", "60s"]);
        let mut wait = wait
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Longer than it should ever take to give up.
        let ended = within(90, || wait.try_wait().unwrap());
        if ended.is_none() {
            wait.kill().unwrap();
        }
        let ran = Ran::of(wait.wait_with_output().unwrap());
        match (ended, ran.code) {
            (Some(_), 0) => Ok(()),
            (Some(_), code) => Err(format!("devrun wait: {code} {}\n", ran.err)),
            (None, _) => Err("devrun wait does not end, although its time is over\n".to_owned()),
        }
    }

    /// Asks the helper of the container, where one runs.
    pub fn try_ask<T>(&self, ask: impl FnOnce(&mut Inside) -> Option<T>) -> Option<T> {
        let _doing = self.doing("for an answer of the helper inside");
        let mut helper = lock(&self.helper);
        let answer = helper.as_mut().and_then(ask);
        if answer.is_none() {
            *helper = None;
        }
        answer
    }

    /// Asks, and starts a helper for it where none runs; the container has to.
    pub fn ask<T>(&self, mut ask: impl FnMut(&mut Inside) -> Option<T>) -> T {
        let _doing = self.doing("for an answer of the container");
        let container = self.stack.container("web");
        eventually("an answer from the container", 60, || {
            let mut helper = lock(&self.helper);
            if helper.is_none() {
                *helper = Inside::start(&container);
            }
            let answer = helper.as_mut().and_then(&mut ask);
            if answer.is_none() {
                *helper = None;
            }
            answer
        })
    }

    /// The helper is one of a container that is gone.
    pub fn leave(&self) {
        *lock(&self.helper) = None;
    }

    /// The container makes a file of its own.
    pub fn own(&self, path: &Path) {
        let mut own = lock(&self.own);
        if self.try_ask(|inside| Some(inside.own(path))) == Some(true) {
            own.insert(path.to_owned());
        }
    }

    /// Which of them must still be there.
    pub fn own_that_stay(&self, stays: impl Fn(&Path) -> bool) -> BTreeSet<PathBuf> {
        let own = lock(&self.own);
        own.iter().filter(|path| stays(path)).cloned().collect()
    }

    /// Forgets what the container made below a folder, or everywhere.
    pub fn forget_own(&self, below: &Path) {
        lock(&self.own).retain(|path| !path.starts_with(below));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
