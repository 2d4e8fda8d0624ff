//! The control API: what the owners of virtual phones do.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::{Answer, api::client, eventually};

/// The virtual phones of one offline WhatsApp.
#[derive(Clone, Debug)]
pub struct Phones {
    client: Client,
    base: String,
}

impl Phones {
    /// The phones behind this control API (`…/sandbox`).
    pub fn new(base: &str) -> Self {
        Self { client: client(), base: base.to_owned() }
    }

    /// Any request.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let name = format!("{method} /sandbox{path}");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Answer::of(request, name).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// `POST` with JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&body)).await
    }

    /// Scans the picture of a QR code.
    pub async fn scan(&self, number: &str, picture: &str) -> Answer {
        self.post(&format!("/phones/{number}/scan"), json!({"qrcodeBase64": picture})).await
    }

    /// Types a pairing code.
    pub async fn enter_code(&self, number: &str, code: &str) -> Answer {
        self.post(&format!("/phones/{number}/pairing-code"), json!({"code": code})).await
    }

    /// The linked devices.
    pub async fn companions(&self, number: &str) -> Vec<Value> {
        let list = self.get(&format!("/phones/{number}/companions")).await.expect(200);
        list.as_array().expect("an array").clone()
    }

    /// Unlinks a device on the phone.
    pub async fn unlink(&self, number: &str, device: u64) {
        let path = format!("/phones/{number}/companions/{device}");
        self.call(Method::DELETE, &path, None).await.expect(200);
    }

    /// Sends a text from a phone.
    pub async fn send(&self, from: &str, to: &str, text: &str) -> Value {
        let body = json!({"to": to, "text": text});
        self.post(&format!("/phones/{from}/messages"), body).await.expect(201)
    }

    /// Sends anything from a phone: `body` has `to` and one of the fields of `docs/sandbox.md`.
    pub async fn write(&self, from: &str, body: Value) -> Value {
        self.post(&format!("/phones/{from}/messages"), body).await.expect(201)
    }

    /// The attachment of a message, as the phone has it.
    pub async fn attachment(&self, number: &str, message: &Value) -> Vec<u8> {
        let id = message["id"].as_str().expect("an id");
        let url = format!("{}/phones/{number}/messages/{id}/media", self.base);
        let response = self.client.get(url).send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "the phone has it");
        response.bytes().await.expect("the whole attachment").into()
    }

    /// What the phone's owner sees, newest last.
    pub async fn messages(&self, number: &str) -> Vec<Value> {
        let list = self.get(&format!("/phones/{number}/messages")).await.expect(200);
        list.as_array().expect("an array").clone()
    }

    /// The received texts, newest last.
    pub async fn received(&self, number: &str) -> Vec<String> {
        let all = self.messages(number).await;
        let received = all.iter().filter(|message| message["direction"] == "in");
        received.map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
    }

    /// Waits for a received text; returns the message.
    pub async fn wait_for_text(&self, number: &str, text: &str) -> Value {
        eventually(&format!("{number} gets {text:?}"), async || {
            let all = self.messages(number).await;
            all.into_iter().find(|message| message["direction"] == "in" && message["text"] == text)
        })
        .await
    }

    /// Opens a received message.
    pub async fn read(&self, number: &str, message: &Value) {
        let id = message["id"].as_str().expect("an id");
        self.post(&format!("/phones/{number}/messages/{id}/read"), json!({})).await.expect(200);
    }

    /// Changes the network between WhatsApp and its clients.
    pub async fn network(&self, change: Value) -> Value {
        self.post("/network", change).await.expect(200)
    }

    /// How many clients are connected.
    pub async fn connections(&self) -> u64 {
        self.get("/network").await.expect(200)["connections"].as_u64().expect("a number")
    }
}
