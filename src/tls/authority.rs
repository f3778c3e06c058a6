//! The authority: one key and one certificate a user, made when they are first needed.

use std::path::{Path, PathBuf};

use devrun_core::certificate::DAYS;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::error::TlsError;
use super::store::{self, CERTIFICATE, KEY, Readers};

/// Trusting one is work: it serves for ten years.
const LIFE: i64 = 3653;

const DAY: i64 = 24 * 60 * 60;

/// Whoever signs.
pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// Another one has another.
    pub(super) id: String,
    pub(super) is_new: bool,
}

/// Its certificate, which people give to their programs.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("authority.crt")
}

impl Authority {
    /// The one that is there, unless its end is so near that it could sign nothing that serves.
    pub(super) fn in_folder(folder: &Path, now: i64) -> Result<Authority, TlsError> {
        let path = folder.join("authority.key");
        let known = store::read(&path)?;
        let until = known.as_deref().and_then(until);
        match (known, until) {
            (Some(text), Some(until)) if until - now > DAYS * DAY => {
                let key = store::key(&text).map_err(TlsError::made(&path))?;
                let id = id(&key);
                let params = params(&id, until).map_err(TlsError::made(&path))?;
                let known = file(folder);
                if !known.exists() {
                    write(&known, &params, &key)?;
                }
                Ok(Authority {
                    issuer: Issuer::new(params, key),
                    id,
                    is_new: false,
                })
            }
            _ => Authority::new(folder, &path, now + LIFE * DAY),
        }
    }

    /// The key comes last: without it all is made again.
    fn new(folder: &Path, path: &Path, until: i64) -> Result<Authority, TlsError> {
        let key = KeyPair::generate().map_err(TlsError::made(path))?;
        let id = id(&key);
        let params = params(&id, until).map_err(TlsError::made(path))?;
        write(&file(folder), &params, &key)?;
        let text = format!("until: {until}\n{}", store::pem(KEY, &key.serialize_der()));
        store::write(path, &text, Readers::User)?;
        Ok(Authority {
            issuer: Issuer::new(params, key),
            id,
            is_new: true,
        })
    }
}

fn write(path: &Path, params: &CertificateParams, key: &KeyPair) -> Result<(), TlsError> {
    let certificate = params.self_signed(key).map_err(TlsError::made(path))?;
    store::write(
        path,
        &store::pem(CERTIFICATE, certificate.der()),
        Readers::All,
    )
}

fn until(text: &str) -> Option<i64> {
    let first = text.lines().next()?;
    first.strip_prefix("until: ")?.parse().ok()
}

/// Programs that trust several tell them apart by their names.
fn id(key: &KeyPair) -> String {
    store::hash(key.public_key_raw())
}

fn params(id: &str, until: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "devrun");
    name.push(DnType::CommonName, format!("devrun authority {id}"));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = store::time(until - (LIFE + 1) * DAY)?;
    params.not_after = store::time(until)?;
    Ok(params)
}
