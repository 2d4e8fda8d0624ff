//! How much may wait to be sent from one number: `numbers.queue_max` and `numbers.queue_media_max`.
//!
//! # Theory of operation
//!
//! Counting a queue reads all of it, and most messages come while it is short. So it is counted once in a
//! while, by a reader and before anything is written; until then whoever accepts a message takes its room
//! from what that found. What leaves the queue meanwhile is not given back: when the room seems to be
//! used up it is counted again, but not more than once a second. The memory is one process's, as the
//! database is; requests that count at the same moment may go beyond the limit by as many.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ramal_domain::{NumberId, Timestamp};

use crate::{App, AppError, Options, Refusal};

/// How long a number whose queue is full is believed to be so.
const RECOUNT: Duration = Duration::from_secs(1);

/// What is left in one number's queue, as far as is known.
#[derive(Clone, Copy, Debug)]
struct Room {
    messages: u64,
    /// Unknown until the first message with bytes.
    bytes: Option<u64>,
    counted_at: Timestamp,
}

/// What came of asking for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taking {
    Taken,
    Full,
    /// It has to be counted.
    Unknown,
}

impl Room {
    fn take(&mut self, bytes: u64, now: Timestamp) -> Taking {
        let media = if bytes == 0 { Some(0) } else { self.bytes };
        let Some(media) = media else { return Taking::Unknown };
        if self.messages > 0 && media >= bytes {
            self.messages -= 1;
            self.bytes = self.bytes.map(|left| left - bytes);
            return Taking::Taken;
        }
        if now.since(self.counted_at) < RECOUNT { Taking::Full } else { Taking::Unknown }
    }
}

/// What is left in queues. A number that is not there is counted first.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<HashMap<NumberId, Room>>);

impl Rooms {
    fn take(&self, number: NumberId, bytes: u64, now: Timestamp) -> Taking {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.get_mut(&number).map_or(Taking::Unknown, |room| room.take(bytes, now))
    }

    fn put(&self, number: NumberId, room: Room) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, room);
    }

    /// Forgets all that was counted, so that what has left since counts no longer.
    pub(crate) fn tidy(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A limit of 0 is none.
const fn limit(limit: u64) -> u64 {
    if limit == 0 { u64::MAX } else { limit }
}

impl App {
    /// Takes room for one message in a number's queue, with so many bytes of media.
    pub(crate) async fn take_room(&self, number: NumberId, bytes: usize) -> Result<(), AppError> {
        let Options { queue_max, queue_media_max, .. } = self.options;
        if queue_max == 0 && (queue_media_max == 0 || bytes == 0) {
            return Ok(());
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let now = self.clock.now();
        let mut taking = self.rooms.take(number, bytes, now);
        if taking == Taking::Unknown {
            self.rooms.put(number, self.count_room(number, bytes > 0, now).await?);
            taking = self.rooms.take(number, bytes, now);
        }
        if taking == Taking::Taken { Ok(()) } else { Err(Refusal::QueueFull.into()) }
    }

    async fn count_room(
        &self,
        number: NumberId,
        with_bytes: bool,
        now: Timestamp,
    ) -> Result<Room, AppError> {
        let Options { queue_max, queue_media_max, .. } = self.options;
        let mut tx = self.store.read().await?;
        let waiting = tx.messages().count_queued(number, queue_max).await?;
        let messages = limit(queue_max.into()).saturating_sub(waiting);
        let bytes = if with_bytes {
            let waiting = tx.messages().queued_bytes(number).await?;
            Some(limit(queue_media_max).saturating_sub(waiting))
        } else {
            None
        };
        Ok(Room { messages, bytes, counted_at: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    #[test]
    fn room_is_taken_until_it_is_used_up_and_counted_again_after_a_second() {
        let (rooms, number) = (Rooms::default(), NumberId::mint());
        assert_eq!(rooms.take(number, 0, NOW), Taking::Unknown);
        rooms.put(number, Room { messages: 2, bytes: None, counted_at: NOW });

        assert_eq!(rooms.take(number, 0, NOW), Taking::Taken);
        assert_eq!(rooms.take(number, 1, NOW), Taking::Unknown, "its media were not counted");
        assert_eq!(rooms.take(number, 0, NOW), Taking::Taken);
        assert_eq!(rooms.take(number, 0, NOW), Taking::Full);
        assert_eq!(rooms.take(number, 0, NOW.after(RECOUNT)), Taking::Unknown);
        rooms.tidy();
        assert_eq!(rooms.take(number, 0, NOW), Taking::Unknown);
    }

    #[test]
    fn media_that_do_not_fit_keep_no_text_out() {
        let mut room = Room { messages: 9, bytes: Some(10), counted_at: NOW };
        assert_eq!(room.take(7, NOW), Taking::Taken);
        assert_eq!(room.take(7, NOW), Taking::Full);
        assert_eq!(room.take(3, NOW), Taking::Taken);
        assert_eq!(room.take(0, NOW), Taking::Taken);
    }
}
