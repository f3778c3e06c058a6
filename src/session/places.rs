//! How many images are built at once: each build takes a place and gives it back when it ends, also
//! when somebody ends it. One name is built by one at a time, whoever wants it.

use tokio::sync::mpsc;

/// So many are built at once at least: most of a build waits for the network or a disk.
const FEWEST: usize = 4;

/// Where places are asked for; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Places(mpsc::UnboundedSender<Ask>);

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    name: String,
    back: mpsc::UnboundedSender<Ask>,
}

/// Who wants to build.
#[derive(Debug)]
pub(super) struct Wish {
    /// The image's name, without the tag.
    pub(super) name: String,
    /// Others stand on it, so it goes first.
    pub(super) first: bool,
    /// Cores of the machine that it is built on.
    pub(super) cores: usize,
}

#[derive(Debug)]
enum Ask {
    Place(Wish, mpsc::UnboundedSender<Answer>),
    Back(String),
}

#[derive(Debug)]
enum Answer {
    Place(Place),
    Wait(String),
}

impl Places {
    /// As many as told; else as many as the machine has cores, but not fewer than four.
    pub(crate) fn new(limit: Option<usize>) -> Places {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(give(receiver, sender.downgrade(), limit));
        Places(sender)
    }

    /// A place, once there is one; tells what it waits for until then.
    pub(super) async fn take(&self, wish: Wish, mut waits: impl FnMut(String)) -> Option<Place> {
        let (answer, mut answers) = mpsc::unbounded_channel();
        self.0.send(Ask::Place(wish, answer)).ok()?;
        loop {
            match answers.recv().await? {
                Answer::Place(place) => return Some(place),
                Answer::Wait(reason) => waits(reason),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Where nobody gives places any more, nobody wants one.
        let _ = self.back.send(Ask::Back(std::mem::take(&mut self.name)));
    }
}

async fn give(
    mut asks: mpsc::UnboundedReceiver<Ask>,
    back: mpsc::WeakUnboundedSender<Ask>,
    limit: Option<usize>,
) {
    let mut queue = Queue::default();
    while let Some(ask) = asks.recv().await {
        match ask {
            Ask::Place(wish, answer) => {
                let cores = wish.cores;
                queue.limit = limit.unwrap_or(cores.max(FEWEST)).max(1);
                let reason = queue.why_not(&wish.name);
                if let Some(reason) = reason {
                    // Whoever went meanwhile is left out later.
                    let _ = answer.send(Answer::Wait(reason));
                }
                queue.waiting.push((wish, answer));
            }
            Ask::Back(name) => queue.busy.retain(|busy| *busy != name),
        }
        while let Some((name, answer)) = queue.next(mpsc::UnboundedSender::is_closed) {
            let Some(back) = back.upgrade() else { return };
            // One that nobody takes comes back by itself.
            let _ = answer.send(Answer::Place(Place { name, back }));
        }
    }
}

/// Who builds and who waits, in the order in which they came.
#[derive(Debug)]
struct Queue<T> {
    limit: usize,
    busy: Vec<String>,
    waiting: Vec<(Wish, T)>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue {
            limit: FEWEST,
            busy: Vec::new(),
            waiting: Vec::new(),
        }
    }
}

impl<T> Queue<T> {
    fn why_not(&self, name: &str) -> Option<String> {
        if self.busy.iter().any(|busy| busy == name) {
            return Some(format!("{name} is being built for another service"));
        }
        (self.busy.len() >= self.limit).then(|| match self.limit {
            1 => "another image is being built (--parallel)".to_owned(),
            limit => format!("{limit} other images are being built (--parallel)"),
        })
    }

    /// The next one that gets a place: of those that others stand on the one that waits longest,
    /// else of all.
    fn next(&mut self, gone: impl Fn(&T) -> bool) -> Option<(String, T)> {
        self.waiting.retain(|(_, who)| !gone(who));
        if self.busy.len() >= self.limit {
            return None;
        }
        let free = |wish: &Wish| !self.busy.contains(&wish.name);
        let place = |first: bool| {
            let mut all = self.waiting.iter();
            all.position(|(wish, _)| free(wish) && (wish.first || !first))
        };
        let at = place(true).or_else(|| place(false))?;
        let (wish, who) = self.waiting.remove(at);
        self.busy.push(wish.name.clone());
        Some((wish.name, who))
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Places, Queue, Wish};

    fn wish(name: &str, first: bool) -> Wish {
        Wish {
            name: name.to_owned(),
            first,
            cores: 2,
        }
    }

    fn queue(limit: usize, waiting: &[(&str, bool)]) -> Queue<()> {
        let waiting = waiting.iter();
        Queue {
            limit,
            waiting: waiting
                .map(|(name, first)| (wish(name, *first), ()))
                .collect(),
            ..Queue::default()
        }
    }

    fn all(queue: &mut Queue<()>) -> Vec<String> {
        let next = || Some(queue.next(|()| false)?.0);
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn who_came_first_goes_first_but_after_those_that_others_stand_on() {
        let mut two = queue(2, &[("web", false), ("api", false), ("base", true)]);
        assert_eq!(all(&mut two), ["base", "web"]);
        assert!(two.why_not("api").is_some());
        two.busy.clear();
        assert_eq!(all(&mut two), ["api"]);
        assert_eq!(two.why_not("more"), None);
    }

    #[test]
    fn one_name_is_built_once_at_a_time_and_holds_nobody_else_up() {
        let mut many = queue(4, &[("web", false), ("web", true), ("api", false)]);
        assert_eq!(all(&mut many), ["web", "api"]);
        assert!(
            many.why_not("web")
                .is_some_and(|why| why.contains("another service"))
        );
        many.busy.retain(|name| name != "web");
        assert_eq!(all(&mut many), ["web"]);
    }

    #[tokio::test]
    async fn a_place_comes_back_with_its_owner_and_one_who_went_takes_none() {
        let places = Places::new(Some(1));
        let take = async |name: &str| places.take(wish(name, false), |_| ()).await;
        let first: Option<Place> = take("a").await;
        assert!(first.is_some());
        let mut told = Vec::new();
        {
            let waits = places.take(wish("b", false), |reason| told.push(reason));
            let waits = tokio::time::timeout(std::time::Duration::ZERO, waits).await;
            assert!(waits.is_err());
        }
        drop(first);
        assert!(take("c").await.is_some());
    }
}
