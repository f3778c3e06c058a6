//! Who asks twice waits for nothing more.

use crate::cli::arguments::Color;
use crate::cli::signals::Signals;
use crate::report::paint::stderr_line;

/// Requests to end.
pub(super) struct Hurry {
    signals: Signals,
    /// There was one.
    asked: bool,
    color: Color,
}

impl Hurry {
    pub(super) fn new(signals: Signals, color: Color) -> Hurry {
        Hurry {
            signals,
            asked: false,
            color,
        }
    }

    /// The first one ends the run.
    pub(super) async fn first(&mut self) {
        self.signals.next().await;
        self.asked = true;
    }

    /// The second one ends the removing, too. Of a run that ended by itself the first is still to
    /// come.
    pub(super) async fn second(&mut self) {
        if !self.asked {
            self.first().await;
            let text = "what the run made is being removed; once more ends at once";
            stderr_line(self.color, text);
        }
        self.signals.next().await;
    }
}
