use std::fs;
use std::path::PathBuf;

use super::host_authorities;

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new(files: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        Self { dir }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// The file that builds are offered, relative to this host's root.
    fn offers(&self, named: Option<&str>) -> Option<String> {
        let [anchors, bundle] = [self.path("anchors"), self.path("bundle.crt")];
        let found = host_authorities(
            named.map(|file| self.path(file)),
            &[anchors.to_str().unwrap()],
            &["/nowhere", bundle.to_str().unwrap()],
        )?;
        let below = found.strip_prefix(self.dir.path()).unwrap();
        Some(below.to_str().unwrap().to_owned())
    }
}

#[test]
fn a_host_without_authorities_of_its_own_offers_none() {
    let host = Host::new(&["bundle.crt", "anchors/README"]);
    assert_eq!(host.offers(None), None);
    assert_eq!(host.offers(Some("bundle.crt")), None);
    assert_eq!(host.offers(Some("missing.crt")), None);
}

#[test]
fn a_host_with_its_own_offers_the_whole_bundle() {
    let host = Host::new(&["bundle.crt", "anchors/company/ca.crt"]);
    assert_eq!(host.offers(None).as_deref(), Some("bundle.crt"));
    assert_eq!(
        host.offers(Some("bundle.crt")).as_deref(),
        Some("bundle.crt")
    );
}

#[test]
fn a_file_that_the_person_names_comes_first() {
    let host = Host::new(&["bundle.crt", "mine.pem"]);
    assert_eq!(host.offers(Some("mine.pem")).as_deref(), Some("mine.pem"));
}
