//! `[webhooks]` of the configuration.

use std::{num::NonZeroU32, time::Duration};

use ramal_domain::Backoff;
use serde::Deserialize;

/// Most of an answer that is worth a row in the log.
const RESPONSE_LIMIT_MAX: usize = 64 * 1024;

/// `[webhooks]`: how events travel to customers' endpoints.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Attempts in flight at once, over all webhooks. At most half of them go to webhooks whose last
    /// attempt failed or was slow, or that were never tried.
    pub in_flight_max: NonZeroU32,
    /// Attempts in flight at once to one webhook, so that a slow one does not take all. One whose
    /// last attempt failed or was slow, or that was never tried, gets one.
    pub per_webhook_max: NonZeroU32,
    /// How long to wait at most before looking for due deliveries, without being woken.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// How long a leased delivery stays hidden from other workers.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How long an attempt may take, from the name lookup to the end of the answer's head.
    #[serde(with = "humantime_serde")]
    pub attempt_timeout: Duration,
    /// The delay before the first retry; it doubles with each.
    #[serde(with = "humantime_serde")]
    pub retry_base: Duration,
    /// The longest delay between two attempts, also when the receiver asks for longer.
    #[serde(with = "humantime_serde")]
    pub retry_cap: Duration,
    /// How long after its first attempt a delivery is given up.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// How long a webhook may fail only, before it is set inactive.
    #[serde(with = "humantime_serde")]
    pub disable_after: Duration,
    /// How long the secret from before a rotation keeps signing.
    #[serde(with = "humantime_serde")]
    pub secret_overlap: Duration,
    /// How long events, settled deliveries and their log are kept.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// Allows `http://` and addresses that are not on the public Internet: for the sandbox and
    /// tests. Anywhere else, customers could reach the machine's own network with it.
    pub allow_private: bool,
    /// How many bytes of an answer the log keeps.
    pub response_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight_max: NonZeroU32::MIN.saturating_add(63),
            per_webhook_max: NonZeroU32::MIN.saturating_add(3),
            poll: Duration::from_secs(1),
            // The attempt, then some patience for the database that settles it.
            lease: Duration::from_mins(1),
            attempt_timeout: Duration::from_secs(10),
            retry_base: Duration::from_secs(5),
            retry_cap: Duration::from_hours(2),
            give_up_after: Duration::from_hours(24),
            disable_after: Duration::from_hours(5 * 24),
            secret_overlap: Duration::from_hours(24),
            retention: Duration::from_hours(30 * 24),
            allow_private: false,
            response_limit: 4 * 1024,
        }
    }
}

impl Options {
    /// Adds what is wrong with this section to `problems`.
    pub fn check(&self, problems: &mut Vec<String>) {
        let mut claim = |holds: bool, problem: &str| {
            if !holds {
                problems.push(format!("webhooks.{problem}"));
            }
        };
        claim(!self.attempt_timeout.is_zero(), "attempt_timeout must not be zero");
        claim(!self.poll.is_zero(), "poll must not be zero, or the database never rests");
        claim(
            self.lease > self.attempt_timeout,
            "lease must exceed webhooks.attempt_timeout, or attempts in flight are made twice",
        );
        claim(!self.retry_base.is_zero(), "retry_base must not be zero");
        claim(self.retry_base <= self.retry_cap, "retry_base must not exceed webhooks.retry_cap");
        claim(!self.disable_after.is_zero(), "disable_after must not be zero");
        claim(
            self.retention > self.give_up_after,
            "retention must exceed webhooks.give_up_after, or what is on its way is forgotten",
        );
        claim(
            self.per_webhook_max <= self.in_flight_max,
            "per_webhook_max must not exceed webhooks.in_flight_max",
        );
        claim(
            self.response_limit <= RESPONSE_LIMIT_MAX,
            "response_limit must not exceed 65536 bytes",
        );
    }

    /// How many of the attempts in flight may go to webhooks that are not proven.
    pub(crate) const fn unproven_max(&self) -> u32 {
        // Of one, all: there is nothing to share.
        self.in_flight_max.get().div_ceil(2)
    }

    pub(crate) const fn backoff(&self) -> Backoff {
        Backoff { base: self.retry_base, cap: self.retry_cap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_contradict_nothing() {
        let mut problems = Vec::new();
        Options::default().check(&mut problems);

        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn all_contradictions_are_collected() {
        let options = Options {
            lease: Duration::from_secs(10),
            retry_base: Duration::from_hours(3),
            per_webhook_max: NonZeroU32::MAX,
            ..Options::default()
        };
        let mut problems = Vec::new();
        options.check(&mut problems);

        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("webhooks.lease must exceed"));
    }

    #[test]
    fn a_section_is_read_with_units_and_a_typo_is_an_error() {
        let options: Options =
            serde_json::from_str(r#"{"attempt_timeout": "3s", "retry_cap": "1h"}"#).unwrap();
        assert_eq!(options.attempt_timeout, Duration::from_secs(3));
        assert_eq!(options.in_flight_max, Options::default().in_flight_max);

        assert!(serde_json::from_str::<Options>(r#"{"atempt_timeout": "3s"}"#).is_err());
    }
}
