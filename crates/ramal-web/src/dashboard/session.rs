//! Who is looking: the cookie of a signed-in browser, and what a request must prove.
//!
//! Permission is a parameter type: a page takes [`SignedIn`], an action of an owner takes
//! [`Posted`], and what everybody may do for themselves takes [`OwnPosted`]. The latter two have
//! checked that the request comes from a page of ours (the form token, and where the browser says
//! it comes from).

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Redirect, Response},
};
use cookie::{Cookie, SameSite};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, HOST, ORIGIN, SET_COOKIE},
    request::Parts,
};
use ramal_app::{App, AppError, Caller, Language, Visitor};
use ramal_domain::{BrowserSecret, Role};
use ramal_store::User;
use serde::{Deserialize, de::DeserializeOwned};
use subtle::ConstantTimeEq as _;

use super::{answer::PageError, is_safe};
use crate::Web;

/// The cookie of a signed-in browser.
const SESSION: &str = "ramal_session";
/// The cookie with the language that somebody chose.
pub(super) const LANGUAGE: &str = "ramal_language";
/// Where the script puts the form token.
pub(super) const FORM_TOKEN: HeaderName = HeaderName::from_static("x-form-token");
/// Where a browser says that a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How long a browser keeps the cookie; the server decides how long it is good for.
const COOKIE_LIFE: cookie::time::Duration = cookie::time::Duration::days(30);

/// A person who is signed in.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) user: User,
    /// The same, for use cases.
    pub(super) caller: Caller,
    pub(super) secret: BrowserSecret,
    pub(super) language: Language,
}

impl SignedIn {
    pub(super) fn is_owner(&self) -> bool {
        self.user.role == Role::Owner
    }
}

impl FromRequestParts<Web> for SignedIn {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let wanted = || {
            // After signing in one comes back to a page, not to an action.
            let path = is_safe(&parts.method).then(|| parts.uri.path().to_owned());
            PageError::SignIn { next: path.unwrap_or_else(|| "/".to_owned()) }
        };
        let secret = secret_of(&parts.headers).ok_or_else(wanted)?;
        let user = web.app.signed_in(&secret).await?.ok_or_else(wanted)?;
        let (caller, language) = (Caller::person(user.clone()), language_of(&parts.headers));
        Ok(Self { user, caller, secret, language })
    }
}

/// An action of an owner, with its form.
#[derive(Debug)]
pub(super) struct Posted<T> {
    pub(super) by: SignedIn,
    pub(super) form: T,
}

impl<T: DeserializeOwned> FromRequest<Web> for Posted<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let OwnPosted { by, form } = OwnPosted::from_request(request, web).await?;
        if by.is_owner() { Ok(Self { by, form }) } else { Err(PageError::OwnersOnly) }
    }
}

/// Something that everybody may do for themselves, with its form.
#[derive(Debug)]
pub(super) struct OwnPosted<T> {
    pub(super) by: SignedIn,
    pub(super) form: T,
}

#[derive(Deserialize)]
struct FormToken {
    #[serde(default)]
    form_token: String,
}

impl<T: DeserializeOwned> FromRequest<Web> for OwnPosted<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let by = SignedIn::from_request_parts(&mut parts, web).await?;
        check_origin(&parts.headers, web)?;
        let in_header = parts.headers.get(FORM_TOKEN).and_then(|token| token.to_str().ok());
        let in_header = in_header.map(str::to_owned);
        let bytes = Bytes::from_request(Request::from_parts(parts, body), web).await;
        let bytes = bytes.map_err(|_unreadable| PageError::BadForm(String::new()))?;
        let given = match in_header {
            Some(token) => token,
            None => read::<FormToken>(&bytes)?.form_token,
        };
        check_token(&by.secret, &given)?;
        Ok(Self { form: read(&bytes)?, by })
    }
}

/// Proves that an upload was sent by a page of ours for an owner. Its token is in the header, or in the
/// field of the form that was read first.
pub(super) fn check_upload(
    by: &SignedIn,
    headers: &HeaderMap,
    web: &Web,
    field: Option<&str>,
) -> Result<(), PageError> {
    check_origin(headers, web)?;
    let in_header = headers.get(FORM_TOKEN).and_then(|token| token.to_str().ok());
    check_token(&by.secret, in_header.or(field).unwrap_or_default())?;
    if by.is_owner() { Ok(()) } else { Err(PageError::OwnersOnly) }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, PageError> {
    serde_html_form::from_bytes(body).map_err(|error| PageError::BadForm(error.to_string()))
}

fn check_token(secret: &BrowserSecret, given: &str) -> Result<(), PageError> {
    let expected = secret.form_token();
    if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
        Ok(())
    } else {
        Err(PageError::ForeignForm)
    }
}

/// Refuses what a page of another site sends: what the browser says of that it cannot be made to
/// leave out by that page. Forms that come before a sign-in have nothing else to prove it by.
pub(super) fn check_origin(headers: &HeaderMap, web: &Web) -> Result<(), PageError> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(&FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(PageError::ForeignForm);
    }
    let Some(origin) = text(&ORIGIN) else { return Ok(()) };
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let own = text(&HOST).is_some_and(|own| own.eq_ignore_ascii_case(host))
        || web.app.public_url().eq_ignore_ascii_case(origin);
    if own { Ok(()) } else { Err(PageError::ForeignForm) }
}

/// The value of a cookie.
pub(super) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).flatten();
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

fn secret_of(headers: &HeaderMap) -> Option<BrowserSecret> {
    cookie_of(headers, SESSION)?.parse().ok()
}

/// The language that somebody chose, else that of the browser.
pub(super) fn language_of(headers: &HeaderMap) -> Language {
    let chosen = cookie_of(headers, LANGUAGE).and_then(|tag| Language::parse(&tag).ok());
    chosen.unwrap_or_else(|| {
        let header = headers.get(http::header::ACCEPT_LANGUAGE);
        Language::accepted(header.and_then(|value| value.to_str().ok()).unwrap_or_default())
    })
}

/// The browser behind a request, before it is signed in.
pub(super) fn visitor(headers: &HeaderMap, address: Option<std::net::IpAddr>) -> Visitor {
    let agent = headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
    Visitor { user_agent: agent.unwrap_or_default().to_owned(), address }
}

/// A `Set-Cookie` header.
pub(super) fn set_cookie(
    app: &App,
    name: &'static str,
    value: String,
    life: cookie::time::Duration,
) -> (HeaderName, HeaderValue) {
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.public_url().starts_with("https://"))
        .max_age(life)
        .build()
        .to_string();
    // Values are hexadecimal, base64 or a language tag.
    let value = HeaderValue::from_str(&cookie).unwrap_or_else(|_| HeaderValue::from_static(""));
    (SET_COOKIE, value)
}

/// The cookie of a browser that is let in.
pub(super) fn let_in(web: &Web, secret: &BrowserSecret) -> (HeaderName, HeaderValue) {
    set_cookie(&web.app, SESSION, secret.expose().to_owned(), COOKIE_LIFE)
}

/// Takes the cookie back.
pub(super) fn let_out(web: &Web) -> (HeaderName, HeaderValue) {
    set_cookie(&web.app, SESSION, String::new(), cookie::time::Duration::ZERO)
}

/// Lets a browser in as `user`, whose right to that the caller has proven, and shows it the first
/// page: for the sandbox, whose link is printed on the terminal.
///
/// # Errors
///
/// [`AppError`] when the database fails.
pub async fn enter(app: &App, user: &User, headers: &HeaderMap) -> Result<Response, AppError> {
    let secret = app.let_in(user, &visitor(headers, None)).await?;
    let cookie = set_cookie(app, SESSION, secret.expose().to_owned(), COOKIE_LIFE);
    Ok(([cookie], Redirect::to("/numbers")).into_response())
}

/// A path of ours to go to, as a page or a query names it; `/` when it is anything else.
pub(super) fn own_path(text: &str) -> &str {
    let own = text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|letter| letter.is_ascii_graphic() && letter != b'\\');
    if own { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_sent_to_paths_of_ours_only() {
        assert_eq!(own_path("/numbers/wa_1?tab=x"), "/numbers/wa_1?tab=x");
        for bad in ["", "numbers", "//evil.example", "https://evil.example", "/\\evil", "/a b"] {
            assert_eq!(own_path(bad), "/", "{bad}");
        }
    }
}
