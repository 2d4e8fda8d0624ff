//! The outbox: leases, order, fencing, the log.

use std::{collections::BTreeSet, time::Duration};

use ramal_domain::{
    DeliveryId, EventKind, NumberId, TenantId, Timestamp, WebhookId, WebhookSecret,
};
use ramal_store::{
    AttemptRecord, Dialect, DisabledReason, DueDelivery, LeaseLimits, Missed, Redelivery, Replayed,
    Store, Verdict, Webhook, WebhookChange,
};

use crate::{
    db::Db,
    scene::{NOW, SECRET, at, committed, event, happen, number, read, tenant, webhook},
};

on_both_databases! {
    what_is_due_is_leased_once_with_all_that_it_needs,
    an_event_dated_ahead_of_our_clock_is_due_at_once,
    first_attempts_to_a_webhook_are_leased_one_by_one_in_order,
    a_run_is_the_front_of_a_line_in_order,
    what_a_run_did_not_come_to_is_given_back_and_keeps_its_place,
    a_retry_waits_alone,
    a_first_attempt_that_a_crash_cut_short_keeps_its_place,
    leases_of_a_dead_process_are_released_at_the_next_start,
    a_webhook_gets_no_more_than_its_share,
    who_has_not_proven_itself_has_one_slot_and_all_of_them_no_more_than_their_share,
    a_lease_takes_no_more_than_its_limit_and_serves_the_longest_waiting_first,
    a_paused_webhook_waits,
    a_stale_attempt_settles_nothing,
    a_settled_attempt_is_settled_once,
    a_deleted_webhook_takes_its_deliveries_along,
    another_master_key_leases_nothing_and_fails_nobody,
    attempts_are_logged_newest_first_and_by_kind,
    the_log_dates_the_webhook_and_never_back,
    the_next_due_time_is_told,
    what_is_settled_can_be_delivered_again,
    old_events_are_purged_but_not_what_is_pending_or_was_tried_since,
    a_receiver_that_is_gone_gets_nothing_more,
    a_webhook_that_fails_only_is_set_inactive_in_the_end,
    a_rarely_used_webhook_that_fails_only_is_set_inactive_as_well,
    what_was_changed_since_is_not_judged_by_earlier_attempts,
    a_batch_settles_each_on_its_own,
    a_rotated_secret_signs_beside_the_new_one_for_a_while,
    what_was_missed_is_replayed_in_order_under_the_same_ids,
    what_is_no_longer_missed_is_not_replayed,
    a_long_history_is_searched_to_its_end,
    an_event_can_be_for_one_webhook_only,
    a_backlog_slows_no_lease_down,
    concurrent_leasers_never_lease_the_same,
    leases_that_are_not_committed_hold_against_others,
}

const LEASE: Duration = Duration::from_mins(1);
const FAILING_MAX: Duration = Duration::from_hours(5 * 24);

/// A number with webhooks that subscribe to everything.
struct Outbox {
    tenant: TenantId,
    number: NumberId,
    hooks: Vec<WebhookId>,
}

impl Outbox {
    async fn new(store: &Store, hooks: usize) -> Self {
        let tenant = tenant(store).await;
        let (number, _) = number(store, tenant, 1).await;
        let mut outbox = Self { tenant, number, hooks: Vec::new() };
        for _ in 0..hooks {
            outbox.hooks.push(webhook(store, tenant, number, &["*"]).await);
        }
        outbox
    }

    async fn happen(&self, store: &Store, count: usize) {
        for _ in 0..count {
            happen(store, self.tenant, self.number, EventKind::NumberConnected, NOW).await;
        }
    }

    /// Of its first webhook, within seconds of the case.
    fn missed<'a>(&self, kinds: &'a [EventKind], since: i64, until: i64) -> Missed<'a> {
        let (webhook, tenant, number) = (self.hooks[0], self.tenant, self.number);
        Missed { webhook, tenant, number, kinds, since: at(since), until: at(until) }
    }

    async fn pending(&self, store: &Store) -> u64 {
        read!(store, |tx| tx.deliveries().pending(self.hooks[0]))
    }
}

async fn lease(store: &Store, now: Timestamp) -> Vec<DueDelivery> {
    lease_most(store, now, 100, 100).await
}

async fn lease_runs(
    store: &Store,
    now: Timestamp,
    runs: u32,
    per_webhook: u32,
    run_length: u32,
) -> Vec<Vec<DueDelivery>> {
    let limits = LeaseLimits { lease: LEASE, runs, unproven: runs, per_webhook, run_length };
    committed!(store, |tx| tx.deliveries().lease_due(now, &limits))
}

async fn lease_most(store: &Store, now: Timestamp, limit: u32, each: u32) -> Vec<DueDelivery> {
    lease_runs(store, now, limit, each, 1).await.concat()
}

fn record(due: &DueDelivery, success: bool, at: Timestamp) -> AttemptRecord {
    AttemptRecord {
        delivery: due.id,
        attempt: due.attempt,
        webhook: due.webhook,
        kind: due.kind.clone(),
        url: due.url.clone(),
        success,
        status: success.then_some(204),
        response: "fine\0".to_owned(),
        duration: Duration::from_millis(7),
        at,
    }
}

/// Settles and logs as the worker does.
pub(crate) async fn settle(
    store: &Store,
    due: &DueDelivery,
    verdict: Verdict,
    now: Timestamp,
) -> bool {
    let record = record(due, verdict == Verdict::Done, now);
    committed!(store, |tx| tx.deliveries().settle(&[(record, verdict)], FAILING_MAX)).count == 1
}

async fn what_is_due_is_leased_once_with_all_that_it_needs(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    let event = happen(&store, outbox.tenant, outbox.number, EventKind::NumberConnected, NOW).await;

    let leased = lease(&store, at(1)).await;

    assert_eq!(leased.len(), 1);
    let due = &leased[0];
    assert_eq!((due.event, due.webhook, due.attempt), (event.id, outbox.hooks[0], 1));
    assert_eq!((due.url.as_str(), due.secret.expose()), ("https://hooks.example.com/", SECRET));
    assert_eq!((&due.body, due.created_at, due.first_tried_at), (&event.body, NOW, None));
    assert_eq!(lease(&store, at(60)).await.len(), 0, "the lease holds");
    let again = lease(&store, at(61)).await;
    assert_eq!((again[0].id, again[0].attempt), (due.id, 2), "and runs out");
}

async fn leases_of_a_dead_process_are_released_at_the_next_start(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    for kind in [EventKind::NumberConnected, EventKind::NumberDisconnected] {
        happen(&store, outbox.tenant, outbox.number, kind, NOW).await;
    }
    let cut_short = lease(&store, NOW).await;
    assert_eq!(lease(&store, at(1)).await.len(), 0);

    assert_eq!(committed!(store, |tx| tx.deliveries().release_leases()), 1);

    let again = lease(&store, at(1)).await;
    assert_eq!(
        again.iter().map(|due| (due.id, due.attempt)).collect::<Vec<_>>(),
        [(cut_short[0].id, 2)]
    );
    assert!(!settle(&store, &cut_short[0], Verdict::Done, at(2)).await, "the dead one is fenced");
    assert!(settle(&store, &again[0], Verdict::Done, at(2)).await);
    assert_eq!(lease(&store, at(2)).await.len(), 1, "the next in line");
    assert_eq!(committed!(store, |tx| tx.deliveries().release_leases()), 1);
}

async fn an_event_dated_ahead_of_our_clock_is_due_at_once(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    let received = EventKind::MessageReceived;
    let event = happen(&store, outbox.tenant, outbox.number, received, at(600)).await;

    let due = lease(&store, NOW).await.remove(0);
    assert_eq!((due.event, due.created_at), (event.id, at(600)));
}

async fn first_attempts_to_a_webhook_are_leased_one_by_one_in_order(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 2).await;
    let mut events = Vec::new();
    for kind in [EventKind::NumberConnected, EventKind::NumberDisconnected, EventKind::MessageSent]
    {
        events.push(happen(&store, outbox.tenant, outbox.number, kind, NOW).await.id);
    }

    for event in events {
        let leased = lease(&store, NOW).await;
        assert_eq!(leased.iter().map(|due| due.event).collect::<Vec<_>>(), [event, event]);
        assert_ne!(leased[0].webhook, leased[1].webhook);
        assert_eq!(lease(&store, NOW).await.len(), 0, "one first attempt at a time");
        for due in &leased {
            // Refused or not, the next one follows.
            assert!(settle(&store, due, Verdict::RetryAt(at(30)), NOW).await);
        }
    }
}

async fn a_run_is_the_front_of_a_line_in_order(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 2).await;
    outbox.happen(&store, 5).await;

    let mut runs = lease_runs(&store, NOW, 9, 1, 3).await;
    assert_eq!(lease_runs(&store, NOW, 9, 1, 3).await.len(), 0, "both lines are being served");

    runs.sort_by_key(|run| run[0].webhook);
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
    let mut told = BTreeSet::new();
    for run in &runs {
        assert!(run.iter().all(|due| due.webhook == run[0].webhook));
        told.insert(run.iter().map(|due| due.event).collect::<Vec<_>>());
    }
    assert_eq!(told.len(), 1, "the same events in the same order");
    for due in runs.concat() {
        assert!(settle(&store, &due, Verdict::Done, NOW).await);
    }
    let rest = lease_runs(&store, NOW, 9, 1, 9).await;
    assert_eq!(rest.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}

async fn what_a_run_did_not_come_to_is_given_back_and_keeps_its_place(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 4).await;
    let run = lease_runs(&store, NOW, 9, 9, 3).await.concat();
    assert!(settle(&store, &run[0], Verdict::RetryAt(at(60)), NOW).await);

    let unposted: Vec<_> = run[1..].iter().map(|due| (due.id, due.attempt)).collect();
    committed!(store, |tx| tx.deliveries().give_back(&unposted));

    let next = lease_runs(&store, NOW, 9, 9, 3).await.concat();
    assert_eq!(next[..2].iter().map(|due| due.id).collect::<Vec<_>>(), [run[1].id, run[2].id]);
    assert!(next.iter().all(|due| due.attempt == 1), "nobody tried them");
    // Someone else's by now: a lease that ran out is not given back.
    let stale = [(next[0].id, 0)];
    committed!(store, |tx| tx.deliveries().give_back(&stale));
    assert_eq!(lease_runs(&store, NOW, 9, 9, 3).await.len(), 0);
}

async fn a_retry_waits_alone(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 2).await;
    let first = lease(&store, NOW).await.remove(0);
    settle(&store, &first, Verdict::RetryAt(at(30)), NOW).await;

    let second = lease(&store, at(1)).await.remove(0);
    assert_ne!(second.id, first.id);
    assert_eq!(lease(&store, at(30)).await.len(), 0, "one slot while it fails");
    settle(&store, &second, Verdict::Done, at(30)).await;
    let retry = lease(&store, at(30)).await.remove(0);
    assert_eq!((retry.id, retry.attempt, retry.first_tried_at), (first.id, 2, Some(NOW)));

    // A retry in flight, even one cut short, holds up no first attempt.
    outbox.happen(&store, 1).await;
    assert_eq!(lease(&store, at(32)).await.len(), 1);
}

async fn a_first_attempt_that_a_crash_cut_short_keeps_its_place(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 2).await;
    let lost = lease(&store, NOW).await.remove(0);

    for attempt in 2..4 {
        let now = at(60 * (attempt - 1));
        let again = lease(&store, now).await;
        assert_eq!(again.iter().map(|due| due.id).collect::<Vec<_>>(), [lost.id]);
        assert_eq!(again[0].attempt, attempt);
    }
}

async fn a_webhook_gets_no_more_than_its_share(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 5).await;
    for _ in 0..5 {
        let first = lease(&store, NOW).await.remove(0);
        settle(&store, &first, Verdict::RetryAt(at(30)), NOW).await;
    }

    let leased = lease_most(&store, at(30), 100, 3).await;
    assert_eq!(leased.len(), 1, "it fails");
    assert_eq!(lease_most(&store, at(30), 100, 3).await.len(), 0);
    settle(&store, &leased[0], Verdict::Done, at(31)).await;
    let leased = lease_most(&store, at(31), 100, 3).await;
    assert_eq!(leased.len(), 3, "it has proven itself");
    assert_eq!(lease_most(&store, at(31), 100, 3).await.len(), 0);
    settle(&store, &leased[0], Verdict::Done, at(32)).await;
    assert_eq!(lease_most(&store, at(32), 100, 3).await.len(), 1);
    // Leases that ran out no longer count.
    assert_eq!(lease_most(&store, at(92), 100, 3).await.len(), 3);
}

async fn who_has_not_proven_itself_has_one_slot_and_all_of_them_no_more_than_their_share(
    Db { store, .. }: Db,
) {
    let outbox = Outbox::new(&store, 1).await;
    let proven = outbox.hooks[0];
    outbox.happen(&store, 1).await;
    let due = lease(&store, NOW).await.remove(0);
    assert!(!due.proven, "it was never tried");
    settle(&store, &due, Verdict::Done, NOW).await;
    for _ in 0..4 {
        webhook(&store, outbox.tenant, outbox.number, &["*"]).await;
    }
    let most =
        |runs| LeaseLimits { lease: LEASE, runs, unproven: 2, per_webhook: 9, run_length: 1 };
    let lease = async |limits, now| {
        let leased = committed!(store, |tx| tx.deliveries().lease_due(now, &limits)).concat();
        let is_proven = |due: &&DueDelivery| due.proven;
        assert_eq!(leased.iter().filter(is_proven).count(), usize::from(!leased.is_empty()));
        (leased.len(), leased.into_iter().find(|due| due.proven))
    };

    outbox.happen(&store, 1).await;
    let (count, due) = lease(most(9), at(1)).await;
    assert_eq!(count, 3, "of five, the proven one and two others");
    let due = due.unwrap();
    assert_eq!(due.webhook, proven);
    // A success that took long proves nothing.
    let slow = AttemptRecord { duration: Duration::from_secs(5), ..record(&due, true, at(1)) };
    committed!(store, |tx| tx.deliveries().settle(&[(slow, Verdict::Done)], FAILING_MAX));
    outbox.happen(&store, 1).await;
    let leased = lease_most(&store, at(2), 100, 9).await;
    assert!(leased.iter().all(|due| !due.proven), "{leased:?}");
    let due = leased.into_iter().find(|due| due.webhook == proven).unwrap();
    settle(&store, &due, Verdict::Done, at(2)).await;
    outbox.happen(&store, 1).await;
    assert!(lease(most(1), at(3)).await.1.is_some());
}

async fn a_lease_takes_no_more_than_its_limit_and_serves_the_longest_waiting_first(
    Db { store, .. }: Db,
) {
    let outbox = Outbox::new(&store, 3).await;
    outbox.happen(&store, 3).await;

    assert_eq!(lease_most(&store, NOW, 0, 100).await.len(), 0);
    let mut served = Vec::new();
    for second in 0..6 {
        let leased = lease_most(&store, at(second), 1, 100).await;
        assert_eq!(leased.len(), 1);
        settle(&store, &leased[0], Verdict::Done, at(second)).await;
        served.push(leased[0].webhook);
    }
    assert_eq!(served[..3].iter().collect::<BTreeSet<_>>().len(), 3, "everyone has a turn");
    assert_eq!(served[..3], served[3..], "and then again");
}

async fn a_paused_webhook_waits(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 1).await;
    let switch = |active| WebhookChange { active: Some(active), ..WebhookChange::default() };
    let (tenant, hook) = (outbox.tenant, outbox.hooks[0]);

    committed!(store, |tx| tx.webhooks().change(tenant, hook, &switch(false), NOW));
    assert_eq!(lease(&store, at(1)).await.len(), 0);
    assert_eq!(outbox.pending(&store).await, 1);
    committed!(store, |tx| tx.webhooks().change(tenant, hook, &switch(true), NOW));
    assert_eq!(lease(&store, at(1)).await.len(), 1);
}

async fn a_stale_attempt_settles_nothing(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 1).await;
    let stale = lease(&store, NOW).await.remove(0);
    let current = lease(&store, at(60)).await.remove(0);

    for verdict in [Verdict::Done, Verdict::Dead, Verdict::RetryAt(NOW)] {
        assert!(!settle(&store, &stale, verdict, at(61)).await);
    }
    assert_eq!(outbox.pending(&store).await, 1);
    assert_eq!(lease(&store, at(61)).await.len(), 0, "the current lease still holds");
    assert!(settle(&store, &current, Verdict::Done, at(61)).await);
    assert!(!settle(&store, &stale, Verdict::RetryAt(NOW), at(62)).await);
    assert_eq!(outbox.pending(&store).await, 0);
}

async fn a_settled_attempt_is_settled_once(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 1).await;
    let due = lease(&store, NOW).await.remove(0);

    assert!(settle(&store, &due, Verdict::RetryAt(at(5)), NOW).await);
    assert!(!settle(&store, &due, Verdict::Done, NOW).await);
    assert_eq!(outbox.pending(&store).await, 1);
    let due = DueDelivery { id: DeliveryId::mint(), ..due };
    assert!(!settle(&store, &due, Verdict::Done, NOW).await);
}

async fn a_deleted_webhook_takes_its_deliveries_along(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 2).await;
    let first = lease(&store, NOW).await.remove(0);
    settle(&store, &first, Verdict::Done, NOW).await;
    let second = lease(&store, NOW).await.remove(0);

    committed!(store, |tx| tx.webhooks().delete(outbox.tenant, outbox.hooks[0], NOW));

    outbox.happen(&store, 1).await;
    assert_eq!(lease(&store, at(99)).await.len(), 0, "nothing is added, nothing is tried");
    // In batches, so that nobody waits for the end of a long history.
    assert_eq!(committed!(store, |tx| tx.deliveries().sweep_deleted(1)), 1);
    assert_eq!(committed!(store, |tx| tx.deliveries().sweep_deleted(1)), 1);
    assert_eq!(committed!(store, |tx| tx.deliveries().sweep_deleted(1)), 0);
    assert!(!settle(&store, &second, Verdict::Done, NOW).await);
    assert_eq!(read!(store, |tx| tx.deliveries().log(outbox.hooks[0], None, 50)).len(), 0);
    assert_eq!(read!(store, |tx| tx.deliveries().pending_total()), 0);
}

async fn another_master_key_leases_nothing_and_fails_nobody(db: Db) {
    let outbox = Outbox::new(&db.store, 1).await;
    outbox.happen(&db.store, 1).await;
    let stranger = db.with_another_key().await;

    assert_eq!(lease(&stranger, NOW).await.len(), 0);
    assert_eq!(lease(&db.store, NOW).await[0].attempt, 1, "and costs no attempt");
}

async fn attempts_are_logged_newest_first_and_by_kind(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 2).await;
    let hook = outbox.hooks[0];
    for (seconds, kind) in [(0, EventKind::NumberConnected), (1, EventKind::MessageSent)] {
        happen(&store, outbox.tenant, outbox.number, kind, at(seconds)).await;
        for due in lease(&store, at(seconds)).await {
            settle(&store, &due, Verdict::RetryAt(at(2)), at(seconds)).await;
        }
    }
    for _ in 0..2 {
        for due in lease(&store, at(2)).await {
            settle(&store, &due, Verdict::Done, at(2)).await;
        }
    }

    let log = read!(store, |tx| tx.deliveries().log(hook, None, 50));
    let lines: Vec<_> = log.iter().map(|a| (a.kind.name(), a.attempt, a.status)).collect();
    assert_eq!(
        lines,
        [
            ("message.sent", 2, Some(204)),
            ("number.connected", 2, Some(204)),
            ("message.sent", 1, None),
            ("number.connected", 1, None),
        ]
    );
    assert_eq!((log[0].success, log[2].success), (true, false));
    assert_eq!((log[0].response.as_str(), log[0].duration.as_millis()), ("fine\u{fffd}", 7));
    assert_eq!((log[0].at, log[0].delivery), (at(2), log[2].delivery));
    assert!(log[0].payload.contains("message.sent"));
    assert_ne!(log[0].event, log[1].event);
    let sent = EventKind::MessageSent;
    assert_eq!(read!(store, |tx| tx.deliveries().log(hook, Some(sent), 50)).len(), 2);
    assert_eq!(read!(store, |tx| tx.deliveries().log(hook, Some(sent), 1)).len(), 1);
    assert_eq!(read!(store, |tx| tx.deliveries().log(WebhookId::mint(), None, 50)).len(), 0);
}

async fn the_log_dates_the_webhook_and_never_back(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 2).await;
    for (now, noted) in [(at(9), at(9)), (at(5), at(9))] {
        let due = lease(&store, NOW).await.remove(0);
        settle(&store, &due, Verdict::Done, now).await;
        let hook = read!(store, |tx| tx.webhooks().find(outbox.tenant, outbox.hooks[0])).unwrap();
        assert_eq!((hook.last_triggered_at, hook.updated_at), (Some(noted), NOW));
    }
}

async fn the_next_due_time_is_told(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    assert_eq!(read!(store, |tx| tx.deliveries().next_due(NOW)), None);
    outbox.happen(&store, 2).await;
    for seconds in [30, 20] {
        let due = lease(&store, NOW).await.remove(0);
        settle(&store, &due, Verdict::RetryAt(at(seconds)), NOW).await;
    }

    assert_eq!(read!(store, |tx| tx.deliveries().next_due(NOW)), Some(at(20)));
    assert_eq!(read!(store, |tx| tx.deliveries().next_due(at(20))), Some(at(30)));
    assert_eq!(read!(store, |tx| tx.deliveries().next_due(at(30))), None);
}

async fn what_is_settled_can_be_delivered_again(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 2).await;
    outbox.happen(&store, 1).await;
    let mut leased = lease(&store, NOW).await;
    let (done, other) = (leased.remove(0), leased.remove(0));
    settle(&store, &done, Verdict::Done, NOW).await;
    let again = async |hook, id| committed!(store, |tx| tx.deliveries().redeliver(hook, id, at(5)));

    assert_eq!(again(other.webhook, done.id).await, Redelivery::Unknown, "someone else's webhook");
    assert_eq!(again(other.webhook, other.id).await, Redelivery::Pending);
    assert_eq!(again(done.webhook, DeliveryId::mint()).await, Redelivery::Unknown);
    assert_eq!(again(done.webhook, done.id).await, Redelivery::Due);

    assert_eq!(lease(&store, at(4)).await.len(), 0);
    let redelivered = lease(&store, at(5)).await.remove(0);
    assert_eq!((redelivered.id, redelivered.attempt, redelivered.tries), (done.id, 2, 0));
    assert_eq!(redelivered.first_tried_at, None, "it is tried for as long as a new one");
    assert!(!settle(&store, &done, Verdict::Dead, at(6)).await, "the first attempt is history");
    assert!(settle(&store, &redelivered, Verdict::RetryAt(at(9)), at(6)).await);
    let retry = lease(&store, at(9)).await.remove(0);
    assert_eq!((retry.first_tried_at, retry.tries), (Some(at(6)), 1));
}

async fn old_events_are_purged_but_not_what_is_pending_or_was_tried_since(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    let hook = outbox.hooks[0];
    outbox.happen(&store, 3).await;
    for (verdict, seconds) in
        [(Verdict::Done, 1), (Verdict::RetryAt(at(999)), 2), (Verdict::Dead, 50)]
    {
        let due = lease(&store, at(seconds)).await.remove(0);
        settle(&store, &due, verdict, at(seconds)).await;
    }
    let purge = async |before, limit| committed!(store, |tx| tx.deliveries().purge(before, limit));

    assert_eq!(purge(NOW, 100).await, 0, "not older than that");
    assert_eq!(purge(at(10), 100).await, 1);

    let left = read!(store, |tx| tx.deliveries().log(hook, None, 50));
    assert_eq!(left.iter().map(|attempt| attempt.at).collect::<Vec<_>>(), [at(50), at(2)]);
    assert_eq!(purge(at(51), 100).await, 1);
    assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), 1);
    assert_eq!(lease(&store, at(999)).await.remove(0).first_tried_at, Some(at(2)));
    // Nobody was told of these, and they go as well, no more than the limit at once.
    committed!(store, |tx| tx.webhooks().delete(outbox.tenant, hook, at(999)));
    assert_eq!(committed!(store, |tx| tx.deliveries().sweep_deleted(9)), 1);
    outbox.happen(&store, 2).await;
    assert_eq!(purge(at(9_999), 2).await, 2);
    assert_eq!(purge(at(9_999), 2).await, 1);
    assert_eq!(read!(store, |tx| tx.events().kinds_of(outbox.number)), []);
}

/// The webhook as it is stored.
async fn stored(store: &Store, outbox: &Outbox) -> Webhook {
    read!(store, |tx| tx.webhooks().find(outbox.tenant, outbox.hooks[0])).unwrap()
}

async fn a_receiver_that_is_gone_gets_nothing_more(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    outbox.happen(&store, 2).await;
    let due = lease(&store, NOW).await.remove(0);
    settle(&store, &due, Verdict::Gone, at(1)).await;

    let hook = stored(&store, &outbox).await;
    assert_eq!((hook.active, hook.disabled), (false, Some(DisabledReason::Gone)));
    let log = read!(store, |tx| tx.deliveries().log(hook.id, None, 50));
    assert!(log[0].note.as_deref().unwrap().contains("410 Gone"), "{:?}", log[0]);
    assert_eq!(lease(&store, at(2)).await.len(), 0);
    outbox.happen(&store, 1).await;
    assert_eq!(outbox.pending(&store).await, 1, "one waits, nothing is added");

    // Nothing waits for ever.
    let give_up =
        async |before| committed!(store, |tx| tx.deliveries().give_up_inactive(before, 9));
    assert_eq!(give_up(at(1)).await, 0);
    assert_eq!(give_up(at(2)).await, 1);
    assert_eq!(outbox.pending(&store).await, 0);
    let on = WebhookChange { active: Some(true), ..WebhookChange::default() };
    committed!(store, |tx| tx.webhooks().change(outbox.tenant, hook.id, &on, at(3)));
    let hook = stored(&store, &outbox).await;
    assert_eq!((hook.active, hook.disabled), (true, None));
    outbox.happen(&store, 1).await;
    assert_eq!(give_up(at(999)).await, 0, "it is active");
    assert_eq!(lease(&store, at(4)).await.len(), 1);
}

async fn a_webhook_that_fails_only_is_set_inactive_in_the_end(Db { store, .. }: Db) {
    const HOUR: i64 = 3_600;
    let outbox = Outbox::new(&store, 1).await;
    let attempt = async |hours: i64, verdict| {
        outbox.happen(&store, 1).await;
        let due = lease(&store, at(hours * HOUR)).await.remove(0);
        assert!(settle(&store, &due, verdict, at(hours * HOUR)).await);
        stored(&store, &outbox).await.active
    };

    // A quiet week between two failures is not a week of failing.
    assert!(attempt(0, Verdict::Dead).await);
    assert!(attempt(200, Verdict::Dead).await);
    for hours in (220..=300).step_by(20) {
        assert!(attempt(hours, Verdict::Dead).await, "{hours}");
    }
    // One success is a new start.
    assert!(attempt(319, Verdict::Done).await);
    for hours in (320..=430).step_by(22) {
        assert!(attempt(hours, Verdict::Dead).await, "{hours}");
    }
    assert!(!attempt(440, Verdict::Dead).await, "five days after the first failure");

    let hook = stored(&store, &outbox).await;
    assert_eq!(hook.disabled, Some(DisabledReason::Failing));
    let log = read!(store, |tx| tx.deliveries().log(hook.id, None, 50));
    assert!(log[0].note.as_deref().unwrap().contains("every attempt has failed"), "{:?}", log[0]);
    assert!(log[1].note.is_none());
}

async fn a_rarely_used_webhook_that_fails_only_is_set_inactive_as_well(Db { store, .. }: Db) {
    const DAY: i64 = 24 * 3_600;
    let outbox = Outbox::new(&store, 1).await;
    for (days, active) in [(0, true), (4, true), (8, false)] {
        outbox.happen(&store, 1).await;
        let due = lease(&store, at(days * DAY)).await.remove(0);
        settle(&store, &due, Verdict::Dead, at(days * DAY)).await;
        assert_eq!(stored(&store, &outbox).await.active, active, "{days}");
    }
}

async fn what_was_changed_since_is_not_judged_by_earlier_attempts(Db { store, .. }: Db) {
    const WEEK: i64 = 7 * 24 * 3_600;
    let outbox = Outbox::new(&store, 1).await;
    let change = async |change: WebhookChange, now| {
        let (tenant, hook) = (outbox.tenant, outbox.hooks[0]);
        committed!(store, |tx| tx.webhooks().change(tenant, hook, &change, now));
    };
    let moved = |url: &str| WebhookChange { url: Some(url.to_owned()), ..WebhookChange::default() };
    let switch = |active| WebhookChange { active: Some(active), ..WebhookChange::default() };
    let next = async |now| {
        outbox.happen(&store, 1).await;
        lease(&store, now).await.remove(0)
    };

    // Moved while an attempt is on its way: it goes to the new address next.
    let due = next(NOW).await;
    change(moved("https://new.example.com/"), at(1)).await;
    assert!(settle(&store, &due, Verdict::Gone, NOW).await);
    let again = lease(&store, at(2)).await.remove(0);
    assert_eq!((again.id, again.url.as_str()), (due.id, "https://new.example.com/"));
    // Leased before, made after: the address tells.
    change(moved("https://newer.example.com/"), at(3)).await;
    assert!(settle(&store, &again, Verdict::Gone, at(4)).await);
    let again = lease(&store, at(5)).await.remove(0);
    assert!(settle(&store, &again, Verdict::Done, at(5)).await);

    // A streak ends with the address, and the old one's successes do not help the new one.
    let failed = next(at(6)).await;
    settle(&store, &failed, Verdict::Dead, at(6)).await;
    let old = next(at(WEEK)).await;
    change(moved("https://newest.example.com/"), at(WEEK + 1)).await;
    settle(&store, &old, Verdict::Dead, at(WEEK)).await;
    assert!(stored(&store, &outbox).await.active);
    let old = next(at(WEEK + 2)).await;
    change(moved("https://last.example.com/"), at(WEEK + 3)).await;
    settle(&store, &old, Verdict::Done, at(WEEK + 2)).await;
    let due = next(at(WEEK + 4)).await;
    assert!(!due.proven);

    // Activated again while an attempt from before is on its way.
    change(switch(false), at(WEEK + 5)).await;
    change(switch(true), at(WEEK + 6)).await;
    assert!(settle(&store, &due, Verdict::Gone, at(WEEK + 4)).await);
    assert!(stored(&store, &outbox).await.active);
    let due = lease(&store, at(WEEK + 7)).await.remove(0);
    assert!(settle(&store, &due, Verdict::Gone, at(WEEK + 7)).await);
    assert!(!stored(&store, &outbox).await.active, "this one counts");
}

async fn a_batch_settles_each_on_its_own(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 5).await;
    outbox.happen(&store, 1).await;
    let leased = lease(&store, NOW).await;
    assert_eq!(leased.len(), 5);
    let mut batch: Vec<_> =
        leased.iter().map(|due| (record(due, true, NOW), Verdict::Done)).collect();
    // Settled before; refused; someone else's by now; and twice in one batch.
    assert!(settle(&store, &leased[0], Verdict::Done, NOW).await);
    batch[1] = (record(&leased[1], false, NOW), Verdict::RetryAt(at(30)));
    batch[2].0.attempt = 7;
    batch.push(batch[3].clone());

    let settled = committed!(store, |tx| tx.deliveries().settle(&batch, FAILING_MAX));

    assert_eq!((settled.count, settled.disabled), (3, vec![]));
    let pending = async |hook| read!(store, |tx| tx.deliveries().pending(hook));
    for (due, left) in leased.iter().zip([0, 1, 1, 0, 0]) {
        assert_eq!(pending(due.webhook).await, left);
        let log = read!(store, |tx| tx.deliveries().log(due.webhook, None, 50));
        assert_eq!(log.len(), usize::from(due.id != leased[2].id));
    }
    assert_eq!(lease(&store, at(30)).await.remove(0).id, leased[1].id);
}

async fn a_rotated_secret_signs_beside_the_new_one_for_a_while(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    let (tenant, hook) = (outbox.tenant, outbox.hooks[0]);
    outbox.happen(&store, 1).await;
    let (new, until) = (WebhookSecret::mint(), at(120));
    let rotate = async |tenant, secret| {
        committed!(store, |tx| tx.webhooks().rotate_secret(tenant, hook, secret, until, at(1)))
    };

    assert!(!rotate(TenantId::mint(), &new).await, "someone else's");
    assert!(rotate(tenant, &new).await);

    let due = lease(&store, at(2)).await.remove(0);
    assert_eq!(due.secret.expose(), new.expose());
    assert_eq!(due.old_secret.unwrap().expose(), SECRET);
    let forget = async |now| committed!(store, |tx| tx.webhooks().forget_old_secrets(now));
    assert_eq!(forget(at(119)).await, 0);
    let due = lease(&store, at(120)).await.remove(0);
    assert!(due.old_secret.is_none(), "its time is over, forgotten or not");
    assert_eq!(forget(at(120)).await, 1);
    assert_eq!(lease(&store, at(180)).await.remove(0).secret.expose(), new.expose());
}

async fn what_was_missed_is_replayed_in_order_under_the_same_ids(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    let hook = outbox.hooks[0];
    let sent = EventKind::MessageSent;
    let mut events = Vec::new();
    for (seconds, verdict) in [(1, Verdict::Dead), (2, Verdict::Done), (3, Verdict::Dead)] {
        let event = happen(&store, outbox.tenant, outbox.number, sent, at(seconds)).await;
        let due = lease(&store, at(seconds)).await.remove(0);
        settle(&store, &due, verdict, at(seconds)).await;
        events.push(event.id);
    }
    // While it is paused, events are not addressed to it.
    let switch = |active| WebhookChange { active: Some(active), ..WebhookChange::default() };
    committed!(store, |tx| tx.webhooks().change(outbox.tenant, hook, &switch(false), at(3)));
    for seconds in 4..=6 {
        let event = happen(&store, outbox.tenant, outbox.number, sent, at(seconds)).await;
        events.push(event.id);
    }
    let other = happen(&store, outbox.tenant, outbox.number, EventKind::MessageRead, at(5)).await;
    let (foreign, _) = number(&store, outbox.tenant, 2).await;
    happen(&store, outbox.tenant, foreign, sent, at(5)).await;
    let created = happen(&store, outbox.tenant, foreign, EventKind::NumberCreated, at(6)).await;
    committed!(store, |tx| tx.webhooks().change(outbox.tenant, hook, &switch(true), at(7)));
    let missed = |since, until, kinds: &'static [EventKind]| outbox.missed(kinds, since, until);
    let replay = async |missed: Missed<'_>, limit| {
        // As the use case does: found in a unit of work that reads.
        let found = read!(store, |tx| tx.deliveries().missed(&missed, limit));
        let count = committed!(store, |tx| tx.deliveries().replay(hook, &found.events, at(10)));
        Replayed { count, more: found.more }
    };

    assert_eq!(replay(missed(1, 7, &[]), 9).await, Replayed::default());
    assert_eq!(replay(missed(7, 7, &[EventKind::MessageSent]), 9).await, Replayed::default());
    assert_eq!(
        replay(missed(1, 6, &[EventKind::MessageSent]), 2).await,
        Replayed { count: 2, more: true }
    );
    assert_eq!(
        replay(missed(1, 6, &[EventKind::MessageSent]), 2).await,
        Replayed { count: 2, more: false }
    );
    assert_eq!(
        replay(missed(1, 6, &[EventKind::MessageSent]), 9).await,
        Replayed::default(),
        "they are on their way"
    );
    let rest = replay(missed(1, 7, EventKind::ALL), 9).await;
    assert_eq!(rest, Replayed { count: 3, more: false });

    let mut came = Vec::new();
    for seconds in 11..18 {
        let due = lease(&store, at(seconds)).await.remove(0);
        assert_eq!(due.first_tried_at, None);
        settle(&store, &due, Verdict::Done, at(seconds)).await;
        came.push(due.event);
    }
    let expected = [events[0], events[2], events[3], events[4], events[5], other.id, created.id];
    assert_eq!(came, expected);
    assert_eq!(outbox.pending(&store).await, 0);
}

async fn what_is_no_longer_missed_is_not_replayed(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    let hook = outbox.hooks[0];
    let switch = |active| WebhookChange { active: Some(active), ..WebhookChange::default() };
    outbox.happen(&store, 1).await;
    let dead = lease(&store, NOW).await.remove(0);
    settle(&store, &dead, Verdict::Dead, NOW).await;
    committed!(store, |tx| tx.webhooks().change(outbox.tenant, hook, &switch(false), NOW));
    outbox.happen(&store, 2).await;
    committed!(store, |tx| tx.webhooks().change(outbox.tenant, hook, &switch(true), NOW));
    let missed = outbox.missed(EventKind::ALL, 0, 1);
    let found = read!(store, |tx| tx.deliveries().missed(&missed, 9));
    assert_eq!(found.events.len(), 3);
    let replay =
        async |events| committed!(store, |tx| tx.deliveries().replay(hook, events, at(10)));

    // Between finding and writing: one is asked for again, one is replayed, one is purged.
    committed!(store, |tx| tx.deliveries().redeliver(hook, dead.id, at(2)));
    assert_eq!(replay(&found.events[1..2]).await, 1);
    assert_eq!(committed!(store, |tx| tx.deliveries().purge(at(9), 9)), 1);

    assert_eq!(replay(&found.events).await, 0);
    assert_eq!(outbox.pending(&store).await, 2);
}

/// More than one page of history, of which only the end was missed.
async fn a_long_history_is_searched_to_its_end(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 1).await;
    let hook = outbox.hooks[0];
    let mut tx = store.begin().await.unwrap();
    for index in 0..4_500 {
        let kind = if index % 4_499 == 0 { EventKind::MessageRead } else { EventKind::MessageSent };
        tx.events().record(&event(outbox.tenant, outbox.number, kind, at(index))).await.unwrap();
    }
    let off = WebhookChange { active: Some(false), ..WebhookChange::default() };
    tx.webhooks().change(outbox.tenant, hook, &off, NOW).await.unwrap();
    for _ in 0..2 {
        let sent = event(outbox.tenant, outbox.number, EventKind::MessageSent, NOW);
        tx.events().record(&sent).await.unwrap();
    }
    tx.commit().await.unwrap();
    for (kinds, limit, expected) in [
        (EventKind::ALL, 9, (2, false)),
        (EventKind::ALL, 1, (1, true)),
        (&[EventKind::MessageRead], 9, (0, false)),
    ] {
        let missed = outbox.missed(kinds, 0, 9_999);
        let found = read!(store, |tx| tx.deliveries().missed(&missed, limit));
        assert_eq!((found.events.len(), found.more), expected);
    }
}

async fn an_event_can_be_for_one_webhook_only(Db { store, .. }: Db) {
    let outbox = Outbox::new(&store, 2).await;
    let test = event(outbox.tenant, outbox.number, EventKind::WebhookTest, NOW);

    let id = committed!(store, |tx| tx.events().record_for(&test, outbox.hooks[1]));

    let leased = lease(&store, NOW).await;
    assert_eq!(leased.len(), 1);
    assert_eq!((leased[0].id, leased[0].webhook, leased[0].event), (id, outbox.hooks[1], test.id));
}

/// With ten thousand of them, a look that walks through the backlog is too slow for a second look.
async fn a_backlog_slows_no_lease_down(Db { store, .. }: Db) {
    const BACKLOG: usize = 10_000;
    const LOOKS: u32 = 20;
    let outbox = Outbox::new(&store, 1).await;
    let mut tx = store.begin().await.unwrap();
    for _ in 0..BACKLOG {
        let event = event(outbox.tenant, outbox.number, EventKind::MessageSent, NOW);
        tx.events().record(&event).await.unwrap();
    }
    tx.commit().await.unwrap();
    lease(&store, NOW).await;

    let started = std::time::Instant::now();
    for _ in 0..LOOKS {
        assert_eq!(lease(&store, NOW).await.len(), 0);
    }
    let each = started.elapsed() / LOOKS;
    assert!(each < Duration::from_millis(100), "{each:?} for one look");
}

async fn concurrent_leasers_never_lease_the_same(Db { store, .. }: Db) {
    const EVENTS: usize = 6;
    let outbox = Outbox::new(&store, 3).await;
    outbox.happen(&store, EVENTS).await;

    let leaser = async || {
        let mut taken = Vec::new();
        while read!(store, |tx| tx.deliveries().pending_total()) > 0 {
            for due in lease_most(&store, NOW, 2, 2).await {
                taken.push((due.webhook, due.event, due.attempt));
                assert!(settle(&store, &due, Verdict::Done, NOW).await);
            }
        }
        taken
    };
    let (one, two, three) = tokio::join!(leaser(), leaser(), leaser());

    let all: Vec<_> = [one, two, three].concat();
    assert!(all.iter().all(|(_, _, attempt)| *attempt == 1), "{all:?}");
    assert_eq!(all.len(), 3 * EVENTS);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 3 * EVENTS);
}

/// SQLite has one writer at a time, so the second leaser would only wait.
async fn leases_that_are_not_committed_hold_against_others(Db { store, dialect, .. }: Db) {
    if dialect == Dialect::Sqlite {
        return;
    }
    let outbox = Outbox::new(&store, 2).await;
    outbox.happen(&store, 2).await;
    for due in lease(&store, NOW).await {
        settle(&store, &due, Verdict::RetryAt(NOW), NOW).await;
    }

    let (mut one, mut two) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    let limits =
        |runs| LeaseLimits { lease: LEASE, runs, unproven: runs, per_webhook: 1, run_length: 1 };
    let first = one.deliveries().lease_due(NOW, &limits(1)).await.unwrap().concat();
    let second = two.deliveries().lease_due(NOW, &limits(100)).await.unwrap().concat();
    // An event for a webhook that a leaser looks at need not wait.
    outbox.happen(&store, 1).await;
    one.commit().await.unwrap();
    two.commit().await.unwrap();

    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].webhook, second[0].webhook, "the second passed over the first's");
    assert_eq!(lease_most(&store, NOW, 100, 1).await.len(), 0, "each webhook has its share");
}
