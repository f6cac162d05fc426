//! A master in a world of scripts: calls, events and time go in, short lines come out.

mod edges;
mod limits;
mod losses;
mod scripts;
mod sums;

use std::time::Duration;

use aurora_mesos::message::{Message, from_slice};
use aurora_mesos::resources::parse;
use aurora_mesos::v1::scheduler::{
    Accept, Acknowledge, EventType, Kill, Reconcile, ReconcileTask, Subscribe,
};
use aurora_mesos::v1::{
    AgentInfo, DrainConfig, DrainState, DurationInfo, ExecutorId, Filters, FrameworkInfo,
    OfferOperation, Resource, TaskId, TaskInfo, TaskStatus,
};
use bytes::Bytes;

use super::*;
use crate::link;

const SECOND: Duration = Duration::from_secs(1);

fn read<T: Message>(text: &str) -> T {
    from_slice(text.as_bytes()).expect("a valid message")
}

fn config() -> Config {
    Config {
        master_info: MasterInfo {
            id: "M".into(),
            ..Default::default()
        },
        allocation_interval: SECOND,
        offer_timeout: None,
        ping_interval: 15 * SECOND,
        max_missed_pings: 5,
        reregister_timeout: 600 * SECOND,
        seed: 1,
    }
}

/// A master and a clock. Effects are told as short lines; allocation of unchanged things makes none.
struct World {
    master: Master,
    now: Time,
}

impl World {
    fn new() -> Self {
        Self::restarted(Registry::default(), Time(1_000_000_000_000))
    }

    fn restarted(registry: Registry, now: Time) -> Self {
        Self {
            master: Master::new(config(), registry, now),
            now,
        }
    }

    /// Lets time pass in steps of a tenth of a second.
    fn pass(&mut self, duration: Duration) -> Vec<String> {
        let end = self.now + duration;
        while self.now < end {
            self.now = end.min(self.now + SECOND / 10);
            if self.now >= self.master.next_deadline() {
                self.master.tick(self.now);
            }
        }
        self.told()
    }

    fn told(&mut self) -> Vec<String> {
        self.master.take_effects().iter().filter_map(tell).collect()
    }

    /// An agent that subscribes on stream `key`, with what it runs.
    fn agent(
        &mut self,
        key: StreamKey,
        id: Option<&str>,
        change: impl FnOnce(&mut link::Subscribe),
    ) -> Vec<String> {
        let mut subscribe = link::Subscribe {
            agent_info: AgentInfo {
                hostname: "h".into(),
                resources: parse("cpus:4;mem:2048;ports:[31000-31009]")
                    .expect("valid")
                    .to_refined(),
                id: id.map(AgentId::from),
                ..Default::default()
            },
            ip: "127.0.0.1".into(),
            version: "1.11.0".into(),
            capabilities: Vec::new(),
            drain_config: None,
            frameworks: Vec::new(),
            executors: Vec::new(),
            tasks: Vec::new(),
        };
        change(&mut subscribe);
        self.master
            .agent_subscribed(self.now, key, format!("session-{key}"), subscribe);
        self.told()
    }

    /// A framework that subscribes on stream `key`.
    fn framework(&mut self, key: StreamKey, info: &str) -> Vec<String> {
        let framework_info: FrameworkInfo = read(info);
        let stream = FrameworkStream {
            key,
            id: format!("stream-{key}"),
        };
        let subscribe = Subscribe {
            framework_info,
            ..Default::default()
        };
        self.master.subscribe(self.now, stream, subscribe);
        self.told()
    }

    fn launch(
        &mut self,
        framework: &str,
        offers: &[&str],
        refuse: f64,
        tasks: Vec<TaskInfo>,
    ) -> Vec<String> {
        let accept = Accept {
            offer_ids: offers.iter().map(|id| OfferId::from(*id)).collect(),
            operations: vec![OfferOperation::launch(tasks)],
            filters: Some(Filters {
                refuse_seconds: refuse,
            }),
        };
        self.master.accept(self.now, &framework.into(), accept);
        self.told()
    }

    /// An agent's update, the uuid being sixteen times `uuid`.
    fn update(&mut self, agent: &str, task: &str, state: TaskState, uuid: u8) -> Vec<String> {
        let update = link::StatusUpdate {
            framework_id: "M-0000".into(),
            status: TaskStatus {
                task_id: task.into(),
                state,
                agent_id: Some(agent.into()),
                uuid: Some(Bytes::copy_from_slice(&[uuid; 16])),
                ..Default::default()
            },
            latest_state: state,
        };
        self.master
            .agent_call(self.now, &agent.into(), link::Call::StatusUpdate(update));
        self.told()
    }

    fn acknowledge(&mut self, agent: &str, task: &str, uuid: u8) -> Vec<String> {
        let acknowledge = Acknowledge {
            agent_id: agent.into(),
            task_id: task.into(),
            uuid: Bytes::copy_from_slice(&[uuid; 16]),
        };
        self.master
            .acknowledge(self.now, &"M-0000".into(), acknowledge);
        self.told()
    }

    fn reconcile(&mut self, task: &str, agent: Option<&str>) -> Vec<String> {
        let question = ReconcileTask {
            task_id: task.into(),
            agent_id: agent.map(AgentId::from),
        };
        self.master.reconcile(
            self.now,
            &"M-0000".into(),
            &Reconcile {
                tasks: vec![question],
            },
        );
        self.told()
    }

    /// The last registry that was to be kept; the effects are gone afterwards.
    fn kept(&mut self) -> Registry {
        self.master.registry.clone()
    }
}

/// One effect as a line; heartbeats and operators' events are left out.
fn tell(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Persist(_) => "persist".to_owned(),
        Effect::Close(key) => format!("{key}: closed"),
        Effect::ToOperators(_) => return None,
        Effect::ToFramework(key, event) => {
            let what = match event.kind? {
                EventType::Heartbeat => return None,
                EventType::Subscribed => {
                    format!("SUBSCRIBED {}", event.subscribed.as_ref()?.framework_id)
                }
                EventType::Offers => {
                    let offers = &event.offers.as_ref()?.offers;
                    let offers: Vec<String> = offers
                        .iter()
                        .map(|offer| {
                            let what = Resources::of(&offer.resources);
                            format!("{} on {}: {what}", offer.id, offer.agent_id)
                        })
                        .collect();
                    format!("OFFERS {}", offers.join(" | "))
                }
                EventType::Rescind => format!("RESCIND {}", event.rescind.as_ref()?.offer_id),
                EventType::Update => {
                    let status = &event.update.as_ref()?.status;
                    let reason = status.reason.map(|r| format!(" {r}")).unwrap_or_default();
                    let note = if status.uuid.is_some() { " (ack)" } else { "" };
                    format!("{} {}{reason}{note}", status.task_id, status.state)
                }
                EventType::Failure => {
                    let failure = event.failure.as_ref()?;
                    match (&failure.executor_id, failure.status) {
                        (Some(executor), Some(status)) => format!("FAILURE {executor} {status}"),
                        _ => format!("FAILURE of {}", failure.agent_id.as_ref()?),
                    }
                }
                EventType::Error => format!("ERROR {}", event.error.as_ref()?.message),
                other => other.to_string(),
            };
            format!("{key}: {what}")
        }
        Effect::ToAgent(key, event) => {
            let what = match &**event {
                link::Event::Registered(registered) => {
                    format!("registered {}", registered.agent_id)
                }
                link::Event::RunTask(run) => format!(
                    "run {}{}",
                    run.task.task_id,
                    if run.launch_executor {
                        " with its executor"
                    } else {
                        ""
                    }
                ),
                link::Event::KillTask(kill) => {
                    let policy = kill
                        .kill_policy
                        .as_ref()
                        .and_then(|p| p.grace_period.as_ref());
                    let grace = policy
                        .map(|grace| format!(" in {:?}", grace.to_std()))
                        .unwrap_or_default();
                    format!("kill {}{grace}", kill.task_id)
                }
                link::Event::StatusUpdateAcknowledgement(ack) => {
                    format!("ack {}", ack.acknowledge.task_id)
                }
                link::Event::ShutdownFramework(shutdown) => {
                    format!("shut down {}", shutdown.framework_id)
                }
                link::Event::Reconcile(reconcile) => format!(
                    "reconcile {:?}",
                    reconcile
                        .task_ids
                        .iter()
                        .map(|t| t.value.as_str())
                        .collect::<Vec<_>>()
                ),
                link::Event::Drain(_) => "drain".to_owned(),
                link::Event::Shutdown(shutdown) => format!("exit: {}", shutdown.message),
                link::Event::Ping => "ping".to_owned(),
                other => format!("{other:?}"),
            };
            format!("agent {key}: {what}")
        }
    })
}

/// `name`, a full grace period and checkpoints unless `more` says otherwise.
fn info(more: &str) -> String {
    let mut fields =
        serde_json::json!({"user": "u", "name": "n", "checkpoint": true, "failover_timeout": 60});
    let more: serde_json::Value = serde_json::from_str(&format!("{{{more}}}")).expect("fields");
    let all = fields.as_object_mut().expect("an object");
    all.extend(more.as_object().expect("an object").clone());
    fields.to_string()
}

const PARTITION_AWARE: &str = r#""capabilities":[{"type":"PARTITION_AWARE"}]"#;

fn resources(text: &str) -> Vec<Resource> {
    parse(text).expect("valid").to_unrefined()
}

fn task(id: &str, what: &str) -> TaskInfo {
    TaskInfo {
        name: id.into(),
        task_id: id.into(),
        agent_id: "M-S0".into(),
        resources: resources(what),
        command: Some(read(r#"{"value":"true"}"#)),
        ..Default::default()
    }
}

fn with_executor(id: &str, what: &str, executor: &str) -> TaskInfo {
    let mut executor: aurora_mesos::v1::ExecutorInfo = read(&format!(
        r#"{{"executor_id":{{"value":"{executor}"}},"command":{{"value":"x"}}}}"#
    ));
    executor.resources = resources("cpus:0.25;mem:128");
    TaskInfo {
        command: None,
        executor: Some(executor),
        ..task(id, what)
    }
}

/// A world with agent `M-S0` on stream 1, framework `M-0000` on stream 2 and offer `M-O0`.
fn ready() -> World {
    ready_with(PARTITION_AWARE)
}

fn ready_with(more: &str) -> World {
    let mut world = World::new();
    assert_eq!(
        world.agent(1, None, |_| {}),
        ["persist", "agent 1: registered M-S0"]
    );
    assert_eq!(
        world.framework(2, &info(more)),
        [
            "2: SUBSCRIBED M-0000",
            "2: OFFERS M-O0 on M-S0: cpus:4; mem:2048; ports:[31000-31009]",
        ]
    );
    world
}

const EMPTY: [&str; 0] = [];
