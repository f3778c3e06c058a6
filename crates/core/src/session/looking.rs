//! A save of the same content of a file that only the image is made of: that is seen at once, and
//! nothing waits for quiet or asks the engine. It is a short cut and no more: where it does not
//! end in time, or not surely, the image is looked for as ever.

use std::path::PathBuf;

use super::Session;
use super::machine::{ImageState, Machine};
use crate::effect::Effect;
use crate::event::{Op, Outcome};
use crate::plan::Follow;

/// Saves that are being looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looking {
    op: Op,
    paths: Vec<PathBuf>,
}

impl Machine {
    /// Saves ask for another image and for nothing else.
    fn only_rebuilds(&self) -> bool {
        self.follow.len() == 1
            && self.follow.front() == Some(&Follow::Rebuild)
            && self.after_rebuild.is_empty()
            && matches!(self.image, ImageState::Have(_))
    }
}

impl Session {
    /// These saves ask for another image, and with those before them for nothing else.
    pub(super) fn look(&mut self, name: &str, mut paths: Vec<PathBuf>, before: Option<Looking>) {
        let op = self.op(name);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let ImageState::Have(image) = &machine.image else {
            return;
        };
        if !machine.only_rebuilds() {
            return;
        }
        let image = image.name.clone();
        paths.extend(before.into_iter().flat_map(|before| before.paths));
        machine.looking = Some(Looking {
            op: op.clone(),
            paths: paths.clone(),
        });
        self.emit(Effect::Look { op, image, paths });
    }

    /// Whether this was the answer that saves wait for.
    pub(super) fn on_looked(&mut self, op: &Op, outcome: &Outcome) -> bool {
        let Some(machine) = self.machines.get_mut(&op.service) else {
            return false;
        };
        let asked = machine.looking.take_if(|looking| looking.op == *op);
        if asked.is_none() {
            return false;
        }
        if *outcome == (Outcome::Looked { same: true }) && machine.only_rebuilds() {
            machine.drop_rebuild();
            self.sync_over(&op.service, true);
        }
        true
    }
}
