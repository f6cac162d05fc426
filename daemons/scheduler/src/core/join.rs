//! Ops of one step that belong together become one, so that the log has less to hold and less to replay
//! (aurora: `TransactionRecorder.java`, which puts adjacent ops of a transaction together).
//!
//! The state has been through them one by one; the joined op takes a state to the same place.

use aurora_api::model::{JobKey, ScheduleStatus};

use super::op::Op;
use super::store::{ConfigId, TaskId, View};

/// Adds an op to those of its step. The state of `view` has it already.
pub(super) fn push(ops: &mut Vec<Op>, op: Op, view: &View) {
    let is_joined = ops.last_mut().is_some_and(|last| joins(last, &op, view));
    if !is_joined {
        ops.push(op);
    }
}

/// Makes the op before this one hold both, if they are of one kind.
fn joins(last: &mut Op, op: &Op, view: &View) -> bool {
    match (&mut *last, op) {
        // More of what an update does at this moment.
        (
            Op::UpdateInstances {
                key, acts, time, ..
            },
            Op::UpdateInstances {
                key: same,
                acts: more,
                kills,
                time: now,
                ..
            },
        ) if key == same && time == now && kills.is_empty() => {
            acts.extend_from_slice(more);
            true
        }
        // A task that it takes down for that.
        (
            Op::UpdateInstances {
                key,
                kills,
                message,
                time,
                ..
            },
            Op::SaveStatus {
                task,
                status: ScheduleStatus::Killing,
                message: words,
                time: now,
            },
        ) if time == now
            && (kills.is_empty() || message == words)
            && is_of_job(view, task, &key.job) =>
        {
            message.clone_from(words);
            kills.push(task.clone());
            true
        }
        // A task is gone, and its instance has another at once.
        (
            Op::SaveStatus {
                task,
                status,
                message,
                time,
            },
            Op::InsertTasks {
                config,
                instances,
                seed,
                time: now,
            },
        ) if time == now && status.is_terminal() => {
            let [only] = &instances[..] else {
                return false;
            };
            if only.first != only.last || !is_successor(view, task, *config, only.first) {
                return false;
            }
            *last = Op::Supersede {
                task: task.clone(),
                status: *status,
                message: message.take(),
                config: *config,
                seed: *seed,
                time: *now,
            };
            true
        }
        _ => false,
    }
}

fn is_of_job(view: &View, task: &TaskId, job: &JobKey) -> bool {
    view.task(task).is_some_and(|task| task.job() == job)
}

/// Whether tasks of this configuration and instance take the place of that task.
fn is_successor(view: &View, task: &TaskId, config: ConfigId, instance: i32) -> bool {
    let tasks = view.task(task).zip(view.config(config));
    tasks.is_some_and(|(task, config)| task.instance == instance && *task.job() == config.task.job)
}
