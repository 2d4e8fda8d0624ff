//! What a caller says of a template, made into a template.

use ramal_domain::{Button, MediaKind, TemplateCategory, TemplateContent, TemplateMedia};
use ramal_store::Template;

use super::check::{URL_MAX, check_content, check_name};
use crate::{AppError, WishedButton, outgoing::media_kind};

/// What a caller says of a template; what is `None` stays as it is, an empty text takes it away.
#[derive(Clone, Debug, Default)]
pub struct TemplateFields {
    /// What it is sent by.
    pub name: Option<String>,
    /// `UTILITY` (of a new one, when absent), `MARKETING` or `OTP`.
    pub category: Option<String>,
    /// Its language, such as `pt_BR`.
    pub language: Option<String>,
    /// The text, or the words below media.
    pub text: Option<String>,
    /// The last line.
    pub footer: Option<String>,
    /// The address of its media; without one, type and file name go as well.
    pub media: Option<String>,
    /// `image` (when there was none), `video`, `document`, `audio`, `voice`, `sticker`.
    pub media_type: Option<String>,
    /// What a document is called.
    pub file_name: Option<String>,
    /// The buttons, in place of the old ones.
    pub buttons: Option<Vec<WishedButton>>,
}

impl TemplateFields {
    pub(super) const fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.category.is_none()
            && self.language.is_none()
            && self.text.is_none()
            && self.footer.is_none()
            && self.media.is_none()
            && self.media_type.is_none()
            && self.file_name.is_none()
            && self.buttons.is_none()
    }

    /// The template as it is to be, checked.
    pub(super) fn apply(self, before: &Template) -> Result<Template, AppError> {
        let mut changed = before.clone();
        if let Some(name) = &self.name {
            changed.name = check_name(name)?;
        }
        changed.category = category(self.category.as_deref())?.unwrap_or(before.category);
        let content = self.content(before.latest.content.clone())?;
        changed.latest.content = check_content(content)?;
        Ok(changed)
    }

    /// What the template is to say, not checked yet. An empty text is none.
    pub(super) fn content(self, before: TemplateContent) -> Result<TemplateContent, AppError> {
        let buttons = self.buttons.map(|all| all.iter().map(button).collect()).transpose()?;
        Ok(TemplateContent {
            language: self.language.or(before.language),
            text: self.text.unwrap_or(before.text),
            footer: self.footer.or(before.footer),
            media: media(self.media, self.media_type, self.file_name, before.media)?,
            buttons: buttons.unwrap_or(before.buttons),
        })
    }
}

fn media(
    url: Option<String>,
    kind: Option<String>,
    file_name: Option<String>,
    before: Option<TemplateMedia>,
) -> Result<Option<TemplateMedia>, AppError> {
    let some = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (old_url, old_kind, old_name) = match before {
        Some(old) => (Some(old.url), Some(old.kind), old.file_name),
        None => (None, None, None),
    };
    let Some(url) = some(url.or(old_url)) else {
        if some(kind).is_some() || some(file_name).is_some() {
            return Err(AppError::invalid("mediaType and fileName go with media"));
        }
        return Ok(None);
    };
    let kind = match some(kind) {
        Some(name) => media_kind(&name)?,
        None => old_kind.unwrap_or(MediaKind::Image),
    };
    Ok(Some(TemplateMedia { kind, url, file_name: file_name.or(old_name) }))
}

fn button(wish: &WishedButton) -> Result<Button, AppError> {
    // Also of one that leads nowhere.
    if wish.url.as_ref().is_some_and(|url| url.chars().count() > URL_MAX) {
        return Err(AppError::invalid(format!("a button's url has at most {URL_MAX} characters")));
    }
    if !matches!(wish.kind.as_str(), "reply" | "url") {
        return Err(AppError::invalid("a template's buttons are of type reply or url"));
    }
    wish.ready()
}

pub(super) fn category(name: Option<&str>) -> Result<Option<TemplateCategory>, AppError> {
    let read = |name: &str| name.parse::<TemplateCategory>();
    name.map(read).transpose().map_err(|error| AppError::invalid(format!("category: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_too_long_even_where_it_is_not_used() {
        let wish = |length| WishedButton {
            kind: "reply".to_owned(),
            label: "Yes".to_owned(),
            url: Some("x".repeat(length)),
        };
        assert!(button(&wish(URL_MAX)).is_ok());
        assert!(button(&wish(URL_MAX + 1)).is_err());
    }

    #[test]
    fn fields_stay_go_and_come() {
        let fields = |media: Option<&str>, kind: Option<&str>, name: Option<&str>| TemplateFields {
            media: media.map(str::to_owned),
            media_type: kind.map(str::to_owned),
            file_name: name.map(str::to_owned),
            ..TemplateFields::default()
        };
        let none = TemplateContent::default();
        let address = "https://acme.example/a";
        let made = fields(Some(address), None, None).content(none.clone()).unwrap();
        assert_eq!(made.media.as_ref().map(|media| media.kind), Some(MediaKind::Image));
        let kind = fields(None, Some("document"), Some("a.pdf")).content(made).unwrap();
        let media = kind.media.clone().unwrap();
        assert_eq!((media.kind, media.url.as_str()), (MediaKind::Document, address));
        let same = TemplateFields::default().content(kind.clone()).unwrap();
        assert_eq!(same, kind);
        let gone = fields(Some(""), None, None).content(kind.clone()).unwrap();
        assert_eq!(gone.media, None);
        assert!(fields(None, Some("image"), None).content(none.clone()).is_err());
        assert!(fields(Some(address), Some("hologram"), None).content(none).is_err());
        let cleared = TemplateFields { footer: Some(String::new()), ..TemplateFields::default() };
        let with_footer = TemplateContent {
            footer: Some("x".to_owned()),
            text: "x".to_owned(),
            ..TemplateContent::default()
        };
        let cleared = check_content(cleared.content(with_footer).unwrap()).unwrap();
        assert_eq!(cleared.footer, None);
    }
}
