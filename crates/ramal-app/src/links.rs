//! What a pairing link's page looks like: language, colours, names (contract C.13, C.20).

use serde_json::{Map, Value};

use crate::{AppError, names::has_control};

/// Longest address, in characters.
const URL_MAX: usize = 2_048;

/// A language of the hosted page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `pt-BR`: the default.
    #[default]
    Portuguese,
    /// `en`.
    English,
    /// `es`.
    Spanish,
}

impl Language {
    /// Its tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Portuguese => "pt-BR",
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// Reads what callers write: a tag, whatever its region.
    ///
    /// # Errors
    ///
    /// [`crate::Refusal::Validation`].
    pub fn parse(text: &str) -> Result<Self, AppError> {
        let sentence = "language is pt-BR, en or es";
        Self::of_tag(text).ok_or_else(|| AppError::invalid(sentence))
    }

    fn of_tag(tag: &str) -> Option<Self> {
        match tag.trim().split('-').next()?.to_ascii_lowercase().as_str() {
            "pt" => Some(Self::Portuguese),
            "en" => Some(Self::English),
            "es" => Some(Self::Spanish),
            _ => None,
        }
    }

    /// The first language of an `Accept-Language` header that there is a page in. Browsers write
    /// the preferred one first.
    pub fn accepted(header: &str) -> Self {
        let mut tags = header.split(',').map(|item| item.split(';').next().unwrap_or_default());
        tags.find_map(Self::of_tag).unwrap_or_default()
    }

    /// What goes out with a link by WhatsApp.
    pub(crate) fn invitation(self, name: &str, url: &str) -> String {
        match self {
            Self::Portuguese => format!(
                "Conecte este WhatsApp a {name}: abra o link em um computador ou em outro celular e \
                 siga os passos. Ele vale por 24 horas e por uma conexão.\n{url}"
            ),
            Self::English => format!(
                "Connect this WhatsApp to {name}: open the link on a computer or another phone and \
                 follow the steps. It is good for 24 hours and one connection.\n{url}"
            ),
            Self::Spanish => format!(
                "Conecte este WhatsApp a {name}: abra el enlace en una computadora o en otro \
                 teléfono y siga los pasos. Vale por 24 horas y por una conexión.\n{url}"
            ),
        }
    }
}

/// Checks the branding of one link, and drops what is null.
pub(crate) fn check_branding(branding: Map<String, Value>) -> Result<Map<String, Value>, AppError> {
    let mut kept = Map::new();
    for (field, value) in branding {
        let known = match (field.as_str(), &value) {
            (_, Value::Null) => continue,
            ("logoUrl" | "supportUrl" | "defaultRedirectUrl", Value::String(url)) => {
                check_https(&field, url)?;
                true
            }
            ("primaryColor" | "backgroundColor", Value::String(colour)) => {
                check_colour(&field, colour)?;
                true
            }
            ("companyName", Value::String(text)) => check_text(&field, text, 60)?,
            ("subtitle", Value::String(text)) => check_text(&field, text, 120)?,
            ("hidePilotStatusBranding", Value::Bool(_)) => true,
            (
                "logoUrl"
                | "supportUrl"
                | "defaultRedirectUrl"
                | "primaryColor"
                | "backgroundColor"
                | "companyName"
                | "subtitle"
                | "hidePilotStatusBranding",
                _,
            ) => {
                return Err(AppError::invalid(format!("branding.{field} has the wrong type")));
            }
            // Of later versions: left out.
            _ => false,
        };
        if known {
            kept.insert(field, value);
        }
    }
    Ok(kept)
}

fn check_text(field: &str, text: &str, max: usize) -> Result<bool, AppError> {
    if text.chars().count() > max || has_control(text) {
        return Err(AppError::invalid(format!(
            "branding.{field} has at most {max} characters and no control characters"
        )));
    }
    Ok(true)
}

fn check_colour(field: &str, text: &str) -> Result<(), AppError> {
    let digits = text.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(AppError::invalid(format!("branding.{field} is a colour as #1fd286")))
}

/// Checks an address that a browser is sent to: https, with a host and without credentials.
pub(crate) fn check_https(field: &str, text: &str) -> Result<(), AppError> {
    let rest = text.strip_prefix("https://").unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = text.chars().count() <= URL_MAX
        && text.chars().all(|letter| letter.is_ascii_graphic())
        && !text.contains(['\\', '"', '\'', '<', '>', '`']);
    if host.is_empty() || host.contains('@') || !plain {
        return Err(AppError::invalid(format!("{field} is an https:// address")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(branding: Value) -> Option<Value> {
        let Value::Object(branding) = branding else { panic!("an object") };
        check_branding(branding).ok().map(Value::Object)
    }

    #[test]
    fn the_browser_s_first_known_language_counts() {
        assert_eq!(Language::accepted("de-DE,de;q=0.9,en-US;q=0.8,es;q=0.7"), Language::English);
        assert_eq!(Language::accepted("es-419"), Language::Spanish);
        assert_eq!(Language::accepted(""), Language::Portuguese);
        assert!(Language::parse("klingon").is_err());
    }

    #[test]
    fn branding_is_checked_field_by_field() {
        let good = json!({"companyName": "Acme", "primaryColor": "#1fd286", "logoUrl": null});
        let kept = json!({"companyName": "Acme", "primaryColor": "#1fd286"});
        assert_eq!(checked(good), Some(kept));
        assert_eq!(checked(json!({"fromTheFuture": 1})), Some(json!({})));
        for bad in [
            json!({"primaryColor": "red"}),
            json!({"primaryColor": "#1fd28"}),
            json!({"companyName": "x".repeat(61)}),
            json!({"companyName": 5}),
            json!({"logoUrl": "http://acme.com/logo.png"}),
            json!({"supportUrl": "javascript:alert(1)"}),
            json!({"hidePilotStatusBranding": "yes"}),
        ] {
            assert_eq!(checked(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn only_plain_https_addresses_are_gone_to() {
        assert!(check_https("u", "https://acme.com/done?x=1#y").is_ok());
        for bad in [
            "http://acme.com",
            "https://",
            "https://user@evil.example/",
            "//evil.example",
            "https://acme.com/\"><script>",
            "https://acme.com\\@evil.example",
            "https://acme.com/a b",
        ] {
            assert!(check_https("u", bad).is_err(), "{bad}");
        }
    }
}
