//! The outbox worker.
//!
//! # Theory of operation
//!
//! Rows are the queue; being woken is a hint that may be lost, because the poll finds the rows
//! anyway. One loop takes turns: it settles what a `JoinSet` of attempts has concluded, writes their
//! log lines, and leases the next, all in one transaction. A process that dies in between costs a
//! duplicate: the lease runs out and the event is posted again under the same `webhook-id`.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use ramal_domain::{Clock, Timestamp};
use ramal_store::{AttemptRecord, DueDelivery, Settled, Store, StoreError, Verdict};
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{EgressError, Options, egress::Egress, schedule::Outcome, signature};

/// How often a busy database is asked to settle at shutdown, before the lease has to cover.
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

/// An attempt that ended, on its way into the database.
type Concluded = (AttemptRecord, Verdict);

/// What a turn leaves to do.
#[derive(Debug)]
struct Turn {
    leased: Vec<DueDelivery>,
    /// How long to sleep unless something happens.
    pause: Duration,
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
        let mut concluded = Vec::new();
        let mut counted: Option<Instant> = None;
        while !shutdown.is_cancelled() {
            let turn = self.courier.turn(&mut concluded, self.room(in_flight.len())).await;
            for delivery in turn.leased {
                in_flight.spawn(Arc::clone(&self.courier).attempt(delivery));
            }
            if counted.is_none_or(|last| last.elapsed() >= GAUGE_INTERVAL) {
                counted = Some(Instant::now());
                self.courier.count_pending().await;
            }
            // Every branch is cancel-safe. Leasing is not, so it happens above, not here.
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.wake.notified() => {}
                () = sleep(turn.pause) => {}
                Some(ended) = in_flight.join_next() => collect(ended, &mut concluded),
            }
            while let Some(ended) = in_flight.try_join_next() {
                collect(ended, &mut concluded);
            }
        }
        // Each attempt has its own deadline, so this ends; a kill costs a duplicate, not a loss.
        while let Some(ended) = in_flight.join_next().await {
            collect(ended, &mut concluded);
        }
        for _ in 0..SETTLE_TRIES {
            self.courier.turn(&mut concluded, 0).await;
            if concluded.is_empty() {
                break;
            }
            sleep(SETTLE_PAUSE).await;
        }
    }

    fn room(&self, in_flight: usize) -> u32 {
        let in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
        self.courier.options.in_flight_max.get().saturating_sub(in_flight)
    }
}

impl Courier {
    /// Settles what is `concluded` and leases up to `room` deliveries, in one transaction: under
    /// load, one commit serves everything that ended while the one before it was written.
    ///
    /// When the database is busy, what is concluded waits for the next turn and nothing is leased;
    /// if it waits too long, its lease runs out, and the event is posted again.
    async fn turn(&self, concluded: &mut Vec<Concluded>, room: u32) -> Turn {
        match self.try_turn(concluded, room).await {
            Ok((turn, settled)) => {
                report(&settled, concluded.len());
                concluded.clear();
                return turn;
            }
            Err(StoreError::Busy(error)) => {
                tracing::warn!(error = &error as &dyn Error, "the database is busy");
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "the outbox failed");
                // Perhaps it is one of them; the others must not suffer for it.
                self.settle_each(concluded).await;
            }
        }
        Turn { leased: Vec::new(), pause: SETTLE_PAUSE.min(self.options.poll) }
    }

    async fn try_turn(
        &self,
        concluded: &[Concluded],
        room: u32,
    ) -> Result<(Turn, Settled), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut deliveries = tx.deliveries();
        let settled = if concluded.is_empty() {
            Settled::default()
        } else {
            deliveries.settle(concluded, self.options.disable_after).await?
        };
        let leased = if room == 0 {
            Vec::new()
        } else {
            let per_webhook_max = self.options.per_webhook_max.get();
            deliveries.lease_due(now, self.options.lease, room, per_webhook_max).await?
        };
        // Until the next retry is due, but no longer than the poll, which is there for lost
        // wake-ups, expired leases and other processes' events.
        let next = deliveries.next_due(now).await?;
        tx.commit().await?;
        let pause = next.map_or(self.options.poll, |next| next.since(now).min(self.options.poll));
        Ok((Turn { leased, pause }, settled))
    }

    async fn settle_each(&self, concluded: &mut Vec<Concluded>) {
        for attempt in concluded.drain(..) {
            let settle = async {
                let mut tx = self.store.begin().await?;
                let one = std::slice::from_ref(&attempt);
                let settled = tx.deliveries().settle(one, self.options.disable_after).await?;
                tx.commit().await.map(|()| settled)
            };
            match settle.await {
                Ok(settled) => report(&settled, 1),
                Err(error) => tracing::error!(
                    delivery.id = %attempt.0.delivery,
                    error = &error as &dyn Error,
                    "the attempt cannot be settled; the event will be posted again",
                ),
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

    async fn attempt(self: Arc<Self>, delivery: DueDelivery) -> Concluded {
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
            self.conclude(&delivery, outcome, at, duration)
        }
        .instrument(span)
        .await
    }

    async fn post(&self, delivery: &DueDelivery, at: Timestamp) -> Outcome {
        let id = delivery.event.to_string();
        let headers = signature::headers(
            &delivery.secret,
            delivery.old_secret.as_ref(),
            &id,
            at,
            &delivery.body,
        );
        match self.egress.post(&delivery.url, headers, delivery.body.clone()).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(error) => Outcome::Failed(error),
        }
    }

    fn conclude(
        &self,
        delivery: &DueDelivery,
        outcome: Outcome,
        at: Timestamp,
        duration: Duration,
    ) -> Concluded {
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
            Verdict::Dead | Verdict::Gone => {
                tracing::warn!(outcome = outcome.name(), "delivery given up");
            }
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
        (record, verdict)
    }
}

/// Says what came of `tried` attempts to settle.
fn report(settled: &Settled, tried: usize) {
    if settled.count < tried {
        let lost = tried - settled.count;
        tracing::warn!(lost, "deliveries are someone else's by now; nothing was recorded of them");
    }
    for (webhook, reason) in &settled.disabled {
        tracing::warn!(webhook.id = %webhook, reason = reason.name(), "a webhook was set inactive");
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

/// Attempts contain their own panics, so an error is a bug in what surrounds them.
fn collect(ended: Result<Concluded, JoinError>, concluded: &mut Vec<Concluded>) {
    match ended {
        Ok(attempt) => concluded.push(attempt),
        Err(error) => {
            tracing::error!(error = &error as &dyn Error, "an attempt died; its lease runs out");
        }
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
