//! An engine of the test's own, which may be ended and begun again; the real one is not ours to stop.
//! It lives in namespaces of its own, because two engines in one take each other's bridge away.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Ran, Scratch, eventually, shell, within};

/// Ended and removed with all that it has when it is dropped.
pub struct OwnEngine {
    keep: tempfile::TempDir,
    /// Keeps the namespaces while no engine is in them.
    holder: Child,
    engine: Option<Child>,
}

impl OwnEngine {
    /// One that has these images of the real one.
    pub fn start(images: &[&str]) -> OwnEngine {
        let keep = tempfile::Builder::new()
            .prefix("devrun-engine-")
            .tempdir()
            .unwrap();
        let holder = Command::new("unshare")
            .args(["--net", "--mount", "sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()
            .expect("this test needs unshare, and to be root");
        let mut own = OwnEngine {
            keep,
            holder,
            engine: None,
        };
        let inside = own.namespace();
        eventually("namespaces of its own", 10, || {
            let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
            (std::fs::read_link(&inside).ok()? != ours).then_some(())
        });
        // Its containers' published ports are there too.
        let line = format!(
            "nsenter --net={} ip link set lo up",
            own.namespace().display()
        );
        assert_eq!(shell(&line, Path::new("/")).code, 0, "{line}");
        own.begin();
        let line = format!(
            "docker save {} | docker -H {} load",
            images.join(" "),
            own.address()
        );
        let loaded = shell(&line, Path::new("/"));
        assert_eq!(loaded.code, 0, "{loaded:?}");
        own
    }

    /// All that is run for this stack goes to it.
    pub fn between(&self, stack: &mut Scratch) {
        let address = self.address();
        stack.environment.push(("DOCKER_HOST".to_owned(), address));
    }

    /// For `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.place("sock").display())
    }

    /// `docker ARGUMENTS…`.
    pub fn docker(&self, arguments: &[&str]) -> Ran {
        let address = self.address();
        let mut command = Command::new("docker");
        command.args(["-H", &address]).args(arguments);
        Ran::of(command.output().unwrap())
    }

    /// As a machine's init system begins it.
    pub fn begin(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.place("log"))
            .unwrap();
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.namespace().display()))
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .args(["--", "dockerd", "-H", &self.address()])
            .arg("--data-root")
            .arg(self.place("data"))
            .arg("--exec-root")
            .arg(self.place("run"))
            .arg("--pidfile")
            .arg(self.place("pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.engine = Some(command.spawn().unwrap());
        let answers = within(60, || (self.docker(&["version"]).code == 0).then_some(()));
        let log = || std::fs::read_to_string(self.place("log")).unwrap();
        assert!(answers.is_some(), "an engine does not begin:\n{}", log());
    }

    /// Sends it a signal by number, 15 or 9, and waits until it is gone.
    pub fn end(&mut self, signal: i32) {
        let mut engine = self.engine.take().unwrap();
        kill(signal, engine.id());
        engine.wait().unwrap();
        // Its containerd ends with it; where nobody takes note of that, the next one believes that
        // it still runs.
        let _ = std::fs::remove_file(self.place("run/containerd/containerd.pid"));
    }

    /// Processes that it has left, with what they have begun: those of its containers.
    fn left(&self) -> Vec<u32> {
        let folder = self.keep.path().to_str().unwrap();
        let listed = shell("ps -e -o pid=,ppid=,args=", Path::new("/")).out;
        let mut left = Vec::new();
        // A child has the higher number, nearly always.
        for line in listed.lines() {
            let mut words = line.split_whitespace().map_while(|word| word.parse().ok());
            let (Some(pid), Some(parent)) = (words.next(), words.next()) else {
                continue;
            };
            if line.contains(folder) || left.contains(&parent) {
                left.push(pid);
            }
        }
        left
    }

    fn place(&self, name: &str) -> PathBuf {
        self.keep.path().join(name)
    }

    fn namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.holder.id()))
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            let all = self.docker(&["ps", "-aq"]).out;
            let mut remove = vec!["rm", "-f", "-v"];
            remove.extend(all.split_whitespace());
            self.docker(&remove);
            kill(15, engine.id());
            let _ = engine.wait();
        }
        for pid in self.left() {
            kill(9, pid);
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn kill(signal: i32, pid: u32) {
    let _ = Command::new("kill")
        .args([format!("-{signal}"), pid.to_string()])
        .stderr(Stdio::null())
        .status();
}
