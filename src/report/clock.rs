//! Wall time, for people and for programs.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// Knows the local time zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    offset: UtcOffset,
}

const TIME_OF_DAY: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second]");
const MILLIS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

impl Clock {
    /// To be asked while there is only one thread: afterwards the zone cannot be read safely.
    pub(crate) fn local() -> Clock {
        Clock {
            offset: UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC),
        }
    }

    /// For tests: their lines must not depend on where they run.
    #[cfg(test)]
    pub(crate) fn utc() -> Clock {
        Clock {
            offset: UtcOffset::UTC,
        }
    }

    /// `12:01:07`, local.
    pub(crate) fn time_of_day(self, time: OffsetDateTime) -> String {
        time.to_offset(self.offset)
            .format(TIME_OF_DAY)
            .unwrap_or_default()
    }

    /// Now, RFC 3339 with milliseconds, UTC.
    pub(crate) fn now() -> String {
        Self::rfc3339(OffsetDateTime::now_utc())
    }

    /// RFC 3339 with milliseconds, UTC.
    pub(crate) fn rfc3339(time: OffsetDateTime) -> String {
        time.to_offset(UtcOffset::UTC)
            .format(MILLIS)
            .unwrap_or_default()
    }

    /// What [`Clock::now`] wrote, or the engine.
    pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(text, &Rfc3339).ok()
    }
}
