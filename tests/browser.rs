//! The seed's stack as a person sees it: a real browser on the proxy, and files being saved.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

use kit::browser::Browser;
use kit::{Scratch, Session, eventually, free_port, get, http, identity};
use serde_json::Value;

/// The repository's own stack under another name, on ports of its own, in a copy that tests edit.
struct App {
    stack: Scratch,
    session: Session,
    url: String,
}

const COUNTER: &str = "examples/unified/frontend/src/Counter.jsx";
const VIEWS: &str = "examples/unified/backend/items/views.py";

impl App {
    fn start(test: &str) -> App {
        let port = free_port();
        App::at(
            Scratch::copy(test, "."),
            port,
            format!("http://localhost:{port}"),
        )
    }

    /// The same, whose entry point speaks TLS.
    fn with_tls(test: &str) -> App {
        let mut stack = Scratch::copy(test, ".");
        let tls = free_port();
        let plain = "port \"${PROXY_PORT}\" to=80";
        let both = format!("{plain}\n    port {tls} to=443\n    tls");
        stack.edit("Stackfile.kdl", plain, &both);
        let data = stack.state.join("data").display().to_string();
        stack.environment.push(("XDG_DATA_HOME".to_owned(), data));
        App::at(stack, free_port(), format!("https://localhost:{tls}"))
    }

    fn at(stack: Scratch, port: u16, url: String) -> App {
        let mut env = format!("PROXY_PORT={port}\n");
        for name in ["BACKEND_PORT", "FRONTEND_PORT", "DB_PORT", "REDIS_PORT"] {
            env.push_str(&format!("{name}={}\n", free_port()));
        }
        stack.write(".env", &env);
        stack.edit(
            "nginx/nginx.conf",
            "worker_shutdown_timeout 10s",
            "worker_shutdown_timeout 10m",
        );
        let mut session = stack.up(&[]);
        session.ready();
        App {
            stack,
            session,
            url,
        }
    }

    /// A browser on the entry page, once the page has its data.
    fn page(&self) -> Browser {
        let browser = Browser::open();
        browser.opens(&self.url, "Clicked 0 times", 60);
        browser
    }

    /// An answer of the backend over the proxy, for a program.
    fn api(&self, path: &str) -> kit::Answer {
        http(&[
            "-H",
            "Accept: application/json",
            &format!("{}{path}", self.url),
        ])
        .unwrap()
    }
}

#[test]
fn the_page_shows_what_is_in_the_database_and_puts_things_into_it() {
    let app = App::start("page");
    let items = format!("{}/api/v1/items/", app.url);
    let made = http(&[
        "-H",
        "Content-Type: application/json",
        "-d",
        r#"{"name": "made by the API"}"#,
        &items,
    ])
    .unwrap();
    assert_eq!(made.status, 201, "{made:?}");

    let browser = app.page();
    browser.shows("made by the API", 20);
    browser.find("input[name=name]").send("made in the page");
    browser.find("form button").click();
    browser.shows("made in the page", 20);

    let file = app.stack.path("notes ü.txt");
    std::fs::write(&file, "what was uploaded\n").unwrap();
    browser.find("input[name=name]").send("with a file");
    browser
        .find("input[name=upload]")
        .send(file.to_str().unwrap());
    browser.find("form button").click();
    browser.shows("with a file", 20);
    let link = browser
        .script("return document.querySelector('li a').href")
        .unwrap();
    let link = link.as_str().unwrap();
    assert!(link.starts_with(&format!("{}/media/", app.url)), "{link}");
    assert_eq!(get(link).unwrap().body, "what was uploaded\n");

    // Loaded again, it is all still there, from the database of this stack.
    browser.go(&app.url);
    for name in ["made by the API", "made in the page", "with a file"] {
        browser.shows(name, 20);
    }
    let query = [
        "exec",
        "db",
        "psql",
        "-U",
        "postgres",
        "-d",
        "backend_db",
        "-tAc",
        "select count(*) from items_item",
    ];
    assert_eq!(app.stack.ok(&query).out.trim(), "3");
}

/// Vite passes over a save within 50 ms of the one before, wherever it comes from; no person is
/// that quick, but a test is.
fn a_moment(browser: &Browser) {
    let now = "window.__since = performance.now()";
    browser.script(now).unwrap();
    eventually("a moment later", 20, || {
        let passed = browser.script("return performance.now() - window.__since > 200");
        passed.is_ok_and(|passed| passed == true).then_some(())
    });
}

#[test]
fn a_saved_component_is_live_and_the_page_keeps_its_state() {
    let mut app = App::start("hmr");
    let browser = app.page();
    for count in 1..=3 {
        browser.find(".counter").click();
        browser.shows(&format!("Clicked {count} times"), 10);
    }
    // It would not survive the page being loaded again.
    browser.script("window.__mark = 'still here'").unwrap();

    app.stack
        .edit(COUNTER, "Clicked {count}", "Pressed {count}");
    browser.shows("Pressed 3 times", 20);
    let done = app.session.event("frontend", "update-done", 30);
    assert_eq!(done["action"], "synced", "{done}");

    let overlay = "return document.querySelector('vite-error-overlay')?.shadowRoot.textContent";
    a_moment(&browser);
    app.stack.edit(COUNTER, "return (", "return ((");
    let said = eventually("Vite's overlay", 20, || {
        browser.script(overlay).ok()?.as_str().map(str::to_owned)
    });
    assert!(said.contains("Counter.jsx"), "{said}");

    a_moment(&browser);
    let mended = app.stack.read(COUNTER).replace("return ((", "return (");
    app.stack
        .write(COUNTER, &mended.replace("Pressed", "Pushed"));
    browser.shows("Pushed 3 times", 20);
    eventually("no overlay", 20, || {
        browser.script(overlay).ok()?.is_null().then_some(())
    });
    assert_eq!(
        browser.script("return window.__mark").unwrap(),
        "still here",
        "the page was loaded again"
    );
    assert_eq!(app.stack.service("frontend")["state"], "ready");

    // Vite's WebSocket is open all the while that nginx begins to work with another route.
    app.stack
        .edit("Stackfile.kdl", "\"/@vite/*\"", "\"/@vite/*\" \"/more/*\"");
    app.session.wait("the other route", 60, |event| {
        event["event"] == "routes-applied"
    });
    a_moment(&browser);
    app.stack.edit(COUNTER, "Pushed {count}", "Poked {count}");
    browser.shows("Poked 3 times", 20);

    // What the page asks of the backend while that is replaced is answered by the new one.
    let before = identity(&app.stack.container("backend"));
    app.stack.edit(
        "examples/unified/backend/Dockerfile",
        "USER app",
        "ENV REPLACED=1\nUSER app",
    );
    app.session.state("backend", "updating", 120);
    browser.find("input[name=name]").send("asked meanwhile");
    browser.find("form button").click();
    browser.shows("asked meanwhile", 60);
    app.session.event("backend", "update-done", 60);
    assert_ne!(identity(&app.stack.container("backend")), before);
    app.stack.edit(COUNTER, "Poked {count}", "Nudged {count}");
    browser.shows("Nudged 3 times", 20);
    assert_eq!(
        browser.script("return window.__mark").unwrap(),
        "still here",
        "the page was loaded again"
    );
}

/// Where the browser is said to be: a login is refused where host, port or scheme is another one.
#[test]
fn a_login_works_at_whatever_port_and_vite_answers_its_own_hosts_alone() {
    let app = App::start("login");
    let make = "DJANGO_SUPERUSER_PASSWORD=open-sesame python manage.py createsuperuser \
                --noinput --username ali --email ali@example.test";
    app.stack.ok(&["exec", "backend", "sh", "-c", make]);
    let browser = Browser::open();
    let admin = format!("{}/admin/", app.url);
    browser.opens(&admin, "Django administration", 60);
    browser.find("#id_username").send("ali");
    browser.find("#id_password").send("open-sesame");
    browser.find("[type=submit]").click();
    browser.shows("Site administration", 20);
    assert_eq!(browser.url(), admin);

    let login = format!("{admin}login/");
    let page = get(&login).unwrap();
    let token = page
        .body
        .split_once("csrfmiddlewaretoken\" value=\"")
        .unwrap()
        .1;
    let token = token.split_once('"').unwrap().0;
    let cookie = page.head.to_ascii_lowercase();
    let cookie = cookie.split_once("csrftoken=").unwrap().1;
    let at = page.head.len() - cookie.len();
    let cookie = page.head[at..].split_once(';').unwrap().0;
    let log_in = |origin: &str| {
        let form = format!("csrfmiddlewaretoken={token}&username=ali&password=open-sesame");
        let cookie = format!("Cookie: csrftoken={cookie}");
        let origin = format!("Origin: {origin}");
        http(&["-H", &cookie, "-H", &origin, "-d", &form, &login]).unwrap()
    };
    assert_eq!(log_in("http://evil.test").status, 403);
    let answer = log_in(&app.url);
    assert_eq!(answer.status, 302, "{answer:?}");

    for (host, status) in [
        ("localhost", 200),
        ("app.localhost:8080", 200),
        ("127.0.0.1", 200),
        ("evil.test", 403),
    ] {
        let host = format!("Host: {host}");
        let answer = http(&["-H", &host, "-H", "Accept: text/html", &app.url]).unwrap();
        assert_eq!(answer.status, status, "{host}");
    }
}

#[test]
fn a_saved_component_is_live_over_tls_too() {
    let app = App::with_tls("hmr-tls");
    let browser = app.page();
    browser.find(".counter").click();
    browser.shows("Clicked 1 times", 10);
    browser.script("window.__mark = 'still here'").unwrap();
    app.stack
        .edit(COUNTER, "Clicked {count}", "Pressed {count}");
    browser.shows("Pressed 1 times", 20);
    let mark = browser.script("return window.__mark").unwrap();
    assert_eq!(mark, "still here", "the page was loaded again");
    let spoken = "return performance.getEntriesByType('navigation')[0].nextHopProtocol";
    assert_eq!(browser.script(spoken).unwrap(), "h2");
}

#[test]
fn a_saved_view_is_live_and_a_broken_one_says_so_until_it_is_mended() {
    let mut app = App::start("view");
    let path = "/api/v1/items/count/";
    assert_eq!(app.api(path).body, r#"{"count":null}"#);

    app.stack
        .edit(VIEWS, "{\"count\": cache", "{\"counted\": cache");
    let done = app.session.event("backend", "update-done", 60);
    assert_eq!(
        (&done["outcome"], &done["action"]),
        (&"ok".into(), &"synced, restarted".into()),
        "{done}"
    );
    eventually("the new answer", 20, || {
        (app.api(path).body == r#"{"counted":null}"#).then_some(())
    });

    app.stack.edit(
        VIEWS,
        "def count(self, request):",
        "def count(self, request:",
    );
    let failed = app.session.state("backend", "failed", 60);
    assert!(
        failed["details"].to_string().contains("SyntaxError"),
        "{failed}"
    );
    let table = app.stack.ok(&["status"]).out;
    assert!(table.contains("SyntaxError"), "{table}");

    let answer = app.api(path);
    assert_eq!(answer.status, 503, "{answer:?}");
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&told["service"], &told["state"]),
        (&"backend".into(), &"failed".into()),
        "{told}"
    );
    assert!(
        told["reason"].to_string().contains("exited with 1"),
        "{told}"
    );
    let browser = Browser::open();
    browser.go(&format!("{}/api/v1/items/", app.url));
    browser.shows("backend failed", 20);
    browser.shows("exited with 1", 20);

    app.stack.edit(
        VIEWS,
        "def count(self, request:",
        "def count(self, request):",
    );
    app.session.state("backend", "ready", 60);
    eventually("the answer", 20, || {
        (app.api(path).body == r#"{"counted":null}"#).then_some(())
    });
    // Nobody did anything: the page loaded itself again.
    browser.shows("Item List", 20);
}

#[test]
fn the_waiting_page_says_for_what_and_gives_way_by_itself() {
    let app = App::start("waiting");
    app.stack.ok(&["stop", "backend"]);
    let answer = http(&["-H", "Accept: text/html", &format!("{}/admin/", app.url)]).unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    let program = app.api("/api/v1/health/");
    assert_eq!(program.status, 503, "{program:?}");
    let told: Value = serde_json::from_str(&program.body).unwrap();
    assert_eq!(
        (&told["service"], &told["state"]),
        (&"backend".into(), &"stopped".into()),
        "{told}"
    );
    // What does not need it goes on.
    assert_eq!(get(&app.url).unwrap().status, 200);

    let browser = Browser::open();
    browser.go(&format!("{}/admin/", app.url));
    browser.shows("backend stopped", 20);
    app.stack.ok(&["start", "backend"]);
    browser.shows("Django administration", 60);
    browser.find("input[name=username]");
    assert!(browser.url().contains("/admin/login/"), "{}", browser.url());
}

#[test]
fn a_saved_package_json_installs_and_the_page_goes_on() {
    let mut app = App::start("package");
    let browser = app.page();
    let package = "examples/unified/frontend/package.json";
    // What `npm ci` installs does not change, but it runs, and the new file is what Vite reads.
    app.stack
        .edit(package, "\"version\": \"0.1.0\"", "\"version\": \"0.1.1\"");
    app.stack.edit(
        &package.replace("package.json", "package-lock.json"),
        "\"version\": \"0.1.0\"",
        "\"version\": \"0.1.1\"",
    );
    let done = app.session.event("frontend", "update-done", 180);
    assert_eq!(done["outcome"], "ok", "{done}");
    let action = done["action"].as_str().unwrap();
    assert!(
        action.contains("ran its command") && action.contains("restarted"),
        "{done}"
    );
    assert!(
        app.stack
            .ok(&["exec", "frontend", "cat", "package.json"])
            .out
            .contains("0.1.1")
    );
    app.stack
        .ok(&["exec", "frontend", "test", "-d", "node_modules/react"]);
    browser.go(&app.url);
    browser.shows("Clicked 0 times", 60);

    // One that npm refuses is said, and what runs goes on.
    let service = app.stack.service("frontend");
    app.stack.edit(package, "\"react\": \"^", "\"react\": \"^9");
    let done = app.session.event("frontend", "update-done", 180);
    assert_eq!(done["outcome"], "failed", "{done}");
    assert!(done["details"].to_string().contains("npm"), "{done}");
    assert_eq!(
        app.stack.service("frontend")["container"],
        service["container"]
    );
}
