//! What a page answers: itself, a redirect with a message, or an error page in the reader's language.

use std::sync::Arc;

use askama::Template;
use axum::{
    Json,
    extract::Request,
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
};
use ramal_app::{AppError, Language, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    official::meta_sentence,
    session::{cookie_of, language_of, set_cookie},
    texts::{Common, Done, FormTexts},
};
use crate::Web;

/// Nothing but our own files; pictures may be drawn into the page; nobody may frame it. The preview of
/// the branding is a page of ours.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; form-action 'self'; frame-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'";
/// The cookie that carries a message to the page after a redirect.
const FLASH: &str = "ramal_flash";

/// Why there is no page.
#[derive(Clone, Debug)]
pub(super) enum PageError {
    /// One must sign in first, and comes back to `next`.
    SignIn { next: String },
    /// A viewer tried to change something.
    OwnersOnly,
    /// The request does not come from a page of ours.
    ForeignForm,
    /// The form cannot be read.
    BadForm(String),
    /// There is nothing at this address.
    NotFound,
    /// A use case refused or failed.
    App(Arc<AppError>),
}

impl<E: Into<AppError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self::App(Arc::new(error.into()))
    }
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } => StatusCode::UNAUTHORIZED,
            Self::OwnersOnly | Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::BadForm(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::App(error) => crate::error::status_of(error.kind()),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::SignIn { .. } => "SIGN_IN_REQUIRED",
            Self::OwnersOnly => "OWNERS_ONLY",
            Self::ForeignForm => "FOREIGN_FORM",
            Self::BadForm(_) => "VALIDATION_ERROR",
            Self::NotFound => "NOT_FOUND",
            Self::App(error) => error.code(),
        }
    }

    fn sentence(&self, language: Language) -> String {
        let texts = Common::of(language);
        match self {
            Self::SignIn { .. } => texts.sign_in_first.to_owned(),
            Self::OwnersOnly => texts.owners_only.to_owned(),
            Self::ForeignForm => texts.foreign_form.to_owned(),
            Self::BadForm(_) => texts.bad_form.to_owned(),
            Self::NotFound => texts.not_found.to_owned(),
            Self::App(error) => sentence(error, language),
        }
    }
}

impl IntoResponse for PageError {
    /// The error travels as an extension to [`dress`], which knows the reader.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// An error of a use case, in the reader's language where there is a sentence for it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have the API's sentence")]
pub(super) fn sentence(error: &AppError, language: Language) -> String {
    let texts = Common::of(language);
    let own = match error {
        AppError::Refused(refusal) => match refusal {
            Refusal::NumberNotFound => texts.number_not_found,
            Refusal::WebhookNotFound => texts.webhook_not_found,
            Refusal::NumberAlreadyActive => texts.number_already_active,
            Refusal::NumberSoftDeleted => texts.number_soft_deleted,
            Refusal::NumberAlreadyConnected => texts.number_already_connected,
            Refusal::WebhookInactive => texts.webhook_inactive,
            Refusal::DeliveryPending => texts.delivery_pending,
            Refusal::UpstreamError | Refusal::UpstreamTimeout | Refusal::NoAnswer => {
                texts.whatsapp_silent
            }
            Refusal::NotConnected => texts.not_connected,
            Refusal::QueueFull => texts.queue_full,
            Refusal::Reconnecting => texts.reconnecting,
            Refusal::WrongPhoneNotAsked => texts.wrong_phone_not_asked,
            Refusal::TemplateNotFound => texts.template_not_found,
            Refusal::MessageNotFound => texts.message_not_found,
            Refusal::MediaNotFound => texts.media_not_found,
            Refusal::MissingTemplateVariables(names) => {
                return texts.missing_variables.replace("{names}", names);
            }
            Refusal::NotSupported(sentence) => return not_supported(sentence, language),
            Refusal::TemplateNameTaken => texts.template_name_taken,
            Refusal::PairingLinkNotFound => texts.link_not_found,
            Refusal::RateLimited { retry_after_seconds } => {
                return texts.rate_limited.replace("{s}", &retry_after_seconds.to_string());
            }
            Refusal::Validation(sentence) => return validation(sentence, language),
            other => {
                return meta_sentence(other, language).unwrap_or_else(|| other.to_string());
            }
        },
        AppError::Busy(_) => texts.busy,
        AppError::Internal(_) => texts.internal,
    };
    own.to_owned()
}

/// What is wrong with a form, in the reader's language: the API's sentences are English, and known by
/// how they begin.
fn validation(sentence: &str, language: Language) -> String {
    let texts = FormTexts::of(language);
    let known = [
        ("a password has", texts.password),
        ("somebody signs in", texts.email_taken),
        ("this is the only owner", texts.only_owner),
        ("there is no such person", texts.nobody),
        ("an e-mail address", texts.email),
        ("name has", texts.name),
        ("number:", texts.number),
        ("destinationNumber is the number", texts.to_itself),
        ("destinationNumber:", texts.number),
        ("deliverAt is at most", texts.too_far),
        ("media: a file of this type", texts.file_size),
        ("there are no words below media", texts.media_mute),
        ("the template needs media", texts.template_media),
        ("the template has no place", texts.template_no_media),
        ("url", texts.url),
        ("secret:", texts.secret),
        ("redirectUrl", texts.https),
        ("officialUrl", texts.https),
        ("branding.logoUrl", texts.https),
        ("branding.supportUrl", texts.https),
        ("branding.defaultRedirectUrl", texts.https),
        ("branding.primaryColor", texts.colour),
        ("branding.backgroundColor", texts.colour),
        ("externalRef", texts.reference),
        ("a logo has", texts.logo_size),
        ("a logo is", texts.logo_type),
        ("an allowed origin", texts.origin),
        ("a template's name", texts.template_name),
        ("text:", texts.template_variable),
        ("footer:", texts.template_variable),
        ("media:", texts.template_variable),
        ("fileName:", texts.template_variable),
        ("text is required", texts.text_needed),
        ("text has", texts.too_long),
        ("footer has", texts.too_long),
        ("fileName has", texts.too_long),
        ("media is", texts.media_address),
        ("media of type", texts.media_mute),
        ("fileName goes", texts.media_file_name),
        ("language", texts.language),
        ("since", texts.times),
        ("until", texts.times),
    ];
    let found = known.iter().find(|(begins, _)| sentence.starts_with(begins));
    match (found, language) {
        (Some((_, text)), _) => (*text).to_owned(),
        (None, Language::English) => sentence.to_owned(),
        (None, Language::Portuguese | Language::Spanish) => {
            Common::of(language).bad_form.to_owned()
        }
    }
}

/// What a number does not send, in the reader's language.
fn not_supported(sentence: &str, language: Language) -> String {
    let texts = FormTexts::of(language);
    if sentence.starts_with("channels get texts") {
        texts.channel_texts.to_owned()
    } else if sentence.contains("from official numbers only") {
        texts.official_buttons.to_owned()
    } else {
        sentence.to_owned()
    }
}

#[derive(Template)]
#[template(path = "dashboard/error.html")]
struct ErrorPage {
    language: &'static str,
    texts: &'static Common,
    status: u16,
    sentence: String,
}

/// Whether the script asks, rather than a person.
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| !accept.contains("text/html") && accept.contains("json"))
}

/// Turns errors into pages, or into JSON for the script, and adds the headers of every page.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let (language, json) = (language_of(request.headers()), wants_json(request.headers()));
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        if let PageError::App(error) = &error
            && let AppError::Internal(_) | AppError::Busy(_) = error.as_ref()
        {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::error!(error, "a page failed");
        }
        response = render(&error, language, json);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn render(error: &PageError, language: Language, json: bool) -> Response {
    if let PageError::BadForm(detail) = error {
        tracing::debug!(detail, "a form could not be read");
    }
    let (status, sentence) = (error.status(), error.sentence(language));
    if json {
        return (status, Json(json!({"error": sentence, "code": error.code()}))).into_response();
    }
    if let PageError::SignIn { next } = error {
        let next = if next == "/" { String::new() } else { format!("?next={next}") };
        return Redirect::to(&format!("/sign-in{next}")).into_response();
    }
    let page = ErrorPage {
        language: language.tag(),
        texts: Common::of(language),
        status: status.as_u16(),
        sentence,
    };
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the error page failed");
            status.into_response()
        }
    }
}

/// Renders a page.
pub(super) fn page(template: &impl Template) -> Result<Response, PageError> {
    let html = template.render().map_err(|error| AppError::Internal(Box::new(error)))?;
    Ok(Html(html).into_response())
}

/// A message for the page after a redirect.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Flash {
    /// Whether something went wrong.
    pub(super) problem: bool,
    pub(super) text: String,
}

impl Flash {
    /// The message that the browser brings, if any.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let bytes = BASE64.decode(cookie_of(headers, FLASH)?).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Goes to `path`, which shows the message.
    pub(super) fn to(self, web: &Web, path: &str) -> Response {
        let text = BASE64.encode(json!(self).to_string());
        let life = cookie::time::Duration::minutes(1);
        ([set_cookie(&web.app, FLASH, text, life)], Redirect::to(path)).into_response()
    }

    /// Takes the message back, once it is shown.
    pub(super) fn shown(web: &Web) -> (HeaderName, HeaderValue) {
        set_cookie(&web.app, FLASH, String::new(), cookie::time::Duration::ZERO)
    }
}

/// After an action: to `path`, with what came of it. What is the person's to mend is told there; what
/// is ours to mend is an error page.
pub(super) fn after<T>(
    web: &Web,
    language: Language,
    path: &str,
    result: Result<T, AppError>,
    done: Done,
) -> Result<Response, PageError> {
    let flash = match result {
        Ok(_) => Flash { problem: false, text: done.text(language).to_owned() },
        Err(error @ AppError::Refused(_)) => {
            Flash { problem: true, text: sentence(&error, language) }
        }
        Err(error) => return Err(error.into()),
    };
    Ok(flash.to(web, path))
}
