use std::path::{Path, PathBuf};

use devrun_stack::{Host, Options, PathKind};
use serde_json::Value;

use super::*;

const STACKFILE: &str = r#"
stack app
service web {
    image "x:1"
    port 3000 to=8000
    route "/*" "/api/*"
    route "/tool/*" strip-prefix="/tool"
    route "/old/*" redirect="/new/*" status=301
}
service tenants {
    image "x:1"
    route "/*" host="*.localhost" port=7000
    route "/*" host="www.localhost" redirect="http://localhost/*"
}
proxy entry {
    image "nginx:1"
    config "nginx.conf"
    health "/health"
    port 8080 to=80
}
"#;

struct AllThere;

impl Host for AllThere {
    fn read(&self, _: &Path) -> std::io::Result<String> {
        Ok(String::new())
    }

    fn kind(&self, _: &Path) -> Option<PathKind> {
        Some(PathKind::File)
    }
}

pub(super) fn stack(text: &str) -> Stack {
    let options = Options {
        file: PathBuf::from("/p/Stackfile.kdl"),
        shown: "Stackfile.kdl".into(),
        text: text.into(),
        ..Options::default()
    };
    devrun_stack::load(&options, &AllThere).stack.unwrap()
}

fn asked(text: &str, what: &str) -> Value {
    let address = Address::of(what).unwrap_or_else(|| Address::path(what));
    match answer(&stack(text), &address, None) {
        Ok(answer) => answer.json,
        Err(trouble) => panic!("{what}: {trouble:?}"),
    }
}

/// Who gets it, at which port, and which path it sees.
fn led(what: &str) -> (String, u64, String) {
    let told = asked(STACKFILE, what);
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    (
        text("service"),
        told["port"].as_u64().unwrap_or_default(),
        text("as"),
    )
}

#[test]
fn ports_and_paths_of_what_people_type() {
    let of = |text| {
        let address = Address::of(text)?;
        assert!(text.to_lowercase().contains(&address.host), "{address:?}");
        Some((address.port, address.path))
    };
    assert_eq!(
        of("http://localhost/api/?q=1#x"),
        Some((Some(80), "/api/".to_owned()))
    );
    assert_eq!(of("localhost:8000"), Some((Some(8000), "/".to_owned())));
    assert_eq!(of("wss://x:1/ws"), Some((Some(1), "/ws".to_owned())));
    assert_eq!(of("https://x/"), Some((Some(443), "/".to_owned())));
    assert_eq!(
        of("API.localhost/a//b/./%63"),
        Some((Some(80), "/a/b/c".to_owned()))
    );
    assert_eq!(of("http://[::1]/x"), Some((Some(80), "/x".to_owned())));
    assert_eq!(of("src/views.py"), None);
}

#[test]
fn a_request_is_led_to_a_service_as_the_proxy_does() {
    let whole = |service: &str, port, path: &str| (service.to_owned(), port, path.to_owned());
    assert_eq!(led("/api/x?y"), whole("web", 8000, "/api/x"));
    assert_eq!(led("http://localhost:8080/x"), whole("web", 8000, "/x"));
    assert_eq!(led("/tool/a/b"), whole("web", 8000, "/a/b"));
    assert_eq!(led("/tool"), whole("web", 8000, "/"));
    assert_eq!(
        led("http://new.localhost:8080/tool/x"),
        whole("tenants", 7000, "/tool/x")
    );
    assert_eq!(
        led("http://LOCALHOST:8080//api/./x"),
        whole("web", 8000, "/api/x")
    );
}

#[test]
fn what_no_service_of_a_route_gets_is_told_too() {
    let by = |what: &str| {
        let told = asked(STACKFILE, what);
        let by = told["by"].as_str().unwrap_or_default().to_owned();
        (told["service"].as_str().map(str::to_owned), by)
    };
    let (service, how) = by("/health");
    assert_eq!(service.as_deref(), Some("entry"));
    assert!(how.contains("answered by nginx itself"), "{how}");
    let (service, how) = by("localhost:3000/tool/x");
    assert_eq!(service.as_deref(), Some("web"));
    assert!(how.contains("past the proxy"), "{how}");

    let (service, how) = by("/x/..%2Fapi/x");
    assert_eq!(service.as_deref(), Some("entry"));
    assert!(how.contains("answered 400"), "{how}");

    let without = STACKFILE.replace("route \"/*\" \"/api/*\"", "route \"/api/*\"");
    let told = asked(&without, "/x");
    assert_eq!(told["service"], "entry");
    assert_eq!(
        told["by"],
        "no route covers it: what nginx.conf itself says"
    );
}

#[test]
fn a_redirect_says_where_to_and_which_line_says_so() {
    let told = asked(STACKFILE, "/old/a/b");
    assert_eq!(told["redirect"], "/new/a/b");
    assert_eq!(told["status"], 301);
    assert_eq!(told["by"], "route \"/old/*\", Stackfile.kdl:8");
    let told = asked(STACKFILE, "http://www.localhost:8080/x");
    assert_eq!(told["redirect"], "http://localhost/x");
    assert_eq!(told["service"], Value::Null);
}

#[test]
fn who_asks_without_tls_is_sent_to_it() {
    let text = STACKFILE.replace("port 8080 to=80", "tls; port 8443 to=443; port 8080 to=80");
    let told = asked(&text, "http://shop.localhost:8080/api/x");
    assert_eq!(told["redirect"], "https://shop.localhost:8443/api/x");
    assert_eq!(told["status"], 307);
    for what in ["https://localhost:8443/api/x", "/api/x"] {
        assert_eq!(asked(&text, what)["service"], "web", "{what}");
    }
    let told = asked(&text, "http://localhost:8080/health");
    assert_eq!(told["service"], "entry");
    let usual = STACKFILE.replace("port 8080 to=80", "tls; port 80; port 443");
    let told = asked(&usual, "http://localhost/x");
    assert_eq!(told["redirect"], "https://localhost/x");
}

#[test]
fn a_port_that_nobody_publishes_and_a_stack_without_proxy_are_told_with_the_way_on() {
    let trouble = |text: &str, address: &Address| match answer(&stack(text), address, None) {
        Ok(answer) => panic!("{}", answer.json),
        Err(trouble) => trouble.message,
    };
    let nobody = Address::of("http://localhost:81/").unwrap();
    assert_eq!(
        trouble(STACKFILE, &nobody),
        "no service of app publishes port 81"
    );
    let plain = "stack app\nservice web { image \"x:1\"; port 80 }\n";
    assert_eq!(
        trouble(plain, &Address::path("/x")),
        "app has no proxy, so no entry point"
    );
}
