mod real;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use devrun_core::effect::{PutFile, RouteState};
use devrun_core::event::Failure;
use devrun_core::routes::CONFIG_PATH;
use devrun_stack::Content;

use super::error::ProxyError;
use super::*;

const OLD: &str = "answers 1";
const NEW: &str = "answers 2";
const URL: &str = "http://127.0.0.1:8080/.devrun/generation";

/// A container with an nginx that answers what its file says at the last reload.
struct Fake {
    files: Mutex<BTreeMap<String, String>>,
    running: Mutex<String>,
    steps: Mutex<Vec<String>>,
    refuses: Option<&'static str>,
    /// So many times it does not reload when it is told.
    ignores: Mutex<u32>,
    /// So many questions come before it listens.
    silent: Mutex<u32>,
    asked: Mutex<u32>,
}

impl Fake {
    fn new() -> Fake {
        Fake {
            files: Mutex::new(BTreeMap::from([(CONFIG_PATH.into(), OLD.into())])),
            running: Mutex::new(OLD.into()),
            steps: Mutex::new(Vec::new()),
            refuses: None,
            ignores: Mutex::new(0),
            silent: Mutex::new(0),
            asked: Mutex::new(0),
        }
    }

    fn step(&self, step: String) {
        self.steps.lock().unwrap().push(step);
    }

    fn steps(&self) -> Vec<String> {
        self.steps.lock().unwrap().clone()
    }

    fn names(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }

    fn file(&self, path: &str) -> Option<String> {
        self.files.lock().unwrap().get(path).cloned()
    }

    fn command(&self, argv: &[&str]) -> Ran {
        let mut files = self.files.lock().unwrap();
        let mut output = String::new();
        match argv {
            ["nginx", "-t", "-q", "-c", path] => {
                assert!(files.contains_key(*path));
                output = self.refuses.unwrap_or_default().to_owned();
            }
            ["cp", "-p", from, to] => {
                let content = files[*from].clone();
                files.insert((*to).into(), content);
            }
            ["mv", "-f", from, to] => {
                let content = files.remove(*from).unwrap();
                files.insert((*to).into(), content);
            }
            ["nginx", "-s", "reload"] if *self.ignores.lock().unwrap() > 0 => {
                *self.ignores.lock().unwrap() -= 1;
            }
            ["nginx", "-s", "reload"] => {
                *self.running.lock().unwrap() = files[CONFIG_PATH].clone();
            }
            other => panic!("no such command: {other:?}"),
        }
        Ran {
            code: i32::from(!output.is_empty()),
            output,
        }
    }
}

impl Inside for Fake {
    async fn write(&self, path: &str, content: &str, mode: u32) -> Result<(), InsideError> {
        let wanted = if path.ends_with(".pem") { 0o600 } else { 0o644 };
        assert_eq!(mode, wanted, "nginx's workers have to be able to read it");
        self.step(format!("write {path}"));
        let mut files = self.files.lock().unwrap();
        files.insert(path.into(), content.into());
        Ok(())
    }

    async fn remove(&self, path: &str) -> Result<(), InsideError> {
        self.step(format!("remove {path}"));
        self.files.lock().unwrap().remove(path);
        Ok(())
    }

    async fn run(&self, argv: &[&str], _: Duration) -> Result<Ran, InsideError> {
        self.step(argv.join(" "));
        Ok(self.command(argv))
    }

    async fn arrange(&self, argv: &[&str], timeout: Duration) -> Result<Ran, InsideError> {
        assert_ne!(argv[0], "nginx", "it is the container's user's");
        self.run(argv, timeout).await
    }

    async fn http(&self, url: &str, _: Duration) -> Result<Ran, InsideError> {
        assert_eq!(url, URL);
        *self.asked.lock().unwrap() += 1;
        let mut silent = self.silent.lock().unwrap();
        if *silent > 0 {
            *silent -= 1;
            let output = format!("{url}: Connection refused");
            return Ok(Ran { code: 1, output });
        }
        let running = self.running.lock().unwrap();
        let output = running.replace("answers ", "HTTP/1.1 200 OK\n");
        Ok(Ran { code: 0, output })
    }
}

#[tokio::test]
async fn a_new_configuration_is_tested_before_it_replaces_the_old_one_and_leaves_nothing_beside() {
    let inside = Fake::new();
    assert_eq!(apply_config(&inside, NEW, None, 2, URL).await, Ok(2));
    assert_eq!(inside.file(CONFIG_PATH).as_deref(), Some(NEW));
    assert_eq!(inside.names(), [CONFIG_PATH]);
    let steps = inside.steps();
    let place = |start: &str| steps.iter().position(|step| step.starts_with(start));
    assert!(place("nginx -t") < place("mv"), "{steps:?}");
    assert!(place("mv") < place("nginx -s reload"), "{steps:?}");
}

#[tokio::test]
async fn a_certificate_is_there_when_its_configuration_is_tested() {
    let inside = Fake::new();
    let certificate = PutFile {
        path: "/run/devrun/tls.pem".into(),
        content: Content(b"key".to_vec()),
        mode: 0o600,
        for_user: true,
        below: "/".into(),
    };
    let applied = apply_config(&inside, NEW, Some(certificate), 2, URL).await;
    assert_eq!(applied, Ok(2));
    assert_eq!(inside.file("/run/devrun/tls.pem").as_deref(), Some("key"));
    assert_eq!(inside.steps()[0], "write /run/devrun/tls.pem");
}

#[tokio::test]
async fn what_nginx_refuses_is_never_in_place() {
    let mut inside = Fake::new();
    inside.refuses = Some("nginx: [emerg] host not found in upstream \"nowhere\"");
    let refused = apply_config(&inside, NEW, None, 2, URL).await.unwrap_err();
    assert!(!inside.steps().iter().any(|step| step.contains("reload")));
    assert_eq!(inside.names(), [CONFIG_PATH]);
    assert_eq!(inside.file(CONFIG_PATH).as_deref(), Some(OLD));
    let failure = Failure::from(refused);
    assert_eq!(failure.message, "nginx does not accept the configuration");
    assert_eq!(
        failure.details,
        ["[emerg] host not found in upstream \"nowhere\""]
    );
}

#[tokio::test(start_paused = true)]
async fn where_nginx_does_not_take_it_the_old_configuration_comes_back() {
    let inside = Fake::new();
    *inside.ignores.lock().unwrap() = 2;
    let error = apply_config(&inside, NEW, None, 2, URL).await.unwrap_err();
    assert_eq!(
        error,
        ProxyError::NotTaken {
            generation: 2,
            seconds: 6,
            answer: "HTTP/1.1 200 OK\n1".into()
        }
    );
    assert_eq!(inside.names(), [CONFIG_PATH]);
    assert_eq!(inside.file(CONFIG_PATH).as_deref(), Some(OLD));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_did_not_take_is_asked_for_again() {
    let inside = Fake::new();
    *inside.ignores.lock().unwrap() = 1;
    assert_eq!(apply_config(&inside, NEW, None, 2, URL).await, Ok(2));
    assert_eq!(inside.names(), [CONFIG_PATH]);
    assert_eq!(*inside.running.lock().unwrap(), NEW);
}

#[tokio::test]
async fn a_process_that_has_begun_with_it_is_asked_once() {
    let inside = Fake::new();
    assert_eq!(begun_otherwise(&inside, 1, URL).await, Ok(None));
    assert_eq!(*inside.asked.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_begun_with_another_one_is_told_by_its_answer() {
    let inside = Fake::new();
    let said = begun_otherwise(&inside, 2, URL).await;
    assert_eq!(said, Ok(Some("HTTP/1.1 200 OK 1".to_owned())));
    assert!(
        *inside.asked.lock().unwrap() < 6,
        "it may log each question"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_listen_yet_is_waited_for() {
    let inside = Fake::new();
    *inside.silent.lock().unwrap() = 200;
    assert_eq!(begun_otherwise(&inside, 1, URL).await, Ok(None));
    *inside.silent.lock().unwrap() = 2_000;
    let said = begun_otherwise(&inside, 1, URL).await.unwrap().unwrap();
    assert!(said.ends_with("Connection refused"), "{said}");
}

fn state(ready: bool) -> RouteState {
    RouteState {
        service: "backend".into(),
        ready,
        state: if ready { "ready" } else { "starting" },
        reason: String::new(),
        lines: Vec::new(),
        hold: Duration::ZERO,
        containers: Vec::new(),
        doubled: false,
    }
}

#[tokio::test]
async fn a_switch_and_back_leaves_the_files_of_the_last_state_only() {
    let inside = Fake::new();
    apply_states(&inside, &[], &[state(false)]).await.unwrap();
    let waiting = inside.names();
    assert!(waiting.contains(&"/run/devrun/state/backend.starting".into()));
    apply_states(&inside, &[state(false)], &[state(true)])
        .await
        .unwrap();
    assert_eq!(
        inside.steps().last().map(String::as_str),
        Some("write /run/devrun/ready/backend")
    );
    apply_states(&inside, &[state(true)], &[state(false)])
        .await
        .unwrap();
    assert_eq!(inside.names(), waiting);
}
