use super::mirror_in;

#[test]
fn finds_the_mirror_of_the_release_and_not_of_its_updates() {
    let fields = "Types: deb\nURIs: http://security.example/debian-security\n\
                  Suites: bookworm-security\nComponents: main\n\n\
                  Types: deb\n# a note\nURIs: http://mirror.example/debian\n\
                  Suites: bookworm bookworm-updates\nComponents: main\n";
    assert_eq!(
        mirror_in(fields, "bookworm").as_deref(),
        Some("http://mirror.example/debian")
    );
}

#[test]
fn reads_the_one_line_style_with_and_without_options() {
    let plain = "# deb http://old.example/debian bookworm main\n\
                 deb http://mirror.example/debian bookworm main contrib\n";
    assert_eq!(
        mirror_in(plain, "bookworm").as_deref(),
        Some("http://mirror.example/debian")
    );
    let options = "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian bookworm main\n";
    assert_eq!(
        mirror_in(options, "bookworm").as_deref(),
        Some("https://mirror.example/debian")
    );
}

#[test]
fn other_repositories_are_no_mirrors() {
    assert_eq!(
        mirror_in("deb http://vendor.example/apt stable main\n", "bookworm"),
        None
    );
    assert_eq!(
        mirror_in("deb cdrom:[Debian]/ bookworm main\n", "bookworm"),
        None
    );
    assert_eq!(mirror_in("", "bookworm"), None);
}
