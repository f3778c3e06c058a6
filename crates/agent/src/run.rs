//! Commands, each in a process group of its own, so that all of it can be ended.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock;
use crate::kill;
use crate::net::{Answer, TIMED_OUT};
use crate::tail::Tail;

/// Exit code of a program that may not be run.
const NOT_ALLOWED: i32 = 126;
/// Exit code of a program that is not there.
const NOT_FOUND: i32 = 127;
/// How long the last words of a command that ended may take: what it left running may hold
/// its output open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The process groups that run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    leaders: BTreeSet<u32>,
    closed: bool,
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, command: &mut Command) -> io::Result<Child> {
        let mut state = self.lock();
        if state.closed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let child = command.spawn()?;
        state.leaders.insert(child.id());
        Ok(child)
    }

    fn ended(&self, leader: u32) {
        self.lock().leaders.remove(&leader);
    }

    /// Kills all that runs; nothing starts any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for leader in &state.leaders {
            // It may have ended by itself in this moment.
            let _ = kill::group(*leader, kill::KILL);
        }
    }
}

enum Report {
    Exited(io::Result<ExitStatus>),
    OutputClosed,
}

/// Runs a command to its end, or to the deadline.
pub(crate) fn run(groups: &Groups, argv: &[String], deadline: Instant) -> Answer {
    let Some((program, arguments)) = argv.split_first() else {
        return Answer::new(NOT_FOUND, "an empty command");
    };
    match start(groups, program, arguments) {
        Ok((child, output)) => follow(groups, child, output, deadline),
        Err(error) => {
            let code = match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_ALLOWED,
            };
            Answer::new(code, format!("{program}: {error}"))
        }
    }
}

fn start(groups: &Groups, program: &str, arguments: &[String]) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    // The command holds our copies of the pipe's end; it goes with this function.
    Ok((groups.start(&mut command)?, reader))
}

fn follow(groups: &Groups, child: Child, output: PipeReader, deadline: Instant) -> Answer {
    let leader = child.id();
    let tail = Arc::new(Mutex::new(Tail::default()));
    let (report, reports) = mpsc::channel();
    let collecting = collect(output, Arc::clone(&tail), report.clone());
    let waiting = wait(child, groups.clone(), report);
    let mut code = None;
    if collecting.and(waiting).is_err() {
        // No thread is to be had: better no command than one that nobody follows.
        let _ = kill::group(leader, kill::KILL);
        groups.ended(leader);
        return Answer::new(NOT_ALLOWED, "no more threads in this container");
    }
    let mut closed = false;
    let mut deadline = deadline;
    while code.is_none() || !closed {
        let left = clock::left(deadline).unwrap_or_default();
        match reports.recv_timeout(left) {
            Ok(Report::OutputClosed) => closed = true,
            Ok(Report::Exited(status)) => {
                code.get_or_insert(code_of(&status));
                deadline = Instant::now() + LAST_WORDS;
            }
            Err(_) if code.is_some() => break,
            Err(_) => {
                // Killed by us or ended by itself in this moment: either way time is up.
                let _ = kill::group(leader, kill::KILL);
                code = Some(TIMED_OUT);
                deadline = Instant::now() + LAST_WORDS;
            }
        }
    }
    let output = tail.lock().unwrap_or_else(PoisonError::into_inner).take();
    Answer::new(code.unwrap_or(TIMED_OUT), output)
}

fn collect(
    mut output: PipeReader,
    tail: Arc<Mutex<Tail>>,
    report: Sender<Report>,
) -> io::Result<()> {
    let work = move || {
        let mut buffer = [0; 8192];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    tail.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .add(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Nobody listens where the answer was given already.
        let _ = report.send(Report::OutputClosed);
    };
    thread::Builder::new().spawn(work).map(|_| ())
}

fn wait(mut child: Child, groups: Groups, report: Sender<Report>) -> io::Result<()> {
    let work = move || {
        let status = child.wait();
        groups.ended(child.id());
        // Nobody listens where time ran out.
        let _ = report.send(Report::Exited(status));
    };
    thread::Builder::new().spawn(work).map(|_| ())
}

fn code_of(status: &io::Result<ExitStatus>) -> i32 {
    let Ok(status) = status else {
        return NOT_ALLOWED;
    };
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(NOT_ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::{Groups, run};
    use crate::clock::deadline;

    fn sh(line: &str, timeout_ms: u64) -> (i32, String) {
        let argv = ["sh", "-c", line].map(str::to_owned);
        let answer = run(&Groups::default(), &argv, deadline(timeout_ms));
        (
            answer.code,
            String::from_utf8_lossy(&answer.output).into_owned(),
        )
    }

    #[test]
    fn output_and_errors_come_joined_with_the_code() {
        assert_eq!(
            sh("echo out; echo err >&2; exit 3", 5_000),
            (3, "out\nerr\n".into())
        );
    }

    #[test]
    fn a_killed_command_is_128_and_the_signal() {
        assert_eq!(sh("kill -TERM $$", 5_000).0, 143);
    }

    #[test]
    fn time_out_ends_the_whole_group_and_keeps_the_output() {
        assert_eq!(
            sh("echo before; sleep 60 & sleep 60", 100),
            (124, "before\n".into())
        );
    }

    #[test]
    fn what_it_leaves_running_does_not_keep_it() {
        assert_eq!(
            sh("sleep 2 & echo started", 60_000),
            (0, "started\n".into())
        );
    }

    #[test]
    fn a_missing_program_is_127() {
        let answer = run(
            &Groups::default(),
            &["no-such-program".into()],
            deadline(1_000),
        );
        assert_eq!(answer.code, 127);
        assert_eq!(run(&Groups::default(), &[], deadline(1_000)).code, 127);
    }

    #[test]
    fn after_the_end_nothing_starts() {
        let groups = Groups::default();
        groups.close();
        assert_eq!(run(&groups, &["true".into()], deadline(1_000)).code, 126);
    }
}
