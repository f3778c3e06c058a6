//! The words of a service that are passed on to the engine as they stand.

use std::collections::BTreeMap;

use super::page::Page;
use super::{amounts, text};
use crate::model::{Device, Gpus, Settings, Tmpfs, Ulimit};

/// How the process is run.
pub(super) fn process(page: &mut Page<'_>, settings: &Settings) {
    if let Some(entrypoint) = &settings.entrypoint {
        let line = format!("entrypoint {}", page.command(entrypoint));
        page.say("entrypoint", &line);
    }
    quoted(page, "user", settings.user.as_ref());
    listed(page, "group-add", &settings.group_add);
    quoted(page, "working-dir", settings.working_dir.as_ref());
    quoted(page, "hostname", settings.hostname.as_ref());
    quoted(page, "domainname", settings.domainname.as_ref());
    flag(page, "stdin-open", settings.stdin_open);
    flag(page, "tty", settings.tty);
    bare(page, "stop-signal", settings.stop_signal.as_ref());
    if let Some(time) = settings.stop_grace_period {
        let line = format!("stop-grace-period \"{}\"", amounts::duration(time));
        page.say("stop-grace-period", &line);
    }
    quoted(page, "platform", settings.platform.as_ref());
}

/// What it may, and what it sees of the machine.
pub(super) fn machine(page: &mut Page<'_>, settings: &Settings) {
    // All words, so that one that is new is not forgotten here.
    let Settings {
        entrypoint: _,
        user: _,
        group_add: _,
        working_dir: _,
        hostname: _,
        domainname: _,
        stdin_open: _,
        tty: _,
        stop_signal: _,
        stop_grace_period: _,
        platform: _,
        network_mode,
        pid,
        ipc,
        uts,
        userns_mode,
        cgroup_parent,
        runtime,
        cpuset,
        memory_swap,
        pids_limit,
        oom_score_adj,
        extra_hosts,
        dns,
        dns_search,
        dns_opt,
        expose,
        tmpfs,
        read_only,
        privileged,
        cap_add,
        cap_drop,
        security_opt,
        ulimits,
        sysctls,
        shm_size,
        devices,
        gpus,
        labels,
    } = settings;
    flag(page, "read-only", *read_only);
    tmpfs.iter().for_each(|one| in_memory(page, one));
    flag(page, "privileged", *privileged);
    listed(page, "cap-drop", cap_drop);
    listed(page, "cap-add", cap_add);
    listed(page, "security-opt", security_opt);
    bounds(page, ulimits);
    page.table("sysctl", sysctls.iter(), |key| format!("sysctl {key}"));
    if let Some(bytes) = shm_size {
        page.say(
            "shm-size",
            &format!("shm-size \"{}\"", amounts::size(*bytes)),
        );
    }
    devices.iter().for_each(|one| device(page, one));
    if let Some(gpus) = gpus {
        let count = match gpus {
            Gpus::All => "all".to_owned(),
            Gpus::Count(count) => count.to_string(),
        };
        page.say("gpus", &format!("gpus {count}"));
    }
    page.table("label", labels.iter(), |key| format!("label {key}"));
    bare(page, "network-mode", network_mode.as_ref());
    bare(page, "pid", pid.as_ref());
    bare(page, "ipc", ipc.as_ref());
    bare(page, "uts", uts.as_ref());
    bare(page, "userns-mode", userns_mode.as_ref());
    quoted(page, "cgroup-parent", cgroup_parent.as_ref());
    quoted(page, "runtime", runtime.as_ref());
    quoted(page, "cpuset", cpuset.as_ref());
    if let Some(bytes) = memory_swap {
        let size = u64::try_from(*bytes).map_or_else(
            |_| bytes.to_string(),
            |bytes| format!("\"{}\"", amounts::size(bytes)),
        );
        page.say("memory-swap", &format!("memory-swap {size}"));
    }
    for (word, number) in [("pids-limit", pids_limit), ("oom-score-adj", oom_score_adj)] {
        if let Some(number) = number {
            page.say(word, &format!("{word} {number}"));
        }
    }
    for (name, address) in extra_hosts {
        let (quoted, address) = (page.quoted(name), page.quoted(address));
        page.say(
            &format!("extra-host {name}"),
            &format!("extra-host {quoted} {address}"),
        );
    }
    listed(page, "dns", dns);
    listed(page, "dns-search", dns_search);
    listed(page, "dns-opt", dns_opt);
    listed(page, "expose", expose);
}

fn quoted(page: &mut Page<'_>, word: &str, said: Option<&String>) {
    if let Some(said) = said {
        page.say(word, &format!("{word} {}", page.quoted(said)));
    }
}

fn bare(page: &mut Page<'_>, word: &str, said: Option<&String>) {
    if let Some(said) = said {
        page.say(word, &format!("{word} {}", page.word(said)));
    }
}

fn flag(page: &mut Page<'_>, word: &str, set: bool) {
    if set {
        page.say(word, &format!("{word} #true"));
    }
}

fn listed(page: &mut Page<'_>, word: &str, list: &[String]) {
    page.grouped(
        list,
        |one| format!("{word} {one}"),
        |_| (),
        |page, some| {
            let quoted = |one: &String| match word {
                "cap-add" | "cap-drop" => page.word(one),
                _ => page.quoted(one),
            };
            let values: Vec<String> = some.iter().map(quoted).collect();
            format!("{word} {}", values.join(" "))
        },
    );
}

fn in_memory(page: &mut Page<'_>, tmpfs: &Tmpfs) {
    let Tmpfs { target, size, mode } = tmpfs;
    let mut line = format!("tmpfs {}", page.quoted(target));
    if let Some(bytes) = size {
        line += &format!(" size=\"{}\"", amounts::size(*bytes));
    }
    if let Some(mode) = mode {
        line += &format!(" mode=\"{mode:04o}\"");
    }
    page.say(&format!("tmpfs {target}"), &line);
}

fn bounds(page: &mut Page<'_>, ulimits: &BTreeMap<String, Ulimit>) {
    for (name, Ulimit { soft, hard }) in ulimits {
        let line = format!("ulimit {} soft={soft} hard={hard}", text::name(name));
        page.say(&format!("ulimit {name}"), &line);
    }
}

fn device(page: &mut Page<'_>, device: &Device) {
    let Device {
        host,
        container,
        permissions,
    } = device;
    let mut line = format!("device {}", page.quoted(host));
    if container != host {
        line += &format!(" to={}", page.quoted(container));
    }
    line += &format!(" permissions={}", text::name(permissions));
    page.say(&format!("device {container}"), &line);
}
