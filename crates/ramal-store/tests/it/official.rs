//! Official numbers: what they are at Meta, their queue, what Meta reports, and the links by which people
//! connect them.

use std::time::Duration;

use ramal_domain::{
    CloseReason, Content, CorrelationId, EventKind, Input, Link, Media, MediaKind, MediaSource,
    MessageId, MessageStatus, NodeId, NumberId, PairingLinkId, PairingToken, Peer, PhoneNumber,
    Provider, TenantId, Timestamp, WireId,
};
use ramal_store::{
    Credentials, Draft, Failure, InboundMessage, Message, NewNumber, OfficialNumber,
    OfficialStatus, PastMessage, Reservation, Schedule, Sharing, SignupFlow, SignupLink, Stepped,
    Store, StoredMedia,
};
use secrecy::ExposeSecret as _;

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, tenant},
};

on_both_databases! {
    what_a_number_is_at_meta_is_kept_sealed_and_found_by_its_owner_only,
    a_number_that_moves_to_meta_keeps_its_id_and_no_session_moves_it,
    removed_numbers_leave_meta_before_they_are_purged,
    an_account_is_shared_with_whoever_uses_it_with_the_same_app,
    a_number_that_others_have_at_meta_is_known_to_be_shared,
    what_was_left_half_done_at_meta_is_set_aside_and_its_pin_kept_for_a_while,
    a_move_that_died_is_set_aside_and_the_number_stays,
    looks_are_due_for_numbers_that_are_open_or_on_their_way,
    one_message_of_a_number_is_under_way_at_a_time_and_in_order,
    a_try_without_an_end_is_not_made_again,
    a_try_without_an_end_holds_up_its_chat_only,
    a_number_that_meta_slows_down_waits_as_a_whole,
    a_try_goes_on_while_its_message_waits,
    a_status_finds_its_message_by_our_id_when_the_answer_was_lost,
    meta_may_refuse_what_it_has_accepted_but_not_what_has_arrived,
    what_was_given_up_for_lost_goes_on_when_meta_has_it_after_all,
    what_cannot_be_read_any_more_fails_alone,
    media_that_come_after_what_stood_for_them_are_filled_in,
    bytes_go_with_their_message,
    a_reply_names_what_it_answers_and_media_are_found_by_their_link,
    news_is_taken_in_once,
    a_signup_link_belongs_to_its_newest_page,
}

async fn official(store: &Store, owner: TenantId, last: u32) -> NumberId {
    let (id, _) = number(store, owner, last).await;
    committed!(store, |tx| tx.official().put(&at_meta(id, last)));
    committed!(store, |tx| tx.numbers().make_official(id, NOW));
    let stepped = committed!(store, |tx| tx.numbers().step_official(id, Input::Opened, NOW));
    assert!(matches!(stepped, Stepped::Done { .. }), "{stepped:?}");
    id
}

fn at_meta(number: NumberId, last: u32) -> OfficialNumber {
    OfficialNumber {
        number,
        phone_id: format!("1000{last:04}"),
        waba_id: "20000000".to_owned(),
        credentials: Credentials {
            app_id: Some("30000000".to_owned()),
            operators_app: false,
            token: "EAAtoken".into(),
            app_secret: Some("secret".into()),
            pin: Some("123456".into()),
            token_expires_at: Some(at(60)),
        },
        verify_token: "verify".into(),
        onboarding: "[]".to_owned(),
        snapshot: None,
        looked_at: None,
    }
}

async fn queue(store: &Store, owner: TenantId, id: NumberId, to: u32, when: i64) -> MessageId {
    queue_with(store, owner, id, to, when, None).await
}

async fn queue_with(
    store: &Store,
    owner: TenantId,
    id: NumberId,
    to: u32,
    when: i64,
    bytes: Option<&[u8]>,
) -> MessageId {
    let (message, wire_id) = (MessageId::mint(), WireId::mint());
    let text = Content::Text { body: "Oi".to_owned() };
    let content = if bytes.is_some() { Content::Media(stored_image()) } else { text };
    let draft = Draft {
        id: message,
        tenant: owner,
        number: id,
        wire_id: &wire_id,
        correlation: CorrelationId::mint(),
        to: &Peer::Phone(phone(to)),
        content: &content,
        bytes,
        mark_read: true,
        origin: "API",
        schedule: Schedule::default(),
        template: None,
        labels: &[],
    };
    committed!(store, |tx| tx.messages().accept(&draft, at(when)));
    message
}

fn stored_image() -> Media {
    let source = MediaSource::Stored { mime: "image/png".to_owned() };
    Media { kind: MediaKind::Image, source, caption: None, file_name: None }
}

async fn begin(store: &Store, now: Timestamp) -> Vec<MessageId> {
    begin_beside(store, &[], now).await
}

async fn begin_beside(store: &Store, busy: &[NumberId], now: Timestamp) -> Vec<MessageId> {
    let due = read!(store, |tx| tx.messages().has_official_due(busy, now));
    let begun = committed!(store, |tx| tx.messages().begin_official(busy, now, 10));
    assert!(due || begun.is_empty(), "a look finds what is begun");
    begun.into_iter().map(|message| message.id).collect()
}

async fn find(store: &Store, owner: TenantId, number: NumberId, id: MessageId) -> Message {
    read!(store, |tx| tx.messages().find(owner, number, &id.to_string())).unwrap()
}

async fn what_a_number_is_at_meta_is_kept_sealed_and_found_by_its_owner_only(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let id = official(&store, owner, 1).await;

    let found = read!(store, |tx| tx.official().get(id)).unwrap();
    assert_eq!(found.credentials.token.expose_secret(), "EAAtoken");
    assert_eq!(found.credentials.pin.as_ref().unwrap().expose_secret(), "123456");
    assert_eq!(found.credentials.token_expires_at, Some(at(60)));
    assert!(!format!("{found:?}").contains("EAAtoken"));
    let of_phone =
        async |whose| read!(store, |tx| tx.official().numbers_of_phone(whose, "10000001"));
    assert_eq!(of_phone(Some(owner)).await, [id]);
    assert_eq!(of_phone(Some(other)).await, []);
    assert_eq!(of_phone(None).await, [], "it is not of the operator's app");
    let of_account = read!(store, |tx| tx.official().numbers_of_account(Some(owner), "20000000"));
    assert_eq!(of_account, [id]);
    assert_eq!(read!(store, |tx| tx.official().list(owner)).len(), 1);
    assert_eq!(read!(store, |tx| tx.official().list(other)).len(), 0);

    committed!(store, |tx| tx.official().set_snapshot(id, "{\"phone\":{}}", at(1)));
    committed!(store, |tx| tx.official().set_onboarding(id, "[1]"));
    let found = read!(store, |tx| tx.official().get(id)).unwrap();
    assert_eq!((found.looked_at, found.onboarding.as_str()), (Some(at(1)), "[1]"));
}

async fn a_number_that_moves_to_meta_keeps_its_id_and_no_session_moves_it(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, epoch) = number(&store, owner, 1).await;
    committed!(store, |tx| tx.numbers().step(id, epoch, Input::Opened, NOW));
    committed!(store, |tx| tx.official().put(&at_meta(id, 1)));
    assert!(matches!(
        committed!(store, |tx| tx.numbers().step_official(id, Input::Opened, NOW)),
        Stepped::Fenced
    ));
    committed!(store, |tx| tx.official().forget(id));
    assert!(read!(store, |tx| tx.official().get(id)).is_none(), "a move that failed");

    committed!(store, |tx| tx.official().put(&at_meta(id, 1)));
    committed!(store, |tx| tx.numbers().make_official(id, at(1)));
    committed!(store, |tx| tx.official().forget(id));
    assert!(read!(store, |tx| tx.official().get(id)).is_some(), "it is Meta's now");
    committed!(store, |tx| tx.numbers().step_official(id, Input::Opened, at(2)));
    let late = committed!(store, |tx| tx.numbers().step(id, epoch, Input::Lost, at(3)));
    assert!(matches!(late, Stepped::Refused(_)), "{late:?}");
    let row = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!((row.provider, row.link), (Provider::Meta, Link::Open));
    let runnable = read!(store, |tx| tx.numbers().runnable());
    assert_eq!(runnable, [], "no session runs for it");
    committed!(store, |tx| tx.numbers().recover(NodeId::mint(), at(4)));
    let row = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!(row.link, Link::Open, "a restart changes nothing");
}

async fn removed_numbers_leave_meta_before_they_are_purged(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (first, second) = (official(&store, owner, 1).await, official(&store, owner, 2).await);
    committed!(store, |tx| tx.numbers().remove(owner, first, at(1), at(1)));
    let leaving = read!(store, |tx| tx.official().leaving(at(2), 10));
    assert_eq!(leaving.len(), 1);
    assert!(!leaving[0].half_done);
    let sharing = async || read!(store, |tx| tx.official().sharing(&at_meta(first, 1)));
    assert!(sharing().await.account, "another number uses the account");

    committed!(store, |tx| tx.official().leave_again(first, at(20)));
    assert_eq!(read!(store, |tx| tx.official().leaving(at(2), 10)).len(), 0, "not yet again");
    committed!(store, |tx| tx.numbers().purge_due(at(5)));
    assert!(read!(store, |tx| tx.numbers().get(first)).is_some(), "it is still at Meta");
    committed!(store, |tx| tx.numbers().remove(owner, second, at(1), at(6)));
    let leaving = read!(store, |tx| tx.official().leaving(at(30), 10));
    assert_eq!(leaving.len(), 2);
    assert!(!sharing().await.account, "the other one leaves, too");
    committed!(store, |tx| tx.official().left(first, at(30)));
    committed!(store, |tx| tx.numbers().purge_due(at(31)));
    assert!(read!(store, |tx| tx.numbers().get(first)).is_none());
}

async fn an_account_is_shared_with_whoever_uses_it_with_the_same_app(Db { store, .. }: Db) {
    let (owner, neighbour) = (tenant(&store).await, tenant(&store).await);
    let (mine, theirs) = (official(&store, owner, 1).await, official(&store, neighbour, 2).await);
    committed!(store, |tx| tx.numbers().remove(owner, mine, at(1), at(1)));
    let shared = async || read!(store, |tx| tx.official().sharing(&at_meta(mine, 1))).account;
    for (app, expected) in [
        (Some("30000000"), true),
        (Some("40000000"), false),
        // Which app it is, is not known: better one subscription too many.
        (None, true),
    ] {
        let mut other = at_meta(theirs, 2);
        other.credentials.app_id = app.map(str::to_owned);
        committed!(store, |tx| tx.official().put(&other));
        assert_eq!(shared().await, expected, "{app:?}");
    }
    let elsewhere = OfficialNumber { waba_id: "20000001".to_owned(), ..at_meta(theirs, 2) };
    committed!(store, |tx| tx.official().put(&elsewhere));
    assert!(!shared().await, "another account");
}

async fn a_number_that_others_have_at_meta_is_known_to_be_shared(Db { store, .. }: Db) {
    let (owner, neighbour) = (tenant(&store).await, tenant(&store).await);
    let mine = official(&store, owner, 1).await;
    committed!(store, |tx| tx.numbers().remove(owner, mine, at(1), at(1)));
    let shared = async || read!(store, |tx| tx.official().sharing(&at_meta(mine, 1)));
    assert_eq!(shared().await, Sharing { phone: false, account: false });

    let again = reserve(&store, owner, 1, at(2)).await;
    let theirs = official(&store, neighbour, 3).await;
    for other in [again, theirs] {
        committed!(store, |tx| tx.official().put(&at_meta(other, 1)));
        assert_eq!(shared().await, Sharing { phone: true, account: true }, "on its way, too");
        committed!(store, |tx| tx.official().set_aside(other));
        assert!(!shared().await.phone, "it never came to be");
    }
    let phone_id = at_meta(mine, 1).phone_id;
    let taken = async || read!(store, |tx| tx.official().is_taken(neighbour, &phone_id, mine));
    assert!(!taken().await);
    committed!(store, |tx| tx.official().put(&at_meta(theirs, 1)));
    assert!(taken().await);
    assert!(!read!(store, |tx| tx.official().is_taken(neighbour, &phone_id, theirs)));
    assert!(!read!(store, |tx| tx.official().is_taken(owner, &phone_id, mine)), "another's");
}

/// An official number that is being created.
async fn reserve(store: &Store, owner: TenantId, last: u32, now: Timestamp) -> NumberId {
    let id = NumberId::mint();
    let phone = phone(last);
    let new = NewNumber {
        id,
        tenant: owner,
        phone: &phone,
        name: "Support",
        settings: "{}",
        provider: Provider::Meta,
    };
    let node = NodeId::mint();
    let done = committed!(store, |tx| tx.numbers().reserve(&new, node, now));
    assert!(matches!(done, Reservation::Reserved(_)), "{done:?}");
    committed!(store, |tx| tx.official().put(&at_meta(id, last)));
    id
}

async fn what_was_left_half_done_at_meta_is_set_aside_and_its_pin_kept_for_a_while(
    Db { store, .. }: Db,
) {
    let owner = tenant(&store).await;
    let (dead, old) = (reserve(&store, owner, 1, NOW).await, reserve(&store, owner, 2, NOW).await);
    let mut without_pin = at_meta(old, 2);
    without_pin.credentials.pin = None;
    committed!(store, |tx| tx.official().put(&without_pin));
    let late = NOW.after(Duration::from_mins(11));
    committed!(store, |tx| tx.numbers().purge_due(late));
    let leaving = read!(store, |tx| tx.official().leaving(late, 10));
    assert!(leaving.len() == 2 && leaving.iter().all(|it| it.half_done), "{leaving:?}");
    let (undone, _) = committed!(store, |tx| tx.numbers().recover(NodeId::mint(), late));
    assert_eq!(undone, 0, "once is enough");

    for id in [dead, old] {
        assert_eq!(read!(store, |tx| tx.numbers().find(owner, id)), None);
        committed!(store, |tx| tx.official().left(id, late));
    }
    committed!(store, |tx| tx.numbers().purge_due(late));
    assert!(read!(store, |tx| tx.numbers().get(old)).is_none());
    let phone_id = at_meta(dead, 1).phone_id;
    let pin = async |of| read!(store, |tx| tx.official().known_pin(of, &phone_id));
    assert_eq!(pin(owner).await.unwrap().expose_secret(), "123456", "for whoever tries again");
    assert!(pin(tenant(&store).await).await.is_none(), "nobody else");
    let again = reserve(&store, owner, 1, late).await;
    committed!(store, |tx| tx.official().set_pin(again, &"654321".into()));
    assert_eq!(pin(owner).await.unwrap().expose_secret(), "654321", "the newest");
    committed!(store, |tx| tx.numbers().abandon(again));
    committed!(store, |tx| tx.numbers().purge_due(late.after(Duration::from_hours(31 * 24))));
    assert!(pin(owner).await.is_none());

    let dead = reserve(&store, owner, 3, NOW).await;
    assert_eq!(committed!(store, |tx| tx.numbers().recover(NodeId::mint(), at(1))).0, 1);
    assert_eq!(read!(store, |tx| tx.official().leaving(at(1), 10))[0].official.number, dead);
}

async fn a_move_that_died_is_set_aside_and_the_number_stays(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, other) = (number(&store, owner, 1).await.0, official(&store, owner, 2).await);
    let mut half = at_meta(id, 1);
    half.credentials.pin = None;
    committed!(store, |tx| tx.official().put(&half));
    committed!(store, |tx| tx.numbers().recover(NodeId::mint(), at(1)));
    let leaving = read!(store, |tx| tx.official().leaving(at(1), 10));
    assert_eq!(leaving.iter().map(|it| it.official.number).collect::<Vec<_>>(), [id]);
    committed!(store, |tx| tx.official().left(id, at(2)));
    assert!(read!(store, |tx| tx.official().get(id)).is_none());
    assert!(read!(store, |tx| tx.numbers().find(owner, id)).is_some());
    assert!(read!(store, |tx| tx.official().get(other)).is_some(), "it is Meta's");
}

async fn looks_are_due_for_numbers_that_are_open_or_on_their_way(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let due = async |now| read!(store, |tx| tx.official().looks_due(now, 10));
    assert_eq!(due(at(0)).await, [id]);
    committed!(store, |tx| tx.official().look_again(id, at(10)));
    assert_eq!(due(at(9)).await, []);
    assert_eq!(due(at(10)).await, [id]);
    let revoked = Input::Revoked(CloseReason::MetaTokenInvalid);
    committed!(store, |tx| tx.numbers().step_official(id, revoked, at(11)));
    assert_eq!(due(at(12)).await, [], "its token is no good: there is nothing to ask with");
}

async fn one_message_of_a_number_is_under_way_at_a_time_and_in_order(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, other) = (official(&store, owner, 1).await, official(&store, owner, 2).await);
    let first = queue(&store, owner, id, 7, 1).await;
    let second = queue(&store, owner, id, 8, 2).await;
    let third = queue(&store, owner, id, 7, 3).await;
    let elsewhere = queue(&store, owner, other, 7, 4).await;

    assert_eq!(begin_beside(&store, &[other], at(5)).await, [first]);
    assert_eq!(begin_beside(&store, &[id], at(5)).await, [elsewhere]);
    assert_eq!(begin_beside(&store, &[id, other], at(5)).await, [], "one is under way");
    committed!(store, |tx| tx.messages().official_put_off(first, at(60), at(6)));
    assert_eq!(begin(&store, at(7)).await, [second], "another chat need not wait");
    let wire_id = WireId::from_text("wamid.2");
    committed!(store, |tx| tx.messages().official_sent(second, &wire_id, at(8)));
    assert_eq!(begin(&store, at(9)).await, [], "the chat keeps its order");
    assert_eq!(begin(&store, at(60)).await, [first]);
    committed!(store, |tx| tx.messages().official_hold(first));
    assert_eq!(begin(&store, at(61)).await, [first]);
    let wire_id = WireId::from_text("wamid.1");
    committed!(store, |tx| tx.messages().official_sent(first, &wire_id, at(62)));
    assert_eq!(begin(&store, at(63)).await, [third]);

    let sent = find(&store, owner, id, first).await;
    assert_eq!((sent.status, sent.wire_id.as_str()), (MessageStatus::Sent, "wamid.1"));
    assert_eq!(read!(store, |tx| tx.messages().next_queued(id, &[], at(99))), None, "no session's");
}

async fn a_try_without_an_end_is_not_made_again(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let message = queue(&store, owner, id, 7, 1).await;
    assert_eq!(begin(&store, at(2)).await, [message]);

    assert_eq!(begin(&store, at(9_999)).await, []);
    assert_eq!(read!(store, |tx| tx.messages().begun_before(at(2), 10)), []);
    let lost = read!(store, |tx| tx.messages().begun_before(at(3), 10));
    assert_eq!(lost.iter().map(|it| (it.id, it.number)).collect::<Vec<_>>(), [(message, id)]);
    let failure = Failure { code: "X".to_owned(), message: "lost".to_owned() };
    committed!(store, |tx| tx.messages().failed(message, &failure, at(4)));
    let failed = find(&store, owner, id, message).await;
    assert_eq!((failed.status, failed.failure), (MessageStatus::Failed, Some(failure)));
    assert_eq!(read!(store, |tx| tx.messages().begun_before(at(9), 10)), []);
}

async fn a_try_without_an_end_holds_up_its_chat_only(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let lost = queue(&store, owner, id, 7, 1).await;
    let behind = queue(&store, owner, id, 7, 2).await;
    let beside = queue(&store, owner, id, 8, 3).await;
    assert_eq!(begin(&store, at(4)).await, [lost]);

    assert_eq!(begin(&store, at(5)).await, [beside]);
    assert_eq!(begin(&store, at(6)).await, []);
    // What waits behind a try that failed holds up no other chat either.
    committed!(store, |tx| tx.messages().official_put_off(lost, at(60), at(7)));
    let later = queue(&store, owner, id, 9, 8).await;
    assert_eq!(begin(&store, at(9)).await, [later]);
    let failure = Failure { code: "X".to_owned(), message: "lost".to_owned() };
    committed!(store, |tx| tx.messages().failed(lost, &failure, at(10)));
    assert_eq!(begin(&store, at(11)).await, [behind]);
}

async fn a_number_that_meta_slows_down_waits_as_a_whole(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, other) = (official(&store, owner, 1).await, official(&store, owner, 2).await);
    let first = queue(&store, owner, id, 7, 1).await;
    let elsewhere = queue(&store, owner, other, 7, 2).await;
    committed!(store, |tx| tx.official().pause(id, at(30)));
    committed!(store, |tx| tx.official().pause(id, at(20)));
    queue(&store, owner, id, 8, 3).await;

    assert_eq!(begin(&store, at(4)).await, [elsewhere]);
    assert_eq!(begin(&store, at(29)).await, []);
    assert_eq!(begin(&store, at(30)).await, [first]);
}

async fn a_try_goes_on_while_its_message_waits(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let message = queue(&store, owner, id, 7, 1).await;
    let goes_on = async |now| committed!(store, |tx| tx.messages().official_goes_on(message, now));
    assert!(!goes_on(at(1)).await, "nothing has begun");
    assert_eq!(begin(&store, at(2)).await, [message]);

    assert!(goes_on(at(9)).await);
    assert_eq!(read!(store, |tx| tx.messages().begun_before(at(9), 10)), [], "it begins anew");
    let failure = Failure { code: "X".to_owned(), message: "lost".to_owned() };
    committed!(store, |tx| tx.messages().failed(message, &failure, at(10)));
    assert!(!goes_on(at(11)).await);
}

fn reported(wire: &str, tag: Option<MessageId>, status: MessageStatus) -> OfficialStatus {
    let failure = (status == MessageStatus::Failed)
        .then(|| Failure { code: "META_ERROR".to_owned(), message: "no".to_owned() });
    OfficialStatus { wire_id: WireId::from_text(wire), tag, status, failure, at: at(10) }
}

async fn a_status_finds_its_message_by_our_id_when_the_answer_was_lost(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, other) = (official(&store, owner, 1).await, official(&store, owner, 2).await);
    let message = queue(&store, owner, id, 7, 1).await;
    begin(&store, at(2)).await;

    let delivered = reported("wamid.9", Some(message), MessageStatus::Delivered);
    assert!(!committed!(store, |tx| tx.messages().official_status(other, &delivered)));
    assert!(committed!(store, |tx| tx.messages().official_status(id, &delivered)));
    assert!(!committed!(store, |tx| tx.messages().official_status(id, &delivered)), "again");
    let sent = reported("wamid.9", None, MessageStatus::Sent);
    assert!(!committed!(store, |tx| tx.messages().official_status(id, &sent)), "late");
    let found = find(&store, owner, id, message).await;
    assert_eq!((found.status, found.wire_id.as_str()), (MessageStatus::Delivered, "wamid.9"));
    assert_eq!(read!(store, |tx| tx.messages().begun_before(at(99), 10)), []);
    let wire_id = WireId::from_text("wamid.9");
    committed!(store, |tx| tx.messages().set_pricing(id, &wire_id, "{}"));
    assert_eq!(find(&store, owner, id, message).await.pricing.as_deref(), Some("{}"));
}

async fn meta_may_refuse_what_it_has_accepted_but_not_what_has_arrived(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    for (arrived, end) in [(false, MessageStatus::Failed), (true, MessageStatus::Delivered)] {
        let message = queue(&store, owner, id, 7, 1).await;
        begin(&store, at(2)).await;
        let wire = format!("wamid.{arrived}");
        let wire_id = WireId::from_text(wire.clone());
        committed!(store, |tx| tx.messages().official_sent(message, &wire_id, at(3)));
        if arrived {
            let delivered = reported(&wire, None, MessageStatus::Delivered);
            committed!(store, |tx| tx.messages().official_status(id, &delivered));
        }
        let failed = reported(&wire, None, MessageStatus::Failed);
        let news = committed!(store, |tx| tx.messages().official_status(id, &failed));
        assert_eq!((news, find(&store, owner, id, message).await.status), (!arrived, end));
    }
}

async fn what_was_given_up_for_lost_goes_on_when_meta_has_it_after_all(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let lost = Failure { code: "DELIVERED_NOT_CONFIRMED".to_owned(), message: "?".to_owned() };
    let refused = Failure { code: "META_ERROR".to_owned(), message: "no".to_owned() };
    for (failure, end) in [(lost, MessageStatus::Delivered), (refused, MessageStatus::Failed)] {
        let message = queue(&store, owner, id, 7, 1).await;
        begin(&store, at(2)).await;
        committed!(store, |tx| tx.messages().failed(message, &failure, at(3)));
        let status = |status| reported("wamid.1", Some(message), status);

        let again = status(MessageStatus::Failed);
        assert!(!committed!(store, |tx| tx.messages().official_status(id, &again)));
        let delivered = status(MessageStatus::Delivered);
        let news = committed!(store, |tx| tx.messages().official_status(id, &delivered));

        let found = find(&store, owner, id, message).await;
        assert_eq!((news, found.status), (end == MessageStatus::Delivered, end));
        assert_eq!(found.failure.is_none(), end == MessageStatus::Delivered);
    }
}

async fn what_cannot_be_read_any_more_fails_alone(db: Db) {
    let store = &db.store;
    let owner = tenant(store).await;
    let id = official(store, owner, 1).await;
    let broken = queue(store, owner, id, 7, 1).await;
    db.execute(&format!("update messages set payload = '{{' where id = '{broken}'")).await;
    let other = queue(store, owner, id, 8, 2).await;

    assert_eq!(begin(store, at(3)).await, []);
    assert_eq!(find(store, owner, id, broken).await.status, MessageStatus::Failed);
    assert_eq!(begin(store, at(3)).await, [other]);
}

async fn media_that_come_after_what_stood_for_them_are_filled_in(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let placeholder = |wire: &str| InboundMessage {
        tenant: owner,
        number: id,
        wire_id: WireId::from_text(wire),
        from: Peer::Phone(phone(7)),
        lid: None,
        place: ramal_domain::Place::Direct,
        kind: "unsupported",
        content: None,
        sender_name: None,
        at: at(1),
        quoted: None,
        media: None,
    };
    let image = |wire: &str, secret: &str| InboundMessage {
        kind: "image",
        content: Some("Oi".to_owned()),
        media: Some(ramal_store::InboundMedia {
            media: StoredMedia { meta_id: Some("9".to_owned()), ..StoredMedia::default() },
            link_hash: secret.to_owned(),
            link_until: at(100),
        }),
        ..placeholder(wire)
    };
    let past = |message, sent| PastMessage { message, sent, told: false };
    let sent = Some(MessageStatus::Read);
    for (wire, sent) in [("in", None), ("out", sent)] {
        committed!(store, |tx| tx.messages().import(&past(placeholder(wire), sent), at(2)));
        let news = past(image(wire, wire), sent);
        assert!(!committed!(store, |tx| tx.messages().import(&news, at(3))), "it is the same one");
        let again = past(image(wire, "another"), sent);
        committed!(store, |tx| tx.messages().import(&again, at(3)));

        let found = read!(store, |tx| tx.messages().find(owner, id, wire)).unwrap();
        assert_eq!((found.kind.as_str(), found.content.as_deref()), ("image", Some("Oi")));
        let media = async |hash| read!(store, |tx| tx.messages().find_media(hash, at(5)));
        assert_eq!(media(wire).await.unwrap().id, found.id);
        assert!(media("another").await.is_none(), "once");
    }
}

async fn bytes_go_with_their_message(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let message = queue_with(&store, owner, id, 7, 1, Some(&[0, 1, 2])).await;
    let bytes = read!(store, |tx| tx.messages().outbound_media(message));
    assert_eq!(bytes.as_deref(), Some(&[0, 1, 2][..]));
    let waiting = async || read!(store, |tx| tx.messages().queued_bytes(id));
    queue(&store, owner, id, 7, 1).await;
    queue_with(&store, owner, id, 8, 1, Some(&[4, 5])).await;
    assert_eq!(waiting().await, 5);
    for (most, expected) in [(9, 3), (2, 2)] {
        assert_eq!(read!(store, |tx| tx.messages().count_queued(id, most)), expected);
    }
    let wire_id = WireId::from_text("wamid.1");
    committed!(store, |tx| tx.messages().official_sent(message, &wire_id, at(3)));
    assert_eq!(read!(store, |tx| tx.messages().outbound_media(message)), None);
    assert_eq!(waiting().await, 2);

    let failure = Failure { code: "X".to_owned(), message: "no".to_owned() };
    let refused = queue_with(&store, owner, id, 7, 4, Some(&[3])).await;
    committed!(store, |tx| tx.messages().failed(refused, &failure, at(5)));
    let dropped = queue_with(&store, owner, id, 7, 6, Some(&[4])).await;
    committed!(store, |tx| tx.numbers().remove(owner, id, at(99), at(7)));
    committed!(store, |tx| tx.messages().fail_queued(id, 9, at(7)));
    for message in [refused, dropped] {
        assert_eq!(read!(store, |tx| tx.messages().outbound_media(message)), None);
    }
}

async fn a_reply_names_what_it_answers_and_media_are_found_by_their_link(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let id = official(&store, owner, 1).await;
    let inbound = |wire: &str, quoted: Option<&str>| InboundMessage {
        tenant: owner,
        number: id,
        wire_id: WireId::from_text(wire),
        from: Peer::Phone(phone(7)),
        lid: Some("BR.1".to_owned()),
        place: ramal_domain::Place::Direct,
        kind: "image",
        content: Some("Oi".to_owned()),
        sender_name: None,
        at: at(1),
        quoted: quoted.map(WireId::from_text),
        media: Some(ramal_store::InboundMedia {
            media: StoredMedia { meta_id: Some("9".to_owned()), ..StoredMedia::default() },
            link_hash: format!("hash {wire}"),
            link_until: at(100),
        }),
    };
    for message in [inbound("a", None), inbound("b", Some("a"))] {
        assert!(committed!(store, |tx| tx.messages().receive(&message, at(2))));
        assert!(!committed!(store, |tx| tx.messages().receive(&message, at(2))));
    }
    let kinds = read!(store, |tx| tx.events().kinds_of(id));
    let told: Vec<_> =
        kinds.into_iter().filter(|kind| kind.name().starts_with("message")).collect();
    assert_eq!(told, [EventKind::MessageReceived, EventKind::MessageReply]);
    let media = async |hash, now| read!(store, |tx| tx.messages().find_media(hash, now));
    assert_eq!(media("hash b", at(99)).await.unwrap().wire_id.as_str(), "b");
    assert_eq!(media("hash b", at(100)).await, None, "over");
    assert_eq!(media("hash c", at(1)).await, None);

    let wrote = Peer::Phone(phone(7));
    let last = read!(store, |tx| tx.messages().last_inbound(owner, id, &wrote)).unwrap();
    assert_eq!((last.1.as_str(), last.2), ("b", false));
    committed!(store, |tx| tx.messages().inbound_read(last.0, at(3)));
    assert!(read!(store, |tx| tx.messages().last_inbound(owner, id, &wrote)).unwrap().2);
    let brazilian = |digits| Peer::Phone(PhoneNumber::from_whatsapp(digits).unwrap());
    let mut short = inbound("c", None);
    (short.from, short.lid) = (brazilian("551187654321"), None);
    committed!(store, |tx| tx.messages().receive(&short, at(4)));
    let long = brazilian("5511987654321");
    let last = read!(store, |tx| tx.messages().last_inbound(owner, id, &long)).unwrap();
    assert_eq!(last.1.as_str(), "c", "another way to write it");
}

async fn news_is_taken_in_once(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, other) = (official(&store, owner, 1).await, official(&store, owner, 2).await);
    let see = async |id, now| committed!(store, |tx| tx.official().see(id, "key", now));
    assert!(see(id, at(1)).await && !see(id, at(2)).await && see(other, at(3)).await);
    assert_eq!(committed!(store, |tx| tx.official().purge_seen(at(2))), 1);
    assert!(see(id, at(4)).await);
}

async fn a_signup_link_belongs_to_its_newest_page(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let link = SignupLink {
        id: PairingLinkId::mint(),
        tenant: owner,
        flow: SignupFlow::Embedded,
        name: None,
        key: None,
        language: None,
        branding: "{}".to_owned(),
        redirect_url: Some("https://example.com".to_owned()),
        external_ref: Some("42".to_owned()),
        settings: "{}".to_owned(),
        state_hash: None,
        created_at: NOW,
        expires_at: at(100),
        used_at: None,
        revoked_at: None,
        number: None,
    };
    let token = PairingToken::mint();
    committed!(store, |tx| tx.signup_links().create(&link, &token.hash()));
    assert_eq!(read!(store, |tx| tx.signup_links().find(&token.hash())), Some(link.clone()));
    let foreign = PairingToken::mint();
    assert_eq!(read!(store, |tx| tx.signup_links().find(&foreign.hash())), None);
    assert_eq!(read!(store, |tx| tx.signup_links().list(owner)), std::slice::from_ref(&link));
    assert_eq!(read!(store, |tx| tx.signup_links().list(other)), []);

    committed!(store, |tx| tx.signup_links().bind_page(link.id, "one"));
    committed!(store, |tx| tx.signup_links().set_pending(link.id, &"token".into()));
    let pending = async || read!(store, |tx| tx.signup_links().pending(link.id));
    assert_eq!(pending().await.unwrap().expose_secret(), "token");
    committed!(store, |tx| tx.signup_links().bind_page(link.id, "two"));
    assert!(pending().await.is_none(), "another page begins anew");
    let bound = committed!(store, |tx| tx.signup_links().find_to_change(link.id)).unwrap();
    assert_eq!(bound.state_hash.as_deref(), Some("two"));

    assert!(!committed!(store, |tx| tx.signup_links().revoke(other, link.id, at(1))));
    let number = official(&store, owner, 1).await;
    committed!(store, |tx| tx.signup_links().used(link.id, number, at(2)));
    assert!(committed!(store, |tx| tx.signup_links().revoke(owner, link.id, at(3))));
    let used = read!(store, |tx| tx.signup_links().find(&token.hash())).unwrap();
    assert_eq!((used.used_at, used.revoked_at, used.number), (Some(at(2)), None, Some(number)));
    assert_eq!(committed!(store, |tx| tx.signup_links().purge(at(100))), 0);
    assert_eq!(committed!(store, |tx| tx.signup_links().purge(at(101))), 1);
}
