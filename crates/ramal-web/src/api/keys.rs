//! `/v1/api-keys` (contract C.16 to C.18).

use axum::{Json, extract::State};
use http::StatusCode;
use ramal_app::{KeyOfNumber, MaskedKey, NewRawKey};
use ramal_domain::KeyScope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::numbers::{LinkState, instance_name};
use crate::{Web, body::Body, error::ApiError, extract::Authenticated};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list, regenerate_of_number)).routes(routes!(regenerate_own))
}

/// A key in the list: the tenant's key sees revealed ones, a number's key itself, masked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum ListedKey {
    Revealed(RevealedKey),
    Masked(Box<OwnKey>),
}

/// A number's key, revealed to its tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RevealedKey {
    number_id: String,
    number: String,
    display_name: String,
    key_id: String,
    key_last4: String,
    /// The raw key; null when it cannot be revealed.
    #[schema(required = true)]
    key: Option<String>,
    revealable: bool,
}

impl From<&KeyOfNumber> for RevealedKey {
    fn from(item: &KeyOfNumber) -> Self {
        let token = item.token.as_ref();
        Self {
            number_id: item.number.id.to_string(),
            number: item.number.phone.digits().to_owned(),
            display_name: item.number.name.clone(),
            key_id: item.key.id.to_string(),
            key_last4: item.key.last4.clone(),
            key: token.map(|token| token.expose().to_owned()),
            revealable: token.is_some(),
        }
    }
}

/// A number's key as it sees itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OwnKey {
    id: String,
    name: String,
    key_prefix: String,
    key_last4: String,
    #[schema(required = true, format = DateTime)]
    last_used_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// Always null: webhooks belong to numbers.
    #[schema(required = true)]
    webhook_id: Option<String>,
    /// Always null: keys belong to numbers.
    #[schema(required = true)]
    project_id: Option<String>,
    /// Always null: webhooks belong to numbers.
    #[schema(required = true, value_type = Option<Object>)]
    webhook: Option<()>,
    whatsapp_instance_id: String,
    whatsapp_instance: NumberOfKey,
    /// Null: kept without a limit.
    #[schema(required = true)]
    retention_days: Option<i64>,
}

/// The number of a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NumberOfKey {
    id: String,
    instance_name: String,
    display_name: String,
    number: String,
    state: LinkState,
}

impl From<&MaskedKey> for OwnKey {
    fn from(item: &MaskedKey) -> Self {
        let number = &item.number;
        Self {
            id: item.key.id.to_string(),
            name: item.key.name.clone(),
            key_prefix: item.key.prefix.clone(),
            key_last4: item.key.last4.clone(),
            last_used_at: item.key.last_used_at.map(|at| at.to_string()),
            created_at: item.key.created_at.to_string(),
            webhook_id: None,
            project_id: None,
            webhook: None,
            whatsapp_instance_id: number.id.to_string(),
            whatsapp_instance: NumberOfKey {
                id: number.id.to_string(),
                instance_name: instance_name(number),
                display_name: number.name.clone(),
                number: number.phone.digits().to_owned(),
                state: number.link.into(),
            },
            retention_days: number.pii_retention_days,
        }
    }
}

/// The API keys that the caller sees.
///
/// The tenant's key reveals every number's key; a number's key sees itself, masked.
#[utoipa::path(
    get,
    path = "/api-keys",
    operation_id = "listApiKeys",
    tag = "api-keys",
    responses((status = 200, description = "The keys", body = Vec<ListedKey>)),
    extensions(("x-errors" = json!(["NUMBER_NOT_FOUND"]))),
)]
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<ListedKey>>, ApiError> {
    match caller.scope() {
        KeyScope::Tenant => {
            let keys = web.app.reveal_keys(&caller).await?;
            Ok(Json(keys.iter().map(|key| ListedKey::Revealed(key.into())).collect()))
        }
        KeyScope::Number(own) => {
            let own = web.app.own_key(&caller, own).await?;
            Ok(Json(vec![ListedKey::Masked(Box::new((&own).into()))]))
        }
    }
}

/// Whose key to replace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RegenerateNumberKey)]
struct RegenerateBody {
    whatsapp_number_id: String,
}

/// The new key of a number, shown once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewNumberKey {
    number_id: String,
    key_id: String,
    key_prefix: String,
    key_last4: String,
    key: String,
    #[schema(format = DateTime)]
    created_at: String,
}

/// Replaces a number's key; the old one dies at once. Needs the tenant's key.
#[utoipa::path(
    post,
    path = "/api-keys",
    operation_id = "regenerateNumberKey",
    tag = "api-keys",
    request_body(
        content = RegenerateBody,
        example = json!({"whatsappNumberId": "wa_01kdhz4q6yf5svj7g2m9n3t8xw"})
    ),
    responses((status = 201, description = "The new key, shown once", body = NewNumberKey)),
    extensions(("x-errors" = json!([
        "VALIDATION_ERROR", "NUMBER_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND"
    ]))),
)]
async fn regenerate_of_number(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    body: Body<RegenerateBody>,
) -> Result<(StatusCode, Json<NewNumberKey>), ApiError> {
    let id = body.value.whatsapp_number_id;
    let new = web.app.regenerate_key_of(&caller, &id).await?;
    let body = NewNumberKey {
        number_id: id,
        key_id: new.id.to_string(),
        key_prefix: new.token.prefix(),
        key_last4: new.token.last4(),
        key: new.token.expose().to_owned(),
        created_at: new.created_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// The new key of the caller, shown once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewOwnKey {
    id: String,
    name: &'static str,
    key: String,
    key_prefix: String,
    key_last4: String,
    /// `number` or `tenant`.
    #[schema(example = "number")]
    scope: &'static str,
    /// Null for the tenant's key.
    #[schema(required = true)]
    whatsapp_number_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<&NewRawKey> for NewOwnKey {
    fn from(new: &NewRawKey) -> Self {
        let (scope, number) = match new.scope {
            KeyScope::Tenant => ("tenant", None),
            KeyScope::Number(number) => ("number", Some(number.to_string())),
        };
        Self {
            id: new.id.to_string(),
            name: new.name,
            key: new.token.expose().to_owned(),
            key_prefix: new.token.prefix(),
            key_last4: new.token.last4(),
            scope,
            whatsapp_number_id: number,
            created_at: new.created_at.to_string(),
        }
    }
}

/// Replaces the calling key; the old one dies at once.
#[utoipa::path(
    post,
    path = "/api-keys/regenerate",
    operation_id = "regenerateOwnKey",
    tag = "api-keys",
    responses((status = 201, description = "The new key, shown once", body = NewOwnKey)),
)]
async fn regenerate_own(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<(StatusCode, Json<NewOwnKey>), ApiError> {
    let new = web.app.regenerate_own_key(&caller).await?;
    Ok((StatusCode::CREATED, Json((&new).into())))
}
