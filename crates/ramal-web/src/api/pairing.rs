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
use http::{
    StatusCode,
    header::{CACHE_CONTROL, HeaderName},
};
use ramal_app::{Followed, PairingAttempt, PairingNews};
use ramal_domain::{Action, ActionStep, AssertionJson, CloseReason, Timestamp, WrongPhone};
use ramal_store::AttemptOutcome;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Done;
use crate::{
    QrPicture, Web,
    body::Body,
    error::ApiError,
    extract::{Authenticated, Path},
};

/// How often a silent stream says that it is there: below the patience of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Asks nginx not to hold events back.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(attempts))
        .routes(routes!(events))
        .routes(routes!(answer_passkey))
        .routes(routes!(confirm_passkey))
        .routes(routes!(answer_wrong_phone))
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
    /// When a person was (last) asked to do something, such as a passkey; null when none was.
    #[schema(required = true, format = DateTime)]
    action_required_at: Option<String>,
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
            action_required_at: at(attempt.action_at),
            scanned_at: at(attempt.scanned_at),
            ended_at: at(attempt.ended_at),
            outcome: attempt.outcome.map(AttemptOutcome::name),
            reason: attempt.reason.clone(),
            explanation: reason.map(CloseReason::explain),
        }
    }
}

/// What a person must do before a pairing goes on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionRequired {
    /// `PASSKEY`: sign, and send the assertion to `pairing/passkey`. `PASSKEY_CONFIRMATION`: compare
    /// the code with the phone's, and say so to `pairing/passkey/confirm`. `WRONG_PHONE`: another phone
    /// than the expected one scanned; say to `pairing/wrong-phone` whether to use it.
    #[serde(rename = "type")]
    #[schema(example = "PASSKEY")]
    step: &'static str,
    /// With `PASSKEY`: the `publicKey` of `navigator.credentials.get`, as WhatsApp sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    public_key: Option<Value>,
    /// With `PASSKEY_CONFIRMATION`: what the phone should show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ABCD-1234")]
    code: Option<String>,
    /// With `WRONG_PHONE`: the phone number that the number was created for, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "+551199****0001")]
    expected: Option<String>,
    /// With `WRONG_PHONE`: that of the phone that scanned, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "+551198****0002")]
    actual: Option<String>,
    #[schema(format = DateTime)]
    asked_at: String,
    /// When the attempt ends if it is not done.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<&Action> for ActionRequired {
    fn from(action: &Action) -> Self {
        let shown = Self {
            step: action.step.name(),
            public_key: None,
            code: None,
            expected: None,
            actual: None,
            asked_at: action.asked_at.to_string(),
            expires_at: action.expires_at.to_string(),
        };
        match &action.step {
            ActionStep::Passkey(request) => {
                Self { public_key: Some(request.options().clone()), ..shown }
            }
            ActionStep::Confirm { code } => Self { code: Some(code.clone()), ..shown },
            ActionStep::WrongPhone { expected, actual } => {
                Self { expected: Some(expected.masked()), actual: Some(actual.masked()), ..shown }
            }
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
pub(super) struct PairingEvent {
    /// `qr`, `code`, `scanned`, `action_required`, `adopted`; and, as the last one, `open`, `expired` or `failed`.
    #[schema(example = "qr")]
    event: String,
    /// A JSON object: see docs/api.md.
    data: String,
}

/// The pairing attempt under way, as server-sent events.
///
/// The present state at once, then what changes, until the attempt ends: `qr`, `code`, `scanned`,
/// `action_required`, `adopted`, and one of `open`, `expired` and `failed` as the last.
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
    Ok(stream(followed, &web))
}

/// An attempt as server-sent events.
pub(crate) fn stream(followed: Followed, web: &Web) -> Response {
    served(Sse::new(event_stream(followed, web.closing.clone())))
}

/// A stream as it goes through proxies unharmed.
pub(super) fn served<S>(stream: Sse<S>) -> Response
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    let sse = stream.keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([(CACHE_CONTROL, "no-store"), (NO_BUFFERING, "no")], sse).into_response()
}

/// An assertion as `PublicKeyCredential.toJSON()` gives it. What else is in it is not looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasskeyAssertion)]
pub(super) struct PasskeyBody {
    #[schema(max_length = 16384, pattern = "^(?:[A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4}$")]
    id: String,
    /// The same as `id`.
    #[schema(max_length = 16384, pattern = "^(?:[A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4}$")]
    raw_id: String,
    #[serde(rename = "type")]
    #[schema(pattern = "^public-key$")]
    kind: String,
    response: AuthenticatorResponse,
}

/// What the authenticator says, in base64url.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasskeyAssertionResponse)]
struct AuthenticatorResponse {
    #[serde(rename = "clientDataJSON")]
    #[schema(max_length = 16384, pattern = "^(?:[A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4}$")]
    client_data_json: String,
    #[schema(max_length = 16384, pattern = "^(?:[A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4}$")]
    authenticator_data: String,
    #[schema(max_length = 16384, pattern = "^(?:[A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4}$")]
    signature: String,
    #[schema(max_length = 16384, pattern = "^(?:[A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4}$")]
    user_handle: Option<String>,
}

impl From<PasskeyBody> for AssertionJson {
    fn from(body: PasskeyBody) -> Self {
        Self {
            id: body.id,
            raw_id: body.raw_id,
            kind: body.kind,
            client_data_json: body.response.client_data_json,
            authenticator_data: body.response.authenticator_data,
            signature: body.response.signature,
            user_handle: body.response.user_handle,
        }
    }
}

/// Hands the passkey that a pairing waits for to WhatsApp.
///
/// 202 says that WhatsApp has accepted it; the pairing's events say what comes next. A refusal ends the
/// attempt.
#[utoipa::path(
    post,
    path = "/numbers/{id}/pairing/passkey",
    operation_id = "answerPasskey",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    request_body(content = PasskeyBody, example = json!({"id": "Y3JlZA", "rawId": "Y3JlZA", "type": "public-key", "response": {"clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiWTJnIn0", "authenticatorData": "ZGF0YQ", "signature": "c2ln", "userHandle": null}})),
    responses((status = 202, description = "WhatsApp has accepted it", body = Done)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND", "PASSKEY_NOT_REQUESTED", "PASSKEY_REFUSED", "UPSTREAM_TIMEOUT"]))),
)]
async fn answer_passkey(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<PasskeyBody>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    web.app.answer_passkey(&caller, &id, body.value.into()).await?;
    Ok((StatusCode::ACCEPTED, Json(Done::OK)))
}

/// Says that the phone shows the code that the pairing shows.
///
/// Only after a person has compared them: whoever confirms a code that the phone does not show lets
/// somebody else in. 202 says that WhatsApp has it; the phone finishes the pairing.
#[utoipa::path(
    post,
    path = "/numbers/{id}/pairing/passkey/confirm",
    operation_id = "confirmPasskey",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 202, description = "WhatsApp has it", body = Done)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND", "PASSKEY_NOT_REQUESTED", "PASSKEY_REFUSED", "UPSTREAM_TIMEOUT"]))),
)]
async fn confirm_passkey(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    web.app.confirm_passkey(&caller, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(Done::OK)))
}

/// Whether to use a phone that was not expected.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = WrongPhoneAnswer)]
pub(super) struct WrongPhoneBody {
    /// `true`: its phone number becomes the number's; `false`: it is unlinked.
    #[serde(rename = "use")]
    pub(super) adopt: bool,
}

/// Says whether a phone that was not expected is to be used.
///
/// For pairings with the policy `ask`, while they ask. The answer is stored by the time that this returns.
/// When another number of yours has that phone's number already, it cannot be used: that is a 409, and the
/// phone is unlinked.
#[utoipa::path(
    post,
    path = "/numbers/{id}/pairing/wrong-phone",
    operation_id = "answerWrongPhone",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    request_body(content = WrongPhoneBody, example = json!({"use": true})),
    responses((status = 200, description = "It is decided", body = Done)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_NOT_FOUND", "WRONG_PHONE_NOT_ASKED", "NUMBER_ALREADY_ACTIVE"]))),
)]
async fn answer_wrong_phone(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<WrongPhoneBody>,
) -> Result<Json<Done>, ApiError> {
    web.app.answer_wrong_phone(&caller, &id, body.value.adopt).await?;
    Ok(Json(Done::OK))
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
        PairingNews::ActionRequired(action) => ("action_required", action_event(action)),
        PairingNews::Scanned => ("scanned", json!({})),
        PairingNews::Adopted(wrong) => ("adopted", both_phones(wrong)),
        PairingNews::Open => ("open", json!({})),
        PairingNews::Expired => {
            let reason = CloseReason::CodesExpired;
            ("expired", json!({"code": reason.code(), "reason": reason.explain()}))
        }
        PairingNews::Failed { code, sentence, wrong_phone } => {
            let mut data = wrong_phone.as_ref().map_or_else(|| json!({}), both_phones);
            // `error` is what other errors call it, `reason` what this one was called first.
            extend(&mut data, json!({"code": code, "reason": sentence, "error": sentence}));
            ("failed", data)
        }
    };
    Event::default().event(name).data(data.to_string())
}

/// As the API has it, and in the words that pages go by.
fn action_event(action: &Action) -> Value {
    let (kind, step) = match action.step {
        ActionStep::Passkey(_) => ("passkey", Some("passkey")),
        ActionStep::Confirm { .. } => ("passkey", Some("confirm")),
        ActionStep::WrongPhone { .. } => ("wrong_phone", None),
    };
    let mut data = json!(ActionRequired::from(action));
    extend(&mut data, json!({"kind": kind, "deadline": action.expires_at.to_string()}));
    if let Some(step) = step {
        extend(&mut data, json!({"step": step}));
    }
    data
}

fn both_phones(wrong: &WrongPhone) -> Value {
    json!({"expected": wrong.expected.masked(), "actual": wrong.actual.masked()})
}

fn extend(data: &mut Value, more: Value) {
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
}
