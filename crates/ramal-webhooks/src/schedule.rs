//! What follows from how an attempt ended: done, again later, or given up.

use std::time::{Duration, UNIX_EPOCH};

use ramal_domain::Timestamp;
use ramal_store::{DueDelivery, Verdict};
use reqwest::StatusCode;

use crate::{
    Options,
    egress::{Answer, AttemptError},
};

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The receiver answered.
    Answered(Answer),
    /// It did not.
    Failed(AttemptError),
    /// A bug of ours, contained.
    Panicked,
}

impl Outcome {
    /// Whether the receiver accepted the event: any 2xx.
    pub(crate) fn success(&self) -> bool {
        self.status().is_some_and(|status| status.is_success())
    }

    /// The HTTP status, if there was one.
    pub(crate) const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answered(answer) => Some(answer.status),
            Self::Failed(_) | Self::Panicked => None,
        }
    }

    /// The metric label.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Answered(_) if self.success() => "delivered",
            Self::Answered(_) => "refused",
            Self::Failed(AttemptError::Target(_)) => "blocked",
            Self::Failed(AttemptError::Timeout(_)) => "timeout",
            Self::Failed(AttemptError::Broken(_)) => "unreachable",
            Self::Panicked => "panicked",
        }
    }

    /// What the delivery log shows.
    pub(crate) fn into_response(self) -> String {
        match self {
            Self::Answered(answer) => answer.body,
            Self::Failed(error) => error.to_string(),
            Self::Panicked => "the gateway failed while posting; it will try again".to_owned(),
        }
    }

    /// How long the receiver asks us to wait: only with the statuses that mean "later".
    fn asks_for(&self, now: Timestamp) -> Duration {
        match self {
            Self::Answered(answer)
                if answer.status == StatusCode::TOO_MANY_REQUESTS
                    || answer.status == StatusCode::SERVICE_UNAVAILABLE =>
            {
                answer.retry_after.as_deref().and_then(|value| retry_after(value, now))
            }
            Self::Answered(_) | Self::Failed(_) | Self::Panicked => None,
        }
        .unwrap_or_default()
    }
}

/// Reads `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(i64::try_from(date.as_secs()).ok()?).since(now))
}

impl Options {
    /// What to do with `delivery` after its attempt ended at `now`. `jitter` is a fraction in
    /// `0.0..=1.0`.
    pub(crate) fn verdict(
        &self,
        delivery: &DueDelivery,
        outcome: &Outcome,
        now: Timestamp,
        jitter: f64,
    ) -> Verdict {
        if outcome.success() {
            return Verdict::Done;
        }
        if outcome.status() == Some(StatusCode::GONE) {
            return Verdict::Gone;
        }
        // Not by the number of the attempt: what was asked for again starts anew.
        let backoff = self.backoff().delay(delivery.tries, jitter);
        let at = now.after(backoff.max(outcome.asks_for(now).min(self.retry_cap)));
        let first = delivery.first_tried_at.unwrap_or(now);
        if at > first.after(self.give_up_after) { Verdict::Dead } else { Verdict::RetryAt(at) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ramal_domain::{DeliveryId, EventId, WebhookId, WebhookSecret};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    fn due(attempt: i64, first_tried_at: Option<Timestamp>) -> DueDelivery {
        DueDelivery {
            id: DeliveryId::mint(),
            event: EventId::mint(),
            webhook: WebhookId::mint(),
            attempt,
            url: String::new(),
            secret: WebhookSecret::mint(),
            old_secret: None,
            body: String::new(),
            kind: String::new(),
            created_at: NOW,
            first_tried_at,
            tries: u32::try_from(attempt - 1).unwrap(),
            proven: true,
        }
    }

    fn answered(status: u16, retry_after: Option<&str>) -> Outcome {
        Outcome::Answered(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(str::to_owned),
            body: String::new(),
        })
    }

    fn delay_after(outcome: &Outcome) -> Duration {
        match Options::default().verdict(&due(1, None), outcome, NOW, 1.0) {
            Verdict::RetryAt(at) => at.since(NOW),
            verdict @ (Verdict::Done | Verdict::Dead | Verdict::Gone) => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn any_2xx_is_success_and_nothing_else() {
        for (status, done) in [(200, true), (204, true), (299, true), (302, false), (410, false)] {
            let verdict =
                Options::default().verdict(&due(1, None), &answered(status, None), NOW, 0.0);
            assert_eq!(verdict == Verdict::Done, done, "{status}");
        }
    }

    #[test]
    fn gone_is_for_good() {
        let verdict = Options::default().verdict(&due(1, None), &answered(410, None), NOW, 0.0);
        assert_eq!(verdict, Verdict::Gone);
    }

    #[test]
    fn retry_after_is_honoured_up_to_the_cap_where_it_means_something() {
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(1_780_000_090));
        for (outcome, seconds) in [
            (answered(503, Some("60")), 60),
            (answered(429, Some(" 61 ")), 61),
            (answered(429, Some(&date)), 90),
            (answered(429, Some("1")), 5),
            (answered(429, Some("999999999999999999999")), 5),
            (answered(429, Some("9999999999")), 7_200),
            (answered(429, Some("Thu, 01 Jan 1970 00:00:00 GMT")), 5),
            (answered(429, Some("soon")), 5),
            (answered(500, Some("60")), 5),
            (answered(301, Some("60")), 5),
            (Outcome::Panicked, 5),
        ] {
            assert_eq!(delay_after(&outcome).as_secs(), seconds, "{outcome:?}");
        }
    }

    #[test]
    fn a_delivery_that_was_asked_for_again_starts_its_backoff_anew() {
        let renewed = DueDelivery { tries: 0, ..due(23, None) };
        let verdict = Options::default().verdict(&renewed, &answered(500, None), NOW, 1.0);
        assert_eq!(verdict, Verdict::RetryAt(NOW.after(Options::default().retry_base)));
    }

    #[test]
    fn a_delivery_is_tried_for_a_day_and_then_dead() {
        let options = Options::default();
        let (mut now, mut attempt) = (NOW, 1);

        let dead_at = loop {
            let first = (attempt > 1).then_some(NOW);
            match options.verdict(&due(attempt, first), &answered(500, None), now, 1.0) {
                Verdict::RetryAt(at) => (now, attempt) = (at, attempt + 1),
                Verdict::Dead => break now,
                Verdict::Done | Verdict::Gone => panic!("it was refused"),
            }
        };

        let tried_for = dead_at.since(NOW);
        assert!(tried_for > Duration::from_hours(22), "{tried_for:?}");
        assert!(tried_for <= options.give_up_after, "{tried_for:?}");
        assert_eq!(attempt, 22);
    }

    proptest! {
        #[test]
        fn a_retry_lies_in_the_future_and_within_the_cap_and_the_day(
            attempt in 1_i64..1_000, hours in 0_u64..30, jitter in 0.0_f64..1.0, asked in any::<u32>()
        ) {
            let options = Options::default();
            let first = NOW.before(Duration::from_hours(hours));
            let asked = asked.to_string();
            let outcome = answered(503, Some(&asked));
            if let Verdict::RetryAt(at) =
                options.verdict(&due(attempt, Some(first)), &outcome, NOW, jitter)
            {
                prop_assert!(at > NOW && at <= NOW.after(options.retry_cap));
                prop_assert!(at <= first.after(options.give_up_after));
            }
        }
    }
}
