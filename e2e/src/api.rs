//! A client of the v1 API, as a customer would write one.

use std::time::Duration;

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::{eventually, within};

/// Above the server's own deadlines.
const TIMEOUT: Duration = Duration::from_secs(40);
/// How soon a paired number must be open (issue 2).
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// A client as every test needs one.
pub fn client() -> Client {
    // Only plain HTTP is spoken, but no client is built without it.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .timeout(TIMEOUT)
        // Servers are killed between requests: a kept connection would fail the next one.
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .expect("an HTTP client")
}

/// An answer, not judged yet.
#[derive(Clone, Debug)]
pub struct Answer {
    request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder, name: String) -> Result<Self, String> {
        let response = request.send().await.map_err(|error| format!("{name}: {error:?}"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.map_err(|error| format!("{name}: {error:?}"))?;
        Ok(Self { request: name, status, headers, text })
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("{}: not JSON: {:?}", self.request, self.text))
    }

    /// The body, when the status is the expected one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        self.json()
    }

    /// The stable code of an error.
    #[track_caller]
    pub fn code(&self) -> Option<String> {
        self.json().get("code").map(|code| code.as_str().expect("a code is text").to_owned())
    }

    /// Checks status, code and the shape of an error.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        let body = self.expect(status);
        assert!(body["error"].is_string(), "{}: {}", self.request, self.text);
        assert_eq!(self.code().as_deref(), Some(code), "{}: {}", self.request, self.text);
    }
}

/// A number as it was answered to its creation.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its id.
    pub id: String,
    /// The picture, as a data URI.
    pub qrcode: String,
    /// The code to type instead.
    pub pairing_code: Option<String>,
    /// The whole answer.
    pub body: Value,
}

/// The v1 API with one key, perhaps acting on one number.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: String,
    key: Option<String>,
    number: Option<String>,
}

impl Api {
    /// A client of the server at `base` with this key.
    pub fn new(base: &str, key: &str) -> Self {
        let (base, key) = (base.to_owned(), Some(key.to_owned()));
        Self { client: client(), base, key, number: None }
    }

    /// The same server with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), number: None, ..self.clone() }
    }

    /// The same server without a key.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { key: None, number: None, ..self.clone() }
    }

    /// The same key at another address of the server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same key, with the header that names a number.
    #[must_use]
    pub fn on_number(&self, id: &str) -> Self {
        Self { number: Some(id.to_owned()), ..self.clone() }
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request that is not finished: for odd headers and bodies.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key);
        }
        if let Some(number) = &self.number {
            request = request.header("x-whatsapp-number-id", number);
        }
        request
    }

    /// Any request. `Err` when there was no answer.
    ///
    /// # Errors
    ///
    /// The server is gone.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        self.ask(method, path, &[], body).await
    }

    /// Any request, with further headers. `Err` when there was no answer.
    ///
    /// # Errors
    ///
    /// The server is gone.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let name = format!("{method} {path}");
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Answer::of(request, name).await
    }

    /// Any request, which must be answered.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, body).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// A request with a raw body and further headers.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.request(method.clone(), path).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let name = format!("{method} {path}");
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

    /// `PATCH` with JSON.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(&body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Creates a number, named after its phone number.
    pub async fn create(&self, number: &str) -> Created {
        let body = json!({"name": format!("Number {number}"), "number": number});
        Created::read(self.post("/v1/numbers", body).await.expect(201))
    }

    /// `GET` of bytes, from a path of the server's; their headers come along.
    pub async fn bytes(&self, path: &str) -> (HeaderMap, Vec<u8>) {
        let response = self.request(Method::GET, path).send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "GET {path}");
        let headers = response.headers().clone();
        (headers, response.bytes().await.expect("the whole of it").into())
    }

    /// Every number, as listed.
    pub async fn numbers(&self) -> Vec<Value> {
        let list = self.get("/v1/numbers").await.expect(200);
        list.as_array().expect("the list is an array").clone()
    }

    /// The state of a number.
    pub async fn state(&self, id: &str) -> String {
        let status = self.get(&format!("/v1/numbers/{id}/status")).await.expect(200);
        status["state"].as_str().expect("a state").to_owned()
    }

    /// Waits, for ten seconds at most, until a number is `OPEN`.
    pub async fn wait_until_open(&self, id: &str) {
        within(OPEN_LIMIT, &format!("{id} is OPEN"), async || {
            (self.state(id).await == "OPEN").then_some(())
        })
        .await;
    }

    /// Waits until a number is in this state.
    pub async fn wait_for_state(&self, id: &str, state: &str) {
        eventually(&format!("{id} is {state}"), async || {
            (self.state(id).await == state).then_some(())
        })
        .await;
    }

    /// The raw key of a number, revealed to the tenant's key.
    pub async fn key_of(&self, id: &str) -> String {
        let keys = self.get("/v1/api-keys").await.expect(200);
        let rows = keys.as_array().expect("the keys are an array");
        let own: Vec<&Value> = rows.iter().filter(|row| row["numberId"] == id).collect();
        assert_eq!(own.len(), 1, "one key for {id}: {keys}");
        own.first().and_then(|row| row["key"].as_str()).expect("the key is revealed").to_owned()
    }

    /// Sends a text; returns our id of it.
    pub async fn send_text(&self, to: &str, text: &str) -> String {
        let body = json!({"destinationNumber": to, "text": text});
        let sent = self.post("/v1/messages/send", body).await.expect(202);
        assert_eq!(sent["status"], "QUEUED");
        sent["id"].as_str().expect("a message id").to_owned()
    }

    /// Creates a webhook for a number; returns its id and secret.
    pub async fn webhook(&self, number: &str, url: &str, events: &[&str]) -> (String, String) {
        let body = json!({"url": url, "events": events, "whatsappNumberId": number});
        let hook = self.post("/v1/webhooks", body).await.expect(201);
        let field = |name: &str| hook[name].as_str().expect("a text").to_owned();
        (field("id"), field("secret"))
    }
}

impl Created {
    /// Reads the answer to a creation.
    pub fn read(body: Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            id: text(&body["instance"]["id"]).expect("an id"),
            qrcode: text(&body["qrcodeBase64"]).expect("a QR code"),
            pairing_code: text(&body["pairingCode"]),
            body,
        }
    }
}
