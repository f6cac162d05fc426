//! Answers.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

r#struct! {
    /// The configuration as the scheduler would store it.
    PopulateJobResult {
        2 => task_config: TaskConfig as "taskConfig",
    }
}

r#struct! {
    /// A role's quota and what is used of it, by pool.
    GetQuotaResult {
        1 => quota: ResourceAggregate as "quota",
        2 => prod_shared_consumption: Option<ResourceAggregate> as "prodSharedConsumption",
        3 => non_prod_shared_consumption: Option<ResourceAggregate> as "nonProdSharedConsumption",
        4 => prod_dedicated_consumption: Option<ResourceAggregate> as "prodDedicatedConsumption",
        5 => non_prod_dedicated_consumption: Option<ResourceAggregate> as "nonProdDedicatedConsumption",
    }
}

r#struct! {
    /// Tasks.
    ScheduleStatusResult {
        1 => tasks: Vec<ScheduledTask> as "tasks",
    }
}

r#struct! {
    /// Jobs.
    GetJobsResult {
        1 => configs: BTreeSet<JobConfiguration> as "configs",
    }
}

r#struct! {
    /// Names of backups.
    ListBackupsResult {
        1 => backups: BTreeSet<String> as "backups",
    }
}

r#struct! {
    /// Hosts and their modes after the call.
    StartMaintenanceResult {
        1 => statuses: BTreeSet<HostStatus> as "statuses",
    }
}

r#struct! {
    /// Hosts and their modes after the call.
    DrainHostsResult {
        1 => statuses: BTreeSet<HostStatus> as "statuses",
    }
}

r#struct! {
    /// Hosts and their modes.
    MaintenanceStatusResult {
        1 => statuses: BTreeSet<HostStatus> as "statuses",
    }
}

r#struct! {
    /// Hosts and their modes after the call.
    EndMaintenanceResult {
        1 => statuses: BTreeSet<HostStatus> as "statuses",
    }
}

r#struct! {
    /// Tasks in the staged recovery.
    QueryRecoveryResult {
        1 => tasks: BTreeSet<ScheduledTask> as "tasks",
    }
}

r#struct! {
    /// Roles.
    RoleSummaryResult {
        1 => summaries: BTreeSet<RoleSummary> as "summaries",
    }
}

r#struct! {
    /// Jobs with counts.
    JobSummaryResult {
        1 => summaries: BTreeSet<JobSummary> as "summaries",
    }
}

r#struct! {
    /// A job's active configurations.
    ConfigSummaryResult {
        1 => summary: ConfigSummary as "summary",
    }
}

r#struct! {
    /// Why tasks wait.
    GetPendingReasonResult {
        1 => reasons: BTreeSet<PendingReason> as "reasons",
    }
}

r#struct! {
    /// The update that was started, or the one in the way.
    StartJobUpdateResult {
        1 => key: JobUpdateKey as "key",
        2 => update_summary: Option<JobUpdateSummary> as "updateSummary",
    }
}

r#struct! {
    /// Updates, newest change first.
    GetJobUpdateSummariesResult {
        1 => update_summaries: Vec<JobUpdateSummary> as "updateSummaries",
    }
}

r#struct! {
    /// Updates with their events.
    GetJobUpdateDetailsResult {
        1 => details: Option<JobUpdateDetails> as "details",
        2 => details_list: Vec<JobUpdateDetails> as "detailsList",
    }
}

r#struct! {
    /// What became of a pulse.
    PulseJobUpdateResult {
        1 => status: JobUpdatePulseStatus as "status",
    }
}

r#struct! {
    /// What an update would change.
    GetJobUpdateDiffResult {
        1 => add: BTreeSet<ConfigGroup> as "add",
        2 => remove: BTreeSet<ConfigGroup> as "remove",
        3 => update: BTreeSet<ConfigGroup> as "update",
        4 => unchanged: BTreeSet<ConfigGroup> as "unchanged",
    }
}

r#struct! {
    /// A tier; settings `preemptible` and `revocable` are the texts `true` or `false`.
    TierConfig {
        1 => name: String as "name",
        2 => settings: BTreeMap<String, String> as "settings",
    }
}

r#struct! {
    /// The tiers that this scheduler knows.
    GetTierConfigResult {
        1 => default_tier_name: String as "defaultTierName",
        2 => tiers: BTreeSet<TierConfig> as "tiers",
    }
}

r#struct! {
    /// Which cluster answered.
    ServerInfo {
        1 => cluster_name: String as "clusterName",
        3 => stats_url_prefix: String as "statsUrlPrefix",
    }
}

r#struct! {
    /// One message of an answer.
    ResponseDetail {
        1 => message: Option<String> as "message",
    }
}

union! {
    /// What a call gives back.
    Result {
        1 => PopulateJobResult(PopulateJobResult) as "populateJobResult",
        3 => ScheduleStatusResult(ScheduleStatusResult) as "scheduleStatusResult",
        4 => GetJobsResult(GetJobsResult) as "getJobsResult",
        5 => GetQuotaResult(GetQuotaResult) as "getQuotaResult",
        6 => ListBackupsResult(ListBackupsResult) as "listBackupsResult",
        7 => StartMaintenanceResult(StartMaintenanceResult) as "startMaintenanceResult",
        8 => DrainHostsResult(DrainHostsResult) as "drainHostsResult",
        9 => QueryRecoveryResult(QueryRecoveryResult) as "queryRecoveryResult",
        10 => MaintenanceStatusResult(MaintenanceStatusResult) as "maintenanceStatusResult",
        11 => EndMaintenanceResult(EndMaintenanceResult) as "endMaintenanceResult",
        17 => RoleSummaryResult(RoleSummaryResult) as "roleSummaryResult",
        18 => JobSummaryResult(JobSummaryResult) as "jobSummaryResult",
        20 => ConfigSummaryResult(ConfigSummaryResult) as "configSummaryResult",
        21 => GetPendingReasonResult(GetPendingReasonResult) as "getPendingReasonResult",
        22 => StartJobUpdateResult(StartJobUpdateResult) as "startJobUpdateResult",
        23 => GetJobUpdateSummariesResult(GetJobUpdateSummariesResult) as "getJobUpdateSummariesResult",
        24 => GetJobUpdateDetailsResult(GetJobUpdateDetailsResult) as "getJobUpdateDetailsResult",
        25 => PulseJobUpdateResult(PulseJobUpdateResult) as "pulseJobUpdateResult",
        26 => GetJobUpdateDiffResult(GetJobUpdateDiffResult) as "getJobUpdateDiffResult",
        27 => GetTierConfigResult(GetTierConfigResult) as "getTierConfigResult",
    }
}

r#struct! {
    /// The answer to every call; failures travel in it.
    Response {
        1 => response_code: ResponseCode as "responseCode",
        3 => result: Option<Result> as "result",
        5 => server_info: Option<ServerInfo> as "serverInfo",
        6 => details: Vec<ResponseDetail> as "details",
    }
}

r#struct! {
    /// How an explicit reconciliation is batched.
    ExplicitReconciliationSettings {
        1 => batch_size: Option<i32> as "batchSize",
    }
}
