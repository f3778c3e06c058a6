//! Merging follows one rule, whoever says it and in which order: single words replace, keyed ones
//! merge, others add, `(remove)` and `(replace)` are about what lies below.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::dice::Dice;
use super::world::World;
use crate::{MountSource, Service};

/// What one body says, as nodes and as what they mean.
#[derive(Debug, Clone)]
struct Body {
    nodes: Vec<String>,
    says: Vec<Say>,
}

/// One thing that is said of a word; its key is empty for single words.
#[derive(Debug, Clone)]
enum Say {
    One {
        word: &'static str,
        key: String,
        value: String,
    },
    /// Every value is a key of its own.
    Add { word: &'static str, value: String },
    /// All of a word, or one key of it.
    Remove { word: &'static str, key: String },
}

/// What all of it means: by word and key.
type Facts = BTreeMap<(&'static str, String), String>;

/// The rule, once more and by itself: edits first, then what is said.
fn lay(below: &mut Facts, body: &Body) {
    for say in &body.says {
        if let Say::Remove { word, key } = say {
            below.retain(|(known, name), _| known != word || (!key.is_empty() && name != key));
        }
    }
    for say in &body.says {
        match say {
            Say::One { word, key, value } => {
                below.insert((word, key.clone()), value.clone());
            }
            Say::Add { word, value } => {
                below.insert((word, value.clone()), String::new());
            }
            Say::Remove { .. } => {}
        }
    }
}

/// Words with a key, how they are written with key and value, and how one key is removed.
const KEYED: &[(&str, &str, &str)] = &[
    (
        "environment",
        "environment { K VALUE }",
        "environment { (remove)K }",
    ),
    ("port", "port VALUE to=KEY", "(remove)port to=KEY"),
    (
        "volume",
        "volume VALUE to=\"/KEY\"",
        "(remove)volume to=\"/KEY\"",
    ),
    (
        "route",
        "route \"/KEY\" port=VALUE",
        "(remove)route \"/KEY\"",
    ),
    (
        "label",
        "label { \"KEY\" VALUE }",
        "(remove)label { \"KEY\" }",
    ),
];
const ADDED: &[(&str, &str, &str)] = &[
    ("depends-on", "depends-on VALUE", "(remove)depends-on VALUE"),
    ("on", "on \"VALUE\" { recreate }", "(remove)on \"VALUE\""),
    (
        "dns-search",
        "dns-search \"VALUE\"",
        "(remove)dns-search \"VALUE\"",
    ),
];

/// A body over what lies below it, of which it removes only what is there.
fn body(dice: &mut Dice, below: &Facts) -> Body {
    let mut body = Body {
        nodes: Vec::new(),
        says: Vec::new(),
    };
    let is_there = |word: &str, key: &str| {
        below
            .keys()
            .any(|(known, name)| *known == word && (key.is_empty() || name == key))
    };
    for word in ["command", "user"] {
        body.single(dice, word, is_there(word, ""));
    }
    for (word, said, removed) in KEYED {
        if is_there(word, "") && dice.once_in(6) {
            body.remove(word, "", &format!("(remove){word}"));
        }
        for key in ["11", "22"] {
            let key = if *word == "environment" {
                format!("K{key}")
            } else {
                key.to_owned()
            };
            let fill = |text: &str| {
                text.replace("KEY", &key)
                    .replace("{ K ", &format!("{{ {key} "))
                    .replace("(remove)K ", &format!("(remove){key} "))
            };
            if is_there(word, &key) && dice.once_in(5) {
                body.remove(word, &key, &fill(removed));
            }
            if dice.once_in(2) {
                let value = match *word {
                    "port" => format!("{}{key}", dice.one_of(&[1, 2, 3])),
                    "volume" => dice.one_of(&["v1", "v2"]).to_owned(),
                    _ => dice.one_of(&["1", "2", "3"]).to_owned(),
                };
                body.say(
                    dice,
                    word,
                    &key,
                    &value,
                    &fill(&said.replace("VALUE", &value)),
                );
            }
        }
    }
    for (word, said, removed) in ADDED {
        for value in ["x1", "x2", "x3"] {
            if is_there(word, value) && dice.once_in(5) {
                body.remove(word, value, &removed.replace("VALUE", value));
            } else if !is_there(word, value) && dice.once_in(2) {
                body.nodes.push(said.replace("VALUE", value));
                body.says.push(Say::Add {
                    word,
                    value: value.to_owned(),
                });
            }
        }
    }
    body
}

impl Body {
    fn single(&mut self, dice: &mut Dice, word: &'static str, is_there: bool) {
        match dice.below(4) {
            0 if is_there => self.remove(word, "", &format!("(remove){word}")),
            1 | 2 => {
                let value = dice.one_of(&["one", "two", "three"]);
                self.say(dice, word, "", value, &format!("{word} {value}"));
            }
            _ => {}
        }
    }

    fn say(&mut self, dice: &mut Dice, word: &'static str, key: &str, value: &str, node: &str) {
        if dice.once_in(6) {
            self.says.push(Say::Remove {
                word,
                key: String::new(),
            });
            self.nodes.push(format!("(replace){node}"));
        } else {
            self.nodes.push(node.to_owned());
        }
        self.says.push(Say::One {
            word,
            key: key.to_owned(),
            value: value.to_owned(),
        });
    }

    fn remove(&mut self, word: &'static str, key: &str, node: &str) {
        // Two that take the same away would be one too many.
        let gone = |say: &Say| matches!(say, Say::Remove { word: known, .. } if *known == word);
        if !self.says.iter().any(gone) {
            self.nodes.push(node.to_owned());
            self.says.push(Say::Remove {
                word,
                key: key.to_owned(),
            });
        }
    }

    fn text(&self) -> String {
        self.nodes.join("\n")
    }
}

/// What a service of this text has.
fn facts(top: &str, service: &str) -> Result<(Facts, String), String> {
    let text = format!(
        "stack app\nvolume v1\nvolume v2\nservice x1 {{ image \"x:1\" }}\nservice x2 {{ image \"x:1\" }}\nservice x3 {{ image \"x:1\" }}\nproxy p {{ image \"x:1\"; config \"n.conf\" }}\n{top}\nservice it {{\nimage \"x:1\"\n{service}\n}}\n"
    );
    let world = World::new(&text).file("n.conf", "");
    match world.load().stack {
        Ok(stack) => Ok((of(stack.service("it").expect("is there")), text)),
        Err(_) => Err(format!("{}\n{text}", world.told())),
    }
}

fn of(service: &Service) -> Facts {
    let mut facts = Facts::new();
    let mut put = |word: &'static str, key: &str, value: &str| {
        facts.insert((word, key.to_owned()), value.to_owned());
    };
    if let Some(command) = &service.command {
        put("command", "", command.argv().last().expect("a word"));
    }
    if let Some(user) = &service.settings.user {
        put("user", "", user);
    }
    for (key, value) in &service.environment {
        put("environment", key, value);
    }
    for port in &service.ports {
        put("port", &port.container.to_string(), &port.host.to_string());
    }
    for mount in &service.mounts {
        let MountSource::Volume(name) = &mount.source else {
            continue;
        };
        put(
            "volume",
            mount.target.trim_start_matches('/'),
            name.trim_start_matches("app-"),
        );
    }
    for route in &service.routes {
        put(
            "route",
            route.pattern.trim_start_matches('/'),
            &route.port.to_string(),
        );
    }
    for (key, value) in &service.settings.labels {
        put("label", key, value);
    }
    for on in &service.depends_on {
        put("depends-on", &on.service, "");
    }
    for rule in &service.on {
        put("on", &rule.patterns[0], "");
    }
    for domain in &service.settings.dns_search {
        put("dns-search", domain, "");
    }
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_are_laid_by_one_rule_however_they_are_grouped(dice in Dice::thrown(300)) {
        let mut dice = dice;
        let mut wanted = Facts::new();
        let mut layers = Vec::new();
        for _ in 0..3 {
            let body = body(&mut dice, &wanted);
            lay(&mut wanted, &body);
            layers.push(body.text());
        }
        let [first, second, own] = &layers[..] else { unreachable!() };
        let templates = format!("template a {{\n{first}\n}}\ntemplate b {{\n{second}\n}}\n");
        let over = format!("template a {{\n{first}\n}}\ntemplate b {{\n{second}\nuse a\n}}\n");
        let both = format!("{templates}template both {{ use a b }}\n");
        let defaults = format!("defaults {{\n{first}\n}}\ntemplate b {{\n{second}\n}}\n");
        for (top, used) in [
            (&templates, "use a b"),
            (&templates, "use a\nuse b"),
            (&over, "use b"),
            (&over, "use a b"),
            (&both, "use both"),
            (&both, "use a both"),
        ] {
            match facts(top, &format!("{own}\n{used}")) {
                Ok((found, text)) => prop_assert_eq!(&found, &wanted, "{}", text),
                Err(told) => prop_assert!(false, "{}", told),
            }
        }
        // What `defaults` say holds for the others too, who may not wait for themselves.
        if !first.contains("depends-on") && !first.contains("port") && !first.contains("route") {
            let found = facts(&defaults, &format!("{own}\nuse b"));
            prop_assert_eq!(found.map(|found| found.0), Ok(wanted));
        }
    }

    #[test]
    fn the_order_within_a_body_makes_no_difference(dice in Dice::thrown(300)) {
        let mut dice = dice;
        let mut below = Facts::new();
        let first = body(&mut dice, &below);
        lay(&mut below, &first);
        let mut own = body(&mut dice, &below);
        lay(&mut below, &own);
        own.nodes.push("use a".to_owned());
        let mut tops = vec![
            format!("template a {{\n{}\n}}", first.text()),
            "template b { image \"y:1\" }".to_owned(),
            "service other { use b }".to_owned(),
            "network back".to_owned(),
        ];
        for _ in 0..3 {
            dice.shuffle(&mut own.nodes);
            dice.shuffle(&mut tops);
            match facts(&tops.join("\n"), &own.text()) {
                Ok((found, text)) => prop_assert_eq!(&found, &below, "{}", text),
                Err(told) => prop_assert!(false, "{}", told),
            }
        }
    }

    #[test]
    fn the_order_at_the_top_makes_no_difference(dice in Dice::thrown(500)) {
        let mut dice = dice;
        let text = super::generated::stackfile(&mut dice);
        let mut nodes = top_nodes(&text);
        let wanted = by_name(&text);
        // Variables are known from their line on.
        let (variables, mut others): (Vec<String>, Vec<String>) =
            nodes.drain(..).partition(|node| node.starts_with("var "));
        dice.shuffle(&mut others);
        for variable in variables.into_iter().rev() {
            others.insert(0, variable);
        }
        prop_assert_eq!(by_name(&others.join("\n")), wanted);
    }
}

#[test]
fn a_route_is_keyed_by_its_host_and_its_path() {
    let world = World::new(
        "stack app
template t { route \"/x\" port=1; route \"/x\" host=\"a.test\" port=1; route \"/y\" host=\"a.test\" port=1 }
service it { image \"x:1\"; use t; (remove)route \"/x\" host=\"a.test\"; route \"/y\" host=\"A.test\" port=2 }
proxy p { image \"x:1\"; config \"n.conf\" }
",
    )
    .file("n.conf", "");
    let stack = world.load().stack.expect("is read");
    let routes = &stack.service("it").expect("is there").routes;
    let said: Vec<_> = routes.iter().map(|it| (it.name(), it.port)).collect();
    assert_eq!(said, [("/x".to_owned(), 1), ("a.test/y".to_owned(), 2)]);
}

/// The nodes of a generated file, whose blocks end on lines of their own.
fn top_nodes(text: &str) -> Vec<String> {
    let document: kdl::KdlDocument = text.parse().expect("is read");
    document.nodes().iter().map(ToString::to_string).collect()
}

/// Each part of the stack by itself, whatever their order.
fn by_name(text: &str) -> BTreeSet<String> {
    let world = super::generated::world(text);
    let Ok(stack) = world.load().stack else {
        panic!("{}\n{text}", world.told());
    };
    let mut parts = BTreeSet::new();
    let serde_json::Value::Object(fields) = super::world::bare(&stack) else {
        return parts;
    };
    for (name, field) in fields.iter().filter(|(name, _)| *name != "contents") {
        match field {
            serde_json::Value::Array(items) => {
                parts.extend(items.iter().map(|item| format!("{name} {item}")))
            }
            other => {
                parts.insert(format!("{name} {other}"));
            }
        }
    }
    parts
}
