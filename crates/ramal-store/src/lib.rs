//! Repositories of Ramal, on SQLite (embedded) and PostgreSQL.
//!
//! One code path serves both: `sqlx`'s `Any` driver, SQL that both dialects understand, and
//! [`Dialect`] where they must differ. Every repository method has a case in the conformance suite
//! (`tests/it`), which runs on both databases.
//!
//! A unit of work is a [`Tx`]: repositories borrow from it, [`Tx::commit`] consumes it, dropping it
//! undoes everything. On SQLite [`Store::begin`] takes the write lock at once, so that a unit of
//! work never fails half-way for lack of it; [`Store::read`] never waits for a writer.
#![deny(missing_docs)]

mod amendments;
mod audit;
mod db;
mod deliveries;
mod delivery_stats;
mod error;
mod event_feed;
mod events;
mod health;
mod idempotency;
mod inbound;
mod keys;
mod leases;
mod message_log;
mod messages;
mod migrations;
mod numbers;
mod official;
mod official_queue;
mod overview;
mod pairing_attempts;
mod pairing_links;
#[cfg(test)]
mod plans;
mod projects;
mod queue;
mod quotes;
mod replays;
mod retention;
mod row;
mod session_state;
mod settling;
mod signup_links;
mod steps;
mod templates;
mod tenant_settings;
mod tenants;
mod users;
mod vault;
mod webhooks;
mod wrong_phone;

pub use amendments::{Amendment, Author, Change};
pub use audit::{Actor, Audit, AuditEntry, AuditFilter};
pub use db::{Dialect, Options, Store, Tx};
pub use deliveries::{
    AttemptRecord, Deliveries, DisabledReason, DueDelivery, LoggedAttempt, Redelivery, Verdict,
};
pub use delivery_stats::{Outcomes, PendingDelivery};
pub use error::StoreError;
pub use event_feed::{Audience, FeedPage, Position, RecordedEvent, Settling, Sighting};
pub use events::Events;
pub use idempotency::{Claim, Idempotency, StoredAnswer};
pub use inbound::{InboundMedia, InboundMessage, PastMessage};
pub use keys::{Key, Keys, NewKey};
pub use leases::LeaseLimits;
pub use message_log::{MessageFilter, MessagePage};
pub use messages::{
    Accepted, Draft, Failure, Message, Messages, Receipt, RemoteMedia, Schedule, StoredMedia,
};
pub use numbers::{
    Choice, Identity, NewNumber, Number, NumberStage, Numbers, Reservation, Restored, Runnable,
    Stepped,
};
pub use official::{Credentials, LeavingNumber, OfficialNumber, OfficialNumbers, Sharing};
pub use official_queue::{BegunMessage, NOT_CONFIRMED, OfficialMessage, OfficialStatus};
pub use overview::PastEvent;
pub use pairing_attempts::{
    AttemptNote, AttemptOutcome, PairingAttempt, PairingAttempts, UnknownOutcome,
};
pub use pairing_links::{FoundLink, ListedLink, PairingLink, PairingLinks};
pub use projects::{Project, Projects};
pub use queue::{Canceled, QueuedMessage, Tried};
pub use replays::{FoundMissed, Missed, MissedEvent, Replayed};
pub use session_state::{Epoch, SessionState, SessionStateError, StateWrite};
pub use settling::Settled;
pub use signup_links::{SignupFlow, SignupLink, SignupLinks, UnknownFlow};
pub use templates::{Template, TemplateVersion, Templates};
pub use tenant_settings::{Logo, TenantChoices, TenantSettings};
pub use tenants::{Tenant, Tenants};
pub use users::{Invitation, SignIn, User, Users};
pub use vault::{MasterKey, MasterKeyError, Vault, VaultError};
pub use webhooks::{NewWebhook, Webhook, WebhookChange, Webhooks};
pub use wrong_phone::Adopted;
