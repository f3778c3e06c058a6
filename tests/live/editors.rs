//! Each way of saving arrives once, as the final content, and never as an absence. What editors do
//! is spelled out in the system calls that they make.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::{Scratch, Session, docker, eventually, shell};
use crate::stage::{agree, comes, content, goes, inside, marked, up, waiting};

/// Writes down whatever `main.py` is seen to hold, each time that it is different.
const READER: &str = "l=; while :; do c=$(cat /app/main.py 2>&1); \
                      [ \"$c\" = \"$l\" ] || echo \"$c\" >> /tmp/seen; l=$c; done";

/// So long no editor takes; what is away for longer is deleted.
const IN_ONE_GO: Duration = Duration::from_millis(30);
const TRIES: usize = 10;

/// A stack with a reader of `app/main.py`.
struct Read {
    stack: Scratch,
    session: Session,
    /// What it is to have seen.
    versions: Vec<String>,
    saves: usize,
}

impl Read {
    fn new(test: &str) -> Read {
        let files = [("app/main.py", "v0"), (".dockerignore", "new\nlinked\n")];
        let stack = waiting(test, "", &files);
        let session = up(&stack);
        docker(&["exec", "-d", &stack.container("web"), "sh", "-c", READER]);
        comes(&stack, "/tmp/seen", "v0\n");
        Read {
            stack,
            session,
            versions: vec!["v0".into()],
            saves: 0,
        }
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.stack.path(from), self.stack.path(to)).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.stack.path(path)).unwrap();
    }

    fn next_version(&mut self) -> String {
        self.saves += 1;
        format!("v{}", self.saves)
    }

    /// One save that ends with a new version; one file is brought over for it, and the reader saw
    /// nothing but the old and the new one.
    fn saves(&mut self, how: &str, save: impl FnOnce(&Read, &str)) {
        let version = self.next_version();
        save(self, &version);
        self.arrives(how, version);
    }

    /// The same of what an editor does in one go. Where this process was held up in the middle of
    /// it, the file was away for as long as one that is deleted: then once more.
    fn edits(&mut self, how: &str, save: impl Fn(&Read, &str)) {
        for _ in 0..TRIES {
            let version = self.next_version();
            let began = Instant::now();
            save(self, &version);
            if began.elapsed() < IN_ONE_GO {
                return self.arrives(how, version);
            }
            self.forgets(&version);
        }
        panic!("{how}: this machine is too busy to save a file in one go");
    }

    /// Whatever the reader saw until that version.
    fn forgets(&mut self, version: &str) {
        comes(&self.stack, "/app/main.py", version);
        let last = format!("{version}\n");
        eventually("the reader", 20, || {
            content(&self.stack, "/tmp/seen").filter(|seen| seen.ends_with(&last))
        });
        inside(&self.stack, ": > /tmp/seen");
        self.versions.clear();
        self.is_over();
    }

    fn arrives(&mut self, how: &str, version: String) {
        self.versions.push(version.clone());
        let synced = self.session.event("web", "synced", 30);
        assert_eq!(synced["files"], 1, "{how}: {synced}");
        assert_eq!(content(&self.stack, "/app/main.py"), Some(version), "{how}");
        let wanted: String = self
            .versions
            .iter()
            .map(|version| format!("{version}\n"))
            .collect();
        comes(&self.stack, "/tmp/seen", &wanted);
        let events = self.is_over();
        let more = events
            .iter()
            .filter(|event| event["event"] == "synced" && event["files"] != 0);
        assert_eq!(more.count(), 1, "{how}: it echoes: {events:?}");
        let names = inside(&self.stack, "ls -A /app").out;
        assert_eq!(names, "first.txt\nmain.py\n", "{how}");
    }

    /// All that was saved by now; the events of the meantime.
    fn is_over(&mut self) -> Vec<Value> {
        let events = marked(&self.stack, &mut self.session, "marker.txt");
        self.remove("app/marker.txt");
        goes(&self.stack, "/app/marker.txt");
        self.session.event("web", "update-done", 30);
        events
    }
}

#[test]
fn editors_save_once_and_never_delete() {
    let mut read = Read::new("savers");
    read.edits("vim, backupcopy=no", |read, text| {
        read.stack.write("app/4913", "");
        read.remove("app/4913");
        read.stack.write("app/.main.py.swp", "swap");
        read.rename("app/main.py", "app/main.py~");
        read.stack.write("app/main.py", text);
        read.remove("app/main.py~");
        read.remove("app/.main.py.swp");
    });
    read.edits("JetBrains", |read, text| {
        read.stack.write("app/main.py___jb_tmp___", text);
        read.rename("app/main.py", "app/main.py___jb_old___");
        read.rename("app/main.py___jb_tmp___", "app/main.py");
        read.remove("app/main.py___jb_old___");
    });
    read.edits("VS Code, nano: truncate and write", |read, text| {
        read.stack.write("app/main.py", text);
    });
    read.edits(
        "emacs: lock, copy aside, truncate and write",
        |read, text| {
            symlink("t@host.1:2", read.stack.path("app/.#main.py")).unwrap();
            read.stack.write("app/#main.py#", "auto-saved");
            fs::copy(
                read.stack.path("app/main.py"),
                read.stack.path("app/main.py~"),
            )
            .unwrap();
            read.stack.write("app/main.py", text);
            read.remove("app/#main.py#");
            read.remove("app/.#main.py");
            read.remove("app/main.py~");
        },
    );
    read.edits("emacs: the old one becomes the backup", |read, text| {
        read.rename("app/main.py", "app/main.py~");
        read.stack.write("app/main.py", text);
        read.remove("app/main.py~");
    });
    read.saves("sed -i", |read, text| {
        let line = format!("sed -i 's/.*/{text}/' main.py");
        assert_eq!(shell(&line, &read.stack.path("app")).code, 0);
    });
}

#[test]
fn programs_save_once_and_never_delete() {
    let mut read = Read::new("programs");
    read.saves("cp", |read, text| {
        read.stack.write("new", text);
        fs::copy(read.stack.path("new"), read.stack.path("app/main.py")).unwrap();
    });
    read.saves("mv over it", |read, text| {
        read.stack.write("new", text);
        read.rename("new", "app/main.py");
    });
    read.saves("a hard link that is renamed over it", |read, text| {
        read.stack.write("new", text);
        fs::hard_link(read.stack.path("new"), read.stack.path("linked")).unwrap();
        read.rename("linked", "app/main.py");
        read.remove("new");
    });
    let mut open = None;
    read.saves("kept open", |read, text| {
        let mut file = File::options()
            .write(true)
            .open(read.stack.path("app/main.py"))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        open = Some(file);
    });
    read.saves("and written again", |_, text| {
        let file = open.as_mut().unwrap();
        file.rewind().unwrap();
        file.write_all(text.as_bytes()).unwrap();
    });
    // Closed without another word: looked at, and found equal.
    drop(open);
    assert_eq!(read.session.event("web", "synced", 30)["files"], 0);
    read.saves("vim itself", |read, text| {
        let vim = shell("command -v vim", &read.stack.folder).code == 0;
        if vim {
            let line = format!("vim -u NONE -N -es -c ':%s/.*/{text}/' -c 'set noeol nofixeol' -c wq main.py </dev/null");
            shell(&line, &read.stack.path("app"));
        } else {
            read.stack.write("app/main.py", text);
        }
    });
}

#[test]
fn a_formatter_that_rewrites_a_hundred_files_is_one_restart() {
    let files: Vec<String> = (0..100)
        .map(|number| format!("app/m{number:02}.py"))
        .collect();
    let all: Vec<(&str, &str)> = files.iter().map(|path| (path.as_str(), "v=0\n")).collect();
    let stack = waiting("formatter", "on \"*.py\" { restart }", &all);
    let mut session = up(&stack);
    for path in &files {
        stack.write(&format!("{path}.tmp"), "v = 0\n");
        fs::rename(stack.path(&format!("{path}.tmp")), stack.path(path)).unwrap();
    }
    session.wait("a restart", 30, |event| {
        event["event"] == "update-done" && event["action"] == "synced, restarted"
    });
    agree(&stack);
    marked(&stack, &mut session, "marker.txt");
    // One, and another one if this machine was busy with something else in the middle of it.
    let starts = crate::stage::starts(&stack);
    assert!((2..=3).contains(&starts), "{}", session.dump());
}

#[test]
fn a_slow_writer_is_brought_over_whole() {
    let stack = waiting("slow", "", &[]);
    let _session = up(&stack);
    // Longer than anybody waits for the end of a write.
    let line = "for n in 1 2 3 4 5 6; do echo $n; sleep 0.3; done > slow.txt";
    assert_eq!(shell(line, &stack.path("app")).code, 0);
    comes(&stack, "/app/slow.txt", "1\n2\n3\n4\n5\n6\n");
}

#[test]
fn names_that_become_something_else() {
    let stack = waiting(
        "become",
        "",
        &[("app/Name.txt", "case\n"), ("app/what", "file\n")],
    );
    let _session = up(&stack);
    fs::rename(stack.path("app/Name.txt"), stack.path("app/name.txt")).unwrap();
    comes(&stack, "/app/name.txt", "case\n");
    goes(&stack, "/app/Name.txt");

    fs::remove_file(stack.path("app/what")).unwrap();
    fs::create_dir_all(stack.path("app/what/deep")).unwrap();
    stack.write("app/what/deep/er.txt", "below\n");
    comes(&stack, "/app/what/deep/er.txt", "below\n");
    fs::rename(stack.path("app/what"), stack.path("app/that")).unwrap();
    stack.write("app/what", "file again\n");
    comes(&stack, "/app/what", "file again\n");
    comes(&stack, "/app/that/deep/er.txt", "below\n");

    for number in 0..400 {
        stack.write(&format!("app/that/deep/f{number}"), "many\n");
    }
    agree(&stack);
    fs::rename(stack.path("app/that"), stack.path("app/big")).unwrap();
    agree(&stack);
    fs::rename(stack.path("app/big"), stack.path("out")).unwrap();
    agree(&stack);
    fs::rename(stack.path("out"), stack.path("app/in")).unwrap();
    agree(&stack);
    // The root itself, away and back.
    fs::rename(stack.path("app"), stack.path("aside")).unwrap();
    fs::rename(stack.path("aside"), stack.path("app")).unwrap();
    stack.write("app/first.txt", "after\n");
    comes(&stack, "/app/first.txt", "after\n");
    agree(&stack);
}
