//! A service that has the network of another one.

use super::bench::Bench;

const STACK: &str = r#"
stack app
service vpn { image "vpn:1"; environment { A one } }
service web { image "web:1"; network-mode "service:vpn" }
service other { image "other:1" }
"#;

#[test]
fn whoever_has_the_network_of_another_is_made_anew_with_it() {
    let mut bench = Bench::new(STACK);
    bench.finish();
    bench.heard();
    let mut lines = bench.load(&STACK.replace("A one", "A two"));
    lines.extend(bench.finish());
    let made = |line: &&String| line.starts_with("create") || line.starts_with("restart");
    let made: Vec<&String> = lines.iter().filter(made).collect();
    assert_eq!(
        made,
        ["create vpn replacing vpn-1", "create web replacing web-1"]
    );
    let heard = bench.heard();
    let reason = "web plan recreate: vpn, whose network it has, was made anew";
    assert!(heard.contains(&reason.to_owned()), "{heard:#?}");
    assert!(bench.session.view().settled);
}
