//! What is forgotten: contents of messages, as the number's owner wishes (contract C.5, `piiMode`), and
//! what an author deletes for everybody.
//!
//! Of a forgotten message its row stays, without what it said and who the people are called; its sender
//! or recipient stays, too, since repeats and receipts are recognised by it, and answers leave it out.
//! `RELAY_ONLY` forgets a message in the transaction that stores it, or that takes it out of the
//! queue. Its events go with it, each once no delivery of it is on its way any more: until then it is
//! marked, and whoever settles the last one, or else the sweep, forgets it.

use ramal_domain::{MessageId, NumberId, PhoneNumber, Timestamp};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{Messages, StoreError, Tx};

const RELAY_ONLY: &str = "RELAY_ONLY";
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What an event says of the contents of a message.
const CONTENTS: [&str; 6] =
    ["content", "contentReplied", "mediaLink", "mediaCaption", "mediaFilename", "participantName"];
/// What it says of people.
const PEOPLE: [&str; 2] = ["from", "to"];

/// The condition on an event `e` that nobody waits for it.
const SETTLED: &str = "not exists (select 1 from deliveries o
    where o.event_id = e.id and o.state = 'pending')";

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

    /// Forgets a message, and of its events what nobody waits for: returns how many of those. The link
    /// to its media stays until it runs out: they are not kept here.
    async fn forget(&mut self, id: &str) -> Result<u64, StoreError> {
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
        self.forget_events_of(id).await
    }

    /// Forgets what was told of a message so far, or marks it where somebody still waits for it. Returns
    /// how many events are forgotten.
    pub(crate) async fn forget_events_of(&mut self, id: &str) -> Result<u64, StoreError> {
        sqlx::query("update events set to_forget = 1 where message_id = $1 and redacted = 0")
            .bind(id)
            .execute(&mut *self.0.inner)
            .await?;
        let sql = format!(
            "select e.seq, e.body from events e
             where e.message_id = $1 and e.redacted = 0 and {SETTLED}"
        );
        let found = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_all(&mut *self.0.inner).await?;
        forget_events(self.0, &found).await
    }

    /// What was deleted for everybody says nothing any more, once it need not be sent either.
    pub(crate) async fn erase_deleted(&mut self, id: MessageId) -> Result<(), StoreError> {
        sqlx::query(
            "update messages set content = null, payload = null, media = null, media_hash = null
             where id = $1 and revoked_at_ms is not null and status <> 'QUEUED'",
        )
        .bind(id.to_string())
        .execute(&mut *self.0.inner)
        .await?;
        Ok(())
    }

    /// Forgets what is older than its number's owner wishes, what is marked, and links that have run
    /// out: `limit` rows of each at most. Returns how many rows changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget_due(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        Ok(self.forget_old_messages(now, limit).await?
            + self.forget_marked_events(limit).await?
            + self.forget_old_events(now, limit).await?
            + self.forget_links(now, limit).await?)
    }

    async fn forget_old_messages(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let messages: Vec<String> = sqlx::query_scalar(
            "select m.id from numbers n join messages m on m.number_id = n.id
             where n.pii_mode <> 'STORE_INDEFINITE' and m.redacted = 0 and m.status <> 'QUEUED'
               and coalesce(m.sent_at_ms, m.created_at_ms)
                 < $1 - coalesce(n.pii_retention_days, 0) * $2
             order by m.id limit $3",
        )
        .bind(now.as_millis())
        .bind(DAY_MS)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.inner)
        .await?;
        let mut forgotten = u64::try_from(messages.len()).unwrap_or(u64::MAX);
        for id in &messages {
            forgotten += self.forget(id).await?;
        }
        Ok(forgotten)
    }

    /// What was marked when somebody still waited for it.
    async fn forget_marked_events(&mut self, limit: u32) -> Result<u64, StoreError> {
        let sql = format!(
            "select e.seq, e.body from events e
             where e.to_forget = 1 and e.redacted = 0 and {SETTLED} order by e.seq limit $1"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        forget_events(self.0, &found).await
    }

    /// Events of messages that are not here any more, or were forgotten before they happened.
    async fn forget_old_events(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let sql = format!(
            "select e.seq, e.body from numbers n join events e on e.number_id = n.id
             where n.pii_mode <> 'STORE_INDEFINITE' and e.redacted = 0
               and substr(e.kind, 1, 8) = 'message.'
               and e.created_at_ms < $1 - coalesce(n.pii_retention_days, 0) * $2
               and {SETTLED}
             order by e.seq limit $3"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(DAY_MS)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.inner)
            .await?;
        forget_events(self.0, &found).await
    }

    /// The keys to media that were relayed, once the link to them is no good any more.
    async fn forget_links(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "update messages set media = null, media_hash = null where id in
               (select id from messages
                where redacted = 1 and media is not null and media_until_ms <= $1 limit $2)",
        )
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .execute(&mut *self.0.inner)
        .await?;
        Ok(done.rows_affected())
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

/// Forgets what the event of a settled delivery says if nobody waits for it any more, and its number
/// only relays or it is marked.
pub(crate) async fn forget_delivered(tx: &mut Tx, delivery: &str) -> Result<(), StoreError> {
    // Events outlive their numbers.
    let sql = format!(
        "select e.seq, e.body from deliveries d join events e on e.id = d.event_id
           left join numbers n on n.id = e.number_id
         where d.id = $1 and (n.pii_mode = 'RELAY_ONLY' or e.to_forget = 1) and e.redacted = 0
           and substr(e.kind, 1, 8) = 'message.' and {SETTLED}"
    );
    let found = sqlx::query(AssertSqlSafe(sql)).bind(delivery).fetch_all(&mut *tx.inner).await?;
    forget_events(tx, &found).await?;
    Ok(())
}

async fn forget_events(tx: &mut Tx, found: &[AnyRow]) -> Result<u64, StoreError> {
    for row in found {
        let (seq, body): (i64, String) = (row.try_get("seq")?, row.try_get("body")?);
        forget_event(tx, seq, &body).await?;
    }
    Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
}

/// Forgets what one event says, and what its receivers answered: they may have repeated it. Why there
/// was no answer is in our own words, and stays.
pub(crate) async fn forget_event(tx: &mut Tx, seq: i64, body: &str) -> Result<(), StoreError> {
    sqlx::query("update events set body = $2, redacted = 1 where seq = $1")
        .bind(seq)
        .bind(without_contents(body))
        .execute(&mut *tx.inner)
        .await?;
    sqlx::query(
        "update delivery_attempts set response = ''
         where status_code is not null and delivery_id in
           (select d.id from events e join deliveries d on d.event_id = e.id where e.seq = $1)",
    )
    .bind(seq)
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
