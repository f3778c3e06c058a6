//! The loop: it owns the state, and everything else is a task that ends in one input.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::take;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use devrun_core::effect::{Effect, Exit, RouteState};
use devrun_core::event::{Event, Op, Outcome, Progress, Request, Stackfile, WatchEvent};
use devrun_core::notice::Notice;
use devrun_core::observed::Observed;
use devrun_core::plan::Rules;
use devrun_core::session::Session;
use devrun_core::spec::Container;
use devrun_stack::{Source, Stack};
use devrun_wire::session::{Ask, Tell};
use tokio::sync::{OnceCell, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::addresses::Given;
use super::agents::{Agent, Agents};
use super::ahead::Ahead;
use super::bases::{Base, Bases};
use super::behind::Known;
use super::deputies::wanted_in_vain;
use super::load::{self, LoadOptions};
use super::looking::Looked;
use super::places::Places;
use super::remembering::{Memory, Watched};
use super::stopping::finish;
use super::{Begin, elsewhere, spare};
use crate::engine::Engine;
use crate::report::{Hub, Stamped};
use crate::watch::{Choice, Watcher};

/// What the loop waits for.
#[derive(Debug)]
pub(crate) enum Input {
    /// From the engine.
    Engine(Observed),
    /// From the watched trees.
    Watch(WatchEvent),
    /// An effect ended; an agent may have been started on the way.
    Done {
        op: Op,
        outcome: Outcome,
        agent: Option<Box<Agent>>,
    },
    /// Something on the way of an effect.
    Progress { op: Op, progress: Progress },
    /// What the image of a service is made of.
    Inputs { service: String, looked: Looked },
    /// Names of images may mean others than before.
    ImageNames,
    /// What the images of the stack begin with.
    Bases(Option<BTreeMap<String, Base>>),
    /// The connection to an agent ended.
    AgentGone { container: String, number: u64 },
    /// The proxy was told about the services, or could not be.
    ProxyTold { known: Option<Known> },
    /// Names behind the proxy mean their new addresses now.
    ProxySettled,
    /// A certificate may be near its end.
    Certificate,
    /// From a command, over the socket.
    Ask {
        ask: Ask,
        reply: mpsc::UnboundedSender<Tell>,
    },
    /// What a task of its own has to tell.
    Told(Event),
    /// A comparison that somebody asked for is over.
    Verified { services: Vec<String> },
    /// The command that had a terminal on a service's process is gone.
    TerminalGone { service: String },
    /// Ctrl-C or a termination signal.
    Signal,
}

/// How long commands may take to hear the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// The state of the shell around the core.
pub(super) struct Driver {
    pub(super) core: Session,
    pub(super) engine: Engine,
    pub(super) load: LoadOptions,
    pub(super) stack: Option<Arc<Stack>>,
    pub(super) rules: Option<Arc<Rules>>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) hub: Hub,
    pub(super) began: Instant,
    pub(super) since: String,
    pub(super) tasks: HashMap<Op, AbortHandle>,
    pub(super) agents: Agents,
    pub(super) places: Places,
    /// See [`super::making::Maker`].
    pub(super) shared: Option<String>,
    pub(super) agent_volume: Arc<OnceCell<String>>,
    pub(super) given: Given,
    /// What the proxy was told, and what it is to know.
    pub(super) proxy_told: Option<Known>,
    pub(super) proxy_newest: Option<(String, Vec<RouteState>)>,
    pub(super) proxy_behind: bool,
    pub(super) proxy_busy: bool,
    /// Told once it knows all that it is to know.
    pub(super) waiting_for_pause: Vec<oneshot::Sender<()>>,
    pub(super) watcher: Option<Watcher>,
    remembered: watch::Sender<Watched>,
    /// What images of the stack begin with; none where it was not looked at yet.
    pub(super) bases: Bases,
    pub(super) ahead: Ahead,
    /// By service.
    pub(super) looked: HashMap<String, Looked>,
    /// Files whose change asks for another look at the Stackfile.
    reads: Vec<PathBuf>,
    /// Saved to learn when all saves before it have been noticed; outside of the project's tree.
    pub(super) mark: PathBuf,
    pub(super) waiting_for_saves: Vec<mpsc::UnboundedSender<Tell>>,
    /// Told once the proxy knows what they are told.
    pub(super) waiting_for_proxy: Vec<mpsc::UnboundedSender<Tell>>,
    /// Notices that wait for the same.
    held: Vec<Stamped>,
    /// Told to those who asked for services to be stopped, once they are.
    pub(super) stopping: Vec<(Vec<String>, mpsc::UnboundedSender<Tell>)>,
    /// To commands that have a terminal on a process.
    pub(super) terminals: Vec<mpsc::UnboundedSender<Tell>>,
    /// Services that are being compared because somebody asked, and how often.
    pub(super) verifying: BTreeMap<String, usize>,
    /// Which one the proxy has.
    pub(super) certificate: Option<String>,
    exit: Option<Exit>,
    /// Held by whoever still tells a command something.
    talking: mpsc::Sender<()>,
    talked: mpsc::Receiver<()>,
    pub(super) watch: bool,
    /// What was said of the machine of an engine elsewhere, each once.
    said_of_elsewhere: HashSet<String>,
}

impl Driver {
    pub(super) fn new(begin: Begin, hub: Hub, inputs: mpsc::Sender<Input>) -> Driver {
        let (talking, talked) = mpsc::channel(1);
        if let Some(listener) = begin.listener {
            tokio::spawn(super::serve::serve(
                listener,
                inputs.clone(),
                talking.clone(),
            ));
        }
        Driver {
            watch: begin.options.watch,
            said_of_elsewhere: HashSet::new(),
            core: Session::new(begin.options),
            engine: begin.engine,
            load: begin.load,
            stack: None,
            rules: None,
            inputs,
            hub,
            began: Instant::now(),
            since: crate::report::Clock::now(),
            tasks: HashMap::new(),
            agents: Agents::new(),
            places: Places::new(begin.parallel),
            shared: begin.shared,
            agent_volume: Arc::default(),
            given: Given::default(),
            proxy_told: None,
            proxy_newest: None,
            proxy_behind: false,
            proxy_busy: false,
            waiting_for_pause: Vec::new(),
            watcher: None,
            remembered: watch::Sender::new(Watched::default()),
            bases: Bases::default(),
            ahead: Ahead::default(),
            looked: HashMap::new(),
            reads: Vec::new(),
            mark: super::place::mark(),
            waiting_for_saves: Vec::new(),
            waiting_for_proxy: Vec::new(),
            held: Vec::new(),
            stopping: Vec::new(),
            terminals: Vec::new(),
            verifying: BTreeMap::new(),
            certificate: None,
            exit: None,
            talking,
            talked,
        }
    }

    /// Until the core says how it ends.
    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) -> Exit {
        super::known::forget_old();
        self.reload();
        self.follow_engine();
        self.follow_certificate();
        while self.exit.is_none() {
            let deadline = self.core.next_deadline();
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input),
                    None => break,
                },
                () = until(self.began, deadline) => self.feed(Event::Deadline),
            }
        }
        self.publish_held();
        for task in self.tasks.values() {
            task.abort();
        }
        // Where nobody waited for saves there is none.
        let _ = std::fs::remove_file(&self.mark);
        for agent in std::mem::take(&mut self.agents).into_values() {
            agent.close().await;
        }
        drop(inputs);
        self.say_goodbye().await
    }

    /// Commands that listen hear all that was told, the end included, before the program ends.
    async fn say_goodbye(self) -> Exit {
        let (exit, mut talked) = (self.exit.unwrap_or(Exit::Failed), self.talked);
        drop((self.hub, self.stopping, self.terminals, self.talking));
        drop((self.waiting_for_saves, self.waiting_for_proxy));
        // Whoever connected and asks nothing is not waited for.
        let _ = tokio::time::timeout(GOODBYE, talked.recv()).await;
        exit
    }

    /// The engine's events become inputs.
    fn follow_engine(&self) {
        let Some(stack) = &self.stack else {
            return;
        };
        let mut events = self.engine.events(&stack.name);
        let (engine, inputs) = (self.engine.clone(), self.inputs.clone());
        tokio::spawn(async move {
            while let Some(mut observed) = events.recv().await {
                if let Observed::Connected { containers, .. } = &mut observed {
                    finish(&engine, containers).await;
                }
                if inputs.send(Input::Engine(observed)).await.is_err() {
                    return;
                }
            }
        });
        if self.watch {
            let mut names = self.engine.image_names();
            let inputs = self.inputs.clone();
            tokio::spawn(async move {
                while names.recv().await.is_some() {
                    if inputs.send(Input::ImageNames).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Reads the Stackfile, for the first time or again.
    fn reload(&mut self) {
        let (stackfile, reads) = load::read(&self.load);
        self.loaded(stackfile, reads);
    }

    /// Reads it again for somebody who may know of a save that nobody has told of, or not yet.
    pub(super) fn reload_if_changed(&mut self) {
        let (stackfile, reads) = load::read(&self.load);
        let before = self.stack.as_ref();
        let equal = match &stackfile {
            Stackfile::Loaded { stack, .. } => before == Some(stack),
            Stackfile::Rejected { .. } => true,
        };
        if !equal || self.watcher.is_none() {
            self.loaded(stackfile, reads);
        }
    }

    fn loaded(&mut self, mut stackfile: Stackfile, reads: Vec<PathBuf>) {
        self.reads = reads;
        let first = self.stack.is_none();
        if let (
            Stackfile::Loaded {
                stack, warnings, ..
            },
            Some(host),
        ) = (&mut stackfile, self.engine.endpoint().elsewhere())
        {
            let new = |warning: &String| self.said_of_elsewhere.insert(warning.clone());
            warnings.extend(elsewhere::warnings(stack, host).into_iter().filter(new));
        }
        self.certify(&mut stackfile);
        if let Stackfile::Loaded { stack, rules, .. } = &stackfile {
            self.stack = Some(stack.clone());
            self.rules = Some(rules.clone());
        } else if let (Some(watcher), Some(rules)) = (&mut self.watcher, &self.rules) {
            // A file that it names may be the one that is mended next.
            self.ahead.arming();
            watcher.replace(rules.clone(), watched_files(&self.reads, &self.mark));
        }
        self.feed(Event::Stackfile(stackfile));
        if !first {
            self.look_for_new_bases();
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Engine(mut observed) => {
                if let Observed::Connected { containers, .. } = &mut observed {
                    let (aside, others) =
                        take(containers).into_iter().partition(Container::is_aside);
                    *containers = others;
                    self.clear_left_overs(aside);
                }
                self.feed(Event::Engine(observed));
            }
            Input::Watch(event) => self.on_watch(event),
            Input::Done { op, outcome, agent } => {
                self.tasks.remove(&op);
                if matches!(outcome, Outcome::Failed(_)) {
                    self.ahead.end(&op.service);
                }
                if let Some(agent) = agent {
                    self.follow_back(&op.service, &agent);
                    self.adopt(*agent);
                }
                let is_much = spare::is_much(&outcome);
                self.feed(Event::Done { op, outcome });
                if is_much {
                    tokio::task::spawn_blocking(spare::give_back);
                }
            }
            Input::Progress { op, progress } => self.feed(Event::Progress { op, progress }),
            Input::Inputs { service, looked } => {
                self.looked.insert(service, looked);
            }
            Input::ImageNames => self.look_at_bases(),
            Input::Bases(bases) => self.bases_are(bases),
            Input::AgentGone { container, number } => self.agent_gone(container, number),
            Input::ProxyTold { known } => self.proxy_told(known),
            Input::ProxySettled => self.proxy_settled(),
            Input::Certificate => {
                if self.is_certified_otherwise() {
                    self.reload();
                }
            }
            Input::Ask { ask, reply } => self.on_ask(ask, reply),
            Input::TerminalGone { service } => {
                self.terminals.retain(|reply| !reply.is_closed());
                self.feed(Event::Request(Request::Detach { service }));
            }
            Input::Told(event) => self.feed(event),
            Input::Verified { services } => self.verified(&services),
            Input::Signal => self.feed(Event::Signal),
        }
    }

    fn on_watch(&mut self, event: WatchEvent) {
        let event = match event {
            // Whoever reads the Stackfile reads it at any time.
            WatchEvent::Passed { paths } if paths.iter().any(|path| self.is_declared_by(path)) => {
                WatchEvent::Changed {
                    paths,
                    same: Vec::new(),
                    age: Duration::ZERO,
                }
            }
            event => event,
        };
        match &event {
            WatchEvent::Ready { .. } => self.ahead.armed(),
            WatchEvent::Polled { .. } => {}
            WatchEvent::Changed { .. }
            | WatchEvent::Passed { .. }
            | WatchEvent::Overflow { .. }
            | WatchEvent::Lost { .. } => self.ahead.forget(),
        }
        let again = match &event {
            WatchEvent::Changed { paths, .. } => paths.iter().any(|path| self.is_read(path)),
            WatchEvent::Overflow { .. } => true,
            WatchEvent::Passed { .. }
            | WatchEvent::Ready { .. }
            | WatchEvent::Lost { .. }
            | WatchEvent::Polled { .. } => false,
        };
        // On which images of the stack one stands may be another question now.
        let dockerfile = match &event {
            WatchEvent::Changed { paths, .. } => paths.iter().any(|path| self.is_dockerfile(path)),
            _ => false,
        };
        // The mark may be among what was lost; whatever it marked is compared again.
        let caught_up = match &event {
            WatchEvent::Changed { paths, .. } => paths.contains(&self.mark),
            WatchEvent::Overflow { .. } => true,
            _ => false,
        };
        if again {
            self.reload();
        } else if dockerfile {
            self.reload_if_changed();
            self.look_for_new_bases();
        }
        self.feed(Event::Watch(event));
        if caught_up {
            self.caught_up();
        }
    }

    /// By whoever makes a stack of the Stackfile.
    fn is_read(&self, path: &std::path::Path) -> bool {
        self.reads.iter().any(|read| read == path) || Rules::is_ignore_file(path)
    }

    fn is_declared_by(&self, path: &std::path::Path) -> bool {
        self.is_read(path) || self.is_dockerfile(path) || self.mark == path
    }

    fn is_dockerfile(&self, path: &std::path::Path) -> bool {
        let services = self.stack.iter().flat_map(|stack| &stack.services);
        services.into_iter().any(|service| match &service.source {
            Source::Build(build) => build.dockerfile == path,
            Source::Image(_) => false,
        })
    }

    /// Lets the core decide, and performs what it asks for.
    pub(super) fn feed(&mut self, event: Event) {
        tracing::debug!(event = brief(&format_args!("{event:?}"), is_secret_event(&event)));
        let saved = match &event {
            Event::Watch(WatchEvent::Changed { paths, .. }) => Some(paths.len()),
            _ => None,
        };
        let began = Instant::now();
        let mut effects = self.core.handle(event, self.began.elapsed());
        if let Some(count) = saved {
            let us = began.elapsed().as_micros();
            tracing::debug!(count, bytes = 0, us, "save.decided");
        }
        // Who hears that an update is done may ask the proxy for it: that comes first.
        effects.sort_by_key(|effect| !matches!(effect, Effect::ProxyStates { .. }));
        for effect in effects {
            let secret = matches!(effect, Effect::Create { .. } | Effect::Build { .. });
            tracing::debug!(effect = brief(&format_args!("{effect:?}"), secret));
            self.perform(effect);
        }
        self.answer_stops();
    }

    /// Tells the world, but not before the proxy knows what the world is told.
    pub(super) fn publish(&mut self, notice: Notice) {
        let stamped = Stamped::now(notice);
        if self.proxy_busy {
            self.held.push(stamped);
        } else {
            self.hub.publish(stamped);
        }
    }

    /// The proxy knows: so may the world.
    pub(super) fn publish_held(&mut self) {
        for stamped in std::mem::take(&mut self.held) {
            self.hub.publish(stamped);
        }
        if !self.waiting_for_proxy.is_empty() {
            let status = self.status();
            for reply in std::mem::take(&mut self.waiting_for_proxy) {
                let _ = reply.send(Tell::Status {
                    status: status.clone(),
                });
            }
        }
    }

    pub(super) fn end(&mut self, exit: Exit) {
        self.exit = Some(exit);
    }

    /// Watches these trees from now on.
    pub(super) fn watch(&mut self, rules: Arc<Rules>) {
        if !self.watch {
            return;
        }
        self.ahead.arming();
        self.remembered.send_replace(Watched::by(rules.clone()));
        match &mut self.watcher {
            Some(watcher) => watcher.replace(rules, watched_files(&self.reads, &self.mark)),
            None => {
                // Room for one: what is saved while the loop is busy is told together.
                let (sender, mut events) = mpsc::channel(1);
                let files = watched_files(&self.reads, &self.mark);
                let choice = Choice::of(std::env::var_os("DEVRUN_WATCH").as_deref());
                let choice = choice.unwrap_or_else(|message| {
                    let root = PathBuf::new();
                    self.feed(Event::Watch(WatchEvent::Lost { root, message }));
                    Choice::Auto
                });
                if let Some(message) = wanted_in_vain() {
                    let root = PathBuf::new();
                    self.feed(Event::Watch(WatchEvent::Lost { root, message }));
                }
                self.watcher = Some(crate::watch::start(rules, files, choice, sender));
                let inputs = self.inputs.clone();
                let mut memory = Memory::new(self.remembered.subscribe());
                tokio::spawn(async move {
                    while let Some(event) = events.recv().await {
                        let armed = matches!(event, WatchEvent::Ready { .. });
                        let event = memory.compare(event).await;
                        if inputs.send(Input::Watch(event)).await.is_err() {
                            return;
                        }
                        if armed {
                            memory.take_in().await;
                        }
                    }
                });
            }
        }
    }

    /// The effect of this operation is a task from now on.
    pub(super) fn spawn(
        &mut self,
        op: Op,
        task: impl Future<Output = (Outcome, Option<Agent>)> + Send + 'static,
    ) {
        let (inputs, number) = (self.inputs.clone(), op.clone());
        let task = tokio::spawn(async move {
            let (outcome, agent) = task.await;
            let _ = inputs
                .send(Input::Done {
                    op: number,
                    outcome,
                    agent: agent.map(Box::new),
                })
                .await;
        });
        self.tasks.insert(op, task.abort_handle());
    }

    pub(super) fn cancel(&mut self, op: &Op) {
        if let Some(task) = self.tasks.remove(op) {
            task.abort();
        }
    }

    /// Effects that need no more than plain work and have an outcome.
    pub(super) fn work(&mut self, op: Op, task: impl Future<Output = Outcome> + Send + 'static) {
        self.spawn(op, async move { (task.await, None) });
    }
}

/// The files that are watched besides what the rules name.
fn watched_files(reads: &[PathBuf], mark: &std::path::Path) -> Vec<PathBuf> {
    let mut files = reads.to_vec();
    files.push(mark.to_owned());
    files
}

/// For the log of devrun itself: what holds the values of variables is only named.
fn brief(shown: &std::fmt::Arguments<'_>, secret: bool) -> String {
    let text = shown.to_string();
    if !secret {
        return text;
    }
    text.split([' ', '(', '{'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn is_secret_event(event: &Event) -> bool {
    matches!(event, Event::Stackfile(_))
}

async fn until(began: Instant, deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(began + deadline).await,
        None => std::future::pending().await,
    }
}
