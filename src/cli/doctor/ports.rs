//! The ports of the Stackfile: free, ours already, or whose.

use std::net::TcpListener;

use devrun_core::session::wanted;
use devrun_stack::{Port, Stack};

use super::{Finding, Verdict};
use crate::engine::{Engine, PortHolder};

pub(super) async fn look(engine: &Engine, stack: &Stack, profiles: &[String]) -> Vec<Finding> {
    let chosen = wanted(stack, &[], profiles);
    let services = stack.services.iter();
    let mut findings = Vec::new();
    for service in services.filter(|service| chosen.contains(&service.name)) {
        for port in service.ports.iter().filter(|port| port.protocol == "tcp") {
            let name = format!("port {}", port.host);
            let holder = engine.port_holder(port.host).await.ok().flatten();
            let elsewhere = engine.endpoint().elsewhere();
            findings.push(of_port(name, stack, &service.name, port, holder, elsewhere));
        }
    }
    findings
}

fn of_port(
    name: String,
    stack: &Stack,
    service: &str,
    port: &Port,
    holder: Option<PortHolder>,
    elsewhere: Option<&str>,
) -> Finding {
    let taken = |by: String| {
        Finding::bad(
            &name,
            Verdict::Wrong,
            format!("wanted by {service}, taken by {by}"),
            format!("end that one, or publish another port at {}", port.at),
        )
    };
    match holder {
        Some(PortHolder::Container { stack: theirs, .. }) if theirs == stack.name => {
            Finding::ok(name, format!("{service}, which runs"))
        }
        Some(holder) => taken(holder.to_string()),
        // Only containers are seen there.
        None if elsewhere.is_some() => Finding::ok(
            name,
            format!("no container has it on {}", elsewhere.unwrap_or_default()),
        ),
        None if is_taken(port) => {
            taken("a process that only its owner and root can see".to_owned())
        }
        None => Finding::ok(name, format!("free for {service}")),
    }
}

/// Whether somebody has it, whoever that is. That it may not be taken by this user does not
/// matter: the engine takes it.
fn is_taken(port: &Port) -> bool {
    port.bind.iter().any(|address| {
        let host = address.trim_start_matches('[').trim_end_matches(']');
        let tried = TcpListener::bind((host, port.host));
        tried.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use devrun_stack::Location;

    #[test]
    fn who_has_a_port_is_said_with_the_line_that_wants_it() {
        let stack = Stack {
            name: "app".to_owned(),
            ..Stack::default()
        };
        let port = Port {
            bind: Vec::new(),
            host: 80,
            container: 80,
            protocol: "tcp".to_owned(),
            at: Location {
                file: "Stackfile.kdl".to_owned(),
                line: 7,
                column: 1,
            },
        };
        let of = |holder| of_port("port 80".to_owned(), &stack, "proxy", &port, holder, None);
        let container = |name: &str, stack: &str| PortHolder::Container {
            name: name.to_owned(),
            stack: stack.to_owned(),
        };
        assert_eq!(of(Some(container("app-proxy", "app"))).verdict, Verdict::Ok);
        assert_eq!(of(None).verdict, Verdict::Ok);
        let other = of(Some(container("web-1", "")));
        assert_eq!(other.found, "wanted by proxy, taken by the container web-1");
        assert_eq!(
            other.mend.unwrap(),
            "end that one, or publish another port at Stackfile.kdl:7"
        );
    }
}
