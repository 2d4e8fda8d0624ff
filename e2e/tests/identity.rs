//! One contact, one identity: LID and phone number lead to one peer, and to one event per message.

use ramal_tests::{Receiver, World};
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990009";

/// How the friend's phone addresses the number from now on.
async fn address(world: &World, mode: &str, alternate: bool) {
    let path = format!("/phones/{FRIEND}/addressing");
    let body = json!({"to": NUMBER, "mode": mode, "alternate": alternate});
    world.phones().post(&path, body).await.expect(200);
}

/// Has the friend write, and returns what the webhook is told of it.
async fn says(world: &World, receiver: &Receiver, text: &str) -> Value {
    world.phones().send(FRIEND, NUMBER, text).await;
    let told = receiver.wait_for("number", "message.received", |data| data["content"] == text);
    told.await.data()
}

async fn connected() -> (World, Receiver, String) {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    (world, receiver, number.id)
}

/// The events that the webhook got for messages that came in, each once.
fn told(receiver: &Receiver) -> Vec<String> {
    let events = receiver.events("number", "message.received");
    let mut ids: Vec<&str> = events.iter().map(ramal_tests::Delivery::id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_its_phone_number_however_whatsapp_names_it() {
    let (world, receiver, _id) = connected().await;

    let forms = [("pn", true), ("lid", true), ("lid", false), ("pn", false)];
    for (index, (mode, alternate)) in forms.into_iter().enumerate() {
        address(&world, mode, alternate).await;
        let data = says(&world, &receiver, &format!("text {index}")).await;
        assert_eq!(data["from"], FRIEND, "{mode}, alternate: {alternate}");
    }

    assert_eq!(told(&receiver).len(), forms.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_lid_is_told_as_such_and_as_the_phone_number_once_it_is_known() {
    let (mut world, receiver, _id) = connected().await;
    address(&world, "lid", false).await;
    let data = says(&world, &receiver, "who is it?").await;
    let from = data["from"].as_str().expect("a sender");
    assert!(from.ends_with("@lid") && !from.contains(':'), "{from}");

    address(&world, "lid", true).await;
    assert_eq!(says(&world, &receiver, "it is me").await["from"], FRIEND);

    // What was learned outlives the process.
    address(&world, "lid", false).await;
    assert_eq!(says(&world, &receiver, "still me").await["from"], FRIEND);
    world.product.kill_9();
    world.product.start_again().await;
    assert_eq!(says(&world, &receiver, "after a crash").await["from"], FRIEND);
    assert_eq!(told(&receiver).len(), 4);
}

/// What a killed process did not acknowledge is delivered again, and a name is learned meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_again_after_a_crash_is_told_once_though_the_lid_is_known_now() {
    let (mut world, receiver, id) = connected().await;
    for round in 0..3 {
        address(&world, "lid", false).await;
        let mut sent = Vec::new();
        for index in 0..10 {
            let text = format!("round {round}, {index}");
            sent.push(world.phones().send(FRIEND, NUMBER, &text).await);
        }
        let first = format!("round {round}, 0");
        let is_first = |data: &Value| data["content"] == first.as_str();
        receiver.wait_for("number", "message.received", is_first).await;
        world.product.kill_9();
        address(&world, "lid", true).await;
        // Waits at WhatsApp, and names both.
        let text = format!("round {round}, last");
        world.phones().send(FRIEND, NUMBER, &text).await;

        world.product.start_again().await;
        world.api().wait_until_open(&id).await;
        let is_last = |data: &Value| data["content"] == text.as_str();
        let last = receiver.wait_for("number", "message.received", is_last).await;
        assert_eq!(last.data()["from"], FRIEND);
        for message in sent {
            let is_it = |data: &Value| data["messageId"] == message["id"];
            receiver.wait_for("number", "message.received", is_it).await;
        }
    }
    assert_eq!(told(&receiver).len(), 33, "one event per message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_comes_from_whom_the_message_went_to() {
    let (world, receiver, id) = connected().await;
    world.api().on_number(&id).send_text(FRIEND, "hello").await;
    world.phones().wait_for_text(FRIEND, "hello").await;

    address(&world, "lid", false).await;

    // The client learned the LID when it looked the recipient up.
    assert_eq!(says(&world, &receiver, "hi").await["from"], FRIEND);
}
