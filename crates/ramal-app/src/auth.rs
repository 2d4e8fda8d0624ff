//! Who is calling, and on which number they act.

use ramal_domain::{ApiToken, KeyId, KeyScope, NumberId, PairingLinkId, TenantId, Timestamp};
use ramal_store::{Actor, Key, Number, StoreError, User};

use crate::{App, AppError, Refusal};

/// An authenticated caller. Whoever holds one need not ask again.
#[derive(Clone, Debug)]
pub struct Caller(Who);

/// How a caller authenticated.
#[derive(Clone, Debug)]
enum Who {
    /// A program, by its key.
    Key(Key),
    /// A person, at the dashboard.
    User(User),
    /// Whoever has a hosted link.
    Link(TenantId, PairingLinkId),
}

impl Caller {
    pub(crate) const fn key_holder(key: Key) -> Self {
        Self(Who::Key(key))
    }

    /// A person who is signed in. What they may do is for whoever lets them in to decide: the
    /// dashboard asks for an owner before anything changes.
    pub const fn person(user: User) -> Self {
        Self(Who::User(user))
    }

    /// Whoever has a hosted link: it may do what the link is for.
    pub(crate) const fn link(tenant: TenantId, id: PairingLinkId) -> Self {
        Self(Who::Link(tenant, id))
    }

    /// Whose data this caller sees.
    pub const fn tenant(&self) -> TenantId {
        match &self.0 {
            Who::Key(key) => key.tenant,
            Who::User(user) => user.tenant,
            Who::Link(tenant, _) => *tenant,
        }
    }

    /// What this caller may act on; a person on everything of the tenant.
    pub const fn scope(&self) -> KeyScope {
        match &self.0 {
            Who::Key(key) => key.scope,
            Who::User(_) | Who::Link(..) => KeyScope::Tenant,
        }
    }

    /// The key that authenticated; a person has none.
    pub(crate) const fn key(&self) -> Option<&Key> {
        match &self.0 {
            Who::Key(key) => Some(key),
            Who::User(_) | Who::Link(..) => None,
        }
    }

    /// The rail that a message of this caller leaves by (contract C.21, `origin`).
    pub(crate) const fn origin(&self) -> &'static str {
        match &self.0 {
            Who::Key(_) => "API",
            Who::User(_) => "DASHBOARD",
            Who::Link(..) => "SYSTEM",
        }
    }

    /// As the audit log knows this caller.
    pub(crate) fn actor(&self) -> Actor {
        let (kind, id, name) = match &self.0 {
            Who::Key(key) => {
                ("key", key.id.to_string(), format!("{} {}…{}", key.name, key.prefix, key.last4))
            }
            Who::User(user) => ("user", user.id.to_string(), user.email.to_string()),
            Who::Link(_, id) => ("link", id.to_string(), "hosted link".to_owned()),
        };
        Actor { kind: kind.to_owned(), id, name }
    }

    /// Proves that this is the tenant's key, or a person.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberScopeNotAllowed`] for a number's key.
    pub const fn require_tenant(&self) -> Result<TenantId, Refusal> {
        match self.scope() {
            KeyScope::Tenant => Ok(self.tenant()),
            KeyScope::Number(_) => Err(Refusal::NumberScopeNotAllowed),
        }
    }
}

/// A caller together with the one number that it acts on.
#[derive(Clone, Debug)]
pub struct Scoped {
    /// Who.
    pub caller: Caller,
    /// On what: a listed number of the caller's tenant.
    pub number: Number,
}

impl App {
    /// Finds the caller behind a raw key.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unauthenticated`] when the key is unknown, revoked or malformed, and
    /// [`Refusal::RateLimited`].
    pub async fn authenticate(&self, raw_key: &str) -> Result<Caller, AppError> {
        let token: ApiToken = raw_key.parse().map_err(|_malformed| Refusal::Unauthenticated)?;
        // Found by the hash of 256 random bits: the look-up's timing tells nothing of use.
        let found = self.store.read().await?.keys().find_by_hash(token.hash()).await?;
        self.admit(found.ok_or(Refusal::Unauthenticated)?).await
    }

    /// Finds the caller behind a key's id. Weak: an id is shown in answers, and was never meant to be
    /// a secret; whoever calls this has been told to accept it.
    ///
    /// # Errors
    ///
    /// As [`App::authenticate`].
    pub async fn authenticate_by_id(&self, key_id: &str) -> Result<Caller, AppError> {
        let id = key_id.parse().map_err(|_malformed| Refusal::Unauthenticated)?;
        let found = self.store.read().await?.keys().find_by_id(id).await?;
        self.admit(found.ok_or(Refusal::Unauthenticated)?).await
    }

    /// Counts the request, and notes that the key is in use.
    async fn admit(&self, key: Key) -> Result<Caller, AppError> {
        self.limits.request(key.tenant, key.scope)?;
        let now = self.clock.now();
        if key.wants_touch(now)
            && let Err(error) = self.touch(key.id, now).await
        {
            // Only a note for people: no reason to refuse a request.
            tracing::warn!(error = &error as &dyn std::error::Error, "a key's use was not noted");
        }
        Ok(Caller::key_holder(key))
    }

    async fn touch(&self, id: KeyId, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.keys().touch(id, now).await?;
        tx.commit().await
    }

    /// Settles on which number a per-number request acts: a number key's own, else the one that
    /// `header` names.
    ///
    /// # Errors
    ///
    /// [`Refusal::TenantScopeNotAllowed`] when a tenant key names none, and
    /// [`Refusal::NumberNotFound`] when it names one that is not the tenant's.
    pub async fn scope(&self, caller: Caller, header: Option<&str>) -> Result<Scoped, AppError> {
        let id = match (caller.scope(), header) {
            (KeyScope::Number(own), _) => own,
            (KeyScope::Tenant, Some(text)) => parse_number_id(text)?,
            (KeyScope::Tenant, None) => return Err(Refusal::TenantScopeNotAllowed.into()),
        };
        let number = self.find_number(&caller, id).await?;
        Ok(Scoped { caller, number })
    }

    pub(crate) async fn find_number(
        &self,
        caller: &Caller,
        id: NumberId,
    ) -> Result<Number, AppError> {
        let found = self.store.read().await?.numbers().find(caller.tenant(), id).await?;
        Ok(found.ok_or(Refusal::NumberNotFound)?)
    }
}

/// Ids are opaque to callers: a malformed one is one that does not exist.
pub(crate) fn parse_number_id(text: &str) -> Result<NumberId, Refusal> {
    text.parse().map_err(|_malformed| Refusal::NumberNotFound)
}
