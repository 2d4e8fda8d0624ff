//! How the media host fails when told to.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::control::ControlError;

/// Longer delays outlast every client's patience.
const MAX_DELAY_MS: u64 = 600_000;

/// What clients do with the media host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaAct {
    /// Sending bytes; asking how many have come always works.
    Upload,
    /// Fetching bytes.
    Download,
}

/// One way in which requests to the media host end badly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MediaFault {
    /// Only these requests; all unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<MediaAct>,
    /// Answer with this status, 400 to 599, instead of doing anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Wait so many milliseconds first, at most 600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Break off after so many bytes: an upload keeps what came and is answered 503, a download
    /// ends in the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_after: Option<u64>,
    /// How many requests; all until cleared unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl MediaFault {
    fn is_possible(&self) -> bool {
        let does_something =
            self.status.is_some() || self.delay_ms.is_some() || self.cut_after.is_some();
        does_something
            && self.status.is_none_or(|status| (400..=599).contains(&status))
            && self.delay_ms.is_none_or(|delay| delay <= MAX_DELAY_MS)
            && self.times != Some(0)
            && (self.status.is_none() || self.cut_after.is_none())
    }
}

/// The faults that wait for requests; the oldest that fits is met.
#[derive(Debug, Default)]
pub(crate) struct MediaFaults(Mutex<Vec<MediaFault>>);

impl MediaFaults {
    fn with<R>(&self, work: impl FnOnce(&mut Vec<MediaFault>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn add(&self, fault: MediaFault) -> Result<Vec<MediaFault>, ControlError> {
        if !fault.is_possible() {
            return Err(ControlError::MediaFault);
        }
        Ok(self.with(|faults| {
            faults.push(fault);
            faults.clone()
        }))
    }

    pub(crate) fn all(&self) -> Vec<MediaFault> {
        self.with(|faults| faults.clone())
    }

    pub(crate) fn clear(&self) {
        self.with(Vec::clear);
    }

    /// Takes the fault that a request runs into, if any.
    pub(super) fn meet(&self, act: MediaAct) -> MediaFault {
        self.with(|faults| {
            let fits = |fault: &MediaFault| fault.on.is_none_or(|on| on == act);
            let Some(index) = faults.iter().position(fits) else { return MediaFault::default() };
            let Some(fault) = faults.get_mut(index) else { return MediaFault::default() };
            let met = fault.clone();
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    faults.remove(index);
                }
            }
            met
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_its_kind_of_request_and_wears_out() {
        let faults = MediaFaults::default();
        let fault = MediaFault {
            on: Some(MediaAct::Upload),
            status: Some(503),
            times: Some(1),
            ..MediaFault::default()
        };
        faults.add(fault.clone()).unwrap();
        assert_eq!(faults.meet(MediaAct::Download), MediaFault::default());
        assert_eq!(faults.meet(MediaAct::Upload), fault);
        assert_eq!(faults.meet(MediaAct::Upload), MediaFault::default());
    }

    #[test]
    fn faults_that_make_no_sense_are_refused() {
        let nothing = MediaFault::default();
        let success = MediaFault { status: Some(200), ..MediaFault::default() };
        let never = MediaFault { status: Some(503), times: Some(0), ..MediaFault::default() };
        for fault in [nothing, success, never] {
            assert!(MediaFaults::default().add(fault).is_err());
        }
    }
}
