//! A batch as lines for the image's own shell, and what it answers.

use super::batch::{Batch, Op, What};

/// The words that the lines are made of. Plain `sh`, for there is no knowing which one it is.
///
/// `step` makes a folder of a path, and follows a link only below the target; `way` takes all
/// steps to a path; what was laid down short is not put in place. `try` costs no process more
/// than the command itself, unless that fails.
const WORDS: &str = r#"
set -f; umask 022; LC_ALL=C; export LC_ALL
bad=0 why=
ok() { echo "ok $1"; }
try() { "$@" 2>/dev/null || why=$("$@" 2>&1); }
no() { bad=1; printf 'no %s' "$1"; printf ' %s' $why; echo; }
step() {
  if [ -L "$1" ]; then
    if [ -d "$1" ]; then
      real=$(cd -P -- "$1" 2>/dev/null && pwd -P)
      case $real/ in "$R"/*) P=$real; return 0;; esac
      why="$1: is a symlink out of $T (to $real); remove it, or ignore this path in \`sync\`"
      return 1
    fi
    try rm -f -- "$1" || return 1
  elif [ -d "$1" ]; then return 0
  elif [ -e "$1" ]; then try rm -f -- "$1" || return 1
  fi
  try mkdir -- "$1" || [ -d "$1" ] || return 1
  [ -z "$O" ] || chown "$O" "$1" 2>/dev/null
  return 0
}
way() {
  P=$R rest=$1
  while :; do
    case $rest in */*) ;; *) return 0;; esac
    P=$P/${rest%%/*} rest=${rest#*/}
    step "$P" || return 1
  done
}
clear() {
  if [ -L "$1" ]; then
    [ ! -d "$1" ] || try rm -f -- "$1"
  elif [ -d "$1" ]; then try rm -rf -- "$1"
  fi
}
lay() {
  f=$R/$S/$1
  [ -d "$R/$S" ] || try mkdir -m 700 -- "$R/$S"
  [ -L "$f" ] || try ln -s -- "$2" "$f"
  [ -z "$O" ] || chown -h "$O" "$f" 2>/dev/null
}
put() {
  f=$R/$S/$1
  if [ "$2" = - ]; then [ -L "$f" ]
  elif [ "$2" = + ]; then [ -f "$f" ] && [ ! -L "$f" ]
  else [ -f "$f" ] && [ ! -L "$f" ] && [ "$(wc -c < "$f")" -eq "$2" ]
  fi || { why=$U; no "$1"; return; }
  if way "$3" && clear "$P/$rest" && try mv -f -- "$f" "$P/$rest"
  then ok "$1"; else no "$1"; fi
}
folder() {
  if way "$3"; then f=$P/$rest; else no "$1"; return; fi
  if [ -L "$f" ]; then
    step "$f" || { no "$1"; return; }
    [ ! -L "$f" ] || rm -f -- "$f"
  fi
  if [ -d "$f" ] || { step "$f" && try chmod "$2" "$f"; }
  then ok "$1"; else no "$1"; fi
}
gone() {
  P=$R rest=$2
  while :; do
    case $rest in */*) ;; *) break;; esac
    P=$P/${rest%%/*} rest=${rest#*/}
    if [ -L "$P" ] || [ ! -d "$P" ]; then ok "$1"; return; fi
  done
  f=$P/$rest
  if [ -d "$f" ] && [ ! -L "$f" ]; then
    if try rmdir -- "$f" || [ -n "$(ls -A "$f" 2>/dev/null)" ]; then ok "$1"; else no "$1"; fi
  elif try rm -f -- "$f"; then ok "$1"
  else no "$1"
  fi
}
"#;

/// Removes what was laid down by those who did not come to rename it.
const TIDY: &[u8] = br#"
set +f
for d in "$R"/.devrun-[0-9]*-[0-9]*; do
  [ "$d" = "$R/$S" ] || [ ! -d "$d" ] || rm -rf -- "$d"
done
set -f
"#;

/// What is said of a file that is not there, where the engine said nothing.
const SHORT: &str = "it did not arrive";

/// How the lines are run.
pub(super) struct Run<'a> {
    /// It is root who makes folders, for somebody else.
    pub(super) gives: bool,
    /// Why not all of the files may have arrived whole: only then each is measured.
    pub(super) upload: Option<&'a str>,
    /// What was laid down stays where something was refused, for another user to try.
    pub(super) keep: bool,
}

/// The lines for these operations of a batch.
pub(super) fn of(batch: &Batch, ops: &[&Op], run: &Run<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let stage = batch.stage.as_deref().unwrap_or_default();
    let mut set = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend(quoted(value));
        out.push(b'\n');
    };
    set("T", batch.root.as_bytes());
    set("S", stage.as_bytes());
    set("O", b"");
    set("U", run.upload.unwrap_or(SHORT).as_bytes());
    out.extend_from_slice(WORDS.as_bytes());
    out.extend_from_slice(b"mkdir -p -- \"$T\" 2>/dev/null\n");
    out.extend_from_slice(b"R=$(cd -P -- \"$T\" 2>/dev/null && pwd -P)\n");
    out.extend_from_slice(b"[ \"$R\" != / ] || R=\n[ -d \"$R/\" ] || exit 1\n");
    if batch.tidies {
        out.extend_from_slice(TIDY);
    }
    let mut owner = None;
    for op in ops {
        if run.gives && owner.replace(op.owner) != Some(op.owner) {
            let (uid, gid) = op.owner;
            out.extend_from_slice(format!("O={uid}:{gid}\n").as_bytes());
        }
        let head = match op.what {
            What::File { size } if run.upload.is_some() => format!("put {} {size} ", op.number),
            What::File { .. } => format!("put {} + ", op.number),
            What::Link => {
                out.extend_from_slice(format!("lay {} ", op.number).as_bytes());
                out.extend(quoted(&op.leads));
                out.push(b'\n');
                format!("put {} - ", op.number)
            }
            What::Folder { mode } => format!("folder {} {:o} ", op.number, mode & 0o777),
            What::Gone => format!("gone {} ", op.number),
        };
        out.extend_from_slice(head.as_bytes());
        out.extend(quoted(&op.path));
        out.push(b'\n');
    }
    if !stage.is_empty() {
        let tidy: &[u8] = match run.keep {
            true => b"[ $bad = 1 ] || rm -rf -- \"$R/$S\"\n",
            false => b"rm -rf -- \"$R/$S\"\n",
        };
        out.extend_from_slice(tidy);
        out.extend_from_slice(b"[ ! -e \"$R/$S\" ] || echo left\n");
    }
    out.extend_from_slice(b"echo end\n");
    out
}

/// One word, whatever is in it.
fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            other => out.push(*other),
        }
    }
    out.push(b'\'');
    out
}

/// What the lines answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    /// By number: done, or why not.
    pub(super) ops: Vec<(u32, Result<(), String>)>,
    /// What was laid down is still there.
    pub(super) left: bool,
    /// All lines were run.
    pub(super) whole: bool,
}

pub(super) fn said(output: &[u8]) -> Said {
    let mut said = Said::default();
    for line in String::from_utf8_lossy(output).lines() {
        let mut words = line.splitn(3, ' ');
        let (word, number) = (words.next(), words.next());
        let number = number.and_then(|number| number.parse().ok());
        match (word, number) {
            (Some("ok"), Some(number)) => said.ops.push((number, Ok(()))),
            (Some("no"), Some(number)) => {
                let why = words.next().unwrap_or("it could not be written");
                said.ops.push((number, Err(why.to_owned())));
            }
            (Some("left"), None) => said.left = true,
            (Some("end"), None) => said.whole = true,
            _ => {}
        }
    }
    said
}
