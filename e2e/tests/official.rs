//! Official numbers: the product against an offline Graph server, through both of its doors.
//!
//! Every test ends with judges over all that was said in it: what we asked Meta for and what Meta
//! delivered, by Meta's own description of its API; every answer, event and line of the product's log,
//! by the secrets that were used. See `e2e/src/official.rs`.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

#[path = "official/coexistence.rs"]
mod coexistence;
#[path = "official/content.rs"]
mod content;
#[path = "official/crashes.rs"]
mod crashes;
#[path = "official/credentials.rs"]
mod credentials;
#[path = "official/examples.rs"]
mod examples;
#[path = "official/health.rs"]
mod health;
#[path = "official/isolation.rs"]
mod isolation;
#[path = "official/kinds.rs"]
mod kinds;
#[path = "official/migrating.rs"]
mod migrating;
#[path = "official/moving.rs"]
mod moving;
#[path = "official/onboarding.rs"]
mod onboarding;
#[path = "official/operator.rs"]
mod operator;
#[path = "official/receiving.rs"]
mod receiving;
#[path = "official/removing.rs"]
mod removing;
#[path = "official/sending.rs"]
mod sending;
#[path = "official/signup.rs"]
mod signup;
#[path = "official/statuses.rs"]
mod statuses;

use hmac::{Hmac, KeyInit as _, Mac as _};
use ramal_tests::{Api, Business, Line, Official, client, eventually};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const NUMBER: &str = "+5511999990001";
const OTHER: &str = "+5511999990002";
const FRIEND: &str = "+5511999990009";
/// The same as Meta shows people.
const FRIEND_ID: &str = "5511999990009";

/// The status of an onboarding's step.
fn step<'a>(answer: &'a Value, name: &str) -> &'a str {
    let steps = answer["onboarding"].as_array().expect("a list of steps");
    let found = steps.iter().find(|step| step["step"] == name).expect("the step");
    found["status"].as_str().expect("a status")
}

/// Sends something to the friend; returns our id of it.
async fn send(api: &Api, message: Value) -> String {
    let sent = api.post("/v1/messages/send", addressed(message)).await.expect(202);
    sent["id"].as_str().expect("an id").to_owned()
}

/// The same message, to the friend unless it says to whom.
fn addressed(mut message: Value) -> Value {
    if message.get("destinationNumber").is_none() && message.get("groupId").is_none() {
        message["destinationNumber"] = json!(FRIEND);
    }
    message
}

/// Waits until a message has a status; returns it.
async fn wait_for_status(api: &Api, id: &str, status: &str) -> Value {
    eventually(&format!("{id} is {status}"), async || {
        let message = api.get(&format!("/v1/messages/{id}")).await.expect(200);
        (message["status"] == status).then_some(message)
    })
    .await
}

/// The friend writes: the window is open.
async fn friend_writes(world: &Official, line: &Line, text: &str) {
    world.graph.write(&line.phone, json!({"from": FRIEND, "text": text})).await;
    world.receiver.wait_for("line", "message.received", |data| data["content"] == text).await;
}

/// Asks Meta for something in a business's own name, past the product.
async fn ask_meta(world: &Official, business: &Business, path: &str, body: Value) {
    let mut mac = Hmac::<Sha256>::new_from_slice(business.secret.as_bytes()).expect("any length");
    mac.update(business.token.as_bytes());
    let proof = hex::encode(mac.finalize().into_bytes());
    let url = format!("{}/v25.0/{path}?appsecret_proof={proof}", world.graph.url);
    let mut request = client().post(url).bearer_auth(&business.token);
    if !body.is_null() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
}

/// The owner takes the number's callback back.
async fn callback_taken_back(world: &Official, business: &Business) {
    let nothing = json!({"webhook_configuration": {"override_callback_uri": ""}});
    ask_meta(world, business, &business.phone, nothing).await;
}

/// Does something when Meta tries the callback, before the product is asked: what an onboarding does
/// before that is done, and what it does after is still to come. Once.
async fn when_the_callback_is_tried(
    world: &Official,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinSet<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let product = world.product.address().strip_prefix("http://").expect("http").to_owned();
    world.callback.lead_to(Some(&format!("http://{address}")));
    let mut door = JoinSet::new();
    door.spawn(async move {
        let (mut asked, _peer) = listener.accept().await.expect("Meta asks");
        work.await;
        let mut answered = TcpStream::connect(product).await.expect("the product listens");
        let _ended = copy_bidirectional(&mut asked, &mut answered).await;
    });
    door
}

/// What makes something go wrong with the next calls of a route, as something to be done later.
fn fault_later(world: &Official, wish: Value) -> impl Future<Output = ()> + Send + 'static {
    let url = format!("{}/__emu/faults", world.graph.url);
    async move {
        let answer = client().post(url).body(wish.to_string()).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }
}
