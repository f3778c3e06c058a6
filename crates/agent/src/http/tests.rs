//! Probes against servers that behave, and servers that do not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use super::{Target, get, join_chunks};
use crate::clock::deadline;
use crate::net::{Answer, tcp};

/// A server for one connection; it holds the connection open until the client closes it.
fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(answer).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    port
}

fn ask(answer: &'static [u8]) -> Answer {
    get(
        &format!("http://localhost:{}/health?x=1", server(answer)),
        deadline(2_000),
    )
}

#[test]
fn good_answers_are_0_and_show_status_and_body() {
    let answer = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
    assert_eq!(answer, Answer::new(0, "HTTP/1.1 200 OK\nfine"));
    let answer = ask(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /login\r\n\r\n");
    assert_eq!(answer, Answer::new(0, "HTTP/1.1 302 Found\n"));
}

#[test]
fn an_error_shows_what_the_server_said() {
    let answer = ask(
        b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno \r\n8;x=1\r\ndatabase\r\n0\r\n\r\n",
    );
    assert_eq!(answer, Answer::new(1, "HTTP/1.1 500 Oops\nno database"));
}

#[test]
fn silence_ends_in_time() {
    let answer = get(&format!("http://127.0.0.1:{}/", server(b"")), deadline(50));
    assert_eq!(answer.code, 124);
    assert!(String::from_utf8_lossy(&answer.output).ends_with("no answer in time"));
}

#[test]
fn a_body_without_an_end_does_not_keep_the_answer_back() {
    let answer = ask(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    assert_eq!(answer, Answer::new(0, "HTTP/1.1 200 OK\ndata: 1\n\n"));
}

#[test]
fn what_is_no_http_is_said_so() {
    let answer = ask(b"SSH-2.0-OpenSSH\r\n\r\n");
    assert_eq!(answer.code, 1);
    assert!(String::from_utf8_lossy(&answer.output).contains("SSH-2.0"));
}

#[test]
fn nobody_listening_is_no() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(tcp(port, deadline(1_000)).code, 0);
    drop(listener);
    assert_eq!(tcp(port, deadline(1_000)).code, 1);
    assert_eq!(
        get(&format!("http://localhost:{port}/"), deadline(1_000)).code,
        1
    );
}

#[test]
fn what_listens_on_the_sixth_version_only_is_found() {
    // Machines without IPv6 have nothing to find.
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return;
    };
    assert_eq!(
        tcp(listener.local_addr().unwrap().port(), deadline(1_000)).code,
        0
    );
}

#[test]
fn urls_are_taken_apart() {
    let target = Target::parse("http://localhost:8000/api?x#y").unwrap();
    assert_eq!(
        (target.host, target.port, target.path),
        ("localhost", 8000, "/api?x")
    );
    let target = Target::parse("HTTP://[::1]:81").unwrap();
    assert_eq!((target.host, target.port, target.path), ("::1", 81, ""));
    assert_eq!(
        Target::parse("http://localhost").map(|target| target.port),
        Some(80)
    );
    for bad in [
        "",
        "https://x/",
        "http://",
        "http://x:y/",
        "http://x/\r\nEvil: 1",
        "http://:80/",
    ] {
        assert_eq!(Target::parse(bad), None, "{bad}");
    }
}

#[test]
fn broken_chunks_do_no_harm() {
    for bytes in [
        &b"zz\r\n"[..],
        b"ffffffffffffffff\r\nabc",
        b"5\r\nab",
        b"\r\n",
        b"",
    ] {
        let _ = join_chunks(bytes);
    }
}

#[test]
fn one_may_be_asked_for_another_host() {
    let target = Target::parse("http://app.test@127.0.0.1:8080/x@y").unwrap();
    assert_eq!(
        (target.host, target.port, target.authority, target.path),
        ("127.0.0.1", 8080, "app.test", "/x@y")
    );
}
