//! What is known of one service, and what is under way for it.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use devrun_stack::Command;

use super::again_soon::Passed;
use super::blame::Blame;
use super::circle::Circle;
use super::large::Large;
use super::leaving::Leaving;
use super::looking::Looking;
use super::paused::Paused;
use super::roll::{Beside, Vain};
use super::routing::Routing;
use super::seen::{Making, Seen};
use super::settling::Settling;
use super::spec::Hashed;
use super::spent::Spent;
use super::state::Shown;
use super::undone::Undone;
use super::unsynced::Unsynced;
use crate::event::{Failure, Op, Transport};
use crate::live::Live;
use crate::notice::Part;
use crate::plan::Follow;
use crate::spec::{Health, Image};

/// So many exits without being ready once, and nobody waits for it any more.
pub(crate) const EXITS_TO_FAIL: u32 = 3;

/// Whether it is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Yes.
    Run,
    /// No: its profile is not chosen, or it was not named.
    Off,
    /// No: somebody stopped it.
    Stopped,
}

/// The image that it is to run from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ImageState {
    /// It has to be looked for, or made.
    Unknown {
        /// Why, for people.
        reason: String,
        /// All that its build reads counts, also what is synced.
        whole: bool,
    },
    /// It is being looked for, or made.
    Busy(Op),
    /// It is there.
    Have(Image),
    /// It could not be had.
    Failed,
}

/// What is under way on the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Create,
    Start,
    Restart,
    /// Limits and restart policy.
    Update,
    Attach,
    Probe,
    Sync,
    /// All that is synced, by the archive call.
    Push,
    Exec,
    /// A command that belongs to the start.
    Hook,
    Signal,
    ProxyApply,
    /// A proxy's process has begun, and is asked with what.
    ProxyRead,
    /// The one that it was made beside is gone: its container gets the name that it left.
    Rename,
    Stop,
    /// The last lines of its log are being fetched, to explain a failure.
    Explain,
}

impl Doing {
    /// The process is meant to end, or to begin, by what we do: its exits are no surprise.
    pub(crate) fn replaces_process(self) -> bool {
        matches!(
            self,
            Doing::Create | Doing::Start | Doing::Restart | Doing::Stop
        )
    }
}

/// The one operation under way on the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) op: Op,
    pub(crate) doing: Doing,
    /// Since when, or since its last part was over.
    pub(crate) since: Duration,
}

/// The saves that led to what is going on, until it is over.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Update {
    /// `seq` of the plan's notice.
    pub(crate) cause: Option<u64>,
    pub(crate) began: Duration,
    /// When the saves of the last plan were noticed; others may have gone over before them.
    pub(crate) since: Option<Duration>,
    /// `synced`, `restarted`, `rebuilt`, in order.
    pub(crate) actions: Vec<String>,
    /// What is going on is about these paths, shortened for people.
    pub(crate) paths: String,
    /// All that was planned.
    pub(crate) saved: BTreeSet<PathBuf>,
    /// Some of it could not be brought over.
    pub(crate) incomplete: bool,
}

/// Saves that were told of and of which nothing is planned yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noticed {
    /// `seq` of the last notice.
    pub(crate) cause: u64,
    /// When the first came.
    pub(crate) since: Duration,
}

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) wanted: Wanted,
    pub(crate) image: ImageState,
    /// Why its image is looked for, until it turns out that it has to be made.
    pub(crate) image_asked: Option<String>,
    /// Its image is being built or pulled.
    pub(crate) image_made: bool,
    /// Why its build cannot go on yet.
    pub(crate) image_waits: Option<String>,
    /// Its image is new: once that is live, older ones may go.
    pub(crate) image_to_tidy: bool,
    /// Since when its builds are given up for newer saves, one after the other.
    pub(crate) given_up_since: Option<Duration>,
    /// Why another image is to be made once the one that is being made is in use.
    pub(crate) build_next: Option<String>,
    /// The last one that was there, of a proxy.
    pub(crate) last_image: Option<Image>,
    pub(crate) container: Option<Seen>,
    /// Of what its container is to be made of.
    pub(crate) spec_hash: Option<Hashed>,
    pub(crate) busy: Option<Busy>,
    pub(crate) making: Option<Making>,
    /// What its container's limits are being changed to.
    pub(crate) limiting: Option<Live>,
    /// Limits that the engine cannot give to anybody, and why.
    pub(crate) unlimited: Option<(Live, String)>,
    /// How changes travel; `None` until the agent of this start has been seen.
    pub(crate) attached: Option<Transport>,
    /// Since its process began it was compared once, and nobody has lost whoever does that.
    pub(crate) answered: bool,
    /// Its container was compared since it was found, or made: what is owed to it is known.
    pub(crate) compared: bool,
    /// Comparisons of this start that came to nothing, one after the other.
    pub(crate) attach_tries: u32,
    /// Somebody asked for the comparison that is due.
    pub(crate) compare_asked: bool,
    /// When the comparison under way began.
    pub(crate) compare_began: Option<Duration>,
    /// Something was brought into its container, and it was not said yet that all that follows is
    /// over.
    pub(crate) owes: bool,
    /// Commands that still belong to its last start.
    pub(crate) hooks: VecDeque<Command>,
    /// Warnings that were given, each once.
    pub(crate) warned: BTreeSet<String>,
    /// Since its last start, the probe was answered well.
    pub(crate) ready: bool,
    /// It was ready at some time in this session.
    pub(crate) was_ready: bool,
    /// Which start of its container was ready last.
    pub(crate) served: Option<i128>,
    pub(crate) health: Option<Health>,
    /// Saves not yet looked at.
    pub(crate) pending: BTreeSet<PathBuf>,
    /// What was told of them.
    pub(crate) noticed: Option<Noticed>,
    /// Those of them that wait for quiet.
    pub(crate) settling: Settling,
    /// When the first and the last of the saves came that `follow` stands for.
    pub(crate) saved: Option<(Duration, Duration)>,
    /// Saves that came while somebody had it stopped, and ask for what no start does.
    pub(crate) missed: BTreeSet<PathBuf>,
    /// Saves that are being brought over.
    pub(crate) planned: Vec<PathBuf>,
    /// What follows them, once it is quiet.
    pub(crate) follow: VecDeque<Follow>,
    /// Whether the saves that ask for another image changed anything.
    pub(crate) looking: Option<Looking>,
    /// Whether these come from what they led to.
    pub(crate) circle: Circle,
    /// Rules that do not act, because they trigger themselves.
    pub(crate) paused: Vec<Paused>,
    /// Files whose content is the one that was followed by what `on` rules outside of sync ask for.
    pub(crate) same: BTreeSet<PathBuf>,
    /// Saves that these are about.
    pub(crate) set_aside: BTreeSet<PathBuf>,
    /// The one of those that is under way.
    pub(crate) in_hand: Option<Follow>,
    /// What follows if the image turns out to be the same, so that no new container makes it
    /// pointless.
    pub(crate) after_rebuild: Vec<Follow>,
    pub(crate) undone: Option<Undone>,
    /// What of `follow` failed before and is tried again, without a save that asks for it.
    pub(crate) retried: Vec<Follow>,
    /// The engine refused something, for which a stronger way was gone.
    pub(crate) stronger: bool,
    pub(crate) update: Option<Update>,
    /// How long what of it.
    pub(crate) spent: Spent,
    /// The parts of the last start, until they are told.
    pub(crate) start_parts: Vec<Part>,
    /// What could not be brought over.
    pub(crate) unsynced: Unsynced,
    /// Large files that are not there yet.
    pub(crate) large: Large,
    /// What was passed on just now.
    pub(crate) passed: Passed,
    /// It cannot be had, and is not tried again before something changes.
    pub(crate) failed: Option<Failure>,
    /// It seems to have failed. Until then it may yet be told that its process has ended, which says
    /// more.
    pub(crate) suspect: Option<(Duration, Failure)>,
    /// Its process ended by itself; the engine may start it again, which may go better.
    pub(crate) crashed: Option<Failure>,
    /// It was ready when its process ended by itself, and has not ended again since.
    pub(crate) fell: bool,
    /// The step that the build of its image has come to.
    pub(crate) build_step: Option<String>,
    /// Exits since it was ready last, and not only for a moment.
    pub(crate) exits: u32,
    /// Since when its process runs, or ran.
    pub(crate) up_since: Option<Duration>,
    /// It was saved since, although it was known to die.
    pub(crate) mending: bool,
    /// Times that the engine has started it again by itself since somebody else did.
    pub(crate) engine_starts: u32,
    /// The last saves that are live.
    pub(crate) lately: Option<Blame>,
    /// Those of which its process has died.
    pub(crate) died_of: Option<Blame>,
    /// It ended and the engine starts it again by itself.
    pub(crate) engine_restarts: bool,
    /// It was not a command of ours that stopped it.
    pub(crate) stopped_outside: Option<Duration>,
    /// The last exit that was seen: when and with what.
    pub(crate) exited: Option<(i128, i64)>,
    /// That exit was of our making, and so is what the engine tells of it afterwards.
    pub(crate) ended_by_us: bool,
    /// Until then the end of its process is that of a restart, or of a new container in its place,
    /// which came no further.
    pub(crate) restart_refused: Option<Duration>,
    /// Everything that is synced was pushed into it by the archive call, because it ends before an
    /// agent can be started.
    pub(crate) pushed: bool,
    /// When files of it were changed last while it did not run.
    pub(crate) written: Option<Duration>,
    /// Make it anew even if it is equal, and why.
    pub(crate) recreate: Option<String>,
    /// Make it anew for limits that this one cannot have, unless they are declared as before again.
    pub(crate) recreate_for_limits: Option<String>,
    /// The Stackfile does not ask for it any more, and it is to go.
    pub(crate) surplus: bool,
    /// What it was declared as until then.
    pub(crate) leaving: Option<Box<Leaving>>,
    /// It is to take the place of another one, once it is ready.
    pub(crate) beside: Option<Beside>,
    /// The last one that was to take its place did not get ready.
    pub(crate) vain: Option<Vain>,
    /// Somebody asked for a restart, which waits for those that it depends on.
    pub(crate) again: bool,
    /// Terminals on its process. While there are any, its saves wait.
    pub(crate) terminals: u32,
    /// Its saves wait until somebody says so.
    pub(crate) manual: bool,
    /// Somebody has said so, and not all of it is live yet.
    pub(crate) triggered: bool,
    /// It is one-shot.
    pub(crate) task: bool,
    /// One-shot, and it ended with 0.
    pub(crate) completed: bool,
    /// One-shot: what it reads is another one than its last run had, or somebody asked for a run.
    pub(crate) run_due: bool,
    /// One-shot: in this session it was looked at whether its container has what the host has.
    pub(crate) looked_at: bool,
    /// When its process was begun last in this session.
    pub(crate) run_began: Option<Duration>,
    /// The task that it waits for, before it goes on with what follows.
    pub(crate) waits_for: Option<String>,
    /// When the present start of its container began, after all that it waited for.
    pub(crate) start_began: Option<Duration>,
    /// How long the last start took until it was ready.
    pub(crate) start_took: Option<Duration>,
    /// State and reason as last told.
    pub(crate) shown: Shown,
    /// Last answer of a probe that was not good.
    pub(crate) last_probe: Option<String>,
    pub(crate) restarts: u32,
    /// Proxy: the configuration.
    pub(crate) routing: Routing,
}

impl Machine {
    pub(crate) fn new(name: &str) -> Machine {
        Machine {
            name: name.to_owned(),
            wanted: Wanted::Off,
            image: ImageState::Unknown {
                reason: "first start".to_owned(),
                whole: false,
            },
            image_asked: None,
            image_made: false,
            image_waits: None,
            image_to_tidy: false,
            given_up_since: None,
            build_next: None,
            container: None,
            spec_hash: None,
            busy: None,
            making: None,
            limiting: None,
            unlimited: None,
            attached: None,
            answered: false,
            compared: false,
            attach_tries: 0,
            compare_asked: false,
            compare_began: None,
            owes: false,
            hooks: VecDeque::new(),
            warned: BTreeSet::new(),
            ready: false,
            was_ready: false,
            served: None,
            health: None,
            pending: BTreeSet::new(),
            missed: BTreeSet::new(),
            noticed: None,
            settling: Settling::default(),
            saved: None,
            planned: Vec::new(),
            follow: VecDeque::new(),
            looking: None,
            circle: Circle::default(),
            paused: Vec::new(),
            same: BTreeSet::new(),
            set_aside: BTreeSet::new(),
            in_hand: None,
            after_rebuild: Vec::new(),
            undone: None,
            retried: Vec::new(),
            stronger: false,
            update: None,
            spent: Spent::default(),
            start_parts: Vec::new(),
            unsynced: Unsynced::default(),
            large: Large::default(),
            passed: Passed::default(),
            failed: None,
            suspect: None,
            crashed: None,
            fell: false,
            build_step: None,
            exits: 0,
            up_since: None,
            mending: false,
            engine_starts: 0,
            lately: None,
            died_of: None,
            engine_restarts: false,
            stopped_outside: None,
            exited: None,
            ended_by_us: false,
            restart_refused: None,
            pushed: false,
            written: None,
            recreate: None,
            recreate_for_limits: None,
            surplus: false,
            leaving: None,
            beside: None,
            vain: None,
            again: false,
            terminals: 0,
            manual: false,
            triggered: false,
            task: false,
            completed: false,
            run_due: false,
            looked_at: false,
            run_began: None,
            waits_for: None,
            start_began: None,
            start_took: None,
            shown: Shown::default(),
            last_probe: None,
            restarts: 0,
            last_image: None,
            routing: Routing::default(),
        }
    }

    /// Its process runs, as far as is known.
    pub(crate) fn running(&self) -> bool {
        self.container.as_ref().is_some_and(|seen| seen.running)
    }

    pub(crate) fn container_id(&self) -> Option<String> {
        self.container.as_ref().map(|seen| seen.id.clone())
    }

    pub(crate) fn doing(&self) -> Option<Doing> {
        self.busy.as_ref().map(|busy| busy.doing)
    }

    /// It serves, or has done what it is for.
    pub(crate) fn is_up(&self) -> bool {
        self.completed || (self.ready && self.running())
    }

    /// What was known of the process that ran is void.
    pub(crate) fn forget_process(&mut self) {
        self.attached = None;
        self.answered = false;
        self.large.give_up();
        self.attach_tries = 0;
        self.ready = false;
        self.health = None;
        self.last_probe = None;
        self.suspect = None;
        self.routing.process_is_over();
    }

    /// A new reason to try: what failed before does not hold it back.
    pub(crate) fn try_again(&mut self) {
        self.failed = None;
        self.crashed = None;
        self.exits = 0;
        self.died_of = None;
        self.pushed = false;
        self.unlimited = None;
        self.stronger = false;
        self.vain = None;
        self.routing.try_again();
        if self.image == ImageState::Failed {
            self.image = ImageState::Unknown {
                reason: "tried again".to_owned(),
                whole: false,
            };
        }
    }

    /// More that has to follow: a new container makes the rest pointless, a new image perhaps, and
    /// a restart comes after the commands, whichever was asked for first.
    pub(crate) fn add_follow(&mut self, more: Vec<Follow>) {
        // Whatever it finds was not asked of these.
        self.looking = None;
        // Images, containers and tasks are the business of the one that it stands beside.
        let own = |one: &Follow| {
            let others = matches!(one, Follow::Rebuild | Follow::Recreate | Follow::Run(_));
            self.beside.is_none() || !others
        };
        let more: Vec<Follow> = more.into_iter().filter(own).collect();
        // What is saved while a task runs is not what it has read.
        let begun = usize::from(self.waits_for.is_some());
        for follow in more {
            if !self.follow.iter().skip(begun).any(|one| *one == follow) {
                self.follow.push_back(follow);
            }
        }
        let is_task = |follow: &Follow| matches!(follow, Follow::Run(_));
        if self.follow.contains(&Follow::Rebuild) {
            let all = std::mem::take(&mut self.follow).into_iter();
            let (tasks, rest): (Vec<_>, Vec<_>) = all.partition(is_task);
            self.follow = tasks.into();
            self.follow.push_back(Follow::Rebuild);
            let rest = rest.into_iter().filter(|it| *it != Follow::Rebuild);
            let new: Vec<Follow> = rest.filter(|it| !self.after_rebuild.contains(it)).collect();
            self.after_rebuild.extend(new);
        } else if self.follow.contains(&Follow::Recreate) {
            self.follow.retain(is_task);
            self.follow.push_back(Follow::Recreate);
        } else if self.follow.contains(&Follow::Restart) {
            self.follow
                .retain(|follow| matches!(follow, Follow::Exec(_) | Follow::Run(_)));
            self.follow.push_back(Follow::Restart);
        }
    }

    /// Nothing is to follow but what is about others.
    pub(crate) fn drop_rebuild(&mut self) {
        self.follow
            .retain(|follow| matches!(follow, Follow::Run(_)));
    }

    /// Takes back what is under way on the container, with what it was meant to do.
    pub(crate) fn take_back(&mut self) -> Option<Op> {
        self.pending.extend(std::mem::take(&mut self.planned));
        match self.in_hand.take() {
            Some(follow @ (Follow::Exec(_) | Follow::Signal(_))) => self.follow.push_front(follow),
            Some(follow) => self.add_follow(vec![follow]),
            None => {}
        }
        // A container that has run before does not tell whether it ran this time.
        self.run_due |= self.task && self.doing() == Some(Doing::Start);
        self.busy.take().map(|busy| busy.op)
    }

    /// A terminal is on its process: nothing but what a person asks for may replace it, or change
    /// the files that it works with.
    pub(crate) fn is_attended(&self) -> bool {
        self.terminals > 0 && self.running()
    }

    /// Its trees are to be compared again, which would bring over what differs.
    pub(crate) fn comparison_waits(&self) -> bool {
        self.is_attended() && self.is_unsure() && !self.compare_asked
    }

    /// It serves, and whether it has all that was saved is only being found out.
    pub(crate) fn is_unsure(&self) -> bool {
        self.running() && self.ready && self.attached.is_none()
    }

    /// Saves wait for somebody to say so.
    pub(crate) fn awaits_trigger(&self) -> bool {
        self.manual && !self.triggered
    }

    /// Saves are collected, and nothing of them is begun.
    pub(crate) fn holds_saves(&self) -> bool {
        self.is_attended() || self.awaits_trigger()
    }

    /// What follows a save can be begun, as soon as it is quiet.
    pub(crate) fn can_follow(&self) -> bool {
        self.busy.is_none()
            && self.large.count() == 0
            && !self.holds_saves()
            && self.failed.is_none()
            && self.suspect.is_none()
            && !self.completed
            && self.attached.is_some()
            && self.running()
    }

    /// Why it is not what it should be.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failed.as_ref().or(self.crashed.as_ref())
    }

    /// It failed, and is not about to be tried again: not by us, and by the engine only as often
    /// as makes no difference.
    pub(crate) fn is_hopeless(&self) -> bool {
        let crash_looping = self.crashed.is_some() && self.exits >= EXITS_TO_FAIL;
        (self.failed.is_some() || crash_looping)
            && self
                .busy
                .as_ref()
                .is_none_or(|busy| busy.doing != Doing::Explain)
    }

    /// Nothing more will happen to it by itself.
    pub(crate) fn at_rest(&self) -> bool {
        // What was in vain before may be so again: nobody waits for it.
        let trying_again = self.unsynced.alone && self.doing() == Some(Doing::Sync);
        (self.busy.is_none() || trying_again)
            && !self.again
            && self.suspect.is_none()
            && self.large.count() == 0
            && !matches!(self.image, ImageState::Busy(_) | ImageState::Unknown { .. })
            && self.build_next.is_none()
            && !self.routing.is_retried()
            && !self.comparison_waits()
            && (self.awaits_trigger() || (self.pending.is_empty() && self.follow.is_empty()))
    }
}
