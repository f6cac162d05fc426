//! The permission that a call needs (aurora: `Permissions.java`, `ShiroAuthorizingParamInterceptor.java`).

use aurora_api::model::{JobConfiguration, JobKey, JobUpdateKey};
use aurora_api::service::{Access, Call};

use super::Refusal;

const MANAGER: &str = "thrift.AuroraSchedulerManager";
const ADMIN: &str = "thrift.AuroraAdmin";

/// What somebody has to be permitted.
#[derive(Debug)]
pub(super) enum Needed<'a> {
    /// A call about one job.
    Job(&'static str, &'a JobKey),
    /// A call about the cluster.
    Cluster(&'static str),
}

impl<'a> Needed<'a> {
    /// Of a call; nothing for one that only reads.
    ///
    /// # Errors
    /// [`Refusal::NoJob`].
    pub(super) fn of(call: &'a Call) -> Result<Option<Needed<'a>>, Refusal> {
        Ok(match call.access() {
            Access::Read => None,
            Access::Admin => Some(Needed::Cluster(call.method())),
            Access::Job => {
                let job = job_of(call).filter(|job| job.is_valid());
                Some(Needed::Job(call.method(), job.ok_or(Refusal::NoJob)?))
            }
        })
    }

    /// The words of the permission.
    pub(super) fn parts(&self) -> Vec<&'a str> {
        match self {
            Needed::Job(method, job) => {
                vec![MANAGER, method, &job.role, &job.environment, &job.name]
            }
            Needed::Cluster(method) => vec![ADMIN, method],
        }
    }

    /// What is told who lacks it, as upstream words it.
    pub(super) fn refusal(&self, user: &str) -> String {
        match self {
            Needed::Job(method, job) => format!(
                "Subject {user} is not permitted to JobScopedRpcPermission{{rpc={method}, permittedJob=IJobKey{{role={}, \
                 environment={}, name={}}}}}.",
                job.role, job.environment, job.name
            ),
            Needed::Cluster(method) => format!(
                "Subject {user} lacks permission UnscopedRpcPermission{{domain={ADMIN}, rpc={method}}}"
            ),
        }
    }
}

fn job_of(call: &Call) -> Option<&JobKey> {
    match call {
        Call::CreateJob(call) => of_template(call.description.as_ref()),
        Call::ScheduleCronJob(call) => of_template(call.description.as_ref()),
        Call::ReplaceCronTemplate(call) => of_template(call.config.as_ref()),
        Call::DescheduleCronJob(call) => call.job.as_ref(),
        Call::StartCronJob(call) => call.job.as_ref(),
        Call::RestartShards(call) => call.job.as_ref(),
        Call::KillTasks(call) => call.job.as_ref(),
        Call::AddInstances(call) => call.key.as_ref().map(|key| &key.job_key),
        Call::StartJobUpdate(call) => {
            let request = call.request.as_ref();
            request.map(|request| &request.task_config.job)
        }
        Call::PauseJobUpdate(call) => of_update(call.key.as_ref()),
        Call::ResumeJobUpdate(call) => of_update(call.key.as_ref()),
        Call::AbortJobUpdate(call) => of_update(call.key.as_ref()),
        Call::RollbackJobUpdate(call) => of_update(call.key.as_ref()),
        Call::PulseJobUpdate(call) => of_update(call.key.as_ref()),
        _ => None,
    }
}

fn of_template(job: Option<&JobConfiguration>) -> Option<&JobKey> {
    job.map(|job| &job.key)
}

fn of_update(key: Option<&JobUpdateKey>) -> Option<&JobKey> {
    key.map(|key| &key.job)
}
