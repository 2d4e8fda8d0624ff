//! Health, and pairings that wait for a person: told once, and only to who hears everything.

use std::time::Duration;

use ramal_domain::{
    Action, ActionStep, Ailment, CloseReason,
    EventKind::{self, NumberConnected, NumberDisconnected},
    Illness, Input, Link, NodeId, NumberId, PasskeyRequest, TenantId,
};
use ramal_store::{Epoch, Identity, Number, Store};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, reserve, tenant, webhook},
};

on_both_databases! {
    an_illness_is_told_once_and_so_is_its_end,
    a_new_restriction_is_told_again,
    an_unstable_number_stays_restricted,
    only_the_session_that_owns_a_number_heals_it,
    losses_are_remembered_with_the_link,
    an_outdated_number_is_tried_again_by_the_next_process,
    an_action_is_told_to_subscribers_of_everything_only,
    nobody_hears_of_a_reserved_number,
}

fn ill(ailment: Ailment, since: i64, until: Option<i64>) -> Illness {
    Illness { ailment, since: at(since), until: until.map(at) }
}

async fn row(store: &Store, id: NumberId) -> Number {
    read!(store, |tx| tx.numbers().get(id)).unwrap()
}

async fn fall_ill(store: &Store, id: NumberId, illness: Illness) -> bool {
    let number = row(store, id).await;
    committed!(store, |tx| tx.numbers().fall_ill(&number, illness)).is_some()
}

async fn listed(store: &Store) -> (TenantId, NumberId, Epoch) {
    let owner = tenant(store).await;
    let (id, epoch) = number(store, owner, 1).await;
    (owner, id, epoch)
}

async fn an_illness_is_told_once_and_so_is_its_end(Db { store, .. }: Db) {
    let (_owner, id, epoch) = listed(&store).await;

    assert!(fall_ill(&store, id, ill(Ailment::Unstable, 1, None)).await);
    assert!(!fall_ill(&store, id, ill(Ailment::Unstable, 2, None)).await);
    assert_eq!(row(&store, id).await.illness, Some(ill(Ailment::Unstable, 1, None)));
    assert!(committed!(store, |tx| tx.numbers().recovered(id, epoch, at(3))));
    assert!(!committed!(store, |tx| tx.numbers().recovered(id, epoch, at(4))));

    assert_eq!(row(&store, id).await.illness, None);
    let told = [EventKind::NumberHealthDegraded, EventKind::NumberRecovered];
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), told);
}

async fn a_new_restriction_is_told_again(Db { store, .. }: Db) {
    let (_owner, id, _epoch) = listed(&store).await;

    assert!(fall_ill(&store, id, ill(Ailment::Restricted, 1, Some(60))).await);
    assert!(!fall_ill(&store, id, ill(Ailment::Restricted, 30, Some(90))).await);
    assert_eq!(row(&store, id).await.illness, Some(ill(Ailment::Restricted, 1, Some(90))));
    assert!(fall_ill(&store, id, ill(Ailment::Restricted, 90, Some(200))).await);

    assert_eq!(row(&store, id).await.illness, Some(ill(Ailment::Restricted, 90, Some(200))));
}

async fn an_unstable_number_stays_restricted(Db { store, .. }: Db) {
    let (_owner, id, _epoch) = listed(&store).await;
    fall_ill(&store, id, ill(Ailment::Restricted, 1, Some(60))).await;

    assert!(!fall_ill(&store, id, ill(Ailment::Unstable, 2, None)).await);

    assert_eq!(row(&store, id).await.illness, Some(ill(Ailment::Restricted, 1, Some(60))));
    assert!(fall_ill(&store, id, ill(Ailment::Banned, 3, None)).await);
    assert_eq!(row(&store, id).await.illness, Some(ill(Ailment::Banned, 3, None)));
}

async fn only_the_session_that_owns_a_number_heals_it(Db { store, .. }: Db) {
    let (_owner, id, epoch) = listed(&store).await;
    fall_ill(&store, id, ill(Ailment::Banned, 1, None)).await;
    let claimed = committed!(store, |tx| tx.numbers().claim(id, NodeId::mint()));

    assert!(!committed!(store, |tx| tx.numbers().recovered(id, epoch, at(2))));
    assert!(row(&store, id).await.illness.is_some());
    assert!(committed!(store, |tx| tx.numbers().recovered(id, claimed.unwrap().epoch, at(3))));
}

async fn losses_are_remembered_with_the_link(Db { store, .. }: Db) {
    let (_owner, id, epoch) = listed(&store).await;
    for seconds in [1, 10, 20] {
        committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(seconds)));
        committed!(store, |tx| tx.numbers().step(id, epoch, Input::Lost, at(seconds + 5)));
        // The second report of one loss counts for nothing.
        committed!(store, |tx| tx.numbers().step(id, epoch, Input::Lost, at(seconds + 6)));
    }

    let number = row(&store, id).await;
    assert_eq!(number.link, Link::Resuming { reported: false });
    assert_eq!(number.losses.within(Duration::from_mins(1), at(26)), 3);
    assert_eq!(number.losses.within(Duration::from_secs(15), at(26)), 2);
}

async fn an_outdated_number_is_tried_again_by_the_next_process(Db { store, .. }: Db) {
    let (owner, id, epoch) = listed(&store).await;
    let (unscanned, other) = number(&store, owner, 2).await;
    let outdated = Input::Revoked(CloseReason::ClientOutdated);
    committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(1)));
    let identity =
        Identity { jid: Some("5511:1@s.whatsapp.net".to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, epoch, &identity));
    for (id, epoch) in [(id, epoch), (unscanned, other)] {
        committed!(store, |tx| tx.numbers().step(id, epoch, outdated, at(2)));
        fall_ill(&store, id, ill(Ailment::ClientOutdated, 2, None)).await;
    }

    committed!(store, |tx| tx.numbers().recover(NodeId::mint(), at(3)));

    assert_eq!(row(&store, id).await.link, Link::Resuming { reported: true });
    let closed = Link::Closed(CloseReason::ClientOutdated);
    assert_eq!(row(&store, unscanned).await.link, closed, "nothing to log in with");
    committed!(store, |tx| tx.numbers().step(id, epoch, outdated, at(4)));
    assert_eq!(row(&store, id).await.link, closed);
    let told = [NumberConnected, NumberDisconnected, EventKind::NumberHealthDegraded];
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), told, "no news");
}

fn action() -> Action {
    let request = PasskeyRequest::parse(r#"{"challenge":"Y2hhbGxlbmdl"}"#).unwrap();
    Action { step: ActionStep::Passkey(request), asked_at: NOW, expires_at: at(60) }
}

async fn an_action_is_told_to_subscribers_of_everything_only(Db { store, .. }: Db) {
    let (owner, id, epoch) = listed(&store).await;
    let all = webhook(&store, owner, id, &["*"]).await;
    // No API writes such a row; whoever did would hear nothing.
    let sly = webhook(&store, owner, id, &["number.action_required"]).await;
    committed!(store, |tx| tx.numbers().step(id, epoch, Input::PairingStarted, NOW));

    assert!(committed!(store, |tx| tx.numbers().require_action(id, epoch, &action(), at(1))));

    assert_eq!(read!(store, |tx| tx.deliveries().pending(all)), 1);
    assert_eq!(read!(store, |tx| tx.deliveries().pending(sly)), 0);
    let attempts = read!(store, |tx| tx.pairing_attempts().list(owner, id));
    assert_eq!(attempts[0].action_at, Some(at(1)));
    committed!(store, |tx| tx.numbers().claim(id, NodeId::mint()));
    assert!(!committed!(store, |tx| tx.numbers().require_action(id, epoch, &action(), at(2))));
}

async fn nobody_hears_of_a_reserved_number(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, reservation) = reserve(&store, owner, &phone(1), NOW).await;
    let epoch = crate::scene::epoch_of(&reservation).unwrap();

    committed!(store, |tx| tx.numbers().require_action(id, epoch, &action(), at(1)));
    assert!(!fall_ill(&store, id, ill(Ailment::Banned, 1, None)).await);

    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), []);
}
