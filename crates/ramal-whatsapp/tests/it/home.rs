//! A temporary store with one number in it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use ramal_domain::{Clock, FakeClock, NodeId, NumberId, PhoneNumber, TenantId, Timestamp};
use ramal_store::{Epoch, MasterKey, NewNumber, Options, Reservation, Store, Tenant, Vault};
use ramal_whatsapp::SessionBackend;

pub(crate) struct Home {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) number: NumberId,
    pub(crate) epoch: Epoch,
    pub(crate) clock: Arc<FakeClock>,
    /// How often a backend said that it is fenced.
    pub(crate) fenced: Arc<AtomicU32>,
    /// Removed with everything in it when the test ends.
    _directory: tempfile::TempDir,
}

pub(crate) fn phone() -> PhoneNumber {
    "+5511999999999".parse().unwrap()
}

impl Home {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("ramal.db").display());
        let options = Options { url: url.into(), max_connections: 4 };
        let store = Store::open(&options, Vault::new(MasterKey::mint())).await.unwrap();
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_780_000_000)));
        let (tenant, number) = (TenantId::mint(), NumberId::mint());
        let now = clock.now();
        let mut tx = store.begin().await.unwrap();
        let account = Tenant { id: tenant, name: "Ana".to_owned(), created_at: now };
        tx.tenants().create(&account).await.unwrap();
        let new = NewNumber {
            id: number,
            tenant,
            phone: &phone(),
            name: "Shop",
            settings: "{}",
            provider: ramal_domain::Provider::Web,
        };
        let reservation = tx.numbers().reserve(&new, NodeId::mint(), now).await.unwrap();
        let Reservation::Reserved(epoch) = reservation else { panic!("{reservation:?}") };
        tx.numbers().publish(number, now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let fenced = Arc::new(AtomicU32::new(0));
        Self { store, tenant, number, epoch, clock, fenced, _directory: directory }
    }

    pub(crate) fn backend(&self) -> SessionBackend {
        self.backend_under(self.epoch)
    }

    pub(crate) fn backend_under(&self, epoch: Epoch) -> SessionBackend {
        let fenced = Arc::clone(&self.fenced);
        let clock: Arc<dyn Clock> = Arc::<FakeClock>::clone(&self.clock);
        SessionBackend::new(self.store.session_state(self.number, epoch), clock, move || {
            fenced.fetch_add(1, Ordering::SeqCst);
        })
    }
}
