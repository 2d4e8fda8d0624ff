//! `graph-server`: Meta, and the people and businesses on it.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Answer, Process, api::client, binary, eventually};

/// The offline Graph, and its control API.
#[derive(Debug)]
pub struct Graph {
    _process: Process,
    client: Client,
    /// What the product is told as `meta.graph_url`.
    pub url: String,
    /// Where its SDK for browsers is.
    pub sdk_url: String,
    control: String,
    _dir: TempDir,
}

/// A business at Meta, with one number, one app and a token for both.
#[derive(Clone, Debug)]
pub struct Business {
    /// All that the control API said of it.
    pub body: Value,
    /// Its phone number, with `+`.
    pub number: String,
    /// Meta's id of the number.
    pub phone: String,
    /// Its WhatsApp Business Account.
    pub waba: String,
    /// Its app.
    pub app: String,
    /// That app's secret.
    pub secret: String,
    /// A system user's token.
    pub token: String,
}

impl Business {
    fn read(body: Value) -> Self {
        let text = |field: &str| body[field].as_str().expect("a text").to_owned();
        Self {
            number: text("number"),
            phone: text("phoneId"),
            waba: text("wabaId"),
            app: text("appId"),
            secret: text("appSecret"),
            token: text("token"),
            body,
        }
    }

    /// What `POST /v1/numbers/meta` is told of it; `changes` replace fields, `null` takes one away.
    pub fn credentials(&self, changes: &Value) -> Value {
        let mut wish = json!({
            "name": "Support",
            "number": self.number,
            "metaPhoneId": self.phone,
            "metaWabaId": self.waba,
            "metaAccessToken": self.token,
            "metaAppSecret": self.secret,
        });
        let fields = wish.as_object_mut().expect("an object");
        for (field, value) in changes.as_object().expect("an object") {
            fields.insert(field.clone(), value.clone());
        }
        fields.retain(|_, value| !value.is_null());
        wish
    }
}

impl Graph {
    /// Starts one that is empty.
    pub async fn start() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let file = dir.path().join("graph.json");
        let args = ["--ready-file", file.to_str().expect("a path")];
        let mut process = Process::spawn(&binary("graph-server"), &args, &[], dir.path());
        let ready = process.ready(&file).await;
        let text = |field: &str| ready[field].as_str().expect("a text").to_owned();
        Self {
            _process: process,
            client: client(),
            url: text("graphUrl"),
            sdk_url: text("sdkUrl"),
            control: text("controlUrl"),
            _dir: dir,
        }
    }

    /// Any call of the control API, which must succeed.
    pub async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let name = format!("{method} /__emu{path}");
        let mut request = self.client.request(method, format!("{}{path}", self.control));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = Answer::of(request, name.clone()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}"));
        assert!(answer.status < 300, "{name}: {}: {}", answer.status, answer.text);
        answer.json()
    }

    /// `POST`.
    pub async fn tell(&self, path: &str, body: Value) -> Value {
        self.control(Method::POST, path, Some(body)).await
    }

    /// `GET`.
    pub async fn ask(&self, path: &str) -> Value {
        self.control(Method::GET, path, None).await
    }

    /// `GET` of a list.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        self.ask(path).await.as_array().expect("a list").clone()
    }

    /// A business, ready to send unless `wish` says otherwise.
    pub async fn business(&self, wish: Value) -> Business {
        Business::read(self.tell("/businesses", wish).await)
    }

    /// Something goes wrong with the next calls of a route.
    pub async fn fault(&self, wish: Value) {
        self.tell("/faults", wish).await;
    }

    /// A person writes to a number, which opens the window; returns what became of it.
    pub async fn write(&self, phone: &str, message: Value) -> Value {
        self.tell(&format!("/numbers/{phone}/messages"), message).await
    }

    /// The calls of a route and method so far.
    pub async fn calls(&self, method: &str, route: &str) -> Vec<Value> {
        self.list(&format!("/calls?route={route}&method={method}")).await
    }

    /// A number, as Meta has it.
    pub async fn number(&self, phone: &str) -> Value {
        self.ask("/state").await["numbers"][phone].clone()
    }

    /// The texts that a person has got, oldest first.
    pub async fn received(&self, person: &str) -> Vec<String> {
        let all = self.list(&format!("/contacts/{person}/messages")).await;
        let got = all.iter().filter(|it| it["direction"] == "in" && it["type"] == "text");
        got.map(|it| it["message"]["text"]["body"].as_str().expect("a text").to_owned()).collect()
    }

    /// Waits until every webhook so far was answered with 200.
    pub async fn settled(&self) {
        eventually("Meta has delivered all webhooks", async || {
            let all = self.list("/webhooks").await;
            all.iter().all(|it| it["state"] == "delivered").then_some(())
        })
        .await;
    }
}
