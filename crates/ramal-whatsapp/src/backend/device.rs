//! [`DeviceStore`]: the one device record.

use async_trait::async_trait;
use wacore::{
    stats::StorageResourceReport,
    store::{Device, traits::DeviceStore},
};

use super::{
    Result, SessionBackend, from_json,
    spaces::{DEVICE, THE_DEVICE},
    to_json,
};

/// The library numbers device rows; each of our numbers has one.
const ROW: i32 = 1;

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
