use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use devrun_wire::frames::Behind;
use tempfile::TempDir;

use super::Hold;

struct Stage {
    _folder: TempDir,
    socket: PathBuf,
    hold: Hold,
}

impl Stage {
    fn set() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run").join("hold.sock");
        let hold = Hold::start(socket.to_str().unwrap()).unwrap();
        Stage {
            _folder: folder,
            socket,
            hold,
        }
    }

    fn tell(&self, ready: bool, hold_ms: u64) {
        self.hold.tell(vec![Behind {
            name: "web".into(),
            ready,
            hold_ms,
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
        }]);
    }

    fn open(&self, text: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, port: u16, more: &str) -> UnixStream {
        self.open(&format!(
            "GET /x HTTP/1.0\r\nDevrun-Service: web\r\nDevrun-Port: {port}\r\n{more}\r\n"
        ))
    }
}

fn answer(mut stream: UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn who_waits_is_let_go_once_the_service_is_ready() {
    let stage = Stage::set();
    stage.tell(false, 60_000);
    let waiting: Vec<UnixStream> = (0..100).map(|_| stage.ask(8000, "")).collect();
    stage.tell(true, 60_000);
    for stream in waiting {
        let text = answer(stream);
        assert!(
            text.contains("X-Accel-Redirect: @devrun-live\r\n"),
            "{text}"
        );
        assert!(text.contains("X-Devrun-To: 127.0.0.1:8000\r\n"), "{text}");
    }
    let text = answer(stage.ask(8000, "Devrun-Way: open\r\n"));
    assert!(text.contains("@devrun-live-open\r\n"), "{text}");
    let text = answer(stage.ask(8000, "Devrun-Way: open\r\nDevrun-Route: 3\r\n"));
    assert!(text.contains("@devrun-live-open-3\r\n"), "{text}");
}

#[test]
fn the_end_of_the_wait_and_what_must_not_be_repeated_are_told() {
    let stage = Stage::set();
    stage.tell(false, 20);
    assert!(answer(stage.ask(1, "")).contains("@devrun-wait"));
    let post = "Devrun-Method: POST\r\nDevrun-Connect: 0.001\r\n";
    assert!(answer(stage.ask(1, post)).contains("@devrun-lost"));
    let late = "Devrun-Method: GET\r\nDevrun-Connect: 0.001\r\nDevrun-Status: 504\r\n";
    assert!(answer(stage.ask(1, late)).contains("@devrun-late"));
}

#[test]
fn a_port_that_was_closed_is_waited_for() {
    let stage = Stage::set();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    stage.tell(true, 60_000);
    let waiting = stage.ask(port, "Devrun-Connect: -\r\n");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert!(answer(waiting).contains(&format!("127.0.0.1:{port}")));
}

#[test]
fn what_is_no_question_is_let_go_and_keeps_nobody() {
    let stage = Stage::set();
    stage.tell(true, 60_000);
    let slow: Vec<UnixStream> = (0..40).map(|_| stage.open("GET /")).collect();
    assert_eq!(answer(stage.open("\r\n\r\n")), "");
    let mut long = stage.open(&"x".repeat(60 << 10));
    // It may have been let go already.
    let _ = long.write_all(&[b'x'; 20 << 10]);
    assert!(answer(stage.ask(1, "")).contains("@devrun-live"));
    drop(slow);
}
