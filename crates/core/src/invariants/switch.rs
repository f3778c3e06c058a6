//! Where the proxy sends requests: only to what serves, and to it once all is calm. Nobody is held
//! for what does not come.

use super::{Invariants, Known};
use crate::effect::{Effect, Old, RouteState};
use crate::event::Outcome;
use crate::session::{State, View};

impl Invariants {
    /// What the running proxy goes by.
    pub(super) fn check_switch(&self, view: &View) -> Result<(), String> {
        let Some((proxy, states)) = &self.told else {
            return Ok(());
        };
        // Nobody can be told, or all of it ends.
        let listens = self.containers.get(proxy);
        let listens = listens.is_some_and(|known| known.running && known.hears);
        if !listens || self.ending || self.exited || !self.connected {
            return Ok(());
        }
        for state in states {
            match state.ready {
                true => self.check_points(state)?,
                false if view.settled => check_calm(state, view)?,
                false => {}
            }
        }
        Ok(())
    }

    /// Who could not be compared cannot be told either.
    pub(super) fn note_failed(&mut self, effect: &Effect, outcome: &Outcome) {
        if let (Effect::Attach { container, .. }, Outcome::Failed(_)) = (effect, outcome)
            && let Some(known) = self.containers.get_mut(container)
        {
            known.hears = false;
        }
    }

    /// What gets requests serves, and nobody is about to end it.
    fn check_points(&self, state: &RouteState) -> Result<(), String> {
        for id in &state.containers {
            if !self.containers.get(id).is_some_and(Known::serves) {
                return Err(format!("the proxy points to {id}, which does not serve"));
            }
            if let Some(effect) = self.open.values().find(|effect| ends(effect, id)) {
                return Err(format!(
                    "the proxy points to {id}, which is about to end: {effect:?}"
                ));
            }
        }
        Ok(())
    }
}

impl Known {
    fn serves(&self) -> bool {
        self.running && self.well
    }
}

fn check_calm(state: &RouteState, view: &View) -> Result<(), String> {
    let mut services = view.services.iter();
    let service = services.find(|service| service.name == state.service);
    if service.is_some_and(|service| service.state == State::Ready) {
        return Err(format!("{} is ready, and gets nothing", state.service));
    }
    if !state.hold.is_zero() {
        return Err(format!(
            "requests are held for {}, which does not come",
            state.service
        ));
    }
    Ok(())
}

/// Whether its process ends by this.
fn ends(effect: &Effect, id: &str) -> bool {
    match effect {
        Effect::Restart { container, .. }
        | Effect::Stop { container, .. }
        | Effect::Remove { container, .. }
        | Effect::Create {
            replaces: Some(Old { container, .. }),
            ..
        } => container == id,
        _ => false,
    }
}
