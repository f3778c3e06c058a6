use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};

use super::{Dockerfile, Progress, StepState};

fn progress() -> Progress {
    Progress::new(Dockerfile::parse("FROM base\nRUN make\n"))
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn vertex(from: i64, to: Option<i64>) -> Vertex {
    Vertex {
        digest: "make".into(),
        name: "[2/2] RUN make".into(),
        started: at(from),
        completed: to.and_then(at),
        ..Vertex::default()
    }
}

fn log(text: &str) -> VertexLog {
    VertexLog {
        vertex: "make".into(),
        msg: text.into(),
        ..VertexLog::default()
    }
}

fn report(vertexes: Vec<Vertex>, logs: Vec<VertexLog>) -> StatusResponse {
    StatusResponse {
        vertexes,
        logs,
        ..StatusResponse::default()
    }
}

fn states(progress: &mut Progress, report: StatusResponse) -> Vec<StepState> {
    let news = progress.absorb(report);
    news.into_iter().map(|step| step.state).collect()
}

fn output(text: &str) -> StepState {
    StepState::Output(text.into())
}

#[test]
fn a_step_begins_once_writes_whole_lines_and_ends_once() {
    let mut progress = progress();
    let news = progress.absorb(report(vec![vertex(1, None)], vec![]));
    assert_eq!((&*news[0].name, news[0].line), ("[2/2] RUN make", Some(2)));
    assert_eq!(news[0].state, StepState::Started);

    let more = report(vec![vertex(1, None)], vec![log("one\ntw")]);
    assert_eq!(states(&mut progress, more), [output("one")]);

    let end = report(vec![vertex(1, Some(4))], vec![log("o\r\n 5%\r10%\nrest")]);
    let took = Duration::from_secs(3);
    assert_eq!(
        states(&mut progress, end.clone()),
        [
            output("two"),
            output("10%"),
            output("rest"),
            StepState::Done { took }
        ]
    );
    assert_eq!(states(&mut progress, report(end.vertexes, vec![])), []);
    assert_eq!(progress.failed_step(), None);
}

#[test]
fn a_cached_step_only_ends() {
    let mut cached = vertex(1, Some(1));
    cached.cached = true;
    let news = progress().absorb(report(vec![cached], vec![]));
    assert_eq!(news.len(), 1);
    assert!(news[0].cached);
}

#[test]
fn the_step_that_failed_is_not_one_that_was_cancelled_for_it() {
    let mut progress = progress();
    let mut other = vertex(1, Some(2));
    other.digest = "other".into();
    other.error = "rpc error: context canceled".into();
    let mut failed = vertex(1, Some(2));
    failed.error = "exit code: 2".into();
    let lines: String = (0..100).map(|n| format!("{n}\n")).collect();
    progress.absorb(report(vec![other, failed], vec![log(&lines)]));
    let step = progress.failed_step().unwrap();
    assert_eq!((step.name.as_str(), step.line), ("[2/2] RUN make", Some(2)));
    assert_eq!(step.message, "exit code: 2");
    assert_eq!(step.output.first().unwrap(), "60");
    assert_eq!(step.output.last().unwrap(), "99");

    progress.absorb(report(vec![], vec![log("late")]));
    let step = progress.failed_step().unwrap();
    assert_eq!(step.output.last().unwrap(), "late");
}
