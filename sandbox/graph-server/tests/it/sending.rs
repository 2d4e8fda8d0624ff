//! Messages of a business, and what becomes of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    callback::Callback,
    judge::judge,
    world::{PERSON, World},
};

fn statuses(changes: &[Value]) -> Vec<&str> {
    changes.iter().filter_map(|it| it["value"]["statuses"][0]["status"].as_str()).collect()
}

#[tokio::test]
async fn a_text_is_accepted_sent_delivered_and_read() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;
    world.inbound(json!({ "text": "hi", "name": "Zoë" })).await;

    let sent = world
        .send(
            json!({ "type": "text", "text": { "body": "Olá" }, "biz_opaque_callback_data": "m1" }),
        )
        .await;
    let id = sent["messages"][0]["id"].as_str().expect("an id");
    assert!(id.starts_with("wamid."));
    assert_eq!(sent["contacts"][0], json!({ "input": PERSON, "wa_id": "5511999990001" }));
    let changes = callback.changes(3).await;
    assert_eq!(statuses(&changes), ["sent", "delivered"]);
    let status = &changes[1]["value"]["statuses"][0];
    assert_eq!((&status["id"], &status["recipient_id"]), (&json!(id), &json!("5511999990001")));
    assert_eq!(status["biz_opaque_callback_data"], "m1");
    assert_eq!(changes[1]["value"]["contacts"][0]["user_id"], status["recipient_user_id"]);

    world.tell("/contacts/+5511999990001/read", json!({})).await;
    assert_eq!(statuses(&callback.changes(4).await), ["sent", "delivered", "read"]);
    let seen = world.control(Method::GET, "/contacts/5511999990001/messages", json!({})).await;
    assert_eq!(seen[1]["message"]["text"]["body"], "Olá");
    world.end().await;
}

/// A message of every type.
fn every_type(quoted: &Value) -> Vec<Value> {
    vec![
        json!({ "type": "image", "image": { "link": "https://e.example/x.png", "caption": "c" } }),
        json!({ "type": "video", "video": { "link": "https://e.example/x.mp4" } }),
        json!({ "type": "audio", "audio": { "link": "https://e.example/x.ogg" } }),
        json!({ "type": "document",
            "document": { "link": "https://e.example/x.pdf", "filename": "x.pdf" } }),
        json!({ "type": "sticker", "sticker": { "link": "https://e.example/x.webp" } }),
        json!({ "type": "location", "location": { "latitude": 37.75, "longitude": -122.42,
            "name": "n", "address": "a" } }),
        json!({ "type": "contacts", "contacts": [{ "name": { "formatted_name": "John Smith",
            "first_name": "John" }, "phones": [{ "phone": "+1631", "type": "WORK" }] }] }),
        json!({ "type": "reaction",
            "reaction": { "message_id": quoted, "emoji": "👍" } }),
        json!({ "type": "text", "text": { "body": "quoted" },
            "context": { "message_id": quoted } }),
        json!({ "type": "interactive", "interactive": { "type": "button",
            "header": { "type": "text", "text": "H" }, "body": { "text": "q" },
            "footer": { "text": "f" }, "action": { "buttons": [
                { "type": "reply", "reply": { "id": "a", "title": "A" } } ] } } }),
        json!({ "type": "interactive", "interactive": { "type": "list",
            "body": { "text": "q" }, "action": { "button": "Menu", "sections": [
                { "title": "S", "rows": [{ "id": "1", "title": "R", "description": "d" }] }] } } }),
        json!({ "type": "interactive", "interactive": { "type": "cta_url",
            "body": { "text": "q" }, "action": { "name": "cta_url", "parameters":
                { "display_text": "Go", "url": "https://e.example" } } } }),
    ]
}

#[tokio::test]
async fn every_type_is_taken() {
    let world = World::start().await;
    let inbound = world.inbound(json!({ "text": "hi" })).await;
    for message in every_type(&inbound["id"]) {
        world.send(message).await;
    }
    world.end().await;
}

/// The same message with one thing wrong, or merely different, at each place.
fn mutants(value: &Value) -> Vec<Value> {
    let mut found = vec![json!(5), json!({ "nonsense": true })];
    match value {
        Value::Object(object) => {
            for key in object.keys() {
                let mut without = object.clone();
                without.remove(key);
                found.push(without.into());
                for mutant in mutants(&object[key]) {
                    let mut changed = object.clone();
                    changed.insert(key.clone(), mutant);
                    found.push(changed.into());
                }
            }
            let mut more = object.clone();
            more.insert("nonsense".to_owned(), json!("x"));
            found.push(more.into());
        }
        Value::Array(list) => {
            found.push(json!([]));
            for (index, item) in list.iter().enumerate() {
                for mutant in mutants(item) {
                    let mut changed = list.clone();
                    changed[index] = mutant;
                    found.push(changed.into());
                }
            }
        }
        Value::String(_) => found.extend([json!(""), json!("x".repeat(5000))]),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    found
}

#[tokio::test]
async fn what_is_taken_is_what_metas_description_takes() {
    let world = World::start().await;
    let inbound = world.inbound(json!({ "text": "hi" })).await;
    let path = format!("{}/messages", world.phone);
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    for message in every_type(&inbound["id"]) {
        for mutant in mutants(&World::to_person(message)) {
            let (status, _) = world.call(Method::POST, &path, mutant.clone()).await;
            if status == 200 {
                taken += 1;
            } else {
                refused += 1;
            }
            if status == 200 && judge().is_some_and(|judge| !judge.takes(&mutant)) {
                wrong.push(mutant.to_string());
            }
        }
    }

    assert!(wrong.is_empty(), "taken, but not by Meta: {wrong:#?}");
    assert!(taken > 20 && refused > 200, "{taken} taken, {refused} refused");
    world.end().await;
}

#[tokio::test]
async fn mistakes_are_refused_and_send_nothing() {
    let world = World::start().await;
    world.inbound(json!({ "text": "hi" })).await;
    let path = format!("{}/messages", world.phone);
    let text = json!({ "type": "text", "text": { "body": "hi" } });

    let without = json!({ "to": PERSON, "type": "text", "text": { "body": "hi" } });
    assert_eq!(world.refused(Method::POST, &path, without).await.0, 100);
    let nobody = json!({ "messaging_product": "whatsapp", "text": { "body": "hi" } });
    assert_eq!(world.refused(Method::POST, &path, nobody).await.0, 100);
    for (to, code) in [(world.number.as_str(), 131_021), ("+12", 131_009), ("abc", 131_009)] {
        let mut message = World::to_person(text.clone());
        message["to"] = json!(to);
        assert_eq!(world.refused(Method::POST, &path, message).await.0, code, "{to}");
    }
    assert_eq!(world.send_refused(json!({ "type": "poem", "poem": {} })).await, 100);
    assert_eq!(world.send_refused(json!({ "type": "text" })).await, 131_008);
    assert_eq!(
        world.send_refused(json!({ "type": "image", "image": { "id": "77" } })).await,
        131_009
    );
    let template = |name: &str| {
        json!({ "type": "template",
        "template": { "name": name, "language": { "code": "en_US" } } })
    };
    assert_eq!(world.send_refused(template("no_such")).await, 132_001);
    assert_eq!(world.send_refused(template("order_update")).await, 132_000);
    assert_eq!(world.control(Method::GET, "/messages", json!({})).await, json!([]));

    world.tell(&format!("/numbers/{}", world.phone), json!({ "status": "RESTRICTED" })).await;
    assert_eq!(world.send_refused(text.clone()).await, 131_031);
    world
        .tell(&format!("/numbers/{}", world.phone), json!({ "platform_type": "NOT_APPLICABLE" }))
        .await;
    assert_eq!(world.send_refused(text).await, 133_010);
    world.end().await;
}

#[tokio::test]
async fn a_number_without_plus_is_one_of_the_senders_country() {
    let world = World::start_with(json!({ "number": "+5511888880000" })).await;
    let path = format!("{}/messages", world.phone);
    let mut message = World::to_person(json!({ "type": "template",
        "template": { "name": "hello_world", "language": { "code": "en_US" } } }));
    message["to"] = json!("(11) 99999-0001");

    let sent = world.post(&path, message).await;
    assert_eq!(sent["contacts"][0]["wa_id"], "5511999990001");
    assert_eq!(sent["messages"][0]["message_status"], "accepted");
    world.end().await;
}

#[tokio::test]
async fn outside_of_the_window_only_templates_get_through() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;
    let text = json!({ "type": "text", "text": { "body": "hi" } });

    world.send(text.clone()).await;
    let changes = callback.changes(1).await;
    let value = &changes[0]["value"];
    assert_eq!(value["statuses"][0]["status"], "failed");
    assert_eq!(value["statuses"][0]["errors"][0]["code"], 131_047);
    assert!(value["contacts"].is_null() && value["statuses"][0]["recipient_user_id"].is_null());
    world
        .send(json!({ "type": "template", "template": { "name": "appointment_reminder",
            "language": { "code": "en_US" }, "components": [{ "type": "body", "parameters": [
                { "type": "text", "parameter_name": "customer_name", "text": "Ana" },
                { "type": "text", "parameter_name": "day", "text": "Monday" } ] }] } }))
        .await;
    assert_eq!(statuses(&callback.changes(3).await), ["failed", "sent", "delivered"]);
    world.tell("/settings", json!({ "windowErrors": "sync" })).await;
    assert_eq!(world.send_refused(text.clone()).await, 131_047);

    world.inbound(json!({ "text": "hello" })).await;
    world.send(text.clone()).await;
    world.tell("/clock", json!({ "advanceSeconds": 24 * 60 * 60 })).await;
    assert_eq!(world.send_refused(text).await, 131_047);
    world.end().await;
}

#[tokio::test]
async fn people_who_are_not_there_get_nothing() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;
    world.inbound(json!({ "text": "hi" })).await;
    world.tell("/contacts/+5511999990001", json!({ "absent": true })).await;

    world.send(json!({ "type": "text", "text": { "body": "hi" } })).await;

    let changes = callback.changes(2).await;
    assert_eq!(changes[1]["value"]["statuses"][0]["errors"][0]["code"], 131_026);
    world.end().await;
}

#[tokio::test]
async fn a_person_is_reached_by_the_business_scoped_id() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;
    world.tell("/settings", json!({ "bsuidOnly": true })).await;
    let inbound = world.inbound(json!({ "text": "hi" })).await;
    let message = &callback.changes(1).await[0]["value"];
    assert!(message["messages"][0]["from"].is_null() && message["contacts"][0]["wa_id"].is_null());
    assert_eq!(message["messages"][0]["from_user_id"], inbound["userId"]);

    let path = format!("{}/messages", world.phone);
    let body = json!({ "messaging_product": "whatsapp", "recipient": inbound["userId"],
        "type": "text", "text": { "body": "hi" } });
    let sent = world.post(&path, body.clone()).await;
    assert_eq!(
        sent["contacts"][0],
        json!({ "input": inbound["userId"], "user_id": inbound["userId"] })
    );
    let status = &callback.changes(2).await[1]["value"]["statuses"][0];
    assert!(status["recipient_id"].is_null());
    assert_eq!(status["recipient_user_id"], inbound["userId"]);
    let mut unknown = body;
    unknown["recipient"] = json!("US.404");
    assert_eq!(world.refused(Method::POST, &path, unknown).await.0, 131_009);
    world.end().await;
}

#[tokio::test]
async fn receipts_and_typing_arrive() {
    let world = World::start().await;
    let inbound = world.inbound(json!({ "text": "hi" })).await;
    let path = format!("{}/messages", world.phone);
    let mut receipt = json!({
        "messaging_product": "whatsapp", "status": "read", "message_id": inbound["id"],
    });

    assert_eq!(world.post(&path, receipt.clone()).await, json!({ "success": true }));
    let shown = world.control(Method::GET, "/inbound", json!({})).await;
    assert!(shown[0]["readAt"].is_i64() && shown[0]["typingAt"] == json!([]));
    receipt["typing_indicator"] = json!({ "type": "text" });
    world.post(&path, receipt.clone()).await;
    let shown = world.control(Method::GET, "/inbound", json!({})).await;
    assert_eq!(shown[0]["typingAt"].as_array().expect("a list").len(), 1);
    receipt["typing_indicator"] = json!({ "type": "audio" });
    assert_eq!(world.refused(Method::POST, &path, receipt.clone()).await.0, 100);
    let unknown =
        json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x" });
    assert_eq!(world.refused(Method::POST, &path, unknown).await.0, 131_009);
    world.end().await;
}

#[tokio::test]
async fn templates_are_found_by_name() {
    let world = World::start().await;
    let template = json!({ "name": "promo", "language": "pt_BR", "status": "PAUSED",
        "components": [{ "type": "BODY", "text": "Oi" }] });
    world.tell(&format!("/wabas/{}/templates", world.waba), template).await;

    let path = format!("{}/message_templates", world.waba);
    assert_eq!(world.get(&path).await["data"].as_array().expect("a list").len(), 4);
    let found = world.get(&format!("{path}?name=hello_world&fields=name,status")).await;
    assert_eq!(found["data"][0]["language"], "en_US");
    let paused = json!({ "type": "template",
        "template": { "name": "promo", "language": { "code": "pt_BR" } } });
    assert_eq!(world.send_refused(paused).await, 132_015);
    world.end().await;
}
