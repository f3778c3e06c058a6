//! A way to the engine that can be cut, and that knows what was asked: the real one is not ours to
//! stop.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A socket that leads to the engine's.
#[derive(Debug)]
pub struct Relay {
    socket: PathBuf,
    /// Both ends of everything that goes through it.
    open: Arc<Mutex<Vec<UnixStream>>>,
    cut: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub fn open(socket: PathBuf) -> Relay {
        let relay = Relay {
            socket,
            open: Arc::default(),
            cut: Arc::default(),
            asked: Arc::default(),
        };
        relay.listen();
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
        let asked = self.asked.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if cut.load(Ordering::SeqCst) {
                    return;
                }
                let far = UnixStream::connect("/var/run/docker.sock").unwrap();
                open.lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                pass(&near, &far, Some(asked.clone()));
                pass(&far, &near, None);
            }
        });
    }

    /// Every request so far, as `POST /v1.41/containers/create?name=x`. What goes through a stream
    /// that is open, as an agent's, is none.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
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

fn pass(from: &UnixStream, to: &UnixStream, asked: Option<Arc<Mutex<Vec<String>>>>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if let Some(asked) = &asked {
                asked.lock().unwrap().extend(requests(&buffer[..count]));
            }
            if to.write_all(&buffer[..count]).is_err() {
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
