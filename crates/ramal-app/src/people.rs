//! The people who use the dashboard: letting them in, and who they are.

use std::{net::IpAddr, time::Duration};

use ramal_domain::{BrowserSecret, Email, Role, TenantId, Timestamp, UserId};
use ramal_store::{Actor, Invitation, Store, Tx, User};
use secrecy::SecretString;

use crate::{App, AppError, Caller, Refusal, audit, passwords};

/// How long a browser stays signed in without being used.
const SIGN_IN_LIFE: Duration = Duration::from_hours(14 * 24);
/// How often the use of a sign-in is noted.
const NOTED_EVERY: Duration = Duration::from_mins(5);
/// How long an invitation can be used.
const INVITATION_LIFE: Duration = Duration::from_hours(7 * 24);
/// How much is kept of what a browser calls itself, in characters.
const USER_AGENT_MAX: usize = 200;

/// Who wants to sign in, and from where.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// As it was typed.
    pub email: String,
    /// As it was typed.
    pub password: SecretString,
    /// The browser.
    pub visitor: Visitor,
}

/// A browser that is not signed in yet.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// What it calls itself.
    pub user_agent: String,
    /// Where it is, as far as that is known.
    pub address: Option<IpAddr>,
}

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The address and the password do not belong together; which of them is wrong is not told.
    #[error("the e-mail address or the password is wrong")]
    Refused,
    /// Too many tries.
    #[error("too many tries: try again in {retry_after_seconds} s")]
    Throttled {
        /// When it is worth trying again.
        retry_after_seconds: u64,
    },
    /// Something else.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<ramal_store::StoreError> for SignInError {
    fn from(error: ramal_store::StoreError) -> Self {
        Self::App(error.into())
    }
}

impl App {
    /// Lets a browser in, by address and password. Returns its secret, for a cookie.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn sign_in(&self, given: Credentials) -> Result<BrowserSecret, SignInError> {
        let Ok(email) = given.email.parse::<Email>() else {
            // Counted as well: by the address that it comes from.
            self.count_sign_in(None, given.visitor.address)?;
            return Err(SignInError::Refused);
        };
        self.count_sign_in(Some(&email), given.visitor.address)?;
        let found = self.store.read().await?.users().find_by_email(&email).await?;
        let (user, hash) = found.unzip();
        let matches = passwords::matches(given.password, hash).await?;
        let Some(user) = user else { return Err(SignInError::Refused) };
        if !matches {
            let mut tx = self.store.begin().await?;
            note(&mut tx, &user, "user.sign_in_refused", self.clock.now()).await?;
            tx.commit().await?;
            return Err(SignInError::Refused);
        }
        Ok(self.let_in(&user, &given.visitor).await?)
    }

    fn count_sign_in(
        &self,
        email: Option<&Email>,
        address: Option<IpAddr>,
    ) -> Result<(), SignInError> {
        self.limits.sign_in(email, address).map_err(|refusal| {
            if let Refusal::RateLimited { retry_after_seconds } = refusal {
                SignInError::Throttled { retry_after_seconds }
            } else {
                SignInError::App(refusal.into())
            }
        })
    }

    /// Lets a browser in as `user`, whose right to that was proven. Returns its secret.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn let_in(&self, user: &User, visitor: &Visitor) -> Result<BrowserSecret, AppError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let secret = begin(&mut tx, user, visitor, now).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Who is behind a browser's secret; `None` when it is not (any more) signed in.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn signed_in(&self, secret: &BrowserSecret) -> Result<Option<User>, AppError> {
        let now = self.clock.now();
        let hash = secret.hash();
        let found = self.store.read().await?.users().signed_in(&hash, now).await?;
        let Some(found) = found else { return Ok(None) };
        if now >= found.seen_at.after(NOTED_EVERY) {
            let mut tx = self.store.begin().await?;
            tx.users().seen(&hash, now, now.after(SIGN_IN_LIFE)).await?;
            tx.commit().await?;
        }
        Ok(Some(found.user))
    }

    /// Ends a browser's sign-in.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn sign_out(&self, secret: &BrowserSecret) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.users().sign_out(&secret.hash()).await?;
        Ok(tx.commit().await?)
    }

    /// Ends every sign-in of a person.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn sign_out_everywhere(&self, user: &User) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.users().sign_out_everywhere(user.id).await?;
        note(&mut tx, user, "user.sign_out_everywhere", self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// The people of the caller's tenant.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`].
    pub async fn users(&self, caller: &Caller) -> Result<Vec<User>, AppError> {
        let tenant = caller.require_tenant()?;
        Ok(self.store.read().await?.users().list(tenant).await?)
    }

    /// Invites a person: whoever opens the link first chooses an address and a password. Returns the
    /// link, which is shown once.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`].
    pub async fn invite(&self, caller: &Caller, role: Role) -> Result<String, AppError> {
        let (tenant, now) = (caller.require_tenant()?, self.clock.now());
        let mut tx = self.store.begin().await?;
        let secret = invite(&mut tx, tenant, role, now).await?;
        audit::record(&mut tx, caller, "user.invite", "", role.name(), now).await?;
        tx.commit().await?;
        Ok(self.setup_url(&secret))
    }

    /// The link by which the first person of a server sets it up; `None` once anybody can sign in.
    /// The links that earlier starts made stay good until they are used or expire.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn first_invitation(&self) -> Result<Option<String>, AppError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !tx.users().is_empty().await? {
            return Ok(None);
        }
        let Some(tenant) = tx.tenants().list().await?.into_iter().next() else { return Ok(None) };
        let secret = invite(&mut tx, tenant.id, Role::Owner, now).await?;
        tx.commit().await?;
        Ok(Some(self.setup_url(&secret)))
    }

    fn setup_url(&self, secret: &BrowserSecret) -> String {
        format!("{}/setup/{}", self.public_url, secret.expose())
    }

    /// What an invitation's link is good for; `None` when it is for nothing (any more).
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn invitation(&self, secret: &BrowserSecret) -> Result<Option<Role>, AppError> {
        let found = self.store.read().await?.users().invitation(&secret.hash()).await?;
        let good = |invitation: &Invitation| {
            invitation.used_at.is_none() && invitation.expires_at > self.clock.now()
        };
        Ok(found.filter(good).map(|invitation| invitation.role))
    }

    /// Makes a user of whoever opened an invitation, and lets their browser in.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], also when the address is taken, and [`SignInError::Refused`] when the
    /// invitation is for nothing any more.
    pub async fn accept_invitation(
        &self,
        secret: &BrowserSecret,
        given: Credentials,
    ) -> Result<BrowserSecret, SignInError> {
        self.count_sign_in(None, given.visitor.address)?;
        if self.invitation(secret).await?.is_none() {
            return Err(SignInError::Refused);
        }
        let email = parse_email(&given.email)?;
        let hash = passwords::hash(given.password).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let found = tx.users().invitation(&secret.hash()).await?;
        let invitation = found.ok_or(SignInError::Refused)?;
        if !tx.users().accept(&secret.hash(), now).await? {
            return Err(SignInError::Refused);
        }
        if tx.users().is_empty().await? {
            // Each start before this one printed a link for the first person: there is one now.
            tx.users().void_invitations(invitation.tenant, now).await?;
        }
        let user = new_user(invitation.tenant, email, invitation.role, now);
        if !tx.users().create(&user, &hash).await? {
            return Err(address_taken().into());
        }
        note(&mut tx, &user, "user.create", now).await?;
        let browser = begin(&mut tx, &user, &given.visitor, now).await?;
        tx.commit().await?;
        Ok(browser)
    }

    /// Changes the password of a person who knows the present one. Every sign-in of theirs ends;
    /// returns the secret of a new one for this browser.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn change_password(
        &self,
        user: &User,
        present: SecretString,
        new: SecretString,
        visitor: &Visitor,
    ) -> Result<BrowserSecret, SignInError> {
        self.count_sign_in(Some(&user.email), visitor.address)?;
        let found = self.store.read().await?.users().find_by_email(&user.email).await?;
        if !passwords::matches(present, found.map(|(_, hash)| hash)).await? {
            return Err(SignInError::Refused);
        }
        let hash = passwords::hash(new).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        tx.users().set_password(user.tenant, user.id, &hash).await?;
        note(&mut tx, user, "user.change_password", now).await?;
        let secret = begin(&mut tx, user, visitor, now).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Changes what a person may do.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`] when nobody would be left who may change anything, or there is no such
    /// person.
    pub async fn change_role(&self, caller: &Caller, id: &str, role: Role) -> Result<(), AppError> {
        let (tenant, now) = (caller.require_tenant()?, self.clock.now());
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, tenant, id).await?;
        if role == Role::Viewer {
            keep_an_owner(&mut tx, &user).await?;
        }
        tx.users().set_role(tenant, user.id, role).await?;
        let detail = format!("{}: {role}", user.email);
        audit::record(&mut tx, caller, "user.change_role", &user.id.to_string(), &detail, now)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Removes a person; their browsers are signed out.
    ///
    /// # Errors
    ///
    /// As [`App::change_role`].
    pub async fn remove_user(&self, caller: &Caller, id: &str) -> Result<(), AppError> {
        let (tenant, now) = (caller.require_tenant()?, self.clock.now());
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, tenant, id).await?;
        keep_an_owner(&mut tx, &user).await?;
        tx.users().delete(tenant, user.id).await?;
        let (id, email) = (user.id.to_string(), user.email.as_str());
        audit::record(&mut tx, caller, "user.remove", &id, email, now).await?;
        Ok(tx.commit().await?)
    }

    /// Adds a person, for `ramal user add`; `None` when the address is taken.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`] when the password is too short.
    pub async fn add_user(
        store: &Store,
        tenant: TenantId,
        email: Email,
        role: Role,
        password: SecretString,
        now: Timestamp,
    ) -> Result<Option<User>, AppError> {
        let hash = passwords::hash(password).await?;
        let user = new_user(tenant, email, role, now);
        let mut tx = store.begin().await?;
        if !tx.users().create(&user, &hash).await? {
            return Ok(None);
        }
        by_operator(&user, "user.create").record(&mut tx, now).await?;
        tx.commit().await?;
        Ok(Some(user))
    }

    /// Sets a person's password, for `ramal user password`; their browsers are signed out. `false`
    /// when there is no such person.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`] when the password is too short.
    pub async fn reset_password(
        store: &Store,
        email: &Email,
        password: SecretString,
        now: Timestamp,
    ) -> Result<bool, AppError> {
        let hash = passwords::hash(password).await?;
        let mut tx = store.begin().await?;
        let Some((user, _)) = tx.users().find_by_email(email).await? else { return Ok(false) };
        tx.users().set_password(user.tenant, user.id, &hash).await?;
        by_operator(&user, "user.change_password").record(&mut tx, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a person, for `ramal user remove`; `false` when there is no such person.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn delete_user(
        store: &Store,
        email: &Email,
        now: Timestamp,
    ) -> Result<bool, AppError> {
        let mut tx = store.begin().await?;
        let Some((user, _)) = tx.users().find_by_email(email).await? else { return Ok(false) };
        tx.users().delete(user.tenant, user.id).await?;
        by_operator(&user, "user.remove").record(&mut tx, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Reads an address that somebody typed.
fn parse_email(text: &str) -> Result<Email, AppError> {
    text.parse().map_err(|error: ramal_domain::EmailError| AppError::invalid(error.to_string()))
}

fn address_taken() -> AppError {
    AppError::invalid("somebody signs in with this e-mail address already")
}

fn new_user(tenant: TenantId, email: Email, role: Role, now: Timestamp) -> User {
    User { id: UserId::mint(), tenant, email, role, created_at: now, signed_in_at: None }
}

async fn invite(
    tx: &mut Tx,
    tenant: TenantId,
    role: Role,
    now: Timestamp,
) -> Result<BrowserSecret, AppError> {
    let secret = BrowserSecret::mint();
    let expires_at = now.after(INVITATION_LIFE);
    let invitation = Invitation { tenant, role, expires_at, used_at: None };
    tx.users().invite(&secret.hash(), &invitation, now).await?;
    Ok(secret)
}

/// Signs a browser in.
async fn begin(
    tx: &mut Tx,
    user: &User,
    visitor: &Visitor,
    now: Timestamp,
) -> Result<BrowserSecret, AppError> {
    let secret = BrowserSecret::mint();
    let agent: String =
        visitor.user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect();
    tx.users().sign_in(user.id, &secret.hash(), &agent, now, now.after(SIGN_IN_LIFE)).await?;
    note(tx, user, "user.sign_in", now).await?;
    Ok(secret)
}

/// A line of the audit log about what a person does with themselves.
async fn note(tx: &mut Tx, user: &User, action: &str, now: Timestamp) -> Result<(), AppError> {
    let (caller, id) = (Caller::person(user.clone()), user.id.to_string());
    Ok(audit::record(tx, &caller, action, &id, user.email.as_str(), now).await?)
}

fn by_operator<'a>(user: &'a User, action: &'a str) -> audit::Line<'a> {
    let name = "command line".to_owned();
    audit::Line {
        tenant: user.tenant,
        actor: Actor { kind: "system".to_owned(), id: String::new(), name },
        action,
        target: "",
        detail: user.email.as_str(),
    }
}

async fn find(tx: &mut Tx, tenant: TenantId, id: &str) -> Result<User, AppError> {
    let nobody = || AppError::invalid("there is no such person");
    let id = id.parse().map_err(|_malformed: ramal_domain::IdError| nobody())?;
    tx.users().find(tenant, id).await?.ok_or_else(nobody)
}

/// Refuses to lose the last one who may change anything.
async fn keep_an_owner(tx: &mut Tx, user: &User) -> Result<(), AppError> {
    let others = tx.users().list_to_change(user.tenant).await?;
    if others.iter().any(|other| other.id != user.id && other.role == Role::Owner) {
        return Ok(());
    }
    Err(AppError::invalid("this is the only owner: make somebody else an owner first"))
}
