//! Waiting for a condition, never for a length of time.

use std::{
    panic::Location,
    time::{Duration, Instant},
};

/// The moment that lies this far ahead, as the API writes it.
pub fn ahead(distance: Duration) -> String {
    let at = time::OffsetDateTime::now_utc() + distance;
    let form = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
    );
    at.format(&form).expect("a moment of this age of the world")
}

/// How long a condition may take when the product promises nothing tighter.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often a condition that cannot announce itself is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Polls `condition` until it gives something, for [`PATIENCE`] at most.
#[track_caller]
pub fn eventually<T>(
    what: &str,
    condition: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    poll(PATIENCE, what.to_owned(), Location::caller(), condition)
}

/// Polls `condition` until it gives something, for `limit` at most.
#[track_caller]
pub fn within<T>(
    limit: Duration,
    what: &str,
    condition: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    poll(limit, what.to_owned(), Location::caller(), condition)
}

async fn poll<T>(
    limit: Duration,
    what: String,
    caller: &Location<'_>,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(started.elapsed() < limit, "{caller}: {what}: not within {limit:?}");
        tokio::time::sleep(POLL).await;
    }
}
