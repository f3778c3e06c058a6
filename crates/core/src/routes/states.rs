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

/// A part of a switch.
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

/// What has to be done for `now` to be told in a container that tells `before`, as steps of which
/// each is whole before the next one begins; in one of them the order does not matter. A service
/// that is not in `before` is told anew, whatever may lie there. Who is no longer ready loses the
/// requests first of all; who is ready gets them last of all.
#[must_use]
pub fn state_changes(before: &[RouteState], now: &[RouteState]) -> [Vec<Change>; 4] {
    let known = |state: &RouteState| before.iter().find(|it| it.service == state.service);
    let gone = before
        .iter()
        .filter(|old| now.iter().all(|new| new.service != old.service));
    let gone: Vec<&RouteState> = gone.collect();
    let is_new = |state: &&RouteState| known(state) != Some(state);

    let was_ready = |state: &&RouteState| known(state).is_none_or(|old| old.ready);
    let leave = now.iter().filter(|it| !it.ready).filter(was_ready);
    let leave = leave.chain(gone.iter().copied());
    let leave = leave.map(|state| Change::Remove(ready_path(&state.service)));

    let tell = now.iter().filter(is_new).flat_map(told).map(Change::Write);

    let stale = now.iter().filter(is_new).flat_map(|state| {
        let old = known(state);
        let others = STATES.into_iter().filter(|name| *name != state.state);
        let others = others.filter(move |name| old.is_none_or(|old| old.state == *name));
        others.map(|name| Change::Remove(state_path(&state.service, name)))
    });
    let untell = gone.iter().copied().flat_map(told);
    let stale = stale.chain(untell.map(|file| Change::Remove(file.path)));

    let was_not = |state: &&RouteState| known(state).is_none_or(|old| !old.ready);
    let come = now.iter().filter(|it| it.ready).filter(was_not);
    let come = come.map(|state| Change::Write(ready_file(state)));
    [
        leave.collect(),
        tell.collect(),
        stale.collect(),
        come.collect(),
    ]
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
