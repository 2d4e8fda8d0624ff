//! Receipts: forwarding those of companions, sending those of phones (wa-server.md §7).

use wacore_binary::{Jid, Node, builder::NodeBuilder};

use super::{
    State,
    account::{DeviceId, want_again},
    arrivals::Reads,
    crowds::is_crowd,
    state::{ConnId, StanzaError},
};
use crate::{
    clock,
    node::{NodeExt, leaf},
    number::PhoneNumber,
    phone::{Direction, Status},
};

/// What a phone tells the sender of a message.
#[derive(Clone, Debug)]
pub(crate) struct PhoneReceipt {
    pub(crate) reader: PhoneNumber,
    pub(crate) sender: PhoneNumber,
    /// Whether the message came by LID; the receipt goes the same way.
    pub(crate) by_lid: bool,
    /// The group that the message was for.
    pub(crate) chat: Option<Jid>,
    pub(crate) id: String,
    pub(crate) status: Status,
}

impl State {
    pub(super) fn receipt(&mut self, conn: ConnId, stanza: &Node) -> Result<(), StanzaError> {
        let from = self.logged_in(conn)?;
        // Baileys' `sender` receipts for copies of own messages name no `to`: they are for us.
        let to = stanza.jid("to").unwrap_or_else(|| from.number.pn_jid(0));
        let id = stanza.text("id").ok_or(StanzaError::Lacks("id"))?;
        let kind = stanza.text("type");
        let ids = ids_of(stanza, &id);
        // A retry receipt only asks for a new copy. The `<ack>` that follows it clears the old one,
        // and must find it, or it would clear the new one.
        if !matches!(kind.as_deref(), Some("read" | "retry")) {
            self.device(&from)?.received(&ids);
        }
        self.send(conn, receipt_ack(&to, &id, kind.as_deref()));
        if stanza.kid("offer").is_some() {
            // A call rings: of interest to nobody here.
            return Ok(());
        }
        // In a crowd the sender is the participant.
        let sender = if is_crowd(&to) { stanza.jid("participant") } else { Some(to.clone()) };
        let Some(sender) = sender else { return Ok(()) };
        let Some(number) = PhoneNumber::of_jid(&sender) else { return Ok(()) };
        if kind.as_deref() == Some("retry") {
            let target = DeviceId { number, device: sender.device };
            let copy = forwarded(stanza, &from, &to, &sender, &id);
            return self.retry(&from, &target, copy, &id);
        }
        if number == from.number {
            // `sender`, `peer_msg`, `hist_sync`: for the own phone, which needs none of them.
            return Ok(());
        }
        if let Some(status) = status_of(kind.as_deref()) {
            for id in &ids {
                self.note(&number, &from.number, id, status)?;
            }
        }
        let copy = forwarded(stanza, &from, &to, &sender, &id);
        self.deliver_to_all(&number, &copy);
        Ok(())
    }

    /// A companion could not decrypt: it is forwarded to the sending device, or the sending phone
    /// encrypts anew in a fresh session.
    fn retry(
        &mut self,
        from: &DeviceId,
        sender: &DeviceId,
        copy: Node,
        id: &str,
    ) -> Result<(), StanzaError> {
        if sender.device != 0 {
            want_again(&mut self.device(from)?.wants_again, id);
            self.deliver(sender, copy);
            return Ok(());
        }
        self.account(&sender.number)?.keys.forget_session(&from.session_name());
        self.send_again(sender, from, id)
    }

    /// A phone could not decrypt: it asks the sending device to encrypt anew, with fresh keys of
    /// its own inside (wacore 0.7.0, `protocol/retry.rs`).
    pub(super) fn ask_again(
        &mut self,
        phone: &PhoneNumber,
        sender: &DeviceId,
        addressed: &Jid,
        crowd: Option<&Jid>,
        id: &str,
    ) -> Result<(), StanzaError> {
        let account = self.account(phone)?;
        want_again(&mut account.wants_again, id);
        account.keys.forget_session(&sender.session_name());
        let bundle = account.keys.bundle()?;
        let now = clock::unix_seconds();
        let retry = NodeBuilder::new("retry")
            .attr("v", "1")
            .attr("count", "1")
            .attr("id", id)
            .attr("t", now);
        let phone = phone.jid_like(addressed, 0);
        let receipt = match crowd {
            Some(crowd) => {
                NodeBuilder::new("receipt").attr("from", crowd).attr("participant", phone)
            }
            None => NodeBuilder::new("receipt").attr("from", phone),
        };
        let receipt = receipt
            .attr("id", id)
            .attr("type", "retry")
            .attr("t", now)
            .children([
                retry.build(),
                leaf("registration", bundle.registration_id.to_be_bytes()),
                NodeBuilder::new("keys").children(bundle.key_nodes()).build(),
            ])
            .build();
        self.deliver(sender, receipt);
        Ok(())
    }

    /// Lets both phones' logs know how far a message got.
    fn note(
        &mut self,
        sender: &PhoneNumber,
        reader: &PhoneNumber,
        id: &str,
        status: Status,
    ) -> Result<(), StanzaError> {
        self.account(sender)?.log.advance(id, Direction::Out, status);
        self.account(reader)?.log.advance(id, Direction::In, status);
        Ok(())
    }

    /// Sends a phone's receipt to all devices of the sender, unless its user reads in silence.
    pub(crate) fn phone_receipt(&mut self, receipt: &PhoneReceipt) {
        let PhoneReceipt { reader, sender, by_lid, chat, id, status } = receipt;
        if *status == Status::Read && self.conduct(reader).read == Reads::Silent {
            if let Some(account) = self.accounts.get_mut(reader) {
                account.log.advance(id, Direction::In, Status::Read);
            }
            return;
        }
        if let Err(error) = self.note(sender, reader, id, *status) {
            tracing::warn!(%error, "a phone's receipt was not noted");
        }
        let reader = if *by_lid { reader.lid_jid(0) } else { reader.pn_jid(0) };
        let node = match chat {
            Some(chat) => {
                NodeBuilder::new("receipt").attr("from", chat).attr("participant", reader)
            }
            None => NodeBuilder::new("receipt").attr("from", reader),
        };
        let node = node.attr("id", id.as_str()).attr("t", clock::unix_seconds());
        let node = if *status == Status::Read { node.attr("type", "read") } else { node };
        self.deliver_to_all(sender, &node.build());
    }
}

fn ids_of(stanza: &Node, first: &str) -> Vec<String> {
    let listed = stanza.kid("list").map(NodeExt::kids).unwrap_or_default();
    let listed = listed.iter().filter_map(|item| item.text("id"));
    std::iter::once(first.to_owned()).chain(listed).collect()
}

/// `inactive` means delivered to a client that shows itself unavailable; peers ignore it.
fn status_of(kind: Option<&str>) -> Option<Status> {
    match kind {
        None => Some(Status::Delivered),
        Some("read" | "played") => Some(Status::Read),
        Some(_) => None,
    }
}

fn receipt_ack(to: &Jid, id: &str, kind: Option<&str>) -> Node {
    let ack = NodeBuilder::new("ack")
        .attr("class", "receipt")
        .attr("id", id)
        .attr("from", to)
        .attr("t", clock::unix_seconds());
    match kind {
        Some(kind) => ack.attr("type", kind).build(),
        None => ack.build(),
    }
}

/// The receipt as the sender's devices see it, from the reader's device in the same address space.
fn forwarded(stanza: &Node, from: &DeviceId, to: &Jid, sender: &Jid, id: &str) -> Node {
    let reader = from.number.jid_like(sender, from.device);
    let copy = if is_crowd(to) {
        NodeBuilder::new("receipt").attr("from", to).attr("participant", reader)
    } else {
        NodeBuilder::new("receipt").attr("from", reader)
    };
    let copy = copy.attr("id", id).attr("t", clock::unix_seconds());
    let copy = match stanza.text("type") {
        Some(kind) => copy.attr("type", kind),
        None => copy,
    };
    copy.apply_content(stanza.content.clone()).build()
}

#[cfg(test)]
#[path = "receipts_tests.rs"]
mod tests;
