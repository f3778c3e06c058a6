//! Where a path goes inside: what has a place of its own there, and what comes to several.

use devrun_stack::{Content, FileInside, FileKind, Tmpfs};

use super::matching::{mounted, table, why};
use super::*;

#[test]
fn what_has_another_place_inside_is_left_alone() {
    let mut web = web();
    web.sync = vec![
        sync(
            "/p/web",
            &[],
            vec![on(33, &["data/*.conf", "dat/*.conf"], &[Action::Restart])],
        ),
        Sync {
            to: "/app/lib".into(),
            at: at(40),
            ..sync("/p/shared", &[], vec![])
        },
    ];
    web.mounts = vec![
        mounted(
            MountSource::Volume("app-modules".into()),
            "/app/node_modules",
        ),
        mounted(MountSource::Bind("/p/web/data".into()), "/app/data"),
        mounted(MountSource::Bind("/q/media".into()), "/app/media"),
    ];
    web.settings.tmpfs = vec![Tmpfs {
        target: "/app/tmp".into(),
        size: None,
        mode: None,
    }];
    web.files = vec![FileInside {
        name: "x".into(),
        kind: FileKind::ConfigFile,
        target: "/app/conf/x.conf".into(),
        mode: 0o444,
        content: Content::default(),
    }];
    let rules = rules(web);
    table(
        &rules,
        &[
            ("web/node_modules/a/b.js", false),
            ("web/node_modules2/a.js", true),
            ("web/data/a", false),
            // A sibling of the same prefix is not it.
            ("web/dat/a", true),
            ("web/data2/a", true),
            ("web/media/a", false),
            ("web/tmp/a", false),
            ("web/conf/x.conf", false),
            ("web/conf/y.conf", true),
            // The deeper target has its place to itself.
            ("web/lib/a.py", false),
            ("web/library/a.py", true),
            ("shared/a.py", true),
        ],
    );
    // Nothing to copy, and yet something to follow; and no image needs it.
    assert_eq!(decide(&rules, &["web/data/a.conf"]), "restart");
    assert_eq!(decide(&rules, &["web/data/a.txt"]), "nothing");
    assert_eq!(
        decide(&rules, &["web/dat/a.conf"]),
        "sync web/dat/a.conf; restart"
    );
    assert!(rules.concerns(Path::new("/p/web/data/a.conf"), false));
    for path in [
        "web/node_modules/a",
        "web/lib/a.py",
        "web/tmp/a",
        "web/media/a",
    ] {
        assert_eq!(decide(&rules, &[path]), "nothing", "{path}");
    }
    assert!(rules.prunes(Path::new("/p/web/node_modules")));
    assert!(!rules.prunes(Path::new("/p/web/data")));
    for (path, wanted) in [
        (
            "web/node_modules/a",
            "left alone: the volume app-modules is at /app/node_modules",
        ),
        (
            "web/media/a",
            "left alone: /q/media is mounted at /app/media",
        ),
        (
            "web/data/a",
            "mounted from the host: live without being copied",
        ),
        ("web/tmp/a", "left alone: a tmpfs is at /app/tmp"),
        (
            "web/conf/x.conf",
            "left alone: a secret or config-file is at /app/conf/x.conf",
        ),
        (
            "web/lib/a.py",
            "left to the sync to /app/lib, Stackfile.kdl:40",
        ),
    ] {
        assert_eq!(why(&rules, path), format!("{wanted} (Stackfile.kdl:31)"));
    }
}

#[test]
fn a_source_that_is_mounted_is_not_copied_and_its_rules_hold() {
    let mut web = web();
    web.sync = vec![sync(
        "/p/web",
        &["*.tmp"],
        vec![on(33, &["*.py"], &[Action::Restart])],
    )];
    web.mounts = vec![mounted(MountSource::Bind("/p/web".into()), "/app")];
    let rules = rules(web);
    assert_eq!(decide(&rules, &["web/a.py"]), "restart");
    assert_eq!(decide(&rules, &["web/a.txt"]), "nothing");
    let [rule] = rules.sync_rules("web") else {
        panic!("one rule")
    };
    assert!(!rule.enters(Path::new("")) && !rule.wants(Path::new("a.py"), false));
    assert!(rules.concerns(Path::new("/p/web/a.py"), false));
}

#[test]
fn of_several_places_around_a_path_the_deepest_counts() {
    let mut web = web();
    let on_any = on(33, &["**"], &[Action::Restart]);
    web.sync = vec![sync("/p/web", &[], vec![on_any])];
    web.mounts = vec![
        mounted(MountSource::Bind("/p/web/data".into()), "/app/data"),
        mounted(MountSource::Volume("v".into()), "/app/data/cache"),
    ];
    let rules = rules(web);
    assert_eq!(decide(&rules, &["web/data/a"]), "restart");
    assert_eq!(decide(&rules, &["web/data/cache/a"]), "nothing");
    assert_eq!(
        why(&rules, "web/data/cache/a"),
        "left alone: the volume v is at /app/data/cache (Stackfile.kdl:31)"
    );
}

#[test]
fn one_source_goes_to_several_targets() {
    let mut web = web();
    let to = |to: &str| Sync {
        to: to.into(),
        ..sync("/p/web", &[], vec![])
    };
    web.sync = vec![to("/app"), to("/copy")];
    let rules = rules(web);
    let targets = rules.sync_rules("web").iter();
    let targets: Vec<_> = targets
        .filter_map(|rule| rule.target(Path::new("/p/web/a")))
        .collect();
    assert_eq!(targets, ["/app/a", "/copy/a"]);
    assert_eq!(decide(&rules, &["web/a.py"]), "sync web/a.py");
}
