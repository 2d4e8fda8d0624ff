//! Pairing attempts: what is remembered of them.

use ramal_domain::{CloseReason, Input, NodeId, NumberId, TenantId};
use ramal_store::{AttemptNote, AttemptOutcome, Epoch, PairingAttempt, Store};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, reserve, tenant},
};

on_both_databases! {
    an_attempt_is_remembered_from_its_codes_to_its_end,
    a_resumed_attempt_ends_under_its_new_session,
    a_new_attempt_supersedes_the_one_under_way,
    reasons_are_sorted,
    attempts_are_the_tenant_s_alone,
    old_attempts_are_forgotten,
    an_abandoned_creation_leaves_no_attempt,
}

async fn step(store: &Store, id: NumberId, epoch: Epoch, input: Input, seconds: i64) {
    committed!(store, |tx| tx.numbers().step(id, epoch, input, at(seconds)));
}

async fn note(store: &Store, id: NumberId, epoch: Epoch, note: AttemptNote, seconds: i64) {
    committed!(store, |tx| tx.pairing_attempts().note(id, epoch, note, at(seconds)));
}

async fn attempts(store: &Store, owner: TenantId, id: NumberId) -> Vec<PairingAttempt> {
    read!(store, |tx| tx.pairing_attempts().list(owner, id))
}

async fn an_attempt_is_remembered_from_its_codes_to_its_end(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    step(&store, id, epoch, Input::PairingStarted, 0).await;
    note(&store, id, epoch, AttemptNote::Qr, 1).await;
    note(&store, id, epoch, AttemptNote::Code, 2).await;
    note(&store, id, epoch, AttemptNote::Qr, 61).await;
    note(&store, id, epoch, AttemptNote::Action, 65).await;
    note(&store, id, epoch, AttemptNote::Scanned, 70).await;
    assert_eq!(attempts(&store, owner, id).await[0].ended_at, None);
    step(&store, id, epoch, Input::Opened, 71).await;
    note(&store, id, epoch, AttemptNote::Qr, 80).await;

    let attempt = PairingAttempt {
        started_at: at(0),
        qr_at: Some(at(1)),
        qr_codes: 2,
        code_at: Some(at(2)),
        action_at: Some(at(65)),
        scanned_at: Some(at(70)),
        ended_at: Some(at(71)),
        outcome: Some(AttemptOutcome::Open),
        reason: None,
    };
    assert_eq!(attempts(&store, owner, id).await, [attempt]);
}

async fn a_resumed_attempt_ends_under_its_new_session(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    step(&store, id, epoch, Input::PairingStarted, 0).await;
    let claimed = committed!(store, |tx| tx.numbers().claim(id, NodeId::mint())).unwrap();

    note(&store, id, claimed.epoch, AttemptNote::Scanned, 1).await;
    step(&store, id, claimed.epoch, Input::Lost, 2).await;
    step(&store, id, claimed.epoch, Input::Opened, 3).await;

    let all = attempts(&store, owner, id).await;
    assert_eq!((all.len(), all[0].scanned_at), (1, None));
    assert_eq!((all[0].ended_at, all[0].outcome), (Some(at(3)), Some(AttemptOutcome::Open)));
}

async fn a_new_attempt_supersedes_the_one_under_way(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    step(&store, id, epoch, Input::PairingStarted, 0).await;
    let claimed = committed!(store, |tx| tx.numbers().claim(id, NodeId::mint())).unwrap();
    step(&store, id, claimed.epoch, Input::PairingStarted, 5).await;

    let all = attempts(&store, owner, id).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].started_at, all[0].ended_at), (at(5), None), "newest first");
    assert_eq!((all[1].ended_at, all[1].outcome), (Some(at(5)), Some(AttemptOutcome::Failed)));
    assert_eq!(all[1].reason.as_deref(), Some("SUPERSEDED"));
}

async fn reasons_are_sorted(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    for (last, reason) in (1..).zip(CloseReason::ALL) {
        let (id, epoch) = number(&store, owner, last).await;
        step(&store, id, epoch, Input::PairingStarted, 0).await;
        step(&store, id, epoch, Input::PairingEnded(reason), 1).await;

        let all = attempts(&store, owner, id).await;
        assert_eq!(all[0].outcome, Some(AttemptOutcome::of(reason)));
        assert_eq!(all[0].reason.as_deref(), Some(reason.code()));
    }
}

async fn attempts_are_the_tenant_s_alone(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, epoch) = number(&store, owner, 1).await;
    step(&store, id, epoch, Input::PairingStarted, 0).await;

    assert_eq!(attempts(&store, other, id).await, []);
    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(1)));
    assert_eq!(attempts(&store, owner, id).await, []);
    committed!(store, |tx| tx.numbers().restore(owner, id, at(2)));
    let all = attempts(&store, owner, id).await;
    assert_eq!((all[0].ended_at, all[0].reason.as_deref()), (Some(at(1)), Some("SUPERSEDED")));
}

async fn old_attempts_are_forgotten(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, mut epoch) = number(&store, owner, 1).await;
    for seconds in 0..=50 {
        step(&store, id, epoch, Input::PairingStarted, seconds).await;
        epoch = committed!(store, |tx| tx.numbers().claim(id, NodeId::mint())).unwrap().epoch;
    }

    let all = attempts(&store, owner, id).await;
    assert_eq!(all.len(), 50);
    assert_eq!((all[0].started_at, all[49].started_at), (at(50), at(1)));
}

async fn an_abandoned_creation_leaves_no_attempt(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, reservation) = reserve(&store, owner, &phone(1), NOW).await;
    let epoch = crate::scene::epoch_of(&reservation).unwrap();
    step(&store, id, epoch, Input::PairingStarted, 0).await;
    committed!(store, |tx| tx.numbers().abandon(id));

    assert_eq!(attempts(&store, owner, id).await, []);
}
