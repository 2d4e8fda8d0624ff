//! `/v1/groups` and `/v1/newsletters`: where a QR-paired number may write besides to people.

use axum::{Json, extract::State};
use ramal_app::Crowd;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Web, error::ApiError, extract::OnNumber};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(groups)).routes(routes!(newsletters))
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
struct Group {
    /// For `groupId`.
    #[schema(example = "120363000000000000@g.us")]
    id: String,
    subject: String,
    /// How many are in it. An extension of ours.
    #[schema(required = true)]
    size: Option<u64>,
    /// Whether the number may write to it. An extension of ours.
    writable: bool,
}

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
struct Newsletter {
    /// For `newsletterId`.
    #[schema(example = "120363000000000000@newsletter")]
    id: String,
    name: String,
    /// How many follow it. An extension of ours.
    #[schema(required = true)]
    size: Option<u64>,
    /// Whether the number may write to it. An extension of ours.
    writable: bool,
}

/// The groups that a QR-paired number is in, as WhatsApp has them now.
#[utoipa::path(
    get,
    path = "/groups",
    operation_id = "listGroups",
    tag = "groups",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false)),
    responses((status = 200, description = "By name", body = Vec<Group>)),
    extensions(("x-errors" = json!([
        "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND", "NOT_SUPPORTED_FOR_META",
        "WHATSAPP_INSTANCE_NOT_CONNECTED", "UPSTREAM_TIMEOUT"
    ]))),
)]
async fn groups(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
) -> Result<Json<Vec<Group>>, ApiError> {
    let group = |Crowd { id, name, size, writable }| Group { id, subject: name, size, writable };
    Ok(Json(web.app.list_groups(&scoped).await?.into_iter().map(group).collect()))
}

/// The channels that a QR-paired number follows or owns, as WhatsApp has them now.
#[utoipa::path(
    get,
    path = "/newsletters",
    operation_id = "listNewsletters",
    tag = "newsletters",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key acts on", nullable = false)),
    responses((status = 200, description = "By name", body = Vec<Newsletter>)),
    extensions(("x-errors" = json!([
        "TENANT_SCOPE_NOT_ALLOWED", "NUMBER_NOT_FOUND", "NOT_SUPPORTED_FOR_META",
        "WHATSAPP_INSTANCE_NOT_CONNECTED", "UPSTREAM_TIMEOUT"
    ]))),
)]
async fn newsletters(
    State(web): State<Web>,
    OnNumber(scoped): OnNumber,
) -> Result<Json<Vec<Newsletter>>, ApiError> {
    let channel = |Crowd { id, name, size, writable }| Newsletter { id, name, size, writable };
    Ok(Json(web.app.list_newsletters(&scoped).await?.into_iter().map(channel).collect()))
}
