//! From where each value of a service comes, by what it is.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::draft::{Draft, DraftRoute, DraftSettings, DraftSource, Once, Said};
use crate::model::Origin;
use crate::notes::Extent::{self, Line, Whole};

/// All but the environment, part of which comes from files.
pub(super) fn of(cx: &Context<'_>, draft: &Draft) -> BTreeMap<String, Origin> {
    let mut origins = Origins {
        cx,
        found: BTreeMap::new(),
    };
    origins.source(draft.source.as_ref());
    origins.service(draft);
    origins.syncs(draft);
    origins.settings(&draft.settings);
    origins.found
}

struct Origins<'a> {
    cx: &'a Context<'a>,
    found: BTreeMap<String, Origin>,
}

impl Origins<'_> {
    fn put<T>(&mut self, value: impl Into<String>, said: &Said<T>, extent: Extent) {
        let origin = self.cx.origin(said.at, said.layer, extent);
        self.found.insert(value.into(), origin);
    }

    fn once<T>(&mut self, word: &str, place: &Once<T>) {
        if let Some(said) = place {
            self.put(word, said, Line);
        }
    }

    fn each<T>(&mut self, word: &str, list: &[Said<T>], key: impl Fn(&T) -> String) {
        for said in list {
            self.put(format!("{word} {}", key(&said.value)), said, Whole);
        }
    }

    fn source(&mut self, source: Option<&Said<DraftSource>>) {
        let Some(said) = source else { return };
        let DraftSource::Build(build) = &said.value else {
            return self.put("image", said, Line);
        };
        self.put("build", said, Line);
        for name in build.args.keys() {
            let origin = self.cx.origin_below(said.at, said.layer, name);
            self.found.insert(format!("build args {name}"), origin);
        }
    }

    fn service(&mut self, draft: &Draft) {
        self.once("command", &draft.command);
        self.once("healthcheck", &draft.healthcheck);
        self.once("limits", &draft.limits);
        self.once("reservations", &draft.reservations);
        self.once("restart", &draft.restart);
        self.once("logging", &draft.logging);
        self.once("profile", &draft.profiles);
        self.once("init", &draft.init);
        self.once("task", &draft.task);
        self.once("ready-timeout", &draft.ready_timeout);
        self.once("update", &draft.update);
        self.once("config", &draft.config);
        self.once("health", &draft.health);
        self.once("tls", &draft.tls);
        self.each("network", &draft.networks, |one| one.network.clone());
        self.each("port", &draft.ports, |port| {
            format!("{}/{}", port.container, port.protocol)
        });
        self.each("mount", &draft.mounts, |mount| mount.target.clone());
        self.each("depends-on", &draft.depends_on, |on| on.service.clone());
        self.each("route", &draft.routes, DraftRoute::name);
        self.each("on", &draft.on, |rule| rule.patterns.join(" "));
        self.each("file", &draft.files, |file| file.target.clone());
        for (word, list) in [
            ("post-start", &draft.post_start),
            ("pre-stop", &draft.pre_stop),
        ] {
            for (index, said) in list.iter().enumerate() {
                self.put(format!("{word} {}", index + 1), said, Line);
            }
        }
    }

    fn syncs(&mut self, draft: &Draft) {
        for said in &draft.sync {
            let word = format!("sync {}", said.value.to);
            self.put(word.clone(), said, Line);
            let sync = &said.value;
            for (kind, patterns) in [
                ("include", &sync.include),
                ("ignore", &sync.ignore),
                ("back", &sync.back),
            ] {
                for pattern in patterns {
                    self.put(format!("{word} {kind} {}", pattern.value), pattern, Line);
                }
            }
            self.each(&format!("{word} on"), &said.value.on, |rule| {
                rule.patterns.join(" ")
            });
        }
    }

    fn settings(&mut self, draft: &DraftSettings) {
        self.once("entrypoint", &draft.entrypoint);
        self.once("user", &draft.user);
        self.once("working-dir", &draft.working_dir);
        self.once("hostname", &draft.hostname);
        self.once("domainname", &draft.domainname);
        self.once("network-mode", &draft.network_mode);
        self.once("pid", &draft.pid);
        self.once("ipc", &draft.ipc);
        self.once("uts", &draft.uts);
        self.once("userns-mode", &draft.userns_mode);
        self.once("cgroup-parent", &draft.cgroup_parent);
        self.once("runtime", &draft.runtime);
        self.once("cpuset", &draft.cpuset);
        self.once("memory-swap", &draft.memory_swap);
        self.once("pids-limit", &draft.pids_limit);
        self.once("oom-score-adj", &draft.oom_score_adj);
        self.once("read-only", &draft.read_only);
        self.once("stdin-open", &draft.stdin_open);
        self.once("tty", &draft.tty);
        self.once("stop-signal", &draft.stop_signal);
        self.once("stop-grace-period", &draft.stop_grace_period);
        self.once("privileged", &draft.privileged);
        self.once("shm-size", &draft.shm_size);
        self.once("gpus", &draft.gpus);
        self.once("platform", &draft.platform);
        self.once("pull", &draft.pull);
        self.once("trigger", &draft.trigger);
        self.once("replicas", &draft.replicas);
        for (word, list) in [
            ("group-add", &draft.group_add),
            ("dns", &draft.dns),
            ("dns-search", &draft.dns_search),
            ("dns-opt", &draft.dns_opt),
            ("expose", &draft.expose),
            ("cap-add", &draft.cap_add),
            ("cap-drop", &draft.cap_drop),
            ("security-opt", &draft.security_opt),
        ] {
            self.each(word, list, String::clone);
        }
        for (word, pairs) in [
            ("extra-host", &draft.extra_hosts),
            ("sysctl", &draft.sysctls),
            ("label", &draft.labels),
        ] {
            self.each(word, pairs, |pair| pair.0.clone());
        }
        self.each("tmpfs", &draft.tmpfs, |tmpfs| tmpfs.target.clone());
        self.each("ulimit", &draft.ulimits, |ulimit| ulimit.0.clone());
        self.each("device", &draft.devices, |device| device.container.clone());
    }
}
