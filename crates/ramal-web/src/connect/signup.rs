//! The page of a link by which a person connects an official number: through Meta's Embedded Signup,
//! or with the credentials of their own app. The second works without JavaScript too.

use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use ramal_app::{
    AppError, DeadLink, Language, LiveSignup, MetaCredentials, Refusal, SignupFlow, Step, StepName,
    StepStatus,
};
use ramal_domain::Link;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{
    Visit,
    page::{self, Page},
    said::said,
    signup_texts::{FieldTexts, FormTexts, SignupTexts},
};
use crate::{Web, error::ApiError};

pub(super) const NUMBER: &str = "number";
pub(super) const PHONE_ID: &str = "metaPhoneId";
pub(super) const WABA_ID: &str = "metaWabaId";
pub(super) const TOKEN: &str = "metaAccessToken";
pub(super) const APP_SECRET: &str = "metaAppSecret";
pub(super) const APP_ID: &str = "metaAppId";
pub(super) const PIN: &str = "metaPin";
const NAME: &str = "name";

/// What the form checks ids, tokens and the rest with. No field has a greatest length: what is pasted is
/// trimmed first.
const ID: &str = "[0-9]{5,20}";
const SECRET: &str = "[!-~]{1,4096}";
const PHONE: &str = r"\+?[0-9][0-9 \(\)\.\-]{7,24}";

/// What the page shows beyond that of every link.
#[derive(Debug)]
pub(super) struct Signup {
    pub(super) texts: &'static SignupTexts,
    language: Language,
    pub(super) embedded: bool,
    /// What the form proves itself with; empty before there is one.
    pub(super) state: String,
    pub(super) fields: Vec<Field>,
    /// What is wrong beyond the fields.
    pub(super) problem: Option<&'static str>,
    /// What Meta said of it.
    pub(super) said: Option<String>,
    /// Whether secrets have to be entered again.
    pub(super) again: bool,
    /// What is not as it should be, although the number is connected.
    pub(super) warnings: Vec<&'static str>,
    /// Where Meta's script and dialog are.
    pub(super) sources: Option<Sources>,
}

/// What the policy of the page with Meta's script allows beyond ours.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) script: String,
    pub(super) dialog: String,
}

/// A field of the form, as the page shows it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) texts: &'static FieldTexts,
    /// What was entered; never a secret.
    pub(super) value: String,
    pub(super) kind: &'static str,
    pub(super) input_mode: &'static str,
    pub(super) pattern: &'static str,
    pub(super) required: bool,
    pub(super) problem: Option<&'static str>,
}

impl Signup {
    fn of(visit: &Visit, live: &LiveSignup) -> Self {
        let steps = live.official.as_ref().map(|official| official.onboarding.as_slice());
        let language = visit.language(live.link.language.as_deref());
        let texts = SignupTexts::of(language);
        Self {
            texts,
            language,
            embedded: live.link.flow == SignupFlow::Embedded,
            state: String::new(),
            fields: Vec::new(),
            problem: None,
            said: None,
            again: false,
            warnings: warnings(texts, steps.unwrap_or_default()),
            sources: None,
        }
    }

    /// With the form, filled in as it was sent.
    fn with_form(self, live: &LiveSignup, typed: Typed) -> Self {
        let fields = fields(&self.texts.form, live.link.name.is_none(), &typed);
        Self { state: typed.state, fields, ..self }
    }

    /// With what a refusal means, beside the field that is to blame if there is one.
    fn with_refusal(mut self, refusal: &Refusal) -> Self {
        let (form, code) = (&self.texts.form, refusal.code());
        let blamed = blamed(refusal).and_then(|name| {
            let field = self.fields.iter_mut().find(|field| field.name == name)?;
            let malformed = (code == "VALIDATION_ERROR").then_some(field.texts.malformed);
            field.problem = Some(malformed.or_else(|| form.problem(code, name))?);
            Some(form.check_fields)
        });
        let general = || form.general(code).unwrap_or(self.texts.not_now);
        self.problem = Some(blamed.unwrap_or_else(general));
        if let Refusal::MetaRefused(sentence) = refusal {
            let sentence = said(sentence, self.language).unwrap_or_else(|| sentence.clone());
            self.said = Some(self.texts.meta_said.replace("{message}", &sentence));
        }
        self.again = true;
        self
    }
}

/// What a person has entered.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Typed {
    state: String,
    number: String,
    name: String,
    meta_phone_id: String,
    meta_waba_id: String,
    meta_access_token: SecretString,
    meta_app_secret: SecretString,
    meta_app_id: String,
    meta_pin: SecretString,
}

impl Typed {
    /// What comes from a browser's form, without the white space that is pasted along.
    fn read(body: &[u8]) -> Self {
        let mut typed: Self = serde_html_form::from_bytes(body).unwrap_or_default();
        for text in [
            &mut typed.number,
            &mut typed.name,
            &mut typed.meta_phone_id,
            &mut typed.meta_waba_id,
            &mut typed.meta_app_id,
        ] {
            *text = text.trim().to_owned();
        }
        for secret in
            [&mut typed.meta_access_token, &mut typed.meta_app_secret, &mut typed.meta_pin]
        {
            *secret = secret.expose_secret().trim().to_owned().into();
        }
        typed
    }

    fn credentials(&self) -> MetaCredentials {
        let pin = Some(self.meta_pin.clone()).filter(|pin| !pin.expose_secret().is_empty());
        MetaCredentials {
            phone_id: self.meta_phone_id.clone(),
            waba_id: self.meta_waba_id.clone(),
            access_token: self.meta_access_token.clone(),
            app_secret: self.meta_app_secret.clone(),
            app_id: Some(self.meta_app_id.clone()).filter(|id| !id.is_empty()),
            pin,
        }
    }
}

/// Every field; secrets are never filled in.
fn fields(form: &'static FormTexts, named: bool, typed: &Typed) -> Vec<Field> {
    let field = |name, texts, value: &str, pattern| Field {
        name,
        texts,
        value: value.to_owned(),
        kind: "text",
        input_mode: "numeric",
        pattern,
        required: true,
        problem: None,
    };
    let id = |name, texts, value: &str| field(name, texts, value, ID);
    let secret = |name, texts, pattern| Field {
        kind: "password",
        input_mode: "text",
        ..field(name, texts, "", pattern)
    };
    let number = Field {
        kind: "tel",
        input_mode: "tel",
        ..field(NUMBER, &form.number, &typed.number, PHONE)
    };
    let name =
        Field { input_mode: "text", ..field(NAME, &form.name, &typed.name, ".{1,100}") }.optional();
    let rest = [
        id(PHONE_ID, &form.phone_id, &typed.meta_phone_id),
        id(WABA_ID, &form.waba_id, &typed.meta_waba_id),
        secret(TOKEN, &form.token, SECRET),
        secret(APP_SECRET, &form.app_secret, SECRET),
        id(APP_ID, &form.app_id, &typed.meta_app_id).optional(),
        Field { input_mode: "numeric", ..secret(PIN, &form.pin, "[0-9]{6}") }.optional(),
    ];
    [Some(number), named.then_some(name)].into_iter().flatten().chain(rest).collect()
}

impl Field {
    fn optional(self) -> Self {
        Self { required: false, ..self }
    }
}

/// The field that a refusal is about: its sentence names it where the code alone does not.
fn blamed(refusal: &Refusal) -> Option<&'static str> {
    let sentence = refusal.to_string();
    let says = |word: &str| sentence.contains(word);
    match refusal.code() {
        "VALIDATION_ERROR" => {
            let all = [NUMBER, NAME, PHONE_ID, WABA_ID, TOKEN, APP_SECRET, APP_ID, PIN];
            let word = sentence.split([' ', ':']).next()?;
            all.into_iter().find(|name| *name == word)
        }
        "META_CREDENTIALS_INVALID" if says("appsecret_proof") => Some(APP_SECRET),
        "META_CREDENTIALS_INVALID" if says(APP_ID) => Some(APP_ID),
        "META_CREDENTIALS_INVALID" | "META_PERMISSION_MISSING" => Some(TOKEN),
        "META_NUMBER_MISMATCH" if says(WABA_ID) => Some(WABA_ID),
        "META_NUMBER_MISMATCH" => Some(PHONE_ID),
        "META_PIN_MISMATCH" => Some(PIN),
        "META_NUMBER_NOT_VERIFIED" | "NUMBER_ALREADY_ACTIVE" | "NUMBER_SOFT_DELETED" => {
            Some(NUMBER)
        }
        _ => None,
    }
}

/// What the person should know although the number is connected.
fn warnings(texts: &SignupTexts, steps: &[Step]) -> Vec<&'static str> {
    let failed = steps.iter().any(|step| step.status == StepStatus::Failed);
    let waits = |step: &Step| step.step == StepName::Verify && step.status == StepStatus::Pending;
    let in_review = steps.iter().any(waits);
    [failed.then_some(texts.undelivered), in_review.then_some(texts.in_review)]
        .into_iter()
        .flatten()
        .collect()
}

/// The page as it is asked for. Looking changes nothing: previews and scanners look too.
pub(super) async fn show(
    web: &Web,
    visit: &Visit,
    token: &str,
    live: &LiveSignup,
) -> Result<Response, ApiError> {
    let asked = Asked { web, visit, token, live };
    let signup = Signup::of(visit, live);
    if live.link.used_at.is_some() {
        // What was removed in the meantime is no success any more.
        let there = live.number.as_ref().is_some_and(|it| !matches!(it.link, Link::Closed(_)));
        if !there {
            return page::dead(visit, DeadLink::Used);
        }
        return asked.answer(StatusCode::OK, "open", signup).await;
    }
    if !signup.embedded {
        let signup = signup.with_form(live, Typed::default());
        return asked.answer(StatusCode::OK, "begin", signup).await;
    }
    match web.app.embedded_signup() {
        Ok(embedded) => {
            let sources = Some(Sources::of(&embedded.sdk_url, &embedded.login_origins));
            asked.answer(StatusCode::OK, "meta", Signup { sources, ..signup }).await
        }
        Err(AppError::Refused(Refusal::ProviderNotConfigured(_))) => {
            asked.answer(StatusCode::SERVICE_UNAVAILABLE, "unconfigured", signup).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What a form sent: the credentials, or from a browser without JavaScript the wish for the form.
pub(super) async fn submit(
    web: &Web,
    visit: &Visit,
    token: &str,
    body: &[u8],
) -> Result<Response, ApiError> {
    let live = match web.app.signup_link(token).await {
        Ok(live) => live,
        Err(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => {
            return page::dead(visit, dead);
        }
        Err(error) => return Err(error.into()),
    };
    if live.link.used_at.is_some() || live.link.flow == SignupFlow::Embedded {
        return Ok(Redirect::to(&visit.here).into_response());
    }
    let asked = Asked { web, visit, token, live: &live };
    asked.finish(Typed::read(body)).await
}

/// A request for the page.
struct Asked<'a> {
    web: &'a Web,
    visit: &'a Visit,
    token: &'a str,
    live: &'a LiveSignup,
}

impl Asked<'_> {
    async fn finish(&self, typed: Typed) -> Result<Response, ApiError> {
        if typed.state.is_empty() {
            return self.begin(typed, None).await;
        }
        let (number, name) = (typed.number.clone(), typed.name.clone());
        let name = Some(name).filter(|name| !name.is_empty());
        let (app, meta) = (&self.web.app, typed.credentials());
        let finished =
            app.finish_credentials_signup(self.token, &typed.state, number, name, meta).await;
        match finished {
            Ok(_) | Err(AppError::Refused(Refusal::NumberAlreadyConnected)) => {
                Ok(Redirect::to(&self.visit.here).into_response())
            }
            Err(AppError::Refused(Refusal::PairingLinkInvalid(dead))) => {
                page::dead(self.visit, dead)
            }
            // Another page of this link was newer. Now this one is: what it sent is looked at once
            // more.
            Err(AppError::Refused(refusal @ Refusal::MetaSignupStateInvalid)) => {
                self.begin(typed, Some(&refusal)).await
            }
            Err(AppError::Refused(refusal)) => {
                let signup = Signup::of(self.visit, self.live).with_form(self.live, typed);
                let status = crate::error::status_of(refusal.kind());
                self.answer(status, "form", signup.with_refusal(&refusal)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The form, bound to the link.
    async fn begin(&self, typed: Typed, refusal: Option<&Refusal>) -> Result<Response, ApiError> {
        let start = self.web.app.begin_signup(self.token).await?;
        let typed = Typed { state: start.state.expose_secret().to_owned(), ..typed };
        let signup = Signup::of(self.visit, self.live).with_form(self.live, typed);
        match refusal {
            Some(refusal) => {
                let status = crate::error::status_of(refusal.kind());
                self.answer(status, "form", signup.with_refusal(refusal)).await
            }
            None => self.answer(StatusCode::OK, "form", signup).await,
        }
    }

    async fn answer(
        &self,
        status: StatusCode,
        state: &'static str,
        signup: Signup,
    ) -> Result<Response, ApiError> {
        let Self { visit, live, .. } = self;
        let look = self.web.app.look_of_signup(&live.link).await?;
        let branding = look.branding.under(visit.branding());
        let nonce = page::nonce();
        let redirect = live.redirect().unwrap_or_default();
        let texts_json = serde_json::to_string(signup.texts)
            .map_err(|error| AppError::Internal(Box::new(error)))?;
        let number = live.number.as_ref();
        let name = number.map(|number| number.name.as_str()).or(live.link.name.as_deref());
        let page = Page {
            state,
            token: self.token,
            texts_json,
            name: name.unwrap_or_default(),
            masked: number.map(|number| number.phone.masked()).unwrap_or_default(),
            number_id: number.map(|number| number.id.to_string()).unwrap_or_default(),
            redirect: &redirect,
            parent: visit.parent(&look.allowed_origins),
            signup: Some(signup),
            ..Page::plain(visit, visit.language(live.link.language.as_deref()), &nonce)?
                .branded(&branding)
        };
        page::answer(status, &page, &look.allowed_origins)
    }
}

impl Sources {
    /// Of what the operator configured: addresses that were checked when the server started.
    fn of(sdk_url: &str, login_origins: &[String]) -> Self {
        let known = login_origins.iter().map(String::as_str);
        let known: Vec<&str> =
            known.filter(|origin| page::is_origin(&origin.replacen("://*.", "://", 1))).collect();
        let script = page::origin(sdk_url);
        let script = if page::is_origin(script) { script } else { "" };
        Self { script: script.to_owned(), dialog: known.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_beside_the_field_that_it_is_about() {
        let of = |refusal: Refusal| blamed(&refusal);
        let text = |text: &str| text.to_owned();
        let phone = "metaPhoneId 1 is no number of metaWabaId 2";
        assert_eq!(of(Refusal::MetaNumberMismatch(text(phone))), Some(WABA_ID));
        let proof = "(Meta's error 100: Invalid appsecret_proof provided in the API argument)";
        assert_eq!(of(Refusal::MetaCredentialsInvalid(text(proof))), Some(APP_SECRET));
        assert_eq!(of(Refusal::MetaCredentialsInvalid(text("expired"))), Some(TOKEN));
        assert_eq!(of(Refusal::Validation(text("metaPin has six digits"))), Some(PIN));
        assert_eq!(of(Refusal::Validation(text("number: too short"))), Some(NUMBER));
        assert_eq!(of(Refusal::Validation(text("something else"))), None);
    }

    #[test]
    fn every_language_has_a_sentence_for_every_field_s_error() {
        let [first, rest @ ..] =
            [Language::English, Language::Portuguese, Language::Spanish].map(SignupTexts::of);
        for texts in rest {
            let codes = |texts: &SignupTexts| {
                let form: Vec<_> = texts.form.problems.iter().map(|(c, f, _)| (*c, *f)).collect();
                let codes = |list: &[(&'static str, _)]| {
                    list.iter().map(|(code, _)| *code).collect::<Vec<_>>()
                };
                let lists = [texts.problems, texts.form.general, texts.steps].map(codes);
                (form, lists)
            };
            assert_eq!(codes(first), codes(texts));
        }
    }

    #[test]
    fn the_policy_names_origins_and_nothing_else() {
        let origins = ["https://*.facebook.com", "https://a.com; script-src *"].map(str::to_owned);
        let sources = Sources::of("https://connect.facebook.net/en_US/sdk.js", &origins);
        assert_eq!(sources.script, "https://connect.facebook.net");
        assert_eq!(sources.dialog, "https://*.facebook.com");
    }
}
