//! Is the other end still there? A socket that says nothing is asked.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use crate::Connection;

/// When life was last proven, and the question that is under way.
#[derive(Debug)]
pub(crate) struct Pulse {
    proven: Instant,
    /// At most one probe, with the moment at which it was sent.
    probe: JoinSet<(Instant, bool)>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { proven: Instant::now(), probe: JoinSet::new() }
    }
}

impl Pulse {
    /// Something arrived.
    pub(crate) fn beat(&mut self) {
        self.proven = Instant::now();
    }

    /// When to ask, after a silence of `patience`; `None` while a question is under way.
    pub(crate) fn due(&self, patience: Duration) -> Option<Instant> {
        self.probe.is_empty().then(|| self.proven + patience)
    }

    /// Asks.
    pub(crate) fn ask(&mut self, connection: Arc<dyn Connection>) {
        let asked = Instant::now();
        self.probe.spawn(async move { (asked, connection.probe().await.is_ok()) });
    }

    /// Waits until a question is answered or given up; returns whether anything has proven life
    /// since it was asked. Never returns when nothing was asked. Cancel-safe.
    pub(crate) async fn answer(&mut self) -> bool {
        match self.probe.join_next().await {
            Some(Ok((asked, answered))) => {
                if answered {
                    self.beat();
                }
                answered || self.proven > asked
            }
            // A probe that panicked proves nothing.
            Some(Err(_panicked)) => false,
            None => std::future::pending().await,
        }
    }
}
