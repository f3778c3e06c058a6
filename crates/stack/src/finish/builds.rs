//! How a service is built, with the builds that it begins with.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::draft::{DraftBuild, DraftContext, DraftSource};
use crate::merge::Laid;
use crate::model::{Build, BuildContext, USUAL_KEEP};

/// The build of a service; `chain` are those that begin with it, so that a circle, which is told
/// elsewhere, ends.
pub(super) fn of(
    cx: &Context<'_>,
    all: &[Laid<'_>],
    laid: &Laid<'_>,
    chain: &mut Vec<String>,
) -> Option<Build> {
    let said = laid.draft.source.as_ref()?;
    let DraftSource::Build(build) = &said.value else {
        return None;
    };
    let DraftBuild {
        context,
        dockerfile,
        target,
        inline,
        args,
        secrets,
        ssh,
        contexts,
        network,
        cache_from,
        cache_to,
        keep,
    } = &**build;
    let platform = laid.draft.settings.platform.as_ref();
    chain.push(laid.node.name.clone());
    let named: BTreeMap<String, BuildContext> = contexts
        .iter()
        .filter_map(|(name, (context, _))| Some((name.clone(), resolved(cx, all, context, chain)?)))
        .collect();
    chain.pop();
    Some(Build {
        context: context.clone(),
        dockerfile: dockerfile.clone(),
        target: target.clone(),
        platform: platform.map(|one| one.value.clone()),
        inline: inline.clone(),
        args: args.clone(),
        secrets: secrets.clone(),
        ssh: ssh.clone(),
        contexts: named,
        network: network.clone(),
        cache_from: cache_from.clone(),
        cache_to: cache_to.clone(),
        keep: keep.unwrap_or(USUAL_KEEP),
        at: cx.location(said.at),
    })
}

fn resolved(
    cx: &Context<'_>,
    all: &[Laid<'_>],
    context: &DraftContext,
    chain: &mut Vec<String>,
) -> Option<BuildContext> {
    let (name, implied) = match context {
        DraftContext::Folder(path) => return Some(BuildContext::Folder(path.clone())),
        DraftContext::Image(image) => return Some(BuildContext::Image(image.clone())),
        DraftContext::Service(name) => (name, false),
        DraftContext::Implied(name) => (name, true),
    };
    let other = all.iter().find(|one| one.node.name == *name)?;
    if let DraftSource::Image(image) = &other.draft.source.as_ref()?.value {
        return (!implied).then(|| BuildContext::Image(image.clone()));
    }
    if chain.contains(name) {
        return None;
    }
    Some(BuildContext::Service {
        name: name.clone(),
        build: Box::new(of(cx, all, other, chain)?),
    })
}
