//! Is it alive, is it ready, how is it doing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, Router, extract::State, routing::get};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::Web;

/// Whether requests should be sent here. Cheap to clone; turned off when stopping begins.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_page))
}

/// The process answers.
async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The process answers, its database too, and it is not stopping. `clientOutdated` is the one alarm for
/// all numbers when WhatsApp no longer accepts our version.
async fn ready(State(web): State<Web>) -> (StatusCode, Json<Value>) {
    let database = web.app.store().ping().await.is_ok();
    let ready = web.readiness.get() && database;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "not ready" };
    // A restart does not help against an outdated version, so that leaves us ready.
    let outdated = web.app.sessions().is_outdated();
    (status, Json(json!({"status": word, "database": database, "clientOutdated": outdated})))
}

/// Prometheus' text format.
async fn metrics_page(State(web): State<Web>) -> impl axum::response::IntoResponse {
    #[expect(clippy::cast_precision_loss, reason = "a gauge; counts stay far below 2^52")]
    metrics::gauge!("sessions_running").set(web.app.sessions().running_count() as f64);
    if let Ok(mut tx) = web.app.store().read().await
        && let Ok(counts) = tx.numbers().count_by_link().await
    {
        // A state that nobody is in any more has no row.
        for link in ["closed", "pairing", "open", "resuming"] {
            metrics::gauge!("numbers", "link" => link).set(0.0);
        }
        for (link, count) in counts {
            #[expect(clippy::cast_precision_loss, reason = "a gauge; counts stay below 2^52")]
            metrics::gauge!("numbers", "link" => link).set(count as f64);
        }
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], (web.metrics)())
}
