//! What slow endpoints, crashes, stale workers and shutdown do: nothing is lost, nobody waits for
//! someone else.

use std::time::Duration;

use ramal_domain::Clock as _;
use ramal_store::{AttemptRecord, DueDelivery, LeaseLimits, Redelivery, Verdict};

use tokio::time::Instant;

use crate::{
    receiver::Receiver,
    rig::{Rig, limit, options},
};

/// Leases as a worker would that then dies.
async fn lease(rig: &Rig) -> DueDelivery {
    let mut tx = rig.store.begin().await.unwrap();
    let lease = rig.options.lease;
    let limits = LeaseLimits { lease, runs: 9, unproven: 9, per_webhook: 9, run_length: 9 };
    let due = tx.deliveries().lease_due(rig.clock.now(), &limits).await.unwrap();
    tx.commit().await.unwrap();
    let [delivery] = <[DueDelivery; 1]>::try_from(due.concat()).unwrap();
    delivery
}

async fn settle(rig: &Rig, delivery: &DueDelivery, verdict: Verdict) -> bool {
    let record = AttemptRecord {
        delivery: delivery.id,
        attempt: delivery.attempt,
        webhook: delivery.webhook,
        kind: delivery.kind.clone(),
        url: delivery.url.clone(),
        success: false,
        status: None,
        response: String::new(),
        duration: Duration::ZERO,
        at: rig.clock.now(),
    };
    let mut tx = rig.store.begin().await.unwrap();
    let settled =
        tx.deliveries().settle(&[(record, verdict)], rig.options.disable_after).await.unwrap();
    tx.commit().await.unwrap();
    settled.count == 1
}

#[tokio::test]
async fn an_endpoint_that_never_answers_does_not_delay_another() {
    let mut rig = Rig::new(options()).await;
    let (mut silent, mut lively) = (Receiver::start().await, Receiver::start().await);
    rig.webhook(&silent.url).await;
    rig.webhook(&lively.url).await;
    rig.run();

    rig.event("0").await;
    silent.next().await;
    for index in 1..=20 {
        lively.answer(200).await;
        assert_eq!(lively.next().await.name(), (index - 1).to_string());
        rig.event(&index.to_string()).await;
    }

    assert!(silent.is_idle());
}

/// The limit of the promise: ten thousand wait for a dead endpoint, and all of them are due.
#[tokio::test]
async fn ten_thousand_for_a_dead_endpoint_delay_another_by_no_more_than_a_poll() {
    const BACKLOG: usize = 10_000;
    const EVENTS: usize = 20;
    let mut options = options();
    // What is not due to the poll must come from being woken, well below it.
    options.poll = Duration::from_secs(1);
    let mut rig = Rig::new(options).await;
    let (dead, mut lively) = (Receiver::start().await, Receiver::start().await);
    rig.webhook(&dead.url).await;
    rig.backlog(BACKLOG).await;
    rig.webhook(&lively.url).await;
    rig.run();

    let mut slowest = Duration::ZERO;
    for index in 0..EVENTS {
        lively.answer(200).await;
        let committed = Instant::now();
        rig.event(&index.to_string()).await;
        assert_eq!(lively.next().await.name(), index.to_string());
        slowest = slowest.max(committed.elapsed());
    }

    assert!(slowest <= rig.options.poll, "{slowest:?}");
}

/// More endpoints that hang than there is room for, first new ones, then such as have failed.
#[tokio::test]
async fn any_number_of_endpoints_that_hang_delay_another_by_no_more_than_a_poll() {
    const HUNG: usize = 70;
    let mut options = options();
    options.poll = Duration::from_secs(1);
    options.attempt_timeout = Duration::from_secs(3);
    let mut rig = Rig::new(options).await;
    let (hung, mut lively) = (Receiver::start().await, Receiver::start().await);
    rig.webhook(&lively.url).await;
    rig.run();
    rig.event("first").await;
    lively.next().await;
    lively.answer(200).await;
    let mut webhooks = Vec::new();
    for _ in 0..HUNG {
        webhooks.push(rig.webhook(&hung.url).await);
    }

    for phase in ["new", "failing"] {
        let mut slowest = Duration::ZERO;
        for index in 0..10 {
            lively.answer(200).await;
            let committed = Instant::now();
            rig.event(&index.to_string()).await;
            assert_eq!(lively.next().await.name(), index.to_string());
            slowest = slowest.max(committed.elapsed());
        }
        assert!(slowest <= rig.options.poll, "{phase}: {slowest:?}");
        for webhook in &webhooks {
            rig.settled(*webhook, 1).await;
        }
        rig.advance(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_slow_endpoint_gets_no_more_than_its_share_at_once() {
    let mut options = options();
    options.per_webhook_max = limit(2);
    let mut rig = Rig::new(options).await;
    let (mut slow, mut witness) = (Receiver::start().await, Receiver::start().await);
    let webhook = rig.webhook(&slow.url).await;
    rig.run();
    for name in ["a", "b", "c", "d", "e"] {
        rig.event(name).await;
        slow.next().await;
        slow.answer(500).await;
    }
    rig.settled(webhook, 5).await;

    // One at a time while it fails, then its share.
    rig.advance(Duration::from_secs(5));
    slow.next().await;
    slow.answer(200).await;
    slow.next().await;
    slow.next().await;

    rig.webhook(&witness.url).await;
    rig.event("f").await;
    witness.next().await;
    assert!(slow.is_idle());
    slow.answer(200).await;
    slow.next().await;
}

#[tokio::test]
async fn no_more_attempts_than_the_limit_are_in_flight() {
    let mut options = options();
    (options.in_flight_max, options.per_webhook_max) = (limit(2), limit(1));
    let mut rig = Rig::new(options).await;
    let mut receiver = Receiver::start().await;
    for _ in 0..3 {
        rig.webhook(&receiver.url).await;
    }
    rig.event("zeroth").await;
    rig.run();
    // Who was never tried has half of the room.
    for _ in 0..3 {
        receiver.next().await;
        assert!(tokio::time::timeout(rig.options.poll * 10, receiver.next()).await.is_err());
        receiver.answer(200).await;
    }

    rig.event("first").await;
    receiver.next().await;
    receiver.next().await;
    // The third waits for room: ten polls do not bring it, a settled attempt does.
    let polls = rig.options.poll * 10;
    assert!(tokio::time::timeout(polls, receiver.next()).await.is_err());
    receiver.answer(200).await;
    receiver.next().await;

    receiver.answer(200).await;
    receiver.answer(200).await;
    rig.shutdown.cancel();
    rig.ended().await;
}

#[tokio::test]
async fn shutdown_lets_the_attempt_in_flight_finish() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();
    rig.event("first").await;
    rig.event("second").await;

    receiver.next().await;
    rig.shutdown.cancel();
    receiver.answer(200).await;
    rig.ended().await;

    assert_eq!(rig.log(webhook).await.len(), 1);
    assert_eq!(rig.pending(webhook).await, 1, "nothing new was begun");
    assert!(receiver.is_idle());
}

#[tokio::test]
async fn what_a_crash_left_leased_comes_again_after_the_lease() {
    let mut rig = Rig::new(options()).await;
    let (mut receiver, mut witness) = (Receiver::start().await, Receiver::start().await);
    let webhook = rig.webhook(&receiver.url).await;
    rig.event("first").await;
    let lost = lease(&rig).await;
    rig.event("second").await;
    rig.run();

    rig.webhook(&witness.url).await;
    rig.event("third").await;
    witness.next().await;
    assert!(receiver.is_idle(), "the lease holds, and so does the order");

    rig.advance(rig.options.lease);
    let again = receiver.next().await;
    receiver.answer(200).await;
    assert_eq!(again.header("webhook-id"), lost.event.to_string());
    assert_eq!(again.name(), "first");
    assert_eq!(receiver.next().await.name(), "second");
    let log = rig.settled(webhook, 1).await;
    assert_eq!(log[0].attempt, 2);
}

#[tokio::test]
async fn a_worker_whose_lease_ran_out_cannot_settle() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.event("first").await;
    let stale = lease(&rig).await;
    rig.run();

    rig.advance(rig.options.lease);
    receiver.next().await;
    assert!(!settle(&rig, &stale, Verdict::Dead).await, "while the later attempt runs");
    receiver.answer(200).await;
    rig.settled(webhook, 1).await;

    assert!(!settle(&rig, &stale, Verdict::Dead).await, "and after it");
    assert_eq!(rig.pending(webhook).await, 0);
}

#[tokio::test]
async fn an_attempt_that_outlives_its_lease_records_nothing() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();
    rig.event("first").await;

    receiver.next().await;
    rig.advance(rig.options.lease);
    receiver.next().await;
    receiver.answer(500).await;
    receiver.answer(200).await;
    rig.settled(webhook, 1).await;
    rig.shutdown.cancel();
    rig.ended().await;

    let log = rig.log(webhook).await;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].attempt, log[0].status), (2, Some(200)));
}

#[tokio::test]
async fn what_was_given_up_comes_again_on_request() {
    let mut options = options();
    options.give_up_after = Duration::ZERO;
    let mut rig = Rig::new(options).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    receiver.next().await;
    receiver.answer(500).await;
    let dead = rig.settled(webhook, 1).await.remove(0);
    assert_eq!(rig.pending(webhook).await, 0);

    let mut tx = rig.store.begin().await.unwrap();
    let again = tx.deliveries().redeliver(webhook, dead.delivery, rig.clock.now()).await.unwrap();
    assert_eq!(again, Redelivery::Due);
    tx.commit().await.unwrap();
    assert_eq!(receiver.next().await.header("webhook-id"), dead.event.to_string());
    receiver.answer(200).await;
    assert!(rig.settled(webhook, 2).await.iter().any(|attempt| attempt.success));
}
