//! Which services get requests, as files in the proxy's container that nginx looks for.

use crate::effect::{PutFile, RouteState};

use super::wait::{shown_state, wait_json, wait_page};

/// A service gets requests while a file of its name is here.
pub(super) const READY_DIR: &str = "/run/devrun/ready";

/// `SERVICE.STATE`: the one that is there is the state that the answer's header tells.
pub(super) const STATE_DIR: &str = "/run/devrun/state";

/// `SERVICE.html` and `SERVICE.json`: the answer.
pub(super) const WAIT_DIR: &str = "/run/devrun/wait";

/// In the names of those that say that no session is there.
pub(super) const ALONE: &str = ".alone";

/// All states but `ready`: a ready service that takes no connection is `unreachable`, which is
/// what nginx says by itself where none of these files is there.
pub(super) const STATES: [&str; 10] = [
    "waiting",
    "building",
    "pulling",
    "starting",
    "updating",
    "unhealthy",
    "failed",
    "stopped",
    "done",
    "off",
];

/// One step of a switch; the order of the steps matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write this file, in one piece.
    Write(PutFile),
    /// Remove the file at this path; it may be absent.
    Remove(String),
}

/// All files that tell the states, for a container that has none of them yet.
#[must_use]
pub fn state_files(states: &[RouteState]) -> Vec<PutFile> {
    let mut files: Vec<PutFile> = states.iter().flat_map(told).collect();
    files.extend(states.iter().filter(|it| it.ready).map(ready_file));
    files
}

/// What has to be done for `now` to be told in a container that tells `before`. A service that is
/// not in `before` is told anew, whatever may lie there. Who is no longer ready loses the requests
/// first of all; who is ready gets them last of all.
#[must_use]
pub fn state_changes(before: &[RouteState], now: &[RouteState]) -> Vec<Change> {
    let known = |state: &RouteState| before.iter().find(|it| it.service == state.service);
    let gone: Vec<&RouteState> = before
        .iter()
        .filter(|old| now.iter().all(|new| new.service != old.service))
        .collect();

    let mut changes = Vec::new();
    for state in now.iter().filter(|it| !it.ready) {
        if known(state).is_none_or(|old| old.ready) {
            changes.push(Change::Remove(ready_path(&state.service)));
        }
    }
    for old in &gone {
        changes.push(Change::Remove(ready_path(&old.service)));
    }
    for state in now {
        let old = known(state);
        if old == Some(state) {
            continue;
        }
        changes.extend(told(state).into_iter().map(Change::Write));
        let stale = STATES
            .into_iter()
            .filter(|name| *name != state.state)
            .filter(|name| old.is_none_or(|old| old.state == *name));
        changes.extend(stale.map(|name| Change::Remove(state_path(&state.service, name))));
    }
    for old in &gone {
        changes.extend(told(old).into_iter().map(|file| Change::Remove(file.path)));
    }
    for state in now.iter().filter(|it| it.ready) {
        if known(state).is_none_or(|old| !old.ready) {
            changes.push(Change::Write(ready_file(state)));
        }
    }
    changes
}

/// Everything but whether it gets requests.
fn told(state: &RouteState) -> Vec<PutFile> {
    let name = &state.service;
    let mut files = vec![
        PutFile::text(format!("{WAIT_DIR}/{name}.html"), wait_page(state, true)),
        PutFile::text(format!("{WAIT_DIR}/{name}.json"), wait_json(state, true)),
        PutFile::text(
            format!("{WAIT_DIR}/{name}{ALONE}.html"),
            wait_page(state, false),
        ),
        PutFile::text(
            format!("{WAIT_DIR}/{name}{ALONE}.json"),
            wait_json(state, false),
        ),
    ];
    if STATES.contains(&state.state) {
        let text = format!("{}\n", shown_state(state));
        files.push(PutFile::text(state_path(name, state.state), text));
    }
    files
}

fn ready_file(state: &RouteState) -> PutFile {
    PutFile::text(ready_path(&state.service), "ready\n".to_owned())
}

fn ready_path(service: &str) -> String {
    format!("{READY_DIR}/{service}")
}

fn state_path(service: &str, state: &str) -> String {
    format!("{STATE_DIR}/{service}.{state}")
}
