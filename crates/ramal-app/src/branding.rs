//! How the pages look that a tenant's customers see, and who may embed them (contract C.20, F.3, F.4).

use ramal_domain::{LogoId, TenantId, WrongPhonePolicy};
use ramal_store::{Logo, PairingLink, SignupLink, TenantSettings};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{App, AppError, Caller, audit, links::check_https, names::has_control};

/// How many uploaded pictures of a tenant are kept: that in use, and some before it.
const LOGOS_KEPT: i64 = 5;
/// Largest picture (contract C.20): 2 MB.
const LOGO_MAX: usize = 2 * 1024 * 1024;
/// Where uploaded pictures are.
const LOGOS: &str = "/logos/";
/// Most origins that may embed a tenant's pages (as contract F.4 has it for embed sessions).
const ORIGINS_MAX: usize = 20;

/// How a page looks. What is absent is as the product's default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Branding {
    /// The picture in the header, in place of the name: https, or `/logos/…` of this server.
    pub logo_url: Option<String>,
    /// `#RRGGBB` of buttons.
    pub primary_color: Option<String>,
    /// `#RRGGBB` of the page.
    pub background_color: Option<String>,
    /// The title.
    pub company_name: Option<String>,
    /// What stands below it.
    pub subtitle: Option<String>,
    /// Where the help link goes; https.
    pub support_url: Option<String>,
    /// Where the page goes after success; https.
    pub default_redirect_url: Option<String>,
    /// Whether the product's own name is left out of the footer.
    #[serde(rename = "hidePilotStatusBranding")]
    pub hide_product: Option<bool>,
}

/// The names of the fields, as callers write them.
const FIELDS: [&str; 8] = [
    "logoUrl",
    "primaryColor",
    "backgroundColor",
    "companyName",
    "subtitle",
    "supportUrl",
    REDIRECT,
    "hidePilotStatusBranding",
];
/// The one that is not cosmetic: no address sends people elsewhere.
const REDIRECT: &str = "defaultRedirectUrl";

impl Branding {
    /// Reads what was checked before it was stored; what cannot be read looks plain.
    fn read(stored: &str) -> Self {
        serde_json::from_str(stored).unwrap_or_default()
    }

    /// What `over` says, and else what this says.
    #[must_use]
    pub fn under(self, over: Self) -> Self {
        Self {
            logo_url: over.logo_url.or(self.logo_url),
            primary_color: over.primary_color.or(self.primary_color),
            background_color: over.background_color.or(self.background_color),
            company_name: over.company_name.or(self.company_name),
            subtitle: over.subtitle.or(self.subtitle),
            support_url: over.support_url.or(self.support_url),
            default_redirect_url: over.default_redirect_url.or(self.default_redirect_url),
            hide_product: over.hide_product.or(self.hide_product),
        }
    }

    /// Reads the parameters of an address: those that are cosmetic and right; all others are left out.
    pub fn of_address<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut kept = Map::new();
        let cosmetic = |name: &str| FIELDS.contains(&name) && name != REDIRECT;
        for (name, text) in parameters.filter(|(name, _)| cosmetic(name)) {
            let value = match (name, text) {
                ("hidePilotStatusBranding", "true" | "1") => Value::Bool(true),
                ("hidePilotStatusBranding", _) => continue,
                _ => Value::from(text),
            };
            if check_field(name, &value).is_ok() {
                kept.insert(name.to_owned(), value);
            }
        }
        serde_json::from_value(Value::Object(kept)).unwrap_or_default()
    }
}

/// Checks what a caller says of branding. Fields of later versions are left out; nulls stay.
///
/// # Errors
///
/// [`crate::Refusal::Validation`].
pub(crate) fn check(branding: Map<String, Value>) -> Result<Map<String, Value>, AppError> {
    let mut kept = Map::new();
    for (field, value) in branding {
        if FIELDS.contains(&field.as_str()) {
            check_field(&field, &value)?;
            kept.insert(field, value);
        }
    }
    Ok(kept)
}

/// The branding of one link: as [`check`], without nulls.
pub(crate) fn check_of_link(branding: Map<String, Value>) -> Result<Map<String, Value>, AppError> {
    let mut kept = check(branding)?;
    kept.retain(|_, value| !value.is_null());
    Ok(kept)
}

fn check_field(field: &str, value: &Value) -> Result<(), AppError> {
    match (field, value) {
        (_, Value::Null) | ("hidePilotStatusBranding", Value::Bool(_)) => Ok(()),
        ("logoUrl", Value::String(path)) if logo_id(path).is_some() => Ok(()),
        ("logoUrl" | "supportUrl" | "defaultRedirectUrl", Value::String(url)) => {
            check_https(&format!("branding.{field}"), url)
        }
        ("primaryColor" | "backgroundColor", Value::String(colour)) => check_colour(field, colour),
        ("companyName", Value::String(text)) => check_text(field, text, 60),
        ("subtitle", Value::String(text)) => check_text(field, text, 120),
        _ => Err(AppError::invalid(format!("branding.{field} has the wrong type"))),
    }
}

fn check_text(field: &str, text: &str, max: usize) -> Result<(), AppError> {
    if text.chars().count() > max || has_control(text) {
        return Err(AppError::invalid(format!(
            "branding.{field} has at most {max} characters and no control characters"
        )));
    }
    Ok(())
}

fn check_colour(field: &str, text: &str) -> Result<(), AppError> {
    let digits = text.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(AppError::invalid(format!("branding.{field} is a colour as #1fd286")))
}

/// The uploaded picture that a path of this server names.
fn logo_id(path: &str) -> Option<LogoId> {
    path.strip_prefix(LOGOS)?.parse().ok()
}

/// What a pairing link's page is made from.
#[derive(Clone, Debug)]
pub struct PageLook {
    /// That of the link, over that of the tenant.
    pub branding: Branding,
    /// Where the page goes after success.
    pub redirect_url: Option<String>,
    /// Where people get the official API, when the tenant offers it.
    pub official_url: Option<String>,
    /// Which origins may embed the page.
    pub allowed_origins: Vec<String>,
}

/// A change of a tenant's choices; `None` leaves one as it is.
#[derive(Clone, Debug, Default)]
pub struct TenantPatch {
    /// Fields of the branding; null takes one back.
    pub branding: Option<Map<String, Value>>,
    /// What to do when another phone scans.
    pub wrong_phone: Option<WrongPhonePolicy>,
    /// Which origins may embed the page.
    pub allowed_origins: Option<Vec<String>>,
    /// Where customers get the official API; an empty text takes it back.
    pub official_url: Option<String>,
}

/// A picture that was uploaded.
#[derive(Clone, Debug)]
pub struct UploadedLogo {
    /// Its id.
    pub id: LogoId,
    /// What to put into `logoUrl`.
    pub url: String,
    /// What it was recognised as.
    pub mime_type: &'static str,
    /// Its size.
    pub size_bytes: usize,
}

impl App {
    /// What the caller's tenant chose for its pages.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::NumberScopeNotAllowed`].
    pub async fn tenant_settings(&self, caller: &Caller) -> Result<TenantSettings, AppError> {
        let tenant = caller.require_tenant()?;
        Ok(self.store.read().await?.tenant_settings().get(tenant).await?)
    }

    /// Changes what the caller's tenant chose; what is not named stays.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::NumberScopeNotAllowed`] and [`crate::Refusal::Validation`].
    pub async fn change_tenant_settings(
        &self,
        caller: &Caller,
        patch: TenantPatch,
    ) -> Result<TenantSettings, AppError> {
        let (tenant, now) = (caller.require_tenant()?, self.clock.now());
        let branding = patch.branding.map(|fields| check(self.own_paths(fields))).transpose()?;
        let origins = patch.allowed_origins.map(check_origins).transpose()?;
        let clears_official = patch.official_url.as_deref() == Some("");
        let official = patch.official_url.filter(|url| !url.is_empty());
        if let Some(url) = &official {
            check_https("officialUrl", url)?;
        }
        let mut tx = self.store.begin().await?;
        let mut settings = tx.tenant_settings().get_to_change(tenant).await?;
        if let Some(branding) = branding {
            settings.branding = merged(&settings.branding, branding);
        }
        settings.wrong_phone = patch.wrong_phone.unwrap_or(settings.wrong_phone);
        settings.allowed_origins = origins.unwrap_or(settings.allowed_origins);
        settings.official_url = official.or(settings.official_url.filter(|_| !clears_official));
        tx.tenant_settings().put(tenant, &settings, now).await?;
        audit::record(&mut tx, caller, "settings.change", &tenant.to_string(), "", now).await?;
        tx.commit().await?;
        Ok(settings)
    }

    /// Pictures of this server are stored by their path, so that another public address does not
    /// break them.
    fn own_paths(&self, mut fields: Map<String, Value>) -> Map<String, Value> {
        if let Some(Value::String(url)) = fields.get_mut("logoUrl")
            && let Some(path) = url.strip_prefix(self.public_url.as_ref())
            && logo_id(path).is_some()
        {
            *url = path.to_owned();
        }
        fields
    }

    /// What a tenant's branding is on the wire: pictures of this server by their whole address.
    pub fn branding(&self, settings: &TenantSettings) -> Branding {
        let branding = Branding::read(&settings.branding);
        let logo_url = branding.logo_url.map(|url| match logo_id(&url) {
            Some(_) => format!("{}{url}", self.public_url),
            None => url,
        });
        Branding { logo_url, ..branding }
    }

    /// What the page of a pairing link is made from.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn look_of(&self, link: &PairingLink) -> Result<PageLook, AppError> {
        self.page_look(link.tenant, &link.branding, link.redirect_url.as_deref()).await
    }

    /// The same for a link by which an official number is connected.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn look_of_signup(&self, link: &SignupLink) -> Result<PageLook, AppError> {
        self.page_look(link.tenant, &link.branding, link.redirect_url.as_deref()).await
    }

    async fn page_look(
        &self,
        tenant: TenantId,
        of_link: &str,
        redirect_url: Option<&str>,
    ) -> Result<PageLook, AppError> {
        let settings = self.store.read().await?.tenant_settings().get(tenant).await?;
        let branding = Branding::read(&settings.branding).under(Branding::read(of_link));
        let redirect_url = redirect_url.map(str::to_owned);
        Ok(PageLook {
            redirect_url: redirect_url.or(branding.default_redirect_url.clone()),
            branding,
            official_url: settings.official_url,
            allowed_origins: settings.allowed_origins,
        })
    }

    /// Stores a picture for `logoUrl`.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::Validation`] when it is too large or no picture.
    pub async fn upload_logo(
        &self,
        caller: &Caller,
        content: Vec<u8>,
    ) -> Result<UploadedLogo, AppError> {
        let (tenant, now) = (caller.require_tenant()?, self.clock.now());
        let size_bytes = content.len();
        if size_bytes > LOGO_MAX {
            return Err(AppError::invalid("a logo has at most 2 MB"));
        }
        let mime_type = picture_type(&content)
            .ok_or_else(|| AppError::invalid("a logo is a PNG, JPEG or WebP picture"))?;
        let (id, logo) = (LogoId::mint(), Logo { mime_type: mime_type.to_owned(), content });
        let mut tx = self.store.begin().await?;
        tx.tenant_settings().add_logo(tenant, id, &logo, LOGOS_KEPT, now).await?;
        audit::record(&mut tx, caller, "logo.upload", &id.to_string(), "", now).await?;
        tx.commit().await?;
        Ok(UploadedLogo {
            id,
            url: format!("{}{LOGOS}{id}", self.public_url),
            mime_type,
            size_bytes,
        })
    }

    /// An uploaded picture, for whoever has its address.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn logo(&self, id: &str) -> Result<Option<Logo>, AppError> {
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(self.store.read().await?.tenant_settings().logo(id).await?)
    }
}

/// The stored object with `patch` laid over it; null takes a field back.
fn merged(stored: &str, patch: Map<String, Value>) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(stored).unwrap_or_default();
    for (field, value) in patch {
        if value.is_null() {
            fields.remove(&field);
        } else {
            fields.insert(field, value);
        }
    }
    Value::Object(fields).to_string()
}

/// Checks origins, and writes each as browsers do.
fn check_origins(origins: Vec<String>) -> Result<Vec<String>, AppError> {
    if origins.len() > ORIGINS_MAX {
        return Err(AppError::invalid(format!("there are at most {ORIGINS_MAX} allowed origins")));
    }
    let mut checked = Vec::new();
    for origin in origins {
        let origin = check_origin(&origin)?;
        if !checked.contains(&origin) {
            checked.push(origin);
        }
    }
    Ok(checked)
}

/// An origin is a scheme, a host and maybe a port. Plain http only for this machine: anybody between
/// could put their own page around ours.
fn check_origin(text: &str) -> Result<String, AppError> {
    let origin = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://").unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        let digits = !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
        if digits { host } else { "" }
    });
    let plain = !host.is_empty()
        && host.bytes().all(|letter| letter.is_ascii_alphanumeric() || b".-".contains(&letter));
    let local = matches!(host, "localhost" | "127.0.0.1");
    if plain && (scheme == "https" || (scheme == "http" && local)) {
        // Browsers leave the usual port out.
        let usual = if scheme == "https" { ":443" } else { ":80" };
        return Ok(origin.strip_suffix(usual).unwrap_or(&origin).to_owned());
    }
    Err(AppError::invalid(
        "an allowed origin looks like https://app.acme.com (http for localhost only)",
    ))
}

/// What a picture says of itself in its first bytes: its name may lie.
fn picture_type(content: &[u8]) -> Option<&'static str> {
    match content {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("an object") };
        map
    }

    #[test]
    fn branding_is_checked_field_by_field() {
        let good = json!({"companyName": "Acme", "primaryColor": "#1fd286", "logoUrl": null});
        let kept = map(json!({"companyName": "Acme", "primaryColor": "#1fd286"}));
        assert_eq!(check_of_link(map(good.clone())).ok(), Some(kept));
        assert_eq!(check(map(good.clone())).ok(), Some(map(good)));
        assert_eq!(check(map(json!({"fromTheFuture": 1}))).ok(), Some(Map::new()));
        for bad in [
            json!({"primaryColor": "red"}),
            json!({"primaryColor": "#1fd28"}),
            json!({"companyName": "x".repeat(61)}),
            json!({"companyName": 5}),
            json!({"logoUrl": "http://acme.com/logo.png"}),
            json!({"logoUrl": "/logos/wa_1"}),
            json!({"supportUrl": "javascript:alert(1)"}),
            json!({"hidePilotStatusBranding": "yes"}),
        ] {
            assert!(check(map(bad.clone())).is_err(), "{bad}");
        }
    }

    #[test]
    fn null_takes_a_field_back_and_silence_leaves_it() {
        let stored = merged("{}", map(json!({"companyName": "Acme", "subtitle": "Hi"})));
        let stored = merged(&stored, map(json!({"subtitle": null, "primaryColor": "#000000"})));

        assert_eq!(stored, r##"{"companyName":"Acme","primaryColor":"#000000"}"##);
    }

    #[test]
    fn an_address_changes_colours_and_names_but_not_where_people_are_sent() {
        let address = [
            ("companyName", "Evil"),
            ("primaryColor", "red;background:url(//x)"),
            ("backgroundColor", "#102030"),
            ("defaultRedirectUrl", "https://evil.example/"),
            ("hidePilotStatusBranding", "true"),
        ];
        let read = Branding::of_address(address.into_iter());

        let expected = Branding {
            company_name: Some("Evil".to_owned()),
            background_color: Some("#102030".to_owned()),
            hide_product: Some(true),
            ..Branding::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn the_nearer_branding_wins_field_by_field() {
        let tenant = Branding::read(r#"{"companyName":"Acme","subtitle":"Hi"}"#);
        let link = Branding::read(r#"{"companyName":"Acme Sales"}"#);

        let look = tenant.under(link);
        assert_eq!(look.company_name.as_deref(), Some("Acme Sales"));
        assert_eq!(look.subtitle.as_deref(), Some("Hi"));
    }

    #[test]
    fn origins_are_written_as_browsers_do() {
        let good = |text: &str| check_origin(text).ok();
        assert_eq!(good("https://App.Acme.com/").as_deref(), Some("https://app.acme.com"));
        assert_eq!(good("https://app.acme.com:443").as_deref(), Some("https://app.acme.com"));
        assert_eq!(good("http://localhost:3000").as_deref(), Some("http://localhost:3000"));
        for bad in [
            "*",
            "acme.com",
            "http://acme.com",
            "https://",
            "https://acme.com/path",
            "https://*.acme.com",
            "https://a.com; script-src *",
            "https://a.com:x",
            "https://user@acme.com",
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        assert_eq!(picture_type(b"\x89PNG\r\n\x1a\nrest"), Some("image/png"));
        assert_eq!(picture_type(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(picture_type(b"<svg onload=alert(1)>"), None);
    }
}
