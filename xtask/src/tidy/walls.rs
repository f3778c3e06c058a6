//! Who may name whom. A wall that turns out wrong is moved here and in
//! `docs/architecture.md`, in one commit.

use super::Finding;
use super::source::Source;

/// Names that have no business in a place.
struct Wall {
    /// Where it stands: beginnings of paths.
    inside: &'static [&'static str],
    /// Places inside that may all the same.
    except: &'static [&'static str],
    names: &'static [&'static str],
    why: &'static str,
}

const PURE: &[&str] = &["crates/stack/src/", "crates/core/src/", "crates/wire/src/"];
const EVERYWHERE: &[&str] = &["src/", "crates/"];

const WALLS: &[Wall] = &[
    Wall {
        inside: PURE,
        except: &[],
        names: &[
            "tokio::",
            "bollard::",
            "notify::",
            "std::fs",
            "std::os::unix::net",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "std::process",
        ],
        why: "stack, core and wire do nothing to the world outside",
    },
    Wall {
        inside: PURE,
        except: &[],
        names: &["Instant::now", "SystemTime::now"],
        why: "stack, core and wire are told the time",
    },
    Wall {
        inside: &["crates/stack/src/"],
        except: &[],
        names: &["devrun_core::", "devrun_wire::"],
        why: "stack knows nothing of ours",
    },
    Wall {
        inside: &["crates/wire/src/"],
        except: &[],
        names: &["devrun_core::", "devrun_stack::"],
        why: "wire knows nothing of ours",
    },
    Wall {
        inside: &["crates/core/src/"],
        except: &[],
        names: &["devrun_wire::"],
        why: "core knows only stack",
    },
    Wall {
        inside: EVERYWHERE,
        except: &["src/engine/", "src/engine.rs"],
        names: &["bollard::"],
        why: "only engine knows how the engine is spoken to",
    },
    Wall {
        inside: EVERYWHERE,
        except: &["src/engine/", "src/engine.rs", "src/image/", "src/image.rs"],
        names: &["bollard_buildkit_proto::"],
        why: "only engine and image know how builds are spoken to",
    },
    Wall {
        inside: EVERYWHERE,
        except: &["src/watch/", "src/watch.rs"],
        names: &["notify::"],
        why: "only watch knows how the kernel tells of changes",
    },
    Wall {
        inside: EVERYWHERE,
        except: &["crates/stack/src/"],
        names: &["kdl::"],
        why: "only stack knows the language",
    },
    Wall {
        inside: EVERYWHERE,
        // A build script talks to cargo by printing.
        except: &[
            "src/report/",
            "src/report.rs",
            "src/cli/",
            "src/cli.rs",
            "crates/agent/build.rs",
        ],
        names: &["println!", "print!", "eprintln!", "eprint!"],
        why: "only report and cli print",
    },
];

/// The shells get handles and do not know each other.
const SHELLS: [&str; 7] = ["engine", "image", "watch", "sync", "proxy", "probe", "tls"];

/// What this file names although it should not.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, code) in source.code() {
        let mut found = |name: &str, why: &str| {
            findings.push(Finding {
                path: source.path.to_owned(),
                line,
                what: format!("`{}` is not for here: {why}", name.trim_end_matches("::")),
            });
        };
        for wall in WALLS.iter().filter(|wall| wall.stands_at(source.path)) {
            for name in wall.names.iter().filter(|name| names(code, name)) {
                found(name, wall.why);
            }
        }
        for other in neighbours(source.path, code) {
            found(
                &format!("crate::{other}"),
                "shells do not import each other",
            );
        }
    }
    findings
}

impl Wall {
    fn stands_at(&self, path: &str) -> bool {
        let within = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        within(self.inside) && !within(self.except)
    }
}

/// Other shells that a line of a shell names.
fn neighbours<'a>(path: &'a str, code: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    let own = path
        .strip_prefix("src/")
        .and_then(|rest| rest.split(['/', '.']).next());
    let own = own.filter(|own| SHELLS.contains(own));
    SHELLS
        .into_iter()
        .filter(move |other| own.is_some_and(|own| own != *other))
        .filter(move |other| {
            let grouped = code.trim_start().starts_with("use crate::{") && has_word(code, other);
            grouped
                || code.contains(&format!("crate::{other}::"))
                || code.contains(&format!("crate::{other};"))
        })
}

/// Whether code names a path or macro: as the beginning of a word, so that
/// `crate::notify::x` and `bollard_buildkit_proto::x` are something else.
fn names(code: &str, name: &str) -> bool {
    let plain = code.match_indices(name).any(|(at, _)| {
        !code[..at]
            .chars()
            .next_back()
            .is_some_and(|before| before.is_alphanumeric() || matches!(before, '_' | ':'))
    });
    let Some(member) = name.strip_prefix("std::") else {
        let bare = name.trim_end_matches("::");
        return plain || (name.ends_with("::") && code.trim() == format!("use {bare};"));
    };
    plain
        || code
            .split_once("std::{")
            .is_some_and(|(_, rest)| has_word(rest, member))
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::{Source, check};

    fn found(path: &str, code: &str) -> Vec<String> {
        check(&Source::new(path, code))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_deciding_crates_touch_nothing() {
        for code in [
            "use tokio::time;",
            "use std::{fs, io};",
            "let text = std::fs::read(path);",
            "let now = Instant::now();",
            "println!(\"{x}\");",
        ] {
            assert_eq!(found("crates/core/src/a.rs", code).len(), 1, "{code}");
        }
        assert!(found("crates/core/src/a.rs", "use crate::notify::Notice;").is_empty());
        assert!(found("crates/core/src/a.rs", "fn now(offset: Instant) {}").is_empty());
        assert!(
            found(
                "crates/core/src/a.rs",
                "use std::{fmt, collections::BTreeMap};"
            )
            .is_empty()
        );
    }

    #[test]
    fn only_the_room_that_knows_a_crate_names_it() {
        assert_eq!(
            found("src/session/a.rs", "use bollard::Docker;"),
            ["src/session/a.rs:1: `bollard` is not for here: \
              only engine knows how the engine is spoken to"]
        );
        assert!(found("src/engine/a.rs", "use bollard::Docker;").is_empty());
        assert!(found("src/image/a.rs", "use bollard_buildkit_proto::moby;").is_empty());
        assert_eq!(found("src/image/a.rs", "use bollard::Docker;").len(), 1);
        assert_eq!(found("src/session/a.rs", "use kdl::KdlDocument;").len(), 1);
        assert!(found("src/session/a.rs", "let file = \"Stackfile.kdl\";").is_empty());
    }

    #[test]
    fn shells_do_not_know_each_other() {
        assert_eq!(found("src/sync/a.rs", "use crate::engine::Exec;").len(), 1);
        assert_eq!(found("src/sync.rs", "use crate::{report, watch};").len(), 1);
        assert!(found("src/sync/a.rs", "use crate::sync::b;").is_empty());
        assert!(found("src/session/a.rs", "use crate::engine::Exec;").is_empty());
        assert!(found("src/sync/a.rs", "use crate::engine_name::X;").is_empty());
    }

    #[test]
    fn only_report_and_the_command_line_print() {
        assert_eq!(found("src/session/a.rs", "eprintln!(\"x\");").len(), 1);
        assert!(found("src/report/lines.rs", "anstream::println!(\"x\");").is_empty());
        assert_eq!(
            found("crates/agent/src/main.rs", "println!(\"x\");").len(),
            1
        );
    }
}
