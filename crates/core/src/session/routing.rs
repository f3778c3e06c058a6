//! What nginx of a proxy works with, what it is being given, and what becomes of what it does not
//! take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::{Route, Service, Stack};

/// So often it is tried whether what nginx has nothing against takes effect.
const TRIES: u32 = 2;
/// The pause between two of them.
const PAUSE: Duration = Duration::from_secs(1);

/// What makes a configuration another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heeded {
    pub(super) text: String,
    /// Which start of each service was ready last whose address nginx looks up once, when it reads
    /// the text.
    pub(super) looked_up: BTreeMap<String, i128>,
}

/// What a configuration is made of.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// What nginx heeds of it.
    pub(super) heeded: Heeded,
    pub(super) stack: Arc<Stack>,
    /// The person's own part.
    pub(super) text: String,
}

/// By what a process tells which configuration it works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    pub(super) generation: u64,
    /// Where it is asked, inside.
    pub(super) url: String,
}

/// What is known of one proxy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routing {
    /// What nginx heeds of the last one: it works with it, or did not take it. Nothing where an end
    /// was not heard of, because then it may have either.
    last: Option<Heeded>,
    under_way: Option<Given>,
    /// The number of that.
    coming: Option<Number>,
    /// What lies in its container, as far as is known, and what lay there before another one was
    /// under way.
    lies: Option<Number>,
    lay: Option<Number>,
    /// Its present process has said that it works with what it was given last.
    is_read: bool,
    /// Its process has begun with another one than lay there.
    is_other: bool,
    /// What its process was begun with, until it has said that it works with that.
    begun: Option<Given>,
    /// The last one of which that is known.
    good: Option<Given>,
    /// The texts that nginx found a mistake in.
    refused: BTreeSet<String>,
    /// When what did not take effect is tried again.
    again: Option<Duration>,
    tries: u32,
    /// Why nginx goes on with the one before.
    why: Option<String>,
    /// It did not take effect, though nginx had nothing against it, and is not tried any more.
    in_vain: bool,
}

impl Routing {
    pub(super) fn is_last(&self, heeded: &Heeded) -> bool {
        self.last.as_ref() == Some(heeded)
    }

    /// What it is being given is remembered now: by the time it has it, something else may be wanted.
    pub(super) fn begins(&mut self, given: Option<(Given, Number)>) {
        self.last = None;
        self.again = None;
        self.why = None;
        self.lay = self.lies.take();
        (self.under_way, self.coming) = given.unzip();
    }

    /// Its process has begun, and was to do so with what lies there now.
    pub(super) fn started(&mut self) {
        self.begun = self.under_way.take();
        self.last = self.begun.as_ref().map(|begun| begun.heeded.clone());
        self.lies = self.coming.take();
        self.is_read = false;
        self.is_other = false;
    }

    /// What its process has yet to say.
    pub(super) fn unread(&self) -> Option<Number> {
        self.lies.clone().filter(|_| !self.is_read)
    }

    /// Its process has said so; whether that is anything new.
    pub(super) fn read(&mut self) -> bool {
        self.is_read = true;
        let begun = self.begun.take();
        let is_new = begun.is_some();
        self.good = begun.or(self.good.take());
        is_new
    }

    /// Its process works with something else: it is given what is wanted.
    pub(super) fn other(&mut self) {
        self.is_unknown();
        self.begun = None;
        self.is_other = true;
    }

    pub(super) fn taken(&mut self) {
        self.lies = self.coming.take();
        self.is_read = true;
        self.is_other = false;
        let taken = self.under_way.take();
        if let Some(taken) = &taken {
            self.refused.remove(&taken.heeded.text);
        }
        self.last = taken.as_ref().map(|taken| taken.heeded.clone());
        self.good = taken.or(self.good.take());
        self.begun = None;
        self.tries = 0;
    }

    /// nginx found a mistake in it, and goes on with the one before.
    pub(super) fn refused(&mut self, why: String) {
        self.gives_up(why);
        self.lies = self.lay.take();
        self.refused
            .extend(self.last.iter().map(|it| it.text.clone()));
    }

    /// It did not take effect; whether it is tried again.
    pub(super) fn not_taken(&mut self, why: String, now: Duration) -> bool {
        self.tries += 1;
        if self.tries < TRIES {
            self.again = Some(now + PAUSE);
            return true;
        }
        self.gives_up(why);
        self.in_vain = true;
        false
    }

    fn gives_up(&mut self, why: String) {
        self.why = Some(why);
        let given = self.under_way.take();
        self.last = given.map(|given| given.heeded);
        self.tries = 0;
    }

    /// There is a new reason to try, or another process to try it with.
    pub(super) fn try_again(&mut self) {
        self.again = None;
        self.tries = 0;
        if std::mem::take(&mut self.in_vain) {
            self.last = None;
        }
    }

    /// The next one has said nothing yet.
    pub(super) fn process_is_over(&mut self) {
        self.is_read = false;
        self.try_again();
    }

    /// Nobody knows any more what it works with.
    pub(super) fn is_unknown(&mut self) {
        self.last = None;
        self.under_way = None;
        self.coming = None;
        self.lies = None;
        self.lay = None;
        self.try_again();
    }

    /// What did not take effect waits for its next try.
    pub(super) fn rests(&self, now: Duration) -> bool {
        self.again.is_some_and(|again| again > now)
    }

    pub(super) fn is_in_vain(&self) -> bool {
        self.in_vain
    }

    /// Its process has begun with another one than lay there, and nothing has helped yet.
    pub(super) fn is_other(&self) -> bool {
        self.is_other
    }

    /// Why a proxy that serves does not pass on as it is declared.
    pub(super) fn why(&self) -> Option<String> {
        let why = self.why.as_ref()?;
        Some(match self.is_other {
            true => format!("nginx does not say that it has its routes: {why}"),
            false => format!("its routes are those of before: {why}"),
        })
    }

    pub(super) fn is_retried(&self) -> bool {
        self.again.is_some()
    }

    pub(super) fn due(&self, now: Duration) -> Option<Duration> {
        self.again.filter(|again| *again > now)
    }

    /// What it is to begin with where nginx has found a mistake in what is wanted.
    pub(super) fn instead_of(&self, wanted: Option<&Given>) -> Option<&Given> {
        let good = self.good.as_ref()?;
        let mistaken = wanted.is_none_or(|it| self.refused.contains(&it.heeded.text));
        mistaken.then_some(good)
    }

    /// It has never worked, so that whatever it was given may be why.
    pub(super) fn is_unproved(&self) -> bool {
        self.good.is_none()
    }

    /// Where requests for that service go by what may be at work, also if that is no longer declared.
    pub(super) fn route_to(&self, service: &Service) -> Option<&Route> {
        let all = [&self.under_way, &self.begun, &self.good];
        all.into_iter().flatten().find_map(|given| {
            let before = given.stack.service(&service.name)?;
            before.routes.first()
        })
    }
}
