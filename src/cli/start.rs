//! `devrun start`: services that were stopped run again, watched by the session there is, or by
//! a new one in the background.

use super::Trouble;
use super::arguments::{Global, Names, Up};
use super::up;
use crate::report::Clock;

pub(super) async fn run(global: &Global, options: &Names, clock: Clock) -> Result<u8, Trouble> {
    let up = Up {
        services: options.services.clone(),
        detach: true,
        no_watch: false,
        build: false,
        recreate: false,
        remove_orphans: false,
        dry_run: false,
        logs: None,
        background: false,
    };
    up::run(global, &up, clock).await
}
