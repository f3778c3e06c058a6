//! What the proxy says of a request that it cannot pass on.

/// Sent again so often, then it is told to its client that nobody takes it.
const MOST_TRIES: usize = 4;

/// A request, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) service: String,
    pub(super) port: u16,
    /// It asks for a connection that stays: a WebSocket, a stream of events.
    pub(super) open: bool,
    /// A person waits for a page, and may as well look at another one meanwhile.
    pub(super) navigates: bool,
    /// The service was asked already, and did not answer.
    pub(super) refused: bool,
    /// The service was there when it was asked, and went away.
    pub(super) fell: bool,
    /// The service may have got it, and it must not get it twice.
    pub(super) spent: bool,
    /// The service has it, and gave no answer in time.
    pub(super) late: bool,
    /// It was sent again too often.
    pub(super) worn: bool,
    /// What the names end in of the places that its route has for itself, if it has any.
    pub(super) suffix: String,
}

impl Ask {
    /// From the head of the question; `None` where it is none.
    pub(super) fn read(head: &str) -> Option<Ask> {
        let value = |name: &str| crate::http::header(head, name).unwrap_or_default();
        let method = value("devrun-method");
        let looks = matches!(method, "GET" | "HEAD");
        let attempts = Attempts::read(value("devrun-connect"), value("devrun-status"));
        let repeatable = (looks || method == "OPTIONS") && !attempts.late && !attempts.before;
        let mode = value("devrun-mode");
        Some(Ask {
            service: value("devrun-service").to_owned(),
            port: value("devrun-port").parse().ok()?,
            open: value("devrun-way") == "open",
            navigates: looks
                && value("devrun-accept").contains("text/html")
                && matches!(mode, "" | "navigate"),
            refused: attempts.made,
            fell: attempts.reached,
            spent: attempts.reached && !repeatable,
            late: attempts.late,
            suffix: match value("devrun-route") {
                "" => String::new(),
                route => format!("-{}", route.parse::<usize>().ok()?),
            },
            worn: value("devrun-tries").len() > MOST_TRIES,
        })
    }
}

/// What became of it so far, by the proxy's lists: questions to us are among them, and ` : ` stands
/// between one destination and the next.
#[derive(Debug, Default)]
struct Attempts {
    /// The service was asked.
    made: bool,
    /// A connection to it was made.
    reached: bool,
    /// So it was at a time before.
    before: bool,
    /// It had the connection, and gave no answer in time.
    late: bool,
}

impl Attempts {
    fn read(connects: &str, statuses: &str) -> Attempts {
        let connects: Vec<&str> = connects.split(" : ").collect();
        let mut last = connects.iter().rev();
        let now = last.next().copied().unwrap_or_default();
        // Each time in between it was us.
        let mut before = last.skip(1).step_by(2);
        let status = statuses.rsplit([':', ',']).next().unwrap_or_default();
        let reached = is_time(now);
        Attempts {
            made: !now.is_empty(),
            reached,
            before: reached && before.any(|one| is_time(one)),
            late: reached && status.trim() == "504",
        }
    }
}

/// `0.001`, or `-` where there was no connection; one for each address that was tried.
fn is_time(list: &str) -> bool {
    list.split(", ")
        .any(|one| one.starts_with(|letter: char| letter.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::Ask;

    fn ask(lines: &[(&str, &str)]) -> Ask {
        let mut head = "GET /x HTTP/1.0\r\nDevrun-Service: web\r\nDevrun-Port: 80\r\n".to_owned();
        for (name, value) in lines {
            head.push_str(&format!("Devrun-{name}: {value}\r\n"));
        }
        Ask::read(&head).unwrap()
    }

    #[test]
    fn what_a_service_may_have_got_is_sent_again_only_if_that_does_no_harm() {
        for (method, connect, status, refused, spent) in [
            ("POST", "", "", false, false),
            ("POST", "-", "502", true, false),
            ("POST", "-, -", "502, 502", true, false),
            ("POST", "0.001", "502", true, true),
            ("POST", "-, 0.000", "502, 502", true, true),
            ("POST", "0.000 : -", "200 : 502", true, false),
            ("POST", "0.000 : 0.002", "200 : 502", true, true),
            ("GET", "0.001", "502", true, false),
            ("OPTIONS", "0.001", "502", true, false),
            ("GET", "0.000 : 0.001", "200 : 502", true, false),
            ("GET", "0.001 : 0 : 0.001", "502", true, true),
            ("GET", "0.001 : 0 : - : 0 : 0.001", "502", true, true),
            ("GET", "0.001 : 0 : -", "502", true, false),
            ("GET", "0.001", "504", true, true),
            ("GET", "-", "504", true, false),
            ("BREW", "0.001", "502", true, true),
        ] {
            let told = ask(&[("Method", method), ("Connect", connect), ("Status", status)]);
            assert_eq!(
                (told.refused, told.spent),
                (refused, spent),
                "{method} {connect} {status}"
            );
            assert_eq!(told.late, status == "504" && connect != "-");
        }
    }

    #[test]
    fn a_person_before_a_browser_is_told_from_a_program() {
        let html = ("Accept", "text/html,*/*;q=0.8");
        assert!(ask(&[("Method", "GET"), html]).navigates);
        assert!(ask(&[("Method", "GET"), html, ("Mode", "navigate")]).navigates);
        assert!(!ask(&[("Method", "GET"), html, ("Mode", "cors")]).navigates);
        assert!(!ask(&[("Method", "POST"), html]).navigates);
        assert!(!ask(&[("Method", "GET"), ("Accept", "*/*")]).navigates);
    }

    #[test]
    fn what_is_no_question_is_none() {
        assert_eq!(Ask::read("GET / HTTP/1.0\r\n"), None);
        assert_eq!(Ask::read("Devrun-Port: 70000"), None);
        assert!(ask(&[("Tries", "iiiii")]).worn);
        assert!(!ask(&[("Tries", "i")]).worn);
        assert_eq!(Ask::read("Devrun-Port: 1\r\nDevrun-Route: ../x\r\n"), None);
        assert_eq!(ask(&[("Route", "12")]).suffix, "-12");
    }
}
