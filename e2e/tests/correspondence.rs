//! Messages both ways: what a QR-paired number sends and hears, and what is kept of it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

#[path = "correspondence/history.rs"]
mod history;
#[path = "correspondence/privacy.rs"]
mod privacy;
#[path = "correspondence/receiving.rs"]
mod receiving;
#[path = "correspondence/scheduling.rs"]
mod scheduling;
#[path = "correspondence/sending.rs"]
mod sending;
#[path = "correspondence/statuses.rs"]
mod statuses;

use ramal_tests::{Chat, World};
use serde_json::json;

/// Somebody else.
const OTHER: &str = "+5511999990004";

/// Makes a group that the number is in; returns its id.
async fn group(world: &World, subject: &str, creator: &str, members: &[&str]) -> String {
    let body = json!({"subject": subject, "creator": creator, "members": members});
    let group = world.phones().post("/groups", body).await.expect(201);
    group["id"].as_str().expect("an id").to_owned()
}

/// Opens a channel; returns its id.
async fn channel(world: &World, name: &str, owner: &str, follower: &str) -> String {
    let body = json!({"name": name, "owner": owner});
    let channel = world.phones().post("/channels", body).await.expect(201);
    let id = channel["id"].as_str().expect("an id").to_owned();
    let path = format!("/channels/{id}/followers");
    world.phones().post(&path, json!({"number": follower})).await.expect(200);
    id
}

/// A text to the friend.
fn text(words: &str) -> serde_json::Value {
    json!({"destinationNumber": Chat::FRIEND, "text": words})
}
