//! Sends what is queued for official numbers, and does what else is due at Meta.
//!
//! # Theory of operation
//!
//! Rows are the work; a wake is only a hint. A try is written down before it begins and when it has
//! ended (`ramal-store/src/official_queue.rs`), for Meta recognises no repeat: what was interrupted is
//! never sent again by itself. One message of a number is under way at a time, so order is kept. A try
//! that has ended without an answer holds up its chat only, until a status tells or it is given up.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ramal_domain::{Backoff, MediaSource, MessageId, NumberId, Peer, Timestamp, WireId};
use ramal_meta::{
    Access, ErrorClass, GraphError, PhoneId, compose, compose::Recipient, message_error_code,
};
use ramal_store::{Failure, NOT_CONFIRMED, Number, OfficialMessage, StoreError};
use tokio::{
    task::{self, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Meta, stored_ids};
use crate::{App, AppError, Refusal};

/// How many messages are under way at once, of all numbers together.
const UNDER_WAY_MAX: usize = 64;
/// How often the rows are looked at when nobody hints.
const POLL: Duration = Duration::from_secs(1);
/// How often what else is due is done, at least: looks, leavings, tries without an end.
const UPKEEP: Duration = Duration::from_secs(5);
/// The pauses after a try that did not reach Meta.
const RETRY: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) };
/// Those after Meta said that we are too fast: at least this long.
const THROTTLED: Duration = Duration::from_secs(5);

impl App {
    /// Runs until `shutdown`, then lets what is under way end.
    pub async fn run_official(self, shutdown: CancellationToken) {
        let Ok(meta) = self.meta().cloned() else { return };
        // Beside each other: a number that Meta does not answer about holds up no message.
        tokio::join!(self.empty_queue(&meta, &shutdown), self.keep_up(&meta, &shutdown));
    }

    async fn empty_queue(&self, meta: &Arc<Meta>, shutdown: &CancellationToken) {
        let mut under_way = UnderWay::default();
        while !shutdown.is_cancelled() {
            if let Err(error) = self.begin(meta, &mut under_way).await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the queue of official numbers cannot be read");
            }
            // Every branch is cancel-safe; the work happens outside.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = meta.wake.notified() => {}
                () = under_way.one_ends(), if !under_way.tasks.is_empty() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        while under_way.tasks.join_next().await.is_some() {}
    }

    async fn keep_up(&self, meta: &Meta, shutdown: &CancellationToken) {
        let options = &meta.options;
        let every = UPKEEP.min(options.poll_every).min(options.confirm_within);
        let started = self.clock.now();
        while !shutdown.is_cancelled() {
            if let Some(Err(error)) = shutdown.run_until_cancelled(self.upkeep(started)).await {
                tracing::warn!(%error, "what is due at Meta has to wait");
            }
            // Both are cancel-safe.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = meta.wake_upkeep.notified() => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    async fn upkeep(&self, started: Timestamp) -> Result<(), AppError> {
        self.give_up_lost(started).await?;
        self.leave_due().await?;
        self.look_at_due().await
    }

    async fn begin(&self, meta: &Arc<Meta>, under_way: &mut UnderWay) -> Result<(), StoreError> {
        let free = UNDER_WAY_MAX.saturating_sub(under_way.tasks.len());
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        let busy: Vec<NumberId> = under_way.numbers.values().copied().collect();
        let now = self.clock.now();
        // Looking costs no lock; most looks find nothing.
        if free == 0 || !self.store.read().await?.messages().has_official_due(&busy, now).await? {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let begun = tx.messages().begin_official(&busy, now, free).await?;
        tx.commit().await?;
        for message in begun {
            let (app, meta) = (self.clone(), Arc::clone(meta));
            under_way.add(message.number, async move {
                let id = message.id;
                if let Err(error) = app.deliver(&meta, message).await {
                    // What is written down says that it began: it is found again.
                    tracing::error!(message.id = %id, %error, "the end of a send was not stored");
                }
                meta.wake.notify_one();
            });
        }
        Ok(())
    }

    async fn deliver(&self, meta: &Meta, message: OfficialMessage) -> Result<(), AppError> {
        // Each half ends before the message counts as lost.
        let patience = meta.options.confirm_within * 3 / 4;
        let (access, phone) = match self.means_of(meta, &message).await {
            Ok(means) => means,
            Err(error) => return self.put_off(&message).await.and(Err(error)),
        };
        let started = Instant::now();
        let preparing = self.prepare(meta, &access, &phone, &message);
        let uploaded = match tokio::time::timeout(patience, preparing).await {
            Ok(Ok(uploaded)) => uploaded,
            Ok(Err(SendError::Meta(error))) => {
                return self.refused(&message, &error, &access).await;
            }
            // It has not begun: whatever is wrong here may be right later.
            Ok(Err(SendError::App(error))) => return self.put_off(&message).await.and(Err(error)),
            Err(_elapsed) => return self.put_off(&message).await,
        };
        let patience = if uploaded.is_none() {
            patience.saturating_sub(started.elapsed())
        } else if self.goes_on(message.id).await? {
            patience
        } else {
            return Ok(());
        };
        let sending = self.send_now(meta, &access, &phone, &message, uploaded.as_deref());
        match tokio::time::timeout(patience, sending).await {
            Ok(Ok(wamid)) => self.accepted(message.id, wamid).await,
            Ok(Err(error)) => self.refused(&message, &error, &access).await,
            // Meta may have it. Its status will tell, or nothing will.
            Err(_elapsed) => Ok(()),
        }
    }

    async fn accepted(&self, id: MessageId, wamid: String) -> Result<(), AppError> {
        let wire_id = WireId::from_text(wamid);
        let mut tx = self.store.begin().await?;
        tx.messages().official_sent(id, &wire_id, self.clock.now()).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn refused(
        &self,
        message: &OfficialMessage,
        error: &GraphError,
        access: &Access,
    ) -> Result<(), AppError> {
        tracing::warn!(
            number.id = %message.number, message.id = %message.id, %error, "Meta took no message"
        );
        if self.note_refusal(message.number, error, access).await? {
            return self.hold(message.id).await;
        }
        if matches!(error.class, ErrorClass::TimedOut | ErrorClass::Unexpected) {
            // Meta may have it. Its status will tell, or nothing will.
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if error.is_safe_to_repeat() {
            let mut pause = RETRY.jittered(message.tries);
            if error.class == ErrorClass::Throttled {
                pause = pause.max(THROTTLED);
            }
            let due = now.after(pause);
            if error.slows_whole_number() {
                tx.official().pause(message.number, due).await?;
            }
            tx.messages().official_put_off(message.id, due, now).await?;
        } else {
            tx.messages().failed(message.id, &failure(error), now).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Notes that what can be done twice is over: from now on the message may have left.
    async fn goes_on(&self, id: MessageId) -> Result<bool, AppError> {
        let mut tx = self.store.begin().await?;
        let queued = tx.messages().official_goes_on(id, self.clock.now()).await?;
        tx.commit().await?;
        Ok(queued)
    }

    async fn hold(&self, id: MessageId) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.messages().official_hold(id).await?;
        Ok(tx.commit().await?)
    }

    async fn put_off(&self, message: &OfficialMessage) -> Result<(), AppError> {
        let now = self.clock.now();
        let due = now.after(RETRY.jittered(message.tries));
        let mut tx = self.store.begin().await?;
        tx.messages().official_put_off(message.id, due, now).await?;
        Ok(tx.commit().await?)
    }

    /// As what, and with what, a message is sent.
    async fn means_of(
        &self,
        meta: &Meta,
        message: &OfficialMessage,
    ) -> Result<(Access, PhoneId), AppError> {
        let official = self.store.read().await?.official().get(message.number).await?;
        let official = official
            .ok_or_else(|| AppError::Internal("an official number has lost its row".into()))?;
        let (phone, _waba) = stored_ids(&official)?;
        Ok((meta.access(&official), phone))
    }

    /// What is done before a message leaves, and harms nobody if it is done again. Returns Meta's id of its
    /// media.
    async fn prepare(
        &self,
        meta: &Meta,
        access: &Access,
        phone: &PhoneId,
        message: &OfficialMessage,
    ) -> Result<Option<String>, SendError> {
        if message.mark_read {
            self.mark_read(meta, access, phone, message).await;
        }
        self.upload(meta, access, phone, message).await
    }

    async fn send_now(
        &self,
        meta: &Meta,
        access: &Access,
        phone: &PhoneId,
        message: &OfficialMessage,
        uploaded: Option<&str>,
    ) -> Result<String, GraphError> {
        let to = match &message.to {
            Peer::Phone(phone) => Recipient::Phone(phone),
            Peer::Jid(user) => Recipient::User(user),
        };
        let tag = message.id.to_string();
        let body = compose::message(to, &message.content, uploaded, None, &tag);
        Ok(meta.graph.send(access, phone, &body).await?.wamid)
    }

    /// Bytes that a caller handed in go to Meta first. Doing that twice harms nobody, so every way in
    /// which it can fail for now is one that is tried again.
    async fn upload(
        &self,
        meta: &Meta,
        access: &Access,
        phone: &PhoneId,
        message: &OfficialMessage,
    ) -> Result<Option<String>, SendError> {
        let Some(media) = message.content.media() else { return Ok(None) };
        let MediaSource::Stored { mime } = &media.source else { return Ok(None) };
        let bytes = self
            .store
            .read()
            .await
            .map_err(AppError::from)?
            .messages()
            .outbound_media(message.id)
            .await
            .map_err(AppError::from)?;
        let bytes = bytes.ok_or_else(|| AppError::Internal("a message lost its media".into()))?;
        let name = media.file_name.as_deref().unwrap_or(media.kind.name());
        match meta.graph.upload(access, phone, mime, name, bytes.into()).await {
            Ok(id) => Ok(Some(id)),
            Err(mut error) => {
                if matches!(error.class, ErrorClass::TimedOut | ErrorClass::Unexpected) {
                    error.class = ErrorClass::Unreachable;
                }
                Err(error.into())
            }
        }
    }

    /// What this message answers is marked as read. That it is not is no reason not to answer.
    async fn mark_read(
        &self,
        meta: &Meta,
        access: &Access,
        phone: &PhoneId,
        message: &OfficialMessage,
    ) {
        if let Err(error) = self.mark_last_read(meta, access, phone, message).await {
            tracing::info!(message.id = %message.id, %error, "what it answers is not marked as read");
        }
    }

    /// Shows `to` that something is being written, and that the last thing it wrote was read.
    pub(crate) async fn type_official(&self, number: &Number, to: &Peer) -> Result<(), AppError> {
        let meta = self.meta()?;
        let mut tx = self.store.read().await?;
        let official = tx.official().get(number.id).await?.ok_or(Refusal::NumberNotFound)?;
        let last = tx.messages().last_inbound(number.tenant, number.id, to).await?;
        drop(tx);
        let (id, wire_id, _read) = last.ok_or(Refusal::MessageNotFound)?;
        let (phone, _waba) = stored_ids(&official)?;
        let access = meta.access(&official);
        if let Err(error) = meta.graph.mark_read(&access, &phone, wire_id.as_str(), true).await {
            self.note_refusal(number.id, &error, &access).await?;
            return Err(super::refusal_of(&error).into());
        }
        let mut tx = self.store.begin().await?;
        tx.messages().inbound_read(id, self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    async fn mark_last_read(
        &self,
        meta: &Meta,
        access: &Access,
        phone: &PhoneId,
        message: &OfficialMessage,
    ) -> Result<(), AppError> {
        let mut tx = self.store.read().await?;
        let Some(number) = tx.numbers().get(message.number).await? else { return Ok(()) };
        let last = tx.messages().last_inbound(number.tenant, number.id, &message.to).await?;
        drop(tx);
        let Some((id, wire_id, false)) = last else { return Ok(()) };
        let done = meta.graph.mark_read(access, phone, wire_id.as_str(), false).await;
        done.map_err(|error| super::refusal_of(&error))?;
        let mut tx = self.store.begin().await?;
        tx.messages().inbound_read(id, self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// Messages of which nobody knows whether Meta has them, and that it says nothing of, are given up:
    /// sent again, they might arrive twice. Meta has as long to say something from when this process
    /// `started` to hear it.
    async fn give_up_lost(&self, started: Timestamp) -> Result<(), AppError> {
        let now = self.clock.now();
        let before = now.before(self.meta()?.options.confirm_within);
        if started > before {
            return Ok(());
        }
        let lost = self.store.read().await?.messages().begun_before(before, 100).await?;
        if lost.is_empty() {
            return Ok(());
        }
        let failure = Failure {
            code: NOT_CONFIRMED.to_owned(),
            message: "Meta was asked to send it, but did not say whether it has; it is not sent \
                      again, since it might arrive twice"
                .to_owned(),
        };
        let mut tx = self.store.begin().await?;
        for message in lost {
            tx.messages().failed(message.id, &failure, now).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }
}

/// What is being sent.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    /// The number that each task sends for. One that has ended is busy no longer, whether the end of its
    /// message is known or not.
    numbers: HashMap<task::Id, NumberId>,
}

impl UnderWay {
    fn add(&mut self, number: NumberId, work: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(work).id();
        self.numbers.insert(id, number);
    }

    /// Cancel-safe.
    async fn one_ends(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(panicked)) => panicked.id(),
            None => return,
        };
        self.numbers.remove(&id);
    }
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Meta(#[from] GraphError),
    #[error(transparent)]
    App(#[from] AppError),
}

fn failure(error: &GraphError) -> Failure {
    let code = match (error.code, error.class) {
        (Some(code), _) => message_error_code(code),
        (None, ErrorClass::WindowClosed) => "META_OUTSIDE_24H_WINDOW",
        (None, _) => "META_ERROR",
    };
    Failure { code: code.to_owned(), message: error.to_string() }
}
