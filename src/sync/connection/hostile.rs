//! Ends of a conversation that do not speak as they should: nobody waits for ever, nothing breaks.

use std::process::Stdio;
use std::time::Duration;

use devrun_wire::codec::{self, Frame};
use devrun_wire::frames::{MAX_FRAME, Request, Response, VERSION};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::process::Command;
use tokio::time::timeout;

use super::{AgentConnection, SyncError};
use crate::sync::test_agent::PROGRAM;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn hello(version: u32) -> Response {
    Response::Hello {
        version,
        uid: 0,
        gid: 0,
        pid1_catches: 0,
        pid1_is_init: false,
    }
}

fn frame(number: u32, frame: &impl Frame) -> Vec<u8> {
    codec::encode(number, frame).unwrap()
}

/// A conversation whose other end is in the test's hands, greeted already.
async fn greeted() -> (AgentConnection, DuplexStream) {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let (reader, writer) = tokio::io::split(near);
    far.write_all(&frame(0, &hello(VERSION))).await.unwrap();
    let (connection, _) = AgentConnection::start(reader, writer).await.unwrap();
    (connection, far)
}

fn look() -> Request {
    Request::Inspect {
        root: "/".to_owned(),
        paths: vec![b"a".to_vec()],
    }
}

#[tokio::test]
async fn nonsense_and_frames_that_are_too_large_end_the_conversation_for_all_who_wait() {
    let too_large = u32::try_from(MAX_FRAME + 1).unwrap().to_le_bytes().to_vec();
    let unknown = [5, 0, 0, 0, 250, 1, 0, 0, 0].to_vec();
    let cut_off = frame(1, &Response::Done)[..7].to_vec();
    for said in [
        b"\xff\xff\xff\xffnonsense".to_vec(),
        too_large,
        unknown,
        cut_off,
    ] {
        let (connection, mut far) = greeted().await;
        let waits = connection.send(&look()).await.unwrap();
        far.write_all(&said).await.unwrap();
        far.shutdown().await.unwrap();
        let end = timeout(PATIENCE, waits).await.unwrap().unwrap_err();
        assert!(matches!(end, SyncError::Gone(_)), "{end}");
        let late = connection.request(look()).await.unwrap_err();
        assert!(matches!(late, SyncError::Gone(_)), "{late}");
    }
}

#[tokio::test]
async fn answers_that_nobody_asked_for_that_come_twice_or_too_late_are_passed_over() {
    let (connection, mut far) = greeted().await;
    let first = connection.send(&look()).await.unwrap();
    let given_up = connection.send(&look()).await.unwrap();
    drop(given_up);
    let second = connection.send(&look()).await.unwrap();
    for number in [99, 1, 1, 2, 3] {
        far.write_all(&frame(number, &Response::Done))
            .await
            .unwrap();
    }
    assert_eq!(first.await.unwrap(), Response::Done);
    assert_eq!(second.await.unwrap(), Response::Done);
    let third = connection.send(&look()).await.unwrap();
    far.write_all(&frame(1, &Response::Done)).await.unwrap();
    let entries = Response::Entries(Vec::new());
    far.write_all(&frame(4, &entries)).await.unwrap();
    assert_eq!(third.await.unwrap(), entries);
}

#[tokio::test]
async fn who_greets_in_another_version_or_with_something_else_is_no_agent() {
    for greeting in [
        hello(VERSION + 1),
        Response::Done,
        Response::Entries(Vec::new()),
    ] {
        let (near, mut far) = tokio::io::duplex(1 << 10);
        let (reader, writer) = tokio::io::split(near);
        far.write_all(&frame(0, &greeting)).await.unwrap();
        let error = AgentConnection::start(reader, writer).await.unwrap_err();
        assert!(matches!(error, SyncError::NotAnAgent(_)), "{error}");
    }
}

/// The agent's answers and exit code for these bytes.
async fn told(bytes: &[u8]) -> (Vec<Response>, Option<i32>) {
    let mut child = Command::new(PROGRAM)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // An agent that has had enough does not listen to the end.
    let _ = stdin.write_all(bytes).await;
    drop(stdin);
    let mut said = Vec::new();
    timeout(PATIENCE, stdout.read_to_end(&mut said))
        .await
        .unwrap()
        .unwrap();
    let code = timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap()
        .code();
    let mut decoder = codec::Decoder::default();
    decoder.feed(&said);
    let mut answers = Vec::new();
    while let Some((_, answer)) = decoder.take().unwrap() {
        answers.push(answer);
    }
    (answers, code)
}

#[tokio::test]
async fn the_agent_refuses_other_versions_and_whoever_does_not_greet() {
    for first in [
        Request::Hello {
            version: VERSION + 1,
        },
        look(),
    ] {
        let (answers, code) = told(&frame(0, &first)).await;
        assert!(
            matches!(answers[..], [Response::Refused { .. }]),
            "{answers:?}"
        );
        assert_eq!(code, Some(0));
    }
    assert_eq!(told(b"").await, (Vec::new(), Some(0)));
}

#[tokio::test]
async fn the_agent_passes_over_what_it_does_not_know_and_ends_where_frames_end() {
    let greeting = frame(0, &Request::Hello { version: VERSION });
    let unknown = [5, 0, 0, 0, 250, 7, 0, 0, 0];
    let known = frame(8, &look());
    let (answers, code) = told(&[&greeting, &unknown[..], &known].concat()).await;
    assert!(
        matches!(
            answers[..],
            [
                Response::Hello { .. },
                Response::Refused { .. },
                Response::Entries(_)
            ]
        ),
        "{answers:?}"
    );
    assert_eq!(code, Some(0));
    let too_large = u32::try_from(MAX_FRAME + 1).unwrap().to_le_bytes();
    for broken in [&known[..known.len() - 1], &known[..3], &too_large[..]] {
        let (answers, code) = told(&[&greeting, broken].concat()).await;
        assert!(
            matches!(answers[..], [Response::Hello { .. }]),
            "{answers:?}"
        );
        assert_eq!(code, Some(1), "it says that something was wrong");
    }
}
