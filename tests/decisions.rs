//! What devrun decides for a change, seen on the engine: ids of containers and images, and since
//! when processes run, of every service of a small stack. What is not listed has not moved.
//!
//! | decision | proven by |
//! |---|---|
//! | nothing: equal content, at no request to the engine | `nothing::equal_content_*` |
//! | nothing: no rule and no build covers it; `why` says so | `nothing::what_no_rule_and_no_build_covers_*` |
//! | nothing: ignored | `live::saves::what_is_ignored_is_left_alone_*` |
//! | what was not chosen, and why | `builds::what_was_ruled_out_*` |
//! | sync, + command, + signal, + restart, recreate | `ladder::*` |
//! | a restart kills at once what catches nothing | `ladder::a_process_that_catches_nothing_*` |
//! | the stronger of two rules, and not the weaker as well | `ladder::of_a_strong_and_a_weak_rule_*`, `live::rules::the_strongest_action_wins` |
//! | a command of the user that fails keeps the container, and is tried again | `failing::a_command_*`, `live::rules::a_command_that_fails_*` |
//! | what the engine refuses is done in the next stronger way | `failing::*`, `limits::an_engine_that_refuses_*` |
//! | rebuild, and no other service's build | `builds::what_the_build_reads_*` |
//! | rebuild that makes the same image | `builds::an_image_that_turns_out_the_same_*` |
//! | the image of an earlier content is found again | `builds::there_and_back_*` |
//! | a build that fails keeps the container | `builds::a_build_that_fails_*`, `live::builds::a_build_that_fails_*` |
//! | a new container is never older than a file that was live | `builds::a_new_container_has_*` |
//! | saves while it builds | `live::builds::a_save_while_it_builds_is_not_lost` |
//! | dependents that follow | `live::rules::who_follows_restarts_*` |
//! | rules outside of `sync`, each action | `outside::*`, `live::tasks` |
//! | each file that the stack is read from | `inputs::*` |
//! | the Stackfile | `live::rules::the_stackfile_itself_is_live`, `failures::stackfile` |
//! | limits and restart policy: in place, where the engine can | `limits::*` |
//! | a loop | `live::circle` |
//! | synced files are no reason to build, but for who asks for all | `stands::what_is_synced_*` |
//! | another base image, also beside a session | `stands::a_base_*`, `stands::an_image_of_the_stack_*` |
//! | a build that is given up ends in the engine | `cancelled::*` |
//! | `settle`, `trigger manual` | `waiting::*` |
//! | the same files elsewhere, or again, build nothing | `checkouts::*` |
//! | older images go, but none in use and none of somebody else | `kept::*` |
//! | one that dies of a save | `died::*` |
//! | stopped by hand stays so, what vanished comes back | `failures::hands::*` |
//! | killed, or cut off from the engine, at any moment | `crashes::*` |
//! | an engine that is restarted in the middle of an update | `failures::restarted::*` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "decisions/builds.rs"]
mod builds;
#[path = "decisions/cancelled.rs"]
mod cancelled;
#[path = "decisions/checkouts.rs"]
mod checkouts;
#[path = "decisions/crashes.rs"]
mod crashes;
#[path = "decisions/died.rs"]
mod died;
#[path = "decisions/failing.rs"]
mod failing;
#[path = "decisions/inputs.rs"]
mod inputs;
#[path = "decisions/kept.rs"]
mod kept;
#[path = "decisions/ladder.rs"]
mod ladder;
#[path = "decisions/limits.rs"]
mod limits;
#[path = "decisions/nothing.rs"]
mod nothing;
#[path = "decisions/outside.rs"]
mod outside;
#[path = "decisions/stage.rs"]
mod stage;
#[path = "decisions/stands.rs"]
mod stands;
#[path = "decisions/waiting.rs"]
mod waiting;
