//! Time: the system's, moved forward by as much as a test has said.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const ISO: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+0000");

/// Milliseconds since 1970.
pub(crate) type Millis = i64;

/// The server's time: it only ever goes forward.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: Duration,
}

impl Clock {
    /// Lets time pass.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead = self.ahead.saturating_add(by);
    }

    /// How far the clock is ahead of the system's.
    pub(crate) fn ahead(&self) -> Duration {
        self.ahead
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that others ask")]
    pub(crate) fn millis(&self) -> Millis {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.saturating_add(self.ahead).as_millis()).unwrap_or(i64::MAX)
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.millis() / 1000
    }

    /// Now, as Graph prints it.
    pub(crate) fn iso(&self) -> String {
        OffsetDateTime::from_unix_timestamp(self.seconds())
            .ok()
            .and_then(|at| at.format(ISO).ok())
            .unwrap_or_default()
    }
}
