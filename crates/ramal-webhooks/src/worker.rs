//! The outbox worker.
//!
//! # Theory of operation
//!
//! Rows are the queue; being woken is a hint that may be lost, because the poll finds the rows
//! anyway. One loop takes turns: it settles what the attempts have concluded, writes their log lines,
//! and leases the next, all in one transaction. A process that dies in between costs a duplicate: the
//! lease runs out and the event is posted again under the same `webhook-id`.
//!
//! First attempts to one webhook keep their order, so they are leased in runs, and each run is posted
//! by one task, one after another. A run ends early, and gives back what it did not come to, when an
//! attempt fails, when it has gone on for [`RUN_MAX`], or when the server stops.
//!
//! A webhook is proven while its last attempt was a quick success. Those that are not, be it that they
//! fail, hang or are new, share half of the slots, one each: however many endpoints hang, the others
//! find the rest.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use ramal_domain::{Clock, DeliveryId, Timestamp};
use ramal_store::{AttemptRecord, DueDelivery, LeaseLimits, Settled, Store, StoreError, Verdict};
use tokio::{
    sync::{
        Notify, OwnedSemaphorePermit, Semaphore,
        mpsc::{self, Sender},
    },
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{EgressError, Options, egress::Egress, schedule::Outcome, signature};

/// How often a busy database is asked to settle at shutdown, before the lease has to cover.
const SETTLE_TRIES: u32 = 3;
/// Most first attempts in one run.
const RUN_LENGTH: u32 = 64;
/// How much news waits for the loop before runs wait for it.
const NEWS_MAX: usize = 1_024;
/// How long a run goes on: then what was changed about its webhook meanwhile is seen.
const RUN_MAX: Duration = Duration::from_millis(500);
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

/// What came of what was leased, on its way into the database.
#[derive(Debug, Default)]
struct Ended {
    /// Attempts that were made.
    attempts: Vec<(AttemptRecord, Verdict)>,
    /// Deliveries that a run did not come to, with the attempts that they would have been.
    unposted: Vec<(DeliveryId, i64)>,
}

impl Ended {
    const fn is_empty(&self) -> bool {
        self.attempts.is_empty() && self.unposted.is_empty()
    }

    fn take_in(&mut self, news: News) {
        match news {
            News::Attempted(record, verdict) => self.attempts.push((*record, verdict)),
            News::Unposted(rest) => {
                self.unposted.extend(rest.iter().map(|due| (due.id, due.attempt)));
            }
        }
    }
}

/// What a run tells the loop.
#[derive(Debug)]
enum News {
    Attempted(Box<AttemptRecord>, Verdict),
    Unposted(Vec<DueDelivery>),
}

/// How many runs there is room for.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    runs: u32,
    /// And how many of them may go to webhooks that are not proven.
    unproven: u32,
}

/// What a turn leaves to do.
#[derive(Debug)]
struct Turn {
    runs: Vec<Vec<DueDelivery>>,
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
        let (tell, mut told) = mpsc::channel(NEWS_MAX);
        let mut running = JoinSet::new();
        let permits = usize::try_from(self.courier.options.unproven_max()).unwrap_or(usize::MAX);
        let unproven = Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let mut ended = Ended::default();
        let mut counted: Option<Instant> = None;
        while !shutdown.is_cancelled() {
            let room = Room {
                runs: self.room(running.len()),
                unproven: u32::try_from(unproven.available_permits()).unwrap_or(u32::MAX),
            };
            let turn = self.courier.turn(&mut ended, room).await;
            for run in turn.runs {
                let (courier, tell) = (Arc::clone(&self.courier), tell.clone());
                // Nobody else takes permits, so there are as many as were leased for.
                let is_proven = run.first().is_some_and(|due| due.proven);
                let permit = (!is_proven).then(|| Arc::clone(&unproven).try_acquire_owned().ok());
                running.spawn(courier.make(run, permit.flatten(), tell, shutdown.clone()));
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
                Some(news) = told.recv() => ended.take_in(news),
                Some(done) = running.join_next() => mourn(&done),
            }
            while let Ok(news) = told.try_recv() {
                ended.take_in(news);
            }
            while let Some(done) = running.try_join_next() {
                mourn(&done);
            }
        }
        // Each attempt has its own deadline, so this ends; a kill costs a duplicate, not a loss.
        while !running.is_empty() {
            tokio::select! {
                Some(news) = told.recv() => ended.take_in(news),
                Some(done) = running.join_next() => mourn(&done),
            }
        }
        while let Ok(news) = told.try_recv() {
            ended.take_in(news);
        }
        for _ in 0..SETTLE_TRIES {
            self.courier.turn(&mut ended, Room::default()).await;
            if ended.is_empty() {
                break;
            }
            sleep(SETTLE_PAUSE).await;
        }
    }

    fn room(&self, running: usize) -> u32 {
        let in_flight = u32::try_from(running).unwrap_or(u32::MAX);
        self.courier.options.in_flight_max.get().saturating_sub(in_flight)
    }
}

impl Courier {
    /// Settles what has `ended` and leases what there is `room` for, in one transaction: under load, one
    /// commit serves everything that ended while the one before it was written.
    ///
    /// When the database is busy, what has ended waits for the next turn and nothing is leased; if it
    /// waits too long, its lease runs out, and the event is posted again.
    async fn turn(&self, ended: &mut Ended, room: Room) -> Turn {
        match self.try_turn(ended, room).await {
            Ok((turn, settled)) => {
                report(&settled, ended.attempts.len());
                *ended = Ended::default();
                return turn;
            }
            Err(StoreError::Busy(error)) => {
                tracing::warn!(error = &error as &dyn Error, "the database is busy");
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "the outbox failed");
                // Perhaps it is one of them; the others must not suffer for it.
                self.settle_each(ended).await;
            }
        }
        Turn { runs: Vec::new(), pause: SETTLE_PAUSE.min(self.options.poll) }
    }

    async fn try_turn(&self, ended: &Ended, room: Room) -> Result<(Turn, Settled), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut deliveries = tx.deliveries();
        let settled = if ended.attempts.is_empty() {
            Settled::default()
        } else {
            deliveries.settle(&ended.attempts, self.options.disable_after).await?
        };
        deliveries.give_back(&ended.unposted).await?;
        let runs = if room.runs == 0 {
            Vec::new()
        } else {
            let limits = LeaseLimits {
                lease: self.options.lease,
                runs: room.runs,
                unproven: room.unproven,
                per_webhook: self.options.per_webhook_max.get(),
                run_length: RUN_LENGTH,
            };
            deliveries.lease_due(now, &limits).await?
        };
        // Until the next retry is due, but no longer than the poll, which is there for lost
        // wake-ups, expired leases and other processes' events.
        let next = deliveries.next_due(now).await?;
        tx.commit().await?;
        let pause = next.map_or(self.options.poll, |next| next.since(now).min(self.options.poll));
        Ok((Turn { runs, pause }, settled))
    }

    async fn settle_each(&self, ended: &mut Ended) {
        let Ended { attempts, unposted } = std::mem::take(ended);
        for attempt in attempts {
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
        let give_back = async {
            let mut tx = self.store.begin().await?;
            tx.deliveries().give_back(&unposted).await?;
            tx.commit().await
        };
        if let Err(error) = give_back.await {
            let error = &error as &dyn Error;
            tracing::error!(error, "deliveries cannot be given back; their lease runs out");
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

    /// Attempts the deliveries of a run, one after another.
    async fn make(
        self: Arc<Self>,
        run: Vec<DueDelivery>,
        _slot: Option<OwnedSemaphorePermit>,
        tell: Sender<News>,
        shutdown: CancellationToken,
    ) {
        let started = Instant::now();
        let mut rest = run.into_iter();
        for delivery in rest.by_ref() {
            let (record, verdict) = self.attempt(&delivery).await;
            // The loop outlives its runs, so somebody listens.
            let _heard = tell.send(News::Attempted(Box::new(record), verdict)).await;
            let over = verdict != Verdict::Done || started.elapsed() >= RUN_MAX;
            if over || shutdown.is_cancelled() {
                break;
            }
        }
        let rest: Vec<_> = rest.collect();
        if !rest.is_empty() {
            let _heard = tell.send(News::Unposted(rest)).await;
        }
    }

    async fn attempt(&self, delivery: &DueDelivery) -> (AttemptRecord, Verdict) {
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
            let outcome = contained(self.post(delivery, at)).await;
            let duration = started.elapsed();
            self.conclude(delivery, outcome, at, duration)
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
    ) -> (AttemptRecord, Verdict) {
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
            kind: delivery.kind.clone(),
            url: delivery.url.clone(),
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
fn mourn(done: &Result<(), JoinError>) {
    if let Err(error) = done {
        tracing::error!(error = error as &dyn Error, "a run died; its leases run out");
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
