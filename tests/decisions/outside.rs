//! Rules outside of `sync`: files that nothing brings over, and what follows a save of them.

use crate::kit::{Scratch, Session, eventually};
use crate::stage::{Picture, content, done, quiet};

const STACKFILE: &str = r#"stack app
service web {
    build "web"
    command "trap 'echo heard >> /tmp/heard' HUP; trap 'exit 0' TERM; while true; do sleep 0.05; done"
    sync "web/app" to="/app"
    on "outside/*.sh" { exec "echo ran >> /tmp/ran" }
    on "outside/*.conf" { signal "HUP" }
    on "outside/*.env" { restart }
    on "outside/deep/**" { recreate }
    on "web/app/*.lock" { rebuild }
    on "outside/*.sql" { run load }
    on "outside/ignored.txt" { restart }
}
service side {
    build "side"
    init #true
    command "sleep" "infinity"
    sync "side/app" to="/app"
}
task load {
    image "redis:7"
    bind "outside" to="/outside"
    command "cat /outside/all.sql"
}
"#;

fn up(test: &str) -> (Scratch, Session) {
    let files = [
        ("Stackfile.kdl", STACKFILE),
        ("web/Dockerfile", "FROM redis:7\nCOPY app /app\n"),
        ("side/Dockerfile", "FROM redis:7\nCOPY app /app\n"),
        (".gitignore", "ignored*\n"),
        ("outside/all.sql", "1\n"),
        ("outside/a.sh", "1\n"),
        ("outside/a.conf", "1\n"),
        ("outside/a.env", "1\n"),
        ("outside/deep/er/a.txt", "1\n"),
        ("web/app/a.lock", "1\n"),
        ("side/app/page.html", "1\n"),
    ];
    let stack = Scratch::new(test, &files);
    let mut session = stack.up(&[]);
    session.ready();
    (stack, session)
}

fn moved(stack: &Scratch, session: &mut Session, path: &str) -> Vec<String> {
    crate::stage::save(stack, session, path, "2\n")
}

const NOTHING: [&str; 0] = [];

#[test]
fn each_action_moves_what_it_says_and_nothing_else() {
    let (stack, mut session) = up("outside");
    assert_eq!(moved(&stack, &mut session, "outside/a.sh"), NOTHING);
    assert_eq!(content(&stack, "web", "/tmp/ran"), "ran\n");
    assert_eq!(moved(&stack, &mut session, "outside/a.conf"), NOTHING);
    eventually("the signal", 20, || {
        (content(&stack, "web", "/tmp/heard") == "heard\n").then_some(())
    });
    assert_eq!(
        moved(&stack, &mut session, "outside/all.sql"),
        ["load restarted"]
    );
    assert_eq!(
        moved(&stack, &mut session, "outside/a.env"),
        ["web restarted"]
    );
    assert_eq!(
        moved(&stack, &mut session, "outside/deep/er/a.txt"),
        ["web replaced"]
    );
    assert_eq!(
        moved(&stack, &mut session, "web/app/a.lock"),
        ["web replaced", "web has another image", "1 images made"]
    );
}

#[test]
fn what_git_ignores_counts_where_a_rule_spells_it_out_and_why_says_which() {
    let (stack, mut session) = up("spelled");
    assert_eq!(
        moved(&stack, &mut session, "outside/ignored.txt"),
        ["web restarted"]
    );
    let before = Picture::of(&stack);
    stack.write("outside/ignored.sh", "1\n");
    assert_eq!(quiet(&stack, &mut session, &before), NOTHING);

    let why = |path: &str| stack.ok(&["why", path]).out;
    let told = why("outside/ignored.sh");
    assert!(
        told.contains("on rule, Stackfile.kdl:6: ignored by .gitignore:1 (`ignored*`)"),
        "{told}"
    );
    let told = why("outside/a.env");
    assert!(told.contains("restart  on rule, Stackfile.kdl:8"), "{told}");
}

#[test]
fn a_folder_that_comes_later_is_watched_once_it_is_there() {
    let (stack, mut session) = up("later");
    std::fs::remove_dir_all(stack.path("outside/deep")).unwrap();
    done(&mut session, "web");
    session.ready();
    // Whoever makes it writes at once.
    std::fs::create_dir_all(stack.path("outside/deep/new")).unwrap();
    assert_eq!(
        moved(&stack, &mut session, "outside/deep/new/b.txt"),
        ["web replaced"]
    );
}

#[test]
fn the_same_content_once_more_moves_nothing() {
    let (stack, mut session) = up("touched");
    // What was written just before devrun began may be taken for new once.
    for text in ["2\n", "3\n"] {
        crate::stage::save(&stack, &mut session, "outside/a.env", text);
    }
    let before = Picture::of(&stack);
    stack.write("outside/a.env", "3\n");
    stack.write("outside/all.sql", "1\n");
    assert_eq!(quiet(&stack, &mut session, &before), NOTHING);
    assert_eq!(
        moved(&stack, &mut session, "outside/a.env"),
        ["web restarted"]
    );
}
