//! Tasks and queries for them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

r#struct! {
    /// One step in a task's life. `timestamp` is milliseconds since 1970.
    TaskEvent {
        1 => timestamp: i64 as "timestamp",
        2 => status: ScheduleStatus as "status",
        3 => message: Option<String> as "message",
        4 => scheduler: Option<String> as "scheduler",
    }
}

r#struct! {
    /// A task and where it was put. Host, agent and ports are unset while it is pending.
    AssignedTask {
        1 => task_id: String as "taskId",
        2 => slave_id: Option<String> as "slaveId",
        3 => slave_host: Option<String> as "slaveHost",
        4 => task: TaskConfig as "task",
        5 => assigned_ports: BTreeMap<String, i32> as "assignedPorts",
        6 => instance_id: i32 as "instanceId",
    }
}

r#struct! {
    /// A task as the scheduler knows it.
    ScheduledTask {
        1 => assigned_task: AssignedTask as "assignedTask",
        2 => status: ScheduleStatus as "status",
        3 => failure_count: i32 as "failureCount",
        4 => task_events: Vec<TaskEvent> as "taskEvents",
        5 => ancestor_id: Option<String> as "ancestorId",
        6 => times_partitioned: i32 as "timesPartitioned",
    }
}

r#struct! {
    /// Selects tasks: terms are ANDed, an absent or empty term selects all.
    TaskQuery {
        2 => job_name: Option<String> as "jobName",
        4 => task_ids: Option<BTreeSet<String>> as "taskIds",
        5 => statuses: Option<BTreeSet<ScheduleStatus>> as "statuses",
        7 => instance_ids: Option<BTreeSet<i32>> as "instanceIds",
        9 => environment: Option<String> as "environment",
        10 => slave_hosts: Option<BTreeSet<String>> as "slaveHosts",
        11 => job_keys: Option<BTreeSet<JobKey>> as "jobKeys",
        12 => offset: Option<i32> as "offset",
        13 => limit: Option<i32> as "limit",
        14 => role: Option<String> as "role",
    }
}

r#struct! {
    /// A role with the number of its jobs.
    RoleSummary {
        1 => role: String as "role",
        2 => job_count: i32 as "jobCount",
        3 => cron_job_count: i32 as "cronJobCount",
    }
}

r#struct! {
    /// Why a task waits.
    PendingReason {
        1 => task_id: String as "taskId",
        2 => reason: String as "reason",
    }
}
