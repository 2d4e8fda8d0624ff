//! The way from the hub to one socket.

use std::time::Duration;

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use wacore_binary::Node;

/// A client that lets this many stanzas pile up is cut off; the offline queue of 5,000 fits.
const QUEUE: usize = 8_192;

/// What a socket's writer is asked to do.
#[derive(Debug)]
pub(crate) enum Out {
    Stanza(Node),
    /// Wait, send the close frame, hang up.
    Close {
        after: Duration,
    },
}

/// An order and when it was given, so that delays do not add up.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) at: Instant,
    pub(crate) out: Out,
}

/// Sends orders to one socket.
#[derive(Debug)]
pub(crate) struct Line {
    queue: mpsc::Sender<Queued>,
    hang_up: CancellationToken,
}

impl Line {
    pub(crate) fn new(hang_up: CancellationToken) -> (Self, mpsc::Receiver<Queued>) {
        let (queue, orders) = mpsc::channel(QUEUE);
        (Self { queue, hang_up }, orders)
    }

    pub(crate) fn stanza(&self, node: Node) {
        self.order(Out::Stanza(node));
    }

    pub(crate) fn close(&self, after: Duration) {
        self.order(Out::Close { after });
    }

    fn order(&self, out: Out) {
        if self.queue.try_send(Queued { at: Instant::now(), out }).is_err() {
            // Full or gone: either way this socket is of no use any more.
            self.hang_up.cancel();
        }
    }
}
