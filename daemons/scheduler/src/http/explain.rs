//! `GET /ext/v1/explain/TASK`: why a task is as it is.

use aurora_api::model::ScheduleStatus;
use aurora_api::resources::Amounts;
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::Routes;
use crate::core::View;
use crate::core::store::Task;

impl Routes {
    pub(super) fn explain(&self, id: &str) -> Response {
        let durable = self.api.handle.durable();
        match durable.view.task(id) {
            Some(task) => reply::json(
                StatusCode::OK,
                &explain(&durable.view, task, (self.clock)().max(durable.stamp)),
            ),
            None => reply::error(
                StatusCode::NOT_FOUND,
                "no-task",
                &format!("There is no task {id}."),
                "Ended tasks are forgotten after a while.",
            ),
        }
    }
}

fn explain(view: &View, task: &Task, now: i64) -> Value {
    let events: Vec<Value> = task
        .events
        .iter()
        .map(|event| {
            json!({
                "time_ms": event.time,
                "status": event.status,
                "message": event.message.as_deref(),
            })
        })
        .collect();
    let mut answer = json!({
        "task_id": &*task.id,
        "job": task.job().to_string(),
        "instance": task.instance,
        "status": task.status,
        "since_ms": task.last_event_time(),
        "for_ms": now.saturating_sub(task.last_event_time()),
        "failure_count": task.failure_count,
        "ancestor": task.ancestor.as_deref(),
        "host": task.host.as_deref(),
        "agent_id": task.agent.as_deref(),
        "events": events,
    });
    if task.status == ScheduleStatus::Pending {
        let reason = view.pending_reason(&task.id);
        let vetoes: Vec<&str> = reason
            .as_deref()
            .map(|text| text.split(',').filter(|veto| !veto.is_empty()).collect())
            .unwrap_or_default();
        answer["tried"] = json!(reason.is_some());
        answer["vetoes"] = json!(vetoes);
        answer["hosts_known"] = json!(view.hosts().count());
        answer["asks"] = amounts(&task.config.amounts);
    }
    answer
}

fn amounts(amounts: &Amounts) -> Value {
    json!({
        "cpus": amounts.cpus,
        "ram_mb": amounts.ram_mb,
        "disk_mb": amounts.disk_mb,
        "gpus": amounts.gpus,
        "ports": amounts.ports,
    })
}
