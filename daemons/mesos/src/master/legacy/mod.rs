//! The HTTP endpoints from before the v1 API, which dashboards still read: `/state`, `/slaves`, `/tasks`
//! and the like, with v0 names (`slave_id`), flat ids, and resources as plain numbers.

mod agents;
mod frameworks;

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::{from_slice, to_value};
use aurora_mesos::resources::{Amount, Resources, from_thousandths};
use aurora_mesos::v1::maintenance::Schedule;
use aurora_mesos::v1::{FrameworkId, MachineId, Task, TaskState};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::core::{Framework, Master};
use super::negotiate::bad_request;
use super::run::Info;
use super::shell::Shell;
use super::{metrics, views};
pub(crate) use agents::agents;
use agents::{agent, recovered};
use frameworks::framework;
pub(crate) use frameworks::{frameworks, tasks};

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

pub(super) fn full(resources: &Resources) -> Value {
    resources.to_hybrid().iter().map(to_value).collect()
}

pub(super) fn capability_names<T>(
    capabilities: &[T],
    kind: impl Fn(&T) -> Option<String>,
) -> Value {
    capabilities.iter().filter_map(kind).collect()
}

/// Puts an optional value in when it is there.
pub(super) fn put(object: &mut Value, name: &str, value: Option<Value>) {
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
