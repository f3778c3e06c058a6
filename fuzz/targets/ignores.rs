//! Whatever patterns are in a `.gitignore` and in the `include`, `ignore` and `on` of a sync: they
//! match what a slow and simple matcher says, and whoever walks the tree, watches it or tells why
//! agrees with what is decided.

#![no_main]

use std::path::{Path, PathBuf};

use devrun_core::plan::{IgnoreTexts, Rules};
use devrun_stack::ignore::GitIgnore;
use devrun_stack::{Action, Build, Location, On, Service, Source, Stack, Sync};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let mut parts = input.splitn(6, '\u{1}');
    let mut next = || parts.next().unwrap_or_default();
    let path = place(next());
    let (include, ignore, on) = (next(), next(), next());
    let (git, docker) = (next(), next());
    agrees(git, &path);
    let rules = compiled([include, ignore, on], git, docker);
    asked(&rules, &path);
});

/// A path below the source, from any text.
fn place(text: &str) -> PathBuf {
    let names = text.split('/');
    let names = names.filter(|name| !matches!(*name, "" | "." | "..") && !name.contains('\0'));
    Path::new("/p/web").join(names.collect::<PathBuf>())
}

/// The slow one is not to be asked about more than this.
const LONGEST: usize = 48;

/// Each line by itself says what the slow one says of it.
fn agrees(text: &str, path: &Path) {
    let rel = path.strip_prefix("/p/web").expect("lies below");
    let name = rel.file_name().map(|name| name.as_encoded_bytes());
    let Some(name) = name.filter(|_| rel.as_os_str().len() <= LONGEST) else {
        return;
    };
    for line in text.lines() {
        // What is escaped, and spaces at the end, are for the tests beside the code.
        let bare = line.strip_prefix('!').unwrap_or(line);
        let is_simple = !bare.contains(['\\', '[']) && !bare.ends_with(' ');
        if !is_simple || bare.starts_with(['#', '\u{feff}']) || bare.len() > LONGEST {
            continue;
        }
        if goes_deep_from_a_letter(bare) {
            continue;
        }
        let file = GitIgnore::of_lines(Path::new("/p/web"), [line].into_iter());
        let found = file.says(path, true);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let wanted = match bare.strip_prefix('/').unwrap_or(bare) {
            "" => false,
            _ if !bare.contains('/') => slowly(bare.as_bytes(), name, false, true),
            anchored => {
                let fixed = anchored.find(['*', '?']).unwrap_or(anchored.len());
                let (start, rest) = anchored.split_at(fixed);
                let below = rel.as_os_str().as_encoded_bytes();
                let below = below.strip_prefix(start.as_bytes());
                below.is_some_and(|below| slowly(rest.as_bytes(), below, true, true))
            }
        };
        assert_eq!(found.is_some(), wanted, "`{line}`: {}", rel.display());
        if let Some(says) = found {
            assert_eq!(says.ignored, !line.starts_with('!'), "`{line}`");
        }
    }
}

/// Git compares the literal start of such a pattern by itself, and so takes stars right behind it
/// for some that begin a name: `/b**` matches `b/c` too. It makes a difference only where a later
/// line takes `b` back in, and is left out.
fn goes_deep_from_a_letter(bare: &str) -> bool {
    let stars = bare
        .find("**")
        .filter(|at| Some(*at) == bare.find(['*', '?']));
    let before = stars.and_then(|at| bare[..at].chars().next_back());
    bare.contains('/') && before.is_some_and(|letter| letter != '/')
}

/// Each way of matching, one after the other.
fn slowly(pattern: &[u8], text: &[u8], crosses: bool, begins: bool) -> bool {
    let no_slash = |text: &[u8]| !text.contains(&b'/');
    match pattern {
        [] => text.is_empty(),
        [b'*', ..] => {
            let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
            let rest = &pattern[stars..];
            let deep = crosses && begins && stars > 1;
            match rest.first() {
                None if deep => true,
                Some(b'/') if deep => {
                    let after = |end: usize| end == 0 || text[end - 1] == b'/';
                    let mut ends = (0..=text.len()).filter(|end| after(*end));
                    ends.any(|end| slowly(&rest[1..], &text[end..], crosses, true))
                }
                _ => {
                    let mut ends = (0..=text.len()).take_while(|end| no_slash(&text[..*end]));
                    ends.any(|end| slowly(rest, &text[end..], crosses, false))
                }
            }
        }
        [b'?', rest @ ..] => match text {
            [first, text @ ..] => *first != b'/' && slowly(rest, text, crosses, false),
            [] => false,
        },
        [byte, rest @ ..] => match text {
            [first, text @ ..] => first == byte && slowly(rest, text, crosses, *byte == b'/'),
            [] => false,
        },
    }
}

fn compiled([include, ignore, on]: [&str; 3], git: &str, docker: &str) -> Rules {
    let patterns = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let at = Location::default();
    let triggers = patterns(on);
    let sync = Sync {
        from: "/p/web".into(),
        to: "/app".into(),
        include: patterns(include),
        ignore: patterns(ignore),
        on: match triggers.is_empty() {
            true => vec![],
            false => vec![On {
                settle: std::time::Duration::ZERO,
                patterns: triggers,
                actions: vec![Action::Restart],
                at: at.clone(),
            }],
        },
        ..Sync::default()
    };
    let build = Build {
        context: "/p/web".into(),
        dockerfile: "/p/web/Dockerfile".into(),
        ..Build::default()
    };
    let service = Service {
        name: "web".into(),
        source: Source::Build(Box::new(build)),
        sync: vec![sync],
        ..Service::default()
    };
    let stack = Stack {
        file: "/p/Stackfile.kdl".into(),
        root: "/p".into(),
        services: vec![service],
        ..Stack::default()
    };
    let texts = [("/p/.gitignore", git), ("/p/web/.dockerignore", docker)];
    let texts = texts.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
    Rules::compile(&stack, &IgnoreTexts::from(texts))
}

fn asked(rules: &Rules, path: &Path) {
    let decision = rules.decide("web", std::slice::from_ref(&path.to_owned()));
    let is_synced = rules.covers("web", path);
    assert_eq!(!decision.sync.is_empty(), is_synced, "covered, not decided");
    let rule = &rules.sync_rules("web")[0];
    let rel = path.strip_prefix(&rule.from).expect("lies below");
    let told = rules.explain("web", path, false);
    assert_eq!(
        told.syncs.iter().any(|one| one.synced),
        is_synced,
        "{told:?}"
    );
    let mut folders = rel.ancestors().skip(1);
    if is_synced && !rel.as_os_str().is_empty() {
        assert!(folders.all(|folder| rule.enters(folder)), "is not found");
    }
    if !decision.is_nothing() {
        assert!(rules.concerns(path, false), "is not heard");
        let mut above = path
            .ancestors()
            .skip(1)
            .take_while(|at| at.starts_with("/p/web"));
        assert!(above.all(|at| !rules.prunes(at)), "is not watched");
    }
}
