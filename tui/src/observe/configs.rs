//! Configurations as texts: of a job's instances, of a task, and how they differ.

use std::collections::BTreeSet;

use aurora_api::instances;
use aurora_api::job_key::JobPath;
use aurora_api::model::{
    ConfigGroup, ConfigSummaryResult, GetJobsResult, JobConfiguration, JobUpdateInstructions,
    ScheduleStatusResult, TaskConfig, TaskQuery,
};
use aurora_api::service::Call;
use aurora_api::service::arguments::{GetConfigSummary, GetJobs, GetTasksStatus};
use aurora_client::http::describe;
use aurora_client::job_file::task_text;
use aurora_client::results::FromResult;
use aurora_client::scheduler::{Retry, Scheduler};
use aurora_tui_model::diff;
use aurora_tui_model::told::{Answer, Section};

use super::ask::{details, touched};

/// The title of what a cron job launches.
const CRON: &str = "what the cron job launches next";
const INACTIVE: &str = "no task of this job is active, so no configuration of it is in force";

/// A configuration, and of what it is.
struct Known {
    title: String,
    task: TaskConfig,
}

/// The configuration of a task, or of a job's instances and of what its schedule launches.
pub(super) async fn config(
    scheduler: &Scheduler,
    job: &JobPath,
    task: Option<&str>,
) -> Result<Option<Answer>, String> {
    let sections: Vec<Section> = match task {
        Some(id) => of_task(scheduler, id).await?.into_iter().collect(),
        None => {
            let groups = groups(scheduler, job).await?;
            let cron = cron(scheduler, job, &groups).await?;
            let cron = cron.map(|cron| Section {
                title: CRON.to_owned(),
                lines: cron_head(&cron)
                    .into_iter()
                    .chain(lines(&cron.task_config))
                    .collect(),
            });
            let groups = groups.iter().map(|known| Section {
                title: known.title.clone(),
                lines: lines(&known.task),
            });
            cron.into_iter().chain(groups).collect()
        }
    };
    Ok(Some(Answer::Sheet(match sections.is_empty() {
        true => vec![said(match task {
            Some(_) => "the scheduler no longer knows this task",
            None => INACTIVE,
        })],
        false => sections,
    })))
}

/// How the configurations of a job's instances differ from what its schedule launches, else from that of most of them.
pub(super) async fn instances(
    scheduler: &Scheduler,
    job: &JobPath,
) -> Result<Option<Answer>, String> {
    let mut all = groups(scheduler, job).await?;
    let cron = cron(scheduler, job, &all).await?.map(|cron| Known {
        title: CRON.to_owned(),
        task: cron.task_config,
    });
    let base = match cron {
        Some(cron) => cron,
        None if all.is_empty() => return Ok(Some(Answer::Sheet(vec![said(INACTIVE)]))),
        // The first is that of the most instances.
        None => all.remove(0),
    };
    if all.is_empty() {
        let only = format!("{}: there is no other configuration", base.title);
        return Ok(Some(Answer::Sheet(vec![said(&only)])));
    }
    let text = task_text(&base.task);
    let differences = all.iter().map(|other| Section {
        title: format!("- {}, + {}", base.title, other.title),
        lines: diff::lines(&text, &task_text(&other.task)),
    });
    Ok(Some(Answer::Sheet(differences.collect())))
}

/// What an update changes.
pub(super) async fn update(
    scheduler: &Scheduler,
    job: &JobPath,
    id: &str,
) -> Result<Option<Answer>, String> {
    let details = details(scheduler, job, id).await?;
    Ok(details.map(|details| Answer::Sheet(changes(&details.update.instructions))))
}

/// Instances that an update changes, those that it adds, those that it removes.
fn changes(instructions: &JobUpdateInstructions) -> Vec<Section> {
    let desired = instructions.desired_state.as_ref();
    let after: BTreeSet<i32> = desired
        .iter()
        .flat_map(|config| touched(&config.instances))
        .collect();
    let mut new = after.clone();
    let mut out = Vec::new();
    let mut going = Vec::new();
    for config in &instructions.initial_state {
        let before: BTreeSet<i32> = touched(&config.instances).into_iter().collect();
        new.retain(|instance| !before.contains(instance));
        going.extend(before.difference(&after).copied());
        let changed: Vec<i32> = before.intersection(&after).copied().collect();
        if let Some(desired) = desired.filter(|_| !changed.is_empty()) {
            out.push(Section {
                title: format!("{} changed from - to +", named(&changed)),
                lines: diff::lines(&task_text(&config.task), &task_text(&desired.task)),
            });
        }
    }
    if let Some(desired) = desired.filter(|_| !new.is_empty()) {
        let new: Vec<i32> = new.into_iter().collect();
        out.push(Section {
            title: format!("{} added", named(&new)),
            lines: lines(&desired.task)
                .iter()
                .map(|line| format!("+ {line}"))
                .collect(),
        });
    }
    if !going.is_empty() {
        out.push(said(&format!("{} removed", named(&going))));
    }
    out
}

/// A part that is a sentence.
fn said(text: &str) -> Section {
    Section {
        title: text.to_owned(),
        lines: Vec::new(),
    }
}

fn named(ids: &[i32]) -> String {
    let word = if ids.len() == 1 {
        "instance"
    } else {
        "instances"
    };
    format!("{word} {}", instances::text(ids.iter().copied()))
}

fn lines(task: &TaskConfig) -> Vec<String> {
    task_text(task).lines().map(str::to_owned).collect()
}

/// The scheduler's answer to a call that changes nothing.
pub(super) async fn asked<T: FromResult>(
    scheduler: &Scheduler,
    call: impl Into<Call>,
) -> Result<T, String> {
    let found = scheduler.ask(call, Retry::Safe).await;
    found.map_err(|error| describe(&error))
}

async fn of_task(scheduler: &Scheduler, id: &str) -> Result<Option<Section>, String> {
    let query = TaskQuery {
        task_ids: Some(BTreeSet::from([id.to_owned()])),
        ..TaskQuery::default()
    };
    let call = GetTasksStatus { query: Some(query) };
    let found: ScheduleStatusResult = asked(scheduler, call).await?;
    let found = found.tasks.into_iter().next();
    Ok(found.map(|found| Section {
        title: format!("instance {}, task {id}", found.assigned_task.instance_id),
        lines: lines(&found.assigned_task.task),
    }))
}

/// The configurations of a job's active tasks; that of the most instances comes first.
async fn groups(scheduler: &Scheduler, job: &JobPath) -> Result<Vec<Known>, String> {
    let call = GetConfigSummary {
        job: Some(job.0.clone()),
    };
    let found: ConfigSummaryResult = asked(scheduler, call).await?;
    let mut groups: Vec<(Vec<i32>, TaskConfig)> =
        found.summary.groups.into_iter().map(of_group).collect();
    groups.sort_by_key(|(ids, _)| (usize::MAX - ids.len(), ids.first().copied()));
    let known = groups.into_iter().map(|(ids, task)| Known {
        title: named(&ids),
        task,
    });
    Ok(known.collect())
}

fn of_group(group: ConfigGroup) -> (Vec<i32>, TaskConfig) {
    let ids = touched(&group.instances);
    (ids, group.config)
}

/// The job as its schedule has it. No service has one, and all jobs of the role come with the answer, so of services that is
/// not asked (aurora: `src/main/java/org/apache/aurora/scheduler/configuration/ConfigurationManager.java`).
async fn cron(
    scheduler: &Scheduler,
    job: &JobPath,
    known: &[Known],
) -> Result<Option<JobConfiguration>, String> {
    if known.iter().any(|known| known.task.is_service) {
        return Ok(None);
    }
    let call = GetJobs {
        owner_role: Some(job.0.role.clone()),
    };
    let found: GetJobsResult = asked(scheduler, call).await?;
    let mut found = found.configs.into_iter();
    Ok(found.find(|found| found.key == job.0 && found.cron_schedule.is_some()))
}

/// What a cron job has besides its task.
pub(super) fn cron_head(job: &JobConfiguration) -> [String; 3] {
    let schedule = job.cron_schedule.as_deref().unwrap_or_default();
    let policy = job.cron_collision_policy.unwrap_or_default().name();
    [
        format!("schedule: {schedule}"),
        format!("collision policy: {policy}"),
        format!("instances: {}", job.instance_count),
    ]
}

#[cfg(test)]
mod tests {
    use aurora_api::model::{InstanceTaskConfig, Range};

    use super::*;

    fn of(service: bool, ranges: &[(i32, i32)]) -> InstanceTaskConfig {
        let ranges = ranges.iter();
        InstanceTaskConfig {
            task: TaskConfig {
                is_service: service,
                ..TaskConfig::default()
            },
            instances: ranges
                .map(|(first, last)| Range {
                    first: *first,
                    last: *last,
                })
                .collect(),
        }
    }

    /// What is told, with the lines that begin with a sign.
    fn told(before: &[InstanceTaskConfig], after: Option<InstanceTaskConfig>) -> Vec<String> {
        let sections = changes(&JobUpdateInstructions {
            initial_state: before.iter().cloned().collect(),
            desired_state: after,
            ..JobUpdateInstructions::default()
        });
        let sections = sections.into_iter().map(|section| {
            let signed = section
                .lines
                .iter()
                .filter(|line| line.contains("isService"));
            let signed: Vec<&str> = signed.map(String::as_str).collect();
            format!("{}{}", section.title, signed.concat())
        });
        sections.collect()
    }

    #[test]
    fn an_update_changes_adds_and_removes_instances() {
        let off = "-   \"isService\": false,";
        let on = "+   \"isService\": true,";
        for (before, after, expected) in [
            // As many as before, with another configuration.
            (
                vec![of(false, &[(0, 2)])],
                Some(of(true, &[(0, 2)])),
                vec![format!("instances 0-2 changed from - to +{off}{on}")],
            ),
            // More: the new ones come whole.
            (
                vec![of(false, &[(0, 0)])],
                Some(of(true, &[(0, 2)])),
                vec![
                    format!("instance 0 changed from - to +{off}{on}"),
                    format!("instances 1-2 added{on}"),
                ],
            ),
            // Fewer.
            (
                vec![of(false, &[(0, 0), (4, 5)])],
                Some(of(true, &[(0, 0)])),
                vec![
                    format!("instance 0 changed from - to +{off}{on}"),
                    "instances 4-5 removed".to_owned(),
                ],
            ),
            // None is left, as after a rollback to nothing.
            (
                vec![of(false, &[(3, 3)])],
                None,
                vec!["instance 3 removed".to_owned()],
            ),
            (
                Vec::new(),
                Some(of(true, &[(0, 0)])),
                vec![format!("instance 0 added{on}")],
            ),
        ] {
            assert_eq!(told(&before, after), expected);
        }
    }
}
