//! `/profile`: the tenant's key, how the connect page looks and behaves, the people, and oneself.

mod brand;
mod people;
mod texts;

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{AppError, Refusal};
use ramal_domain::{Role, Timestamp, WrongPhonePolicy};
use ramal_store::User;
use serde::Deserialize;

pub(super) use self::texts::ProfileTexts;

use self::brand::{BrandForm, PairingForm};
use super::{
    answer::{Flash, PageError},
    frame::{Frame, Section},
    session::{Posted, SignedIn},
};
use crate::{
    Web,
    assets::{JAVASCRIPT, asset},
};

const PATH: &str = "/profile";
const SCRIPT: &str = include_str!("profile/profile.js");

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route(PATH, get(show))
        .route("/profile/key", post(regenerate_key))
        .route("/profile/branding", post(brand::save))
        .route("/profile/pairing", post(brand::save_pairing))
        .route("/profile/preview", get(brand::preview))
        .route("/assets/profile.js", get(async || asset(JAVASCRIPT, SCRIPT)))
        .merge(people::router())
}

/// The tenant's key, masked.
struct KeyRow {
    masked: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// What is shown this once.
struct Secret {
    title: &'static str,
    hint: &'static str,
    text: String,
}

/// One choice of what to do when another phone scans.
struct Policy {
    name: &'static str,
    title: &'static str,
    hint: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "dashboard/profile.html")]
struct ProfilePage {
    frame: Frame,
    t: &'static ProfileTexts,
    secret: Option<Secret>,
    /// The key, when it was made just now.
    new_key: Option<String>,
    key: Option<KeyRow>,
    url: String,
    brand: BrandForm,
    policies: Vec<Policy>,
    pairing: PairingForm,
    people: Vec<Person>,
}

/// A line of the people's list.
struct Person {
    id: String,
    email: String,
    is_owner: bool,
    /// Whoever looks.
    is_own: bool,
    signed_in_at: Option<Timestamp>,
}

impl ProfilePage {
    /// The page as things are.
    async fn new(web: &Web, by: &SignedIn, headers: &HeaderMap) -> Result<Self, PageError> {
        let key = web.app.tenant_key(&by.caller).await?;
        let settings = web.app.tenant_settings(&by.caller).await?;
        let pairing = PairingForm {
            wrong_phone_policy: settings.wrong_phone.name().to_owned(),
            allowed_origins: settings.allowed_origins.join("\n"),
            official_url: settings.official_url.clone().unwrap_or_default(),
        };
        let t = ProfileTexts::of(by.language);
        let users = web.app.users(&by.caller).await?;
        let person = |user: User| Person {
            id: user.id.to_string(),
            email: user.email.to_string(),
            is_owner: user.role == Role::Owner,
            is_own: user.id == by.user.id,
            signed_in_at: user.signed_in_at,
        };
        Ok(Self {
            frame: Frame::new(web, by, Section::Profile, PATH, headers),
            t,
            secret: None,
            new_key: None,
            key: key.map(|key| KeyRow {
                masked: format!("{}…{}", key.prefix, key.last4),
                created_at: key.created_at,
                last_used_at: key.last_used_at,
            }),
            url: web.app.public_url().to_owned(),
            brand: BrandForm::of(web, &settings),
            policies: policies(t, &pairing.wrong_phone_policy),
            pairing,
            people: users.into_iter().map(person).collect(),
        })
    }

    /// The page again, because what was sent is wrong: it says so, and keeps it.
    fn refused(mut self, web: &Web, problem: &str) -> Result<Response, PageError> {
        self.frame.flash = Some(Flash { problem: true, text: problem.to_owned() });
        Ok((StatusCode::BAD_REQUEST, self.frame.answer(web, &self)?).into_response())
    }
}

fn policies(t: &'static ProfileTexts, chosen: &str) -> Vec<Policy> {
    let words = |policy| match policy {
        WrongPhonePolicy::Reject => (t.policy_reject, t.policy_reject_hint),
        WrongPhonePolicy::Adopt => (t.policy_adopt, t.policy_adopt_hint),
        WrongPhonePolicy::Ask => (t.policy_ask, t.policy_ask_hint),
    };
    let policy = |policy: WrongPhonePolicy| {
        let (title, hint) = words(policy);
        Policy { name: policy.name(), title, hint, chosen: policy.name() == chosen }
    };
    WrongPhonePolicy::ALL.map(policy).into()
}

/// Whether a person can mend what was refused by writing something else.
const fn is_invalid(error: &AppError) -> bool {
    matches!(error, AppError::Refused(Refusal::Validation(_)))
}

async fn show(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let page = ProfilePage::new(&web, &by, &headers).await?;
    page.frame.answer(&web, &page)
}

/// What must be ticked before something dies.
#[derive(Debug, Deserialize)]
struct Sure {
    sure: Option<String>,
}

async fn regenerate_key(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form }: Posted<Sure>,
) -> Result<Response, PageError> {
    let t = ProfileTexts::of(by.language);
    if form.sure.is_none() {
        return ProfilePage::new(&web, &by, &headers).await?.refused(&web, t.key_not_sure);
    }
    let new = web.app.regenerate_own_key(&by.caller).await?;
    let token = new.token.expose().to_owned();
    let secret = Secret { title: t.key_new, hint: t.key_new_hint, text: token.clone() };
    let page = ProfilePage::new(&web, &by, &headers).await?;
    let page = ProfilePage { secret: Some(secret), new_key: Some(token), ..page };
    page.frame.answer(&web, &page)
}
