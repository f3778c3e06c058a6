//! Random rules over random trees, against the reference; and whoever asks agrees.

use std::collections::BTreeSet;

use devrun_stack::{Content, FileInside, FileKind, Tmpfs};
use proptest::prelude::*;

use super::matching::mounted;
use super::reference::{Answer, Rule, World};
use super::*;

/// Names that files have, and patterns spell out.
const NAMES: [&str; 8] = [
    "src", "dist", "docs", "lib", "conf", "a.py", "app.js", ".env",
];

fn any_of(words: &[&str]) -> impl Strategy<Value = String> + use<> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    prop::sample::select(words)
}

/// One of the names, or one of these.
fn name_or(others: &[&str]) -> impl Strategy<Value = String> + use<> {
    any_of(&[&NAMES, others].concat())
}

fn any_pattern() -> impl Strategy<Value = String> {
    let part = || {
        name_or(&[
            "*",
            "*.py",
            "*.js",
            "d*",
            "**",
            "Dockerfile",
            "?rc",
            ".env*",
        ])
    };
    let whole = prop::collection::vec(part(), 1..4).prop_map(|parts| parts.join("/"));
    // At the end of a pattern two stars mean all that is in a folder, and alone they mean little.
    let whole = whole.prop_filter("two stars alone", |text| !text.contains("**/**"));
    (any_of(&["", "", "/"]), whole, any_of(&["", "", "/"])).prop_map(|(start, whole, end)| {
        let end = if whole.ends_with("**") { "" } else { &end };
        format!("{start}{whole}{end}")
    })
}

fn any_line() -> impl Strategy<Value = String> {
    (any_of(&["", "", "!"]), any_pattern()).prop_map(|(not, pattern)| not + &pattern)
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(any_pattern(), 1..3),
    ]
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        1 => Just(Vec::new()),
        1 => prop::collection::vec(any_line(), 1..4),
    ]
}

fn any_file() -> impl Strategy<Value = PathBuf> {
    let name = name_or(&[
        ".env.local",
        "b.md",
        "Dockerfile",
        "x~",
        ".git",
        ".devrun-x",
    ]);
    let below = prop::collection::vec(name, 1..5);
    (
        any_of(&["/p/web", "/p/web", "/p/web/src", "/p/shared"]),
        below,
    )
        .prop_map(|(folder, names)| Path::new(&folder).join(names.join("/")))
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let from = any_of(&["/p/web", "/p/web", "/p/web/src", "/p/shared", "/p/web/dist"]);
    let to = any_of(&[
        "/app",
        "/app",
        "/app/src",
        "/app/lib",
        "/app/dist/lib",
        "/srv",
    ]);
    let tree =
        (from, to, patterns(), lines(), patterns()).prop_map(|(from, to, include, ignore, on)| {
            Rule {
                from: from.into(),
                to,
                is_file: false,
                include,
                ignore,
                on,
            }
        });
    let file = any_of(&["/p/web/conf/app.js", "/p/web/src/a.py", "/p/web/.env"]);
    let file = (
        file,
        any_of(&["/app/conf/app.js", "/app/src/x", "/etc/x"]),
        patterns(),
    )
        .prop_map(|(from, to, on)| Rule {
            from: from.into(),
            to,
            is_file: true,
            include: Vec::new(),
            ignore: Vec::new(),
            on,
        });
    prop_oneof![3 => tree, 1 => file]
}

/// Where, and what the host has there if it is a folder of it.
const PLACES: [(&str, Option<&str>); 7] = [
    ("/app/dist", None),
    ("/app/src/lib", None),
    ("/app/docs", Some("/p/web/docs")),
    ("/app/docs/lib", None),
    ("/app/lib", Some("/p/shared")),
    ("/app/conf", None),
    ("/app/.env", None),
];

fn any_world() -> impl Strategy<Value = World> {
    let git = |folder: &'static str| lines().prop_map(move |lines| (PathBuf::from(folder), lines));
    let git = (
        git("/p"),
        git("/p/web"),
        git("/p/web/src"),
        git("/p/shared"),
    );
    let build = prop::option::of(lines().prop_map(|lines| (PathBuf::from("/p/web"), lines)));
    let places = prop::sample::subsequence(PLACES.to_vec(), 0..3);
    let rules = prop::collection::vec(any_rule(), 1..4);
    (git, build, rules, places).prop_map(|((a, b, c, d), build, mut rules, places)| {
        let mut taken = BTreeSet::new();
        rules.retain(|rule| taken.insert(rule.to.clone()));
        let places = places
            .into_iter()
            .map(|(to, from)| (to.to_owned(), from.map(PathBuf::from)));
        World {
            git: vec![a, b, c, d],
            build,
            rules,
            places: places.collect(),
        }
    })
}

/// The same, as a Stackfile says it.
fn compiled(world: &World) -> Rules {
    let mut one = match &world.build {
        Some(_) => web(),
        None => service("web", Source::Image("web".into())),
    };
    one.sync = world
        .rules
        .iter()
        .enumerate()
        .map(|(number, rule)| Sync {
            from: rule.from.clone(),
            to: rule.to.clone(),
            file: rule.is_file,
            include: rule.include.clone(),
            ignore: rule.ignore.clone(),
            on: rule
                .on
                .iter()
                .map(|text| on(50 + number, &[text], &[Action::Restart]))
                .collect(),
            at: at(30 + number),
            ..Sync::default()
        })
        .collect();
    for (to, from) in &world.places {
        match (to.as_str(), from) {
            (_, Some(from)) => one
                .mounts
                .push(mounted(MountSource::Bind(from.clone()), to)),
            ("/app/conf", None) => one.settings.tmpfs.push(Tmpfs {
                target: to.clone(),
                size: None,
                mode: None,
            }),
            ("/app/.env", None) => one.files.push(FileInside {
                name: "x".into(),
                kind: FileKind::ConfigFile,
                target: to.clone(),
                mode: 0o444,
                content: Content::default(),
            }),
            _ => one
                .mounts
                .push(mounted(MountSource::Volume("v".into()), to)),
        }
    }
    let mut texts = IgnoreTexts::new();
    for (folder, lines) in &world.git {
        texts.insert(folder.join(".gitignore"), lines.join("\n"));
    }
    if let Some((context, lines)) = &world.build {
        texts.insert(context.join(".dockerignore"), lines.join("\n"));
    }
    Rules::compile(&stack(vec![one]), &texts)
}

fn is_synced(world: &World, path: &Path) -> Vec<bool> {
    let rules = world.rules.iter();
    rules
        .map(|rule| world.answer(rule, path, false) == Answer::Synced)
        .collect()
}

/// The files, relative to a sync's source, that a walk finds which asks folder by folder.
fn walked(rule: &SyncRule, files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let found = files.iter().filter(|path| {
        let Ok(rel) = path.strip_prefix(&rule.from) else {
            return false;
        };
        rel.ancestors().skip(1).all(|folder| rule.enters(folder)) && rule.wants(rel, false)
    });
    found.cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_say_what_the_documentation_says(
        world in any_world(),
        files in prop::collection::vec(any_file(), 1..8),
    ) {
        let rules = compiled(&world);
        let syncs = rules.sync_rules("web");
        for path in &files {
            let wanted = is_synced(&world, path);
            let says = |rule: &SyncRule| {
                let rel = path.strip_prefix(&rule.from);
                rel.is_ok_and(|rel| rule.wants(rel, false))
            };
            let found: Vec<bool> = syncs.iter().map(says).collect();
            prop_assert_eq!(&found, &wanted, "{}", path.display());

            let decision = rules.decide("web", std::slice::from_ref(path));
            let is_synced = wanted.contains(&true);
            prop_assert_eq!(!decision.sync.is_empty(), is_synced, "{}", path.display());
            prop_assert_eq!(rules.covers("web", path), is_synced);
            let follow = match (world.rebuilds(path), world.triggers(path)) {
                (true, _) => vec![Follow::Rebuild],
                (_, true) => vec![Follow::Restart],
                _ => vec![],
            };
            prop_assert_eq!(decision.follow, follow, "{}", path.display());
            let told = rules.explain("web", path, false);
            prop_assert_eq!(told.syncs.iter().any(|one| one.synced), is_synced);
            prop_assert!(told.syncs.iter().all(|one| !one.why.is_empty() && one.why != "ignored"));
        }
        for (number, rule) in syncs.iter().enumerate() {
            let wanted = files.iter().filter(|path| is_synced(&world, path)[number]);
            let wanted: BTreeSet<PathBuf> = wanted.cloned().collect();
            prop_assert_eq!(walked(rule, &files), wanted, "a walk of {}", rule.at);
        }
    }

    #[test]
    fn whatever_asks_for_something_is_watched(
        world in any_world(),
        files in prop::collection::vec(any_file(), 1..8),
    ) {
        let rules = compiled(&world);
        let roots = rules.roots();
        for path in &files {
            let decision = rules.decide("web", std::slice::from_ref(path));
            if decision.is_nothing() {
                continue;
            }
            prop_assert!(rules.concerns(path, false), "{}", path.display());
            let is_reached = |root: &PathBuf| {
                let mut way = path.ancestors().skip(1).take_while(|at| at.starts_with(root));
                path.starts_with(root) && way.all(|at| !rules.prunes(at))
            };
            prop_assert!(roots.iter().any(is_reached), "{}", path.display());
        }
    }
}
