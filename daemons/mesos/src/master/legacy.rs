//! The HTTP endpoints from before the v1 API, which dashboards still read: `/state`, `/slaves`, `/tasks`
//! and the like, with v0 names (`slave_id`), flat ids, and resources as plain numbers.

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::{Message, from_slice, to_value};
use aurora_mesos::resources::{Amount, Resources, from_thousandths};
use aurora_mesos::v1::maintenance::Schedule;
use aurora_mesos::v1::{
    Attribute, ExecutorInfo, FrameworkCapabilityType, FrameworkId, MachineId, Resource, Task,
    TaskState, TaskStatus,
};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::core::{Agent, Framework, Master};
use super::negotiate::bad_request;
use super::run::Info;
use super::shell::Shell;
use super::{metrics, views};

/// Tasks in one answer of `/tasks` unless asked otherwise.
const TASK_LIMIT: usize = 100;

/// JSON, or JavaScript that passes it to the function named in `jsonp`.
pub(crate) fn jsonp(request: &Request, value: &impl Serialize) -> Response {
    let Some(function) = request.parameter("jsonp").filter(|name| !name.is_empty()) else {
        return reply::json(StatusCode::OK, value);
    };
    // Anything but a name would let a link run code of its own in a page of ours.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    if !function.chars().all(is_name) {
        return bad_request("'jsonp' must be the name of a function");
    }
    match serde_json::to_string(value) {
        Ok(text) => reply::bytes(
            StatusCode::OK,
            "text/javascript",
            format!("{function}({text})"),
        ),
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

pub(crate) fn flags(info: &Info) -> Map<String, Value> {
    info.flags
        .iter()
        .map(|flag| (flag.name.clone(), json!(flag.value)))
        .collect()
}

pub(crate) fn stats() -> Value {
    let renamed = |name: &'static str| match name {
        "load_1min" => "avg_load_1min",
        "load_5min" => "avg_load_5min",
        "load_15min" => "avg_load_15min",
        other => other,
    };
    metrics::machine()
        .into_iter()
        .map(|(name, value)| (renamed(name).to_owned(), json!(value)))
        .collect()
}

/// `{"cpus":1.0,"gpus":0.0,"mem":128.0,"disk":0.0,"ports":"[31000-31005]"}`
pub(crate) fn flat(resources: &Resources) -> Value {
    let mut map = Map::new();
    for name in ["cpus", "gpus", "mem", "disk"] {
        map.insert(name.to_owned(), json!(0.0));
    }
    let fixed = resources.filtered(|resource| resource.revocable.is_none());
    let revocable = resources.filtered(|resource| resource.revocable.is_some());
    for (resources, suffix) in [(&fixed, ""), (&revocable, "_revocable")] {
        for name in resources.names() {
            let value = match resources.amount(name) {
                Some(Amount::Scalar(value)) => json!(from_thousandths(value)),
                Some(other) => json!(other.to_string()),
                None => continue,
            };
            map.insert(format!("{name}{suffix}"), value);
        }
    }
    Value::Object(map)
}

fn full(resources: &Resources) -> Value {
    resources.to_hybrid().iter().map(to_value).collect()
}

fn attributes(attributes: &[Attribute]) -> Value {
    let value = |attribute: &Attribute| {
        if let Some(scalar) = &attribute.scalar {
            return json!(scalar.value);
        }
        if let Some(text) = &attribute.text {
            return json!(text.value);
        }
        let resource = Resource {
            kind: attribute.kind,
            ranges: attribute.ranges.clone(),
            set: attribute.set.clone(),
            ..Resource::default()
        };
        json!(Amount::of(&resource).map(|amount| amount.to_string()))
    };
    attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), value(attribute)))
        .collect()
}

fn capability_names<T>(capabilities: &[T], kind: impl Fn(&T) -> Option<String>) -> Value {
    capabilities.iter().filter_map(kind).collect()
}

/// Puts an optional value in when it is there.
fn put(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(name.to_owned(), value);
    }
}

fn build(info: &Info) -> Value {
    json!({
        "version": info.version.version,
        "build_date": info.version.build_date,
        "build_time": info.version.build_time,
        "build_user": info.version.build_user,
    })
}

/// `/state`
pub(crate) fn state(master: &Master, info: &Info) -> Value {
    let mut state = build(info);
    let active = master
        .agents
        .values()
        .filter(|agent| agent.is_offerable())
        .count();
    let master_info = &info.master_info;
    let more = json!({
        "start_time": master.started.seconds(),
        "elected_time": master.started.seconds(),
        "id": master_info.id,
        "pid": master_info.pid,
        "hostname": master_info.hostname,
        "capabilities": capability_names(&master_info.capabilities, |c| c.kind.map(|k| k.to_string())),
        "activated_slaves": active as f64,
        "deactivated_slaves": (master.agents.len() - active) as f64,
        "unreachable_slaves": master.registry.unreachable.len() as f64,
        "leader": master_info.pid,
        "leader_info": {
            "id": master_info.id,
            "pid": master_info.pid,
            "port": master_info.port,
            "hostname": master_info.hostname,
        },
        "flags": flags(info),
        "slaves": master.agents.values().map(agent).collect::<Vec<_>>(),
        "recovered_slaves": recovered(master),
        "frameworks": master.frameworks.values().map(|f| framework(master, f)).collect::<Vec<_>>(),
        "completed_frameworks": master.completed.iter().map(|f| framework(master, f)).collect::<Vec<_>>(),
        "orphan_tasks": [],
        "unregistered_frameworks": [],
    });
    if let (Some(state), Value::Object(more)) = (state.as_object_mut(), more) {
        state.extend(more);
    }
    put(&mut state, "cluster", info.cluster.clone().map(Value::from));
    state
}

fn recovered(master: &Master) -> Vec<Value> {
    let agents = master
        .recovered
        .keys()
        .filter_map(|id| master.registry.agents.get(&id.value));
    agents
        .map(|agent| {
            json!({
                "id": agent.info.id.as_ref().map(|id| &id.value),
                "hostname": agent.info.hostname,
                "port": agent.info.port,
                "attributes": attributes(&agent.info.attributes),
                "resources": flat(&Resources::of(&agent.info.resources)),
            })
        })
        .collect()
}

fn used(agent: &Agent) -> Resources {
    let mut sum = Resources::default();
    for used in agent.used.values() {
        sum.add(used);
    }
    sum
}

fn reserved_roles(resources: &Resources) -> Vec<String> {
    let mut roles: Vec<String> = resources
        .iter()
        .filter_map(|(resource, _)| resource.reservations.last()?.role.clone())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn reserved_to(resources: &Resources, role: &str) -> Resources {
    resources.filtered(|resource| {
        resource.reservations.last().and_then(|r| r.role.as_deref()) == Some(role)
    })
}

fn agent(agent: &Agent) -> Value {
    let reserved: Map<String, Value> = reserved_roles(&agent.total)
        .into_iter()
        .map(|role| {
            let resources = flat(&reserved_to(&agent.total, &role));
            (role, resources)
        })
        .collect();
    let mut value = json!({
        "id": agent.id.value,
        "hostname": agent.info.hostname,
        "port": agent.info.port,
        "attributes": attributes(&agent.info.attributes),
        "pid": agent.pid(),
        "registered_time": agent.registered.seconds(),
        "resources": flat(&agent.total),
        "used_resources": flat(&agent.used_sum),
        "offered_resources": flat(&agent.offered_sum),
        "reserved_resources": reserved,
        "unreserved_resources": flat(&agent.total.filtered(|r| r.reservations.is_empty())),
        "active": agent.is_offerable(),
        "deactivated": agent.deactivated,
        "version": agent.version,
        "capabilities": capability_names(&agent.capabilities, |c| c.kind.map(|k| k.to_string())),
    });
    put(
        &mut value,
        "reregistered_time",
        agent.reregistered.map(|time| json!(time.seconds())),
    );
    if let Some(drain) = &agent.drain {
        let config = to_value(&drain.config);
        put(
            &mut value,
            "drain_info",
            Some(json!({"state": drain.state, "config": config})),
        );
        let seconds = drain.started.nanoseconds as f64 / 1e9;
        put(
            &mut value,
            "estimated_drain_start_time_seconds",
            Some(json!(seconds)),
        );
    }
    value
}

/// `/slaves`
pub(crate) fn agents(master: &Master, only: Option<&str>) -> Value {
    let agents = master
        .agents
        .values()
        .filter(|agent| only.is_none_or(|id| agent.id.value == id));
    let agents: Vec<Value> = agents
        .map(|known| {
            let mut value = agent(known);
            let reserved: Map<String, Value> = reserved_roles(&known.total)
                .into_iter()
                .map(|role| {
                    let resources = full(&reserved_to(&known.total, &role));
                    (role, resources)
                })
                .collect();
            let unreserved = known
                .total
                .filtered(|resource| resource.reservations.is_empty());
            put(
                &mut value,
                "reserved_resources_full",
                Some(Value::Object(reserved)),
            );
            put(
                &mut value,
                "unreserved_resources_full",
                Some(full(&unreserved)),
            );
            put(&mut value, "used_resources_full", Some(full(&used(known))));
            put(
                &mut value,
                "offered_resources_full",
                Some(full(&known.offered_sum)),
            );
            value
        })
        .collect();
    let recovered = if only.is_none() {
        recovered(master)
    } else {
        Vec::new()
    };
    json!({"slaves": agents, "recovered_slaves": recovered})
}

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

fn framework(master: &Master, framework: &Framework) -> Value {
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

fn task(task: &Task) -> Value {
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

/// `/roles`
pub(crate) fn roles(master: &Master) -> Value {
    let roles: Vec<Value> = views::roles(master)
        .into_iter()
        .map(|role| {
            json!({
                "name": role.name,
                "weight": 1.0,
                "frameworks": role.frameworks.iter().map(|id| &id.value).collect::<Vec<_>>(),
                "resources": flat(&role.resources),
            })
        })
        .collect();
    json!({"roles": roles})
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

/// The states that `/state-summary` counts.
const COUNTED: [TaskState; 13] = [
    TaskState::Staging,
    TaskState::Starting,
    TaskState::Running,
    TaskState::Killing,
    TaskState::Finished,
    TaskState::Killed,
    TaskState::Failed,
    TaskState::Lost,
    TaskState::Error,
    TaskState::Unreachable,
    TaskState::Dropped,
    TaskState::Gone,
    TaskState::GoneByOperator,
];

fn counts<'a>(tasks: impl Iterator<Item = &'a Task> + Clone) -> Map<String, Value> {
    COUNTED
        .iter()
        .map(|state| {
            let count = tasks.clone().filter(|task| task.state == *state).count();
            (state.to_string(), json!(count))
        })
        .collect()
}

/// `/state-summary`
pub(crate) fn summary(master: &Master, info: &Info) -> Value {
    let all_of = |framework: &'_ Framework| -> Vec<Task> {
        let live = framework.tasks.values().map(|entry| entry.task.clone());
        live.chain(framework.unreachable_tasks.values().cloned())
            .chain(framework.completed_tasks.iter().cloned())
            .collect()
    };
    let by_framework: Vec<(&Framework, Vec<Task>)> = master
        .frameworks
        .values()
        .map(|framework| (framework, all_of(framework)))
        .collect();
    let agents: Vec<Value> = master
        .agents
        .values()
        .map(|known| {
            let here = by_framework.iter().flat_map(|(_, tasks)| tasks);
            let here = here.filter(|task| task.agent_id == known.id);
            let mut frameworks: Vec<&str> = here
                .clone()
                .map(|task| task.framework_id.value.as_str())
                .collect();
            frameworks.sort_unstable();
            frameworks.dedup();
            let mut value = agent(known);
            put(&mut value, "framework_ids", Some(json!(frameworks)));
            if let Some(object) = value.as_object_mut() {
                object.extend(counts(here));
            }
            value
        })
        .collect();
    let frameworks: Vec<Value> = by_framework
        .iter()
        .map(|(known, tasks)| {
            let mut value = framework(master, known);
            let mut agents: Vec<&str> = tasks
                .iter()
                .map(|task| task.agent_id.value.as_str())
                .collect();
            agents.sort_unstable();
            agents.dedup();
            if let Some(object) = value.as_object_mut() {
                for list in [
                    "tasks",
                    "completed_tasks",
                    "unreachable_tasks",
                    "executors",
                    "offers",
                ] {
                    object.remove(list);
                }
                object.insert("slave_ids".to_owned(), json!(agents));
                object.extend(counts(tasks.iter()));
            }
            value
        })
        .collect();
    let mut summary = json!({
        "hostname": info.master_info.hostname,
        "slaves": agents,
        "frameworks": frameworks,
    });
    put(
        &mut summary,
        "cluster",
        info.cluster.clone().map(Value::from),
    );
    summary
}

/// `POST /teardown` with the form `frameworkId=...`
pub(crate) fn teardown(shell: &Shell, request: &Request) -> Result<Response, Box<Response>> {
    let form = Request {
        query: String::from_utf8_lossy(&request.body).into_owned(),
        ..request.clone()
    };
    let Some(id) = form.parameter("frameworkId") else {
        return Ok(bad_request("Missing 'frameworkId' query parameter"));
    };
    let id = FrameworkId::from(id);
    if shell.with(|master, now| master.remove_framework(now, &id)) {
        Ok(reply::empty(StatusCode::OK))
    } else {
        Ok(bad_request("No framework found with specified ID"))
    }
}

/// What an operator does about maintenance.
pub(crate) enum Maintenance {
    Schedule,
    Down,
    Up,
}

/// `POST /maintenance/schedule`, `/machine/down`, `/machine/up`
pub(crate) fn maintenance(
    shell: &Shell,
    request: &Request,
    what: Maintenance,
) -> Result<Response, Box<Response>> {
    let refused = |text: String| Box::new(bad_request(text));
    let machines = || -> Result<Vec<MachineId>, Box<Response>> {
        serde_json::from_slice(&request.body).map_err(|error| refused(error.to_string()))
    };
    let result = match what {
        Maintenance::Schedule => {
            let schedule: Schedule =
                from_slice(&request.body).map_err(|error| refused(error.to_string()))?;
            shell.with(|master, now| master.update_schedule(now, schedule))
        }
        Maintenance::Down => {
            let machines = machines()?;
            shell.with(|master, now| master.start_maintenance(now, machines))
        }
        Maintenance::Up => {
            let machines = machines()?;
            shell.with(|master, _| master.stop_maintenance(&machines))
        }
    };
    match result {
        Ok(()) => Ok(reply::empty(StatusCode::OK)),
        Err(text) => Err(refused(text)),
    }
}
