//! The network between clients and server, and its faults.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Longer delays outlast every client's patience.
const MAX_DELAY_MS: u64 = 600_000;

/// What to change about the network; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkChange {
    /// Cut every connection now.
    pub drop_connections: bool,
    /// Close new connections right after accepting them, or accept them again.
    pub refuse: Option<bool>,
    /// Hold back every frame from the server by this many milliseconds, at most 600,000.
    pub delay_ms: Option<u64>,
    /// Swallow everything, in both directions, while sockets stay open; or stop doing so. What was
    /// swallowed stays so.
    pub silent: Option<bool>,
}

/// The network as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkState {
    /// Whether new connections are closed at once.
    pub refuse: bool,
    /// By how many milliseconds frames are held back.
    pub delay_ms: u64,
    /// Whether everything is swallowed.
    pub silent: bool,
    /// How many clients are connected.
    pub connections: usize,
}

/// The current faults; written by the control API, read by every connection.
#[derive(Debug)]
pub(crate) struct Network {
    refuse: AtomicBool,
    delay_ms: AtomicU64,
    silent: AtomicBool,
    /// Parent of every connection's token; replaced when connections are cut.
    cut: Mutex<CancellationToken>,
    stop: CancellationToken,
}

impl Network {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            refuse: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            cut: Mutex::new(stop.child_token()),
            stop,
        }
    }

    pub(crate) fn refuses(&self) -> bool {
        self.refuse.load(Ordering::Relaxed)
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Returns when there is no silence.
    pub(crate) async fn heard(&self) {
        const LOOK_AGAIN: Duration = Duration::from_millis(20);
        while self.is_silent() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))
    }

    /// A token that is cancelled when the connection must end at once.
    pub(crate) fn connection_token(&self) -> CancellationToken {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).child_token()
    }

    /// Applies refusal and delay first, so that a cut client meets them when it comes back.
    pub(crate) fn apply(&self, change: NetworkChange) {
        if let Some(refuse) = change.refuse {
            self.refuse.store(refuse, Ordering::Relaxed);
        }
        if let Some(silent) = change.silent {
            self.silent.store(silent, Ordering::Relaxed);
        }
        if let Some(delay) = change.delay_ms {
            self.delay_ms.store(delay.min(MAX_DELAY_MS), Ordering::Relaxed);
        }
        if change.drop_connections {
            let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
            cut.cancel();
            *cut = self.stop.child_token();
        }
    }

    pub(crate) fn state(&self, connections: usize) -> NetworkState {
        NetworkState {
            refuse: self.refuses(),
            delay_ms: self.delay_ms.load(Ordering::Relaxed),
            silent: self.is_silent(),
            connections,
        }
    }
}
