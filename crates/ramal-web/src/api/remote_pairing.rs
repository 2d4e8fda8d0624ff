//! `/v1/remote-pairing/{token}` (contract F.2): what a pairing link's page asks for. Public: the token
//! is the credential.

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use ramal_app::{
    AppError, CreateNumber, CreatedPairingLink, CreatedSignupLink, DeadLink, LinkOptions, LinkView,
    LiveLink, LiveSignup, NewPairingLink, NewSignupLink, Refusal, Sending, SignupFlow, SignupLink,
};
use ramal_domain::{Link, Provider, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Done,
    numbers::{LinkInfo, LinkState, NewInstance, PairingCodes, SettingsChange},
    pairing::{PairingEvent, PasskeyBody, WrongPhoneBody, stream},
};
use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{Authenticated, Path},
    idempotent::{self, Request},
};

/// How many links are listed.
const LISTED: usize = 200;

/// What needs no key.
pub(crate) fn public_router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(info))
        .routes(routes!(status))
        .routes(routes!(connect))
        .routes(routes!(events))
        .routes(routes!(answer_wrong_phone))
        .routes(routes!(answer_passkey))
        .routes(routes!(confirm_passkey))
        .routes(routes!(helper))
}

/// What needs one.
pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(renew))
        .routes(routes!(list))
        .routes(routes!(revoke))
}

/// A number to be created, and the link by which its owner connects it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatePairingLink)]
struct CreateBody {
    /// The display name. Required with `PILOT_STATUS`; with `META`, as Meta calls it when absent.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    name: Option<String>,
    /// E.164, with or without `+`. Required with `PILOT_STATUS`; with `META`, the person says which.
    #[schema(nullable = false, pattern = "^\\+?[1-9][0-9]{9,14}$", example = "+5511999999999")]
    number: Option<String>,
    /// `PILOT_STATUS` or `META`.
    #[schema(example = "PILOT_STATUS")]
    provider: Option<String>,
    /// With `META`: `embedded` (Meta's Embedded Signup, the default) or `credentials` (the person types
    /// those of their own app).
    #[schema(example = "embedded")]
    meta_flow: Option<String>,
    /// As for creating a number.
    #[schema(default = true)]
    link_to_api_key: Option<bool>,
    #[schema(value_type = Option<SettingsChange>)]
    #[serde(default, deserialize_with = "crate::body::object")]
    settings: Option<ramal_app::SettingsPatch>,
    /// Sends the link to that number, from the first connected number of yours.
    #[schema(default = false)]
    send_via_whats_app: Option<bool>,
    /// How the page looks: `logoUrl`, `primaryColor`, `backgroundColor`, `companyName`, `subtitle`,
    /// `supportUrl`, `defaultRedirectUrl`, `hidePilotStatusBranding`.
    #[schema(value_type = Option<Object>)]
    branding: Option<Map<String, Value>>,
    /// The same under its other name.
    #[schema(value_type = Option<Object>)]
    branding_override: Option<Map<String, Value>>,
    /// Where the page goes after success; https.
    #[schema(max_length = 2048, example = "https://acme.com/connected")]
    redirect_url: Option<String>,
    /// Your own reference, given back as it is.
    #[schema(max_length = 255)]
    external_ref: Option<String>,
    /// `pt-BR`, `en` or `es`; the browser's when absent.
    #[schema(example = "pt-BR")]
    language: Option<String>,
    /// What to do when another phone scans than the number's: `reject` (unlink it), `adopt` (take its
    /// phone number) or `ask`; as your branding settings say when absent.
    #[schema(example = "reject")]
    wrong_phone_policy: Option<String>,
}

impl CreateBody {
    /// A link that pairs a phone.
    fn pairing(self) -> Result<NewPairingLink, ApiError> {
        if self.meta_flow.is_some() {
            return Err(ApiError::invalid("metaFlow goes with provider META"));
        }
        let missing = |field: &str| ApiError::invalid(format!("missing field `{field}`"));
        let (name, number, link_to_api_key, settings, link) = self.parts();
        let number = CreateNumber {
            name: name.ok_or_else(|| missing("name"))?,
            number: number.ok_or_else(|| missing("number"))?,
            link_to_api_key,
            settings,
        };
        Ok(NewPairingLink { number, link })
    }

    /// A link that connects an official number.
    fn signup(mut self) -> Result<NewSignupLink, ApiError> {
        let flow = self.meta_flow.take();
        let flow = flow.as_deref().map_or(Ok(SignupFlow::Embedded), str::parse);
        let flow = flow.map_err(|error| ApiError::invalid(format!("metaFlow {error}")))?;
        if self.send_via_whats_app == Some(true) {
            let sentence = "sendViaWhatsApp needs a number to send to: with META there is none yet";
            return Err(ApiError::invalid(sentence));
        }
        let (name, _number, link_to_api_key, settings, link) = self.parts();
        Ok(NewSignupLink { flow, name, link_to_api_key, settings, link })
    }

    fn parts(
        self,
    ) -> (Option<String>, Option<String>, bool, ramal_app::SettingsPatch, LinkOptions) {
        let link = LinkOptions {
            send_via_whatsapp: self.send_via_whats_app.unwrap_or(false),
            language: self.language,
            branding: self.branding.or(self.branding_override).unwrap_or_default(),
            redirect_url: self.redirect_url,
            external_ref: self.external_ref,
            wrong_phone_policy: self.wrong_phone_policy,
        };
        let linked = self.link_to_api_key.unwrap_or(true);
        (self.name, self.number, linked, self.settings.unwrap_or_default(), link)
    }
}

/// A link to be created for a number that is there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RenewPairingLink)]
struct LinkBody {
    /// Sends the link to that number, from the first connected number of yours.
    #[schema(default = false)]
    send_via_whats_app: Option<bool>,
    /// How the page looks: `logoUrl`, `primaryColor`, `backgroundColor`, `companyName`, `subtitle`,
    /// `supportUrl`, `defaultRedirectUrl`, `hidePilotStatusBranding`.
    #[schema(value_type = Option<Object>)]
    branding: Option<Map<String, Value>>,
    /// The same under its other name.
    #[schema(value_type = Option<Object>)]
    branding_override: Option<Map<String, Value>>,
    /// Where the page goes after success; https.
    #[schema(max_length = 2048, example = "https://acme.com/connected")]
    redirect_url: Option<String>,
    /// Your own reference, given back as it is.
    #[schema(max_length = 255)]
    external_ref: Option<String>,
    /// `pt-BR`, `en` or `es`; the browser's when absent.
    #[schema(example = "pt-BR")]
    language: Option<String>,
    /// What to do when another phone scans than the number's: `reject` (unlink it), `adopt` (take its
    /// phone number) or `ask`; as your branding settings say when absent.
    #[schema(example = "reject")]
    wrong_phone_policy: Option<String>,
}

impl From<LinkBody> for LinkOptions {
    fn from(body: LinkBody) -> Self {
        Self {
            send_via_whatsapp: body.send_via_whats_app.unwrap_or(false),
            language: body.language,
            branding: body.branding.or(body.branding_override).unwrap_or_default(),
            redirect_url: body.redirect_url,
            external_ref: body.external_ref,
            wrong_phone_policy: body.wrong_phone_policy,
        }
    }
}

/// A link that was just created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedPairingLink)]
struct CreatedLink {
    #[schema(example = "PILOT_STATUS")]
    provider: &'static str,
    /// The number, not connected.
    instance: NewInstance,
    number_id: String,
    /// The link's secret: shown here and nowhere else.
    remote_pairing_token: String,
    /// What to send to the person who owns the phone.
    remote_pairing_url: String,
    #[schema(example = "+551199****9999")]
    masked_number: String,
    /// Whether the link is on its way by WhatsApp.
    message_sent: bool,
    /// Why it is not, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    external_ref: Option<String>,
    /// The calling key, when it moved to the new number; null with the tenant's key.
    #[schema(required = true)]
    linked_api_key_id: Option<String>,
}

impl From<&CreatedPairingLink> for CreatedLink {
    fn from(created: &CreatedPairingLink) -> Self {
        let nobody = created.sending == Some(Sending::NobodyToSend);
        Self {
            provider: "PILOT_STATUS",
            instance: (&created.number).into(),
            number_id: created.number.id.to_string(),
            remote_pairing_token: created.token.expose().to_owned(),
            remote_pairing_url: created.url.clone(),
            masked_number: created.number.phone.masked(),
            message_sent: created.sending == Some(Sending::Queued),
            message_error: nobody.then_some("none of your numbers is connected to send it from"),
            external_ref: created.external_ref.clone(),
            linked_api_key_id: created.linked_key.map(|id| id.to_string()),
        }
    }
}

/// A link by which a person connects an official number: which one is known afterwards.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedSignupLink)]
struct CreatedSignup {
    #[schema(example = "META")]
    provider: &'static str,
    /// `embedded` or `credentials`.
    meta_flow: &'static str,
    /// Always null: the person chooses the number. `number.created` tells its id.
    #[schema(required = true, value_type = Option<Object>)]
    instance: Option<()>,
    /// Always null, likewise.
    #[schema(required = true)]
    number_id: Option<String>,
    link_id: String,
    /// The link's secret: shown here and nowhere else.
    remote_pairing_token: String,
    /// What to send to the person.
    remote_pairing_url: String,
    #[schema(required = true)]
    masked_number: Option<String>,
    message_sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    external_ref: Option<String>,
    /// The key that will move to the new number; null with the tenant's key.
    #[schema(required = true)]
    linked_api_key_id: Option<String>,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<&CreatedSignupLink> for CreatedSignup {
    fn from(created: &CreatedSignupLink) -> Self {
        let link = &created.link;
        Self {
            provider: Provider::Meta.name(),
            meta_flow: link.flow.name(),
            instance: None,
            number_id: None,
            link_id: link.id.to_string(),
            remote_pairing_token: created.token.expose().to_owned(),
            remote_pairing_url: created.url.clone(),
            masked_number: None,
            message_sent: false,
            external_ref: link.external_ref.clone(),
            linked_api_key_id: link.key.map(|key| key.to_string()),
            expires_at: link.expires_at.to_string(),
        }
    }
}

/// What creating a link answers: with `META` the second.
#[derive(ToSchema)]
#[schema(as = CreatedAnyLink)]
#[serde(untagged)]
#[expect(dead_code, clippy::large_enum_variant, reason = "the shape is for the document only")]
enum CreatedAny {
    Pairing(CreatedLink),
    Signup(CreatedSignup),
}

/// Creates a number, not connected, and a link by which its owner connects it.
///
/// The link is good for 24 hours and one connection. With `provider: "META"` there is no number yet: the
/// person chooses it.
#[utoipa::path(
    post,
    path = "/numbers/remote-pairing",
    operation_id = "createPairingLink",
    tag = "remote-pairing",
    params(("idempotency-key" = Option<String>, Header, description = "Makes a repeat safe for a day", min_length = 1, max_length = 255, nullable = false)),
    request_body(content = CreateBody, example = json!({"name": "Support", "number": "+5511999999999"})),
    responses((status = 201, description = "Created; send the link", body = CreatedAny, headers(("idempotent-replayed" = String, description = "`true` when the answer is a stored one")))),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_ALREADY_ACTIVE", "NUMBER_SOFT_DELETED", "IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE", "PROVIDER_NOT_CONFIGURED"]))),
)]
async fn create(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: http::HeaderMap,
    body: Body<CreateBody>,
) -> Result<Response, ApiError> {
    let Body { value, raw } = body;
    let provider = value.provider.as_deref().map(str::parse::<Provider>).transpose();
    let provider = provider.map_err(|error| ApiError::invalid(error.to_string()))?;
    let operation = "numbers.remote-pairing";
    let request = Request { caller: &caller, operation, headers: &headers, body: &raw };
    let (app, creator) = (web.app.clone(), caller.clone());
    if provider == Some(Provider::Meta) {
        let wish = value.signup()?;
        let work = move |claimed| async move {
            let memo = idempotent::memo(claimed, signup_answer);
            signup_answer(&app.create_signup_link(&creator, wish, memo).await?)
        };
        return idempotent::answer(&web.app, request, work).await;
    }
    let wish = value.pairing()?;
    let work = move |claimed| async move {
        let memo = idempotent::memo(claimed, created_answer);
        created_answer(&app.create_pairing_link(&creator, wish, memo).await?)
    };
    idempotent::answer(&web.app, request, work).await
}

fn created_answer(created: &CreatedPairingLink) -> Result<(StatusCode, Value), AppError> {
    Ok((StatusCode::CREATED, idempotent::print(&CreatedLink::from(created))?))
}

fn signup_answer(created: &CreatedSignupLink) -> Result<(StatusCode, Value), AppError> {
    Ok((StatusCode::CREATED, idempotent::print(&CreatedSignup::from(created))?))
}

/// Creates a link for a number that is there and not connected. The one that it had dies.
#[utoipa::path(
    post,
    path = "/numbers/{id}/remote-pairing",
    operation_id = "renewPairingLink",
    tag = "remote-pairing",
    params(("id" = String, Path, description = "The number's id", example = "wa_01kdhz4q6yf5svj7g2m9n3t8xw")),
    request_body(content = LinkBody, example = json!({"language": "pt-BR"})),
    responses((status = 201, description = "Created; send the link", body = CreatedLink)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_NOT_FOUND", "NUMBER_ALREADY_CONNECTED", "NOT_SUPPORTED_FOR_META"]))),
)]
async fn renew(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<LinkBody>,
) -> Result<(StatusCode, Json<CreatedLink>), ApiError> {
    let created = web.app.renew_pairing_link(&caller, &id, body.value.into()).await?;
    Ok((StatusCode::CREATED, Json((&created).into())))
}

/// A pairing link as it is listed: without its token, which nobody knows any more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PairingLink)]
struct ListedLink {
    #[schema(example = "lnk_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    /// `PILOT_STATUS` or `META`.
    #[schema(example = "PILOT_STATUS")]
    provider: &'static str,
    /// Null with `META`, before a number was chosen.
    #[schema(required = true)]
    number_id: Option<String>,
    /// The number's display name; empty with `META`, before it has one.
    name: String,
    /// Empty with `META`.
    #[schema(example = "+551199****9999")]
    masked_number: String,
    /// `waiting`, `used`, `expired` or `revoked`.
    #[schema(example = "waiting")]
    state: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it dies unused.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it paired its number.
    #[schema(required = true, format = DateTime)]
    used_at: Option<String>,
    #[schema(required = true)]
    external_ref: Option<String>,
}

impl From<LinkView> for ListedLink {
    fn from(view: LinkView) -> Self {
        let LinkView { listed, dead, used_at } = view;
        Self {
            id: listed.link.id.to_string(),
            provider: Provider::Web.name(),
            number_id: Some(listed.link.number.to_string()),
            name: listed.name,
            masked_number: listed.phone.masked(),
            state: dead.map_or("waiting", DeadLink::name),
            created_at: listed.link.created_at.to_string(),
            expires_at: listed.link.expires_at.to_string(),
            used_at: used_at.as_ref().map(Timestamp::to_string),
            external_ref: listed.link.external_ref,
        }
    }
}

impl From<(SignupLink, Option<DeadLink>)> for ListedLink {
    fn from((link, dead): (SignupLink, Option<DeadLink>)) -> Self {
        let dead = dead.or_else(|| link.used_at.map(|_used| DeadLink::Used));
        Self {
            id: link.id.to_string(),
            provider: Provider::Meta.name(),
            number_id: link.number.map(|id| id.to_string()),
            name: link.name.unwrap_or_default(),
            masked_number: String::new(),
            state: dead.map_or("waiting", DeadLink::name),
            created_at: link.created_at.to_string(),
            expires_at: link.expires_at.to_string(),
            used_at: link.used_at.as_ref().map(Timestamp::to_string),
            external_ref: link.external_ref,
        }
    }
}

/// The newest 200 pairing links, newest first. Those that ended are forgotten after a week.
#[utoipa::path(
    get,
    path = "/remote-pairing-links",
    operation_id = "listPairingLinks",
    tag = "remote-pairing",
    responses((status = 200, description = "The links", body = Vec<ListedLink>)),
    extensions(("x-errors" = json!([]))),
)]
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Vec<ListedLink>>, ApiError> {
    let links = web.app.list_pairing_links(&caller).await?;
    let signups = web.app.list_signup_links(&caller).await?;
    let mut listed: Vec<ListedLink> = links.into_iter().map(Into::into).collect();
    listed.extend(signups.into_iter().map(Into::into));
    // Times of one form are in order as texts are.
    listed.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    listed.truncate(LISTED);
    Ok(Json(listed))
}

/// Revokes a pairing link: it opens nothing any more. One that has ended stays as it is.
#[utoipa::path(
    delete,
    path = "/remote-pairing-links/{id}",
    operation_id = "revokePairingLink",
    tag = "remote-pairing",
    params(("id" = String, Path, description = "The link's id", example = "lnk_01kdhz4q6yf5svj7g2m9n3t8xw")),
    responses((status = 200, description = "It is revoked", body = Done)),
    extensions(("x-errors" = json!(["PAIRING_LINK_NOT_FOUND"]))),
)]
async fn revoke(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Done>, ApiError> {
    web.app.revoke_pairing_link(&caller, &id).await?;
    Ok(Json(Done::OK))
}

/// A link that is in force. The number is masked: whoever has the link sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PairingLinkInfo)]
struct Info {
    valid: bool,
    /// `PILOT_STATUS` or `META`.
    #[schema(example = "PILOT_STATUS")]
    provider: &'static str,
    /// With `META`: `embedded` or `credentials`; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    meta_flow: Option<&'static str>,
    name: String,
    /// Empty with `META`, before a number was chosen.
    masked_number: String,
    state: LinkState,
    primary_link: LinkInfo,
    /// Always null: one session per number.
    #[schema(required = true)]
    secondary_link: Option<LinkInfo>,
    /// When the link dies unused.
    #[schema(format = DateTime)]
    expires_at: String,
    /// What is done when another phone scans than the number's: `reject`, `adopt` or `ask`.
    #[schema(example = "reject")]
    wrong_phone_policy: &'static str,
    /// Who the token is for: `person`, or `helper`, who may follow and answer the passkey step only.
    #[schema(example = "person")]
    role: &'static str,
}

impl From<&LiveLink> for Info {
    fn from(live: &LiveLink) -> Self {
        Self {
            valid: true,
            provider: live.number.provider.name(),
            meta_flow: None,
            name: live.number.name.clone(),
            masked_number: live.number.phone.masked(),
            state: live.number.link.into(),
            primary_link: (&live.number).into(),
            secondary_link: None,
            expires_at: live.link.expires_at.to_string(),
            wrong_phone_policy: live.wrong_phone.name(),
            role: live.role.name(),
        }
    }
}

impl From<&LiveSignup> for Info {
    fn from(live: &LiveSignup) -> Self {
        let number = live.number.as_ref();
        Self {
            valid: true,
            provider: Provider::Meta.name(),
            meta_flow: Some(live.link.flow.name()),
            name: number.map(|it| it.name.clone()).or(live.link.name.clone()).unwrap_or_default(),
            masked_number: number.map(|it| it.phone.masked()).unwrap_or_default(),
            state: number.map_or(LinkState::Close, |it| it.link.into()),
            primary_link: number.map_or_else(LinkInfo::closed, Into::into),
            secondary_link: None,
            expires_at: live.link.expires_at.to_string(),
            wrong_phone_policy: "reject",
            role: "person",
        }
    }
}

/// Whether a link is none that pairs a phone: it may be one for an official number.
const fn is_unknown(error: &AppError) -> bool {
    matches!(error, AppError::Refused(Refusal::PairingLinkInvalid(DeadLink::Unknown)))
}

/// What a pairing link is for. Needs no key.
#[utoipa::path(
    get,
    path = "/remote-pairing/{token}",
    operation_id = "getPairingLink",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    responses((status = 200, description = "The link is in force", body = Info)),
    extensions(("x-errors" = json!(["REMOTE_PAIRING_INVALID"])), ("x-public" = json!(true))),
)]
async fn info(State(web): State<Web>, Path(token): Path<String>) -> Result<Json<Info>, ApiError> {
    match web.app.pairing_link(&token).await {
        Err(error) if is_unknown(&error) => Ok(Json((&web.app.signup_link(&token).await?).into())),
        found => Ok(Json((&found?).into())),
    }
}

/// The state of a pairing link's number.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PairingLinkStatus)]
struct Status {
    state: LinkState,
    is_fully_connected: bool,
    primary_link: LinkInfo,
    /// Always null: one session per number.
    #[schema(required = true)]
    secondary_link: Option<LinkInfo>,
}

/// Whether the number of a pairing link is connected. Needs no key.
#[utoipa::path(
    get,
    path = "/remote-pairing/{token}/status",
    operation_id = "getPairingLinkStatus",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    responses((status = 200, description = "Its state", body = Status)),
    extensions(("x-errors" = json!(["REMOTE_PAIRING_INVALID"])), ("x-public" = json!(true))),
)]
async fn status(
    State(web): State<Web>,
    Path(token): Path<String>,
) -> Result<Json<Status>, ApiError> {
    let live = match web.app.pairing_link(&token).await {
        Err(error) if is_unknown(&error) => {
            let number = web.app.signup_link(&token).await?.number;
            let number = number.as_ref();
            return Ok(Json(Status {
                state: number.map_or(LinkState::Close, |it| it.link.into()),
                is_fully_connected: number.is_some_and(|it| it.link == Link::Open),
                primary_link: number.map_or_else(LinkInfo::closed, Into::into),
                secondary_link: None,
            }));
        }
        found => found?,
    };
    Ok(Json(Status {
        state: live.number.link.into(),
        is_fully_connected: live.number.link == Link::Open,
        primary_link: (&live.number).into(),
        secondary_link: None,
    }))
}

/// A fresh QR code and pairing code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PairingLinkCodes)]
struct LinkCodes {
    #[serde(flatten)]
    codes: PairingCodes,
    /// Always null: one session per number.
    #[schema(required = true, value_type = Option<Object>)]
    secondary_link: Option<()>,
}

/// A fresh QR code and pairing code for the number of a pairing link. Needs no key.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/connect",
    operation_id = "connectByPairingLink",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    responses((status = 200, description = "The codes", body = LinkCodes)),
    extensions(("x-errors" = json!(["REMOTE_PAIRING_INVALID", "HELPER_NOT_ALLOWED", "NUMBER_ALREADY_CONNECTED", "NOT_SUPPORTED_FOR_META", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT"])), ("x-public" = json!(true))),
)]
async fn connect(
    State(web): State<Web>,
    Path(token): Path<String>,
) -> Result<Json<LinkCodes>, ApiError> {
    let codes = match web.app.connect_by_link(&token).await {
        Err(error) if is_unknown(&error) => {
            web.app.signup_link(&token).await?;
            let sentence = "an official number has no QR code";
            return Err(Refusal::NotSupportedForMeta(sentence).into());
        }
        codes => codes?,
    };
    Ok(Json(LinkCodes { codes: PairingCodes::draw(&codes)?, secondary_link: None }))
}

/// The pairing attempt of a pairing link's number, as server-sent events. Needs no key.
///
/// As `GET /v1/numbers/{id}/pairing/events`.
#[utoipa::path(
    get,
    path = "/remote-pairing/{token}/events",
    operation_id = "followPairingLink",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    responses((status = 200, description = "A stream that ends with the attempt", body = PairingEvent, content_type = "text/event-stream")),
    extensions(("x-errors" = json!(["REMOTE_PAIRING_INVALID"])), ("x-public" = json!(true))),
)]
async fn events(State(web): State<Web>, Path(token): Path<String>) -> Result<Response, ApiError> {
    Ok(stream(web.app.follow_link(&token).await?, &web))
}

/// Says whether a phone that was not expected is to be used. Needs no key.
///
/// As `POST /v1/numbers/{id}/pairing/wrong-phone`.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/wrong-phone",
    operation_id = "answerWrongPhoneByPairingLink",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    request_body(content = WrongPhoneBody, example = json!({"use": true})),
    responses((status = 200, description = "It is decided", body = Done)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "REMOTE_PAIRING_INVALID", "HELPER_NOT_ALLOWED", "WRONG_PHONE_NOT_ASKED", "NUMBER_ALREADY_ACTIVE"])), ("x-public" = json!(true))),
)]
async fn answer_wrong_phone(
    State(web): State<Web>,
    Path(token): Path<String>,
    body: Body<WrongPhoneBody>,
) -> Result<Json<Done>, ApiError> {
    web.app.answer_wrong_phone_by_link(&token, body.value.adopt).await?;
    Ok(Json(Done::OK))
}

/// Hands the passkey that a pairing waits for to WhatsApp. Needs no key.
///
/// As `POST /v1/numbers/{id}/pairing/passkey`.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/passkey",
    operation_id = "answerPasskeyByPairingLink",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    request_body(content = PasskeyBody, example = json!({"id": "Y3JlZA", "rawId": "Y3JlZA", "type": "public-key", "response": {"clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiWTJnIn0", "authenticatorData": "ZGF0YQ", "signature": "c2ln", "userHandle": null}})),
    responses((status = 202, description = "WhatsApp has accepted it", body = Done)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "REMOTE_PAIRING_INVALID", "PASSKEY_NOT_REQUESTED", "PASSKEY_REFUSED", "UPSTREAM_TIMEOUT"])), ("x-public" = json!(true))),
)]
async fn answer_passkey(
    State(web): State<Web>,
    Path(token): Path<String>,
    body: Body<PasskeyBody>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    web.app.answer_passkey_by_link(&token, body.value.into()).await?;
    Ok((StatusCode::ACCEPTED, Json(Done::OK)))
}

/// Says that the phone shows the code that the pairing shows. Needs no key.
///
/// As `POST /v1/numbers/{id}/pairing/passkey/confirm`.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/passkey/confirm",
    operation_id = "confirmPasskeyByPairingLink",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    responses((status = 202, description = "WhatsApp has it", body = Done)),
    extensions(("x-errors" = json!(["REMOTE_PAIRING_INVALID", "PASSKEY_NOT_REQUESTED", "PASSKEY_REFUSED", "UPSTREAM_TIMEOUT"])), ("x-public" = json!(true))),
)]
async fn confirm_passkey(
    State(web): State<Web>,
    Path(token): Path<String>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    web.app.confirm_passkey_by_link(&token).await?;
    Ok((StatusCode::ACCEPTED, Json(Done::OK)))
}

/// A link for whoever has the passkey.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HelperLink)]
struct Helper {
    /// What to send to them.
    helper_url: String,
    /// Its secret: shown here and nowhere else.
    helper_token: String,
}

/// Creates a link for whoever has the passkey, when that is not the person with the phone. Needs no key.
///
/// It may follow the pairing and answer its passkey step, and nothing else. It dies with the link that it
/// was made from, and with the next one that is made from that.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/helper",
    operation_id = "createHelperLink",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    responses((status = 201, description = "Created", body = Helper)),
    extensions(("x-errors" = json!(["REMOTE_PAIRING_INVALID", "HELPER_NOT_ALLOWED"])), ("x-public" = json!(true))),
)]
async fn helper(
    State(web): State<Web>,
    Path(token): Path<String>,
) -> Result<(StatusCode, Json<Helper>), ApiError> {
    let link = web.app.create_helper_link(&token).await?;
    let helper = Helper { helper_url: link.url, helper_token: link.token.expose().to_owned() };
    Ok((StatusCode::CREATED, Json(helper)))
}
