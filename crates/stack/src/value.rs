//! Strict values: durations, sizes, CPUs, ports.

use std::time::Duration;

use crate::model::{Owner, Statuses};
use crate::words;

#[cfg(test)]
mod tests;

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

/// `8000`, `8000-8005`.
pub(crate) fn ports(text: &str) -> Result<Vec<u16>, Unfit> {
    let Some((first, last)) = text.split_once('-') else {
        return port(text).map(|port| vec![port]);
    };
    match (port(first), port(last)) {
        (Ok(first), Ok(last)) if first < last && last - first < 1000 => {
            Ok((first..=last).collect())
        }
        _ => unfit(
            "not a range",
            format!("\"{text}\" is not a range of ports"),
            "from the lower to the higher, at most 1000 of them: \"8000-8005\"",
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

/// `200`, `2xx`, `200-399`.
pub(crate) fn statuses(text: &str) -> Result<Statuses, Unfit> {
    let status = |text: &str| {
        text.parse()
            .ok()
            .filter(|number| (100..600).contains(number))
    };
    let class = text.strip_suffix("xx").and_then(|class| {
        let from = status(&format!("{class}00"))?;
        Some((from, from + 99))
    });
    let range = text.split_once('-');
    let range = range.and_then(|(from, to)| Some((status(from)?, status(to)?)));
    let one = status(text).map(|one: u16| (one, one));
    match class.or(range).or(one) {
        Some((from, to)) if from <= to => Ok(Statuses { from, to }),
        _ => unfit(
            "not a status",
            format!("\"{text}\" is no status of an answer"),
            "a number or several: status=204, status=\"3xx\", status=\"200-399\"",
        ),
    }
}

/// A whole number from 0 on.
pub(crate) fn times(text: &str) -> Result<u32, Unfit> {
    match text.parse() {
        Ok(0) => Ok(0),
        _ => count(text),
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

/// `api.localhost`, `*.localhost` for all names below it; in small letters, as it is compared.
pub(crate) fn host(text: &str) -> Result<String, Unfit> {
    let host = text.to_ascii_lowercase();
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(fine);
    if host
        .strip_prefix("*.")
        .unwrap_or(&host)
        .split('.')
        .all(label)
    {
        return Ok(host);
    }
    unfit(
        "not a host",
        format!("\"{text}\" is not a host"),
        "a name without scheme, port and path: host=\"api.localhost\", or host=\"*.localhost\" for all names below it; other alphabets are written xn--…",
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

/// One of these.
pub(crate) fn known(text: &str, all: &[&str], what: &str) -> Result<String, Unfit> {
    if all.contains(&text) {
        return Ok(text.to_owned());
    }
    let help = match words::nearest(text, all.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", all.join(", ")),
    };
    unfit("not known", format!("`{text}` is not {what}"), &help)
}

/// `1000`, `www-data`, `1000:1000`.
pub(crate) fn user(text: &str) -> Result<String, Unfit> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() <= 2
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.chars().all(fine))
    {
        return Ok(text.to_owned());
    }
    unfit(
        "not a user",
        format!("\"{text}\" is not a user or group"),
        "a name or a number, with a group after `:`: user \"1000:1000\"",
    )
}

/// A name that others resolve.
pub(crate) fn host_name(text: &str) -> Result<String, Unfit> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let labels = text.split('.').all(|label| {
        !label.is_empty() && label.len() <= 63 && label.chars().all(fine) && !label.starts_with('-')
    });
    if labels && text.len() <= 253 {
        return Ok(text.to_owned());
    }
    unfit(
        "not a host name",
        format!("\"{text}\" is not a host name"),
        "letters, digits and `-`, in parts between dots: \"api.example.org\"",
    )
}

/// Text without a space in it, which somebody else understands.
pub(crate) fn one_word(text: &str) -> Result<String, Unfit> {
    if !text.is_empty() && !text.contains(char::is_whitespace) {
        return Ok(text.to_owned());
    }
    unfit(
        "not one word",
        format!("\"{text}\" is not one word"),
        "it is passed on to the engine as it stands, and has no spaces",
    )
}

/// Processors by number, `0-3,7`.
pub(crate) fn processors(text: &str) -> Result<String, Unfit> {
    let number = |text: &str| text.parse::<u16>().ok();
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => {
            matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b)
        }
        None => number(part).is_some(),
    };
    if text.split(',').all(range) {
        return Ok(text.to_owned());
    }
    unfit(
        "not processors",
        format!("\"{text}\" does not name processors"),
        "numbers and ranges of them: \"0-3\", \"0,2\"",
    )
}

/// A size, or −1 for none at all.
pub(crate) fn size_or_none(text: &str) -> Result<i64, Unfit> {
    match text {
        "-1" => Ok(-1),
        _ => size(text).map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
    }
}

/// A number in these bounds, which are described for people.
pub(crate) fn within(
    text: &str,
    bounds: std::ops::RangeInclusive<i64>,
    described: &str,
) -> Result<i64, Unfit> {
    match text.parse() {
        Ok(number) if bounds.contains(&number) => Ok(number),
        _ => unfit(
            "out of bounds",
            format!("{text} is not {described}"),
            &format!("write {described}"),
        ),
    }
}

/// An IP address.
pub(crate) fn address(text: &str) -> Result<String, Unfit> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    unfit(
        "not an address",
        format!("\"{text}\" is not an IP address"),
        "numbers with dots, or with colons: \"10.0.0.5\"",
    )
}

/// Permission bits as they are usually written, in digits from 0 to 7.
pub(crate) fn mode(text: &str) -> Result<u32, Unfit> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && (3..=5).contains(&text.len()) => Ok(mode),
        _ => unfit(
            "not a mode",
            format!("\"{text}\" does not say permissions"),
            "three or four digits from 0 to 7: mode=0440",
        ),
    }
}

/// Permission bits of files that come and go: without those that run as somebody else.
pub(crate) fn permissions(text: &str) -> Result<u32, Unfit> {
    match mode(text)? {
        bits if bits <= 0o777 => Ok(bits),
        _ => unfit(
            "more than permissions",
            format!("\"{text}\" says more than who may read, write and run"),
            "three or four digits, the first of four is 0: mode=0644",
        ),
    }
}

/// `1000:1000`, `1000`. Which number a name has, only the image knows.
pub(crate) fn owner(text: &str) -> Result<Owner, Unfit> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    // The last number is nobody: to the kernel it means "as it was".
    match (number(uid), number(gid)) {
        (Some(uid), Some(gid)) if uid < u32::MAX && gid < u32::MAX => Ok(Owner { uid, gid }),
        _ => unfit(
            "not an owner",
            format!("\"{text}\" does not say user and group by number"),
            "owner=\"1000:1000\"; the numbers of a name: devrun exec SERVICE id NAME",
        ),
    }
}

/// How long it has to be quiet; longer than this is no live sync any more.
pub(crate) fn settle(text: &str) -> Result<Duration, Unfit> {
    let time = some_time(text)?;
    if time > Duration::from_secs(60) {
        return unfit(
            "too long",
            format!("\"{text}\" is too long to wait after a save"),
            "a minute at most, usually much less: settle=\"200ms\"",
        );
    }
    Ok(time)
}

/// A bound of a process; -1 is none.
pub(crate) fn bound(text: &str) -> Result<i64, Unfit> {
    match text.parse::<i64>() {
        Ok(number) if number >= -1 => Ok(number),
        _ if text == "unlimited" => Ok(-1),
        _ => unfit(
            "not a bound",
            format!("\"{text}\" is not a bound"),
            "a whole number, or -1 for none",
        ),
    }
}

/// `linux/amd64`, `linux/arm/v7`.
pub(crate) fn platform(text: &str) -> Result<String, Unfit> {
    let parts: Vec<&str> = text.split('/').collect();
    let fine = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    if (2..=3).contains(&parts.len()) && parts.iter().all(fine) {
        return Ok(text.to_owned());
    }
    unfit(
        "not a platform",
        format!("\"{text}\" is not a platform"),
        "a system and a processor: platform \"linux/arm64\"",
    )
}

const CAPABILITIES: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// `NET_ADMIN`, also `cap_net_admin`.
pub(crate) fn capability(text: &str) -> Result<String, Unfit> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if CAPABILITIES.contains(&name) {
        return Ok(name.to_owned());
    }
    let help = match words::nearest(name, CAPABILITIES.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a capability of Linux, NET_ADMIN, or ALL".to_owned(),
    };
    unfit("not known", format!("`{text}` is not a capability"), &help)
}
