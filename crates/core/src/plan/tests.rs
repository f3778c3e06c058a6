//! The rules of one stack, asked about paths. `/p` is the checkout; the service `web` is built
//! from `/p/web` and synced to `/app`.

use devrun_stack::{Action, Build, BuildContext, Command, MountSource, Service};

use super::*;

mod mapping;
mod matching;
mod places;
mod properties;
mod reference;
mod ruled_out;

fn at(line: usize) -> Location {
    Location {
        file: "Stackfile.kdl".into(),
        line,
        column: 5,
    }
}

fn on(line: usize, patterns: &[&str], actions: &[Action]) -> On {
    On {
        patterns: patterns.iter().map(|text| (*text).to_owned()).collect(),
        actions: actions.to_vec(),
        settle: Duration::ZERO,
        at: at(line),
    }
}

fn exec(line: &str) -> Action {
    Action::Exec(Command::Shell(line.into()))
}

fn sync(from: &str, ignore: &[&str], on: Vec<On>) -> Sync {
    Sync {
        from: from.into(),
        to: "/app".into(),
        ignore: ignore.iter().map(|text| (*text).to_owned()).collect(),
        on,
        at: at(31),
        ..Sync::default()
    }
}

fn service(name: &str, source: Source) -> Service {
    Service {
        name: name.into(),
        container_name: format!("app-{name}"),
        source,
        at: at(20),
        ..Service::default()
    }
}

fn web() -> Service {
    let build = Build {
        context: "/p/web".into(),
        dockerfile: "/p/web/Dockerfile".into(),
        target: None,
        at: at(21),
        ..Build::default()
    };
    service("web", Source::Build(Box::new(build)))
}

/// The django service of the root Stackfile, roughly.
fn django() -> Service {
    let mut web = web();
    web.sync = vec![sync(
        "/p/web",
        &["__pycache__/", "*.pyc", "/media/"],
        vec![
            on(33, &["requirements*.txt"], &[Action::Rebuild]),
            on(
                34,
                &["package.json", "package-lock.json"],
                &[exec("npm ci"), Action::Restart],
            ),
            on(35, &["**/*.py"], &[Action::Restart]),
            on(36, &["conf/*.ini"], &[Action::Signal("HUP".into())]),
            on(37, &["static/**"], &[exec("collect")]),
            on(38, &["dist/app.js"], &[exec("copy")]),
        ],
    )];
    web.on = vec![
        on(40, &["shared/*.proto"], &[exec("protoc")]),
        on(41, &["stack.json"], &[Action::Recreate]),
    ];
    web
}

fn stack(services: Vec<Service>) -> Stack {
    Stack {
        name: "app".into(),
        file: "/p/Stackfile.kdl".into(),
        root: "/p".into(),
        network: "app-network".into(),
        services,
        reads: vec![
            "/p/Stackfile.kdl".into(),
            "/p/.env".into(),
            "/q/secret.env".into(),
        ],
        ..Stack::default()
    }
}

fn texts(texts: &[(&str, &str)]) -> IgnoreTexts {
    texts
        .iter()
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect()
}

fn rules(service: Service) -> Rules {
    let ignores = texts(&[
        ("/p/.gitignore", "dist/\n.env\n*.log\n!keep.log\n"),
        ("/p/web/lib/.gitignore", "*.tmp\n!*.log\n"),
        ("/p/web/.dockerignore", "docs\n!docs/used.md\nDockerfile\n"),
    ]);
    Rules::compile(&stack(vec![service]), &ignores)
}

fn decide(rules: &Rules, paths: &[&str]) -> String {
    let paths: Vec<PathBuf> = paths
        .iter()
        .map(|path| Path::new("/p").join(path))
        .collect();
    shown(&rules.decide("web", &paths))
}

/// `sync a b; exec npm ci; restart`, or `nothing`.
fn shown(decision: &Decision) -> String {
    let mut parts = vec![];
    if !decision.sync.is_empty() {
        let rel = |path: &PathBuf| {
            path.strip_prefix("/p")
                .unwrap_or(path)
                .display()
                .to_string()
        };
        let names: Vec<String> = decision.sync.iter().map(rel).collect();
        parts.push(format!("sync {}", names.join(" ")));
    }
    parts.extend(decision.follow.iter().map(|follow| match follow {
        Follow::Exec(Command::Shell(line)) => format!("exec {line}"),
        Follow::Exec(Command::Argv(words)) => format!("exec {}", words.join(" ")),
        Follow::Signal(name) => format!("signal {name}"),
        Follow::Restart => "restart".into(),
        Follow::Recreate => "recreate".into(),
        Follow::Rebuild => "rebuild".into(),
        Follow::Run(task) => format!("run {task}"),
    }));
    match parts.is_empty() {
        true => "nothing".into(),
        false => parts.join("; "),
    }
}

#[test]
fn a_save_asks_for() {
    let rules = rules(django());
    for (paths, wanted) in [
        (&["web/page.html"][..], "sync web/page.html"),
        (&["web/api/views.py"], "sync web/api/views.py; restart"),
        (
            &["web/requirements-dev.txt"],
            "sync web/requirements-dev.txt; rebuild",
        ),
        (
            &["web/sub/requirements.txt"],
            "sync web/sub/requirements.txt",
        ),
        (
            &["web/package.json"],
            "sync web/package.json; exec npm ci; restart",
        ),
        (&["web/conf/a.ini"], "sync web/conf/a.ini; signal HUP"),
        (&["web/conf/deep/a.ini"], "sync web/conf/deep/a.ini"),
        // The Dockerfile makes the image, whatever is synced or ignored.
        (&["web/Dockerfile"], "rebuild"),
        (
            &["web/Dockerfile.dockerignore"],
            "sync web/Dockerfile.dockerignore; rebuild",
        ),
        (&["web/.dockerignore"], "sync web/.dockerignore; rebuild"),
        // Several at once: the strongest wins, equal ones count once, in order of declaration.
        (&["web/a.py", "web/b.py"], "sync web/a.py web/b.py; restart"),
        (
            &["web/package.json", "web/package-lock.json"],
            "sync web/package-lock.json web/package.json; exec npm ci; restart",
        ),
        (
            &["web/static/x", "web/package.json"],
            "sync web/package.json web/static/x; exec npm ci; exec collect; restart",
        ),
        (
            &["web/conf/a.ini", "web/a.py"],
            "sync web/a.py web/conf/a.ini; restart",
        ),
        (
            &["web/conf/a.ini", "web/static/x"],
            "sync web/conf/a.ini web/static/x; signal HUP; exec collect",
        ),
        (
            &["web/a.py", "web/requirements.txt"],
            "sync web/a.py web/requirements.txt; rebuild",
        ),
        (&["web/a.py", "stack.json"], "sync web/a.py; recreate"),
        // The service's own triggers start at the Stackfile's folder.
        (&["shared/a.proto"], "exec protoc"),
        (&["shared/deep/a.proto"], "nothing"),
        (&["elsewhere/a.py"], "nothing"),
    ] {
        assert_eq!(decide(&rules, paths), wanted, "{paths:?}");
    }
}

#[test]
fn left_alone() {
    let rules = rules(django());
    for path in [
        "web/.git/index",
        "web/.git",
        "web/lib/.git",
        "web/4913",
        "web/.views.py.swp",
        "web/.views.py.swo",
        "web/views.py~",
        "web/.#views.py",
        "web/#views.py#",
        "web/views.py___jb_tmp___",
        "web/views.py___jb_old___",
        "web/.goutputstream-X1",
        "web/views.py.tmp~",
        "web/.devrun-3f",
        // The rule's own words.
        "web/__pycache__/a.py",
        "web/a/__pycache__/b.txt",
        "web/a.pyc",
        "web/media/photo.jpg",
        // Git's.
        "web/dist/other.js",
        "web/dist/a.py",
        "web/.env",
        "web/a.log",
        "web/lib/a.tmp",
        // Docker's.
        "web/docs/a.md",
        "web/docs/a.py",
    ] {
        assert_eq!(decide(&rules, &[path]), "nothing", "{path}");
    }
}

#[test]
fn not_left_alone_because_a_rule_or_file_says_so() {
    let rules = rules(django());
    for (path, wanted) in [
        ("web/dist/app.js", "sync web/dist/app.js; exec copy"),
        ("web/keep.log", "sync web/keep.log"),
        ("web/lib/a.log", "sync web/lib/a.log"),
        ("web/docs/used.md", "sync web/docs/used.md"),
        ("web/sub/media/x", "sync web/sub/media/x"),
        ("web/.gitignore", "sync web/.gitignore"),
    ] {
        assert_eq!(decide(&rules, &[path]), wanted, "{path}");
    }
    let mut taken_in = web();
    taken_in.sync = vec![sync("/p/web", &["!dist/", "!.env"], vec![])];
    let rules = super::tests::rules(taken_in);
    assert_eq!(
        decide(&rules, &["web/dist/a/b.js", "web/.env", "web/a.log"]),
        "sync web/.env web/dist/a/b.js"
    );
    assert!(!rules.prunes(Path::new("/p/web/dist")));
}

#[test]
fn what_the_build_reads_and_nothing_brings_over_rebuilds() {
    let mut partly = web();
    partly.sync = vec![sync(
        "/p/web/src",
        &["gen/"],
        vec![on(33, &["**/*.rs"], &[Action::Restart])],
    )];
    partly.mounts = vec![Mount {
        source: MountSource::Bind("/p/web/live".into()),
        target: "/app/live".into(),
        read_only: false,
        at: Location::default(),
    }];
    let rules = rules(partly);
    for (path, wanted) in [
        ("web/setup.cfg", "rebuild"),
        ("web/src/main.rs", "sync web/src/main.rs; restart"),
        ("web/src/gen/x.rs", "nothing"),
        ("web/live/x", "nothing"),
        ("web/docs/a.md", "nothing"),
        ("web/docs/used.md", "rebuild"),
        ("web/a.log", "nothing"),
        ("web/x.swp", "nothing"),
        ("other/x", "nothing"),
    ] {
        assert_eq!(decide(&rules, &[path]), wanted, "{path}");
    }
}

#[test]
fn the_image_is_made_of() {
    let rules = rules(django());
    let counts = |path: &str| rules.image_input("web", &Path::new("/p").join(path));
    for path in [
        "web/Dockerfile",
        "web/.dockerignore",
        "web/requirements.txt",
        "web/a.log",
        "web/.env",
    ] {
        assert!(counts(path), "{path}");
    }
    for path in [
        "web/a.py",
        "web/docs/a.md",
        "web/a.pyc",
        "web/media/x",
        "web/.git/HEAD",
        "web/a~",
        "x",
    ] {
        assert!(!counts(path), "{path}");
    }
    assert!(!rules.image_input("nobody", Path::new("/p/web/Dockerfile")));
}

#[test]
fn a_dockerfile_elsewhere_has_its_own_ignore_file() {
    let mut web = web();
    if let Source::Build(build) = &mut web.source {
        build.dockerfile = "/p/docker/web.Dockerfile".into();
    }
    let ignores = texts(&[
        ("/p/docker/web.Dockerfile.dockerignore", "*.md\n"),
        ("/p/web/.dockerignore", "*.txt\n"),
    ]);
    let rules = Rules::compile(&stack(vec![web]), &ignores);
    assert_eq!(decide(&rules, &["docker/web.Dockerfile"]), "rebuild");
    assert_eq!(
        decide(&rules, &["docker/web.Dockerfile.dockerignore"]),
        "rebuild"
    );
    assert_eq!(decide(&rules, &["docker/x"]), "nothing");
    assert_eq!(decide(&rules, &["web/a.md"]), "nothing");
    assert_eq!(decide(&rules, &["web/a.txt"]), "rebuild");
    assert!(rules.roots().contains(&PathBuf::from("/p/docker")));
}

#[test]
fn the_reason_names_path_rule_and_place() {
    let rules = rules(django());
    let reason = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let decision = rules.decide("web", &paths);
        assert_eq!(decision.at.is_some(), !decision.reason.is_empty());
        decision.reason
    };
    assert_eq!(
        reason(&["/p/web/a.html"]),
        "web/a.html: sync rule, Stackfile.kdl:31"
    );
    assert_eq!(
        reason(&["/p/web/a.html", "/p/web/b.py"]),
        "web/b.py: on rule, Stackfile.kdl:35"
    );
    assert_eq!(
        reason(&["/p/web/Dockerfile", "/p/web/b.py"]),
        "web/Dockerfile: read by the build, Stackfile.kdl:21"
    );
    assert_eq!(reason(&["/elsewhere"]), "");
}

#[test]
fn paths_inside() {
    let rules = rules(django());
    let [rule] = rules.sync_rules("web") else {
        panic!("one rule")
    };
    assert_eq!(
        rule.target(Path::new("/p/web/a/b.py")).as_deref(),
        Some("/app/a/b.py")
    );
    assert_eq!(rule.target(Path::new("/p/web")).as_deref(), Some("/app"));
    assert_eq!(rule.target(Path::new("/p/website/a")), None);
    assert!(rule.wants(Path::new(""), true));
    assert!(rule.wants(Path::new("api"), true));
    assert!(!rule.wants(Path::new("__pycache__"), true));
    assert!(
        rule.enters(Path::new("docs")),
        "something below it is taken back in"
    );
    assert!(!rule.enters(Path::new("__pycache__")));
}

#[test]
fn what_the_container_made_comes_back_by_name_only() {
    let mut web = web();
    let mut rule = sync("/p/web", &["/private/"], vec![]);
    rule.back = vec!["**/migrations/*.py".into(), "*.log".into()];
    web.sync = vec![rule];
    let rules = rules(web);
    let [rule] = rules.sync_rules("web") else {
        panic!("one rule")
    };
    assert!(rule.has_back());
    for (path, wanted) in [
        ("app/migrations/0002.py", true),
        ("migrations/0002.py", true),
        ("app/migrations/deep/0002.py", false),
        ("app/models.py", false),
        ("a.log", true),
        ("private/migrations/0002.py", false),
        (".git/migrations/0002.py", false),
        ("", false),
    ] {
        assert_eq!(rule.brings_back(Path::new(path)), wanted, "{path}");
    }
}

#[test]
fn a_rule_that_starts_in_an_ignored_folder_means_it() {
    let mut web = web();
    web.sync = vec![sync("/p/dist/web", &[], vec![])];
    let rules = rules(web);
    assert_eq!(decide(&rules, &["dist/web/a.js"]), "sync dist/web/a.js");
    assert_eq!(decide(&rules, &["dist/web/a.log"]), "sync dist/web/a.log");
    assert!(!rules.prunes(Path::new("/p/dist/web/deep")));
}

#[test]
fn where_to_look() {
    let rules = rules(django());
    let roots = rules.roots();
    for root in ["/p", "/p/web", "/p/shared", "/q", "/p/web/lib"] {
        assert!(roots.contains(&PathBuf::from(root)), "{root} in {roots:?}");
    }
    for folder in [
        "/p/web/.git",
        "/p/.git",
        "/p/elsewhere",
        "/p/web/__pycache__",
        "/p/shared/deep",
        "/p/web/media",
        "/q/x",
        "/p/web/dist/deep",
    ] {
        assert!(rules.prunes(Path::new(folder)), "{folder}");
    }
    for folder in [
        "/",
        "/p",
        "/p/web",
        "/p/web/api",
        "/p/web/dist",
        "/p/web/docs",
        "/p/shared",
        "/p/web/sub/media",
    ] {
        assert!(!rules.prunes(Path::new(folder)), "{folder}");
    }
    for (path, is_dir, wanted) in [
        ("/p/Stackfile.kdl", false, true),
        ("/p/.env", false, true),
        ("/q/secret.env", false, true),
        ("/q/other", false, false),
        ("/p/.gitignore", false, true),
        ("/p/web/new/.gitignore", false, true),
        ("/p/web/new", true, true),
        ("/p/web/dist", true, true),
        ("/p/web/__pycache__", true, false),
        ("/p/web/__pycache__", false, true),
        ("/p/README.md", false, false),
    ] {
        assert_eq!(rules.concerns(Path::new(path), is_dir), wanted, "{path}");
    }
}

#[test]
fn rules_are_equal_if_they_come_from_equals() {
    assert_eq!(rules(django()), rules(django()));
    assert_ne!(rules(django()), rules(web()));
    let bare = Rules::compile(&stack(vec![django()]), &IgnoreTexts::new());
    assert_ne!(rules(django()), bare);
}

#[test]
fn a_pattern_that_is_no_glob_matches_nothing() {
    let mut web = web();
    web.on = vec![on(
        40,
        &["[", "{a/b,c}/x", "../up/*.c", "conf/"],
        &[Action::Recreate],
    )];
    let rules = rules(web);
    for (path, wanted) in [
        ("[", "nothing"),
        ("a/b/x", "recreate"),
        ("c/x", "recreate"),
        ("../up/a.c", "nothing"),
        ("conf/a/b", "recreate"),
    ] {
        assert_eq!(decide(&rules, &[path]), wanted, "{path}");
    }
    let outside = rules.decide("web", &["/up/a.c".into()]);
    assert_eq!(outside.follow, [Follow::Recreate]);
    assert!(!rules.prunes(Path::new("/p/a/b")));
}

#[test]
fn other_contexts_rebuild_as_the_first_one_does() {
    let mut base = web();
    base.name = "base".into();
    base.sync = vec![sync("/p/web/live", &[], Vec::new())];
    let Source::Build(base_build) = &base.source else {
        return;
    };
    let contexts = [
        ("shared", BuildContext::Folder("/q/shared".into())),
        (
            "base",
            BuildContext::Service {
                name: "base".into(),
                build: base_build.clone(),
            },
        ),
    ];
    let build = Build {
        context: "/p/api".into(),
        dockerfile: "/p/api/Dockerfile".into(),
        contexts: contexts
            .map(|(name, context)| (name.to_owned(), context))
            .into(),
        at: at(21),
        ..Build::default()
    };
    let api = service("api", Source::Build(Box::new(build)));
    let ignores = texts(&[("/q/shared/.dockerignore", "*.out\n")]);
    let rules = Rules::compile(&stack(vec![base, api]), &ignores);
    let rebuilds = |path: &str| {
        let decision = rules.decide("api", &[path.into()]);
        decision.follow.contains(&Follow::Rebuild)
    };
    for (path, wanted) in [
        ("/q/shared/a.txt", true),
        ("/q/shared/.dockerignore", true),
        ("/q/shared/a.out", false),
        ("/p/web/setup.txt", true),
        ("/p/web/live/a.txt", false),
        ("/p/elsewhere", false),
    ] {
        assert_eq!(rebuilds(path), wanted, "{path}");
    }
    assert!(rules.image_input("api", "/q/shared/a.txt".as_ref()));
    assert!(rules.roots().contains(&"/q/shared".into()));
}
