//! Waiting for the server's word on messages that we sent.
//!
//! The library hands a message to the socket and returns; the server's `<ack>` arrives as an event.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The server's answer: taken, or the code of its refusal.
pub(crate) type Ack = Result<(), Nack>;

/// The server refused a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WhatsApp's server refused the message with code {0}")]
pub(crate) struct Nack(pub(crate) String);

impl Nack {
    /// Whether the same message may be taken later. `5xx` and `429` are about the server's state,
    /// everything else (`400` malformed, `463` no trust token, `479` bad stanza) about the message.
    pub(crate) fn is_temporary(&self) -> bool {
        self.0 == "429" || (self.0.len() == 3 && self.0.starts_with('5'))
    }
}

/// The messages on their way. Filled by senders, emptied by the event handler.
#[derive(Clone, Default)]
pub(crate) struct Acks(Arc<Mutex<HashMap<String, oneshot::Sender<Ack>>>>);

/// A message on its way; dropping it gives up waiting.
pub(crate) struct Awaited {
    acks: Acks,
    wire_id: String,
    answer: oneshot::Receiver<Ack>,
}

impl Acks {
    /// Starts to listen for the answer to `wire_id`. To be called before sending.
    pub(crate) fn expect(&self, wire_id: &str) -> Awaited {
        let (sender, answer) = oneshot::channel();
        self.lock().insert(wire_id.to_owned(), sender);
        Awaited { acks: self.clone(), wire_id: wire_id.to_owned(), answer }
    }

    /// Hands an answer to whoever waits for it.
    pub(crate) fn settle(&self, wire_id: &str, ack: Ack) {
        if let Some(waiting) = self.lock().remove(wire_id) {
            // A waiter that has given up needs no answer.
            drop(waiting.send(ack));
        }
    }

    /// The socket is gone: no answer will come.
    pub(crate) fn give_up(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Ack>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited {
    /// The server's answer; `None` when the socket was lost.
    pub(crate) async fn answer(&mut self) -> Option<Ack> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.acks.lock().remove(&self.wire_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_reaches_its_message_only() {
        let acks = Acks::default();
        let mut first = acks.expect("A");
        let mut second = acks.expect("B");

        acks.settle("B", Err(Nack("400".to_owned())));
        acks.settle("A", Ok(()));
        acks.settle("C", Ok(()));

        assert_eq!(first.answer().await, Some(Ok(())));
        assert_eq!(second.answer().await, Some(Err(Nack("400".to_owned()))));
    }

    #[tokio::test]
    async fn a_lost_socket_ends_the_waiting() {
        let acks = Acks::default();
        let mut message = acks.expect("A");

        acks.give_up();

        assert_eq!(message.answer().await, None);
    }

    #[test]
    fn a_dropped_wait_leaves_nothing() {
        let acks = Acks::default();
        drop(acks.expect("A"));

        assert!(acks.lock().is_empty());
    }

    #[test]
    fn the_servers_troubles_are_not_the_messages() {
        for (code, temporary) in
            [("400", false), ("463", false), ("479", false), ("503", true), ("429", true)]
        {
            assert_eq!(Nack(code.to_owned()).is_temporary(), temporary, "{code}");
        }
    }
}
