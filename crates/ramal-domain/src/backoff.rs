//! How long to wait before trying again.

use std::time::Duration;

/// Exponential backoff between two bounds, with jitter that the caller draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest delay, and the ceiling of the first one.
    pub base: Duration,
    /// The longest delay.
    pub cap: Duration,
}

impl Backoff {
    /// How long to wait before retry number `retry`, counted from 0.
    ///
    /// `jitter` is a fraction in `0.0..=1.0`; values outside are clamped. The ceiling doubles with
    /// each retry; the delay lies between half the ceiling and the ceiling, and never leaves
    /// `base..=cap`.
    pub fn delay(&self, retry: u32, jitter: f64) -> Duration {
        let factor = 2_u32.saturating_pow(retry.min(31));
        let ceiling = self.base.saturating_mul(factor).min(self.cap);
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
        ceiling.mul_f64(0.5 + jitter / 2.0).clamp(self.base.min(self.cap), self.cap)
    }

    /// [`Backoff::delay`] with jitter from the thread's random generator.
    pub fn jittered(&self, retry: u32) -> Duration {
        self.delay(retry, rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_never_leaves_its_window(retry in any::<u32>(), jitter in -1.0_f64..2.0) {
            let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) };
            let delay = backoff.delay(retry, jitter);
            prop_assert!(delay >= backoff.base && delay <= backoff.cap, "{delay:?}");
        }
    }

    #[test]
    fn the_ceiling_doubles() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(5) };

        let delays: Vec<_> = (0..4).map(|retry| backoff.delay(retry, 1.0).as_secs()).collect();

        assert_eq!(delays, [1, 2, 4, 8]);
    }
}
