//! Whom files belong to that are put into a container from outside: its user, by number.

use std::io::Read as _;

use tokio_util::io::SyncIoBridge;

use crate::engine::{Engine, Layout};
use crate::sync::scan::blocking;

/// The largest list of users that is read.
const MOST: u64 = 1 << 20;

/// The container's user; files that it runs should belong to it. `None` where nobody can say.
pub(super) async fn owner(engine: &Engine, container: &str) -> Option<(u64, u64)> {
    let layout = engine.layout(container).await.ok()?;
    owner_of(engine, container, &layout).await
}

/// The same, where more of the container is known already.
pub(super) async fn owner_of(
    engine: &Engine,
    container: &str,
    layout: &Layout,
) -> Option<(u64, u64)> {
    if layout.user.is_empty() {
        return None;
    }
    let (user, group) = match layout.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (layout.user.as_str(), None),
    };
    let (uid, gid) = match user.parse() {
        Ok(uid) => (uid, uid),
        Err(_) => {
            let users = lines(engine, container, "/etc/passwd").await?;
            let mut fields = entry(&users, user)?.skip(2);
            (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)
        }
    };
    let gid = match group.map(str::parse) {
        None => gid,
        Some(Ok(gid)) => gid,
        Some(Err(_)) => {
            let groups = lines(engine, container, "/etc/group").await?;
            entry(&groups, group?)?.nth(2)?.parse().ok()?
        }
    };
    Some((uid, gid))
}

/// The fields of the line that begins with that name.
fn entry<'t>(text: &'t str, name: &str) -> Option<impl Iterator<Item = &'t str>> {
    let mut all = text.lines().map(|line| line.trim().split(':'));
    all.find(|fields| fields.clone().next() == Some(name))
}

/// The text of a file of the container.
async fn lines(engine: &Engine, container: &str, path: &str) -> Option<String> {
    let tar = engine.download_tar(container, path).await.ok()??;
    let bridge = SyncIoBridge::new(tar);
    let read = blocking(move || {
        let mut text = String::new();
        let mut tar = tar::Archive::new(bridge);
        for file in tar.entries()? {
            file?.take(MOST).read_to_string(&mut text)?;
        }
        Ok(text)
    });
    read.await.ok()
}

#[cfg(test)]
mod tests {
    use super::entry;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\napple:x:7:8::/:/bin/sh\napp:x:1000:1001::/app:/bin/sh\n";
        let fields: Vec<&str> = entry(users, "app").unwrap().collect();
        assert_eq!(fields[2..4], ["1000", "1001"]);
        assert!(entry(users, "ap").is_none() && entry(users, "").is_none());
    }
}
