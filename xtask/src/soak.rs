//! `cargo xtask soak NAME --minutes N [--seed S]`: random cases for as long as is wanted.

use crate::up::cargo;
use crate::{Failure, ready, run};

/// What was asked for is not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no soak {0:?}; there is: sync")]
    Unknown(String),
    #[error("how long? cargo xtask soak sync --minutes N [--seed S]; 0 minutes are one seed")]
    Arguments,
}

#[derive(Debug, PartialEq)]
struct Wanted {
    minutes: u64,
    seed: Option<u64>,
}

/// Runs the model of sync on the real engine until the time is over or a seed fails.
pub(crate) fn soak(arguments: &[&str]) -> Result<(), Failure> {
    let wanted = wanted(arguments)?;
    ready()?;
    let mut command = cargo();
    command
        .args(["test", "--package", "devrun", "--test", "model"])
        .args(["whatever_happens", "--", "--nocapture"])
        .env("DEVRUN_SOAK_MINUTES", wanted.minutes.to_string());
    if let Some(seed) = wanted.seed {
        command.env("DEVRUN_SOAK_SEED", seed.to_string());
    }
    Ok(run::shown(&mut command)?)
}

fn wanted(arguments: &[&str]) -> Result<Wanted, Error> {
    let (name, mut rest) = match arguments {
        [name, rest @ ..] => (*name, rest),
        [] => return Err(Error::Arguments),
    };
    if name != "sync" {
        return Err(Error::Unknown(name.to_owned()));
    }
    let (mut minutes, mut seed) = (None, None);
    while let [word, value, more @ ..] = rest {
        let number = value.parse().map_err(|_| Error::Arguments)?;
        match *word {
            "--minutes" => minutes = Some(number),
            "--seed" => seed = Some(number),
            _ => return Err(Error::Arguments),
        }
        rest = more;
    }
    match (minutes, rest) {
        (Some(minutes), []) => Ok(Wanted { minutes, seed }),
        _ => Err(Error::Arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let both = wanted(&["sync", "--minutes", "5", "--seed", "7"]).unwrap();
        assert_eq!((both.minutes, both.seed), (5, Some(7)));
        assert_eq!(wanted(&["sync", "--minutes", "0"]).unwrap().seed, None);
        for wrong in [
            &["sync"][..],
            &["sync", "--minutes"],
            &["sync", "--minutes", "x"],
            &["sync", "--hours", "1"],
        ] {
            assert!(matches!(wanted(wrong), Err(Error::Arguments)), "{wrong:?}");
        }
        assert!(matches!(wanted(&["start"]), Err(Error::Unknown(name)) if name == "start"));
    }
}
