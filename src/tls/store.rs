//! Files of the authority and of what it has signed.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devrun_core::certificate::{Certificate, Made};
use devrun_stack::Content;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use time::OffsetDateTime;

use super::authority::Authority;
use super::error::TlsError;

const DAY: i64 = 24 * 60 * 60;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    User,
    All,
}

/// Held while files are made: two sessions may begin at a time.
pub(super) fn lock(folder: &Path) -> Result<File, TlsError> {
    let path = folder.join("authority.lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(TlsError::file(&path))?;
    file.lock().map_err(TlsError::file(&path))?;
    Ok(file)
}

pub(super) fn make_folder(folder: &Path) -> Result<(), TlsError> {
    let mut builder = DirBuilder::new();
    let folder = certificates(folder);
    let made = builder.recursive(true).mode(0o700).create(&folder);
    made.map_err(TlsError::file(&folder))
}

fn certificates(folder: &Path) -> PathBuf {
    folder.join("certificates")
}

/// The one for these hosts, in a checkout. Stacks of one checkout that have the same hosts share it.
pub(super) fn certificate(
    folder: &Path,
    root: &str,
    hosts: &[String],
    authority: &Authority,
    now: i64,
) -> Result<Certificate, TlsError> {
    let all = certificates(folder);
    let path = all.join(format!("{root}-{}.pem", hash(hosts.join(" ").as_bytes())));
    let serves =
        |text: &String| Made::read(text).is_some_and(|made| made.serves(hosts, &authority.id, now));
    let text = match read(&path)?.filter(serves) {
        Some(text) => text,
        None => {
            let made = Made::now(hosts.to_vec(), authority.id.clone(), now);
            let text = signed(&made, authority, now).map_err(TlsError::made(&path))?;
            write(&path, &text, Readers::User)?;
            clear(&all, now);
            text
        }
    };
    Ok(Certificate {
        id: hash(text.as_bytes()),
        pem: Content(text.into_bytes()),
    })
}

/// The certificate with its key behind it, below what is to be known of it.
fn signed(made: &Made, authority: &Authority, now: i64) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(made.hosts.clone())?;
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "devrun");
    name.push(DnType::CommonName, "devrun proxy");
    params.distinguished_name = name;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // The clock of whoever looks at it may be a little behind.
    params.not_before = time(now - DAY)?;
    params.not_after = time(made.until)?;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority.issuer)?;
    let certificate = pem(CERTIFICATE, certificate.der());
    let key = pem(KEY, &key.serialize_der());
    Ok(format!("{}{certificate}{key}", made.written()))
}

/// Removes those that have ended: nobody asks for them again.
fn clear(folder: &Path, now: i64) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if Made::read(&text).is_some_and(|made| made.until < now) {
            // The next one tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The content; nothing where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, TlsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlsError::file(path)(error)),
    }
}

/// Whole, or not at all.
pub(super) fn write(path: &Path, text: &str, readers: Readers) -> Result<(), TlsError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let written = NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if readers == Readers::All {
            file.as_file()
                .set_permissions(Permissions::from_mode(0o644))?;
        }
        file.persist(path).map_err(|error| error.error)
    });
    written.map(|_| ()).map_err(TlsError::file(path))
}

pub(super) const CERTIFICATE: &str = "CERTIFICATE";
pub(super) const KEY: &str = "PRIVATE KEY";

/// As files hold it.
pub(super) fn pem(what: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {what}-----\n");
    let mut rest = STANDARD.encode(bytes);
    while !rest.is_empty() {
        let next = rest.split_off(rest.len().min(64));
        let _ = writeln!(text, "{rest}");
        rest = next;
    }
    let _ = writeln!(text, "-----END {what}-----");
    text
}

/// The key in such a text.
pub(super) fn key(text: &str) -> Result<KeyPair, rcgen::Error> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes());
    let key = key.map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    KeyPair::try_from(&key)
}

pub(super) fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let first = digest.iter().take(6);
    first.map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn time(seconds: i64) -> Result<OffsetDateTime, rcgen::Error> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| rcgen::Error::Time)
}
