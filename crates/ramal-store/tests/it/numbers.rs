//! Numbers: reservation, link, fencing, removal.

use std::time::Duration;

use ramal_domain::{CloseReason, EventKind, Input, KeyScope, Link, NodeId, NumberId, Timestamp};
use ramal_store::{
    Choice, Epoch, Identity, LeaseLimits, NewNumber, Number, NumberStage, Reservation, Restored,
    Runnable, StateWrite, Stepped, Store, Verdict,
};

use crate::{
    db::Db,
    deliveries::settle,
    scene::{NOW, at, committed, epoch_of, key, number, phone, read, reserve, tenant, webhook},
};

on_both_databases! {
    a_reserved_number_is_nobody_s_until_it_is_published,
    an_abandoned_reservation_leaves_nothing,
    a_phone_number_is_taken_once_per_tenant,
    a_removed_phone_number_is_free_after_its_window,
    of_two_concurrent_reservations_one_wins,
    a_number_is_invisible_to_other_tenants,
    recovery_undoes_what_other_processes_left_half_done,
    what_recovery_found_open_reopens_without_a_word,
    sessions_run_for_live_links_and_for_devices_to_be_unlinked,
    a_step_stores_the_link_and_tells_once,
    a_reserved_number_moves_silently,
    a_refused_step_changes_nothing,
    a_session_with_an_old_epoch_is_fenced,
    identity_is_kept_where_nothing_new_is_known,
    a_fresh_pairing_forgets_the_device,
    links_are_read_back_as_they_were_stored,
    numbers_are_counted_by_link,
    removal_ends_keys_and_tells_the_number_s_webhooks,
    a_number_without_a_stored_session_needs_no_unlinking,
    a_removed_number_is_claimed_only_to_be_unlinked,
    a_phone_that_answers_after_the_removal_is_to_be_unlinked,
    a_removed_number_is_purged_when_all_is_done,
    a_restored_number_is_back_but_not_connected,
    a_number_is_restored_within_its_window_only,
    a_phone_number_that_is_active_again_is_not_restored,
    a_choice_is_read_back,
    a_key_is_found_by_its_id_while_it_lives,
    a_reservation_that_nobody_undid_is_purged,
}

const IDENTITY: &str = "5511999990001:7@s.whatsapp.net";

/// Stores something of a session.
async fn store_session(store: &Store, id: NumberId, epoch: Epoch) {
    let state = store.session_state(id, epoch);
    state.apply(&[StateWrite::put("device", "self", b"x".as_slice())]).await.unwrap();
}

async fn a_reserved_number_is_nobody_s_until_it_is_published(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = reserve(&store, owner, &phone(1), NOW).await;

    assert_eq!(read!(store, |tx| tx.numbers().find(owner, id)), None);
    assert_eq!(read!(store, |tx| tx.numbers().find_removed_too(owner, id)), None);
    assert_eq!(read!(store, |tx| tx.numbers().list(owner)), []);
    let reserved = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!((reserved.stage, reserved.link), (NumberStage::Reserved, Link::Pairing));

    let listed = committed!(store, |tx| tx.numbers().publish(id, at(5))).unwrap();
    assert_eq!(
        (listed.stage, listed.created_at, listed.phone.clone()),
        (NumberStage::Live, at(5), phone(1))
    );
    assert_eq!(read!(store, |tx| tx.numbers().find(owner, id)), Some(listed.clone()));
    assert_eq!(read!(store, |tx| tx.numbers().list(owner)), [listed]);
    assert_eq!(committed!(store, |tx| tx.numbers().publish(id, at(6))), None);
}

async fn an_abandoned_reservation_leaves_nothing(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = reserve(&store, owner, &phone(1), NOW).await;
    let (live, _) = number(&store, owner, 2).await;

    committed!(store, |tx| tx.numbers().abandon(id));
    committed!(store, |tx| tx.numbers().abandon(live));

    assert_eq!(read!(store, |tx| tx.numbers().get(id)), None);
    assert_eq!(committed!(store, |tx| tx.numbers().publish(id, NOW)), None);
    assert!(read!(store, |tx| tx.numbers().find(owner, live)).is_some());
    let (_, again) = reserve(&store, owner, &phone(1), NOW).await;
    assert!(matches!(again, Reservation::Reserved(_)));
}

async fn a_phone_number_is_taken_once_per_tenant(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;

    assert_eq!(reserve(&store, owner, &phone(1), NOW).await.1, Reservation::AlreadyActive);
    assert!(matches!(reserve(&store, other, &phone(1), NOW).await.1, Reservation::Reserved(_)));
    assert_eq!(reserve(&store, other, &phone(1), NOW).await.1, Reservation::AlreadyActive);

    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(1)));
    assert_eq!(reserve(&store, owner, &phone(1), at(99)).await.1, Reservation::SoftDeleted);
}

/// As a sweep does it: what was told first, then the numbers.
async fn purge_due(store: &Store, now: Timestamp) -> u64 {
    committed!(store, |tx| tx.numbers().purge_events_due(now, 100));
    committed!(store, |tx| tx.numbers().purge_due(now))
}

async fn a_removed_phone_number_is_free_after_its_window(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let ((one, _), (two, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    committed!(store, |tx| tx.numbers().remove(owner, one, at(100), at(1)));
    committed!(store, |tx| tx.numbers().remove(owner, two, at(100), at(1)));

    let (_, after) = reserve(&store, owner, &phone(1), at(100)).await;
    assert!(matches!(after, Reservation::Reserved(_)));
    committed!(store, |tx| tx.numbers().forget(two, at(50)));
    let (_, forgotten) = reserve(&store, owner, &phone(2), at(50)).await;
    assert!(matches!(forgotten, Reservation::Reserved(_)));
}

async fn of_two_concurrent_reservations_one_wins(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let wanted = phone(1);
    let all =
        futures_util::future::join_all((0..4).map(|_| reserve(&store, owner, &wanted, NOW))).await;

    let won = all.iter().filter(|(_, r)| matches!(r, Reservation::Reserved(_))).count();
    let lost = all.iter().filter(|(_, r)| *r == Reservation::AlreadyActive).count();
    assert_eq!((won, lost), (1, 3));
}

async fn a_number_is_invisible_to_other_tenants(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;

    assert_eq!(read!(store, |tx| tx.numbers().find(other, id)), None);
    assert_eq!(read!(store, |tx| tx.numbers().find_removed_too(other, id)), None);
    assert_eq!(read!(store, |tx| tx.numbers().list(other)), []);
    assert_eq!(committed!(store, |tx| tx.numbers().remove(other, id, at(9), at(1))), None);
    assert!(read!(store, |tx| tx.numbers().find(owner, id)).is_some());
    assert_eq!(read!(store, |tx| tx.numbers().find(owner, NumberId::mint())), None);
}

async fn recovery_undoes_what_other_processes_left_half_done(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let me = NodeId::mint();
    let (reserved, _) = reserve(&store, owner, &phone(1), NOW).await;
    let own = NumberId::mint();
    let new = NewNumber {
        id: own,
        tenant: owner,
        phone: &phone(2),
        name: "Sales",
        settings: "{}",
        provider: ramal_domain::Provider::Web,
    };
    committed!(store, |tx| tx.numbers().reserve(&new, me, NOW));
    let (pairing, _) = number(&store, owner, 3).await;
    let (open, epoch) = number(&store, owner, 4).await;
    committed!(store, |tx| tx.numbers().step(open, epoch, Input::Opened, at(1)));
    let (mine, _) = number(&store, owner, 5).await;
    let claimed = committed!(store, |tx| tx.numbers().claim(mine, me)).unwrap();
    committed!(store, |tx| tx.numbers().step(mine, claimed.epoch, Input::Opened, at(1)));
    let (closed, epoch) = number(&store, owner, 6).await;
    let ended = Input::PairingEnded(CloseReason::CodesExpired);
    committed!(store, |tx| tx.numbers().step(closed, epoch, ended, at(1)));

    assert_eq!(committed!(store, |tx| tx.numbers().recover(me, at(5))), (1, 1));

    assert_eq!(read!(store, |tx| tx.numbers().get(reserved)), None);
    let left = [
        (own, Link::Pairing, NOW),
        (pairing, Link::Pairing, NOW),
        (open, Link::Resuming { reported: false }, at(5)),
        (mine, Link::Open, at(1)),
        (closed, Link::Closed(CloseReason::CodesExpired), at(1)),
    ];
    for (id, link, since) in left {
        let number = read!(store, |tx| tx.numbers().get(id)).unwrap();
        assert_eq!((number.link, number.link_since), (link, since));
    }
    assert_eq!(read!(store, |tx| tx.events().kinds_of(open)), [EventKind::NumberConnected]);
    assert_eq!(committed!(store, |tx| tx.numbers().recover(me, at(6))), (0, 0));
}

async fn what_recovery_found_open_reopens_without_a_word(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(1)));
    let me = NodeId::mint();
    committed!(store, |tx| tx.numbers().recover(me, at(5)));

    let epoch = committed!(store, |tx| tx.numbers().claim(id, me)).unwrap().epoch;
    let stepped = committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(6)));

    let (number, announced) = done(stepped).unwrap();
    assert_eq!((number.link, number.connected_at, announced), (Link::Open, Some(at(6)), None));
}

async fn sessions_run_for_live_links_and_for_devices_to_be_unlinked(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    reserve(&store, owner, &phone(1), NOW).await;
    let mut wanted = Vec::new();
    for (last, inputs) in [
        (2, [].as_slice()),
        (3, [Input::Opened].as_slice()),
        (4, [Input::Opened, Input::Lost].as_slice()),
    ] {
        let (id, epoch) = number(&store, owner, last).await;
        for input in inputs {
            committed!(store, |tx| tx.numbers().step(id, epoch, *input, at(1)));
        }
        wanted.push((id, false));
    }
    let (closed, epoch) = number(&store, owner, 5).await;
    let ended = Input::PairingEnded(CloseReason::CodesExpired);
    committed!(store, |tx| tx.numbers().step(closed, epoch, ended, at(1)));
    let (linked, epoch) = number(&store, owner, 6).await;
    store_session(&store, linked, epoch).await;
    let (bare, _) = number(&store, owner, 7).await;
    for id in [linked, bare] {
        committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(2)));
    }
    wanted.push((linked, true));

    let runnable = read!(store, |tx| tx.numbers().runnable());
    let mut runnable: Vec<_> = runnable.iter().map(|run| (run.id, run.unlink)).collect();
    runnable.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(runnable, wanted);
}

async fn a_step_stores_the_link_and_tells_once(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let script = [
        (Input::Opened, Link::Open, Some(EventKind::NumberConnected)),
        (Input::Lost, Link::Resuming { reported: false }, None),
        (Input::Opened, Link::Open, None),
        (Input::Lost, Link::Resuming { reported: false }, None),
        (
            Input::OutageConfirmed,
            Link::Resuming { reported: true },
            Some(EventKind::NumberDisconnected),
        ),
        (Input::Opened, Link::Open, Some(EventKind::NumberConnected)),
    ];

    let mut told = Vec::new();
    for (seconds, (input, link, tells)) in (1..).zip(script) {
        let stepped = committed!(store, |tx| tx.numbers().step(id, epoch, input, at(seconds)));
        let (number, announced) = done(stepped).unwrap();
        assert_eq!((number.link, announced), (link, tells), "{input:?}");
        assert_eq!(read!(store, |tx| tx.numbers().find(owner, id)), Some(number.clone()));
        told.extend(announced);
    }

    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), told);
    let number = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!((number.connected_at, number.checked_at), (Some(at(6)), Some(at(6))));
    assert_eq!(read!(store, |tx| tx.numbers().runnable()), [Runnable { id, unlink: false }]);
}

fn done(stepped: Stepped) -> Option<(Number, Option<EventKind>)> {
    match stepped {
        Stepped::Done { number, announced } => Some((*number, announced)),
        Stepped::Refused(_) | Stepped::Fenced => None,
    }
}

async fn a_reserved_number_moves_silently(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, reservation) = reserve(&store, owner, &phone(1), NOW).await;
    let epoch = epoch_of(&reservation).unwrap();

    let stepped = committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(1)));

    assert!(matches!(stepped, Stepped::Done { announced: None, .. }), "{stepped:?}");
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), []);
}

async fn a_refused_step_changes_nothing(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let ended = Input::PairingEnded(CloseReason::CodesExpired);
    committed!(store, |tx| tx.numbers().step(id, epoch, ended, at(1)));
    let before = read!(store, |tx| tx.numbers().get(id));

    let stepped = committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(2)));

    assert!(matches!(stepped, Stepped::Refused(_)), "{stepped:?}");
    assert_eq!(read!(store, |tx| tx.numbers().get(id)), before);
}

async fn a_session_with_an_old_epoch_is_fenced(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, old) = number(&store, owner, 1).await;
    let claimed = committed!(store, |tx| tx.numbers().claim(id, NodeId::mint())).unwrap();
    assert!(claimed.epoch > old);

    let stepped = committed!(store, |tx| tx.numbers().step(id, old, Input::Opened, at(1)));
    assert!(matches!(stepped, Stepped::Fenced), "{stepped:?}");
    let identity = Identity { jid: Some(IDENTITY.to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, old, &identity));
    committed!(store, |tx| tx.numbers().checked(id, old, at(1)));
    assert_eq!(read!(store, |tx| tx.numbers().get(id)), Some(claimed.clone()));

    committed!(store, |tx| tx.numbers().checked(id, claimed.epoch, at(2)));
    let number = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!(number.checked_at, Some(at(2)));
    let nobody = NumberId::mint();
    assert_eq!(committed!(store, |tx| tx.numbers().claim(nobody, NodeId::mint())), None);
    let gone = committed!(store, |tx| tx.numbers().step(nobody, old, Input::Opened, at(1)));
    assert!(matches!(gone, Stepped::Fenced), "{gone:?}");
}

async fn identity_is_kept_where_nothing_new_is_known(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let device = Identity {
        jid: Some(IDENTITY.to_owned()),
        lid: Some("1234:7@lid".to_owned()),
        profile_name: None,
    };
    let named = Identity { profile_name: Some("Acme".to_owned()), ..Identity::default() };

    committed!(store, |tx| tx.numbers().identify(id, epoch, &device));
    committed!(store, |tx| tx.numbers().identify(id, epoch, &named));

    let known = read!(store, |tx| tx.numbers().get(id)).unwrap().identity;
    assert_eq!(known, Identity { profile_name: named.profile_name, ..device });
}

async fn a_fresh_pairing_forgets_the_device(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let identity = Identity { jid: Some(IDENTITY.to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, epoch, &identity));
    let ended = Input::PairingEnded(CloseReason::CodesExpired);
    committed!(store, |tx| tx.numbers().step(id, epoch, ended, at(1)));

    committed!(store, |tx| tx.numbers().step(id, epoch, Input::PairingStarted, at(2)));

    let number = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!((number.link, number.link_since), (Link::Pairing, at(2)));
    assert_eq!(number.identity.jid, None);
}

async fn links_are_read_back_as_they_were_stored(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    for (last, reason) in (1..).zip(CloseReason::ALL) {
        let (id, epoch) = number(&store, owner, last).await;
        let ended = Input::PairingEnded(reason);
        committed!(store, |tx| tx.numbers().step(id, epoch, ended, at(1)));

        let number = read!(store, |tx| tx.numbers().get(id)).unwrap();
        assert_eq!((number.link, number.link_since), (Link::Closed(reason), at(1)));
    }
}

async fn numbers_are_counted_by_link(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    reserve(&store, owner, &phone(1), NOW).await;
    number(&store, owner, 2).await;
    for last in [3, 4] {
        let (id, epoch) = number(&store, owner, last).await;
        committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(1)));
    }

    let mut counts = read!(store, |tx| tx.numbers().count_by_link());
    counts.sort();
    assert_eq!(counts, [("open".to_owned(), 2), ("pairing".to_owned(), 1)]);
}

async fn removal_ends_keys_and_tells_the_number_s_webhooks(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let hook = webhook(&store, owner, id, &["number.removed"]).await;
    let (_, token) = key(&store, owner, KeyScope::Number(id), NOW).await;
    let identity = Identity { jid: Some(IDENTITY.to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, epoch, &identity));
    store_session(&store, id, epoch).await;
    committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(1)));

    let was = committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(2))).unwrap();

    assert_eq!((was.stage, was.link), (NumberStage::Live, Link::Open));
    assert_eq!(read!(store, |tx| tx.numbers().find(owner, id)), None);
    assert_eq!(read!(store, |tx| tx.numbers().list(owner)), []);
    let removed = read!(store, |tx| tx.numbers().find_removed_too(owner, id)).unwrap();
    assert_eq!((removed.stage, removed.restorable_until), (NumberStage::Removed, Some(at(100))));
    assert!(removed.unlink_pending);
    assert_eq!(read!(store, |tx| tx.numbers().runnable()), [Runnable { id, unlink: true }]);
    assert_eq!(read!(store, |tx| tx.keys().find_by_hash(token.hash())), None);
    assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), 1);
    assert_eq!(committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(3))), None);
}

async fn a_number_without_a_stored_session_needs_no_unlinking(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let (other, other_epoch) = number(&store, owner, 2).await;
    store_session(&store, other, other_epoch).await;
    let identity = Identity { jid: Some(IDENTITY.to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, epoch, &identity));

    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(3))).unwrap();

    assert!(!read!(store, |tx| tx.numbers().get(id)).unwrap().unlink_pending);
    // With a session it does, whatever the link says: only the client can tell.
    let revoked = Input::Revoked(CloseReason::LoggedOut);
    committed!(store, |tx| tx.numbers().step(other, other_epoch, Input::Opened, at(1)));
    committed!(store, |tx| tx.numbers().step(other, other_epoch, revoked, at(2)));
    committed!(store, |tx| tx.numbers().remove(owner, other, at(100), at(3))).unwrap();
    let only_other = [Runnable { id: other, unlink: true }];
    assert_eq!(read!(store, |tx| tx.numbers().runnable()), only_other);
}

async fn a_removed_number_is_claimed_only_to_be_unlinked(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let ((bare, epoch), (linked, linked_epoch)) =
        (number(&store, owner, 1).await, number(&store, owner, 2).await);
    store_session(&store, linked, linked_epoch).await;
    for id in [bare, linked] {
        committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(1)));
    }
    let claim =
        async |id| committed!(store, |tx| tx.numbers().claim(id, NodeId::mint())).map(|n| n.epoch);

    assert_eq!(claim(bare).await, None);
    assert_eq!(read!(store, |tx| tx.numbers().get(bare)).unwrap().epoch, epoch, "nothing moved");
    assert!(claim(linked).await > Some(linked_epoch));
    committed!(store, |tx| tx.numbers().unlinked(linked));
    assert_eq!(claim(linked).await, None);
}

async fn a_phone_that_answers_after_the_removal_is_to_be_unlinked(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let ((late, epoch), (live, live_epoch)) =
        (number(&store, owner, 1).await, number(&store, owner, 2).await);
    committed!(store, |tx| tx.numbers().remove(owner, late, at(100), at(1)));
    let pending =
        async |id| read!(store, |tx| tx.numbers().get(id)).map(|number| number.unlink_pending);
    assert_eq!(pending(late).await, Some(false));

    let identity = Identity { jid: Some(IDENTITY.to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(late, epoch, &identity));
    committed!(store, |tx| tx.numbers().identify(live, live_epoch, &identity));

    assert_eq!((pending(late).await, pending(live).await), (Some(true), Some(false)));
    let runnable = read!(store, |tx| tx.numbers().runnable());
    assert!(runnable.contains(&Runnable { id: late, unlink: true }), "{runnable:?}");
    assert_eq!(purge_due(&store, at(100)).await, 0, "still linked");
    committed!(store, |tx| tx.numbers().unlinked(late));
    assert_eq!(purge_due(&store, at(100)).await, 1);
}

async fn a_removed_number_is_purged_when_all_is_done(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let hook = webhook(&store, owner, id, &["*"]).await;
    key(&store, owner, KeyScope::Number(id), NOW).await;
    let identity = Identity { jid: Some(IDENTITY.to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, epoch, &identity));
    store_session(&store, id, epoch).await;
    let state = store.session_state(id, epoch);
    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(1)));

    assert_eq!(purge_due(&store, at(100)).await, 0, "still linked");
    committed!(store, |tx| tx.numbers().unlinked(id));
    assert_eq!(state.get("device", "self").await.unwrap(), None);
    assert_eq!(purge_due(&store, at(100)).await, 0, "not told yet");
    let lease = Duration::from_mins(1);
    let limits = LeaseLimits { lease, runs: 9, unproven: 9, per_webhook: 9, run_length: 1 };
    let due = committed!(store, |tx| tx.deliveries().lease_due(at(2), &limits)).concat();
    settle(&store, &due[0], Verdict::Done, at(2)).await;
    assert_eq!(purge_due(&store, at(99)).await, 0, "still restorable");

    assert_eq!(purge_due(&store, at(100)).await, 1);
    assert_eq!(read!(store, |tx| tx.numbers().get(id)), None);
    assert_eq!(read!(store, |tx| tx.webhooks().find(owner, hook)), None);
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), [EventKind::NumberRemoved]);
}

async fn a_restored_number_is_back_but_not_connected(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let hook = webhook(&store, owner, id, &["number.restored"]).await;
    let identity = Identity { jid: Some(IDENTITY.to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, epoch, &identity));
    store_session(&store, id, epoch).await;
    committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(1)));
    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(2)));

    let restored = committed!(store, |tx| tx.numbers().restore(owner, id, at(3)));

    let back = read!(store, |tx| tx.numbers().find(owner, id)).unwrap();
    assert_eq!(restored, Restored::Done(Box::new(back.clone())));
    assert_eq!((back.link, back.link_since), (Link::Closed(CloseReason::NotPaired), at(3)));
    assert_eq!((back.restorable_until, back.stage), (None, NumberStage::Live));
    assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), 1);
    // The old device is still linked: no ghost is left behind.
    assert_eq!(read!(store, |tx| tx.numbers().runnable()), [Runnable { id, unlink: true }]);
    committed!(store, |tx| tx.numbers().unlinked(id));
    assert_eq!(read!(store, |tx| tx.numbers().runnable()), []);
    assert_eq!(purge_due(&store, at(500)).await, 0);
    assert_eq!(
        committed!(store, |tx| tx.numbers().restore(owner, id, at(4))),
        Restored::Gone,
        "once only"
    );
}

async fn a_number_is_restored_within_its_window_only(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;
    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(1)));

    for (who, when) in [(owner, at(100)), (other, at(50))] {
        assert_eq!(committed!(store, |tx| tx.numbers().restore(who, id, when)), Restored::Gone);
    }
    let nobody = NumberId::mint();
    assert_eq!(committed!(store, |tx| tx.numbers().restore(owner, nobody, at(1))), Restored::Gone);
    let last = committed!(store, |tx| tx.numbers().restore(owner, id, at(99)));
    assert!(matches!(last, Restored::Done(_)), "{last:?}");
}

async fn a_phone_number_that_is_active_again_is_not_restored(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(1)));
    // Creating it anew is refused within the window, so the clock is set back for the restoring.
    number(&store, owner, 2).await;
    let (_, again) = reserve(&store, owner, &phone(1), at(100)).await;
    assert!(matches!(again, Reservation::Reserved(_)));

    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.numbers().restore(owner, id, at(99)).await.unwrap(), Restored::AlreadyActive);
    drop(tx);

    let still = read!(store, |tx| tx.numbers().find_removed_too(owner, id)).unwrap();
    assert_eq!(still.stage, NumberStage::Removed);
    assert!(!read!(store, |tx| tx.events().kinds_of(id)).contains(&EventKind::NumberRestored));
}

async fn a_choice_is_read_back(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;
    assert_eq!(committed!(store, |tx| tx.numbers().find_to_change(other, id)), None);
    let found = committed!(store, |tx| tx.numbers().find_to_change(owner, id)).unwrap();
    assert_eq!(found.pii_mode, "STORE_INDEFINITE");

    let settings = r#"{"alwaysOnline":true}"#;
    let choice = Choice { settings, pii_mode: "STORE_X_DAYS", pii_retention_days: Some(30) };
    committed!(store, |tx| tx.numbers().change(id, &choice, at(7)));

    let number = read!(store, |tx| tx.numbers().find(owner, id)).unwrap();
    assert_eq!((number.settings.as_str(), number.pii_mode.as_str()), (settings, "STORE_X_DAYS"));
    assert_eq!((number.pii_retention_days, number.updated_at), (Some(30), at(7)));
    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(8)));
    assert_eq!(committed!(store, |tx| tx.numbers().find_to_change(owner, id)), None);
}

async fn a_reservation_that_nobody_undid_is_purged(Db { store, .. }: Db) {
    const MINUTES_10: i64 = 10 * 60;
    let owner = tenant(&store).await;
    let (stale, _) = reserve(&store, owner, &phone(1), NOW).await;
    let (fresh, _) = reserve(&store, owner, &phone(2), at(10)).await;
    let (live, _) = number(&store, owner, 3).await;

    purge_due(&store, at(MINUTES_10)).await;
    assert!(read!(store, |tx| tx.numbers().get(stale)).is_some(), "not yet");
    purge_due(&store, at(MINUTES_10 + 1)).await;

    assert_eq!(read!(store, |tx| tx.numbers().get(stale)), None);
    for kept in [fresh, live] {
        assert!(read!(store, |tx| tx.numbers().get(kept)).is_some());
    }
    let (_, again) = reserve(&store, owner, &phone(1), at(MINUTES_10 + 2)).await;
    assert!(matches!(again, Reservation::Reserved(_)), "{again:?}");
}

async fn a_key_is_found_by_its_id_while_it_lives(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    let (of_tenant, _) = key(&store, owner, KeyScope::Tenant, NOW).await;
    let (of_number, _) = key(&store, owner, KeyScope::Number(id), NOW).await;
    for key in [of_tenant, of_number] {
        let found = read!(store, |tx| tx.keys().find_by_id(key)).unwrap();
        assert_eq!((found.id, found.tenant), (key, owner));
    }

    committed!(store, |tx| tx.keys().revoke(owner, of_tenant, at(1)));
    committed!(store, |tx| tx.numbers().remove(owner, id, at(9), at(1)));

    for key in [of_tenant, of_number, ramal_domain::KeyId::mint()] {
        assert_eq!(read!(store, |tx| tx.keys().find_by_id(key)), None);
    }
}
