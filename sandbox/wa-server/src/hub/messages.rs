//! Messages of companions: acknowledging, routing, and reading by phones (wa-server.md §7).

use wacore_binary::{Jid, Node, Server, builder::NodeBuilder, node::NodeContent};

use super::{
    State,
    account::DeviceId,
    arrivals::Arrival,
    crowds,
    state::{ConnId, StanzaError},
};
use crate::{
    clock,
    node::NodeExt as _,
    number::PhoneNumber,
    phone::{Content, Direction, Message, Status},
};

/// One message stanza with what its routing needs.
struct Sending<'a> {
    from: &'a DeviceId,
    to: Jid,
    id: String,
    stanza: &'a Node,
    /// This device sent the same id before.
    repeated: bool,
}

impl Sending<'_> {
    fn is_peer(&self) -> bool {
        self.stanza.text("category").as_deref() == Some("peer")
    }
}

impl State {
    pub(super) fn message(&mut self, conn: ConnId, stanza: &Node) -> Result<(), StanzaError> {
        let from = self.logged_in(conn)?;
        let to = stanza.jid("to").ok_or(StanzaError::Lacks("recipient"))?;
        if crowds::is_crowd(&to) {
            return self.crowd_message(conn, &from, stanza);
        }
        if to.server == Server::Newsletter {
            return self.channel_message(conn, &from, stanza);
        }
        let id = stanza.text("id").ok_or(StanzaError::Lacks("id"))?;
        let ack = NodeBuilder::new("ack")
            .attr("class", "message")
            .attr("id", id.as_str())
            .attr("from", &to)
            .attr("t", clock::unix_seconds())
            .build();
        self.send(conn, ack);
        let repeated = !self.device(&from)?.first_time(&id);
        let sending = Sending { from: &from, to, id, stanza, repeated };
        for (target, enc) in targets(stanza, &sending.to) {
            // A recipient that fails must not keep the others from their copy.
            if let Err(error) = self.route(&sending, &target, enc) {
                tracing::warn!(%error, "a message did not reach one device");
            }
        }
        Ok(())
    }

    fn route(
        &mut self,
        sending: &Sending<'_>,
        target: &Jid,
        enc: &Node,
    ) -> Result<(), StanzaError> {
        let Some(number) = PhoneNumber::of_jid(target) else { return Ok(()) };
        let recipient = DeviceId { number, device: target.device };
        if recipient == *sending.from {
            return Ok(());
        }
        let wants_again = if recipient.device == 0 {
            &mut self.account(&recipient.number)?.wants_again
        } else {
            &mut self.device(&recipient)?.wants_again
        };
        // A repeat passes only to a device that asked for it by a retry receipt.
        let asked_again = wants_again.remove(&sending.id);
        if sending.repeated && !asked_again {
            return Ok(());
        }
        if recipient.device == 0 {
            return self.phone_receives(sending, target, enc);
        }
        let stanza = self.companion_copy(sending, &recipient, target, enc);
        self.deliver(&recipient, stanza);
        Ok(())
    }

    /// The stanza as a companion receives it, in the address space that the sender chose.
    fn companion_copy(
        &self,
        sending: &Sending<'_>,
        recipient: &DeviceId,
        target: &Jid,
        enc: &Node,
    ) -> Node {
        let DeviceId { number, device } = sending.from;
        let name = self.accounts.get(number).map(|account| account.name.as_str());
        let mut copy = NodeBuilder::new("message")
            .attr("from", number.jid_like(target, *device))
            .attr("id", sending.id.as_str())
            .attr("t", clock::unix_seconds())
            .attr("type", sending.stanza.text("type").unwrap_or_else(|| "text".to_owned()))
            .attr("notify", name.unwrap_or_default());
        if let Some(edit) = sending.stanza.text("edit") {
            copy = copy.attr("edit", edit);
        }
        copy = if recipient.number == *number {
            let own = copy.attr("recipient", sending.to.to_non_ad());
            if sending.is_peer() { own.attr("category", "peer") } else { own }
        } else if target.server == Server::Lid {
            copy.attr("sender_pn", number.pn_jid(0)).attr("addressing_mode", "lid")
        } else {
            copy.attr("sender_lid", number.lid_jid(0))
        };
        let mut parts = vec![enc.clone()];
        if enc.has_type("pkmsg") {
            parts.extend(sending.stanza.kid("device-identity").cloned());
        }
        copy.children(parts).build()
    }

    fn phone_receives(
        &mut self,
        sending: &Sending<'_>,
        target: &Jid,
        enc: &Node,
    ) -> Result<(), StanzaError> {
        let Some(number) = PhoneNumber::of_jid(target) else { return Ok(()) };
        let kind = enc.text("type").unwrap_or_default();
        let keys = &mut self.account(&number)?.keys;
        let opened = keys.decrypt(&sending.from.session_name(), &kind, &enc.payload());
        let plain = match opened {
            Ok(plain) => plain,
            Err(error) => {
                tracing::debug!(%error, "a phone could not decrypt a message");
                return self.ask_again(&number, sending.from, target, None, &sending.id);
            }
        };
        let Some(content) = Content::decode(&plain) else { return Ok(()) };
        if sending.is_peer() {
            return if content.asks_for_app_state_key && number == sending.from.number {
                self.share_app_state_key(sending.from)
            } else {
                Ok(())
            };
        }
        self.log_received(sending, target, &number, content)
    }

    fn log_received(
        &mut self,
        sending: &Sending<'_>,
        target: &Jid,
        number: &PhoneNumber,
        content: Content,
    ) -> Result<(), StanzaError> {
        let own = *number == sending.from.number;
        let chat = if own {
            // A copy of what a companion sent: the chat is inside, or else on the stanza.
            content.sent_to.clone().or_else(|| PhoneNumber::of_jid(&sending.to))
        } else {
            Some(number.clone())
        };
        let Some(chat) = chat else { return Ok(()) };
        let message = Message {
            id: sending.id.clone(),
            direction: if own { Direction::Out } else { Direction::In },
            from: sending.from.number.clone(),
            to: chat,
            chat: None,
            text: content.text.clone(),
            kind: content.kind.to_owned(),
            at: clock::iso_now(),
            status: Status::Sent,
            details: content.details.clone(),
        };
        let by_lid = target.server == Server::Lid;
        Ok(self.arrive(number, Arrival { message, by_lid, content })?)
    }

    /// A device shows itself as online or not. Wants no answer.
    pub(super) fn presence(&mut self, conn: ConnId, stanza: &Node) -> Result<(), StanzaError> {
        let from = self.logged_in(conn)?;
        let available = match stanza.text("type").as_deref() {
            None | Some("available") => true,
            Some("unavailable") => false,
            // Subscriptions to others.
            Some(_) => return Ok(()),
        };
        if let Some(online) = &mut self.device(&from)?.online {
            online.available = Some(available);
        }
        Ok(())
    }

    /// "Typing" and the like: for whoever is connected now, never queued.
    pub(super) fn chatstate(&mut self, conn: ConnId, stanza: &Node) -> Result<(), StanzaError> {
        let from = self.logged_in(conn)?;
        let to = stanza.jid("to").ok_or(StanzaError::Lacks("recipient"))?;
        let Some(number) = PhoneNumber::of_jid(&to) else { return Ok(()) };
        self.note_typing(&from.number, &number, stanza)?;
        let kids: Vec<Node> = stanza.kids().to_vec();
        let copy = NodeBuilder::new("chatstate")
            .attr("from", from.number.jid_like(&to, 0))
            .apply_content(Some(NodeContent::Nodes(kids)))
            .build();
        self.tell_listeners(&number, &copy);
        Ok(())
    }

    /// Sends to the companions that are connected now, and queues for none.
    pub(super) fn tell_listeners(&self, number: &PhoneNumber, stanza: &Node) {
        let listening: Vec<ConnId> = self
            .accounts
            .get(number)
            .into_iter()
            .flat_map(|account| account.devices.values())
            .filter_map(|device| device.online.filter(|online| online.active))
            .map(|online| online.conn)
            .collect();
        for conn in listening {
            self.send(conn, stanza.clone());
        }
    }
}

/// The devices that a message is encrypted for, each with its ciphertext.
fn targets<'a>(stanza: &'a Node, to: &Jid) -> Vec<(Jid, &'a Node)> {
    if let Some(participants) = stanza.kid("participants") {
        return participants
            .kids()
            .iter()
            .filter_map(|target| Some((target.jid("jid")?, target.kid("enc")?)))
            .collect();
    }
    stanza.kid("enc").map(|enc| (to.clone(), enc)).into_iter().collect()
}
