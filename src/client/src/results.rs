//! Taking the typed result out of an answer.

use aurora_api::model::*;

/// A member of [`aurora_api::model::Result`].
pub trait FromResult: Sized {
    /// The member's wire name.
    const MEMBER: &'static str;
    /// The value, when the result is this member.
    fn from_result(result: aurora_api::model::Result) -> Option<Self>;
}

macro_rules! members {
    ($($variant:ident as $wire:literal,)*) => {$(
        impl FromResult for $variant {
            const MEMBER: &'static str = $wire;
            fn from_result(result: aurora_api::model::Result) -> Option<Self> {
                match result {
                    aurora_api::model::Result::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    )*};
}

members! {
    PopulateJobResult as "populateJobResult",
    ScheduleStatusResult as "scheduleStatusResult",
    GetJobsResult as "getJobsResult",
    GetQuotaResult as "getQuotaResult",
    ListBackupsResult as "listBackupsResult",
    StartMaintenanceResult as "startMaintenanceResult",
    DrainHostsResult as "drainHostsResult",
    QueryRecoveryResult as "queryRecoveryResult",
    MaintenanceStatusResult as "maintenanceStatusResult",
    EndMaintenanceResult as "endMaintenanceResult",
    RoleSummaryResult as "roleSummaryResult",
    JobSummaryResult as "jobSummaryResult",
    ConfigSummaryResult as "configSummaryResult",
    GetPendingReasonResult as "getPendingReasonResult",
    StartJobUpdateResult as "startJobUpdateResult",
    GetJobUpdateSummariesResult as "getJobUpdateSummariesResult",
    GetJobUpdateDetailsResult as "getJobUpdateDetailsResult",
    PulseJobUpdateResult as "pulseJobUpdateResult",
    GetJobUpdateDiffResult as "getJobUpdateDiffResult",
    GetTierConfigResult as "getTierConfigResult",
}
