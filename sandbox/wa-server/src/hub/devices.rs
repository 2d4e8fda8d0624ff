//! Telling others that an account gained or lost a device. Clients keep device lists and would
//! otherwise encrypt for the old ones (wacore 0.7.0, `stanza/devices.rs`).

use wacore_binary::{Node, builder::NodeBuilder};

use super::{Account, State, account::DeviceId, state::stanza_id};
use crate::{clock, node, number::PhoneNumber, phone::SignalError};

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceChange {
    Added,
    Removed,
}

impl State {
    /// Notifies the account's other companions and every account that has asked for its devices.
    pub(super) fn announce(&mut self, changed: &DeviceId, change: DeviceChange) {
        let Some(account) = self.accounts.get(&changed.number) else { return };
        let operation = match account.operation(changed.device, change) {
            Ok(operation) => operation,
            Err(error) => return tracing::warn!(%error, "a device change was not announced"),
        };
        let own = std::iter::once(&changed.number);
        let audience: Vec<PhoneNumber> = own.chain(&account.watchers).cloned().collect();
        for number in audience {
            let devices = self.accounts.get(&number).map(Account::device_numbers);
            for device in devices.unwrap_or_default() {
                let listener = DeviceId { number: number.clone(), device };
                if listener == *changed {
                    continue;
                }
                let from = changed.number.lid_jid(0);
                let operation = vec![operation.clone()];
                let notification = node::notification(from, "devices", stanza_id(), operation);
                self.deliver(&listener, notification);
            }
        }
    }
}

impl Account {
    fn operation(&self, device: u16, change: DeviceChange) -> Result<Node, SignalError> {
        let entry = NodeBuilder::new("device").attr("jid", self.number.lid_jid(device));
        let (tag, entry, key_indexes) = match change {
            DeviceChange::Added => ("add", entry.attr("key-index", device), self.key_index_list()?),
            DeviceChange::Removed => {
                let now = clock::unix_seconds();
                ("remove", entry, NodeBuilder::new("key-index-list").attr("ts", now).build())
            }
        };
        Ok(NodeBuilder::new(tag).children([entry.build(), key_indexes]).build())
    }
}
