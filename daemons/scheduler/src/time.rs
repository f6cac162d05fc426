//! The scheduler's time.

use std::time::{Duration, Instant};

use crate::core::Millis;

/// A clock that follows the machine's and never goes back.
///
/// A machine's clock may be set back, or be behind the newest entry of the log after a move to another machine. This one
/// then runs at half speed until the machine's has caught up: events keep their order, and everything that waits for a time
/// still comes to its end.
#[derive(Debug)]
pub(crate) struct Time {
    now: Millis,
    looked: Instant,
    /// What was left of a millisecond at half speed.
    rest: Duration,
}

impl Time {
    /// A clock that shows what the machine's does, or `least` if that is later.
    pub(crate) fn new(least: Millis, machine: Millis) -> Time {
        if machine < least {
            tracing::warn!(
                behind_ms = least - machine,
                "this machine's clock is behind the newest entry of the log; until it has caught up the scheduler's time runs at half speed, and deadlines take twice as long: check the time service"
            );
        }
        Time {
            now: least.max(machine),
            looked: Instant::now(),
            rest: Duration::ZERO,
        }
    }

    /// What it showed when it was last looked at.
    pub(crate) fn shown(&self) -> Millis {
        self.now
    }

    /// Looks at it.
    pub(crate) fn now(&mut self, machine: Millis) -> Millis {
        self.at(machine, Instant::now())
    }

    fn at(&mut self, machine: Millis, moment: Instant) -> Millis {
        let passed = moment.saturating_duration_since(self.looked) / 2 + self.rest;
        self.looked = moment;
        if machine >= self.now {
            self.now = machine;
            self.rest = Duration::ZERO;
        } else {
            let whole = passed.as_millis();
            self.rest = passed - Duration::from_millis(whole as u64);
            self.now = self
                .now
                .saturating_add(i64::try_from(whole).unwrap_or(i64::MAX));
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What really passed since the start, what the machine's clock shows, and what this one does.
    #[test]
    fn it_follows_the_machine_and_waits_for_it_at_half_speed() {
        let mut time = Time::new(5_000, 1_000);
        let start = time.looked;
        for (passed, machine, shown) in [
            (0, 1_000, 5_000),
            (10, 1_010, 5_005),
            // Two looks that are a millisecond apart make one together.
            (11, 1_011, 5_005),
            (12, 1_012, 5_006),
            (8_000, 9_000, 9_000),
            (9_000, 10_000, 10_000),
            // Set back by an hour.
            (10_000, 10_000 - 3_600_000, 10_500),
            (12_000, 12_000 - 3_600_000, 11_500),
            // And set right again.
            (13_000, 13_000, 13_000),
        ] {
            let moment = start + Duration::from_millis(passed);
            assert_eq!(time.at(machine, moment), shown, "after {passed} ms");
        }
    }
}
