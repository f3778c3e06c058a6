//! A container in the place of another one: it is made, and filled, while the other one ends, so
//! that what lies between the two is only what the engine does one after the other.
//!
//! Until the other one is gone it is called otherwise, and afterwards the other one is. Who finds
//! such a name (see [`devrun_core::spec::next_name`]) and did not give it finds a left-over.

use std::future::Future;

use devrun_core::effect::Old;
use devrun_core::event::{Failure, MakingPart, Outcome, Synced};
use devrun_core::session::DEAF;
use devrun_core::spec::{ContainerSpec, next_name, old_name};

use super::addresses::Given;
use super::agents::Agent;
use super::ahead::Saves;
use super::containers::{self, First, failure};
use super::early::Of;
use super::stopping;
use crate::engine::{Created, Engine, EngineError, Making};

/// What is made, and in whose place.
pub(super) struct Replacing {
    pub(super) engine: Engine,
    pub(super) spec: ContainerSpec,
    pub(super) old: Old,
    pub(super) first: First,
    /// Of the old one.
    pub(super) agent: Option<Agent>,
    /// With the agent.
    pub(super) volume: String,
    pub(super) given: Given,
    /// Tells what this operation leaves from what others left.
    pub(super) mark: String,
    /// Whether something was saved meanwhile; `None` where nobody would know.
    pub(super) saves: Option<Saves>,
}

/// A container that is made and has no place yet; without one it is removed again.
struct Next {
    engine: Engine,
    created: Created,
    in_place: bool,
}

impl Drop for Next {
    fn drop(&mut self) {
        if self.in_place {
            return;
        }
        let (engine, id) = (self.engine.clone(), self.created.id.clone());
        aside(async move {
            if let Err(error) = engine.discard(&id).await {
                tracing::debug!(%error, "a container that was not needed stays");
            }
        });
    }
}

/// A container whose place another one has; removed when this is dropped. Its files may be many:
/// nobody waits for that, nor does the start of the other one.
struct Gone {
    engine: Engine,
    id: String,
}

impl Drop for Gone {
    fn drop(&mut self) {
        let (engine, id) = (self.engine.clone(), self.id.clone());
        aside(async move {
            if let Err(error) = engine.remove(&id, true).await {
                tracing::debug!(%error, "a container that was replaced stays");
            }
        });
    }
}

/// Nobody waits for it. Without a runtime the program ends, and the next session does it.
fn aside(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}

impl Replacing {
    /// Makes the new one while the old one ends, and starts it in its place.
    pub(super) async fn run(
        self,
        drained: impl Future<Output = ()>,
        over: impl Fn(MakingPart),
    ) -> Outcome {
        let ending = async {
            let (engine, agent, old) = (&self.engine, self.agent.as_ref(), &self.old);
            let look = stopping::look(engine, agent, &old.container, old.grace);
            let (leave, ()) = tokio::join!(look, drained);
            let deaf = stopping::stop_as(engine, &old.container, leave?).await?;
            over(MakingPart::Stopped);
            Ok::<bool, EngineError>(deaf)
        };
        let saved = self.saves.as_ref().map(Saves::count);
        let (made, ended) = tokio::join!(self.make(), ending);
        let deaf = match ended {
            Ok(deaf) => deaf,
            Err(error) => return Outcome::Failed(failure(error)),
        };
        let outcome = match made {
            Ok((next, synced)) => {
                let unchanged = saved.is_some() && saved == self.saves.as_ref().map(Saves::count);
                self.put_in_place(next, synced, unchanged, over).await
            }
            Err(failure) => {
                tracing::debug!(failure.message, "not made before the old one ended");
                self.make_after(over).await
            }
        };
        outcome.warned(deaf.then(|| DEAF.to_owned()))
    }

    /// What can be done while the old one is still there.
    async fn make(&self) -> Result<(Next, Option<Synced>), Failure> {
        let addresses = self.given.next(&self.engine, &self.spec).await;
        let (engine, spec) = (self.engine.clone(), self.spec.clone());
        let (volume, mark) = (self.volume.clone(), self.mark.clone());
        // Given up in the middle it would be there, and nobody would know of it.
        let made = tokio::spawn(async move {
            let making = Making {
                name: &next_name(&spec.name, &mark),
                agent_volume: Some(&volume),
                addresses: &addresses,
            };
            let created = engine.create_aside(&spec, making).await?;
            Ok::<Next, EngineError>(Next {
                engine,
                created,
                in_place: false,
            })
        });
        let next = match made.await {
            Ok(Ok(next)) => next,
            Ok(Err(error)) => return Err(failure(error)),
            Err(error) => {
                return Err(Failure {
                    message: error.to_string(),
                    ..Failure::default()
                });
            }
        };
        // Who reads in a volume while it ends is to find there what it knows.
        let synced = match self.first.is_shared() {
            true => None,
            false => Some(self.fill(&next).await?),
        };
        Ok((next, synced))
    }

    async fn fill(&self, next: &Next) -> Result<Synced, Failure> {
        let image = Of::Image(&self.spec.image_id);
        let first = &self.first;
        first.fill(&self.engine, &next.created.id, image).await
    }

    async fn put_in_place(
        &self,
        mut next: Next,
        synced: Option<Synced>,
        unchanged: bool,
        over: impl Fn(MakingPart),
    ) -> Outcome {
        let (engine, name) = (&self.engine, &self.spec.name);
        let gone = match self.clear_place().await {
            Ok(gone) => gone,
            Err(error) => return Outcome::Failed(failure(error)),
        };
        let mut named = engine.rename(&next.created.id, name).await;
        if matches!(named, Err(EngineError::NameTaken { .. }))
            && containers::clear_our_own(engine, &self.spec).await
        {
            named = engine.rename(&next.created.id, name).await;
        }
        if let Err(error) = named {
            return Outcome::Failed(containers::name_taken(engine, &self.spec, error).await);
        }
        next.in_place = true;
        let created = next.created.clone();
        over(MakingPart::Created);
        let changed = match synced {
            None => match self.fill(&next).await {
                Ok(synced) => synced.changed,
                Err(failure) => return Outcome::Failed(failure),
            },
            Some(synced) if unchanged && !self.first.is_task() => synced.changed,
            Some(mut synced) => {
                let more = self.first.bring(engine, &created.id, Of::Itself).await;
                synced.changed.retain(|path| !more.changed.contains(path));
                synced.changed.extend(more.changed);
                synced.changed
            }
        };
        let outcome = containers::launch(engine, &created.id, changed).await;
        drop(gone);
        containers::of_created(outcome, created)
    }

    /// The old one lets go of its name.
    async fn clear_place(&self) -> Result<Option<Gone>, EngineError> {
        let (engine, id) = (self.engine.clone(), self.old.container.clone());
        match engine
            .rename(&id, &old_name(&self.spec.name, &self.mark))
            .await
        {
            Ok(()) => Ok(Some(Gone { engine, id })),
            Err(error) if error.is_absent() => Ok(None),
            Err(_) => engine.remove(&id, true).await.map(|()| None),
        }
    }

    /// Where it could not be made before, it is tried, and told, as without an old one.
    async fn make_after(self, over: impl Fn(MakingPart)) -> Outcome {
        if let Err(error) = self.engine.remove(&self.old.container, true).await {
            return Outcome::Failed(failure(error));
        }
        containers::create(self.engine, self.spec, self.first, self.volume, over).await
    }
}
