//! Updates that go on only as long as somebody sends pulses.

use aurora_api::model::{JobUpdateKey, JobUpdateStatus};

use crate::core::Core;
use crate::core::config::Millis;
use crate::core::store::Update;

/// When an update was last pulsed, and for how long that holds.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) timeout: Millis,
    pub(super) last: Millis,
}

impl Core {
    /// Whether the update needs a pulse that has not come.
    pub(super) fn is_blocked(&self, key: &JobUpdateKey) -> bool {
        let pulse = self.updates.pulses.get(key);
        pulse.is_some_and(|pulse| self.now.saturating_sub(pulse.last) >= pulse.timeout)
    }

    /// Pulses are never written down: the latest event stands for the last one, unless it says that there was none.
    pub(super) fn recover_pulse(&mut self, key: &JobUpdateKey) {
        let last = self.store.read().update(key).and_then(Update::last_event);
        let last = last.map_or(0, |event| match event.status {
            JobUpdateStatus::RollForwardAwaitingPulse | JobUpdateStatus::RollBackAwaitingPulse => 0,
            _ => event.timestamp_ms,
        });
        self.expect_pulses(key, last);
    }

    pub(super) fn expect_pulses(&mut self, key: &JobUpdateKey, last: Millis) {
        let update = self.store.read().update(key);
        let timeout = update.and_then(|update| {
            let settings = &update.update.instructions.settings;
            settings
                .block_if_no_pulses_after_ms
                .filter(|timeout| *timeout > 0)
        });
        if let Some(timeout) = timeout {
            let timeout = Millis::from(timeout);
            self.updates
                .pulses
                .insert(key.clone(), Pulse { timeout, last });
        }
    }
}
