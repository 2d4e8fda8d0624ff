//! J: a contact is one, under whichever name.

use std::collections::BTreeSet;

use ramal_tests::{Delivery, Receiver, World};
use serde_json::json;

use crate::{FRIEND, NUMBER};

#[tokio::test(flavor = "multi_thread")]
async fn j1_one_canonical_peer_per_contact_and_never_two_events_for_one_message() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    // By phone number with the LID beside it, the other way round, and by the LID alone.
    let forms = [("pn", true), ("lid", true), ("lid", false)];

    for (index, (mode, alternate)) in forms.into_iter().enumerate() {
        let path = format!("/phones/{FRIEND}/addressing");
        let body = json!({"to": NUMBER, "mode": mode, "alternate": alternate});
        world.phones().post(&path, body).await.expect(200);
        let text = format!("text {index}");
        world.phones().send(FRIEND, NUMBER, &text).await;
        let told = receiver.wait_for("number", "message.received", |data| data["content"] == text);
        assert_eq!(told.await.data()["from"], FRIEND, "{mode}, alternate: {alternate}");
    }

    let events = receiver.events("number", "message.received");
    let ids: BTreeSet<&str> = events.iter().map(Delivery::id).collect();
    let messages: BTreeSet<String> =
        events.iter().map(|event| event.data()["messageId"].to_string()).collect();
    assert_eq!((ids.len(), messages.len()), (forms.len(), forms.len()));
    // Both forms are stored, of one contact.
    let sql = "select count(distinct peer), count(*) from messages where direction = 'in'";
    let peers: Vec<(i64, i64)> = world.product.database().rows(sql).await;
    assert_eq!(peers, [(1, 3)]);
}
