//! Official numbers: create one, see how its onboarding is, connect it anew, and move a QR-paired number
//! over.

mod words;

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{
    AppError, CreateNumber, CreateOfficial, CredentialsPatch, Language, MetaCredentials, Migration,
    NumberView, OfficialView, SettingsPatch, Step,
};
use ramal_domain::{Link, PhoneNumber, Provider, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use self::words::Problem;
pub(super) use self::words::{OfficialTexts, Problems, meta_sentence};
use super::{
    answer::{PageError, after},
    frame::{Frame, Section},
    links::{LinkTexts, Wanted},
    number,
    numbers::NumbersTexts,
    session::{Posted, SignedIn},
    sign_in::Nothing,
    texts::Done,
};
use crate::{Web, extract::Path};

/// How long before its end a token is warned of.
const TOKEN_SOON_MILLIS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// The fields of a form that can be told of, but for those that say which number it is.
const SECRETS: [&str; 3] = ["token", "secret", "pin"];
/// The fields of the form that moves a number.
const CREDENTIALS: [&str; 5] = ["phone-id", "waba-id", "token", "secret", "pin"];

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/numbers/official", get(new).post(create))
        .route("/numbers/{id}/refresh", post(refresh))
        .route("/numbers/{id}/reconnect", get(ask_again).post(reconnect))
        .route("/numbers/{id}/migrate", get(ask_to_move).post(migrate))
        .route("/numbers/{id}/verify-token", post(reveal))
}

/// A step, for the list.
#[derive(Debug)]
pub(super) struct StepRow {
    pub(super) name: &'static str,
    pub(super) status: &'static str,
    pub(super) tone: &'static str,
    pub(super) icon: &'static str,
    pub(super) detail: Option<String>,
}

impl StepRow {
    fn of(step: &Step, language: Language) -> Self {
        let t = OfficialTexts::of(language);
        let (status, tone, icon) = t.progress(step.status);
        Self { name: t.step(step.step), status, tone, icon, detail: t.detail(step, language) }
    }
}

/// What a number's page shows of Meta.
#[derive(Debug)]
pub(super) struct OfficialBlock {
    pub(super) steps: Vec<StepRow>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) quality: Option<(&'static str, &'static str)>,
    pub(super) token_ends: Option<Timestamp>,
    pub(super) token_soon: bool,
    /// Whether it waits for Meta's review.
    pub(super) in_review: bool,
    pub(super) looked: Option<Timestamp>,
    pub(super) callback: String,
    /// Shown to the owner who asked for it.
    pub(super) verify_token: Option<String>,
}

impl OfficialBlock {
    pub(super) fn of(
        view: &OfficialView,
        link: Link,
        callback: String,
        now: Timestamp,
        language: Language,
    ) -> Self {
        let t = OfficialTexts::of(language);
        let text = |part: &str, field: &str| {
            let found = view.snapshot.get(part).and_then(|it| it.get(field));
            found.and_then(Value::as_str).map(str::to_owned)
        };
        let (coexistence, _evidence) = view.coexistence();
        let tier = view.messaging_limit_tier().filter(|tier| tier != "TIER_NOT_SET");
        let known = [
            (t.verified_name, text("phone", "verifiedName")),
            (t.status, view.meta_status()),
            (t.limit, tier.map(|tier| t.limit(&tier))),
            (t.coexistence, t.coexists(coexistence).map(str::to_owned)),
            (t.account, text("waba", "name")),
            (t.waba_id, Some(view.waba_id.clone())),
            (t.phone_id, Some(view.phone_id.clone())),
        ];
        let ends_soon =
            |at: Timestamp| at.as_millis().saturating_sub(now.as_millis()) < TOKEN_SOON_MILLIS;
        Self {
            steps: view.onboarding.iter().map(|step| StepRow::of(step, language)).collect(),
            facts: known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            quality: t.quality(view.quality_rating().as_deref()),
            token_ends: view.token_expires_at,
            token_soon: view.token_expires_at.is_some_and(ends_soon),
            in_review: link == Link::Pairing,
            looked: view.looked_at,
            callback,
            verify_token: None,
        }
    }
}

/// A form with credentials. `Debug` shows no secret.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CredentialsForm {
    name: String,
    number: String,
    #[serde(rename = "phoneId")]
    phone_id: String,
    #[serde(rename = "wabaId")]
    waba_id: String,
    #[serde(rename = "accessToken")]
    access_token: SecretString,
    #[serde(rename = "appSecret")]
    app_secret: SecretString,
    pin: SecretString,
}

impl CredentialsForm {
    fn credentials(&self) -> MetaCredentials {
        MetaCredentials {
            phone_id: self.phone_id.trim().to_owned(),
            waba_id: self.waba_id.trim().to_owned(),
            access_token: filled(&self.access_token).unwrap_or_default(),
            app_secret: filled(&self.app_secret).unwrap_or_default(),
            app_id: None,
            pin: filled(&self.pin),
        }
    }
}

/// What was typed, without the spaces that copying brings along; `None` when nothing was.
fn filled(secret: &SecretString) -> Option<SecretString> {
    let text = secret.expose_secret().trim();
    (!text.is_empty()).then(|| text.into())
}

/// Which credentials a form asks for, and what of them was typed. Secrets are typed again: they are never
/// sent back.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) phone_id: String,
    pub(super) waba_id: String,
    /// Whether Meta's ids are asked for.
    pub(super) ids: bool,
    /// Whether token and secret must be given.
    pub(super) required: bool,
    pub(super) problems: Problems,
}

impl Default for Asked {
    fn default() -> Self {
        Self::new(CredentialsForm::default(), None)
    }
}

impl Asked {
    fn new(form: CredentialsForm, problem: Option<Problem>) -> Self {
        let (phone_id, waba_id) = (form.phone_id, form.waba_id);
        Self { phone_id, waba_id, ids: true, required: true, problems: Problems(problem) }
    }
}

#[derive(Template)]
#[template(path = "dashboard/official_new.html")]
struct NewPage {
    frame: Frame,
    t: &'static OfficialTexts,
    n: &'static NumbersTexts,
    l: &'static LinkTexts,
    name: String,
    number: String,
    asked: Asked,
    wanted: Wanted,
}

async fn new(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if by.is_owner() {
        new_page(&web, &by, &headers, CredentialsForm::default(), None)
    } else {
        Err(PageError::OwnersOnly)
    }
}

fn new_page(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    form: CredentialsForm,
    problem: Option<Problem>,
) -> Result<Response, PageError> {
    let page = NewPage {
        frame: Frame::new(web, by, Section::Numbers, "/numbers/official", headers),
        t: OfficialTexts::of(by.language),
        n: NumbersTexts::of(by.language),
        l: LinkTexts::of(by.language),
        name: form.name.clone(),
        number: form.number.clone(),
        asked: Asked::new(form, problem),
        wanted: Wanted::new(web, by),
    };
    page.frame.answer(web, &page)
}

async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form }: Posted<CredentialsForm>,
) -> Result<Response, PageError> {
    let number = PhoneNumber::from_any_format(&form.number);
    let number = number.map_or_else(|_no_phone| form.number.clone(), |phone| phone.e164());
    let wish = CreateOfficial {
        number: CreateNumber {
            name: form.name.trim().to_owned(),
            number,
            link_to_api_key: false,
            settings: SettingsPatch::default(),
        },
        meta: form.credentials(),
    };
    match web.app.create_official_number(&by.caller, wish, None).await {
        Ok(created) => Ok(Redirect::to(&format!("/numbers/{}", created.number.id)).into_response()),
        Err(error) => {
            let (status, problem) = told(error, by.language)?;
            Ok((status, new_page(&web, &by, &headers, form, Some(problem))?).into_response())
        }
    }
}

/// What a form says of a refusal; what is ours to mend is an error page.
fn told(error: AppError, language: Language) -> Result<(StatusCode, Problem), PageError> {
    match error {
        AppError::Refused(_) => {
            let status = crate::error::status_of(error.kind());
            Ok((status, Problem::of(&error, language)))
        }
        AppError::Busy(_) | AppError::Internal(_) => Err(error.into()),
    }
}

/// A form that changes how a number that is there is connected.
#[derive(Template)]
#[template(path = "dashboard/official_change.html")]
struct ChangePage {
    frame: Frame,
    t: &'static OfficialTexts,
    name: String,
    phone: String,
    title: &'static str,
    hints: Vec<&'static str>,
    /// Where the number's page is, and where the form goes.
    here: String,
    action: String,
    asked: Asked,
}

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Reconnect,
    Migrate,
}

impl Change {
    /// The kind of number that it is for.
    const fn of(self) -> Provider {
        match self {
            Self::Reconnect => Provider::Meta,
            Self::Migrate => Provider::Web,
        }
    }
}

async fn ask_again(
    State(web): State<Web>,
    by: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    change_page(&web, &by, &id, &headers, Change::Reconnect, Asked::default()).await
}

async fn ask_to_move(
    State(web): State<Web>,
    by: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    change_page(&web, &by, &id, &headers, Change::Migrate, Asked::default()).await
}

async fn change_page(
    web: &Web,
    by: &SignedIn,
    id: &str,
    headers: &HeaderMap,
    change: Change,
    asked: Asked,
) -> Result<Response, PageError> {
    if !by.is_owner() {
        return Err(PageError::OwnersOnly);
    }
    let NumberView { number, .. } = web.app.get_number(&by.caller, id).await?;
    let here = format!("/numbers/{id}");
    if number.provider != change.of() {
        return Ok(Redirect::to(&here).into_response());
    }
    let t = OfficialTexts::of(by.language);
    let (title, hints, tail, asked) = match change {
        Change::Reconnect => (
            t.reconnect,
            vec![t.reconnect_hint],
            "reconnect",
            Asked { ids: false, required: false, ..asked },
        ),
        Change::Migrate => (
            t.migrate,
            vec![t.migrate_kept, t.migrate_before, t.migrate_after, t.migrate_lost],
            "migrate",
            asked,
        ),
    };
    let action = format!("{here}/{tail}");
    let page = ChangePage {
        frame: Frame::new(web, by, Section::Numbers, &action, headers),
        t,
        phone: number.phone.international(),
        name: number.name,
        title,
        hints,
        here,
        action,
        asked,
    };
    page.frame.answer(web, &page)
}

async fn reconnect(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { by, form }: Posted<CredentialsForm>,
) -> Result<Response, PageError> {
    let patch = CredentialsPatch {
        access_token: filled(&form.access_token),
        app_secret: filled(&form.app_secret),
        app_id: None,
        pin: filled(&form.pin),
    };
    match web.app.reconnect_official(&by.caller, &id, patch).await {
        Err(error @ AppError::Refused(_)) if error.code() != "FEATURE_NOT_SUPPORTED" => {
            let (status, problem) = told(error, by.language)?;
            let asked = Asked::new(form, Some(problem.among(&SECRETS)));
            let page = change_page(&web, &by, &id, &headers, Change::Reconnect, asked).await?;
            Ok((status, page).into_response())
        }
        done => after(&web, by.language, &format!("/numbers/{id}"), done, Done::Connected),
    }
}

async fn migrate(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { by, form }: Posted<CredentialsForm>,
) -> Result<Response, PageError> {
    let migration = Migration { meta: form.credentials() };
    match web.app.migrate_number(&by.caller, &id, migration, None).await {
        Err(error @ AppError::Refused(_)) if error.code() != "NUMBER_ALREADY_OFFICIAL" => {
            let (status, problem) = told(error, by.language)?;
            let asked = Asked::new(form, Some(problem.among(&CREDENTIALS)));
            let page = change_page(&web, &by, &id, &headers, Change::Migrate, asked).await?;
            Ok((status, page).into_response())
        }
        done => after(&web, by.language, &format!("/numbers/{id}"), done, Done::Moved),
    }
}

async fn refresh(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let looked = web.app.refresh_number(&by.caller, &id).await;
    after(&web, by.language, &format!("/numbers/{id}"), looked, Done::Asked)
}

async fn reveal(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let token = web.app.reveal_verify_token(&by.caller, &id).await?;
    number::page_with_verify_token(&web, &by, &id, &headers, token.expose_secret()).await
}
