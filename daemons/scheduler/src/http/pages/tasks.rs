//! Tables of tasks: all of them, and those that stand for the instances of a job.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurora_api::brief::Group;
use aurora_api::resources::Amounts;
use aurora_filter::Value;

use super::records::{Moment, columns, maybe, mebibytes, number, plain, text, values_of, yes};
use super::table::{Column, Record};
use crate::core::store::Task;
use crate::feed::render::task_record;

/// A task.
pub(super) struct TaskRow {
    moment: Arc<Moment>,
    task: Task,
    amounts: Amounts,
}

impl TaskRow {
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = TaskRow> + '_> {
        let view = &moment.view;
        let tasks = view.jobs().flat_map(|job| view.tasks_of_job(job));
        Box::new(tasks.map(|task| TaskRow {
            moment: moment.clone(),
            task: task.clone(),
            amounts: task.config.amounts.clone(),
        }))
    }
}

impl Record for TaskRow {
    const COLUMNS: &'static [Column<TaskRow>] = columns! {
        "task" => |row| text(&*row.task.id()),
        "job" => |row| text(row.task.job().to_string()),
        "role" => |row| text(&*row.task.job().role),
        "environment" => |row| text(&*row.task.job().environment),
        "name" => |row| text(&*row.task.job().name),
        "instance" => |row| number(row.task.instance),
        "status" => |row| text(row.task.status.name()),
        "host" => |row| maybe(row.task.host()),
        "tier" => |row| maybe(row.task.config.task.tier.as_deref()),
        "failures" => |row| number(row.task.failure_count()),
        "message" => |row| {
            let last = row.task.events.last();
            maybe(last.and_then(|event| event.message.as_deref()))
        },
        "cpus" => |row| Value::Number(row.amounts.cpus),
        "ram" => |row| mebibytes(row.amounts.ram_mb),
        "disk" => |row| mebibytes(row.amounts.disk_mb),
        "changed_ms" => |row| number(row.task.last_event_time()),
        "age" => |row| number(row.moment.now - row.task.last_event_time()),
    };
    const WORDS: usize = 11;
    const AGES: &'static [(&'static str, &'static str)] = &[("age", "changed_ms")];
    fn key(&self) -> String {
        self.task.id().to_string()
    }
    /// Of its host.
    fn attribute(&self, name: &str) -> Vec<&str> {
        host_attribute(&self.moment, &self.task, name)
    }
}

/// An instance of a job, by the task that stands for it: the active one, else the one that ended last.
pub(super) struct InstanceRow {
    moment: Arc<Moment>,
    task: Task,
}

impl InstanceRow {
    /// Those of the moment's job.
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = InstanceRow> + '_> {
        let view = &moment.view;
        let Some(job) = moment.job.as_ref().and_then(|key| view.job(key)) else {
            return Box::new(std::iter::empty());
        };
        let ended = view.ended_tasks(job);
        let ended = ended.filter(|task| job.active_slot(task.instance).is_none());
        let last: BTreeMap<i32, &Task> = ended.map(|task| (task.instance, task)).collect();
        let tasks = view.active_tasks(job).chain(last.into_values());
        Box::new(tasks.map(|task| InstanceRow {
            moment: moment.clone(),
            task: task.clone(),
        }))
    }

    /// Whether somebody should look at it.
    fn is_problem(&self) -> bool {
        let group = Group::of(self.task.status);
        matches!(group, Group::Waiting | Group::Failed | Group::Changing)
            || self.task.failure_count() > 0
    }
}

/// By the names of the workbench's columns.
impl Record for InstanceRow {
    const COLUMNS: &'static [Column<InstanceRow>] = columns! {
        "id" => |row| text(row.task.instance.to_string()),
        "status" => |row| text(row.task.status.name()),
        "host" => |row| maybe(row.task.host()),
        "ports" => |row| {
            let ports = row.task.ports.iter();
            let ports: Vec<String> = ports.map(|(name, port)| format!("{name}:{port}")).collect();
            text(ports.join(" "))
        },
        "message" => |row| {
            let last = row.task.events.last();
            maybe(last.and_then(|event| event.message.as_deref()))
        },
        "task" => |row| text(&*row.task.id()),
        "instance" => |row| number(row.task.instance),
        "failures" => |row| number(row.task.failure_count()),
        "changed_ms" => |row| number(row.task.last_event_time()),
        "for" => |row| number(row.moment.now - row.task.last_event_time()),
        "problem" => |row| yes(row.is_problem()),
    };
    const WORDS: usize = 6;
    const AGES: &'static [(&'static str, &'static str)] = &[("for", "changed_ms")];
    fn key(&self) -> String {
        self.task.instance.to_string()
    }
    /// Of its host.
    fn attribute(&self, name: &str) -> Vec<&str> {
        host_attribute(&self.moment, &self.task, name)
    }
    fn record(&self) -> Option<serde_json::Value> {
        plain(task_record(self.moment.seq, &self.task))
    }
}

fn host_attribute<'a>(moment: &'a Moment, task: &Task, name: &str) -> Vec<&'a str> {
    let host = task.host().and_then(|host| moment.view.host(host));
    host.map_or_else(Vec::new, |host| values_of(host, name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aurora_api::feed::Seq;
    use aurora_api::model::{Range, ScheduleStatus};

    use super::*;
    use crate::core::cron::Zone;
    use crate::core::{Op, Store};
    use crate::engine::tests::job;

    #[test]
    fn the_active_task_stands_for_an_instance_else_the_one_that_ended_last() {
        let mut store = Store::default();
        let template = job("x", 3);
        let config = store.next_config_id();
        let task = Arc::new(template.task_config.clone());
        store
            .apply(&Op::AddConfig {
                config: task,
                id: config,
            })
            .unwrap();
        let mut expected = Vec::new();
        for (seed, instance, is_over, stands) in [
            (1, 0, true, false),
            (2, 1, true, false),
            (3, 0, false, true),
            (4, 1, true, true),
            (5, 2, true, true),
        ] {
            let (first, time) = (instance, i64::try_from(seed).unwrap());
            let range = Range { first, last: first };
            let instances = vec![range];
            store
                .apply(&Op::InsertTasks {
                    config,
                    instances,
                    seed,
                    time,
                })
                .unwrap();
            let id = crate::core::store::task_id(&template.key, instance, seed);
            if is_over {
                let (task, status) = (id.clone(), ScheduleStatus::Finished);
                let message = None;
                store
                    .apply(&Op::SaveStatus {
                        task,
                        status,
                        message,
                        time,
                    })
                    .unwrap();
            }
            expected.extend(stands.then_some(id));
        }
        let moment = |job| {
            Arc::new(Moment {
                view: store.view(),
                seq: Seq::default(),
                now: 9,
                zone: Zone::default(),
                job: Some(job),
            })
        };
        let known = moment(template.key.clone());
        let found = InstanceRow::all(&known).map(|row| row.task.id());
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let other = moment(job("y", 1).key);
        assert_eq!(InstanceRow::all(&other).count(), 0);
    }
}
