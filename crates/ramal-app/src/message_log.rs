//! What people look back at, and what they take back: messages of a number, page by page.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ramal_domain::{MessageStatus, Peer, PhoneNumber, Timestamp};
use ramal_store::{Canceled, Message, MessageFilter, MessagePage};

use crate::{
    App, AppError, Refusal, Scoped,
    outgoing::{LABEL_MAX, is_label},
};

/// Most messages that are canceled at once (contract C.21).
const CANCELED_MAX: usize = 100;
/// Most messages on a page.
const PAGE_MAX: u32 = 100;
/// How many when nothing is said.
const PAGE: u32 = 30;
/// Pages after this one are not counted out: nobody turns so many.
const PAGES_MAX: u32 = 10_000;
/// How many messages are watched by those who look at a log.
const WATCHED: u32 = 100;

/// Which messages a caller wants to see, as written.
#[derive(Clone, Debug, Default)]
pub struct MessageWish {
    /// Said at this moment or later.
    pub start_date: Option<String>,
    /// Said at this moment or earlier.
    pub end_date: Option<String>,
    /// Which page, from 1.
    pub page: Option<String>,
    /// How many on it.
    pub page_size: Option<String>,
    /// `QUEUED`, …
    pub status: Option<String>,
    /// With whom: a phone number, or the JID of a group or channel.
    pub peer: Option<String>,
    /// What their sender calls them.
    pub label: Option<String>,
    /// Only those that wait for their time.
    pub scheduled: bool,
}

/// A page of messages, newest first.
#[derive(Clone, Debug)]
pub struct MessageList {
    /// Its messages.
    pub messages: Vec<Message>,
    /// How many there are on all pages.
    pub total: u64,
    /// Which page it is, from 1.
    pub page: u32,
    /// How many messages a page has.
    pub page_size: u32,
}

impl MessageList {
    /// How many pages there are.
    pub fn total_pages(&self) -> u64 {
        self.total.div_ceil(u64::from(self.page_size.max(1)))
    }
}

/// What came of canceling a message: its id, and why it was not canceled.
pub type CancelOutcome = (String, Option<&'static str>);

impl App {
    /// What was said, both ways, also before the number was connected here.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::InvalidDateRange`].
    pub async fn message_history(
        &self,
        scoped: &Scoped,
        wish: &MessageWish,
    ) -> Result<MessageList, AppError> {
        let said = MessageFilter { said: true, ..wish.filter(self.clock.now())? };
        self.list(scoped, wish, said).await
    }

    /// The same with what waits and what was taken back, for people who look after the number.
    ///
    /// # Errors
    ///
    /// As [`App::message_history`].
    pub async fn message_log(
        &self,
        scoped: &Scoped,
        wish: &MessageWish,
    ) -> Result<MessageList, AppError> {
        let all = wish.filter(self.clock.now())?;
        self.list(scoped, wish, all).await
    }

    /// What was sent through this server.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::InvalidDateRange`].
    pub async fn list_messages(
        &self,
        scoped: &Scoped,
        wish: &MessageWish,
    ) -> Result<MessageList, AppError> {
        let requested = MessageFilter { requested: true, ..wish.filter(self.clock.now())? };
        self.list(scoped, wish, requested).await
    }

    async fn list(
        &self,
        scoped: &Scoped,
        wish: &MessageWish,
        filter: MessageFilter,
    ) -> Result<MessageList, AppError> {
        let page = counted("page", wish.page.as_deref(), 1, PAGES_MAX)?;
        let page_size = counted("pageSize", wish.page_size.as_deref(), PAGE, PAGE_MAX)?;
        let (tenant, number) = (scoped.caller.tenant(), scoped.number.id);
        let mut tx = self.store.read().await?;
        let place = (page - 1, page_size);
        let MessagePage { messages, total } =
            tx.messages().page(tenant, number, &filter, place).await?;
        Ok(MessageList { messages, total, page, page_size })
    }

    /// What is yet to be sent, the next to leave first; `page` counts from 1.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn waiting_messages(
        &self,
        scoped: &Scoped,
        page: u32,
    ) -> Result<MessageList, AppError> {
        let page = page.clamp(1, PAGES_MAX);
        let (tenant, number) = (scoped.caller.tenant(), scoped.number.id);
        let mut tx = self.store.read().await?;
        let MessagePage { messages, total } =
            tx.messages().waiting(tenant, number, (page - 1, PAGE)).await?;
        Ok(MessageList { messages, total, page, page_size: PAGE })
    }

    /// A mark of what a number said, heard and has yet to send: another one as soon as one of its last
    /// messages changes, or what waits. It is cheap, for those who look again and again.
    ///
    /// # Errors
    ///
    /// [`AppError`] when the database fails.
    pub async fn messages_mark(&self, scoped: &Scoped) -> Result<String, AppError> {
        let (tenant, number) = (scoped.caller.tenant(), scoped.number.id);
        let mut tx = self.store.read().await?;
        let recent = tx.messages().recent(tenant, number, WATCHED).await?;
        let waiting = tx.messages().waiting(tenant, number, (0, WATCHED)).await?;
        let mut hasher = DefaultHasher::new();
        format!("{recent:?}{waiting:?}").hash(&mut hasher);
        Ok(format!("{:016x}", hasher.finish()))
    }

    /// Takes messages back that have not left yet.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`].
    pub async fn cancel_messages(
        &self,
        scoped: &Scoped,
        ids: &[String],
    ) -> Result<Vec<CancelOutcome>, AppError> {
        if ids.is_empty() || ids.len() > CANCELED_MAX {
            let sentence = format!("messageIds has 1 to {CANCELED_MAX} items");
            return Err(AppError::invalid(sentence));
        }
        let (tenant, number) = (scoped.caller.tenant(), scoped.number.id);
        let mut tx = self.store.begin().await?;
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            // PostgreSQL takes no NUL, not even to look for it.
            let outcome = if id.contains('\0') {
                Canceled::Unknown
            } else {
                tx.messages().cancel(tenant, number, id).await?
            };
            outcomes.push((id.clone(), reason(outcome)));
        }
        tx.commit().await?;
        Ok(outcomes)
    }
}

impl MessageWish {
    fn filter(&self, now: Timestamp) -> Result<MessageFilter, AppError> {
        let from = time("startDate", self.start_date.as_deref())?;
        let to = time("endDate", self.end_date.as_deref())?;
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(Refusal::InvalidDateRange("startDate lies after endDate").into());
        }
        let status = self.status.as_deref().map(str::parse::<MessageStatus>).transpose();
        let status = status.map_err(|_unknown| {
            AppError::invalid("status is QUEUED, SENT, DELIVERED, READ, FAILED or CANCELED")
        })?;
        let label = self.label.clone();
        if label.as_deref().is_some_and(|label| !is_label(label)) {
            let sentence = format!("label has 1 to {LABEL_MAX} characters");
            return Err(AppError::invalid(sentence));
        }
        let peer = self.peer.as_deref().map(peer).transpose()?;
        let scheduled_at = self.scheduled.then_some(now);
        Ok(MessageFilter {
            from,
            to,
            requested: false,
            said: false,
            status,
            peer,
            label,
            scheduled_at,
        })
    }
}

fn peer(text: &str) -> Result<Peer, AppError> {
    if text.contains('@') && !text.contains('\0') {
        return Ok(Peer::Jid(text.to_owned()));
    }
    let phone = text.parse::<PhoneNumber>();
    phone.map(Peer::Phone).map_err(|error| AppError::invalid(format!("peer: {error}")))
}

fn time(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, AppError> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_malformed| {
        let sentence = match field {
            "startDate" => "startDate: a time looks like 2026-06-01T11:59:00.000Z",
            _ => "endDate: a time looks like 2026-06-01T11:59:00.000Z",
        };
        Refusal::InvalidDateRange(sentence).into()
    })
}

fn counted(field: &str, text: Option<&str>, usual: u32, max: u32) -> Result<u32, AppError> {
    let Some(text) = text else { return Ok(usual) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| AppError::invalid(format!("{field} is a number from 1 to {max}")))
}

/// Why a message was not canceled.
const fn reason(outcome: Canceled) -> Option<&'static str> {
    match outcome {
        Canceled::Done => None,
        Canceled::Unknown => Some("there is no such message"),
        Canceled::Sending => Some("it is being sent at this moment"),
        Canceled::Late(MessageStatus::Canceled) => Some("it was canceled before"),
        Canceled::Late(MessageStatus::Failed) => Some("it has failed"),
        Canceled::Late(
            MessageStatus::Queued
            | MessageStatus::Sent
            | MessageStatus::Delivered
            | MessageStatus::Read,
        ) => Some("it was sent before"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    #[test]
    fn pages_are_counted_from_one() {
        assert_eq!(counted("page", None, 1, 9).unwrap(), 1);
        assert_eq!(counted("page", Some("9"), 1, 9).unwrap(), 9);
        for wrong in ["0", "10", "-1", "x", ""] {
            assert!(counted("page", Some(wrong), 1, 9).is_err(), "{wrong}");
        }
        let list = MessageList { messages: Vec::new(), total: 61, page: 1, page_size: 30 };
        assert_eq!(list.total_pages(), 3);
    }

    #[test]
    fn a_wish_names_what_is_wrong_with_it() {
        let wish = |start: &str, end: &str| MessageWish {
            start_date: Some(start.to_owned()),
            end_date: Some(end.to_owned()),
            ..MessageWish::default()
        };
        let (early, late) = ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z");
        assert!(wish(early, late).filter(NOW).is_ok());
        for wrong in [wish(late, early), wish("yesterday", late), wish(early, "")] {
            let error = wrong.filter(NOW).unwrap_err();
            assert_eq!(error.code(), "INVALID_DATE_RANGE", "{error}");
        }
        let status = MessageWish { status: Some("GONE".to_owned()), ..MessageWish::default() };
        assert_eq!(status.filter(NOW).unwrap_err().code(), "VALIDATION_ERROR");
        let peer = MessageWish { peer: Some("x".to_owned()), ..MessageWish::default() };
        assert_eq!(peer.filter(NOW).unwrap_err().code(), "VALIDATION_ERROR");
    }
}
