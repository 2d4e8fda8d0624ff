//! `/v1/numbers` (contract C.1 to C.11).

mod answers;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header::ACCEPT};
use ramal_app::{AppError, Codes, CreateNumber, Created, NumberPatch, Refusal, SettingsPatch};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

use self::answers::{
    ChangedNumber, CheckedNumber, CheckedNumbers, CreatedNumber, NumberDetail, NumberListItem,
    NumberStatus, Paid, RemovedNumber, RestoredNumber,
};
pub(crate) use self::answers::{LinkInfo, LinkState, NewInstance, PairingCodes, instance_name};
use super::Done;
use crate::{
    Web,
    body::Body,
    error::{ApiError, ErrorBody, no_such_method},
    extract::{Authenticated, OnNumber, Path, Query, header},
    idempotent::{self, Request},
    terminal_qr,
};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(check))
        .routes(routes!(detail, change, remove))
        .routes(routes!(status))
        // Not for HEAD: asking for a code makes the one before worthless.
        .routes(routes!(connect).map(|methods| methods.head(no_such_method)))
        .routes(routes!(restore))
        .routes(routes!(purge))
        .routes(routes!(pay))
        .routes(routes!(upgrade_to_dual))
}

/// A QR-paired number to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateNumber)]
struct CreateBody {
    /// The display name.
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: String,
    /// E.164, with or without `+`.
    #[schema(pattern = "^\\+?[1-9][0-9]{9,14}$", example = "+5511999999999")]
    number: String,
    /// Whether a calling number's key moves to the new number. No effect with the tenant's key.
    #[schema(default = true)]
    link_to_api_key: Option<bool>,
    #[schema(value_type = Option<SettingsChange>)]
    #[serde(default, deserialize_with = "crate::body::object")]
    settings: Option<SettingsPatch>,
}

/// Settings to change: what is absent stays. Stands for [`SettingsPatch`] in the document.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape is for the document only")]
pub(super) struct SettingsChange {
    #[schema(nullable = false)]
    history_import_enabled: Option<bool>,
    #[schema(nullable = false)]
    webhook_historical_messages: Option<bool>,
    #[schema(nullable = false)]
    ignore_newsletters: Option<bool>,
    #[schema(nullable = false)]
    mark_read_on_send: Option<bool>,
    /// Null: the provider's default, as for every setting below.
    always_online: Option<bool>,
    reject_call: Option<bool>,
    #[schema(max_length = 1000)]
    msg_reject_call: Option<String>,
    read_messages: Option<bool>,
    ignore_groups: Option<bool>,
    ignore_status: Option<bool>,
    /// 0: as many as there are.
    #[schema(maximum = 600)]
    messages_per_minute: Option<u32>,
}

/// Creates a QR-paired number.
///
/// It exists once there is a QR code to show, or not at all: a creation that fails leaves no trace.
#[utoipa::path(
    post,
    path = "/numbers",
    operation_id = "createNumber",
    tag = "numbers",
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeat safe for a day", min_length = 1, max_length = 255, nullable = false)),
    request_body(content = CreateBody, example = json!({"name": "Support", "number": "+5511999999999"})),
    responses((status = 201, description = "Created; show its codes", body = CreatedNumber, headers(("idempotent-replayed" = String, description = "`true` when the answer is a stored one")))),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_ALREADY_ACTIVE", "NUMBER_SOFT_DELETED", "IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT"]))),
)]
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
    Ok((StatusCode::CREATED, idempotent::print(&CreatedNumber::draw(created)?)?))
}

/// Phone numbers to look up: either one or a list.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CheckNumbers)]
struct CheckBody {
    #[schema(min_items = 1, max_items = 20, example = json!(["+5511999990001"]))]
    numbers: Option<Vec<String>>,
    #[schema(example = "+5511999990001")]
    number: Option<String>,
}

/// Is a phone number on WhatsApp?
///
/// Asked through a connected number. Brazilian mobile numbers are tried with and without their
/// ninth digit.
#[utoipa::path(
    post,
    path = "/numbers/check",
    operation_id = "checkNumbers",
    tag = "numbers",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key asks through", nullable = false)),
    request_body(content = CheckBody, example = json!({"numbers": ["+5511999990001"]})),
    responses((status = 200, description = "What WhatsApp says of each", body = CheckedNumbers)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND", "WHATSAPP_INSTANCE_NOT_CONNECTED", "NOT_SUPPORTED_FOR_META", "UPSTREAM_TIMEOUT"]))),
)]
async fn check(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
    body: Body<CheckBody>,
) -> Result<Json<CheckedNumbers>, ApiError> {
    let inputs = match (body.value.numbers, body.value.number) {
        (Some(numbers), None) => numbers,
        (None, Some(number)) => vec![number],
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::invalid("name either numbers or number"));
        }
    };
    let checked = web.app.check_numbers(&scoped, inputs).await?;
    Ok(Json(CheckedNumbers { results: checked.iter().map(CheckedNumber::from).collect() }))
}

/// Every number of the tenant.
#[utoipa::path(
    get,
    path = "/numbers",
    operation_id = "listNumbers",
    tag = "numbers",
    responses((status = 200, description = "Every number", body = Vec<NumberListItem>)),
)]
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<NumberListItem>>, ApiError> {
    let numbers = web.app.list_numbers(&caller).await?;
    Ok(Json(numbers.iter().map(Into::into).collect()))
}

/// One number, with its settings and health.
#[utoipa::path(
    get,
    path = "/numbers/{id}",
    operation_id = "getNumber",
    tag = "numbers",
    params(
        ("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw"),
        ("refresh" = Option<String>, Query, description = "`1`: ask Meta about an official number first", nullable = false),
    ),
    responses((status = 200, description = "The number", body = NumberDetail)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT"]))),
)]
async fn detail(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Query(query): Query<RefreshQuery>,
) -> Result<Json<NumberDetail>, ApiError> {
    let refresh = query.refresh.is_some_and(|it| matches!(it.as_str(), "1" | "true"));
    let view = if refresh {
        web.app.refresh_number(&caller, &id).await?
    } else {
        web.app.get_number(&caller, &id).await?
    };
    Ok(Json((&view).into()))
}

/// Whether Meta is asked first.
#[derive(Debug, Deserialize)]
struct RefreshQuery {
    refresh: Option<String>,
}

/// The one link that a number has here.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the shape is for the document only")]
enum LinkName {
    Primary,
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

/// The state of a number, proven by a round trip to WhatsApp when it should be open.
#[utoipa::path(
    get,
    path = "/numbers/{id}/status",
    operation_id = "getNumberStatus",
    tag = "numbers",
    params(
        ("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw"),
        ("link" = Option<LinkName>, Query, description = "A second link is not offered", nullable = false),
    ),
    responses(
        (status = 200, description = "Its state", body = NumberStatus),
        (status = 404, description = "No such number; without a `code`", body = ErrorBody, example = json!({"error": "there is no such number"})),
    ),
    extensions(("x-errors" = json!(["FEATURE_NOT_SUPPORTED"]))),
)]
async fn status(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Query(query): Query<LinkQuery>,
) -> Result<Response, ApiError> {
    query.check()?;
    match web.app.live_state(&caller, &id).await {
        Ok(live) => Ok(Json(NumberStatus::from(&live)).into_response()),
        Err(error) => Ok(ApiError::from(error).without_code_when_not_found()),
    }
}

/// A fresh QR code and pairing code.
///
/// A person with curl asks for `text/plain` and gets a QR code to scan from the terminal.
#[utoipa::path(
    get,
    path = "/numbers/{id}/connect",
    operation_id = "connectNumber",
    tag = "numbers",
    params(
        ("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw"),
        ("link" = Option<LinkName>, Query, description = "A second link is not offered", nullable = false),
    ),
    responses((status = 200, description = "The codes; as `text/plain`, a QR code for a terminal", content((PairingCodes = "application/json"), (String = "text/plain")))),
    extensions(("x-errors" = json!(["FEATURE_NOT_SUPPORTED", "NUMBER_NOT_FOUND", "NUMBER_ALREADY_CONNECTED", "NOT_SUPPORTED_FOR_META", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT"]))),
)]
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
    Ok(Json(PairingCodes::draw(&codes)?).into_response())
}

fn terminal_codes(codes: &Codes) -> Result<String, AppError> {
    let picture =
        terminal_qr(&codes.qr.text).map_err(|error| AppError::Internal(Box::new(error)))?;
    let code = codes.pairing_code.as_ref().map_or("none", |(code, _)| code.as_str());
    Ok(format!("{picture}\nPairing code: {code}\n"))
}

/// Unlinks and removes a number; its keys die at once.
#[utoipa::path(
    delete,
    path = "/numbers/{id}",
    operation_id = "deleteNumber",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "Removed", body = RemovedNumber)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND"]))),
)]
async fn remove(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<RemovedNumber>, ApiError> {
    let removed = web.app.remove_number(&caller, &id).await?;
    let restorable_until = removed.restorable_until.to_string();
    Ok(Json(RemovedNumber { ok: true, restorable_until }))
}

/// What to change of a number: what is absent stays. Stands for [`NumberPatch`] in the document.
#[derive(ToSchema)]
#[schema(as = ChangeNumber, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape is for the document only")]
struct ChangeBody {
    /// How long messages are kept.
    #[schema(nullable = false)]
    pii_mode: Option<Retention>,
    /// With `STORE_X_DAYS` only.
    #[schema(minimum = 1, maximum = 3650)]
    pii_retention_days: Option<u16>,
    #[schema(nullable = false)]
    settings: Option<SettingsChange>,
}

/// How long messages are kept: not at all, for some days, or for ever.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "the shape is for the document only")]
enum Retention {
    RelayOnly,
    StoreXDays,
    StoreIndefinite,
}

/// Changes a number's settings and how long its messages are kept.
///
/// On a connected number the settings take effect at once; `settingsSync` says so.
#[utoipa::path(
    patch,
    path = "/numbers/{id}",
    operation_id = "updateNumber",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    request_body(content = ChangeBody, example = json!({"settings": {"rejectCall": true}})),
    responses((status = 200, description = "The number as it is now", body = ChangedNumber)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "EMPTY_PATCH", "NUMBER_NOT_FOUND"]))),
)]
async fn change(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<NumberPatch>,
) -> Result<Json<ChangedNumber>, ApiError> {
    let changed = web.app.change_number(&caller, &id, body.value).await?;
    Ok(Json((&changed).into()))
}

/// Brings a removed number back, disconnected: connect it again.
#[utoipa::path(
    post,
    path = "/numbers/{id}/restore",
    operation_id = "restoreNumber",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "It is back", body = RestoredNumber)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND", "NUMBER_ALREADY_ACTIVE"]))),
)]
async fn restore(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<RestoredNumber>, ApiError> {
    web.app.restore_number(&caller, &id).await?;
    Ok(Json(RestoredNumber { ok: true, requires_reconnect: true }))
}

/// Removes a number for good, listed or removed before. Needs the tenant's key.
#[utoipa::path(
    delete,
    path = "/numbers/{id}/purge",
    operation_id = "purgeNumber",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "Gone for good", body = Done)),
    extensions(("x-errors" = json!(["NUMBER_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND"]))),
)]
async fn purge(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Done>, ApiError> {
    web.app.purge_number(&caller, &id).await?;
    Ok(Json(Done::OK))
}

/// Settles what is owed: nothing ever is, on a self-hosted server.
#[utoipa::path(
    post,
    path = "/numbers/{id}/pay",
    operation_id = "payNumber",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "Nothing is owed", body = Paid)),
    extensions(("x-errors" = json!(["NUMBER_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND"]))),
)]
async fn pay(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Paid>, ApiError> {
    caller.require_tenant()?;
    web.app.get_number(&caller, &id).await?;
    Ok(Json(Paid { ok: true, status: "not_required" }))
}

/// A second session for one number: not offered, one dependable session is.
#[utoipa::path(
    post,
    path = "/numbers/{id}/upgrade-to-dual",
    operation_id = "upgradeNumberToDual",
    tag = "numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    extensions(("x-errors" = json!(["FEATURE_NOT_SUPPORTED", "NUMBER_NOT_FOUND"]))),
)]
async fn upgrade_to_dual(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Done>, ApiError> {
    web.app.get_number(&caller, &id).await?;
    let sentence = "a second link is not offered: one session per number is enough here";
    Err(Refusal::NotSupported(sentence.to_owned()).into())
}
