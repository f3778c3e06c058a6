//! Conversations with the real agent.

use std::process::Stdio;
use std::time::Duration;

use devrun_wire::frames::{Entry, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use super::{AgentConnection, SyncError};
use crate::sync::test_agent::{PROGRAM, TestAgent};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn sh(line: &str, timeout_ms: u64) -> Request {
    Request::Run {
        argv: ["sh", "-c", line].map(str::to_owned).to_vec(),
        timeout_ms,
    }
}

fn code_and_output(response: Response) -> (i32, String) {
    match response {
        Response::Exited { code, output, .. } => (code, String::from_utf8(output).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_embedded_agent_is_static_and_small() {
    let agent = std::fs::read(PROGRAM).unwrap();
    assert!(agent.starts_with(b"\x7fELF"));
    assert!(agent.len() < 1_500_000, "{} bytes", agent.len());
    let interpreter = b"/lib64/ld-linux";
    assert!(
        !agent
            .windows(interpreter.len())
            .any(|window| window == interpreter)
    );
}

#[tokio::test]
async fn the_agent_says_who_it_is() {
    let agent = TestAgent::start().await;
    let user = Command::new("id").arg("-u").output().await.unwrap().stdout;
    assert_eq!(
        agent.hello.uid.to_string(),
        String::from_utf8(user).unwrap().trim()
    );
}

#[tokio::test]
async fn the_agent_ends_with_status_0_when_the_connection_is_dropped() {
    let mut agent = TestAgent::start().await;
    let clone = agent.connection.clone();
    let end = agent.connection.watch_end();
    drop(agent.connection);
    clone
        .request(Request::Signal {
            pid: 1 << 30,
            signal: 0,
        })
        .await
        .unwrap();
    drop(clone);
    let status = timeout(PATIENCE, agent.child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success());
    assert!(matches!(
        timeout(PATIENCE, end).await.unwrap(),
        SyncError::Gone(_)
    ));
}

#[tokio::test]
async fn commands_that_still_run_end_with_the_connection() {
    let mut agent = TestAgent::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The connection is open for as long as the command lives.
    let line = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; sleep 600");
    let argv = ["bash", "-c", &line].map(str::to_owned).to_vec();
    let running = agent
        .connection
        .send(&Request::Run {
            argv,
            timeout_ms: 600_000,
        })
        .await
        .unwrap();
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    drop((agent.connection, running));
    timeout(PATIENCE, agent.child.wait())
        .await
        .unwrap()
        .unwrap();
    let end = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[tokio::test]
async fn whoever_waits_learns_that_the_agent_is_gone() {
    let mut agent = TestAgent::start().await;
    let waiting = agent
        .connection
        .send(&sh("sleep 600", 600_000))
        .await
        .unwrap();
    let closed = agent.connection.watch_end();
    agent.child.start_kill().unwrap();
    assert!(matches!(
        timeout(PATIENCE, closed).await.unwrap(),
        SyncError::Gone(_)
    ));
    assert!(matches!(
        timeout(PATIENCE, waiting).await.unwrap(),
        Err(SyncError::Gone(_))
    ));
    let after = agent.connection.request(sh("true", 1_000)).await;
    assert!(matches!(after, Err(SyncError::Gone(_))));
}

#[tokio::test]
async fn answers_find_their_requests_whatever_their_order() {
    let agent = TestAgent::start().await;
    let mut answers = Vec::new();
    for number in 0..30 {
        let line = format!("sleep 0.{}; echo {number}", (30 - number) % 7);
        answers.push(agent.connection.send(&sh(&line, 20_000)).await.unwrap());
    }
    // One that nobody waits for any more disturbs none.
    drop(
        agent
            .connection
            .send(&sh("echo lost", 20_000))
            .await
            .unwrap(),
    );
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = (0, format!("{number}\n"));
        assert_eq!(code_and_output(answer.await.unwrap()), expected);
    }
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_and_file_work_does_not_wait_for_it() {
    let agent = TestAgent::start().await;
    agent.save("a", "1");
    let slow = agent
        .connection
        .send(&sh("echo begun; sleep 600", 300))
        .await
        .unwrap();
    let root = agent.tree.to.clone();
    let inspect = Request::Inspect {
        root,
        paths: vec![b"a".to_vec()],
    };
    let quick = agent.connection.request(inspect).await.unwrap();
    assert_eq!(quick, Response::Entries(vec![Entry::Absent]));
    let slow = timeout(PATIENCE, slow).await.unwrap().unwrap();
    assert_eq!(code_and_output(slow), (124, "begun\n".into()));
}

#[tokio::test]
async fn probes_ask_the_servers_of_the_same_machine() {
    let agent = TestAgent::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1024];
            if stream.read(&mut head).await.unwrap() > 0 {
                let answer = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 8\r\n\r\nno redis";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    let tcp = Request::Tcp {
        port,
        timeout_ms: 5_000,
    };
    assert_eq!(
        code_and_output(agent.connection.request(tcp.clone()).await.unwrap()).0,
        0
    );
    let http = Request::Http {
        url: format!("http://localhost:{port}/"),
        timeout_ms: 5_000,
    };
    let answer = agent.connection.request(http).await.unwrap();
    assert_eq!(
        code_and_output(answer),
        (1, "HTTP/1.1 503 Unavailable\nno redis".into())
    );
    server.abort();
    assert!(server.await.is_err());
    let answer = agent.connection.request(tcp).await.unwrap();
    assert_eq!(code_and_output(answer).0, 1);
}

#[tokio::test]
async fn as_a_health_check_it_ends_with_0_or_1() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let probe = |words: [&str; 4]| Command::new(PROGRAM).args(words).output();
    let good = probe(["probe", "tcp", &port, "2000"]).await.unwrap();
    assert_eq!(good.status.code(), Some(0));
    drop(listener);
    let bad = probe(["probe", "tcp", &port, "2000"]).await.unwrap();
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8(bad.stdout).unwrap().contains(&port));
    let bad = probe(["probe", "http", "http://localhost:1/", "2000"])
        .await
        .unwrap();
    assert_eq!(bad.status.code(), Some(1));
}

#[tokio::test]
async fn a_signal_reaches_its_process() {
    let agent = TestAgent::start().await;
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let request = Request::Signal {
        pid: child.id().unwrap(),
        signal: 15,
    };
    assert_eq!(
        agent.connection.request(request).await.unwrap(),
        Response::Done
    );
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15)
    );
    for pid in [0, u32::MAX] {
        let refused = agent
            .connection
            .request(Request::Signal { pid, signal: 0 })
            .await
            .unwrap();
        assert!(matches!(refused, Response::Refused { .. }));
    }
}

#[tokio::test]
async fn what_the_engine_says_in_place_of_an_agent_is_shown() {
    let mut child = Command::new("sh")
        .args(["-c", "echo 'OCI runtime exec failed: exec format error'"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdout, stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let error = AgentConnection::start(stdout, stdin).await.unwrap_err();
    assert!(error.to_string().contains("exec format error"), "{error}");
    child.wait().await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_too_large_is_an_error_of_its_own() {
    let agent = TestAgent::start().await;
    let data = vec![0; devrun_wire::frames::MAX_FRAME];
    let root = agent.tree.to.clone();
    let request = Request::Write {
        root,
        path: b"x".to_vec(),
        mode: 0o644,
        data,
        last: true,
    };
    let error = agent.connection.request(request).await.unwrap_err();
    assert!(matches!(error, SyncError::Request(_)));
    assert_eq!(
        code_and_output(agent.connection.request(sh("true", 9_000)).await.unwrap()).0,
        0
    );
}
