//! Status posts: `status@broadcast`.

use wacore_binary::{Jid, Server};

use super::{Draft, State, crowds::Crowd, phones::PhoneError};
use crate::{number::PhoneNumber, phone::Message};

pub(super) const CHAT: &str = "status@broadcast";

pub(super) fn chat() -> Jid {
    Jid::new("status", Server::Broadcast)
}

impl State {
    /// A phone posts something for its contacts to see.
    pub(crate) fn post_status(
        &mut self,
        from: &PhoneNumber,
        contacts: &[PhoneNumber],
        draft: &Draft,
    ) -> Result<Message, PhoneError> {
        let others = contacts.iter().filter(|contact| *contact != from).cloned();
        let members = others.chain([from.clone()]).collect();
        self.write_to_crowd(&Crowd { chat: chat(), by_lid: true, members }, from, draft)
    }
}
