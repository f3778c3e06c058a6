//! What was not chosen, and what rules it out.

use super::*;

#[test]
fn what_is_ruled_out_is_said_with_its_place() {
    let rules = rules(django());
    let said = |paths: &[&str]| -> Vec<String> {
        let paths: Vec<PathBuf> = paths
            .iter()
            .map(|path| Path::new("/p").join(path))
            .collect();
        let decision = rules.decide("web", &paths);
        let all = rules.ruled_out("web", &paths, &decision, Without::default());
        all.iter().map(crate::notice::RuledOut::said).collect()
    };
    let covered = "not rebuilt: a sync rule covers it (Stackfile.kdl:31)";
    assert_eq!(
        said(&["web/page.html"]),
        [
            "not restarted: no `on` of the sync names web/page.html (Stackfile.kdl:31)",
            covered
        ]
    );
    assert_eq!(said(&["web/a.py"]), [covered]);
    assert_eq!(
        said(&["web/Dockerfile", "web/a.py"]),
        [
            "not synced: web/Dockerfile is what its image is built by",
            "not restarted: another image comes with a new container (asked for at Stackfile.kdl:35)",
        ]
    );
    assert_eq!(
        said(&["shared/a.proto"]),
        [
            "not synced: no sync covers shared/a.proto",
            "not rebuilt: the build does not read shared/a.proto",
        ]
    );
    assert_eq!(said(&["web/docs/a.md"]), [""; 0]);
}

#[test]
fn what_the_build_reads_is_said_to_be_read_by_its_dockerfile() {
    let mut partly = web();
    partly.sync = vec![sync("/p/web/src", &["gen/"], vec![])];
    let rules = rules(partly);
    let path = PathBuf::from("/p/web/setup.cfg");
    let decision = rules.decide("web", std::slice::from_ref(&path));
    let all = rules.ruled_out("web", &[path], &decision, Without::default());
    let expected = crate::notice::RuledOut {
        what: "sync".into(),
        because: "web/setup.cfg is read by web/Dockerfile".into(),
        path: Some("web/setup.cfg".into()),
        file: Some("web/Dockerfile".into()),
        line: None,
    };
    assert_eq!(all, [expected]);
}
