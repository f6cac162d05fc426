//! What job files on this machine ask for, beside what the cluster has; and files and jobs to complete what is typed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aurora_api::eval::{EvalRequest, JobSelector};
use aurora_api::model::{
    ConfigGroup, GetJobUpdateDiffResult, GetJobsResult, JobConfiguration, PopulateJobResult,
    TaskConfig,
};
use aurora_api::service::arguments::{GetJobUpdateDiff, GetJobs, PopulateJobConfig};
use aurora_api::wire::Wire;
use aurora_api::{binary, instances, resources};
use aurora_client::directory::Target;
use aurora_client::http::describe;
use aurora_client::job_file::{self, JobFile};
use aurora_client::scheduler::Scheduler;
use aurora_tui_model::diff;
use aurora_tui_model::event::{Seen, WatchWhat};
use aurora_tui_model::jobfile::{Charge, Fate, FileJob, FromFile, Group, Purpose};
use aurora_tui_model::told::{Amounts, Answer, Question};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::OnceCell;

use super::ask::{limits, strategy};
use super::configs::{asked, cron_head};
use super::{Look, poll};
use crate::USER_AGENT;
use crate::data::Events;

/// The cluster is asked this often; a file that is compared with it is evaluated once.
const PERIOD: Duration = Duration::from_secs(3);
/// A file whose jobs are listed is evaluated again after this.
const FILE_PERIOD: Duration = Duration::from_secs(60);
/// Entries of a directory that are offered.
const MOST_PATHS: usize = 1000;
/// The constraint of dedicated hosts (aurora: `ConfigurationManager.DEDICATED_ATTRIBUTE`); no quota counts what runs there.
const DEDICATED: &str = "dedicated";
const MIB: f64 = 1024.0 * 1024.0;

/// A question about files.
struct Asked {
    target: Target,
    question: Question,
    read: OnceCell<Read>,
}

/// A job as its file has it.
struct Read {
    file: JobFile,
    /// Its task as the scheduler completes it.
    task: TaskConfig,
    warnings: Vec<String>,
}

/// Whether a question is about files of this machine.
pub(crate) fn is_of_files(question: &Question) -> bool {
    matches!(
        question,
        Question::JobFile(_) | Question::Paths(_) | Question::JobsOf(_)
    )
}

/// Answers until nobody listens.
pub(crate) async fn ask(target: Target, generation: u64, what: WatchWhat, events: Events) {
    let WatchWhat::Ask(question) = what else {
        return;
    };
    let asked = Asked {
        target,
        question,
        read: OnceCell::new(),
    };
    let period = match asked.question {
        Question::JobsOf(_) => FILE_PERIOD,
        _ => PERIOD,
    };
    poll(&asked, generation, &events, period).await;
}

impl Look for Asked {
    async fn look(&self) -> Result<Seen, String> {
        let answer = match &self.question {
            Question::JobFile(aim) => Answer::JobFile(Box::new(self.compare(aim).await?)),
            Question::Paths(directory) => Answer::Words(paths(directory).await?),
            Question::JobsOf(path) => Answer::Words(jobs_of(path, &self.target.cluster).await?),
            other => return Err(format!("{} is not about files", other.describe())),
        };
        Ok(Seen::Answer(answer))
    }
}

impl Asked {
    async fn compare(&self, aim: &FileJob) -> Result<FromFile, String> {
        let scheduler = Scheduler::new(&self.target, USER_AGENT);
        let read = self.read.get_or_try_init(|| self.read(&scheduler, aim));
        let read = read.await?;
        let job = &read.file.configuration;
        let mut found = FromFile {
            configuration: encoded(job),
            settings: None,
            schedule: job.cron_schedule.clone(),
            instances: u32::try_from(job.instance_count).unwrap_or(0),
            strategy: None,
            limits: Vec::new(),
            wait_ms: 0,
            warnings: read.warnings.clone(),
            groups: Vec::new(),
            charge: Charge::default(),
        };
        match aim.purpose {
            // What is wrong with such a job is said without a look at the cluster.
            Purpose::Update if read.file.is_cron() => {}
            Purpose::Update => update(&scheduler, aim, read, &mut found).await?,
            Purpose::Schedule => schedule(&scheduler, read, &mut found).await?,
            Purpose::Create => {
                found.groups = vec![all_of(Fate::Added, job, Vec::new())];
                found.charge.after = charge(&read.task, i64::from(job.instance_count));
            }
        }
        Ok(found)
    }

    /// Evaluates the file as `aurora` does, and has the scheduler complete the job.
    async fn read(&self, scheduler: &Scheduler, aim: &FileJob) -> Result<Read, String> {
        let key = &aim.job.0;
        let path = local(&aim.path);
        let mut request = EvalRequest {
            path: path.display().to_string(),
            user: crate::config::user(),
            tiers: Some(
                job_file::tiers(scheduler)
                    .await
                    .map_err(|error| describe(&error))?,
            ),
            select: Some(JobSelector {
                cluster: self.target.cluster.clone(),
                role: key.role.clone(),
                environment: key.environment.clone(),
                name: key.name.clone(),
            }),
            ..EvalRequest::default()
        };
        let answer = job_file::evaluate(&mut request, self.target.entry.as_ref(), USER_AGENT).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.errors.is_empty() {
            return Err(one_line(&job_file::render_all(&answer.errors)));
        }
        let job = answer
            .job
            .ok_or("aurora-eval gave neither a job nor an error")?;
        let file = JobFile::of(job).map_err(|error| error.to_string())?;
        let warnings = answer.warnings.iter();
        let warnings = warnings.map(|warning| one_line(&job_file::render(warning)));
        let completed: PopulateJobResult = asked(
            scheduler,
            PopulateJobConfig {
                description: Some(file.configuration.clone()),
            },
        )
        .await?;
        Ok(Read {
            file,
            task: completed.task_config,
            warnings: warnings.collect(),
        })
    }
}

/// Faults of files have several lines; a notice has one.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("; ")
}

fn encoded<T: Wire>(value: &T) -> String {
    STANDARD.encode(binary::encode(value))
}

/// The scheduler says what an update would do.
async fn update(
    scheduler: &Scheduler,
    aim: &FileJob,
    read: &Read,
    found: &mut FromFile,
) -> Result<(), String> {
    let request = read.file.update_request(aim.only.as_ref())?;
    let settings = &request.settings;
    found.settings = Some(encoded(settings));
    found.strategy = Some(strategy(settings));
    found.limits = limits(settings);
    found.wait_ms = i64::from(settings.min_wait_in_instance_running_ms);
    let call = GetJobUpdateDiff {
        request: Some(request),
    };
    let diff: GetJobUpdateDiffResult = asked(scheduler, call).await?;
    let local = job_file::task_text(&read.task);
    for (fate, groups) in [
        (Fate::Added, &diff.add),
        (Fate::Changed, &diff.update),
        (Fate::Removed, &diff.remove),
        (Fate::Kept, &diff.unchanged),
    ] {
        found
            .groups
            .extend(groups.iter().map(|group| of_group(fate, group, &local)));
    }
    let sum = |groups: &[&BTreeSet<ConfigGroup>], task: Option<&TaskConfig>| {
        let groups = groups.iter().copied().flatten();
        groups
            .map(|group| charge(task.unwrap_or(&group.config), count(group)))
            .fold(Amounts::default(), plus)
    };
    found.charge = Charge {
        before: sum(&[&diff.update, &diff.remove, &diff.unchanged], None),
        after: plus(
            sum(&[&diff.update, &diff.add], Some(&read.task)),
            sum(&[&diff.unchanged], None),
        ),
    };
    Ok(())
}

fn count(group: &ConfigGroup) -> i64 {
    let ranges = group.instances.iter();
    ranges
        .map(|range| i64::from(range.last) - i64::from(range.first) + 1)
        .sum()
}

fn of_group(fate: Fate, group: &ConfigGroup, local: &str) -> Group {
    let mut ranges: Vec<_> = group.instances.iter().collect();
    ranges.sort_by_key(|range| range.first);
    let shown = ranges.iter().map(|range| match range.first == range.last {
        true => range.first.to_string(),
        false => format!("{}-{}", range.first, range.last),
    });
    let shown: Vec<String> = shown.collect();
    Group {
        fate,
        instances: shown.join(","),
        count: usize::try_from(count(group)).unwrap_or(0),
        lines: match fate {
            Fate::Changed => diff::lines(&job_file::task_text(&group.config), local),
            Fate::Added | Fate::Removed | Fate::Kept => Vec::new(),
        },
    }
}

/// All instances of a job as one group.
fn all_of(fate: Fate, job: &JobConfiguration, lines: Vec<String>) -> Group {
    Group {
        fate,
        instances: instances::text(0..job.instance_count),
        count: usize::try_from(job.instance_count).unwrap_or(0),
        lines,
    }
}

/// The scheduler compares no cron jobs: what it has of one is compared here.
async fn schedule(scheduler: &Scheduler, read: &Read, found: &mut FromFile) -> Result<(), String> {
    let job = &read.file.configuration;
    let call = GetJobs {
        owner_role: Some(job.key.role.clone()),
    };
    let known: GetJobsResult = asked(scheduler, call).await?;
    let mut known = known.configs.into_iter();
    let before = known.find(|known| known.key == job.key && known.cron_schedule.is_some());
    found.charge.after = charge(&read.task, i64::from(job.instance_count));
    found.groups = vec![match before {
        None => all_of(Fate::Added, job, Vec::new()),
        Some(before) => {
            found.charge.before = charge(&before.task_config, i64::from(before.instance_count));
            let lines = diff::lines(
                &cron_text(&before, &before.task_config),
                &cron_text(job, &read.task),
            );
            let fate = match lines.is_empty() {
                true => Fate::Kept,
                false => Fate::Changed,
            };
            all_of(fate, job, lines)
        }
    }];
    Ok(())
}

fn cron_text(job: &JobConfiguration, task: &TaskConfig) -> String {
    format!(
        "{}\n{}",
        cron_head(job).join("\n"),
        job_file::task_text(task)
    )
}

/// What of the quota so many instances take.
fn charge(task: &TaskConfig, count: i64) -> Amounts {
    let mut constraints = task.constraints.iter();
    if task.production != Some(true) || constraints.any(|constraint| constraint.name == DEDICATED) {
        return Amounts::default();
    }
    let one = resources::Amounts::of(&task.resources);
    let count = count as f64;
    Amounts {
        cpus: one.cpus * count,
        ram: one.ram_mb as f64 * MIB * count,
        disk: one.disk_mb as f64 * MIB * count,
    }
}

fn plus(one: Amounts, other: Amounts) -> Amounts {
    Amounts {
        cpus: one.cpus + other.cpus,
        ram: one.ram + other.ram,
        disk: one.disk + other.disk,
    }
}

/// A path as typed, with `~/` for the home directory.
fn local(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Job files of a directory and directories in it, as they would be typed on.
async fn paths(directory: &str) -> Result<Vec<String>, String> {
    let typed = directory.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let directory = match typed.as_str() {
            "" => PathBuf::from("."),
            typed => local(typed),
        };
        let mut out = Vec::new();
        for entry in std::fs::read_dir(directory)?.take(MOST_PATHS) {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            // A link counts as what it leads to.
            if entry.path().is_dir() {
                out.push(format!("{typed}{name}/"));
            } else if name.ends_with(".aurora") || name.ends_with(".json") {
                out.push(format!("{typed}{name}"));
            }
        }
        out.retain(|path| !path[typed.len()..].starts_with('.'));
        out.sort();
        Ok::<_, std::io::Error>(out)
    });
    let read = read.await.map_err(|error| error.to_string())?;
    read.map_err(|error| format!("{directory}: {error}"))
}

/// Jobs of a file that are for this cluster.
async fn jobs_of(path: &str, cluster: &str) -> Result<Vec<String>, String> {
    let mut request = EvalRequest {
        path: local(path.trim_matches('"')).display().to_string(),
        user: crate::config::user(),
        ..EvalRequest::default()
    };
    let answer = job_file::evaluate(&mut request, None, USER_AGENT).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let jobs = answer.jobs.into_iter().filter_map(|job| {
        let (of, key) = job.key.split_once('/')?;
        (of == cluster).then(|| key.to_owned())
    });
    Ok(jobs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn paths_are_offered_as_they_would_be_typed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        for name in ["b.aurora", "a.json", "notes.txt", ".hidden.aurora"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let typed = format!("{}/", dir.path().display());
        let offered = paths(&typed).await.unwrap();
        let expected = ["a.json", "b.aurora", "sub/"].map(|name| format!("{typed}{name}"));
        assert_eq!(offered, expected);
        let missing = format!("{typed}none/");
        assert!(paths(&missing).await.unwrap_err().contains("none"));
    }
}
