//! What a use case answers when it does not do what it was asked for.

use std::error::Error;

use ramal_session::{OpenError, StartError};
use ramal_store::StoreError;

use crate::DeadLink;

/// Why a use case did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The caller's fault, or the state forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We are overloaded or stopping; trying again helps.
    #[error("the server is busy; try again")]
    Busy(#[source] Box<dyn Error + Send + Sync>),
    /// A bug, or a broken database.
    #[error("the server failed; the request id helps us find out why")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

/// What kind of answer an error is: the web layer has one status for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong.
    Invalid,
    /// No key, or none that authenticates.
    Unauthenticated,
    /// The key may not do this.
    Forbidden,
    /// It is not there, or it is someone else's.
    NotFound,
    /// The state forbids it.
    Conflict,
    /// Too often.
    Throttled,
    /// WhatsApp or we do not answer; trying again may help.
    Unavailable,
    /// A bug.
    Internal,
}

/// Everything that a caller can be refused for. `docs/errors.md` has a heading for each code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field is missing or wrong.
    #[error("{0}")]
    Validation(String),
    /// The feature does not exist (yet).
    #[error("{0}")]
    NotSupported(String),
    /// A range of time that makes no sense.
    #[error("{0}")]
    InvalidDateRange(&'static str),
    /// Nothing to change.
    #[error("the patch is empty: name at least one field")]
    EmptyPatch,
    /// A webhook needs a number.
    #[error("name the number: send whatsappNumberId, or the x-whatsapp-number-id header")]
    NumberRequired,
    /// Another number is named than that of the key.
    #[error("the number that is named is not the number of this key")]
    NumberMismatch,
    /// The `Idempotency-Key` header is malformed.
    #[error("an Idempotency-Key has 1 to 255 characters and no control characters")]
    IdempotencyKeyInvalid,
    /// No key, or none that authenticates.
    #[error("missing or invalid x-api-key header")]
    Unauthenticated,
    /// A tenant key where a number is needed.
    #[error(
        "this endpoint acts on one number: use that number's key, or add the \
         x-whatsapp-number-id header"
    )]
    TenantScopeNotAllowed,
    /// A number key where the tenant key is needed.
    #[error("this endpoint needs the tenant's key, not a number's")]
    NumberScopeNotAllowed,
    /// No such number, or someone else's.
    #[error("there is no such number")]
    NumberNotFound,
    /// No such webhook, or someone else's.
    #[error("there is no such webhook")]
    WebhookNotFound,
    /// The webhook has no such delivery.
    #[error("the webhook has no such delivery")]
    DeliveryNotFound,
    /// No such message, or someone else's.
    #[error("there is no such message")]
    MessageNotFound,
    /// The event after which a stream is to begin is not known.
    #[error(
        "there is no such event, or no longer: leave Last-Event-ID out, and say since when with `since`"
    )]
    EventNotFound,
    /// The tenant has this phone number already.
    #[error("this phone number is active already, or being created")]
    NumberAlreadyActive,
    /// The tenant removed this phone number a short while ago.
    #[error(
        "this phone number was deleted recently: purge it first, or wait until restorableUntil"
    )]
    NumberSoftDeleted,
    /// Nothing is delivered to it.
    #[error("the webhook is inactive, so nothing is delivered to it: set active to true first")]
    WebhookInactive,
    /// It will be tried by itself.
    #[error("the delivery is still on its way; it is tried again by itself")]
    DeliveryPending,
    /// There is nothing to pair.
    #[error("the number is connected already: there is nothing to pair")]
    NumberAlreadyConnected,
    /// No pairing waits for that.
    #[error("no pairing of this number waits for that step of a passkey")]
    PasskeyNotRequested,
    /// WhatsApp refused the passkey; the attempt is over.
    #[error("WhatsApp refused the passkey; call connect and use the passkey of this account")]
    PasskeyRefused,
    /// No pairing asks about a phone.
    #[error("no pairing of this number asks whether another phone is to be used")]
    WrongPhoneNotAsked,
    /// A helper's token may do less than the link's own.
    #[error("a helper's link may only follow the pairing and answer its passkey step")]
    HelperNotAllowed,
    /// No such pairing link, or someone else's.
    #[error("there is no such pairing link")]
    PairingLinkNotFound,
    /// The token of a pairing link opens nothing.
    #[error("this pairing link is not valid: ask who sent it for a new one")]
    PairingLinkInvalid(DeadLink),
    /// The number has no connection to ask through.
    #[error("the number is not connected to WhatsApp: connect it first")]
    NotConnected,
    /// WhatsApp did not answer a question.
    #[error("WhatsApp did not answer; try again shortly")]
    NoAnswer,
    /// A limit of this server was reached.
    #[error("too many requests: try again in {retry_after_seconds} s")]
    RateLimited {
        /// When it is worth trying again.
        retry_after_seconds: u64,
    },
    /// A number has too much to send.
    #[error("too much waits to be sent from this number: send more when some of it has left")]
    QueueFull,
    /// The same key was used for another request.
    #[error("this Idempotency-Key was used for a different request")]
    IdempotencyKeyReused,
    /// The same request is still running.
    #[error("the request with this Idempotency-Key is still being worked on")]
    IdempotencyKeyInUse,
    /// The number is paired; only its connection is missing.
    #[error(
        "the number is paired and waits for WhatsApp to answer; nothing was changed, it connects \
         by itself"
    )]
    Reconnecting,
    /// What is asked for does not exist for official numbers.
    #[error("{0}")]
    NotSupportedForMeta(&'static str),
    /// The number is an official one already.
    #[error("the number is an official one already")]
    NumberAlreadyOfficial,
    /// Meta does not take the token or the app secret.
    #[error("{0}")]
    MetaCredentialsInvalid(String),
    /// The token may not do what is needed.
    #[error("{0}")]
    MetaPermissionMissing(String),
    /// The phone number id is another number's, or of another account.
    #[error("{0}")]
    MetaNumberMismatch(String),
    /// The two-step PIN is wrong, or one is needed.
    #[error(
        "the number has another two-step verification PIN: send it as metaPin, or change it in \
         WhatsApp Manager"
    )]
    MetaPinMismatch,
    /// The number was not verified at Meta.
    #[error("the number is not verified at Meta yet: verify it in WhatsApp Manager first")]
    MetaNumberNotVerified,
    /// Meta tried our callback and got no answer.
    #[error(
        "Meta cannot reach this server's callback: set server.public_url to an https address that \
         the Internet can reach"
    )]
    MetaCallbackUnreachable,
    /// Meta refuses for another reason.
    #[error("Meta refused: {0}")]
    MetaRefused(String),
    /// Meta cannot be reached, or fails.
    #[error("Meta does not answer as it should; try again shortly")]
    MetaUnavailable,
    /// Meta does not answer in time.
    #[error("Meta did not answer in time; try again shortly")]
    MetaTimeout,
    /// The operator has not set up what is needed.
    #[error("{0}")]
    ProviderNotConfigured(&'static str),
    /// A webhook of Meta's is not signed with the right secret.
    #[error("the signature is missing or wrong")]
    MetaSignatureInvalid,
    /// Whoever tries our callback does not know the verify token.
    #[error("the verify token is wrong")]
    MetaVerifyTokenInvalid,
    /// The page of a sign-up was opened anew somewhere else.
    #[error("this page is not the newest one of its link: reload it")]
    MetaSignupStateInvalid,
    /// A link to media leads nowhere.
    #[error("there is no such media, or its link has expired")]
    MediaNotFound,
    /// No such template of the tenant's, or at Meta.
    #[error(
        "there is no template with this id or name; an official number has those that Meta has approved"
    )]
    TemplateNotFound,
    /// Another template has the name.
    #[error("there is a template with this name already")]
    TemplateNameTaken,
    /// A template was not filled in.
    #[error("the template needs values for: {0}")]
    MissingTemplateVariables(String),
    /// WhatsApp refuses connections.
    #[error("WhatsApp refused the connection; nothing was changed, try again shortly")]
    UpstreamError,
    /// WhatsApp does not answer.
    #[error("WhatsApp did not give a QR code in time; nothing was changed, try again shortly")]
    UpstreamTimeout,
}

impl Refusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.kind_and_code().1
    }

    /// The kind.
    pub const fn kind(&self) -> ErrorKind {
        self.kind_and_code().0
    }

    /// The one table.
    const fn kind_and_code(&self) -> (ErrorKind, &'static str) {
        use ErrorKind as K;
        match self {
            Self::Validation(_) => (K::Invalid, "VALIDATION_ERROR"),
            Self::NotSupported(_) => (K::Invalid, "FEATURE_NOT_SUPPORTED"),
            Self::InvalidDateRange(_) => (K::Invalid, "INVALID_DATE_RANGE"),
            Self::EmptyPatch => (K::Invalid, "EMPTY_PATCH"),
            Self::NumberRequired => (K::Invalid, "NUMBER_REQUIRED"),
            Self::NumberMismatch => (K::Invalid, "NUMBER_MISMATCH"),
            Self::IdempotencyKeyInvalid => (K::Invalid, "IDEMPOTENCY_KEY_INVALID"),
            Self::Unauthenticated => (K::Unauthenticated, "UNAUTHORIZED"),
            Self::TenantScopeNotAllowed => (K::Forbidden, "TENANT_SCOPE_NOT_ALLOWED"),
            Self::NumberScopeNotAllowed => (K::Forbidden, "NUMBER_SCOPE_NOT_ALLOWED"),
            Self::NumberNotFound => (K::NotFound, "NUMBER_NOT_FOUND"),
            Self::WebhookNotFound => (K::NotFound, "WEBHOOK_NOT_FOUND"),
            Self::DeliveryNotFound => (K::NotFound, "DELIVERY_NOT_FOUND"),
            Self::MessageNotFound => (K::NotFound, "MESSAGE_NOT_FOUND"),
            Self::EventNotFound => (K::NotFound, "EVENT_NOT_FOUND"),
            Self::WrongPhoneNotAsked => (K::Conflict, "WRONG_PHONE_NOT_ASKED"),
            Self::HelperNotAllowed => (K::Forbidden, "HELPER_NOT_ALLOWED"),
            Self::PairingLinkNotFound => (K::NotFound, "PAIRING_LINK_NOT_FOUND"),
            Self::PairingLinkInvalid(_) => (K::NotFound, "REMOTE_PAIRING_INVALID"),
            Self::NumberAlreadyActive => (K::Conflict, "NUMBER_ALREADY_ACTIVE"),
            Self::NumberSoftDeleted => (K::Conflict, "NUMBER_SOFT_DELETED"),
            Self::WebhookInactive => (K::Conflict, "WEBHOOK_INACTIVE"),
            Self::DeliveryPending => (K::Conflict, "DELIVERY_PENDING"),
            Self::NumberAlreadyConnected => (K::Conflict, "NUMBER_ALREADY_CONNECTED"),
            Self::PasskeyNotRequested => (K::Conflict, "PASSKEY_NOT_REQUESTED"),
            Self::PasskeyRefused => (K::Conflict, "PASSKEY_REFUSED"),
            Self::NotConnected => (K::Conflict, "WHATSAPP_INSTANCE_NOT_CONNECTED"),
            Self::RateLimited { .. } => (K::Throttled, "RATE_LIMITED"),
            Self::QueueFull => (K::Throttled, "QUEUE_FULL"),
            Self::IdempotencyKeyReused => (K::Conflict, "IDEMPOTENCY_KEY_REUSED"),
            Self::IdempotencyKeyInUse => (K::Conflict, "IDEMPOTENCY_KEY_IN_USE"),
            Self::NotSupportedForMeta(_) => (K::Invalid, "NOT_SUPPORTED_FOR_META"),
            Self::NumberAlreadyOfficial => (K::Conflict, "NUMBER_ALREADY_OFFICIAL"),
            Self::MetaCredentialsInvalid(_) => (K::Invalid, "META_CREDENTIALS_INVALID"),
            Self::MetaPermissionMissing(_) => (K::Invalid, "META_PERMISSION_MISSING"),
            Self::MetaNumberMismatch(_) => (K::Invalid, "META_NUMBER_MISMATCH"),
            Self::MetaPinMismatch => (K::Invalid, "META_PIN_MISMATCH"),
            Self::MetaNumberNotVerified => (K::Invalid, "META_NUMBER_NOT_VERIFIED"),
            Self::MetaCallbackUnreachable => (K::Invalid, "META_CALLBACK_UNREACHABLE"),
            Self::MetaRefused(_) => (K::Invalid, "META_REFUSED"),
            Self::ProviderNotConfigured(_) => (K::Unavailable, "PROVIDER_NOT_CONFIGURED"),
            Self::MetaSignatureInvalid => (K::Unauthenticated, "META_SIGNATURE_INVALID"),
            Self::MetaVerifyTokenInvalid => (K::Forbidden, "META_VERIFY_TOKEN_INVALID"),
            Self::MetaSignupStateInvalid => (K::Conflict, "META_SIGNUP_STATE_INVALID"),
            Self::MediaNotFound => (K::NotFound, "MEDIA_NOT_FOUND"),
            Self::TemplateNotFound => (K::NotFound, "TEMPLATE_NOT_FOUND"),
            Self::TemplateNameTaken => (K::Conflict, "TEMPLATE_NAME_TAKEN"),
            Self::MissingTemplateVariables(_) => (K::Invalid, "MISSING_TEMPLATE_VARIABLES"),
            Self::Reconnecting | Self::MetaUnavailable | Self::UpstreamError => {
                (K::Unavailable, "UPSTREAM_ERROR")
            }
            Self::NoAnswer | Self::MetaTimeout | Self::UpstreamTimeout => {
                (K::Unavailable, "UPSTREAM_TIMEOUT")
            }
        }
    }

    /// Every code, for the test that holds `docs/errors.md` against them.
    pub fn codes() -> Vec<&'static str> {
        Self::all().iter().map(Self::code).collect()
    }

    /// One of each, for the OpenAPI document.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Validation(String::new()),
            Self::NotSupported(String::new()),
            Self::InvalidDateRange(""),
            Self::EmptyPatch,
            Self::NumberRequired,
            Self::NumberMismatch,
            Self::IdempotencyKeyInvalid,
            Self::Unauthenticated,
            Self::TenantScopeNotAllowed,
            Self::NumberScopeNotAllowed,
            Self::NumberNotFound,
            Self::WebhookNotFound,
            Self::DeliveryNotFound,
            Self::MessageNotFound,
            Self::EventNotFound,
            Self::NumberAlreadyActive,
            Self::NumberSoftDeleted,
            Self::WebhookInactive,
            Self::DeliveryPending,
            Self::NumberAlreadyConnected,
            Self::PasskeyNotRequested,
            Self::PasskeyRefused,
            Self::WrongPhoneNotAsked,
            Self::HelperNotAllowed,
            Self::PairingLinkNotFound,
            Self::PairingLinkInvalid(DeadLink::Unknown),
            Self::NotConnected,
            Self::NoAnswer,
            Self::RateLimited { retry_after_seconds: 1 },
            Self::QueueFull,
            Self::IdempotencyKeyReused,
            Self::IdempotencyKeyInUse,
            Self::NotSupportedForMeta(""),
            Self::NumberAlreadyOfficial,
            Self::MetaCredentialsInvalid(String::new()),
            Self::MetaPermissionMissing(String::new()),
            Self::MetaNumberMismatch(String::new()),
            Self::MetaPinMismatch,
            Self::MetaNumberNotVerified,
            Self::MetaCallbackUnreachable,
            Self::MetaRefused(String::new()),
            Self::MetaUnavailable,
            Self::MetaTimeout,
            Self::ProviderNotConfigured(""),
            Self::MetaSignatureInvalid,
            Self::MetaVerifyTokenInvalid,
            Self::MetaSignupStateInvalid,
            Self::MediaNotFound,
            Self::TemplateNotFound,
            Self::TemplateNameTaken,
            Self::MissingTemplateVariables(String::new()),
            Self::Reconnecting,
            Self::UpstreamError,
            Self::UpstreamTimeout,
        ]
    }
}

impl AppError {
    /// The kind.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Busy(_) => ErrorKind::Unavailable,
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Busy(_) => "BUSY",
            Self::Internal(_) => "INTERNAL",
        }
    }

    pub(crate) fn invalid(sentence: impl Into<String>) -> Self {
        Self::Refused(Refusal::Validation(sentence.into()))
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(_) => Self::Busy(Box::new(error)),
            StoreError::Broken(_)
            | StoreError::Inconsistent { .. }
            | StoreError::Migrate(_)
            | StoreError::Sealed(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<StartError> for AppError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Gone => Refusal::NumberNotFound.into(),
            StartError::AlreadyOpen => Refusal::NumberAlreadyConnected.into(),
            StartError::Reconnecting => Refusal::Reconnecting.into(),
            StartError::Stopping | StartError::Open(OpenError::Busy(_)) => {
                Self::Busy(Box::new(error))
            }
            StartError::Open(OpenError::NoSession | OpenError::Build(_)) => {
                Self::Internal(Box::new(error))
            }
            StartError::Store(error) => error.into(),
        }
    }
}
