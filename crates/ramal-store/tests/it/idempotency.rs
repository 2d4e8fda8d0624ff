//! Remembered answers.

use ramal_store::{Claim, Store, StoredAnswer};

use crate::{
    db::Db,
    scene::{NOW, at, committed},
};

on_both_databases! {
    a_key_is_claimed_answered_and_replayed,
    scopes_do_not_meet,
    a_released_claim_is_free_again,
    an_answer_is_not_released,
    a_claim_of_a_dead_process_is_taken_over,
    a_claim_that_was_taken_over_changes_nothing_any_more,
    all_claims_of_a_dead_process_are_given_up_at_once,
    an_answer_is_forgotten_after_a_day,
    old_answers_are_purged,
    of_concurrent_claims_one_is_fresh,
}

const DAY: i64 = 24 * 60 * 60;

async fn claim(store: &Store, key: &str, print: &str, seconds: i64) -> Claim {
    committed!(store, |tx| tx.idempotency().claim("send", key, print, at(seconds)))
}

fn answer() -> StoredAnswer {
    StoredAnswer { status: 202, body: r#"{"id":"msg_1"}"#.to_owned() }
}

/// Settles what was claimed at this second.
async fn settle_at(store: &Store, key: &str, seconds: i64) -> bool {
    committed!(store, |tx| tx.idempotency().settle(("send", key), at(seconds), &answer()))
}

async fn settle(store: &Store, key: &str) {
    assert!(settle_at(store, key, 0).await);
}

async fn release(store: &Store, key: &str, seconds: i64) {
    committed!(store, |tx| tx.idempotency().release(("send", key), at(seconds)));
}

async fn a_key_is_claimed_answered_and_replayed(Db { store, .. }: Db) {
    assert_eq!(claim(&store, "k", "body", 0).await, Claim::Fresh);
    assert_eq!(claim(&store, "k", "body", 1).await, Claim::InUse);
    assert_eq!(claim(&store, "k", "other body", 1).await, Claim::Reused);
    settle(&store, "k").await;
    assert_eq!(claim(&store, "k", "body", 2).await, Claim::Replay(answer()));
    assert_eq!(claim(&store, "k", "other body", 2).await, Claim::Reused);
}

async fn scopes_do_not_meet(Db { store, .. }: Db) {
    assert_eq!(claim(&store, "k", "body", 0).await, Claim::Fresh);
    let elsewhere = committed!(store, |tx| tx.idempotency().claim("other", "k", "body", NOW));
    assert_eq!(elsewhere, Claim::Fresh);
    assert_eq!(claim(&store, "K", "body", 0).await, Claim::Fresh);
}

async fn a_released_claim_is_free_again(Db { store, .. }: Db) {
    claim(&store, "k", "body", 0).await;
    release(&store, "k", 0).await;
    assert_eq!(claim(&store, "k", "corrected body", 1).await, Claim::Fresh);
}

async fn an_answer_is_not_released(Db { store, .. }: Db) {
    claim(&store, "k", "body", 0).await;
    settle(&store, "k").await;
    release(&store, "k", 0).await;
    assert_eq!(claim(&store, "k", "body", 1).await, Claim::Replay(answer()));
}

async fn a_claim_of_a_dead_process_is_taken_over(Db { store, .. }: Db) {
    claim(&store, "k", "body", 0).await;
    assert_eq!(claim(&store, "k", "body", 120).await, Claim::InUse);
    assert_eq!(claim(&store, "k", "body", 121).await, Claim::Fresh);
    assert_eq!(claim(&store, "k", "body", 122).await, Claim::InUse);
}

async fn a_claim_that_was_taken_over_changes_nothing_any_more(Db { store, .. }: Db) {
    claim(&store, "k", "body", 0).await;
    assert_eq!(claim(&store, "k", "body", 121).await, Claim::Fresh);

    release(&store, "k", 0).await;
    assert_eq!(claim(&store, "k", "body", 122).await, Claim::InUse, "the second one's");
    assert!(!settle_at(&store, "k", 0).await);
    assert_eq!(claim(&store, "k", "body", 122).await, Claim::InUse);
    assert!(settle_at(&store, "k", 121).await);
    assert!(!settle_at(&store, "k", 121).await, "once");
    assert_eq!(claim(&store, "k", "body", 123).await, Claim::Replay(answer()));
}

async fn all_claims_of_a_dead_process_are_given_up_at_once(Db { store, .. }: Db) {
    claim(&store, "open", "body", 0).await;
    claim(&store, "settled", "body", 0).await;
    settle(&store, "settled").await;
    assert_eq!(committed!(store, |tx| tx.idempotency().release_all()), 1);
    assert_eq!(claim(&store, "open", "body", 1).await, Claim::Fresh);
    assert_eq!(claim(&store, "settled", "body", 1).await, Claim::Replay(answer()));
}

async fn an_answer_is_forgotten_after_a_day(Db { store, .. }: Db) {
    claim(&store, "k", "body", 0).await;
    settle(&store, "k").await;
    assert_eq!(claim(&store, "k", "body", DAY).await, Claim::Replay(answer()));
    assert_eq!(claim(&store, "k", "another body", DAY + 1).await, Claim::Fresh);
}

async fn old_answers_are_purged(Db { store, .. }: Db) {
    claim(&store, "old", "body", 0).await;
    settle(&store, "old").await;
    claim(&store, "young", "body", 10).await;
    assert!(settle_at(&store, "young", 10).await);

    assert_eq!(committed!(store, |tx| tx.idempotency().purge(at(DAY + 5))), 1);
    assert_eq!(claim(&store, "young", "body", DAY + 5).await, Claim::Replay(answer()));
    assert_eq!(claim(&store, "old", "body", DAY - 5).await, Claim::Fresh);
}

async fn of_concurrent_claims_one_is_fresh(Db { store, .. }: Db) {
    let claims =
        futures_util::future::join_all((0..4).map(|_| claim(&store, "k", "body", 0))).await;

    assert_eq!(claims.iter().filter(|claim| **claim == Claim::Fresh).count(), 1, "{claims:?}");
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::InUse).count(), 3, "{claims:?}");
}
