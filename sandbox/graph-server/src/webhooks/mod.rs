//! What apps are told: values, routing, bytes, and the posting of them.

mod bytes;
mod outbox;
mod route;
pub(crate) mod statuses;
mod verify;
mod worker;

pub(crate) use outbox::{Delivery, Outbox};
pub(crate) use route::{about_account, about_number, contact, to_app};
pub(crate) use worker::run;
