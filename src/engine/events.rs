//! What happens to a stack's containers, without gaps: after each break a whole picture.

use std::time::Duration;

use bollard::models::{EventMessage, SystemInfo};
use bollard::query_parameters::EventsOptions;
use devrun_core::live::Capacity;
use devrun_core::observed::{Happened, Observed};
use devrun_core::spec::{Health, label};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::classify::classify;
use super::logs::nanoseconds;
use super::{Engine, EngineError, PROMPT, filters, pause, within};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const DOING: &str = "listening to the engine";

/// The others, those of `exec` above all, come in hundreds and say nothing to us.
const KINDS: &[&str] = &["start", "die", "stop", "oom", "health_status", "destroy"];

/// After these a name may mean another image.
const NAMES: &[&str] = &["tag", "untag", "pull", "load", "import", "delete"];

impl Engine {
    /// Follows the stack until the receiver is dropped. First comes `Connected`; after a break
    /// `Disconnected` once, then `Connected` again. An event may tell what the picture before it
    /// already shows.
    pub(crate) fn events(&self, stack: &str) -> mpsc::Receiver<Observed> {
        let (sender, receiver) = mpsc::channel(64);
        let (engine, stack) = (self.clone(), stack.to_owned());
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = engine.follow(&stack, &sender) => {}
            }
        });
        receiver
    }

    async fn follow(&self, stack: &str, sender: &mpsc::Sender<Observed>) {
        let mut wait = FIRST_PAUSE;
        let mut connected = true;
        loop {
            let error = self
                .follow_once(stack, sender, &mut connected, &mut wait)
                .await;
            if std::mem::take(&mut connected) {
                let message = error.to_string();
                if sender
                    .send(Observed::Disconnected { message })
                    .await
                    .is_err()
                {
                    return;
                }
            }
            pause(wait).await;
            wait = (wait * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection, from its picture to its end.
    async fn follow_once(
        &self,
        stack: &str,
        sender: &mpsc::Sender<Observed>,
        connected: &mut bool,
        wait: &mut Duration,
    ) -> EngineError {
        let lost = |detail: &str| EngineError::Lost {
            doing: DOING.into(),
            detail: detail.into(),
        };
        // The engine keeps its latest events: asked from a moment before the picture is taken,
        // it leaves no gap between the picture and the first event, however late it subscribes.
        let (since, capacity, containers) = match self.picture(stack).await {
            Ok(picture) => picture,
            Err(error) => return error,
        };
        let mut events = Box::pin(self.subscribe(stack, &since));
        *connected = true;
        *wait = FIRST_PAUSE;
        if sender
            .send(Observed::Connected {
                containers,
                capacity,
            })
            .await
            .is_err()
        {
            return lost("nobody listens");
        }
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => return classify(DOING, error),
            };
            if let Some(observed) = observed(event)
                && sender.send(observed).await.is_err()
            {
                return lost("nobody listens");
            }
        }
        lost("it ended")
    }

    /// Told of each moment from which on names of images may mean others than before: at first,
    /// after each break, and where one was named, pulled or removed.
    pub(crate) fn image_names(&self) -> mpsc::Receiver<()> {
        // One that was not heard yet stands for all.
        let (sender, receiver) = mpsc::channel(1);
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = engine.follow_names(&sender) => {}
            }
        });
        receiver
    }

    async fn follow_names(&self, sender: &mpsc::Sender<()>) {
        loop {
            if let Ok(info) = within(DOING, PROMPT, self.docker.info()).await {
                let kinds = filters(&[("type", &["image"]), ("event", NAMES)]);
                let mut events = Box::pin(self.docker.events(Some(EventsOptions {
                    since: Some(since(&info)),
                    filters: kinds,
                    ..Default::default()
                })));
                let _ = sender.try_send(());
                while let Some(Ok(_)) = events.next().await {
                    let _ = sender.try_send(());
                }
            }
            pause(LONGEST_PAUSE).await;
        }
    }

    async fn picture(
        &self,
        stack: &str,
    ) -> Result<(String, Capacity, Vec<devrun_core::spec::Container>), EngineError> {
        let info = within(DOING, PROMPT, self.docker.info()).await?;
        let capacity = super::capacity(&info);
        Ok((since(&info), capacity, self.all_of(stack).await?))
    }

    fn subscribe(
        &self,
        stack: &str,
        since: &str,
    ) -> impl Stream<Item = Result<EventMessage, bollard::errors::Error>> + Send + use<> {
        let of_stack = format!("{}={stack}", label::STACK);
        self.docker.events(Some(EventsOptions {
            since: Some(since.to_owned()),
            filters: filters(&[
                ("type", &["container"]),
                ("label", &[&of_stack]),
                ("event", KINDS),
            ]),
            ..Default::default()
        }))
    }
}

/// The engine's own time, as it wants to be asked for events.
fn since(info: &SystemInfo) -> String {
    let since = info.system_time.as_deref().and_then(nanoseconds);
    let since = since.unwrap_or(0);
    format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000)
}

fn observed(event: EventMessage) -> Option<Observed> {
    let actor = event.actor?;
    let attributes = actor.attributes.unwrap_or_default();
    let what = match event.action?.as_str() {
        "start" => Happened::Started,
        "die" => Happened::Exited {
            code: attributes
                .get("exitCode")
                .and_then(|code| code.parse().ok())
                .unwrap_or(-1),
        },
        "stop" => Happened::StoppedByHand,
        "oom" => Happened::OutOfMemory,
        "destroy" => Happened::Removed,
        "health_status: healthy" => Happened::Health(Health::Healthy),
        "health_status: unhealthy" => Happened::Health(Health::Unhealthy),
        _ => return None,
    };
    Some(Observed::Container {
        id: actor.id?,
        service: attributes.get(label::SERVICE).cloned().unwrap_or_default(),
        what,
        time_ns: event.time_nano.unwrap_or(0).into(),
    })
}
