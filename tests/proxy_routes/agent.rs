//! The agent in nginx's container, as devrun talks to it.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use devrun_core::routes::HOLD_SOCKET;
use devrun_wire::codec;
use devrun_wire::frames::{Behind, Request, Response, VERSION};

use super::stage::{Stage, docker};

const PROGRAM: &str = concat!(env!("OUT_DIR"), "/devrun-agent");

/// Ends with the test.
pub(crate) struct Agent {
    child: Child,
    number: u32,
}

impl Agent {
    pub(crate) fn start(stage: &Stage) -> Agent {
        let container = stage.proxy();
        docker(&["cp", PROGRAM, &format!("{container}:/agent")]);
        let child = Command::new("docker")
            .args(["exec", "-i", container, "/agent", "serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut agent = Agent { child, number: 0 };
        let hello = agent.ask(&Request::Hello { version: VERSION });
        assert!(matches!(hello, Response::Hello { .. }), "{hello:?}");
        agent
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        self.number += 1;
        codec::write(self.child.stdin.as_mut().unwrap(), self.number, request).unwrap();
        let (number, response) = codec::read(self.child.stdout.as_mut().unwrap())
            .unwrap()
            .unwrap();
        assert_eq!(number, self.number);
        response
    }

    /// What is known of the backend: whether it is ready, how long requests may wait, where it is.
    pub(crate) fn hold(&mut self, ready: bool, hold_ms: u64, address: Option<&str>) {
        let address = address.map(|address| address.trim().parse::<Ipv4Addr>().unwrap());
        let services = vec![Behind {
            name: "backend".into(),
            ready,
            hold_ms,
            addresses: address.into_iter().map(u32::from).collect(),
        }];
        let socket = HOLD_SOCKET.to_owned();
        let answer = self.ask(&Request::Hold { socket, services });
        assert_eq!(answer, Response::Done);
    }

    /// Whether no request is with that address any more after so many milliseconds.
    pub(crate) fn drain(&mut self, address: &str, timeout_ms: u64) -> bool {
        let address: Ipv4Addr = address.trim().parse().unwrap();
        let answer = self.ask(&Request::Drain {
            addresses: vec![address.into()],
            ports: vec![8000],
            timeout_ms,
        });
        match answer {
            Response::Exited { code, .. } => code == 0,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
