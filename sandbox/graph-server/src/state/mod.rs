//! Everything that the server knows, behind one lock.

mod account;
mod contact;
mod fault;
mod message;
mod number;
mod record;
mod settings;
mod template;

use std::collections::BTreeMap;

pub(crate) use account::{
    App, AppCallback, Code, FIELDS as WEBHOOK_FIELDS, Override, Token, TokenEnd, Waba,
};
pub(crate) use contact::{Contact, Person};
pub(crate) use fault::{Cutting, Fault, Mishap};
pub(crate) use message::{Received, Sent, StatusChange};
pub(crate) use number::{Media, Number};
pub(crate) use record::{Call, Records};
pub(crate) use settings::{Settings, SignatureMode, WindowErrors};
pub(crate) use template::{Template, variables_in};

use crate::{clock::Clock, webhooks::Outbox};

/// How long a person's message keeps the window open.
pub(crate) const WINDOW_SECONDS: i64 = 24 * 60 * 60;
const FIRST_ID: u64 = 100_000_000_000_001;

/// The whole world.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) codes: BTreeMap<String, Code>,
    pub(crate) wabas: BTreeMap<String, Waba>,
    pub(crate) numbers: BTreeMap<String, Number>,
    pub(crate) media: BTreeMap<String, Media>,
    pub(crate) contacts: BTreeMap<String, Contact>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) received: Vec<Received>,
    /// When a person last wrote to a number, in seconds.
    pub(crate) windows: BTreeMap<(String, String), i64>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) calls: Records,
    pub(crate) outbox: Outbox,
    pub(crate) settings: Settings,
    next_id: u64,
    next_number: u32,
    next_place: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            apps: BTreeMap::new(),
            tokens: BTreeMap::new(),
            codes: BTreeMap::new(),
            wabas: BTreeMap::new(),
            numbers: BTreeMap::new(),
            media: BTreeMap::new(),
            contacts: BTreeMap::new(),
            sent: Vec::new(),
            received: Vec::new(),
            windows: BTreeMap::new(),
            faults: Vec::new(),
            calls: Records::default(),
            outbox: Outbox::default(),
            settings: Settings::default(),
            next_id: FIRST_ID,
            next_number: 1,
            next_place: 0,
        }
    }
}

impl State {
    /// An id that no object has: all objects share one name space.
    pub(crate) fn mint_id(&mut self) -> String {
        loop {
            let id = self.next_id.to_string();
            self.next_id += 1;
            if !self.is_taken(&id) {
                return id;
            }
        }
    }

    /// The place of a new message among all: several may share a millisecond.
    pub(crate) fn mint_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }

    /// A phone number that no business has, in digits.
    pub(crate) fn mint_number(&mut self) -> String {
        loop {
            let digits = format!("1555{:07}", self.next_number);
            self.next_number += 1;
            if self.number_by_digits(&digits).is_none() {
                return digits;
            }
        }
    }

    /// Whether an object of any kind has this id.
    pub(crate) fn is_taken(&self, id: &str) -> bool {
        self.apps.contains_key(id)
            || self.wabas.contains_key(id)
            || self.numbers.contains_key(id)
            || self.media.contains_key(id)
    }

    pub(crate) fn number_by_digits(&self, digits: &str) -> Option<&Number> {
        self.numbers.values().find(|number| number.digits == digits)
    }

    /// The numbers of an account, oldest first.
    pub(crate) fn numbers_of<'a>(&'a self, waba: &'a str) -> impl Iterator<Item = &'a Number> {
        self.numbers.values().filter(move |number| number.waba_id == waba && !number.is_deleted())
    }

    /// The portfolio that a number belongs to.
    pub(crate) fn business_of(&self, number: &Number) -> String {
        self.wabas.get(&number.waba_id).map(|waba| waba.business_id.clone()).unwrap_or_default()
    }

    /// Whether a person has written to a number within the last 24 hours.
    pub(crate) fn window_is_open(&self, phone_id: &str, person: &str) -> bool {
        let key = (phone_id.to_owned(), person.to_owned());
        let now = self.clock.seconds();
        self.windows.get(&key).is_some_and(|last| now - last < WINDOW_SECONDS)
    }
}
