//! The agent's decisions, told as short histories.

mod bounds;
mod life;
mod recovery;

use std::time::Duration;

use aurora_mesos::v1::{
    AgentInfo, CommandInfo, ExecutorInfo, FrameworkCapability, FrameworkCapabilityType,
    FrameworkInfo, KillPolicy, MasterInfo, Resource, RevocableInfo, Scalar, StatusReason,
    StatusSource, TaskInfo, TaskState, TaskStatus, ValueType, executor as v1, scheduler,
};
use bytes::Bytes;
use http::StatusCode;

use super::*;

fn resource(name: &str, value: f64) -> Resource {
    Resource {
        name: name.into(),
        kind: ValueType::Scalar,
        scalar: Some(Scalar { value }),
        ..Resource::default()
    }
}

fn framework(checkpoint: bool, partition_aware: bool) -> FrameworkInfo {
    let capability = FrameworkCapability {
        kind: Some(FrameworkCapabilityType::PartitionAware),
    };
    FrameworkInfo {
        user: "root".into(),
        name: "f".into(),
        id: Some("F".into()),
        checkpoint,
        capabilities: if partition_aware {
            vec![capability]
        } else {
            vec![]
        },
        ..FrameworkInfo::default()
    }
}

fn custom_task(task: &str) -> TaskInfo {
    TaskInfo {
        name: "t".into(),
        task_id: task.into(),
        agent_id: "S0".into(),
        resources: vec![resource("cpus", 1.0), resource("mem", 100.0)],
        executor: Some(ExecutorInfo {
            executor_id: "E".into(),
            framework_id: Some("F".into()),
            command: Some(CommandInfo {
                value: Some("run".into()),
                ..CommandInfo::default()
            }),
            resources: vec![resource("cpus", 0.5), resource("mem", 50.0)],
            ..ExecutorInfo::default()
        }),
        ..TaskInfo::default()
    }
}

fn status(task: &str, state: TaskState, id: u8) -> TaskStatus {
    TaskStatus {
        task_id: task.into(),
        state,
        source: Some(StatusSource::Executor),
        uuid: Some(Bytes::copy_from_slice(&[id; 16])),
        ..TaskStatus::default()
    }
}

struct World {
    agent: Agent,
    at: Duration,
    records: Vec<Record>,
    framework: FrameworkInfo,
}

/// One line for each effect that the outside sees.
fn shown(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Record(Record::Agent(_)) => "record agent".to_owned(),
            Effect::Record(Record::Drain(config)) => format!("record drain {}", config.is_some()),
            Effect::Record(Record::Framework(_)) => "record framework".to_owned(),
            Effect::Record(Record::Executor { .. }) => "record executor".to_owned(),
            Effect::Record(Record::Task { task, .. }) => format!("record task {}", task.task_id),
            Effect::Record(Record::Update { status, .. }) => {
                format!("record {} {}", status.task_id, status.state)
            }
            Effect::Record(Record::Acknowledgement { task, .. }) => format!("record ack {task}"),
            Effect::Record(Record::ExecutorDone { .. }) => "record executor done".to_owned(),
            Effect::Record(Record::FrameworkDone { .. }) => "record framework done".to_owned(),
            Effect::Send(call) => match &**call {
                link::Call::StatusUpdate(update) => {
                    let reason = update
                        .status
                        .reason
                        .map_or(String::new(), |reason| format!(" {reason}"));
                    format!(
                        "send {} {}{reason}",
                        update.status.task_id, update.status.state
                    )
                }
                link::Call::ExecutorExited(exited) => {
                    format!("send exited {} {}", exited.executor_id, exited.status)
                }
                link::Call::ExecutorMessage(_) => "send message".to_owned(),
                link::Call::Pong => "send pong".to_owned(),
                link::Call::Unregister(_) => "send unregister".to_owned(),
            },
            Effect::Event { connection, event } => {
                let kind = event.kind.map_or(String::new(), |kind| kind.to_string());
                let task = event
                    .launch
                    .as_ref()
                    .map(|launch| format!(" {}", launch.task.task_id))
                    .unwrap_or_default();
                format!("event {connection} {kind}{task}")
            }
            Effect::Close { connection } => format!("close {connection}"),
            Effect::Launch(launch) => format!(
                "launch {} cpus {} mem {}",
                launch.run.executor,
                launch.limits.cpus,
                launch.limits.memory >> 20
            ),
            Effect::Limit { limits, .. } => {
                format!("limit cpus {} mem {}", limits.cpus, limits.memory >> 20)
            }
            Effect::Destroy { .. } => "destroy".to_owned(),
            Effect::Leave { message } => format!("leave {message}"),
        })
        .collect()
}

fn agent(secrets: bool) -> Agent {
    let settings = Settings {
        info: AgentInfo {
            hostname: "h".into(),
            ..AgentInfo::default()
        },
        ip: "10.0.0.5".into(),
        executor_registration_timeout: Duration::from_secs(60),
        executor_reregistration_timeout: Duration::from_secs(2),
        executor_shutdown_grace_period: Duration::from_secs(5),
        command_executor_program: "/agent".into(),
        enable_cfs: false,
        pids_max: None,
        executor_secrets: secrets,
        volumes: true,
        docker: false,
    };
    let mut number = 0_u64;
    let ids = move || {
        number += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&number.to_be_bytes());
        id
    };
    Agent::new(settings, Box::new(ids))
}

impl World {
    fn new() -> Self {
        Self::of(framework(true, false), agent(false))
    }

    fn of(framework: FrameworkInfo, agent: Agent) -> Self {
        let mut world = Self {
            agent,
            at: Duration::from_secs(1),
            records: Vec::new(),
            framework,
        };
        world.master(registered());
        world
    }

    fn now(&self) -> Now {
        Now {
            at: self.at,
            wall: 1_700_000_000.0 + self.at.as_secs_f64(),
        }
    }

    fn done(&mut self, effects: Vec<Effect>) -> Vec<String> {
        self.records
            .extend(effects.iter().filter_map(|effect| match effect {
                Effect::Record(record) => Some(record.clone()),
                _ => None,
            }));
        shown(&effects)
    }

    fn master(&mut self, event: link::Event) -> Vec<String> {
        let effects = self.agent.on_master(self.now(), event);
        self.done(effects)
    }

    fn run(&mut self, task: TaskInfo) -> Vec<String> {
        let run = link::RunTask {
            framework_info: self.framework.clone(),
            task,
            launch_executor: true,
        };
        self.master(link::Event::RunTask(run))
    }

    fn call(&mut self, connection: ConnectionId, call: v1::Call) -> Result<Vec<String>, Refusal> {
        self.call_with(connection, call, None)
    }

    fn call_with(
        &mut self,
        connection: ConnectionId,
        call: v1::Call,
        secret: Option<&str>,
    ) -> Result<Vec<String>, Refusal> {
        let (_, effects) = self.agent.on_call(self.now(), call, secret, connection)?;
        Ok(self.done(effects))
    }

    fn subscribe(&mut self, connection: ConnectionId) -> Vec<String> {
        self.call(connection, subscribe_call(vec![], vec![]))
            .unwrap()
    }

    fn update(&mut self, status: TaskStatus) -> Vec<String> {
        self.call(0, update_call(status)).unwrap()
    }

    fn ack(&mut self, task: &str, id: &[u8]) -> Vec<String> {
        self.master(link::Event::StatusUpdateAcknowledgement(
            link::StatusUpdateAcknowledgement {
                framework_id: "F".into(),
                acknowledge: scheduler::Acknowledge {
                    agent_id: "S0".into(),
                    task_id: task.into(),
                    uuid: Bytes::copy_from_slice(id),
                },
            },
        ))
    }

    fn wait(&mut self, seconds: u64) -> Vec<String> {
        self.at += Duration::from_secs(seconds);
        let effects = self.agent.tick(self.now());
        self.done(effects)
    }

    fn container(&self) -> String {
        let framework = self.agent.frameworks.values().next().unwrap();
        framework
            .executors
            .values()
            .next()
            .unwrap()
            .container
            .clone()
    }

    fn ended(&mut self, status: Option<i32>) -> Vec<String> {
        let container = self.container();
        let effects = self.agent.container_ended(
            self.now(),
            &container,
            Ended {
                status,
                termination: None,
            },
        );
        self.done(effects)
    }
}

fn registered() -> link::Event {
    link::Event::Registered(link::Registered {
        agent_id: "S0".into(),
        session: "1".into(),
        master_info: MasterInfo::default(),
        total_ping_timeout_ms: 75_000,
    })
}

fn base_call(kind: v1::CallType) -> v1::Call {
    v1::Call {
        executor_id: "E".into(),
        framework_id: "F".into(),
        kind: Some(kind),
        ..v1::Call::default()
    }
}

fn subscribe_call(tasks: Vec<TaskInfo>, updates: Vec<TaskStatus>) -> v1::Call {
    let updates = updates
        .into_iter()
        .map(|status| v1::Update { status })
        .collect();
    v1::Call {
        subscribe: Some(v1::Subscribe {
            unacknowledged_tasks: tasks,
            unacknowledged_updates: updates,
        }),
        ..base_call(v1::CallType::Subscribe)
    }
}

fn update_call(status: TaskStatus) -> v1::Call {
    v1::Call {
        update: Some(v1::Update { status }),
        ..base_call(v1::CallType::Update)
    }
}
