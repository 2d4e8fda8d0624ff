//! `/v1/numbers` (contract C.1 to C.11).

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode, header::ACCEPT};
use ramal_app::{
    AppError, Checked, Codes, CreateNumber, Created, LiveState, NumberPatch, NumberView, Refusal,
    SettingsPatch,
};
use ramal_domain::{Link, Timestamp};
use ramal_store::Number;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    QrPicture, Web,
    body::Body,
    error::{ApiError, no_such_method},
    extract::{Authenticated, OnNumber, Path, Query, header},
    idempotent::{self, Request},
    terminal_qr,
};

/// Every number of ours is QR-paired; official ones will say `META`.
const PROVIDER: &str = "PILOT_STATUS";
/// What the contract's `integration` says of a QR-paired number.
const INTEGRATION: &str = "WHATSAPP-WEB";

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/numbers", get(list).post(create))
        .route("/numbers/check", post(check))
        .route("/numbers/{id}", get(detail).patch(change).delete(remove))
        .route("/numbers/{id}/status", get(status))
        // Not for HEAD: asking for a code makes the one before worthless.
        .route("/numbers/{id}/connect", get(connect).head(no_such_method))
        .route("/numbers/{id}/restore", post(restore))
        .route("/numbers/{id}/purge", delete(purge))
        .route("/numbers/{id}/pay", post(pay))
        .route("/numbers/{id}/upgrade-to-dual", post(upgrade_to_dual))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    name: String,
    number: String,
    link_to_api_key: Option<bool>,
    #[serde(default, deserialize_with = "crate::body::object")]
    settings: Option<SettingsPatch>,
}

async fn create(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Body<CreateBody>,
) -> Result<Response, ApiError> {
    let Body { value, raw } = body;
    let wish = CreateNumber {
        name: value.name,
        number: value.number,
        link_to_api_key: value.link_to_api_key.unwrap_or(true),
        settings: value.settings.unwrap_or_default(),
    };
    let (app, creator) = (web.app.clone(), caller.clone());
    let work = move |claimed| async move {
        let memo = idempotent::memo(claimed, created_answer);
        created_answer(&app.create_number(&creator, wish, memo).await?)
    };
    let request =
        Request { caller: &caller, operation: "numbers.create", headers: &headers, body: &raw };
    idempotent::answer(&web.app, request, work).await
}

fn created_answer(created: &Created) -> Result<(StatusCode, Value), AppError> {
    let codes = CodesBody::draw(&created.codes)?;
    let body = json!({
        "instance": instance(&created.number),
        "qrcodeBase64": codes.qrcode_base64,
        "pairingCode": codes.pairing_code,
        "linkedApiKeyId": created.linked_key.map(|id| id.to_string()),
        "primaryLink": {
            "qrcodeBase64": codes.qrcode_base64,
            "pairingCode": codes.pairing_code,
        },
        "secondaryLink": null,
        "pairing": codes.pairing,
    });
    Ok((StatusCode::CREATED, body))
}

/// What to show the person who owns the phone, as create and connect print it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CodesBody {
    qrcode_base64: String,
    pairing_code: Option<String>,
    pairing: PairingBody,
}

/// Our extension: the text inside the picture, and the clocks of both codes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PairingBody {
    qr_text: String,
    issued_at: String,
    expires_at: String,
    window_ends_at: String,
    sequence: u32,
    pairing_code_expires_at: Option<String>,
}

impl CodesBody {
    fn draw(codes: &Codes) -> Result<Self, AppError> {
        let picture =
            QrPicture::draw(&codes.qr.text).map_err(|error| AppError::Internal(Box::new(error)))?;
        let (code, code_expires_at) = codes.pairing_code.clone().unzip();
        Ok(Self {
            qrcode_base64: picture.data_uri(),
            pairing_code: code,
            pairing: PairingBody {
                qr_text: codes.qr.text.clone(),
                issued_at: codes.qr.issued_at.to_string(),
                expires_at: codes.qr.expires_at.to_string(),
                window_ends_at: codes.window_ends_at.to_string(),
                sequence: codes.qr.sequence,
                pairing_code_expires_at: code_expires_at.map(|at| at.to_string()),
            },
        })
    }
}

#[derive(Debug, Deserialize)]
struct CheckBody {
    numbers: Option<Vec<String>>,
    number: Option<String>,
}

/// Is a phone number on WhatsApp? (contract C.14)
async fn check(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    body: Body<CheckBody>,
) -> Result<Json<Value>, ApiError> {
    let inputs = match (body.value.numbers, body.value.number) {
        (Some(numbers), None) => numbers,
        (None, Some(number)) => vec![number],
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::invalid("name either numbers or number"));
        }
    };
    let checked = web.app.check_numbers(&scoped, inputs).await?;
    let results: Vec<Value> = checked
        .iter()
        .map(|Checked { input, registered }| {
            json!({
                "input": input,
                "exists": registered.is_some(),
                "number": registered.as_ref().map(|found| found.phone.digits()),
                "name": registered.as_ref().and_then(|found| found.name.as_deref()),
            })
        })
        .collect();
    Ok(Json(json!({"results": results})))
}

/// The keys that list, detail and `instance` share.
fn common(number: &Number) -> Map<String, Value> {
    let state = number.link.wire().to_string();
    let connected_at = (number.link == Link::Open).then_some(number.connected_at).flatten();
    let fields = json!({
        "id": number.id.to_string(),
        "number": number.phone.digits(),
        "name": number.name,
        "provider": PROVIDER,
        "state": state,
        "isFullyConnected": number.link == Link::Open,
        "primaryLink": {"state": state, "connectedAt": connected_at.map(|at| at.to_string())},
        "secondaryLink": null,
        "stateReason": number.link.reason().map(ramal_domain::CloseReason::code),
        "createdAt": number.created_at.to_string(),
        "updatedAt": number.updated_at.to_string(),
    });
    if let Value::Object(fields) = fields { fields } else { Map::new() }
}

/// The contract's opaque name of a number at its provider.
pub(super) fn instance_name(number: &Number) -> String {
    format!("{}-{}", number.tenant, number.phone.digits())
}

fn instance(number: &Number) -> Value {
    let mut fields = common(number);
    let state = number.link.wire().to_string();
    fields.extend([
        ("tenantId".to_owned(), json!(number.tenant.to_string())),
        ("instanceName".to_owned(), json!(instance_name(number))),
        ("displayName".to_owned(), json!(number.name)),
        ("status".to_owned(), json!(state)),
        ("quality".to_owned(), json!("UNKNOWN")),
        ("integration".to_owned(), json!(INTEGRATION)),
    ]);
    Value::Object(fields)
}

async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<Value>>, ApiError> {
    let numbers = web.app.list_numbers(&caller).await?;
    Ok(Json(numbers.iter().map(list_item).collect()))
}

fn list_item(view: &NumberView) -> Value {
    let number = &view.number;
    let keys: Vec<Value> = view
        .keys
        .iter()
        .map(|key| json!({"name": key.name, "keyPrefix": key.prefix, "keyLast4": key.last4}))
        .collect();
    let mut fields = common(number);
    fields.extend([
        ("instanceName".to_owned(), json!(instance_name(number))),
        ("apiKeys".to_owned(), json!(keys)),
        ("lastValidatedAt".to_owned(), json!(number.checked_at.map(|at| at.to_string()))),
        ("extraChargeUnpaidSince".to_owned(), Value::Null),
        ("extraChargeDisconnectAt".to_owned(), Value::Null),
    ]);
    Value::Object(fields)
}

async fn detail(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let view = web.app.get_number(&caller, &id).await?;
    Ok(Json(detail_body(&view)))
}

fn detail_body(view: &NumberView) -> Value {
    let number = &view.number;
    let mut settings = json!(view.settings);
    if let Value::Object(fields) = &mut settings {
        let applies = json!({"history": "all", "advanced": "evolution-go", "sending": "none"});
        fields.insert("appliesTo".to_owned(), applies);
    }
    let reason = number.link.reason();
    let health = json!({
        "qualityRating": null,
        "messagingLimitTier": null,
        "portfolioMessagingLimitTier": null,
        "metaStatus": null,
        "code": reason.map(ramal_domain::CloseReason::code),
        "reason": reason.map(ramal_domain::CloseReason::explain),
        "sendable": number.link == Link::Open,
    });
    let mut fields = common(number);
    fields.extend([
        ("piiMode".to_owned(), json!(number.pii_mode)),
        ("piiRetentionDays".to_owned(), json!(number.pii_retention_days)),
        ("settings".to_owned(), settings),
        ("health".to_owned(), health),
        ("meta".to_owned(), Value::Null),
        ("coexistence".to_owned(), Value::Null),
        ("extraChargeUnpaidSince".to_owned(), Value::Null),
        ("extraChargeDisconnectAt".to_owned(), Value::Null),
    ]);
    Value::Object(fields)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusBody {
    id: String,
    state: String,
    is_fully_connected: bool,
    state_reason: Option<&'static str>,
    stale: bool,
    /// With a live reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    /// With a remembered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_known_at: Option<String>,
}

/// The contract's second link of a number, which is not offered here.
#[derive(Debug, Deserialize)]
struct LinkQuery {
    link: Option<String>,
}

impl LinkQuery {
    fn check(&self) -> Result<(), Refusal> {
        match self.link.as_deref() {
            None | Some("primary") => Ok(()),
            Some(_) => Err(Refusal::NotSupported(
                "link is primary: a second link is not offered".to_owned(),
            )),
        }
    }
}

async fn status(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Query(query): Query<LinkQuery>,
) -> Result<Response, ApiError> {
    query.check()?;
    match web.app.live_state(&caller, &id).await {
        Ok(live) => Ok(Json(status_body(&live)).into_response()),
        Err(error) => Ok(ApiError::from(error).without_code_when_not_found()),
    }
}

fn status_body(live: &LiveState) -> StatusBody {
    let number = &live.number;
    let known_at: Timestamp = number.checked_at.unwrap_or(number.link_since);
    StatusBody {
        id: number.id.to_string(),
        state: number.link.wire().to_string(),
        is_fully_connected: number.link == Link::Open,
        state_reason: number.link.reason().map(ramal_domain::CloseReason::code),
        stale: live.checked_at.is_none(),
        checked_at: live.checked_at.map(|at| at.to_string()),
        last_known_at: live.checked_at.is_none().then(|| known_at.to_string()),
    }
}

/// A person with curl asks for `text/plain` and gets a QR code to scan from the terminal.
async fn connect(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Query(query): Query<LinkQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    query.check()?;
    let codes = web.app.connect(&caller, &id).await?;
    if header(&headers, ACCEPT.as_str()) == Some("text/plain") {
        return Ok(terminal_codes(&codes)?.into_response());
    }
    Ok(Json(CodesBody::draw(&codes)?).into_response())
}

fn terminal_codes(codes: &Codes) -> Result<String, AppError> {
    let picture =
        terminal_qr(&codes.qr.text).map_err(|error| AppError::Internal(Box::new(error)))?;
    let code = codes.pairing_code.as_ref().map_or("none", |(code, _)| code.as_str());
    Ok(format!("{picture}\nPairing code: {code}\n"))
}

async fn remove(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let removed = web.app.remove_number(&caller, &id).await?;
    Ok(Json(json!({"ok": true, "restorableUntil": removed.restorable_until.to_string()})))
}

async fn change(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<NumberPatch>,
) -> Result<Json<Value>, ApiError> {
    let changed = web.app.change_number(&caller, &id, body.value).await?;
    let mut answer = detail_body(&changed.view);
    if let (Some(sync), Value::Object(fields)) = (changed.sync, &mut answer) {
        let counts =
            json!({"applied": sync.applied, "failed": sync.failed, "skipped": sync.skipped});
        fields.insert("settingsSync".to_owned(), counts);
    }
    Ok(Json(answer))
}

/// It comes back disconnected, whatever it was before (contract C.9).
async fn restore(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    web.app.restore_number(&caller, &id).await?;
    Ok(Json(json!({"ok": true, "requiresReconnect": true})))
}

async fn purge(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    web.app.purge_number(&caller, &id).await?;
    Ok(Json(json!({"ok": true})))
}

/// Nothing is ever owed on a self-hosted server (contract C.11).
async fn pay(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    caller.require_tenant()?;
    web.app.get_number(&caller, &id).await?;
    Ok(Json(json!({"ok": true, "status": "not_required"})))
}

/// A second session for one number is not offered: one dependable session is (contract C.7).
async fn upgrade_to_dual(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    web.app.get_number(&caller, &id).await?;
    let sentence = "a second link is not offered: one session per number is enough here";
    Err(Refusal::NotSupported(sentence.to_owned()).into())
}
