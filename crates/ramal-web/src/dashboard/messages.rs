//! What a number said and heard, what waits to be sent, and a box that sends.

mod compose;
mod media;
mod rows;
mod texts;

use std::{collections::HashMap, error::Error};

use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::{
    AppError, Attempt, IdempotencyKey, Language, Memo, MessageList, MessageWish, OutgoingMessage,
    PiiMode, Refusal, Scoped, Sent, StoredAnswer,
};
use ramal_domain::{MessageStatus, WireId};
use ramal_store::{Message, Number};
use serde::Deserialize;

pub(super) use self::texts::MessagesTexts;
use self::{
    compose::{Composed, FORM_MAX, Form, Given},
    rows::{Row, Rows, names},
};
use super::{
    answer::{Flash, PageError, sentence},
    frame::{Frame, Section},
    live::state_name,
    number::words,
    session::{Posted, SignedIn},
    sign_in::Nothing,
};
use crate::{
    Web,
    extract::{Path, Query},
};

/// What a log may be narrowed down to.
const STATUSES: [MessageStatus; 6] = [
    MessageStatus::Queued,
    MessageStatus::Sent,
    MessageStatus::Delivered,
    MessageStatus::Read,
    MessageStatus::Failed,
    MessageStatus::Canceled,
];
/// Pages after this one are not looked for.
const PAGES_MAX: u32 = 10_000;

pub(super) fn router() -> Router<Web> {
    let form = get(show).post(send).layer(DefaultBodyLimit::max(FORM_MAX));
    Router::new()
        .route("/numbers/{id}/messages", form)
        .route("/numbers/{id}/messages/{message}/media", get(media::media))
        .route("/numbers/{id}/messages/{message}/cancel", post(cancel))
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    /// Only what was said with this person, group or channel.
    peer: String,
    /// Only what has come so far, of what was sent through this server.
    status: String,
    /// Which page of the log.
    page: String,
    /// Which page of what waits.
    waiting: String,
    /// `log`: without the form, for the script.
    part: String,
    /// `crowd`: the form writes to groups and channels.
    to: String,
    /// The form sends a template: this one, if it is named.
    template: Option<String>,
}

impl Wanted {
    /// What is no status is none.
    fn status(&self) -> Option<MessageStatus> {
        self.status.parse().ok()
    }

    /// The query of another page.
    fn query(&self, page: u32, waiting: u32, more: &[(&str, &str)]) -> String {
        let (page, waiting) = (page.to_string(), waiting.to_string());
        let mut query = Vec::new();
        for (name, value, usual) in [
            ("peer", self.peer.trim(), ""),
            ("status", self.status().map_or("", MessageStatus::name), ""),
            ("page", &page, "1"),
            ("waiting", &waiting, "1"),
        ] {
            if value != usual {
                query.push((name, value));
            }
        }
        query.extend_from_slice(more);
        let query = serde_html_form::to_string(query).unwrap_or_default();
        if query.is_empty() { query } else { format!("?{query}") }
    }
}

fn page_of(text: &str) -> u32 {
    text.parse().ok().filter(|page| (1..=PAGES_MAX).contains(page)).unwrap_or(1)
}

/// The way to other pages.
#[derive(Debug)]
struct Pager {
    newer: Option<String>,
    older: Option<String>,
    words: String,
}

impl Pager {
    /// `None` when there is one page only.
    fn of(
        list: &MessageList,
        texts: &MessagesTexts,
        address: impl Fn(u32) -> String,
    ) -> Option<Self> {
        let (page, pages) = (list.page, list.total_pages());
        if pages < 2 && page == 1 {
            return None;
        }
        let words = texts.page.replace("{n}", &page.to_string());
        Some(Self {
            newer: (page > 1).then(|| address(page - 1)),
            older: (u64::from(page) < pages).then(|| address(page + 1)),
            words: words.replace("{m}", &pages.max(1).to_string()),
        })
    }
}

/// One choice of the filter.
#[derive(Debug)]
struct StatusChoice {
    value: &'static str,
    words: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "dashboard/messages.html")]
struct MessagesPage {
    frame: Frame,
    t: &'static MessagesTexts,
    id: String,
    name: String,
    phone: String,
    state: &'static str,
    numbers: &'static str,
    /// What the script compares, and where it finds what is new.
    mark: String,
    source: String,
    /// What is not kept.
    note: Option<String>,
    form: Option<Form>,
    waiting: Vec<Row>,
    waiting_total: u64,
    waiting_pager: Option<Pager>,
    log: Vec<Row>,
    pager: Option<Pager>,
    peer: String,
    peer_problem: bool,
    statuses: Vec<StatusChoice>,
    /// Whether only some are wanted.
    filtered: bool,
    /// Whom one may filter by, as far as they are on the page.
    peers: Vec<(String, String)>,
    paged: bool,
}

async fn show(
    State(web): State<Web>,
    by: SignedIn,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let scoped = web.app.scope(by.caller.clone(), Some(&id)).await?;
    let given = Given::asked(wanted.to == "crowd", wanted.template.as_deref());
    render(&web, &by, &headers, &scoped, &wanted, (given, None)).await
}

/// The page; with what was typed and why it was refused, when it comes back.
async fn render(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    scoped: &Scoped,
    wanted: &Wanted,
    (given, problem): (Given, Option<String>),
) -> Result<Response, PageError> {
    let (language, number) = (by.language, &scoped.number);
    let t = MessagesTexts::of(language);
    // The mark before what it is of: what changes in between is then found anew.
    let mark = web.app.messages_mark(scoped).await?;
    let waiting = web.app.waiting_messages(scoped, page_of(&wanted.waiting)).await?;
    let (list, peer_problem) = history(web, scoped, wanted).await?;
    // What waits answers nothing: it is made here.
    let quoted = quoted(web, scoped, &list.messages).await?;
    let names = names([&list.messages, &waiting.messages]);
    let rows = Rows { number, quoted: &quoted, names: &names, now: web.app.now(), language };
    let form = if by.is_owner() && wanted.part != "log" {
        Some(Form::new(web, scoped, language, given, problem).await?)
    } else {
        None
    };
    let path = format!("/numbers/{}/messages", number.id);
    let address = |page, waiting| format!("{path}{}", wanted.query(page, waiting, &[]));
    let part = [("part", "log")];
    let log = rows.all(&list.messages);
    let page = MessagesPage {
        frame: Frame::new(web, by, Section::Numbers, &path, headers),
        t,
        id: number.id.to_string(),
        name: number.name.clone(),
        phone: number.phone.international(),
        state: state_name(number.link),
        numbers: super::numbers::NumbersTexts::of(language).title,
        mark,
        source: format!("{path}{}", wanted.query(list.page, waiting.page, &part)),
        note: note(number, t),
        form,
        waiting: rows.all(&waiting.messages),
        waiting_total: waiting.total,
        waiting_pager: Pager::of(&waiting, t, |page| address(list.page, page)),
        pager: Pager::of(&list, t, |page| address(page, waiting.page)),
        peers: peers(&log),
        log,
        filtered: !wanted.peer.trim().is_empty() || wanted.status().is_some(),
        peer: wanted.peer.trim().to_owned(),
        peer_problem,
        statuses: statuses(wanted.status(), language),
        paged: list.page > 1,
    };
    page.frame.answer(web, &page)
}

fn statuses(chosen: Option<MessageStatus>, language: Language) -> Vec<StatusChoice> {
    let choice = |status: MessageStatus| StatusChoice {
        value: status.name(),
        words: words::status(status, language),
        chosen: chosen == Some(status),
    };
    STATUSES.map(choice).into()
}

/// A page of the log, and whether nobody can be meant by the filter.
async fn history(
    web: &Web,
    scoped: &Scoped,
    wanted: &Wanted,
) -> Result<(MessageList, bool), PageError> {
    let page = page_of(&wanted.page);
    let peer = Some(wanted.peer.trim().to_owned()).filter(|peer| !peer.is_empty());
    let status = wanted.status().map(|status| status.name().to_owned());
    let wish = MessageWish { page: Some(page.to_string()), peer, status, ..MessageWish::default() };
    // What came in has no status that says anything to people.
    let found = match wish.status {
        Some(_) => web.app.list_messages(scoped, &wish).await,
        None => web.app.message_log(scoped, &wish).await,
    };
    match found {
        Err(AppError::Refused(Refusal::Validation(_))) => {
            Ok((MessageList { messages: Vec::new(), total: 0, page: 1, page_size: 1 }, true))
        }
        found => Ok((found?, false)),
    }
}

/// The messages that others answer, by WhatsApp's id: those of the page, and of earlier ones.
async fn quoted(
    web: &Web,
    scoped: &Scoped,
    page: &[Message],
) -> Result<HashMap<String, Message>, PageError> {
    let here: HashMap<&str, &Message> =
        page.iter().map(|message| (message.wire_id.as_str(), message)).collect();
    let mut found = HashMap::new();
    for message in page {
        let Some(wanted) = message.quoted.as_ref().map(WireId::as_str) else { continue };
        if found.contains_key(wanted) {
            continue;
        }
        let original = match here.get(wanted) {
            Some(original) => Ok((*original).clone()),
            None => web.app.get_message(scoped, wanted).await,
        };
        match original {
            Ok(original) => found.insert(wanted.to_owned(), original),
            Err(AppError::Refused(_)) => continue,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(found)
}

/// What is said of contents that are not kept, or not for long.
fn note(number: &Number, t: &MessagesTexts) -> Option<String> {
    if number.pii_mode == PiiMode::RelayOnly.name() {
        return Some(t.relay_only.to_owned());
    }
    let days = number.pii_retention_days?;
    Some(t.kept_days.replace("{n}", &days.to_string()))
}

/// Each person, group and channel once, with what it is called.
fn peers(log: &[Row]) -> Vec<(String, String)> {
    let mut peers: Vec<(String, String)> = Vec::new();
    for row in log {
        if let Some(with) = &row.with
            && !peers.iter().any(|(known, _)| *known == with.peer)
        {
            peers.push((with.peer.clone(), row.peer.clone()));
        }
    }
    peers
}

async fn send(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Composed { by, given }: Composed,
) -> Result<Response, PageError> {
    let scoped = web.app.scope(by.caller.clone(), Some(&id)).await?;
    let wanted = Wanted::default();
    if given.choosing {
        return render(&web, &by, &headers, &scoped, &wanted, (given, None)).await;
    }
    let t = MessagesTexts::of(by.language);
    let wish = given.wish(web.app.now(), t);
    let problem = match wish {
        Err(problem) => problem.to_owned(),
        Ok(wish) => match accept(&web, &scoped, &given, wish).await {
            Ok(()) => {
                let text = if given.is_scheduled() { t.scheduled } else { t.accepted };
                let flash = Flash { problem: false, text: text.to_owned() };
                return Ok(flash.to(&web, &format!("/numbers/{id}/messages")));
            }
            Err(AppError::Refused(Refusal::IdempotencyKeyInUse)) => t.in_use.to_owned(),
            Err(error @ AppError::Refused(_)) => sentence(&error, by.language),
            Err(error) => return Err(error.into()),
        },
    };
    let page = render(&web, &by, &headers, &scoped, &wanted, (given, Some(problem))).await?;
    Ok((StatusCode::BAD_REQUEST, page).into_response())
}

/// Accepts the message of a form, once, however often the form is sent.
async fn accept(
    web: &Web,
    scoped: &Scoped,
    given: &Given,
    wish: OutgoingMessage,
) -> Result<(), AppError> {
    let text = given.key();
    let key = IdempotencyKey::parse(&text)?;
    let operation = format!("dashboard.send/{}", scoped.number.id);
    let attempt = web.app.attempt(&scoped.caller, &operation, &key, text.as_bytes()).await?;
    let Attempt::Do(claimed) = attempt else { return Ok(()) };
    let memo = Memo::new(claimed.clone(), |_sent: &Sent| {
        Ok(StoredAnswer { status: StatusCode::ACCEPTED.as_u16(), body: "{}".to_owned() })
    });
    let (app, scoped) = (web.app.clone(), scoped.clone());
    let work = async move {
        let sent = app.send_message(&scoped, wish, Some(memo)).await;
        if sent.is_err()
            && let Err(error) = app.forget_attempt(&claimed).await
        {
            // The claim's lease ends by itself.
            tracing::warn!(error = &error as &dyn Error, "a claim was not given back");
        }
        sent.map(|_| ())
    };
    web.app.detached(work).await
}

async fn cancel(
    State(web): State<Web>,
    Path((id, message)): Path<(String, String)>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let scoped = web.app.scope(by.caller.clone(), Some(&id)).await?;
    // One that is not there, or somebody else's, is none that came too late.
    let message = web.app.get_message(&scoped, &message).await?.id.to_string();
    let outcomes = web.app.cancel_messages(&scoped, &[message]).await?;
    let t = MessagesTexts::of(by.language);
    let reason = outcomes.into_iter().find_map(|(_, reason)| reason);
    let flash = match reason {
        None => Flash { problem: false, text: t.canceled.to_owned() },
        Some(reason) => Flash { problem: true, text: late(reason, t).to_owned() },
    };
    Ok(flash.to(&web, &format!("/numbers/{id}/messages")))
}

/// Why it was not canceled, in the reader's language: the API's reasons are English.
fn late(reason: &'static str, t: &MessagesTexts) -> &'static str {
    match reason {
        "it is being sent at this moment" => t.late_sending,
        "it was sent before" => t.late_sent,
        "it has failed" => t.late_failed,
        "it was canceled before" => t.late_canceled,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_numbers_and_the_first_needs_no_saying() {
        for odd in ["", "0", "-1", "x", "10001", "99999999999"] {
            assert_eq!(page_of(odd), 1, "{odd}");
        }
        assert_eq!(page_of("7"), 7);
        let wanted = Wanted { peer: " +55 11 ".to_owned(), ..Wanted::default() };
        assert_eq!(wanted.query(1, 2, &[]), "?peer=%2B55+11&waiting=2");
        assert_eq!(Wanted::default().query(1, 1, &[]), "");
    }
}
