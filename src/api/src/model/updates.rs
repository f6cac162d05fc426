//! Job updates.

use std::collections::BTreeSet;

use super::*;

r#struct! {
    /// Names one update of a job; the id is a UUID in text.
    JobUpdateKey {
        1 => job: JobKey as "job",
        2 => id: String as "id",
    }
}

r#struct! {
    /// Keep up to `group_size` instances in motion.
    QueueJobUpdateStrategy {
        1 => group_size: i32 as "groupSize",
    }
}

r#struct! {
    /// Finish a batch before the next begins.
    BatchJobUpdateStrategy {
        1 => group_size: i32 as "groupSize",
        2 => autopause_after_batch: bool as "autopauseAfterBatch",
    }
}

r#struct! {
    /// Batches of given sizes; the last size repeats.
    VariableBatchJobUpdateStrategy {
        1 => group_sizes: Vec<i32> as "groupSizes",
        2 => autopause_after_batch: bool as "autopauseAfterBatch",
    }
}

union! {
    /// How instances are grouped in an update.
    JobUpdateStrategy {
        1 => QueueStrategy(QueueJobUpdateStrategy) as "queueStrategy",
        2 => BatchStrategy(BatchJobUpdateStrategy) as "batchStrategy",
        3 => VarBatchStrategy(VariableBatchJobUpdateStrategy) as "varBatchStrategy",
    }
}

r#struct! {
    /// The limits that an update keeps.
    JobUpdateSettings {
        1 => update_group_size: i32 as "updateGroupSize",
        2 => max_per_instance_failures: i32 as "maxPerInstanceFailures",
        3 => max_failed_instances: i32 as "maxFailedInstances",
        5 => min_wait_in_instance_running_ms: i32 as "minWaitInInstanceRunningMs",
        6 => rollback_on_failure: bool as "rollbackOnFailure",
        7 => update_only_these_instances: BTreeSet<Range> as "updateOnlyTheseInstances",
        8 => wait_for_batch_completion: bool as "waitForBatchCompletion",
        9 => block_if_no_pulses_after_ms: Option<i32> as "blockIfNoPulsesAfterMs",
        10 => sla_aware: Option<bool> as "slaAware",
        11 => update_strategy: Option<JobUpdateStrategy> as "updateStrategy",
    }
}

r#struct! {
    /// A change of an update's status.
    JobUpdateEvent {
        1 => status: JobUpdateStatus as "status",
        2 => timestamp_ms: i64 as "timestampMs",
        3 => user: Option<String> as "user",
        4 => message: Option<String> as "message",
    }
}

r#struct! {
    /// What an update did to one instance.
    JobInstanceUpdateEvent {
        1 => instance_id: i32 as "instanceId",
        2 => timestamp_ms: i64 as "timestampMs",
        3 => action: JobUpdateAction as "action",
        4 => message: Option<String> as "message",
    }
}

r#struct! {
    /// A configuration and the instances it is for.
    InstanceTaskConfig {
        1 => task: TaskConfig as "task",
        2 => instances: BTreeSet<Range> as "instances",
    }
}

r#struct! {
    /// Where an update stands.
    JobUpdateState {
        1 => status: JobUpdateStatus as "status",
        2 => created_timestamp_ms: i64 as "createdTimestampMs",
        3 => last_modified_timestamp_ms: i64 as "lastModifiedTimestampMs",
    }
}

r#struct! {
    /// An update in brief.
    JobUpdateSummary {
        3 => user: Option<String> as "user",
        4 => state: Option<JobUpdateState> as "state",
        5 => key: JobUpdateKey as "key",
        6 => metadata: BTreeSet<Metadata> as "metadata",
    }
}

r#struct! {
    /// From what to what an update goes, and how.
    JobUpdateInstructions {
        1 => initial_state: BTreeSet<InstanceTaskConfig> as "initialState",
        2 => desired_state: Option<InstanceTaskConfig> as "desiredState",
        3 => settings: JobUpdateSettings as "settings",
    }
}

r#struct! {
    /// An update and its instructions.
    JobUpdate {
        1 => summary: JobUpdateSummary as "summary",
        2 => instructions: JobUpdateInstructions as "instructions",
    }
}

r#struct! {
    /// An update with all that happened in it.
    JobUpdateDetails {
        1 => update: JobUpdate as "update",
        2 => update_events: Vec<JobUpdateEvent> as "updateEvents",
        3 => instance_events: Vec<JobInstanceUpdateEvent> as "instanceEvents",
    }
}

r#struct! {
    /// An update as it is asked for.
    JobUpdateRequest {
        1 => task_config: TaskConfig as "taskConfig",
        2 => instance_count: i32 as "instanceCount",
        3 => settings: JobUpdateSettings as "settings",
        4 => metadata: BTreeSet<Metadata> as "metadata",
    }
}

r#struct! {
    /// Selects updates: terms are ANDed.
    JobUpdateQuery {
        2 => role: Option<String> as "role",
        3 => job_key: Option<JobKey> as "jobKey",
        4 => user: Option<String> as "user",
        5 => update_statuses: Option<BTreeSet<JobUpdateStatus>> as "updateStatuses",
        6 => offset: Option<i32> as "offset",
        7 => limit: Option<i32> as "limit",
        8 => key: Option<JobUpdateKey> as "key",
    }
}
