//! A way to the engine that can be cut: the real one is not ours to stop.

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
}

impl Relay {
    pub fn open(socket: PathBuf) -> Relay {
        let relay = Relay {
            socket,
            open: Arc::default(),
            cut: Arc::default(),
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
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if cut.load(Ordering::SeqCst) {
                    return;
                }
                let far = UnixStream::connect("/var/run/docker.sock").unwrap();
                open.lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                pass(&near, &far);
                pass(&far, &near);
            }
        });
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

fn pass(from: &UnixStream, to: &UnixStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}
