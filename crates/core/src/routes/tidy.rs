//! What nginx compares with a route is not what was asked, letter by letter.

/// A path as nginx compares it: decoded, one slash for several, without `.`. `None` where it leads
/// upwards, which is refused.
#[must_use]
pub fn compared(path: &str) -> Option<String> {
    let decoded = decoded(path);
    let segments: Vec<&str> = decoded.split('/').skip(1).collect();
    let mut kept: Vec<&str> = Vec::new();
    for (number, segment) in (1..).zip(&segments) {
        let last = number == segments.len();
        match *segment {
            "" | "." => {}
            ".." => return None,
            name => {
                kept.push(name);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    Some(format!("/{}", kept.join("/")))
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%');
        let pair = pair.filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::compared;

    #[test]
    fn a_path_is_compared_decoded_and_tidied() {
        for (asked, wanted) in [
            ("/", Some("/")),
            ("/api/a%20b", Some("/api/a b")),
            ("/api//x/./y/", Some("/api/x/y/")),
            ("/api/%2e%2e/admin", None),
            ("/api/..%2Fadmin", None),
            ("/api/..", None),
            ("/api/..x/.../", Some("/api/..x/.../")),
            ("/caf%C3%A9/.", Some("/café/")),
            ("/100%", Some("/100%")),
            ("/%+1", Some("/%+1")),
            ("/a/../../etc", None),
        ] {
            assert_eq!(compared(asked).as_deref(), wanted, "{asked}");
        }
    }
}
