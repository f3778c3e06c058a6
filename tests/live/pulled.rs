//! `devrun pull-files`: what a container has comes when somebody asks for it.

use std::fs;

use serde_json::Value;

use crate::kit::said;
use crate::kit::terminal::CTRL_D;
use crate::stage::{comes, goes, inside, marked, starts, up, waiting};

const FILES: [(&str, &str); 3] = [
    ("app/main.py", "1\n"),
    ("app/late.txt", "1\n"),
    ("app/same.txt", "same\n"),
];

#[test]
fn it_is_listed_first_and_what_is_newer_on_the_host_stays() {
    let stack = waiting("pulls", "        ignore \"cache/\"", &FILES);
    let session = up(&stack);
    session.signal(9);
    session.end();
    let line = "cd /app && mkdir -p made cache && echo new > made/new.txt && echo 2 > main.py && echo 2 > late.txt && touch cache/x";
    assert_eq!(inside(&stack, line).code, 0);
    stack.write("app/late.txt", "mine\n");
    let dry = stack.ok(&["pull-files", "web", "--dry-run"]);
    for text in [
        "new    app/made/new.txt",
        "newer  app/main.py",
        "stays  app/late.txt",
        "2 files would come",
    ] {
        assert!(dry.out.contains(text), "{text}: {}", said(&dry));
    }
    assert!(
        !dry.out.contains("cache") && !dry.out.contains("same"),
        "{}",
        dry.out
    );
    assert!(!stack.path("app/made").exists());
    let asked = stack.run(&["pull-files", "web"]);
    assert_eq!(asked.code, 2, "{}", said(&asked));
    assert!(asked.err.contains("--yes brings them"), "{}", asked.err);

    let one = stack.ok(&["pull-files", "web", "made/", "--yes"]);
    assert!(one.out.contains("1 file brought"), "{}", said(&one));
    assert_eq!(
        (
            stack.read("app/made/new.txt").as_str(),
            stack.read("app/main.py").as_str()
        ),
        ("new\n", "1\n")
    );
    let all = stack.ok(&["pull-files", "web", "--yes", "--format", "json"]);
    let value: Value = serde_json::from_str(&all.out).unwrap();
    let told = |index: usize| {
        let file = &value["files"][index];
        (
            file["path"].as_str().unwrap(),
            file["newer"].as_str().unwrap(),
            file["brought"] == true,
        )
    };
    assert_eq!(
        (told(0), told(1)),
        (
            ("app/late.txt", "host", false),
            ("app/main.py", "container", true)
        )
    );
    assert_eq!(
        (
            stack.read("app/late.txt").as_str(),
            stack.read("app/main.py").as_str()
        ),
        ("mine\n", "2\n")
    );
}

#[test]
fn beside_a_session_what_comes_is_no_save_of_the_host() {
    let rule = "        on \"**/*.py\" { restart }";
    let stack = waiting("pullsbeside", rule, &FILES);
    let mut session = up(&stack);
    let line = "cd /app && mkdir made && echo new > made/new.py && echo 2 > main.py";
    assert_eq!(inside(&stack, line).code, 0);
    let pulled = stack.ok(&["pull-files", "web", "--yes"]);
    assert!(pulled.out.contains("2 files brought"), "{}", said(&pulled));
    assert_eq!(
        (
            stack.read("app/made/new.py").as_str(),
            stack.read("app/main.py").as_str()
        ),
        ("new\n", "2\n")
    );
    let told = session.event("web", "brought-back", 30);
    assert_eq!(told["count"], 2, "{told}");
    // Whatever the kernel told of it has been looked at by then.
    stack.ok(&["wait"]);
    marked(&stack, &mut session, "marker.txt");
    assert_eq!(starts(&stack), 1, "{}", session.dump());
    let sent = session
        .seen
        .iter()
        .filter(|event| event["event"] == "synced");
    let files: u64 = sent.filter_map(|event| event["files"].as_u64()).sum();
    assert_eq!(files, 1, "only the marker: {}", session.dump());

    // From now on it is the host's.
    stack.write("app/main.py", "3\n");
    comes(&stack, "/app/main.py", "3\n");
    fs::remove_file(stack.path("app/made/new.py")).unwrap();
    goes(&stack, "/app/made/new.py");
}

#[test]
fn a_person_at_a_terminal_is_asked_first() {
    let stack = waiting("pullasks", "", &FILES);
    let _session = up(&stack);
    assert_eq!(inside(&stack, "echo 2 > /app/main.py").code, 0);
    for (answer, comes) in [("n", false), ("", false), (CTRL_D, false), ("y", true)] {
        let mut terminal = stack.terminal("pull-files web");
        let listed = terminal.expect("bring 1 file to the host? [y/N] ");
        assert!(listed.contains("newer  app/main.py"), "{listed}");
        match answer {
            CTRL_D => terminal.keys(CTRL_D),
            answer => terminal.line(answer),
        }
        let (code, rest) = terminal.end();
        let (word, content) = match comes {
            true => ("1 file brought", "2\n"),
            false => ("1 file would come", "1\n"),
        };
        assert!(rest.contains(word), "{answer:?}: {rest}");
        assert_eq!((code, stack.read("app/main.py").as_str()), (0, content));
    }
    let mut terminal = stack.terminal("pull-files web");
    terminal.expect("nothing would come");
    assert_eq!(terminal.end().0, 0);
}
