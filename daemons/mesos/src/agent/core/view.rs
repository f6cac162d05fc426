//! What an agent shows of itself: to the master when it registers, and to operators.

use std::collections::BTreeMap;

use aurora_mesos::resources::Resources;
use aurora_mesos::v1::{
    AgentCapability, AgentCapabilityType, DrainConfig, ExecutorId, FrameworkId, Resource, Task,
    TaskState, agent,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::cgroup::Limits;
use super::{Agent, Executor, ExecutorState, Framework, Run};
use crate::link;

/// The version of Mesos whose protocols are spoken. Clients turn its parts into numbers.
pub(crate) const VERSION: &str = "1.11.0";

/// Things that are counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) valid_status_updates: u64,
    pub(crate) invalid_status_updates: u64,
    pub(crate) container_launch_errors: u64,
    pub(crate) executors_terminated: u64,
    ended: BTreeMap<TaskState, u64>,
}

impl Counters {
    pub(super) fn ended(&mut self, state: TaskState) {
        *self.ended.entry(state).or_default() += 1;
    }
}

/// One live container, for statistics.
#[derive(Debug, Clone)]
pub(crate) struct ContainerView {
    pub(crate) run: Run,
    pub(crate) executor_name: String,
    pub(crate) source: String,
    pub(crate) status: aurora_mesos::v1::ContainerStatus,
    pub(crate) limits: Limits,
    pub(crate) pid: Option<i32>,
}

/// What this agent can do.
pub(crate) fn capabilities() -> Vec<AgentCapability> {
    [
        AgentCapabilityType::MultiRole,
        AgentCapabilityType::HierarchicalRole,
        AgentCapabilityType::ReservationRefinement,
        AgentCapabilityType::AgentDraining,
        AgentCapabilityType::TaskResourceLimits,
    ]
    .into_iter()
    .map(|kind| AgentCapability { kind: Some(kind) })
    .collect()
}

impl Agent {
    /// How the agent announces itself to a master.
    pub(crate) fn subscription(&self) -> link::Subscribe {
        let mut frameworks = Vec::new();
        let mut executors = Vec::new();
        let mut tasks = Vec::new();
        for (id, framework) in self
            .frameworks
            .iter()
            .filter(|(_, framework)| !framework.terminating)
        {
            frameworks.push(framework.info.clone());
            for executor in framework.executors.values() {
                if !executor.command && executor.state != ExecutorState::Terminated {
                    executors.push(link::ReportedExecutor {
                        framework_id: id.clone(),
                        executor_info: executor.info.clone(),
                    });
                }
                tasks.extend(
                    executor
                        .queued
                        .iter()
                        .map(|info| executor.new_task(info, TaskState::Staging)),
                );
                for task in executor
                    .launched
                    .values()
                    .chain(executor.terminated.values())
                {
                    tasks.push(self.with_head(task));
                }
            }
        }
        link::Subscribe {
            agent_info: self.settings.info.clone(),
            ip: self.settings.ip.clone(),
            version: VERSION.to_owned(),
            capabilities: capabilities(),
            drain_config: self.drain.clone(),
            frameworks,
            executors,
            tasks,
        }
    }

    /// The task with the state and uuid of the oldest update that waits for its acknowledgement.
    fn with_head(&self, task: &Task) -> Task {
        let mut task = task.clone();
        if let Some(head) = self
            .streams
            .head(&(task.framework_id.clone(), task.task_id.clone()))
        {
            task.status_update_state = Some(head.update.state);
            task.status_update_uuid = Some(Bytes::copy_from_slice(&head.id));
        }
        task
    }

    pub(crate) fn drain_config(&self) -> Option<&DrainConfig> {
        self.drain.as_ref()
    }

    fn every_executor(&self) -> impl Iterator<Item = &Executor> {
        let live = self
            .frameworks
            .values()
            .flat_map(|framework| framework.executors.values().chain(&framework.completed));
        live.chain(
            self.completed_frameworks
                .iter()
                .flat_map(|framework| &framework.completed),
        )
    }

    pub(crate) fn get_tasks(&self) -> agent::GetTasks {
        let mut tasks = agent::GetTasks::default();
        for executor in self.every_executor() {
            tasks.queued_tasks.extend(
                executor
                    .queued
                    .iter()
                    .map(|info| executor.new_task(info, TaskState::Staging)),
            );
            tasks
                .launched_tasks
                .extend(executor.launched.values().cloned());
            tasks
                .terminated_tasks
                .extend(executor.terminated.values().cloned());
            tasks
                .completed_tasks
                .extend(executor.completed.iter().cloned());
        }
        tasks
    }

    pub(crate) fn get_executors(&self) -> agent::GetExecutors {
        let shown = |executor: &Executor| agent::Executor {
            executor_info: executor.info.clone(),
        };
        let completed = self
            .frameworks
            .values()
            .chain(&self.completed_frameworks)
            .flat_map(|framework| &framework.completed);
        agent::GetExecutors {
            executors: self.executors().map(shown).collect(),
            completed_executors: completed.map(shown).collect(),
        }
    }

    pub(crate) fn get_frameworks(&self) -> agent::GetFrameworks {
        let shown = |framework: &Framework| agent::Framework {
            framework_info: framework.info.clone(),
        };
        agent::GetFrameworks {
            frameworks: self.frameworks.values().map(shown).collect(),
            completed_frameworks: self.completed_frameworks.iter().map(shown).collect(),
        }
    }

    /// The containers that have a process.
    pub(crate) fn containers(&self) -> Vec<ContainerView> {
        self.executors()
            .filter(|executor| {
                executor.state != ExecutorState::Terminated && executor.pid.is_some()
            })
            .map(|executor| ContainerView {
                run: executor.run(),
                executor_name: executor.info.name.clone().unwrap_or_default(),
                source: executor.info.source.clone().unwrap_or_default(),
                status: executor.container_status(&self.settings.ip),
                limits: executor.limits(&self.settings),
                pid: executor.pid,
            })
            .collect()
    }

    /// The runs whose sandbox must not be collected.
    pub(crate) fn live_containers(&self) -> std::collections::BTreeSet<String> {
        self.executors()
            .map(|executor| executor.container.clone())
            .collect()
    }

    /// The container of an executor.
    pub(crate) fn container(&self, framework: &FrameworkId, executor: &ExecutorId) -> Option<&str> {
        let framework = self.frameworks.get(framework)?;
        Some(&framework.executors.get(executor)?.container)
    }

    /// Everything for `/metrics/snapshot` that the state tells.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::new();
        let mut set = |name: &str, value: f64| {
            metrics.insert(name.to_owned(), value);
        };
        set(
            "slave/registered",
            if self.master.is_some() { 1.0 } else { 0.0 },
        );
        set("slave/frameworks_active", self.frameworks.len() as f64);
        set(
            "slave/valid_status_updates",
            self.counters.valid_status_updates as f64,
        );
        set(
            "slave/invalid_status_updates",
            self.counters.invalid_status_updates as f64,
        );
        set(
            "slave/container_launch_errors",
            self.counters.container_launch_errors as f64,
        );
        set(
            "slave/executors_terminated",
            self.counters.executors_terminated as f64,
        );
        set("slave/executors_preempted", 0.0);
        set("slave/recovery_errors", 0.0);
        let state = |wanted: ExecutorState| {
            self.executors()
                .filter(|executor| executor.state == wanted)
                .count() as f64
        };
        set(
            "slave/executors_registering",
            state(ExecutorState::Registering),
        );
        set("slave/executors_running", state(ExecutorState::Running));
        set(
            "slave/executors_terminating",
            state(ExecutorState::Terminating),
        );
        let queued: usize = self.executors().map(|executor| executor.queued.len()).sum();
        let live = |wanted: TaskState| {
            self.executors()
                .flat_map(|executor| executor.launched.values())
                .filter(|task| task.state == wanted)
                .count() as f64
        };
        set(
            "slave/tasks_staging",
            live(TaskState::Staging) + queued as f64,
        );
        set("slave/tasks_starting", live(TaskState::Starting));
        set("slave/tasks_running", live(TaskState::Running));
        set("slave/tasks_killing", live(TaskState::Killing));
        for (name, state) in [
            ("finished", TaskState::Finished),
            ("failed", TaskState::Failed),
            ("killed", TaskState::Killed),
            ("lost", TaskState::Lost),
            ("gone", TaskState::Gone),
        ] {
            set(
                &format!("slave/tasks_{name}"),
                self.counters.ended.get(&state).copied().unwrap_or(0) as f64,
            );
        }
        let total = Resources::of(&self.settings.info.resources);
        let used =
            Resources::of(self.executors().flat_map(|executor| executor.allocated())).unreserved();
        for name in ["cpus", "gpus", "mem", "disk"] {
            let (total, used) = (
                total.scalar(name) as f64 / 1000.0,
                used.scalar(name) as f64 / 1000.0,
            );
            set(&format!("slave/{name}_total"), total);
            set(&format!("slave/{name}_used"), used);
            set(
                &format!("slave/{name}_percent"),
                if total > 0.0 { used / total } else { 0.0 },
            );
        }
        metrics
    }

    /// `/slave(1)/state` without what the shell knows better (flags, start time). Mesos' older names and flat forms.
    pub(crate) fn legacy_state(&self, sandbox: impl Fn(&Run) -> String) -> Map<String, Value> {
        let info = &self.settings.info;
        let total = Resources::of(&info.resources);
        let reserved = Resources::of(
            info.resources
                .iter()
                .filter(|resource| !resource.reservations.is_empty()),
        );
        let mut state = Map::new();
        let endpoint = format!("slave(1)@{}:{}", self.settings.ip, info.port);
        let mut set = |name: &str, value: Value| {
            state.insert(name.to_owned(), value);
        };
        set("version", json!(VERSION));
        set(
            "id",
            json!(self.agent_id.as_ref().map_or("", |id| id.value.as_str())),
        );
        set("pid", json!(endpoint));
        set("hostname", json!(info.hostname));
        set(
            "capabilities",
            capabilities()
                .iter()
                .filter_map(|c| c.kind)
                .map(|kind| json!(kind.to_string()))
                .collect(),
        );
        set("resources", flatten(&total));
        set("reserved_resources", json!({}));
        set("unreserved_resources", flatten(&total.minus(&reserved)));
        set("reserved_resources_full", json!({}));
        set(
            "unreserved_resources_full",
            json!(total.minus(&reserved).to_hybrid()),
        );
        set(
            "used_resources_full",
            json!(Resources::of(self.executors().flat_map(|e| e.allocated())).to_hybrid()),
        );
        set(
            "attributes",
            Value::Object(
                info.attributes
                    .iter()
                    .map(|a| (a.name.clone(), attribute(a)))
                    .collect(),
            ),
        );
        if let Some(hostname) = self
            .master
            .as_ref()
            .and_then(|master| master.hostname.as_ref())
        {
            set("master_hostname", json!(hostname));
        }
        if let Some(drain) = &self.drain {
            set("drain_config", json!(drain));
        }
        let frameworks = |list: &mut dyn Iterator<Item = (&FrameworkId, &Framework)>| -> Value {
            list.map(|(id, framework)| self.legacy_framework(id, framework, &sandbox))
                .collect()
        };
        set("frameworks", frameworks(&mut self.frameworks.iter()));
        let mut completed = self
            .completed_frameworks
            .iter()
            .filter_map(|framework| Some((framework.info.id.as_ref()?, framework)));
        set("completed_frameworks", frameworks(&mut completed));
        state
    }

    fn legacy_framework(
        &self,
        id: &FrameworkId,
        framework: &Framework,
        sandbox: &impl Fn(&Run) -> String,
    ) -> Value {
        let info = &framework.info;
        let mut shown = json!({
            "id": id.value,
            "name": info.name,
            "user": info.user,
            "failover_timeout": info.failover_timeout,
            "checkpoint": info.checkpoint,
            "hostname": info.hostname.clone().unwrap_or_default(),
            "executors": framework.executors.values().map(|e| self.legacy_executor(e, sandbox)).collect::<Value>(),
            "completed_executors": framework.completed.iter().map(|e| self.legacy_executor(e, sandbox)).collect::<Value>(),
        });
        if let Some(principal) = &info.principal {
            shown["principal"] = json!(principal);
        }
        if info.has(aurora_mesos::v1::FrameworkCapabilityType::MultiRole) {
            shown["roles"] = json!(info.roles);
        } else {
            shown["role"] = json!(info.role.as_deref().unwrap_or("*"));
        }
        shown
    }

    fn legacy_executor(&self, executor: &Executor, sandbox: &impl Fn(&Run) -> String) -> Value {
        let queued: Value = executor
            .queued
            .iter()
            .map(|info| legacy_task(&executor.new_task(info, TaskState::Staging)))
            .collect();
        let mut shown = json!({
            "id": executor.info.executor_id.value,
            "name": executor.info.name.clone().unwrap_or_default(),
            "source": executor.info.source.clone().unwrap_or_default(),
            "container": executor.container,
            "directory": sandbox(&executor.run()),
            "resources": flatten(&Resources::of(executor.allocated())),
            "tasks": executor.launched.values().map(legacy_task).collect::<Value>(),
            "queued_tasks": queued,
            "completed_tasks": executor.terminated.values().chain(&executor.completed).map(legacy_task).collect::<Value>(),
        });
        if let Some(role) = role_of(&executor.info.resources) {
            shown["role"] = json!(role);
        }
        if let Some(labels) = &executor.info.labels {
            shown["labels"] = json!(labels.labels);
        }
        shown
    }
}

fn role_of(resources: &[Resource]) -> Option<&str> {
    resources
        .iter()
        .find_map(|resource| resource.allocation_info.as_ref()?.role.as_deref())
}

fn legacy_task(task: &Task) -> Value {
    let statuses: Value = task
        .statuses
        .iter()
        .map(|status| {
            let mut shown = json!({"state": status.state, "timestamp": status.timestamp});
            if let Some(container) = &status.container_status {
                shown["container_status"] = json!(container);
            }
            if let Some(healthy) = status.healthy {
                shown["healthy"] = json!(healthy);
            }
            shown
        })
        .collect();
    let mut shown = json!({
        "id": task.task_id.value,
        "name": task.name,
        "framework_id": task.framework_id.value,
        "executor_id": task.executor_id.as_ref().map_or("", |id| id.value.as_str()),
        "slave_id": task.agent_id.value,
        "state": task.state,
        "resources": flatten(&Resources::of(&task.resources)),
        "statuses": statuses,
    });
    if let Some(role) = role_of(&task.resources) {
        shown["role"] = json!(role);
    }
    if let Some(user) = &task.user {
        shown["user"] = json!(user);
    }
    if let Some(labels) = &task.labels {
        shown["labels"] = json!(labels.labels);
    }
    if let Some(discovery) = &task.discovery {
        shown["discovery"] = json!(discovery);
    }
    if let Some(container) = &task.container {
        shown["container"] = json!(container);
    }
    if let Some(check) = &task.health_check {
        shown["health_check"] = json!(check);
    }
    shown
}

/// `{"cpus":1.0,"gpus":0.0,"mem":128.0,"disk":0.0,"ports":"[31000-31005]"}`: the four scalars are always there.
fn flatten(resources: &Resources) -> Value {
    let mut flat = Map::new();
    for name in ["cpus", "gpus", "mem", "disk"] {
        flat.insert(
            name.to_owned(),
            json!(resources.scalar(name) as f64 / 1000.0),
        );
    }
    for name in resources.names() {
        if flat.contains_key(name) {
            continue;
        }
        let value = match resources.amount(name) {
            Some(aurora_mesos::resources::Amount::Scalar(thousandths)) => {
                json!(thousandths as f64 / 1000.0)
            }
            Some(other) => json!(other.to_string()),
            None => continue,
        };
        flat.insert(name.to_owned(), value);
    }
    Value::Object(flat)
}

fn attribute(attribute: &aurora_mesos::v1::Attribute) -> Value {
    if let Some(scalar) = &attribute.scalar {
        json!(scalar.value)
    } else if let Some(text) = &attribute.text {
        json!(text.value)
    } else if let Some(ranges) = &attribute.ranges {
        let parts: Vec<String> = ranges
            .range
            .iter()
            .map(|range| format!("{}-{}", range.begin, range.end))
            .collect();
        json!(format!("[{}]", parts.join(", ")))
    } else {
        json!(
            attribute
                .set
                .as_ref()
                .map(|set| format!("{{{}}}", set.item.join(", ")))
                .unwrap_or_default()
        )
    }
}
