//! Reading and building stanzas: thin helpers over [`wacore_binary::Node`].

use wacore_binary::{
    Jid, Node, Server,
    builder::NodeBuilder,
    node::{NodeContent, NodeValue},
};

use crate::{clock, crypto::Key};

/// Reading a stanza without panicking on what is absent.
pub(crate) trait NodeExt {
    fn text(&self, attribute: &str) -> Option<String>;
    fn jid(&self, attribute: &str) -> Option<Jid>;
    fn kids(&self) -> &[Node];
    fn kid(&self, tag: &str) -> Option<&Node>;
    /// The content as bytes; empty when it has none.
    fn payload(&self) -> Vec<u8>;
    /// The bytes of the child `tag`; empty when it is absent.
    fn kid_payload(&self, tag: &str) -> Vec<u8>;
    /// The bytes of the child `tag` when they are exactly a key.
    fn kid_key(&self, tag: &str) -> Option<Key>;
    fn has_type(&self, kind: &str) -> bool;
}

impl NodeExt for Node {
    fn text(&self, attribute: &str) -> Option<String> {
        self.attrs.get(attribute).map(|value| value.as_str().into_owned())
    }

    fn jid(&self, attribute: &str) -> Option<Jid> {
        self.attrs.get(attribute).and_then(NodeValue::to_jid)
    }

    fn kids(&self) -> &[Node] {
        self.children().unwrap_or_default()
    }

    fn kid(&self, tag: &str) -> Option<&Node> {
        self.kids().iter().find(|kid| kid.tag == tag)
    }

    fn payload(&self) -> Vec<u8> {
        // The decoder turns bytes that look like a token into text (wa-server.md P9): read both.
        match &self.content {
            Some(NodeContent::Bytes(bytes)) => bytes.clone(),
            Some(NodeContent::String(text)) => text.as_bytes().to_vec(),
            Some(NodeContent::Nodes(_)) | None => Vec::new(),
        }
    }

    fn kid_payload(&self, tag: &str) -> Vec<u8> {
        self.kid(tag).map(NodeExt::payload).unwrap_or_default()
    }

    fn kid_key(&self, tag: &str) -> Option<Key> {
        self.kid_payload(tag).try_into().ok()
    }

    fn has_type(&self, kind: &str) -> bool {
        self.text("type").as_deref() == Some(kind)
    }
}

/// The sender of every stanza that comes from the server itself: an empty user at the PN server.
pub(crate) fn server_jid() -> Jid {
    Jid::new("", Server::Pn)
}

/// Big-endian bytes to a number, as registration ids and key ids travel.
pub(crate) fn be_uint(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

/// A key id as its three big-endian bytes.
pub(crate) fn key_id_bytes(id: u32) -> Vec<u8> {
    let [_, high, middle, low] = id.to_be_bytes();
    vec![high, middle, low]
}

/// `<tag>bytes</tag>`
pub(crate) fn leaf(tag: &'static str, bytes: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(tag).bytes(bytes).build()
}

/// `<iq type="set" …>` from the server.
pub(crate) fn server_iq(id: &str, child: Node) -> Node {
    NodeBuilder::new("iq")
        .attr("from", server_jid())
        .attr("type", "set")
        .attr("id", id)
        .attr("xmlns", "md")
        .attr("t", clock::unix_seconds())
        .children([child])
        .build()
}

/// The result of a client's IQ.
pub(crate) fn iq_result(request: &Node, children: Vec<Node>) -> Node {
    let answer = NodeBuilder::new("iq")
        .attr("from", server_jid())
        .attr("type", "result")
        .attr("id", request.text("id").unwrap_or_default())
        .attr("t", clock::unix_seconds());
    if children.is_empty() { answer.build() } else { answer.children(children).build() }
}

/// The refusal of a client's IQ.
pub(crate) fn iq_error(request: &Node, code: &'static str, text: &'static str) -> Node {
    NodeBuilder::new("iq")
        .attr("from", server_jid())
        .attr("type", "error")
        .attr("id", request.text("id").unwrap_or_default())
        .children([NodeBuilder::new("error").attr("code", code).attr("text", text).build()])
        .build()
}

/// A notification of the server.
pub(crate) fn notification(from: Jid, kind: &'static str, id: String, kids: Vec<Node>) -> Node {
    NodeBuilder::new("notification")
        .attr("from", from)
        .attr("type", kind)
        .attr("id", id)
        .attr("t", clock::unix_seconds())
        .children(kids)
        .build()
}

/// `<stream:error code="…"/>`
pub(crate) fn stream_error(code: &'static str) -> Node {
    NodeBuilder::new("stream:error").attr("code", code).build()
}

/// `<stream:error code="401"><conflict type="device_removed"/></stream:error>`: the device is
/// linked no longer.
pub(crate) fn device_removed() -> Node {
    let conflict = NodeBuilder::new("conflict").attr("type", "device_removed").build();
    NodeBuilder::new("stream:error").attr("code", "401").children([conflict]).build()
}

/// `<stream:error><conflict type="replaced"/></stream:error>`: another socket took over.
pub(crate) fn replaced() -> Node {
    let conflict = NodeBuilder::new("conflict").attr("type", "replaced").build();
    NodeBuilder::new("stream:error").children([conflict]).build()
}

/// Serde for queued stanzas: the wire form, so that a snapshot needs no second schema.
pub(crate) mod wire_serde {
    use std::collections::VecDeque;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _, ser::Error as _};
    use wacore_binary::{
        Node,
        marshal::{marshal, unmarshal_ref},
        util::unpack,
    };

    pub(crate) fn serialize<S: Serializer>(
        nodes: &VecDeque<Node>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let encoded: Result<Vec<_>, _> =
            nodes.iter().map(|node| marshal(node).map(|bytes| STANDARD.encode(bytes))).collect();
        to.collect_seq(encoded.map_err(S::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<VecDeque<Node>, D::Error> {
        Vec::<String>::deserialize(from)?
            .into_iter()
            .map(|text| {
                let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
                let plain = unpack(&bytes).map_err(D::Error::custom)?;
                Ok(unmarshal_ref(&plain).map_err(D::Error::custom)?.to_owned())
            })
            .collect()
    }
}
