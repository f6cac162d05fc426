//! Reading updates (aurora: `ReadOnlySchedulerImpl.java`, `JobUpdateStore.java`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use aurora_api::instances::ranges;
use aurora_api::model::{
    ConfigGroup, GetJobUpdateDetailsResult, GetJobUpdateDiffResult, GetJobUpdateSummariesResult,
    JobUpdateKey, JobUpdateQuery, JobUpdateRequest, JobUpdateSummary, Response, ResponseDetail,
    Result as Payload, TaskConfig,
};

use super::answer::{error, invalid, ok};
use crate::core::store::Update;
use crate::core::updates::difference::Difference;
use crate::core::{Config, View, validate};

/// The updates that a query selects, the one that changed last first.
fn selected<'a>(view: &'a View, query: &JobUpdateQuery) -> Vec<&'a Update> {
    let is_wanted = |update: &&Update| {
        let summary = &update.update.summary;
        let job = &summary.key.job;
        let fits = |wanted: Option<bool>| wanted.unwrap_or(true);
        fits(query.role.as_ref().map(|role| *role == job.role))
            && fits(query.key.as_ref().map(|key| *key == summary.key))
            && fits(query.job_key.as_ref().map(|key| key == job))
            && fits(
                query
                    .user
                    .as_ref()
                    .map(|user| Some(user) == summary.user.as_ref()),
            )
            && fits(
                query
                    .update_statuses
                    .as_ref()
                    .filter(|statuses| !statuses.is_empty())
                    .map(|statuses| {
                        update
                            .status()
                            .is_some_and(|status| statuses.contains(&status))
                    }),
            )
    };
    let mut updates: Vec<&Update> = match (&query.key, &query.job_key) {
        (Some(key), _) => view.update(key).into_iter().filter(is_wanted).collect(),
        (None, Some(job)) => view.updates_of_job(job).filter(is_wanted).collect(),
        (None, None) => view.updates().filter(is_wanted).collect(),
    };
    updates.sort_by_key(|update| (Reverse(update.modified()), update.key().clone()));
    let offset = usize::try_from(query.offset.unwrap_or(0)).unwrap_or(0);
    let limit = match usize::try_from(query.limit.unwrap_or(0)).unwrap_or(0) {
        0 => usize::MAX,
        limit => limit,
    };
    updates.into_iter().skip(offset).take(limit).collect()
}

pub(super) fn summaries(view: &View, query: &JobUpdateQuery) -> Response {
    let summaries = selected(view, query)
        .into_iter()
        .map(|update| JobUpdateSummary {
            state: update.state(),
            ..update.update.summary.clone()
        });
    ok(Payload::GetJobUpdateSummariesResult(
        GetJobUpdateSummariesResult {
            update_summaries: summaries.collect(),
        },
    ))
}

pub(super) fn details(
    view: &View,
    key: Option<&JobUpdateKey>,
    query: Option<&JobUpdateQuery>,
) -> Response {
    match (key, query) {
        (_, Some(query)) => ok(Payload::GetJobUpdateDetailsResult(
            GetJobUpdateDetailsResult {
                details: None,
                details_list: selected(view, query)
                    .into_iter()
                    .map(Update::details)
                    .collect(),
            },
        )),
        (Some(key), None) => match view.update(key) {
            Some(update) => Response {
                details: vec![ResponseDetail {
                    message: Some(
                        "The key argument is deprecated, use the query argument instead".to_owned(),
                    ),
                }],
                ..ok(Payload::GetJobUpdateDetailsResult(
                    GetJobUpdateDetailsResult {
                        details: Some(update.details()),
                        details_list: Vec::new(),
                    },
                ))
            },
            None => invalid(format!("Invalid update: {} of {}", key.id, key.job)),
        },
        (None, None) => error("Either key or query must be set."),
    }
}

pub(super) fn difference(config: &Config, view: &View, request: JobUpdateRequest) -> Response {
    // Beyond this no update can be started; the answer would be as large as the number.
    if request.instance_count > config.max_tasks_per_job {
        return invalid(format!(
            "Instance count must be between 1 and {} inclusive.",
            config.max_tasks_per_job
        ));
    }
    let desired = match validate::populate_task(config, request.task_config, request.instance_count)
    {
        Ok(task) => task,
        Err(fault) => return invalid(fault),
    };
    if view.cron(&desired.job).is_some() {
        return invalid("Cron jobs are not supported.");
    }
    let scope = &request.settings.update_only_these_instances;
    let difference = Difference::new(view, &desired, request.instance_count, scope);
    let is_changed = |instance: &i32| difference.replacements.contains(instance);
    let replaced = || {
        let replaced = difference.replaced.iter();
        replaced.map(|(instance, config)| (*instance, &*config.task))
    };
    let new = difference.replacements.iter();
    let new = new.filter(|instance| !difference.replaced.contains_key(instance));
    let unchanged = difference.unchanged.iter();
    ok(Payload::GetJobUpdateDiffResult(GetJobUpdateDiffResult {
        add: groups(new.map(|instance| (*instance, &desired))),
        remove: groups(replaced().filter(|(instance, _)| !is_changed(instance))),
        update: groups(replaced().filter(|(instance, _)| is_changed(instance))),
        unchanged: groups(unchanged.map(|(instance, config)| (*instance, &*config.task))),
    }))
}

/// Instances by their configuration. Each is in one place in memory: places are compared, since configurations are large.
pub(super) fn groups<'a>(
    instances: impl IntoIterator<Item = (i32, &'a TaskConfig)>,
) -> BTreeSet<ConfigGroup> {
    let mut by_place: BTreeMap<*const TaskConfig, (&TaskConfig, Vec<i32>)> = BTreeMap::new();
    for (instance, config) in instances {
        let group = by_place
            .entry(config)
            .or_insert_with(|| (config, Vec::new()));
        group.1.push(instance);
    }
    by_place
        .into_values()
        .map(|(config, instances)| ConfigGroup {
            config: config.clone(),
            instances: ranges(instances).into_iter().collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::core::op::Op;
    use crate::core::store::{ConfigId, Store};
    use aurora_api::model::{
        ExecutorConfig, JobKey, JobUpdate, JobUpdateEvent, JobUpdateStatus, Range, ResponseCode,
    };

    /// A job of so many instances in fifty large configurations.
    fn job(instances: i32) -> View {
        let mut store = Store::default();
        for id in 0..50 {
            let first = instances / 50 * id;
            let last = first + instances / 50 - 1;
            let ops = [
                Op::AddConfig {
                    id: ConfigId(id as u64),
                    config: config(id).into(),
                },
                Op::InsertTasks {
                    config: ConfigId(id as u64),
                    instances: vec![Range { first, last }],
                    seed: id as u128,
                    time: 1,
                },
            ];
            for op in ops {
                store.apply(&op).expect("the ops are in order");
            }
        }
        store.view()
    }

    fn config(number: i32) -> TaskConfig {
        TaskConfig {
            job: JobKey::new("www", "prod", "web"),
            is_service: true,
            executor_config: Some(ExecutorConfig {
                name: Some("AuroraExecutor".to_owned()),
                data: Some(format!("{}{number}", "x".repeat(10_000))),
            }),
            ..TaskConfig::default()
        }
    }

    /// The least time of some attempts, of so many differences each.
    fn time(instances: i32, differences: usize) -> Duration {
        let (view, desired) = (job(instances), config(7));
        let attempts = (0..7).map(|_| {
            let began = Instant::now();
            for _ in 0..differences {
                let difference = Difference::new(&view, &desired, instances, &BTreeSet::new());
                assert_eq!(difference.unchanged.len(), instances as usize / 50);
                let replaced = difference.replaced.iter();
                let update = groups(replaced.map(|(instance, config)| (*instance, &*config.task)));
                assert_eq!(update.len(), 49);
            }
            began.elapsed()
        });
        attempts.min().expect("there are some")
    }

    /// Eight differences of an eighth of the instances take about as long, whatever the machine and whatever else it does
    /// meanwhile: `U5` of the benchmarks has figures.
    #[test]
    fn a_difference_costs_as_much_as_there_are_instances() {
        let (small, large) = (time(500, 8), time(4_000, 1));
        assert!(large < small * 5, "{large:?} against {small:?}");
    }

    /// Three updates; each has what a query may ask for.
    fn three() -> View {
        use JobUpdateStatus::{Aborted, RolledForward, RollingForward};
        let mut store = Store::default();
        for (role, id, user, end, modified) in [
            ("www", "u1", "ann", RollingForward, 30),
            ("www", "u2", "bob", Aborted, 20),
            ("ads", "u3", "ann", RolledForward, 10),
        ] {
            let key = JobUpdateKey {
                job: JobKey::new(role, "prod", "web"),
                id: id.to_owned(),
            };
            let summary = JobUpdateSummary {
                key: key.clone(),
                user: Some(user.to_owned()),
                ..JobUpdateSummary::default()
            };
            let update = JobUpdate {
                summary,
                ..JobUpdate::default()
            };
            let event = JobUpdateEvent {
                status: end,
                timestamp_ms: modified,
                ..JobUpdateEvent::default()
            };
            let update = update.into();
            for op in [Op::SaveUpdate { update }, Op::UpdateEvent { key, event }] {
                store.apply(&op).expect("the ops are in order");
            }
        }
        store.view()
    }

    #[test]
    fn queries_of_updates() {
        let view = three();
        let none = JobUpdateQuery::default;
        let web = JobKey::new("www", "prod", "web");
        let key = |id: &str| JobUpdateKey {
            job: web.clone(),
            id: id.to_owned(),
        };
        for (query, expected) in [
            (none(), "u1 u2 u3"),
            (
                JobUpdateQuery {
                    role: Some("www".to_owned()),
                    ..none()
                },
                "u1 u2",
            ),
            (
                JobUpdateQuery {
                    job_key: Some(web.clone()),
                    user: Some("ann".to_owned()),
                    ..none()
                },
                "u1",
            ),
            (
                JobUpdateQuery {
                    key: Some(key("u2")),
                    ..none()
                },
                "u2",
            ),
            (
                JobUpdateQuery {
                    key: Some(key("u3")),
                    ..none()
                },
                "",
            ),
            (
                JobUpdateQuery {
                    update_statuses: Some([JobUpdateStatus::Aborted].into()),
                    ..none()
                },
                "u2",
            ),
            (
                JobUpdateQuery {
                    update_statuses: Some(BTreeSet::new()),
                    user: Some("ann".to_owned()),
                    ..none()
                },
                "u1 u3",
            ),
            (
                JobUpdateQuery {
                    offset: Some(1),
                    limit: Some(1),
                    ..none()
                },
                "u2",
            ),
        ] {
            let ids: Vec<&str> = selected(&view, &query)
                .into_iter()
                .map(|update| update.key().id.as_str())
                .collect();
            assert_eq!(ids.join(" "), expected, "{query:?}");
        }
    }

    #[test]
    fn details_by_key_and_by_query() {
        let view = three();
        let known = JobUpdateKey {
            job: JobKey::new("www", "prod", "web"),
            id: "u1".to_owned(),
        };
        let unknown = JobUpdateKey {
            id: "u9".to_owned(),
            ..known.clone()
        };
        let message = |answer: &Response| {
            let first = answer.details.first()?;
            first.message.clone()
        };
        let neither = details(&view, None, None);
        assert_eq!(neither.response_code, ResponseCode::Error);
        assert_eq!(
            message(&neither).as_deref(),
            Some("Either key or query must be set.")
        );
        let nothing = details(&view, Some(&unknown), None);
        assert_eq!(nothing.response_code, ResponseCode::InvalidRequest);
        let one = details(&view, Some(&known), None);
        assert_eq!(
            message(&one).as_deref(),
            Some("The key argument is deprecated, use the query argument instead")
        );
        let Some(Payload::GetJobUpdateDetailsResult(found)) = one.result else {
            panic!("no details");
        };
        let found = found.details.expect("the update is there").update.summary;
        assert_eq!(found.key, known);
        assert_eq!(
            found.state.map(|state| state.last_modified_timestamp_ms),
            Some(30)
        );
        // A query wins over a key.
        let many = details(&view, Some(&unknown), Some(&JobUpdateQuery::default()));
        let Some(Payload::GetJobUpdateDetailsResult(found)) = many.result else {
            panic!("no details");
        };
        assert_eq!((found.details, found.details_list.len()), (None, 3));
    }

    /// One of a hundred instances is looked at; the others stay, whatever they are.
    #[test]
    fn a_difference_within_a_scope() {
        let scope = BTreeSet::from([Range { first: 3, last: 3 }]);
        let difference = Difference::new(&job(100), &config(77), 100, &scope);
        assert_eq!(difference.replaced.keys().collect::<Vec<_>>(), [&3]);
        assert_eq!(difference.replacements, BTreeSet::from([3]));
        assert_eq!(difference.unchanged.len(), 99);
    }
}
