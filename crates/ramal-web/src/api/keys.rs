//! `/v1/api-keys` (contract C.16 to C.18).

use axum::{Json, Router, extract::State, routing::get, routing::post};
use http::StatusCode;
use ramal_app::{KeyOfNumber, MaskedKey, NewRawKey};
use ramal_domain::KeyScope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::numbers::instance_name;
use crate::{Web, body::Body, error::ApiError, extract::Authenticated};

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/api-keys", get(list).post(regenerate_of_number))
        .route("/api-keys/regenerate", post(regenerate_own))
}

/// The tenant's key reveals every number's key; a number's key sees itself, masked (H6).
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<Value>>, ApiError> {
    match caller.key.scope {
        KeyScope::Tenant => {
            let keys = web.app.reveal_keys(&caller).await?;
            Ok(Json(keys.iter().map(revealed).collect()))
        }
        KeyScope::Number(own) => Ok(Json(vec![masked(&web.app.own_key(&caller, own).await?)])),
    }
}

fn revealed(item: &KeyOfNumber) -> Value {
    json!({
        "numberId": item.number.id.to_string(),
        "number": item.number.phone.digits(),
        "displayName": item.number.name,
        "keyId": item.key.id.to_string(),
        "keyLast4": item.key.last4,
        "key": item.token.as_ref().map(ramal_domain::ApiToken::expose),
        "revealable": item.token.is_some(),
    })
}

fn masked(item: &MaskedKey) -> Value {
    let number = &item.number;
    json!({
        "id": item.key.id.to_string(),
        "name": item.key.name,
        "keyPrefix": item.key.prefix,
        "keyLast4": item.key.last4,
        "lastUsedAt": item.key.last_used_at.map(|at| at.to_string()),
        "createdAt": item.key.created_at.to_string(),
        "webhookId": null,
        "projectId": null,
        "webhook": null,
        "whatsappInstanceId": number.id.to_string(),
        "whatsappInstance": {
            "id": number.id.to_string(),
            "instanceName": instance_name(number),
            "displayName": number.name,
            "number": number.phone.digits(),
            "state": number.link.wire().to_string(),
        },
        "retentionDays": number.pii_retention_days,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegenerateBody {
    whatsapp_number_id: String,
}

async fn regenerate_of_number(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    body: Body<RegenerateBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let id = body.value.whatsapp_number_id;
    let new = web.app.regenerate_key_of(&caller, &id).await?;
    let body = json!({
        "numberId": id,
        "keyId": new.id.to_string(),
        "keyPrefix": new.token.prefix(),
        "keyLast4": new.token.last4(),
        "key": new.token.expose(),
        "createdAt": new.created_at.to_string(),
    });
    Ok((StatusCode::CREATED, Json(body)))
}

async fn regenerate_own(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let new = web.app.regenerate_own_key(&caller).await?;
    Ok((StatusCode::CREATED, Json(own_body(&new))))
}

fn own_body(new: &NewRawKey) -> Value {
    let (scope, number) = match new.scope {
        KeyScope::Tenant => ("tenant", None),
        KeyScope::Number(number) => ("number", Some(number.to_string())),
    };
    json!({
        "id": new.id.to_string(),
        "name": new.name,
        "key": new.token.expose(),
        "keyPrefix": new.token.prefix(),
        "keyLast4": new.token.last4(),
        "scope": scope,
        "whatsappNumberId": number,
        "createdAt": new.created_at.to_string(),
    })
}
