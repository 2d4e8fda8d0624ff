//! What one client has to tell its session, in order.
//!
//! The library calls its event handler in the middle of its read loop, which must not wait. So news
//! goes into a queue, and a task of its own carries it to the session. Proofs of life are dropped when the session does not keep up; changes of state are not.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ramal_domain::CloseReason;
use ramal_session::{Account, Signal};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};

use crate::inbound::Unhooked;

/// How many pieces of news may wait before proofs of life are dropped.
const HINTS_UNTIL: usize = 1_024;
/// How many may wait before the client is given up: the session does not listen any more.
const GIVE_UP_AT: usize = 4_096;
/// A proof of life is told at most this often.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// One piece of news.
pub(crate) enum News {
    /// For the session.
    Signal(Signal),
    /// For whoever carries the news to store.
    Unhooked(Unhooked),
}

/// The queue, and the end of the client.
pub(crate) struct Reporter {
    /// Filled by the client's tasks, emptied by [`Reporter::carry`].
    queue: Mutex<VecDeque<News>>,
    /// Rung after each push and after [`Reporter::close`].
    bell: Notify,
    /// Why the client must stop; the first reason stays.
    end: watch::Sender<Option<CloseReason>>,
    /// Whether the session wants to hear no more.
    muted: AtomicBool,
    /// Whether nothing more will come.
    closed: AtomicBool,
    /// Whether a socket was made.
    dialled: AtomicBool,
    /// Whether the server ever said something through one.
    answered: AtomicBool,
    /// Whether the session was told `Opened`, and not `Lost` since.
    open: AtomicBool,
    born: Instant,
    /// Milliseconds since `born` before which no proof of life is told.
    alive_from: AtomicU64,
}

impl Reporter {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            bell: Notify::new(),
            end: watch::Sender::new(None),
            muted: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            dialled: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            open: AtomicBool::new(false),
            born: Instant::now(),
            alive_from: AtomicU64::new(0),
        }
    }

    /// Tells the session something. Never waits.
    pub(crate) fn tell(&self, signal: Signal) {
        let hint = matches!(signal, Signal::Alive | Signal::DialFailed { .. });
        self.push(News::Signal(signal), hint);
    }

    /// Tells the session that the client is logged in and ready to send.
    pub(crate) fn opened(&self, account: Account) {
        self.open.store(true, Ordering::SeqCst);
        self.tell(Signal::Opened(account));
    }

    /// Tells the session who the client is now, if it is connected.
    pub(crate) fn renamed(&self, account: Account) {
        if self.open.load(Ordering::SeqCst) {
            self.tell(Signal::Opened(account));
        }
    }

    /// Tells the session that the socket is gone, once per connection. During pairing nobody was
    /// told of a connection, so nobody is told of its loss.
    pub(crate) fn lost(&self) {
        if self.open.swap(false, Ordering::SeqCst) {
            self.tell(Signal::Lost);
        }
    }

    /// A new socket is about to be made, so the old one is gone, announced or not. If none has ever
    /// led to anything (the handshake fails, say because a certificate is not WhatsApp's), that
    /// counts as a failed dial. Later on it does not: the library sometimes makes a socket too many
    /// after a pairing.
    pub(crate) fn dialling(&self) {
        self.lost();
        let dialled = self.dialled.swap(false, Ordering::SeqCst);
        if dialled && !self.answered.load(Ordering::SeqCst) {
            self.tell(Signal::DialFailed { timed_out: false });
        }
    }

    /// A socket was made.
    pub(crate) fn dialled(&self) {
        self.dialled.store(true, Ordering::SeqCst);
    }

    /// The server said something: the handshake succeeded.
    pub(crate) fn answered(&self) {
        self.answered.store(true, Ordering::SeqCst);
    }

    /// Has messages stored that did not pass the durability hook.
    pub(crate) fn unhooked(&self, messages: Unhooked) {
        self.push(News::Unhooked(messages), false);
    }

    /// Tells the session that WhatsApp answers, now and then. Before the login it could be anybody
    /// who answers.
    pub(crate) fn alive(&self) {
        if !self.open.load(Ordering::SeqCst) {
            return;
        }
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        let from = self.alive_from.load(Ordering::Relaxed);
        if now < from {
            return;
        }
        let next = now.saturating_add(u64::try_from(ALIVE_EVERY.as_millis()).unwrap_or(u64::MAX));
        let won =
            self.alive_from.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            self.tell(Signal::Alive);
        }
    }

    /// Names the reason why the client must stop. The first one stays.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(reason);
            first
        });
    }

    /// Waits until there is a reason to stop, and returns it.
    pub(crate) async fn ended(&self) -> CloseReason {
        let mut end = self.end.subscribe();
        // The sender is `self`, so waiting cannot fail.
        end.wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|reason| *reason)
            .unwrap_or(CloseReason::Network)
    }

    /// The reason to stop, if there is one already.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        *self.end.borrow()
    }

    /// Tells the session nothing more: it asked the client to go.
    pub(crate) fn mute(&self) {
        self.muted.store(true, Ordering::SeqCst);
        self.lock().retain(|news| matches!(news, News::Unhooked(_)));
    }

    /// Whether [`Reporter::mute`] was called.
    pub(crate) fn is_muted(&self) -> bool {
        self.muted.load(Ordering::SeqCst)
    }

    /// Lets [`Reporter::carry`] return once the queue is empty.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }

    /// The next piece of news; `None` after [`Reporter::close`].
    async fn next(&self) -> Option<News> {
        loop {
            // Read before the queue: what was pushed before closing is in the queue by then.
            let closed = self.closed.load(Ordering::SeqCst);
            if let Some(news) = self.lock().pop_front() {
                return Some(news);
            }
            if closed {
                return None;
            }
            self.bell.notified().await;
        }
    }

    /// Carries news to the session until the client is closed; `keep` stores messages.
    pub(crate) async fn carry<F, Fut>(&self, signals: mpsc::Sender<Signal>, keep: F)
    where
        F: Fn(Unhooked) -> Fut + Send + Sync,
        Fut: Future<Output = ()> + Send,
    {
        while let Some(news) = self.next().await {
            match news {
                News::Unhooked(messages) => keep(messages).await,
                News::Signal(signal) => {
                    if !self.is_muted() && signals.send(signal).await.is_err() {
                        // The session is gone, and did not say so.
                        self.mute();
                        self.end(CloseReason::Network);
                    }
                }
            }
        }
    }

    fn push(&self, news: News, hint: bool) {
        if self.is_muted() && matches!(news, News::Signal(_)) {
            return;
        }
        let waiting = {
            let mut queue = self.lock();
            if !hint || queue.len() < HINTS_UNTIL {
                queue.push_back(news);
            }
            queue.len()
        };
        if hint && waiting >= HINTS_UNTIL {
            tracing::warn!(queue.length = waiting, "the session is slow: a hint was dropped");
        }
        if waiting >= GIVE_UP_AT {
            self.end(CloseReason::Network);
        }
        self.bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<News>> {
        // A panic while it was held cannot have left the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn drain(reporter: &Reporter) -> Vec<Signal> {
        let (sender, mut receiver) = mpsc::channel(8_192);
        reporter.close();
        reporter.carry(sender, |_batch| async {}).await;
        let mut signals = Vec::new();
        while let Some(signal) = receiver.recv().await {
            signals.push(signal);
        }
        signals
    }

    #[tokio::test]
    async fn news_arrives_in_order() {
        let reporter = Reporter::new();
        reporter.tell(Signal::CodesExhausted);
        reporter.tell(Signal::Lost);

        assert_eq!(drain(&reporter).await, [Signal::CodesExhausted, Signal::Lost]);
    }

    #[tokio::test]
    async fn a_loss_is_told_once_per_connection() {
        let reporter = Reporter::new();
        reporter.lost();
        reporter.renamed(Account::default());
        reporter.opened(Account::default());
        reporter.lost();
        reporter.lost();

        let signals = drain(&reporter).await;

        assert_eq!(signals, [Signal::Opened(Account::default()), Signal::Lost]);
    }

    #[tokio::test]
    async fn a_socket_that_leads_to_nothing_is_a_failed_dial() {
        let reporter = Reporter::new();
        reporter.dialling();
        reporter.dialled();
        reporter.dialling();
        reporter.dialled();
        reporter.answered();
        reporter.dialling();
        reporter.dialled();
        reporter.dialling();

        assert_eq!(drain(&reporter).await, [Signal::DialFailed { timed_out: false }]);
    }

    #[tokio::test]
    async fn hints_are_dropped_when_the_session_is_slow_and_states_are_not() {
        let reporter = Reporter::new();
        for _ in 0..HINTS_UNTIL * 2 {
            reporter.tell(Signal::Alive);
        }
        reporter.tell(Signal::Lost);

        let signals = drain(&reporter).await;

        assert_eq!(signals.len(), HINTS_UNTIL + 1);
        assert_eq!(signals.last(), Some(&Signal::Lost));
        assert_eq!(reporter.reason(), None);
    }

    #[tokio::test]
    async fn a_session_that_never_listens_ends_the_client() {
        let reporter = Reporter::new();
        for _ in 0..GIVE_UP_AT {
            reporter.tell(Signal::Lost);
        }

        assert_eq!(reporter.ended().await, CloseReason::Network);
    }

    #[tokio::test]
    async fn the_first_reason_stays() {
        let reporter = Arc::new(Reporter::new());
        reporter.end(CloseReason::Replaced);
        reporter.end(CloseReason::LoggedOut);

        assert_eq!(reporter.ended().await, CloseReason::Replaced);
    }

    #[tokio::test(start_paused = true)]
    async fn life_is_proven_now_and_then() {
        let reporter = Reporter::new();
        reporter.alive();
        reporter.opened(Account::default());
        for _ in 0..10 {
            reporter.alive();
        }
        tokio::time::advance(ALIVE_EVERY).await;
        reporter.alive();

        let told = [Signal::Opened(Account::default()), Signal::Alive, Signal::Alive];
        assert_eq!(drain(&reporter).await, told);
    }
}
