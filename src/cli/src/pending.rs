//! Why instances stay PENDING, for whoever waits for them.

use std::collections::BTreeMap;

use aurora_api::model::{GetPendingReasonResult, ScheduleStatus, ScheduledTask, TaskQuery};
use aurora_api::service::arguments::GetPendingReason;
use aurora_client::scheduler::{CallError, Retry, Scheduler};

use crate::keys::id_list;

/// How many looks at the tasks go by before the scheduler is asked for reasons, each time: about three seconds of a wait for
/// instances at first, and a minute or so in the end.
const LOOKS: u32 = 8;

/// What was logged.
#[derive(Default)]
pub(crate) struct Reasons {
    looks: u32,
    /// Instances by the reason that they have in common.
    told: BTreeMap<String, Vec<i32>>,
}

impl Reasons {
    /// Logs why the pending ones of these tasks are so, when that lasts and is not what was said last. `query` names them.
    pub(crate) async fn tell(
        &mut self,
        scheduler: &Scheduler,
        query: TaskQuery,
        tasks: &[ScheduledTask],
    ) {
        let pending: BTreeMap<&str, i32> = tasks
            .iter()
            .filter(|task| task.status == ScheduleStatus::Pending)
            .map(|task| &task.assigned_task)
            .map(|task| (task.task_id.as_str(), task.instance_id))
            .collect();
        self.looks += 1;
        if pending.is_empty() || !self.looks.is_multiple_of(LOOKS) {
            return;
        }
        match ask(scheduler, query, &pending).await {
            Ok(found) if found != self.told => {
                for (reason, instances) in &found {
                    let ids = id_list(instances.iter().copied());
                    tracing::info!("Instances {ids} are PENDING: {reason}");
                }
                self.told = found;
            }
            Ok(_) => {}
            // The wait does not depend on it.
            Err(error) => tracing::debug!("no reasons: {error}"),
        }
    }
}

async fn ask(
    scheduler: &Scheduler,
    query: TaskQuery,
    pending: &BTreeMap<&str, i32>,
) -> Result<BTreeMap<String, Vec<i32>>, CallError> {
    let call = GetPendingReason { query: Some(query) };
    let found: GetPendingReasonResult = scheduler.ask(call, Retry::Never).await?;
    let mut instances: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for pending_reason in found.reasons {
        if let Some(id) = pending.get(pending_reason.task_id.as_str()) {
            instances
                .entry(pending_reason.reason)
                .or_default()
                .push(*id);
        }
    }
    for ids in instances.values_mut() {
        ids.sort_unstable();
    }
    Ok(instances)
}
