//! "Typing…": seen by phones, and shown by them (wacore 0.7.0, `iq/chatstate.rs`).

use serde::{Deserialize, Serialize};
use wacore_binary::{Node, builder::NodeBuilder};

use super::{State, state::StanzaError};
use crate::{clock, node::NodeExt as _, number::PhoneNumber};

/// What somebody does in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TypingState {
    /// Typing.
    Composing,
    /// Recording a voice message.
    Recording,
    /// Neither, any longer.
    Paused,
}

/// What somebody was last seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Typing {
    /// Who.
    pub from: PhoneNumber,
    /// What.
    pub state: TypingState,
    /// When: ISO 8601, UTC, milliseconds.
    pub at: String,
}

impl State {
    pub(super) fn note_typing(
        &mut self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        stanza: &Node,
    ) -> Result<(), StanzaError> {
        let state = match stanza.kid("composing") {
            Some(composing) if composing.text("media").as_deref() == Some("audio") => {
                TypingState::Recording
            }
            Some(_) => TypingState::Composing,
            None => TypingState::Paused,
        };
        let seen = Typing { from: from.clone(), state, at: clock::iso_now() };
        self.account(to)?.typing.insert(from.clone(), seen);
        Ok(())
    }

    /// Who was seen typing to a phone last, and how.
    pub(crate) fn typing(&self, number: &PhoneNumber) -> Vec<Typing> {
        let account = self.accounts.get(number);
        account.into_iter().flat_map(|account| account.typing.values().cloned()).collect()
    }

    /// A phone types, or stops typing, in a chat.
    pub(crate) fn type_to(&self, from: &PhoneNumber, to: &PhoneNumber, how: TypingState) {
        let by_lid = self.accounts.get(from).is_none_or(|known| known.addressing_of(to).by_lid());
        let state = match how {
            TypingState::Composing => NodeBuilder::new("composing"),
            TypingState::Recording => NodeBuilder::new("composing").attr("media", "audio"),
            TypingState::Paused => NodeBuilder::new("paused"),
        };
        let stanza = NodeBuilder::new("chatstate")
            .attr("from", if by_lid { from.lid_jid(0) } else { from.pn_jid(0) })
            .children([state.build()])
            .build();
        self.tell_listeners(to, &stanza);
    }
}
