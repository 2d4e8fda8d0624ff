//! What goes wrong with the next calls.

use serde::{Deserialize, Serialize};

use super::State;

/// A mishap that waits for calls.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fault {
    /// The route, as the list of calls names it, or `*`.
    pub(crate) route: String,
    /// Only calls of this method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    /// Only calls on this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// How many calls.
    pub(crate) times: u32,
    /// What happens to them.
    #[serde(flatten)]
    pub(crate) mishap: Mishap,
}

/// What happens to a call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Mishap {
    /// It is refused with this code.
    Code(i64),
    /// It is answered with this HTTP status and no JSON.
    Status(u16),
    /// It is never answered; `true`.
    Hang(bool),
    /// Its connection is cut, `"before"` or `"after"` it has taken effect.
    Drop(Cutting),
    /// It is accepted, and a status `failed` with this code follows; for messages.
    Fail(i64),
    /// It is refused with a code and a subcode.
    #[serde(untagged)]
    Subcode { code: i64, subcode: i64 },
}

/// When a connection is cut.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cutting {
    Before,
    After,
}

impl State {
    /// What happens to a call, and one such mishap fewer.
    pub(crate) fn take_fault(&mut self, method: &str, route: &str, id: &str) -> Option<Mishap> {
        let index = self.faults.iter().position(|fault| {
            (fault.route == "*" || fault.route == route)
                && fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && fault.id.as_deref().is_none_or(|wanted| wanted == id)
        })?;
        let fault = self.faults.get_mut(index)?;
        let mishap = fault.mishap.clone();
        fault.times = fault.times.saturating_sub(1);
        if fault.times == 0 {
            self.faults.remove(index);
        }
        Some(mishap)
    }
}
