//! The names in a folder, in little memory: of a hundred thousand files each byte counts.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// So many names may stand beside the packed ones before all are packed anew; or as many as are
/// packed, so that a folder that grows by one name at a time is not packed each time.
const BESIDE: usize = 32;

/// A set of names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// One after the other, each ended by a zero byte, which no name has.
    packed: Box<[u8]>,
    count: usize,
    /// Not packed yet.
    added: BTreeSet<Box<[u8]>>,
    /// Packed, but not there any more.
    removed: BTreeSet<Box<[u8]>>,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.count + self.added.len() - self.removed.len()
    }

    pub(super) fn contains(&self, name: &OsStr) -> bool {
        let name = name.as_bytes();
        self.added.contains(name) || (self.is_packed(name) && !self.removed.contains(name))
    }

    /// Whether it was not there.
    pub(super) fn insert(&mut self, name: &OsStr) -> bool {
        if self.contains(name) {
            return false;
        }
        if !self.removed.remove(name.as_bytes()) {
            self.added.insert(name.as_bytes().into());
            self.tidy();
        }
        true
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, name: &OsStr) -> bool {
        if self.added.remove(name.as_bytes()) {
            return true;
        }
        let was_there = self.contains(name);
        if was_there {
            self.removed.insert(name.as_bytes().into());
            self.tidy();
        }
        was_there
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = OsString> {
        self.all().map(|name| OsString::from_vec(name.to_vec()))
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> {
        let left = self.in_order().filter(|name| !self.removed.contains(*name));
        left.chain(self.added.iter().map(AsRef::as_ref))
    }

    fn in_order(&self) -> impl Iterator<Item = &[u8]> {
        let names = self.packed.split(|byte| *byte == 0);
        names.filter(|name| !name.is_empty())
    }

    fn is_packed(&self, name: &[u8]) -> bool {
        let (mut low, mut high) = (0, self.packed.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let before = self.packed[..middle].iter().rposition(|byte| *byte == 0);
            let start = before.map_or(0, |zero| zero + 1);
            let length = self.packed[start..].iter().position(|byte| *byte == 0);
            let end = start + length.unwrap_or(0);
            match self.packed[start..end].cmp(name) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = end + 1,
                std::cmp::Ordering::Greater => high = start,
            }
        }
        false
    }

    fn tidy(&mut self) {
        if self.added.len() + self.removed.len() > BESIDE.max(self.count) {
            let all: Vec<Box<[u8]>> = self.all().map(Box::from).collect();
            *self = Self::pack(all);
        }
    }

    fn pack(mut all: Vec<Box<[u8]>>) -> Self {
        all.sort();
        all.dedup();
        let mut packed = Vec::with_capacity(all.iter().map(|name| name.len() + 1).sum());
        for name in &all {
            packed.extend_from_slice(name);
            packed.push(0);
        }
        Self {
            packed: packed.into(),
            count: all.len(),
            ..Self::default()
        }
    }
}

impl FromIterator<OsString> for Names {
    fn from_iter<I: IntoIterator<Item = OsString>>(names: I) -> Self {
        let names = names.into_iter();
        Self::pack(names.map(|name| name.into_vec().into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            first in proptest::collection::btree_set("[a-c]{1,4}", 0..40),
            steps in proptest::collection::vec((any::<bool>(), "[a-c]{1,4}"), 0..200),
        ) {
            let mut plain = first.clone();
            let mut names: Names = first.into_iter().map(OsString::from).collect();
            for (adds, name) in steps {
                let os = OsStr::new(&name);
                prop_assert_eq!(names.contains(os), plain.contains(&name));
                if adds {
                    prop_assert_eq!(names.insert(os), plain.insert(name.clone()));
                } else {
                    prop_assert_eq!(names.remove(os), plain.remove(&name));
                }
                prop_assert_eq!(names.len(), plain.len());
            }
            let mut all: Vec<OsString> = names.iter().collect();
            all.sort();
            prop_assert_eq!(all, plain.into_iter().map(OsString::from).collect::<Vec<_>>());
        }
    }
}
