//! Opening and closing clients without a server that answers.

use std::{sync::Arc, time::Duration};

use ramal_domain::{Clock, Content, FakeClock, MessageId, Peer, WireId};
use ramal_session::{
    Behaviour, Connection, Mode, OpenError, OpenSpec, Provider as _, SendError, Signal,
};
use ramal_store::QueuedMessage;
use ramal_whatsapp::{Options, WhatsApp};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_util::task::TaskTracker;
use wacore::store::{Device, traits::DeviceStore as _};

use crate::home::{Home, phone};

struct Bench {
    home: Home,
    provider: WhatsApp,
    tasks: TaskTracker,
}

impl Bench {
    async fn new(url: &str) -> Self {
        let home = Home::new().await;
        let tasks = TaskTracker::new();
        let clock: Arc<dyn Clock> = Arc::<FakeClock>::clone(&home.clock);
        let options = Options {
            url: url.to_owned(),
            app_version: Some([2, 3000, 1_035_194_821]),
            dial_timeout: Duration::from_millis(200),
            close_timeout: Duration::from_secs(5),
            scratch_dir: std::env::temp_dir(),
            ..Options::default()
        };
        let wake = Arc::new(Notify::new());
        let (store, tasks_too) = (home.store.clone(), tasks.clone());
        let provider =
            WhatsApp::new(options, store, clock, wake, tasks_too, "http://127.0.0.1").unwrap();
        Self { home, provider, tasks }
    }

    async fn open(
        &self,
        mode: Mode,
    ) -> Result<(Box<dyn Connection>, mpsc::Receiver<Signal>), OpenError> {
        let (signals, receiver) = mpsc::channel(64);
        let spec = OpenSpec {
            number: self.home.number,
            tenant: self.home.tenant,
            phone: phone(),
            epoch: self.home.epoch,
            mode,
            behaviour: Behaviour::default(),
            signals,
        };
        Ok((self.provider.open(spec).await?, receiver))
    }

    async fn all_tasks_ended(&self) {
        self.tasks.close();
        timeout(Duration::from_secs(10), self.tasks.wait()).await.unwrap();
    }
}

async fn next(signals: &mut mpsc::Receiver<Signal>) -> Option<Signal> {
    timeout(Duration::from_secs(10), signals.recv()).await.unwrap()
}

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("ws://{}/ws/chat", listener.local_addr().unwrap())
}

#[tokio::test]
async fn there_is_nothing_to_resume_without_a_paired_device() {
    let bench = Bench::new(&nowhere().await).await;
    assert!(matches!(bench.open(Mode::Resume).await, Err(OpenError::NoSession)));

    bench.home.backend().save(&Device::new()).await.unwrap();

    assert!(matches!(bench.open(Mode::Resume).await, Err(OpenError::NoSession)));
}

#[tokio::test]
async fn an_address_that_is_no_websocket_is_refused() {
    let bench = Bench::new("https://web.whatsapp.com").await;
    assert!(matches!(bench.open(Mode::Pair).await, Err(OpenError::Build(_))));
}

#[tokio::test]
async fn pairing_starts_without_the_old_session() {
    let bench = Bench::new(&nowhere().await).await;
    let mut device = Device::new();
    device.pn = Some("5511999999999:3@s.whatsapp.net".parse().unwrap());
    bench.home.backend().save(&device).await.unwrap();

    let (connection, _signals) = bench.open(Mode::Pair).await.unwrap();
    connection.close().await;

    let fresh = bench.home.backend().load().await.unwrap().unwrap();
    assert_eq!(fresh.pn, None);
    assert_ne!(fresh.registration_id, device.registration_id);
}

#[tokio::test]
async fn failed_dials_are_reported_and_closing_ends_everything() {
    let bench = Bench::new(&nowhere().await).await;
    let (connection, mut signals) = bench.open(Mode::Pair).await.unwrap();

    assert_eq!(next(&mut signals).await, Some(Signal::DialFailed { timed_out: false }));
    connection.close().await;
    connection.close().await;

    while let Some(signal) = next(&mut signals).await {
        assert!(matches!(signal, Signal::DialFailed { .. }), "{signal:?}");
    }
    bench.all_tasks_ended().await;
}

#[tokio::test]
async fn a_server_that_never_speaks_can_be_left_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws/chat", listener.local_addr().unwrap());
    let bench = Bench::new(&url).await;
    let (connection, mut signals) = bench.open(Mode::Pair).await.unwrap();

    assert_eq!(next(&mut signals).await, Some(Signal::DialFailed { timed_out: true }));
    timeout(Duration::from_secs(6), connection.close()).await.unwrap();

    bench.all_tasks_ended().await;
}

#[tokio::test]
async fn nothing_is_sent_or_proven_while_offline() {
    let bench = Bench::new(&nowhere().await).await;
    let (connection, _signals) = bench.open(Mode::Pair).await.unwrap();

    let message = QueuedMessage {
        id: MessageId::mint(),
        wire_id: WireId::mint(),
        to: Peer::Phone(phone()),
        content: Content::Text { body: "hello".to_owned() },
        tries: 0,
        doubtful: false,
        created_at: bench.home.clock.now(),
    };
    let sent = connection.send(&message).await;
    assert!(matches!(sent, Err(SendError::NotConnected)));
    assert!(connection.probe().await.is_err());
    // Never paired: nothing is linked.
    connection.logout().await.unwrap();
    bench.all_tasks_ended().await;
}

#[tokio::test]
async fn an_unlinking_that_was_not_confirmed_is_an_error() {
    let bench = Bench::new(&nowhere().await).await;
    let mut device = Device::new();
    device.pn = Some("5511999999999:3@s.whatsapp.net".parse().unwrap());
    bench.home.backend().save(&device).await.unwrap();
    let (connection, _signals) = bench.open(Mode::Resume).await.unwrap();

    assert!(connection.logout().await.is_err());
    // It goes on, and may be asked again once it has logged in.
    assert!(connection.logout().await.is_err());
    connection.close().await;
    bench.all_tasks_ended().await;
}

#[tokio::test]
async fn a_forgotten_client_stops() {
    let bench = Bench::new(&nowhere().await).await;
    let (connection, signals) = bench.open(Mode::Pair).await.unwrap();

    drop((connection, signals));

    bench.all_tasks_ended().await;
}

#[tokio::test]
async fn a_client_whose_number_was_taken_over_ends_as_replaced() {
    let bench = Bench::new(&nowhere().await).await;
    let mut device = Device::new();
    device.pn = Some("5511999999999:3@s.whatsapp.net".parse().unwrap());
    bench.home.backend().save(&device).await.unwrap();
    let (_connection, mut signals) = bench.open(Mode::Resume).await.unwrap();
    let mut tx = bench.home.store.begin().await.unwrap();
    let owner = ramal_domain::NodeId::mint();
    tx.numbers().claim(bench.home.number, owner).await.unwrap().unwrap();
    tx.commit().await.unwrap();

    // The next write of the client is refused.
    loop {
        match next(&mut signals).await {
            Some(Signal::Ended(reason)) => {
                assert_eq!(reason, ramal_domain::CloseReason::Replaced);
                break;
            }
            Some(Signal::DialFailed { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    bench.all_tasks_ended().await;
}
