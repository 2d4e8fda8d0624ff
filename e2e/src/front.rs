//! A door in front of the product: one address whatever port it has after a crash, a record of all that
//! it says, and a way to be out of reach.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What went over one connection.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// What was sent to the product.
    pub asked: Vec<u8>,
    /// What the product said.
    pub said: Vec<u8>,
}

impl Exchange {
    /// The first line of its first request, such as `GET /v1/numbers HTTP/1.1`.
    pub fn request(&self) -> String {
        let text = String::from_utf8_lossy(&self.asked);
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// All that the product said on it.
    pub fn answer(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

type Record = Arc<Mutex<Exchange>>;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panicked while holding it")
}

/// A door on a free port.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    exchanges: Arc<Mutex<Vec<Record>>>,
    /// Serves; ends when dropped.
    _server: JoinSet<()>,
}

impl Front {
    /// Opens one that leads nowhere yet: whoever knocks is turned away.
    pub async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (target, exchanges) = (watch::Sender::new(None), Arc::default());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, target.subscribe(), Arc::clone(&exchanges)));
        Self { address, target, exchanges, _server: server }
    }

    /// Its address, which stays.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it leads from now on; `None`: nowhere. Connections that are there are cut.
    pub fn lead_to(&self, url: Option<&str>) {
        let address = url.map(|url| {
            let address = url.strip_prefix("http://").expect("an http address");
            address.parse().expect("a socket address")
        });
        self.target.send_replace(address);
    }

    /// All that went through it.
    pub fn exchanges(&self) -> Vec<Exchange> {
        held(&self.exchanges).iter().map(|record| held(record).clone()).collect()
    }
}

async fn serve(
    listener: TcpListener,
    target: watch::Receiver<Option<SocketAddr>>,
    exchanges: Arc<Mutex<Vec<Record>>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (inside, _peer) = listener.accept().await.expect("it accepts");
        while connections.try_join_next().is_some() {}
        let mut target = target.clone();
        let Some(address) = *target.borrow_and_update() else { continue };
        let record = Record::default();
        held(&exchanges).push(Arc::clone(&record));
        connections.spawn(async move {
            // Either side may hang up; what was said until then is on record.
            tokio::select! {
                _ended = pass(inside, address, &record) => {}
                _led_elsewhere = target.changed() => {}
            }
        });
    }
}

async fn pass(client: TcpStream, address: SocketAddr, record: &Record) -> std::io::Result<()> {
    let product = TcpStream::connect(address).await?;
    client.set_nodelay(true)?;
    product.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_product, to_product) = product.into_split();
    tokio::try_join!(
        copy(from_client, to_product, |bytes| held(record).asked.extend_from_slice(bytes)),
        copy(from_product, to_client, |bytes| held(record).said.extend_from_slice(bytes)),
    )?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    note: impl Fn(&[u8]),
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        note(bytes);
        to.write_all(bytes).await?;
    }
}
