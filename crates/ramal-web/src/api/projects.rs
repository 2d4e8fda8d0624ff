//! `/v1/projects` (contract C.22): the older grouping, kept for clients that still read it.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::{Web, error::ApiError, extract::Authenticated};

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/projects", get(list))
}

/// A tenant is one project.
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<Value>>, ApiError> {
    let tenant = web.app.tenant(&caller).await?;
    Ok(Json(vec![json!({
        "id": tenant.id.to_string(),
        "name": tenant.name,
        "slug": tenant.name,
        "description": null,
        "createdAt": tenant.created_at.to_string(),
    })]))
}
