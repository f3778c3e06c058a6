//! Stackfiles that nobody wrote: any words of the language, with any values that fit them.

use std::fmt::Write;

use super::dice::Dice;
use super::world::World;

/// A file with what it refers to around it.
pub(super) fn world(text: &str) -> World {
    World::new(text)
        .file("ctx/Dockerfile", "")
        .file("ctx/other.Dockerfile", "")
        .file("src/a.py", "")
        .file("nginx.conf", "")
        .file("a.env", "A=1\nB='${X}$'\nC=\"a\\nb \\$ ${V_TEXT:-none}\"\n")
        .file("b.env", "B=2\nQUOTE=\"\\\"\"\nOUTSIDE=${HOME:-}\n")
        .file("token.txt", "t0ken\n")
        .file(".env", "V_OUT=from dot env\n")
        .shell("V_SHELL", "from $the \"shell\"")
}

/// A valid Stackfile.
pub(super) fn stackfile(dice: &mut Dice) -> String {
    // With the machine's network there are no others, and no ports.
    let mut making = Making {
        networks: dice.once_in(2),
        ..Making::default()
    };
    let mut text = String::from("stack app\n");
    making.variables(dice, &mut text);
    for name in ["data", "1more"] {
        let _ = write!(text, "volume {}", quoted(name));
        for property in dice.some_of(&["", " name=\"x.y\"", " external=#true"]) {
            text += property;
        }
        let _ = writeln!(text, " doc={}", making.text(dice));
    }
    text +=
        "network back internal=#true driver=overlay\nnetwork team external=#true name=\"team_x\"\n";
    let _ = writeln!(
        text,
        "secret token file=\"token.txt\" doc={}",
        making.text(dice)
    );
    let _ = writeln!(text, "secret word text={}", making.text(dice));
    text += "secret env env=\"V_SECRET\"\nsecret build-only text=\"b\"\n";
    let _ = writeln!(text, "config-file token text={}", making.text(dice));
    let _ = writeln!(
        text,
        "service many {{ image \"x:1\"; replicas {}; depends-on base }}\nservice after {{ image \"x:1\"; depends-on many }}",
        dice.one_of(&["1", "2", "11"])
    );
    text += "service base { image \"x:1\" }\ntask done { image \"x:1\"; restart on-failure retries=2 }\n";
    let defaults = making.body(dice, Who::Defaults);
    let _ = writeln!(text, "defaults {{\n{defaults}}}");
    let template = making.body(dice, Who::Template);
    let _ = writeln!(text, "template first {{\n{template}}}");
    let template = making.body(dice, Who::Template);
    let _ = writeln!(text, "template second {{\nuse first\n{template}}}");
    for index in 0..1 + dice.below(3) {
        let word = dice.one_of(&["service", "task"]);
        let name = dice.one_of(&["", " name=\"its.own\""]);
        let name = if index == 0 { name } else { "" };
        let _ = writeln!(text, "{word} s{index}{name} {{");
        let who = Who::Service {
            index,
            task: word == "task",
        };
        text += &making.body(dice, who);
        text += dice.one_of(&["", "use first\n", "use second\n", "use first second\n"]);
        text += "}\n";
    }
    text += "proxy entry {\nimage \"nginx:1\"\nconfig \"nginx.conf\"\n";
    text += dice.one_of(&[
        "",
        "health \"/health\"\n",
        "port 8080 to=80\n",
        "port \"${V_NONE}\" to=80\n",
        "port 8443 to=443\ntls\n",
        "port 8443 to=8444\ntls \"a.test\" \"*.b.test\" port=8444 redirect=#false\n",
    ]);
    text += &making.body(dice, Who::Proxy);
    text += "}\n";
    let command = making.command(dice);
    let _ = writeln!(
        text,
        "check c1 {{ exec base {command} timeout=\"90s\" junit={} }}",
        making.text(dice)
    );
    let _ = writeln!(
        text,
        "check c3 {{ {} retries={}; environment {{ A {}; B 007 }}; depends-on c2 c1 }}",
        dice.one_of(&[
            "host \"a\" \"b\"",
            "run \"x y\" image=\"repo/x:1\"",
            "run base \"x\" timeout=\"2m\"",
        ]),
        dice.below(3),
        making.text(dice)
    );
    text += dice.one_of(&[
        "",
        "check c4 { http \"http://h:1/\" status=404 contains=\"a ${V_TEXT}\" }\n",
        "check c4 { http \"http://h:1/\" status=\"3xx\" }\n",
    ]);
    text += "check c2 { http \"http://localhost:${V_NUMBER}/x\" }\n";
    text
}

/// Whose body is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Defaults,
    Template,
    Proxy,
    Service { index: usize, task: bool },
}

#[derive(Default)]
struct Making {
    networks: bool,
    port: u16,
    routes: usize,
}

/// Words that are said once, each with how it may go on.
const ONCE: &[(&str, &[&str])] = &[
    ("user", &["\"1000:1000\"", "www-data"]),
    ("working-dir", &["\"/srv/./app/\""]),
    ("hostname", &["\"web.test\"", "web"]),
    ("domainname", &["\"example.org\""]),
    ("uts", &["host"]),
    ("userns-mode", &["host"]),
    ("cgroup-parent", &["\"/dev\""]),
    ("runtime", &["runc"]),
    ("cpuset", &["\"0-1,3\"", "0"]),
    ("memory-swap", &["\"1.5G\"", "-1"]),
    ("pids-limit", &["200", "-1"]),
    ("oom-score-adj", &["-500", "1000"]),
    ("stop-signal", &["SIGHUP", "quit"]),
    (
        "stop-grace-period",
        &["\"0s\"", "\"1m30s\"", "\"0.1ms\"", "\"333ms\""],
    ),
    ("read-only", &["#true", "#false"]),
    ("stdin-open", &["#true", "#false"]),
    ("tty", &["#true"]),
    ("privileged", &["#true", "#false"]),
    ("shm-size", &["\"64M\"", "\"1.3G\"", "\"1000KiB\""]),
    ("gpus", &["all", "2"]),
    ("platform", &["\"linux/arm/v7\""]),
    ("pull", &["always", "never", "missing"]),
    ("trigger", &["manual", "auto"]),
    ("pid", &["host"]),
    ("ipc", &["private", "shareable"]),
    ("ready-timeout", &["\"1.5h\"", "\"90s\""]),
    (
        "limits",
        &["cpus=0.3", "memory=\"512M\" cpus=2", "memory=\"1.7G\""],
    ),
    ("reservations", &["cpus=\"1e2\"", "memory=\"5K\""]),
    (
        "logging",
        &[
            "json-file max-size=\"10M\" max-file=003 compress=#true",
            "syslog",
            "gelf \"odd key\"=\"a b\"",
        ],
    ),
    ("profile", &["one", "one \"with blank\" \"$$x\""]),
    ("init", &["#true", "#false"]),
    (
        "healthcheck",
        &[
            "none",
            "tcp=80 retries=7",
            "http=\"http://localhost:${V_NUMBER}/\"",
            "log=\"ready * now $${X}\"",
            "\"none\"",
            "\"curl\" \"-f\" \"${V_TEXT}\" interval=\"0.5s\" start-period=\"1m\"",
        ],
    ),
];

/// Words that merge by keys, or add; on one line.
const LISTS: &[(&str, &[&str])] = &[
    ("group-add", &["docker", "27"]),
    ("dns", &["\"1.1.1.1\"", "\"::1\""]),
    ("dns-search", &["\"a.test\"", "b"]),
    ("dns-opt", &["\"ndots:1\"", "rotate"]),
    ("cap-add", &["NET_ADMIN", "\"cap_sys_ptrace\""]),
    ("cap-drop", &["ALL", "CHOWN"]),
    (
        "security-opt",
        &["\"no-new-privileges:true\"", "\"label=a\\\\b\""],
    ),
    ("expose", &["9000", "\"9100-9102/udp\""]),
    ("env-file", &["\"a.env\"", "\"./b.env\""]),
    ("depends-on", &["base", "done"]),
];

/// Words with one key a line.
const KEYED: &[(&str, &[&str])] = &[
    (
        "volume",
        &[
            "data to=\"/data/\"",
            "\"1more\" to=\"/more\" read-only=#true",
        ],
    ),
    (
        "bind",
        &[
            "\"src\" to=\"/bound\"",
            "\"./ctx/../nginx.conf\" to=\"/n.conf\" read-only=#true",
        ],
    ),
    ("tmpfs", &["\"/run/x\"", "\"/tmp\" size=\"64M\" mode=1777"]),
    (
        "secret",
        &[
            "token",
            "word to=\"/etc/word\" mode=\"0400\"",
            "env to=\"/etc/env\"",
        ],
    ),
    ("config-file", &["token to=\"/etc/token\""]),
    ("ulimit", &["nofile 65535", "core soft=0 hard=-1"]),
    (
        "extra-host",
        &["\"host.test\" \"host-gateway\"", "other \"10.0.0.1\""],
    ),
    (
        "device",
        &["\"/dev/fuse\"", "\"/dev/a\" to=\"/dev/b\" permissions=rw"],
    ),
];

impl Making {
    fn variables(&mut self, dice: &mut Dice, text: &mut String) {
        *text += "var V_NUMBER 8000\nvar V_NONE \"\"\n";
        let _ = writeln!(text, "var V_TEXT {}", quoted(&chars(dice)));
        let _ = writeln!(
            text,
            "var V_SECRET {} secret=#true",
            quoted(&format!("s{}", chars(dice)))
        );
        *text += "var V_OUT required=#true\nvar V_SHELL \"unused\" doc=\"d\"\nvar V_BOTH \"${V_TEXT}$${V_OUT}\" \n";
    }

    /// What stands between quotes: characters, escapes, references.
    fn inside(&self, dice: &mut Dice) -> String {
        let mut inside = String::new();
        for _ in 0..dice.below(4) {
            match dice.below(6) {
                0 => inside += "${V_TEXT}",
                1 => inside += "${V_SHELL}",
                2 => inside += "${NOBODY:-x ${V_NUMBER}}",
                3 => inside += "$$",
                _ => inside += &escapes(&chars(dice).replace('$', "$$")),
            }
        }
        inside
    }

    fn text(&self, dice: &mut Dice) -> String {
        let inside = self.inside(dice);
        if dice.once_in(9) && !inside.contains('\\') {
            return format!("#\"{inside}\"#");
        }
        format!("\"{inside}\"")
    }

    fn command(&self, dice: &mut Dice) -> String {
        let mut words = vec![format!("\"run{}\"", self.inside(dice))];
        for _ in 0..dice.below(3) {
            words.push(self.text(dice));
        }
        words.join(" ")
    }

    fn body(&mut self, dice: &mut Dice, who: Who) -> String {
        let mut nodes = Vec::new();
        self.source(dice, who, &mut nodes);
        for (word, values) in ONCE {
            if dice.once_in(5) {
                nodes.push(format!("{word} {}", dice.one_of(values)));
            }
        }
        for (word, values) in LISTS {
            // All wait for them, they for nobody.
            if dice.once_in(5) && !(who == Who::Defaults && *word == "depends-on") {
                nodes.push(format!("{word} {}", dice.some_of(values).join(" ")));
            }
        }
        for (word, values) in KEYED {
            if dice.once_in(5) {
                nodes.extend(
                    dice.some_of(values)
                        .iter()
                        .map(|value| format!("{word} {value}")),
                );
            }
        }
        for word in ["entrypoint", "command", "post-start", "pre-stop"] {
            if dice.once_in(5) {
                nodes.push(format!("{word} {}", self.command(dice)));
            }
        }
        for (word, keys) in [
            ("environment", ["A", "_b9", "true"]),
            ("label", ["a.b", "with blank", "$${X}"]),
            ("sysctl", ["net.core.somaxconn", "kernel.x", "a.b"]),
        ] {
            if dice.once_in(4) {
                let pairs = dice.some_of(&keys).into_iter().map(|key| {
                    let value = match dice.below(3) {
                        0 => dice.one_of(&["007", "-1.50", "1e3", "+1"]).to_owned(),
                        _ => self.text(dice),
                    };
                    format!("{} {value}", quoted(key))
                });
                let pairs = pairs.collect::<Vec<_>>().join("; ");
                nodes.push(format!("{word} {{ {pairs} }}"));
            }
        }
        self.service_words(dice, who, &mut nodes);
        let places: Vec<usize> = (0..nodes.len()).collect();
        if let (true, false) = (dice.once_in(4), places.is_empty()) {
            let at = dice.one_of(&places);
            nodes[at] = format!("(replace){}", nodes[at]);
        }
        dice.shuffle(&mut nodes);
        nodes.into_iter().map(|node| node + "\n").collect()
    }

    fn source(&self, dice: &mut Dice, who: Who, nodes: &mut Vec<String>) {
        if matches!(who, Who::Proxy | Who::Defaults) {
            return;
        }
        nodes.push(match dice.below(4) {
            0 => "image \"repo/x:1\"".to_owned(),
            1 => "build \"ctx\" target=dev network=\"host\" keep=5 { args { A \"${V_NUMBER}\"; B 007 }; cache-from \"a:1\" \"./kept\" \"b\"; cache-to \"../kept\" }".to_owned(),
            2 => format!(
                "build \"./ctx\" dockerfile=\"other.Dockerfile\" {{ secret token build-only; ssh default; additional-context shared \"src\"; additional-context base \"service:base\"; additional-context alp \"docker-image://alpine:3\"; ssh deploy socket=\"token.txt\"; args {{ T {} }} }}",
                self.text(dice)
            ),
            _ => format!("build \"ctx\" {{ dockerfile-inline {} }}", self.text(dice)),
        });
        let built = nodes.iter().any(|node| node.starts_with("build"));
        if matches!(who, Who::Service { .. }) && built && dice.once_in(3) {
            nodes.push("on \"ctx/*.txt\" { rebuild }".to_owned());
        }
        // What is not built is named.
        let from = dice.one_of(&["\"src\"", "\"ctx/..\""]);
        if dice.once_in(3) {
            let (ignored, command) = (self.inside(dice), self.command(dice));
            let properties = dice.some_of(&[
                "mirror=#true",
                "initial=#false",
                "owner=1000",
                "owner=\"33:0\"",
                "mode=0640",
                "settle=\"1.5s\"",
            ]);
            // One of a name, as the last owner would be.
            let owners = properties
                .iter()
                .filter(|one| one.starts_with("owner"))
                .count();
            let properties = match owners {
                2 => String::new(),
                _ => properties.join(" "),
            };
            let more = dice.one_of(&["", "include \"*.py\" \"/web/\";", "back \"**/new/*\";"]);
            nodes.push(format!(
                "sync {from} to=\"/app\" {properties} {{ {more} ignore \"x{ignored}\" \"out/\"; on \"*.py\" \"*.txt\" {{ exec {command}; restart }}; on \"x\" {{ signal SIGHUP }} }}"
            ));
        }
    }

    fn service_words(&mut self, dice: &mut Dice, who: Who, nodes: &mut Vec<String>) {
        let policies: &[&str] = match who {
            Who::Service { task: false, .. } | Who::Defaults | Who::Proxy => &[
                "no",
                "always",
                "unless-stopped",
                "on-failure retries=3",
                "on-failure",
            ],
            _ => &["no", "on-failure"],
        };
        if dice.once_in(3) {
            nodes.push(format!("restart {}", dice.one_of(policies)));
        }
        if dice.once_in(4) {
            nodes.push(format!(
                "on \"deploy/**\" \"{}\" {} {{ recreate }}",
                dice.below(3),
                dice.one_of(&["", "settle=\"250ms\""])
            ));
        }
        let Who::Service { index, task } = who else {
            return;
        };
        if !task && dice.once_in(4) {
            nodes.push("on \"schema/*.sql\" { run done; restart }".to_owned());
        }
        if index > 0 && dice.once_in(2) {
            let rest = dice.one_of(&[
                "",
                " condition=started",
                " condition=healthy follow=#true",
                " required=#false",
            ]);
            nodes.push(format!("depends-on s0{rest}"));
        }
        if !self.networks {
            if dice.once_in(4) {
                nodes.push(format!("network-mode {}", dice.one_of(&["host", "none"])));
            }
            return;
        }
        if dice.once_in(2) {
            let more = dice.some_of(&["back", "team"]).join(" ");
            let alias = dice.one_of(&["", " { alias \"a.b\" c }"]);
            nodes.push(format!("network default {more}{alias}"));
        }
        for _ in 0..dice.below(3) {
            self.port += 10;
            let (outside, inside) = (20_000 + self.port, 100 + self.port);
            nodes.push(match dice.below(5) {
                0 => format!("port {outside} to={inside}"),
                1 => format!("port \"{outside}/udp\" bind=\"0.0.0.0\""),
                2 => format!(
                    "port \"{outside}-{}\" to=\"{inside}-{}\"",
                    outside + 3,
                    inside + 3
                ),
                3 => format!("port {outside} bind=\"::1\" protocol=udp"),
                _ => format!("port \"${{V_NONE}}\" to={inside}"),
            });
        }
        if !task && dice.once_in(2) {
            self.routes += 1;
            let route = self.routes;
            let host = dice.one_of(&["", "host=\"*.localhost\"", "host=\"API.localhost\""]);
            nodes.push(format!(
                "route \"/r{route}/*\" \"/e{route}\" {host} port=8000"
            ));
            nodes.push(match dice.below(6) {
                4 => format!(
                    "route \"/t{route}\" \"/u{route}/*\" port=80 timeout=\"1.5s\" max-body=\"10M\" buffering=#false {host}"
                ),
                5 => format!(
                    "route \"/n{route}/*\" \"/m{route}\" port=80 buffering=#true {{ nginx \"add_header X '$host;';\"; nginx #\"set $a \"${{host}}\";\"# }}"
                ),
                0 => format!("route \"/s{route}/*\" \"/s{route}\" port=80 strip-prefix=\"/s{route}\""),
                1 => format!("route \"/o{route}/*\" redirect=\"/n{route}/*\" {host} status=308"),
                2 => format!("route \"/o{route}\" redirect=\"https://x.test:8443/?a=%20b#c\""),
                _ => format!("route \"/w{route}\" port=81 {}", dice.one_of(&["", "scheme=https", "scheme=http"])),
            });
        }
        if dice.once_in(4) {
            let more = dice.one_of(&["", "replace hold=\"0s\"", "drain=\"1.5m\" hold=\"90s\""]);
            nodes.push(format!("update {more}"));
        }
    }
}

/// A few characters, among them those that mean something somewhere.
fn chars(dice: &mut Dice) -> String {
    const ODD: &[char] = &[
        'a',
        ' ',
        '"',
        '\\',
        '$',
        '{',
        '}',
        '#',
        '\n',
        '\n',
        '\t',
        '\r',
        ';',
        '/',
        '=',
        'é',
        '\u{0}',
        '\u{85}',
        '\u{2028}',
        '\u{feff}',
        '\u{202e}',
        '\u{1f600}',
        '\'',
        '*',
        '-',
        '(',
        '`',
    ];
    (0..dice.below(7)).map(|_| dice.one_of(ODD)).collect()
}

/// As KDL has it in quotes: every character by its number.
fn escapes(text: &str) -> String {
    text.chars()
        .map(|c| format!("\\u{{{:x}}}", u32::from(c)))
        .collect()
}

/// The same, as a whole and without references.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escapes(&text.replace('$', "$$")))
}
