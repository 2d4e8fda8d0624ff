//! Who somebody is: a contact has a phone number and a LID, and WhatsApp names either.

use ramal_domain::{Peer, PhoneNumber};
use whatsapp_rust::{Client, Jid};

/// What is known of a contact. At least one of the two, unless it is no person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) phone: Option<PhoneNumber>,
    /// Such as `900100200300@lid`.
    pub(crate) lid: Option<String>,
}

impl Identity {
    /// Puts together what the names say.
    #[expect(single_use_lifetimes, reason = "an elided one is unstable here")]
    pub(crate) fn named<'a>(names: impl IntoIterator<Item = &'a Jid>) -> Self {
        let mut found = Self::default();
        for jid in names {
            if found.phone.is_none() {
                found.phone = phone_of(jid);
            }
            if found.lid.is_none() && jid.is_lid() {
                found.lid = Some(jid.to_non_ad().to_string());
            }
        }
        found
    }

    /// Adds what the client has learned of this contact before.
    pub(crate) async fn learned(mut self, client: &Client) -> Self {
        let known = match (&self.phone, &self.lid) {
            (None, Some(lid)) => lid.parse::<Jid>().ok(),
            (Some(phone), None) => Some(Jid::pn(phone.digits())),
            (Some(_), Some(_)) | (None, None) => None,
        };
        let Some(known) = known else { return self };
        match client.get_lid_pn_entry(&known).await {
            Ok(Some(entry)) if self.phone.is_none() => {
                self.phone = PhoneNumber::from_whatsapp(&entry.phone_number).ok();
            }
            Ok(Some(entry)) => self.lid = Some(Jid::lid(&*entry.lid).to_string()),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a contact's other name could not be looked up"),
        }
        self
    }

    /// The name for customers: the phone number if it is known, else the LID, else `jid`.
    pub(crate) fn peer(&self, jid: &Jid) -> Peer {
        match (&self.phone, &self.lid) {
            (Some(phone), _) => Peer::Phone(phone.clone()),
            (None, Some(lid)) => Peer::Jid(lid.clone()),
            (None, None) => Peer::Jid(jid.to_non_ad().to_string()),
        }
    }
}

/// The phone number that a JID spells out.
pub(crate) fn phone_of(jid: &Jid) -> Option<PhoneNumber> {
    jid.is_pn().then(|| PhoneNumber::from_whatsapp(&jid.user).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    #[test]
    fn only_phone_number_jids_name_a_phone() {
        let phone = phone_of(&jid("5511999999999:3@s.whatsapp.net"));
        assert_eq!(phone, Some("5511999999999".parse().unwrap()));
        assert_eq!(phone_of(&jid("900100200300@lid")), None);
    }

    #[test]
    fn both_names_are_found_in_either_order_and_without_devices() {
        let (phone, lid) = (jid("5511999999999:3@s.whatsapp.net"), jid("900:3@lid"));
        let whole = Identity {
            phone: Some("5511999999999".parse().unwrap()),
            lid: Some("900@lid".to_owned()),
        };

        assert_eq!(Identity::named([&phone, &lid]), whole);
        assert_eq!(Identity::named([&lid, &phone]), whole);
        assert_eq!(whole.peer(&lid), Peer::Phone("5511999999999".parse().unwrap()));
        assert_eq!(Identity::named([&lid]).peer(&lid), Peer::Jid("900@lid".to_owned()));
        let channel = jid("120363@newsletter");
        assert_eq!(
            Identity::named([&channel]).peer(&channel),
            Peer::Jid("120363@newsletter".to_owned())
        );
    }
}
