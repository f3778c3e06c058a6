//! The user's own certificate authority, what it signs for the proxies of stacks, and connections to
//! these. For whom a certificate is, and when another one is due, says the core.

mod authority;
mod connect;
mod error;
mod store;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use devrun_core::certificate::{self, Certificate};
use devrun_stack::Stack;

pub(crate) use connect::connect;
pub(crate) use error::TlsError;

/// What a proxy gets, and whose word it is.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) certificate: Certificate,
    /// The authority, where it was made just now: nobody trusts it yet.
    pub(crate) new: Option<PathBuf>,
}

/// The certificate of a stack in a checkout: the one that is there, or another one where that does
/// not serve any more.
pub(crate) fn for_stack(stack: &Stack, root: &str) -> Result<Ready, TlsError> {
    let folder = folder().ok_or(TlsError::NoHome)?;
    in_folder(&folder, root, &certificate::hosts(stack), now())
}

fn in_folder(folder: &Path, root: &str, hosts: &[String], now: i64) -> Result<Ready, TlsError> {
    store::make_folder(folder)?;
    let _lock = store::lock(folder)?;
    let authority = authority::Authority::in_folder(folder, now)?;
    let certificate = store::certificate(folder, root, hosts, &authority, now)?;
    let new = authority.is_new.then(|| authority::file(folder));
    Ok(Ready { certificate, new })
}

/// What people are told once: nobody else can make their programs trust it.
pub(crate) fn how_to_trust(authority: &Path) -> String {
    let file = authority.display();
    format!(
        "{file} is your own certificate authority, made just now; browsers warn until they trust it\n\
         this system: sudo cp {file} /usr/local/share/ca-certificates/devrun.crt && sudo update-ca-certificates\n\
         Chromium, Firefox and programs: docs/proxy.md"
    )
}

/// Of this user, for all stacks.
fn folder() -> Option<PathBuf> {
    let variable = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let data = variable("XDG_DATA_HOME");
    let data = data.or_else(|| Some(variable("HOME")?.join(".local/share")));
    data.map(|data| data.join("devrun"))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
