//! A pairing link's page: its language, and the addresses that it goes to (contract C.13).

use crate::AppError;

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

/// Checks an address that a browser is sent to: https, with a host and without credentials.
pub(crate) fn check_https(field: &str, text: &str) -> Result<(), AppError> {
    let rest = text.strip_prefix("https://").unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = text.chars().count() <= URL_MAX
        && text.chars().all(|letter| letter.is_ascii_graphic())
        && !text.contains(['\\', '"', '\'', '<', '>', '`']);
    let (name, port) = host.split_once(':').unwrap_or((host, "443"));
    let known = |letter: u8| letter.is_ascii_alphanumeric() || b".-".contains(&letter);
    let good_host = !name.is_empty()
        && name.bytes().all(known)
        && !port.is_empty()
        && port.bytes().all(|digit| digit.is_ascii_digit());
    if !good_host || !plain {
        return Err(AppError::invalid(format!("{field} is an https:// address")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_s_first_known_language_counts() {
        assert_eq!(Language::accepted("de-DE,de;q=0.9,en-US;q=0.8,es;q=0.7"), Language::English);
        assert_eq!(Language::accepted("es-419"), Language::Spanish);
        assert_eq!(Language::accepted(""), Language::Portuguese);
        assert!(Language::parse("klingon").is_err());
    }

    #[test]
    fn only_plain_https_addresses_are_gone_to() {
        assert!(check_https("u", "https://acme.com/done?x=1#y").is_ok());
        for bad in [
            "http://acme.com",
            "https://",
            "https://user@evil.example/",
            "https://evil.example;sandbox;script-src/logo.png",
            "https://evil.example:/",
            "//evil.example",
            "https://acme.com/\"><script>",
            "https://acme.com\\@evil.example",
            "https://acme.com/a b",
        ] {
            assert!(check_https("u", bad).is_err(), "{bad}");
        }
    }
}
