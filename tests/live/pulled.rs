//! `devrun pull-files`: what a container has comes when somebody asks for it.

use serde_json::Value;

use crate::kit::said;
use crate::stage::{inside, up, waiting};

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
