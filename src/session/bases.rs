//! Whether what images of the stack begin with became another image here, because somebody pulled
//! or named one. Whoever stands on it is stale then, as after a save.

use std::collections::BTreeMap;
use std::sync::Arc;

use devrun_core::event::Event;
use devrun_stack::{Build, BuildContext, Source, Stack};

use super::driver::{Driver, Input};
use super::making::bases;
use crate::engine::{Engine, EngineError};

/// Which image each name means, and for whom that counts.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    by_name: BTreeMap<String, Base>,
    /// They are being looked at; whether once more.
    under_way: Option<bool>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Base {
    /// Empty where there is none on this machine.
    id: String,
    services: Vec<String>,
}

impl Driver {
    /// Names may mean others than before; looks once more where that is under way already.
    pub(super) fn look_at_bases(&mut self) {
        self.look_for_bases(BTreeMap::new());
    }

    /// There may be other names; the engine is asked about these alone.
    pub(super) fn look_for_new_bases(&mut self) {
        self.look_for_bases(self.bases.by_name.clone());
    }

    fn look_for_bases(&mut self, known: BTreeMap<String, Base>) {
        let Some(stack) = self.stack.clone().filter(|_| self.watch) else {
            return;
        };
        if let Some(again) = &mut self.bases.under_way {
            *again = true;
            return;
        }
        self.bases.under_way = Some(false);
        let (engine, inputs) = (self.engine.clone(), self.inputs.clone());
        tokio::spawn(async move {
            // Where the engine does not answer now, it tells once it does.
            let found = look(&engine, &stack, &known).await.ok();
            let _ = inputs.send(Input::Bases(found)).await;
        });
    }

    pub(super) fn bases_are(&mut self, found: Option<BTreeMap<String, Base>>) {
        let again = self.bases.under_way.take();
        if let Some(found) = found {
            let before = std::mem::replace(&mut self.bases.by_name, found);
            let changed = self.bases.by_name.iter().filter_map(|(name, base)| {
                let event = || Event::BaseChanged {
                    base: name.clone(),
                    services: base.services.clone(),
                };
                (before.get(name)?.id != base.id).then(event)
            });
            for event in changed.collect::<Vec<_>>() {
                self.feed(event);
            }
        }
        if again == Some(true) {
            self.look_at_bases();
        }
    }
}

async fn look(
    engine: &Engine,
    stack: &Arc<Stack>,
    known: &BTreeMap<String, Base>,
) -> Result<BTreeMap<String, Base>, EngineError> {
    let mut all: BTreeMap<String, Base> = BTreeMap::new();
    for service in &stack.services {
        let Source::Build(build) = &service.source else {
            continue;
        };
        for name in grounds(build).await {
            let services = &mut all.entry(name).or_default().services;
            if !services.contains(&service.name) {
                services.push(service.name.clone());
            }
        }
    }
    for (name, base) in &mut all {
        base.id = match known.get(name) {
            Some(known) => known.id.clone(),
            None => {
                let image = engine.inspect_image(name).await?;
                image.map(|image| image.id).unwrap_or_default()
            }
        };
    }
    Ok(all)
}

/// The images that are not of the stack, down to those that its own ones stand on.
async fn grounds(build: &Build) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![build];
    while let Some(build) = open.pop() {
        names.extend(bases(build).await);
        for context in build.contexts.values() {
            match context {
                BuildContext::Image(image) => names.push(image.clone()),
                BuildContext::Service { build, .. } => open.push(build),
                BuildContext::Folder(_) => {}
            }
        }
    }
    names
}
