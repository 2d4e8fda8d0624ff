//! What a tenant chose for the pages that its customers see.

use ramal_domain::{LogoId, TenantId, Timestamp, WrongPhonePolicy};
use sqlx::Row as _;

use crate::{StoreError, Tx, row};

/// A tenant's choices; the default is that of a tenant that has chosen nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// How the pages look: a JSON object (contract C.20).
    pub branding: String,
    /// What to do when another phone than the expected one scans.
    pub wrong_phone: WrongPhonePolicy,
    /// Which origins may embed the connect page.
    pub allowed_origins: Vec<String>,
    /// Where customers get the official API instead.
    pub official_url: Option<String>,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            branding: "{}".to_owned(),
            wrong_phone: WrongPhonePolicy::default(),
            allowed_origins: Vec::new(),
            official_url: None,
        }
    }
}

/// A picture that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Its type, such as `image/png`.
    pub mime_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Tenants' choices and pictures.
#[derive(Debug)]
pub struct TenantChoices<'a>(pub(crate) &'a mut Tx);

impl TenantChoices<'_> {
    /// What `tenant` chose.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn get(&mut self, tenant: TenantId) -> Result<TenantSettings, StoreError> {
        self.select(tenant, "").await
    }

    /// As [`TenantChoices::get`], before a change.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn get_to_change(&mut self, tenant: TenantId) -> Result<TenantSettings, StoreError> {
        let lock = self.0.for_update();
        self.select(tenant, lock).await
    }

    async fn select(&mut self, tenant: TenantId, lock: &str) -> Result<TenantSettings, StoreError> {
        let sql = format!(
            "select branding, wrong_phone, allowed_origins, official_url from tenant_settings
             where tenant_id = $1{lock}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let Some(row) = row else { return Ok(TenantSettings::default()) };
        let origins: String = row.try_get("allowed_origins")?;
        let allowed_origins = serde_json::from_str(&origins).map_err(|_meaningless| {
            StoreError::Inconsistent { column: "tenant_settings.allowed_origins" }
        })?;
        Ok(TenantSettings {
            branding: row.try_get("branding")?,
            wrong_phone: row::parsed(&row, "tenant_settings.wrong_phone")?,
            allowed_origins,
            official_url: row.try_get("official_url")?,
        })
    }

    /// Stores what `tenant` chose.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn put(
        &mut self,
        tenant: TenantId,
        settings: &TenantSettings,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into tenant_settings (tenant_id, branding, wrong_phone, allowed_origins,
               official_url, updated_at_ms)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (tenant_id) do update set branding = excluded.branding,
               wrong_phone = excluded.wrong_phone, allowed_origins = excluded.allowed_origins,
               official_url = excluded.official_url, updated_at_ms = excluded.updated_at_ms",
        )
        .bind(tenant.to_string())
        .bind(&settings.branding)
        .bind(settings.wrong_phone.name())
        .bind(serde_json::Value::from(settings.allowed_origins.clone()).to_string())
        .bind(settings.official_url.clone())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Stores a picture; of a tenant's pictures only the newest `keep` stay, and those in use.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn add_logo(
        &mut self,
        tenant: TenantId,
        id: LogoId,
        logo: &Logo,
        keep: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into logos (id, tenant_id, mime_type, content, created_at_ms)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(&logo.mime_type)
        .bind(logo.content.clone())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query(
            "delete from logos where tenant_id = $1
             and id not in (select id from logos where tenant_id = $1 order by id desc limit $2)
             and not exists (select 1 from tenant_settings s
               where s.tenant_id = $1 and s.branding like '%' || logos.id || '%')
             and not exists (select 1 from pairing_links l join numbers n on n.id = l.number_id
               where n.tenant_id = $1 and l.branding like '%' || logos.id || '%')",
        )
        .bind(tenant.to_string())
        .bind(keep)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// A picture, for whoever has its address: pages that show it are public.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn logo(&mut self, id: LogoId) -> Result<Option<Logo>, StoreError> {
        let row = sqlx::query("select mime_type, content from logos where id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Logo { mime_type: row.try_get("mime_type")?, content: row.try_get("content")? }))
    }
}
