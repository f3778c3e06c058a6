//! Which paths take part, by the words of the rules, and what `why` says of the others.

use proptest::prelude::*;

use super::*;

fn any_patterns() -> impl Strategy<Value = Vec<String>> {
    let pattern = prop::sample::select(vec![
        "*.py",
        "/src/",
        "src/*.py",
        "docs",
        "dist/a.py",
        "**/docs/*.md",
        "!docs",
        "dist/",
        "a.*",
        "/web/",
        ".env",
        "*",
    ]);
    prop::collection::vec(pattern.prop_map(str::to_owned), 0..4)
}

fn any_file() -> impl Strategy<Value = PathBuf> {
    let name = prop::sample::select(vec![
        "src",
        "docs",
        "dist",
        "web",
        "a.py",
        "b.md",
        "used.md",
        ".env",
        "node_modules",
    ]);
    prop::collection::vec(name, 1..5)
        .prop_map(|names| Path::new("/p/web").join(names.iter().collect::<PathBuf>()))
}

proptest! {
    /// Whatever the words, the watcher, a walk and the plan agree.
    #[test]
    fn what_takes_part_is_watched_and_found(
        include in any_patterns(),
        ignore in any_patterns(),
        on_pattern in any_patterns(),
        path in any_file(),
    ) {
        let on_pattern: Vec<&str> = on_pattern.iter().map(String::as_str).collect();
        let mut web = web();
        let mut one = sync("/p/web", &[], vec![on(33, &on_pattern, &[Action::Restart])]);
        one.include.clone_from(&include);
        one.ignore.clone_from(&ignore);
        web.sync = vec![one];
        web.mounts = vec![mounted(MountSource::Volume("v".into()), "/app/node_modules")];
        let rules = rules(web);
        let decision = rules.decide("web", std::slice::from_ref(&path));
        prop_assert_eq!(rules.covers("web", &path), !decision.sync.is_empty());
        prop_assert!(!path.iter().any(|name| name == "node_modules" )
            || !path.starts_with("/p/web/node_modules") || decision.is_nothing());
        let explained = rules.explain("web", &path, false);
        prop_assert_eq!(explained.syncs.iter().any(|one| one.synced), !decision.sync.is_empty());
        if rules.covers("web", &path) {
            reached(&rules, &path);
        }
    }
}

fn covered(rules: &Rules, path: &str) -> bool {
    rules.covers("web", &Path::new("/p").join(path))
}

/// Whether each path is brought over.
pub(super) fn table(rules: &Rules, rows: &[(&str, bool)]) {
    for (path, wanted) in rows {
        assert_eq!(covered(rules, path), *wanted, "{path}");
        if *wanted {
            reached(rules, &Path::new("/p").join(path));
        }
    }
}

/// What takes part is seen by the watcher and found by whoever walks the tree.
fn reached(rules: &Rules, path: &Path) {
    assert!(rules.concerns(path, false), "{}", path.display());
    let covering = rules.sync_rules("web").iter().filter(|rule| {
        path.strip_prefix(&rule.from)
            .is_ok_and(|rel| rule.wants(rel, false))
    });
    for rule in covering {
        let folders = path.ancestors().skip(1);
        for folder in folders.take_while(|folder| folder.starts_with(&rule.from)) {
            assert!(!rules.prunes(folder), "{} is pruned", folder.display());
            let rel = folder.strip_prefix(&rule.from).unwrap_or(folder);
            assert!(rule.enters(rel), "{} is not entered", folder.display());
        }
    }
}

/// What saving it does, and why; of the first sync that has a say where nothing is synced.
pub(super) fn why(rules: &Rules, path: &str) -> String {
    let explained = rules.explain("web", &Path::new("/p").join(path), false);
    let syncs = explained.syncs.iter();
    let syncs: Vec<String> = syncs
        .map(|one| format!("{} ({})", one.why, one.at))
        .collect();
    syncs.join("; ")
}

fn rule(change: impl Fn(&mut Sync)) -> Rules {
    let mut web = web();
    let mut one = sync("/p/web", &[], vec![]);
    change(&mut one);
    web.sync = vec![one];
    rules(web)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn include_lets_in_what_matches_and_nothing_else() {
    let rules = rule(|one| {
        one.include = words(&[
            "*.py",
            "/templates/",
            "conf/*.ini",
            "**/locale/*.po",
            "dist/app.js",
        ]);
        one.ignore = words(&["test_*.py"]);
    });
    table(
        &rules,
        &[
            ("web/a.py", true),
            ("web/deep/down/a.py", true),
            ("web/a.txt", false),
            ("web/templates/a/b.html", true),
            ("web/deep/templates/a.html", false),
            ("web/conf/a.ini", true),
            ("web/conf/deep/a.ini", false),
            ("web/x/locale/de.po", true),
            ("web/test_a.py", false),
            ("web/__init__.py", true),
            // Named, so that it is brought over although Git ignores `dist/`.
            ("web/dist/app.js", true),
            ("web/dist/other.js", false),
            ("web/dist/a.py", false),
            // Docker ignores `docs`, and nothing names it.
            ("web/docs/a.py", false),
            ("web/.git/a.py", false),
        ],
    );
    // What no `include` lets in is the build's: a rebuild, not silence.
    assert_eq!(decide(&rules, &["web/package.json"]), "rebuild");
    assert_eq!(decide(&rules, &["web/test_a.py"]), "nothing");
    assert_eq!(
        why(&rules, "web/a.txt"),
        "no `include` of it matches (Stackfile.kdl:31)"
    );
}

#[test]
fn what_git_reads_in_another_way_than_globs_do_is_found_all_the_same() {
    for (include, path) in [
        ("***/x.py", "deep/down/x.py"),
        ("{a,b}/x.py", "{a,b}/x.py"),
        ("[[:alpha:]]/x.py", "a/x.py"),
        ("\\[a]/x.py", "[a]/x.py"),
        ("[/ab]/c/d/x.py", "a/c/d/x.py"),
    ] {
        let rules = rule(|one| one.include = words(&[include]));
        let [rule] = rules.sync_rules("web") else {
            panic!("one rule")
        };
        assert!(rule.wants(Path::new(path), false), "{include}");
        let mut folders = Path::new(path).ancestors().skip(1);
        assert!(folders.all(|folder| rule.enters(folder)), "{include}");
    }
}

#[test]
fn only_folders_that_may_hold_something_are_entered() {
    let rules = rule(|one| one.include = words(&["/src/app/*.py", "lib/"]));
    let [rule] = rules.sync_rules("web") else {
        panic!("one rule")
    };
    for (folder, wanted) in [
        ("", true),
        ("src", true),
        ("src/app", true),
        ("src/other", true),
        ("lib", true),
        ("lib/deep", true),
    ] {
        assert_eq!(rule.enters(Path::new(folder)), wanted, "{folder}");
    }
    for (folder, wanted) in [("src", false), ("lib", true), ("lib/deep", true)] {
        assert_eq!(rule.wants(Path::new(folder), true), wanted, "{folder}");
    }
    let anchored = self::rule(|one| one.include = words(&["/src/app/*.py"]));
    let [rule] = anchored.sync_rules("web") else {
        panic!("one rule")
    };
    assert!(!rule.enters(Path::new("lib")) && !rule.enters(Path::new("src/other")));
}

#[test]
fn what_says_how_the_stack_is_run_stays_outside_unless_it_is_named() {
    let files = [
        "web/Dockerfile.prod",
        "web/api.Dockerfile",
        "web/Containerfile",
        "web/sub/.env",
        "web/sub/.env.local",
    ];
    let plain = rule(|_| {});
    for path in files {
        assert!(!covered(&plain, path), "{path}");
    }
    // What the image may have been made with is looked at by the build.
    assert_eq!(decide(&plain, &["web/sub/.env.local"]), "rebuild");
    assert_eq!(decide(&plain, &["web/Dockerfile.prod"]), "nothing");
    table(
        &plain,
        &[
            ("web/env", true),
            ("web/sub/a.env", true),
            ("web/Dockerfile.py", false),
        ],
    );
    let wild = rule(|one| one.include = words(&["*", "**/*", "sub/"]));
    for path in files {
        assert!(!covered(&wild, path), "{path} by a wildcard");
    }
    let named = rule(|one| {
        one.include = words(&["*", "Dockerfile*", "*.Dockerfile", "sub/.env*"]);
        one.ignore = words(&["!Containerfile"]);
    });
    table(
        &named,
        &[
            ("web/Dockerfile.prod", true),
            ("web/Containerfile", true),
            ("web/sub/.env.local", true),
            // Begins with a wildcard: that names nothing.
            ("web/api.Dockerfile", false),
        ],
    );
    let triggered = rule(|one| one.on = vec![on(33, &["sub/.env.local"], &[Action::Restart])]);
    assert_eq!(
        decide(&triggered, &["web/sub/.env.local"]),
        "sync web/sub/.env.local; restart"
    );
    let mut whole = web();
    whole.sync = vec![sync("/p", &[], vec![])];
    let rules = rules(whole);
    assert!(!covered(&rules, "Stackfile.kdl"));
    assert_eq!(
        why(&rules, "Stackfile.kdl"),
        "not synced unless a rule names it: it says how things are built and run (Stackfile.kdl:31)"
    );
}

pub(super) fn mounted(from: MountSource, target: &str) -> Mount {
    Mount {
        source: from,
        target: target.into(),
        read_only: false,
        at: Location::default(),
    }
}

#[test]
fn a_single_file_is_brought_over_whatever_else_is_said_of_it() {
    let mut web = web();
    let file = |from: &str, to: &str| Sync {
        file: true,
        to: to.into(),
        on: vec![on(33, &["*.conf"], &[Action::Signal("HUP".into())])],
        ..sync(from, &[], vec![])
    };
    web.sync = vec![
        file("/p/nginx/dev.conf", "/etc/nginx/conf.d/default.conf"),
        file("/p/web/.env", "/app/.env"),
        file("/p/dist/one", "/one"),
        sync("/p/web", &[], vec![]),
    ];
    let rules = rules(web);
    table(
        &rules,
        &[
            ("nginx/dev.conf", true),
            ("nginx/other.conf", false),
            ("nginx/dev.conf/x", false),
            ("web/.env", true),
            ("web/sub/.env", false),
            ("dist/one", true),
        ],
    );
    assert_eq!(
        decide(&rules, &["nginx/dev.conf"]),
        "sync nginx/dev.conf; signal HUP"
    );
    let targets: Vec<_> = rules
        .sync_rules("web")
        .iter()
        .zip(["nginx/dev.conf", "web/.env", "dist/one"])
        .filter_map(|(rule, path)| rule.target(&Path::new("/p").join(path)))
        .collect();
    assert_eq!(
        targets,
        ["/etc/nginx/conf.d/default.conf", "/app/.env", "/one"]
    );
    assert!(rules.prunes(Path::new("/p/nginx/deep")));
}

#[test]
fn why_names_the_file_and_the_line_that_ignores() {
    let rules = rules(django());
    for (path, wanted) in [
        ("web/a.log", "ignored by .gitignore:3 (`*.log`)"),
        ("web/dist/deep/x", "ignored by .gitignore:1 (`dist/`)"),
        ("web/lib/a.tmp", "ignored by web/lib/.gitignore:1 (`*.tmp`)"),
        ("web/docs/a.md", "ignored by web/.dockerignore:1 (`docs`)"),
        ("web/a.pyc", "left alone by `ignore \"*.pyc\"`"),
        (
            "web/x/__pycache__/y",
            "left alone by `ignore \"__pycache__/\"`",
        ),
        ("web/.git/HEAD", "never synced: Git's own"),
        ("web/a.py~", "never synced: an editor's temporary file"),
        ("web/not/there.py", "sync rule"),
    ] {
        assert_eq!(
            why(&rules, path),
            format!("{wanted} (Stackfile.kdl:31)"),
            "{path}"
        );
    }
    let build = |path: &str| {
        rules
            .explain("web", &Path::new("/p").join(path), false)
            .build
    };
    let left_out = build("web/docs/a.md").expect("in the context");
    assert_eq!(
        (left_out.read, left_out.why.as_str()),
        (false, "ignored by web/.dockerignore:1 (`docs`)")
    );
    assert_eq!(build("web/a.py").map(|build| build.read), Some(true));
    assert_eq!(build("elsewhere"), None);
}

#[test]
fn nested_ignore_files_and_their_negations() {
    let mut web = web();
    web.sync = vec![sync("/p/web", &[], vec![])];
    let stack = stack(vec![web]);
    let with = |nested: &str| {
        let files = [
            ("/p/.gitignore", "*.gen\n/web/out/\n"),
            ("/p/web/a/.gitignore", nested),
            ("/p/web/.dockerignore", "**/*.bak\n!keep/*.bak\n"),
        ];
        Rules::compile(&stack, &texts(&files))
    };
    table(
        &with("!*.gen\nprivate\n"),
        &[
            ("web/x.gen", false),
            ("web/a/x.gen", true),
            ("web/a/deep/x.gen", true),
            ("web/a/private/x", false),
            ("web/out/x", false),
            ("web/a/out/x", true),
            ("web/x.bak", false),
            ("web/a/x.bak", false),
            ("web/keep/x.bak", true),
        ],
    );
    // Other text, other rules: what was ignored takes part, and the other way round.
    table(
        &with("x.*\n"),
        &[
            ("web/a/x.gen", false),
            ("web/a/private/x", true),
            ("web/a/x.py", false),
        ],
    );
}

#[test]
fn names_are_bytes_to_the_rules() {
    use std::os::unix::ffi::OsStrExt as _;
    let rules = rule(|one| one.ignore = words(&["*.tmp"]));
    for (name, wanted) in [
        (&b"with space.py"[..], true),
        (b"line\nbreak", true),
        (b"quote\"s'", true),
        (b"--dash", true),
        (b"\xff\xfe.py", true),
        (b"\xff.tmp", false),
        (b"[x]*?", true),
    ] {
        let path = Path::new("/p/web").join(std::ffi::OsStr::from_bytes(name));
        assert_eq!(rules.covers("web", &path), wanted, "{}", path.display());
    }
}

#[test]
fn why_names_each_rule_of_a_path_and_why_one_does_not_act() {
    let mut web = web();
    let restart = on(33, &["**/*.py"], &[Action::Restart]);
    web.sync = vec![sync("/p/web", &["gen"], vec![restart])];
    web.on = vec![
        on(40, &["web/*.py"], &[exec("lint")]),
        on(41, &["**/*.py"], &[Action::Signal("HUP".into())]),
        on(42, &["out/a.py"], &[Action::Recreate]),
    ];
    let texts = IgnoreTexts::from([("/p/.gitignore".into(), "out\n".to_owned())]);
    let rules = Rules::compile(&stack(vec![web]), &texts);
    let why = |path: &str| {
        let explained = rules.explain("web", &Path::new("/p").join(path), false);
        let told = explained
            .on
            .iter()
            .map(|one| format!("{} {}", one.at, one.why));
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        why("web/a.py"),
        [
            "Stackfile.kdl:33 ",
            "Stackfile.kdl:40 ",
            "Stackfile.kdl:41 "
        ]
    );
    assert_eq!(why("web/gen/a.py"), ["Stackfile.kdl:41 "]);
    // Who spells out a path that Git ignores means it, and then the others see it too.
    assert_eq!(why("out/a.py"), ["Stackfile.kdl:41 ", "Stackfile.kdl:42 "]);
    assert_eq!(
        why("out/b.py"),
        ["Stackfile.kdl:41 ignored by .gitignore:1 (`out`)"]
    );
    assert_eq!(
        why(".git/b.py"),
        ["Stackfile.kdl:41 never synced: Git's own"]
    );
}
