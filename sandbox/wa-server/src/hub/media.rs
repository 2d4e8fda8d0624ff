//! Attachments: who may use the media host, and phones that fetch what they were sent.

use wacore_binary::{Node, builder::NodeBuilder};

use super::State;
use crate::{
    media::{self, Attachment},
    number::PhoneNumber,
};

/// More clients than this never share one server; the oldest authentication is forgotten.
const MAX_AUTHS: usize = 4_096;

/// A phone fetches the attachment of one message.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(super) owner: PhoneNumber,
    pub(super) id: String,
    pub(super) from: PhoneNumber,
    pub(super) attachment: Attachment,
}

impl State {
    /// The answer to `<media_conn/>`, with a fresh authentication.
    pub(super) fn media_conn(&mut self) -> Node {
        let auth = hex::encode(rand::random::<[u8; 16]>());
        self.media_auths.push_back(auth.clone());
        if self.media_auths.len() > MAX_AUTHS {
            self.media_auths.pop_front();
        }
        let host = NodeBuilder::new("host")
            .attr("hostname", media::HOST)
            .attr("type", "primary")
            .children(["upload", "download"].map(|tag| NodeBuilder::new(tag).build()))
            .build();
        NodeBuilder::new("media_conn")
            .attr("auth", auth)
            .attr("ttl", "86400")
            .attr("auth_ttl", "86400")
            .attr("max_buckets", "12")
            .children([host])
            .build()
    }

    pub(crate) fn knows_media_auth(&self, auth: &str) -> bool {
        self.media_auths.iter().any(|known| known == auth)
    }

    /// Lets all authentications expire: clients have to ask for another.
    pub(crate) fn expire_media_auth(&mut self) {
        self.media_auths.clear();
    }

    /// Notes what became of an attachment.
    pub(super) fn fetched(&mut self, fetch: &Fetch, outcome: Result<u64, String>) {
        if let Some(account) = self.accounts.get_mut(&fetch.owner) {
            account.log.fetched(&fetch.id, &fetch.from, outcome);
        }
    }
}
