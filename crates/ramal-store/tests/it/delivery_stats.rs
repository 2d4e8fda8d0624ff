//! What deliveries came to, in numbers, and which are still to be made.

use std::time::Duration;

use ramal_domain::{EventKind, Timestamp};
use ramal_store::{DueDelivery, LeaseLimits, Outcomes, Store, Verdict};

use crate::{
    db::Db,
    deliveries::settle,
    scene::{NOW, at, committed, happen, number, read, tenant, webhook},
};

on_both_databases! {
    attempts_are_counted_by_webhook_within_their_tenant,
    attempts_are_counted_in_the_span_in_which_they_were_made,
    what_is_on_its_way_is_listed_by_when_it_is_due,
}

const MINUTE: Duration = Duration::from_mins(1);

async fn lease(store: &Store, now: Timestamp) -> Vec<DueDelivery> {
    let limits =
        LeaseLimits { lease: MINUTE, runs: 100, unproven: 100, per_webhook: 100, run_length: 100 };
    committed!(store, |tx| tx.deliveries().lease_due(now, &limits)).concat()
}

async fn attempts_are_counted_by_webhook_within_their_tenant(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let (number, _) = number(&store, ours, 1).await;
    let (hook, idle) =
        (webhook(&store, ours, number, &["*"]).await, webhook(&store, ours, number, &[]).await);
    for second in [10, 20, 30] {
        happen(&store, ours, number, EventKind::MessageSent, at(second)).await;
        let due = lease(&store, at(second)).await;
        let verdict = if second == 20 { Verdict::Dead } else { Verdict::Done };
        assert!(settle(&store, &due[0], verdict, at(second)).await);
    }

    let count = |tenant, since| {
        let store = &store;
        async move { read!(store, |tx| tx.deliveries().outcomes_of_tenant(tenant, since)) }
    };
    let all = count(ours, NOW).await;
    assert_eq!(all.get(&hook), Some(&Outcomes { succeeded: 2, failed: 1 }));
    assert_eq!(all.get(&hook).map(|outcomes| outcomes.total()), Some(3));
    assert_eq!(all.get(&idle), None);
    assert_eq!(count(ours, at(30)).await.get(&hook), Some(&Outcomes { succeeded: 1, failed: 0 }));
    assert!(count(theirs, NOW).await.is_empty());
}

async fn attempts_are_counted_in_the_span_in_which_they_were_made(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let (number, _) = number(&store, ours, 1).await;
    let hook = webhook(&store, ours, number, &["*"]).await;
    // Before the first span, at its very beginning, at its very end, in the third, after the last.
    for second in [-1, 0, 59, 120, 180] {
        happen(&store, ours, number, EventKind::MessageSent, at(second)).await;
        let due = lease(&store, at(second)).await;
        let verdict = if second == 59 { Verdict::Dead } else { Verdict::Done };
        assert!(settle(&store, &due[0], verdict, at(second)).await);
    }

    let of = |tenant| {
        let store = &store;
        async move { read!(store, |tx| tx.deliveries().outcomes(tenant, hook, NOW, MINUTE, 3)) }
    };
    let outcomes = |succeeded, failed| Outcomes { succeeded, failed };
    assert_eq!(of(ours).await, [outcomes(1, 1), outcomes(0, 0), outcomes(1, 0)]);
    assert_eq!(of(theirs).await, [Outcomes::default(); 3]);
}

async fn what_is_on_its_way_is_listed_by_when_it_is_due(Db { store, .. }: Db) {
    let (ours, theirs) = (tenant(&store).await, tenant(&store).await);
    let (number, _) = number(&store, ours, 1).await;
    let hook = webhook(&store, ours, number, &["*"]).await;
    let first = happen(&store, ours, number, EventKind::MessageSent, at(1)).await;
    let due = lease(&store, at(1)).await;
    assert!(settle(&store, &due[0], Verdict::RetryAt(at(61)), at(1)).await);
    let second = happen(&store, ours, number, EventKind::MessageRead, at(2)).await;

    let of = |tenant, kind, limit| {
        let store = &store;
        async move { read!(store, |tx| tx.deliveries().pending_of(tenant, hook, kind, limit)) }
    };
    // What happens meanwhile is due at once, a retry in its time.
    let listed = of(ours, None, 10).await;
    let told: Vec<_> = listed.iter().map(|one| (one.event, one.attempts)).collect();
    assert_eq!(told, [(second.id, 0), (first.id, 1)]);
    assert_eq!(listed[1].due_at, at(61));
    assert_eq!((listed[1].id, listed[1].kind), (due[0].id, EventKind::MessageSent));
    assert_eq!((&listed[1].payload, listed[1].created_at), (&first.body, at(1)));
    assert_eq!(of(ours, None, 1).await, [listed[0].clone()]);
    assert_eq!(of(ours, Some(EventKind::MessageSent), 10).await, [listed[1].clone()]);
    assert!(of(theirs, None, 10).await.is_empty());
}
