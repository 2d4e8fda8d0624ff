//! `/v1/branding` (contract C.20), and beside it what else a tenant chooses for its pages.

use axum::{Json, extract::State};
use ramal_app::{AppError, TenantPatch};
use ramal_store::TenantSettings;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Web, body::Body, error::ApiError, extract::Authenticated};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// How the pages look, and what else is chosen for them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BrandingAnswer {
    branding: BrandingBody,
    /// What to do when another phone than the expected one scans: `reject` (unlink it), `adopt` (take
    /// its phone number) or `ask`. Extension.
    #[schema(example = "reject")]
    wrong_phone_policy: &'static str,
    /// Which origins may embed the connect page. Extension.
    allowed_origins: Vec<String>,
    /// Where customers get the official API instead; null when it is not offered. Extension.
    #[schema(required = true)]
    official_url: Option<String>,
}

/// How the pages look. Null: as the product's default.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Branding)]
struct BrandingBody {
    #[schema(required = true)]
    logo_url: Option<String>,
    #[schema(required = true, example = "#1fd286")]
    primary_color: Option<String>,
    #[schema(required = true)]
    background_color: Option<String>,
    #[schema(required = true, example = "Acme")]
    company_name: Option<String>,
    #[schema(required = true)]
    subtitle: Option<String>,
    #[schema(required = true)]
    support_url: Option<String>,
    #[schema(required = true)]
    default_redirect_url: Option<String>,
    hide_pilot_status_branding: bool,
}

impl BrandingAnswer {
    fn of(web: &Web, settings: TenantSettings) -> Self {
        let branding = web.app.branding(&settings);
        Self {
            branding: BrandingBody {
                logo_url: branding.logo_url,
                primary_color: branding.primary_color,
                background_color: branding.background_color,
                company_name: branding.company_name,
                subtitle: branding.subtitle,
                support_url: branding.support_url,
                default_redirect_url: branding.default_redirect_url,
                hide_pilot_status_branding: branding.hide_product.unwrap_or_default(),
            },
            wrong_phone_policy: settings.wrong_phone.name(),
            allowed_origins: settings.allowed_origins,
            official_url: settings.official_url,
        }
    }
}

/// How the pages look. Needs the tenant's key.
#[utoipa::path(
    get,
    path = "/branding",
    operation_id = "getBranding",
    tag = "branding",
    responses((status = 200, description = "The branding", body = BrandingAnswer)),
    extensions(("x-errors" = json!(["NUMBER_SCOPE_NOT_ALLOWED"]))),
)]
async fn show(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
) -> Result<Json<BrandingAnswer>, ApiError> {
    let settings = web.app.tenant_settings(&caller).await?;
    Ok(Json(BrandingAnswer::of(&web, settings)))
}

/// A change: what is absent stays, null takes it back. Other fields are left out.
#[derive(ToSchema)]
#[schema(as = ChangeBranding, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape is for the document only: null and absent differ")]
struct ChangeBody {
    /// https, or the address of an uploaded logo.
    #[schema(max_length = 2048)]
    logo_url: Option<String>,
    #[schema(pattern = "^#[0-9a-fA-F]{6}$")]
    primary_color: Option<String>,
    #[schema(pattern = "^#[0-9a-fA-F]{6}$")]
    background_color: Option<String>,
    #[schema(max_length = 60, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    company_name: Option<String>,
    #[schema(max_length = 120, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    subtitle: Option<String>,
    /// https.
    #[schema(max_length = 2048)]
    support_url: Option<String>,
    /// https.
    #[schema(max_length = 2048)]
    default_redirect_url: Option<String>,
    hide_pilot_status_branding: Option<bool>,
    /// `reject`, `adopt` or `ask`. Extension.
    wrong_phone_policy: Option<String>,
    /// At most 20. Extension.
    #[schema(max_items = 20)]
    allowed_origins: Option<Vec<String>>,
    /// https. Extension.
    #[schema(max_length = 2048)]
    official_url: Option<String>,
}

/// Changes how the pages look: what is absent stays, null takes it back. Needs the tenant's key.
///
/// The answer of `GET` can be sent back as it is: a `branding` object is read like its fields.
#[utoipa::path(
    put,
    path = "/branding",
    operation_id = "changeBranding",
    tag = "branding",
    request_body(
        content = ChangeBody,
        example = json!({"companyName": "Acme", "primaryColor": "#1fd286", "subtitle": null})
    ),
    responses((status = 200, description = "The branding as it is now", body = BrandingAnswer)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_SCOPE_NOT_ALLOWED"]))),
)]
async fn change(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    body: Body<Map<String, Value>>,
) -> Result<Json<BrandingAnswer>, ApiError> {
    let settings = web.app.change_tenant_settings(&caller, patch(body.value)?).await?;
    Ok(Json(BrandingAnswer::of(&web, settings)))
}

fn patch(mut fields: Map<String, Value>) -> Result<TenantPatch, AppError> {
    let wrong_phone = match fields.remove("wrongPhonePolicy") {
        None => None,
        Some(Value::Null) => Some(ramal_domain::WrongPhonePolicy::default()),
        Some(value) => {
            let named = value.as_str().and_then(|name| name.parse().ok());
            Some(named.ok_or_else(|| wrong("wrongPhonePolicy is reject, adopt or ask"))?)
        }
    };
    let allowed_origins = match fields.remove("allowedOrigins") {
        None => None,
        Some(Value::Null) => Some(Vec::new()),
        Some(value) => {
            let texts = serde_json::from_value(value);
            Some(texts.map_err(|_other_type| wrong("allowedOrigins is a list of texts"))?)
        }
    };
    let official_url = match fields.remove("officialUrl") {
        None => None,
        Some(Value::Null) => Some(String::new()),
        Some(Value::String(url)) => Some(url),
        Some(_) => return Err(wrong("officialUrl is a text")),
    };
    match fields.remove("branding") {
        Some(Value::Object(inner)) => fields.extend(inner),
        None | Some(Value::Null) => {}
        Some(_) => return Err(wrong("branding is an object")),
    }
    Ok(TenantPatch { branding: Some(fields), wrong_phone, allowed_origins, official_url })
}

fn wrong(sentence: &str) -> AppError {
    ramal_app::Refusal::Validation(sentence.to_owned()).into()
}
