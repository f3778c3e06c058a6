//! What can go wrong with the proxy, for people.

use devrun_core::event::Failure;

use super::inside::InsideError;

/// Why the new configuration is not at work. The one before still is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyError {
    /// nginx found a mistake in it; it was never in place.
    #[error("nginx does not accept the configuration")]
    Rejected {
        /// What nginx says, with places in the person's file.
        output: Vec<String>,
    },
    /// A command that puts it into place ended badly.
    #[error("`{command}` ended with {code}")]
    Command {
        /// The command.
        command: String,
        /// Its exit code.
        code: i32,
        /// What it printed.
        output: String,
    },
    /// nginx was told, and goes on answering with another one.
    #[error("nginx did not take configuration {generation} within {seconds} s")]
    NotTaken {
        /// The number that was awaited.
        generation: u64,
        /// How long it was awaited.
        seconds: u64,
        /// The last answer.
        answer: String,
    },
    /// The container could not be reached.
    #[error("the proxy's container cannot be reached: {0}")]
    Inside(#[from] InsideError),
}

impl From<ProxyError> for Failure {
    fn from(error: ProxyError) -> Failure {
        let message = error.to_string();
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        let impossible = matches!(error, ProxyError::Rejected { .. });
        let (details, hint, container_gone) = match error {
            ProxyError::Rejected { output } => (
                output,
                "mend the file and save it; the routes from before are still served",
                false,
            ),
            ProxyError::Command { output, .. } => (
                lines(&output),
                "the routes from before are still served; its log says more: devrun logs",
                false,
            ),
            ProxyError::NotTaken { answer, .. } => (
                lines(&answer),
                "its log says why (devrun logs); a `listen` or `server_name` that hides this server block from 127.0.0.1 does the same",
                false,
            ),
            ProxyError::Inside(inside) => (
                Vec::new(),
                "see what it is doing: devrun status",
                inside.container_gone,
            ),
        };
        Failure {
            message,
            details,
            hint: Some(hint.to_owned()),
            container_gone,
            impossible,
            ..Failure::default()
        }
    }
}
