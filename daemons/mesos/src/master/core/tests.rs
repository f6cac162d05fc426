//! Scripts of calls, events and time, and what the master makes of them.

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

#[test]
fn refused_resources_stay_away_for_as_long_as_was_said() {
    let mut world = ready();
    let filters = Filters {
        refuse_seconds: 3.0,
    };
    world.master.decline(
        world.now,
        &"M-0000".into(),
        &["M-O0".into()],
        Some(&filters),
    );
    assert_eq!(world.pass(Duration::from_millis(2900)), EMPTY);
    assert_eq!(
        world.pass(Duration::from_millis(1200)),
        ["2: OFFERS M-O1 on M-S0: cpus:4; mem:2048; ports:[31000-31009]"]
    );

    // Refused for ever, unless revived.
    let filters = Filters {
        refuse_seconds: 1e9,
    };
    world.master.decline(
        world.now,
        &"M-0000".into(),
        &["M-O1".into()],
        Some(&filters),
    );
    assert_eq!(
        world.pass(60 * SECOND),
        [
            "agent 1: ping",
            "agent 1: ping",
            "agent 1: ping",
            "agent 1: ping"
        ]
    );
    world
        .master
        .agent_call(world.now, &"M-S0".into(), link::Call::Pong);
    world.master.revive(world.now, &"M-0000".into(), &[]);
    assert_eq!(
        world.told(),
        ["2: OFFERS M-O2 on M-S0: cpus:4; mem:2048; ports:[31000-31009]"]
    );

    // Refused for no time, but suppressed.
    world.master.suppress(&"M-0000".into(), &[]);
    let filters = Filters {
        refuse_seconds: 0.0,
    };
    world.master.decline(
        world.now,
        &"M-0000".into(),
        &["M-O2".into()],
        Some(&filters),
    );
    assert_eq!(world.pass(3 * SECOND), EMPTY);
}

#[test]
fn a_task_from_offer_to_acknowledged_end() {
    let mut world = ready();
    assert_eq!(
        world.launch(
            "M-0000",
            &["M-O0"],
            5.0,
            vec![task("t", "cpus:1.5;mem:48;ports:[31003-31004]")]
        ),
        ["agent 1: run t with its executor"]
    );
    // What is left was refused for 5 s.
    assert_eq!(world.pass(4 * SECOND), EMPTY);
    assert_eq!(
        world.pass(2 * SECOND),
        ["2: OFFERS M-O1 on M-S0: cpus:2.5; mem:2000; ports:[31000-31002, 31005-31009]"]
    );
    assert_eq!(
        world.update("M-S0", "t", TaskState::Running, 1),
        ["2: t TASK_RUNNING (ack)"]
    );
    assert_eq!(world.acknowledge("M-S0", "t", 9), ["agent 1: ack t"]);
    assert_eq!(
        world.update("M-S0", "t", TaskState::Finished, 2),
        ["2: t TASK_FINISHED (ack)"]
    );
    // Free although not acknowledged: on offer with the next batch.
    assert_eq!(
        world.pass(SECOND),
        ["2: OFFERS M-O2 on M-S0: cpus:1.5; mem:48; ports:[31003-31004]"]
    );
    assert_eq!(
        world.reconcile("t", None),
        ["2: t TASK_FINISHED REASON_RECONCILIATION"]
    );
    assert_eq!(world.acknowledge("M-S0", "t", 2), ["agent 1: ack t"]);
    assert_eq!(
        world.reconcile("t", None),
        ["2: t TASK_UNKNOWN REASON_RECONCILIATION"]
    );
    let completed: Vec<_> = world.master.frameworks[&"M-0000".into()]
        .completed_tasks
        .iter()
        .map(|t| t.state)
        .collect();
    assert_eq!(completed, [TaskState::Finished]);
}

#[test]
fn an_executor_is_charged_once_and_until_it_exits() {
    let mut world = ready();
    let tasks = vec![
        with_executor("a", "cpus:1;mem:32", "x"),
        with_executor("b", "cpus:1;mem:32", "x"),
    ];
    assert_eq!(
        world.launch("M-0000", &["M-O0"], 0.0, tasks),
        ["agent 1: run a with its executor", "agent 1: run b"]
    );
    assert_eq!(
        world.pass(SECOND),
        ["2: OFFERS M-O1 on M-S0: cpus:1.75; mem:1856; ports:[31000-31009]"]
    );
    let mut changed = with_executor("c", "cpus:1;mem:32", "x");
    changed.executor.as_mut().expect("set").name = Some("changed".into());
    assert_eq!(
        world.launch("M-0000", &["M-O1"], 0.0, vec![changed]),
        ["2: c TASK_ERROR REASON_TASK_INVALID"]
    );
    let exited = link::ExecutorExited {
        framework_id: "M-0000".into(),
        executor_id: ExecutorId::from("x"),
        status: 256,
    };
    world.master.agent_call(
        world.now,
        &"M-S0".into(),
        link::Call::ExecutorExited(exited),
    );
    assert_eq!(world.told(), ["2: FAILURE x 256"]);
    let agent = &world.master.agents[&"M-S0".into()];
    assert_eq!(agent.used_sum.to_string(), "cpus:2; mem:64");
}

#[test]
fn one_bad_offer_spoils_the_call() {
    let mut world = ready();
    assert_eq!(
        world.launch(
            "M-0000",
            &["M-O0", "bogus"],
            600.0,
            vec![task("t", "cpus:1")]
        ),
        ["2: t TASK_DROPPED REASON_INVALID_OFFERS"]
    );
    // The good one comes back although it was to be refused for long.
    assert_eq!(
        world.pass(SECOND),
        ["2: OFFERS M-O1 on M-S0: cpus:4; mem:2048; ports:[31000-31009]"]
    );
    assert_eq!(
        world.launch(
            "M-0000",
            &["M-O1"],
            0.0,
            vec![task("t", "cpus:5"), task("u", "cpus:1")]
        ),
        [
            "2: t TASK_ERROR REASON_TASK_INVALID",
            "agent 1: run u with its executor"
        ]
    );
}

#[test]
fn a_second_subscription_takes_over() {
    let mut world = ready();
    let again = info(&format!(r#"{PARTITION_AWARE},"id":{{"value":"M-0000"}}"#));
    assert_eq!(
        world.framework(3, &again),
        [
            "2: ERROR Framework failed over",
            "2: closed",
            "3: SUBSCRIBED M-0000",
            "3: OFFERS M-O1 on M-S0: cpus:4; mem:2048; ports:[31000-31009]",
        ]
    );
    let id = FrameworkId::from("M-0000");
    assert_eq!(world.master.check_call(&id, Some("stream-3")), Ok(()));
    assert_eq!(
        world.master.check_call(&id, None),
        Err(CallError::NoStreamId)
    );
    let stale = CallError::StreamId {
        given: "stream-2".into(),
        framework: id.clone(),
    };
    assert_eq!(world.master.check_call(&id, Some("stream-2")), Err(stale));
    // The end of the old stream is no longer of interest.
    world.master.framework_disconnected(world.now, 2);
    assert_eq!(world.master.check_call(&id, Some("stream-3")), Ok(()));
    assert_eq!(
        world.launch("M-0000", &["M-O0"], 0.0, vec![task("t", "cpus:1")]),
        ["3: t TASK_DROPPED REASON_INVALID_OFFERS"]
    );
}

#[test]
fn a_framework_that_does_not_come_back_is_removed_for_ever() {
    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 0.0, vec![task("t", "cpus:1")]);
    world.pass(SECOND);
    world.master.framework_disconnected(world.now, 2);
    assert_eq!(
        world.told(),
        EMPTY,
        "offers of a disconnected framework end without a word"
    );
    let id = FrameworkId::from("M-0000");
    assert_eq!(
        world.master.check_call(&id, Some("stream-2")),
        Err(CallError::NotSubscribed)
    );
    assert_eq!(
        world.update("M-S0", "t", TaskState::Running, 1),
        EMPTY,
        "dropped; the agent repeats it"
    );
    let told = world.pass(60 * SECOND);
    assert!(
        told.ends_with(&["persist".into(), "agent 1: shut down M-0000".into()]),
        "{told:?}"
    );
    assert_eq!(
        world.master.check_call(&id, Some("stream-2")),
        Err(CallError::Unknown)
    );
    assert!(world.master.agents[&"M-S0".into()].used_sum.is_empty());

    let again = info(r#""id":{"value":"M-0000"}"#);
    assert_eq!(
        world.framework(4, &again),
        ["4: ERROR Framework has been removed", "4: closed"]
    );
    let mut later = World::restarted(world.kept(), world.now);
    assert_eq!(
        later.framework(4, &again),
        ["4: ERROR Framework has been removed", "4: closed"]
    );
}

#[test]
fn kills() {
    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 600.0, vec![task("t", "cpus:1")]);
    let kill = |world: &mut World, task: &str, agent: Option<&str>| {
        let kill = Kill {
            task_id: task.into(),
            agent_id: agent.map(AgentId::from),
            kill_policy: None,
        };
        world.master.kill(world.now, &"M-0000".into(), kill);
        world.told()
    };
    assert_eq!(kill(&mut world, "t", None), ["agent 1: kill t"]);
    assert_eq!(kill(&mut world, "t", Some("other")), EMPTY);
    assert_eq!(
        kill(&mut world, "nope", None),
        ["2: nope TASK_UNKNOWN REASON_RECONCILIATION"]
    );
    assert_eq!(
        kill(&mut world, "nope", Some("M-S0")),
        ["2: nope TASK_GONE REASON_RECONCILIATION"]
    );

    world.master.agent_disconnected(world.now, 1);
    assert_eq!(kill(&mut world, "t", None), EMPTY);
    let running = world.master.frameworks[&"M-0000".into()].tasks[&TaskId::from("t")]
        .task
        .clone();
    let frameworks = vec![world.master.frameworks[&"M-0000".into()].info.clone()];
    let told = world.agent(5, Some("M-S0"), |subscribe| {
        subscribe.frameworks = frameworks;
        subscribe.tasks = vec![running];
    });
    assert!(told.contains(&"agent 5: kill t".to_owned()), "{told:?}");
}

#[test]
fn an_agent_that_stops_answering_is_unreachable_until_it_returns() {
    let mut world = ready();
    world.launch(
        "M-0000",
        &["M-O0"],
        600.0,
        vec![task("t", "cpus:1"), task("gone", "cpus:1")],
    );
    world.update("M-S0", "t", TaskState::Running, 1);
    let told = world.pass(76 * SECOND);
    assert_eq!(told.iter().filter(|line| line.ends_with("ping")).count(), 5);
    assert_eq!(
        world.pass(15 * SECOND),
        [
            "persist",
            "2: gone TASK_UNREACHABLE REASON_AGENT_REMOVED",
            "2: t TASK_UNREACHABLE REASON_AGENT_REMOVED",
            "1: closed",
            "2: FAILURE of M-S0",
        ]
    );
    assert_eq!(
        world.reconcile("t", None),
        ["2: t TASK_UNREACHABLE REASON_RECONCILIATION"]
    );
    assert_eq!(
        world.reconcile("x", Some("M-S0")),
        ["2: x TASK_UNREACHABLE REASON_RECONCILIATION"]
    );

    let mut running =
        world.master.frameworks[&"M-0000".into()].unreachable_tasks[&"t".into()].clone();
    running.state = TaskState::Running;
    let told = world.agent(5, Some("M-S0"), |subscribe| subscribe.tasks = vec![running]);
    assert_eq!(
        told[..3],
        [
            "persist",
            "agent 5: registered M-S0",
            "2: t TASK_RUNNING REASON_AGENT_REREGISTERED",
        ]
    );
    assert_eq!(
        world.master.agents[&"M-S0".into()].used_sum.to_string(),
        "cpus:1"
    );
}

#[test]
fn a_restarted_master_waits_for_its_agents() {
    let mut world = ready();
    world.launch(
        "M-0000",
        &["M-O0"],
        600.0,
        vec![task("t", "cpus:1"), task("lost", "cpus:1")],
    );
    world.update("M-S0", "t", TaskState::Running, 1);
    let running = world.master.frameworks[&"M-0000".into()].tasks[&TaskId::from("t")]
        .task
        .clone();
    let old = world.master.frameworks[&"M-0000".into()].info.clone();

    let mut world = World::restarted(world.kept(), world.now);
    let again = info(&format!(r#"{PARTITION_AWARE},"id":{{"value":"M-0000"}}"#));
    assert_eq!(world.framework(3, &again), ["3: SUBSCRIBED M-0000"]);
    // Nobody can know yet.
    assert_eq!(world.reconcile("t", None), EMPTY);
    assert_eq!(world.reconcile("t", Some("M-S0")), EMPTY);
    let told = world.agent(4, Some("M-S0"), |subscribe| {
        subscribe.frameworks = vec![old];
        subscribe.tasks = vec![running];
    });
    assert_eq!(told[0], "agent 4: registered M-S0");
    assert_eq!(
        world.reconcile("t", None),
        ["3: t TASK_RUNNING REASON_RECONCILIATION"]
    );
    assert_eq!(
        world.reconcile("lost", Some("M-S0")),
        ["3: lost TASK_GONE REASON_RECONCILIATION"]
    );
    // The update of the other master's time is not ours to acknowledge until the agent repeats it.
    assert_eq!(world.acknowledge("M-S0", "t", 1), EMPTY);
    assert_eq!(
        world.update("M-S0", "t", TaskState::Running, 1),
        ["3: t TASK_RUNNING (ack)"]
    );
    assert_eq!(world.acknowledge("M-S0", "t", 1), ["agent 4: ack t"]);
    // A new agent gets a number that was never used.
    assert_eq!(
        world.agent(6, None, |_| {})[..2],
        ["persist", "agent 6: registered M-S1"]
    );
}

#[test]
fn a_task_that_the_agent_never_got_is_asked_for() {
    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 600.0, vec![task("t", "cpus:1")]);
    world.master.agent_disconnected(world.now, 1);
    world.told();
    let told = world.agent(5, Some("M-S0"), |_| {});
    assert_eq!(
        told[..2],
        ["agent 5: registered M-S0", "agent 5: reconcile [\"t\"]"]
    );
    assert_eq!(
        world.update("M-S0", "t", TaskState::Dropped, 1),
        ["2: t TASK_DROPPED (ack)"]
    );
    assert!(world.master.agents[&"M-S0".into()].used_sum.is_empty());
}

#[test]
fn without_checkpoints_a_disconnected_agent_loses_its_tasks() {
    let mut world = ready_with(r#""checkpoint":false"#);
    world.launch(
        "M-0000",
        &["M-O0"],
        600.0,
        vec![with_executor("t", "cpus:1", "x")],
    );
    world.master.agent_disconnected(world.now, 1);
    assert_eq!(world.told(), ["2: t TASK_LOST REASON_AGENT_DISCONNECTED"]);
    assert!(world.master.agents[&"M-S0".into()].used_sum.is_empty());
}

#[test]
fn a_drain_kills_everything_and_ends_when_all_is_acknowledged() {
    let mut world = ready();
    let mut patient = task("t", "cpus:1");
    patient.kill_policy = Some(read(r#"{"grace_period":{"nanoseconds":60000000000}}"#));
    world.launch("M-0000", &["M-O0"], 0.0, vec![patient]);
    world.pass(SECOND);
    let config = DrainConfig {
        max_grace_period: Some(DurationInfo::from(10 * SECOND)),
        mark_gone: false,
    };
    let id = AgentId::from("M-S0");
    assert_eq!(
        world.master.drain_agent(world.now, &id, config.clone()),
        Ok(())
    );
    assert_eq!(
        world.told(),
        [
            "persist",
            "2: RESCIND M-O1",
            "agent 1: drain",
            "agent 1: kill t in 10s"
        ]
    );
    assert_eq!(
        world.master.reactivate_agent(world.now, &id),
        Err(DrainError::Draining)
    );
    assert_eq!(
        world.update("M-S0", "t", TaskState::Killed, 1),
        ["2: t TASK_KILLED (ack)"]
    );
    let state = |world: &World| {
        world.master.agents[&id]
            .drain
            .as_ref()
            .map(|drain| drain.state)
    };
    assert_eq!(state(&world), Some(DrainState::Draining));
    assert_eq!(
        world.acknowledge("M-S0", "t", 1),
        ["persist", "agent 1: ack t"]
    );
    assert_eq!(state(&world), Some(DrainState::Drained));
    assert_eq!(world.pass(3 * SECOND), EMPTY, "no offers");

    // It outlives the master.
    let mut world = World::restarted(world.kept(), world.now);
    let told = world.agent(7, Some("M-S0"), |subscribe| {
        subscribe.drain_config = Some(config)
    });
    assert_eq!(told, ["agent 7: registered M-S0", "agent 7: drain"]);
    assert_eq!(world.master.reactivate_agent(world.now, &id), Ok(()));
    assert_eq!(
        world.master.reactivate_agent(world.now, &id),
        Err(DrainError::Active)
    );
}

#[test]
fn an_agent_that_is_gone_is_gone_for_good() {
    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 600.0, vec![task("t", "cpus:1")]);
    assert_eq!(world.master.mark_gone(world.now, &"M-S0".into()), Ok(()));
    assert_eq!(
        world.told(),
        [
            "agent 1: exit: Agent has been marked gone",
            "persist",
            "2: t TASK_GONE_BY_OPERATOR REASON_AGENT_REMOVED_BY_OPERATOR",
            "1: closed",
            "2: FAILURE of M-S0",
        ]
    );
    assert_eq!(
        world.reconcile("t", Some("M-S0")),
        ["2: t TASK_GONE_BY_OPERATOR REASON_RECONCILIATION"]
    );
    assert_eq!(
        world.agent(5, Some("M-S0"), |_| {}),
        ["agent 5: exit: Agent has been marked gone", "5: closed"]
    );
    assert_eq!(
        world.master.mark_gone(world.now, &"never".into()),
        Err(DrainError::Unknown)
    );
}

#[test]
fn two_frameworks_share_by_their_dominant_share() {
    let mut world = ready();
    world.framework(3, &info(r#""name":"second""#));
    world.launch("M-0000", &["M-O0"], 0.0, vec![task("t", "cpus:1")]);
    // The one with nothing comes first.
    assert_eq!(
        world.pass(SECOND),
        ["3: OFFERS M-O1 on M-S0: cpus:3; mem:2048; ports:[31000-31009]"]
    );
}

/// Whatever happens in whatever order: nothing is given away twice, and nothing is lost.
#[test]
fn resources_always_add_up() {
    for seed in 1..=20u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |limit: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % limit as u64) as usize
        };
        let mut world = World::new();
        let mut key = 100;
        world.agent(1, None, |_| {});
        world.framework(2, &info(""));
        for step in 0..400 {
            let offers: Vec<_> = world.master.offers.values().cloned().collect();
            let tasks: Vec<(FrameworkId, aurora_mesos::v1::Task)> = world
                .master
                .frameworks
                .values()
                .flat_map(|f| {
                    f.tasks
                        .values()
                        .map(|entry| (f.id.clone(), entry.task.clone()))
                })
                .collect();
            match next(9) {
                0..=2 => {
                    if let Some(offer) = offers.get(next(offers.len().max(1))) {
                        let id = format!("t{step}");
                        let mut info = if next(2) == 0 {
                            task(&id, "cpus:0.3;mem:100;ports:[31002-31002]")
                        } else {
                            with_executor(&id, "cpus:0.1;mem:50", ["x", "y"][next(2)])
                        };
                        info.agent_id = offer.agent_id.clone();
                        let framework = offer.framework_id.value.clone();
                        world.launch(&framework, &[&offer.id.value], next(3) as f64, vec![info]);
                    }
                }
                3..=4 => {
                    if let Some((framework, task)) = tasks.get(next(tasks.len().max(1))) {
                        let state = [TaskState::Running, TaskState::Finished][next(2)];
                        let uuid = Bytes::copy_from_slice(&[next(250) as u8; 16]);
                        let update = link::StatusUpdate {
                            framework_id: framework.clone(),
                            status: TaskStatus {
                                task_id: task.task_id.clone(),
                                state,
                                uuid: Some(uuid.clone()),
                                ..Default::default()
                            },
                            latest_state: state,
                        };
                        let agent = task.agent_id.clone();
                        world.master.agent_call(
                            world.now,
                            &agent,
                            link::Call::StatusUpdate(update),
                        );
                        let acknowledge = Acknowledge {
                            agent_id: agent,
                            task_id: task.task_id.clone(),
                            uuid,
                        };
                        world.master.acknowledge(world.now, framework, acknowledge);
                    }
                }
                5 => {
                    let agent = ["M-S0", "M-S1"][next(2)];
                    let executor_id = ExecutorId::from(["x", "y"][next(2)]);
                    let framework_id = FrameworkId::from(["M-0000", "M-0001"][next(2)]);
                    let exited = link::ExecutorExited {
                        framework_id,
                        executor_id,
                        status: 0,
                    };
                    world.master.agent_call(
                        world.now,
                        &agent.into(),
                        link::Call::ExecutorExited(exited),
                    );
                }
                6 => {
                    key += 1;
                    let id = ["M-0000", "M-0001"][next(2)];
                    let text = info(&format!(r#""id":{{"value":"{id}"}}"#));
                    world.framework(key, &text);
                }
                7 => {
                    key += 1;
                    let id = ["M-S0", "M-S1"][next(2)];
                    let running: Vec<_> = tasks
                        .iter()
                        .map(|(_, task)| task.clone())
                        .filter(|task| task.agent_id.value == id && next(4) > 0)
                        .collect();
                    world.agent(key, Some(id), |subscribe| subscribe.tasks = running);
                }
                _ => {
                    world.pass(SECOND * next(4) as u32);
                }
            }
            world.told();
            check_sums(&world.master, seed, step);
        }
    }
}

fn check_sums(master: &Master, seed: u64, step: usize) {
    for agent in master.agents.values() {
        let mut used = Resources::default();
        for framework in master.frameworks.values() {
            for entry in framework.tasks.values() {
                if entry.task.agent_id == agent.id && !entry.task.state.is_terminal() {
                    used.add(&Resources::of(&entry.task.resources).unallocated());
                }
            }
            for ((at, _), executor) in &framework.executors {
                if *at == agent.id {
                    used.add(&Resources::of(&executor.resources).unallocated());
                }
            }
        }
        let mut offered = Resources::default();
        for offer in master
            .offers
            .values()
            .filter(|offer| offer.agent_id == agent.id)
        {
            offered.add(&offer.resources.unallocated());
        }
        let same = |a: &Resources, b: &Resources| a.contains(b) && b.contains(a);
        let at = format!("seed {seed}, step {step}, agent {}", agent.id);
        assert!(
            same(&agent.used_sum, &used),
            "{at}: charged {}, but {used} is used",
            agent.used_sum
        );
        assert!(
            same(&agent.offered_sum, &offered),
            "{at}: {} is not {offered}",
            agent.offered_sum
        );
        assert!(
            agent.total.contains(&used.plus(&offered)),
            "{at}: {used} and {offered} are too much"
        );
    }
}
