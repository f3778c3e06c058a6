//! Pulling, with a short patience: where no registry answers we want to know soon.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{Error, Image};
use crate::run;

/// Until the registry says its first word.
const FIRST_WORD: Duration = Duration::from_secs(20);
/// Between two words: a large layer on a slow line.
const NEXT_WORD: Duration = Duration::from_secs(600);

#[derive(Debug, PartialEq)]
enum Outcome {
    Pulled,
    /// The registry answered, and has it not, or does not give it to us.
    Refused(String),
    /// No registry answered; the next image would wait in vain as well.
    NobodyAnswers(String),
}

/// Pulls what it can and returns the images that it could not have.
pub(super) fn pull(images: &[Image]) -> Result<Vec<Image>, Error> {
    let mut failed = Vec::new();
    for (index, image) in images.iter().enumerate() {
        run::say(&format!("  pulling {} …", image.name));
        let start = Instant::now();
        match pull_one(image.name)? {
            Outcome::Pulled => {
                let seconds = start.elapsed().as_secs_f64();
                run::say(&format!("  {}: pulled in {seconds:.1} s", image.name));
            }
            Outcome::Refused(why) => {
                run::say(&format!("  {} cannot be pulled: {why}", image.name));
                failed.push(*image);
            }
            Outcome::NobodyAnswers(why) => {
                run::say(&format!("  no registry answers: {why}"));
                failed.extend_from_slice(&images[index..]);
                break;
            }
        }
    }
    Ok(failed)
}

fn pull_one(name: &str) -> Result<Outcome, Error> {
    let mut child = Command::new("docker")
        .args(["pull", name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| run::Error::Start {
            program: "docker pull".into(),
            source,
        })?;
    let (words, heard) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .all(|line| words.send(line).is_ok())
        });
    }
    let mut patience = FIRST_WORD;
    let in_time = loop {
        match heard.recv_timeout(patience) {
            Ok(_) => patience = NEXT_WORD,
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    if !in_time {
        let _ = child.kill();
        let _ = child.wait();
        return Ok(Outcome::NobodyAnswers(format!(
            "silent for {} s",
            patience.as_secs()
        )));
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut said);
    }
    let pulled = child.wait().is_ok_and(|status| status.success());
    Ok(if pulled {
        Outcome::Pulled
    } else {
        understand(&said)
    })
}

/// The engine tells only in words whether a registry was there.
fn understand(said: &str) -> Outcome {
    const SILENCE: [&str; 8] = [
        "no such host",
        "connection refused",
        "i/o timeout",
        "network is unreachable",
        "no route to host",
        "server misbehaving",
        "Client.Timeout exceeded",
        "TLS handshake timeout",
    ];
    let why = said.lines().last().unwrap_or("no reason given");
    let why = why.rsplit("daemon: ").next().unwrap_or(why).to_owned();
    if SILENCE.iter().any(|word| said.contains(word)) {
        Outcome::NobodyAnswers(why)
    } else {
        Outcome::Refused(why)
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, understand};

    #[test]
    fn silence_is_told_from_a_refusal() {
        for said in [
            "Error response from daemon: Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host",
            "Error response from daemon: dial tcp 192.0.2.1:443: connect: connection refused",
            "Error response from daemon: net/http: TLS handshake timeout",
        ] {
            assert!(
                matches!(understand(said), Outcome::NobodyAnswers(_)),
                "{said}"
            );
        }
        let said = "Error response from daemon: manifest for redis:7 not found: manifest unknown";
        let why = "manifest for redis:7 not found: manifest unknown".to_owned();
        assert_eq!(understand(said), Outcome::Refused(why));
        assert!(matches!(understand(""), Outcome::Refused(_)));
    }
}
