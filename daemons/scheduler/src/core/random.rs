//! The only source of chance in the core: seeded, so that a run can be repeated.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::config::Millis;

#[derive(Clone, Debug)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn seed(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// A number from 0 to `bound` - 1; 0 when the bound is not positive.
    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        let Ok(bound) = u64::try_from(bound) else {
            return 0;
        };
        // The bias is below 2^-32 for every span that the scheduler uses.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as i64
    }

    /// The wait after `last`: about twice as long each time, up to `max` (aurora: `TruncatedBinaryBackoff.java`).
    pub(crate) fn backoff(&mut self, last: Millis, initial: Millis, max: Millis) -> Millis {
        let half = if last == 0 { initial } else { last };
        half.saturating_add(self.below(half.saturating_add(1)))
            .min(max)
    }
}
