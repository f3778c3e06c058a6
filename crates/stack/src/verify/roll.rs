//! Two containers of one service at a time: what there can be one of only.

use miette::SourceSpan;

use crate::context::Context;
use crate::merge::Laid;
use crate::model::MountSource;
use crate::read::{Document, Kind};

/// Reports what cannot be there twice in a service that rolls.
pub(super) fn service(cx: &mut Context<'_>, document: &Document<'_>, service: &Laid<'_>) {
    let update = service.draft.update.as_ref();
    let Some(said) = update.filter(|said| said.value.roll) else {
        return;
    };
    for (at, what, why, help) in hindrances(cx, document, service) {
        let problem = cx
            .error(
                "stackfile::roll",
                at,
                what,
                format!("`{}` cannot roll: {why}", service.node.name),
            )
            .also(
                said.at,
                "a second container of it is to start beside the first",
            )
            .advise(help);
        cx.report(problem);
    }
}

type Hindrance = (SourceSpan, &'static str, String, String);

fn hindrances(cx: &Context<'_>, document: &Document<'_>, service: &Laid<'_>) -> Vec<Hindrance> {
    let (draft, node) = (&service.draft, service.node);
    let replace = "or say `update replace`";
    let mut all = Vec::new();
    for port in draft.ports.iter().filter(|port| port.value.host.is_some()) {
        all.push((
            port.at,
            "published",
            "one container alone can have a port of this machine".to_owned(),
            format!("a `route` of the proxy reaches it, `port=` says the port inside; take the port away, {replace}"),
        ));
    }
    for mount in &draft.mounts {
        let MountSource::Volume(name) = &mount.value.source else {
            continue;
        };
        let mut volumes = document.volumes.iter().map(|volume| &volume.value);
        let declared = volumes.find(|volume| volume.engine_name == *name);
        let Some(volume) = declared.filter(|it| !it.shared && !mount.value.read_only) else {
            continue;
        };
        all.push((
            mount.at,
            "written by both",
            format!(
                "nobody has said that two containers may write to the volume `{}` at a time",
                volume.name
            ),
            format!(
                "`volume {} shared=#true` says so, where it is declared; {replace}",
                volume.name
            ),
        ));
    }
    if let Some(mode) = &draft.settings.network_mode {
        all.push((
            mode.at,
            "not its own network",
            "two containers with one network would want the same ports".to_owned(),
            format!("take `network-mode` away, {replace}"),
        ));
    }
    if node.container_name != format!("{}-{}", cx.variables.stack, node.name) {
        all.push((
            node.at,
            "called otherwise",
            "its container has a name of its own, and there are two of them".to_owned(),
            format!("take `name=` away, {replace}"),
        ));
    }
    let once = match node.kind {
        Kind::Proxy => Some("a proxy is what the requests come through"),
        _ if service.is_task() => Some("a task ends, and nobody sends it requests"),
        _ => None,
    };
    if let Some(why) = once {
        let help = "take `update roll` away".to_owned();
        all.push((node.at, "not a service that goes on", why.to_owned(), help));
    }
    all
}
