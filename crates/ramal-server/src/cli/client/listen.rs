//! `ramal listen`.

use std::time::Duration;

use clap::Args;
use humantime_serde::re::humantime::parse_duration;
use ramal_domain::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{
    api::{Api, Ask},
    failure::Failure,
    numbers::resolve,
    screen::{Screen, clean, remark, text},
    sse::Message,
};

/// How long to wait before the stream is taken up again: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What to hear of.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// One number only: its id (`wa_…`) or its phone number. Needs the tenant's key.
    #[arg(long, value_name = "ID")]
    number: Option<String>,
    /// Events of this name only, such as `message.received`; may be said several times.
    #[arg(long = "event", value_name = "NAME")]
    events: Vec<String>,
    /// Print each event as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Begin with what happened this long ago, such as `10m` or `2h`.
    #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
    since: Option<Duration>,
}

pub(super) async fn run(api: &Api, arguments: &Arguments) -> Result<(), Failure> {
    let number = match &arguments.number {
        Some(named) => Some(resolve(api, named).await?),
        None => None,
    };
    let since = arguments.since.map(|span| SystemClock.now().before(span).to_string());
    let mut listener = Listener {
        api,
        number,
        events: arguments.events.join(","),
        since,
        json: arguments.json,
        last_id: None,
        screen: Screen::new(),
    };
    listener.run().await
}

/// Somebody who listens.
struct Listener<'a> {
    api: &'a Api,
    number: Option<String>,
    events: String,
    since: Option<String>,
    json: bool,
    /// Where to go on.
    last_id: Option<String>,
    screen: Screen,
}

impl Listener<'_> {
    /// Until it is refused. What may pass, passes, once the server was there.
    async fn run(&mut self) -> Result<(), Failure> {
        let mut pause = PAUSE.0;
        loop {
            let before = self.last_id.clone();
            match self.listen().await {
                Ok(()) => remark("the server has ended the stream; trying again"),
                Err(failure) if self.last_id.is_some() && failure.is("EVENT_NOT_FOUND") => {
                    remark(
                        "the server does not know any more where this left off: going on from now",
                    );
                    (self.last_id, self.since) = (None, None);
                }
                Err(failure) if self.last_id.is_some() && failure.may_pass() => {
                    if pause == PAUSE.0 {
                        remark("the connection is lost; trying again until it is back");
                    }
                }
                Err(failure) => return Err(failure),
            }
            let went_on = self.last_id != before;
            pause = if went_on { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Until the stream ends.
    async fn listen(&mut self) -> Result<(), Failure> {
        let mut query = Vec::new();
        if !self.events.is_empty() {
            query.push(("events", self.events.clone()));
        }
        let since = self.since.clone().filter(|_| self.last_id.is_none());
        query.extend(since.map(|since| ("since", since)));
        let headers = self.last_id.iter().map(|id| ("last-event-id", id.as_str())).collect();
        let ask = Ask { number: self.number.as_deref(), headers, query, body: None };
        let again = self.last_id.is_some();
        let mut stream = self.api.stream(&["events", "stream"], &ask).await?;
        while let Some(message) = stream.next().await? {
            if message.name == "ready" {
                let url = self.api.url();
                remark(&if again {
                    format!("listening again at {url}")
                } else {
                    format!("listening at {url}")
                });
            } else {
                self.print(&message)?;
            }
            // Only now: what was not printed is asked for again.
            if message.id.is_some() {
                self.last_id = message.id;
            }
        }
        Ok(())
    }

    fn print(&mut self, message: &Message) -> Result<(), Failure> {
        let body: Value = serde_json::from_str(&message.data).unwrap_or_default();
        let data = body.get("data").cloned().unwrap_or_default();
        if self.json {
            let id = message.id.as_deref();
            return self.screen.json(&json!({"id": id, "event": message.name, "data": data}));
        }
        self.screen.line(&line(&message.name, &data))
    }
}

/// An event as a person reads it.
fn line(name: &str, data: &Value) -> String {
    let at = text(data, "/createdAt");
    let said = if name.starts_with("message.") { message(data) } else { number(data) };
    let failure = [text(data, "/error"), text(data, "/errorCode")];
    let failure = match failure {
        ["", ""] => String::new(),
        [why, code] => format!(": {why} ({code})"),
    };
    clean(&format!("{at}  {name:<22}  {said}{failure}"))
}

fn message(data: &Value) -> String {
    let (from, to) = (text(data, "/from"), text(data, "/to"));
    let place = [text(data, "/groupName"), text(data, "/newsletterName")];
    let place = place.iter().find(|name| !name.is_empty());
    let place = place.map(|name| format!(" in {name:?}")).unwrap_or_default();
    let content = [text(data, "/content"), text(data, "/mediaCaption"), text(data, "/type")];
    let content = content.into_iter().find(|content| !content.is_empty()).unwrap_or_default();
    let content = if content.is_empty() { String::new() } else { format!(": {content}") };
    format!("{from} -> {to}{place}{content}")
}

fn number(data: &Value) -> String {
    let (phone, name) = (text(data, "/phone"), text(data, "/displayName"));
    let action = text(data, "/actionRequired/type");
    let action = if action.is_empty() { String::new() } else { format!(": {action}") };
    format!("{phone} {name}{action}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_one_line_each() {
        let at = "2026-06-01T11:59:00.000Z";
        let said = json!({
            "createdAt": at, "from": "+5511999990002", "to": "+5511999990001", "type": "text",
            "content": "Hello\nthere\u{1b}[2J",
        });
        let expected = format!(
            "{at}  message.received        +5511999990002 -> +5511999990001: Hello there [2J"
        );
        assert_eq!(line("message.received", &said), expected);
        let gone = json!({
            "createdAt": at, "phone": "+5511999990001", "displayName": "Shop",
            "error": "it was unlinked", "errorCode": "LOGGED_OUT",
        });
        let expected = format!(
            "{at}  number.disconnected     +5511999990001 Shop: it was unlinked (LOGGED_OUT)"
        );
        assert_eq!(line("number.disconnected", &gone), expected);
        let picture =
            json!({"createdAt": at, "from": "a", "to": "b", "type": "image", "groupName": "Us"});
        assert!(line("message.group", &picture).ends_with("a -> b in \"Us\": image"));
    }
}
