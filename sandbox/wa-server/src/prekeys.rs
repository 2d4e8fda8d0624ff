//! Public prekeys, as devices upload them and bundles carry them.

use serde::{Deserialize, Serialize};
use wacore_binary::{Node, builder::NodeBuilder};

use crate::{
    crypto::{Key, base64_serde},
    node::{NodeExt as _, be_uint, key_id_bytes, leaf},
};

/// Signal's type byte for Curve25519 keys.
pub(crate) const KEY_TYPE: u8 = 5;

/// A device's current signed prekey.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SignedPreKey {
    pub(crate) id: u32,
    #[serde(with = "base64_serde")]
    pub(crate) public: Key,
    #[serde(with = "base64_serde")]
    pub(crate) signature: Vec<u8>,
}

/// One key of a device's pool; handed out once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OneTimeKey {
    pub(crate) id: u32,
    #[serde(with = "base64_serde")]
    pub(crate) public: Key,
}

impl SignedPreKey {
    /// Reads `<skey><id/><value/><signature/></skey>`.
    pub(crate) fn read(node: &Node) -> Option<Self> {
        Some(Self {
            id: be_uint(&node.kid_payload("id")),
            public: node.kid_key("value")?,
            signature: node.kid_payload("signature"),
        })
    }

    pub(crate) fn to_node(&self) -> Node {
        NodeBuilder::new("skey")
            .children([
                leaf("id", key_id_bytes(self.id)),
                leaf("value", self.public),
                leaf("signature", self.signature.clone()),
            ])
            .build()
    }
}

impl OneTimeKey {
    /// Reads `<key><id/><value/></key>`.
    pub(crate) fn read(node: &Node) -> Option<Self> {
        Some(Self { id: be_uint(&node.kid_payload("id")), public: node.kid_key("value")? })
    }

    pub(crate) fn to_node(&self) -> Node {
        NodeBuilder::new("key")
            .children([leaf("id", key_id_bytes(self.id)), leaf("value", self.public)])
            .build()
    }
}

/// Everything that is needed to open a session with a device.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    pub(crate) registration_id: u32,
    pub(crate) identity: Key,
    pub(crate) signed: SignedPreKey,
    pub(crate) one_time: Option<OneTimeKey>,
}

impl Bundle {
    /// The children of a `<user>` in the answer to a key request.
    pub(crate) fn to_nodes(&self) -> Vec<Node> {
        let mut nodes = vec![leaf("registration", self.registration_id.to_be_bytes())];
        nodes.extend(self.key_nodes());
        nodes
    }

    /// The children of `<keys>` in a retry receipt.
    pub(crate) fn key_nodes(&self) -> Vec<Node> {
        let mut nodes = vec![leaf("type", [KEY_TYPE]), leaf("identity", self.identity)];
        nodes.extend(self.one_time.as_ref().map(OneTimeKey::to_node));
        nodes.push(self.signed.to_node());
        nodes
    }
}
