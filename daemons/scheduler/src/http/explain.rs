//! `GET /ext/v1/explain/TASK`: why a task is as it is.

use aurora_api::model::ScheduleStatus;
use aurora_api::resources::Amounts;
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::Routes;
use crate::core::store::{Pool, Task, Usage};
use crate::core::{NearHost, View, Weighed, consumption};
use crate::engine::Ending;

/// How many earlier tasks of the instance are told.
const MAX_EVIDENCE: usize = 20;

impl Routes {
    pub(super) async fn explain(&self, id: &str) -> Response {
        let durable = self.api.handle.durable();
        let Some(task) = durable.view.task(id) else {
            return reply::error(
                StatusCode::NOT_FOUND,
                "no-task",
                &format!("There is no task {id}."),
                "Ended tasks are forgotten after a while.",
            );
        };
        let mut answer = what_it_is(task, (self.clock)().max(durable.stamp));
        answer["evidence"] = evidence(&durable.view, task);
        let waiting = match task.status {
            ScheduleStatus::Pending => self.why_pending(&durable.view, task).await,
            ScheduleStatus::Throttled => self.why_throttled(task).await,
            _ => return reply::json(StatusCode::OK, &answer),
        };
        match (waiting, answer.as_object_mut()) {
            (Ok(Value::Object(waiting)), Some(answer)) => answer.extend(waiting),
            (Ok(_), _) | (_, None) => {}
            (Err(ending), _) => {
                return reply::error(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "ending",
                    &ending.to_string(),
                    "Ask again in a moment.",
                );
            }
        }
        reply::json(StatusCode::OK, &answer)
    }

    async fn why_pending(&self, view: &View, task: &Task) -> Result<Value, Ending> {
        let config = task.config.id;
        let mut weighed = Weighed::default();
        while !weighed.is_done() {
            let portion = std::mem::take(&mut weighed);
            let look = move |core: &crate::core::Core| {
                let mut portion = portion;
                core.weigh(config, &mut portion);
                portion
            };
            weighed = self.api.handle.look(look).await?;
        }
        let reason = view.pending_reason(&task.id());
        let nearest_fit: Vec<&str> = reason
            .as_deref()
            .map(|text| text.split(',').filter(|veto| !veto.is_empty()).collect())
            .unwrap_or_default();
        let hosts = view.hosts().count();
        Ok(json!({
            "tried": reason.is_some(),
            "vetoes": nearest_fit,
            "asks": amounts(&task.config.amounts),
            "hosts": {
                "known": hosts,
                "without_offer": hosts.saturating_sub(weighed.offers),
                "looked_at": weighed.offers,
                "suitable": weighed.suitable,
                "kept_for_others": weighed.kept_for_others,
                "excluded": weighed.vetoes,
                "nearest": weighed.nearest.iter().map(near).collect::<Vec<Value>>(),
            },
            "next_attempt_ms": weighed.turn.map(|(due, _)| due),
            "backoff_ms": weighed.turn.map(|(_, penalty)| penalty),
            "quota": quota(view, task),
        }))
    }

    async fn why_throttled(&self, task: &Task) -> Result<Value, Ending> {
        let id = task.id();
        let look = move |core: &crate::core::Core| core.throttled_until(&id);
        let until = self.api.handle.look(look).await?;
        Ok(json!({ "throttled_until_ms": until }))
    }
}

fn near(near: &NearHost) -> Value {
    json!({"host": near.host, "vetoes": near.vetoes, "missing": near.missing})
}

fn what_it_is(task: &Task, now: i64) -> Value {
    json!({
        "task_id": &*task.id(),
        "job": task.job().to_string(),
        "instance": task.instance,
        "status": task.status,
        "since_ms": task.last_event_time(),
        "for_ms": now.saturating_sub(task.last_event_time()),
        "failure_count": task.failure_count(),
        "ancestor": task.ancestor().as_deref(),
        "host": task.host(),
        "agent_id": task.agent(),
        "events": events(task),
    })
}

fn events(task: &Task) -> Vec<Value> {
    let events = task.events.iter();
    let told = events.map(|event| {
        json!({
            "time_ms": event.time,
            "status": event.status,
            "message": event.message.as_deref(),
        })
    });
    told.collect()
}

/// How the earlier tasks of the instance ended, the oldest first, as far as they are remembered.
fn evidence(view: &View, task: &Task) -> Value {
    let ancestor = |task: &Task| task.ancestor().and_then(|id| view.task(&id));
    let earlier = std::iter::successors(ancestor(task), |task| ancestor(task));
    let mut told: Vec<Value> = earlier.take(MAX_EVIDENCE).map(how_it_ended).collect();
    told.reverse();
    Value::Array(told)
}

fn how_it_ended(task: &Task) -> Value {
    let running = task
        .events
        .iter()
        .find(|event| event.status == ScheduleStatus::Running);
    let last = task.events.last();
    json!({
        "task_id": &*task.id(),
        "host": task.host(),
        "status": task.status,
        "ended_ms": task.last_event_time(),
        "ran_for_ms": running.map(|running| task.last_event_time() - running.time),
        "message": last.and_then(|event| event.message.as_deref()),
    })
}

/// The role's quota and what of it is used. A task that waits has passed the quota already; it is told for those who wonder.
fn quota(view: &View, task: &Task) -> Value {
    let role = &task.job().role;
    let allowed = view.quota(role).map(|quota| Usage::of(&quota.resources));
    json!({
        "limits_this_task": task.config.pool == Pool::ProdShared,
        "allowed": allowed.as_ref().map(usage),
        "used": usage(&consumption(view, role, Pool::ProdShared)),
    })
}

fn usage(usage: &Usage) -> Value {
    json!({"cpus": usage.cpus(), "ram_mb": usage.ram_mb, "disk_mb": usage.disk_mb})
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
