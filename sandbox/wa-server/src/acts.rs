//! What a phone's user can do beyond linking and texting.

use serde_json::Value;

use crate::{
    WaServer,
    control::ControlError,
    hub::{
        Addressing, Call, ChannelView, ChatAddressing, Draft, Fault, Faults, GroupView,
        HistorySize, InvalidFault, PasskeyGate, PasskeyView, Typing, TypingState,
    },
    number::PhoneNumber,
    phone::{Message, OldChat},
};

impl WaServer {
    /// Says whether linking to a phone takes a passkey.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's keys cannot be made.
    pub fn set_passkey_gate(
        &self,
        number: &PhoneNumber,
        gate: PasskeyGate,
    ) -> Result<PasskeyView, ControlError> {
        Ok(self.with(|state| state.set_passkey_gate(number, gate))?)
    }

    /// The passkey gate of a phone and the last companion at it.
    pub fn passkey(&self, number: &PhoneNumber) -> PasskeyView {
        self.with(|state| state.passkey(number))
    }

    /// Lets the phone's authenticator answer a `WebAuthn` request.
    ///
    /// # Errors
    /// [`ControlError`] when the options hold no challenge or name another site.
    pub fn assert_passkey(
        &self,
        number: &PhoneNumber,
        options: &Value,
    ) -> Result<Value, ControlError> {
        let assertion = self.with(|state| state.assert_passkey(number, options))?;
        assertion.ok_or(ControlError::PasskeyOptions)
    }

    /// Calls a number from a phone.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's cryptography fails.
    pub fn call(
        &self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        video: bool,
    ) -> Result<Call, ControlError> {
        Ok(self.with(|state| state.call(from, to, video))?)
    }

    /// The calls from and to a number, newest last.
    pub fn calls(&self, number: &PhoneNumber) -> Vec<Call> {
        self.with(|state| state.calls_of(number))
    }

    /// Hangs up a call that a phone has made.
    ///
    /// # Errors
    /// [`ControlError`] when the phone has made no such call.
    pub fn hang_up(&self, from: &PhoneNumber, id: &str) -> Result<Call, ControlError> {
        Ok(self.with(|state| state.hang_up(from, id))?)
    }

    /// Makes a group of phones.
    ///
    /// # Errors
    /// [`ControlError`] when a phone's keys cannot be made.
    pub fn create_group(
        &self,
        creator: &PhoneNumber,
        subject: &str,
        members: &[PhoneNumber],
        addressing: Addressing,
    ) -> Result<GroupView, ControlError> {
        Ok(self.with(|state| state.create_group(creator, subject, members, addressing))?)
    }

    /// All groups.
    pub fn groups(&self) -> Vec<GroupView> {
        self.with(|state| state.group_views())
    }

    /// Writes a text to a group from a member's phone.
    ///
    /// # Errors
    /// [`ControlError`] when there is no such group, or the phone is not in it.
    pub fn write_to_group(
        &self,
        id: &str,
        from: &PhoneNumber,
        text: &str,
    ) -> Result<Message, ControlError> {
        Ok(self.with(|state| state.write_to_group(id, from, &Draft::from(text)))?)
    }

    /// Posts a status text that some contacts see.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's cryptography fails.
    pub fn post_status(
        &self,
        from: &PhoneNumber,
        contacts: &[PhoneNumber],
        text: &str,
    ) -> Result<Message, ControlError> {
        Ok(self.with(|state| state.post_status(from, contacts, &Draft::from(text)))?)
    }

    /// Opens a channel.
    ///
    /// # Errors
    /// [`ControlError`] when the owner's keys cannot be made.
    pub fn create_channel(
        &self,
        owner: &PhoneNumber,
        name: &str,
    ) -> Result<ChannelView, ControlError> {
        Ok(self.with(|state| state.create_channel(owner, name))?)
    }

    /// All channels.
    pub fn channels(&self) -> Vec<ChannelView> {
        self.with(|state| state.channel_views())
    }

    /// Lets a number follow a channel, or follow it no longer.
    ///
    /// # Errors
    /// [`ControlError`] when there is no such channel.
    pub fn follow(
        &self,
        id: &str,
        number: &PhoneNumber,
        follows: bool,
    ) -> Result<ChannelView, ControlError> {
        Ok(self.with(|state| state.follow(id, number, follows))?)
    }

    /// Gives a phone old messages, for companions that are linked from now on.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's keys cannot be made.
    pub fn set_history(
        &self,
        number: &PhoneNumber,
        chats: Vec<OldChat>,
    ) -> Result<HistorySize, ControlError> {
        Ok(self.with(|state| state.set_history(number, chats))?)
    }

    /// The old messages of a phone.
    pub fn history(&self, number: &PhoneNumber) -> Vec<OldChat> {
        self.with(|state| state.history(number))
    }

    /// Says how a phone addresses a chat from now on.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's keys cannot be made.
    pub fn set_addressing(
        &self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        addressing: ChatAddressing,
    ) -> Result<(), ControlError> {
        Ok(self.with(|state| state.set_addressing(from, to, addressing))?)
    }

    /// Lets a phone type, or stop typing, in a chat.
    pub fn type_to(&self, from: &PhoneNumber, to: &PhoneNumber, how: TypingState) {
        self.with(|state| state.type_to(from, to, how));
    }

    /// Who was seen typing to a phone last, and how.
    pub fn typing(&self, number: &PhoneNumber) -> Vec<Typing> {
        self.with(|state| state.typing(number))
    }

    /// Lets logins, or live sessions, of one phone or of everybody end badly.
    ///
    /// # Errors
    /// [`InvalidFault`] when the fault makes no sense.
    pub fn add_fault(
        &self,
        number: Option<&PhoneNumber>,
        fault: Fault,
    ) -> Result<Faults, InvalidFault> {
        self.with(|state| state.add_fault(number, fault))
    }

    /// The faults that wait for logins.
    pub fn faults(&self, number: Option<&PhoneNumber>) -> Faults {
        self.with(|state| state.faults_of(number))
    }

    /// Forgets the faults that wait for a phone, or for everybody.
    pub fn clear_faults(&self, number: Option<&PhoneNumber>) -> Faults {
        self.with(|state| state.clear_faults(number));
        self.faults(number)
    }
}
