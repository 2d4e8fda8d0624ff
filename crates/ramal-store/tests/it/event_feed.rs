//! Following events: in order, nothing skipped, nothing of others.

use std::time::Duration;

use ramal_domain::{EventId, EventKind, NumberId, TenantId};
use ramal_store::{Audience, Dialect, Position, Settling, Store};
use tokio::time::timeout;

use crate::{
    db::Db,
    scene::{NOW, at, committed, event, happen, number, read, tenant, webhook},
};

on_both_databases! {
    a_follower_is_told_in_order_and_of_its_own_only,
    a_late_commit_is_not_passed_over,
    two_looks_in_one_unit_of_work_pass_over_nothing_either,
    what_is_rolled_back_holds_nobody_up,
    a_long_record_is_read_in_stretches,
    a_follower_begins_where_it_says,
    a_place_is_sealed,
}

/// How long what is seen may take to settle.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody who follows.
struct Follower {
    audience: Audience,
    settling: Settling,
    at: Position,
}

impl Follower {
    fn of(tenant: TenantId, number: Option<NumberId>) -> Self {
        let audience = Audience { tenant, number };
        Self { audience, settling: Settling::default(), at: Position::default() }
    }

    /// Up to where it may read, now that what it sees first is settled. Whoever else works on the same
    /// PostgreSQL holds it up: other tests do.
    async fn settled(&mut self, store: &Store) -> Position {
        let whole = async {
            let mut first = None;
            loop {
                let sighting = read!(store, |tx| tx.events().sight(self.settling));
                let settled = self.settling.note(&sighting);
                if settled >= *first.get_or_insert(sighting.newest()) {
                    return settled;
                }
            }
        };
        timeout(PATIENCE, whole).await.unwrap()
    }

    /// Up to where it may read after two looks; the second settles what the first one saw, unless somebody
    /// may still come in before it.
    async fn settled_at_once(&mut self, store: &Store) -> Position {
        let mut settled = Position::default();
        for _ in 0..2 {
            let sighting = read!(store, |tx| tx.events().sight(self.settling));
            settled = self.settling.note(&sighting);
        }
        settled
    }

    /// What it is told now.
    async fn hear(&mut self, store: &Store) -> Vec<EventId> {
        let settled = self.settled(store).await;
        self.hear_until(store, settled).await
    }

    async fn hear_until(&mut self, store: &Store, settled: Position) -> Vec<EventId> {
        let mut heard = Vec::new();
        while self.at < settled {
            let page = read!(store, |tx| tx.events().told_after(self.audience, self.at, settled));
            assert!(page.end > self.at, "it gets on");
            self.at = page.end;
            heard.extend(page.events.iter().map(|event| event.id));
        }
        heard
    }
}

async fn a_follower_is_told_in_order_and_of_its_own_only(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let ((one, _), (two, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    let (foreign, _) = number(&store, other, 1).await;
    let mut all = Follower::of(owner, None);
    let mut first = Follower::of(owner, Some(one));
    let mut stranger = Follower::of(other, None);
    for who in [&mut all, &mut first, &mut stranger] {
        who.hear(&store).await;
    }

    let a = happen(&store, owner, one, EventKind::NumberConnected, at(9)).await.id;
    let b = happen(&store, owner, two, EventKind::NumberConnected, at(1)).await.id;
    let c = happen(&store, other, foreign, EventKind::NumberConnected, at(2)).await.id;
    let hook = webhook(&store, owner, one, &["*"]).await;
    let test = ramal_domain::WebhookTest { tenant: owner, number: one, webhook: hook }.build(NOW);
    committed!(store, |tx| tx.events().record_for(&test, hook));

    assert_eq!(all.hear(&store).await, [a, b], "as recorded, whatever the time");
    assert_eq!(first.hear(&store).await, [a], "a test is for the webhook alone");
    assert_eq!(stranger.hear(&store).await, [c]);
    assert_eq!(all.hear(&store).await, [], "once");
    let d = happen(&store, owner, two, EventKind::NumberDisconnected, NOW).await.id;
    assert_eq!(all.hear(&store).await, [d]);
    assert_eq!(first.hear(&store).await, []);
}

async fn a_late_commit_is_not_passed_over(Db { store, dialect, .. }: Db) {
    if dialect == Dialect::Sqlite {
        return; // There is one writer: nothing can be committed late.
    }
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    let mut follower = Follower::of(owner, None);
    follower.hear(&store).await;
    let (late, early) = (
        event(owner, id, EventKind::NumberConnected, NOW),
        event(owner, id, EventKind::NumberDisconnected, NOW),
    );

    let mut slow = store.begin().await.unwrap();
    slow.events().record(&late).await.unwrap();
    committed!(store, |tx| tx.events().record(&early));
    let settled = follower.settled_at_once(&store).await;
    let heard = follower.hear_until(&store, settled).await;
    assert_eq!(heard, [], "the first place may still be taken");
    slow.commit().await.unwrap();

    assert_eq!(follower.hear(&store).await, [late.id, early.id]);
}

async fn two_looks_in_one_unit_of_work_pass_over_nothing_either(Db { store, dialect, .. }: Db) {
    if dialect == Dialect::Sqlite {
        return; // There is one writer: nothing can be committed late.
    }
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    happen(&store, owner, id, EventKind::NumberConnected, NOW).await;
    let audience = Audience { tenant: owner, number: None };
    let late = event(owner, id, EventKind::NumberConnected, NOW);
    let early = event(owner, id, EventKind::NumberDisconnected, NOW);

    let mut looking = store.read().await.unwrap();
    let first = looking.events().sight(Settling::default()).await.unwrap();
    assert!(first.is_open(), "it has taken an id");
    let mut slow = store.begin().await.unwrap();
    slow.events().record(&late).await.unwrap();
    committed!(store, |tx| tx.events().record(&early));
    // As after another follower has settled what the first look saw.
    let second = looking.events().sight(Settling::default()).await.unwrap();
    drop(looking);

    let mut settling = Settling::default();
    settling.note(&second);
    let third = read!(store, |tx| tx.events().sight(settling));
    let settled = settling.note(&third);
    let page = read!(store, |tx| tx.events().told_after(audience, Position::default(), settled));
    let told: Vec<EventId> = page.events.iter().map(|event| event.id).collect();
    assert!(!told.contains(&early.id), "the place before it may still be taken");
    slow.commit().await.unwrap();
}

async fn what_is_rolled_back_holds_nobody_up(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    let mut follower = Follower::of(owner, None);
    follower.hear(&store).await;

    let mut doomed = store.begin().await.unwrap();
    let lost = event(owner, id, EventKind::NumberConnected, NOW);
    doomed.events().record(&lost).await.unwrap();
    drop(doomed);
    let kept = happen(&store, owner, id, EventKind::NumberDisconnected, NOW).await.id;

    assert_eq!(follower.hear(&store).await, [kept]);
}

async fn a_long_record_is_read_in_stretches(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;
    let (foreign, _) = number(&store, other, 1).await;
    let mut follower = Follower::of(owner, None);
    follower.hear(&store).await;

    let mut expected = Vec::new();
    let mut tx = store.begin().await.unwrap();
    for place in 0..1_300 {
        let (whose, number) = if place % 3 == 0 { (owner, id) } else { (other, foreign) };
        let told = event(whose, number, EventKind::NumberConnected, NOW);
        tx.events().record(&told).await.unwrap();
        if whose == owner {
            expected.push(told.id);
        }
    }
    tx.commit().await.unwrap();

    assert_eq!(follower.hear(&store).await, expected);
}

async fn a_follower_begins_where_it_says(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let ((one, _), (two, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    let a = happen(&store, owner, one, EventKind::NumberConnected, at(-60)).await.id;
    let b = happen(&store, owner, two, EventKind::NumberConnected, at(-20)).await.id;
    let c = happen(&store, owner, one, EventKind::NumberDisconnected, at(-10)).await.id;
    let mut follower = Follower::of(owner, None);
    let settled = follower.settled(&store).await;
    let (all, first) = (follower.audience, Audience { number: Some(one), ..follower.audience });
    let stranger = Audience { tenant: other, number: None };

    for (audience, id, heard) in [(all, a, vec![b, c]), (all, b, vec![c]), (first, a, vec![c])] {
        let place = read!(store, |tx| tx.events().position_of(audience, id)).unwrap();
        (follower.audience, follower.at) = (audience, place);
        assert_eq!(follower.hear(&store).await, heard);
    }
    for (audience, id) in [(stranger, a), (first, b), (all, EventId::mint())] {
        assert_eq!(read!(store, |tx| tx.events().position_of(audience, id)), None);
    }
    for (audience, since, heard) in [
        (all, -30, vec![b, c]),
        (first, -30, vec![c]),
        (all, -20, vec![b, c]),
        (all, 0, vec![]),
        (stranger, -99, vec![]),
    ] {
        let place = read!(store, |tx| tx.events().position_since(audience, at(since), settled));
        (follower.audience, follower.at) = (audience, place);
        assert_eq!(follower.hear(&store).await, heard, "since {since}");
    }
}

async fn a_place_is_sealed(db: Db) {
    let owner = tenant(&db.store).await;
    let (id, _) = number(&db.store, owner, 1).await;
    happen(&db.store, owner, id, EventKind::NumberConnected, NOW).await;
    let place = Follower::of(owner, None).settled(&db.store).await;
    assert!(place > Position::default());

    let mut tx = db.store.read().await.unwrap();
    let sealed = tx.events().seal_position(place).unwrap();
    assert_eq!(tx.events().open_position(&sealed), Some(place));
    for forged in ["", "1", "cG9z", &format!("A{sealed}")] {
        assert_eq!(tx.events().open_position(forged), None, "{forged}");
    }
    let stranger = db.with_another_key().await;
    let mut tx = stranger.read().await.unwrap();
    assert_eq!(tx.events().open_position(&sealed), None);
}
