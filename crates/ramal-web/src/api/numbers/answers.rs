//! What the number endpoints answer, as types: the OpenAPI document is generated from them.

use ramal_app::{
    AppError, Changed, Checked, Codes, Created, LiveState, NumberSettings, NumberView,
    OfficialView, SettingsSync,
};
use ramal_domain::{CloseReason, Link, Provider, Timestamp, WireState};
use ramal_store::Number;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    QrPicture,
    api::{official::OnboardingStep, pairing::ActionRequired},
};

/// What the contract's `integration` says of a number.
const fn integration(provider: Provider) -> &'static str {
    match provider {
        Provider::Web => "WHATSAPP-WEB",
        Provider::Meta => "WHATSAPP-BUSINESS",
    }
}

/// The state of a link, as the API prints it. Only `OPEN` sends.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum LinkState {
    /// Ready to send.
    Open,
    /// On its way.
    Connecting,
    /// Not connected.
    Close,
}

impl From<Link> for LinkState {
    fn from(link: Link) -> Self {
        match link.wire() {
            WireState::Open => Self::Open,
            WireState::Connecting => Self::Connecting,
            WireState::Close => Self::Close,
        }
    }
}

/// One session of a number.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkInfo {
    state: LinkState,
    /// Since when it is open; null when it is not.
    #[schema(required = true, format = DateTime)]
    connected_at: Option<String>,
}

impl LinkInfo {
    /// Of a number that is not there yet.
    pub(crate) const fn closed() -> Self {
        Self { state: LinkState::Close, connected_at: None }
    }
}

impl From<&Number> for LinkInfo {
    fn from(number: &Number) -> Self {
        let open = number.link == Link::Open;
        let connected_at = open.then_some(number.connected_at).flatten();
        Self { state: number.link.into(), connected_at: time(connected_at) }
    }
}

/// The keys that list, detail and `instance` share.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberSummary {
    #[schema(example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    /// Digits of E.164, without `+`.
    #[schema(example = "5511999999999")]
    number: String,
    name: String,
    #[schema(example = "PILOT_STATUS")]
    provider: &'static str,
    state: LinkState,
    is_fully_connected: bool,
    primary_link: LinkInfo,
    /// Always null: one session per number.
    #[schema(required = true)]
    secondary_link: Option<LinkInfo>,
    /// Why it is not open, such as `LOGGED_OUT`; see docs/errors.md. Null when it is open or pairing.
    #[schema(required = true)]
    state_reason: Option<&'static str>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<&Number> for NumberSummary {
    fn from(number: &Number) -> Self {
        let open = number.link == Link::Open;
        Self {
            id: number.id.to_string(),
            number: number.phone.digits().to_owned(),
            name: number.name.clone(),
            provider: number.provider.name(),
            state: number.link.into(),
            is_fully_connected: open,
            primary_link: number.into(),
            secondary_link: None,
            state_reason: number.link.reason().map(CloseReason::code),
            created_at: number.created_at.to_string(),
            updated_at: number.updated_at.to_string(),
        }
    }
}

/// The opaque name of a number's session.
pub(crate) fn instance_name(number: &Number) -> String {
    format!("{}-{}", number.tenant, number.phone.digits())
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A number as creation answers it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewInstance {
    #[serde(flatten)]
    number: NumberSummary,
    tenant_id: String,
    instance_name: String,
    display_name: String,
    status: LinkState,
    quality: &'static str,
    integration: &'static str,
}

impl From<&Number> for NewInstance {
    fn from(number: &Number) -> Self {
        Self {
            number: number.into(),
            tenant_id: number.tenant.to_string(),
            instance_name: instance_name(number),
            display_name: number.name.clone(),
            status: number.link.into(),
            quality: "UNKNOWN",
            integration: integration(number.provider),
        }
    }
}

/// A key, as lists of numbers show it: never its id.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyHint {
    name: String,
    #[schema(example = "ps_abcd")]
    key_prefix: String,
    #[schema(example = "wxyz")]
    key_last4: String,
}

/// A number in the list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberListItem {
    #[serde(flatten)]
    number: NumberSummary,
    instance_name: String,
    api_keys: Vec<KeyHint>,
    /// The last proven round trip to WhatsApp; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_validated_at: Option<String>,
    /// Official numbers only; absent on others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    coexistence: Option<Coexistence>,
    /// Always null: nothing is ever owed here.
    #[schema(required = true)]
    extra_charge_unpaid_since: Option<String>,
    /// Always null: nothing is ever owed here.
    #[schema(required = true)]
    extra_charge_disconnect_at: Option<String>,
}

impl From<&NumberView> for NumberListItem {
    fn from(view: &NumberView) -> Self {
        let number = &view.number;
        let hint = |key: &ramal_store::Key| KeyHint {
            name: key.name.clone(),
            key_prefix: key.prefix.clone(),
            key_last4: key.last4.clone(),
        };
        Self {
            number: number.into(),
            instance_name: instance_name(number),
            api_keys: view.keys.iter().map(hint).collect(),
            last_validated_at: time(number.checked_at),
            coexistence: view.official.as_ref().map(Into::into),
            extra_charge_unpaid_since: None,
            extra_charge_disconnect_at: None,
        }
    }
}

/// Where each group of settings takes effect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AppliesTo {
    history: &'static str,
    advanced: &'static str,
    sending: &'static str,
}

/// A number's settings. Null means: never set, the provider's default applies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "independent switches that the contract names")]
struct Settings {
    history_import_enabled: bool,
    webhook_historical_messages: bool,
    ignore_newsletters: bool,
    mark_read_on_send: bool,
    #[schema(required = true)]
    always_online: Option<bool>,
    #[schema(required = true)]
    reject_call: Option<bool>,
    #[schema(required = true)]
    msg_reject_call: Option<String>,
    #[schema(required = true)]
    read_messages: Option<bool>,
    #[schema(required = true)]
    ignore_groups: Option<bool>,
    #[schema(required = true)]
    ignore_status: Option<bool>,
    /// An extension of ours.
    #[schema(required = true)]
    messages_per_minute: Option<u32>,
    applies_to: AppliesTo,
}

impl Settings {
    fn of(settings: &NumberSettings, provider: Provider) -> Self {
        let (advanced, sending) = match provider {
            Provider::Web => ("evolution-go", "none"),
            Provider::Meta => ("none", "meta"),
        };
        Self {
            history_import_enabled: settings.history_import_enabled,
            webhook_historical_messages: settings.webhook_historical_messages,
            ignore_newsletters: settings.ignore_newsletters,
            mark_read_on_send: settings.mark_read_on_send,
            always_online: settings.always_online,
            reject_call: settings.reject_call,
            msg_reject_call: settings.msg_reject_call.clone(),
            read_messages: settings.read_messages,
            ignore_groups: settings.ignore_groups,
            ignore_status: settings.ignore_status,
            messages_per_minute: settings.messages_per_minute,
            applies_to: AppliesTo { history: "all", advanced, sending },
        }
    }
}

/// Whether a number can send, and what to do when it cannot. The first four are of official numbers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    #[schema(required = true)]
    quality_rating: Option<String>,
    #[schema(required = true)]
    messaging_limit_tier: Option<String>,
    #[schema(required = true)]
    portfolio_messaging_limit_tier: Option<String>,
    #[schema(required = true)]
    meta_status: Option<String>,
    #[schema(required = true)]
    code: Option<&'static str>,
    #[schema(required = true)]
    reason: Option<&'static str>,
    sendable: bool,
    /// Until when WhatsApp restricts the account, if it says so. An extension of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    restricted_until: Option<String>,
}

impl Health {
    fn of(number: &Number, official: Option<&OfficialView>) -> Self {
        // Why it is closed comes first; what is wrong with it outlives that, until it has been open
        // for a while.
        let (code, reason) = match (number.link, number.illness) {
            (Link::Open | Link::Pairing | Link::Resuming { .. }, Some(ill)) => {
                (Some(ill.ailment.code()), Some(ill.ailment.explain()))
            }
            (link, _) => {
                let reason = link.reason();
                (reason.map(CloseReason::code), reason.map(CloseReason::explain))
            }
        };
        Self {
            quality_rating: official.and_then(OfficialView::quality_rating),
            messaging_limit_tier: official.and_then(OfficialView::messaging_limit_tier),
            portfolio_messaging_limit_tier: official.and_then(OfficialView::portfolio_limit_tier),
            meta_status: official.and_then(OfficialView::meta_status),
            code,
            reason,
            sendable: number.link == Link::Open,
            restricted_until: time(number.illness.and_then(|ill| ill.until)),
        }
    }
}

/// Whether the WhatsApp Business app has an official number too.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Coexistence {
    /// `CONFIRMED`, `LIKELY`, `NO` or `UNKNOWN`.
    #[schema(example = "NO")]
    status: &'static str,
    /// `meta_is_on_biz_app`, `history_sync` or `phone_fields`; null when nothing is known.
    #[schema(required = true)]
    evidence: Option<&'static str>,
}

impl From<&OfficialView> for Coexistence {
    fn from(official: &OfficialView) -> Self {
        let (status, evidence) = official.coexistence();
        Self { status, evidence }
    }
}

/// What Meta says of an official number, in camel case. Never a secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MetaDetail {
    phone_number_id: String,
    waba_id: String,
    #[schema(required = true)]
    app_id: Option<String>,
    /// When the access token ends; null: never, or not known.
    #[schema(required = true, format = DateTime)]
    token_expires_at: Option<String>,
    /// When Meta was last asked.
    #[schema(required = true, format = DateTime)]
    checked_at: Option<String>,
    /// The number, such as `verifiedName`, `platformType`, `isOnBizApp`.
    #[schema(required = true, value_type = Option<Object>)]
    phone: Value,
    /// Its business profile.
    #[schema(required = true, value_type = Option<Object>)]
    profile: Value,
    /// Its account.
    #[schema(required = true, value_type = Option<Object>)]
    waba: Value,
}

impl From<&OfficialView> for MetaDetail {
    fn from(official: &OfficialView) -> Self {
        let part = |name: &str| official.snapshot.get(name).cloned().unwrap_or(Value::Null);
        Self {
            phone_number_id: official.phone_id.clone(),
            waba_id: official.waba_id.clone(),
            app_id: official.app_id.clone(),
            token_expires_at: time(official.token_expires_at),
            checked_at: time(official.looked_at),
            phone: part("phone"),
            profile: part("profile"),
            waba: part("waba"),
        }
    }
}

fn onboarding(official: &OfficialView) -> Vec<OnboardingStep> {
    official.onboarding.iter().map(Into::into).collect()
}

/// One number, with its settings and health.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberDetail {
    #[serde(flatten)]
    number: NumberSummary,
    #[schema(example = "STORE_INDEFINITE")]
    pii_mode: String,
    #[schema(required = true)]
    pii_retention_days: Option<i64>,
    settings: Settings,
    health: Health,
    /// What a person must do before the pairing goes on; absent when there is nothing. An extension
    /// of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    action_required: Option<ActionRequired>,
    /// What Meta says of an official number; null on others.
    #[schema(required = true)]
    meta: Option<MetaDetail>,
    /// Official numbers only; null on others.
    #[schema(required = true)]
    coexistence: Option<Coexistence>,
    /// How far the onboarding of an official number has come; absent on others. An extension of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    onboarding: Option<Vec<OnboardingStep>>,
    /// Always null: nothing is ever owed here.
    #[schema(required = true)]
    extra_charge_unpaid_since: Option<String>,
    /// Always null: nothing is ever owed here.
    #[schema(required = true)]
    extra_charge_disconnect_at: Option<String>,
}

impl From<&NumberView> for NumberDetail {
    fn from(view: &NumberView) -> Self {
        let number = &view.number;
        Self {
            number: number.into(),
            pii_mode: number.pii_mode.clone(),
            pii_retention_days: number.pii_retention_days,
            settings: Settings::of(&view.settings, number.provider),
            health: Health::of(number, view.official.as_ref()),
            action_required: view.action.as_ref().map(Into::into),
            meta: view.official.as_ref().map(Into::into),
            coexistence: view.official.as_ref().map(Into::into),
            onboarding: view.official.as_ref().map(onboarding),
            extra_charge_unpaid_since: None,
            extra_charge_disconnect_at: None,
        }
    }
}

/// What to show the person who owns the phone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PairingCodes {
    /// A PNG as a data URI.
    #[schema(example = "data:image/png;base64,iVBORw0KGgo…")]
    qrcode_base64: String,
    /// What to type on the phone instead of scanning, when WhatsApp gave one.
    #[schema(required = true, example = "ABCD-1234")]
    pairing_code: Option<String>,
    pairing: PairingClocks,
}

/// Our extension: the text inside the picture, and the clocks of both codes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PairingClocks {
    qr_text: String,
    #[schema(format = DateTime)]
    issued_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    /// When the last code of this attempt dies: ask for a new attempt then.
    #[schema(format = DateTime)]
    window_ends_at: String,
    sequence: u32,
    #[schema(required = true, format = DateTime)]
    pairing_code_expires_at: Option<String>,
}

impl PairingCodes {
    pub(crate) fn draw(codes: &Codes) -> Result<Self, AppError> {
        let picture =
            QrPicture::draw(&codes.qr.text).map_err(|error| AppError::Internal(Box::new(error)))?;
        let (code, code_expires_at) = codes.pairing_code.clone().unzip();
        Ok(Self {
            qrcode_base64: picture.data_uri(),
            pairing_code: code,
            pairing: PairingClocks {
                qr_text: codes.qr.text.clone(),
                issued_at: codes.qr.issued_at.to_string(),
                expires_at: codes.qr.expires_at.to_string(),
                window_ends_at: codes.window_ends_at.to_string(),
                sequence: codes.qr.sequence,
                pairing_code_expires_at: time(code_expires_at),
            },
        })
    }
}

/// The codes of one session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LinkCodes {
    qrcode_base64: String,
    #[schema(required = true)]
    pairing_code: Option<String>,
}

/// A number that was just created, with the codes that pair it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedNumber {
    instance: NewInstance,
    #[serde(flatten)]
    codes: PairingCodes,
    /// The calling key, when it moved to the new number; null with the tenant's key.
    #[schema(required = true)]
    linked_api_key_id: Option<String>,
    primary_link: LinkCodes,
    /// Always null: one session per number.
    #[schema(required = true)]
    secondary_link: Option<LinkCodes>,
}

impl CreatedNumber {
    pub(super) fn draw(created: &Created) -> Result<Self, AppError> {
        let codes = PairingCodes::draw(&created.codes)?;
        let primary_link = LinkCodes {
            qrcode_base64: codes.qrcode_base64.clone(),
            pairing_code: codes.pairing_code.clone(),
        };
        Ok(Self {
            instance: (&created.number).into(),
            codes,
            linked_api_key_id: created.linked_key.map(|id| id.to_string()),
            primary_link,
            secondary_link: None,
        })
    }
}

/// The state of a number's link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberStatus {
    id: String,
    state: LinkState,
    is_fully_connected: bool,
    #[schema(required = true)]
    state_reason: Option<&'static str>,
    /// What a person must do before the pairing goes on; absent when there is nothing. An extension
    /// of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    action_required: Option<ActionRequired>,
    /// False: a live reading, with `checkedAt`. True: remembered, with `lastKnownAt`.
    stale: bool,
    /// With a live reading only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    checked_at: Option<String>,
    /// With a remembered one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_known_at: Option<String>,
}

impl From<&LiveState> for NumberStatus {
    fn from(live: &LiveState) -> Self {
        let number = &live.number;
        let known_at = number.checked_at.unwrap_or(number.link_since);
        Self {
            id: number.id.to_string(),
            state: number.link.into(),
            is_fully_connected: number.link == Link::Open,
            state_reason: number.link.reason().map(CloseReason::code),
            action_required: live.action.as_ref().map(Into::into),
            stale: live.checked_at.is_none(),
            // Of an official number nothing is probed: what is known holds (contract C.4).
            checked_at: time(live.checked_at).filter(|_| number.provider == Provider::Web),
            last_known_at: live.checked_at.is_none().then(|| known_at.to_string()),
        }
    }
}

/// What became of settings on the number's session.
#[derive(Debug, Serialize, ToSchema)]
struct Sync {
    /// Sessions that have them.
    applied: u32,
    /// Sessions that could not take them; they will at the next connection.
    failed: u32,
    /// Sessions that are not connected; they will have them when they are.
    skipped: u32,
}

impl From<SettingsSync> for Sync {
    fn from(sync: SettingsSync) -> Self {
        Self { applied: sync.applied, failed: sync.failed, skipped: sync.skipped }
    }
}

/// A number after a change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedNumber {
    #[serde(flatten)]
    number: NumberDetail,
    /// Absent when nothing was to be told to the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    settings_sync: Option<Sync>,
}

impl From<&Changed> for ChangedNumber {
    fn from(changed: &Changed) -> Self {
        Self { number: (&changed.view).into(), settings_sync: changed.sync.map(Into::into) }
    }
}

/// What WhatsApp says of a phone number.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedNumber {
    /// As it was asked for.
    input: String,
    exists: bool,
    /// The registered digits; null when there is no such account.
    #[schema(required = true, example = "551167435133")]
    number: Option<String>,
    /// A business's verified name; null when there is none.
    #[schema(required = true)]
    name: Option<String>,
}

impl From<&Checked> for CheckedNumber {
    fn from(checked: &Checked) -> Self {
        let registered = checked.registered.as_ref();
        Self {
            input: checked.input.clone(),
            exists: registered.is_some(),
            number: registered.map(|found| found.phone.digits().to_owned()),
            name: registered.and_then(|found| found.name.clone()),
        }
    }
}

/// What WhatsApp says of phone numbers, in the order in which they were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedNumbers {
    pub(super) results: Vec<CheckedNumber>,
}

/// A number that is back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestoredNumber {
    pub(super) ok: bool,
    /// Always: it comes back disconnected.
    pub(super) requires_reconnect: bool,
}

/// A removed number.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RemovedNumber {
    pub(super) ok: bool,
    /// Until when its phone number is held.
    #[schema(format = DateTime)]
    pub(super) restorable_until: String,
}

/// Nothing is ever owed here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Paid {
    pub(super) ok: bool,
    #[schema(example = "not_required")]
    pub(super) status: &'static str,
}
