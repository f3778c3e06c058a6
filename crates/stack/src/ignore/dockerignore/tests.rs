use super::DockerIgnore;

/// Rules, a path, and whether it stays behind.
const CASES: &[(&str, &str, bool)] = &[
    // One pattern.
    ("foo", "foo", true),
    ("foo", "foobar", false),
    ("foo", "bar/foo", false),
    ("foo", "foo/bar/baz", true),
    ("*", "foo", true),
    ("*", ".hidden", true),
    ("*", "foo/bar", true),
    ("*.log", "a.log", true),
    ("*.log", "sub/a.log", false),
    ("*/a.log", "sub/a.log", true),
    ("*/a.log", "a.log", false),
    ("a?c", "abc", true),
    ("a?c", "a/c", false),
    ("a?c", "aéc", true),
    ("a.c", "abc", false),
    ("a$b+(c)|{d}", "a$b+(c)|{d}", true),
    ("[a-c]x", "bx", true),
    ("[a-c]x", "dx", false),
    ("[^a-c]x", "dx", true),
    ("[^a-c]x", "ax", false),
    ("[\\]a]", "]", true),
    ("a\\*b", "a*b", true),
    ("a\\*b", "axb", false),
    ("\\!keep", "!keep", true),
    ("\\#file", "#file", true),
    ("café", "café/x", true),
    ("a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaac", false),
    // Two stars.
    ("**", "a", true),
    ("**", "a/b/c", true),
    ("**/", "a/b", true),
    ("**/foo", "foo", true),
    ("**/foo", "a/b/foo", true),
    ("**/foo", "a/xfoo", false),
    ("**/foo", "a/foo/x", true),
    ("**/*.pyc", "a.pyc", true),
    ("**/*.pyc", "a/b/c.pyc", true),
    ("**/.env", "x/.env", true),
    ("**/.env", "x/yenv", false),
    ("a/**", "a", false),
    ("a/**", "a/b/c", true),
    ("a/**/b", "a/b", true),
    ("a/**/b", "a/x/y/b", true),
    ("a/**/b", "a/xb", false),
    ("a**b", "a/b", true),
    ("a**b", "ax/b", true),
    ("a**", "abc/d", true),
    ("**/foo/**", "foo", false),
    ("**/foo/**", "x/foo/y/z", true),
    ("**foo", "xfoo", true),
    ("**foo*", "xfoo", false),
    // Spelling.
    ("/foo", "foo", true),
    ("/foo", "a/foo", false),
    ("./foo/", "foo/x", true),
    ("foo//bar/../baz", "foo/baz", true),
    ("../foo", "foo", false),
    ("/../foo", "foo", true),
    ("  foo  ", "foo", true),
    ("foo\r\nbar\r\n", "bar", true),
    ("\u{feff}foo", "foo", true),
    ("#foo", "#foo", false),
    (" #foo", "#foo", true),
    ("\n\n", "a", false),
    ("/", "a", false),
    (".", "a", false),
    // Order and exceptions.
    ("*\n!keep", "keep", false),
    ("*\n!keep", "keep/below", false),
    ("*\n!keep", "other", true),
    ("!keep\n*", "keep", true),
    ("docs\n!docs/README.md", "docs/README.md", false),
    ("docs\n!docs/README.md", "docs/other.md", true),
    ("docs\n!docs/*.md\ndocs/secret.md", "docs/secret.md", true),
    ("docs\n!docs/*.md\ndocs/secret.md", "docs/open.md", false),
    (
        "*.md\n!README*.md\nREADME-secret.md",
        "README-secret.md",
        true,
    ),
    ("a/b\n!a", "a/b/c", false),
    ("*\n! spaced", "spaced", false),
    ("*\n!/rooted", "rooted", false),
    ("**\n!**/*.py", "a/b.py", false),
    ("**\n!**/*.py", "a/b.txt", true),
];

#[test]
fn paths_stay_behind_as_docker_says() {
    let wrong: Vec<_> = CASES
        .iter()
        .filter(|(rules, path, ignored)| DockerIgnore::parse(rules).ignores(path) != *ignored)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_ignored_folder_is_entered_only_for_what_an_exception_may_take_back() {
    let cases = [
        ("*", "node_modules", false),
        ("*\n!src", "node_modules", false),
        ("*\n!src", "src", true),
        ("*\n!src", "src/deep", true),
        ("*\n!a/b/c", "a", true),
        ("*\n!a/b/c", "a/b", true),
        ("*\n!a/b/c", "a/x", false),
        ("*\n!a/*/c", "a/x", true),
        ("*\n!**/c", "any/where", true),
        ("*\n!a/**/c", "b", false),
    ];
    for (rules, folder, enter) in cases {
        let found = DockerIgnore::parse(rules).may_contain_exceptions(folder);
        assert_eq!(found, enter, "{rules:?} at {folder}");
    }
}

#[test]
fn lines_that_are_no_pattern_are_told_with_their_line() {
    let ignore = DockerIgnore::parse("ok\n!\na[\nb[z-a]\nc\\\nd[]\n");
    let lines: Vec<usize> = ignore.problems().iter().map(|p| p.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    assert_eq!(
        ignore.problems()[1].to_string(),
        "line 3: `a[` is not a pattern: a `[` has no `]`"
    );
    assert!(ignore.ignores("ok"));
}

#[test]
fn all_of_a_context_is_not_taken_back_in_by_its_root() {
    for text in ["!/", "!/a/..", "! /./."] {
        let problems = DockerIgnore::parse(text).problems().len();
        assert_eq!(problems, 1, "{text}");
    }
    assert!(DockerIgnore::parse("!.\n/\n!*").problems().is_empty());
}
