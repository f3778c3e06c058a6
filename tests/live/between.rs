//! What changes on the host while no session runs is live before the next one says "ready".

use std::fs;

use crate::kit::{Scratch, free_port, get};
use crate::stage::{content, identity, inside, stack, up, waiting};

fn change_everything(stack: &Scratch) {
    stack.write("app/first.txt", "edited\n");
    stack.write("app/new.txt", "new\n");
    fs::create_dir_all(stack.path("app/deep/er")).unwrap();
    stack.write("app/deep/er/x.txt", "x\n");
    fs::remove_file(stack.path("app/gone.txt")).unwrap();
    fs::remove_dir_all(stack.path("app/old")).unwrap();
}

const FILES: [(&str, &str); 3] = [
    ("app/gone.txt", "gone\n"),
    ("app/old/a.txt", "a\n"),
    ("app/same.txt", "same\n"),
];

fn expect_the_host_s_tree(stack: &Scratch) {
    let tree = inside(stack, "cd /app && find . -type f | sort | xargs grep -H .").out;
    assert_eq!(
        tree,
        "./deep/er/x.txt:x\n./first.txt:edited\n./new.txt:new\n./same.txt:same\n"
    );
}

#[test]
fn after_the_session_ended() {
    let stack = waiting("ended", "", &FILES);
    up(&stack).interrupt();
    let before = identity(&stack);
    change_everything(&stack);
    let _session = up(&stack);
    expect_the_host_s_tree(&stack);
    assert_eq!(identity(&stack), before, "the container was kept");
}

#[test]
fn after_the_session_was_killed_while_the_containers_ran_on() {
    let stack = waiting("killed", "", &FILES);
    let session = up(&stack);
    session.signal(9);
    session.end();
    change_everything(&stack);
    let _session = up(&stack);
    expect_the_host_s_tree(&stack);
}

#[test]
fn after_down_from_an_image_of_before() {
    let stack = waiting("downed", "", &FILES);
    up(&stack).interrupt();
    stack.ok(&["down"]);
    change_everything(&stack);
    let _session = up(&stack);
    expect_the_host_s_tree(&stack);
}

#[test]
fn what_was_brought_over_in_a_session_and_deleted_after_it_is_gone() {
    let stack = waiting("brought", "", &[]);
    let mut session = up(&stack);
    stack.write("app/late.txt", "late\n");
    session.event("web", "update-done", 30);
    assert_eq!(inside(&stack, "echo own > /app/own.txt").code, 0);
    session.interrupt();
    fs::remove_file(stack.path("app/late.txt")).unwrap();
    let _session = up(&stack);
    assert_eq!(inside(&stack, "ls /app").out, "first.txt\nown.txt\n");
}

#[test]
fn what_the_container_makes_under_a_name_that_the_host_had_is_its_own() {
    let stack = waiting("had", "", &[("app/gone.txt", "gone\n")]);
    let mut session = up(&stack);
    fs::remove_file(stack.path("app/gone.txt")).unwrap();
    session.event("web", "update-done", 30);
    assert_eq!(inside(&stack, "echo own > /app/gone.txt").code, 0);
    session.interrupt();
    let _session = up(&stack);
    assert_eq!(
        content(&stack, "/app/gone.txt").as_deref(),
        Some("own\n"),
        "a file that the container made was removed because the host once had that name"
    );
}

#[test]
fn the_new_code_is_what_answers_when_it_says_ready() {
    let port = free_port();
    let program = "import http.server\n\
        class H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        \
        self.send_response(200); self.end_headers(); self.wfile.write(b'VERSION')\n\
        http.server.ThreadingHTTPServer(('', 8000), H).serve_forever()\n";
    let stackfile = format!(
        "stack live\nservice web {{\n    build \".\"\n    command \"python\" \"-u\" \"/app/main.py\"\n    \
         port {port} to=8000\n    healthcheck tcp=8000 interval=\"1s\"\n    sync \"app\" to=\"/app\" {{ on \"*.py\" {{ restart }} }}\n}}\n"
    );
    let files = [("app/main.py", program)];
    let stack = stack(
        "answers",
        &stackfile,
        "FROM python:3.13-slim\nCOPY app /app\n",
        &files,
    );
    let answer = || get(&format!("http://localhost:{port}/")).map(|answer| answer.body);
    let session = up(&stack);
    assert_eq!(answer().as_deref(), Some("VERSION"));

    session.interrupt();
    stack.edit("app/main.py", "VERSION", "second");
    let session = up(&stack);
    assert_eq!(answer().as_deref(), Some("second"), "{}", session.dump());

    session.signal(9);
    session.end();
    stack.edit("app/main.py", "second", "third");
    let session = up(&stack);
    assert_eq!(answer().as_deref(), Some("third"), "{}", session.dump());

    session.interrupt();
    stack.ok(&["down"]);
    stack.edit("app/main.py", "third", "fourth");
    let session = up(&stack);
    assert_eq!(answer().as_deref(), Some("fourth"), "{}", session.dump());
    assert_eq!(
        content(&stack, "/app/first.txt").as_deref(),
        Some("first\n")
    );
}
