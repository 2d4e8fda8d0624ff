//! Files up and down.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    callback::Callback,
    world::{World, answer, code_of},
};

/// A form as clients write it.
fn form(fields: &[(&str, &str)], file: (&str, &str)) -> (String, String) {
    let boundary = "a-boundary";
    let part = |head: String, value: &str| format!("--{boundary}\r\n{head}\r\n\r\n{value}\r\n");
    let disposition = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let texts: String = fields.iter().map(|(name, value)| part(disposition(name), value)).collect();
    let (mime, bytes) = file;
    let head = format!("{}; filename=\"a.bin\"\r\nContent-Type: {mime}", disposition("file"));
    let body = format!("{texts}{}--{boundary}--\r\n", part(head, bytes));
    (format!("multipart/form-data; boundary={boundary}"), body)
}

async fn upload(world: &World, fields: &[(&str, &str)], file: (&str, &str)) -> (u16, Value) {
    let (kind, body) = form(fields, file);
    let request = world.request(Method::POST, &format!("{}/media", world.phone));
    let (status, body) = answer(request.header(header::CONTENT_TYPE, kind).body(body)).await;
    (status.as_u16(), body)
}

const GOOD: [(&str, &str); 2] = [("messaging_product", "whatsapp"), ("type", "image/png")];

#[tokio::test]
async fn an_uploaded_file_can_be_sent_and_downloaded_and_deleted() {
    let world = World::start().await;
    world.inbound(json!({ "text": "hi" })).await;
    let (_, made) = upload(&world, &GOOD, ("image/png", "the bytes")).await;
    let id = made["id"].as_str().expect("an id").to_owned();

    world.send(json!({ "type": "image", "image": { "id": id } })).await;
    let shown = world.get(&format!("{id}?phone_number_id={}", world.phone)).await;
    assert_eq!((&shown["mime_type"], &shown["file_size"]), (&json!("image/png"), &json!("9")));
    let url = shown["url"].as_str().expect("a URL");
    let got = world.client.get(url).bearer_auth(&world.token).send().await.expect("an answer");
    assert_eq!(got.headers()[header::CONTENT_TYPE], "image/png");
    assert_eq!(got.text().await.expect("a body"), "the bytes");
    assert_eq!(answer(world.client.get(url)).await.0, 401);

    world.tell("/clock", json!({ "advanceSeconds": 301 })).await;
    assert_eq!(answer(world.client.get(url).bearer_auth(&world.token)).await.0, 404);
    assert_eq!(world.call(Method::DELETE, &id, Value::Null).await.0, 200);
    assert_eq!(world.refused(Method::GET, &id, Value::Null).await, (100, Some(33)));
    world.end().await;
}

#[tokio::test]
async fn wrong_uploads_are_refused() {
    let world = World::start().await;
    for (code, fields, file) in [
        (100, &GOOD[1..], ("image/png", "x")),
        (100, &[GOOD[0], ("type", "application/x-evil")][..], ("application/x-evil", "x")),
        (131_053, &GOOD[..], ("image/jpeg", "x")),
        (131_053, &GOOD[..], ("image/png", "")),
    ] {
        let (status, body) = upload(&world, fields, file).await;
        assert_eq!((status, code_of(&body).0), (400, code), "{body}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_persons_file_can_be_downloaded() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;

    world.inbound(json!({ "image": { "caption": "Olá" }, "base64": "aGVsbG8=" })).await;

    let changes = callback.changes(1).await;
    let image = &changes[0]["value"]["messages"][0]["image"];
    assert_eq!(image["caption"], "Olá");
    let direct = world.client.get(image["url"].as_str().expect("a URL")).bearer_auth(&world.token);
    assert_eq!(answer(direct).await.1, "hello");
    let node = world.get(image["id"].as_str().expect("an id")).await;
    let url = node["url"].as_str().expect("a URL");
    assert_eq!(answer(world.client.get(url).bearer_auth(&world.token)).await.1, "hello");
    world.end().await;
}
