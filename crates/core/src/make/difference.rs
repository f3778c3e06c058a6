//! Why a container or an image is made anew because of the Stackfile, down to the line.

use std::collections::BTreeMap;

use devrun_stack::{Build, Origin, Service, Source, Stack};

use super::LIVE;

/// What stands before the name of a variable among the parts: which of them differ is told, and no
/// part of what a container is made of.
pub(super) const VARIABLE: &str = "environment.";
/// So many values of one kind are told by their names.
const TOLD: usize = 3;

/// A part that differs, and which of its values if that is known.
struct Differs<'p> {
    part: &'p str,
    values: Vec<&'p str>,
}

type Parts<'p> = BTreeMap<&'p str, &'p str>;

fn read(text: &str) -> Parts<'_> {
    text.split(' ')
        .filter_map(|part| part.split_once('='))
        .collect()
}

/// Names of what differs between the two, or is in one of them only.
fn unequal<'p>(before: &Parts<'p>, now: &Parts<'p>, wanted: impl Fn(&str) -> bool) -> Vec<&'p str> {
    let changed = now
        .iter()
        .filter(|(name, hash)| before.get(*name) != Some(hash));
    let changed = changed.map(|(name, _)| *name);
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    let gone = gone.filter(|name| !LIVE.contains(*name)).copied();
    changed.chain(gone).filter(|name| wanted(name)).collect()
}

fn differing<'p>(before: &'p str, now: &'p str) -> Vec<Differs<'p>> {
    let (before, now) = (read(before), read(now));
    let is_variable = |name: &str| name.starts_with(VARIABLE);
    let parts = unequal(&before, &now, |name| !is_variable(name));
    // Earlier versions did not tell them.
    let told = before.keys().any(|name| is_variable(name));
    let values = |part: &str| match part {
        "environment" if told => unequal(&before, &now, is_variable)
            .into_iter()
            .filter_map(|name| name.strip_prefix(VARIABLE))
            .collect(),
        _ => Vec::new(),
    };
    let differs = |part| Differs {
        part,
        values: values(part),
    };
    parts.into_iter().map(differs).collect()
}

/// Why a service's container is made anew, from two labels of [`crate::spec::label::PARTS`]:
/// `changed: environment DEBUG (Stackfile.kdl:12), ports`.
#[must_use]
pub fn reason(stack: &Stack, service: &Service, before: &str, now: &str) -> String {
    let all = differing(before, now);
    if all.is_empty() {
        return "made by another version of devrun".to_owned();
    }
    if let (Some(other), [only]) = (service.settings.network_of(), &*all)
        && only.part == "network-mode"
    {
        return format!("{other}, whose network it has, was made anew");
    }
    let said: Vec<String> = all
        .iter()
        .flat_map(|one| one.said(stack, service))
        .collect();
    format!("changed: {}", said.join(", "))
}

impl Differs<'_> {
    fn said(&self, stack: &Stack, service: &Service) -> Vec<String> {
        let part = self.part;
        if self.values.is_empty() {
            // Which image a build comes to, the line of its name does not say.
            let built = part == "image" && matches!(service.source, Source::Build(_));
            let origin = origin(stack, service, part).filter(|_| !built);
            return vec![placed(part, origin)];
        }
        let told = self.values.iter().take(TOLD).map(|name| {
            let name = format!("{part} {name}");
            match origin(stack, service, &name) {
                None => format!("{name} (removed)"),
                origin => placed(&name, origin),
            }
        });
        let more = self.values.len().saturating_sub(TOLD);
        let more = (more > 0).then(|| format!("{more} more of {part}"));
        told.chain(more).collect()
    }
}

fn origin<'s>(stack: &'s Stack, service: &Service, value: &str) -> Option<&'s Origin> {
    let owner = format!("service {}", service.declared_as());
    stack.origins.of(&owner, value)
}

fn placed(what: &str, origin: Option<&Origin>) -> String {
    match origin {
        Some(origin) => {
            let filled = origin.variables.iter().map(ToString::to_string);
            let from: Vec<String> = std::iter::once(origin.at.to_string())
                .chain(filled)
                .collect();
            format!("{what} ({})", from.join("; "))
        }
        None => what.to_owned(),
    }
}

/// What of where its image comes from is declared otherwise, with its line.
#[must_use]
pub fn source(stack: &Stack, before: &Service, now: &Service) -> String {
    let what = match (&before.source, &now.source) {
        (Source::Build(before), Source::Build(now)) => build(before, now),
        (_, Source::Build(_)) => "build".to_owned(),
        (_, Source::Image(_)) => "image".to_owned(),
    };
    let found = origin(stack, now, &what);
    let word = what.split(' ').next().unwrap_or(&what);
    let found = found.or_else(|| origin(stack, now, word));
    format!("declared otherwise: {}", placed(&what, found))
}

fn build(before: &Build, now: &Build) -> String {
    let mut args = now.args.iter();
    let changed = args.find(|(name, value)| before.args.get(*name) != Some(value));
    let gone = || {
        before
            .args
            .keys()
            .find(|name| !now.args.contains_key(*name))
    };
    match changed.map(|(name, _)| name).or_else(gone) {
        Some(name) => format!("build args {name}"),
        None => "build".to_owned(),
    }
}
