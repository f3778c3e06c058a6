//! `tls`: it is reached, and browsers believe its certificate.

use crate::context::Context;
use crate::draft::{DraftTls, Said};
use crate::merge::Laid;

/// Reports what makes it useless.
pub(super) fn all(cx: &mut Context<'_>, laid: &[Laid<'_>]) {
    let found = laid
        .iter()
        .find_map(|service| Some((service, service.draft.tls.as_ref()?)));
    if let Some((proxy, tls)) = found {
        published(cx, proxy, tls);
        below_one_label(cx, laid, tls);
    }
}

fn published(cx: &mut Context<'_>, proxy: &Laid<'_>, tls: &Said<DraftTls>) {
    let inside = tls.value.port;
    let mut ports = proxy.draft.ports.iter().map(|port| &port.value);
    if ports.any(|it| it.container == inside && it.protocol == "tcp" && it.host.is_some()) {
        return;
    }
    let problem = cx
        .error(
            "stackfile::tls",
            tls.at,
            "reached by nobody",
            format!("TLS is spoken at port {inside} inside, and that is not published"),
        )
        .advise(format!(
            "port {inside}, or port 8443 to={inside} where {inside} of this machine is taken"
        ));
    cx.report(problem);
}

/// Browsers take no certificate that is for all names below a single label.
fn below_one_label(cx: &mut Context<'_>, laid: &[Laid<'_>], tls: &Said<DraftTls>) {
    let routes = laid.iter().flat_map(|service| &service.draft.routes);
    let routes = routes.filter_map(|route| Some((route.value.host.as_deref()?, route.at)));
    let own = tls.value.hosts.iter().map(|host| (host.as_str(), tls.at));
    let wide = |host: &str| {
        host.strip_prefix("*.")
            .filter(|rest| !rest.contains('.'))
            .map(str::to_owned)
    };
    let Some((below, at)) = routes
        .chain(own)
        .find_map(|(host, at)| Some((wide(host)?, at)))
    else {
        return;
    };
    let warning = cx
        .error(
            "stackfile::tls",
            at,
            "no certificate is for these",
            format!("browsers take no certificate that is for all names directly below `{below}`"),
        )
        .advise(format!(
            "name those that are asked for, tls \"shop.{below}\", or go one deeper: host=\"*.app.{below}\""
        ));
    cx.warn(warning);
}
