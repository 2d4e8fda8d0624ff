//! Coming in and going out: sign-in, the one-time set-up link, sign-out, and the choice of a language.

use askama::Template;
use axum::{
    Router,
    extract::{FromRequest as _, FromRequestParts as _, Request, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{AppError, Credentials, Language, SignInError, Visitor};
use ramal_domain::{BrowserSecret, Role};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    answer::{PageError, page, sentence},
    session::{
        LANGUAGE, OwnPosted, SignedIn, check_origin, language_of, let_in, let_out, own_path,
        set_cookie, visitor,
    },
    texts::{Common, SignInTexts},
};
use crate::{
    ClientAddress, Web,
    extract::{Path, Query},
};

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/setup/{secret}", get(invited).post(accept))
        .route("/language/{tag}", get(choose_language))
}

#[derive(Template)]
#[template(path = "dashboard/sign_in.html")]
struct SignInPage {
    language: &'static str,
    texts: &'static SignInTexts,
    common: &'static Common,
    next: String,
    /// The path of this page.
    path: String,
    /// What an invitation is for; `None` on the plain page.
    role: Option<Role>,
    /// The invitation is for nothing.
    dead: bool,
    email: String,
    problem: Option<String>,
}

impl SignInPage {
    fn new(language: Language) -> Self {
        Self {
            language: language.tag(),
            texts: SignInTexts::of(language),
            common: Common::of(language),
            next: String::new(),
            path: "/sign-in".to_owned(),
            role: None,
            dead: false,
            email: String::new(),
            problem: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn show(
    State(web): State<Web>,
    Query(query): Query<Next>,
    request: Request,
) -> Result<Response, PageError> {
    let headers = request.headers().clone();
    let (mut parts, _) = request.into_parts();
    if SignedIn::from_request_parts(&mut parts, &web).await.is_ok() {
        return Ok(Redirect::to(own_path(&query.next)).into_response());
    }
    page(&SignInPage { next: query.next, ..SignInPage::new(language_of(&headers)) })
}

#[derive(Deserialize)]
struct SignInForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// Reads a form of somebody who is not signed in. It has nothing to prove but where it comes from.
async fn foreign_form(
    web: &Web,
    request: Request,
) -> Result<(HeaderMap, Visitor, SignInForm), PageError> {
    let headers = request.headers().clone();
    let address = request.extensions().get::<ClientAddress>().map(|client| client.0);
    let visitor = visitor(&headers, address);
    check_origin(&headers, web)?;
    let body = axum::body::Bytes::from_request(request, web).await;
    let body = body.map_err(|_unreadable| PageError::BadForm(String::new()))?;
    let form = serde_html_form::from_bytes(&body);
    Ok((headers, visitor, form.map_err(|error| PageError::BadForm(error.to_string()))?))
}

async fn sign_in(State(web): State<Web>, request: Request) -> Result<Response, PageError> {
    let (headers, visitor, form) = foreign_form(&web, request).await?;
    let given = Credentials { email: form.email.clone(), password: form.password, visitor };
    match web.app.sign_in(given).await {
        Ok(secret) => {
            Ok(([let_in(&web, &secret)], Redirect::to(own_path(&form.next))).into_response())
        }
        Err(error) => {
            let language = language_of(&headers);
            let (status, problem) = told(error, language)?;
            let again = SignInPage {
                next: form.next,
                email: form.email,
                problem: Some(problem),
                ..SignInPage::new(language)
            };
            Ok((status, page(&again)?).into_response())
        }
    }
}

/// What to tell whoever was not let in.
fn told(error: SignInError, language: Language) -> Result<(StatusCode, String), PageError> {
    match error {
        SignInError::Refused => {
            Ok((StatusCode::UNAUTHORIZED, SignInTexts::of(language).wrong.to_owned()))
        }
        SignInError::Throttled { retry_after_seconds } => {
            let text = Common::of(language).rate_limited;
            let text = text.replace("{s}", &retry_after_seconds.to_string());
            Ok((StatusCode::TOO_MANY_REQUESTS, text))
        }
        SignInError::App(error @ AppError::Refused(_)) => {
            Ok((StatusCode::BAD_REQUEST, sentence(&error, language)))
        }
        SignInError::App(error) => Err(error.into()),
    }
}

async fn sign_out(
    State(web): State<Web>,
    OwnPosted { by, form: Nothing {} }: OwnPosted<Nothing>,
) -> Result<Response, PageError> {
    web.app.sign_out(&by.secret).await?;
    Ok(([let_out(&web)], Redirect::to("/sign-in")).into_response())
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

async fn invitation_page(
    web: &Web,
    secret: &str,
    language: Language,
) -> Result<(SignInPage, Option<BrowserSecret>), PageError> {
    let parsed: Option<BrowserSecret> = secret.parse().ok();
    let role = match &parsed {
        Some(secret) => web.app.invitation(secret).await?,
        None => None,
    };
    let path = if parsed.is_some() { format!("/setup/{secret}") } else { "/sign-in".to_owned() };
    let shown = SignInPage { role, dead: role.is_none(), path, ..SignInPage::new(language) };
    Ok((shown, parsed.filter(|_| role.is_some())))
}

async fn invited(
    State(web): State<Web>,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let (shown, _) = invitation_page(&web, &secret, language_of(&headers)).await?;
    let status = if shown.dead { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok((status, page(&shown)?).into_response())
}

async fn accept(
    State(web): State<Web>,
    Path(secret): Path<String>,
    request: Request,
) -> Result<Response, PageError> {
    let (headers, visitor, form) = foreign_form(&web, request).await?;
    let language = language_of(&headers);
    let (shown, secret) = invitation_page(&web, &secret, language).await?;
    let Some(secret) = secret else {
        return Ok((StatusCode::NOT_FOUND, page(&shown)?).into_response());
    };
    let given = Credentials { email: form.email.clone(), password: form.password, visitor };
    match web.app.accept_invitation(&secret, given).await {
        Ok(browser) => Ok(([let_in(&web, &browser)], Redirect::to("/numbers")).into_response()),
        Err(error) => {
            let (status, problem) = told(error, language)?;
            let again = SignInPage { email: form.email, problem: Some(problem), ..shown };
            Ok((status, page(&again)?).into_response())
        }
    }
}

async fn choose_language(
    State(web): State<Web>,
    Path(tag): Path<String>,
    Query(query): Query<Next>,
) -> Result<Response, PageError> {
    let language = Language::parse(&tag)?;
    let cookie = set_cookie(
        &web.app,
        LANGUAGE,
        language.tag().to_owned(),
        cookie::time::Duration::days(365),
    );
    Ok(([cookie], Redirect::to(own_path(&query.next))).into_response())
}
