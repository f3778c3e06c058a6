//! Builds on the real engine, from a base image that `cargo xtask test` has put there.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use super::super::{
    BuildError, BuildRequest, Connection, Endpoint, SecretSource, Step, StepState, build,
};
use super::{Built, Failure};

mod chosen;

const BASE: &str = "python:3.13-slim";

/// A project and the image built from it; both go at the end.
struct Project {
    dir: tempfile::TempDir,
    request: BuildRequest,
    images: Mutex<Vec<String>>,
}

impl Project {
    fn new(name: &str, dockerfile: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let context = dir.path().join("context");
        fs::create_dir(&context).unwrap();
        let project = Self {
            request: BuildRequest {
                platform: None,
                dockerfile: dir.path().join("Dockerfile"),
                context,
                target: None,
                args: BTreeMap::new(),
                tag: format!("devrun-test-{name}-{}:1", std::process::id()),
                labels: BTreeMap::new(),
                secrets: BTreeMap::new(),
                ssh: BTreeMap::new(),
                stages: BTreeMap::new(),
                network: None,
                cache_from: Vec::new(),
                no_cache: false,
                pull: false,
            },
            images: Mutex::default(),
            dir,
        };
        // The environment is part of each RUN, so that none comes from an earlier run of the tests.
        let salt = project.dir.path().display();
        let text = dockerfile.replace(
            "BASE",
            &format!("{BASE} AS base\nENV SALT={salt}\nFROM base"),
        );
        fs::write(&project.request.dockerfile, text).unwrap();
        project
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.request.context.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    async fn try_build(&self) -> (Result<Built, BuildError>, Vec<Step>) {
        let mut steps = Vec::new();
        let built = build(&endpoint(), self.request.clone(), |step| steps.push(step)).await;
        (built, steps)
    }

    async fn build(&self) -> Vec<Step> {
        let (built, steps) = self.try_build().await;
        let image = docker(&["image", "inspect", "-f", "{{.Id}}", &self.request.tag]);
        let id = built.unwrap().image_id;
        assert_eq!(id, image);
        self.images.lock().unwrap().push(id);
        steps
    }

    async fn failure(&self) -> Failure {
        match self.try_build().await.0.unwrap_err() {
            BuildError::Failed(failure) => *failure,
            other => panic!("{other:?}"),
        }
    }

    /// What a shell line prints in a container of the image.
    fn run(&self, line: &str) -> String {
        docker(&[
            "run",
            "--rm",
            "--network=none",
            &self.request.tag,
            "sh",
            "-c",
            line,
        ])
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["image", "rm", "-f"])
            .args(&*self.images.lock().unwrap())
            .output();
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn endpoint() -> Endpoint {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = host.strip_prefix("unix://");
    at(socket.unwrap_or("/var/run/docker.sock").into())
}

fn at(socket: PathBuf) -> Endpoint {
    Endpoint::new(socket.display().to_string(), move || {
        let socket = socket.clone();
        Box::pin(async move {
            let stream = tokio::net::UnixStream::connect(socket).await?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    })
}

/// Instructions that ended well, and whether they came from an earlier build.
fn ended<'a>(steps: &'a [Step], keyword: &str) -> Vec<(&'a str, bool)> {
    steps
        .iter()
        .filter(|step| step.name.contains(keyword))
        .filter(|step| matches!(step.state, StepState::Done { .. }))
        .map(|step| (step.name.as_str(), step.cached))
        .collect()
}

#[tokio::test]
async fn the_image_holds_what_the_rules_let_through_as_it_is_on_disk() {
    let mut project = Project::new("rules", "FROM BASE\nCOPY . /ctx/\nRUN rm -rf /unused\n");
    project.write(
        ".dockerignore",
        "# rules\nnode_modules\n**/*.log\n*.md\n!README.md\n.dockerignore\n",
    );
    project.write("README.md", "");
    project.write("other.md", "");
    project.write("node_modules/a/index.js", "");
    project.write("src/debug.log", "");
    let script = project.write("src/run.sh", "echo it runs\n");
    fs::set_permissions(script, Permissions::from_mode(0o755)).unwrap();
    symlink("src/run.sh", project.request.context.join("link")).unwrap();
    fs::create_dir(project.request.context.join("empty")).unwrap();
    let big: String = (0..40_000).map(|n| format!("line {n}\n")).collect();
    project.write("big", &big);
    project
        .request
        .labels
        .insert("devrun.inputs".into(), "a b&c=\"é\"".into());

    project.build().await;
    assert_eq!(
        project.run("cd /ctx && find . | sort | tr '\n' ' '"),
        ". ./README.md ./big ./empty ./link ./src ./src/run.sh"
    );
    assert_eq!(
        project.run("/ctx/link; stat -c '%u:%g %a' /ctx/src/run.sh"),
        "it runs\n0:0 755"
    );
    assert_eq!(project.run("wc -c < /ctx/big"), big.len().to_string());
    let label = "{{index .Config.Labels \"devrun.inputs\"}}";
    assert_eq!(
        docker(&["image", "inspect", "-f", label, &project.request.tag]),
        "a b&c=\"é\""
    );

    let again = project.build().await;
    assert!(ended(&again, "COPY")[0].1, "{again:?}");
    let changed = format!("# {}\necho it changed\n", project.dir.path().display());
    project.write("src/run.sh", &changed);
    let again = project.build().await;
    assert!(!ended(&again, "COPY")[0].1, "{again:?}");
    assert_eq!(project.run("/ctx/link"), "it changed");
}

#[tokio::test]
async fn a_secret_is_there_while_it_is_needed_and_leaves_nothing() {
    let mut project = Project::new(
        "secret",
        "FROM BASE\nRUN --mount=type=secret,id=token,target=/run/token wc -c < /run/token > /seen\n\
         RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent\n\
         RUN --mount=type=secret,id=file,required=true cat /run/secrets/file > /copied\n",
    );
    // More than what others allow, as bundles of certificates can be.
    let token: Vec<u8> = b"s3cret".repeat(100_000);
    let file = project.dir.path().join("secret-file");
    fs::write(&file, "from a file").unwrap();
    let secrets = &mut project.request.secrets;
    secrets.insert("token".into(), SecretSource::Bytes(token));
    secrets.insert("file".into(), SecretSource::File(file));

    let first = project.build().await;
    assert_eq!(
        ended(&first, "RUN")
            .iter()
            .filter(|(_, cached)| *cached)
            .count(),
        0
    );
    assert_eq!(project.run("cat /seen"), "600000");
    assert_eq!(project.run("cat /copied"), "from a file");
    assert_eq!(
        project.run("test ! -e /run/token && echo nothing"),
        "nothing"
    );
    let history = docker(&["history", "--no-trunc", &project.request.tag]);
    assert!(!history.contains("s3cret"), "{history}");

    let second = project.build().await;
    let runs = ended(&second, "RUN");
    assert_eq!(runs.len(), 3, "{second:?}");
    assert!(runs.iter().all(|(_, cached)| *cached), "{second:?}");
}

#[tokio::test]
async fn a_failing_step_is_told_with_its_line_and_its_last_words() {
    let project = Project::new(
        "failing",
        "FROM BASE\n\n# why\nRUN echo fine\nRUN --mount=type=secret,id=a echo no such package >&2 && \\\n    echo twice >&2 && exit 7\n",
    );
    let failure = project.failure().await;
    // Two lines more than written above: see `Project::new`.
    assert_eq!(failure.line, Some(7));
    assert_eq!(failure.output, ["no such package", "twice"], "{failure}");
    assert_eq!(failure.message, "exit code: 7");
    let told = failure.to_string();
    assert!(
        told.contains("/Dockerfile:7  RUN echo no such package"),
        "{told}"
    );
    assert!(told.ends_with("exit 7: exit code: 7"), "{told}");
}

#[tokio::test]
async fn what_is_wrong_with_a_dockerfile_is_told_with_its_line() {
    let failure = Project::new("parse", "FROM BASE\nRUNN x\n").failure().await;
    assert_eq!(failure.line, Some(4), "{failure}");
    assert!(
        failure.message.starts_with("unknown instruction: RUNN"),
        "{failure}"
    );

    let missing = "FROM BASE\nFROM localhost:1/devrun/no-such-image:1\nRUN x\n";
    let failure = Project::new("missing", missing).failure().await;
    assert_eq!(failure.line, Some(4), "{failure}");

    let failure = Project::new("copy", "FROM BASE\nCOPY gone.txt /\n")
        .failure()
        .await;
    assert_eq!(failure.line, Some(4), "{failure}");
    assert!(failure.message.contains("gone.txt"), "{failure}");
}

#[tokio::test]
async fn stage_and_arguments_choose_what_is_built() {
    let mut project = Project::new(
        "stages",
        "FROM BASE AS dev\nARG WHO\nRUN echo \"dev for $WHO\" > /made\nFROM dev AS prod\nRUN exit 1\n",
    );
    project.request.target = Some("dev".into());
    project
        .request
        .args
        .insert("WHO".into(), "a&b=c %20".into());
    project.build().await;
    assert_eq!(project.run("cat /made"), "dev for a&b=c %20");

    project.request.target = Some("nowhere".into());
    let failure = project.failure().await;
    assert!(failure.message.contains("nowhere"), "{failure}");
}

#[tokio::test]
async fn a_context_that_cannot_be_read_is_told_as_such() {
    let mut project = Project::new("unreadable", "FROM BASE\nCOPY . /ctx/\n");
    project.request.context = project.dir.path().join("gone");
    let error = project.try_build().await.0.unwrap_err();
    assert!(matches!(error, BuildError::Context(_)), "{error:?}");
    assert!(error.to_string().contains("/gone for the build"), "{error}");
}

#[tokio::test]
async fn a_dropped_build_stops() {
    let project = Project::new("dropped", "FROM BASE\nRUN echo begun; exec sleep 98765\n");
    let (begun, mut wait) = tokio::sync::mpsc::unbounded_channel();
    let request = project.request.clone();
    let task = tokio::spawn(async move {
        build(&endpoint(), request, |step| {
            if step.state == StepState::Output("begun".into()) {
                let _ = begun.send(());
            }
        })
        .await
    });
    wait.recv().await.unwrap();
    until(|| sleeps(98765)).await;
    task.abort();
    until(|| !sleeps(98765)).await;
}

async fn until(condition: impl Fn() -> bool) {
    let mut again = tokio::time::interval(Duration::from_millis(50));
    let waiting = async {
        while !condition() {
            again.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
}

/// Whether a process on this machine sleeps that many seconds.
fn sleeps(seconds: u32) -> bool {
    let wanted = format!("sleep\0{seconds}\0");
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        fs::read(process.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
    })
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_with_its_address() {
    let project = Project::new("engine", "FROM BASE\n");
    let nowhere = at(project.dir.path().join("no.sock"));
    let error = build(&nowhere, project.request.clone(), |_| {})
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no engine answers at /"),
        "{error}"
    );
}

/// An agent that says to all questions how long they were, and that it has no keys.
fn agent(socket: &std::path::Path) {
    use std::io::{Read, Write};
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = [0; 5];
            if stream.read_exact(&mut question).is_ok() {
                // SSH_AGENT_IDENTITIES_ANSWER: five bytes follow, no key.
                stream.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, 0]).unwrap();
            }
        }
    });
}

const ASKS: &str = r#"FROM BASE
RUN --mount=type=ssh python -c "import socket, os; s = socket.socket(socket.AF_UNIX); s.connect(os.environ['SSH_AUTH_SOCK']); s.sendall(bytes([0, 0, 0, 1, 11])); open('/said', 'w').write(str(list(s.recv(9))))"
"#;

#[tokio::test]
async fn an_agent_is_asked_and_no_key_travels() {
    let mut project = Project::new("ssh", ASKS);
    let socket = project.dir.path().join("agent");
    agent(&socket);
    project
        .request
        .ssh
        .insert("default".to_owned(), Some(socket));
    project.build().await;
    assert_eq!(project.run("cat /said"), "[0, 0, 0, 5, 12, 0, 0, 0, 0]");
}

#[tokio::test]
async fn an_agent_that_is_missing_is_named_with_the_way_to_it() {
    let mut project = Project::new("ssh-none", ASKS);
    let nowhere = project.dir.path().join("nowhere");
    project
        .request
        .ssh
        .insert("default".to_owned(), Some(nowhere));
    let failure = project.try_build().await.0.unwrap_err().to_string();
    assert!(failure.contains("does not answer"), "{failure}");
}

#[tokio::test]
async fn the_network_of_its_commands_is_the_one_that_is_asked_for() {
    let list = "FROM BASE\nRUN ls /sys/class/net > /networks\n";
    let mut project = Project::new("network", list);
    project.request.network = Some("none".to_owned());
    // What is not there to take layers from fails no build.
    project.request.cache_from = vec!["localhost:1/devrun/nothing:1".to_owned()];
    project.build().await;
    assert_eq!(project.run("cat /networks"), "lo");
    project.request.network = None;
    project.request.no_cache = true;
    project.build().await;
    assert_ne!(project.run("cat /networks"), "lo");
}
