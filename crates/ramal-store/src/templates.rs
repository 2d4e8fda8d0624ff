//! Templates of a tenant's own, each with its versions.

use ramal_domain::{
    MediaKind, TemplateCategory, TemplateContent, TemplateId, TemplateMedia, TenantId, Timestamp,
};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

/// A template with its newest version.
const COLUMNS: &str = "t.id, t.tenant_id, t.name, t.category, t.created_at_ms as made_at_ms,
     t.updated_at_ms, v.version, v.language, v.body, v.footer, v.media_kind, v.media_url,
     v.file_name, v.buttons, v.author, v.created_at_ms
     from templates t join template_versions v on v.template_id = t.id and v.version = t.version";

/// A template, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is sent by; once per tenant.
    pub name: String,
    /// What it is for.
    pub category: TemplateCategory,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something of it was last changed.
    pub updated_at: Timestamp,
    /// What it says.
    pub latest: TemplateVersion,
}

/// One version of what a template says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateVersion {
    /// Counted from 1.
    pub number: i64,
    /// What it says.
    pub content: TemplateContent,
    /// Who wrote it, as people know them.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
}

/// Templates.
#[derive(Debug)]
pub struct Templates<'a>(pub(crate) &'a mut Tx);

impl Templates<'_> {
    /// Stores a template with its first version, unless the tenant has one of that name; returns
    /// whether it did.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(&mut self, template: &Template) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into templates
               (id, tenant_id, name, category, version, created_at_ms, updated_at_ms)
             values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        )
        .bind(template.id.to_string())
        .bind(template.tenant.to_string())
        .bind(&template.name)
        .bind(template.category.name())
        .bind(template.latest.number)
        .bind(template.created_at.as_millis())
        .bind(template.updated_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.insert_version(template.id, &template.latest).await?;
        Ok(true)
    }

    /// The templates of `tenant`, by name.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<Template>, StoreError> {
        let sql = format!("select {COLUMNS} where t.tenant_id = $1 and t.deleted_at_ms is null");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .fetch_all(&mut *self.0.inner)
            .await?;
        let mut templates: Vec<Template> = rows.iter().map(template).collect::<Result<_, _>>()?;
        // Here, since databases do not agree on the order of texts.
        templates.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(templates)
    }

    /// A template of `tenant`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(
        &mut self,
        tenant: TenantId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError> {
        self.select(tenant, "t.id = $2", &id.to_string()).await
    }

    /// A template of `tenant`, by its name.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_by_name(
        &mut self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Option<Template>, StoreError> {
        self.select(tenant, "t.name = $2", name).await
    }

    /// As [`Self::find`], for a change that follows in this unit of work: no other one changes it
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_to_change(
        &mut self,
        tenant: TenantId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError> {
        let sql = format!(
            "select id from templates where tenant_id = $1 and id = $2 and deleted_at_ms is null{}",
            self.0.for_update()
        );
        let held = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        if held.is_none() {
            return Ok(None);
        }
        self.find(tenant, id).await
    }

    async fn select(
        &mut self,
        tenant: TenantId,
        condition: &str,
        wanted: &str,
    ) -> Result<Option<Template>, StoreError> {
        let sql = format!(
            "select {COLUMNS} where t.tenant_id = $1 and {condition} and t.deleted_at_ms is null"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(wanted)
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(template).transpose()
    }

    /// Stores a template of `tenant` as it is to be: its name, its category and, when it is a new one,
    /// its latest version. Returns false when another one has the name; the unit of work cannot go on
    /// then.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn change(&mut self, changed: &Template) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update templates set name = $3, category = $4, version = $5, updated_at_ms = $6
             where tenant_id = $1 and id = $2 and deleted_at_ms is null",
        )
        .bind(changed.tenant.to_string())
        .bind(changed.id.to_string())
        .bind(&changed.name)
        .bind(changed.category.name())
        .bind(changed.latest.number)
        .bind(changed.updated_at.as_millis())
        .execute(&mut *self.0.inner)
        .await;
        match done {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
            Err(error) => Err(error.into()),
            Ok(done) => {
                // Of another tenant, or deleted: there is nothing to give a version to.
                if done.rows_affected() == 1 {
                    self.insert_version(changed.id, &changed.latest).await?;
                }
                Ok(true)
            }
        }
    }

    /// Stores a version, unless it is there.
    async fn insert_version(
        &mut self,
        template: TemplateId,
        version: &TemplateVersion,
    ) -> Result<(), StoreError> {
        let content = &version.content;
        let media = content.media.as_ref();
        let buttons = serde_json::to_string(&content.buttons).map_err(|_unwritable| {
            StoreError::Inconsistent { column: "template_versions.buttons" }
        })?;
        sqlx::query(
            "insert into template_versions
               (template_id, version, language, body, footer, media_kind, media_url, file_name,
                buttons, author, created_at_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             on conflict (template_id, version) do nothing",
        )
        .bind(template.to_string())
        .bind(version.number)
        .bind(content.language.clone())
        .bind(&content.text)
        .bind(content.footer.clone())
        .bind(media.map(|media| media.kind.name()))
        .bind(media.map(|media| media.url.clone()))
        .bind(media.and_then(|media| media.file_name.clone()))
        .bind(buttons)
        .bind(&version.author)
        .bind(version.created_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The versions of a template of `tenant`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn versions(
        &mut self,
        tenant: TenantId,
        id: TemplateId,
    ) -> Result<Vec<TemplateVersion>, StoreError> {
        let rows = sqlx::query(
            "select v.version, v.language, v.body, v.footer, v.media_kind, v.media_url, v.file_name,
               v.buttons, v.author, v.created_at_ms
             from template_versions v join templates t on t.id = v.template_id
             where t.tenant_id = $1 and t.id = $2 and t.deleted_at_ms is null
             order by v.version desc",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_all(&mut *self.0.inner)
        .await?;
        rows.iter().map(version).collect()
    }

    /// Forgets the versions of a template of `tenant` up to `version`; never the newest one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget_versions(
        &mut self,
        tenant: TenantId,
        id: TemplateId,
        version: i64,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "delete from template_versions where template_id = $2 and version <= $3
               and exists (select 1 from templates t where t.id = $2 and t.tenant_id = $1
                 and t.version > template_versions.version)",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(version)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected())
    }

    /// Deletes a template of `tenant`; returns whether there was one. Its name is free again.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn delete(
        &mut self,
        tenant: TenantId,
        id: TemplateId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update templates set deleted_at_ms = $3
             where tenant_id = $1 and id = $2 and deleted_at_ms is null",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets templates that were deleted before `before`. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from templates where deleted_at_ms < $1")
            .bind(before.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }
}

fn template(row: &AnyRow) -> Result<Template, StoreError> {
    Ok(Template {
        id: row::parsed(row, "templates.id")?,
        tenant: row::parsed(row, "templates.tenant_id")?,
        name: row.try_get("name")?,
        category: row::parsed(row, "templates.category")?,
        created_at: row::time(row, "templates.made_at_ms")?,
        updated_at: row::time(row, "templates.updated_at_ms")?,
        latest: version(row)?,
    })
}

fn version(row: &AnyRow) -> Result<TemplateVersion, StoreError> {
    let broken = |column| StoreError::Inconsistent { column };
    let (kind, url): (Option<String>, Option<String>) =
        (row.try_get("media_kind")?, row.try_get("media_url")?);
    let media = match (kind, url) {
        (None, _) => None,
        (Some(kind), Some(url)) => Some(TemplateMedia {
            kind: MediaKind::named(&kind).ok_or_else(|| broken("template_versions.media_kind"))?,
            url,
            file_name: row.try_get("file_name")?,
        }),
        (Some(_), None) => return Err(broken("template_versions.media_url")),
    };
    let buttons: String = row.try_get("buttons")?;
    Ok(TemplateVersion {
        number: row.try_get("version")?,
        content: TemplateContent {
            language: row.try_get("language")?,
            text: row.try_get("body")?,
            footer: row.try_get("footer")?,
            media,
            buttons: serde_json::from_str(&buttons)
                .map_err(|_unreadable| broken("template_versions.buttons"))?,
        },
        author: row.try_get("author")?,
        created_at: row::time(row, "template_versions.created_at_ms")?,
    })
}
