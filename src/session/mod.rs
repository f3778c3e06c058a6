//! Drives the core: waits for the next event, lets it decide, and performs what it asks for.

mod addresses;
mod agent_binary;
mod agents;
mod agreed;
mod ahead;
mod asks;
mod back;
mod bases;
mod behind;
mod certifying;
mod comparing;
mod containers;
mod deaf;
mod deputies;
mod driver;
mod early;
mod elsewhere;
mod foreseeing;
mod hooks;
pub(crate) mod image_cache;
mod images;
mod inside;
mod known;
mod large;
mod leaving;
pub(crate) mod load;
mod looking;
mod making;
mod owed;
mod perform;
pub(crate) mod place;
pub(crate) mod places;
mod pulling;
mod pushing;
pub(crate) mod reading;
mod recipes;
mod remembering;
mod replacing;
mod serve;
pub(crate) mod single;
mod spare;
mod status;
mod stopping;
pub(crate) mod tidying;
mod trees;
mod users;

use std::time::Duration;

use devrun_core::effect::Exit;
use devrun_core::session::Options;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

pub(crate) use comparing::{follow_alone, sync_alone, verify_alone};
use driver::Driver;
pub(crate) use driver::Input;
pub(crate) use foreseeing::foresee_alone;
pub(crate) use known::forget_saves;
use load::LoadOptions;
pub(crate) use pulling::{Found, Newer, Pull, look};
pub(crate) use status::{ago, lasted, without_session};
pub(crate) use tidying::clear_left_overs;

use crate::engine::Engine;
use crate::report::{Feed, Hub};

/// What a session needs to begin.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) engine: Engine,
    pub(crate) load: LoadOptions,
    pub(crate) options: Options,
    /// How many images are built at once.
    pub(crate) parallel: Option<usize>,
    /// What images are also called that are to outlive this stack, before `-SERVICE`.
    pub(crate) shared: Option<String>,
    /// Where other commands reach it; `ci` has none.
    pub(crate) listener: Option<UnixListener>,
}

/// A session that runs in this process.
#[derive(Debug)]
pub(crate) struct Running {
    inputs: mpsc::Sender<Input>,
    end: tokio::task::JoinHandle<Exit>,
}

/// So many events may wait for the loop.
const WAITING: usize = 1024;

/// Starts a session; its notices come through the feed.
pub(crate) fn begin(begin: Begin) -> (Running, Feed) {
    let mut hub = Hub::default();
    let feed = hub.listen(true);
    let (inputs, receiver) = mpsc::channel(WAITING);
    let driver = Driver::new(begin, hub, inputs.clone());
    let end = tokio::spawn(driver.run(receiver));
    (Running { inputs, end }, feed)
}

impl Running {
    /// Ctrl-C or a termination signal came.
    pub(crate) async fn signal(&self) {
        // A session that has ended already needs no signal.
        let _ = self.inputs.send(Input::Signal).await;
    }

    /// Asks it to end, after stopping the services if `stop`.
    pub(crate) async fn end(&self, stop: bool) {
        let ask = devrun_wire::session::Ask::End { stop };
        let (reply, _answers) = mpsc::unbounded_channel();
        let _ = self.inputs.send(Input::Ask { ask, reply }).await;
    }

    /// How it is; `None` where it has ended, or does not come to an answer.
    pub(crate) async fn status(&self) -> Option<devrun_wire::session::Status> {
        use devrun_wire::session::{Ask, Tell};
        let (reply, mut answers) = mpsc::unbounded_channel();
        let ask = Ask::Status { caught_up: false };
        self.inputs.send(Input::Ask { ask, reply }).await.ok()?;
        let answer = tokio::time::timeout(Duration::from_secs(2), answers.recv()).await;
        match answer.ok()?? {
            Tell::Status { status } => Some(status),
            _ => None,
        }
    }

    /// Its exit code, once it has ended.
    pub(crate) async fn ended(self) -> Exit {
        self.end.await.unwrap_or(Exit::Failed)
    }
}

/// How long the engine's `stop` may take in `down` before the process is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

pub(crate) use stopping::{restart, stop};
