//! TLS: what the person's `server { }` block gets besides its routes.

use std::fmt::Write;

use devrun_stack::{Service, Tls};

use super::nginx::{self, Directive};
use super::written::literal;
use super::{RESERVED, proxy_port};
use crate::certificate;

/// What the person has said around the routes.
#[derive(Debug)]
pub(super) struct Around<'t> {
    /// Names of directives of the same block.
    names: Vec<String>,
    /// At which addresses the block listens; nothing is nginx's own choice.
    listens: Vec<&'t str>,
    /// What surrounds the block has error pages, which one more in it would make forgotten.
    error_pages: bool,
}

impl<'t> Around<'t> {
    pub(super) fn of(all: &[Directive<'t>], marker: &Directive<'_>) -> Around<'t> {
        let block = marker.parent.and_then(|index| all.get(index));
        let outside = block.map(|block| nginx::siblings(all, block));
        let names = nginx::siblings(all, marker);
        Around {
            listens: nginx::parameters(all, marker, "listen"),
            error_pages: !names.iter().any(|name| name == "error_page")
                && outside.is_some_and(|names| names.iter().any(|name| name == "error_page")),
            names,
        }
    }

    fn sets(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    fn listens_at(&self, port: u16) -> bool {
        self.listens.iter().any(|address| {
            let last = address.rsplit(':').next().unwrap_or_default();
            last.parse() == Ok(port)
        })
    }
}

/// Settings of the block, and where those are sent who ask without TLS.
pub(super) fn server(
    proxy: &Service,
    tls: &Tls,
    around: &Around<'_>,
    version: Option<&str>,
) -> String {
    let place = tls.at.to_string().replace(char::is_control, "?");
    let mut text = format!("\n# TLS ({place})\n");
    let has_http2 = version.is_some_and(has_http2);
    if around.listens.is_empty() {
        // With one said, nginx does not choose any more.
        let _ = writeln!(text, "listen {};", proxy_port(proxy));
    }
    if !around.listens_at(tls.port) {
        let http2 = if has_http2 { "" } else { " http2" };
        let _ = writeln!(text, "listen {} ssl{http2};", tls.port);
    }
    if has_http2 && !around.sets("http2") {
        text.push_str("http2 on;\n");
    }
    if !around.sets("ssl_certificate") {
        let path = certificate::PATH;
        let _ = write!(
            text,
            "ssl_certificate {path};\nssl_certificate_key {path};\n"
        );
    }
    if !around.sets("ssl_protocols") {
        text.push_str("ssl_protocols TLSv1.2 TLSv1.3;\n");
    }
    text.push_str(&redirect(proxy, tls, around));
    text
}

/// The port is the one outside, which nginx does not know.
fn redirect(proxy: &Service, tls: &Tls, around: &Around<'_>) -> String {
    let published = proxy.ports.iter().find(|port| port.container == tls.port);
    let port = match published.map_or(tls.port, |port| port.host) {
        443 => String::new(),
        other => format!(":{other}"),
    };
    let there = format!("https://$host{port}$request_uri");
    let mut text = String::new();
    if !around.error_pages {
        let _ = write!(
            text,
            "# Who speaks plain HTTP at the port of TLS.\nerror_page 497 =307 {there};\n"
        );
    }
    if !tls.redirect {
        return text;
    }
    let health = proxy.proxy.as_ref().and_then(|it| it.health.as_deref());
    let own = match health {
        Some(health) => format!("({}/|{}\\z)", literal(RESERVED), literal(health)),
        None => format!("{}/", literal(RESERVED)),
    };
    let names = [&proxy.name, &proxy.container_name].map(|name| literal(name));
    let names = format!("({})", names.join("|"));
    let _ = write!(
        text,
        "# Browsers ask there; other containers, who know no port of the host, need not.\n\
         set $devrun_plain $scheme;\n\
         if ($uri ~ \"^{own}\") {{ set $devrun_plain \"\"; }}\n\
         if ($host ~ \"^{names}\\z\") {{ set $devrun_plain \"\"; }}\n\
         if ($devrun_plain = http) {{ return 307 {there}; }}\n"
    );
    text
}

/// From 1.25.1 on it is a directive; the parameter of `listen`, which older ones want, is warned of.
fn has_http2(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| {
        let end = part.find(|letter: char| !letter.is_ascii_digit());
        part.get(..end.unwrap_or(part.len()))
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0_u32)
    });
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= (1, 25, 1)
}

#[cfg(test)]
mod tests {
    use devrun_stack::{Port, Service, Tls};

    use super::super::{proxy_port, render, samples};

    fn proxy(redirect: bool) -> Service {
        let mut proxy = samples::proxy(Some("/health"));
        if let Some(proxy) = &mut proxy.proxy {
            proxy.tls = Some(Tls {
                hosts: Vec::new(),
                port: 443,
                redirect,
                at: samples::at(112),
            });
        }
        proxy.ports.insert(
            0,
            Port {
                host: 8443,
                container: 443,
                ..proxy.ports[0].clone()
            },
        );
        proxy
    }

    /// What is said of TLS in a block that says this by itself.
    fn said(proxy: &Service, block: &str, version: Option<&str>) -> String {
        let web = samples::service("web", 3000, 9, &["/*"]);
        let stack = samples::stack(vec![web, proxy.clone()]);
        let config = format!("http {{ server {{\n{block}\ninclude devrun-routes;\n}} }}");
        let config = render(&stack, proxy, &config, 1, version).unwrap();
        let lines = config
            .lines()
            .skip_while(|line| !line.starts_with("# TLS"))
            .take_while(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_block_listens_with_tls_and_sends_there_who_does_not_speak_it() {
        insta::assert_snapshot!(said(&proxy(true), "listen 80;", Some("1.26.3")), @r#"
        # TLS (Stackfile.kdl:112)
        listen 443 ssl;
        http2 on;
        ssl_certificate /run/devrun/tls.pem;
        ssl_certificate_key /run/devrun/tls.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        # Who speaks plain HTTP at the port of TLS.
        error_page 497 =307 https://$host:8443$request_uri;
        # Browsers ask there; other containers, who know no port of the host, need not.
        set $devrun_plain $scheme;
        if ($uri ~ "^(/\.devrun/|/health\z)") { set $devrun_plain ""; }
        if ($host ~ "^(proxy|app-proxy)\z") { set $devrun_plain ""; }
        if ($devrun_plain = http) { return 307 https://$host:8443$request_uri; }
        "#);
    }

    #[test]
    fn http2_is_said_as_this_nginx_understands_it() {
        for (version, line) in [
            (None, "listen 443 ssl http2;"),
            (Some("1.22.1"), "listen 443 ssl http2;"),
            (Some("1.25.0"), "listen 443 ssl http2;"),
            (Some("1.25.1"), "listen 443 ssl;\nhttp2 on;"),
            (Some("1.29.0-1~trixie"), "listen 443 ssl;\nhttp2 on;"),
        ] {
            let text = said(&proxy(true), "listen 80;", version);
            assert!(text.contains(line), "{version:?}: {text}");
            assert_eq!(text.matches("http2").count(), 1, "{text}");
        }
    }

    #[test]
    fn what_the_block_says_by_itself_is_left_to_it() {
        let own = "listen 80; listen [::]:443 ssl; http2 on; ssl_protocols TLSv1.3; ssl_certificate /mine;";
        let text = said(&proxy(true), own, Some("1.26.3"));
        for word in ["listen", "http2 on", "ssl_"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert!(text.contains("return 307"), "{text}");
        let text = said(&proxy(true), "", None);
        assert!(text.contains("listen 80;\nlisten 443 ssl http2;"), "{text}");
        let text = said(&proxy(false), "listen 80;", None);
        assert!(!text.contains("return 307"), "{text}");
        assert!(text.contains("error_page 497"), "{text}");
    }

    #[test]
    fn a_page_for_errors_around_the_block_stays_in_force() {
        let config =
            "http { error_page 404 /404.html; server { listen 80; include devrun-routes; } }";
        let proxy = proxy(true);
        let stack = samples::stack(vec![proxy.clone()]);
        let config = render(&stack, &proxy, config, 1, None).unwrap();
        assert!(!config.contains("error_page 497"), "{config}");
    }

    #[test]
    fn what_is_asked_without_tls_is_asked_at_another_port() {
        assert_eq!(proxy_port(&proxy(true)), 80);
    }
}
