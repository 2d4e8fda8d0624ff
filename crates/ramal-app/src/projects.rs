//! Projects: the older grouping of the contract (C.22). A tenant is its first one.

use ramal_domain::ProjectId;
use ramal_store::{Project, Tenant};

use crate::{App, AppError, Caller, Refusal, names::check_name};

/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 500;
/// Most projects of one tenant.
const PROJECTS_MAX: usize = 200;

/// A tenant's projects.
#[derive(Clone, Debug)]
pub struct TenantProjects {
    /// The tenant itself: the project that everybody has.
    pub tenant: Tenant,
    /// Those that were created, oldest first.
    pub others: Vec<Project>,
}

impl App {
    /// The projects of the caller's tenant.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn list_projects(&self, caller: &Caller) -> Result<TenantProjects, AppError> {
        let mut tx = self.store.read().await?;
        let tenant = tx.tenants().find(caller.tenant()).await?;
        // A key without its tenant cannot be: the schema forbids it.
        let tenant = tenant.ok_or(Refusal::Unauthenticated)?;
        let others = tx.projects().list(tenant.id).await?;
        Ok(TenantProjects { tenant, others })
    }

    /// Creates a project. Its slug is made of its name.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`] and [`Refusal::Validation`].
    pub async fn create_project(
        &self,
        caller: &Caller,
        name: &str,
        description: Option<&str>,
    ) -> Result<Project, AppError> {
        caller.require_tenant()?;
        let name = check_name(name)?;
        let description = description.unwrap_or_default().trim();
        if description.chars().count() > DESCRIPTION_MAX || description.contains('\0') {
            let sentence =
                format!("description has at most {DESCRIPTION_MAX} characters, and no NUL");
            return Err(AppError::invalid(sentence));
        }
        let slug = slug(&name);
        let mut project = Project {
            id: ProjectId::mint(),
            tenant: caller.tenant(),
            name,
            slug: slug.clone(),
            description: description.to_owned(),
            created_at: self.clock.now(),
        };
        let mut tx = self.store.begin().await?;
        if tx.projects().list(project.tenant).await?.len() >= PROJECTS_MAX {
            let sentence = format!("a tenant has at most {PROJECTS_MAX} projects");
            return Err(AppError::invalid(sentence));
        }
        let mut copy = 1;
        while !tx.projects().create(&project).await? {
            copy += 1;
            project.slug = format!("{slug}-{copy}");
        }
        tx.commit().await?;
        Ok(project)
    }
}

/// A name as it can stand in an address: lower-case ASCII letters, digits and single hyphens.
fn slug(name: &str) -> String {
    let words: Vec<String> = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    if words.is_empty() { "project".to_owned() } else { words.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_a_name_for_addresses() {
        assert_eq!(slug("Sales & Support 2"), "sales-support-2");
        assert_eq!(slug("  --Açaí  "), "a-a");
        assert_eq!(slug("日本"), "project");
    }
}
