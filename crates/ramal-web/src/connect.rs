//! The hosted pairing page (contract F.3): `/connect/{token}`. It works without JavaScript as far as
//! showing a QR code and refreshing itself; with it, it follows the attempt live.

mod look;
mod texts;

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use ramal_app::{AppError, Codes, DeadLink, Language, LiveLink, Refusal};
use ramal_domain::Link;

use self::{
    look::Look,
    texts::{Texts, texts},
};
use crate::{QrPicture, Web, error::ApiError, extract::Path};

const SCRIPT: &str = include_str!("connect/connect.js");
const STYLE: &str = include_str!("connect/connect.css");
/// How often the page of a browser without JavaScript asks again, in seconds.
const REFRESH_SECONDS: u32 = 15;

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/connect/{token}", get(page).post(begin))
        .route("/assets/connect.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/assets/connect.css", get(async || asset("text/css; charset=utf-8", STYLE)))
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=300")];
    (headers, body).into_response()
}

/// What the page shows.
#[derive(Template)]
#[template(path = "connect.html")]
struct Page<'a> {
    language: &'static str,
    texts: &'static Texts,
    texts_json: String,
    nonce: &'a str,
    /// Which section is visible: as in `connect.css`.
    state: &'static str,
    token: &'a str,
    heading: &'a str,
    subtitle: &'a str,
    logo: Option<&'a str>,
    primary: Option<&'a str>,
    on_primary: &'static str,
    background: Option<&'a str>,
    support: Option<&'a str>,
    hide_product: bool,
    name: &'a str,
    masked: String,
    redirect: &'a str,
    qr: String,
    code: String,
    /// Why the link is dead.
    dead: Option<&'static str>,
    refresh: Option<u32>,
}

async fn page(
    State(web): State<Web>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let live = match web.app.pairing_link(&token).await {
        Ok(live) => live,
        Err(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => {
            return dead_page(dead, accepted(&headers));
        }
        Err(error) => return Err(error.into()),
    };
    let codes = web.app.codes_under_way(&live);
    live_page(&token, &live, codes.as_ref(), &headers)
}

/// For browsers without JavaScript: begins an attempt, and shows it.
async fn begin(
    State(web): State<Web>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    match web.app.connect_by_link(&token).await {
        Ok(_) | Err(AppError::Refused(Refusal::NumberAlreadyConnected)) => {
            // The token has been found, so it is a UUID: nothing to escape.
            Ok(Redirect::to(&format!("/connect/{token}")).into_response())
        }
        Err(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => {
            dead_page(dead, accepted(&headers))
        }
        Err(error) => Err(error.into()),
    }
}

fn accepted(headers: &HeaderMap) -> Language {
    let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::accepted(header.unwrap_or_default())
}

fn live_page(
    token: &str,
    live: &LiveLink,
    codes: Option<&Codes>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let own = live.link.language.as_deref().and_then(|tag| Language::parse(tag).ok());
    let language = own.unwrap_or_else(|| accepted(headers));
    let look = Look::of(&live.link);
    let picture = codes.and_then(|codes| QrPicture::draw(&codes.qr.text).ok());
    let state = match (live.number.link, &picture) {
        (Link::Open, _) => "open",
        (_, Some(_)) => "codes",
        (Link::Pairing, None) => "connecting",
        _ => "choose",
    };
    let code = codes.and_then(|codes| codes.pairing_code.clone());
    let nonce = nonce();
    let texts = texts(language);
    let page = Page {
        state,
        token,
        heading: look.company.as_deref().unwrap_or("WhatsApp"),
        subtitle: look.subtitle.as_deref().unwrap_or(texts.title),
        logo: look.logo.as_deref(),
        primary: look.primary.as_deref(),
        on_primary: look.on_primary(),
        background: look.background.as_deref(),
        support: look.support.as_deref(),
        hide_product: look.hide_product,
        name: &live.number.name,
        masked: live.number.phone.masked(),
        redirect: look.redirect.as_deref().unwrap_or_default(),
        qr: picture.map(|picture| picture.data_uri()).unwrap_or_default(),
        code: code.map(|(code, _)| code).unwrap_or_default(),
        refresh: matches!(state, "codes" | "connecting").then_some(REFRESH_SECONDS),
        ..Page::plain(language, &nonce)?
    };
    answer(StatusCode::OK, &page, look.logo.as_deref())
}

fn dead_page(dead: DeadLink, language: Language) -> Result<Response, ApiError> {
    let (nonce, texts) = (nonce(), texts(language));
    let why = match dead {
        DeadLink::Expired => texts.dead_expired,
        DeadLink::Used => texts.dead_used,
        DeadLink::Revoked | DeadLink::Unknown => texts.dead_unknown,
    };
    let page = Page { state: "dead", dead: Some(why), ..Page::plain(language, &nonce)? };
    answer(StatusCode::NOT_FOUND, &page, None)
}

impl<'a> Page<'a> {
    /// A page without a link.
    fn plain(language: Language, nonce: &'a str) -> Result<Self, AppError> {
        let texts = texts(language);
        let texts_json = serde_json::to_string(texts);
        Ok(Self {
            language: language.tag(),
            texts,
            texts_json: texts_json.map_err(|error| AppError::Internal(Box::new(error)))?,
            nonce,
            state: "choose",
            token: "",
            heading: "WhatsApp",
            subtitle: texts.title,
            logo: None,
            primary: None,
            on_primary: "#fff",
            background: None,
            support: None,
            hide_product: false,
            name: "",
            masked: String::new(),
            redirect: "",
            qr: String::new(),
            code: String::new(),
            dead: None,
            refresh: None,
        })
    }
}

fn nonce() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn answer(status: StatusCode, page: &Page<'_>, logo: Option<&str>) -> Result<Response, ApiError> {
    let html = page.render().map_err(|error| AppError::Internal(Box::new(error)))?;
    // Nothing from elsewhere but the logo that the link's creator named.
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{}'; img-src 'self' data: {}; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        page.nonce,
        logo.unwrap_or_default(),
    );
    let policy = HeaderValue::try_from(policy.trim())
        .map_err(|error| AppError::Internal(Box::new(error)))?;
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((status, headers, Html(html)).into_response())
}
