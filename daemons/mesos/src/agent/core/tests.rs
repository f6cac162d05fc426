//! The agent's decisions, told as short histories.

use std::time::Duration;

use aurora_mesos::v1::{
    AgentInfo, CommandInfo, ExecutorInfo, FrameworkCapability, FrameworkCapabilityType, FrameworkInfo, KillPolicy, MasterInfo,
    Resource, Scalar, StatusReason, StatusSource, TaskInfo, TaskState, TaskStatus, ValueType, executor as v1, scheduler,
};
use bytes::Bytes;
use http::StatusCode;

use super::recover::replay;
use super::*;

fn resource(name: &str, value: f64) -> Resource {
    Resource { name: name.into(), kind: ValueType::Scalar, scalar: Some(Scalar { value }), ..Resource::default() }
}

fn framework(checkpoint: bool, partition_aware: bool) -> FrameworkInfo {
    let capability = FrameworkCapability { kind: Some(FrameworkCapabilityType::PartitionAware) };
    FrameworkInfo {
        user: "root".into(),
        name: "f".into(),
        id: Some("F".into()),
        checkpoint,
        capabilities: if partition_aware { vec![capability] } else { vec![] },
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
            command: Some(CommandInfo { value: Some("run".into()), ..CommandInfo::default() }),
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
            Effect::Record(Record::Update { status, .. }) => format!("record {} {}", status.task_id, status.state),
            Effect::Record(Record::Acknowledgement { task, .. }) => format!("record ack {task}"),
            Effect::Record(Record::ExecutorDone { .. }) => "record executor done".to_owned(),
            Effect::Record(Record::FrameworkDone { .. }) => "record framework done".to_owned(),
            Effect::Send(call) => match &**call {
                link::Call::StatusUpdate(update) => {
                    let reason = update.status.reason.map_or(String::new(), |reason| format!(" {reason}"));
                    format!("send {} {}{reason}", update.status.task_id, update.status.state)
                }
                link::Call::ExecutorExited(exited) => format!("send exited {} {}", exited.executor_id, exited.status),
                link::Call::ExecutorMessage(_) => "send message".to_owned(),
                link::Call::Pong => "send pong".to_owned(),
                link::Call::Unregister(_) => "send unregister".to_owned(),
            },
            Effect::Event { connection, event } => {
                let kind = event.kind.map_or(String::new(), |kind| kind.to_string());
                let task = event.launch.as_ref().map(|launch| format!(" {}", launch.task.task_id)).unwrap_or_default();
                format!("event {connection} {kind}{task}")
            }
            Effect::Close { connection } => format!("close {connection}"),
            Effect::Launch(launch) => format!("launch {} cpus {} mem {}", launch.run.executor, launch.limits.cpus, launch.limits.memory >> 20),
            Effect::Limit { limits, .. } => format!("limit cpus {} mem {}", limits.cpus, limits.memory >> 20),
            Effect::Destroy { .. } => "destroy".to_owned(),
            Effect::Leave { message } => format!("leave {message}"),
        })
        .collect()
}

fn agent(secrets: bool) -> Agent {
    let settings = Settings {
        info: AgentInfo { hostname: "h".into(), ..AgentInfo::default() },
        ip: "10.0.0.5".into(),
        executor_registration_timeout: Duration::from_secs(60),
        executor_reregistration_timeout: Duration::from_secs(2),
        executor_shutdown_grace_period: Duration::from_secs(5),
        command_executor_program: "/agent".into(),
        enable_cfs: false,
        pids_max: None,
        executor_secrets: secrets,
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
        let mut world = Self { agent, at: Duration::from_secs(1), records: Vec::new(), framework };
        world.master(registered());
        world
    }

    fn now(&self) -> Now {
        Now { at: self.at, wall: 1_700_000_000.0 + self.at.as_secs_f64() }
    }

    fn done(&mut self, effects: Vec<Effect>) -> Vec<String> {
        self.records.extend(effects.iter().filter_map(|effect| match effect {
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
        let run = link::RunTask { framework_info: self.framework.clone(), task, launch_executor: true };
        self.master(link::Event::RunTask(run))
    }

    fn call(&mut self, connection: ConnectionId, call: v1::Call) -> Result<Vec<String>, Refusal> {
        self.call_with(connection, call, None)
    }

    fn call_with(&mut self, connection: ConnectionId, call: v1::Call, secret: Option<&str>) -> Result<Vec<String>, Refusal> {
        let (_, effects) = self.agent.on_call(self.now(), call, secret, connection)?;
        Ok(self.done(effects))
    }

    fn subscribe(&mut self, connection: ConnectionId) -> Vec<String> {
        self.call(connection, subscribe_call(vec![], vec![])).unwrap()
    }

    fn update(&mut self, status: TaskStatus) -> Vec<String> {
        self.call(0, update_call(status)).unwrap()
    }

    fn ack(&mut self, task: &str, id: &[u8]) -> Vec<String> {
        self.master(link::Event::StatusUpdateAcknowledgement(link::StatusUpdateAcknowledgement {
            framework_id: "F".into(),
            acknowledge: scheduler::Acknowledge {
                agent_id: "S0".into(),
                task_id: task.into(),
                uuid: Bytes::copy_from_slice(id),
            },
        }))
    }

    fn wait(&mut self, seconds: u64) -> Vec<String> {
        self.at += Duration::from_secs(seconds);
        let effects = self.agent.tick(self.now());
        self.done(effects)
    }

    fn container(&self) -> String {
        let framework = self.agent.frameworks.values().next().unwrap();
        framework.executors.values().next().unwrap().container.clone()
    }

    fn ended(&mut self, status: Option<i32>) -> Vec<String> {
        let container = self.container();
        let effects = self.agent.container_ended(self.now(), &container, Ended { status, termination: None });
        self.done(effects)
    }
}

fn registered() -> link::Event {
    link::Event::Registered(link::Registered {
        agent_id: "S0".into(),
        session: "1".into(),
        master_info: MasterInfo::default(),
    })
}

fn base_call(kind: v1::CallType) -> v1::Call {
    v1::Call { executor_id: "E".into(), framework_id: "F".into(), kind: Some(kind), ..v1::Call::default() }
}

fn subscribe_call(tasks: Vec<TaskInfo>, updates: Vec<TaskStatus>) -> v1::Call {
    let updates = updates.into_iter().map(|status| v1::Update { status }).collect();
    v1::Call {
        subscribe: Some(v1::Subscribe { unacknowledged_tasks: tasks, unacknowledged_updates: updates }),
        ..base_call(v1::CallType::Subscribe)
    }
}

fn update_call(status: TaskStatus) -> v1::Call {
    v1::Call { update: Some(v1::Update { status }), ..base_call(v1::CallType::Update) }
}

#[test]
fn a_task_from_launch_to_the_end_of_its_executor() {
    let mut world = World::new();
    assert_eq!(
        world.run(custom_task("t1")),
        ["record framework", "record executor", "record task t1", "launch E cpus 1.5 mem 150"]
    );
    assert_eq!(world.subscribe(7), ["event 7 SUBSCRIBED", "limit cpus 1.5 mem 150", "event 7 LAUNCH t1"]);
    assert_eq!(
        world.update(status("t1", TaskState::Running, 1)),
        ["record t1 TASK_RUNNING", "event 7 ACKNOWLEDGED", "send t1 TASK_RUNNING"]
    );
    // Written down and acknowledged to the executor, but not sent before the first is acknowledged; and the container is
    // made smaller before anybody hears of the end.
    assert_eq!(
        world.update(status("t1", TaskState::Finished, 2)),
        ["record t1 TASK_FINISHED", "limit cpus 0.5 mem 50", "event 7 ACKNOWLEDGED"]
    );
    assert_eq!(world.ack("t1", &[1; 16]), ["record ack t1", "send t1 TASK_FINISHED"]);
    assert_eq!(world.ack("t1", &[2; 16]), ["record ack t1"]);
    assert_eq!(world.ended(Some(0)), ["send exited E 0", "record executor done", "record framework done"]);
    assert!(!world.agent.has_containers());
}

#[test]
fn an_executor_that_ends_takes_its_tasks_along() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    world.run(custom_task("t2"));
    world.update(status("t1", TaskState::Finished, 1));
    assert_eq!(
        world.ended(Some(256)),
        ["record t2 TASK_FAILED", "send t2 TASK_FAILED REASON_EXECUTOR_TERMINATED", "send exited E 256"]
    );
    // The record of the executor stays until both are acknowledged, and takes no further task.
    assert_eq!(world.run(custom_task("t3")), ["send t3 TASK_LOST REASON_EXECUTOR_TERMINATED"]);
    assert_eq!(world.ack("t1", &[1; 16]), ["record ack t1"]);
    let subscription = world.agent.subscription();
    let named: Vec<String> = subscription.tasks.iter().map(|task| task.task_id.to_string()).collect();
    assert_eq!(named, ["t2"]);
    assert!(subscription.executors.is_empty());
    let uuid = subscription.tasks[0].status_update_uuid.clone().unwrap();
    assert_eq!(world.ack("t2", &uuid), ["record ack t2", "record executor done", "record framework done"]);
}

#[test]
fn an_executor_has_to_subscribe_in_time() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    assert!(world.wait(59).is_empty());
    assert_eq!(world.wait(1), ["destroy"]);
    assert_eq!(
        world.ended(Some(9)),
        ["record t1 TASK_FAILED", "send t1 TASK_FAILED REASON_EXECUTOR_REGISTRATION_TIMEOUT", "send exited E 9"]
    );
}

#[test]
fn a_task_killed_before_its_delivery() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    let kill = link::Event::KillTask(link::KillTask { framework_id: "F".into(), task_id: "t1".into(), kill_policy: None });
    assert_eq!(
        world.master(kill),
        ["record t1 TASK_KILLED", "limit cpus 0.5 mem 50", "send t1 TASK_KILLED REASON_TASK_KILLED_DURING_LAUNCH"]
    );
    // Its executor has nothing to do any more.
    assert_eq!(world.subscribe(7), ["event 7 SHUTDOWN"]);
    assert_eq!(world.wait(5), ["destroy"]);
}

#[test]
fn a_kill_reaches_the_executor_with_its_policy_or_is_answered() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    let policy = KillPolicy { grace_period: Some(Duration::from_nanos(7).into()) };
    let kill = |task: &str| link::KillTask { framework_id: "F".into(), task_id: task.into(), kill_policy: Some(policy.clone()) };
    let effects = world.agent.on_master(world.now(), link::Event::KillTask(kill("t1")));
    let [Effect::Event { connection: 7, event }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(event.kill.as_ref().unwrap().kill_policy, Some(policy.clone()));
    assert_eq!(world.master(link::Event::KillTask(kill("other"))), ["send other TASK_LOST REASON_EXECUTOR_TERMINATED"]);
    // While the executor is away the kill is lost.
    world.agent.connection_closed(7);
    assert!(world.master(link::Event::KillTask(kill("t1"))).is_empty());
}

#[test]
fn shutdown_is_followed_by_the_end_after_the_grace_period() {
    let mut world = World::new();
    let mut task = custom_task("t1");
    if let Some(executor) = &mut task.executor {
        executor.shutdown_grace_period = Some(Duration::from_secs(2).into());
    }
    world.run(task);
    world.subscribe(7);
    let shutdown = link::ShutdownExecutor { framework_id: "F".into(), executor_id: "E".into() };
    assert_eq!(world.master(link::Event::ShutdownExecutor(shutdown)), ["event 7 SHUTDOWN"]);
    assert!(world.wait(1).is_empty());
    assert_eq!(world.wait(1), ["destroy"]);
}

#[test]
fn a_removed_framework_is_not_reported() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    let gone = link::Event::ShutdownFramework(link::ShutdownFramework { framework_id: "F".into() });
    assert_eq!(world.master(gone), ["event 7 SHUTDOWN"]);
    assert!(world.update(status("t1", TaskState::Killed, 1)).is_empty());
    assert_eq!(world.ended(Some(9)), ["send exited E 9", "record executor done", "record framework done"]);
    assert!(world.agent.subscription().tasks.is_empty());
}

#[test]
fn duplicates_and_strangers() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    world.update(status("t1", TaskState::Finished, 1));
    // A second end while the first waits; the same update again.
    for again in [status("t1", TaskState::Failed, 2), status("t1", TaskState::Finished, 1)] {
        assert_eq!(world.update(again), ["event 7 ACKNOWLEDGED"]);
    }
    world.ack("t1", &[1; 16]);
    // Of a task that is settled, or was never here: passed on without an acknowledgement to the executor.
    assert_eq!(world.update(status("t1", TaskState::Running, 3)), ["send t1 TASK_RUNNING"]);
    assert_eq!(world.update(status("ghost", TaskState::Running, 4)), ["send ghost TASK_RUNNING"]);
    let wrong = TaskStatus { agent_id: Some("S9".into()), ..status("ghost", TaskState::Running, 5) };
    assert!(world.update(wrong).is_empty());
}

#[test]
fn an_executor_that_comes_back() {
    for (partition_aware, lost) in [(false, "TASK_LOST"), (true, "TASK_DROPPED")] {
        let mut world = World::of(framework(true, partition_aware), agent(false));
        world.run(custom_task("t1"));
        world.subscribe(7);
        // It names neither the task nor any update of it: it never got it.
        assert_eq!(
            world.call(8, subscribe_call(vec![], vec![])).unwrap(),
            [
                "close 7".to_owned(),
                "event 8 SUBSCRIBED".to_owned(),
                "limit cpus 1.5 mem 150".to_owned(),
                format!("record t1 {lost}"),
                "limit cpus 0.5 mem 50".to_owned(),
                format!("send t1 {lost} REASON_AGENT_RESTARTED"),
            ]
        );
    }
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    let lists = subscribe_call(vec![custom_task("t1")], vec![status("t1", TaskState::Running, 1)]);
    assert_eq!(
        world.call(8, lists).unwrap(),
        [
            "close 7",
            "event 8 SUBSCRIBED",
            "limit cpus 1.5 mem 150",
            "record t1 TASK_RUNNING",
            "event 8 ACKNOWLEDGED",
            "send t1 TASK_RUNNING",
        ]
    );
}

#[test]
fn calls_that_are_refused() {
    let check = |call: v1::Call, status: StatusCode, text: &str| {
        let mut world = World::new();
        world.run(custom_task("t1"));
        let refusal = world.call(7, call).unwrap_err();
        assert_eq!((refusal.status, refusal.text.as_str()), (status, text));
    };
    let bad = StatusCode::BAD_REQUEST;
    let prefix = "Failed to validate Executor::Call: ";
    check(v1::Call { kind: None, ..base_call(v1::CallType::Update) }, bad, &format!("{prefix}Expecting 'type' to be present"));
    check(base_call(v1::CallType::Subscribe), bad, &format!("{prefix}Expecting 'subscribe' to be present"));
    let update = |change: fn(&mut TaskStatus)| {
        let mut status = status("t1", TaskState::Running, 1);
        change(&mut status);
        update_call(status)
    };
    check(update(|status| status.uuid = None), bad, &format!("{prefix}Expecting 'uuid' to be present"));
    check(update(|status| status.uuid = Some(Bytes::from_static(b"abc"))), bad, &format!("{prefix}Not a valid UUID"));
    check(
        update(|status| status.source = None),
        bad,
        &format!("{prefix}Received Call from executor E of framework F with invalid source, expecting 'SOURCE_EXECUTOR', got 'SOURCE_MASTER'"),
    );
    let unknown = |executor: &str, framework: &str| v1::Call {
        executor_id: executor.into(),
        framework_id: framework.into(),
        ..subscribe_call(vec![], vec![])
    };
    check(unknown("E", "G"), bad, "Framework cannot be found");
    check(unknown("D", "F"), bad, "Executor cannot be found");
    check(update(|_| {}), StatusCode::FORBIDDEN, "Executor is not subscribed");
}

#[test]
fn a_container_has_its_own_secret() {
    let mut world = World::of(framework(true, false), agent(true));
    world.run(custom_task("t1"));
    let secret = world.agent.frameworks.values().next().unwrap().executors.values().next().unwrap().secret.clone().unwrap();
    assert!(secret.len() >= 40, "{secret}");
    for wrong in [None, Some("x"), Some(&secret[1..])] {
        let refusal = world.call_with(7, subscribe_call(vec![], vec![]), wrong).unwrap_err();
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    }
    assert!(world.call_with(7, subscribe_call(vec![], vec![]), Some(&secret)).is_ok());
}

#[test]
fn updates_wait_for_a_master_and_are_sent_again() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    world.agent.master_lost();
    assert_eq!(world.update(status("t1", TaskState::Running, 1)), ["record t1 TASK_RUNNING", "event 7 ACKNOWLEDGED"]);
    assert_eq!(world.master(registered()), ["send t1 TASK_RUNNING"]);
    assert!(world.wait(9).is_empty());
    assert_eq!(world.wait(1), ["send t1 TASK_RUNNING"]);
}

#[test]
fn stopping_ends_everything_and_takes_nothing_more() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    let effects = world.agent.stop(world.now());
    assert_eq!(world.done(effects), ["event 7 SHUTDOWN"]);
    assert_eq!(world.run(custom_task("t2")), ["send t2 TASK_LOST REASON_AGENT_DISCONNECTED"]);
    assert_eq!(world.wait(5), ["destroy"]);
    assert_eq!(
        world.ended(Some(9)),
        ["record t1 TASK_LOST", "send t1 TASK_LOST REASON_AGENT_RESTARTED", "send exited E 9"]
    );
    assert!(!world.agent.has_containers());
}

/// A history with every kind of record, for the tests of recovery.
fn history() -> World {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    world.run(custom_task("t2"));
    world.update(status("t1", TaskState::Starting, 1));
    world.update(status("t1", TaskState::Running, 2));
    world.ack("t1", &[1; 16]);
    world.update(status("t2", TaskState::Running, 3));
    world.update(status("t1", TaskState::Finished, 4));
    world.ack("t1", &[2; 16]);
    world.ack("t2", &[3; 16]);
    world.ack("t1", &[4; 16]);
    world
}

/// Whatever was last written when the agent was killed: the next one owes the scheduler exactly the updates that were
/// written and not acknowledged, in their order, and the end of every task whose executor did not survive.
#[test]
fn a_kill_after_any_record_loses_nothing() {
    let records = history().records;
    for cut in 0..=records.len() {
        let written = &records[..cut];
        let (drain, frameworks) = replay(written, |_| RecoveredRun::Gone);
        let mut world = World { agent: agent(false), at: Duration::from_secs(1), records: vec![], framework: framework(true, false) };
        world.agent.agent_id = Some("S0".into());
        let effects = world.agent.recover(world.now(), drain, frameworks);
        world.done(effects);
        assert!(!world.agent.is_recovering(), "nobody is waited for");
        // Deliver everything, acknowledging each update at once.
        let mut delivered: Vec<(String, TaskState)> = Vec::new();
        let mut queue = world.agent.on_master(world.now(), registered());
        while let Some(effect) = (!queue.is_empty()).then(|| queue.remove(0)) {
            let Effect::Send(call) = effect else { continue };
            let link::Call::StatusUpdate(update) = *call else { continue };
            delivered.push((update.status.task_id.to_string(), update.status.state));
            let acknowledge = link::Event::StatusUpdateAcknowledgement(link::StatusUpdateAcknowledgement {
                framework_id: update.framework_id,
                acknowledge: scheduler::Acknowledge {
                    agent_id: "S0".into(),
                    task_id: update.status.task_id,
                    uuid: update.status.uuid.unwrap(),
                },
            });
            queue.extend(world.agent.on_master(world.now(), acknowledge));
        }
        for task in ["t1", "t2"] {
            let known = written.iter().any(|record| matches!(record, Record::Task { task: info, .. } if info.task_id.value == task));
            let acknowledged =
                written.iter().filter(|record| matches!(record, Record::Acknowledgement { task: id, .. } if id.value == task)).count();
            let mut owed: Vec<TaskState> = written
                .iter()
                .filter_map(|record| match record {
                    Record::Update { status, .. } if status.task_id.value == task => Some(status.state),
                    _ => None,
                })
                .collect();
            if known && !owed.iter().any(|state| state.is_terminal()) {
                owed.push(TaskState::Failed);
            }
            let owed = &owed[acknowledged..];
            let got: Vec<TaskState> = delivered.iter().filter(|(id, _)| id == task).map(|(_, state)| *state).collect();
            assert_eq!(got, owed, "{task} after {cut} records");
        }
        assert!(world.agent.frameworks.is_empty(), "everything is settled after {cut} records");
    }
}

#[test]
fn an_executor_that_outlived_the_agent_is_waited_for() {
    let before = history();
    let recovered = |agent: &mut Agent, now: Now| {
        let (drain, frameworks) = replay(&before.records, |_| RecoveredRun::Alive { pid: 4242 });
        agent.agent_id = Some("S0".into());
        agent.recover(now, drain, frameworks)
    };
    let fresh = || World { agent: agent(false), at: Duration::from_secs(1), records: vec![], framework: framework(true, false) };

    let mut world = fresh();
    let now = world.now();
    assert!(shown(&recovered(&mut world.agent, now)).is_empty());
    assert!(world.agent.is_recovering());
    let refusal = world.call(1, update_call(status("t2", TaskState::Killed, 9))).unwrap_err();
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.call(1, subscribe_call(vec![], vec![])).unwrap(), ["event 1 SUBSCRIBED", "limit cpus 1.5 mem 150"]);
    assert!(!world.agent.is_recovering(), "all are back");
    let task = &world.agent.subscription().tasks[0];
    assert_eq!((task.task_id.value.as_str(), task.state), ("t2", TaskState::Running));

    // One that does not come back is ended.
    let mut world = fresh();
    let now = world.now();
    let effects = recovered(&mut world.agent, now);
    world.done(effects);
    assert_eq!(world.wait(2), ["destroy"]);
    assert!(!world.agent.is_recovering());
    world.master(registered());
    assert_eq!(
        world.ended(None),
        ["record t2 TASK_LOST", "send t2 TASK_LOST REASON_EXECUTOR_REREGISTRATION_TIMEOUT", "send exited E -1"]
    );
}

#[test]
fn what_does_not_checkpoint_does_not_outlive_the_agent() {
    let mut before = World::of(framework(false, false), agent(false));
    assert_eq!(before.run(custom_task("t1")), ["record framework", "record executor", "launch E cpus 1.5 mem 150"]);
    before.subscribe(7);
    assert_eq!(before.update(status("t1", TaskState::Running, 1)), ["event 7 ACKNOWLEDGED", "send t1 TASK_RUNNING"]);
    let (drain, frameworks) = replay(&before.records, |_| RecoveredRun::Alive { pid: 4242 });
    let mut world = World { agent: agent(false), at: Duration::from_secs(1), records: vec![], framework: framework(false, false) };
    world.agent.agent_id = Some("S0".into());
    let effects = world.agent.recover(world.now(), drain, frameworks);
    assert_eq!(world.done(effects), ["destroy"]);
    assert!(world.agent.subscription().tasks.is_empty());
    assert_eq!(world.ended(None), ["send exited E -1", "record executor done", "record framework done"]);
}

#[test]
fn a_command_task_gets_the_built_in_executor() {
    let mut world = World::new();
    let task = TaskInfo {
        command: Some(CommandInfo { value: Some("echo hello world".into()), user: Some("www".into()), ..CommandInfo::default() }),
        executor: None,
        ..custom_task("t1")
    };
    let run = link::RunTask { framework_info: world.framework.clone(), task, launch_executor: true };
    let effects = world.agent.on_master(world.now(), link::Event::RunTask(run));
    let Some(Effect::Launch(launch)) = effects.last() else { panic!("{effects:?}") };
    assert_eq!((launch.user.as_str(), launch.run.executor.as_ref()), ("www", "t1"));
    assert_eq!((launch.limits.cpus, launch.limits.memory >> 20), (1.1, 132));
    assert_eq!(launch.command.arguments, ["/agent", "command-executor"]);
    let executors = world.agent.get_executors().executors;
    let info = &executors[0].executor_info;
    assert_eq!(info.name.as_deref(), Some("Command Executor (Task: t1) (Command: sh -c 'echo hello w...')"));
    assert_eq!(info.source.as_deref(), Some("t1"));
    let subscription = world.agent.subscription();
    assert!(subscription.executors.is_empty(), "the master does not know it");
    assert_eq!(subscription.tasks[0].executor_id, None);
}

#[test]
fn draining_is_remembered_and_colours_the_kills() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    let drain = link::Event::Drain(link::Drain { config: aurora_mesos::v1::DrainConfig::default() });
    assert_eq!(world.master(drain), ["record drain true"]);
    assert_eq!(
        world.update(status("t1", TaskState::Killed, 1)),
        ["record t1 TASK_KILLED", "limit cpus 0.5 mem 50", "event 7 ACKNOWLEDGED", "send t1 TASK_KILLED REASON_AGENT_DRAINING"]
    );
    assert_eq!(world.master(link::Event::Reactivate), ["record drain false"]);
    assert!(world.master(link::Event::Reactivate).is_empty());
}

#[test]
fn unmet_demands_fail_the_launch() {
    let mut world = World::new();
    let mut task = custom_task("t1");
    if let Some(executor) = &mut task.executor {
        executor.container = Some(aurora_mesos::v1::ContainerInfo {
            kind: aurora_mesos::v1::ContainerType::Docker,
            ..aurora_mesos::v1::ContainerInfo::default()
        });
    }
    let run = link::RunTask { framework_info: world.framework.clone(), task, launch_executor: true };
    let effects = world.agent.on_master(world.now(), link::Event::RunTask(run));
    let Some(Effect::Launch(launch)) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(launch.unsupported.as_deref(), Some("Docker containers are not supported by this agent"));
    assert_eq!(StatusReason::ContainerLaunchFailed.to_string(), "REASON_CONTAINER_LAUNCH_FAILED");
}
