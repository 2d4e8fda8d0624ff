//! The people who sign in to the dashboard, their browsers, and how they were let in.

use ramal_domain::{BrowserSecretHash, Email, Role, TenantId, Timestamp, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Row as _, any::AnyRow};

use crate::{StoreError, Tx, row};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Whose data they see.
    pub tenant: TenantId,
    /// What they sign in with; once on the whole server.
    pub email: Email,
    /// What they may do.
    pub role: Role,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they last signed in.
    pub signed_in_at: Option<Timestamp>,
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Who.
    pub user: User,
    /// When its last request was noted.
    pub seen_at: Timestamp,
    /// Until when it lasts.
    pub expires_at: Timestamp,
}

/// A link by which a person chooses a password and becomes a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// To which tenant.
    pub tenant: TenantId,
    /// As what.
    pub role: Role,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// People, their sign-ins and invitations.
#[derive(Debug)]
pub struct Users<'a>(pub(crate) &'a mut Tx);

const COLUMNS: &str = "u.id, u.tenant_id, u.email, u.role, u.created_at_ms, u.signed_in_at_ms";

impl Users<'_> {
    /// Adds a person, unless the address is taken; returns whether it was free.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn create(
        &mut self,
        user: &User,
        password_hash: &SecretString,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into users (id, tenant_id, email, role, password_hash, created_at_ms)
             values ($1, $2, $3, $4, $5, $6) on conflict (email) do nothing",
        )
        .bind(user.id.to_string())
        .bind(user.tenant.to_string())
        .bind(user.email.as_str())
        .bind(user.role.name())
        .bind(password_hash.expose_secret())
        .bind(user.created_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The people of `tenant`, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list(&mut self, tenant: TenantId) -> Result<Vec<User>, StoreError> {
        self.select(tenant, "").await
    }

    /// As [`Users::list`], before a change of one of them: of two changes at once, the second waits.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn list_to_change(&mut self, tenant: TenantId) -> Result<Vec<User>, StoreError> {
        let lock = self.0.for_update();
        self.select(tenant, lock).await
    }

    async fn select(&mut self, tenant: TenantId, lock: &str) -> Result<Vec<User>, StoreError> {
        let sql =
            format!("select {COLUMNS} from users u where u.tenant_id = $1 order by u.id{lock}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .fetch_all(&mut *self.0.inner)
            .await?;
        rows.iter().map(user).collect()
    }

    /// Whether anybody can sign in at all.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn is_empty(&mut self) -> Result<bool, StoreError> {
        let row = sqlx::query("select id from users limit 1").fetch_optional(&mut *self.0.inner);
        Ok(row.await?.is_none())
    }

    /// One person of `tenant`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find(&mut self, tenant: TenantId, id: UserId) -> Result<Option<User>, StoreError> {
        let sql = format!("select {COLUMNS} from users u where u.tenant_id = $1 and u.id = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        row.as_ref().map(user).transpose()
    }

    /// The person of an address with the hash of their password, for signing in: of any tenant, since
    /// the address says which.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_by_email(
        &mut self,
        email: &Email,
    ) -> Result<Option<(User, SecretString)>, StoreError> {
        let sql = format!("select {COLUMNS}, u.password_hash from users u where u.email = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(email.as_str())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let hash: String = row.try_get("password_hash")?;
        Ok(Some((user(&row)?, SecretString::from(hash))))
    }

    /// Replaces a person's password and ends their sign-ins; returns whether there is such a person.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_password(
        &mut self,
        tenant: TenantId,
        id: UserId,
        password_hash: &SecretString,
    ) -> Result<bool, StoreError> {
        let done =
            sqlx::query("update users set password_hash = $3 where tenant_id = $1 and id = $2")
                .bind(tenant.to_string())
                .bind(id.to_string())
                .bind(password_hash.expose_secret())
                .execute(&mut *self.0.inner)
                .await?;
        self.sign_out_everywhere(id).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Changes what a person may do; returns whether there is such a person.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_role(
        &mut self,
        tenant: TenantId,
        id: UserId,
        role: Role,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("update users set role = $3 where tenant_id = $1 and id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .bind(role.name())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a person with their sign-ins; returns whether there was such a person.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn delete(&mut self, tenant: TenantId, id: UserId) -> Result<bool, StoreError> {
        let done = sqlx::query("delete from users where tenant_id = $1 and id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets a browser in.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn sign_in(
        &mut self,
        user: UserId,
        secret: &BrowserSecretHash,
        user_agent: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into sign_ins (token_hash, user_id, user_agent, created_at_ms, seen_at_ms,
               expires_at_ms)
             values ($1, $2, $3, $4, $4, $5)",
        )
        .bind(secret.to_string())
        .bind(user.to_string())
        .bind(user_agent)
        .bind(now.as_millis())
        .bind(expires_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        sqlx::query("update users set signed_in_at_ms = $2 where id = $1")
            .bind(user.to_string())
            .bind(now.as_millis())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// The sign-in behind a browser's secret, unless it has expired.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn signed_in(
        &mut self,
        secret: &BrowserSecretHash,
        now: Timestamp,
    ) -> Result<Option<SignIn>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, s.seen_at_ms, s.expires_at_ms
             from sign_ins s join users u on u.id = s.user_id
             where s.token_hash = $1 and s.expires_at_ms > $2"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(secret.to_string())
            .bind(now.as_millis())
            .fetch_optional(&mut *self.0.inner)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SignIn {
            user: user(&row)?,
            seen_at: row::time(&row, "sign_ins.seen_at_ms")?,
            expires_at: row::time(&row, "sign_ins.expires_at_ms")?,
        }))
    }

    /// Notes that a browser was here, and lets it stay until `expires_at`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn seen(
        &mut self,
        secret: &BrowserSecretHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update sign_ins set seen_at_ms = $2, expires_at_ms = $3 where token_hash = $1",
        )
        .bind(secret.to_string())
        .bind(now.as_millis())
        .bind(expires_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Ends one sign-in.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn sign_out(&mut self, secret: &BrowserSecretHash) -> Result<(), StoreError> {
        sqlx::query("delete from sign_ins where token_hash = $1")
            .bind(secret.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(())
    }

    /// Ends every sign-in of a person. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn sign_out_everywhere(&mut self, user: UserId) -> Result<u64, StoreError> {
        let done = sqlx::query("delete from sign_ins where user_id = $1")
            .bind(user.to_string())
            .execute(&mut *self.0.inner)
            .await?;
        Ok(done.rows_affected())
    }

    /// Writes an invitation.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn invite(
        &mut self,
        secret: &BrowserSecretHash,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into invitations (token_hash, tenant_id, role, created_at_ms, expires_at_ms)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(secret.to_string())
        .bind(invitation.tenant.to_string())
        .bind(invitation.role.name())
        .bind(now.as_millis())
        .bind(invitation.expires_at.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// The invitation of a secret, whatever its state.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn invitation(
        &mut self,
        secret: &BrowserSecretHash,
    ) -> Result<Option<Invitation>, StoreError> {
        let row = sqlx::query(
            "select tenant_id, role, expires_at_ms, used_at_ms from invitations
             where token_hash = $1",
        )
        .bind(secret.to_string())
        .fetch_optional(&mut *self.0.inner)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Invitation {
            tenant: row::parsed(&row, "invitations.tenant_id")?,
            role: row::parsed(&row, "invitations.role")?,
            expires_at: row::time(&row, "invitations.expires_at_ms")?,
            used_at: row::time_opt(&row, "invitations.used_at_ms")?,
        }))
    }

    /// Uses an invitation up; returns whether it could still be used. Of two at once, one can.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn accept(
        &mut self,
        secret: &BrowserSecretHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update invitations set used_at_ms = $2
             where token_hash = $1 and used_at_ms is null and expires_at_ms > $2",
        )
        .bind(secret.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Uses up every invitation to `tenant`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn void_invitations(
        &mut self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update invitations set used_at_ms = $2 where tenant_id = $1 and used_at_ms is null",
        )
        .bind(tenant.to_string())
        .bind(now.as_millis())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Forgets sign-ins and invitations that are over. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn purge(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let mut gone = 0;
        for sql in [
            "delete from sign_ins where expires_at_ms <= $1",
            "delete from invitations where expires_at_ms <= $1",
        ] {
            let done = sqlx::query(sql).bind(now.as_millis()).execute(&mut *self.0.inner).await?;
            gone += done.rows_affected();
        }
        Ok(gone)
    }
}

fn user(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        id: row::parsed(row, "users.id")?,
        tenant: row::parsed(row, "users.tenant_id")?,
        email: row::parsed(row, "users.email")?,
        role: row::parsed(row, "users.role")?,
        created_at: row::time(row, "users.created_at_ms")?,
        signed_in_at: row::time_opt(row, "users.signed_in_at_ms")?,
    })
}
