use std::path::Path;

use super::GitIgnore;

/// A line, a path (a folder where it ends with a slash), and whether it matches.
const CASES: &[(&str, &str, bool)] = &[
    // Names at any depth, paths from the folder on.
    ("foo", "foo", true),
    ("foo", "a/foo", true),
    ("foo", "foobar", false),
    ("foo", "foo/bar", false),
    ("/foo", "foo", true),
    ("/foo", "a/foo", false),
    ("a/foo", "a/foo", true),
    ("a/foo", "b/a/foo", false),
    ("foo/", "foo", false),
    ("foo/", "foo/", true),
    ("foo/", "a/foo/", true),
    ("foo//", "foo/", false),
    ("a/foo/", "a/foo/", true),
    // One star, one letter.
    ("*", ".hidden", true),
    ("*.log", "a/b.log", true),
    ("*.log", "a/b.log/", true),
    ("/*.log", "a/b.log", false),
    ("a/*", "a/b", true),
    ("a/*", "a/b/c", false),
    ("a/*/c", "a/b/c", true),
    ("a/*/c", "a/b/b/c", false),
    ("a*c", "abbc", true),
    ("a*b*c", "axbxbxc", true),
    ("a?c", "abc", true),
    ("a?c", "ac", false),
    // A letter outside of ASCII is several bytes, as for Git.
    ("a?c", "aéc", false),
    ("a??c", "aéc", true),
    // Two stars.
    ("**/foo", "foo", true),
    ("**/foo", "a/b/foo", true),
    ("**/foo", "a/xfoo", false),
    ("foo/**", "foo/", false),
    ("foo/**", "foo/a/b", true),
    ("a/**/b", "a/b", true),
    ("a/**/b", "a/x/y/b", true),
    ("a/**/b", "a/xb", false),
    ("**/a/**/b", "a/x/a/y/b", true),
    ("a**b", "axxb", true),
    ("a/b**c", "a/bxc", true),
    ("/a**b", "a/b", false),
    // Classes.
    ("*.py[co]", "a.pyc", true),
    ("*.py[co]", "a.py", false),
    ("[Bb]in/", "Bin/", true),
    ("[!a]x", "bx", true),
    ("[^a]x", "ax", false),
    ("[!-]", "ab/a", true),
    ("x[!y]z", "x/z", false),
    ("[a-c]x", "bx", true),
    ("[a-]x", "-x", true),
    ("[]a]x", "]x", true),
    ("[\\]a]x", "]x", true),
    ("[[:digit:]]x", "7x", true),
    ("[[:digit:]]x", "ax", false),
    ("[[:digits:]]x", "7x", false),
    ("a/[!b]c", "a//c", false),
    // A slash in a class matches nothing, but is a slash.
    ("[a/]", "a", true),
    ("[a/]", "b/a", false),
    ("[a/]/", "b/a/", false),
    ("![a/]", "b/a", false),
    // What is no wildcard here, and what is no pattern at all.
    ("{a,b}", "{a,b}", true),
    ("{a,b}", "a", false),
    ("a]", "a]", true),
    ("[a", "[a", false),
    ("a\\", "a\\", false),
    ("\\*", "*", true),
    ("\\*", "a", false),
    ("\\#x", "#x", true),
    ("\\!x", "!x", true),
    ("#x", "#x", false),
    ("", "a", false),
    ("/", "a/", false),
    // Spaces at the end.
    ("a ", "a", true),
    ("a\\ ", "a ", true),
    ("a\\  ", "a ", true),
    (" a", "a", false),
    ("a b", "a b", true),
    ("a\r", "a", true),
    ("a\u{c}", "a\u{c}", true),
    ("a\u{c}", "a", false),
    ("a\\\u{c}", "a\u{c}", true),
    ("a\u{3000}", "a\u{3000}", true),
    ("\u{feff}a", "a", true),
];

fn ignores(text: &str, path: &str) -> Option<bool> {
    let file = GitIgnore::parse(Path::new("/p"), text);
    let is_dir = path.ends_with('/');
    let path = Path::new("/p").join(path.trim_end_matches('/'));
    file.says(&path, is_dir).map(|says| says.ignored)
}

#[test]
fn a_pattern_matches_as_git_says() {
    for (line, path, wanted) in CASES {
        assert_eq!(ignores(line, path).is_some(), *wanted, "`{line}`: {path}");
    }
}

#[test]
fn the_last_one_decides_and_is_told() {
    let text = "*.log\n# but\n!keep.log\nkeep.log/\n";
    assert_eq!(ignores(text, "a.log"), Some(true));
    assert_eq!(ignores(text, "x/keep.log"), Some(false));
    assert_eq!(ignores(text, "x/keep.log/"), Some(true));
    assert_eq!(ignores(text, "a.txt"), None);
    let file = GitIgnore::parse(Path::new("/p"), text);
    let says = file.says(Path::new("/p/keep.log"), false).unwrap();
    assert_eq!((says.line, says.pattern), (3, "!keep.log"));
    assert_eq!(file.says(Path::new("/other/a.log"), false), None);
    assert_eq!(file.says(Path::new("/p"), true), None);
    let above = file.says_of_any(Path::new("/p/a.log/b/c"), false);
    assert!(above.is_some_and(|says| says.ignored));
}

#[test]
fn the_top_of_all_folders_is_a_folder_too() {
    let file = GitIgnore::of_lines(Path::new("/"), ["/a/*.txt"].into_iter());
    assert!(file.says(Path::new("/a/b.txt"), false).is_some());
    assert!(file.says(Path::new("/b/a/b.txt"), false).is_none());
}
