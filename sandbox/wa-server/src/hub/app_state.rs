//! App state: versioned collections of encrypted patches (wa-server.md §6.5).

use std::collections::BTreeMap;

use buffa::{Message as _, MessageField};
use serde::{Deserialize, Serialize};
use wacore_appstate::{
    decode::{Mutation, decode_record},
    encode::encode_record,
    hash::{HashState, generate_patch_mac},
    keys::expand_app_state_keys,
};
use wacore_binary::{Node, builder::NodeBuilder};
use waproto::whatsapp as wa;

use super::{
    State,
    account::DeviceId,
    iq::Refusal,
    state::{StanzaError, stanza_id},
};
use crate::{
    clock,
    crypto::{Blob, Key, base64_serde},
    node::{self, NodeExt},
};

const KEY_ID: [u8; 6] = [0, 0, 0, 0, 0, 1];
const PUSH_NAME_COLLECTION: &str = "critical_block";
const PUSH_NAME_INDEX: &[u8] = b"[\"setting_pushName\"]";

/// The collections of one account and the key that its phone encrypts them with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppState {
    #[serde(with = "base64_serde")]
    pub(crate) key: Key,
    collections: BTreeMap<String, Collection>,
}

/// The patches of one collection; the first makes version 1.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Collection {
    patches: Vec<Blob>,
}

impl Collection {
    fn version(&self) -> usize {
        self.patches.len()
    }
}

impl AppState {
    /// A state whose first entry is the push name: whatsapp-rust runs its slow first login again
    /// and again until it knows one.
    pub(crate) fn with_push_name(name: &str) -> Self {
        let key: Key = rand::random();
        let mut collections = BTreeMap::new();
        if let Some(patch) = push_name_patch(name, &key) {
            let patches = vec![Blob(patch)];
            collections.insert(PUSH_NAME_COLLECTION.to_owned(), Collection { patches });
        }
        Self { key, collections }
    }

    pub(crate) fn key_id() -> &'static [u8] {
        &KEY_ID
    }

    /// What the patches of a collection say, oldest first. What does not open is left out.
    pub(super) fn mutations(&self, name: &str) -> Vec<Mutation> {
        let keys = expand_app_state_keys(&self.key);
        let patches = self.collections.get(name).into_iter().flat_map(|all| &all.patches);
        let mutations = patches
            .filter_map(|patch| wa::SyncdPatch::decode_from_slice(&patch.0).ok())
            .flat_map(|patch| patch.mutations);
        let opened = mutations.filter_map(|mutation| {
            let operation = mutation.operation?.as_known()?;
            let record = mutation.record.as_option()?;
            decode_record(operation, record, &keys, &KEY_ID, true).ok()
        });
        opened.map(|(mutation, _macs)| mutation).collect()
    }

    /// Answers one `<collection>` of a sync request.
    fn sync(&mut self, asked: &Node) -> Result<(Node, Option<Change>), StanzaError> {
        let name = asked.text("name").ok_or(StanzaError::Lacks("collection name"))?;
        let theirs = asked.text("version").and_then(|text| text.parse().ok()).unwrap_or(0);
        let collection = self.collections.entry(name.clone()).or_default();
        let answer = NodeBuilder::new("collection").attr("name", name.as_str());
        if let Some(patch) = asked.kid("patch") {
            if theirs != collection.version() {
                return Ok((conflict(answer, collection.version()), None));
            }
            collection.append(&patch.payload())?;
            let version = collection.version();
            let answer = answer.attr("type", "result").attr("version", version).build();
            return Ok((answer, Some(Change { name, version })));
        }
        let news: Vec<Node> = collection
            .patches
            .iter()
            .skip(theirs)
            .map(|patch| node::leaf("patch", patch.0.clone()))
            .collect();
        let answer = answer
            .attr("type", "result")
            .attr("version", collection.version())
            .attr("has_more_patches", "false");
        let answer = if news.is_empty() {
            answer
        } else {
            answer.children([NodeBuilder::new("patches").children(news).build()])
        };
        Ok((answer.build(), None))
    }
}

impl Collection {
    fn append(&mut self, patch: &[u8]) -> Result<(), StanzaError> {
        let mut patch = wa::SyncdPatch::decode_from_slice(patch)?;
        patch.version = version_field(self.version() as u64 + 1);
        self.patches.push(Blob(patch.encode_to_vec()));
        Ok(())
    }
}

/// A collection that a device has moved on.
struct Change {
    name: String,
    version: usize,
}

impl State {
    pub(super) fn app_state_iq(&mut self, who: &DeviceId, iq: &Node) -> Result<Node, Refusal> {
        let asked = iq.kid("sync").map(NodeExt::kids).unwrap_or_default();
        let account = self.account(&who.number).map_err(StanzaError::from)?;
        let mut answers = Vec::with_capacity(asked.len());
        let mut changes = Vec::new();
        for collection in asked {
            let (answer, change) = account.app_state.sync(collection)?;
            answers.push(answer);
            changes.extend(change);
        }
        self.tell_other_companions(who, &changes);
        Ok(NodeBuilder::new("sync").children(answers).build())
    }

    fn tell_other_companions(&mut self, who: &DeviceId, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let others = self.accounts.get(&who.number).map(super::Account::device_numbers);
        for device in others.unwrap_or_default() {
            if device == who.device {
                continue;
            }
            let collections = changes.iter().map(|change| {
                NodeBuilder::new("collection")
                    .attr("name", change.name.as_str())
                    .attr("version", change.version)
                    .build()
            });
            let notification = node::notification(
                who.number.pn_jid(0),
                "server_sync",
                stanza_id(),
                collections.collect(),
            );
            self.deliver(&DeviceId { number: who.number.clone(), device }, notification);
        }
    }
}

fn conflict(answer: NodeBuilder, version: usize) -> Node {
    let error = NodeBuilder::new("error").attr("code", "409").attr("text", "conflict").build();
    answer.attr("type", "error").attr("version", version).children([error]).build()
}

fn version_field(version: u64) -> MessageField<wa::SyncdVersion> {
    MessageField::some(wa::SyncdVersion { version: Some(version) })
}

/// A patch that sets the push name as version 1; `None` should the library fail to hash it.
fn push_name_patch(name: &str, key: &Key) -> Option<Vec<u8>> {
    const VERSION: u64 = 1;
    let keys = expand_app_state_keys(key);
    let value = wa::SyncActionValue {
        timestamp: Some(clock::unix_millis()),
        push_name_setting: MessageField::some(wa::sync_action_value::PushNameSetting {
            name: Some(name.to_owned()),
        }),
        ..Default::default()
    };
    let (mutation, _) = encode_record(
        wa::syncd_mutation::SyncdOperation::SET,
        PUSH_NAME_INDEX,
        &value,
        &keys,
        &KEY_ID,
        &rand::random(),
        1,
    );
    let mut state = HashState::default();
    state.update_hash(std::slice::from_ref(&mutation), |_, _| Ok(None)).1.ok()?;
    state.version = VERSION;
    let mut patch = wa::SyncdPatch {
        version: version_field(VERSION),
        snapshot_mac: Some(state.generate_snapshot_mac(PUSH_NAME_COLLECTION, &keys.snapshot_mac)),
        key_id: MessageField::some(wa::KeyId { id: Some(KEY_ID.to_vec()) }),
        mutations: vec![mutation],
        ..Default::default()
    };
    let mac = generate_patch_mac(&patch, PUSH_NAME_COLLECTION, &keys.patch_mac, VERSION);
    patch.patch_mac = Some(mac);
    Some(patch.encode_to_vec())
}
