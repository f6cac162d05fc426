//! What is counted and told abroad when tasks change their state: counters of lost and failed tasks, and webhooks.

use std::collections::HashSet;
use std::sync::Arc;

use aurora_api::model::ScheduleStatus;

use crate::core::store::{DEDICATED, Task};
use crate::core::{Change, Changes, View};
use crate::metrics::Metrics;
use crate::webhook::Webhook;

/// Sees every durable change.
pub(crate) struct Watch {
    metrics: Arc<Metrics>,
    webhook: Option<Webhook>,
}

impl Watch {
    pub(crate) fn new(metrics: Arc<Metrics>, webhook: Option<Webhook>) -> Watch {
        Watch { metrics, webhook }
    }

    /// Takes in what an entry of the log changed.
    pub(crate) fn committed(&self, changes: &Changes, before: &View, after: &View) {
        let mut seen = HashSet::new();
        for change in changes {
            let Change::Task { id, .. } = change else {
                continue;
            };
            let Some(task) = after.task(id) else {
                continue;
            };
            // Of the many tasks that a large job brings most have nothing to count.
            let has_ended = matches!(task.status, ScheduleStatus::Lost | ScheduleStatus::Failed);
            if (has_ended || self.webhook.is_some()) && seen.insert(id.clone()) {
                self.task_changed(before.task(id), task, after);
            }
        }
    }

    fn task_changed(&self, before: Option<&Task>, task: &Task, view: &View) {
        let was_ended = before.is_some_and(|task| task.status.is_terminal());
        if !was_ended && matches!(task.status, ScheduleStatus::Lost | ScheduleStatus::Failed) {
            self.count_end(task, view);
        }
        if let Some(webhook) = &self.webhook {
            for (old, new) in transitions(before, task) {
                webhook.tell(task, old, new);
            }
        }
    }

    /// (aurora: `TaskVars.java`)
    fn count_end(&self, task: &Task, view: &View) {
        let (status, job) = (task.status, task.job());
        self.metrics.add(&format!("tasks_{status}_{job}"), 1);
        if status != ScheduleStatus::Lost {
            return;
        }
        let host = task.host().and_then(|host| view.host(host));
        let attributes = host
            .into_iter()
            .flat_map(|host| &host.attributes.attributes);
        for attribute in attributes {
            let prefix = match attribute.name.as_str() {
                "rack" => "tasks_lost_rack_",
                DEDICATED => "tasks_lost_dedicated_",
                _ => continue,
            };
            for value in &attribute.values {
                self.metrics.add(&format!("{prefix}{value}"), 1);
            }
        }
    }
}

/// The states that a task went through since an earlier look at it, each with the one before.
fn transitions(before: Option<&Task>, task: &Task) -> Vec<(ScheduleStatus, ScheduleStatus)> {
    let known = before.map_or(&[][..], |task| &task.events[..]);
    let common = known.iter().zip(&task.events);
    let common = common.take_while(|(old, new)| old == new).count();
    let mut old = match common.checked_sub(1) {
        Some(last) => task.events[last].status,
        None => ScheduleStatus::Init,
    };
    let mut told = Vec::new();
    for event in &task.events[common..] {
        told.push((old, event.status));
        old = event.status;
    }
    told
}

#[cfg(test)]
mod tests {
    use aurora_api::model::{Attribute, HostAttributes, Range};

    use super::*;
    use crate::core::{Op, Store};
    use crate::engine::tests::job;

    #[test]
    fn lost_and_failed_tasks_are_counted_by_job_rack_and_dedication() {
        let mut store = Store::default();
        let metrics = Arc::new(Metrics::default());
        let watch = Watch::new(metrics.clone(), None);
        let config = store.next_config_id();
        let template = job("x", 1);
        let mut changes = Changes::new();
        let attribute = |name: &str, value: &str| Attribute {
            name: name.to_owned(),
            values: [value.to_owned()].into(),
        };
        for op in [
            Op::SaveHost {
                attributes: HostAttributes {
                    host: "h1".to_owned(),
                    attributes: [attribute("rack", "r 1"), attribute(DEDICATED, "*/db")].into(),
                    ..HostAttributes::default()
                }
                .into(),
            },
            Op::AddConfig {
                id: config,
                config: template.task_config.into(),
            },
            Op::InsertTasks {
                config,
                instances: vec![Range { first: 0, last: 2 }],
                seed: 1,
                time: 1,
            },
        ] {
            changes.extend(store.apply(&op).unwrap());
        }
        let ids: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Task { id, .. } => Some(id.clone()),
                _ => None,
            })
            .collect();
        let assign = |task: &Arc<str>| Op::Assign {
            task: task.clone(),
            agent: "a1".into(),
            host: "h1".into(),
            ports: Vec::new(),
            time: 2,
        };
        let status = |task: &Arc<str>, status| Op::SaveStatus {
            task: task.clone(),
            status,
            message: None,
            time: 3,
        };
        // Each step is an entry.
        for step in [
            vec![assign(&ids[0]), assign(&ids[1]), assign(&ids[2])],
            vec![
                status(&ids[0], ScheduleStatus::Running),
                status(&ids[0], ScheduleStatus::Lost),
                status(&ids[1], ScheduleStatus::Failed),
                status(&ids[2], ScheduleStatus::Finished),
            ],
        ] {
            let before = store.view();
            let mut changes = Changes::new();
            for op in step {
                changes.extend(store.apply(&op).unwrap());
            }
            watch.committed(&changes, &before, &store.view());
            // Told again, as after a restart: it is over.
            watch.committed(&changes, &store.view(), &store.view());
        }
        let counted = metrics.all();
        for (name, expected) in [
            ("tasks_LOST_www-data/devel/x", Some(&1)),
            ("tasks_FAILED_www-data/devel/x", Some(&1)),
            ("tasks_FINISHED_www-data/devel/x", None),
            ("tasks_lost_rack_r 1", Some(&1)),
            ("tasks_lost_dedicated_*/db", Some(&1)),
        ] {
            assert_eq!(counted.get(name), expected, "{name}");
        }
        let task = store.read().task(&ids[0]).unwrap();
        use ScheduleStatus::{Assigned, Init, Lost, Pending, Running};
        let all = [
            (Init, Pending),
            (Pending, Assigned),
            (Assigned, Running),
            (Running, Lost),
        ];
        assert_eq!(transitions(None, task), all);
        let mut earlier = task.clone();
        earlier.events.truncate(2);
        assert_eq!(transitions(Some(&earlier), task), all[2..]);
        assert_eq!(transitions(Some(task), task), []);
    }
}
