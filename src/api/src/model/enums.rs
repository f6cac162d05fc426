//! Enumerations.

use crate::tables::enumeration;

enumeration! {
    /// How a call went.
    ResponseCode {
        InvalidRequest = 0 as "INVALID_REQUEST",
        Ok = 1 as "OK",
        Error = 2 as "ERROR",
        Warning = 3 as "WARNING",
        AuthFailed = 4 as "AUTH_FAILED",
        JobUpdatingError = 5 as "JOB_UPDATING_ERROR",
        ErrorTransient = 6 as "ERROR_TRANSIENT",
    }
}

enumeration! {
    /// A host's place in maintenance.
    MaintenanceMode {
        None = 1 as "NONE",
        Scheduled = 2 as "SCHEDULED",
        Draining = 3 as "DRAINING",
        Drained = 4 as "DRAINED",
    }
}

enumeration! {
    /// How a volume is mounted.
    Mode {
        Rw = 1 as "RW",
        Ro = 2 as "RO",
    }
}

enumeration! {
    /// What a cron run does when the previous one is still there.
    CronCollisionPolicy {
        KillExisting = 0 as "KILL_EXISTING",
        CancelNew = 1 as "CANCEL_NEW",
        RunOverlap = 2 as "RUN_OVERLAP",
    }
}

enumeration! {
    /// A task's state.
    ScheduleStatus {
        Pending = 0 as "PENDING",
        Starting = 1 as "STARTING",
        Running = 2 as "RUNNING",
        Finished = 3 as "FINISHED",
        Failed = 4 as "FAILED",
        Killed = 5 as "KILLED",
        Killing = 6 as "KILLING",
        Lost = 7 as "LOST",
        Assigned = 9 as "ASSIGNED",
        Init = 11 as "INIT",
        Restarting = 12 as "RESTARTING",
        Preempting = 13 as "PREEMPTING",
        Throttled = 16 as "THROTTLED",
        Draining = 17 as "DRAINING",
        Partitioned = 18 as "PARTITIONED",
    }
}

enumeration! {
    /// An update's state.
    JobUpdateStatus {
        RollingForward = 0 as "ROLLING_FORWARD",
        RollingBack = 1 as "ROLLING_BACK",
        RollForwardPaused = 2 as "ROLL_FORWARD_PAUSED",
        RollBackPaused = 3 as "ROLL_BACK_PAUSED",
        RolledForward = 4 as "ROLLED_FORWARD",
        RolledBack = 5 as "ROLLED_BACK",
        Aborted = 6 as "ABORTED",
        Error = 7 as "ERROR",
        Failed = 8 as "FAILED",
        RollForwardAwaitingPulse = 9 as "ROLL_FORWARD_AWAITING_PULSE",
        RollBackAwaitingPulse = 10 as "ROLL_BACK_AWAITING_PULSE",
    }
}

enumeration! {
    /// What an update did to an instance.
    JobUpdateAction {
        InstanceUpdated = 1 as "INSTANCE_UPDATED",
        InstanceRolledBack = 2 as "INSTANCE_ROLLED_BACK",
        InstanceUpdating = 3 as "INSTANCE_UPDATING",
        InstanceRollingBack = 4 as "INSTANCE_ROLLING_BACK",
        InstanceUpdateFailed = 5 as "INSTANCE_UPDATE_FAILED",
        InstanceRollbackFailed = 6 as "INSTANCE_ROLLBACK_FAILED",
    }
}

enumeration! {
    /// What became of a pulse.
    JobUpdatePulseStatus {
        Ok = 1 as "OK",
        Finished = 2 as "FINISHED",
    }
}
