//! The library's tasks, on our tracker.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use ramal_domain::CloseReason;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wacore::runtime::{AbortHandle, Runtime};

use crate::{passkey::Gate, reporter::Reporter};

type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Runs the tasks of one client: shutdown waits for them, a panic in one ends this client only, and
/// nothing outlives it.
#[derive(Clone)]
pub(crate) struct ClientRuntime {
    /// All tasks of the process.
    pub(crate) tasks: TaskTracker,
    /// Cuts off whatever the client has left running.
    pub(crate) cut: CancellationToken,
    /// Where a panic is reported.
    pub(crate) reporter: Arc<Reporter>,
    /// Holds the QR codes' clock while a passkey is asked for.
    pub(crate) gate: Gate,
}

impl ClientRuntime {
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let Self { cut, reporter, .. } = self.clone();
        self.tasks.spawn(async move {
            let task = AssertUnwindSafe(task).catch_unwind();
            // Cut off is as good as done; what the client must not lose was flushed before.
            if let Some(Err(_panic)) = cut.run_until_cancelled(task).await {
                tracing::error!("a task of the WhatsApp client panicked; the client is stopped");
                reporter.lost();
                reporter.end(CloseReason::Network);
            }
        })
    }
}

/// For work that belongs to no client.
pub(crate) fn bare(tasks: TaskTracker) -> ClientRuntime {
    ClientRuntime {
        tasks,
        cut: CancellationToken::new(),
        reporter: Arc::new(Reporter::new()),
        gate: Gate::new(),
    }
}

#[async_trait::async_trait]
impl Runtime for ClientRuntime {
    fn spawn(&self, future: Task) -> AbortHandle {
        let task = self.start(future);
        AbortHandle::new(move || task.abort())
    }

    fn spawn_detached(&self, future: Task) {
        drop(self.start(future));
    }

    fn sleep(&self, duration: Duration) -> Task {
        let gate = self.gate.clone();
        Box::pin(async move {
            tokio::time::sleep(duration).await;
            gate.hold(duration).await;
        })
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Task {
        let done = self.tasks.spawn_blocking(work);
        Box::pin(async move {
            if let Err(error) = done.await {
                tracing::error!(%error, "blocking work of the WhatsApp client failed");
            }
        })
    }

    fn yield_now(&self) -> Option<Task> {
        // Other tasks run on other threads.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> ClientRuntime {
        bare(TaskTracker::new())
    }

    #[tokio::test]
    async fn a_panic_ends_the_client_and_nothing_else() {
        let runtime = runtime();

        runtime.spawn_detached(Box::pin(async { panic!("in a task of the library") }));

        assert_eq!(runtime.reporter.ended().await, CloseReason::Network);
    }

    #[tokio::test]
    async fn nothing_outlives_the_cut() {
        let runtime = runtime();
        runtime.spawn_detached(Box::pin(std::future::pending()));
        runtime.tasks.close();

        runtime.cut.cancel();

        runtime.tasks.wait().await;
        assert_eq!(runtime.reporter.reason(), None);
    }
}
