//! What Meta would refuse. Lengths are counted in characters, as Meta's description of its API does.

use std::collections::HashSet;

use ramal_domain::{
    Button, Buttons, Content, FilledTemplate, Header, Media, MediaKind, MediaSource, Menu,
};
use url::Url;

const TEXT_MAX: usize = 4_096;
const CAPTION_MAX: usize = 1_024;
/// The text above buttons and menus.
const BODY_MAX: usize = 1_024;
/// The line above and the line below.
const LINE_MAX: usize = 60;
const BUTTONS_MAX: usize = 3;
const BUTTON_ID_MAX: usize = 256;
/// What a button says.
const LABEL_MAX: usize = 20;
const SECTIONS_MAX: usize = 10;
/// Rows of all sections together.
const ROWS_MAX: usize = 10;
const ROW_ID_MAX: usize = 200;
const ROW_TITLE_MAX: usize = 24;
const ROW_TEXT_MAX: usize = 72;
const TEMPLATE_NAME_MAX: usize = 512;
const TEMPLATE_VALUE_MAX: usize = 32_768;
/// Buttons of a template are counted by one digit.
const TEMPLATE_BUTTON_MAX: u32 = 9;
const URL_MAX: usize = 2_000;

const IMAGES: &[&str] = &["image/jpeg", "image/png"];
const VIDEOS: &[&str] = &["video/mp4", "video/3gpp"];
const SOUNDS: &[&str] = &["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"];
const STICKERS: &[&str] = &["image/webp"];

/// What Meta would refuse, said to the customer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ComposeError(String);

type Checked = Result<(), ComposeError>;

/// The largest file of a kind that Meta takes, in bytes.
pub const fn size_max(kind: MediaKind) -> u64 {
    const MEGABYTE: u64 = 1024 * 1024;
    match kind {
        MediaKind::Image => 5 * MEGABYTE,
        MediaKind::Video | MediaKind::Audio | MediaKind::Voice => 16 * MEGABYTE,
        MediaKind::Document => 100 * MEGABYTE,
        // One that moves; one that does not may have 100 kB.
        MediaKind::Sticker => 500 * 1024,
    }
}

/// A media type without its parameters, in lower case.
pub(super) fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses what Meta would refuse.
///
/// # Errors
///
/// [`ComposeError`], whose text is fit for the customer.
pub fn check(content: &Content) -> Checked {
    match content {
        Content::Text { body } => length("a text", body, 1, TEXT_MAX),
        Content::Media(media) => check_media(media),
        Content::Template(template) => check_template(template),
        Content::Buttons(buttons) => check_buttons(buttons),
        Content::List(menu) => check_menu(menu),
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, ComposeError> {
    Err(ComposeError(text.into()))
}

fn claim(holds: bool, text: &str) -> Checked {
    if holds { Ok(()) } else { refuse(text) }
}

fn length(what: &str, text: &str, min: usize, max: usize) -> Checked {
    let length = text.chars().count();
    if text.trim().is_empty() && min > 0 {
        return refuse(format!("{what} must not be empty"));
    }
    if length > max {
        return refuse(format!("{what} has at most {max} characters on Meta, not {length}"));
    }
    Ok(())
}

fn check_media(media: &Media) -> Checked {
    check_file(media)?;
    let Some(caption) = media.caption.as_deref().filter(|caption| !caption.is_empty()) else {
        return Ok(());
    };
    match media.kind {
        MediaKind::Image | MediaKind::Video | MediaKind::Document => {
            length("a caption", caption, 0, CAPTION_MAX)
        }
        MediaKind::Audio | MediaKind::Voice | MediaKind::Sticker => {
            refuse(format!("media of type {} have no caption on Meta", media.kind.name()))
        }
    }
}

/// The file itself: where it is, or of what type.
fn check_file(media: &Media) -> Checked {
    let mime = match &media.source {
        MediaSource::Link(url) => return check_url("a link to media", url),
        MediaSource::Stored { mime } => essence(mime),
    };
    let allowed = match media.kind {
        MediaKind::Image => IMAGES,
        MediaKind::Video => VIDEOS,
        MediaKind::Audio | MediaKind::Voice => SOUNDS,
        MediaKind::Sticker => STICKERS,
        MediaKind::Document => {
            return claim(
                mime.contains('/'),
                "a document needs a media type, such as application/pdf",
            );
        }
    };
    if allowed.contains(&mime.as_str()) {
        return Ok(());
    }
    refuse(format!(
        "Meta takes {} for media of type {}, not {mime}",
        allowed.join(", "),
        media.kind.name()
    ))
}

fn check_url(what: &str, text: &str) -> Checked {
    let fits = text.len() <= URL_MAX
        && Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
    if fits {
        Ok(())
    } else {
        refuse(format!("{what} must be an http(s) address of at most {URL_MAX} characters"))
    }
}

/// Media above buttons, or in a template's header.
fn check_header_media(media: &Media) -> Checked {
    claim(
        matches!(media.kind, MediaKind::Image | MediaKind::Video | MediaKind::Document),
        "a header can hold an image, a video or a document",
    )?;
    check_file(media)
}

fn check_template(template: &FilledTemplate) -> Checked {
    length("the name of a template", &template.name, 1, TEMPLATE_NAME_MAX)?;
    claim(!template.language.trim().is_empty(), "a template needs a language")?;
    if let Some(media) = &template.header {
        claim(
            template.header_values.is_empty(),
            "the header of a template holds media or text, not both",
        )?;
        check_header_media(media)?;
    }
    for value in template.header_values.iter().chain(&template.body_values) {
        length("the value of a template's variable", &value.value, 1, TEMPLATE_VALUE_MAX)?;
    }
    for (index, ending) in &template.button_values {
        claim(*index <= TEMPLATE_BUTTON_MAX, "a template has at most ten buttons")?;
        length("the end of a template button's address", ending, 1, URL_MAX)?;
    }
    Ok(())
}

fn check_buttons(buttons: &Buttons) -> Checked {
    match &buttons.header {
        Some(Header::Text(text)) => length("a header", text, 1, LINE_MAX)?,
        Some(Header::Media(media)) => check_header_media(media)?,
        None => {}
    }
    length("the text above buttons", &buttons.body, 1, BODY_MAX)?;
    length("a footer", buttons.footer.as_deref().unwrap_or_default(), 0, LINE_MAX)?;
    let all = buttons.buttons.as_slice();
    if !(1..=BUTTONS_MAX).contains(&all.len()) {
        return refuse(format!("a message has one to {BUTTONS_MAX} buttons on Meta"));
    }
    let (mut ids, mut labels) = (HashSet::new(), HashSet::new());
    for button in all {
        let (id, label) = match button {
            Button::Reply { id, label } => (id, label),
            Button::Url { label, url } => {
                claim(
                    all.len() == 1,
                    "on Meta a button with a link stands alone: one link, or up to three replies",
                )?;
                check_url("the address of a button", url)?;
                return length("a button", label, 1, LABEL_MAX);
            }
        };
        length("the id of a button", id, 1, BUTTON_ID_MAX)?;
        length("a button", label, 1, LABEL_MAX)?;
        claim(
            ids.insert(id) && labels.insert(label),
            "two buttons must not have the same id or text",
        )?;
    }
    Ok(())
}

fn check_menu(menu: &Menu) -> Checked {
    length("the text above a menu", &menu.body, 1, BODY_MAX)?;
    length("a footer", menu.footer.as_deref().unwrap_or_default(), 0, LINE_MAX)?;
    length("the button of a menu", &menu.button_text, 1, LABEL_MAX)?;
    let rows: Vec<_> = menu.sections.iter().flat_map(|section| &section.rows).collect();
    if !(1..=SECTIONS_MAX).contains(&menu.sections.len()) || !(1..=ROWS_MAX).contains(&rows.len()) {
        return refuse(format!(
            "a menu has one to {SECTIONS_MAX} sections and one to {ROWS_MAX} rows in all on Meta"
        ));
    }
    let many = menu.sections.len() > 1;
    for section in &menu.sections {
        length("the title of a section", &section.title, usize::from(many), ROW_TITLE_MAX)?;
        claim(!section.rows.is_empty(), "a section of a menu needs a row")?;
    }
    let mut ids = HashSet::new();
    for row in rows {
        length("the id of a row", &row.id, 1, ROW_ID_MAX)?;
        length("the title of a row", &row.title, 1, ROW_TITLE_MAX)?;
        length(
            "the text of a row",
            row.description.as_deref().unwrap_or_default(),
            0,
            ROW_TEXT_MAX,
        )?;
        claim(ids.insert(&row.id), "two rows must not have the same id")?;
    }
    Ok(())
}
