//! `/v1/projects` (contract C.22): the older grouping, kept for clients that still use it.

use axum::{Json, extract::State};
use http::StatusCode;
use ramal_store::Tenant;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Web, body::Body, error::ApiError, extract::Authenticated};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list, create))
}

/// A project. Nothing else refers to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Project {
    #[schema(example = "prj_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    name: String,
    slug: String,
    description: String,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<Tenant> for Project {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            slug: tenant.name.clone(),
            name: tenant.name,
            description: String::new(),
            created_at: tenant.created_at.to_string(),
        }
    }
}

impl From<ramal_store::Project> for Project {
    fn from(project: ramal_store::Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name,
            slug: project.slug,
            description: project.description,
            created_at: project.created_at.to_string(),
        }
    }
}

/// The projects: the tenant itself, and those that were created.
#[utoipa::path(
    get,
    path = "/projects",
    operation_id = "listProjects",
    tag = "projects",
    responses((status = 200, description = "The tenant first, then the oldest", body = Vec<Project>)),
)]
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<Project>>, ApiError> {
    let projects = web.app.list_projects(&caller).await?;
    let others = projects.others.into_iter().map(Into::into);
    Ok(Json(std::iter::once(projects.tenant.into()).chain(others).collect()))
}

/// A project to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateProject)]
struct CreateBody {
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: String,
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// Creates a project. Needs the tenant's key.
#[utoipa::path(
    post,
    path = "/projects",
    operation_id = "createProject",
    tag = "projects",
    request_body(content = CreateBody, example = json!({"name": "Sales"})),
    responses((status = 201, description = "Created", body = Project)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_SCOPE_NOT_ALLOWED"]))),
)]
async fn create(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    body: Body<CreateBody>,
) -> Result<(StatusCode, Json<Project>), ApiError> {
    let CreateBody { name, description } = body.value;
    let created = web.app.create_project(&caller, &name, description.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}
