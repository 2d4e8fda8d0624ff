//! Templates of a tenant's own (contract A, `/templates`): made, changed, looked at, and filled in when a
//! QR-paired number sends one. Official numbers send those that Meta has approved (`official/templates`).

mod check;
mod fields;
mod fill;

use ramal_domain::{
    Content, KeyScope, Media, NumberId, Provider, TemplateCategory, TemplateContent, TemplateId,
    TenantId, Timestamp, Variables,
};
use ramal_store::{Template, TemplateVersion, Tx};

use self::{
    check::{check_content, check_name},
    fields::category,
    fill::fill,
};
use crate::{App, AppError, Caller, OfficialTemplate, Refusal, audit, auth::parse_number_id};

pub use fields::TemplateFields;

/// Most templates of one tenant: as many as Meta lets an account have.
const TEMPLATES_MAX: usize = 250;
/// Most versions of one template that are kept.
const VERSIONS_MAX: i64 = 100;

/// A template that a caller can send: the tenant's own, or one that Meta has approved for the number.
#[derive(Clone, Debug)]
pub enum AnyTemplate {
    /// The tenant's own.
    Own(Template),
    /// Meta's.
    Official(OfficialTemplate),
}

/// A template of the tenant's own, filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// What is sent.
    pub content: Content,
    /// The name of the template.
    pub name: String,
    /// The version that was filled in.
    pub version: i64,
}

impl App {
    /// The templates that the caller can send: those of the official number that it acts on, else the
    /// tenant's own, by name.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`] when `header` names no number of the tenant, and those of Meta.
    pub async fn list_templates(
        &self,
        caller: &Caller,
        header: Option<&str>,
    ) -> Result<Vec<AnyTemplate>, AppError> {
        if let Some(official) = self.official_number(caller, header).await? {
            let templates = self.official_templates(official).await?;
            return Ok(templates.into_iter().map(AnyTemplate::Official).collect());
        }
        let own = self.store.read().await?.templates().list(caller.tenant()).await?;
        Ok(own.into_iter().map(AnyTemplate::Own).collect())
    }

    /// One of [`Self::list_templates`], by its id or its name.
    ///
    /// # Errors
    ///
    /// As there, and [`Refusal::TemplateNotFound`].
    pub async fn get_template(
        &self,
        caller: &Caller,
        header: Option<&str>,
        wanted: &str,
    ) -> Result<AnyTemplate, AppError> {
        if let Some(official) = self.official_number(caller, header).await? {
            let found = self.official_templates(official).await?;
            let found = found.into_iter().find(|one| one.id() == wanted || one.name == wanted);
            return Ok(AnyTemplate::Official(found.ok_or(Refusal::TemplateNotFound)?));
        }
        Ok(AnyTemplate::Own(self.own_template(caller, wanted).await?))
    }

    /// The official number that a caller acts on, if it acts on one.
    async fn official_number(
        &self,
        caller: &Caller,
        header: Option<&str>,
    ) -> Result<Option<NumberId>, AppError> {
        let id = match (caller.scope(), header) {
            (KeyScope::Number(own), _) => own,
            (KeyScope::Tenant, Some(text)) => parse_number_id(text)?,
            (KeyScope::Tenant, None) => return Ok(None),
        };
        let number = self.find_number(caller, id).await?;
        Ok((number.provider == Provider::Meta).then_some(number.id))
    }

    /// The templates of the caller's tenant itself, by name.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn own_templates(&self, caller: &Caller) -> Result<Vec<Template>, AppError> {
        Ok(self.store.read().await?.templates().list(caller.tenant()).await?)
    }

    /// One of them, by its id or its name.
    ///
    /// # Errors
    ///
    /// [`Refusal::TemplateNotFound`].
    pub async fn own_template(&self, caller: &Caller, wanted: &str) -> Result<Template, AppError> {
        let mut tx = self.store.read().await?;
        find(&mut tx, caller.tenant(), wanted).await
    }

    /// What a template said, newest first; at most the last hundred versions.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn template_versions(
        &self,
        caller: &Caller,
        id: TemplateId,
    ) -> Result<Vec<TemplateVersion>, AppError> {
        Ok(self.store.read().await?.templates().versions(caller.tenant(), id).await?)
    }

    /// Makes a template. Needs the tenant's key: all of its numbers share it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`], [`Refusal::Validation`] and [`Refusal::TemplateNameTaken`].
    pub async fn create_template(
        &self,
        caller: &Caller,
        fields: TemplateFields,
    ) -> Result<Template, AppError> {
        let tenant = caller.require_tenant()?;
        let now = self.clock.now();
        let template = Template {
            id: TemplateId::mint(),
            tenant,
            name: check_name(fields.name.as_deref().unwrap_or_default())?,
            category: category(fields.category.as_deref())?.unwrap_or(TemplateCategory::Utility),
            created_at: now,
            updated_at: now,
            latest: TemplateVersion {
                number: 1,
                content: check_content(fields.content(TemplateContent::default())?)?,
                author: caller.actor().name,
                created_at: now,
            },
        };
        let mut tx = self.store.begin().await?;
        if tx.templates().list(tenant).await?.len() >= TEMPLATES_MAX {
            let sentence = format!("a tenant has at most {TEMPLATES_MAX} templates");
            return Err(AppError::invalid(sentence));
        }
        if !tx.templates().create(&template).await? {
            return Err(Refusal::TemplateNameTaken.into());
        }
        note(&mut tx, caller, "template.create", &template, now).await?;
        tx.commit().await?;
        Ok(template)
    }

    /// Changes a template, by its id or its name. When what it says changes, that is another version.
    ///
    /// # Errors
    ///
    /// As [`Self::create_template`], [`Refusal::EmptyPatch`] and [`Refusal::TemplateNotFound`].
    pub async fn change_template(
        &self,
        caller: &Caller,
        wanted: &str,
        fields: TemplateFields,
    ) -> Result<Template, AppError> {
        let tenant = caller.require_tenant()?;
        if fields.is_empty() {
            return Err(Refusal::EmptyPatch.into());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let found = find(&mut tx, tenant, wanted).await?.id;
        let before = tx.templates().find_to_change(tenant, found).await?;
        let before = before.ok_or(Refusal::TemplateNotFound)?;
        let mut changed = fields.apply(&before)?;
        if changed == before {
            return Ok(before);
        }
        changed.updated_at = now;
        if changed.latest.content != before.latest.content {
            changed.latest.number += 1;
            changed.latest.author = caller.actor().name;
            changed.latest.created_at = now;
        }
        if !tx.templates().change(&changed).await? {
            return Err(Refusal::TemplateNameTaken.into());
        }
        let old = changed.latest.number - VERSIONS_MAX;
        tx.templates().forget_versions(tenant, changed.id, old).await?;
        note(&mut tx, caller, "template.update", &changed, now).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Deletes a template, by its id or its name. What was accepted for sending is sent all the same.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`] and [`Refusal::TemplateNotFound`].
    pub async fn delete_template(&self, caller: &Caller, wanted: &str) -> Result<(), AppError> {
        let tenant = caller.require_tenant()?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let template = find(&mut tx, tenant, wanted).await?;
        if !tx.templates().delete(tenant, template.id, now).await? {
            return Err(Refusal::TemplateNotFound.into());
        }
        note(&mut tx, caller, "template.delete", &template, now).await?;
        Ok(tx.commit().await?)
    }

    /// Fills in a template of `tenant`'s own. `wanted` is its id, its name, or `name:language`; `media`
    /// stand in the place of the template's.
    ///
    /// # Errors
    ///
    /// [`Refusal::TemplateNotFound`], [`Refusal::MissingTemplateVariables`], and
    /// [`Refusal::Validation`] when what comes out cannot be sent.
    pub async fn fill_own_template(
        &self,
        tenant: TenantId,
        wanted: &str,
        variables: &Variables,
        media: Option<Media>,
    ) -> Result<Filled, AppError> {
        let mut tx = self.store.read().await?;
        let template = find(&mut tx, tenant, wanted).await?;
        let content = fill(&template.latest.content, variables, media)?;
        Ok(Filled { content, name: template.name, version: template.latest.number })
    }
}

/// A template by its id, its name, or `name:language`, as Meta's are known.
async fn find(tx: &mut Tx, tenant: TenantId, wanted: &str) -> Result<Template, AppError> {
    if let Ok(id) = wanted.parse::<TemplateId>() {
        let found = tx.templates().find(tenant, id).await?;
        return Ok(found.ok_or(Refusal::TemplateNotFound)?);
    }
    let (name, language) = match wanted.split_once(':') {
        Some((name, language)) => (name, Some(language)),
        None => (wanted, None),
    };
    // What is no name is not looked for: PostgreSQL does not take every text.
    let Ok(name) = check_name(name) else { return Err(Refusal::TemplateNotFound.into()) };
    let found = tx.templates().find_by_name(tenant, &name).await?.filter(|template| {
        let own = template.latest.content.language.as_deref();
        language.is_none() || own.is_none() || own == language
    });
    Ok(found.ok_or(Refusal::TemplateNotFound)?)
}

async fn note(
    tx: &mut Tx,
    caller: &Caller,
    action: &str,
    template: &Template,
    now: Timestamp,
) -> Result<(), AppError> {
    Ok(audit::record(tx, caller, action, &template.id.to_string(), &template.name, now).await?)
}
