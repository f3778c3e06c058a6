//! Whether each `on` can ever do something that no other does.

use std::path::Path;

use crate::context::Context;
use crate::draft::{DraftSync, Said};
use crate::ignore::GitIgnore;
use crate::merge::Laid;
use crate::model::{Action, On};

/// Warns of rules that never act, or whose action a stronger one always takes the place of.
pub(super) fn service(cx: &mut Context<'_>, service: &Laid<'_>) {
    for sync in &service.draft.sync {
        pointless(cx, &sync.value.on);
        left_alone(cx, service, &sync.value);
        other_file(cx, service, &sync.value);
    }
    pointless(cx, &service.draft.on);
    nowhere(cx, &service.draft.on);
}

/// Rules add up, and the strongest action of a save takes the place of the weaker ones: beside a
/// rule that matches all of it and is as strong, a rule does nothing.
fn pointless(cx: &mut Context<'_>, rules: &[Said<On>]) {
    for (index, weak) in rules.iter().enumerate() {
        let strong = rules.iter().enumerate().find(|(other, strong)| {
            *other != index
                // What a template says may be made stronger where it is used.
                && strong.layer == weak.layer
                && matches_all_of(&strong.value, &weak.value)
                && makes_pointless(&strong.value, &weak.value)
                // Of two that say the same the first one counts.
                && (*other < index || !makes_pointless(&weak.value, &strong.value)
                    || !matches_all_of(&weak.value, &strong.value))
        });
        let Some((_, strong)) = strong else {
            continue;
        };
        let warning = cx
            .error(
                "stackfile::on-pointless",
                weak.at,
                "does nothing",
                "what this rule matches is matched by another one as well, which makes it pointless",
            )
            .also(strong.at, "this one")
            .advise(
                "all rules that match a save count, and the strongest action wins: rebuild, \
                 recreate, restart, then exec and signal",
            );
        cx.warn(warning);
    }
}

fn matches_all_of(wide: &On, narrow: &On) -> bool {
    let covers = |narrow: &String| wide.patterns.iter().any(|wide| covers(wide, narrow));
    narrow.patterns.iter().all(covers)
}

/// Whether each path that matches the one matches the other; only what can be seen at once.
fn covers(wide: &str, narrow: &str) -> bool {
    let below = |folder: &str| {
        narrow
            .strip_prefix(folder)
            .is_some_and(|rest| !rest.is_empty())
    };
    let is_plain = |text: &str| !text.contains(['*', '?', '[', '{', '\\']);
    let ending = wide.strip_prefix("**/*.").filter(|rest| is_plain(rest));
    let ends = |ending: &str| {
        let rest = narrow.strip_suffix(ending);
        rest.is_some_and(|rest| rest.ends_with('.'))
    };
    match wide
        .strip_suffix("**/*")
        .or_else(|| wide.strip_suffix("**"))
    {
        _ if wide == narrow || ending.is_some_and(ends) => true,
        Some(folder) if is_plain(folder) => {
            folder.is_empty() || (folder.ends_with('/') && below(folder))
        }
        _ => wide.ends_with('/') && is_plain(wide) && below(wide),
    }
}

fn makes_pointless(strong: &On, weak: &On) -> bool {
    let swallowed = |action: &Action| {
        strong.actions.contains(action)
            || strong.actions.iter().any(|strong| swallows(strong, action))
    };
    weak.actions.iter().all(swallowed)
}

/// As the planner has it.
fn swallows(strong: &Action, weak: &Action) -> bool {
    let of_this_service = !matches!(weak, Action::Run(_));
    match strong {
        Action::Rebuild => of_this_service,
        Action::Recreate => of_this_service && *weak != Action::Rebuild,
        Action::Restart => matches!(weak, Action::Signal(_)),
        _ => false,
    }
}

/// What the `sync` itself leaves alone it does not look at.
fn left_alone(cx: &mut Context<'_>, service: &Laid<'_>, sync: &DraftSync) {
    let Some(from) = sync.source(service.draft.source.as_ref()) else {
        return;
    };
    let taken_in = sync.ignore.iter().any(|said| said.value.starts_with('!'));
    for rule in sync.on.iter().filter(|_| !taken_in) {
        let by = |pattern: &String| {
            let by = |said: &&Said<String>| ignores_all(from, &said.value, pattern);
            sync.ignore.iter().find(by)
        };
        let mut ignored = rule.value.patterns.iter().map(by);
        let first = ignored.next().flatten();
        let Some(by) = first.filter(|_| ignored.all(|by| by.is_some())) else {
            continue;
        };
        let warning = cx
            .error(
                "stackfile::on-ignored",
                rule.at,
                "never matches",
                "what this rule is about is left alone by the `ignore` of its `sync`",
            )
            .also(by.at, "ignored here")
            .advise(
                "take one of the two away, or let the rule stand in the service, outside of `sync`",
            );
        cx.warn(warning);
    }
}

fn ignores_all(from: &Path, ignored: &str, pattern: &str) -> bool {
    let way = pattern.split('/');
    let spelled: Vec<&str> = way
        .take_while(|part| !part.contains(['*', '?', '[', '{', '\\']))
        .collect();
    let rules = GitIgnore::of_lines(from, std::iter::once(ignored));
    let whole = spelled.len() == pattern.split('/').count();
    let ignores = |depth: usize| {
        let path = from.join(spelled[..depth].join("/"));
        let is_dir = depth < spelled.len() || !whole;
        rules.says(&path, is_dir).is_some_and(|says| says.ignored)
    };
    ignored == pattern || (1..=spelled.len()).any(ignores)
}

/// A single file has one name.
fn other_file(cx: &mut Context<'_>, service: &Laid<'_>, sync: &DraftSync) {
    let from = sync.source(service.draft.source.as_ref());
    let name = from.and_then(|from| from.file_name()?.to_str());
    let Some(name) = name.filter(|_| sync.file).map(str::to_owned) else {
        return;
    };
    for rule in &sync.on {
        let other = |pattern: &String| {
            !pattern.contains(['*', '?', '[', '{', '\\']) && pattern.trim_start_matches('/') != name
        };
        if !rule.value.patterns.iter().all(other) {
            continue;
        }
        let warning = cx
            .error(
                "stackfile::on-other-file",
                rule.at,
                "never matches",
                format!("the `sync` is about {name} alone"),
            )
            .advise(format!("on \"{name}\" {{ … }}"));
        cx.warn(warning);
    }
}

/// The folder of a pattern that is not there, which may be a slip.
fn nowhere(cx: &mut Context<'_>, rules: &[Said<On>]) {
    for rule in rules {
        let missing = rule.value.patterns.iter().find_map(|pattern| {
            let (folder, _) = pattern.trim_start_matches('/').split_once('/')?;
            let wild = folder.contains(['*', '?', '[', '{', '\\']) || folder == ".";
            let there = wild || cx.host.kind(&cx.path(folder)).is_some();
            (!there).then(|| folder.to_owned())
        });
        let Some(folder) = missing else {
            continue;
        };
        let warning = cx
            .error(
                "stackfile::missing-path",
                rule.at,
                "not there",
                format!("the folder {folder} does not exist: nothing matches in it until it does"),
            )
            .advise("patterns in a service start from the Stackfile's folder, those in a `sync` from what is synced");
        cx.warn(warning);
    }
}
