//! [`DeviceStore`]: the one device record.

use async_trait::async_trait;
use ramal_store::{Identity, StateWrite};
use wacore::{
    stats::StorageResourceReport,
    store::{Device, traits::DeviceStore},
};
use whatsapp_rust::Jid;

use super::{
    Result, SessionBackend, from_json,
    spaces::{DEVICE, THE_DEVICE},
    to_json,
};

/// The library numbers device rows; each of our numbers has one.
const ROW: i32 = 1;

impl SessionBackend {
    /// Saves the record of a device that a phone has just answered, and notes on the number that one
    /// has: one fact.
    pub(crate) async fn keep_paired(&self, device: &Device) -> Result<()> {
        let text = |jid: &Option<Jid>| jid.as_ref().map(Jid::to_string);
        let identity =
            Identity { jid: text(&device.pn), lid: text(&device.lid), profile_name: None };
        let write = StateWrite::put(DEVICE, THE_DEVICE, to_json(device)?);
        self.lift(self.state.apply_for(&[write], &identity).await)
    }
}

#[async_trait]
impl DeviceStore for SessionBackend {
    async fn save(&self, device: &Device) -> Result<()> {
        self.put(DEVICE, THE_DEVICE, to_json(device)?).await
    }

    async fn load(&self) -> Result<Option<Device>> {
        let bytes = self.get(DEVICE, THE_DEVICE).await?;
        bytes.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.get(DEVICE, THE_DEVICE).await?.is_some())
    }

    async fn create(&self) -> Result<i32> {
        let fresh = to_json(&Device::new())?;
        self.update(DEVICE, THE_DEVICE, |stored| Some(stored.unwrap_or(fresh))).await?;
        Ok(ROW)
    }

    async fn resource_report(&self) -> StorageResourceReport {
        // Shared by all numbers: nothing to attribute to this one.
        StorageResourceReport { memory_bytes: Some(0), ..StorageResourceReport::default() }
    }
}
