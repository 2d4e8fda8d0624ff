//! The product with Meta instead of WhatsApp Web, or beside it, and judges over the whole test.

use std::{
    ops::Deref,
    sync::{Mutex, MutexGuard},
};

use serde_json::{Value, json};

use crate::{
    Answer, Api, Business, Front, Graph, Phones, Product, Receiver, WhatsApp,
    api::client,
    judge::{Description, Secrets},
    receiver::hmac,
};

/// Nothing listens there: official numbers need no WhatsApp Web.
const NO_WHATSAPP: &str = "ws://127.0.0.1:9";
/// Answers that may say a verify token: the caller is to type it into Meta's pages.
const VERIFY_TOKEN_ANSWERS: [&str; 3] = ["POST /v1/numbers/meta ", "/meta/reconnect ", "/migrate "];

/// The product, Meta, a customer's receiver of webhooks, and perhaps WhatsApp Web.
///
/// A test ends with [`Official::end`], which judges all that was said: what the product asked Meta for
/// and what Meta delivered, by Meta's own description; every answer, event and line of the log of the
/// product, by the secrets that must not be in it.
#[derive(Debug)]
pub struct Official {
    /// The product, reached through a door, as everybody does.
    pub product: Product,
    /// Meta.
    pub graph: Graph,
    /// The customer.
    pub receiver: Receiver,
    /// The door for customers.
    pub front: Front,
    /// The door for Meta: the public address.
    pub callback: Front,
    /// The app of the product's operator, if it has one.
    pub operator: Option<Value>,
    whatsapp: Option<WhatsApp>,
    secrets: Mutex<Secrets>,
    ended: bool,
}

/// An official number that is connected.
#[derive(Clone, Debug)]
pub struct Line {
    /// Our id.
    pub id: String,
    /// The API with the number's own key.
    pub api: Api,
    /// The answer to its creation.
    pub body: Value,
    /// What it is at Meta.
    pub business: Business,
}

impl Deref for Line {
    type Target = Business;

    fn deref(&self) -> &Business {
        &self.business
    }
}

/// What a test wants.
#[derive(Debug, Default)]
struct Wish {
    phones: bool,
    operator: bool,
}

impl Official {
    /// Starts product and Meta.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts product and Meta, the product with these settings.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::build(Wish::default(), settings).await
    }

    /// The same with WhatsApp Web and virtual phones.
    pub async fn with_phones(settings: &[(&str, &str)]) -> Self {
        Self::build(Wish { phones: true, ..Wish::default() }, settings).await
    }

    /// The same with an app of the operator's, for Embedded Signup.
    pub async fn with_operator(settings: &[(&str, &str)]) -> Self {
        Self::build(Wish { operator: true, ..Wish::default() }, settings).await
    }

    async fn build(wish: Wish, settings: &[(&str, &str)]) -> Self {
        let (graph, receiver) = (Graph::start().await, Receiver::start().await);
        let (front, callback) = (Front::open().await, Front::open().await);
        let whatsapp = if wish.phones { Some(WhatsApp::start().await) } else { None };
        let whatsapp_url = whatsapp.as_ref().map_or(NO_WHATSAPP, |it| it.url.as_str());
        let host = graph.url.strip_prefix("http://").expect("an http address");
        let (public, hosts) = (callback.url(), format!("[\"{host}\"]"));
        let mut all = vec![
            ("SERVER__PUBLIC_URL", public.as_str()),
            ("META__GRAPH_URL", graph.url.as_str()),
            ("META__MEDIA_HOSTS", hosts.as_str()),
            ("META__SDK_URL", graph.sdk_url.as_str()),
            ("LOG__FILTER", "debug"),
            ("LIMITS__PAIRING_BURST", "0"),
            ("LIMITS__KEY_BURST", "0"),
        ];
        let operator =
            if wish.operator { Some(operators_app(&graph, &public).await) } else { None };
        if let Some(app) = &operator {
            for (setting, field) in [
                ("META__APP_ID", "id"),
                ("META__APP_SECRET", "secret"),
                ("META__CONFIG_ID", "configId"),
            ] {
                all.push((setting, app[field].as_str().expect("a text")));
            }
            let token = app["callback"]["verifyToken"].as_str().expect("a text");
            all.push(("META__VERIFY_TOKEN", token));
        }
        all.extend_from_slice(settings);
        let product = Product::start(whatsapp_url, &all).await;
        let mut world = Self {
            product,
            graph,
            receiver,
            front,
            callback,
            operator,
            whatsapp,
            secrets: Mutex::default(),
            ended: false,
        };
        world.open_doors();
        world
    }

    /// Both doors lead to the product from now on.
    fn open_doors(&mut self) {
        let direct = self.product.api.base().to_owned();
        self.front.lead_to(Some(&direct));
        self.callback.lead_to(Some(&direct));
        self.product.api = self.product.api.at(&self.front.url());
    }

    /// Whether Meta can reach the product.
    pub fn reachable(&self, is: bool) {
        let direct = self.product.address();
        self.callback.lead_to(is.then_some(direct));
    }

    /// `kill -9`; nobody reaches it any more.
    pub fn kill_9(&mut self) {
        self.product.kill_9();
        self.front.lead_to(None);
        self.callback.lead_to(None);
    }

    /// Starts it again on the same data, behind the same doors.
    pub async fn start_again(&mut self) {
        self.product.start_again().await;
        self.open_doors();
    }

    /// The API with the default tenant's key.
    pub const fn api(&self) -> &Api {
        &self.product.api
    }

    /// The virtual phones.
    pub fn phones(&self) -> &Phones {
        &self.whatsapp.as_ref().expect("started with phones").phones
    }

    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.secrets.lock().expect("nobody panicked while holding it")
    }

    /// A secret that Meta does not know of either.
    pub fn hide(&self, secret: &str) {
        self.secrets().hide(secret);
    }

    /// A secret that is answered where it belongs, but must not be logged.
    pub fn unlog(&self, secret: &str) {
        self.secrets().unlog(secret);
    }

    fn unlog_all(&self, secrets: &[String]) {
        for secret in secrets {
            self.unlog(secret);
        }
    }

    /// Asks for an official number.
    pub async fn create(&self, business: &Business, changes: Value) -> Answer {
        self.create_by(self.api(), business, changes).await
    }

    /// The same with another key.
    pub async fn create_by(&self, api: &Api, business: &Business, changes: Value) -> Answer {
        api.post("/v1/numbers/meta", business.credentials(&changes)).await
    }

    /// An official number of a business, connected.
    pub async fn connect(&self, business: &Business) -> Line {
        self.connect_by(self.api(), business).await
    }

    /// The same with another key.
    pub async fn connect_by(&self, api: &Api, business: &Business) -> Line {
        let body = self.create_by(api, business, json!({})).await.expect(201);
        let id = body["numberId"].as_str().expect("an id").to_owned();
        let key = api.key_of(&id).await;
        Line { id, api: api.with_key(&key), body, business: business.clone() }
    }

    /// A business that is ready to send, and its number, connected, with a webhook for everything at
    /// `/line`.
    pub async fn line(&self, number: &str) -> Line {
        let business = self.graph.business(json!({ "number": number })).await;
        let line = self.connect(&business).await;
        self.api().webhook(&line.id, &self.receiver.url("line"), &["*"]).await;
        line
    }

    /// Delivers a webhook to a number's address, signed as Meta does it; returns how it was answered.
    pub async fn deliver(&self, line: &Line, body: &str) -> u16 {
        let address = line.body["webhookUrl"].as_str().expect("an address");
        let signature = hex::encode(hmac(line.secret.as_bytes(), &[body.as_bytes()]));
        let request = client()
            .post(address)
            .header("content-type", "application/json")
            .header("x-hub-signature-256", format!("sha256={signature}"))
            .body(body.to_owned());
        request.send().await.expect("an answer").status().as_u16()
    }

    /// A number, as the API tells it.
    pub async fn detail(&self, id: &str) -> Value {
        self.api().get(&format!("/v1/numbers/{id}")).await.expect(200)
    }

    /// Judges the whole test.
    pub async fn end(mut self) {
        self.ended = true;
        let calls = self.graph.list("/calls").await;
        let hooks = self.graph.list("/webhooks").await;
        calls.iter().for_each(proven);
        if let Some(description) = Description::of_meta() {
            for call in &calls {
                description.call(call);
            }
            for hook in &hooks {
                description.webhook(hook["body"].as_str().expect("a text"));
            }
        }
        let state = self.graph.ask("/state").await;
        self.secrets().of_meta(&state, &calls);
        self.look_for_secrets();
    }

    fn look_for_secrets(&self) {
        let exchanges = [self.front.exchanges(), self.callback.exchanges()].concat();
        assert!(!exchanges.is_empty(), "the doors were used");
        let events = self.receiver.everything();
        for exchange in &exchanges {
            for body in exchange.answer().lines().filter_map(|it| serde_json::from_str(it).ok()) {
                self.unlog_all(&links_of(&body));
            }
        }
        for event in &events {
            self.unlog_all(&links_of(&event.json()["data"]));
        }
        let secrets = self.secrets();
        for exchange in &exchanges {
            let (request, answer) = (exchange.request(), exchange.answer());
            secrets.check_told(&format!("the answer to {request}"), &answer);
            let may = VERIFY_TOKEN_ANSWERS.iter().any(|it| request.contains(it));
            assert!(
                may || !secrets.tells_verify_token(&answer),
                "{request} tells a verify token: {answer}"
            );
        }
        for event in &events {
            let body = String::from_utf8_lossy(&event.body);
            secrets.check_told("a webhook", &body);
            assert!(!secrets.tells_verify_token(&body), "a webhook tells a verify token: {body}");
        }
        let log = self.product.log();
        assert!(log.contains("DEBUG"), "the log is complete");
        secrets.check_log(&log);
    }
}

/// Meta's own examples of webhooks, by name; `None` where its description is not, which is said then.
pub fn examples_of_meta() -> Option<Vec<(String, Value)>> {
    Description::of_meta().map(Description::webhooks)
}

impl Drop for Official {
    fn drop(&mut self) {
        assert!(self.ended || std::thread::panicking(), "end the test with `end`");
    }
}

/// What opens something for whoever has it: the state of a sign-up's page, the token of its link, that
/// of a file.
fn links_of(body: &Value) -> Vec<String> {
    let text = |field: &str| body[field].as_str().map(str::to_owned);
    // The state of a number is another thing.
    let state = text("state").filter(|state| state.len() >= 32);
    let file = text("mediaLink").and_then(|link| Some(link.rsplit_once("/media/")?.1.to_owned()));
    [state, text("remotePairingToken"), file].into_iter().flatten().collect()
}

/// Every call proves that it knows the app's secret, but for those that carry the secret itself.
fn proven(call: &Value) {
    let route = call["route"].as_str().expect("a route");
    if matches!(route, "access_token" | "debug_token" | "download" | "subscriptions") {
        return;
    }
    let query = call["query"].as_str().expect("a query");
    let proof = query.split('&').find_map(|pair| pair.strip_prefix("appsecret_proof="));
    let proof = proof.unwrap_or_else(|| panic!("no proof: {call}"));
    assert!(proof.len() == 64 && proof.bytes().all(|it| it.is_ascii_hexdigit()), "{call}");
    let bearer = call["authorization"].as_str().expect("a token");
    assert!(bearer.starts_with("Bearer "), "{call}");
    assert!(!query.contains("access_token"), "{call}");
}

async fn operators_app(graph: &Graph, public: &str) -> Value {
    let wish = json!({
        "name": "Operator",
        "callbackUrl": format!("{public}/webhooks/meta"),
        "verifyToken": "the-operators-verify-token",
    });
    graph.tell("/apps", wish).await
}
