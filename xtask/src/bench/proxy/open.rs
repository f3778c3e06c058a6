//! Connections to a neighbour that nobody changes: a WebSocket's echo, and a stream of events.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::{Error, side};

/// Both.
#[derive(Debug)]
pub(super) struct Open {
    socket: TcpStream,
    events: TcpStream,
}

impl Open {
    pub(super) fn to(port: u16) -> Result<Self, Error> {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket";
        let mut socket = ask(port, upgrade).map_err(broken)?;
        until(&mut socket, "\r\n\r\n").map_err(broken)?;
        let mut events = ask(port, "Accept: text/event-stream").map_err(broken)?;
        until(&mut events, "tick").map_err(broken)?;
        Ok(Self { socket, events })
    }

    /// Whether both still are what they were.
    pub(super) fn goes_on(&mut self, word: &str) -> Result<(), Error> {
        self.socket.write_all(word.as_bytes()).map_err(broken)?;
        until(&mut self.socket, word).map_err(broken)?;
        // What was on its way says nothing.
        let mut buffer = vec![0; 1 << 20];
        let _ = self.events.read(&mut buffer).map_err(broken)?;
        until(&mut self.events, "tick").map_err(broken)
    }
}

fn broken(error: std::io::Error) -> Error {
    side("a connection that is to stay", &error.to_string())
}

fn ask(port: u16, more: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = format!("GET /open/one HTTP/1.1\r\nHost: localhost\r\n{more}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

fn until(stream: &mut TcpStream, wanted: &str) -> std::io::Result<()> {
    let mut got = String::new();
    let mut buffer = [0; 4096];
    while !got.contains(wanted) {
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => got.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
    Ok(())
}
