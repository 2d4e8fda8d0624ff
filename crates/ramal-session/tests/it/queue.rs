use std::time::Duration;

use ramal_domain::{Clock as _, CloseReason, EventKind, Link, MessageStatus};
use ramal_session::{Options, SendError, Signal};
use ramal_store::{Canceled, Receipt};

use crate::{
    scene::{Scene, brisk, patient, phone},
    script::{Call, offline},
};

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_out_in_order_and_one_at_a_time() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let mut queued = Vec::new();
    for text in ["one", "two", "three", "four"] {
        queued.push((scene.queue(id, text).await, text));
    }

    for ((message, wire_id), text) in queued {
        let sending = scene.sending(&mut client).await;
        // Something else passes through the session while the message is in flight.
        scene.clock.advance(Duration::from_secs(1));
        let now = scene.clock.now();
        client.tell(Signal::Alive).await;
        scene.sessions.nudge(id);
        let noted = async |scene: &Scene| scene.row(id).await.unwrap().checked_at == Some(now);
        scene.eventually("the sign of life", noted).await;

        assert!(client.sends.try_recv().is_err(), "a second message is in flight");
        assert_eq!((sending.wire_id.clone(), sending.text.as_str()), (wire_id, text));
        assert_eq!(sending.to, phone(9999));
        sending.answer(Ok(()));
        scene.until_status(id, message, MessageStatus::Sent).await;
    }

    let sent = scene.events(id).await.into_iter().filter(|kind| *kind == EventKind::MessageSent);
    assert_eq!(sent.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_not_taken_is_sent_again_under_its_wire_id_before_the_next() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let (first, wire_id) = scene.queue(id, "one").await;
    let (second, _wire_id) = scene.queue(id, "two").await;

    for _ in 0..3 {
        let sending = scene.sending(&mut client).await;
        assert_eq!(sending.wire_id, wire_id);
        sending.answer(Err(offline()));
    }
    scene.sending(&mut client).await.answer(Ok(()));
    scene.until_status(id, first, MessageStatus::Sent).await;
    scene.sending(&mut client).await.answer(Ok(()));

    scene.until_status(id, second, MessageStatus::Sent).await;
    let told = scene.events(id).await;
    assert_eq!(told, [EventKind::NumberConnected, EventKind::MessageSent, EventKind::MessageSent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_for_its_next_try_holds_up_its_own_chat_only() {
    let hour = Duration::from_hours(1);
    let options = Options { retry_base: hour, retry_cap: hour, ..brisk() };
    let mut scene = Scene::with(options).await;
    let (id, mut client) = scene.connected(1).await;
    let (first, _wire_id) = scene.queue(id, "one").await;
    let (second, _wire_id) = scene.queue(id, "two").await;
    scene.sending(&mut client).await.answer(Err(offline()));
    let (other, wire_id) = scene.queue_to(id, &phone(8888), "three").await;

    let sending = scene.sending(&mut client).await;
    assert_eq!(sending.wire_id, wire_id);
    sending.answer(Ok(()));
    scene.until_status(id, other, MessageStatus::Sent).await;
    for waiting in [first, second] {
        assert_eq!(scene.message(id, waiting).await.status, MessageStatus::Queued);
    }

    // A connection that was made anew is worth a try at once.
    client.tell(Signal::Lost).await;
    client.open().await;
    for text in ["one", "two"] {
        let sending = scene.sending(&mut client).await;
        assert_eq!(sending.text, text);
        sending.answer(Ok(()));
    }
    scene.until_status(id, second, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_never_taken_is_given_up() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let (message, wire_id) = scene.queue(id, "one").await;

    for _ in 0..20 {
        let sending = scene.sending(&mut client).await;
        assert_eq!(sending.wire_id, wire_id);
        sending.answer(Err(offline()));
    }
    scene.until_status(id, message, MessageStatus::Failed).await;

    let message = scene.message(id, message).await;
    assert_eq!(message.failure.unwrap().code, "EXPIRED_AFTER_ATTEMPTS");
    assert_eq!(scene.events(id).await, [EventKind::NumberConnected, EventKind::MessageFailed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_whatsapp_may_have_is_not_called_unsent_and_goes_on_when_it_was() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let (message, wire_id) = scene.queue(id, "one").await;
    scene.sending(&mut client).await.answer(Err(SendError::Unconfirmed("no answer".into())));
    for _ in 1..20 {
        // What comes afterwards does not make it certain.
        scene.sending(&mut client).await.answer(Err(offline()));
    }
    scene.until_status(id, message, MessageStatus::Failed).await;
    let failure = scene.message(id, message).await.failure.unwrap();
    assert_eq!(failure.code, "DELIVERED_NOT_CONFIRMED");

    let mut tx = scene.store.begin().await.unwrap();
    tx.messages().receipt(id, &[wire_id], Receipt::Delivered, scene.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let found = scene.message(id, message).await;
    assert_eq!((found.status, found.failure), (MessageStatus::Delivered, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_nothing_is_tried() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let (message, _) = scene.queue(id, "one").await;
    for _ in 0..30 {
        scene.sending(&mut client).await.answer(Err(SendError::NotConnected));
    }

    scene.sending(&mut client).await.answer(Ok(()));
    scene.until_status(id, message, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_whatsapp_refuses_fails_with_its_code_and_the_next_goes_out() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    for (error, code) in [
        (SendError::UnknownRecipient, "WHATSAPP_NOT_EXIST"),
        (SendError::Refused("463".into()), "INVALID_DESTINATION"),
    ] {
        let (message, _wire_id) = scene.queue(id, "one").await;

        scene.sending(&mut client).await.answer(Err(error));

        scene.until_status(id, message, MessageStatus::Failed).await;
        let failure = scene.message(id, message).await.failure.unwrap();
        assert_eq!(failure.code, code);
        assert_eq!(scene.events(id).await.last(), Some(&EventKind::MessageFailed));
    }
    let (message, _wire_id) = scene.queue(id, "two").await;

    scene.sending(&mut client).await.answer(Ok(()));

    scene.until_status(id, message, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_waits_for_the_link_and_goes_on_with_it() {
    let mut scene = Scene::with(patient()).await;
    let (id, mut client) = scene.connected(1).await;
    client.tell(Signal::Lost).await;
    scene.until_link(id, Link::Resuming { reported: false }).await;
    let (message, wire_id) = scene.queue(id, "hello").await;
    client.tell(Signal::Alive).await;

    assert!(client.sends.try_recv().is_err());
    client.open().await;
    let sending = scene.sending(&mut client).await;

    assert_eq!(scene.link(id).await, Link::Open, "sent before the link was open");
    assert_eq!(sending.wire_id, wire_id);
    sending.answer(Ok(()));
    scene.until_status(id, message, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_cut_off_by_an_outage_is_sent_again_after_it() {
    let mut scene = Scene::with(patient()).await;
    let (id, mut client) = scene.connected(1).await;
    let (message, wire_id) = scene.queue(id, "hello").await;
    let cut = scene.sending(&mut client).await;

    client.tell(Signal::Lost).await;
    scene.until_link(id, Link::Resuming { reported: false }).await;
    cut.answer(Err(offline()));
    client.open().await;
    let again = scene.sending(&mut client).await;

    assert_eq!(again.wire_id, wire_id);
    again.answer(Ok(()));
    scene.until_status(id, message, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_outlives_its_process() {
    let mut scene = Scene::with(patient()).await;
    let (id, mut client) = scene.connected(1).await;
    let (first, wire_id) = scene.queue(id, "one").await;
    let (second, _wire_id) = scene.queue(id, "two").await;
    scene.sending(&mut client).await.answer(Err(offline()));

    scene.restart().await;
    let mut client = scene.client_of(id).await;
    client.open().await;
    let again = scene.sending(&mut client).await;
    assert_eq!(again.wire_id, wire_id);
    again.answer(Ok(()));
    scene.sending(&mut client).await.answer(Ok(()));

    scene.until_status(id, first, MessageStatus::Sent).await;
    scene.until_status(id, second, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_queued_while_a_number_pairs_goes_out_when_it_is_open() {
    let mut scene = Scene::start().await;
    let (id, mut client, _watcher) = scene.pairing().await;
    let (message, _wire_id) = scene.queue(id, "hello").await;

    client.pair().await;
    scene.sending(&mut client).await.answer(Ok(()));

    scene.until_status(id, message, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_media_hold_up_their_own_chat_only() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let (slow, other) = (phone(7001), phone(7002));
    scene.script.hold_up(id, Call::Prepare);
    let (picture, _) = scene.queue_picture(id, &slow, "a cat").await;
    scene.script.is_held_up().await;
    let (behind, _) = scene.queue_to(id, &slow, "did you see it?").await;
    let (elsewhere, _) = scene.queue_to(id, &other, "hello").await;

    let sending = scene.sending(&mut client).await;
    assert_eq!((sending.to.clone(), &*sending.text), (other, "hello"));
    sending.answer(Ok(()));
    scene.until_status(id, elsewhere, MessageStatus::Sent).await;
    assert_eq!(scene.message(id, behind).await.status, MessageStatus::Queued);

    scene.script.release();
    for (message, text) in [(picture, "a cat"), (behind, "did you see it?")] {
        let sending = scene.sending(&mut client).await;
        assert_eq!((&sending.to, &*sending.text), (&slow, text));
        sending.answer(Ok(()));
        scene.until_status(id, message, MessageStatus::Sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_canceled_while_its_media_are_got_ready() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    scene.script.hold_up(id, Call::Prepare);
    let (picture, _) = scene.queue_picture(id, &phone(7001), "a cat").await;
    scene.script.is_held_up().await;

    let mut tx = scene.store.begin().await.unwrap();
    let canceled = tx.messages().cancel(scene.tenant, id, &picture.to_string()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(canceled, Canceled::Done);
    scene.script.release();

    let (next, _) = scene.queue_to(id, &phone(7001), "another thing").await;
    let sending = scene.sending(&mut client).await;
    assert_eq!(sending.text, "another thing");
    sending.answer(Ok(()));
    scene.until_status(id, next, MessageStatus::Sent).await;
    assert_eq!(scene.message(id, picture).await.status, MessageStatus::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_media_are_got_ready_costs_a_try() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    scene.script.panic_at(id, Call::Prepare);
    let (picture, _) = scene.queue_picture(id, &phone(7001), "a cat").await;

    let sending = scene.sending(&mut client).await;
    assert_eq!(sending.text, "a cat");
    sending.answer(Ok(()));
    scene.until_status(id, picture, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_in_flight_is_settled_also_when_the_number_is_logged_out_meanwhile() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let (message, _wire_id) = scene.queue(id, "hello").await;
    let sending = scene.sending(&mut client).await;

    client.end(CloseReason::LoggedOut).await;
    scene.until_link(id, Link::Closed(CloseReason::LoggedOut)).await;
    sending.answer(Ok(()));

    scene.until_status(id, message, MessageStatus::Sent).await;
    scene.until_ended(id).await;
}
