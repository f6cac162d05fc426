//! Frameworks, their executors and tasks.

use aurora_daemon::server::Request;
use aurora_mesos::message::{Message, to_value};
use aurora_mesos::resources::Resources;
use aurora_mesos::v1::{ExecutorInfo, FrameworkCapabilityType, Resource, Task, TaskStatus};
use serde::Serialize;
use serde_json::{Value, json};

use super::{capability_names, flat, put};
use crate::master::core::{Framework, Master};

/// Tasks in one answer of `/tasks` unless asked otherwise.
const TASK_LIMIT: usize = 100;

fn framework_resources(master: &Master, framework: &Framework) -> (Resources, Resources) {
    let mut used = Resources::default();
    for resources in master
        .agents
        .values()
        .filter_map(|agent| agent.used.get(&framework.id))
    {
        used.add(resources);
    }
    let mut offered = Resources::default();
    for offer in master
        .offers
        .values()
        .filter(|offer| offer.framework_id == framework.id)
    {
        offered.add(&offer.resources);
    }
    (used, offered)
}

pub(super) fn framework(master: &Master, framework: &Framework) -> Value {
    let info = &framework.info;
    let is_subscribed = framework.stream.is_some();
    let (used, offered) = framework_resources(master, framework);
    let offers = master
        .offers
        .values()
        .filter(|offer| offer.framework_id == framework.id);
    let mut value = json!({
        "id": framework.id.value,
        "name": info.name,
        "used_resources": flat(&used.unreserved()),
        "offered_resources": flat(&offered.unreserved()),
        "capabilities": capability_names(&info.capabilities, |c| c.kind.map(|k| k.to_string())),
        "hostname": info.hostname.clone().unwrap_or_default(),
        "webui_url": info.webui_url.clone().unwrap_or_default(),
        "active": is_subscribed,
        "connected": is_subscribed,
        "recovered": framework.recovered,
        "user": info.user,
        "failover_timeout": info.failover_timeout,
        "checkpoint": info.checkpoint,
        "registered_time": framework.registered.seconds(),
        "unregistered_time": framework.unregistered.map_or(0.0, |time| time.seconds()),
        "resources": flat(&used.plus(&offered).unreserved()),
        "tasks": framework.tasks.values().map(|entry| task(&entry.task)).collect::<Vec<_>>(),
        "unreachable_tasks": framework.unreachable_tasks.values().map(task).collect::<Vec<_>>(),
        "completed_tasks": framework.completed_tasks.iter().map(task).collect::<Vec<_>>(),
        "offers": offers.map(|offer| json!({
            "id": offer.id.value,
            "framework_id": offer.framework_id.value,
            "allocation_info": {"role": offer.role},
            "slave_id": offer.agent_id.value,
            "resources": flat(&offer.resources.unreserved()),
        })).collect::<Vec<_>>(),
        "executors": framework.executors.iter()
            .map(|((agent, _), info)| executor(info, &agent.value)).collect::<Vec<_>>(),
        "offer_constraints": to_value(&framework.constraints_info),
    });
    if framework.has(FrameworkCapabilityType::MultiRole) {
        put(&mut value, "roles", Some(json!(info.roles)));
    } else {
        put(
            &mut value,
            "role",
            Some(json!(info.role.as_deref().unwrap_or("*"))),
        );
    }
    put(
        &mut value,
        "principal",
        info.principal.clone().map(Value::from),
    );
    put(
        &mut value,
        "labels",
        info.labels.as_ref().map(|labels| field(labels, "labels")),
    );
    put(
        &mut value,
        "reregistered_time",
        framework.reregistered.map(|time| json!(time.seconds())),
    );
    value
}

/// One field of a message; an empty list when it is not there.
fn field<T: Message + Serialize>(message: &T, name: &str) -> Value {
    to_value(message)
        .get(name)
        .cloned()
        .unwrap_or_else(|| json!([]))
}

fn executor(info: &ExecutorInfo, agent: &str) -> Value {
    let command = info.command.clone().unwrap_or_default();
    let mut value = json!({
        "executor_id": info.executor_id.value,
        "name": info.name.clone().unwrap_or_default(),
        "framework_id": info.framework_id.as_ref().map(|id| &id.value),
        "command": {
            "shell": command.shell,
            "value": command.value.clone().unwrap_or_default(),
            "argv": command.arguments,
            "environment": command.environment.as_ref().map(to_value).unwrap_or_else(|| json!({})),
            "uris": command.uris.iter().map(to_value).collect::<Vec<_>>(),
        },
        "resources": flat(&Resources::of(&info.resources).unreserved()),
        "slave_id": agent,
    });
    put(&mut value, "role", role_of(&info.resources));
    put(
        &mut value,
        "labels",
        info.labels.as_ref().map(|labels| field(labels, "labels")),
    );
    put(&mut value, "type", info.kind.map(|kind| json!(kind)));
    value
}

fn role_of(resources: &[Resource]) -> Option<Value> {
    let role = resources.first()?.allocation_info.as_ref()?.role.clone()?;
    Some(Value::from(role))
}

pub(super) fn task(task: &Task) -> Value {
    let mut value = json!({
        "id": task.task_id.value,
        "name": task.name,
        "framework_id": task.framework_id.value,
        "executor_id": task.executor_id.as_ref().map_or("", |id| id.value.as_str()),
        "slave_id": task.agent_id.value,
        "state": task.state,
        "resources": flat(&Resources::of(&task.resources).unreserved()),
        "statuses": task.statuses.iter().map(status).collect::<Vec<_>>(),
    });
    if !task.limits.is_empty() {
        let limits = task
            .limits
            .iter()
            .map(|(name, limit)| (name.clone(), json!(limit.value)));
        put(&mut value, "limits", Some(limits.collect()));
    }
    put(&mut value, "role", role_of(&task.resources));
    put(&mut value, "user", task.user.clone().map(Value::from));
    put(
        &mut value,
        "labels",
        task.labels.as_ref().map(|labels| field(labels, "labels")),
    );
    put(
        &mut value,
        "discovery",
        task.discovery.as_ref().map(to_value),
    );
    put(
        &mut value,
        "container",
        task.container.as_ref().map(to_value),
    );
    put(
        &mut value,
        "health_check",
        task.health_check.as_ref().map(to_value),
    );
    value
}

fn status(status: &TaskStatus) -> Value {
    let mut value = json!({"state": status.state, "timestamp": status.timestamp});
    put(
        &mut value,
        "labels",
        status.labels.as_ref().map(|labels| field(labels, "labels")),
    );
    put(
        &mut value,
        "container_status",
        status.container_status.as_ref().map(to_value),
    );
    put(&mut value, "healthy", status.healthy.map(Value::from));
    value
}

/// `/frameworks`
pub(crate) fn frameworks(master: &Master, only: Option<&str>) -> Value {
    let wanted = |framework: &&Framework| only.is_none_or(|id| framework.id.value == id);
    let show = |known: &Framework| framework(master, known);
    json!({
        "frameworks": master.frameworks.values().filter(wanted).map(show).collect::<Vec<_>>(),
        "completed_frameworks": master.completed.iter().filter(wanted).map(show).collect::<Vec<_>>(),
        "unregistered_frameworks": [],
    })
}

/// `/tasks`; `None` for parameters that are not numbers.
pub(crate) fn tasks(master: &Master, request: &Request) -> Option<Value> {
    let number = |name: &str, default: usize| match request.parameter(name) {
        None => Some(default),
        Some(text) => text.parse().ok(),
    };
    let (limit, offset) = (number("limit", TASK_LIMIT)?, number("offset", 0)?);
    let (framework_id, task_id) = (
        request.parameter("framework_id"),
        request.parameter("task_id"),
    );
    let mut all: Vec<&Task> = master
        .frameworks
        .values()
        .chain(&master.completed)
        .filter(|framework| {
            framework_id
                .as_ref()
                .is_none_or(|id| framework.id.value == *id)
        })
        .flat_map(|framework| {
            let live = framework.tasks.values().map(|entry| &entry.task);
            live.chain(framework.unreachable_tasks.values())
                .chain(&framework.completed_tasks)
        })
        .filter(|task| task_id.as_ref().is_none_or(|id| task.task_id.value == *id))
        .collect();
    let started = |task: &Task| {
        task.statuses
            .first()
            .and_then(|s| s.timestamp)
            .unwrap_or(f64::MAX)
    };
    all.sort_by(|a, b| started(a).total_cmp(&started(b)));
    if request.parameter("order").as_deref() != Some("asc") {
        all.reverse();
    }
    let page: Vec<Value> = all.into_iter().skip(offset).take(limit).map(task).collect();
    Some(json!({"tasks": page}))
}
