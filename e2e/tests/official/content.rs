//! What official numbers send, as the other side gets it.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ramal_tests::{Line, Official};
use serde_json::{Map, Value, json};

use crate::{FRIEND, NUMBER, addressed, friend_writes, send, wait_for_status};

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// An open number with an open window.
async fn in_conversation() -> (Official, Line) {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    (world, line)
}

/// Sends it, waits until it is delivered, and returns what Meta was asked for: once.
async fn delivered(world: &Official, line: &Line, message: Value) -> Value {
    let id = send(&line.api, message).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    let calls = world.graph.calls("POST", "messages").await;
    let mut bodies = calls.into_iter().map(|call| call["body"].clone());
    let mut own = bodies.by_ref().filter(|body| body["biz_opaque_callback_data"] == id.as_str());
    let body = own.next().expect("it was sent");
    assert_eq!(own.next(), None, "once");
    assert_eq!((&body["messaging_product"], &body["to"]), (&json!("whatsapp"), &json!(FRIEND)));
    body
}

/// The component of a template of this type.
fn component<'a>(message: &'a Value, kind: &str) -> &'a Value {
    let components = message["template"]["components"].as_array().expect("components");
    components.iter().find(|it| it["type"] == kind).expect("the component")
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_by_address_or_as_bytes_and_bytes_are_not_kept() {
    let (world, line) = in_conversation().await;
    let address = "https://files.example/a.png";

    let wish = json!({"media": address, "mediaType": "image", "text": "look"});
    let image = delivered(&world, &line, wish).await;
    assert_eq!(image["image"], json!({"link": address, "caption": "look"}));

    let wish = json!({"media": format!("data:image/png;base64,{PIXEL}"), "text": "bytes"});
    let image = delivered(&world, &line, wish).await;
    assert_eq!(image["image"]["caption"], "bytes");
    let id = image["image"]["id"].as_str().expect("it was uploaded").to_owned();
    assert_eq!(world.graph.ask("/state").await["media"][&id]["mimeType"], "image/png");

    let pdf = format!("data:application/pdf;base64,{}", BASE64.encode(b"%PDF-1.4 a document"));
    let wish = json!({
        "media": pdf, "mediaType": "document", "fileName": "invoice.pdf", "text": "yours",
    });
    let document = delivered(&world, &line, wish).await;
    assert_eq!(document["document"]["filename"], "invoice.pdf");
    assert_eq!(document["document"]["caption"], "yours");

    let voice = format!("data:audio/ogg;base64,{}", BASE64.encode(b"OggS voice"));
    let audio = delivered(&world, &line, json!({"media": voice, "mediaType": "voice"})).await;
    assert!(audio["audio"]["id"].is_string(), "{audio}");

    for kind in ["image", "document", "audio"] {
        let is_one = |data: &Value| data["type"] == kind;
        world.receiver.wait_for("line", "message.delivered", is_one).await;
    }
    let kept = world.product.database().count("outbound_media").await;
    assert_eq!(kept, 0, "what Meta has is not kept here");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_is_tried_again_and_the_message_arrives_once() {
    let (world, line) = in_conversation().await;
    world.graph.fault(json!({"route": "media", "status": 503})).await;
    world.graph.fault(json!({"route": "media", "drop": "after"})).await;

    let wish = json!({"media": format!("data:image/png;base64,{PIXEL}")});
    delivered(&world, &line, wish).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_takes_too_long_is_tried_again_and_the_message_arrives_once() {
    let world = Official::with(&[("META__TIMEOUT", "2s"), ("META__CONFIRM_WITHIN", "4s")]).await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    world.graph.fault(json!({"route": "media", "hang": true})).await;

    // So large that it may take longer than a message is believed to be on its way.
    let bytes = BASE64.encode(vec![0; 1024 * 1024]);
    let media = format!("data:application/pdf;base64,{bytes}");
    let wish = json!({"media": media, "mediaType": "document", "markRead": false});
    delivered(&world, &line, wish).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_filled_in_where_they_stand_and_what_is_missing_is_named() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;

    let hello = delivered(&world, &line, json!({"templateId": "hello_world"})).await;
    assert_eq!(hello["template"]["name"], "hello_world");
    assert_eq!(hello["template"]["language"], json!({"code": "en_US"}));

    let missing = json!({"templateId": "order_update", "variables": {"1": "Ana"}});
    let answer = line.api.post("/v1/messages/send", addressed(missing)).await;
    answer.refused(400, "MISSING_TEMPLATE_VARIABLES");
    let sentence = answer.json()["error"].as_str().expect("a sentence").to_owned();
    let (_, names) = sentence.rsplit_once(": ").expect("the names");
    let names: Vec<&str> = names.split(", ").collect();
    let button = names.iter().find(|name| name.starts_with("button_")).expect("a button's");
    assert!(names.contains(&"2"), "{sentence}");

    let mut variables: Map<String, Value> = Map::new();
    for (name, value) in [("1", "Ana"), ("2", "ten"), (*button, "abc")] {
        variables.insert(name.to_owned(), json!(value));
    }
    let update = json!({"templateId": "order_update:en_US", "variables": variables});
    let update = delivered(&world, &line, update).await;
    let body = component(&update, "body")["parameters"].clone();
    assert_eq!((&body[0]["text"], &body[1]["text"]), (&json!("Ana"), &json!("ten")));
    assert_eq!(component(&update, "button")["parameters"][0]["text"], "abc");

    for unknown in ["no_such_template", "hello_world:pt_BR", "Hello World", "../x"] {
        let wish = addressed(json!({"templateId": unknown}));
        let answer = line.api.post("/v1/messages/send", wish).await;
        answer.refused(404, "TEMPLATE_NOT_FOUND");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_variables_are_filled_in_by_name() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let body = json!([{"type": "BODY", "text": "Hi {{guest}}, see you at {{hour}}"}]);
    let template = json!({"name": "visit", "components": body, "parameterFormat": "NAMED"});
    world.graph.tell(&format!("/wabas/{}/templates", line.waba), template).await;

    let variables = json!({"guest": "Ana", "hour": "ten"});
    let sent = delivered(&world, &line, json!({"templateId": "visit", "variables": variables}));

    let expected = json!([
        {"type": "text", "parameter_name": "guest", "text": "Ana"},
        {"type": "text", "parameter_name": "hour", "text": "ten"},
    ]);
    assert_eq!(component(&sent.await, "body")["parameters"], expected);
    let told = world.receiver.wait_for("line", "message.delivered", |_| true).await.data();
    assert_eq!(told["content"], "Hi Ana, see you at ten");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_with_a_picture_takes_the_media_of_the_message() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let components = json!([
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "New in our shop"},
    ]);
    let template = json!({"name": "news", "components": components});
    world.graph.tell(&format!("/wabas/{}/templates", line.waba), template).await;

    let bare = addressed(json!({"templateId": "news"}));
    line.api.post("/v1/messages/send", bare).await.refused(400, "VALIDATION_ERROR");
    let address = "https://files.example/new.png";
    let sent = delivered(&world, &line, json!({"templateId": "news", "media": address})).await;
    let header = &component(&sent, "header")["parameters"][0];
    assert_eq!(header, &json!({"type": "image", "image": {"link": address}}));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_and_menus_come_as_they_were_made() {
    let (world, line) = in_conversation().await;

    let wish = json!({
        "text": "Shall we?",
        "header": {"type": "text", "content": "A question"},
        "footer": "no hurry",
        "buttons": [{"type": "reply", "label": "Yes"}, {"type": "reply", "label": "No"}],
    });
    let sent = delivered(&world, &line, wish).await;
    let interactive = &sent["interactive"];
    assert_eq!(interactive["type"], "button");
    assert_eq!(interactive["header"], json!({"type": "text", "text": "A question"}));
    assert_eq!(interactive["footer"]["text"], "no hurry");
    assert_eq!(interactive["action"]["buttons"][1]["reply"]["title"], "No");

    let url = json!({"type": "url", "label": "Open", "url": "https://acme.example/shop"});
    let sent = delivered(&world, &line, json!({"text": "Our shop", "buttons": [url]})).await;
    assert_eq!(sent["interactive"]["type"], "cta_url");
    let expected = json!({"display_text": "Open", "url": "https://acme.example/shop"});
    assert_eq!(sent["interactive"]["action"]["parameters"], expected);

    let header = json!({"type": "image", "content": "https://files.example/a.png"});
    let buttons = json!([{"type": "reply", "label": "Nice"}]);
    let wish = json!({"text": "Look", "header": header, "buttons": buttons});
    let sent = delivered(&world, &line, wish).await;
    let expected = json!({"type": "image", "image": {"link": "https://files.example/a.png"}});
    assert_eq!(sent["interactive"]["header"], expected);

    let rows = json!([
        {"title": "Morning", "rowId": "am", "description": "8 to 12"},
        {"title": "Evening", "rowId": "pm"},
    ]);
    let list = json!({"buttonText": "Choose", "sections": [{"title": "Times", "rows": rows}]});
    let sent = delivered(&world, &line, json!({"text": "When?", "list": list})).await;
    assert_eq!(sent["interactive"]["type"], "list");
    let row = &sent["interactive"]["action"]["sections"][0]["rows"][0];
    assert_eq!(row, &json!({"id": "am", "title": "Morning", "description": "8 to 12"}));
    world.end().await;
}
