//! What changes while somebody looks: the states of a tenant's numbers, and that one of them has other
//! messages, as server-sent events.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::stream;
use http::header::CACHE_CONTROL;
use ramal_app::Scoped;
use ramal_domain::Link;
use ramal_store::Number;
use serde::Deserialize;
use serde_json::json;

use super::{answer::PageError, session::SignedIn};
use crate::{Web, extract::Query};

/// How often the rows are looked at: they are the truth, whichever process changes them.
const EVERY: Duration = Duration::from_secs(1);
/// After how much silence a comment is sent, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn router() -> Router<Web> {
    Router::new().route("/live", get(live))
}

/// The state of a number, as badges show it. The same three states as the API's.
pub(super) const fn state_name(link: Link) -> &'static str {
    use ramal_domain::WireState as S;
    match link.wire() {
        S::Open => "OPEN",
        S::Connecting => "CONNECTING",
        S::Close => "CLOSE",
    }
}

/// What of a number is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    state: &'static str,
    reason: Option<&'static str>,
    health: Option<String>,
}

impl Seen {
    fn of(number: &Number) -> Self {
        Self {
            state: state_name(number.link),
            reason: number.link.reason().map(ramal_domain::CloseReason::code),
            health: number.illness.as_ref().map(|illness| illness.ailment.code().to_owned()),
        }
    }
}

/// One stream.
struct Watch {
    web: Web,
    by: SignedIn,
    /// Whether the first look, which waits for nothing, is over.
    looked: bool,
    seen: Option<HashMap<String, Seen>>,
    /// The number whose messages are looked at, and the mark that was told of them.
    messages: Option<(Scoped, String)>,
    queue: Vec<Event>,
}

/// What else is followed.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The number whose messages are looked at.
    #[serde(default)]
    messages: String,
}

async fn live(
    State(web): State<Web>,
    by: SignedIn,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    let messages = match wanted.messages.as_str() {
        "" => None,
        id => Some((web.app.scope(by.caller.clone(), Some(id)).await?, String::new())),
    };
    let watch = Watch { web, by, looked: false, seen: None, messages, queue: Vec::new() };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(CACHE_CONTROL, "no-store")], sse).into_response())
}

impl Watch {
    /// The next change; `None` ends the stream: the server stops, or the person was signed out.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop() {
                return Some(event);
            }
            if self.looked {
                let closing = self.web.closing.clone();
                closing.run_until_cancelled(tokio::time::sleep(EVERY)).await?;
            }
            self.looked = true;
            let still = self.web.app.signed_in(&self.by.secret).await;
            // A database that is busy for a moment is no reason to send anybody away.
            if matches!(still, Ok(None)) {
                return None;
            }
            if let Ok(numbers) = self.web.app.listed_numbers(&self.by.caller).await {
                self.compare(&numbers);
            }
            self.look_at_messages().await;
        }
    }

    /// Tells the mark of the messages when it is another one: whoever shows them knows which it has.
    async fn look_at_messages(&mut self) {
        let Some((scoped, told)) = &mut self.messages else { return };
        let Ok(mark) = self.web.app.messages_mark(scoped).await else { return };
        if *told != mark {
            let data = json!({"id": scoped.number.id.to_string(), "mark": mark});
            self.queue.push(Event::default().event("messages").data(data.to_string()));
            *told = mark;
        }
    }

    fn compare(&mut self, numbers: &[Number]) {
        let now: HashMap<String, Seen> =
            numbers.iter().map(|number| (number.id.to_string(), Seen::of(number))).collect();
        let first = self.seen.is_none();
        let before = self.seen.take().unwrap_or_default();
        for (id, seen) in &now {
            // The first look tells all: the page may be older than the stream.
            if before.get(id) != Some(seen) {
                let data = json!({"id": id, "state": seen.state, "reason": seen.reason,
                    "health": seen.health});
                self.queue.push(Event::default().event("number").data(data.to_string()));
            }
        }
        for id in before.keys().filter(|id| !now.contains_key(*id)) {
            let data = json!({"id": id});
            self.queue.push(Event::default().event("removed").data(data.to_string()));
        }
        if first {
            self.queue.push(Event::default().event("hello").data("{}"));
        }
        self.seen = Some(now);
    }
}
