//! Prekeys of devices: upload, count, digest, rotation, and bundles for others.

use wacore::prekeys::compute_key_bundle_digest;
use wacore_binary::{Jid, Node, builder::NodeBuilder};

use super::{
    State,
    account::{Device, DeviceId},
    iq::{Answer, Refusal},
    state::StanzaError,
};
use crate::{
    clock,
    node::{NodeExt, key_id_bytes, leaf},
    number::PhoneNumber,
    prekeys::{Bundle, KEY_TYPE, OneTimeKey, SignedPreKey},
};

impl State {
    pub(super) fn encrypt_iq(
        &mut self,
        who: &DeviceId,
        iq: &Node,
        first: &str,
    ) -> Result<Answer, Refusal> {
        if iq.has_type("set") {
            return match iq.kid("rotate") {
                Some(rotate) => self.rotate_signed_key(who, rotate),
                None => self.upload_keys(who, iq),
            };
        }
        match first {
            "count" => {
                let count = self.device(who)?.one_time.len();
                Ok(Answer::with(NodeBuilder::new("count").attr("value", count).build()))
            }
            "digest" => digest(self.device(who)?).map(Answer::with).ok_or(Refusal::NOT_FOUND),
            "key" | "key_fetch" => {
                let asked = iq.kids().first().map(NodeExt::kids).unwrap_or_default();
                let asked = asked.iter().filter_map(|user| user.jid("jid"));
                let users: Result<Vec<_>, _> = asked.map(|jid| self.bundle_node(&jid)).collect();
                Ok(Answer::with(NodeBuilder::new("list").children(users?).build()))
            }
            _ => Ok(Answer::empty()),
        }
    }

    fn rotate_signed_key(&mut self, who: &DeviceId, rotate: &Node) -> Result<Answer, Refusal> {
        let key = rotate.kid("skey").and_then(SignedPreKey::read).ok_or(Refusal::BAD_REQUEST)?;
        self.device(who)?.signed = key;
        Ok(Answer::empty())
    }

    fn upload_keys(&mut self, who: &DeviceId, iq: &Node) -> Result<Answer, Refusal> {
        let signed = iq.kid("skey").and_then(SignedPreKey::read).ok_or(Refusal::BAD_REQUEST)?;
        let list = iq.kid("list").map(NodeExt::kids).unwrap_or_default();
        let device = self.device(who)?;
        device.signed = signed;
        device.one_time.extend(list.iter().filter_map(OneTimeKey::read));
        Ok(Answer::then_greet())
    }

    /// `<user>` for one JID of a key request; the JID comes back as it was asked.
    fn bundle_node(&mut self, jid: &Jid) -> Result<Node, StanzaError> {
        let user = NodeBuilder::new("user").attr("jid", jid);
        let id = PhoneNumber::of_jid(jid).map(|number| DeviceId { number, device: jid.device });
        let bundle = id.as_ref().and_then(|id| self.bundle(id).transpose()).transpose()?;
        let (Some(id), Some(bundle)) = (id, bundle) else {
            let error =
                NodeBuilder::new("error").attr("code", "406").attr("text", "not-acceptable");
            return Ok(user.children([error.build()]).build());
        };
        let mut parts = bundle.to_nodes();
        if let Ok(device) = self.device(&id) {
            parts.push(leaf("device-identity", device.signed_identity.clone()));
        }
        Ok(user.attr("t", clock::unix_seconds()).children(parts).build())
    }

    /// What opens a session with a phone or companion; `None` for a device that is not linked.
    pub(super) fn bundle(&mut self, id: &DeviceId) -> Result<Option<Bundle>, StanzaError> {
        if id.device == 0 {
            return Ok(Some(self.account(&id.number)?.keys.bundle()?));
        }
        Ok(self.device(id).ok().map(Device::bundle))
    }
}

/// The device's keys as the server knows them; `None` when it has none left.
fn digest(device: &Device) -> Option<Node> {
    if device.one_time.is_empty() {
        return None;
    }
    let publics: Vec<&[u8]> = device.one_time.iter().map(|key| key.public.as_slice()).collect();
    let hash = compute_key_bundle_digest(
        &device.identity,
        &device.signed.public,
        &device.signed.signature,
        &publics,
    );
    let ids = device.one_time.iter().map(|key| leaf("id", key_id_bytes(key.id)));
    let digest = NodeBuilder::new("digest").children([
        leaf("registration", device.registration_id.to_be_bytes()),
        leaf("type", [KEY_TYPE]),
        leaf("identity", device.identity),
        device.signed.to_node(),
        NodeBuilder::new("list").children(ids).build(),
        leaf("hash", hash),
    ]);
    Some(digest.build())
}
