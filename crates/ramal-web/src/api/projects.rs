//! `/v1/projects` (contract C.22): the older grouping, kept for clients that still read it.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Web, error::ApiError, extract::Authenticated};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The tenant, as older clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Project {
    id: String,
    name: String,
    slug: String,
    description: String,
    #[schema(format = DateTime)]
    created_at: String,
}

/// The projects: a tenant is one.
#[utoipa::path(
    get,
    path = "/projects",
    operation_id = "listProjects",
    tag = "projects",
    responses((status = 200, description = "The one project", body = Vec<Project>)),
)]
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<Project>>, ApiError> {
    let tenant = web.app.tenant(&caller).await?;
    Ok(Json(vec![Project {
        id: tenant.id.to_string(),
        slug: tenant.name.clone(),
        name: tenant.name,
        description: String::new(),
        created_at: tenant.created_at.to_string(),
    }]))
}
