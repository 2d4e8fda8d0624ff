//! A webhook receiver: checks the signature with the `standardwebhooks` crate, drops repeats, answers
//! fast.
//!
//!     WEBHOOK_SECRET=whsec_... cargo run -p ramal-webhooks --example receiver 8000
#![expect(clippy::print_stdout, reason = "an example shows what it received")]

use std::{
    collections::HashSet,
    error::Error,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

/// What requests share.
struct Shared {
    webhook: Webhook,
    /// In production: a table with a unique key, written with what the event changes.
    seen: Mutex<HashSet<String>>,
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    // Looks at the age as well, and for a day after a rotation accepts either secret.
    if shared.webhook.verify(body.as_bytes(), &headers).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let is_new = shared.seen.lock().is_ok_and(|mut seen| seen.insert(id.to_owned()));
    if is_new {
        println!("{body}"); // in production: put it on a queue
    }
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
    let secret = std::env::var("WEBHOOK_SECRET")?;
    let port = std::env::args().nth(1).ok_or("usage: receiver PORT")?;
    let shared = Shared { webhook: Webhook::new(&secret)?, seen: Mutex::default() };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = Router::new().route("/", post(receive)).with_state(Arc::new(shared));
    axum::serve(listener, router).await?;
    Ok(())
}
