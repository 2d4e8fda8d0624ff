//! The vocabulary of Ramal: ids, phone numbers, states, events and time.
//!
//! Nothing here does I/O or knows a runtime; every decision is a function of values, so that it can
//! be tested by tables and properties.
#![deny(missing_docs)]

mod backoff;
mod clock;
mod content;
mod event;
mod health;
mod id;
mod key;
mod link;
mod media_token;
mod message;
mod pairing_token;
mod passkey;
mod people;
mod phone;
mod provider;
mod template;
mod words;
mod wrong_phone;

pub use backoff::Backoff;
pub use clock::{Clock, FakeClock, SystemClock, TimeError, Timestamp};
pub use content::{
    Button, Buttons, Content, FilledTemplate, Header, Media, MediaKind, MediaSource, Menu, MenuRow,
    MenuSection, TemplateValue,
};
pub use event::{
    Event, EventKind, MessageEvent, NumberEvent, Peer, Quoted, ToldMedia, WebhookTest,
};
pub use health::{Ailment, Illness, Losses, UnknownAilment};
pub use id::{
    AuditId, CorrelationId, DeliveryId, EventId, IdError, KeyId, LogoId, MessageId, NodeId,
    NumberId, PairingLinkId, ProjectId, TemplateId, TenantId, UserId, WebhookId,
};
pub use key::{ApiToken, KeyHash, KeyScope, TokenError, WebhookSecret, WebhookSecretError};
pub use link::{CloseReason, Input, InvalidTransition, Link, Step, WireState};
pub use media_token::MediaToken;
pub use message::{Direction, MessageStatus, Place, WireId, conversation_id};
pub use pairing_token::{PairingToken, PairingTokenError, PairingTokenHash};
pub use passkey::{Action, ActionStep, Assertion, AssertionError, AssertionJson, PasskeyRequest};
pub use people::{
    BrowserSecret, BrowserSecretError, BrowserSecretHash, Email, EmailError, Role, UnknownRole,
};
pub use phone::{PhoneError, PhoneNumber};
pub use provider::{Provider, UnknownProvider};
pub use template::{
    TemplateCategory, TemplateContent, TemplateMedia, TemplateText, TemplateTextError,
    UnknownCategory, Variables,
};
pub use words::{person_words, place_words};
pub use wrong_phone::{UnknownWrongPhonePolicy, WrongPhone, WrongPhoneOutcome, WrongPhonePolicy};
