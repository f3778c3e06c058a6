//! A volume below a sync is warned of, unless somebody said that what it hides is left alone.

use super::world::World;

/// Whether the volume at `node_modules` is told to hide what the host has there, given what the
/// sync and a file say.
fn is_warned_of(words: &str, file: &str, text: &str) -> bool {
    let stackfile = format!(
        "stack app\nvolume modules\nservice a {{\n    build \"web\"\n    \
         volume modules to=\"/app/lib/node_modules\"\n    sync to=\"/app\" {{ {words} }}\n}}\n"
    );
    let world = World::new(&stackfile)
        .file(".git/HEAD", "")
        .file("web/Dockerfile", "")
        .file("web/lib/node_modules/x", "");
    let world = match file {
        "" => world,
        file => world.file(file, text),
    };
    let told = world.told();
    assert_eq!(told.is_empty(), !told.contains("hidden-sync"), "{told}");
    !told.is_empty()
}

#[test]
fn what_is_left_alone_may_be_hidden() {
    assert!(is_warned_of("", "", ""));
    for words in [
        "node_modules",
        "node_modules/",
        "/lib/*_modules/",
        "lib",
        "**/node_modules",
    ] {
        assert!(
            !is_warned_of(&format!("ignore {words:?}"), "", ""),
            "{words}"
        );
    }
    let files = [
        ("web/.gitignore", "node_modules/\n"),
        ("web/.gitignore", "/lib/*\n!/lib/src\n"),
        ("web/lib/.gitignore", "/node_modules\n"),
        (".gitignore", "**/node_modules\n"),
        ("web/.dockerignore", "**/node_modules\n"),
        ("web/Dockerfile.dockerignore", "*\n!src\n"),
    ];
    for (file, text) in files {
        assert!(!is_warned_of("", file, text), "{file}: {text}");
    }
}

#[test]
fn what_only_looks_left_alone_is_not() {
    assert!(is_warned_of("ignore \"/node_modules\"", "", ""));
    assert!(is_warned_of(
        "ignore \"node_modules\" \"!node_modules\"",
        "",
        ""
    ));
    let files = [
        ("web/.gitignore", "# node_modules\n"),
        ("web/.gitignore", "node_modules\n!node_modules\n"),
        ("web/.gitignore", "/node_modules\n"),
        // As Docker reads it: at the top alone.
        ("web/.dockerignore", "node_modules\n"),
        ("lib/.gitignore", "node_modules\n"),
    ];
    for (file, text) in files {
        assert!(is_warned_of("", file, text), "{file}: {text}");
    }
}
