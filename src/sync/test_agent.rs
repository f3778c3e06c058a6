//! The real agent as a child process, on folders of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::connection::{AgentConnection, Hello, SyncError};
use super::reconcile::reconcile;
use super::scan::Tree;
use super::stock::Stock;
use super::{Sent, SyncOutcome};

/// The program that is embedded as well.
pub(super) const PROGRAM: &str = concat!(env!("OUT_DIR"), "/devrun-agent");

/// An agent with a source and a target in a temporary folder.
pub(super) struct TestAgent {
    pub(super) connection: AgentConnection,
    pub(super) hello: Hello,
    pub(super) child: Child,
    pub(super) tree: Tree,
    folder: TempDir,
}

impl TestAgent {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("host");
        let to = folder.path().join("container");
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let (child, connection, hello) = program().await;
        let to = to.to_str().unwrap().to_owned();
        let tree = Tree::whole(from, to);
        TestAgent {
            connection,
            hello,
            child,
            tree,
            folder,
        }
    }

    /// Another one takes its place, in the same folders.
    pub(super) async fn start_again(&mut self) {
        (self.child, self.connection, self.hello) = program().await;
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path on the host.
    pub(super) fn from(&self, path: &str) -> PathBuf {
        self.tree.from.join(path)
    }

    /// A path in the "container".
    pub(super) fn to(&self, path: &str) -> PathBuf {
        Path::new(&self.tree.to).join(path)
    }

    /// Writes on the host, with the folders on the way.
    pub(super) fn save(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.from(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Compares everything, with nothing known of earlier sessions.
    pub(super) async fn reconcile(&self, sent: &mut Sent) -> Result<SyncOutcome, SyncError> {
        let stock = Stock::take(self.tree.clone());
        let tree = (&self.tree, stock);
        reconcile(&self.connection, tree, sent, |_| Vec::new(), &|_| {}).await
    }

    /// What the container has at a path.
    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.to(path)).ok()
    }
}

async fn program() -> (Child, AgentConnection, Hello) {
    let mut child = Command::new(PROGRAM)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (stdout, stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let (connection, hello) = AgentConnection::start(stdout, stdin).await.unwrap();
    (child, connection, hello)
}

/// Paths from text.
pub(super) fn paths<const N: usize>(paths: [&str; N]) -> Vec<PathBuf> {
    paths.map(PathBuf::from).to_vec()
}
