//! Effects as short lines, so that a test reads as a list of what happened.

use crate::effect::Effect;
use crate::event::Op;
use crate::invariants::target;

/// `create backend replacing backend-1`; nothing for what only informs people.
pub(crate) fn brief(effect: &Effect) -> Option<String> {
    let line = match effect {
        Effect::Prepare { .. } => "prepare".to_owned(),
        Effect::Pull { op, .. } => format!("pull {}", op.service),
        Effect::Build { op, whole, .. } => {
            format!("build {}{}", op.service, if *whole { " whole" } else { "" })
        }
        Effect::Look { op, .. } => format!("look {}", op.service),
        Effect::Create { op, replaces, .. } => match replaces {
            Some(old) => format!("create {} replacing {}", op.service, old.container),
            None => format!("create {}", op.service),
        },
        Effect::Start { container, .. } => format!("start {container}"),
        Effect::Restart { container, .. } => format!("restart {container}"),
        Effect::Update { container, .. } => format!("update {container}"),
        Effect::Attach { container, .. } => format!("attach {container}"),
        Effect::Probe { container, .. } => format!("probe {container}"),
        Effect::Sync {
            container, paths, ..
        } => {
            let names = paths.iter().filter_map(|path| path.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            format!("sync {container} {}", names.join(" "))
        }
        Effect::SyncLarge {
            container, paths, ..
        } => {
            let names = paths.iter().filter_map(|path| path.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            format!("sync-large {container} {}", names.join(" "))
        }
        Effect::Push { container, .. } => format!("push {container}"),
        Effect::Exec {
            container, command, ..
        } => {
            let argv = command.argv();
            format!(
                "exec {container} {}",
                argv.last().map_or("", String::as_str)
            )
        }
        Effect::Signal {
            container, signal, ..
        } => format!("signal {container} {signal}"),
        Effect::ProxyApply {
            container,
            generation,
            ..
        } => format!("apply {container} {generation}"),
        Effect::ProxyRead {
            container,
            generation,
            ..
        } => format!("read {container} {generation}"),
        Effect::ProxyStates { container, states } => {
            let states = states.iter().map(|state| {
                let word = if state.ready { "ready" } else { state.state };
                format!(" {}={word}", state.service)
            });
            format!("tell {container}{}", states.collect::<String>())
        }
        Effect::HooksOver { container } => format!("hooks of {container} are over"),
        Effect::Explain { container, .. } => format!("explain {container}"),
        Effect::Stop { container, .. } => format!("stop {container}"),
        Effect::Remove { container, .. } => format!("remove {container}"),
        Effect::Rename {
            container, name, ..
        } => format!("rename {container} {name}"),
        Effect::Cancel { op } => format!("cancel {} of {}", op.number, op.service),
        Effect::Exit(exit) => format!("exit {}", exit.code()),
        Effect::TidyImages { kept } => {
            let kept = kept.iter().map(|(name, count)| format!(" {name}={count}"));
            format!("tidy{}", kept.collect::<String>())
        }
        Effect::FollowsOver { .. } | Effect::Watch { .. } | Effect::Notice(_) => return None,
    };
    Some(line)
}

/// The operation that an effect begins.
pub(crate) fn begins(effect: &Effect) -> Option<&Op> {
    target(effect).map(|(op, _)| op)
}
