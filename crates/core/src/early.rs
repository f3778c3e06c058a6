//! What has to be looked at before a container's process starts, so that it begins with what the
//! host has: decided by what is known of its files, and by when those of the host changed.

/// A moment of the host's clock, nanoseconds since 1970.
pub type Moment = i128;

/// What is known of the host's files in a container that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Basis {
    /// Nothing.
    #[default]
    Nothing,
    /// It is made of an image that was built of them as they were then; whether that kept them,
    /// and at this place, nobody has looked.
    Claimed(Moment),
    /// They were compared then, and agreed.
    Compared(Moment),
}

impl Basis {
    /// Whether a look at some of the files can say enough. It cannot for a task: that may have
    /// ended before anybody compares all of them.
    #[must_use]
    pub fn wants_sample(self, is_task: bool) -> bool {
        matches!(self, Basis::Claimed(_)) && !is_task
    }

    /// What did not change since then is in the container; `None` where all has to be looked at.
    /// `sample` says whether the files that were looked at are there.
    #[must_use]
    pub fn agreed_at(self, sample: Option<bool>) -> Option<Moment> {
        match (self, sample) {
            (Basis::Compared(at), _) | (Basis::Claimed(at), Some(true)) => Some(at),
            _ => None,
        }
    }
}

/// Something on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnHost {
    /// When anything of it changed last: content, name or mode.
    pub changed: Moment,
    /// When its content changed last, as it says itself.
    pub content: Moment,
    /// It is a folder.
    pub is_folder: bool,
    /// It is not known ever to have come from the host; asked only where it takes part by other
    /// rules than those by which all was compared.
    pub is_new: bool,
}

/// What has to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing.
    None,
    /// That one.
    Itself,
    /// All that is in it as well.
    WithContent,
}

/// Whether the container may have another version of it, where all agreed at that moment, and it
/// was brought over once more when it had last changed at `brought`.
#[must_use]
pub fn doubt(agreed_at: Moment, found: OnHost, brought: Option<Moment>) -> Doubt {
    if found.is_new {
        return Doubt::Itself;
    }
    if found.changed < agreed_at || brought == Some(found.changed) {
        return Doubt::None;
    }
    // Nothing came or went in it, so it is another one, or was elsewhere: what is in it has never
    // been compared, however old it is.
    if found.is_folder && found.content < agreed_at {
        return Doubt::WithContent;
    }
    Doubt::Itself
}

/// So many paths are brought over before the start. With more the agent is so much faster that
/// even a second start of the process costs less.
const PATHS: usize = 5_000;
/// So many bytes are.
const BYTES: u64 = 256 << 20;

/// Whether that much is brought over before the start. All is for a task, which nobody starts a
/// second time.
#[must_use]
pub fn fits(paths: usize, bytes: u64, is_task: bool) -> bool {
    is_task || (paths <= PATHS && bytes <= BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(changed: Moment) -> OnHost {
        OnHost {
            changed,
            content: changed,
            is_folder: false,
            is_new: false,
        }
    }

    #[test]
    fn what_changed_since_all_agreed_is_looked_at_unless_it_was_brought_over() {
        assert_eq!(doubt(100, file(99), None), Doubt::None);
        assert_eq!(doubt(100, file(100), None), Doubt::Itself);
        assert_eq!(doubt(100, file(200), Some(200)), Doubt::None);
        assert_eq!(doubt(100, file(201), Some(200)), Doubt::Itself);
    }

    #[test]
    fn an_old_content_that_took_the_place_of_another_is_looked_at() {
        let moved = OnHost {
            changed: 200,
            content: 10,
            is_folder: false,
            is_new: false,
        };
        assert_eq!(doubt(100, moved, None), Doubt::Itself);
        let folder = OnHost {
            is_folder: true,
            ..moved
        };
        assert_eq!(doubt(100, folder, None), Doubt::WithContent);
        let entered = OnHost {
            content: 200,
            ..folder
        };
        assert_eq!(doubt(100, entered, None), Doubt::Itself);
        let let_in = OnHost {
            is_new: true,
            ..file(1)
        };
        assert_eq!(doubt(100, let_in, None), Doubt::Itself, "by other rules");
    }

    #[test]
    fn an_image_is_believed_as_far_as_it_was_looked_at_and_by_a_task_not_at_all() {
        let claimed = Basis::Claimed(7);
        assert!(claimed.wants_sample(false) && !claimed.wants_sample(true));
        assert_eq!(claimed.agreed_at(Some(true)), Some(7));
        assert_eq!(claimed.agreed_at(Some(false)), None);
        assert_eq!(claimed.agreed_at(None), None);
        assert_eq!(Basis::Compared(7).agreed_at(None), Some(7));
        assert_eq!(Basis::Nothing.agreed_at(Some(true)), None);
    }

    #[test]
    fn a_huge_difference_is_left_to_the_agent_but_never_for_a_task() {
        assert!(fits(PATHS, BYTES, false) && fits(PATHS + 1, BYTES + 1, true));
        assert!(!fits(PATHS + 1, 0, false) && !fits(1, BYTES + 1, false));
    }
}
