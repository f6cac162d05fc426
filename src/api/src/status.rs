//! Groups of task and update states (aurora: the constants of `api.thrift`).

use crate::model::{JobUpdateStatus, ScheduleStatus};

impl ScheduleStatus {
    /// Whether the task has ended for good.
    pub const fn is_terminal(self) -> bool {
        use ScheduleStatus::*;
        match self {
            Finished | Failed | Killed | Lost => true,
            Init | Throttled | Pending | Assigned | Starting | Running | Killing | Restarting
            | Preempting | Draining | Partitioned => false,
        }
    }

    /// Whether the task counts as one of its job's instances: everything but terminal states and INIT.
    pub const fn is_active(self) -> bool {
        !self.is_terminal() && !matches!(self, ScheduleStatus::Init)
    }

    /// Whether the task holds resources on an agent.
    pub const fn is_agent_assigned(self) -> bool {
        use ScheduleStatus::*;
        match self {
            Assigned | Starting | Running | Killing | Restarting | Preempting | Draining
            | Partitioned => true,
            Init | Throttled | Pending | Finished | Failed | Killed | Lost => false,
        }
    }

    /// Whether the task's processes are thought to exist.
    pub const fn is_live(self) -> bool {
        use ScheduleStatus::*;
        match self {
            Running | Killing | Restarting | Preempting | Draining | Partitioned => true,
            Init | Throttled | Pending | Assigned | Starting | Finished | Failed | Killed
            | Lost => false,
        }
    }
}

impl JobUpdateStatus {
    /// Whether the update may still change instances.
    pub const fn is_active(self) -> bool {
        use JobUpdateStatus::*;
        match self {
            RollingForward
            | RollingBack
            | RollForwardPaused
            | RollBackPaused
            | RollForwardAwaitingPulse
            | RollBackAwaitingPulse => true,
            RolledForward | RolledBack | Aborted | Error | Failed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ScheduleStatus;

    fn names(of: fn(ScheduleStatus) -> bool) -> Vec<&'static str> {
        let mut names: Vec<_> = ScheduleStatus::ALL
            .iter()
            .filter(|status| of(**status))
            .map(|status| status.name())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn groups_are_upstreams() {
        assert_eq!(
            names(ScheduleStatus::is_active).join(" "),
            "ASSIGNED DRAINING KILLING PARTITIONED PENDING PREEMPTING RESTARTING RUNNING STARTING THROTTLED"
        );
        assert_eq!(
            names(ScheduleStatus::is_agent_assigned).join(" "),
            "ASSIGNED DRAINING KILLING PARTITIONED PREEMPTING RESTARTING RUNNING STARTING"
        );
        assert_eq!(
            names(ScheduleStatus::is_live).join(" "),
            "DRAINING KILLING PARTITIONED PREEMPTING RESTARTING RUNNING"
        );
        assert_eq!(
            names(ScheduleStatus::is_terminal).join(" "),
            "FAILED FINISHED KILLED LOST"
        );
    }

    #[test]
    fn updates_are_active_until_they_end() {
        use crate::model::JobUpdateStatus::*;
        let active = crate::model::JobUpdateStatus::ALL
            .iter()
            .filter(|status| status.is_active());
        let expected = [
            RollingForward,
            RollingBack,
            RollForwardPaused,
            RollBackPaused,
            RollForwardAwaitingPulse,
            RollBackAwaitingPulse,
        ];
        assert_eq!(active.copied().collect::<Vec<_>>(), expected);
    }
}
