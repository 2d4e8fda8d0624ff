//! The outbox worker.
//!
//! # Theory of operation
//!
//! Rows are the queue; being woken is a hint that may be lost, because the poll finds the rows
//! anyway. One loop leases, a `JoinSet` of attempts posts, and each attempt settles its delivery
//! and writes its log line in one transaction. A process that dies in between costs a duplicate:
//! the lease runs out and the event is posted again under the same `webhook-id`.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use ramal_domain::{Clock, Timestamp};
use ramal_store::{AttemptRecord, DueDelivery, Store, StoreError, Verdict};
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{EgressError, Options, egress::Egress, schedule::Outcome, signature};

/// How often a busy database is asked to settle before the lease has to cover.
const SETTLE_TRIES: u32 = 3;
/// Pause between two of these.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// How fresh the gauge of pending deliveries is: counting them reads an index from end to end.
const GAUGE_INTERVAL: Duration = Duration::from_secs(15);

/// Delivers events to webhooks.
#[derive(Debug)]
pub struct Worker {
    courier: Arc<Courier>,
    wake: Arc<Notify>,
}

/// What every attempt shares.
#[derive(Debug)]
struct Courier {
    store: Store,
    clock: Arc<dyn Clock>,
    options: Options,
    egress: Egress,
}

impl Worker {
    /// A worker over `store`. Whoever commits an event notifies `wake`.
    ///
    /// # Errors
    ///
    /// [`EgressError`] when the machine has no trusted certificates.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        options: Options,
        wake: Arc<Notify>,
    ) -> Result<Self, EgressError> {
        let egress = Egress::new(&options)?;
        Ok(Self { courier: Arc::new(Courier { store, clock, options, egress }), wake })
    }

    /// Delivers until `shutdown`, then lets the attempts in flight finish.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut in_flight = JoinSet::new();
        let mut counted: Option<Instant> = None;
        while !shutdown.is_cancelled() {
            let room = self.room(in_flight.len());
            for delivery in self.courier.lease(room).await {
                in_flight.spawn(Arc::clone(&self.courier).attempt(delivery));
            }
            if counted.is_none_or(|last| last.elapsed() >= GAUGE_INTERVAL) {
                counted = Some(Instant::now());
                self.courier.count_pending().await;
            }
            let pause = self.courier.pause().await;
            // Every branch is cancel-safe. Leasing is not, so it happens above, not here.
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.wake.notified() => {}
                () = sleep(pause) => {}
                Some(ended) = in_flight.join_next() => log_panic(ended),
            }
            while let Some(ended) = in_flight.try_join_next() {
                log_panic(ended);
            }
        }
        // Each attempt has its own deadline, so this ends; a kill costs a duplicate, not a loss.
        while let Some(ended) = in_flight.join_next().await {
            log_panic(ended);
        }
    }

    fn room(&self, in_flight: usize) -> u32 {
        let in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
        self.courier.options.in_flight_max.get().saturating_sub(in_flight)
    }
}

impl Courier {
    async fn lease(&self, room: u32) -> Vec<DueDelivery> {
        if room == 0 {
            return Vec::new();
        }
        self.try_lease(room).await.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn Error, "deliveries cannot be leased");
            Vec::new()
        })
    }

    async fn try_lease(&self, room: u32) -> Result<Vec<DueDelivery>, StoreError> {
        let mut tx = self.store.begin().await?;
        let per_webhook_max = self.options.per_webhook_max.get();
        let leased = tx
            .deliveries()
            .lease_due(self.clock.now(), self.options.lease, room, per_webhook_max)
            .await?;
        tx.commit().await?;
        Ok(leased)
    }

    /// How long to sleep unless something happens: until the next retry is due, but no longer than
    /// the poll, which is there for lost wake-ups, expired leases and other processes' events.
    async fn pause(&self) -> Duration {
        let now = self.clock.now();
        let next = async {
            let mut tx = self.store.read().await?;
            tx.deliveries().next_due(now).await
        };
        match next.await {
            Ok(Some(next)) => next.since(now).min(self.options.poll),
            Ok(None) => self.options.poll,
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "the outbox cannot be read");
                self.options.poll
            }
        }
    }

    async fn count_pending(&self) {
        let count = async { self.store.read().await?.deliveries().pending_total().await };
        match count.await {
            Ok(pending) => {
                let pending = f64::from(u32::try_from(pending).unwrap_or(u32::MAX));
                metrics::gauge!("webhooks_pending").set(pending);
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "deliveries cannot be counted");
            }
        }
    }

    async fn attempt(self: Arc<Self>, delivery: DueDelivery) {
        let span = tracing::info_span!(
            "webhooks.attempt",
            delivery.id = %delivery.id,
            event.id = %delivery.event,
            webhook.id = %delivery.webhook,
            attempt = delivery.attempt,
            http.status = Empty,
            duration_ms = Empty,
        );
        async move {
            let (at, started) = (self.clock.now(), Instant::now());
            let outcome = contained(self.post(&delivery, at)).await;
            let duration = started.elapsed();
            self.conclude(&delivery, outcome, at, duration).await;
        }
        .instrument(span)
        .await;
    }

    async fn post(&self, delivery: &DueDelivery, at: Timestamp) -> Outcome {
        let id = delivery.event.to_string();
        let headers = signature::headers(&delivery.secret, &id, at, &delivery.body);
        match self.egress.post(&delivery.url, headers, delivery.body.clone()).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn conclude(
        &self,
        delivery: &DueDelivery,
        outcome: Outcome,
        at: Timestamp,
        duration: Duration,
    ) {
        let status = outcome.status().map(|status| status.as_u16());
        Span::current()
            .record("http.status", status)
            .record("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        metrics::counter!("webhooks_attempts_total", "outcome" => outcome.name()).increment(1);
        let verdict =
            self.options.verdict(delivery, &outcome, self.clock.now(), rand::random::<f64>());
        match verdict {
            Verdict::Done => tracing::debug!("delivered"),
            Verdict::RetryAt(at) => {
                tracing::info!(outcome = outcome.name(), retry_at = %at, "not delivered yet");
            }
            Verdict::Dead => tracing::warn!(outcome = outcome.name(), "delivery given up"),
        }
        let record = AttemptRecord {
            delivery: delivery.id,
            attempt: delivery.attempt,
            webhook: delivery.webhook,
            success: outcome.success(),
            status,
            response: outcome.into_response(),
            duration,
            at,
        };
        self.settle(&record, verdict).await;
    }

    /// Settles and logs, patiently: what is not settled is posted again when the lease runs out.
    async fn settle(&self, record: &AttemptRecord, verdict: Verdict) {
        for tries_left in (0..SETTLE_TRIES).rev() {
            match self.try_settle(record, verdict).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!("the delivery is someone else's by now; nothing was recorded");
                    return;
                }
                Err(StoreError::Busy(_)) if tries_left > 0 => sleep(SETTLE_PAUSE).await,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn Error,
                        "the attempt cannot be settled; the event will be posted again",
                    );
                    return;
                }
            }
        }
    }

    async fn try_settle(
        &self,
        record: &AttemptRecord,
        verdict: Verdict,
    ) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let ours = tx.deliveries().settle(record.delivery, record.attempt, verdict).await?;
        if ours {
            tx.deliveries().record(record).await?;
        }
        tx.commit().await?;
        Ok(ours)
    }
}

/// Turns a panic into an outcome, so that it is retried and given up like any other failure.
async fn contained(post: impl Future<Output = Outcome>) -> Outcome {
    AssertUnwindSafe(post).catch_unwind().await.unwrap_or_else(|_payload| {
        // The panic hook has printed what it was.
        tracing::error!("an attempt panicked");
        Outcome::Panicked
    })
}

/// Attempts contain their own panics, so this speaks up only when settling did.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn Error, "an attempt died; its lease runs out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_an_attempt_is_a_failed_attempt() {
        let outcome = contained(async { panic!("a bug") }).await;

        assert!(matches!(outcome, Outcome::Panicked));
        assert!(!outcome.success());
    }
}
