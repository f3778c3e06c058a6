//! The engine goes away and comes back: through a relay, because the real one is not ours to stop.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::kit::{Ran, Scratch, docker, eventually, identity};

/// A way to the engine that can be cut.
struct Relay {
    socket: PathBuf,
    /// Both ends of everything that goes through it.
    open: Arc<Mutex<Vec<UnixStream>>>,
    cut: Arc<AtomicBool>,
}

impl Relay {
    fn open(socket: PathBuf) -> Relay {
        let relay = Relay {
            socket,
            open: Arc::default(),
            cut: Arc::default(),
        };
        relay.listen();
        relay
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn listen(&self) {
        self.cut.store(false, Ordering::SeqCst);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let (open, cut) = (self.open.clone(), self.cut.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if cut.load(Ordering::SeqCst) {
                    return;
                }
                let far = UnixStream::connect("/var/run/docker.sock").unwrap();
                open.lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                pass(&near, &far);
                pass(&far, &near);
            }
        });
    }

    /// As when the engine stops: nobody answers, and what was open is closed.
    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it ends.
        let _ = UnixStream::connect(&self.socket);
        std::fs::remove_file(&self.socket).unwrap();
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn pass(from: &UnixStream, to: &UnixStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

const STACK: &str = r#"stack app
service web {
    build "."
    healthcheck "true"
    sync to="/app"
}
service cache { image "redis:7"; healthcheck "redis-cli ping" }
"#;

fn files() -> [(&'static str, &'static str); 3] {
    [
        ("Stackfile.kdl", STACK),
        (
            "Dockerfile",
            "FROM redis:7\nWORKDIR /app\nCOPY . .\nCMD [\"sleep\", \"infinity\"]\n",
        ),
        ("note.txt", "one\n"),
    ]
}

fn inside(stack: &Scratch) -> String {
    docker(&["exec", &stack.container("web"), "cat", "/app/note.txt"]).out
}

#[test]
fn a_session_outlives_the_engine_and_saves_again_once_it_is_back() {
    let mut stack = Scratch::new("engine", &files());
    let relay = Relay::open(Path::new(&stack.state).join("engine.sock"));
    stack
        .environment
        .push(("DOCKER_HOST".to_owned(), relay.address()));
    let mut session = stack.up(&[]);
    session.ready();
    let before = ["web", "cache"].map(|service| identity(&stack.container(service)));
    stack.write("note.txt", "two\n");
    session.event("web", "update-done", 60);
    assert_eq!(inside(&stack), "two\n");

    relay.cut();
    let warning = session.wait("the warning", 30, |event| event["event"] == "warning");
    assert!(
        warning["message"]
            .as_str()
            .unwrap()
            .contains("the engine does not answer"),
        "{warning}"
    );
    let status = stack.status();
    assert!(status["session"]["pid"].is_number(), "{status}");
    // What is saved meanwhile is not lost, and what happens meanwhile is seen.
    stack.write("note.txt", "three\n");
    let wait = stack.run(&["wait", "--timeout", "1s"]);
    assert_eq!(wait.code, 4, "{wait:?}");
    assert!(
        wait.err
            .contains("web is waiting for the engine, 1 save is not live yet"),
        "it does not say what it waited for: {}",
        wait.err
    );
    assert_eq!(
        docker(&["restart", "-t", "1", &stack.container("cache")]).code,
        0
    );

    relay.listen();
    session.state("web", "ready", 60);
    session.ready();
    eventually("the save of the time between", 30, || {
        (inside(&stack) == "three\n").then_some(())
    });
    stack.write("note.txt", "four\n");
    eventually("the save after it", 30, || {
        (inside(&stack) == "four\n").then_some(())
    });
    assert_eq!(
        identity(&stack.container("web")),
        before[0],
        "it was made again without a reason"
    );
    assert_eq!(stack.service("cache")["state"], "ready");
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn ctrl_c_ends_a_session_whose_engine_is_away() {
    let mut stack = Scratch::new("enginec", &files());
    let relay = Relay::open(Path::new(&stack.state).join("engine.sock"));
    stack
        .environment
        .push(("DOCKER_HOST".to_owned(), relay.address()));
    let mut session = stack.up(&[]);
    session.ready();
    relay.cut();
    session.wait("the warning", 30, |event| event["event"] == "warning");
    let (code, errors) = session.interrupt();
    assert!(code == 0 || code == 3, "{code} {errors}");
    stack.environment.clear();
    let down = Ran::of(
        stack
            .command(&["down"])
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    );
    assert_eq!(down.code, 0, "{down:?}");
    let left = Command::new("docker")
        .args([
            "ps",
            "-aq",
            "--filter",
            &format!("label=devrun.stack={}", stack.name),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
