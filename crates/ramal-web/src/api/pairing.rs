//! `/v1/numbers/{id}/pairing`: why does my QR code do nothing? An extension of ours.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};
use http::header::{CACHE_CONTROL, HeaderName};
use ramal_app::{Followed, PairingAttempt, PairingNews};
use ramal_domain::{CloseReason, Timestamp};
use ramal_store::AttemptOutcome;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    QrPicture, Web,
    error::ApiError,
    extract::{Authenticated, Path},
};

/// How often a silent stream says that it is there: below the patience of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Asks nginx not to hold events back.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(attempts)).routes(routes!(events))
}

/// The pairing attempts of a number, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct PairingAttempts {
    attempts: Vec<Attempt>,
}

/// One pairing attempt: what happened, when, and how it ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PairingAttempt)]
struct Attempt {
    #[schema(format = DateTime)]
    started_at: String,
    /// When the first QR code was shown; null when WhatsApp gave none.
    #[schema(required = true, format = DateTime)]
    qr_issued_at: Option<String>,
    /// How many QR codes were shown.
    qr_codes: i64,
    #[schema(required = true, format = DateTime)]
    pairing_code_issued_at: Option<String>,
    /// When a phone scanned, or typed the code; null when none did.
    #[schema(required = true, format = DateTime)]
    scanned_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    ended_at: Option<String>,
    /// `open`, `expired`, `refused` or `failed`; null while it is under way.
    #[schema(required = true)]
    outcome: Option<&'static str>,
    /// The reason's code, such as `WRONG_PHONE`: see docs/errors.md.
    #[schema(required = true)]
    reason: Option<String>,
    /// What the reason means, and what to do.
    #[schema(required = true)]
    explanation: Option<&'static str>,
}

impl From<&PairingAttempt> for Attempt {
    fn from(attempt: &PairingAttempt) -> Self {
        let at = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let reason: Option<CloseReason> =
            attempt.reason.as_deref().and_then(|code| code.parse().ok());
        Self {
            started_at: attempt.started_at.to_string(),
            qr_issued_at: at(attempt.qr_at),
            qr_codes: attempt.qr_codes,
            pairing_code_issued_at: at(attempt.code_at),
            scanned_at: at(attempt.scanned_at),
            ended_at: at(attempt.ended_at),
            outcome: attempt.outcome.map(AttemptOutcome::name),
            reason: attempt.reason.clone(),
            explanation: reason.map(CloseReason::explain),
        }
    }
}

/// Why does my QR code do nothing? Every pairing attempt of a number, newest first.
#[utoipa::path(
    get,
    path = "/numbers/{id}/pairing",
    operation_id = "listPairingAttempts",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "The attempts", body = PairingAttempts)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND"]))),
)]
async fn attempts(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<PairingAttempts>, ApiError> {
    let attempts = web.app.pairing_attempts(&caller, &id).await?;
    Ok(Json(PairingAttempts { attempts: attempts.iter().map(Into::into).collect() }))
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape is for the document only")]
struct PairingEvent {
    /// `qr`, `code`, `scanned`, `action_required`; and, as the last one, `open`, `expired` or `failed`.
    #[schema(example = "qr")]
    event: String,
    /// A JSON object: see docs/api.md.
    data: String,
}

/// The pairing attempt under way, as server-sent events.
///
/// The present state at once, then what changes, until the attempt ends: `qr`, `code`, `scanned`,
/// `action_required`, and one of `open`, `expired` and `failed` as the last.
#[utoipa::path(
    get,
    path = "/numbers/{id}/pairing/events",
    operation_id = "followPairing",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "A stream that ends with the attempt", body = PairingEvent, content_type = "text/event-stream")),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND"]))),
)]
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
