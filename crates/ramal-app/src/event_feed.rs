//! What happens, told live to whoever follows: every event in its order, from a place on that a
//! follower names. The rows are the truth and are looked at now and then; nobody has to be woken.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ramal_domain::{EventId, EventKind, KeyScope, NumberId, Timestamp};
use ramal_store::{Audience, Position, RecordedEvent, Settling, Sighting, Store, StoreError, Tx};

use crate::{App, AppError, Caller, Refusal, auth::parse_number_id};

/// How often the rows are looked at.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether a follower's key is still good: at every so manieth look.
const KEY_EVERY: u32 = 4;
/// How often it is looked, when a stream begins, whether those who were writing have finished.
const SETTLE_EVERY: Duration = Duration::from_millis(20);
/// And how many times at most.
const SETTLE_LOOKS: u32 = 250;
/// What the id of a place that is no event begins with.
const PLACE: &str = "pos_";

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedStart {
    /// With what happens from now on.
    Now,
    /// After what carried this id.
    After(String),
    /// With the first event that happened at or after this moment.
    Since(Timestamp),
}

/// What a follower wants to hear of.
#[derive(Clone, Debug)]
pub struct FeedWish {
    /// Where to begin.
    pub start: FeedStart,
    /// One number only, for a tenant's key.
    pub number: Option<String>,
    /// Events of these names only; empty: all of them.
    pub kinds: Vec<String>,
}

/// Something to tell a follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedItem {
    /// The stream begins; what happens after this is told. Its id is a place to begin again at.
    Ready {
        /// The place.
        place: String,
    },
    /// Something happened.
    Event(RecordedEvent),
}

/// What is settled, for all followers together.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedSettling(Arc<Mutex<Settling>>);

impl SharedSettling {
    /// Looks how far the record reaches; answers up to where `tx` may read it, and the newest place.
    async fn look(&self, tx: &mut Tx) -> Result<(Position, Position), StoreError> {
        let sighting = tx.events().sight(self.known()).await?;
        let (settled, newest) = (self.note(&sighting), sighting.newest());
        if !sighting.is_open() {
            return Ok((settled, newest));
        }
        // Mostly nobody else is writing, and the second look settles what the first saw.
        let again = tx.events().sight(self.known()).await?;
        Ok((self.note(&again), newest))
    }

    /// Waits until what is there at this moment is settled; answers where the present begins.
    async fn present(&self, store: &Store) -> Result<Position, AppError> {
        let mut present = None;
        for _ in 0..SETTLE_LOOKS {
            let mut tx = store.read().await?;
            let (settled, newest) = self.look(&mut tx).await?;
            if *present.get_or_insert(newest) <= settled {
                return Ok(settled);
            }
            drop(tx);
            tokio::time::sleep(SETTLE_EVERY).await;
        }
        Err(AppError::Busy("a transaction that writes has lasted for seconds".into()))
    }

    fn known(&self) -> Settling {
        // A copy of two numbers cannot be left half-way.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, sighting: &Sighting) -> Position {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(sighting)
    }
}

/// The events of a caller, as they happen.
#[derive(Debug)]
pub struct EventFeed {
    app: App,
    caller: Caller,
    audience: Audience,
    /// Empty: all of them.
    kinds: Vec<EventKind>,
    /// Up to here everything is told, or in the queue.
    read_to: Position,
    queue: VecDeque<FeedItem>,
    /// How many looks the key is good for without being looked at.
    trusted_for: u32,
    /// Whether there may be more to read at once.
    behind: bool,
}

impl EventFeed {
    /// What to tell next; waits for it. `None`: the caller may not follow any longer, or the database
    /// is broken. Cancel-safe.
    pub async fn next(&mut self) -> Option<FeedItem> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Some(item);
            }
            if !self.behind {
                tokio::time::sleep(EVERY).await;
            }
            match self.look().await {
                Ok(true) => {}
                Ok(false) => return None,
                // Busy for a moment: no reason to send anybody away.
                Err(StoreError::Busy(_)) => self.behind = false,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "a stream of events ends: the database failed");
                    return None;
                }
            }
        }
    }

    /// Reads the next stretch; answers whether the caller may still follow.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let mut tx = self.app.store.read().await?;
        if self.trusted_for == 0 {
            if !self.may_follow(&mut tx).await? {
                return Ok(false);
            }
            self.trusted_for = KEY_EVERY;
        }
        self.trusted_for -= 1;
        let (settled, _) = self.app.settling.look(&mut tx).await?;
        if settled <= self.read_to {
            self.behind = false;
            return Ok(true);
        }
        let page = tx.events().told_after(self.audience, self.read_to, settled).await?;
        let wanted =
            |event: &RecordedEvent| self.kinds.is_empty() || self.kinds.contains(&event.kind);
        self.queue.extend(page.events.into_iter().filter(wanted).map(FeedItem::Event));
        self.behind = page.end < settled;
        self.read_to = page.end;
        Ok(true)
    }

    /// Whether the key is still there and acts on what it acted on.
    async fn may_follow(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let Some(key) = self.caller.key() else { return Ok(true) };
        let now = tx.keys().find_by_id(key.id).await?;
        Ok(now.is_some_and(|now| now.scope == key.scope))
    }
}

impl App {
    /// Follows what happens: to all numbers of a tenant's key, or to the one of a number's key. Begins
    /// with [`FeedItem::Ready`].
    ///
    /// # Errors
    ///
    /// [`Refusal::EventNotFound`] when the place to begin at is not known (any more),
    /// [`Refusal::NumberNotFound`] and [`Refusal::Validation`].
    pub async fn follow_events(
        &self,
        caller: Caller,
        wish: FeedWish,
    ) -> Result<EventFeed, AppError> {
        let kinds = wish.kinds.iter().map(|name| kind(name)).collect::<Result<_, Refusal>>()?;
        let number = self.number_to_follow(&caller, wish.number.as_deref()).await?;
        let audience = Audience { tenant: caller.tenant(), number };
        let present = self.settling.present(&self.store).await?;
        let mut tx = self.store.read().await?;
        let read_to = match wish.start {
            FeedStart::Now => present,
            FeedStart::Since(since) => tx.events().position_since(audience, since, present).await?,
            FeedStart::After(id) => after(&mut tx, audience, &id).await?,
        };
        let place = format!("{PLACE}{}", tx.events().seal_position(read_to)?);
        Ok(EventFeed {
            app: self.clone(),
            caller,
            audience,
            kinds,
            read_to,
            queue: [FeedItem::Ready { place }].into(),
            trusted_for: KEY_EVERY,
            behind: true,
        })
    }

    async fn number_to_follow(
        &self,
        caller: &Caller,
        named: Option<&str>,
    ) -> Result<Option<NumberId>, AppError> {
        match (caller.scope(), named) {
            (KeyScope::Number(own), _) => Ok(Some(own)),
            (KeyScope::Tenant, None) => Ok(None),
            (KeyScope::Tenant, Some(id)) => {
                Ok(Some(self.find_number(caller, parse_number_id(id)?).await?.id))
            }
        }
    }
}

/// An event's name, as a follower may ask for it.
fn kind(name: &str) -> Result<EventKind, Refusal> {
    name.parse()
        .ok()
        .filter(|kind| *kind != EventKind::WebhookTest)
        .ok_or_else(|| Refusal::Validation(format!("events: there is no event {name:?} to follow")))
}

/// The place that an id of a stream names.
async fn after(tx: &mut Tx, audience: Audience, id: &str) -> Result<Position, AppError> {
    let found = match id.strip_prefix(PLACE) {
        Some(sealed) => tx.events().open_position(sealed),
        None => match id.parse::<EventId>() {
            Ok(id) => tx.events().position_of(audience, id).await?,
            Err(_malformed) => None,
        },
    };
    Ok(found.ok_or(Refusal::EventNotFound)?)
}
