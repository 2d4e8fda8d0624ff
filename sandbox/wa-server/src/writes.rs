//! What a phone's user can send, how the phone behaves, and what the media host is told.

use std::{path::PathBuf, sync::Arc};

use crate::{
    WaServer,
    control::ControlError,
    hub::{Conduct, ConductChange, Label},
    media::{MediaFault, Stored, Token, in_background},
    number::PhoneNumber,
    phone::{MediaState, Message},
    writing::{Recipient, Writing},
};

impl WaServer {
    /// Sends whatever it is from a phone.
    ///
    /// # Errors
    /// [`ControlError`] when it makes no sense, or the phone cannot send it there.
    pub async fn send(
        &self,
        from: &PhoneNumber,
        to: &Recipient,
        writing: Writing,
    ) -> Result<Message, ControlError> {
        let draft = writing.prepare(to, &self.media_host().store).await?;
        let sent = self.with(|state| match to {
            Recipient::Number(number) => state.write(from, number, &draft),
            Recipient::Group(id) => state.write_to_group(id, from, &draft),
            Recipient::Channel(id) => state.post(id, Some(from), &draft),
            Recipient::Status(contacts) => state.post_status(from, contacts, &draft),
        });
        Ok(sent?)
    }

    /// Posts whatever it is to a channel, from its owner's phone.
    ///
    /// # Errors
    /// [`ControlError`] when it makes no sense, or there is no such channel.
    pub async fn post(&self, id: &str, writing: Writing) -> Result<Message, ControlError> {
        let channel = Recipient::Channel(id.to_owned());
        let draft = writing.prepare(&channel, &self.media_host().store).await?;
        Ok(self.with(|state| state.post(id, None, &draft))?)
    }

    /// How a phone behaves towards those who write to it.
    pub fn conduct(&self, number: &PhoneNumber) -> Conduct {
        self.with(|state| state.conduct(number))
    }

    /// Changes how a phone behaves.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's keys cannot be made.
    pub fn set_conduct(
        &self,
        number: &PhoneNumber,
        change: ConductChange,
    ) -> Result<Conduct, ControlError> {
        Ok(self.with(|state| state.set_conduct(number, change))?)
    }

    /// Where a phone keeps the attachment of a message, and its media type.
    ///
    /// # Errors
    /// [`ControlError`] when the phone has no such message, or not the attachment.
    pub fn attachment(
        &self,
        number: &PhoneNumber,
        id: &str,
    ) -> Result<(PathBuf, String), ControlError> {
        let message = self.message(number, id)?;
        let media = message.details.media.ok_or(ControlError::UnknownMedia)?;
        match media.state {
            MediaState::Pending => return Err(ControlError::MediaPending),
            MediaState::Failed => return Err(ControlError::MediaFailed),
            MediaState::Ready => {}
        }
        let hash = hex::decode(&media.sha256).map_err(ControlError::internal)?;
        let mime = media.mime.unwrap_or_else(|| "application/octet-stream".to_owned());
        Ok((self.media_host().store.plain(&hash), mime))
    }

    fn message(&self, number: &PhoneNumber, id: &str) -> Result<Message, ControlError> {
        let all = self.messages(number);
        all.into_iter().rfind(|message| message.id == id).ok_or(ControlError::UnknownMessage)
    }

    /// The labels of a number's chats, as its companions have set them.
    pub fn labels(&self, number: &PhoneNumber) -> Vec<Label> {
        self.with(|state| state.labels(number))
    }

    /// Everything that is on the media host.
    ///
    /// # Errors
    /// [`ControlError`] when its folder cannot be read.
    pub(crate) async fn stored_media(&self) -> Result<Vec<Stored>, ControlError> {
        let store = Arc::clone(&self.media_host().store);
        in_background(move || store.list()).await.map_err(ControlError::internal)
    }

    /// Deletes the attachment of a message from the media host. Phones that have it keep it.
    ///
    /// # Errors
    /// [`ControlError`] when there is no such message, or nothing on the media host.
    pub async fn delete_media(&self, number: &PhoneNumber, id: &str) -> Result<(), ControlError> {
        let (token, store) = (self.token(number, id)?, Arc::clone(&self.media_host().store));
        let removed = in_background(move || store.remove(&token)).await;
        found(removed.map_err(ControlError::internal)?)
    }

    /// Spoils the attachment of a message on the media host.
    ///
    /// # Errors
    /// [`ControlError`] when there is no such message, or nothing on the media host.
    pub async fn tamper_with_media(
        &self,
        number: &PhoneNumber,
        id: &str,
    ) -> Result<(), ControlError> {
        let (token, store) = (self.token(number, id)?, Arc::clone(&self.media_host().store));
        let tampered = in_background(move || store.tamper(&token)).await;
        found(tampered.map_err(ControlError::internal)?)
    }

    fn token(&self, number: &PhoneNumber, id: &str) -> Result<Token, ControlError> {
        let media = self.message(number, id)?.details.media.ok_or(ControlError::UnknownMedia)?;
        self.media_host().store.token_of(&media.direct_path).ok_or(ControlError::UnknownMedia)
    }

    /// The faults that wait for requests to the media host.
    pub fn media_faults(&self) -> Vec<MediaFault> {
        self.media_host().faults.all()
    }

    /// Lets requests to the media host end badly.
    ///
    /// # Errors
    /// [`ControlError`] when the fault makes no sense.
    pub fn add_media_fault(&self, fault: MediaFault) -> Result<Vec<MediaFault>, ControlError> {
        self.media_host().faults.add(fault)
    }

    /// Forgets the faults that wait for requests to the media host.
    pub fn clear_media_faults(&self) {
        self.media_host().faults.clear();
    }

    /// Lets all authentications for the media host expire.
    pub fn expire_media_auth(&self) {
        self.with(crate::hub::State::expire_media_auth);
    }
}

fn found(found: bool) -> Result<(), ControlError> {
    if found { Ok(()) } else { Err(ControlError::UnknownMedia) }
}
