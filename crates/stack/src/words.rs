//! The words of the language, those of others that people bring along, and those kept for later.

use kdl::KdlNode;

use crate::context::Context;

/// Where a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Service,
    Proxy,
    Sync,
    On,
    Build,
    Network,
    Route,
    Check,
}

const TOP: &[&str] = &[
    "stack",
    "var",
    "volume",
    "network",
    "secret",
    "config-file",
    "defaults",
    "template",
    "service",
    "proxy",
    "task",
    "check",
];
/// Of whatever has a container.
const COMMON: &[&str] = &[
    "use",
    "image",
    "build",
    "command",
    "environment",
    "env-file",
    "network",
    "secret",
    "config-file",
    "post-start",
    "pre-stop",
    "port",
    "volume",
    "bind",
    "depends-on",
    "healthcheck",
    "ready-timeout",
    "limits",
    "reservations",
    "restart",
    "logging",
    "profile",
    "init",
    "sync",
    "on",
    "entrypoint",
    "user",
    "group-add",
    "working-dir",
    "hostname",
    "domainname",
    "network-mode",
    "pid",
    "ipc",
    "uts",
    "userns-mode",
    "cgroup-parent",
    "runtime",
    "cpuset",
    "memory-swap",
    "pids-limit",
    "oom-score-adj",
    "extra-host",
    "dns",
    "dns-search",
    "dns-opt",
    "expose",
    "tmpfs",
    "read-only",
    "stdin-open",
    "tty",
    "stop-signal",
    "stop-grace-period",
    "privileged",
    "cap-add",
    "cap-drop",
    "security-opt",
    "ulimit",
    "sysctl",
    "shm-size",
    "device",
    "gpus",
    "label",
    "platform",
    "pull",
    "trigger",
];
const SERVICE: &[&str] = &["task", "route", "update", "replicas"];
const PROXY: &[&str] = &["config", "health", "tls"];
const SYNC: &[&str] = &["include", "ignore", "back", "on"];
const ON: &[&str] = &["restart", "exec", "signal", "recreate", "rebuild", "run"];
const BUILD: &[&str] = &[
    "args",
    "secret",
    "ssh",
    "additional-context",
    "cache-from",
    "cache-to",
    "dockerfile-inline",
];
const NETWORK: &[&str] = &["alias"];
const ROUTE: &[&str] = &["nginx"];
const CHECK: &[&str] = &["http", "exec", "run", "host", "environment", "depends-on"];

/// Kept for what comes; using one says so.
const PLANNED: &[&str] = &["overlay", "process", "action", "attach"];

const PLACES: [Place; 9] = [
    Place::Top,
    Place::Service,
    Place::Proxy,
    Place::Sync,
    Place::On,
    Place::Build,
    Place::Network,
    Place::Route,
    Place::Check,
];

impl Place {
    fn words(self) -> impl Iterator<Item = &'static str> {
        let (shared, own) = match self {
            Self::Top => (&[][..], TOP),
            Self::Service => (COMMON, SERVICE),
            Self::Proxy => (COMMON, PROXY),
            Self::Sync => (&[][..], SYNC),
            Self::On => (&[][..], ON),
            Self::Build => (&[][..], BUILD),
            Self::Network => (&[][..], NETWORK),
            Self::Route => (&[][..], ROUTE),
            Self::Check => (&[][..], CHECK),
        };
        shared.iter().chain(own).copied()
    }

    pub(crate) fn has(self, word: &str) -> bool {
        self.words().any(|known| known == word)
    }

    fn called(self) -> &'static str {
        match self {
            Self::Top => "the top of a Stackfile",
            Self::Service => "a service",
            Self::Proxy => "a proxy",
            Self::Sync => "`sync`",
            Self::On => "`on`",
            Self::Build => "`build`",
            Self::Network => "`network`",
            Self::Route => "`route`",
            Self::Check => "`check`",
        }
    }
}

/// Every word of the language, some more than once.
pub(crate) fn every_word() -> impl Iterator<Item = &'static str> {
    PLACES.into_iter().flat_map(Place::words)
}

/// Whether it is a word of the language anywhere.
pub(crate) fn is_word(text: &str) -> bool {
    every_word().any(|word| word == text)
}

/// The word most like it, if one is like it at all.
pub(crate) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (text.chars().count() / 3).clamp(1, 3);
    words
        .map(|word| {
            (
                strsim::damerau_levenshtein(&text.to_lowercase(), &word.to_lowercase()),
                word,
            )
        })
        .filter(|(distance, word)| *distance <= allowed && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

impl Context<'_> {
    /// A node that is not a word of this place: the best guess at what was meant.
    pub(crate) fn unknown_word(&mut self, node: &KdlNode, place: Place) {
        let word = node.name().value();
        let span = node.name().span();
        // In a `sync` it is a word already.
        if PLANNED.contains(&word) || (word, place) == ("include", Place::Top) {
            let problem = self
                .error(
                    "stackfile::planned",
                    span,
                    "not yet",
                    format!("`{word}` is planned, and not there yet"),
                )
                .advise("docs/stackfile.md says what works today");
            return self.report(problem);
        }
        let (label, help) = guess(word, place);
        let problem = self
            .error(
                "stackfile::unknown-word",
                span,
                label,
                format!("`{word}` is not a word of {}", place.called()),
            )
            .advise(help);
        self.report(problem);
    }
}

fn guess(word: &str, place: Place) -> (&'static str, String) {
    if let Some(ours) = called_otherwise(word, place) {
        return ("called otherwise here", ours.to_owned());
    }
    if let Some(bare) = word.strip_suffix(':') {
        return ("ends with a colon", without_colon(bare, place));
    }
    if word == "-" {
        return (
            "a list",
            "there are no lists with dashes: the word itself begins each line".to_owned(),
        );
    }
    let homes: Vec<&str> = PLACES
        .into_iter()
        .filter(|other| other.has(word))
        .map(Place::called)
        .take(2)
        .collect();
    if !homes.is_empty() {
        return (
            "belongs elsewhere",
            format!("it is a word of {}", homes.join(" and of ")),
        );
    }
    let dashed = word.replace('_', "-");
    if let Some(near) = nearest(&dashed, place.words()) {
        return ("not known", format!("did you mean `{near}`?"));
    }
    if place.words().count() > MANY_WORDS {
        return (
            "not known",
            format!("docs/stackfile.md has all words of {}", place.called()),
        );
    }
    let known: Vec<String> = place.words().map(|known| format!("`{known}`")).collect();
    ("not known", format!("known here: {}", known.join(", ")))
}

fn without_colon(bare: &str, place: Place) -> String {
    let dashed = bare.replace('_', "-");
    if let Some(ours) = called_otherwise(bare, place) {
        format!("KDL has no colons, and this is said otherwise: {ours}")
    } else if place.has(&dashed) {
        format!("KDL has no colons: `{dashed} …`")
    } else {
        format!("KDL has no colons: `{bare} \"…\"`")
    }
}

/// More than these are no help on one line.
const MANY_WORDS: usize = 20;

/// What people write from habit, and how it is said here.
fn called_otherwise(word: &str, place: Place) -> Option<&'static str> {
    let anywhere = match word {
        "environment:" | "env" | "env_vars" => "environment { KEY \"value\" }",
        "x-common" | "extends" | "anchors" => {
            "`template NAME { … }` at the top, `use NAME` in each service"
        }
        _ => "",
    };
    let here = match (place, word) {
        (Place::Top, "services") => "each service is a node at the top: service db { … }",
        (Place::Top, "volumes") => "each volume is a node at the top: volume db-data",
        (Place::Top, "networks") => {
            "each network is a node at the top: network backstage; one is made by itself, STACK-network"
        }
        (Place::Top, "secrets") => "each secret is a node at the top: secret NAME file=\"…\"",
        (Place::Top, "configs" | "config") => {
            "each file is a node at the top: config-file NAME file=\"…\""
        }
        (Place::Top, "version") => "there is no version to declare",
        (Place::Top, "name" | "project") => "stack NAME",
        (Place::Top, "variables" | "vars" | "env_file") => {
            "var NAME \"default\", one a line; `.env` beside the Stackfile is read"
        }
        (Place::Service | Place::Proxy, _) => in_service(word)?,
        (Place::Sync, "path" | "source" | "src") => "sync \"FROM\" to=\"/inside\" { … }",
        (Place::Sync, "target" | "destination") => "sync \"FROM\" to=\"/inside\" { … }",
        (Place::Sync, "exclude" | "ignores") => "ignore \"dist/\" \"*.log\"",
        (Place::Sync, "mirror" | "initial" | "owner" | "mode" | "settle") => {
            "it stands beside to=: sync to=\"/inside\" mirror=#true { … }"
        }
        (Place::Sync, "initial_sync") => {
            "what differs is brought over at the start; otherwise: sync to=\"/inside\" initial=#false { … }"
        }
        (Place::Sync, "action" | "watch") => "on \"requirements*.txt\" { rebuild }",
        (Place::On, "sync") => "what `sync` covers is synced anyway; `on` says what else happens",
        (Place::On, "sync+restart") => "restart",
        (Place::On, "sync+exec" | "command") => "exec \"command\"",
        (Place::On, "task") => "run TASK",
        (Place::Build, "context") => "build \"CONTEXT\"",
        (Place::Build, "dockerfile") => "build \"CONTEXT\" dockerfile=\"Dockerfile.dev\"",
        (Place::Build, "target") => "build \"CONTEXT\" target=dev",
        (Place::Build, "network") => "build \"CONTEXT\" network=\"host\"",
        (Place::Build, "keep") => "build \"CONTEXT\" keep=3",
        (Place::Route, "timeout" | "proxy_read_timeout") => "timeout=\"10s\" beside the path",
        (Place::Route, "max-body" | "client_max_body_size") => "max-body=\"10M\" beside the path",
        (Place::Route, "buffering" | "proxy_request_buffering") => {
            "buffering=#false beside the path"
        }
        (Place::Route, "strip-prefix" | "redirect" | "host" | "port" | "scheme" | "status") => {
            "it stands beside the path: route \"/api/*\" strip-prefix=\"/api\""
        }
        (Place::Network, "aliases") => "alias \"other-name\"",
        (Place::Check, "command" | "test") => "exec SERVICE \"command\"",
        (Place::Check, "url" | "get") => "http \"/path\"",
        (Place::Check, "container" | "image") => "run image=\"IMAGE\" \"command\"",
        (Place::Check, "shell" | "local" | "script") => "host \"command\"",
        (Place::Check, "env") => "environment { KEY \"value\" }",
        (Place::Check, "depends_on" | "after" | "needs") => "depends-on CHECK",
        (Place::Check, "timeout" | "retries" | "junit" | "status" | "contains") => {
            "it stands on the line of what is asked: exec SERVICE \"command\" timeout=\"5m\" retries=2"
        }
        _ => anywhere,
    };
    (!here.is_empty()).then_some(here)
}

fn in_service(word: &str) -> Option<&'static str> {
    Some(match word {
        "depends_on" => "depends-on db redis condition=healthy",
        "ports" | "publish" => "port 8000 to=80, one node a port",
        "volumes" => "volume NAME to=\"/inside\", or bind \"./path\" to=\"/inside\", one node each",
        "env_file" => "env-file \".env.docker\"",
        "env" => "environment { KEY \"value\" }",
        "container_name" => "it is STACK-SERVICE; otherwise: service db name=\"my-db\" { … }",
        "deploy" | "resources" => {
            "limits cpus=1 memory=\"512M\" and reservations cpus=0.5 memory=\"256M\""
        }
        "mem_limit" | "memory" | "cpus" | "cpu" => "limits cpus=1 memory=\"512M\"",
        "mem_reservation" => "reservations cpus=0.5 memory=\"256M\"",
        "profiles" => "profile with-celery",
        "develop" | "watch" | "x-develop" => {
            "sync to=\"/app\" { ignore \"…\"; on \"PATTERN\" { rebuild } }"
        }
        "healthy" | "health_check" | "readiness" => "healthcheck \"command\" interval=\"10s\"",
        "networks" => "network NAME { alias \"other-name\" }; without one it is on STACK-network",
        "links" | "external_links" => {
            "all services on a network find each other by name; more names: network default { alias \"other-name\" }"
        }
        "mac_address" => {
            "not here: the engine gives each container one; what needs a fixed one can be made by hand and used by network-mode \"container:NAME\""
        }
        "volumes_from" => {
            "say the same `volume` or `bind` in both, or once in a template that both `use`"
        }
        "label_file" => "label { NAME \"value\" }, or a template with it that services `use`",
        "annotations" => "label { NAME \"value\" }",
        "storage_opt" | "blkio_config" => {
            "not here: the engine's own configuration says it for all containers"
        }
        "oom_kill_disable" => "oom-score-adj -1000: it is the last to be ended",
        "mem_swappiness" => "memory-swap \"1G\", the size of `limits memory=` for no swap at all",
        "cpu_shares" | "cpu_quota" | "cpu_period" | "cpu_count" | "cpu_percent" => {
            "limits cpus=0.5, reservations cpus=0.25"
        }
        "cgroup" => "cgroup-parent \"/dev-stacks\"",
        "models" | "provider" | "credential_spec" => {
            "not here: what is not a container is not devrun's"
        }
        "network_mode" => "network-mode host",
        "entry_point" => "entrypoint \"/docker-entrypoint.sh\"",
        "workdir" | "cwd" => "working-dir \"/app\"",
        "extra_hosts" => "extra-host NAME \"ADDRESS\", one node a name",
        "ulimits" => "ulimit nofile 65535, one node a limit",
        "sysctls" => "sysctl { net.core.somaxconn 1024 }",
        "secrets" => {
            "secret NAME, one node each; what it holds is said at the top: secret NAME file=\"…\""
        }
        "configs" => {
            "config-file NAME to=\"/inside\", declared at the top: config-file NAME file=\"…\""
        }
        "post_start" | "hook" => "post-start \"command\"",
        "pre_stop" => "pre-stop \"command\"",
        "scale" => "replicas 3",
        "memswap_limit" => "memory-swap \"1G\"",
        "labels" => "label { NAME \"value\" }",
        "devices" => "device \"/dev/fuse\" permissions=rw, one node a device",
        "pull_policy" => "pull missing, always or never",
        "stop-timeout" | "stop_timeout" => "stop-grace-period \"30s\"",
        "args" => "build \"CONTEXT\" { args { KEY \"value\" } }",
        "context" => "build \"CONTEXT\"",
        "dockerfile" => "build \"CONTEXT\" dockerfile=\"Dockerfile.dev\"",
        "extends" | "<<" => "`template NAME { … }` at the top, `use NAME` here",
        "restart_policy" => "restart unless-stopped",
        "cmd" => "command \"program\" \"argument\"",
        "mount" => {
            "bind \"./path\" to=\"/inside\" for a folder of the host, volume NAME to=\"/inside\" for data"
        }
        "start_period" | "interval" | "retries" | "timeout" => {
            "properties of healthcheck: healthcheck \"…\" interval=\"10s\""
        }
        "max-size" | "max-file" => "logging json-file max-size=\"10M\" max-file=3",
        _ => return None,
    })
}

/// What a property is called here that people know otherwise.
pub(crate) fn property_otherwise(word: &str, key: &str) -> Option<&'static str> {
    Some(match (word, key) {
        ("build", "context" | "path") => "the context is the first word: build \"backend\"",
        ("volume" | "bind" | "tmpfs" | "sync", "target" | "dst" | "path" | "destination") => {
            "where it is inside is said by to=: to=\"/inside\""
        }
        ("sync", "initial_sync") => {
            "what differs is brought over at the start; otherwise initial=#false"
        }
        ("sync", "user" | "chown" | "uid" | "gid") => "owner=\"1000:1000\"",
        ("sync", "chmod" | "permissions") => "mode=0644",
        ("sync", "delete") => "mirror=#true",
        ("sync", "include" | "ignore" | "exclude" | "back") => {
            "patterns stand in the block: sync to=\"/inside\" { ignore \"dist/\" }"
        }
        ("volume" | "bind", "source" | "src") => {
            "what is mounted is the first word: volume NAME to=\"/inside\""
        }
        ("volume" | "bind", "ro" | "readonly" | "read_only") => "read-only=#true",
        ("port", "target" | "container" | "inside") => "port 8000 to=80",
        ("port", "host" | "published") => "the port outside is the first word: port 8000 to=80",
        ("port", "host_ip" | "address" | "ip") => "bind=\"0.0.0.0\"",
        ("limits" | "reservations", "mem" | "ram") => "memory=\"512M\"",
        ("healthcheck", "test" | "cmd" | "command") => {
            "the command is not named: healthcheck \"command\""
        }
        ("healthcheck", "url") => "http=\"/health\"",
        ("depends-on", "restart") => "follow=#true",
        ("http", "code" | "expect") => "status=200",
        ("http", "body" | "content" | "text") => "contains=\"text\"",
        ("http", "junit") => "a report comes from a command: exec, run or host",
        _ => return None,
    })
}

/// What is said on the line instead, where people write a block.
pub(crate) fn instead_of_block(word: &str) -> Option<&'static str> {
    Some(match word {
        "healthcheck" => {
            "a health check is one line: healthcheck \"command\" interval=\"10s\" timeout=\"5s\" retries=3 start-period=\"10s\""
        }
        "limits" | "reservations" => "one line: limits cpus=1 memory=\"512M\"",
        "logging" => "one line: logging json-file max-size=\"10M\" max-file=3",
        "depends-on" => "one line: depends-on db redis condition=healthy",
        "port" => "one line a port: port 8000 to=80",
        "volume" => "one line a volume: volume NAME to=\"/inside\"",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_near() {
        for (text, near) in [
            ("imgae", Some("image")),
            ("prot", Some("port")),
            ("evironment", Some("environment")),
            ("xyz", None),
            ("on2", Some("on")),
        ] {
            assert_eq!(nearest(text, Place::Service.words()), near, "{text}");
        }
    }

    #[test]
    fn a_word_is_planned_or_known_never_both() {
        for word in PLANNED {
            assert!(!is_word(word), "{word}");
        }
    }
}
