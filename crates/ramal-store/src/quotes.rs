//! What messages answer: found where they were said, and told with its text.

use ramal_domain::{NumberId, Peer, Place, Quoted};
use sqlx::Row as _;

use crate::{Message, Messages, StoreError, messages::peer_of};

impl Messages<'_> {
    /// The message that this one answers, with its text if it is here. WhatsApp's ids are made by senders,
    /// so one is looked for in this chat only.
    pub(crate) async fn quoted(&mut self, message: &Message) -> Result<Option<Quoted>, StoreError> {
        let Some(wire_id) = message.quoted.clone() else { return Ok(None) };
        let rows = sqlx::query(
            "select peer, content from messages
             where number_id = $1 and wire_id = $2 and place = $3 order by id",
        )
        .bind(message.number.to_string())
        .bind(wire_id.as_str())
        .bind(message.place.id())
        .fetch_all(&mut *self.0.inner)
        .await?;
        for row in &rows {
            let peer = peer_of(row.try_get("peer")?);
            // In a crowd, what is answered is anybody's.
            if message.place != Place::Direct
                || self.is_same_contact(message.number, &peer, &message.peer).await?
            {
                return Ok(Some(Quoted { wire_id, content: row.try_get("content")? }));
            }
        }
        Ok(Some(Quoted { wire_id, content: None }))
    }

    /// Whether two names are one contact's, as far as is known: the row of a message that we sent has the
    /// name that our customer wrote.
    async fn is_same_contact(
        &mut self,
        number: NumberId,
        one: &Peer,
        other: &Peer,
    ) -> Result<bool, StoreError> {
        let (one, other) = (self.by_phone(number, one).await?, self.by_phone(number, other).await?);
        Ok(match (&one, &other) {
            (Peer::Phone(one), Peer::Phone(other)) => one.same_line(other),
            (Peer::Phone(_) | Peer::Jid(_), _) => one == other,
        })
    }

    /// A contact by its phone number if that is known, else as it is named.
    async fn by_phone(&mut self, number: NumberId, peer: &Peer) -> Result<Peer, StoreError> {
        let known = match peer {
            Peer::Jid(jid) => self.phone_of(number, jid).await?.map(Peer::Phone),
            Peer::Phone(_) => None,
        };
        Ok(known.unwrap_or_else(|| peer.clone()))
    }
}
