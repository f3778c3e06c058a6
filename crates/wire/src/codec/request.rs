//! The fields of each request.

use super::{Frame, FrameError, FrameReader, FrameWriter, Request};
use crate::frames::Behind;
use crate::primitive::{Reader, Writer};

impl Frame for Request {
    fn put(&self, out: &mut FrameWriter) {
        match self {
            Request::Hello { version } => out.kind(1).u32(*version),
            Request::Inspect { root, paths } => {
                let fields = out.kind(2);
                fields.bytes(root.as_bytes());
                fields.list(paths, |fields, path| fields.bytes(path));
            }
            Request::Write {
                root,
                path,
                mode,
                data,
                last,
            } => {
                let fields = out.kind(3);
                fields.bytes(root.as_bytes());
                fields.bytes(path);
                fields.u32(*mode);
                fields.bytes(data);
                fields.flag(*last);
            }
            Request::Remove { root, path } => {
                let fields = out.kind(4);
                fields.bytes(root.as_bytes());
                fields.bytes(path);
            }
            Request::Mkdir { root, path, mode } => {
                let fields = out.kind(5);
                fields.bytes(root.as_bytes());
                fields.bytes(path);
                fields.u32(*mode);
            }
            Request::Symlink { root, path, target } => {
                let fields = out.kind(6);
                fields.bytes(root.as_bytes());
                fields.bytes(path);
                fields.bytes(target);
            }
            Request::Owner {
                root,
                path,
                uid,
                gid,
            } => {
                let fields = out.kind(11);
                fields.bytes(root.as_bytes());
                fields.bytes(path);
                fields.u32(*uid);
                fields.u32(*gid);
            }
            Request::Run { argv, timeout_ms } => {
                let fields = out.kind(7);
                fields.list(argv, |fields, word| fields.bytes(word.as_bytes()));
                fields.u64(*timeout_ms);
            }
            Request::Http { url, timeout_ms } => {
                let fields = out.kind(8);
                fields.bytes(url.as_bytes());
                fields.u64(*timeout_ms);
            }
            Request::Tcp { port, timeout_ms } => {
                let fields = out.kind(9);
                fields.u16(*port);
                fields.u64(*timeout_ms);
            }
            Request::Signal { pid, signal } => {
                let fields = out.kind(10);
                fields.u32(*pid);
                fields.i32(*signal);
            }
            Request::List {
                root,
                folders,
                after,
            } => {
                let fields = out.kind(20);
                fields.bytes(root.as_bytes());
                fields.list(folders, |fields, folder| fields.bytes(folder));
                fields.bytes(after);
            }
            Request::Read {
                root,
                path,
                offset,
                length,
            } => {
                let fields = out.kind(21);
                fields.bytes(root.as_bytes());
                fields.bytes(path);
                fields.u64(*offset);
                fields.u32(*length);
            }
            Request::Await { root, folders } => {
                let fields = out.kind(22);
                fields.bytes(root.as_bytes());
                fields.list(folders, |fields, folder| fields.bytes(folder));
            }
            Request::Hold { .. } | Request::Drain { .. } => put_of_proxy(self, out),
        }
    }

    fn get(kind: u8, number: u32, fields: &mut FrameReader<'_>) -> Result<Self, FrameError> {
        let fields = &mut fields.0;
        Ok(match kind {
            1 => Request::Hello {
                version: fields.u32()?,
            },
            2 => Request::Inspect {
                root: fields.text()?,
                paths: fields.list(|f| f.bytes())?,
            },
            3 => Request::Write {
                root: fields.text()?,
                path: fields.bytes()?,
                mode: fields.u32()?,
                data: fields.bytes()?,
                last: fields.flag()?,
            },
            4 => Request::Remove {
                root: fields.text()?,
                path: fields.bytes()?,
            },
            5 => Request::Mkdir {
                root: fields.text()?,
                path: fields.bytes()?,
                mode: fields.u32()?,
            },
            6 => Request::Symlink {
                root: fields.text()?,
                path: fields.bytes()?,
                target: fields.bytes()?,
            },
            7 => Request::Run {
                argv: fields.list(|f| f.text())?,
                timeout_ms: fields.u64()?,
            },
            8 => Request::Http {
                url: fields.text()?,
                timeout_ms: fields.u64()?,
            },
            9 => Request::Tcp {
                port: fields.u16()?,
                timeout_ms: fields.u64()?,
            },
            10 => Request::Signal {
                pid: fields.u32()?,
                signal: fields.i32()?,
            },
            11 => Request::Owner {
                root: fields.text()?,
                path: fields.bytes()?,
                uid: fields.u32()?,
                gid: fields.u32()?,
            },
            20 => Request::List {
                root: fields.text()?,
                folders: fields.list(|f| f.bytes())?,
                after: fields.bytes()?,
            },
            21 => Request::Read {
                root: fields.text()?,
                path: fields.bytes()?,
                offset: fields.u64()?,
                length: fields.u32()?,
            },
            22 => Request::Await {
                root: fields.text()?,
                folders: fields.list(|f| f.bytes())?,
            },
            23 => Request::Hold {
                socket: fields.text()?,
                services: fields.list(get_behind)?,
            },
            24 => Request::Drain {
                addresses: fields.list(|f| f.u32())?,
                ports: fields.list(|f| f.u16())?,
                timeout_ms: fields.u64()?,
            },
            _ => return Err(FrameError::Unknown { number, kind }),
        })
    }
}

fn put_of_proxy(request: &Request, out: &mut FrameWriter) {
    match request {
        Request::Hold { socket, services } => {
            let fields = out.kind(23);
            fields.bytes(socket.as_bytes());
            fields.list(services, put_behind);
        }
        Request::Drain {
            addresses,
            ports,
            timeout_ms,
        } => {
            let fields = out.kind(24);
            fields.list(addresses, |fields, address| fields.u32(*address));
            fields.list(ports, |fields, port| fields.u16(*port));
            fields.u64(*timeout_ms);
        }
        _ => {}
    }
}

fn put_behind(fields: &mut Writer, behind: &Behind) {
    fields.bytes(behind.name.as_bytes());
    fields.flag(behind.ready);
    fields.u64(behind.hold_ms);
    fields.list(&behind.addresses, |fields, address| fields.u32(*address));
}

fn get_behind(fields: &mut Reader<'_>) -> Result<Behind, FrameError> {
    Ok(Behind {
        name: fields.text()?,
        ready: fields.flag()?,
        hold_ms: fields.u64()?,
        addresses: fields.list(|f| f.u32())?,
    })
}
