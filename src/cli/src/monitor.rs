//! Waiting until instances are in a state (aurora: `api/job_monitor.py`).

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::{
    ResponseCode, ScheduleStatus, ScheduleStatusResult, ScheduledTask, TaskQuery,
};
use aurora_api::service::arguments::GetTasksWithoutConfigs;
use aurora_client::scheduler::{Retry, Scheduler, take};

use crate::context::{Outcome, job_query};
use crate::keys::{FullKey, id_list};
use crate::pace::Pace;
use crate::pending::Reasons;
use crate::progress::Progress;

/// RUNNING, or anything that comes after it.
fn running_or_finished(status: ScheduleStatus) -> bool {
    status.is_live() || status.is_terminal()
}

/// A state to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether a task has come to it.
    pub(crate) is_reached: fn(ScheduleStatus) -> bool,
    /// Whether tasks that have no place yet are in its way.
    pub(crate) needs_places: bool,
}

impl Goal {
    pub(crate) const RUNNING: Goal = Goal {
        name: "RUNNING",
        is_reached: running_or_finished,
        needs_places: true,
    };
    pub(crate) const FINISHED: Goal = Goal {
        name: "FINISHED",
        is_reached: ScheduleStatus::is_terminal,
        needs_places: true,
    };
    pub(crate) const KILLED: Goal = Goal {
        name: "killed",
        is_reached: ScheduleStatus::is_terminal,
        needs_places: false,
    };
}

/// Waits until every instance of the job (or of `instances`) has come to the goal; without tasks it holds. False when the time
/// is over.
pub(crate) async fn wait_until(
    scheduler: &Scheduler,
    key: &FullKey,
    instances: Option<&BTreeSet<i32>>,
    goal: Goal,
    pace: Pace,
) -> Outcome<bool> {
    let mut wait = pace.start();
    let mut progress = Progress::new();
    let mut reasons = Reasons::default();
    let query = TaskQuery {
        instance_ids: instances.filter(|ids| !ids.is_empty()).cloned(),
        ..job_query(key)
    };
    loop {
        let tasks = tasks(scheduler, query.clone()).await?;
        let states = states(&tasks);
        let reached = |status: &ScheduleStatus| (goal.is_reached)(*status);
        let waiting = states.iter().filter(|(_, status)| !reached(status));
        let waiting: Vec<i32> = waiting.map(|(id, _)| *id).collect();
        if waiting.is_empty() {
            return Ok(true);
        }
        progress.show(&format!(
            "instances {}: {} of {} ({} s), waiting for {}",
            goal.name,
            states.len() - waiting.len(),
            states.len(),
            wait.elapsed().as_secs(),
            id_list(waiting.into_iter().take(5))
        ));
        if goal.needs_places {
            reasons.tell(scheduler, query.clone(), &tasks).await;
        }
        if !wait.go_on().await {
            return Ok(false);
        }
    }
}

async fn tasks(scheduler: &Scheduler, query: TaskQuery) -> Outcome<Vec<ScheduledTask>> {
    let call = GetTasksWithoutConfigs { query: Some(query) };
    let response = scheduler.call(call, Retry::Never).await?;
    if response.response_code != ResponseCode::Ok {
        // Upstream takes such an answer for an empty one.
        return Ok(Vec::new());
    }
    let result: ScheduleStatusResult = take("getTasksWithoutConfigs", response)?;
    Ok(result.tasks)
}

/// The state of each instance: that of its task with the newest first event.
fn states(tasks: &[ScheduledTask]) -> BTreeMap<i32, ScheduleStatus> {
    let mut newest: BTreeMap<i32, (i64, ScheduleStatus)> = BTreeMap::new();
    for task in tasks {
        let began = task
            .task_events
            .first()
            .map_or(i64::MIN, |event| event.timestamp);
        let slot = newest
            .entry(task.assigned_task.instance_id)
            .or_insert((began, task.status));
        if began > slot.0 {
            *slot = (began, task.status);
        }
    }
    newest
        .into_iter()
        .map(|(instance, (_, status))| (instance, status))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use aurora_api::model::TaskEvent;
    use aurora_client::auth::Auth;
    use aurora_client::directory::Target;

    use super::*;
    use crate::fake::{Server, ok};

    fn task(instance: i32, began: i64, status: ScheduleStatus) -> ScheduledTask {
        let mut task = ScheduledTask {
            status,
            ..ScheduledTask::default()
        };
        task.assigned_task.instance_id = instance;
        // Events after the first do not count.
        task.task_events = [began, 9_999]
            .map(|timestamp| TaskEvent {
                timestamp,
                ..TaskEvent::default()
            })
            .to_vec();
        task
    }

    #[test]
    fn the_newest_task_of_an_instance_counts() {
        use ScheduleStatus::{Failed, Killed, Pending, Running};
        let tasks = [
            task(0, 10, Killed),
            task(0, 30, Running),
            task(0, 20, Failed),
            task(1, 5, Pending),
        ];
        let expected = BTreeMap::from([(0, Running), (1, Pending)]);
        assert_eq!(states(&tasks), expected);
    }

    const QUICK: Pace = Pace {
        first: Duration::from_millis(1),
        last: Duration::from_millis(4),
        give_up: Some(Duration::from_millis(200)),
    };

    /// Waits for the end of instance 0, whose state is asked for as often as `polls` says.
    async fn wait_for_end(
        polls: usize,
        last: ScheduleStatus,
        pace: Pace,
    ) -> (Outcome<bool>, usize) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let server = Server::scheduler(move |_| {
            let status = match counted.fetch_add(1, Ordering::SeqCst) + 1 {
                at if at < polls => ScheduleStatus::Killing,
                _ => last,
            };
            ok(aurora_api::model::Result::ScheduleStatusResult(
                ScheduleStatusResult {
                    tasks: vec![task(0, 1, status)],
                },
            ))
        });
        let target = Target {
            cluster: "west".into(),
            scheduler: server.url().parse().unwrap(),
            display: server.url().parse().unwrap(),
            auth: Auth::None,
            netrc: Default::default(),
            auth_help: String::new(),
            patience: Duration::from_secs(5),
            local: None,
            entry: None,
            moved: Default::default(),
        };
        let scheduler = Scheduler::new(&target, "t");
        let key = FullKey::parse("west/r/e/n").unwrap();
        let done = wait_until(&scheduler, &key, None, Goal::FINISHED, pace).await;
        (done, count.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn bounded_waits_end_and_endless_ones_do_not() {
        let (done, polls) = wait_for_end(3, ScheduleStatus::Killed, QUICK).await;
        assert_eq!((done, polls), (Ok(true), 3));
        let (done, polls) = wait_for_end(0, ScheduleStatus::Killing, QUICK).await;
        assert_eq!(done, Ok(false));
        assert!(polls > 3, "{polls}");
        // 200 polls of up to 4 ms take longer than a bounded wait may.
        let (done, polls) = wait_for_end(200, ScheduleStatus::Killed, QUICK.endless()).await;
        assert_eq!((done, polls), (Ok(true), 200));
    }

    #[test]
    fn running_takes_live_and_terminal_states() {
        use ScheduleStatus::*;
        for (status, expected) in [
            (Pending, false),
            (Throttled, false),
            (Assigned, false),
            (Starting, false),
            (Running, true),
            (Killing, true),
            (Draining, true),
            (Finished, true),
            (Failed, true),
        ] {
            assert_eq!(running_or_finished(status), expected, "{status}");
        }
    }
}
