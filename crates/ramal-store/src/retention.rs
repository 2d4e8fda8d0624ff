//! What is forgotten: contents of messages, as the number's owner wishes (contract C.5, `piiMode`).
//!
//! Of a forgotten message its row stays, without what it said and who the people are called; its sender
//! or recipient stays, too, since repeats and receipts are recognised by it, and answers leave it out.
//! `RELAY_ONLY` forgets a message in the transaction that stores it, or that takes it out of the
//! queue, and its event once no delivery of it is on its way any more.

use ramal_domain::{MessageId, NumberId, PhoneNumber, Timestamp};
use serde_json::Value;
use sqlx::Row as _;

use crate::{Messages, StoreError, Tx};

const RELAY_ONLY: &str = "RELAY_ONLY";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What an event says of the contents of a message.
const CONTENTS: [&str; 6] =
    ["content", "contentReplied", "mediaLink", "mediaCaption", "mediaFilename", "participantName"];
/// What it says of people.
const PEOPLE: [&str; 2] = ["from", "to"];

impl Messages<'_> {
    /// Forgets a message at once if its number only relays.
    pub(crate) async fn forget_if_relayed(
        &mut self,
        number: NumberId,
        id: MessageId,
    ) -> Result<(), StoreError> {
        if relays(self.0, number).await? {
            self.forget(&id.to_string()).await?;
        }
        Ok(())
    }

    /// The link to its media stays until it runs out: they are not kept here.
    async fn forget(&mut self, id: &str) -> Result<(), StoreError> {
        let media: Option<Option<String>> =
            sqlx::query_scalar("select media from messages where id = $1")
                .bind(id)
                .fetch_optional(&mut *self.0.inner)
                .await?;
        let media = media.flatten().and_then(|text| bare_media(&text));
        sqlx::query(
            "update messages set content = null, payload = null, peer_name = null,
               place_name = null, error_message = null, media = $2, redacted = 1 where id = $1",
        )
        .bind(id)
        .bind(media)
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Forgets what is older than its number's owner wishes: `limit` messages and as many events at most.
    /// Returns how many rows changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget_due(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let messages: Vec<String> = sqlx::query_scalar(
            "select m.id from numbers n join messages m on m.number_id = n.id
             where n.pii_mode <> 'STORE_INDEFINITE' and m.redacted = 0 and m.status <> 'QUEUED'
               and m.created_at_ms < $1 - coalesce(n.pii_retention_days, 0) * $2
             order by m.id limit $3",
        )
        .bind(now.as_millis())
        .bind(DAY_MS)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.inner)
        .await?;
        for id in &messages {
            self.forget(id).await?;
        }
        let events = sqlx::query(
            "select e.seq, e.body from numbers n join events e on e.number_id = n.id
             where n.pii_mode <> 'STORE_INDEFINITE' and e.redacted = 0
               and substr(e.kind, 1, 8) = 'message.'
               and e.created_at_ms < $1 - coalesce(n.pii_retention_days, 0) * $2
               and not exists (select 1 from deliveries d
                 where d.event_id = e.id and d.state = 'pending')
             order by e.seq limit $3",
        )
        .bind(now.as_millis())
        .bind(DAY_MS)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.inner)
        .await?;
        for row in &events {
            let (seq, body): (i64, String) = (row.try_get("seq")?, row.try_get("body")?);
            forget_event(self.0, seq, &body).await?;
        }
        Ok(u64::try_from(messages.len() + events.len()).unwrap_or(u64::MAX))
    }
}

/// Whether a number only relays.
pub(crate) async fn relays(tx: &mut Tx, number: NumberId) -> Result<bool, StoreError> {
    let mode: Option<String> = sqlx::query_scalar("select pii_mode from numbers where id = $1")
        .bind(number.to_string())
        .fetch_optional(&mut *tx.inner)
        .await?;
    Ok(mode.as_deref() == Some(RELAY_ONLY))
}

/// Forgets what events say whose number only relays and that nobody waits for any more: those of the
/// settled `deliveries`.
pub(crate) async fn forget_delivered(tx: &mut Tx, delivery: &str) -> Result<(), StoreError> {
    let row = sqlx::query(
        "select e.seq, e.body from deliveries d join events e on e.id = d.event_id
           join numbers n on n.id = e.number_id
         where d.id = $1 and n.pii_mode = 'RELAY_ONLY' and e.redacted = 0
           and substr(e.kind, 1, 8) = 'message.'
           and not exists (select 1 from deliveries o
             where o.event_id = e.id and o.state = 'pending')",
    )
    .bind(delivery)
    .fetch_optional(&mut *tx.inner)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let (seq, body): (i64, String) = (row.try_get("seq")?, row.try_get("body")?);
    forget_event(tx, seq, &body).await
}

/// Forgets what one event says.
pub(crate) async fn forget_event(tx: &mut Tx, seq: i64, body: &str) -> Result<(), StoreError> {
    sqlx::query("update events set body = $2, redacted = 1 where seq = $1")
        .bind(seq)
        .bind(without_contents(body))
        .execute(&mut *tx.inner)
        .await?;
    Ok(())
}

/// An event's body without contents and with masked phone numbers.
fn without_contents(body: &str) -> String {
    let Ok(mut body) = serde_json::from_str::<Value>(body) else { return "{}".to_owned() };
    if let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) {
        data.retain(|key, _| !CONTENTS.contains(&key.as_str()));
        for key in PEOPLE {
            if let Some(Value::String(who)) = data.get_mut(key) {
                *who = masked(who);
            }
        }
    }
    body.to_string()
}

fn masked(who: &str) -> String {
    who.parse().map_or_else(|_not_a_phone| "****".to_owned(), |phone: PhoneNumber| phone.masked())
}

/// What a link needs to lead to media, and nothing that people wrote.
fn bare_media(text: &str) -> Option<String> {
    let mut media: Value = serde_json::from_str(text).ok()?;
    let fields = media.as_object_mut()?;
    fields.retain(|key, _| matches!(key.as_str(), "mime" | "metaId" | "remote"));
    (!fields.is_empty()).then(|| media.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_contents_is_still_the_event() {
        let body = r#"{"event":"message.received","data":{"numberId":"wa_1","id":"msg_1",
            "from":"+5511999999999","to":"120363@g.us","content":"secret","participantName":"Ana",
            "mediaCaption":"secret","createdAt":"2026-01-01T00:00:00.000Z"}}"#;

        let bare: Value = serde_json::from_str(&without_contents(body)).unwrap();

        assert_eq!(bare["event"], "message.received");
        assert_eq!(bare["data"]["id"], "msg_1");
        assert_eq!(bare["data"]["from"], "+551199****9999");
        assert_eq!(bare["data"]["to"], "****");
        for gone in ["content", "participantName", "mediaCaption"] {
            assert!(bare["data"].get(gone).is_none(), "{gone}");
        }
        assert_eq!(without_contents("no JSON"), "{}");
    }

    #[test]
    fn media_keep_what_their_link_needs() {
        let media = r#"{"link":"https://x/secret","mime":"image/png","caption":"secret",
            "fileName":"secret.png","metaId":"9"}"#;

        let bare: Value = serde_json::from_str(&bare_media(media).unwrap()).unwrap();

        assert_eq!(bare, serde_json::json!({"mime": "image/png", "metaId": "9"}));
        assert_eq!(bare_media(r#"{"caption":"secret"}"#), None);
    }
}
