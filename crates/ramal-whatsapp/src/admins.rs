//! Who rules a group. What members may do there is not known from messages, so WhatsApp is asked.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use whatsapp_rust::{Client, GroupParticipant, Jid};

/// How long a batch of messages may wait for the answers.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many groups of one batch are asked about.
const AT_ONCE: usize = 16;

/// The admins of some groups, by every name that WhatsApp gives them.
#[derive(Debug, Default)]
pub(crate) struct Admins(HashMap<Jid, Vec<Jid>>);

impl Admins {
    /// Asks who the admins of `groups` are. Nobody is one of a group about which there is no answer.
    pub(crate) async fn of(client: &Client, groups: HashSet<&Jid>) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let asked = groups.into_iter().take(AT_ONCE).map(|group| async move {
            let answer = timeout_at(deadline, client.groups().get_metadata(group)).await;
            if let Ok(Ok(known)) = answer {
                return Some((group.clone(), rulers(known.participants)));
            }
            tracing::warn!("WhatsApp did not say who rules a group: a deletion is not believed");
            None
        });
        Self(join_all(asked).await.into_iter().flatten().collect())
    }

    /// Whether somebody of these names is an admin of a group.
    #[expect(single_use_lifetimes, reason = "an elided one is unstable here")]
    pub(crate) fn has<'a>(&self, group: &Jid, names: impl IntoIterator<Item = &'a Jid>) -> bool {
        let Some(admins) = self.0.get(group) else { return false };
        names.into_iter().any(|name| admins.iter().any(|admin| admin.is_same_chat_as(name)))
    }
}

fn rulers(members: Vec<GroupParticipant>) -> Vec<Jid> {
    let admins = members.into_iter().filter(GroupParticipant::is_admin);
    let names = |it: GroupParticipant| std::iter::once(it.jid).chain(it.phone_number).chain(it.lid);
    admins.flat_map(names).collect()
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::ParticipantType;

    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    #[test]
    fn an_admin_is_known_by_either_name_and_in_this_group_only() {
        let member = |lid: &str, phone: &str, participant_type| GroupParticipant {
            jid: jid(lid),
            phone_number: Some(jid(phone)),
            lid: None,
            username: None,
            participant_type,
            details: None,
        };
        let members = vec![
            member("900@lid", "5511999990002@s.whatsapp.net", ParticipantType::SuperAdmin),
            member("901@lid", "5511999990004@s.whatsapp.net", ParticipantType::Member),
        ];
        let admins = Admins([(jid("1@g.us"), rulers(members))].into());

        let has = |group: &str, name: &str| admins.has(&jid(group), [&jid(name)]);
        assert!(has("1@g.us", "900:3@lid") && has("1@g.us", "5511999990002@s.whatsapp.net"));
        assert!(!has("1@g.us", "901@lid") && !has("2@g.us", "900@lid"));
    }
}
