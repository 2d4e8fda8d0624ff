//! Official numbers (contract C.12): created from credentials, connected anew, moved to from QR.

use axum::{Json, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ramal_app::{
    AppError, CreateNumber, CreateOfficial, CreatedOfficial, CredentialsPatch, MetaCredentials,
    Migration, SettingsPatch, Step,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::numbers::{NewInstance, SettingsChange};
use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{Authenticated, Path},
    idempotent::{self, Request},
};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(reconnect)).routes(routes!(migrate))
}

/// Reads a secret. What was sent in its place is not repeated: errors are logged and shown.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(_) => {
            Err(D::Error::custom("metaAccessToken, metaAppSecret, metaPin and code are strings"))
        }
    }
}

/// An official number to be created from credentials that its owner has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateMetaNumber)]
struct CreateBody {
    /// The display name.
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: String,
    /// E.164, with or without `+`.
    #[schema(pattern = "^\\+?[1-9][0-9]{7,14}$", example = "+5511999999999")]
    number: String,
    #[serde(flatten)]
    meta: CredentialsBody,
    /// Whether a calling number's key moves to the new number. No effect with the tenant's key.
    #[schema(default = true)]
    link_to_api_key: Option<bool>,
    #[schema(value_type = Option<SettingsChange>)]
    #[serde(default, deserialize_with = "crate::body::object")]
    settings: Option<SettingsPatch>,
}

/// What the owner of a number knows of it at Meta. Secrets never come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MetaCredentials)]
#[expect(clippy::struct_field_names, reason = "the contract names them so")]
pub(super) struct CredentialsBody {
    /// Meta's phone number id.
    #[schema(
        required = true,
        nullable = false,
        pattern = "^[0-9]{5,20}$",
        example = "106540352242922"
    )]
    meta_phone_id: Option<String>,
    /// The WhatsApp Business account's id.
    #[schema(
        required = true,
        nullable = false,
        pattern = "^[0-9]{5,20}$",
        example = "102290129340398"
    )]
    meta_waba_id: Option<String>,
    /// A system user's token with `whatsapp_business_management` and `whatsapp_business_messaging`.
    #[schema(required = true, nullable = false, value_type = Option<String>, min_length = 1, max_length = 4096, pattern = "^[!-~]+$")]
    #[serde(default, deserialize_with = "secret")]
    meta_access_token: Option<SecretString>,
    /// The app's secret: it proves every call, and checks what Meta delivers.
    #[schema(required = true, nullable = false, value_type = Option<String>, min_length = 1, max_length = 4096, pattern = "^[!-~]+$")]
    #[serde(default, deserialize_with = "secret")]
    meta_app_secret: Option<SecretString>,
    /// The app's id.
    #[schema(pattern = "^[0-9]{5,20}$", example = "670843887433847")]
    meta_app_id: Option<String>,
    /// The PIN of the two-step verification: the one that the number has, or the one that it gets.
    /// Made up when absent and needed.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6}$", example = "150954")]
    #[serde(default, deserialize_with = "secret")]
    meta_pin: Option<SecretString>,
}

impl CredentialsBody {
    pub(super) fn wish(self) -> Result<MetaCredentials, ApiError> {
        let missing = |field: &str| ApiError::invalid(format!("{field} is required"));
        Ok(MetaCredentials {
            phone_id: self.meta_phone_id.ok_or_else(|| missing("metaPhoneId"))?,
            waba_id: self.meta_waba_id.ok_or_else(|| missing("metaWabaId"))?,
            access_token: self.meta_access_token.ok_or_else(|| missing("metaAccessToken"))?,
            app_secret: self.meta_app_secret.ok_or_else(|| missing("metaAppSecret"))?,
            app_id: self.meta_app_id,
            pin: self.meta_pin,
        })
    }
}

/// A step of the onboarding.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OnboardingStep {
    /// `validate`, `waba`, `register`, `subscribe` or `verify`.
    #[schema(example = "register")]
    step: &'static str,
    /// `done`, `skipped`, `failed` or `pending`.
    #[schema(example = "done")]
    status: &'static str,
    /// Why it was skipped, failed or waits.
    #[schema(required = true)]
    detail: Option<String>,
}

impl From<&Step> for OnboardingStep {
    fn from(step: &Step) -> Self {
        Self { step: step.step.name(), status: step.status.name(), detail: step.detail.clone() }
    }
}

/// An official number that was just connected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectedMetaNumber)]
pub(super) struct Connected {
    instance: NewInstance,
    number_id: String,
    /// Where Meta delivers this number's webhooks. It is set at Meta already; for what Meta delivers to
    /// apps only (`account_update` and the like), make it your app's callback as well.
    webhook_url: String,
    /// What Meta says when it tries that address.
    verify_token: String,
    /// The calling key, when it moved to the new number; null with the tenant's key.
    #[schema(required = true)]
    linked_api_key_id: Option<String>,
    onboarding: Vec<OnboardingStep>,
}

impl From<&CreatedOfficial> for Connected {
    fn from(created: &CreatedOfficial) -> Self {
        Self {
            instance: (&created.number).into(),
            number_id: created.number.id.to_string(),
            webhook_url: created.webhook_url.clone(),
            verify_token: created.verify_token.expose_secret().to_owned(),
            linked_api_key_id: created.linked_key.map(|id| id.to_string()),
            onboarding: created.view.onboarding.iter().map(Into::into).collect(),
        }
    }
}

/// Creates an official number from credentials that its owner has.
///
/// It exists once Meta has accepted them, or not at all. The number is registered with the Cloud API if
/// it is not yet, and Meta delivers to us from then on.
#[utoipa::path(
    post,
    path = "/numbers/meta",
    operation_id = "createMetaNumber",
    tag = "official numbers",
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeat safe for a day", min_length = 1, max_length = 255, nullable = false)),
    request_body(content = CreateBody, example = json!({"name": "Support", "number": "+5511999999999", "metaPhoneId": "106540352242922", "metaWabaId": "102290129340398", "metaAccessToken": "EAAG…", "metaAppSecret": "614f…"})),
    responses((status = 201, description = "Created and connected", body = Connected, headers(("idempotent-replayed" = String, description = "`true` when the answer is a stored one")))),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING", "META_NUMBER_MISMATCH", "META_PIN_MISMATCH", "META_NUMBER_NOT_VERIFIED", "META_REFUSED", "NUMBER_ALREADY_ACTIVE", "NUMBER_SOFT_DELETED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT", "PROVIDER_NOT_CONFIGURED"]))),
)]
async fn create(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Body<CreateBody>,
) -> Result<Response, ApiError> {
    let Body { value, raw } = body;
    let wish = CreateOfficial {
        number: CreateNumber {
            name: value.name,
            number: value.number,
            link_to_api_key: value.link_to_api_key.unwrap_or(true),
            settings: value.settings.unwrap_or_default(),
        },
        meta: value.meta.wish()?,
    };
    let (app, creator) = (web.app.clone(), caller.clone());
    let work = move |claimed| async move {
        let memo = idempotent::memo(claimed, created_answer);
        created_answer(&app.create_official_number(&creator, wish, memo).await?)
    };
    let operation = "numbers.meta";
    let request = Request { caller: &caller, operation, headers: &headers, body: &raw };
    Box::pin(idempotent::answer(&web.app, request, work)).await
}

fn created_answer(created: &CreatedOfficial) -> Result<(StatusCode, Value), AppError> {
    Ok((StatusCode::CREATED, idempotent::print(&Connected::from(created))?))
}

/// Fresh credentials; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconnectMetaNumber)]
#[expect(clippy::struct_field_names, reason = "the contract names them so")]
struct ReconnectBody {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4096, pattern = "^[!-~]+$")]
    #[serde(default, deserialize_with = "secret")]
    meta_access_token: Option<SecretString>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4096, pattern = "^[!-~]+$")]
    #[serde(default, deserialize_with = "secret")]
    meta_app_secret: Option<SecretString>,
    #[schema(pattern = "^[0-9]{5,20}$")]
    meta_app_id: Option<String>,
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6}$")]
    #[serde(default, deserialize_with = "secret")]
    meta_pin: Option<SecretString>,
}

/// Walks an official number through its onboarding again, with fresh credentials if some are given.
///
/// For a token that expired, a number that was restored, a callback that Meta could not reach. A failure
/// leaves the number as it was.
#[utoipa::path(
    post,
    path = "/numbers/{id}/meta/reconnect",
    operation_id = "reconnectMetaNumber",
    tag = "official numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    request_body(content = ReconnectBody, example = json!({"metaAccessToken": "EAAG…"})),
    responses((status = 200, description = "Connected", body = Connected)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "FEATURE_NOT_SUPPORTED", "NUMBER_NOT_FOUND", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING", "META_NUMBER_MISMATCH", "META_PIN_MISMATCH", "META_NUMBER_NOT_VERIFIED", "META_REFUSED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT", "PROVIDER_NOT_CONFIGURED"]))),
)]
async fn reconnect(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<ReconnectBody>,
) -> Result<Json<Connected>, ApiError> {
    let patch = CredentialsPatch {
        access_token: body.value.meta_access_token,
        app_secret: body.value.meta_app_secret,
        app_id: body.value.meta_app_id,
        pin: body.value.meta_pin,
    };
    let connected = web.app.reconnect_official(&caller, &id, patch).await?;
    Ok(Json((&connected).into()))
}

/// Where a number moves to.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MigrateNumber)]
struct MigrateBody {
    /// `META`.
    #[schema(example = "META")]
    to: String,
    #[serde(flatten)]
    meta: CredentialsBody,
}

/// Makes a QR-paired number an official one: id, keys, webhooks and history stay.
///
/// It stays QR-paired until Meta has accepted everything; only then is its device unlinked. A failure
/// leaves it as it was.
#[utoipa::path(
    post,
    path = "/numbers/{id}/migrate",
    operation_id = "migrateNumber",
    tag = "official numbers",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw"), ("idempotency-key" = Option<String>, Header, description = "Makes a repeat safe for a day", min_length = 1, max_length = 255, nullable = false)),
    request_body(content = MigrateBody, example = json!({"to": "META", "metaPhoneId": "106540352242922", "metaWabaId": "102290129340398", "metaAccessToken": "EAAG…", "metaAppSecret": "614f…"})),
    responses((status = 200, description = "It is an official number now", body = Connected, headers(("idempotent-replayed" = String, description = "`true` when the answer is a stored one")))),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE", "NUMBER_NOT_FOUND", "NUMBER_ALREADY_OFFICIAL", "NUMBER_ALREADY_ACTIVE", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING", "META_NUMBER_MISMATCH", "META_PIN_MISMATCH", "META_NUMBER_NOT_VERIFIED", "META_CALLBACK_UNREACHABLE", "META_REFUSED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT", "PROVIDER_NOT_CONFIGURED"]))),
)]
async fn migrate(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body<MigrateBody>,
) -> Result<Response, ApiError> {
    let Body { value, raw } = body;
    if value.to != "META" {
        return Err(ApiError::invalid("to is META"));
    }
    let migration = Migration { meta: value.meta.wish()? };
    let operation = format!("numbers.migrate/{id}");
    let (app, mover) = (web.app.clone(), caller.clone());
    let work = move |claimed| async move {
        let memo = idempotent::memo(claimed, moved_answer);
        moved_answer(&app.migrate_number(&mover, &id, migration, memo).await?)
    };
    let request = Request { caller: &caller, operation: &operation, headers: &headers, body: &raw };
    Box::pin(idempotent::answer(&web.app, request, work)).await
}

fn moved_answer(moved: &CreatedOfficial) -> Result<(StatusCode, Value), AppError> {
    Ok((StatusCode::OK, idempotent::print(&Connected::from(moved))?))
}
