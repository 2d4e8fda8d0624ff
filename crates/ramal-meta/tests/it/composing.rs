//! Messages: what is built, held against Meta's description, and what is refused before it is built.

use proptest::prelude::*;
use ramal_domain::{
    Button, Buttons, Content, FilledTemplate, Header, Media, MediaKind, MediaSource, Menu, MenuRow,
    MenuSection, PhoneNumber, TemplateValue,
};
use ramal_meta::compose::{Recipient, check, message};
use serde_json::{Value, json};

use crate::openapi::description;

fn recipient() -> PhoneNumber {
    "+16505551234".parse().unwrap()
}

fn text(body: &str) -> Content {
    Content::Text { body: body.to_owned() }
}

fn link(kind: MediaKind) -> Media {
    let source = MediaSource::Link("https://example.com/a".to_owned());
    Media { kind, source, caption: None, file_name: None }
}

fn stored(kind: MediaKind, mime: &str) -> Media {
    Media { source: MediaSource::Stored { mime: mime.to_owned() }, ..link(kind) }
}

fn reply(id: &str, label: &str) -> Button {
    Button::Reply { id: id.to_owned(), label: label.to_owned() }
}

fn url(label: &str) -> Button {
    Button::Url { label: label.to_owned(), url: "https://example.com/".to_owned() }
}

fn with_buttons(buttons: Vec<Button>) -> Buttons {
    Buttons { header: None, body: "Sure?".to_owned(), footer: None, buttons }
}

fn row(id: &str) -> MenuRow {
    MenuRow { id: id.to_owned(), title: "A row".to_owned(), description: None }
}

fn menu(rows: Vec<MenuRow>) -> Menu {
    let sections = vec![MenuSection { title: "One".to_owned(), rows }];
    Menu { body: "Choose".to_owned(), footer: None, button_text: "Menu".to_owned(), sections }
}

fn template() -> FilledTemplate {
    let value = |value: &str| TemplateValue { name: None, value: value.to_owned() };
    FilledTemplate {
        name: "order_sent".to_owned(),
        language: "pt_BR".to_owned(),
        header: None,
        header_values: Vec::new(),
        body_values: vec![value("Ana"), value("42")],
        button_values: vec![(0, "42".to_owned())],
        preview: "Ana, 42".to_owned(),
    }
}

/// Builds a message to a phone number; Meta's description agrees.
fn built(content: &Content, uploaded: Option<&str>) -> Value {
    check(content).unwrap();
    let message = message(Recipient::Phone(&recipient()), content, uploaded, None, "msg_1");
    if let Some(description) = description() {
        description.judge("Message", &message);
    }
    assert_eq!(message["messaging_product"], "whatsapp");
    assert_eq!(message["to"], "+16505551234");
    assert_eq!(message["biz_opaque_callback_data"], "msg_1");
    message
}

#[test]
fn a_text_quotes_and_reaches_users_without_numbers() {
    let user = Recipient::User("US.13491208655302741918");
    let message = message(user, &text("Oi 👋"), None, Some("wamid.Q"), "");

    assert_eq!(
        message,
        json!({"messaging_product": "whatsapp", "recipient_type": "individual",
            "recipient": "US.13491208655302741918", "context": {"message_id": "wamid.Q"},
            "type": "text", "text": {"body": "Oi 👋"}})
    );
    if let Some(description) = description() {
        description.judge("Message", &message);
    }
    assert_eq!(built(&text("Oi"), None)["text"], json!({"body": "Oi"}));
}

#[test]
fn media_are_named_by_address_or_id() {
    for kind in MediaKind::ALL {
        let message = built(&Content::Media(link(kind)), None);
        let name = kind.event_type();
        assert_eq!(message["type"], name);
        assert_eq!(message[name]["link"], "https://example.com/a");
        assert_eq!(message[name].get("voice").is_some(), kind == MediaKind::Voice);
    }
    let document = Media {
        caption: Some("Look".to_owned()),
        file_name: Some("a.pdf".to_owned()),
        ..stored(MediaKind::Document, "application/pdf")
    };
    let message = built(&Content::Media(document), Some("10375"));
    assert_eq!(message["document"], json!({"id": "10375", "caption": "Look", "filename": "a.pdf"}));
    // Only Ogg is shown as a voice message.
    let voice = |mime: &str| built(&Content::Media(stored(MediaKind::Voice, mime)), Some("1"));
    assert_eq!(voice("audio/ogg; codecs=opus")["audio"], json!({"id": "1", "voice": true}));
    assert_eq!(voice("audio/mpeg")["audio"], json!({"id": "1"}));
}

#[test]
fn replies_are_buttons_and_a_link_is_a_call_to_action() {
    let buttons = Buttons {
        header: Some(Header::Text("Order 42".to_owned())),
        footer: Some("Ramal".to_owned()),
        ..with_buttons(vec![reply("y", "Yes"), reply("n", "No")])
    };
    let message = built(&Content::Buttons(buttons), None);
    assert_eq!(
        message["interactive"],
        json!({"type": "button", "header": {"type": "text", "text": "Order 42"},
            "body": {"text": "Sure?"}, "footer": {"text": "Ramal"},
            "action": {"buttons": [
                {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
                {"type": "reply", "reply": {"id": "n", "title": "No"}}]}})
    );
    let header = Some(Header::Media(stored(MediaKind::Image, "image/png")));
    let call = Buttons { header, ..with_buttons(vec![url("Open")]) };
    let message = built(&Content::Buttons(call), Some("77"));
    assert_eq!(
        message["interactive"],
        json!({"type": "cta_url", "header": {"type": "image", "image": {"id": "77"}},
            "body": {"text": "Sure?"}, "action": {"name": "cta_url",
                "parameters": {"display_text": "Open", "url": "https://example.com/"}}})
    );
}

#[test]
fn a_menu_is_a_list() {
    let mut described = row("b");
    described.description = Some("More".to_owned());
    let message = built(&Content::List(menu(vec![row("a"), described])), None);

    assert_eq!(
        message["interactive"],
        json!({"type": "list", "body": {"text": "Choose"}, "action": {"button": "Menu", "sections": [
            {"title": "One", "rows": [{"id": "a", "title": "A row"},
                {"id": "b", "title": "A row", "description": "More"}]}]}})
    );
}

#[test]
fn a_template_is_filled_in() {
    let message = built(&Content::Template(template()), None);
    assert_eq!(
        message["template"],
        json!({"name": "order_sent", "language": {"code": "pt_BR"}, "components": [
            {"type": "body", "parameters": [
                {"type": "text", "text": "Ana"}, {"type": "text", "text": "42"}]},
            {"type": "button", "sub_type": "url", "index": "0",
                "parameters": [{"type": "text", "text": "42"}]}]})
    );
    let named = FilledTemplate {
        header: Some(link(MediaKind::Image)),
        body_values: vec![TemplateValue { name: Some("who".to_owned()), value: "Ana".to_owned() }],
        button_values: Vec::new(),
        ..template()
    };
    let message = built(&Content::Template(named), None);
    assert_eq!(
        message["template"]["components"],
        json!([
            {"type": "header", "parameters": [
                {"type": "image", "image": {"link": "https://example.com/a"}}]},
            {"type": "body", "parameters": [
                {"type": "text", "parameter_name": "who", "text": "Ana"}]}])
    );
    let plain = FilledTemplate { body_values: Vec::new(), button_values: Vec::new(), ..template() };
    let message = built(&Content::Template(plain), None);
    assert_eq!(message["template"], json!({"name": "order_sent", "language": {"code": "pt_BR"}}));
}

/// Every limit, from both sides: what is just allowed, and what is just too much.
#[test]
fn limits_are_where_meta_has_them() {
    let long = |length: usize| "ä".repeat(length);
    let captioned =
        |kind, caption: String| Content::Media(Media { caption: Some(caption), ..link(kind) });
    let button = |id: usize, label: usize| {
        Content::Buttons(with_buttons(vec![reply(&long(id), &long(label))]))
    };
    let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let buttons = |count: usize| {
        Content::Buttons(with_buttons(many(count).iter().map(|n| reply(n, n)).collect()))
    };
    let lines = |body: usize, footer: usize, header: usize| {
        Content::Buttons(Buttons {
            header: Some(Header::Text(long(header))),
            body: long(body),
            footer: Some(long(footer)),
            buttons: vec![reply("1", "1")],
        })
    };
    let rows = |count: usize| Content::List(menu(many(count).iter().map(|n| row(n)).collect()));
    let one = |id: usize, title: usize, text: usize| {
        let row = MenuRow { id: long(id), title: long(title), description: Some(long(text)) };
        Content::List(menu(vec![row]))
    };
    let opened_by =
        |length: usize| Content::List(Menu { button_text: long(length), ..menu(vec![row("1")]) });
    let cases = [
        (text(&long(4096)), text(&long(4097))),
        (text("x"), text(" \n")),
        (captioned(MediaKind::Image, long(1024)), captioned(MediaKind::Image, long(1025))),
        (captioned(MediaKind::Video, long(1024)), captioned(MediaKind::Sticker, long(1))),
        (captioned(MediaKind::Audio, String::new()), captioned(MediaKind::Audio, long(1))),
        (button(256, 20), button(257, 20)),
        (button(1, 20), button(1, 21)),
        (button(1, 1), button(1, 0)),
        (buttons(3), buttons(4)),
        (buttons(1), buttons(0)),
        (lines(1024, 60, 60), lines(1025, 60, 60)),
        (lines(1, 60, 60), lines(1, 61, 60)),
        (lines(1, 0, 60), lines(1, 0, 61)),
        (rows(10), rows(11)),
        (rows(1), rows(0)),
        (one(200, 24, 72), one(201, 24, 72)),
        (one(1, 24, 72), one(1, 25, 72)),
        (one(1, 1, 72), one(1, 1, 73)),
        (opened_by(20), opened_by(21)),
        (
            Content::Buttons(with_buttons(vec![url("Open")])),
            Content::Buttons(with_buttons(vec![url("Open"), reply("1", "1")])),
        ),
        (
            Content::Media(stored(MediaKind::Image, "image/JPEG")),
            Content::Media(stored(MediaKind::Image, "image/gif")),
        ),
        (
            Content::Media(stored(MediaKind::Sticker, "image/webp")),
            Content::Media(stored(MediaKind::Sticker, "image/png")),
        ),
    ];
    for (allowed, refused) in cases {
        built(&allowed, Some("1"));
        let error = check(&refused).unwrap_err().to_string();
        assert!(!error.is_empty() && !error.ends_with('.'), "{error}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let media = |source: &str| {
        Content::Media(Media {
            source: MediaSource::Link(source.to_owned()),
            ..link(MediaKind::Image)
        })
    };
    let header = |header| {
        Content::Buttons(Buttons { header: Some(header), ..with_buttons(vec![reply("1", "1")]) })
    };
    let two = |a: Button, b: Button| Content::Buttons(with_buttons(vec![a, b]));
    let section = |title: &str, rows| MenuSection { title: title.to_owned(), rows };
    let sections = |sections| Content::List(Menu { sections, ..menu(Vec::new()) });
    let refused = [
        media("file:///etc/passwd"),
        media("nonsense"),
        header(Header::Media(link(MediaKind::Sticker))),
        header(Header::Text(String::new())),
        two(reply("1", "A"), reply("1", "B")),
        two(reply("1", "A"), reply("2", "A")),
        two(url("A"), url("B")),
        sections(vec![]),
        sections(vec![section("", vec![row("1")]), section("B", vec![row("2")])]),
        sections(vec![section("A", vec![row("1")]), section("B", vec![row("1")])]),
        sections(vec![section("A", vec![row("1")]), section("B", vec![])]),
        Content::Template(FilledTemplate { name: String::new(), ..template() }),
        Content::Template(FilledTemplate { language: String::new(), ..template() }),
        Content::Template(FilledTemplate {
            button_values: vec![(10, "x".to_owned())],
            ..template()
        }),
        Content::Template(FilledTemplate {
            header: Some(link(MediaKind::Image)),
            header_values: template().body_values,
            ..template()
        }),
        Content::Template(FilledTemplate {
            body_values: vec![TemplateValue { name: None, value: String::new() }],
            ..template()
        }),
    ];
    for content in refused {
        assert!(check(&content).is_err(), "{content:?}");
    }
    // One section needs no title.
    built(&sections(vec![section("", vec![row("1")])]), None);
}

fn any_media() -> impl Strategy<Value = Media> {
    let source = prop_oneof![
        "(https?://)?[a-z]{1,9}\\.example/\\PC{0,9}".prop_map(MediaSource::Link),
        "(image/png|image/webp|video/mp4|audio/ogg|audio/mpeg|application/pdf|x)"
            .prop_map(|mime| MediaSource::Stored { mime }),
    ];
    let kind = prop::sample::select(MediaKind::ALL.to_vec());
    let (caption, name) = (prop::option::of("\\PC{0,1030}"), prop::option::of("\\PC{0,20}"));
    (kind, source, caption, name).prop_map(|(kind, source, caption, file_name)| Media {
        kind,
        source,
        caption,
        file_name,
    })
}

fn any_content() -> impl Strategy<Value = Content> {
    let button = prop_oneof![
        ("\\PC{0,260}", "\\PC{0,22}").prop_map(|(id, label)| Button::Reply { id, label }),
        ("\\PC{0,22}", "https://[a-z]{1,9}/").prop_map(|(label, url)| Button::Url { label, url }),
    ];
    let header =
        prop_oneof!["\\PC{0,62}".prop_map(Header::Text), any_media().prop_map(Header::Media)];
    let buttons = (
        prop::option::of(header),
        "\\PC{0,1030}",
        prop::option::of("\\PC{0,62}"),
        prop::collection::vec(button, 0..4),
    )
        .prop_map(|(header, body, footer, buttons)| Buttons { header, body, footer, buttons });
    let row = ("\\PC{0,202}", "\\PC{0,26}", prop::option::of("\\PC{0,74}"))
        .prop_map(|(id, title, description)| MenuRow { id, title, description });
    let section = ("\\PC{0,26}", prop::collection::vec(row, 0..4))
        .prop_map(|(title, rows)| MenuSection { title, rows });
    let menu = ("\\PC{0,1030}", "\\PC{0,22}", prop::collection::vec(section, 0..4)).prop_map(
        |(body, button_text, sections)| Menu { body, footer: None, button_text, sections },
    );
    let value = (prop::option::of("[a-z]{1,9}"), "\\PC{0,9}")
        .prop_map(|(name, value)| TemplateValue { name, value });
    let values = || prop::collection::vec(value.clone(), 0..3);
    let template =
        (
            prop::option::of(any_media()),
            values(),
            values(),
            prop::collection::vec((0_u32..12, "\\PC{0,9}"), 0..3),
        )
            .prop_map(|(header, header_values, body_values, button_values)| {
                FilledTemplate { header, header_values, body_values, button_values, ..template() }
            });
    prop_oneof![
        "\\PC{0,4100}".prop_map(|body| Content::Text { body }),
        any_media().prop_map(Content::Media),
        buttons.prop_map(Content::Buttons),
        menu.prop_map(Content::List),
        template.prop_map(Content::Template),
    ]
}

proptest! {
    #[test]
    fn what_passes_is_what_meta_describes(content in any_content()) {
        let stored = content.media().is_some_and(|media| matches!(media.source, MediaSource::Stored { .. }));
        let uploaded = stored.then_some("10375");
        if check(&content).is_ok() {
            built(&content, uploaded);
        } else {
            // What is refused panics neither.
            message(Recipient::Phone(&recipient()), &content, uploaded, None, "");
        }
    }
}
