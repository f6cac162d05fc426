//! The Thrift service: one line a method (aurora: `api.thrift`, services ReadOnlyScheduler, AuroraSchedulerManager, AuroraAdmin).
//!
//! Every method answers a [`Response`](crate::model::Response). Argument ids are upstream's and irregular.

use std::collections::BTreeSet;

use crate::model::*;
use crate::tables::service;

/// What a caller has to be allowed to do for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads: never authenticated.
    Read,
    /// Changes to one job.
    Job,
    /// Changes to the cluster.
    Admin,
}

service! {
    /// Roles that own jobs.
    "getRoleSummary" Read => GetRoleSummary {
    }
    /// Jobs of a role, or of all roles when the role is unset.
    "getJobSummary" Read => GetJobSummary {
        1 => role: Option<String> as "role",
    }
    /// Tasks with their configurations.
    "getTasksStatus" Read => GetTasksStatus {
        1 => query: Option<TaskQuery> as "query",
    }
    /// Tasks with the executor's data left out.
    "getTasksWithoutConfigs" Read => GetTasksWithoutConfigs {
        1 => query: Option<TaskQuery> as "query",
    }
    /// Why pending tasks wait.
    "getPendingReason" Read => GetPendingReason {
        1 => query: Option<TaskQuery> as "query",
    }
    /// The active configurations of a job.
    "getConfigSummary" Read => GetConfigSummary {
        1 => job: Option<JobKey> as "job",
    }
    /// Jobs of a role, or of all roles when the role is unset.
    "getJobs" Read => GetJobs {
        1 => owner_role: Option<String> as "ownerRole",
    }
    /// A role's quota and consumption.
    "getQuota" Read => GetQuota {
        1 => owner_role: Option<String> as "ownerRole",
    }
    /// Validates a job and fills its defaults.
    "populateJobConfig" Read => PopulateJobConfig {
        1 => description: Option<JobConfiguration> as "description",
    }
    /// Updates in brief.
    "getJobUpdateSummaries" Read => GetJobUpdateSummaries {
        1 => job_update_query: Option<JobUpdateQuery> as "jobUpdateQuery",
    }
    /// Updates with all their events.
    "getJobUpdateDetails" Read => GetJobUpdateDetails {
        1 => key: Option<JobUpdateKey> as "key",
        2 => query: Option<JobUpdateQuery> as "query",
    }
    /// What an update would change.
    "getJobUpdateDiff" Read => GetJobUpdateDiff {
        1 => request: Option<JobUpdateRequest> as "request",
    }
    /// The tiers that this scheduler knows.
    "getTierConfigs" Read => GetTierConfigs {
    }
    /// Creates a job.
    "createJob" Job => CreateJob {
        1 => description: Option<JobConfiguration> as "description",
    }
    /// Creates or replaces a cron job.
    "scheduleCronJob" Job => ScheduleCronJob {
        1 => description: Option<JobConfiguration> as "description",
    }
    /// Removes a cron job's schedule.
    "descheduleCronJob" Job => DescheduleCronJob {
        4 => job: Option<JobKey> as "job",
    }
    /// Starts a cron job now.
    "startCronJob" Job => StartCronJob {
        4 => job: Option<JobKey> as "job",
    }
    /// Restarts instances.
    "restartShards" Job => RestartShards {
        3 => shard_ids: BTreeSet<i32> as "shardIds",
        5 => job: Option<JobKey> as "job",
    }
    /// Kills instances, or all when none are named.
    "killTasks" Job => KillTasks {
        4 => job: Option<JobKey> as "job",
        5 => instances: Option<BTreeSet<i32>> as "instances",
        6 => message: Option<String> as "message",
    }
    /// Adds instances like a given one.
    "addInstances" Job => AddInstances {
        3 => key: Option<InstanceKey> as "key",
        4 => count: i32 as "count",
    }
    /// Replaces an existing cron job's template.
    "replaceCronTemplate" Job => ReplaceCronTemplate {
        1 => config: Option<JobConfiguration> as "config",
    }
    /// Starts an update.
    "startJobUpdate" Job => StartJobUpdate {
        1 => request: Option<JobUpdateRequest> as "request",
        3 => message: Option<String> as "message",
    }
    /// Pauses an update.
    "pauseJobUpdate" Job => PauseJobUpdate {
        1 => key: Option<JobUpdateKey> as "key",
        3 => message: Option<String> as "message",
    }
    /// Resumes an update.
    "resumeJobUpdate" Job => ResumeJobUpdate {
        1 => key: Option<JobUpdateKey> as "key",
        3 => message: Option<String> as "message",
    }
    /// Stops an update where it is.
    "abortJobUpdate" Job => AbortJobUpdate {
        1 => key: Option<JobUpdateKey> as "key",
        3 => message: Option<String> as "message",
    }
    /// Turns an update around.
    "rollbackJobUpdate" Job => RollbackJobUpdate {
        1 => key: Option<JobUpdateKey> as "key",
        2 => message: Option<String> as "message",
    }
    /// Lets a coordinated update go on.
    "pulseJobUpdate" Job => PulseJobUpdate {
        1 => key: Option<JobUpdateKey> as "key",
    }
    /// Sets a role's quota.
    "setQuota" Admin => SetQuota {
        1 => owner_role: Option<String> as "ownerRole",
        2 => quota: Option<ResourceAggregate> as "quota",
    }
    /// Forces a task into a state.
    "forceTaskState" Admin => ForceTaskState {
        1 => task_id: Option<String> as "taskId",
        2 => status: Option<ScheduleStatus> as "status",
    }
    /// Writes a backup now.
    "performBackup" Admin => PerformBackup {
    }
    /// Names the backups.
    "listBackups" Admin => ListBackups {
    }
    /// Loads a backup for recovery.
    "stageRecovery" Admin => StageRecovery {
        1 => backup_id: Option<String> as "backupId",
    }
    /// Tasks in the staged recovery.
    "queryRecovery" Admin => QueryRecovery {
        1 => query: Option<TaskQuery> as "query",
    }
    /// Removes tasks from the staged recovery.
    "deleteRecoveryTasks" Admin => DeleteRecoveryTasks {
        1 => query: Option<TaskQuery> as "query",
    }
    /// Makes the staged recovery the state.
    "commitRecovery" Admin => CommitRecovery {
    }
    /// Drops the staged recovery.
    "unloadRecovery" Admin => UnloadRecovery {
    }
    /// Schedules hosts for maintenance.
    "startMaintenance" Admin => StartMaintenance {
        1 => hosts: Option<Hosts> as "hosts",
    }
    /// Drains hosts.
    "drainHosts" Admin => DrainHosts {
        1 => hosts: Option<Hosts> as "hosts",
    }
    /// Modes of hosts.
    "maintenanceStatus" Admin => MaintenanceStatus {
        1 => hosts: Option<Hosts> as "hosts",
    }
    /// Ends maintenance of hosts.
    "endMaintenance" Admin => EndMaintenance {
        1 => hosts: Option<Hosts> as "hosts",
    }
    /// Drains hosts as the jobs' SLA policies allow.
    "slaDrainHosts" Admin => SlaDrainHosts {
        1 => hosts: Option<Hosts> as "hosts",
        2 => default_sla_policy: Option<SlaPolicy> as "defaultSlaPolicy",
        3 => timeout_secs: i64 as "timeoutSecs",
    }
    /// Writes a snapshot of the state now.
    "snapshot" Admin => Snapshot {
    }
    /// Asks Mesos about known tasks.
    "triggerExplicitTaskReconciliation" Admin => TriggerExplicitTaskReconciliation {
        1 => settings: Option<ExplicitReconciliationSettings> as "settings",
    }
    /// Asks Mesos about all its tasks.
    "triggerImplicitTaskReconciliation" Admin => TriggerImplicitTaskReconciliation {
    }
    /// Removes terminal tasks.
    "pruneTasks" Admin => PruneTasks {
        1 => query: Option<TaskQuery> as "query",
    }
}
