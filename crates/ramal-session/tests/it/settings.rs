//! Settings: in effect from each login on and as soon as they change; calls that are rejected.

use ramal_domain::{CloseReason, EventKind, MessageStatus, NumberId};
use ramal_session::{Behaviour, Call, SendError, Signal};
use ramal_store::Choice;

use crate::{
    scene::{NOW, Scene, phone},
    script::Client,
};

impl Scene {
    /// Changes a number's settings, as the application does.
    async fn set(&self, id: NumberId, settings: &str) {
        let choice = Choice { settings, pii_mode: "STORE_INDEFINITE", pii_retention_days: None };
        let mut tx = self.store.begin().await.unwrap();
        tx.numbers().change(id, &choice, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn until_behaviour(&self, id: NumberId, behaviour: Behaviour) {
        let is = async |scene: &Self| scene.script.behaviour(id) == Some(behaviour);
        self.eventually(&format!("{behaviour:?}"), is).await;
    }

    async fn until_rejected(&self, id: NumberId, calls: usize) {
        let count = async |scene: &Self| scene.script.rejected(id).len() == calls;
        self.eventually("the rejection", count).await;
    }
}

fn call(id: &str) -> Call {
    Call {
        id: id.to_owned(),
        peer: "900:1@lid".to_owned(),
        creator: "900@lid".to_owned(),
        phone: Some(phone(9_999)),
        group: false,
    }
}

fn online(always_online: bool) -> Behaviour {
    Behaviour { always_online: Some(always_online), ..Behaviour::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_in_effect_at_login_after_a_change_and_after_each_reconnection() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;
    scene.until_behaviour(id, Behaviour::default()).await;

    scene.set(id, r#"{"alwaysOnline":true}"#).await;
    assert!(scene.sessions.behave(id).await.unwrap().is_some());
    assert_eq!(scene.script.behaviour(id), Some(online(true)), "at once");

    scene.set(id, r#"{"alwaysOnline":false}"#).await;
    client.tell(Signal::Lost).await;
    client.open().await;
    scene.until_behaviour(id, online(false)).await;

    // Another client, and the same settings.
    scene.script.forget_behaviour(id);
    client.end(CloseReason::Network).await;
    let client = scene.client_of(id).await;
    client.open().await;
    scene.until_behaviour(id, online(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_a_session_takes_its_settings_later() {
    let scene = Scene::start().await;
    let id = scene.number(1).await;

    assert!(scene.sessions.behave(id).await.unwrap().is_none());
}

/// The rejected calls of a client, and the next text that it is given.
async fn rejected(scene: &Scene, client: &mut Client, calls: &[&str]) -> String {
    let sending = scene.sending(client).await;
    assert_eq!(sending.to, phone(9_999));
    assert_eq!(scene.script.rejected(client.number), calls);
    let text = sending.text.clone();
    sending.answer(Ok(()));
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_caller_gets_the_text_once_per_call() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    scene.set(id, r#"{"rejectCall":true,"msgRejectCall":"no calls"}"#).await;

    client.tell(Signal::Called(call("1"))).await;
    assert_eq!(rejected(&scene, &mut client, &["1"]).await, "no calls");

    // Offered again, after a restart too: rejected again, and answered before.
    client.tell(Signal::Called(call("1"))).await;
    scene.until_rejected(id, 2).await;
    scene.restart().await;
    let mut client = scene.client_of(id).await;
    client.open().await;
    client.tell(Signal::Called(call("1"))).await;
    scene.until_rejected(id, 3).await;
    scene.set(id, r#"{"rejectCall":true,"msgRejectCall":"still no calls"}"#).await;
    client.tell(Signal::Called(call("2"))).await;
    assert_eq!(rejected(&scene, &mut client, &["1", "1", "1", "2"]).await, "still no calls");
    let two = async |scene: &Scene| {
        let told = scene.events(id).await;
        told.iter().filter(|kind| **kind == EventKind::MessageSent).count() == 2
    };
    scene.eventually("both answers' being told", two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_queued_and_outlives_the_connection() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    scene.set(id, r#"{"rejectCall":true,"msgRejectCall":"no calls"}"#).await;
    client.tell(Signal::Called(call("1"))).await;
    let first = scene.sending(&mut client).await;
    let wire_id = first.wire_id.clone();
    first.answer(Err(SendError::Offline("the socket is gone".into())));

    scene.restart().await;
    let mut client = scene.client_of(id).await;
    client.open().await;

    let again = scene.sending(&mut client).await;
    assert_eq!((again.wire_id.clone(), again.text.as_str()), (wire_id.clone(), "no calls"));
    again.answer(Ok(()));
    let mut tx = scene.store.read().await.unwrap();
    let found = tx.messages().find(scene.tenant, id, wire_id.as_str()).await.unwrap().unwrap();
    drop(tx);
    assert_eq!(found.origin.as_deref(), Some("SYSTEM"));
    scene.until_status(id, found.id, MessageStatus::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_who_was_not_rejected_or_is_not_known() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let message = r#""msgRejectCall":"no calls""#;

    // Rings: no setting, and a setting that says so.
    for settings in [format!("{{{message}}}"), format!(r#"{{"rejectCall":false,{message}}}"#)] {
        scene.set(id, &settings).await;
        client.tell(Signal::Called(call("ring"))).await;
        scene.eventually("the call's being heard", async |_| client.is_heard()).await;
    }
    // Rejected without a word: no text, a group, a caller without a phone number.
    scene.set(id, r#"{"rejectCall":true}"#).await;
    client.tell(Signal::Called(call("silent"))).await;
    scene.until_rejected(id, 1).await;
    scene.set(id, &format!(r#"{{"rejectCall":true,{message}}}"#)).await;
    client.tell(Signal::Called(Call { group: true, ..call("group") })).await;
    client.tell(Signal::Called(Call { phone: None, ..call("lid") })).await;
    scene.until_rejected(id, 3).await;
    assert_eq!(scene.script.rejected(id), ["silent", "group", "lid"]);

    // The next text is the one of the next call.
    client.tell(Signal::Called(call("last"))).await;
    rejected(&scene, &mut client, &["silent", "group", "lid", "last"]).await;
    assert!(client.sends.try_recv().is_err());
}
