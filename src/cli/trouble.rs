//! Why a command did not do what it should, and with which code it ends.

use std::process::ExitCode;

use devrun_core::effect::Exit;

use super::arguments::Color;
use crate::engine::EngineError;
use crate::report::paint;

/// An error at the edge: what happened, what to do next, the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Trouble {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Trouble {
        Trouble {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Trouble {
        Trouble::new(Exit::Usage, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Trouble {
        self.hint = Some(hint.into());
        self
    }

    /// Something on this machine did not work.
    pub(crate) fn local(doing: &str, error: &dyn std::fmt::Display) -> Trouble {
        Trouble::new(Exit::Failed, format!("{doing}: {error}"))
    }

    /// Prints it; the code to end with.
    pub(crate) fn report(&self, color: Color) -> ExitCode {
        if !self.message.is_empty() {
            paint::stderr_line(
                color,
                &format!("{}error:{:#} {}", paint::BAD, paint::BAD, self.message),
            );
        }
        if let Some(hint) = &self.hint {
            paint::stderr_line(
                color,
                &format!("{} hint:{:#} {hint}", paint::DIM, paint::DIM),
            );
        }
        ExitCode::from(self.exit.code())
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Trouble {
        let exit = match error {
            EngineError::Unreachable { .. }
            | EngineError::BadEndpoint { .. }
            | EngineError::Lost { .. }
            | EngineError::TimedOut { .. } => Exit::NoEngine,
            _ => Exit::Failed,
        };
        Trouble {
            exit,
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}
