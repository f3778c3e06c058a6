//! What answers on a port of this machine.

use std::io::{Error as IoError, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Error, PATIENCE, pause, side};

/// Between two questions.
const PACE: Duration = Duration::from_millis(5);

/// Longer than any of the programs asked takes for an answer.
const PATIENT: Duration = Duration::from_secs(2);

/// Until that path of that port answers well, and with these words at its end where there are any.
pub(super) fn answers(port: u16, path: &str, wanted: Option<&str>) -> Result<(), Error> {
    answers_within(PATIENT, port, path, wanted)
}

/// The same, asked anew where no answer came for so long.
pub(super) fn answers_within(
    patience: Duration,
    port: u16,
    path: &str,
    wanted: Option<&str>,
) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        let answer = ask(patience, port, path).ok();
        if answer.is_some_and(|answer| wanted.is_none_or(|wanted| answer.ends_with(wanted))) {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            let what = format!("port {port} does not answer {wanted:?} at {path}");
            return Err(side("the service", &what));
        }
        pause(PACE);
    }
}

/// What that path answers with.
pub(super) fn asked(port: u16, path: &str) -> Result<String, Error> {
    let answer = ask(PATIENT, port, path).map_err(|error| side(path, &error.to_string()))?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}

/// A whole answer with its head; an error where there is none, or one that is no success.
fn ask(patience: Duration, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let mut words = answer.split(' ');
    match (words.next(), words.next()) {
        (Some(protocol), Some("200")) if protocol.starts_with("HTTP/1.") => Ok(answer),
        _ => Err(IoError::from(ErrorKind::InvalidData)),
    }
}
