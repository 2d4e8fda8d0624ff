//! A server with one business, and calls to both of its sides.

use std::time::{Duration, Instant};

use graph_server::{GraphServer, Options};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::{
    callback::{Callback, VERIFY_TOKEN},
    judge::judge,
};

const LIMIT: Duration = Duration::from_secs(15);
pub(crate) const PERSON: &str = "+5511999990001";

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server with one business. [`World::end`] judges all that was said.
pub(crate) struct World {
    pub(crate) server: GraphServer,
    pub(crate) client: Client,
    pub(crate) app: String,
    pub(crate) secret: String,
    pub(crate) config: String,
    pub(crate) waba: String,
    pub(crate) phone: String,
    pub(crate) number: String,
    pub(crate) token: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// The business as the control API makes it from `wish`.
    pub(crate) async fn start_with(wish: Value) -> Self {
        let server = GraphServer::start(Options::default()).await.expect("the server starts");
        let client = Client::builder().no_proxy().timeout(LIMIT).build().expect("a client");
        let made = client.post(format!("{}/businesses", server.control_url()));
        let made: Value = serde_json::from_str(
            &made.body(wish.to_string()).send().await.expect("sent").text().await.expect("a body"),
        )
        .expect("JSON");
        let text = |name: &str| made[name].as_str().expect(name).to_owned();
        Self {
            app: text("appId"),
            secret: text("appSecret"),
            config: text("configId"),
            waba: text("wabaId"),
            phone: text("phoneId"),
            number: text("number"),
            token: text("token"),
            server,
            client,
        }
    }

    /// Judges everything that was said, and stops the server.
    pub(crate) async fn end(self) {
        if let Some(judge) = judge() {
            for call in
                self.control(Method::GET, "/calls", json!({})).await.as_array().expect("a list")
            {
                judge.call(call);
            }
            for hook in
                self.control(Method::GET, "/webhooks", json!({})).await.as_array().expect("a list")
            {
                judge.webhook(hook["body"].as_str().expect("a text"));
            }
        }
        self.server.shutdown().await;
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/v25.0/{path}", self.server.graph_url()))
            .bearer_auth(&self.token)
    }

    /// Calls Graph; answers the status and the body.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, body).await;
        assert_eq!(status, 200, "POST {path}: {answer}");
        answer
    }

    /// A call that Graph refuses: the code and the subcode.
    pub(crate) async fn refused(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> (i64, Option<i64>) {
        let (status, answer) = self.call(method, path, body).await;
        assert!(status.as_u16() >= 400, "{path}: {answer}");
        code_of(&answer)
    }

    /// A call of the control API, which must succeed.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.server.control_url());
        let (status, answer) =
            answer(self.client.request(method, url).body(body.to_string())).await;
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }

    pub(crate) async fn tell(&self, path: &str, body: Value) -> Value {
        self.control(Method::POST, path, body).await
    }

    /// Subscribes with a callback for the account.
    pub(crate) async fn subscribe(&self, callback: &Callback) {
        let body = json!({ "override_callback_uri": callback.url, "verify_token": VERIFY_TOKEN });
        self.post(&format!("{}/subscribed_apps", self.waba), body).await;
    }

    /// A person writes, which opens the window.
    pub(crate) async fn inbound(&self, message: Value) -> Value {
        let mut message = message;
        message["from"] = json!(PERSON);
        self.tell(&format!("/numbers/{}/messages", self.phone), message).await
    }

    /// The body of a message to the person.
    pub(crate) fn to_person(message: Value) -> Value {
        let mut message = message;
        message["messaging_product"] = json!("whatsapp");
        message["to"] = json!(PERSON);
        message
    }

    pub(crate) async fn send(&self, message: Value) -> Value {
        self.post(&format!("{}/messages", self.phone), Self::to_person(message)).await
    }

    pub(crate) async fn send_refused(&self, message: Value) -> i64 {
        let path = format!("{}/messages", self.phone);
        self.refused(Method::POST, &path, Self::to_person(message)).await.0
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The code and the subcode of a refusal, whose body is a whole one.
pub(crate) fn code_of(answer: &Value) -> (i64, Option<i64>) {
    let error = &answer["error"];
    assert!(error["message"].is_string() && error["type"].is_string(), "{answer}");
    assert!(error["fbtrace_id"].as_str().is_some_and(|trace| trace.starts_with('A')), "{answer}");
    (error["code"].as_i64().expect("a code"), error["error_subcode"].as_i64())
}
