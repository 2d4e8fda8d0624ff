//! How the connect page looks and behaves: the forms, and a look at it before anything is saved.

use axum::{extract::State, response::Response};
use http::HeaderMap;
use ramal_app::{Branding, TenantPatch};
use ramal_store::TenantSettings;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{PATH, ProfilePage, is_invalid, policies};
use crate::{
    Web,
    dashboard::{
        answer::{PageError, after},
        session::{Posted, SignedIn},
        texts::Done,
    },
    error::ApiError,
    extract::Query,
};

/// The fields of the branding, by the names that the API gives them. Empty: as the product's default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BrandForm {
    pub(super) logo_url: String,
    pub(super) primary_color: String,
    pub(super) background_color: String,
    pub(super) company_name: String,
    pub(super) subtitle: String,
    pub(super) support_url: String,
    pub(super) default_redirect_url: String,
    pub(super) hide_pilot_status_branding: Option<String>,
}

impl BrandForm {
    pub(super) fn of(web: &Web, settings: &TenantSettings) -> Self {
        let Branding {
            logo_url,
            primary_color,
            background_color,
            company_name,
            subtitle,
            support_url,
            default_redirect_url,
            hide_product,
        } = web.app.branding(settings);
        let logo_url = logo_url.unwrap_or_default();
        let own = logo_url.strip_prefix(web.app.public_url());
        let own = own.filter(|path| path.starts_with("/logos/")).map(str::to_owned);
        Self {
            // As the preview takes it: by its path.
            logo_url: own.unwrap_or(logo_url),
            primary_color: primary_color.unwrap_or_default(),
            background_color: background_color.unwrap_or_default(),
            company_name: company_name.unwrap_or_default(),
            subtitle: subtitle.unwrap_or_default(),
            support_url: support_url.unwrap_or_default(),
            default_redirect_url: default_redirect_url.unwrap_or_default(),
            hide_pilot_status_branding: hide_product.unwrap_or_default().then(|| "true".to_owned()),
        }
    }

    fn texts(&self) -> [(&'static str, &str); 7] {
        [
            ("logoUrl", &self.logo_url),
            ("primaryColor", &self.primary_color),
            ("backgroundColor", &self.background_color),
            ("companyName", &self.company_name),
            ("subtitle", &self.subtitle),
            ("supportUrl", &self.support_url),
            ("defaultRedirectUrl", &self.default_redirect_url),
        ]
    }

    /// Where the preview of these is.
    pub(super) fn preview(&self) -> String {
        let hide = self.hide_pilot_status_branding.as_deref().unwrap_or_default();
        let texts = self.texts().into_iter().chain([("hidePilotStatusBranding", hide)]);
        let filled: Vec<_> = texts.filter(|(_, text)| !text.is_empty()).collect();
        format!("/profile/preview?{}", serde_html_form::to_string(filled).unwrap_or_default())
    }

    /// As a change: what is empty takes a field back.
    fn fields(&self) -> Map<String, Value> {
        let text = |(name, text): (&str, &str)| {
            let text = text.trim();
            let value = if text.is_empty() { Value::Null } else { Value::from(text) };
            (name.to_owned(), value)
        };
        let mut fields: Map<String, Value> = self.texts().into_iter().map(text).collect();
        let hides = self.hide_pilot_status_branding.is_some();
        fields.insert("hidePilotStatusBranding".to_owned(), Value::Bool(hides));
        fields
    }
}

pub(super) async fn save(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form }: Posted<BrandForm>,
) -> Result<Response, PageError> {
    let patch = TenantPatch { branding: Some(form.fields()), ..TenantPatch::default() };
    let saved = web.app.change_tenant_settings(&by.caller, patch).await;
    if saved.as_ref().is_err_and(is_invalid) {
        let page = ProfilePage::new(&web, &by, &headers).await?;
        let problem = page.t.brand_wrong;
        return ProfilePage { brand: form, ..page }.refused(&web, problem);
    }
    after(&web, by.language, PATH, saved, Done::Saved)
}

/// How the connect page would look with the values in the address, which are checked like those of a
/// link's address. Nothing is saved.
pub(super) async fn preview(
    State(web): State<Web>,
    by: SignedIn,
    Query(given): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let filled = given.iter().filter(|(_, value)| !value.is_empty());
    let own = web.app.public_url();
    let pairs = filled.map(|(name, value)| {
        let value =
            if name == "logoUrl" { value.strip_prefix(own).unwrap_or(value) } else { value };
        (name.as_str(), value)
    });
    crate::connect::preview(&Branding::of_address(pairs), by.language)
}

/// What the page does, rather than how it looks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PairingForm {
    pub(super) wrong_phone_policy: String,
    /// One a line.
    pub(super) allowed_origins: String,
    pub(super) official_url: String,
}

pub(super) async fn save_pairing(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form }: Posted<PairingForm>,
) -> Result<Response, PageError> {
    let origins = form.allowed_origins.split_whitespace().map(str::to_owned);
    let Ok(policy) = form.wrong_phone_policy.parse() else {
        return Err(PageError::BadForm(form.wrong_phone_policy));
    };
    let patch = TenantPatch {
        wrong_phone: Some(policy),
        allowed_origins: Some(origins.collect()),
        official_url: Some(form.official_url.trim().to_owned()),
        ..TenantPatch::default()
    };
    let saved = web.app.change_tenant_settings(&by.caller, patch).await;
    if saved.as_ref().is_err_and(is_invalid) {
        let page = ProfilePage::new(&web, &by, &headers).await?;
        let (problem, policies) = (page.t.pairing_wrong, policies(page.t, policy.name()));
        return ProfilePage { pairing: form, policies, ..page }.refused(&web, problem);
    }
    after(&web, by.language, PATH, saved, Done::Saved)
}
