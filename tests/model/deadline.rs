//! Whatever somebody waits for has an end: what has none is told by its name, and ends the test.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::kit::{Scratch, patience, within};

/// Longer than the longest that a wait gives itself.
const LONGEST: u64 = 150;

type Table = Arc<Mutex<(u64, BTreeMap<u64, (Instant, String)>)>>;

/// Who waits, since when, and for what.
#[derive(Debug)]
pub struct Waits {
    table: Table,
    /// Dropped with it: the one who looks after the time goes then.
    _end: Sender<()>,
}

/// Somebody waits until this is dropped.
#[derive(Debug)]
pub struct Doing(Table, u64);

impl Waits {
    /// Looks after the time from now on; the stack is that of the waits.
    pub fn watched(stack: Weak<Scratch>) -> Waits {
        let (end, ended) = channel();
        let table = Table::default();
        let watched = Arc::clone(&table);
        std::thread::spawn(move || {
            while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                if let (Some(what), Some(stack)) = (overdue(&watched), stack.upgrade()) {
                    give_up(&what, &stack);
                }
            }
        });
        Waits { table, _end: end }
    }

    pub fn doing(&self, what: &str) -> Doing {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.0 += 1;
        let number = table.0;
        table.1.insert(number, (Instant::now(), what.to_owned()));
        Doing(Arc::clone(&self.table), number)
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.1.remove(&self.1);
    }
}

fn overdue(table: &Table) -> Option<String> {
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let mut waits = table.1.values();
    let is_over = |since: &Instant| since.elapsed() > patience(LONGEST);
    waits.any(|(since, _)| is_over(since)).then(|| {
        let told = table.1.values();
        let told = told.map(|(since, what)| format!("{} s {what}\n", since.elapsed().as_secs()));
        told.collect()
    })
}

/// Nobody can be woken from a read that has no end, so the whole program ends.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread that is stuck cannot be made to panic"
)]
fn give_up(what: &str, stack: &Scratch) -> ! {
    println!("it hangs. Waited for:\n{what}");
    let status = stack.command(&["status", "-v"]).spawn();
    if let Ok(mut status) = status
        && within(20, || status.try_wait().unwrap_or_default()).is_none()
    {
        println!("devrun status does not end either");
    }
    stack.clear();
    std::process::exit(1);
}
