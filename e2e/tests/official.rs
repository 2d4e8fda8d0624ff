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

use ramal_tests::{Api, Line, Official, eventually};
use serde_json::{Value, json};

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
    if message.get("destinationNumber").is_none() {
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
