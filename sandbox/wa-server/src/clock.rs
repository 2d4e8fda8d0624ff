//! Wall-clock time: the one place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const ISO_MILLIS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

#[expect(clippy::disallowed_methods, reason = "this is the clock that others take the time from")]
fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970, as the `t` attributes of stanzas want them.
pub(crate) fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}

/// Milliseconds since 1970.
pub(crate) fn unix_millis() -> i64 {
    i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX)
}

/// Now as ISO 8601 in UTC with milliseconds.
pub(crate) fn iso_now() -> String {
    let nanos = i128::from(unix_millis()) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|at| at.format(ISO_MILLIS).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::iso_now;

    #[test]
    fn iso_has_milliseconds_and_utc() {
        let now = iso_now();
        assert_eq!(now.len(), "2026-01-01T00:00:00.000Z".len());
        assert!(now.ends_with('Z'));
    }
}
