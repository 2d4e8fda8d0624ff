//! Who is behind a number: devices, LID, contact and the like (wa-server.md §6.4).

use buffa::Message as _;
use wacore_binary::{Jid, Node, Server, builder::NodeBuilder};
use waproto::whatsapp as wa;

use super::{Account, State, account::DeviceId, iq::Refusal, state::StanzaError};
use crate::{
    clock,
    node::{NodeExt, leaf},
    number::PhoneNumber,
    phone::SignalError,
};

const KEY_INDEX_SIGNATURE: &[u8] = &[6, 2];

impl State {
    pub(super) fn usync(&mut self, who: &DeviceId, iq: &Node) -> Result<Node, Refusal> {
        let usync = iq.kid("usync").ok_or(Refusal::BAD_REQUEST)?;
        let protocols = usync.kid("query").map(NodeExt::kids).unwrap_or_default();
        let asked = usync.kid("list").map(NodeExt::kids).unwrap_or_default();
        let mut users = Vec::with_capacity(asked.len());
        for user in asked {
            users.extend(self.usync_user(who, user, protocols)?);
        }
        let echoes =
            protocols.iter().map(|query| NodeBuilder::new_dynamic(query.tag.to_string()).build());
        let attributes = ["sid", "mode", "context"]
            .into_iter()
            .filter_map(|name| usync.text(name).map(|value| (name, value)));
        Ok(NodeBuilder::new("usync")
            .attrs(attributes)
            .attr("last", "true")
            .attr("index", "0")
            .children([
                NodeBuilder::new("result").children(echoes).build(),
                NodeBuilder::new("list").children(users).build(),
            ])
            .build())
    }

    /// One `<user>`; `None` for what is no phone number.
    fn usync_user(
        &mut self,
        who: &DeviceId,
        user: &Node,
        protocols: &[Node],
    ) -> Result<Option<Node>, StanzaError> {
        let by_text = String::from_utf8(user.kid_payload("contact")).unwrap_or_default();
        let jid =
            user.jid("jid").unwrap_or_else(|| Jid::pn(by_text.trim_start_matches('+'))).to_non_ad();
        let Some(number) = PhoneNumber::of_jid(&jid) else { return Ok(None) };
        let account = self.account(&number)?;
        let asks_devices = protocols.iter().any(|protocol| protocol.tag == "devices");
        if asks_devices && number != who.number {
            account.watchers.insert(who.number.clone());
        }
        let mut parts = Vec::with_capacity(protocols.len());
        for protocol in protocols {
            parts.extend(account.usync_part(&protocol.tag, &by_text)?);
        }
        let node = NodeBuilder::new("user").attr("jid", &jid);
        let node =
            if jid.server == Server::Lid { node.attr("pn_jid", number.pn_jid(0)) } else { node };
        Ok(Some(node.children(parts).build()))
    }
}

impl Account {
    fn usync_part(&self, protocol: &str, by_text: &str) -> Result<Option<Node>, SignalError> {
        if self.absent {
            let absent = NodeBuilder::new("contact").attr("type", "out");
            return Ok((protocol == "contact").then(|| absent.bytes(by_text.as_bytes()).build()));
        }
        let part = match protocol {
            "devices" => self.devices_part()?,
            "lid" => NodeBuilder::new("lid").attr("val", self.number.lid_jid(0)).build(),
            "contact" if by_text.is_empty() => {
                NodeBuilder::new("contact").attr("type", "in").build()
            }
            "contact" => {
                NodeBuilder::new("contact").attr("type", "in").bytes(by_text.as_bytes()).build()
            }
            "status" => {
                NodeBuilder::new("status").attr("t", "1700000000").bytes(&b"Hello"[..]).build()
            }
            "disappearing_mode" => {
                NodeBuilder::new("disappearing_mode").attr("duration", "0").attr("t", "0").build()
            }
            "business" => NodeBuilder::new("business").build(),
            _ => return Ok(None),
        };
        Ok(Some(part))
    }

    fn devices_part(&self) -> Result<Node, SignalError> {
        let phone = NodeBuilder::new("device").attr("id", 0_u32).build();
        let companions = self.devices.iter().map(|(number, device)| {
            NodeBuilder::new("device")
                .attr("id", *number)
                .attr("key-index", device.key_index)
                .build()
        });
        let list = NodeBuilder::new("device-list")
            .attr("hash", format!("2:{:08x}", self.devices.len()))
            .children(std::iter::once(phone).chain(companions))
            .build();
        let mut parts = vec![list];
        // Clients skip a user with companions whose list is not signed by the phone.
        if !self.devices.is_empty() {
            parts.push(self.key_index_list()?);
        }
        Ok(NodeBuilder::new("devices").children(parts).build())
    }

    pub(super) fn key_index_list(&self) -> Result<Node, SignalError> {
        let now = clock::unix_seconds();
        let valid_indexes = self.key_indexes();
        let details = wa::ADVKeyIndexList {
            raw_id: Some(self.raw_id),
            timestamp: Some(now),
            current_index: valid_indexes.iter().max().copied(),
            valid_indexes,
            account_type: Some(wa::ADVEncryptionType::E2EE),
        }
        .encode_to_vec();
        let signed = wa::ADVSignedKeyIndexList {
            account_signature: Some(self.keys.sign(&[KEY_INDEX_SIGNATURE, &details])?),
            account_signature_key: Some(self.keys.identity_public()?.to_vec()),
            details: Some(details),
        };
        let mut node = leaf("key-index-list", signed.encode_to_vec());
        node.attrs.insert("ts", now.to_string());
        Ok(node)
    }
}
