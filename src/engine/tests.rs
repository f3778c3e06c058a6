//! On the real engine. Each test has a stack of its own, named after its process, and an image
//! made of a static busybox; all of it goes away with [`kit::Stage`].

pub(super) mod kit;

use std::time::Duration;

use devrun_core::observed::{Happened, Observed};
use devrun_core::spec::{ContainerState, Health, HealthSpec, PortSpec};
use devrun_stack::{Mount, MountSource};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::archive::{PathKind, PathStat};
use super::ports::PortHolder;
use super::volumes::VolumeUser;
use super::*;
use kit::{Stage, argv};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_container_lives_and_dies_as_declared() {
    let stage = Stage::set("life").await;
    let engine = &stage.engine;
    let mut spec = stage.spec("web", "trap 'exit 7' TERM; sleep 100 & wait");
    spec.environment.insert("GREETING".into(), "hello".into());
    spec.limits.memory = Some(64 << 20);
    spec.networks[0].aliases = vec!["web".into()];
    let created = engine.create(&spec, None).await.unwrap();
    let before = engine.inspect(&created.id).await.unwrap().unwrap();
    assert_eq!(
        (before.state, before.exit_code),
        (ContainerState::Created, None)
    );

    engine.start(&created.id).await.unwrap();
    let seen = engine.snapshot(&stage.stack).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].state, seen[0].service()),
        (ContainerState::Running, "web")
    );

    let said = engine
        .exec_run(&created.id, &argv("sh -c", "echo $GREETING; exit 3"), LIMIT)
        .await
        .unwrap();
    assert_eq!((said.code, said.output.as_str()), (3, "hello"));

    engine
        .stop(&created.id, Duration::from_secs(10))
        .await
        .unwrap();
    let after = engine.inspect(&created.id).await.unwrap().unwrap();
    assert_eq!(
        (after.state, after.exit_code),
        (ContainerState::Exited, Some(7))
    );
    engine.remove(&created.id, false).await.unwrap();
    engine.remove(&created.id, false).await.unwrap();
    assert_eq!(engine.inspect(&created.id).await.unwrap(), None);
}

#[tokio::test]
async fn what_goes_in_comes_out_and_errors_stay_apart() {
    let stage = Stage::set("exec").await;
    let id = stage.running("web").await;
    let mut exec = stage
        .engine
        .exec_stream(&id, &argv("sh -c", "echo oops >&2; cat"), None)
        .await
        .unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    let writing = async {
        exec.stdin.write_all(&sent).await.unwrap();
        exec.stdin.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let reading = async { exec.stdout.read_to_end(&mut received).await.unwrap() };
    tokio::join!(writing, reading);
    assert!(
        received == sent,
        "{} of {} bytes came back",
        received.len(),
        sent.len()
    );
    assert_eq!(exec.stderr.text(), "oops");
}

#[tokio::test]
async fn a_command_that_is_not_there_ends_as_a_shell_says_it() {
    let stage = Stage::set("absent").await;
    let id = stage.running("web").await;
    let outcome = stage
        .engine
        .exec_run(&id, &["no-such-program".into()], LIMIT)
        .await
        .unwrap();
    assert!([126, 127].contains(&outcome.code), "{outcome:?}");
    let late = stage
        .engine
        .exec_run(&id, &argv("sleep", "100"), Duration::from_millis(200))
        .await
        .unwrap();
    assert!(late.timed_out);
}

#[tokio::test]
async fn files_go_in_before_the_start_and_come_out_again() {
    let stage = Stage::set("archive").await;
    let id = stage
        .engine
        .create(&stage.spec("web", "cat /tmp/note"), None)
        .await
        .unwrap()
        .id;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o640);
    tar.append_data(&mut header, "note", &b"hello"[..]).unwrap();
    stage
        .engine
        .upload_tar_bytes(&id, "/tmp", tar.into_inner().unwrap())
        .await
        .unwrap();
    let stat = stage.engine.stat(&id, "/tmp/note").await.unwrap();
    assert_eq!(
        stat,
        Some(PathStat {
            size: 5,
            mode: 0o640,
            kind: PathKind::Other,
        })
    );
    assert_eq!(stage.engine.stat(&id, "/tmp/other").await.unwrap(), None);

    stage.engine.start(&id).await.unwrap();
    assert_eq!(stage.engine.wait(&id).await.unwrap(), 0);
    let mut log = stage.engine.logs(&id, LogOptions::default());
    let text = log.next().await.unwrap().unwrap().text;
    assert_eq!(text, "hello");
}

#[tokio::test]
async fn events_follow_the_picture_without_a_gap() {
    let stage = Stage::set("events").await;
    let mut events = stage.engine.events(&stage.stack);
    assert_eq!(
        events.recv().await,
        Some(Observed::Connected {
            containers: Vec::new(),
            capacity: stage.engine.version().await.unwrap().capacity(),
        })
    );
    let id = stage.running("web").await;
    stage.engine.stop(&id, Duration::ZERO).await.unwrap();
    stage.engine.start(&id).await.unwrap();
    stage.engine.kill(&id, "KILL").await.unwrap();
    stage.engine.wait(&id).await.unwrap();
    stage.engine.discard(&id).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&Happened::Removed) {
        match tokio::time::timeout(LIMIT, events.recv()).await.unwrap() {
            Some(Observed::Container {
                id: of,
                service,
                what,
                time_ns,
            }) => {
                assert_eq!((of.as_str(), service.as_str()), (id.as_str(), "web"));
                assert!(time_ns > 0);
                seen.push(what);
            }
            other => panic!("{other:?} after {seen:?}"),
        }
    }
    let exited = Happened::Exited { code: 137 };
    let stopped = [Happened::Started, exited, Happened::StoppedByHand];
    assert_eq!(
        seen,
        [
            &stopped[..],
            &[Happened::Started, exited, Happened::Removed]
        ]
        .concat()
    );
}

#[tokio::test]
async fn after_a_break_there_is_a_new_picture() {
    let stage = Stage::set("break").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let relay = kit::relay(&stage.engine, &socket);
    let located = Located {
        endpoint: Endpoint::Unix(socket.clone()),
        origin: "the test".into(),
    };
    let engine = Engine::connect_to(located).await.unwrap();
    let mut events = engine.events(&stage.stack);
    assert_eq!(
        events.recv().await,
        Some(Observed::Connected {
            containers: Vec::new(),
            capacity: stage.engine.version().await.unwrap().capacity(),
        })
    );

    relay.abort();
    assert!(matches!(
        events.recv().await,
        Some(Observed::Disconnected { .. })
    ));
    let id = stage.running("web").await;
    std::fs::remove_file(&socket).unwrap();
    let _relay = kit::relay(&stage.engine, &socket);
    let next = tokio::time::timeout(LIMIT, events.recv()).await.unwrap();
    let Some(Observed::Connected { containers, .. }) = next else {
        panic!("{next:?}")
    };
    assert_eq!(
        containers
            .iter()
            .map(|container| &container.id)
            .collect::<Vec<_>>(),
        [&id]
    );
}

#[tokio::test]
async fn where_no_engine_is_the_error_says_where_it_was_looked_for() {
    let located = Located {
        endpoint: Endpoint::Unix("/nowhere/engine.sock".into()),
        origin: "DOCKER_HOST".into(),
    };
    let error = Engine::connect_to(located).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("unix:///nowhere/engine.sock (DOCKER_HOST)"),
        "{text}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("systemctl start docker"))
    );
}

/// Time passes by itself where everybody waits.
#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let _silent = tokio::net::UnixListener::bind(&socket).unwrap();
    let located = Located {
        endpoint: Endpoint::Unix(socket),
        origin: "DOCKER_HOST".into(),
    };
    let error = Engine::connect_to(located).await.unwrap_err().to_string();
    assert!(error.ends_with("no answer within 30 s"), "{error}");
}

#[tokio::test]
async fn lines_come_with_their_time_their_output_and_whole() {
    let stage = Stage::set("logs").await;
    let line = "echo one; echo two >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; echo end";
    let id = stage
        .engine
        .create(&stage.spec("web", line), None)
        .await
        .unwrap()
        .id;
    stage.engine.start(&id).await.unwrap();
    let follow = LogOptions {
        follow: true,
        ..Default::default()
    };
    let lines: Vec<LogLine> = stage
        .engine
        .logs(&id, follow)
        .map(|line| line.unwrap())
        .collect()
        .await;
    let of = |stream| lines.iter().filter(move |line| line.stream == stream);
    let long = "x".repeat(40000);
    assert!(
        of(LogStream::Stdout)
            .map(|line| &line.text)
            .eq(["one", &long, "end"])
    );
    assert!(of(LogStream::Stderr).map(|line| &line.text).eq(["two"]));

    let end = of(LogStream::Stdout).next_back().unwrap().time;
    let since = LogOptions {
        since: Some(end),
        ..Default::default()
    };
    let late = lines.iter().filter(|line| line.time >= end).count();
    assert_eq!(stage.engine.logs(&id, since).count().await, late);
}

#[tokio::test]
async fn the_engine_s_own_health_check_is_told() {
    let stage = Stage::set("health").await;
    let mut events = stage.engine.events(&stage.stack);
    let mut spec = stage.spec("web", "sleep 100");
    spec.healthcheck = Some(HealthSpec {
        test: vec!["CMD".into(), "echo".into()],
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(10),
        retries: 3,
        start_period: Duration::ZERO,
    });
    let id = stage.engine.create(&spec, None).await.unwrap().id;
    stage.engine.start(&id).await.unwrap();
    let healthy = async {
        while let Some(event) = events.recv().await {
            let what = Happened::Health(Health::Healthy);
            if matches!(event, Observed::Container { what: seen, .. } if seen == what) {
                return stage.engine.inspect(&id).await.unwrap().unwrap().health;
            }
        }
        None
    };
    assert_eq!(
        tokio::time::timeout(LIMIT, healthy).await.unwrap(),
        Some(Health::Healthy)
    );
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_holder() {
    let stage = Stage::set("port").await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut spec = stage.spec("web", "sleep 100");
    spec.ports = vec![PortSpec {
        bind: "127.0.0.1".into(),
        host: port,
        container: 80,
        protocol: "tcp".into(),
    }];
    let id = stage.engine.create(&spec, None).await.unwrap().id;
    assert_eq!(
        stage.engine.start(&id).await,
        Err(EngineError::PortTaken { port })
    );
    let holder = stage.engine.port_holder(port).await.unwrap();
    assert!(
        matches!(holder, Some(PortHolder::Process { pid, .. }) if pid == std::process::id()),
        "{holder:?}"
    );

    drop(listener);
    stage.engine.start(&id).await.unwrap();
    let holder = stage.engine.port_holder(port).await.unwrap().unwrap();
    assert_eq!(
        holder.to_string(),
        format!("the container {} of the stack {}", spec.name, stage.stack)
    );
    assert_eq!(
        stage.engine.inspect(&id).await.unwrap().unwrap().ports,
        spec.ports
    );
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let stage = Stage::set("errors").await;
    let id = stage.running("web").await;
    let again = stage
        .engine
        .create(&stage.spec("web", "sleep 100"), None)
        .await
        .unwrap_err();
    assert!(
        matches!(again, EngineError::NameTaken { name, .. } if name == format!("{}-web", stage.stack))
    );
    let mut spec = stage.spec("other", "sleep 100");
    spec.image = "devrun-enginetest-absent:1".into();
    spec.image_id = String::new();
    let missing = stage.engine.create(&spec, None).await.unwrap_err();
    assert_eq!(missing, EngineError::ImageMissing { image: spec.image });
    let network = stage
        .engine
        .ensure_network(&kit::network(&stage.stack), &stage.labels(""))
        .await
        .unwrap();
    assert!(matches!(network, Found::Existing(labels) if labels == stage.labels("")));

    stage.engine.stop(&id, Duration::ZERO).await.unwrap();
    let refused = stage
        .engine
        .exec_run(&id, &argv("echo", "hi"), LIMIT)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::NotRunning { .. }),
        "{refused:?}"
    );
    assert!(
        stage
            .engine
            .start("no-such-container")
            .await
            .unwrap_err()
            .is_absent()
    );
}

#[tokio::test]
async fn who_writes_a_volume_is_known_and_it_is_not_removed_under_them() {
    let stage = Stage::set("volume").await;
    let volume = format!("{}-data", stage.stack);
    assert_eq!(
        stage
            .engine
            .ensure_volume(&volume, &stage.labels(""))
            .await
            .unwrap(),
        Found::Made
    );
    let mut spec = stage.spec("web", "sleep 100");
    spec.mounts = vec![Mount {
        source: MountSource::Volume(volume.clone()),
        target: "/data".into(),
        read_only: false,
        at: devrun_stack::Location::default(),
    }];
    let id = stage.engine.create(&spec, None).await.unwrap().id;
    assert_eq!(stage.engine.volume_users(&volume).await.unwrap(), []);
    stage.engine.start(&id).await.unwrap();
    let user = VolumeUser {
        container: spec.name.clone(),
        stack: stage.stack.clone(),
        writable: true,
    };
    assert_eq!(stage.engine.volume_users(&volume).await.unwrap(), [user]);
    let error = stage.engine.remove_volume(&volume).await.unwrap_err();
    assert!(matches!(error, EngineError::InUse { users, .. } if users == [spec.name]));
    stage.engine.discard(&id).await.unwrap();
    stage.engine.remove_volume(&volume).await.unwrap();
    stage.engine.remove_volume(&volume).await.unwrap();
}

#[tokio::test]
async fn two_sessions_at_once_fill_the_agent_s_volume_once() {
    let stage = Stage::set("agent").await;
    let binary = format!("#!/bin/sh\necho {}\n", stage.stack);
    let size = binary.len() as u64;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o755);
    tar.append_data(&mut header, "agent", binary.as_bytes())
        .unwrap();
    let tar = tar.into_inner().unwrap();
    let agent = PackedAgent { tar: &tar, size };
    let ensure = || stage.engine.ensure_agent_volume(agent, &stage.image);
    let (one, two) = tokio::join!(ensure(), ensure());
    let volume = one.unwrap();
    stage.also_remove(&volume);
    assert_eq!(two.unwrap(), volume);
    let id = stage
        .engine
        .create(&stage.spec("web", "sleep 100"), Some(&volume))
        .await
        .unwrap()
        .id;
    stage.engine.start(&id).await.unwrap();
    let said = stage
        .engine
        .exec_run(&id, &["/.devrun/agent".into()], LIMIT)
        .await
        .unwrap();
    assert_eq!((said.code, said.output), (0, stage.stack.clone()));
    let refused = stage
        .engine
        .exec_run(&id, &argv("sh -c", "echo > /.devrun/agent"), LIMIT)
        .await
        .unwrap();
    assert_ne!(refused.code, 0);
}
