//! `ramal send`.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::{Args, ValueEnum};
use humantime_serde::re::humantime::parse_duration;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    api::{Api, Ask},
    failure::Failure,
    numbers::resolve,
    screen::{Screen, clean, remark, text},
};

/// How often it is asked how far a message got.
const EVERY: Duration = Duration::from_millis(500);
/// Largest file: as data URI it is still accepted by the API.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// What to send, and how.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// The number to send through: its id (`wa_…`) or its phone number. A number's own key needs none.
    #[arg(long, value_name = "ID")]
    number: Option<String>,
    /// Whom to, such as `+5511999999999`.
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The text, or the words below media; `-` reads standard input.
    #[arg(required_unless_present = "media")]
    text: Option<String>,
    /// A file, or an http(s) address.
    #[arg(long, value_name = "PATH|URL")]
    media: Option<String>,
    /// What kind of media it is; by the file's ending when absent.
    #[arg(long = "type", requires = "media", value_name = "TYPE")]
    kind: Option<MediaKind>,
    /// Makes a repeat within a day safe: the same key sends once.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until the phone has it, or it has failed.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, requires = "wait", default_value = "1m", value_parser = parse_duration)]
    timeout: Duration,
    /// Print the answer of the API; with --wait, what is known of the message in the end.
    #[arg(long)]
    json: bool,
}

/// As the API names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MediaKind {
    Image,
    Video,
    Document,
    Audio,
    Voice,
    Sticker,
}

impl MediaKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
            Self::Audio => "audio",
            Self::Voice => "voice",
            Self::Sticker => "sticker",
        }
    }
}

/// Endings of files: media types, and the kinds that they are sent as.
const ENDINGS: [(&[&str], &str, MediaKind); 9] = [
    (&["jpg", "jpeg"], "image/jpeg", MediaKind::Image),
    (&["png"], "image/png", MediaKind::Image),
    (&["webp"], "image/webp", MediaKind::Image),
    (&["mp4"], "video/mp4", MediaKind::Video),
    (&["3gp"], "video/3gpp", MediaKind::Video),
    (&["mp3"], "audio/mpeg", MediaKind::Audio),
    (&["ogg", "opus"], "audio/ogg", MediaKind::Audio),
    (&["m4a"], "audio/mp4", MediaKind::Audio),
    (&["pdf"], "application/pdf", MediaKind::Document),
];

/// The media type and kind of a file with this name.
fn guess(path: &Path) -> (&'static str, MediaKind) {
    let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let ending = ending.to_ascii_lowercase();
    let found = ENDINGS.iter().find(|(endings, ..)| endings.contains(&ending.as_str()));
    found.map_or(("application/octet-stream", MediaKind::Document), |&(_, mime, kind)| (mime, kind))
}

pub(super) async fn run(api: &Api, arguments: &Arguments) -> Result<(), Failure> {
    let body = body(arguments).map_err(Failure::Usage)?;
    let number = match &arguments.number {
        Some(named) => Some(resolve(api, named).await?),
        None => None,
    };
    let headers = arguments.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str()));
    let ask = Ask {
        number: number.as_deref(),
        headers: headers.collect(),
        body: Some(body),
        ..Ask::default()
    };
    let sent = api.call(Method::POST, &["messages", "send"], &ask).await?;
    let mut screen = Screen::new();
    if !arguments.wait {
        return if arguments.json { screen.json(&sent) } else { screen.line(&line(&sent)) };
    }
    if !arguments.json {
        screen.line(&line(&sent))?;
    }
    let waiting = Waiting { api, number: number.as_deref(), id: text(&sent, "/id"), arguments };
    waiting.until_settled(&mut screen, text(&sent, "/status")).await
}

fn line(message: &Value) -> String {
    format!("{:<9}  {}", clean(text(message, "/status")), clean(text(message, "/id")))
}

/// What is posted.
fn body(arguments: &Arguments) -> anyhow::Result<Value> {
    let mut body = Map::new();
    body.insert("destinationNumber".to_owned(), json!(arguments.to));
    if let Some(given) = &arguments.text {
        body.insert("text".to_owned(), json!(words(given)?));
    }
    if let Some(media) = &arguments.media {
        let (value, kind) = load(media)?;
        body.insert("media".to_owned(), json!(value));
        let kind = arguments.kind.unwrap_or(kind);
        body.insert("mediaType".to_owned(), json!(kind.name()));
        let name = PathBuf::from(media);
        let name = name.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|_| kind == MediaKind::Document && !is_address(media)) {
            body.insert("fileName".to_owned(), json!(name));
        }
    }
    Ok(Value::Object(body))
}

fn words(given: &str) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).context("standard input")?;
    // The end of the last line is the shell's, not the text's.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn is_address(media: &str) -> bool {
    ["https://", "http://", "data:"].iter().any(|scheme| media.starts_with(scheme))
}

/// What the API takes: an address as it is, a file as a data URI.
fn load(media: &str) -> anyhow::Result<(String, MediaKind)> {
    if is_address(media) {
        let path = media.split(['?', '#']).next().unwrap_or(media);
        let (_, kind) = guess(Path::new(path));
        // An address without an ending is what the API takes it for.
        let known = Path::new(path).extension().is_some();
        return Ok((media.to_owned(), if known { kind } else { MediaKind::Image }));
    }
    let path = Path::new(media);
    let size = fs::metadata(path).with_context(|| media.to_owned())?.len();
    anyhow::ensure!(size <= FILE_MAX, "{media}: the file is larger than 16 MiB; send its address");
    let bytes = fs::read(path).with_context(|| media.to_owned())?;
    let (mime, kind) = guess(path);
    Ok((format!("data:{mime};base64,{}", BASE64.encode(bytes)), kind))
}

/// A message that is followed.
struct Waiting<'a> {
    api: &'a Api,
    number: Option<&'a str>,
    id: &'a str,
    arguments: &'a Arguments,
}

impl Waiting<'_> {
    async fn until_settled(&self, screen: &mut Screen, queued: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + self.arguments.timeout;
        let mut known = queued.to_owned();
        loop {
            let ask = Ask { number: self.number, ..Ask::default() };
            match self.api.call(Method::GET, &["messages", self.id], &ask).await {
                Ok(message) => {
                    let status = text(&message, "/status");
                    if status != known && !self.arguments.json {
                        screen.line(&line(&message))?;
                    }
                    if let Some(outcome) = settled(&message) {
                        if self.arguments.json {
                            screen.json(&message)?;
                        }
                        return outcome;
                    }
                    status.clone_into(&mut known);
                }
                // The message waits on the server, whether it can be asked or not.
                Err(failure) if failure.may_pass() && Instant::now() < deadline => {}
                Err(failure) => return Err(failure),
            }
            if Instant::now() >= deadline {
                remark("the message is still on its way; the server goes on with it");
                return Err(Failure::Unmet(format!(
                    "not delivered in time: it is {}",
                    clean(&known)
                )));
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// How a message ended, if it has.
fn settled(message: &Value) -> Option<Result<(), Failure>> {
    match text(message, "/status") {
        "DELIVERED" | "READ" => Some(Ok(())),
        status @ ("FAILED" | "CANCELED") => {
            let (code, why) = (text(message, "/errorCode"), text(message, "/errorMessage"));
            let shown = if code.is_empty() { status } else { code };
            let sentence =
                format!("the message was not delivered: {} ({})", clean(why), clean(shown));
            Some(Err(Failure::Unmet(sentence)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sent_as_what_their_names_say() {
        for (name, mime, kind) in [
            ("a.JPG", "image/jpeg", MediaKind::Image),
            ("b.mp4", "video/mp4", MediaKind::Video),
            ("dir.png/c.pdf", "application/pdf", MediaKind::Document),
            ("d.tar.gz", "application/octet-stream", MediaKind::Document),
            ("e", "application/octet-stream", MediaKind::Document),
        ] {
            assert_eq!(guess(Path::new(name)), (mime, kind), "{name}");
        }
    }

    #[test]
    fn an_address_goes_as_it_is_and_a_file_as_a_data_uri() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bill.pdf");
        fs::write(&file, b"%PDF").unwrap();

        let (value, kind) = load(file.to_str().unwrap()).unwrap();
        assert_eq!(
            (value.as_str(), kind.name()),
            ("data:application/pdf;base64,JVBERg==", "document")
        );
        let address = "https://example.com/film.mp4?x=.pdf";
        assert_eq!(load(address).unwrap(), (address.to_owned(), MediaKind::Video));
        assert_eq!(load("https://example.com/a").unwrap().1, MediaKind::Image);
        assert!(load("/no/such/file").is_err());
    }

    #[test]
    fn a_message_is_settled_once_a_phone_has_it_or_it_failed() {
        assert!(settled(&json!({"status": "QUEUED"})).is_none());
        assert!(settled(&json!({"status": "SENT"})).is_none());
        assert!(matches!(settled(&json!({"status": "READ"})), Some(Ok(()))));
        let failed =
            json!({"status": "FAILED", "errorCode": "WHATSAPP_NOT_EXIST", "errorMessage": "no"});
        let Some(Err(failure)) = settled(&failed) else { panic!("it failed") };
        assert_eq!(failure.code(), 5);
        assert!(failure.complaint().unwrap().to_string().contains("WHATSAPP_NOT_EXIST"));
    }
}
