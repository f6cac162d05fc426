//! Jobs and their summaries.

use std::collections::BTreeSet;

use super::*;

r#struct! {
    /// A job as it is submitted.
    JobConfiguration {
        4 => cron_schedule: Option<String> as "cronSchedule",
        5 => cron_collision_policy: Option<CronCollisionPolicy> as "cronCollisionPolicy",
        6 => task_config: TaskConfig as "taskConfig",
        7 => owner: Option<Identity> as "owner",
        8 => instance_count: i32 as "instanceCount",
        9 => key: JobKey as "key",
    }
}

r#struct! {
    /// How many tasks of a job are in which part of their life.
    JobStats {
        1 => active_task_count: i32 as "activeTaskCount",
        2 => finished_task_count: i32 as "finishedTaskCount",
        3 => failed_task_count: i32 as "failedTaskCount",
        4 => pending_task_count: i32 as "pendingTaskCount",
    }
}

r#struct! {
    /// A job with its counts.
    JobSummary {
        1 => job: JobConfiguration as "job",
        2 => stats: JobStats as "stats",
        3 => next_cron_run_ms: Option<i64> as "nextCronRunMs",
    }
}

r#struct! {
    /// A configuration and the instances that have it.
    ConfigGroup {
        1 => config: TaskConfig as "config",
        3 => instances: BTreeSet<Range> as "instances",
    }
}

r#struct! {
    /// The active configurations of a job.
    ConfigSummary {
        1 => key: JobKey as "key",
        2 => groups: BTreeSet<ConfigGroup> as "groups",
    }
}
