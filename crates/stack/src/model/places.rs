//! Things without the places where they are declared: a line more above them makes them no others.

use super::{Build, BuildContext, Location, Mount, Network, On, Source, Sync, Volume};

/// Declared somewhere.
pub trait Placed: Clone {
    /// Forgets where.
    fn forget_places(&mut self);

    /// The same, declared nowhere.
    #[must_use]
    fn without_places(&self) -> Self {
        let mut it = self.clone();
        it.forget_places();
        it
    }
}

impl<T: Placed> Placed for Vec<T> {
    fn forget_places(&mut self) {
        self.iter_mut().for_each(Placed::forget_places);
    }
}

impl Placed for Source {
    fn forget_places(&mut self) {
        if let Source::Build(build) = self {
            build.forget_places();
        }
    }
}

impl Placed for Build {
    fn forget_places(&mut self) {
        self.at = Location::default();
        for context in self.contexts.values_mut() {
            if let BuildContext::Service { build, .. } = context {
                build.forget_places();
            }
        }
    }
}

impl Placed for Sync {
    fn forget_places(&mut self) {
        self.at = Location::default();
        self.on.forget_places();
    }
}

impl Placed for On {
    fn forget_places(&mut self) {
        self.at = Location::default();
    }
}

impl Placed for Mount {
    fn forget_places(&mut self) {
        self.at = Location::default();
    }
}

impl Placed for Network {
    fn forget_places(&mut self) {
        self.at = Location::default();
    }
}

impl Placed for Volume {
    fn forget_places(&mut self) {
        self.at = Location::default();
    }
}
