//! `--demo`: creates the example jobs unless they are there.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use aurora_api::binary;
use aurora_api::eval::{EvalRequest, JobSelector, Tier, Tiers};
use aurora_api::model::{
    GetTierConfigResult, JobConfiguration, ResponseCode, ScheduleStatusResult, TaskQuery,
};
use aurora_api::service::arguments::{CreateJob, GetTasksWithoutConfigs, GetTierConfigs};
use aurora_client::directory::local_target;
use aurora_client::endpoints::Endpoints;
use aurora_client::eval::{self, DEADLINE};
use aurora_client::scheduler::{Retry, Scheduler, combine_messages};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const USER_AGENT: &str = concat!("Aurora Local;", env!("CARGO_PKG_VERSION"));

const NO_EXAMPLES: &str = "no example jobs are installed: they are looked for in share/aurora/examples beside this \
                           program's directory and in /usr/share/aurora/examples";

/// What is missing for the example jobs, in one sentence.
pub(crate) fn lacking() -> Option<String> {
    examples().is_none().then(|| NO_EXAMPLES.to_owned())
}

/// Creates the jobs of every example that are of this cluster. What fails is logged: the cluster is there all the same.
pub(crate) async fn create(endpoints: &Endpoints) {
    let Some(dir) = examples() else {
        tracing::warn!("{NO_EXAMPLES}");
        return;
    };
    for file in job_files(&dir) {
        if let Err(error) = create_from(endpoints, &file).await {
            tracing::warn!(file = %file.display(), "example not created: {error:#}");
        }
    }
}

/// Where the examples are: beside the installed program, or in the source tree that it was built in.
fn examples() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let beside = program.parent()?;
    [
        beside.join("../share/aurora/examples"),
        PathBuf::from("/usr/share/aurora/examples"),
        beside.join("../../examples"),
    ]
    .into_iter()
    .find(|dir| dir.is_dir())
}

fn job_files(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "cannot be read");
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "aurora")
        })
        .collect();
    files.sort();
    files
}

async fn create_from(endpoints: &Endpoints, file: &std::path::Path) -> anyhow::Result<()> {
    let scheduler = Scheduler::new(&local_target(endpoints.clone())?, USER_AGENT);
    let tiers: GetTierConfigResult = scheduler
        .ask(GetTierConfigs::default(), Retry::Safe)
        .await?;
    let user = nix::unistd::User::from_uid(nix::unistd::getuid())
        .ok()
        .flatten()
        .map(|user| user.name)
        .unwrap_or_default();
    let mut request = EvalRequest {
        path: file.to_string_lossy().into_owned(),
        user,
        tiers: Some(Tiers {
            default: tiers.default_tier_name,
            tiers: tiers
                .tiers
                .into_iter()
                .map(|tier| Tier {
                    name: tier.name,
                    settings: tier.settings,
                })
                .collect(),
        }),
        ..EvalRequest::default()
    };
    let listed = eval::evaluate(&request, DEADLINE).await?;
    if let Some(error) = listed.errors.first() {
        bail!("{}", error.message);
    }
    for job in listed.jobs {
        let parts: Vec<&str> = job.key.split('/').collect();
        let [cluster, role, environment, name] = parts[..] else {
            continue;
        };
        if cluster != endpoints.cluster {
            continue;
        }
        request.select = Some(JobSelector {
            cluster: cluster.to_owned(),
            role: role.to_owned(),
            environment: environment.to_owned(),
            name: name.to_owned(),
        });
        let answer = eval::evaluate(&request, DEADLINE).await?;
        let Some(loaded) = answer.job else {
            let why = answer.errors.first().map(|error| error.message.as_str());
            tracing::warn!(
                job = job.key,
                "not created: {}",
                why.unwrap_or("no reason given")
            );
            continue;
        };
        let bytes = STANDARD
            .decode(&loaded.configuration)
            .context("understanding aurora-eval's answer")?;
        let configuration = binary::decode(&bytes).context("understanding aurora-eval's answer")?;
        create_one(&scheduler, &job.key, configuration).await?;
    }
    Ok(())
}

async fn create_one(
    scheduler: &Scheduler,
    shown: &str,
    configuration: JobConfiguration,
) -> anyhow::Result<()> {
    if configuration.cron_schedule.is_some() {
        tracing::info!(job = shown, "not created: a cron job");
        return Ok(());
    }
    let call = GetTasksWithoutConfigs {
        query: Some(TaskQuery {
            job_keys: Some([configuration.key.clone()].into()),
            ..TaskQuery::default()
        }),
    };
    let known: ScheduleStatusResult = scheduler.ask(call, Retry::Safe).await?;
    if known.tasks.iter().any(|task| task.status.is_active()) {
        return Ok(());
    }
    let call = CreateJob {
        description: Some(configuration),
    };
    let response = scheduler.call(call, Retry::Never).await?;
    if response.response_code != ResponseCode::Ok {
        bail!("{shown}: {}", combine_messages(&response));
    }
    tracing::info!(job = shown, "created");
    Ok(())
}
