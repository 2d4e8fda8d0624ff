//! The page itself: what it shows, and the headers that it goes out with.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use ramal_app::{AppError, Branding, Codes, DeadLink, Language, LinkRole, LiveLink, PageLook};
use ramal_domain::{Clock as _, Link, SystemClock};

use super::{
    Visit,
    look::Look,
    signup::{Signup, Sources},
    texts::{Texts, texts},
};
use crate::{QrPicture, error::ApiError};

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// How often the page of a browser without JavaScript asks again, in seconds.
const REFRESH_SECONDS: u64 = 15;
/// What a preview's QR code says: nothing that a phone could use.
const SAMPLE: &str = "ramal: this is only what the page will look like";
const LANGUAGES: [(Language, &str); 3] = [
    (Language::Portuguese, "Português"),
    (Language::English, "English"),
    (Language::Spanish, "Español"),
];

/// What the page shows.
#[derive(Template)]
#[template(path = "connect.html")]
pub(super) struct Page<'a> {
    pub(super) language: &'static str,
    /// Tag, name and address of each.
    pub(super) languages: Vec<(&'static str, &'static str, String)>,
    pub(super) texts: &'static Texts,
    pub(super) texts_json: String,
    pub(super) nonce: &'a str,
    pub(super) scheme: &'static str,
    pub(super) palette: String,
    /// Which section is visible: as in `connect.css`.
    pub(super) state: &'static str,
    pub(super) token: &'a str,
    /// The server's time: the browser's may differ.
    pub(super) now: String,
    /// Where forms go.
    pub(super) here: &'a str,
    pub(super) heading: &'a str,
    pub(super) subtitle: &'a str,
    pub(super) logo: Option<&'a str>,
    pub(super) support: Option<&'a str>,
    pub(super) hide_product: bool,
    pub(super) name: &'a str,
    pub(super) masked: String,
    pub(super) number_id: String,
    pub(super) role: &'static str,
    pub(super) redirect: &'a str,
    pub(super) official: Option<&'a str>,
    /// The origin whose page this one lies in.
    pub(super) parent: Option<&'a str>,
    pub(super) qr: String,
    pub(super) code: String,
    /// Why the link is dead.
    pub(super) dead: Option<&'static str>,
    pub(super) refresh: Option<u64>,
    /// On the page of a refusal: after how many seconds it asks again.
    pub(super) retry: Option<u64>,
    /// Nothing on it works: it only shows how the page looks.
    pub(super) preview: bool,
    /// With a link for an official number.
    pub(super) signup: Option<Signup>,
}

impl<'a> Page<'a> {
    /// A page without a link.
    pub(super) fn plain(
        visit: &'a Visit,
        language: Language,
        nonce: &'a str,
    ) -> Result<Self, AppError> {
        let texts = texts(language);
        let texts_json = serde_json::to_string(texts);
        let languages = LANGUAGES.iter();
        Ok(Self {
            language: language.tag(),
            languages: languages.map(|&(l, name)| (l.tag(), name, visit.in_language(l))).collect(),
            texts,
            texts_json: texts_json.map_err(|error| AppError::Internal(Box::new(error)))?,
            nonce,
            scheme: "",
            palette: String::new(),
            state: "choose",
            token: "",
            now: SystemClock.now().to_string(),
            here: &visit.here,
            heading: "WhatsApp",
            subtitle: texts.title,
            logo: None,
            support: None,
            hide_product: false,
            name: "",
            masked: String::new(),
            number_id: String::new(),
            role: "person",
            redirect: "",
            official: None,
            parent: None,
            qr: String::new(),
            code: String::new(),
            dead: None,
            refresh: None,
            retry: None,
            preview: false,
            signup: None,
        })
    }

    pub(super) fn branded(self, branding: &'a Branding) -> Self {
        let Look { scheme, palette } = Look::of(branding);
        Self {
            scheme,
            palette,
            heading: branding.company_name.as_deref().unwrap_or(self.heading),
            subtitle: branding.subtitle.as_deref().unwrap_or(self.subtitle),
            logo: branding.logo_url.as_deref(),
            support: branding.support_url.as_deref(),
            hide_product: branding.hide_product.unwrap_or_default(),
            ..self
        }
    }
}

/// The page of a link that is in force.
pub(super) fn live(
    visit: &Visit,
    token: &str,
    live: &LiveLink,
    look: PageLook,
    codes: Option<&Codes>,
) -> Result<Response, ApiError> {
    let branding = look.branding.under(visit.branding());
    // Whoever helps with a passkey has no business with what links a phone.
    let codes = codes.filter(|_| live.role == LinkRole::Person);
    let picture = codes.and_then(|codes| QrPicture::draw(&codes.qr.text).ok());
    let state = match (live.number.link, &picture) {
        (Link::Open, _) => "already",
        // Whoever helps begins nothing.
        _ if live.role == LinkRole::Helper => "waiting",
        (_, Some(_)) => "codes",
        (Link::Pairing, None) => "connecting",
        _ => "choose",
    };
    let code = codes.and_then(|codes| codes.pairing_code.clone());
    let nonce = nonce();
    let parent = visit.parent(&look.allowed_origins);
    let page = Page {
        state,
        token,
        name: &live.number.name,
        masked: live.number.phone.masked(),
        number_id: live.number.id.to_string(),
        role: live.role.name(),
        redirect: look.redirect_url.as_deref().unwrap_or_default(),
        official: look.official_url.as_deref(),
        parent,
        qr: picture.map(|picture| picture.data_uri()).unwrap_or_default(),
        code: code.map(|(code, _)| code).unwrap_or_default(),
        refresh: matches!(state, "codes" | "connecting").then(|| refresh_after(codes)),
        ..Page::plain(visit, visit.language(live.link.language.as_deref()), &nonce)?
            .branded(&branding)
    };
    answer(StatusCode::OK, &page, &look.allowed_origins)
}

/// When the page of a browser without JavaScript asks again: before it shows a code that is over.
fn refresh_after(codes: Option<&Codes>) -> u64 {
    let left = codes.map(|codes| codes.qr.expires_at.since(SystemClock.now()).as_secs() + 1);
    left.map_or(REFRESH_SECONDS, |left| left.min(REFRESH_SECONDS))
}

/// The page of a request that could not be served now: it asks again by itself. It says nothing of
/// the link, which may not be known.
pub(super) fn later(
    visit: &Visit,
    status: StatusCode,
    seconds: Option<u64>,
) -> Result<Response, ApiError> {
    let (nonce, seconds) = (nonce(), seconds.unwrap_or(REFRESH_SECONDS));
    // As on a dead link's page, there is nothing on it that a frame around it could abuse.
    let parent = visit.parameter("parentOrigin").filter(|origin| is_origin(origin));
    let plain = Page::plain(visit, visit.language(None), &nonce)?;
    let (refresh, retry) = (Some(seconds), Some(seconds));
    let page = Page { state: "unreachable", parent, refresh, retry, ..plain };
    let frames: Vec<String> = parent.into_iter().map(str::to_owned).collect();
    let mut response = answer(status, &page, &frames)?;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    Ok(response)
}

/// The page of a link that opens nothing.
pub(super) fn dead(visit: &Visit, dead: DeadLink) -> Result<Response, ApiError> {
    let (nonce, language) = (nonce(), visit.language(None));
    let texts = texts(language);
    let why = match dead {
        DeadLink::Expired => texts.dead_expired,
        DeadLink::Used => texts.dead_used,
        DeadLink::Revoked | DeadLink::Unknown => texts.dead_unknown,
    };
    // Whoever embeds it learns that the link is dead, which its token tells anyway. There is nothing
    // on it that a frame around it could abuse.
    let parent = visit.parameter("parentOrigin").filter(|origin| is_origin(origin));
    let plain = Page::plain(visit, language, &nonce)?;
    let page = Page { state: "dead", dead: Some(why), parent, ..plain };
    let frames: Vec<String> = parent.into_iter().map(str::to_owned).collect();
    answer(StatusCode::NOT_FOUND, &page, &frames)
}

/// The page as somebody sees it who is about to scan, for whoever chooses how it looks: a page of ours
/// shows it in a frame. Nothing on it works.
pub(crate) fn preview(branding: &Branding, language: Language) -> Result<Response, ApiError> {
    let visit = Visit { here: String::new(), parameters: Vec::new(), accepted: language };
    let picture = QrPicture::draw(SAMPLE).map_err(|error| AppError::Internal(Box::new(error)))?;
    let nonce = nonce();
    let page = Page {
        state: "codes",
        name: "Maria",
        masked: "+551199****0001".to_owned(),
        qr: picture.data_uri(),
        code: "ABCD-1234".to_owned(),
        preview: true,
        ..Page::plain(&visit, language, &nonce)?.branded(branding)
    };
    answer(StatusCode::OK, &page, &[String::new()])
}

/// Whether a text is nothing but a scheme, a host and maybe a port.
pub(super) fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let plain = |letter: u8| letter.is_ascii_alphanumeric() || b".-:".contains(&letter);
        !host.is_empty() && host.bytes().all(plain)
    })
}

pub(super) fn nonce() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The origin of a logo elsewhere; nothing for one of this server.
pub(super) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(host..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..host + end).unwrap_or_default()
}

pub(super) fn answer(
    status: StatusCode,
    page: &Page<'_>,
    frames: &[String],
) -> Result<Response, ApiError> {
    let html = page.render().map_err(|error| AppError::Internal(Box::new(error)))?;
    let ancestors = if frames.is_empty() {
        "'none'".to_owned()
    } else {
        format!("'self' {}", frames.join(" "))
    };
    let sources = page.signup.as_ref().and_then(|signup| signup.sources.as_ref());
    // Nothing from elsewhere but the logo, and Meta's sign-up on the page that begins it.
    let (script, meta, frames) = sources.map_or_else(Default::default, |it| {
        let Sources { script, dialog } = it;
        (script.as_str(), format!("{script} {dialog}"), format!("frame-src {dialog}; "))
    });
    let policy = format!(
        "default-src 'none'; script-src 'self' {script}; style-src 'self' 'nonce-{}'; \
         img-src 'self' data: {}; connect-src 'self' {meta}; {frames}form-action 'self'; \
         base-uri 'none'; frame-ancestors {ancestors}",
        page.nonce,
        page.logo.map(origin).unwrap_or_default(),
    );
    // What is not there leaves a space behind.
    let policy = policy.replace(" ;", ";");
    let policy =
        HeaderValue::try_from(policy).map_err(|error| AppError::Internal(Box::new(error)))?;
    // The address opens something, so nobody is told it. Meta asks which site its script is on.
    let referrer = if sources.is_some() { "strict-origin" } else { "no-referrer" };
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static(referrer)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let mut response = (status, headers, Html(html)).into_response();
    if sources.is_some() {
        // Meta's window answers to the page that opened it.
        let policy = HeaderValue::from_static("same-origin-allow-popups");
        response.headers_mut().insert(OPENER_POLICY, policy);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_s_origin_is_allowed_and_nothing_else_of_it() {
        assert_eq!(origin("https://cdn.acme.com:8443/logo.png?x=1"), "https://cdn.acme.com:8443");
        assert_eq!(origin("https://cdn.acme.com"), "https://cdn.acme.com");
        assert_eq!(origin("/logos/lg_1"), "");
    }

    #[test]
    fn what_is_no_origin_does_not_reach_the_policy() {
        assert!(is_origin("https://app.acme.com") && is_origin("http://localhost:3000"));
        for bad in ["*", "https://", "https://a.com/x", "https://a.com;script-src *", "https://a b"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
