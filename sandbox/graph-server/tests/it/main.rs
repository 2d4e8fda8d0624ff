//! The server over HTTP, as a client and a callback see it. Every answer, every accepted message and
//! every webhook is judged by Meta's own description, where that covers it.
#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "tests may fail loudly")]

mod callback;
mod control;
mod judge;
mod media;
mod onboarding;
mod rules;
mod sending;
mod signup;
mod webhooks;
mod world;
