//! What was asked, and what was answered.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

use crate::clock::Millis;

/// So many calls are remembered.
const LIMIT: usize = 5_000;

/// One call of Graph.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) at: Millis,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The path without the version and the id: what faults go by.
    pub(crate) route: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    /// JSON where it was JSON, otherwise text.
    pub(crate) body: Value,
    /// Nothing while it is not answered.
    pub(crate) status: Option<u16>,
    pub(crate) answer: Option<Value>,
}

/// The last calls, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Records {
    calls: VecDeque<Call>,
    next: u64,
}

impl Records {
    pub(crate) fn begin(&mut self, mut call: Call) -> u64 {
        self.next += 1;
        call.id = self.next;
        if self.calls.len() == LIMIT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        self.next
    }

    pub(crate) fn finish(&mut self, id: u64, status: u16, answer: Value) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.id == id) {
            call.status = Some(status);
            call.answer = Some(answer);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }
}
