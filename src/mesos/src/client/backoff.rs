//! Pauses between attempts: doubling up to a limit, each at a random place in its interval.

use std::time::Duration;

use rand::RngExt as _;

#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            next: first,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The pause before the next attempt: between a half and the whole of the interval.
    pub(crate) fn pause(&mut self) -> Duration {
        let interval = self.next;
        self.next = (interval * 2).min(self.limit);
        interval.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// Somewhere in `[0, limit]`.
pub(crate) fn random_up_to(limit: Duration) -> Duration {
    limit.mul_f64(rand::rng().random_range(0.0..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_over() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(4));
        for interval in [1, 2, 4, 4, 4] {
            let pause = backoff.pause();
            assert!(
                pause >= seconds(interval) / 2 && pause <= seconds(interval),
                "{pause:?} of {interval}"
            );
        }
        backoff.reset();
        assert!(backoff.pause() <= seconds(1));
    }
}
