//! The loop: file operations in order, on this thread; commands and questions on their own.

use std::io::{BufReader, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use devrun_wire::codec::{self, FrameError};
use devrun_wire::frames::{Behind, Request, Response, VERSION};

use crate::clock;
use crate::drain;
use crate::hello;
use crate::hold::Hold;
use crate::http;
use crate::inspect;
use crate::kill;
use crate::list;
use crate::net;
use crate::read;
use crate::refusal::{Refusal, done, refused};
use crate::rotate;
use crate::run::{self, Groups};
use crate::stir::Stir;
use crate::terms;
use crate::tree;
use crate::write::{Piece, Writes};

/// Commands and questions at a time.
const MOST: usize = 64;
/// What is taken in at a time: many small files.
const INPUT: usize = 64 << 10;
/// Answers that go out together, at most.
const OUTPUT: usize = 16 << 10;

/// Answers until the input ends; then all that still runs is killed, and files that did not
/// arrive whole are gone.
pub(crate) fn serve(
    input: impl Read,
    output: impl Write + Send + 'static,
) -> Result<(), FrameError> {
    let mut server = Server {
        answers: Answers::to(output),
        writes: Writes::default(),
        groups: Groups::default(),
        busy: Arc::new(AtomicUsize::new(0)),
        stir: None,
        hold: None,
    };
    let result = server.conversation(&mut BufReader::with_capacity(INPUT, input));
    server.groups.close();
    result
}

struct Server<W> {
    answers: Answers<W>,
    writes: Writes,
    groups: Groups,
    busy: Arc<AtomicUsize>,
    /// From the first request on that waits for something to happen.
    stir: Option<Stir>,
    /// From the first word on about what waits.
    hold: Option<Hold>,
}

impl<W: Write + Send + 'static> Server<W> {
    fn conversation(&mut self, input: &mut BufReader<impl Read>) -> Result<(), FrameError> {
        match codec::read(input)? {
            None => return Ok(()),
            Some((number, Request::Hello { version: VERSION })) => {
                self.answers.send(number, &hello::hello())?;
            }
            Some((number, Request::Hello { version })) => {
                let message = format!("the agent speaks version {VERSION}, the host {version}");
                return self.answers.send(number, &refused(message));
            }
            Some((number, _)) => {
                return self
                    .answers
                    .send(number, &refused("the first frame must be a hello"));
            }
        }
        loop {
            // While there is more to do at once, nobody is in a hurry to hear.
            if !codec::holds_frame(input.buffer()) {
                self.answers.flush()?;
            }
            match codec::read(input) {
                Ok(None) => return Ok(()),
                Ok(Some((number, request))) => {
                    if let Some(answer) = self.handle(number, request) {
                        self.answers.add(number, &answer)?;
                    }
                }
                Err(error @ FrameError::Unknown { number, .. }) => {
                    self.answers.add(number, &refused(error))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn handle(&mut self, number: u32, request: Request) -> Option<Response> {
        Some(match request {
            Request::Hello { .. } => hello::hello(),
            Request::Inspect { root, paths } => {
                inspect::inspect(&root, &paths).map_or_else(Response::from, Response::Entries)
            }
            Request::Write {
                root,
                path,
                mode,
                data,
                last,
            } => {
                let piece = Piece {
                    root: &root,
                    path: &path,
                    mode,
                    data: &data,
                    last,
                };
                return self.writes.piece(number, &piece);
            }
            Request::Remove { root, path } => done(tree::remove(&root, &path)),
            Request::Mkdir { root, path, mode } => done(tree::mkdir(&root, &path, mode)),
            Request::Symlink { root, path, target } => done(tree::symlink(&root, &path, &target)),
            Request::Owner {
                root,
                path,
                uid,
                gid,
            } => {
                terms::set(root, path, (uid, gid));
                Response::Done
            }
            Request::Run { argv, timeout_ms } => {
                let groups = self.groups.clone();
                let deadline = clock::deadline(timeout_ms);
                return self.aside(number, move || run::run(&groups, &argv, deadline));
            }
            Request::Http { url, timeout_ms } => {
                let deadline = clock::deadline(timeout_ms);
                return self.aside(number, move || http::get(&url, deadline));
            }
            Request::Tcp { port, timeout_ms } => {
                let deadline = clock::deadline(timeout_ms);
                return self.aside(number, move || net::tcp(port, deadline));
            }
            Request::Signal { pid, signal } => done(
                kill::process(pid, signal).map_err(|error| Refusal::signal(pid, signal, &error)),
            ),
            Request::List {
                root,
                folders,
                after,
            } => list::list(&root, &folders, &after).unwrap_or_else(Response::from),
            Request::Read {
                root,
                path,
                offset,
                length,
            } => read::read(&root, &path, offset, length).unwrap_or_else(Response::from),
            Request::Await { root, folders } => {
                return self.wait(number, &root, &folders).err().map(Response::from);
            }
            Request::Hold { socket, services } => done(self.hold(&socket, services)),
            Request::Drain {
                addresses,
                ports,
                timeout_ms,
            } => {
                let deadline = clock::deadline(timeout_ms);
                return self.aside(number, move || drain::drain(&addresses, &ports, deadline));
            }
        })
    }

    /// Answers now or once something happens.
    fn wait(&mut self, number: u32, root: &str, folders: &[Vec<u8>]) -> Result<(), Refusal> {
        let stir = match self.stir.take() {
            Some(stir) => stir,
            None => {
                let answers = self.answers.clone();
                // The main thread notices the end of the connection by itself.
                Stir::start(move |number, answer| drop(answers.send(number, &answer)))?
            }
        };
        let due = self.stir.insert(stir).wait(number, root, folders)?;
        for (number, answer) in due {
            // As above.
            let _ = self.answers.send(number, &answer);
        }
        Ok(())
    }

    fn hold(&mut self, socket: &str, services: Vec<Behind>) -> Result<(), Refusal> {
        let hold = match self.hold.take() {
            Some(hold) => hold,
            // Who is asked to is beside a proxy.
            None => {
                rotate::start();
                Hold::start(socket)?
            }
        };
        self.hold.insert(hold).tell(services);
        Ok(())
    }

    /// Works on a thread of its own, which sends the answer; one that cannot be had is refused.
    fn aside(
        &self,
        number: u32,
        work: impl FnOnce() -> net::Answer + Send + 'static,
    ) -> Option<Response> {
        let busy = Arc::clone(&self.busy);
        if busy.fetch_add(1, Ordering::Relaxed) >= MOST {
            busy.fetch_sub(1, Ordering::Relaxed);
            return Some(refused(format!(
                "more than {MOST} commands and probes at a time"
            )));
        }
        let answers = self.answers.clone();
        let ended = Arc::clone(&busy);
        let start = Instant::now();
        let work = move || {
            let answer = work();
            let took_us = clock::micros_since(start);
            let exited = Response::Exited {
                code: answer.code,
                output: answer.output,
                took_us,
            };
            ended.fetch_sub(1, Ordering::Relaxed);
            // The main thread notices the end of the connection by itself.
            let _ = answers.send(number, &exited);
        };
        match thread::Builder::new().spawn(work) {
            Ok(_) => None,
            Err(error) => {
                busy.fetch_sub(1, Ordering::Relaxed);
                Some(refused(format!(
                    "no more threads in this container: {error}"
                )))
            }
        }
    }
}

/// The way back, shared by all threads; one frame at a time.
struct Answers<W>(Arc<Mutex<Out<W>>>);

struct Out<W> {
    output: W,
    /// Whole frames that are to go out together.
    waiting: Vec<u8>,
}

impl<W> Clone for Answers<W> {
    fn clone(&self) -> Self {
        Answers(Arc::clone(&self.0))
    }
}

impl<W: Write> Answers<W> {
    fn to(output: W) -> Self {
        let waiting = Vec::new();
        Answers(Arc::new(Mutex::new(Out { output, waiting })))
    }

    fn send(&self, number: u32, answer: &Response) -> Result<(), FrameError> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.add(number, answer)?;
        out.flush()
    }

    /// The same, but it may wait for those that come after it.
    fn add(&self, number: u32, answer: &Response) -> Result<(), FrameError> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.add(number, answer)?;
        match out.waiting.len() < OUTPUT {
            true => Ok(()),
            false => out.flush(),
        }
    }

    fn flush(&self) -> Result<(), FrameError> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.flush()
    }
}

impl<W: Write> Out<W> {
    fn add(&mut self, number: u32, answer: &Response) -> Result<(), FrameError> {
        match codec::write(&mut self.waiting, number, answer) {
            Err(error @ FrameError::TooLarge(_)) => {
                codec::write(&mut self.waiting, number, &refused(error))
            }
            result => result,
        }
    }

    fn flush(&mut self) -> Result<(), FrameError> {
        if !self.waiting.is_empty() {
            self.output.write_all(&self.waiting)?;
            self.output.flush()?;
            self.waiting.clear();
        }
        Ok(())
    }
}
