//! Upstream's stored records (aurora: `api/src/main/thrift/org/apache/aurora/gen/storage.thrift`): what its replicated log and backups hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::*;
use crate::tables::{r#struct, union};
use crate::wire::Binary;

/// The schema version that upstream writes into each transaction.
pub const CURRENT_SCHEMA_VERSION: i32 = 1;

r#struct! {
    /// Remembers the framework id.
    SaveFrameworkId {
        1 => id: String as "id",
    }
}

r#struct! {
    /// Stores a cron job.
    SaveCronJob {
        2 => job_config: JobConfiguration as "jobConfig",
    }
}

r#struct! {
    /// Removes a cron job.
    RemoveJob {
        2 => job_key: JobKey as "jobKey",
    }
}

r#struct! {
    /// Stores tasks whole.
    SaveTasks {
        1 => tasks: BTreeSet<ScheduledTask> as "tasks",
    }
}

r#struct! {
    /// Removes tasks by id.
    RemoveTasks {
        1 => task_ids: BTreeSet<String> as "taskIds",
    }
}

r#struct! {
    /// Stores a role's quota.
    SaveQuota {
        1 => role: String as "role",
        2 => quota: ResourceAggregate as "quota",
    }
}

r#struct! {
    /// Removes a role's quota.
    RemoveQuota {
        1 => role: String as "role",
    }
}

r#struct! {
    /// Stores a host's attributes.
    SaveHostAttributes {
        1 => host_attributes: HostAttributes as "hostAttributes",
    }
}

r#struct! {
    /// Read and ignored.
    SaveLock {
        1 => lock: Lock as "lock",
    }
}

r#struct! {
    /// Read and ignored.
    RemoveLock {
        1 => lock_key: Option<LockKey> as "lockKey",
    }
}

r#struct! {
    /// Stores an update.
    SaveJobUpdate {
        1 => job_update: JobUpdate as "jobUpdate",
    }
}

r#struct! {
    /// Removes updates.
    RemoveJobUpdates {
        1 => keys: BTreeSet<JobUpdateKey> as "keys",
    }
}

r#struct! {
    /// Appends to an update's events.
    SaveJobUpdateEvent {
        1 => event: JobUpdateEvent as "event",
        3 => key: JobUpdateKey as "key",
    }
}

r#struct! {
    /// Appends to an update's instance events.
    SaveJobInstanceUpdateEvent {
        1 => event: JobInstanceUpdateEvent as "event",
        3 => key: JobUpdateKey as "key",
    }
}

r#struct! {
    /// Drops old updates.
    PruneJobUpdateHistory {
        1 => per_job_retain_count: i32 as "perJobRetainCount",
        2 => history_prune_threshold_ms: i64 as "historyPruneThresholdMs",
    }
}

r#struct! {
    /// Stores a drain request.
    SaveHostMaintenanceRequest {
        1 => host_maintenance_request: HostMaintenanceRequest as "hostMaintenanceRequest",
    }
}

r#struct! {
    /// Removes a drain request.
    RemoveHostMaintenanceRequest {
        1 => host: String as "host",
    }
}

union! {
    /// One change of upstream's stored state.
    Op {
        1 => SaveFrameworkId(SaveFrameworkId) as "saveFrameworkId",
        2 => SaveCronJob(SaveCronJob) as "saveCronJob",
        5 => RemoveJob(RemoveJob) as "removeJob",
        6 => SaveTasks(SaveTasks) as "saveTasks",
        7 => RemoveTasks(RemoveTasks) as "removeTasks",
        8 => SaveQuota(SaveQuota) as "saveQuota",
        9 => RemoveQuota(RemoveQuota) as "removeQuota",
        10 => SaveHostAttributes(SaveHostAttributes) as "saveHostAttributes",
        12 => SaveLock(SaveLock) as "saveLock",
        13 => RemoveLock(RemoveLock) as "removeLock",
        14 => SaveJobUpdate(SaveJobUpdate) as "saveJobUpdate",
        15 => SaveJobUpdateEvent(SaveJobUpdateEvent) as "saveJobUpdateEvent",
        16 => SaveJobInstanceUpdateEvent(SaveJobInstanceUpdateEvent) as "saveJobInstanceUpdateEvent",
        17 => PruneJobUpdateHistory(PruneJobUpdateHistory) as "pruneJobUpdateHistory",
        18 => RemoveJobUpdate(RemoveJobUpdates) as "removeJobUpdate",
        19 => SaveHostMaintenanceRequest(SaveHostMaintenanceRequest) as "saveHostMaintenanceRequest",
        20 => RemoveHostMaintenanceRequest(RemoveHostMaintenanceRequest) as "removeHostMaintenanceRequest",
    }
}

r#struct! {
    /// Changes that happen together.
    Transaction {
        1 => ops: Vec<Op> as "ops",
        2 => schema_version: i32 as "schemaVersion",
    }
}

r#struct! {
    /// A cron job in a snapshot.
    StoredCronJob {
        3 => job_configuration: JobConfiguration as "jobConfiguration",
    }
}

r#struct! {
    /// Facts about the scheduler that wrote a snapshot.
    SchedulerMetadata {
        1 => framework_id: Option<String> as "frameworkId",
        8 => details: BTreeMap<String, String> as "details",
    }
}

r#struct! {
    /// A role's quota in a snapshot.
    QuotaConfiguration {
        1 => role: String as "role",
        2 => quota: ResourceAggregate as "quota",
    }
}

r#struct! {
    /// An update in a snapshot.
    StoredJobUpdateDetails {
        1 => details: JobUpdateDetails as "details",
    }
}

r#struct! {
    /// Upstream's whole stored state.
    Snapshot {
        1 => timestamp: i64 as "timestamp",
        3 => host_attributes: BTreeSet<HostAttributes> as "hostAttributes",
        4 => tasks: BTreeSet<ScheduledTask> as "tasks",
        5 => cron_jobs: BTreeSet<StoredCronJob> as "cronJobs",
        6 => scheduler_metadata: Option<SchedulerMetadata> as "schedulerMetadata",
        8 => quota_configurations: BTreeSet<QuotaConfiguration> as "quotaConfigurations",
        10 => job_update_details: BTreeSet<StoredJobUpdateDetails> as "jobUpdateDetails",
        13 => host_maintenance_requests: BTreeSet<HostMaintenanceRequest> as "hostMaintenanceRequests",
    }
}

r#struct! {
    /// Announces the chunks of a large entry; the checksum is the MD5 of the whole.
    FrameHeader {
        1 => chunk_count: i32 as "chunkCount",
        2 => checksum: Binary as "checksum",
    }
}

r#struct! {
    /// A part of a large entry.
    FrameChunk {
        2 => data: Binary as "data",
    }
}

union! {
    /// A large entry in parts.
    Frame {
        1 => Header(FrameHeader) as "header",
        2 => Chunk(FrameChunk) as "chunk",
    }
}

r#struct! {
    /// A task without its configuration.
    DeduplicatedScheduledTask {
        1 => partial_scheduled_task: ScheduledTask as "partialScheduledTask",
        2 => task_config_id: i32 as "taskConfigId",
    }
}

r#struct! {
    /// A snapshot in which each configuration stands once.
    DeduplicatedSnapshot {
        1 => partial_snapshot: Snapshot as "partialSnapshot",
        2 => partial_tasks: Vec<DeduplicatedScheduledTask> as "partialTasks",
        3 => task_configs: Vec<TaskConfig> as "taskConfigs",
    }
}

union! {
    /// An entry of upstream's replicated log.
    LogEntry {
        1 => Snapshot(Snapshot) as "snapshot",
        2 => Transaction(Transaction) as "transaction",
        3 => Noop(bool) as "noop",
        4 => Frame(Frame) as "frame",
        5 => DeflatedEntry(Binary) as "deflatedEntry",
        6 => DeduplicatedSnapshot(DeduplicatedSnapshot) as "deduplicatedSnapshot",
    }
}
