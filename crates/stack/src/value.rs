//! Strict values: durations, sizes, CPUs, ports.

use std::time::Duration;

/// Why a text is not such a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) label: String,
    pub(crate) message: String,
    pub(crate) help: String,
}

fn unfit<T>(label: &str, message: String, help: &str) -> Result<T, Unfit> {
    Err(Unfit {
        label: label.to_owned(),
        message,
        help: help.to_owned(),
    })
}

const DURATION: &str =
    "a duration is a number with its unit ms, s, m or h: \"500ms\", \"10s\", \"1m30s\"";

/// `500ms`, `10s`, `1m30s`, `1.5h`.
pub(crate) fn duration(text: &str) -> Result<Duration, Unfit> {
    let bad = |label: &str| unfit(label, format!("\"{text}\" is not a duration"), DURATION);
    if text.is_empty() {
        return bad("empty");
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let Ok(number) = number.parse::<f64>() else {
            return bad("not a duration");
        };
        let seconds = match unit {
            "ms" => number / 1000.0,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3600.0,
            "" => return bad("no unit"),
            _ => return bad("not a unit"),
        };
        let Ok(part) = Duration::try_from_secs_f64(seconds) else {
            return bad("too long");
        };
        let Some(sum) = total.checked_add(part) else {
            return bad("too long");
        };
        total = sum;
        rest = tail;
    }
    Ok(total)
}

/// A duration that is not zero.
pub(crate) fn some_time(text: &str) -> Result<Duration, Unfit> {
    let time = duration(text)?;
    if time.is_zero() {
        return unfit("zero", "this must take some time".to_owned(), DURATION);
    }
    Ok(time)
}

const SIZE: &str = "a size is a number with its unit K, M, G or T (each 1024 times the former): \"512M\", \"1.5G\"";

/// `512M`, `1.5G`, also `512MB` and `512MiB`, which the engine reads in the same way.
pub(crate) fn size(text: &str) -> Result<u64, Unfit> {
    let bad = |label: &str| unfit(label, format!("\"{text}\" is not a size"), SIZE);
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.parse::<f64>() else {
        return bad("not a size");
    };
    let unit = unit.to_ascii_lowercase();
    let power = match unit
        .strip_suffix("ib")
        .or_else(|| unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "" if unit.is_empty() => return bad("no unit"),
        _ => return bad("not a unit"),
    };
    let bytes = number * 1024_f64.powi(power);
    if !(1.0..1e18).contains(&bytes) {
        return bad("out of range");
    }
    // In range of u64 as checked above; what is cut off is less than a byte.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    Ok(bytes as u64)
}

/// `0.5`, `2`.
pub(crate) fn cpus(text: &str) -> Result<f64, Unfit> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => unfit(
            "not a number of CPUs",
            format!("\"{text}\" is not a number of CPUs"),
            "a number above 0, fractions allowed: cpus=0.5",
        ),
    }
}

/// `1` to `65535`.
pub(crate) fn port(text: &str) -> Result<u16, Unfit> {
    match text.parse::<u16>() {
        Ok(number) if number > 0 => Ok(number),
        _ => unfit(
            "not a port",
            format!("\"{text}\" is not a port"),
            "a port is a number from 1 to 65535",
        ),
    }
}

/// A whole number from 1 on.
pub(crate) fn count(text: &str) -> Result<u32, Unfit> {
    match text.parse::<u32>() {
        Ok(number) if number > 0 => Ok(number),
        _ => unfit(
            "not a count",
            format!("\"{text}\" is not a count"),
            "a whole number from 1 on",
        ),
    }
}

/// A name that can be a container's, an image's and a host's.
pub(crate) fn name(text: &str) -> Result<String, Unfit> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends = text.starts_with(fine) && text.ends_with(fine);
    if ends && text.chars().all(|c| fine(c) || c == '-' || c == '_') && text.len() <= 63 {
        return Ok(text.to_owned());
    }
    unfit(
        "not a name",
        format!("\"{text}\" cannot be a name"),
        "names have small letters, digits, `-` and `_`, and begin and end with a letter or digit",
    )
}

/// A name as the engine has it.
pub(crate) fn engine_name(text: &str) -> Result<String, Unfit> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(fine)
        && text.len() > 1
    {
        return Ok(text.to_owned());
    }
    unfit(
        "not a name",
        format!("\"{text}\" cannot be a name on the engine"),
        "letters, digits, `-`, `_` and `.`, at least two, and a letter or digit first",
    )
}

/// A path inside a container.
pub(crate) fn inside(text: &str) -> Result<String, Unfit> {
    let help = "paths inside the container begin with `/` and have no `..`: to=\"/app\"";
    if !text.starts_with('/') {
        return unfit(
            "not absolute",
            format!("\"{text}\" is not an absolute path"),
            help,
        );
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return unfit(
            "has `..`",
            format!("\"{text}\" leads out and in again"),
            help,
        );
    }
    if parts.is_empty() {
        return unfit(
            "the root",
            "the container's root itself cannot be a target".to_owned(),
            help,
        );
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(
                duration(text).map(|time| time.as_millis()),
                Ok(millis),
                "{text}"
            );
        }
        for (text, label) in [
            ("10", "no unit"),
            ("", "empty"),
            ("10x", "not a unit"),
            ("s", "not a duration"),
            ("-1s", "not a duration"),
            ("1..5s", "not a duration"),
            ("99999999999999999999h", "too long"),
        ] {
            assert_eq!(
                duration(text).map_err(|unfit| unfit.label),
                Err(label.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512M", 512 << 20),
            ("1G", 1 << 30),
            ("1.5k", 1536),
            ("2GiB", 2 << 30),
            ("64mb", 64 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, label) in [
            ("512", "no unit"),
            ("M", "not a size"),
            ("5X", "not a unit"),
            ("0M", "out of range"),
            ("5Mx", "not a unit"),
            ("999999999T", "out of range"),
        ] {
            assert_eq!(
                size(text).map_err(|unfit| unfit.label),
                Err(label.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_hosts_and_images_at_once() {
        for good in ["db", "a", "frontend-2", "a_b"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "Db", "-a", "a-", "a.b", "a b", "é"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn targets_are_absolute_and_tidy() {
        assert_eq!(inside("/app/"), Ok("/app".to_owned()));
        assert_eq!(inside("//app/./x"), Ok("/app/x".to_owned()));
        for bad in ["app", "", "/", "/app/../etc"] {
            assert!(inside(bad).is_err(), "{bad}");
        }
    }
}
