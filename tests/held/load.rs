//! Constant requests, each with a number of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use crate::kit::{Scratch, patience};
use crate::stage::port;

/// Clients.
pub const SIDE_BY_SIDE: usize = 6;

/// Sizes of bodies; the last is one that takes time.
const SIZES: [usize; 3] = [10, 3_000, 200_000];

/// One request and its answer.
#[derive(Debug)]
pub struct Asked {
    /// As the backend records it.
    pub line: String,
    /// 0 where there was none.
    pub status: u16,
    /// The head of the answer.
    pub head: String,
}

/// Clients that go on until they are told.
pub struct Load {
    ends: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Asked>>>,
}

impl Load {
    pub fn begin(stack: &Scratch) -> Load {
        let (ends, next) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let port = port(stack);
        let clients = (0..SIDE_BY_SIDE).map(|_| {
            let (ends, next) = (Arc::clone(&ends), Arc::clone(&next));
            std::thread::spawn(move || {
                let mut asked = Vec::new();
                while !ends.load(Ordering::Relaxed) {
                    asked.push(ask(port, next.fetch_add(1, Ordering::Relaxed)));
                }
                asked
            })
        });
        let clients = clients.collect();
        Load { ends, clients }
    }

    pub fn end(self) -> Vec<Asked> {
        self.ends.store(true, Ordering::Relaxed);
        let asked = self.clients.into_iter().map(|one| one.join().unwrap());
        asked.flatten().collect()
    }
}

fn ask(port: u16, number: u32) -> Asked {
    let size = match number % 3 {
        0 => 0,
        _ => SIZES[number as usize / 3 % SIZES.len()],
    };
    let method = if size == 0 { "GET" } else { "POST" };
    let answer = exchange(port, method, number, size).unwrap_or_else(|error| error.to_string());
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    Asked {
        line: format!("{method} {number} {size}"),
        status: head
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(0),
        head: head.to_owned(),
    }
}

fn exchange(port: u16, method: &str, number: u32, size: usize) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(patience(60)))?;
    let head = format!(
        "{method} /api/record?id={number} HTTP/1.1\r\nHost: localhost:{port}\r\n\
         Connection: close\r\nContent-Length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&vec![b'x'; size])?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
