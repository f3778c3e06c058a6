//! Which images of a stack stay: the newest of each name, and whatever is in use.

use std::collections::{BTreeMap, BTreeSet};

use devrun_stack::{BuildContext, Source, Stack};

use crate::make::image_name;

#[cfg(test)]
mod tests;

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// All its names, `NAME:TAG`.
    pub names: Vec<String>,
    /// When it was last given one, nanoseconds since 1970: two may be made within a second.
    pub named_at: i128,
    /// Bytes, those of layers that it shares included.
    pub size: u64,
    /// A container is made from it, or stands still with it.
    pub in_use: bool,
    /// Only containers have it that have left their place, and are being removed.
    pub leaves: bool,
    /// Equal for what one Dockerfile is built into, whatever files it was given: the number of
    /// layers, and how it runs.
    pub made_like: String,
}

/// An image that need not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Its id.
    pub id: String,
    /// The names that devrun gave it; names of somebody else's stay.
    pub names: Vec<String>,
    /// When it was last given one, nanoseconds since 1970: two may be made within a second.
    pub named_at: i128,
    /// Bytes, those of layers that it shares included.
    pub size: u64,
    /// Why it need not stay.
    pub why: Why,
}

/// Why an image need not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// So many newer ones of its name stay.
    Newer(u32),
    /// No service is built into that name.
    NotBuilt,
    /// Its build was cut off before it had its name.
    Nameless,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Newer(1) => f.write_str("a newer one stays"),
            Why::Newer(count) => write!(f, "{count} newer ones stay"),
            Why::Nameless => f.write_str("its build was cut off before it had its name"),
            Why::NotBuilt => f.write_str("no service is built into that name"),
        }
    }
}

/// How many images stay of each name that this service is built into, without the tag.
#[must_use]
pub fn kept_of(stack: &Stack, service: &str) -> BTreeMap<String, u32> {
    let mut kept = BTreeMap::new();
    let Some(service) = stack.service(service) else {
        return kept;
    };
    if let Source::Build(build) = &service.source {
        let name = image_name(stack, service);
        let mut keep = |name: String| {
            let most = kept.entry(name).or_insert(build.keep);
            *most = build.keep.max(*most);
        };
        for (context, what) in &build.contexts {
            match what {
                BuildContext::Folder(_) => keep(format!("{name}-{context}")),
                BuildContext::Service { name, .. } => keep(format!("{}-{name}", stack.name)),
                BuildContext::Image(_) => {}
            }
        }
        keep(name);
    }
    kept
}

/// The same of all services.
#[must_use]
pub fn kept(stack: &Stack) -> BTreeMap<String, u32> {
    let mut all: BTreeMap<String, u32> = BTreeMap::new();
    for service in &stack.services {
        for (name, keep) in kept_of(stack, &service.name) {
            let most = all.entry(name).or_insert(keep);
            *most = keep.max(*most);
        }
    }
    all
}

/// What images of passes of `devrun ci` are also called, before `-SERVICE`: unlike all else of a
/// pass these stay, so that the next one need not build what is as it was. A pass is called
/// `STACK-ci-` and eight hex digits, or as somebody said.
#[must_use]
pub fn shared_name(pass: &str) -> String {
    let digits = |hash: &str| hash.len() == 8 && hash.bytes().all(|it| it.is_ascii_hexdigit());
    let stack = match pass.rsplit_once("-ci-") {
        Some((stack, hash)) if digits(hash) => stack,
        _ => pass,
    };
    format!("{stack}.ci")
}

/// Those among images of passes that need not stay; what a pass has under its own name is in use.
#[must_use]
pub fn old_shared(mut stored: Vec<Stored>, stack: &Stack, others: bool) -> Vec<Old> {
    let shared = shared_name(&stack.name);
    let prefix = format!("{shared}-");
    for image in &mut stored {
        image.in_use |= image.names.iter().any(|name| !name.starts_with(&prefix));
    }
    let name = |name: String| {
        let rest = name.strip_prefix(&stack.name).unwrap_or_default();
        format!("{shared}{rest}")
    };
    let kept = kept(stack)
        .into_iter()
        .map(|(own, most)| (name(own), most))
        .collect();
    // Another pass may be about to name what has no name yet.
    let mut old = old(&stored, &shared, &kept, others);
    old.retain(|image| image.why != Why::Nameless);
    old
}

/// Those of these names that need not stay, oldest first; with `others` also those of names of the
/// stack that no service is built into.
#[must_use]
pub fn old(stored: &[Stored], stack: &str, kept: &BTreeMap<String, u32>, others: bool) -> Vec<Old> {
    let prefix = format!("{stack}-");
    let names: BTreeSet<&str> = stored
        .iter()
        .flat_map(|image| image.names.iter().filter_map(|name| made_name(name)))
        .filter(|name| kept.contains_key(*name) || (others && name.starts_with(&prefix)))
        .collect();
    let mut found: Vec<Old> = names
        .into_iter()
        .flat_map(|name| old_of(stored, name, kept.get(name).copied()))
        .collect();
    found.extend(nameless(stored, kept));
    found.sort_by(|one, other| (one.named_at, &one.names).cmp(&(other.named_at, &other.names)));
    found
}

/// What the builds of these names left without one. What somebody builds on one of ours has its
/// labels too, but has more layers, or runs otherwise.
fn nameless(stored: &[Stored], kept: &BTreeMap<String, u32>) -> Vec<Old> {
    let is_ours = |image: &&Stored| {
        let mut names = image.names.iter().filter_map(|name| made_name(name));
        names.any(|name| kept.contains_key(name))
    };
    let ours: BTreeSet<&str> = stored
        .iter()
        .filter(is_ours)
        .map(|image| image.made_like.as_str())
        .collect();
    let mut cut_off: Vec<Old> = Vec::new();
    for image in stored {
        if image.names.is_empty() && !image.in_use && ours.contains(image.made_like.as_str()) {
            cut_off.push(Old {
                id: image.id.clone(),
                names: vec![image.id.clone()],
                named_at: image.named_at,
                size: image.size,
                why: Why::Nameless,
            });
        }
    }
    cut_off
}

fn old_of(stored: &[Stored], name: &str, keep: Option<u32>) -> Vec<Old> {
    let of_name = |image: &Stored| -> Vec<String> {
        let names = image.names.iter();
        let ours = names.filter(|full| made_name(full) == Some(name));
        ours.cloned().collect()
    };
    let mut images: Vec<(&Stored, Vec<String>)> = stored
        .iter()
        .map(|image| (image, of_name(image)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    images.sort_by_key(|(image, names)| (std::cmp::Reverse(image.named_at), names.clone()));
    let newest = usize::try_from(keep.unwrap_or(0)).unwrap_or(usize::MAX);
    images
        .into_iter()
        .skip(newest)
        .filter(|(image, _)| !image.in_use)
        .map(|(image, names)| Old {
            id: image.id.clone(),
            names,
            named_at: image.named_at,
            size: image.size,
            why: keep.map_or(Why::NotBuilt, Why::Newer),
        })
        .collect()
}

/// The name without its tag, where the tag is one that devrun gives: `1f3c5a7b9d0e`, and what may
/// follow it behind a dash. An image that somebody builds on one of ours has its labels, but no
/// such name.
fn made_name(full: &str) -> Option<&str> {
    const DIGITS: usize = 12;
    let (name, tag) = full.rsplit_once(':')?;
    let (hash, rest) = tag.split_at_checked(DIGITS)?;
    let lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let ours = hash.chars().all(lower_hex) && (rest.is_empty() || rest.starts_with('-'));
    ours.then_some(name)
}
