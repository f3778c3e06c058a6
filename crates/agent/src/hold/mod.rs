//! Requests that the proxy cannot pass on wait here until their service takes them. The proxy keeps
//! their bodies; only their heads come here, over a socket, and the answer says where they go.

mod ask;
mod queue;

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use devrun_wire::frames::Behind;

use self::ask::Ask;
use self::queue::{Answer, Queue};
use crate::refusal::Refusal;

/// The longest head that is read; that of the client's own request line is in it.
const HEAD: usize = 64 << 10;
/// The proxy sends a head in one piece.
const HEAD_PATIENCE: Duration = Duration::from_secs(1);
/// Heads that are read at a time.
const MOST_READING: usize = 256;
/// A thread here does little.
const STACK: usize = 128 << 10;
/// Those who may go do so in groups: a server that has just begun takes few at a time.
const GROUP: usize = 16;
const PAUSE: Duration = Duration::from_millis(2);
/// How long a connection to a neighbour may take.
const TRY_PATIENCE: Duration = Duration::from_millis(200);

/// All that wait, at one socket.
#[derive(Debug)]
pub(crate) struct Hold {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<Held>,
    changed: Condvar,
    reading: AtomicUsize,
}

#[derive(Debug, Default)]
struct Held {
    queue: Queue<UnixStream>,
    /// Something came since the last round.
    stirred: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stir(&self, change: impl FnOnce(&mut Queue<UnixStream>)) {
        let mut held = self.lock();
        change(&mut held.queue);
        held.stirred = true;
        drop(held);
        self.changed.notify_one();
    }
}

impl Hold {
    /// Listens; ends with the program.
    pub(crate) fn start(socket: &str) -> Result<Hold, Refusal> {
        let listener = listen(Path::new(socket));
        let listener = listener.map_err(|error| Refusal::new(format!("{socket}: {error}")))?;
        let shared: Arc<Shared> = Arc::default();
        let (taking, answering) = (Arc::clone(&shared), Arc::clone(&shared));
        spawn(move || take_in(&listener, &taking))?;
        spawn(move || answer_all(&answering))?;
        Ok(Hold { shared })
    }

    /// What is known of the services from now on.
    pub(crate) fn tell(&self, services: Vec<Behind>) {
        self.shared.stir(|queue| queue.tell(services));
    }
}

/// The proxy's workers are another user than we are.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, Permissions::from_mode(0o666))?;
    Ok(listener)
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), Refusal> {
    let started = thread::Builder::new().stack_size(STACK).spawn(work);
    started
        .map(|_| ())
        .map_err(|error| Refusal::new(format!("no more threads in this container: {error}")))
}

fn take_in(listener: &UnixListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept() {
            Ok((client, _)) => take(client, shared),
            // Too many open files, as a rule: some will be closed.
            Err(_) => thread::park_timeout(HEAD_PATIENCE / 20),
        }
    }
}

/// Whoever is let go here without a word is answered by the proxy itself.
fn take(client: UnixStream, shared: &Arc<Shared>) {
    if shared.reading.fetch_add(1, Ordering::Relaxed) >= MOST_READING {
        shared.reading.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let own = Arc::clone(shared);
    let read = move || {
        let asked = ask_of(&client);
        own.reading.fetch_sub(1, Ordering::Relaxed);
        let Some(ask) = asked else {
            return;
        };
        own.stir(|queue| {
            if let Err(client) = queue.add(ask, client, Instant::now()) {
                answer(&client, &Answer::Page);
            }
        });
    };
    if spawn(read).is_err() {
        shared.reading.fetch_sub(1, Ordering::Relaxed);
    }
}

fn ask_of(mut client: &UnixStream) -> Option<Ask> {
    let deadline = Instant::now() + HEAD_PATIENCE;
    let mut got = Vec::new();
    let mut buffer = [0; 8 << 10];
    while !got.windows(4).any(|four| four == b"\r\n\r\n") {
        let left = crate::clock::left(deadline)?;
        client.set_read_timeout(Some(left)).ok()?;
        let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
        got.extend_from_slice(buffer.get(..count)?);
        if got.len() > HEAD {
            return None;
        }
    }
    client.set_nonblocking(true).ok()?;
    Ask::read(&String::from_utf8_lossy(&got))
}

fn answer_all(shared: &Shared) {
    loop {
        let mut held = shared.lock();
        held.stirred = false;
        let round = held.queue.round(Instant::now(), is_gone);
        drop(held);
        for (count, (client, said)) in (1..).zip(round.answers) {
            answer(&client, &said);
            drop(client);
            if count % GROUP == 0 {
                thread::park_timeout(PAUSE);
            }
        }
        for (port, addresses) in round.tries {
            let open = takes_connections(&addresses, port.1);
            let mut held = shared.lock();
            held.queue.note_try(port, open, Instant::now());
            held.stirred = true;
        }
        let held = shared.lock();
        if held.stirred {
            continue;
        }
        let wait = round
            .next
            .map(|next| next.saturating_duration_since(Instant::now()));
        // Why it went on does not matter: all is looked at again.
        match wait {
            Some(wait) => drop(shared.changed.wait_timeout(held, wait)),
            None => drop(shared.changed.wait(held)),
        }
    }
}

/// Without an address there is nothing to try: it is asked for by its name.
fn takes_connections(addresses: &[Ipv4Addr], port: u16) -> bool {
    let try_one = |address: &Ipv4Addr| {
        let place = SocketAddr::from((*address, port));
        TcpStream::connect_timeout(&place, TRY_PATIENCE).is_ok()
    };
    addresses.is_empty() || addresses.iter().any(try_one)
}

/// Nothing comes from the proxy after the head but the end.
fn is_gone(mut client: &UnixStream) -> bool {
    !matches!(client.read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn answer(mut client: &UnixStream, said: &Answer) {
    let (to, place) = match said {
        Answer::Go { to, open, suffix } => {
            let open = if *open { "-open" } else { "" };
            (to.as_str(), format!("@devrun-live{open}{suffix}"))
        }
        Answer::Page => ("", "@devrun-wait".to_owned()),
        Answer::Lost => ("", "@devrun-lost".to_owned()),
        Answer::Late => ("", "@devrun-late".to_owned()),
    };
    let text = format!(
        "HTTP/1.0 200 OK\r\nX-Accel-Redirect: {place}\r\nX-Devrun-To: {to}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    // Nobody listens where the client has gone.
    let _ = client.write_all(text.as_bytes());
}

#[cfg(test)]
mod tests;
