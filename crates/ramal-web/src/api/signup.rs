//! `/v1/remote-pairing/{token}/meta/…`: what the page of a link for an official number asks for. Public:
//! the token is the credential, and the state says that it is the link's newest page that goes on.

use axum::{Json, extract::State};
use ramal_app::{EmbeddedResult, SignupChoice, SignupOutcome};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::official::{CredentialsBody, OnboardingStep, secret};
use crate::{Web, body::Body, error::ApiError, extract::Path};

pub(crate) fn public_router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(embedded))
        .routes(routes!(choose))
        .routes(routes!(credentials))
}

/// What a page needs to begin.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignupStart)]
struct Start {
    /// What the page sends along from now on.
    state: String,
    /// For Embedded Signup; null with `credentials`.
    #[schema(required = true)]
    embedded: Option<Embedded>,
}

/// What Meta's script is started with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EmbeddedSignup)]
struct Embedded {
    app_id: String,
    config_id: String,
    graph_version: String,
    sdk_url: String,
    /// Where the messages of Meta's dialog come from: `https://host` or `https://*.host`.
    login_origins: Vec<String>,
}

/// Binds a link for an official number to the page that asks. Needs no key.
///
/// Pages that were opened before go on no more.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/meta/start",
    operation_id = "startSignup",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    responses((status = 200, description = "How to begin", body = Start)),
    extensions(("x-errors" = json!(["REMOTE_PAIRING_INVALID", "NUMBER_ALREADY_CONNECTED", "PROVIDER_NOT_CONFIGURED"])), ("x-public" = json!(true))),
)]
async fn start(State(web): State<Web>, Path(token): Path<String>) -> Result<Json<Start>, ApiError> {
    let start = web.app.begin_signup(&token).await?;
    Ok(Json(Start {
        state: start.state.expose_secret().to_owned(),
        embedded: start.embedded.map(|it| Embedded {
            app_id: it.app_id,
            config_id: it.config_id,
            graph_version: it.version,
            sdk_url: it.sdk_url,
            login_origins: it.login_origins,
        }),
    }))
}

/// What became of a step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignupOutcome)]
struct Outcome {
    /// `choose` or `connected`.
    #[schema(example = "connected")]
    status: &'static str,
    /// With `choose`: the numbers of the account.
    #[schema(required = true)]
    numbers: Vec<Choice>,
    /// With `connected`: the number's id.
    #[schema(required = true)]
    number_id: Option<String>,
    /// With `connected`: where the page goes.
    #[schema(required = true)]
    redirect_url: Option<String>,
    /// With `connected`: how far each step has come.
    onboarding: Vec<OnboardingStep>,
}

/// A number that can be chosen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignupChoice)]
struct Choice {
    phone_number_id: String,
    /// As people write it.
    number: String,
    #[schema(required = true)]
    name: Option<String>,
}

impl From<SignupChoice> for Choice {
    fn from(choice: SignupChoice) -> Self {
        Self { phone_number_id: choice.phone_id, number: choice.number, name: choice.name }
    }
}

impl From<SignupOutcome> for Outcome {
    fn from(outcome: SignupOutcome) -> Self {
        match outcome {
            SignupOutcome::Choose(numbers) => Self {
                status: "choose",
                numbers: numbers.into_iter().map(Into::into).collect(),
                number_id: None,
                redirect_url: None,
                onboarding: Vec::new(),
            },
            SignupOutcome::Connected { number, redirect } => Self {
                status: "connected",
                numbers: Vec::new(),
                number_id: Some(number.number.id.to_string()),
                redirect_url: redirect,
                onboarding: number.view.onboarding.iter().map(Into::into).collect(),
            },
        }
    }
}

/// What Meta's dialog left with the page.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FinishEmbeddedSignup)]
struct EmbeddedBody {
    /// From `start`.
    #[schema(required = true, nullable = false, value_type = Option<String>)]
    #[serde(default, deserialize_with = "secret")]
    state: Option<SecretString>,
    /// What `FB.login` gave, within half a minute.
    #[schema(required = true, nullable = false, value_type = Option<String>)]
    #[serde(default, deserialize_with = "secret")]
    code: Option<SecretString>,
    /// From the dialog's message, if there was one. Checked against what Meta says.
    waba_id: Option<String>,
    /// Likewise.
    phone_number_id: Option<String>,
}

fn required(secret: Option<SecretString>, field: &str) -> Result<SecretString, ApiError> {
    secret.ok_or_else(|| ApiError::invalid(format!("{field} is required")))
}

/// Exchanges what Meta's dialog left, and connects the number. Needs no key.
///
/// Where the account has several numbers and none was named, they come back to be chosen from.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/meta/embedded",
    operation_id = "finishEmbeddedSignup",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    request_body(content = EmbeddedBody, example = json!({"state": "6e56…", "code": "AQB…", "wabaId": "102290129340398"})),
    responses((status = 200, description = "Connected, or to be chosen", body = Outcome)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "REMOTE_PAIRING_INVALID", "META_SIGNUP_STATE_INVALID", "NUMBER_ALREADY_CONNECTED", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING", "META_NUMBER_MISMATCH", "META_PIN_MISMATCH", "META_NUMBER_NOT_VERIFIED", "META_REFUSED", "NUMBER_ALREADY_ACTIVE", "NUMBER_SOFT_DELETED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT", "PROVIDER_NOT_CONFIGURED"])), ("x-public" = json!(true))),
)]
async fn embedded(
    State(web): State<Web>,
    Path(token): Path<String>,
    body: Body<EmbeddedBody>,
) -> Result<Json<Outcome>, ApiError> {
    let value = body.value;
    let state = required(value.state, "state")?;
    let result = EmbeddedResult {
        code: required(value.code, "code")?,
        waba_id: value.waba_id,
        phone_id: value.phone_number_id,
    };
    let done = web.app.finish_embedded_signup(&token, state.expose_secret(), result).await?;
    Ok(Json(done.into()))
}

/// The number that the person chose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChooseSignupNumber)]
struct ChooseBody {
    /// From `start`.
    #[schema(required = true, nullable = false, value_type = Option<String>)]
    #[serde(default, deserialize_with = "secret")]
    state: Option<SecretString>,
    phone_number_id: String,
}

/// Connects the number that the person chose. Needs no key.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/meta/choose",
    operation_id = "chooseSignupNumber",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    request_body(content = ChooseBody, example = json!({"state": "6e56…", "phoneNumberId": "106540352242922"})),
    responses((status = 200, description = "Connected", body = Outcome)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "REMOTE_PAIRING_INVALID", "META_SIGNUP_STATE_INVALID", "NUMBER_ALREADY_CONNECTED", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING", "META_NUMBER_MISMATCH", "META_PIN_MISMATCH", "META_NUMBER_NOT_VERIFIED", "META_REFUSED", "NUMBER_ALREADY_ACTIVE", "NUMBER_SOFT_DELETED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT", "PROVIDER_NOT_CONFIGURED"])), ("x-public" = json!(true))),
)]
async fn choose(
    State(web): State<Web>,
    Path(token): Path<String>,
    body: Body<ChooseBody>,
) -> Result<Json<Outcome>, ApiError> {
    let state = required(body.value.state, "state")?;
    let phone = body.value.phone_number_id;
    let done = web.app.choose_signup_number(&token, state.expose_secret(), &phone).await?;
    Ok(Json(done.into()))
}

/// Credentials that the person typed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FinishCredentialsSignup)]
struct TypedBody {
    /// From `start`.
    #[schema(required = true, nullable = false, value_type = Option<String>)]
    #[serde(default, deserialize_with = "secret")]
    state: Option<SecretString>,
    /// The phone number, in any common format.
    #[schema(example = "+5511999999999")]
    number: String,
    /// What it is called, where the link does not say.
    #[schema(max_length = 100)]
    name: Option<String>,
    #[serde(flatten)]
    meta: CredentialsBody,
}

/// Connects the number whose credentials the person typed. Needs no key.
#[utoipa::path(
    post,
    path = "/remote-pairing/{token}/meta/credentials",
    operation_id = "finishCredentialsSignup",
    tag = "remote-pairing",
    params(("token" = String, Path, description = "What the link ends with", example = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")),
    request_body(content = TypedBody, example = json!({"state": "6e56…", "number": "+5511999999999", "metaPhoneId": "106540352242922", "metaWabaId": "102290129340398", "metaAccessToken": "EAAG…", "metaAppSecret": "614f…"})),
    responses((status = 200, description = "Connected", body = Outcome)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "REMOTE_PAIRING_INVALID", "META_SIGNUP_STATE_INVALID", "NUMBER_ALREADY_CONNECTED", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING", "META_NUMBER_MISMATCH", "META_PIN_MISMATCH", "META_NUMBER_NOT_VERIFIED", "META_REFUSED", "NUMBER_ALREADY_ACTIVE", "NUMBER_SOFT_DELETED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT", "PROVIDER_NOT_CONFIGURED"])), ("x-public" = json!(true))),
)]
async fn credentials(
    State(web): State<Web>,
    Path(token): Path<String>,
    body: Body<TypedBody>,
) -> Result<Json<Outcome>, ApiError> {
    let value = body.value;
    let state = required(value.state, "state")?;
    let meta = value.meta.wish()?;
    let (number, name) = (value.number, value.name);
    let done = web
        .app
        .finish_credentials_signup(&token, state.expose_secret(), number, name, meta)
        .await?;
    Ok(Json(done.into()))
}
