//! Host to agent and back: length-prefixed frames over a byte stream.
//!
//! A frame is `u32` length (little endian, of what follows, at most [`MAX_FRAME`]), `u8` kind,
//! `u32` request number, then the kind's fields: integers little endian, text and bytes with a
//! `u32` length before them, lists with a `u32` count, options with one byte 0 or 1.
//! Paths of files are relative to a `root` that is absolute inside the container.

/// Version of this format; the agent refuses any other.
pub const VERSION: u32 = 2;

/// The largest frame, in bytes; larger files travel in several [`Request::Write`] frames.
pub const MAX_FRAME: usize = 4 << 20;

/// In the mode of a file that is there: it does not belong to whom [`Request::Owner`] said.
pub const OTHER_OWNER: u32 = 1 << 16;

/// What the host asks. Several may be under way; answers carry the number of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The first frame; answered by [`Response::Hello`].
    Hello {
        /// [`VERSION`] of the host.
        version: u32,
    },
    /// What lies at these paths below `root`? Answered by [`Response::Entries`], same order.
    Inspect {
        /// Absolute folder.
        root: String,
        /// Relative paths.
        paths: Vec<Vec<u8>>,
    },
    /// A file, or a piece of one: frames of the same request number are joined until `last`,
    /// then the whole is renamed into place. Answered once, by [`Response::Done`] or `Refused`.
    /// A last piece whose path is empty takes all former ones back; nothing was changed then.
    Write {
        /// Absolute folder; nothing outside it is written, no symlink out of it is followed.
        root: String,
        /// Relative path; missing parents are made.
        path: Vec<u8>,
        /// Permission bits.
        mode: u32,
        /// This piece.
        data: Vec<u8>,
        /// The file is whole with this piece.
        last: bool,
    },
    /// Removes a file, a symlink, or a folder in which nothing is left (what the container made
    /// in it stays, and so does the folder); a path that is not there is fine. Goes through no
    /// symlink.
    Remove {
        /// Absolute folder.
        root: String,
        /// Relative path.
        path: Vec<u8>,
    },
    /// Makes a folder with its parents.
    Mkdir {
        /// Absolute folder.
        root: String,
        /// Relative path.
        path: Vec<u8>,
        /// Permission bits.
        mode: u32,
    },
    /// Makes or replaces a symlink, atomically.
    Symlink {
        /// Absolute folder.
        root: String,
        /// Relative path.
        path: Vec<u8>,
        /// What it points to, unchanged.
        target: Vec<u8>,
    },
    /// From now on, what is put below `root` belongs to this user and group; folders that are there
    /// keep theirs. Answered by [`Response::Done`].
    Owner {
        /// Absolute folder, as the requests name it that this is about.
        root: String,
        /// Relative path of a file that this is about alone; else empty.
        path: Vec<u8>,
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Runs a command (no shell of its own), output joined and cut to the last 64 KiB.
    /// Answered by [`Response::Exited`].
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// Killed, with its process group, after so many milliseconds.
        timeout_ms: u64,
    },
    /// `GET` of an `http://` URL; answered by [`Response::Exited`]: 0 for 2xx and 3xx.
    Http {
        /// The URL.
        url: String,
        /// End of patience, milliseconds.
        timeout_ms: u64,
    },
    /// Does this port take a connection on 127.0.0.1 or ::1? Answered by [`Response::Exited`].
    Tcp {
        /// The port.
        port: u16,
        /// End of patience, milliseconds.
        timeout_ms: u64,
    },
    /// A signal to a process of the container.
    Signal {
        /// Its number, inside.
        pid: u32,
        /// The signal's number.
        signal: i32,
    },
    /// What is in these folders, not in those below them? Answered by [`Response::Listed`], which
    /// may end early: whoever asks goes on with the folders that are left. No symlink is followed,
    /// and what is mounted below `root` is not entered.
    List {
        /// Absolute folder.
        root: String,
        /// Relative paths; an empty one is the root itself.
        folders: Vec<Vec<u8>>,
        /// In the first folder, only names after this one.
        after: Vec<u8>,
    },
    /// A piece of a regular file, not through a symlink. Answered by [`Response::Content`].
    Read {
        /// Absolute folder.
        root: String,
        /// Relative path.
        path: Vec<u8>,
        /// Where the piece begins.
        offset: u64,
        /// Bytes at most; the agent may give fewer.
        length: u32,
    },
    /// From now on note what is made, written or renamed in these folders too, and say so once
    /// there is something, also what was noted since the last answer. Answered by
    /// [`Response::Stirred`]; a later one for the same root takes the place of one that still
    /// waits, which is answered by [`Response::Done`].
    Await {
        /// Absolute folder.
        root: String,
        /// Relative paths; an empty one is the root itself. One that is not there is passed over.
        folders: Vec<Vec<u8>>,
    },
    /// From now on requests that the proxy cannot pass on are held at this socket, as is said of
    /// their service; replaces what was said before. Answered by [`Response::Done`].
    Hold {
        /// Absolute path of the socket.
        socket: String,
        /// All services with routes.
        services: Vec<Behind>,
    },
    /// Tell once no request is with one of these any more: no connection is being made to them, or
    /// is open and has an end. Answered by [`Response::Exited`]: 124 where time ran out.
    Drain {
        /// IPv4 addresses, as numbers.
        addresses: Vec<u32>,
        /// Their ports.
        ports: Vec<u16>,
        /// End of patience, milliseconds.
        timeout_ms: u64,
    },
}

/// A service behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Its name, which is its name on the network too.
    pub name: String,
    /// It takes requests.
    pub ready: bool,
    /// How long a request for it may wait, milliseconds; 0 where there is nothing to wait for.
    pub hold_ms: u64,
    /// Where it is, IPv4 addresses as numbers; none means that its name is looked up.
    pub addresses: Vec<u32>,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Who answers.
    Hello {
        /// [`VERSION`] of the agent.
        version: u32,
        /// The user it runs as.
        uid: u32,
        /// That one's group.
        gid: u32,
        /// Signals that PID 1 catches, `SigCgt` of `/proc/1/status`; 0 if it cannot be read.
        pid1_catches: u64,
        /// Whether PID 1 is an init that passes signals on (`docker-init`, `tini`).
        pid1_is_init: bool,
    },
    /// One for each path asked, in order.
    Entries(Vec<Entry>),
    /// It is done.
    Done,
    /// This one could not be done; the others are not affected.
    Refused {
        /// True where another user might be allowed to.
        permission: bool,
        /// Why, for people.
        message: String,
    },
    /// A command or a question ended.
    Exited {
        /// Exit code; 128 + signal; 124 where time ran out; 127 where it is not there.
        code: i32,
        /// What it printed, or what the server answered.
        output: Vec<u8>,
        /// How long it took, microseconds.
        took_us: u64,
    },
    /// What is in folders, in the order in which they were asked for, by name within each.
    Listed {
        /// How many of the folders are told to their end.
        whole: u32,
        /// What is in those, and in the one after them.
        items: Vec<Item>,
    },
    /// A piece of a file. It is one moment's file where the versions of all its pieces are equal.
    Content {
        /// Which version of the file.
        version: Version,
        /// Permission bits.
        mode: u32,
        /// The piece; empty at the end.
        data: Vec<u8>,
    },
    /// Something was made, written or renamed.
    Stirred {
        /// In these folders, as they were named; none means that it may have been in any.
        folders: Vec<Vec<u8>>,
        /// These folders in them are new: nothing of them, or below them, is noted yet.
        made: Vec<Vec<u8>>,
    },
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which of the folders asked for, counted from 0.
    pub folder: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// When its content changed last, nanoseconds since 1970, by the container's clock.
    pub modified_ns: u64,
}

/// What something in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symlink.
    Symlink,
    /// Something is mounted there.
    Mount,
    /// Something else.
    Other,
}

/// Tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Which file.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When its content changed last, nanoseconds since 1970.
    pub modified_ns: u64,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Hash of its content, [`crate::hash`].
        hash: u128,
        /// Permission bits, and [`OTHER_OWNER`].
        mode: u32,
        /// Bytes.
        size: u64,
    },
    /// A folder.
    Folder,
    /// A symlink and what it points to.
    Symlink(Vec<u8>),
    /// Something else, or unreadable.
    Other,
}
