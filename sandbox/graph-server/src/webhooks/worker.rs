//! Posts webhooks, and posts them again.

use std::{sync::Arc, time::Duration};

use reqwest::header;
use tokio::task::JoinSet;

use super::Delivery;
use crate::{GraphServer, server::Inner};

/// Time may be moved without anybody saying so.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Runs until the server stops.
pub(crate) async fn run(server: GraphServer) {
    let mut posts = JoinSet::new();
    loop {
        let (due, wait) = server.inner.quietly(|state| {
            let now = state.clock.millis();
            let due = state.outbox.take_due(now);
            let wait = state.outbox.next_due().map(|next| (next - now).max(0));
            (due, wait)
        });
        for delivery in due {
            let inner = Arc::clone(&server.inner);
            posts.spawn(async move { post(&inner, &delivery).await });
        }
        // What is due but waits for its address is looked at when that is free again.
        let wait = wait.filter(|wait| *wait > 0).and_then(|wait| u64::try_from(wait).ok());
        let wait = wait.map_or(LOOK_AGAIN, Duration::from_millis).min(LOOK_AGAIN);
        // Cancel-safe, all of them.
        tokio::select! {
            () = server.stop.cancelled() => return,
            () = server.inner.changed.notified() => {}
            Some(_settled) = posts.join_next() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn post(inner: &Inner, delivery: &Delivery) {
    let mut request = inner
        .client
        .post(&delivery.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "facebookexternalua");
    if let Some(signature) = &delivery.signature {
        request = request.header("x-hub-signature-256", signature);
    }
    let answered = request.body(delivery.body.clone()).send().await;
    let status = answered.ok().map(|answer| answer.status().as_u16());
    inner.with(|state| {
        let now = state.clock.millis();
        let delays = state.settings.retry_delays_ms.clone();
        state.outbox.settle(delivery.id, status, now, &delays);
    });
}
