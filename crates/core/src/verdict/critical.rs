//! What made a run as long as it was.

use std::time::Duration;

use serde::Serialize;

/// Something that took time, and what had to be over before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The service or check.
    pub name: String,
    /// `pull`, `build`, `start`, `task`, `settle`, `check`.
    pub what: &'static str,
    /// When it began.
    pub from: Duration,
    /// When it was over.
    pub to: Duration,
    /// Places in the list.
    pub after: Vec<usize>,
}

/// A link of the chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    /// The service or check.
    pub name: String,
    /// As in [`Item`].
    pub what: &'static str,
    /// Since the run began, milliseconds.
    pub from_ms: u64,
    /// Likewise.
    pub to_ms: u64,
}

/// From the last one back by what each waited for longest: had one of these been quicker, so had
/// been the run.
#[must_use]
pub fn critical(items: &[Item]) -> Vec<Link> {
    let latest = |places: &mut dyn Iterator<Item = usize>| {
        places.max_by_key(|place| items.get(*place).map(|item| item.to))
    };
    let mut chain = Vec::new();
    let mut next = latest(&mut (0..items.len()));
    while let Some(item) = next.and_then(|place| items.get(place)) {
        chain.push(Link {
            name: item.name.clone(),
            what: item.what,
            from_ms: millis(item.from),
            to_ms: millis(item.to),
        });
        if chain.len() > items.len() {
            break;
        }
        next = latest(&mut item.after.iter().copied());
    }
    chain.reverse();
    chain
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, from: u64, to: u64, after: &[usize]) -> Item {
        Item {
            name: name.into(),
            what: "start",
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
            after: after.into(),
        }
    }

    fn chain(items: &[Item]) -> Vec<String> {
        critical(items).into_iter().map(|link| link.name).collect()
    }

    #[test]
    fn it_goes_back_by_who_was_ready_last() {
        let items = [
            item("db", 0, 4, &[]),
            item("cache", 0, 1, &[]),
            item("api", 4, 6, &[0, 1]),
            item("web", 1, 3, &[1]),
        ];
        assert_eq!(chain(&items), ["db", "api"]);
        assert_eq!(chain(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_circle_has_an_end() {
        assert_eq!(chain(&[item("a", 0, 1, &[0])]).len(), 2);
    }
}
