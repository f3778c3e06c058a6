//! What clients and services do with HTTP beyond a question and an answer.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::stage::{Answer, Stage, docker, state, until};
use super::tests::read_until;

const STACKFILE: &str = r#"
stack routed
service backend {
    image "python:3.13-slim"
    route "/api/*" port=8000
    route "/streamed/*" buffering=#false port=8000
}
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    health "/health"
    port 8080 to=80
}
"#;

fn stage(test: &str) -> Stage {
    let mut stage = Stage::of(test, &[state("backend", "ready")], STACKFILE);
    stage.neighbour("web", &["backend"], &["8000"]);
    stage
}

/// The next answer on a connection that stays.
fn next(stream: &mut TcpStream, has_body: bool) -> Answer {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let length: usize = match Answer::read(&bytes).header("Content-Length") {
        "" => 0,
        length => length.parse().unwrap(),
    };
    let mut body = vec![0; if has_body { length } else { 0 }];
    stream.read_exact(&mut body).unwrap();
    bytes.extend(body);
    Answer::read(&bytes)
}

#[test]
fn a_connection_stays_for_the_next_request_whatever_came_before() {
    let stage = stage("stays");
    let mut stream = stage.open(b"");
    let mut ask = |head: &str, body: &str, has_body| {
        let request = format!("{head}\r\nHost: a\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        next(&mut stream, has_body)
    };
    assert_eq!(ask("GET /api/x HTTP/1.1", "", true).status, 200);
    let head = ask("HEAD /api/x HTTP/1.1", "", false);
    assert_eq!((head.status, head.header("Content-Length")), (200, "12345"));
    let part = ask("GET /api/ranged HTTP/1.1\r\nRange: bytes=2-4", "", true);
    assert_eq!((part.status, part.body.as_str()), (206, "234"));
    assert_eq!(part.header("Content-Range"), "bytes 2-4/10");
    let small = "POST /api/x HTTP/1.1\r\nContent-Length: 3";
    assert_eq!(ask(small, "a=b", true).json()["size"], 3);
    let chunked = "POST /api/x HTTP/1.1\r\nTransfer-Encoding: chunked";
    assert_eq!(
        ask(chunked, "3\r\na=b\r\n0\r\n\r\n", true).json()["size"],
        3
    );
    let large = format!("POST /api/x HTTP/1.1\r\nContent-Length: {}", 300 << 10);
    let body = "x".repeat(300 << 10);
    assert_eq!(ask(&large, &body, true).json()["size"], 300 << 10);
    assert_eq!(ask("GET /api/status/404 HTTP/1.1", "", true).status, 404);
    assert_eq!(ask("GET /nowhere HTTP/1.1", "", true).status, 404);
    assert_eq!(ask("GET /api/x HTTP/1.1", "", true).status, 200);
}

#[test]
fn who_asks_whether_to_go_on_is_told_so_before_the_body() {
    let stage = stage("expects");
    for path in ["/api/x", "/streamed/x"] {
        for size in [3, 300 << 10] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n\r\n"
            );
            let mut stream = stage.open(head.as_bytes());
            assert_eq!(next(&mut stream, false).status, 100, "{path} {size}");
            stream.write_all(&vec![b'x'; size]).unwrap();
            let told = next(&mut stream, true).json();
            assert_eq!(
                (&told["size"], &told["headers"]["expect"]),
                (&size.into(), &().into())
            );
        }
    }
}

#[test]
fn an_answer_in_pieces_comes_piece_by_piece() {
    let stage = stage("pieces");
    let mut stream = stage.open(b"GET /api/pieces HTTP/1.1\r\nHost: a\r\n\r\n");
    let first = read_until(&mut stream, "one\r\n");
    assert!(
        first
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked"),
        "{first}"
    );
    assert!(!first.contains("two"), "{first}");
    assert_eq!(stage.get("/api/go").body, "gone");
    read_until(&mut stream, "3\r\ntwo\r\n0\r\n\r\n");
}

#[test]
fn slow_clients_are_in_nobodys_way() {
    let stage = stage("slow");
    let half = |text: &str| stage.open(text.as_bytes());
    let seen = || stage.get("/api/x").json()["seen"].as_u64().unwrap();
    let before = seen();
    let mut heads: Vec<_> = (0..40).map(|_| half("GET /api/x HTTP/1.1\r\nHo")).collect();
    let post = "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf.";
    let mut bodies: Vec<_> = (0..40).map(|_| half(post)).collect();
    // Whoever does not read keeps none of the others.
    let size = 32 << 20;
    let zeros = format!("GET /api/zeros/{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let readers: Vec<_> = (0..4).map(|_| half(&zeros)).collect();
    let mut own = 0;
    until("all four are being answered", || {
        own += 1;
        seen() >= before + 4 + own
    });
    assert_eq!(
        seen(),
        before + 4 + own + 1,
        "what is not whole is asked of nobody"
    );
    for stream in &mut heads {
        stream.write_all(b"st: a\r\n\r\n").unwrap();
        assert_eq!(next(stream, true).status, 200);
    }
    for stream in &mut bodies {
        stream.write_all(b"whole").unwrap();
        assert_eq!(next(stream, true).json()["size"], 10);
    }
    for mut stream in readers {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.len() > size, "{} of {size}", answer.len());
    }
    let peak = peak(&stage);
    assert!(peak < 64 << 10, "{peak} kB in a process of nginx");
}

/// The most memory that a process of nginx ever had, in kB.
fn peak(stage: &Stage) -> u64 {
    let lines = stage.inside("grep -h VmHWM /proc/[0-9]*/status");
    let amounts = lines.lines().filter_map(|line| {
        let amount = line.split_whitespace().nth(1)?;
        amount.parse().ok()
    });
    amounts.max().unwrap()
}

/// Files in which nginx keeps bodies; they have no names any more, and nobody else sees them.
fn kept(stage: &Stage) -> usize {
    let list = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -cE 'nginx/(body|client_temp)/' || true";
    let words = ["exec", "-u", "nginx", stage.proxy(), "sh", "-c", list];
    docker(&words).trim().parse().unwrap()
}

#[test]
fn an_upload_of_a_gigabyte_passes_through_without_being_kept() {
    let stage = stage("gigabyte");
    let head = |path: &str, size: usize| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")
    };
    // Elsewhere a body is kept until it is whole, so that it can wait: that is what is looked for.
    let mut half = stage.open(head("/api/x", 2 << 20).as_bytes());
    half.write_all(&vec![b'x'; 1 << 20]).unwrap();
    until("half of it is kept", || kept(&stage) > 0);
    drop(half);
    until("and is gone with its client", || kept(&stage) == 0);

    let size = 1 << 30;
    let piece = vec![b'x'; 1 << 20];
    let mut stream = stage.open(head("/streamed/x", size).as_bytes());
    for number in 0..size >> 20 {
        stream.write_all(&piece).unwrap();
        if number == 512 {
            assert_eq!(kept(&stage), 0);
        }
    }
    let told = next(&mut stream, true).json();
    assert_eq!(told["size"], size);
    let peak = peak(&stage);
    assert!(peak < 64 << 10, "{peak} kB in a process of nginx");
}
