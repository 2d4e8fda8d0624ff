//! What a template may be, and what may come out of it.

use ramal_domain::{Button, MediaKind, TemplateContent, TemplateMedia};

use crate::{AppError, names::has_control};

/// Longest name, in characters.
const NAME_MAX: usize = 100;
/// What the printed form of an id begins with, so that a name is never taken for one.
const ID_PREFIX: &str = ramal_domain::TemplateId::PREFIX;
/// Longest text of a template, in characters.
const TEXT_MAX: usize = 4_096;
/// Longest text that comes out of one: what WhatsApp's own apps allow.
const FILLED_MAX: usize = 65_536;
/// Longest last line.
const FOOTER_MAX: usize = 60;
/// Longest last line with its values.
const FOOTER_FILLED_MAX: usize = 1_024;
/// Longest name of a document.
const FILE_NAME_MAX: usize = 240;
/// Longest address.
pub(super) const URL_MAX: usize = 2_000;
/// Most buttons.
const BUTTONS_MAX: usize = 3;
/// Longest words of a button.
const LABEL_MAX: usize = 20;
/// Longest language.
const LANGUAGE_MAX: usize = 16;

/// A name: what can stand in an address, and is no id.
pub(super) fn check_name(name: &str) -> Result<String, AppError> {
    let name = name.trim();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if name.len() > NAME_MAX || !begins || !name.chars().all(fits) || name.starts_with(ID_PREFIX) {
        return Err(AppError::invalid(format!(
            "a template's name has 1 to {NAME_MAX} letters, digits, dots, hyphens and underscores, \
             begins with a letter or digit, and not with {ID_PREFIX}"
        )));
    }
    Ok(name.to_owned())
}

/// What a template may say: as [`check_filled`] has it, within its own limits, and with whole variables.
pub(super) fn check_content(content: TemplateContent) -> Result<TemplateContent, AppError> {
    let content = tidy(content);
    content.variables().map_err(|(field, error)| AppError::invalid(format!("{field}: {error}")))?;
    at_most("text", &content.text, TEXT_MAX)?;
    at_most("footer", content.footer.as_deref().unwrap_or_default(), FOOTER_MAX)?;
    check_language(content.language.as_deref())?;
    check_parts(&content)?;
    if let Some(media) = &content.media {
        // A variable may be the whole of an address; what comes out of it is checked again.
        if media.url.chars().count() > URL_MAX || has_control(&media.url) || media.url.is_empty() {
            return Err(wrong_url("media"));
        }
        check_fixed_url("media", &media.url)?;
    }
    for button in &content.buttons {
        if let Button::Url { url, .. } = button {
            check_fixed_url("buttons", url)?;
        }
    }
    Ok(content)
}

/// What may be sent. Values are left as they are.
pub(super) fn check_filled(content: TemplateContent) -> Result<TemplateContent, AppError> {
    let footer = content.footer.filter(|footer| !footer.trim().is_empty());
    let content = TemplateContent { footer, ..content };
    at_most("text", &content.text, FILLED_MAX)?;
    at_most("footer", content.footer.as_deref().unwrap_or_default(), FOOTER_FILLED_MAX)?;
    check_parts(&content)?;
    if let Some(media) = &content.media {
        check_url("media", &media.url)?;
    }
    for button in &content.buttons {
        if let Button::Url { url, .. } = button {
            check_url("buttons", url)?;
        }
    }
    Ok(content)
}

/// White space around texts means nothing, and an empty text is none.
fn tidy(content: TemplateContent) -> TemplateContent {
    let some = |text: Option<String>| {
        text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let media = content.media.map(|media| TemplateMedia {
        url: media.url.trim().to_owned(),
        file_name: some(media.file_name),
        ..media
    });
    TemplateContent {
        language: some(content.language),
        text: content.text.trim().to_owned(),
        footer: some(content.footer),
        media,
        buttons: content.buttons,
    }
}

/// What goes with what, however long it is.
fn check_parts(content: &TemplateContent) -> Result<(), AppError> {
    let invalid = |sentence: &str| Err(AppError::invalid(sentence));
    if let Some(media) = &content.media {
        let mute = matches!(media.kind, MediaKind::Audio | MediaKind::Voice | MediaKind::Sticker);
        let words = !content.text.trim().is_empty() || content.footer.is_some();
        if mute && (words || !content.buttons.is_empty()) {
            return invalid("media of type audio, voice and sticker go without text and buttons");
        }
        if media.file_name.is_some() && media.kind != MediaKind::Document {
            return invalid("fileName goes with media of type document");
        }
        let name = media.file_name.as_deref().unwrap_or_default();
        at_most("fileName", name, FILE_NAME_MAX)?;
        if has_control(name) {
            return invalid("fileName has no control characters");
        }
    }
    let needed = content.media.is_none() || !content.buttons.is_empty();
    if content.text.trim().is_empty() && (needed || content.footer.is_some()) {
        return invalid("text is required");
    }
    if content.buttons.len() > BUTTONS_MAX {
        return Err(AppError::invalid(format!("buttons are at most {BUTTONS_MAX}")));
    }
    for button in &content.buttons {
        let (Button::Reply { label, .. } | Button::Url { label, .. }) = button;
        if label.trim().is_empty() || label.chars().count() > LABEL_MAX || has_control(label) {
            let sentence = format!("a button's label has 1 to {LABEL_MAX} characters");
            return Err(AppError::invalid(sentence));
        }
        if let Button::Url { url, .. } = button {
            at_most("buttons", url, URL_MAX)?;
            if url.is_empty() || has_control(url) {
                return Err(wrong_url("buttons"));
            }
        }
    }
    Ok(())
}

/// No longer than `max` characters, and without NUL, which PostgreSQL does not take.
fn at_most(field: &str, text: &str, max: usize) -> Result<(), AppError> {
    if text.chars().count() > max || text.contains('\0') {
        return Err(AppError::invalid(format!("{field} has at most {max} characters, and no NUL")));
    }
    Ok(())
}

fn check_language(language: Option<&str>) -> Result<(), AppError> {
    let Some(language) = language else { return Ok(()) };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if language.len() > LANGUAGE_MAX || !language.chars().all(fits) {
        return Err(AppError::invalid("language is like pt_BR"));
    }
    Ok(())
}

/// An address without variables.
fn check_fixed_url(field: &str, url: &str) -> Result<(), AppError> {
    if url.contains("{{") { Ok(()) } else { check_url(field, url) }
}

fn check_url(field: &str, url: &str) -> Result<(), AppError> {
    let address = url.starts_with("https://") || url.starts_with("http://");
    if !address
        || url.len() > URL_MAX
        || url.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(wrong_url(field));
    }
    Ok(())
}

fn wrong_url(field: &str) -> AppError {
    AppError::invalid(format!("{field} is an http(s) address of at most {URL_MAX} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> TemplateContent {
        TemplateContent { text: text.to_owned(), ..TemplateContent::default() }
    }

    fn media(kind: MediaKind, url: &str) -> TemplateMedia {
        TemplateMedia { kind, url: url.to_owned(), file_name: None }
    }

    #[test]
    fn a_name_can_stand_in_an_address_and_is_no_id() {
        for good in ["a", "onboarding-test", "Order_update.2", &"x".repeat(100)] {
            assert_eq!(check_name(&format!(" {good} ")).unwrap(), good);
        }
        let bad = ["", " ", "a b", "-a", "a/b", "a:b", "olá", "tpl_x", "a\0", &"x".repeat(101)];
        for bad in bad {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_template_may_say() {
        let document = TemplateMedia {
            kind: MediaKind::Document,
            url: "{{link}}".to_owned(),
            file_name: Some("{{n}}.pdf".to_owned()),
        };
        let url = Button::Url { label: "Open".to_owned(), url: "{{x}}".to_owned() };
        for good in [
            content(" Oi {{name}} "),
            TemplateContent {
                media: Some(media(MediaKind::Sticker, "https://a.example/s")),
                ..content("")
            },
            TemplateContent { media: Some(document.clone()), ..content("") },
            TemplateContent { footer: Some("Acme".to_owned()), ..content("x") },
            TemplateContent { buttons: vec![url.clone()], ..content("x") },
        ] {
            assert!(check_content(good.clone()).is_ok(), "{good:?}");
        }
        assert_eq!(check_content(content(" Oi \n")).unwrap().text, "Oi");
        let image = TemplateMedia { kind: MediaKind::Image, ..document };
        for bad in [
            content(""),
            content(" \n"),
            content("Oi {{"),
            content("a\0b"),
            content(&"x".repeat(4_097)),
            TemplateContent { footer: Some("x".repeat(61)), ..content("x") },
            TemplateContent { footer: Some("only".to_owned()), ..content("") },
            TemplateContent { language: Some("pt BR".to_owned()), ..content("x") },
            TemplateContent {
                media: Some(media(MediaKind::Image, "ftp://a.example")),
                ..content("x")
            },
            TemplateContent {
                media: Some(media(MediaKind::Voice, "https://a.example")),
                ..content("x")
            },
            TemplateContent { media: Some(image), ..content("x") },
            TemplateContent { buttons: vec![url.clone(); 4], ..content("x") },
            TemplateContent { buttons: vec![url], ..content("") },
        ] {
            assert!(check_content(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
