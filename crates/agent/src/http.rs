//! One `GET`, as a probe asks it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::clock;
use crate::net::{self, Answer, NO};

/// The longest head of an answer that is read.
const HEAD: usize = 32 << 10;
/// How much of the body goes into the answer.
const BODY: usize = 1 << 10;
/// How long a body may keep us once the status is known: it is for people only, and a stream
/// of events never ends.
const BODY_PATIENCE: Duration = Duration::from_millis(250);

/// Asks; 0 for 2xx and 3xx. The output is the status line and the start of the body.
pub(crate) fn get(url: &str, deadline: Instant) -> Answer {
    let Some(target) = Target::parse(url) else {
        return Answer::new(
            NO,
            format!("{url}: not a URL like http://localhost:8000/health"),
        );
    };
    let addresses = net::resolve(target.host);
    if addresses.is_empty() {
        return Answer::new(
            NO,
            format!(
                "{url}: probes ask from inside the container; say localhost, not {}",
                target.host
            ),
        );
    }
    let asked = net::connect(&addresses, target.port, deadline)
        .and_then(|stream| ask(stream, &target, deadline));
    match asked {
        Ok(answer) => answer,
        Err(error) => Answer::failed(url, &error),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    host: &'a str,
    port: u16,
    authority: &'a str,
    path: &'a str,
}

impl<'a> Target<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_at_checked("http://".len())?;
        let clean = !url
            .bytes()
            .any(|byte| byte.is_ascii_control() || byte == b' ');
        if !scheme.eq_ignore_ascii_case("http://") || !clean {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        // Instead of a user, whom no probe has: whom the one at that place is asked for.
        let (named, authority) = place.split_once('@').unwrap_or((place, place));
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']')?;
                (host, after.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map_or(Some(80), |port| port.parse().ok())?;
        (!host.is_empty()).then_some(Target {
            host,
            port,
            authority: named,
            path,
        })
    }
}

fn ask(mut stream: TcpStream, target: &Target<'_>, deadline: Instant) -> io::Result<Answer> {
    stream.set_write_timeout(Some(clock::left(deadline).ok_or(io::ErrorKind::TimedOut)?))?;
    let slash = if target.path.starts_with('/') {
        ""
    } else {
        "/"
    };
    let request = format!(
        "GET {slash}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: devrun\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        target.path, target.authority
    );
    stream.write_all(request.as_bytes())?;
    let mut got = Vec::new();
    let body_at = loop {
        if let Some(end) = head_end(&got) {
            break end;
        }
        if got.len() > HEAD || !read_more(&mut stream, &mut got, deadline)? {
            let start = String::from_utf8_lossy(got.get(..BODY).unwrap_or(&got));
            return Ok(Answer::new(NO, format!("not an HTTP answer: {start}")));
        }
    };
    let body = got.split_off(body_at);
    let head = String::from_utf8_lossy(&got).into_owned();
    let status_line = head.lines().next().unwrap_or_default().trim_end();
    let Some(status) = status_of(status_line) else {
        return Ok(Answer::new(
            NO,
            format!("not an HTTP answer: {status_line}"),
        ));
    };
    let mut output = format!("{status_line}\n").into_bytes();
    let patience = deadline.min(Instant::now() + BODY_PATIENCE);
    output.extend_from_slice(&start_of_body(&mut stream, &head, body, patience));
    Ok(Answer::new(
        if (200..400).contains(&status) { 0 } else { NO },
        output,
    ))
}

/// Whether there was more.
fn read_more(stream: &mut TcpStream, got: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
    stream.set_read_timeout(Some(clock::left(deadline).ok_or(io::ErrorKind::TimedOut)?))?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(count) => {
                got.extend_from_slice(buffer.get(..count).unwrap_or_default());
                return Ok(count > 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What can be had of the body; that it breaks off does not change the answer.
fn start_of_body(
    stream: &mut TcpStream,
    head: &str,
    mut body: Vec<u8>,
    deadline: Instant,
) -> Vec<u8> {
    let chunked = header(head, "transfer-encoding")
        .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
    let wanted = match header(head, "content-length").and_then(|value| value.parse().ok()) {
        Some(length) if !chunked => BODY.min(length),
        _ => BODY,
    };
    loop {
        let content = if chunked {
            join_chunks(&body)
        } else {
            (body.clone(), false)
        };
        let enough = content.0.len() >= wanted || content.1;
        if enough || !read_more(stream, &mut body, deadline).unwrap_or(false) {
            let mut start = content.0;
            start.truncate(wanted);
            return start;
        }
    }
}

/// The content of the chunks so far, and whether the last one was among them.
fn join_chunks(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    while let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let (line, rest) = bytes.split_at(end);
        let size = String::from_utf8_lossy(line);
        let size = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else {
            return (content, true);
        };
        if size == 0 {
            return (content, true);
        }
        let rest = rest.get(2..).unwrap_or_default();
        content.extend_from_slice(rest.get(..size).unwrap_or(rest));
        bytes = rest.get(size.saturating_add(2)..).unwrap_or_default();
    }
    (content, false)
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn status_of(line: &str) -> Option<u16> {
    let mut words = line.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.parse().ok()
}

/// A header of a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests;
