//! Defaults, templates, and what a service makes of them.

use super::world::{World, told};
use crate::Service;

fn last(text: &str) -> Service {
    let world = World::new(&format!("stack app\nvolume d\nvolume e\n{text}"));
    match world.load().stack {
        Ok(mut stack) => stack.services.swap_remove(stack.services.len() - 1),
        Err(_) => panic!("{}", world.told()),
    }
}

const TEMPLATE: &str = r#"
defaults { restart always; environment { A "defaults"; B "defaults" } }
template t {
    image "template"
    command "template"
    limits cpus=1 memory="1G"
    environment { B "template"; C "template" }
    port 8000 to=80
    volume d to="/data"
    depends-on db
    on "*.py" { restart }
}
service db { image "db" }
service proxyless { image "x" }
"#;

#[test]
fn single_words_replace_and_keyed_ones_merge() {
    let service = last(&format!(
        "{TEMPLATE}service s {{\n limits cpus=2\n environment {{ C \"own\" }}\n port 9000 to=80\n port 1234\n volume e to=\"/data\"\n depends-on proxyless\n on \"*.txt\" {{ recreate }}\n use t\n}}\n"
    ));
    let env: Vec<String> = service
        .environment
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(env, ["A=defaults", "B=template", "C=own"]);
    assert_eq!(service.command.expect("said").argv()[2], "template");
    assert_eq!(
        (service.limits.cpus, service.limits.memory),
        (Some(2.0), None)
    );
    let ports: Vec<(u16, u16)> = service
        .ports
        .iter()
        .map(|port| (port.host, port.container))
        .collect();
    assert_eq!(ports, [(9000, 80), (1234, 1234)]);
    assert_eq!(service.mounts.len(), 1);
    assert_eq!(
        service.mounts[0].source,
        crate::MountSource::Volume("app-e".into())
    );
    let waits: Vec<&str> = service
        .depends_on
        .iter()
        .map(|on| on.service.as_str())
        .collect();
    assert_eq!(waits, ["db", "proxyless"]);
    let patterns: Vec<&str> = service
        .on
        .iter()
        .map(|on| on.patterns[0].as_str())
        .collect();
    assert_eq!(patterns, ["*.py", "*.txt"]);
}

#[test]
fn annotations_edit() {
    let service = last(&format!(
        "{TEMPLATE}service s {{\n use t\n (remove)port to=80\n (replace)environment {{ X 1 }}\n (remove)depends-on db\n (remove)command\n (remove)restart\n (remove)volume to=\"/data\"\n}}\n"
    ));
    assert_eq!(service.ports, []);
    assert_eq!(
        service.environment.into_iter().collect::<Vec<_>>(),
        [("X".into(), "1".into())]
    );
    assert_eq!(service.depends_on, []);
    assert_eq!(service.command, None);
    assert_eq!(service.restart, crate::Restart::No);
    assert_eq!(service.mounts, []);
}

#[test]
fn one_variable_of_the_environment_can_be_removed() {
    let service = last(&format!(
        "{TEMPLATE}service s {{\n use t\n environment {{ (remove)B; D 1 }}\n}}\n"
    ));
    let keys: Vec<&String> = service.environment.keys().collect();
    assert_eq!(keys, ["A", "C", "D"]);
}

#[test]
fn templates_use_templates() {
    let service = last(
        "template a { image \"a\"; command \"a\" }\ntemplate b { use a; command \"b\" }\nservice s { use b }\n",
    );
    assert_eq!(service.source, crate::Source::Image("a".into()));
    assert_eq!(service.command.expect("said").argv()[2], "b");
}

#[test]
fn what_goes_wrong_in_reuse() {
    insta::assert_snapshot!(told(
        "stack app
template a { use b }
template b { use a }
template unused { imgae \"x\" }
service s {
    use djngo
    image \"x\"
    (remove)port to=80
    (rmove)command
    environment { (remove)A }
}
"
    ));
}

#[test]
fn a_template_that_is_used_twice_is_wrong_once() {
    insta::assert_snapshot!(told(
        "stack app
template t { image \"x\"; limits memory=\"512\" }
service a { use t }
service b { use t }
"
    ));
}

#[test]
fn the_rules_of_a_sync_add_and_can_be_edited() {
    let text = |body: &str| {
        format!(
            "stack app
template t {{
    image \"x\"
    sync \"src\" to=\"/app\" {{
        ignore \"a\" \"b\"
        on \"*.py\" {{ restart }}
        on \"*.txt\" {{ recreate }}
    }}
    on \"x\" \"y\" {{ restart }}
}}
service s {{
    use t
    {body}
}}
"
        )
    };
    let rules = |body: &str| {
        let world = World::new(&text(body)).file("src/x", "");
        let Ok(stack) = world.load().stack else {
            panic!("{}", world.told());
        };
        let sync = &stack.services[0].sync[0];
        let patterns: Vec<String> = sync.on.iter().map(|on| on.patterns.join(" ")).collect();
        format!(
            "{} | {} | {}",
            sync.ignore.join(" "),
            patterns.join(", "),
            stack.services[0].on.len()
        )
    };
    assert_eq!(
        rules("sync to=\"/app\" { ignore \"c\"; on \"*.c\" { restart } }"),
        "a b c | *.py, *.txt, *.c | 1"
    );
    assert_eq!(
        rules("sync to=\"/app\" { (remove)ignore \"a\"; (remove)on \"*.py\" }"),
        "b | *.txt | 1"
    );
    assert_eq!(
        rules("sync to=\"/app\" { (replace)ignore \"z\"; (replace)on \"*\" { restart } }"),
        "z | * | 1"
    );
    assert_eq!(
        rules("sync to=\"/app\" { include \"c\"; ignore \"d\" }"),
        "a b d | *.py, *.txt | 1"
    );
    assert_eq!(rules("(remove)on \"x\" \"y\""), "a b | *.py, *.txt | 0");
}

#[test]
fn what_a_sync_says_as_a_whole_replaces_and_its_lists_add() {
    let sync = |body: &str| {
        let text = format!(
            "stack app
template t {{
    image \"x:1\"
    sync \"src\" to=\"/app\" mirror=#true owner=1000 mode=0644 settle=\"1s\" {{
        include \"a\" \"b\"
        back \"x\"
    }}
}}
service s {{ use t; {body} }}
"
        );
        let world = World::new(&text).file("src/x", "").file("one.conf", "");
        let Ok(mut stack) = world.load().stack else {
            panic!("{}", world.told());
        };
        stack.services.remove(0).sync.remove(0)
    };
    let whole = sync("");
    let owner = whole.owner.map(|owner| owner.to_string());
    assert_eq!(owner.as_deref(), Some("1000:1000"));
    assert_eq!((whole.mode, whole.settle.as_millis()), (Some(0o644), 1000));
    assert!(whole.mirror && whole.initial && !whole.file);
    let over = sync(
        "sync to=\"/app\" mirror=#false initial=#false owner=\"33:0\" { (remove)include \"a\"; (replace)back \"y\" }",
    );
    assert!(!over.mirror && !over.initial);
    assert_eq!(
        (over.include, over.back),
        (vec!["b".to_owned()], vec!["y".to_owned()])
    );
    assert_eq!(over.owner.map(|owner| owner.gid), Some(0));
    assert_eq!(over.mode, Some(0o644), "what is not said again stays");
    let other = sync("(replace)sync \"one.conf\" to=\"/etc/one.conf\"");
    assert!(other.file && other.include.is_empty() && !other.mirror);
}

#[test]
fn syncs_and_mounts_that_are_hardly_meant() {
    let world = World::new(
        "stack app
volume data
service a {
    build \"there\"
    volume data to=\"/app/data\"
    sync to=\"/app\" mirror=#true
    sync \"lib\" to=\"/app/lib\"
    sync \"soon\" to=\"/soon\"
    bind \"there/conf\" to=\"/conf\"
    sync \"there/conf\" to=\"/conf\" { on \"*\" { restart } }
}
service b {
    build \"there\"
    volume data to=\"/app/data\"
    sync to=\"/app\" mirror=#true { ignore \"/data/\" \"/lib\" }
    sync \"lib\" to=\"/app/lib\"
}
",
    )
    .file("there/Dockerfile", "")
    .file("there/conf/x", "")
    .file("there/lib/x", "")
    .file("lib/x", "");
    insta::assert_snapshot!(world.told());
}

#[test]
fn annotations_where_there_is_nothing_to_edit() {
    insta::assert_snapshot!(told(
        "stack app
(remove)service a { image \"x\" }
service b {
    image (u8)\"x\"
    on \"x\" { (remove)restart }
}
"
    ));
}

#[test]
fn rules_that_do_nothing() {
    let world = World::new(
        "stack app
template python {
    sync to=\"/app\" { on \"**/*.py\" { restart } }
}
service a {
    use python
    build \"there\"
    sync to=\"/app\" {
        ignore \"dist/\" \"*.log\"
        on \"**/*.py\" { rebuild }
        on \"a.py\" { exec \"x\" }
        on \"conf/a.ini\" { signal \"HUP\" }
        on \"conf/**\" { restart }
        on \"dist/a.js\" \"dist/**/*.js\" \"*.log\" { restart }
        on \"dist/b.js\" \"b.js\" { restart }
    }
    sync \"nginx.conf\" to=\"/etc/nginx.conf\" { on \"other.conf\" { restart }; on \"nginx.conf\" { signal \"HUP\" } }
    on \"there/**\" { rebuild }
    on \"there/x/*.txt\" { exec \"x\"; run t }
    on \"there/x/*.txt\" { exec \"x\"; restart }
    on \"deply/**\" { recreate }
    on \"*.txt\" { restart }
    on \"*.txt\" { restart }
}
task t { image \"x:1\" }
",
    )
    .file("there/Dockerfile", "")
    .file("nginx.conf", "");
    assert!(world.load().stack.is_ok(), "{}", world.told());
    insta::assert_snapshot!(world.told());
}

#[test]
fn patterns_that_are_none() {
    insta::assert_snapshot!(
        World::new(
            "stack app
service a {
    image \"x:1\"
    on \"a[b\" \"[]a]\" \"[!]]\" \"{a,b\" \"a}\" \"a\\\\\" \"\\\\{\" { restart }
    on \"../b\" { restart }
}
",
        )
        .told()
    );
}
