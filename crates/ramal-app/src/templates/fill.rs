//! A template with the values in it, as it is sent.

use ramal_domain::{Buttons, Content, Header, Media, MediaSource, TemplateContent, Variables};

use super::check::check_filled;
use crate::{AppError, Refusal};

/// What is sent: the template with the values in it.
pub(super) fn fill(
    template: &TemplateContent,
    values: &Variables,
    media: Option<Media>,
) -> Result<Content, AppError> {
    let unreadable = |_stored| AppError::Internal("a template is stored malformed".into());
    let names = template.variables().map_err(unreadable)?;
    let missing: Vec<String> =
        names.into_iter().filter(|name| !values.contains_key(name)).collect();
    if !missing.is_empty() {
        return Err(Refusal::MissingTemplateVariables(missing.join(", ")).into());
    }
    // Values may make a text too long, or an address none.
    let filled = check_filled(template.fill(values).map_err(unreadable)?)?;
    let media = match (filled.media, media) {
        (None, None) => None,
        (None, Some(_)) => return Err(AppError::invalid("the template has no place for media")),
        (Some(own), Some(given)) if given.kind != own.kind => {
            let kind = own.kind.name();
            return Err(AppError::invalid(format!("the template needs media of type {kind}")));
        }
        (Some(own), Some(given)) => {
            Some(Media { file_name: given.file_name.or(own.file_name), ..given })
        }
        (Some(own), None) => Some(Media {
            kind: own.kind,
            source: MediaSource::Link(own.url),
            caption: None,
            file_name: own.file_name,
        }),
    };
    let buttons = filled.buttons;
    if !buttons.is_empty() {
        let header = media.map(Header::Media);
        let (body, footer) = (filled.text, filled.footer);
        return Ok(Content::Buttons(Buttons { header, body, footer, buttons }));
    }
    let words = [Some(filled.text), filled.footer].into_iter().flatten();
    let words: Vec<String> = words.filter(|words| !words.is_empty()).collect();
    // Without buttons a message has no last line of its own.
    let words = words.join("\n\n");
    Ok(match media {
        None => Content::Text { body: words },
        Some(media) => Content::Media(Media {
            caption: Some(words).filter(|words| !words.is_empty()),
            ..media
        }),
    })
}

#[cfg(test)]
mod tests {
    use ramal_domain::{Button, MediaKind, TemplateMedia};

    use super::*;

    fn content(text: &str) -> TemplateContent {
        TemplateContent { text: text.to_owned(), ..TemplateContent::default() }
    }

    fn values(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn image(url: &str) -> TemplateMedia {
        TemplateMedia { kind: MediaKind::Image, url: url.to_owned(), file_name: None }
    }

    #[test]
    fn a_text_is_filled_in_and_its_footer_stands_below() {
        let template =
            TemplateContent { footer: Some("{{shop}}".to_owned()), ..content("Oi {{name}}") };
        let given = values(&[("name", "{{shop}}"), ("shop", "Acme"), ("unused", "x")]);
        let body = "Oi {{shop}}\n\nAcme".to_owned();
        assert_eq!(fill(&template, &given, None).unwrap(), Content::Text { body });
    }

    #[test]
    fn what_is_missing_is_named_in_its_order() {
        let template =
            TemplateContent { footer: Some("{{2}}".to_owned()), ..content("{{b}} {{1}} {{b}}") };
        let error = fill(&template, &values(&[("1", "")]), None).unwrap_err();
        assert_eq!(error.code(), "MISSING_TEMPLATE_VARIABLES");
        assert!(error.to_string().ends_with(": b, 2"), "{error}");
    }

    #[test]
    fn values_may_not_make_what_cannot_be_sent() {
        let long = "x".repeat(70_000);
        for (template, value) in [
            (content("{{v}}"), ""),
            (content("{{v}}"), "  \n"),
            (content("{{v}}"), long.as_str()),
            (content("{{v}}"), "a\0b"),
            (
                TemplateContent { media: Some(image("https://x.example/{{v}}")), ..content("") },
                "a b",
            ),
            (TemplateContent { media: Some(image("{{v}}")), ..content("") }, "file:///etc/passwd"),
        ] {
            let error = fill(&template, &values(&[("v", value)]), None).unwrap_err();
            assert_eq!(error.code(), "VALIDATION_ERROR", "{template:?}");
        }
    }

    #[test]
    fn media_of_the_message_stand_in_the_place_of_the_templates() {
        let template = TemplateContent {
            media: Some(image("https://acme.example/a.png")),
            ..content("Oi {{name}}")
        };
        let media = |kind, link: &str| Media {
            kind,
            source: MediaSource::Link(link.to_owned()),
            caption: None,
            file_name: None,
        };
        let given = values(&[("name", "Ana")]);
        for (sent, link) in [
            (None, "https://acme.example/a.png"),
            (
                Some(media(MediaKind::Image, "https://acme.example/b.png")),
                "https://acme.example/b.png",
            ),
        ] {
            let caption = Some("Oi Ana".to_owned());
            let expected = Content::Media(Media { caption, ..media(MediaKind::Image, link) });
            assert_eq!(fill(&template, &given, sent).unwrap(), expected);
        }
        let video = media(MediaKind::Video, "https://acme.example/b.mp4");
        assert!(fill(&template, &given, Some(video.clone())).is_err());
        assert!(fill(&content("x"), &given, Some(video)).is_err());
    }

    #[test]
    fn buttons_keep_header_and_footer() {
        let template = TemplateContent {
            footer: Some("Acme".to_owned()),
            media: Some(image("https://acme.example/a.png")),
            buttons: vec![Button::Reply { id: String::new(), label: "{{yes}}".to_owned() }],
            ..content("Oi")
        };
        let Content::Buttons(buttons) = fill(&template, &values(&[("yes", "Sim")]), None).unwrap()
        else {
            panic!("no buttons");
        };
        assert_eq!(buttons.footer.as_deref(), Some("Acme"));
        assert!(matches!(buttons.header, Some(Header::Media(_))));
        let yes = Button::Reply { id: "Sim".to_owned(), label: "Sim".to_owned() };
        assert_eq!(buttons.buttons, [yes]);
    }
}
