//! What the proxy needs to be able to do inside its container.

use std::future::Future;
use std::time::Duration;

/// Hands in the proxy's container: the agent, or the engine's own calls.
pub(crate) trait Inside: Sync {
    /// Writes a file in one piece; missing folders are made, readable for everybody.
    fn write(
        &self,
        path: &str,
        content: &str,
        mode: u32,
    ) -> impl Future<Output = Result<(), InsideError>> + Send;

    /// Removes a file; one that is not there is fine.
    fn remove(&self, path: &str) -> impl Future<Output = Result<(), InsideError>> + Send;

    /// Runs a command, without a shell, as the container's user.
    fn run(
        &self,
        argv: &[&str],
        timeout: Duration,
    ) -> impl Future<Output = Result<Ran, InsideError>> + Send;

    /// The same as whoever writes there, to copy and rename what was written.
    fn arrange(
        &self,
        argv: &[&str],
        timeout: Duration,
    ) -> impl Future<Output = Result<Ran, InsideError>> + Send;

    /// Asks a URL from inside; the code is 0 for 2xx and 3xx, the output ends with the body.
    fn http(
        &self,
        url: &str,
        timeout: Duration,
    ) -> impl Future<Output = Result<Ran, InsideError>> + Send;
}

/// How a command or a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// 0 is well.
    pub(crate) code: i32,
    /// What it printed, or the answer: maybe a status line, then the body.
    pub(crate) output: String,
}

/// The container could not be reached, or did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct InsideError {
    /// What happened, for people.
    pub(crate) message: String,
    /// The container is not there any more.
    pub(crate) container_gone: bool,
    /// The engine did not do what it does as a rule.
    pub(crate) refused: bool,
}
