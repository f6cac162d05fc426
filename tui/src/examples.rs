//! The example jobs: finding, evaluating and creating them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use aurora_api::eval::{EvalRequest, JobSelector, Limits};
use aurora_api::model::{JobConfiguration, ResponseCode};
use aurora_api::service::arguments::CreateJob;
use aurora_client::eval;
use aurora_client::scheduler::{Retry, Scheduler, combine_messages};
use aurora_tui_model::event::{Event, Launch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::data::{Events, report};

/// Where the examples are installed, or lie in a source tree.
pub(crate) fn directory() -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(Path::to_owned));
    let near = beside.iter().flat_map(|bin| {
        [
            bin.join("../share/aurora/examples"),
            bin.join("../../examples"),
        ]
    });
    near.chain([PathBuf::from("/usr/share/aurora/examples")])
        .find(|directory| directory.is_dir())
        .map(|directory| directory.canonicalize().unwrap_or(directory))
}

/// The job files of a directory, in order of their names.
pub(crate) fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "aurora")
        {
            out.push(path);
        }
    }
    out.sort();
    Ok(out)
}

/// The command line that creates the simplest example on a cluster; when there is none, the shape of one.
pub(crate) async fn create_line(cluster: &str) -> String {
    let files = directory()
        .and_then(|directory| files(&directory).ok())
        .unwrap_or_default();
    let first = |path: &PathBuf| {
        let name = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        (!name.starts_with("hello"), name)
    };
    if let Some(file) = files.into_iter().min_by_key(first) {
        let request = EvalRequest {
            path: file.display().to_string(),
            user: crate::config::user(),
            ..EvalRequest::default()
        };
        let jobs = eval::evaluate(&request, eval::DEADLINE)
            .await
            .map(|answer| answer.jobs);
        let job = jobs
            .into_iter()
            .flatten()
            .find(|job| job.key.split('/').next() == Some(cluster));
        if let Some(job) = job {
            return format!("aurora job create {} {}", job.key, file.display());
        }
    }
    format!("aurora job create {cluster}/ROLE/devel/NAME FILE.aurora")
}

/// Creates every job of every example file. Says what was created.
pub(crate) async fn launch(scheduler: &Scheduler, events: &Events) -> anyhow::Result<String> {
    let directory = directory().context("the examples are not installed; they belong in ../share/aurora/examples beside the programs")?;
    let files =
        files(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut created = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        report(
            events,
            Event::Launch(Launch::Progress(format!("evaluating {name}"))),
        )
        .await;
        let request = EvalRequest {
            path: file.display().to_string(),
            user: crate::config::user(),
            limits: Limits::default(),
            ..EvalRequest::default()
        };
        for key in evaluate(&request, &name).await?.jobs {
            let parts: Vec<&str> = key.key.split('/').collect();
            let [cluster, role, environment, job] = parts.as_slice() else {
                bail!("{name}: `{}` is not a job key", key.key);
            };
            if *cluster != scheduler.cluster() {
                continue;
            }
            let request = EvalRequest {
                select: Some(JobSelector {
                    cluster: (*cluster).to_owned(),
                    role: (*role).to_owned(),
                    environment: (*environment).to_owned(),
                    name: (*job).to_owned(),
                }),
                ..request.clone()
            };
            let answer = evaluate(&request, &name).await?;
            let job = answer
                .job
                .with_context(|| format!("{name}: {} could not be loaded", key.key))?;
            create(scheduler, &job.configuration)
                .await
                .with_context(|| format!("cannot create {}", key.key))?;
            report(
                events,
                Event::Launch(Launch::Progress(format!("created {}", key.key))),
            )
            .await;
            created.push(key.key);
        }
    }
    if created.is_empty() {
        bail!(
            "no example in {} is for the cluster `{}`",
            directory.display(),
            scheduler.cluster()
        );
    }
    Ok(format!("created {}", created.join(", ")))
}

async fn evaluate(
    request: &EvalRequest,
    name: &str,
) -> anyhow::Result<aurora_api::eval::EvalAnswer> {
    let answer = eval::evaluate(request, eval::DEADLINE).await?;
    if let Some(error) = answer.errors.first() {
        let line = error
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        bail!("{name}{line}: {}", error.message);
    }
    Ok(answer)
}

async fn create(scheduler: &Scheduler, configuration: &str) -> anyhow::Result<()> {
    let bytes = STANDARD
        .decode(configuration)
        .context("the evaluator's answer is not base64")?;
    let job: JobConfiguration =
        aurora_api::binary::decode(&bytes).context("the evaluator's answer is not a job")?;
    let call = CreateJob {
        description: Some(job),
    };
    let response = scheduler.call(call, Retry::Never).await?;
    if response.response_code != ResponseCode::Ok {
        bail!(
            "{}: {}",
            response.response_code,
            combine_messages(&response)
        );
    }
    Ok(())
}
