//! Words of a service that are passed on to the engine as they stand.

use kdl::KdlNode;

use super::{command, ports, sync};
use crate::context::{Context, Text};
use crate::draft::{Draft, DraftSettings, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::model::{Command, Device, Gpus, Pull, Tmpfs, Trigger, Ulimit};
use crate::value::{self, known};

const fn shape(words: (usize, usize), example: &'static str) -> Shape {
    Shape {
        words,
        properties: &[],
        block: Block::Never,
        example,
    }
}

const fn with(
    words: (usize, usize),
    properties: &'static [&'static str],
    example: &'static str,
) -> Shape {
    Shape {
        words,
        properties,
        block: Block::Never,
        example,
    }
}

const fn table(example: &'static str) -> Shape {
    Shape {
        words: (0, 0),
        properties: &[],
        block: Block::Always,
        example,
    }
}

/// Each word with how it is written.
const WORDS: &[(&str, Shape)] = &[
    (
        "entrypoint",
        shape((1, MANY), "entrypoint \"/docker-entrypoint.sh\""),
    ),
    ("user", shape((1, 1), "user \"1000:1000\"")),
    ("group-add", shape((1, MANY), "group-add \"docker\"")),
    ("working-dir", shape((1, 1), "working-dir \"/app\"")),
    ("hostname", shape((1, 1), "hostname \"web\"")),
    ("domainname", shape((1, 1), "domainname \"example.org\"")),
    ("network-mode", shape((1, 1), "network-mode host")),
    ("pid", shape((1, 1), "pid host")),
    ("ipc", shape((1, 1), "ipc host")),
    ("uts", shape((1, 1), "uts host")),
    ("userns-mode", shape((1, 1), "userns-mode host")),
    (
        "cgroup-parent",
        shape((1, 1), "cgroup-parent \"/dev-stacks\""),
    ),
    ("runtime", shape((1, 1), "runtime \"runsc\"")),
    ("cpuset", shape((1, 1), "cpuset \"0-3\"")),
    ("memory-swap", shape((1, 1), "memory-swap \"1G\"")),
    ("pids-limit", shape((1, 1), "pids-limit 200")),
    ("oom-score-adj", shape((1, 1), "oom-score-adj 500")),
    (
        "extra-host",
        shape(
            (2, 2),
            "extra-host \"host.docker.internal\" \"host-gateway\"",
        ),
    ),
    ("dns", shape((1, MANY), "dns \"1.1.1.1\"")),
    ("dns-search", shape((1, MANY), "dns-search \"example.org\"")),
    ("dns-opt", shape((1, MANY), "dns-opt \"ndots:1\"")),
    ("expose", shape((1, MANY), "expose 9000")),
    (
        "tmpfs",
        with(
            (1, 1),
            &["size", "mode"],
            "tmpfs \"/run\" size=\"64M\" mode=1777",
        ),
    ),
    ("read-only", shape((1, 1), "read-only #true")),
    ("stdin-open", shape((1, 1), "stdin-open #true")),
    ("tty", shape((1, 1), "tty #true")),
    ("stop-signal", shape((1, 1), "stop-signal QUIT")),
    (
        "stop-grace-period",
        shape((1, 1), "stop-grace-period \"30s\""),
    ),
    ("privileged", shape((1, 1), "privileged #true")),
    ("cap-add", shape((1, MANY), "cap-add NET_ADMIN")),
    ("cap-drop", shape((1, MANY), "cap-drop ALL")),
    (
        "security-opt",
        shape((1, MANY), "security-opt \"no-new-privileges:true\""),
    ),
    (
        "ulimit",
        with(
            (1, 2),
            &["soft", "hard"],
            "ulimit nofile 65535, or ulimit nofile soft=1024 hard=65535",
        ),
    ),
    ("sysctl", table("sysctl { net.core.somaxconn 1024 }")),
    ("shm-size", shape((1, 1), "shm-size \"256M\"")),
    (
        "device",
        with(
            (1, 1),
            &["to", "permissions"],
            "device \"/dev/fuse\" permissions=rw",
        ),
    ),
    ("gpus", shape((1, 1), "gpus all")),
    ("label", table("label { com.example.team \"web\" }")),
    ("platform", shape((1, 1), "platform \"linux/amd64\"")),
    ("pull", shape((1, 1), "pull always")),
    ("trigger", shape((1, 1), "trigger manual")),
    ("replicas", shape((1, 1), "replicas 3")),
];

/// Reads the node if its word is one of these; false if it is not.
pub(super) fn setting(
    cx: &mut Context<'_>,
    draft: &mut Draft,
    node: &KdlNode,
    layer: usize,
) -> bool {
    let Some((word, shape)) = WORDS.iter().find(|(word, _)| *word == node.name().value()) else {
        return false;
    };
    if let Some(line) = cx.line(node, shape) {
        let settings = &mut draft.settings;
        if !(said_once(cx, settings, &line, layer, word)
            || listed(cx, settings, &line, layer, word))
        {
            keyed(cx, settings, &line, layer, word);
        }
    }
    true
}

fn said_once(
    cx: &mut Context<'_>,
    draft: &mut DraftSettings,
    line: &Line<'_>,
    layer: usize,
    word: &'static str,
) -> bool {
    let at = line.at();
    macro_rules! say {
        ($place:ident, $value:expr) => {
            if let Some(value) = $value {
                cx.once(&mut draft.$place, Said { value, at, layer }, word);
            }
        };
    }
    let Some(text) = line.words.first() else {
        return false;
    };
    match word {
        "entrypoint" => say!(entrypoint, command(cx, &line.words).map(program)),
        "user" => say!(user, cx.parsed(text, value::user)),
        "working-dir" => say!(working_dir, cx.parsed(text, value::inside)),
        "hostname" => say!(hostname, cx.parsed(text, value::host_name)),
        "network-mode" => say!(network_mode, network_mode(cx, text)),
        "pid" => say!(
            pid,
            cx.parsed(text, |text| known(text, &["host"], "a pid mode"))
        ),
        "ipc" => say!(
            ipc,
            cx.parsed(text, |text| known(
                text,
                &["host", "private", "shareable", "none"],
                "an ipc mode"
            ))
        ),
        "domainname" => say!(domainname, cx.parsed(text, value::host_name)),
        "uts" => say!(
            uts,
            cx.parsed(text, |text| known(text, &["host"], "a uts mode"))
        ),
        "userns-mode" => say!(
            userns_mode,
            cx.parsed(text, |text| known(text, &["host"], "a mode of users"))
        ),
        "cgroup-parent" => say!(cgroup_parent, cx.parsed(text, value::one_word)),
        "runtime" => say!(runtime, cx.parsed(text, value::one_word)),
        "cpuset" => say!(cpuset, cx.parsed(text, value::processors)),
        "memory-swap" => say!(memory_swap, cx.parsed(text, value::size_or_none)),
        "pids-limit" => say!(
            pids_limit,
            cx.parsed(text, |text| value::within(
                text,
                -1..=i64::MAX,
                "a number of processes, or -1"
            ))
        ),
        "oom-score-adj" => say!(
            oom_score_adj,
            cx.parsed(text, |text| value::within(
                text,
                -1000..=1000,
                "a number from -1000 to 1000"
            ))
        ),
        "read-only" => say!(read_only, cx.flag(text)),
        "stdin-open" => say!(stdin_open, cx.flag(text)),
        "tty" => say!(tty, cx.flag(text)),
        "privileged" => say!(privileged, cx.flag(text)),
        "stop-signal" => say!(stop_signal, sync::signal(cx, line)),
        "stop-grace-period" => say!(stop_grace_period, cx.parsed(text, value::duration)),
        "shm-size" => say!(shm_size, cx.parsed(text, value::size)),
        "gpus" => say!(gpus, cx.parsed(text, gpus)),
        "platform" => say!(platform, cx.parsed(text, value::platform)),
        "pull" => say!(pull, cx.parsed(text, pull)),
        "trigger" => say!(trigger, cx.parsed(text, trigger)),
        "replicas" => say!(replicas, cx.parsed(text, replicas)),
        _ => return false,
    }
    true
}

type Parse = fn(&str) -> Result<String, value::Unfit>;

/// Words whose every value is a key of its own.
fn listed(
    cx: &mut Context<'_>,
    draft: &mut DraftSettings,
    line: &Line<'_>,
    layer: usize,
    word: &'static str,
) -> bool {
    let (list, parse): (_, Parse) = match word {
        "group-add" => (&mut draft.group_add, value::user),
        "dns" => (&mut draft.dns, value::address),
        "dns-search" => (&mut draft.dns_search, value::host_name),
        "dns-opt" => (&mut draft.dns_opt, value::one_word),
        "cap-add" => (&mut draft.cap_add, value::capability),
        "cap-drop" => (&mut draft.cap_drop, value::capability),
        "security-opt" => (&mut draft.security_opt, security),
        "expose" => {
            for text in &line.words {
                for value in ports::exposed(cx, text) {
                    let said = Said {
                        value,
                        at: text.span,
                        layer,
                    };
                    cx.keyed(&mut draft.expose, said, |a, b| a == b, "this port");
                }
            }
            return true;
        }
        _ => return false,
    };
    for text in &line.words {
        if let Some(value) = cx.parsed(text, parse) {
            let what = format!("`{word}` of {value}");
            let said = Said {
                value,
                at: text.span,
                layer,
            };
            cx.keyed(list, said, |a, b| a == b, &what);
        }
    }
    true
}

fn keyed(
    cx: &mut Context<'_>,
    draft: &mut DraftSettings,
    line: &Line<'_>,
    layer: usize,
    word: &'static str,
) {
    let at = line.at();
    macro_rules! say {
        ($place:ident, $value:expr, $key:expr) => {
            if let Some(value) = $value {
                let what = format!("`{word}` of {}", $key(&value));
                let same = |a: &_, b: &_| $key(a) == $key(b);
                cx.keyed(&mut draft.$place, Said { value, at, layer }, same, &what);
            }
        };
    }
    match word {
        "extra-host" => say!(extra_hosts, extra_host(cx, line), pair_key),
        "tmpfs" => say!(tmpfs, tmpfs(cx, line), |tmpfs: &Tmpfs| tmpfs.target.clone()),
        "device" => say!(devices, device(cx, line), |device: &Device| device
            .container
            .clone()),
        "ulimit" => say!(ulimits, ulimit(cx, line), |ulimit: &(String, Ulimit)| {
            ulimit.0.clone()
        }),
        _ => {
            for node in line.children() {
                let Some(value) = pair(cx, node, word) else {
                    continue;
                };
                let what = format!("`{word}` {}", value.0);
                let list = if word == "label" {
                    &mut draft.labels
                } else {
                    &mut draft.sysctls
                };
                let said = Said {
                    value,
                    at: node.name().span(),
                    layer,
                };
                cx.keyed(list, said, |a, b| a.0 == b.0, &what);
            }
        }
    }
}

fn pair_key(pair: &(String, String)) -> String {
    pair.0.clone()
}

/// One word alone is a program: as a line for a shell it would not get the command as its
/// arguments.
fn program(command: Command) -> Command {
    match command {
        Command::Shell(line)
            if line
                .chars()
                .all(|c| c.is_alphanumeric() || "/._-".contains(c)) =>
        {
            Command::Argv(vec![line])
        }
        other => other,
    }
}

fn network_mode(cx: &mut Context<'_>, text: &Text) -> Option<String> {
    cx.parsed(text, |text| match text.split_once(':') {
        Some(("service", name)) => value::name(name).map(|_| text.to_owned()),
        Some(("container", name)) => value::engine_name(name).map(|_| text.to_owned()),
        _ => known(
            text,
            &["host", "none", "service:NAME", "container:NAME"],
            "a network mode",
        ),
    })
}

fn extra_host(cx: &mut Context<'_>, line: &Line<'_>) -> Option<(String, String)> {
    let (name, address) = (&line.words[0], &line.words[1]);
    let name = cx.parsed(name, value::host_name);
    let address = cx.parsed(address, |text| match text {
        "host-gateway" => Ok(text.to_owned()),
        _ => value::address(text),
    });
    Some((name?, address?))
}

fn tmpfs(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Tmpfs> {
    let target = cx.parsed(&line.words[0], value::inside);
    let size = line
        .property("size")
        .and_then(|text| cx.parsed(text, value::size));
    let mode = line
        .property("mode")
        .and_then(|text| cx.parsed(text, value::mode));
    Some(Tmpfs {
        target: target?,
        size,
        mode,
    })
}

fn device(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Device> {
    let host = cx.parsed(&line.words[0], value::inside);
    let container = match line.property("to") {
        Some(text) => cx.parsed(text, value::inside),
        None => host.clone(),
    };
    let permissions = match line.property("permissions") {
        Some(text) => cx.parsed(text, permissions),
        None => Some("rwm".to_owned()),
    };
    Some(Device {
        host: host?,
        container: container?,
        permissions: permissions?,
    })
}

fn permissions(text: &str) -> Result<String, value::Unfit> {
    if !text.is_empty() && text.chars().all(|c| "rwm".contains(c)) {
        return Ok(text.to_owned());
    }
    Err(value::Unfit {
        label: "not permissions".into(),
        message: format!("\"{text}\" does not say what may be done with a device"),
        help: "letters of rwm: read, write, make".into(),
    })
}

const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn ulimit(cx: &mut Context<'_>, line: &Line<'_>) -> Option<(String, Ulimit)> {
    let name = cx.parsed(&line.words[0], |text| {
        known(text, ULIMITS, "a limit of processes")
    });
    let both = line.words.get(1);
    let part = |cx: &mut Context<'_>, property: &str| match (both, line.property(property)) {
        (Some(text), None) | (None, Some(text)) => cx.parsed(text, value::bound),
        _ => {
            let problem = cx
                .error(
                    "stackfile::missing",
                    line.at(),
                    "how much?",
                    "`ulimit` says one number, or soft= and hard=",
                )
                .advise("it is written ulimit nofile 65535, or ulimit nofile soft=1024 hard=65535");
            cx.report(problem);
            None
        }
    };
    let (soft, hard) = (part(cx, "soft"), part(cx, "hard"));
    let (soft, hard) = (soft?, hard?);
    if hard != -1 && (soft == -1 || soft > hard) {
        let problem = cx
            .error(
                "stackfile::value",
                line.at(),
                "soft is above hard",
                format!("the soft limit {soft} is above the hard limit {hard}"),
            )
            .advise("what holds (soft) may be at most what it can be raised to (hard)");
        cx.report(problem);
        return None;
    }
    Some((name?, Ulimit { soft, hard }))
}

fn gpus(text: &str) -> Result<Gpus, value::Unfit> {
    match (text, value::count(text)) {
        ("all", _) => Ok(Gpus::All),
        (_, Ok(count)) => Ok(Gpus::Count(count)),
        _ => Err(value::Unfit {
            label: "how many?".into(),
            message: format!("\"{text}\" is not a number of graphics processors"),
            help: "gpus all, or a number from 1 on".into(),
        }),
    }
}

fn pull(text: &str) -> Result<Pull, value::Unfit> {
    let name = known(text, &["missing", "always", "never"], "a pull policy")?;
    Ok(match name.as_str() {
        "always" => Pull::Always,
        "never" => Pull::Never,
        _ => Pull::Missing,
    })
}

/// More than these are a slip.
const REPLICAS: i64 = 100;

fn replicas(text: &str) -> Result<u32, value::Unfit> {
    let count = value::within(text, 1..=REPLICAS, "a number from 1 to 100")?;
    Ok(u32::try_from(count).unwrap_or(1))
}

fn trigger(text: &str) -> Result<Trigger, value::Unfit> {
    Ok(
        match known(text, &["auto", "manual"], "a trigger")?.as_str() {
            "manual" => Trigger::Manual,
            _ => Trigger::Auto,
        },
    )
}

fn security(text: &str) -> Result<String, value::Unfit> {
    let profile = text
        .strip_prefix("seccomp=")
        .or_else(|| text.strip_prefix("seccomp:"))
        .filter(|profile| !matches!(*profile, "unconfined" | "builtin"));
    if text.trim().is_empty() || profile.is_some() {
        return Err(value::Unfit {
            label: "not understood".into(),
            message: format!("\"{text}\" is not a security option"),
            help: "no-new-privileges:true, seccomp=unconfined, apparmor=PROFILE, label=disable; profiles in files are planned".into(),
        });
    }
    Ok(text.to_owned())
}

const PAIR: Shape = shape((1, 1), "NAME \"value\"");

fn pair(cx: &mut Context<'_>, node: &KdlNode, word: &str) -> Option<(String, String)> {
    cx.no_edit(node);
    let key = node.name().value();
    let problem = if key.ends_with(':') {
        cx.error(
            "stackfile::colon",
            node.name().span(),
            "ends with a colon",
            format!("`{key}` would be a name with a colon"),
        )
        .advise("KDL has no colons: NAME \"value\"")
    } else if word == "label" && (key == "devrun" || key.starts_with("devrun.")) {
        cx.error(
            "stackfile::reserved",
            node.name().span(),
            "reserved",
            format!("the label {key} is devrun's own"),
        )
        .advise("labels that begin with `devrun.` say whose a container is")
    } else if word == "sysctl" && !key.contains('.') {
        cx.error(
            "stackfile::value",
            node.name().span(),
            "not a setting",
            format!("`{key}` is not a kernel setting"),
        )
        .advise("it is written sysctl { net.core.somaxconn 1024 }")
    } else {
        let line = cx.line(node, &PAIR)?;
        let text = line.words.first()?;
        let value = cx.string(text);
        return (!text.broken).then(|| (key.to_owned(), value));
    };
    cx.report(problem);
    None
}
