//! Projects: the older grouping of the contract (C.22). Nothing refers to them.

use ramal_domain::{ProjectId, TenantId, Timestamp};
use sqlx::{Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, for people.
    pub name: String,
    /// Its name in addresses; once per tenant.
    pub slug: String,
    /// What it is for.
    pub description: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Projects.
#[derive(Debug)]
pub struct Projects<'a>(pub(crate) &'a mut Tx);

impl Projects<'_> {
    /// Creates a project, unless the tenant has one of that slug; returns whether it did.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(&mut self, project: &Project) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into projects (id, tenant_id, name, slug, description, created_at_ms)
             values ($1, $2, $3, $4, $5, $6) on conflict (tenant_id, slug) do nothing",
        )
        .bind(project.id.to_string())
        .bind(project.tenant.to_string())
        .bind(&project.name)
        .bind(&project.slug)
        .bind(&project.description)
        .bind(project.created_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The projects of `tenant`, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<Project>, StoreError> {
        let rows = sqlx::query(
            "select id, tenant_id, name, slug, description, created_at_ms from projects
             where tenant_id = $1 order by id",
        )
        .bind(tenant.to_string())
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(project).collect()
    }
}

fn project(row: &AnyRow) -> Result<Project, StoreError> {
    Ok(Project {
        id: row::parsed(row, "projects.id")?,
        tenant: row::parsed(row, "projects.tenant_id")?,
        name: row.try_get("name")?,
        slug: row.try_get("slug")?,
        description: row.try_get("description")?,
        created_at: row::time(row, "projects.created_at_ms")?,
    })
}
