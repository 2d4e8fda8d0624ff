//! A Graph that records requests and answers as told.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, Uri},
};
use ramal_meta::{Access, Graph, Options, PhoneId, WabaId};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::openapi::description;

/// The app secret and token of the dossier's vectors, and the proof that belongs to them.
pub(crate) const SECRET: &str = "614fc2afde15eee07a26b2fe3eaee9b9";
pub(crate) const TOKEN: &str = "EAAJtesttoken";
pub(crate) const PROOF: &str = "7a8494b29e59bf27b7e653f0a7b6bb2ebb4e01dce85f67c4cc0c8c6e5ac26244";

pub(crate) const PHONE: &str = "106540352242922";
pub(crate) const WABA: &str = "102290129340398";
pub(crate) const APP: &str = "670843887433847";

pub(crate) fn access() -> Access {
    Access { token: TOKEN.into(), app_secret: Some(SECRET.into()) }
}

pub(crate) fn phone() -> PhoneId {
    PHONE.parse().unwrap()
}

pub(crate) fn waba() -> WabaId {
    WABA.parse().unwrap()
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Recorded {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Holds a body against Meta's description, where that covers the call.
    fn judge(&self) {
        let is_json = self.header("content-type") == Some("application/json");
        let schema = match self.path.rsplit('/').next().unwrap() {
            _ if self.method != Method::POST || !is_json => return,
            "messages" => "Message",
            "register" => "WhatsAppBusinessPhoneNumberRegistrationRequest",
            "subscribed_apps" => "SubscriptionRequest",
            PHONE => "PhoneNumberStatusUpdateRequest",
            _ => return,
        };
        if let Some(description) = description() {
            description.judge(schema, &self.json());
        }
    }
}

type Answer = (u16, Vec<u8>);

#[derive(Clone, Debug, Default)]
struct Script {
    requests: Arc<Mutex<Vec<Recorded>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

pub(crate) struct Scripted {
    pub(crate) graph: Graph,
    /// `127.0.0.1:port`.
    pub(crate) host: String,
    script: Script,
    _server: JoinSet<()>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        Self::with(|_options| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let script = Script::default();
        let router = Router::new().fallback(record).with_state(script.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut options = Options {
            graph_url: format!("http://{host}"),
            media_hosts: vec![host.clone()],
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            ..Options::default()
        };
        change(&mut options);
        let graph = Graph::new(&options).unwrap();
        Self { graph, host, script, _server: server }
    }

    /// What the next request without an answer is told.
    #[expect(clippy::needless_pass_by_value, reason = "scripts are written in place")]
    pub(crate) fn answers(&self, status: u16, body: Value) {
        self.answers_raw(status, body.to_string());
    }

    pub(crate) fn answers_raw(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.script.answers.lock().unwrap().push_back((status, body.into()));
    }

    /// What came since the last look, each of it fit for Meta.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        let requests = std::mem::take(&mut *self.script.requests.lock().unwrap());
        for request in &requests {
            request.judge();
        }
        requests
    }

    /// The one request that came.
    pub(crate) fn request(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

async fn record(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let query = uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let path = uri.path().to_owned();
    script.requests.lock().unwrap().push(Recorded { method, path, query, headers, body });
    let answer = script.answers.lock().unwrap().pop_front();
    let (status, body) =
        answer.unwrap_or_else(|| (200, json!({"success": true}).to_string().into_bytes()));
    let response = Response::builder().status(status).header("content-type", "application/json");
    let response = match status {
        300..=399 => response.header("location", "/elsewhere"),
        _ => response,
    };
    response.body(body.into()).unwrap()
}

/// Meta's error body.
pub(crate) fn error(code: i64, message: &str) -> Value {
    let body = json!({"error": {"message": message, "type": "OAuthException", "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": "It is so."},
        "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam"}});
    if let Some(description) = description() {
        description.judge("GraphAPIError", &body);
    }
    body
}
