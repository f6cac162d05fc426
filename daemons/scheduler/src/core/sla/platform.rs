//! How long the platform gave a job's instances what they asked for (aurora: `SlaAlgorithm.AggregatePlatformUptime`).

use aurora_api::model::ScheduleStatus::{self, *};

use crate::core::config::Millis;

/// What an instance has from the platform, going by all its tasks' events in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Platform {
    /// It is not asked to run, or is on its way up for the first time.
    #[default]
    Removed,
    /// It should run, and the platform is why it does not.
    Down,
    /// It runs.
    Up,
}

impl Platform {
    /// The state after an event.
    pub(crate) fn after(self, event: ScheduleStatus) -> Platform {
        match event {
            Lost | Draining | Preempting => Platform::Down,
            Pending | Assigned | Starting if self == Platform::Down => Platform::Down,
            Pending | Assigned | Starting => Platform::Removed,
            Throttled | Finished | Restarting | Failed | Killing => Platform::Removed,
            Running | Partitioned => Platform::Up,
            Killed if self == Platform::Up => Platform::Down,
            Killed | Init => self,
        }
    }
}

/// How long instances have been in a state, together: a straight line for as long as none comes or goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    count: i64,
    offset: i64,
}

impl Clock {
    /// An instance comes.
    pub(crate) fn enter(&mut self, at: Millis) {
        self.count += 1;
        self.offset -= at;
    }

    /// An instance goes.
    pub(crate) fn leave(&mut self, at: Millis) {
        self.count -= 1;
        self.offset += at;
    }

    /// What adds up from one time to a later one, when nobody comes or goes after the earlier.
    pub(crate) fn at(&self, time: Millis) -> Millis {
        self.count * time + self.offset
    }
}
