//! A way to the engine that can be cut, and that knows what was asked: the real one is not ours to
//! stop.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// A socket that leads to the engine's. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Relay {
    socket: PathBuf,
    /// Both ends of everything that goes through it.
    open: Arc<Mutex<Vec<UnixStream>>>,
    cut: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
    trap: Arc<Mutex<Option<Trap>>>,
    refused: Arc<Mutex<Option<Refused>>>,
    still: Still,
}

/// Whether nothing gets through, while all that is open stays so.
#[derive(Debug, Clone, Default)]
struct Still(Arc<(Mutex<bool>, Condvar)>);

impl Still {
    fn set(&self, still: bool) {
        *self.0.0.lock().unwrap() = still;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let held = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(held, |still| *still).unwrap());
    }
}

/// Requests that get a no instead of the engine's answer.
#[derive(Debug)]
struct Refused {
    /// A part of their first line.
    line: String,
    /// So many of them.
    times: usize,
}

/// What happens at a request that is still to come.
struct Trap {
    /// So many come before it.
    passes: usize,
    /// The engine hears of it first.
    after: bool,
    then: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trap")
            .field("passes", &self.passes)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl Relay {
    pub fn open(socket: PathBuf) -> Relay {
        let relay = Relay {
            socket,
            open: Arc::default(),
            cut: Arc::default(),
            asked: Arc::default(),
            trap: Arc::default(),
            refused: Arc::default(),
            still: Still::default(),
        };
        relay.listen();
        relay
    }

    /// One that all which is run for this stack goes through.
    pub fn between(stack: &mut super::Scratch) -> Relay {
        let relay = Relay::open(PathBuf::from(&stack.state).join("engine.sock"));
        let address = relay.address();
        stack.environment.push(("DOCKER_HOST".to_owned(), address));
        relay
    }

    /// For `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// As when the engine starts.
    pub fn listen(&self) {
        self.cut.store(false, Ordering::SeqCst);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let (open, cut) = (self.open.clone(), self.cut.clone());
        let near_side = Near {
            asked: self.asked.clone(),
            trap: self.trap.clone(),
            refused: self.refused.clone(),
        };
        let still = self.still.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if cut.load(Ordering::SeqCst) {
                    return;
                }
                let far = UnixStream::connect("/var/run/docker.sock").unwrap();
                open.lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                pass(&near, &far, Some(near_side.clone()), still.clone());
                pass(&far, &near, None, still.clone());
            }
        });
    }

    /// Every request so far, as `POST /v1.41/containers/create?name=x`. What goes through a stream
    /// that is open, as an agent's, is none.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Does something once, at the request after so many more: before the engine hears of it, which
    /// it then does not, or after that.
    pub fn at(&self, passes: usize, after: bool, then: impl FnOnce() + Send + 'static) {
        *self.trap.lock().unwrap() = Some(Trap {
            passes,
            after,
            then: Box::new(then),
        });
    }

    /// The next so many requests whose first line has this in it are answered with a no, and the
    /// engine hears nothing of them.
    pub fn refuse(&self, line: &str, times: usize) {
        *self.refused.lock().unwrap() = Some(Refused {
            line: line.to_owned(),
            times,
        });
    }

    /// Nothing is to happen any more; whether it has not.
    pub fn disarm(&self) -> bool {
        self.trap.lock().unwrap().take().is_some()
    }

    /// As when the engine hangs: it takes what it is asked, and says nothing; or does so again.
    pub fn hang(&self, hangs: bool) {
        self.still.set(hangs);
    }

    /// As when the engine stops: nobody answers, and what was open is closed.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it ends.
        let _ = UnixStream::connect(&self.socket);
        std::fs::remove_file(&self.socket).unwrap();
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// What is done with requests on their way.
#[derive(Clone)]
struct Near {
    asked: Arc<Mutex<Vec<String>>>,
    trap: Arc<Mutex<Option<Trap>>>,
    refused: Arc<Mutex<Option<Refused>>>,
}

/// The engine's way to say no.
const NO: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
    Content-Length: 37\r\nConnection: close\r\n\r\n{\"message\":\"the relay says no to it\"}";

impl Near {
    fn refuses(&self, bytes: &[u8]) -> bool {
        let mut refused = self.refused.lock().unwrap();
        let Some(one) = refused.as_mut().filter(|one| one.times > 0) else {
            return false;
        };
        let refuses = requests(bytes).iter().any(|line| line.contains(&one.line));
        one.times -= usize::from(refuses);
        refuses
    }

    /// Takes them down; answers what is to be done at one of them.
    fn heard(&self, bytes: &[u8]) -> Option<Trap> {
        let requests = requests(bytes);
        let count = requests.len();
        self.asked.lock().unwrap().extend(requests);
        let mut trap = self.trap.lock().unwrap();
        let armed = trap.as_mut().filter(|_| count > 0)?;
        if armed.passes < count {
            return trap.take();
        }
        armed.passes -= count;
        None
    }
}

fn pass(from: &UnixStream, to: &UnixStream, near: Option<Near>, still: Still) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..count];
            still.wait();
            if near.as_ref().is_some_and(|near| near.refuses(bytes)) {
                let _ = from.write_all(NO);
                break;
            }
            let trap = near.as_ref().and_then(|near| near.heard(bytes));
            let (trap, passed) = match trap {
                Some(trap) if !trap.after => {
                    (trap.then)();
                    break;
                }
                trap => (trap, to.write_all(bytes).is_ok()),
            };
            if let Some(trap) = trap {
                (trap.then)();
            }
            if !passed {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

/// The first line of each request in it. A client writes a request's head at once.
fn requests(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
    let requests = lines.filter_map(|line| line.strip_suffix(" HTTP/1.1\r"));
    requests.map(str::to_owned).collect()
}
