use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{RootCertStore, client::WebPkiServerVerifier};

use super::*;

const NOW: i64 = 1_700_000_000;
const DAY: i64 = 24 * 60 * 60;

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn made(folder: &Path, names: &[&str], now: i64) -> Ready {
    in_folder(folder, "0a1b2c", &hosts(names), now).unwrap()
}

/// Whether a program that trusts the authority takes the certificate for this host, at this time.
fn believed(folder: &Path, ready: &Ready, host: &str, now: i64) -> bool {
    let mut roots = RootCertStore::empty();
    let own = fs::read(authority::file(folder)).unwrap();
    roots
        .add(CertificateDer::from_pem_slice(&own).unwrap())
        .unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider.into()).build();
    let own = CertificateDer::from_pem_slice(&ready.certificate.pem.0).unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let now = std::time::Duration::from_secs(now.try_into().unwrap());
    use rustls::client::danger::ServerCertVerifier;
    verifier
        .unwrap()
        .verify_server_cert(&own, &[], &name, &[], UnixTime::since_unix_epoch(now))
        .is_ok()
}

#[test]
fn a_program_that_trusts_the_authority_believes_a_proxy_for_its_hosts_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("devrun");
    let names = ["*.app.localhost", "127.0.0.1", "::1", "localhost"];
    let ready = made(&folder, &names, NOW);
    assert_eq!(ready.new, Some(folder.join("authority.crt")));
    for host in ["localhost", "a.app.localhost", "127.0.0.1", "::1"] {
        assert!(believed(&folder, &ready, host, NOW), "{host}");
    }
    for host in ["app.localhost", "evil.test", "127.0.0.2"] {
        assert!(!believed(&folder, &ready, host, NOW), "{host}");
    }
    assert!(!believed(&folder, &ready, "localhost", NOW + 91 * DAY));
    assert!(PrivateKeyDer::from_pem_slice(&ready.certificate.pem.0).is_ok());
}

#[test]
fn keys_are_for_their_user_alone_and_the_authority_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("devrun");
    made(&folder, &["localhost"], NOW);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("authority.key")), 0o600);
    assert_eq!(mode(&folder.join("authority.crt")), 0o644);
    let mut files = fs::read_dir(folder.join("certificates")).unwrap();
    assert_eq!(mode(&files.next().unwrap().unwrap().path()), 0o600);
    let public = fs::read_to_string(folder.join("authority.crt")).unwrap();
    assert!(!public.contains("PRIVATE"));
}

#[test]
fn one_is_made_once_and_anew_for_other_hosts_or_near_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("devrun");
    let first = made(&folder, &["localhost"], NOW);
    let again = made(&folder, &["localhost"], NOW + 59 * DAY);
    assert_eq!(again.certificate, first.certificate);
    assert_eq!(again.new, None);
    let more = made(&folder, &["a.test", "localhost"], NOW);
    assert_ne!(more.certificate.id, first.certificate.id);
    assert!(believed(&folder, &more, "a.test", NOW));
    let later = made(&folder, &["localhost"], NOW + 61 * DAY);
    assert_ne!(later.certificate.id, first.certificate.id);
    assert!(believed(&folder, &later, "localhost", NOW + 120 * DAY));
    made(&folder, &["b.test"], NOW + 100 * DAY);
    let left = fs::read_dir(folder.join("certificates")).unwrap().count();
    assert_eq!(left, 2, "what has ended is gone");
}

#[test]
fn an_authority_that_ends_or_is_gone_is_followed_by_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("devrun");
    let first = made(&folder, &["localhost"], NOW);
    fs::remove_file(folder.join("authority.crt")).unwrap();
    let same = made(&folder, &["localhost"], NOW);
    assert_eq!(same.certificate, first.certificate);
    assert!(believed(&folder, &same, "localhost", NOW));
    let years = made(&folder, &["localhost"], NOW + 3600 * DAY);
    assert!(years.new.is_some());
    assert!(believed(&folder, &years, "localhost", NOW + 3600 * DAY));
    fs::remove_file(folder.join("authority.key")).unwrap();
    let lost = made(&folder, &["localhost"], NOW);
    assert!(lost.new.is_some());
    assert!(believed(&folder, &lost, "localhost", NOW));
}

#[test]
fn what_cannot_be_written_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = in_folder(&file, "0a", &hosts(&["localhost"]), NOW).unwrap_err();
    let place = file.join("certificates");
    assert!(
        error
            .to_string()
            .starts_with(&format!("{}: ", place.display())),
        "{error}"
    );
}

#[test]
fn keys_are_in_no_output_of_a_debugger() {
    let folder = tempfile::tempdir().unwrap();
    let ready = made(&folder.path().join("devrun"), &["localhost"], NOW);
    assert!(!format!("{ready:?}").contains("PRIVATE"));
}
