//! The program inside containers: reads frames on stdin, answers on stdout, ends with its input.
//! Started by hand, or as the engine's health check, it asks one question and ends with 0 or 1.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use devrun_wire::codec::FrameError;

mod announce;
mod clock;
mod drain;
mod exchange;
mod hello;
mod hold;
mod http;
mod inspect;
mod kill;
mod list;
mod mounts;
mod net;
mod owner;
mod place;
mod read;
mod refusal;
mod rotate;
mod run;
mod serve;
mod stir;
mod tail;
mod terms;
mod tidy;
mod tree;
mod write;

const USAGE: &str = "usage: devrun-agent serve [UID:GID]
       devrun-agent probe http URL TIMEOUT_MS
       devrun-agent probe tcp PORT TIMEOUT_MS
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve(),
        ["serve", owner] => {
            owner::work_for(owner);
            serve()
        }
        ["probe", "http", url, timeout] => match timeout.parse() {
            Ok(timeout) => probe(&http::get(url, clock::deadline(timeout))),
            Err(_) => complain(USAGE),
        },
        ["probe", "tcp", port, timeout] => match (port.parse(), timeout.parse()) {
            (Ok(port), Ok(timeout)) => probe(&net::tcp(port, clock::deadline(timeout))),
            _ => complain(USAGE),
        },
        _ => complain(USAGE),
    }
}

fn serve() -> ExitCode {
    match conversation() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("devrun-agent: {error}\n")),
    }
}

/// The standard library's own streams look for ends of lines in what goes through them.
fn conversation() -> Result<(), FrameError> {
    announce::announce();
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    serve::serve(input, output)
}

/// The engine keeps what a health check prints, for `docker inspect`.
fn probe(answer: &net::Answer) -> ExitCode {
    let mut out = std::io::stdout();
    let printed = out.write_all(&answer.output).and_then(|()| out.flush());
    if answer.code == 0 && printed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn complain(message: &str) -> ExitCode {
    // Where even stderr is gone, the exit code is all that can be said.
    let _ = std::io::stderr().write_all(message.as_bytes());
    ExitCode::FAILURE
}
