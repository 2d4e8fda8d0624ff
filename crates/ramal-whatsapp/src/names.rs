//! What groups and channels are called. Messages do not say it, so WhatsApp is asked, now and then.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use whatsapp_rust::{Client, Jid, wacore_binary::JidExt as _};

/// How many names are remembered. When the memory is full it starts anew.
const NAMES: usize = 4_096;
/// How long a batch of messages may wait for the names of its places: WhatsApp answers at once or
/// not at all, and a message without the name of its group is better than a late one.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many places of one batch are asked about.
const AT_ONCE: usize = 16;
/// How long a name is believed. New names of groups are told by WhatsApp.
const FRESH: Duration = Duration::from_hours(1);
/// How long nobody asks again after there was no answer.
const QUIET: Duration = Duration::from_mins(1);

/// The names that one client knows. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<Jid, Known>>>);

struct Known {
    name: Option<String>,
    /// When to ask again.
    until: Instant,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

impl Names {
    /// Asks about those of `places` whose names are not known, and waits a little.
    pub(crate) async fn ask(&self, client: &Client, places: HashSet<&Jid>) {
        let now = Instant::now();
        let unknown = places.into_iter().filter(|place| self.is_due(place, now)).take(AT_ONCE);
        let deadline = now + PATIENCE;
        let asked = unknown.map(|place| async move {
            let answer = timeout_at(deadline, name_of(client, place)).await;
            let name = answer.ok().flatten();
            self.remember(place, name, now);
        });
        join_all(asked).await;
    }

    /// The name of a place, if it is known.
    pub(crate) fn get(&self, place: &Jid) -> Option<String> {
        self.lock().get(place).and_then(|known| known.name.clone())
    }

    /// Notes the name that somebody has told.
    pub(crate) fn learn(&self, place: &Jid, name: &str) {
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        self.remember(place, name, Instant::now());
    }

    fn is_due(&self, place: &Jid, now: Instant) -> bool {
        self.lock().get(place).is_none_or(|known| known.until <= now)
    }

    fn remember(&self, place: &Jid, name: Option<String>, now: Instant) {
        let mut known = self.lock();
        if known.len() >= NAMES {
            known.clear();
        }
        let believed = if name.is_some() { FRESH } else { QUIET };
        // An old name is better than none.
        let name = name.or_else(|| known.get(place).and_then(|known| known.name.clone()));
        known.insert(place.clone(), Known { name, until: now + believed });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Jid, Known>> {
        // Nothing is done under the lock but single operations.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn name_of(client: &Client, place: &Jid) -> Option<String> {
    let name = if place.is_newsletter() {
        client.newsletter().get_metadata(place).await.map(|channel| channel.name).ok()
    } else {
        client.groups().get_metadata(place).await.map(|group| group.subject).ok()
    };
    name.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn names_are_believed_for_a_while_and_kept_when_nobody_answers() {
        let (names, group): (Names, Jid) = (Names::default(), "1@g.us".parse().unwrap());
        assert!(names.is_due(&group, Instant::now()));

        names.learn(&group, "Family");
        assert!(!names.is_due(&group, Instant::now()));
        tokio::time::advance(FRESH).await;
        assert!(names.is_due(&group, Instant::now()));

        names.remember(&group, None, Instant::now());
        assert_eq!(names.get(&group).as_deref(), Some("Family"));
        assert!(!names.is_due(&group, Instant::now()), "asked a moment ago");
        tokio::time::advance(QUIET).await;
        assert!(names.is_due(&group, Instant::now()));
    }

    #[tokio::test]
    async fn the_memory_for_names_ends() {
        let names = Names::default();
        for number in 0..=NAMES {
            names.learn(&format!("{number}@g.us").parse().unwrap(), "x");
        }

        assert!(names.lock().len() <= NAMES);
        assert_eq!(names.get(&format!("{NAMES}@g.us").parse().unwrap()).as_deref(), Some("x"));
    }
}
