//! Another phone than the expected one, and the links that may say what to do about it.

use ramal_domain::{
    CloseReason, EventKind, Input, Link, NodeId, NumberId, PairingLinkId, PairingToken,
    PhoneNumber, TenantId, Timestamp, WrongPhone, WrongPhoneOutcome, WrongPhonePolicy,
};
use ramal_store::{
    Adopted, Epoch, Identity, PairingLink, Reservation, Stepped, Store, TenantSettings,
};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, reserve, tenant},
};

on_both_databases! {
    the_link_in_force_decides_before_the_tenant,
    an_adopted_phone_is_the_numbers_own_and_told,
    a_phone_is_adopted_by_one_number_of_a_tenant_only,
    a_stale_session_adopts_and_rejects_nothing,
    a_rejected_phone_is_to_be_unlinked,
    a_helpers_token_opens_the_same_link,
    links_are_listed_and_revoked_for_their_tenant_only,
}

fn link(tenant: TenantId, number: NumberId, created: Timestamp) -> PairingLink {
    PairingLink {
        id: PairingLinkId::mint(),
        tenant,
        number,
        language: None,
        branding: "{}".to_owned(),
        redirect_url: None,
        external_ref: None,
        wrong_phone: None,
        created_at: created,
        expires_at: created.after(std::time::Duration::from_secs(100)),
        used_at: None,
        revoked_at: None,
    }
}

async fn create(store: &Store, link: &PairingLink) -> PairingToken {
    let token = PairingToken::mint();
    committed!(store, |tx| tx.pairing_links().create(link, &token.hash()));
    token
}

fn wrong(actual: &PhoneNumber, outcome: WrongPhoneOutcome) -> WrongPhone {
    let policy = WrongPhonePolicy::Adopt;
    WrongPhone { expected: phone(1), actual: actual.clone(), policy, outcome }
}

async fn adopt(store: &Store, id: NumberId, epoch: Epoch, actual: &PhoneNumber) -> Adopted {
    let wrong = wrong(actual, WrongPhoneOutcome::Adopted);
    committed!(store, |tx| tx.numbers().adopt(id, epoch, &wrong, NOW))
}

async fn the_link_in_force_decides_before_the_tenant(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let policy =
        async |seconds| read!(store, |tx| tx.numbers().wrong_phone_policy(id, at(seconds)));
    assert_eq!(policy(0).await, WrongPhonePolicy::Reject);
    let settings =
        TenantSettings { wrong_phone: WrongPhonePolicy::Ask, ..TenantSettings::default() };
    committed!(store, |tx| tx.tenant_settings().put(owner, &settings, NOW));
    create(&store, &link(owner, id, at(0))).await;
    assert_eq!(policy(1).await, WrongPhonePolicy::Ask, "a link that says nothing");

    let adopting =
        PairingLink { wrong_phone: Some(WrongPhonePolicy::Adopt), ..link(owner, id, at(2)) };
    create(&store, &adopting).await;
    assert_eq!(policy(3).await, WrongPhonePolicy::Adopt);
    assert_eq!(policy(102).await, WrongPhonePolicy::Ask, "expired");
    committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, at(5)));
    assert_eq!(policy(6).await, WrongPhonePolicy::Ask, "it has paired its number");
    assert_eq!(
        read!(store, |tx| tx.numbers().wrong_phone_policy(NumberId::mint(), NOW)),
        WrongPhonePolicy::Reject
    );
}

async fn an_adopted_phone_is_the_numbers_own_and_told(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;

    assert_eq!(adopt(&store, id, epoch, &phone(7)).await, Adopted::Done);

    let row = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!(row.phone, phone(7));
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), [EventKind::NumberWrongPhone]);
    // The old phone number is free, the new one is not.
    let held = async |last| reserve(&store, owner, &phone(last), NOW).await.1;
    assert_eq!(held(7).await, Reservation::AlreadyActive);
    assert!(matches!(held(1).await, Reservation::Reserved(_)));
}

async fn a_phone_is_adopted_by_one_number_of_a_tenant_only(Db { store, .. }: Db) {
    let (owner, stranger) = (tenant(&store).await, tenant(&store).await);
    let (id, epoch) = number(&store, owner, 1).await;
    let (other, _epoch) = number(&store, owner, 2).await;
    number(&store, stranger, 3).await;
    let spelling = phone(2).spellings().pop().unwrap();

    for taken in [phone(2), spelling] {
        assert_eq!(adopt(&store, id, epoch, &taken).await, Adopted::Taken);
    }
    assert_eq!(read!(store, |tx| tx.numbers().get(id)).unwrap().phone, phone(1));
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), []);
    committed!(store, |tx| tx.numbers().remove(owner, other, at(1_000), NOW));
    assert_eq!(adopt(&store, id, epoch, &phone(2)).await, Adopted::Done);
    assert_eq!(adopt(&store, id, epoch, &phone(3)).await, Adopted::Done, "of another tenant");
}

async fn a_stale_session_adopts_and_rejects_nothing(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, stale) = number(&store, owner, 1).await;
    committed!(store, |tx| tx.numbers().claim(id, NodeId::mint())).unwrap();

    assert_eq!(adopt(&store, id, stale, &phone(7)).await, Adopted::Fenced);
    let told = wrong(&phone(7), WrongPhoneOutcome::Rejected);
    let rejected = committed!(store, |tx| tx.numbers().reject_phone(id, stale, &told, NOW));

    assert!(matches!(rejected, Stepped::Fenced));
    let row = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!((row.link, row.unlink_pending), (Link::Pairing, false));
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), []);
}

async fn a_rejected_phone_is_to_be_unlinked(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    let device = Identity { jid: Some("1:3@s.whatsapp.net".to_owned()), ..Identity::default() };
    committed!(store, |tx| tx.numbers().identify(id, epoch, &device));

    let told = wrong(&phone(7), WrongPhoneOutcome::Rejected);
    committed!(store, |tx| tx.numbers().reject_phone(id, epoch, &told, NOW));

    let row = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!((row.link, row.unlink_pending), (Link::Closed(CloseReason::WrongPhone), true));
    let runnable = read!(store, |tx| tx.numbers().runnable());
    assert!(runnable.iter().any(|run| run.id == id && run.unlink));
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), [EventKind::NumberWrongPhone]);
    committed!(store, |tx| tx.numbers().unlinked(id));
    assert!(!read!(store, |tx| tx.numbers().get(id)).unwrap().unlink_pending);
}

async fn a_helpers_token_opens_the_same_link(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _epoch) = number(&store, owner, 1).await;
    let link = link(owner, id, NOW);
    let token = create(&store, &link).await;
    let (first, second) = (PairingToken::mint(), PairingToken::mint());
    let helper = async |token: &PairingToken| {
        let hash = token.hash();
        let found = read!(store, |tx| tx.pairing_links().find(&hash));
        found.map(|found| (found.link.id, found.helper))
    };

    committed!(store, |tx| tx.pairing_links().set_helper(link.id, &first.hash()));
    assert_eq!(helper(&token).await, Some((link.id, false)));
    assert_eq!(helper(&first).await, Some((link.id, true)));
    committed!(store, |tx| tx.pairing_links().set_helper(link.id, &second.hash()));
    assert_eq!(helper(&first).await, None, "the next one took its place");
    assert_eq!(helper(&second).await, Some((link.id, true)));
}

async fn links_are_listed_and_revoked_for_their_tenant_only(Db { store, .. }: Db) {
    let (owner, stranger) = (tenant(&store).await, tenant(&store).await);
    let (id, _epoch) = number(&store, owner, 1).await;
    let (old, new) = (link(owner, id, at(0)), link(owner, id, at(1)));
    create(&store, &old).await;
    create(&store, &new).await;
    let list = async |tenant| read!(store, |tx| tx.pairing_links().list(tenant));
    let revoke = async |tenant, seconds| {
        committed!(store, |tx| tx.pairing_links().revoke(tenant, new.id, at(seconds)))
    };

    let listed = list(owner).await;
    assert_eq!(listed.iter().map(|row| row.link.id).collect::<Vec<_>>(), [new.id, old.id]);
    assert_eq!((&listed[0].phone, listed[0].name.as_str()), (&phone(1), "Sales"));
    assert_eq!(list(stranger).await, []);
    assert_eq!(revoke(stranger, 2).await, None);
    assert_eq!(list(owner).await[0].link.revoked_at, None);
    assert_eq!(revoke(owner, 3).await, Some((id, false)));
    assert_eq!(revoke(owner, 4).await, Some((id, false)), "also twice");
    assert_eq!(list(owner).await[0].link.revoked_at, Some(at(3)));
    assert_eq!(list(owner).await[1].link.revoked_at, Some(at(1)));
}
