//! A way over TCP that can be cut, and be there again at the same address.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::kit::eventually;

pub struct Wire {
    pub port: u16,
    to: u16,
    /// Both ends of everything that goes through it.
    open: Arc<Mutex<Vec<TcpStream>>>,
    cut: Arc<AtomicBool>,
}

impl Wire {
    pub fn to(to: u16) -> Wire {
        let mut wire = Wire {
            port: 0,
            to,
            open: Arc::default(),
            cut: Arc::default(),
        };
        wire.mend();
        wire
    }

    pub fn mend(&mut self) {
        self.cut.store(false, Ordering::SeqCst);
        // A moment after the cut the address may still be held by what was open.
        let listener = eventually("the address of the wire", 30, || {
            TcpListener::bind(("127.0.0.1", self.port)).ok()
        });
        self.port = listener.local_addr().unwrap().port();
        let (open, cut, to) = (self.open.clone(), self.cut.clone(), self.to);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if cut.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                let both = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                open.lock().unwrap().extend(both);
                pass(&near, &far);
                pass(&far, &near);
            }
        });
    }

    /// Nobody answers any more, and what was open is closed.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
