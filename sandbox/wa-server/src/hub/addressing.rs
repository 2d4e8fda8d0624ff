//! In which address space a phone writes to a chat. Clients must know that both are one contact.

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, Server, builder::NodeBuilder};

use super::{Account, State, groups::Addressing};
use crate::{number::PhoneNumber, phone::SignalError};

/// How a phone shows itself in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChatAddressing {
    /// By LID or by phone number.
    pub mode: Addressing,
    /// Whether stanzas name the other form too (`sender_pn`, `sender_lid`).
    pub alternate: bool,
}

impl Default for ChatAddressing {
    fn default() -> Self {
        Self { mode: Addressing::Lid, alternate: true }
    }
}

impl ChatAddressing {
    pub(super) fn by_lid(self) -> bool {
        self.mode == Addressing::Lid
    }

    /// Names the other form of the chat on a copy of what the phone itself wrote.
    pub(super) fn complete(self, to: &PhoneNumber, chat: &Jid, stanza: NodeBuilder) -> NodeBuilder {
        if self.alternate && chat.server == Server::Lid {
            stanza.attr("peer_recipient_pn", to.pn_jid(0))
        } else {
            stanza
        }
    }

    /// Writes the sender on a message.
    pub(super) fn address(self, sender: &PhoneNumber, stanza: NodeBuilder) -> NodeBuilder {
        let (from, name, other, mode) = match self.mode {
            Addressing::Lid => (sender.lid_jid(0), "sender_pn", sender.pn_jid(0), "lid"),
            Addressing::Pn => (sender.pn_jid(0), "sender_lid", sender.lid_jid(0), "pn"),
        };
        let stanza = stanza.attr("from", from).attr("addressing_mode", mode);
        if self.alternate { stanza.attr(name, other) } else { stanza }
    }
}

impl Account {
    /// How copies of what the phone itself wrote name a chat: by phone number, unless the chat was
    /// given an address.
    pub(super) fn own_name_of(&self, chat: &PhoneNumber) -> Jid {
        match self.addressing.get(chat) {
            Some(given) if given.by_lid() => chat.lid_jid(0),
            Some(_) | None => chat.pn_jid(0),
        }
    }

    pub(super) fn addressing_of(&self, chat: &PhoneNumber) -> ChatAddressing {
        self.addressing.get(chat).copied().unwrap_or_default()
    }
}

impl State {
    /// Says how a phone addresses a chat from now on.
    pub(crate) fn set_addressing(
        &mut self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        addressing: ChatAddressing,
    ) -> Result<(), SignalError> {
        self.account(from)?.addressing.insert(to.clone(), addressing);
        Ok(())
    }
}
