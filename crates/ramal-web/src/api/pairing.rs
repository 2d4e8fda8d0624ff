//! `/v1/numbers/{id}/pairing`: why does my QR code do nothing? An extension of ours.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::stream::{self, Stream};
use http::header::{CACHE_CONTROL, HeaderName};
use ramal_app::{Followed, PairingAttempt, PairingNews};
use ramal_domain::{CloseReason, Timestamp};
use ramal_store::AttemptOutcome;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    QrPicture, Web,
    error::ApiError,
    extract::{Authenticated, Path},
};

/// How often a silent stream says that it is there: below the patience of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Asks nginx not to hold events back.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/numbers/{id}/pairing", get(attempts))
        .route("/numbers/{id}/pairing/events", get(events))
}

async fn attempts(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let attempts = web.app.pairing_attempts(&caller, &id).await?;
    Ok(Json(json!({"attempts": attempts.iter().map(attempt_body).collect::<Vec<_>>()})))
}

fn attempt_body(attempt: &PairingAttempt) -> Value {
    let at = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let reason: Option<CloseReason> = attempt.reason.as_deref().and_then(|code| code.parse().ok());
    json!({
        "startedAt": attempt.started_at.to_string(),
        "qrIssuedAt": at(attempt.qr_at),
        "qrCodes": attempt.qr_codes,
        "pairingCodeIssuedAt": at(attempt.code_at),
        "scannedAt": at(attempt.scanned_at),
        "endedAt": at(attempt.ended_at),
        "outcome": attempt.outcome.map(AttemptOutcome::name),
        "reason": attempt.reason,
        "explanation": reason.map(CloseReason::explain),
    })
}

/// Server-sent events: the present state at once, then what changes, until the attempt ends.
async fn events(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let followed = web.app.follow_pairing(&caller, &id).await?;
    let stream = event_stream(followed, web.closing.clone());
    let sse = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(CACHE_CONTROL, "no-store"), (NO_BUFFERING, "no")], sse).into_response())
}

/// Ends when the server stops, so that stopping never waits for who only listens.
fn event_stream(
    followed: Followed,
    closing: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((followed, closing), |(mut followed, closing)| async move {
        let news = closing.run_until_cancelled(followed.next()).await.flatten()?;
        Some((Ok(event(&news)), (followed, closing)))
    })
}

fn event(news: &PairingNews) -> Event {
    let (name, data) = match news {
        PairingNews::Qr { qr, window_ends_at } => {
            // A code that cannot be drawn can still be shown from its text.
            let picture = QrPicture::draw(&qr.text).ok().map(|picture| picture.data_uri());
            let data = json!({
                "qrText": qr.text,
                "qrcodeBase64": picture,
                "issuedAt": qr.issued_at.to_string(),
                "expiresAt": qr.expires_at.to_string(),
                "windowEndsAt": window_ends_at.map(|at| at.to_string()),
                "sequence": qr.sequence,
            });
            ("qr", data)
        }
        PairingNews::Code { code, expires_at } => {
            ("code", json!({"pairingCode": code, "expiresAt": expires_at.to_string()}))
        }
        PairingNews::Scanned => ("scanned", json!({})),
        PairingNews::Open => ("open", json!({})),
        PairingNews::Expired => {
            let reason = CloseReason::CodesExpired;
            ("expired", json!({"code": reason.code(), "reason": reason.explain()}))
        }
        PairingNews::Failed { code, sentence } => {
            ("failed", json!({"code": code, "reason": sentence}))
        }
    };
    Event::default().event(name).data(data.to_string())
}
