//! Starting again after a kill.

use super::super::recover::replay;
use super::*;

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
        let mut world = World {
            agent: agent(false),
            at: Duration::from_secs(1),
            records: vec![],
            framework: framework(true, false),
        };
        world.agent.agent_id = Some("S0".into());
        let effects = world.agent.recover(world.now(), drain, frameworks);
        world.done(effects);
        assert!(!world.agent.is_recovering(), "nobody is waited for");
        // Deliver everything, acknowledging each update at once.
        let mut delivered: Vec<(String, TaskState)> = Vec::new();
        let mut queue = world.agent.on_master(world.now(), registered());
        while let Some(effect) = (!queue.is_empty()).then(|| queue.remove(0)) {
            let Effect::Send(call) = effect else { continue };
            let link::Call::StatusUpdate(update) = *call else {
                continue;
            };
            delivered.push((update.status.task_id.to_string(), update.status.state));
            let acknowledge =
                link::Event::StatusUpdateAcknowledgement(link::StatusUpdateAcknowledgement {
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
                    Record::Update { status, .. } if status.task_id.value == task => {
                        Some(status.state)
                    }
                    _ => None,
                })
                .collect();
            if known && !owed.iter().any(|state| state.is_terminal()) {
                owed.push(TaskState::Failed);
            }
            let owed = &owed[acknowledged..];
            let got: Vec<TaskState> = delivered
                .iter()
                .filter(|(id, _)| id == task)
                .map(|(_, state)| *state)
                .collect();
            assert_eq!(got, owed, "{task} after {cut} records");
        }
        assert!(
            world.agent.frameworks.is_empty(),
            "everything is settled after {cut} records"
        );
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
    let fresh = || World {
        agent: agent(false),
        at: Duration::from_secs(1),
        records: vec![],
        framework: framework(true, false),
    };

    let mut world = fresh();
    let now = world.now();
    assert!(shown(&recovered(&mut world.agent, now)).is_empty());
    assert!(world.agent.is_recovering());
    let refusal = world
        .call(1, update_call(status("t2", TaskState::Killed, 9)))
        .unwrap_err();
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        world.call(1, subscribe_call(vec![], vec![])).unwrap(),
        ["event 1 SUBSCRIBED", "limit cpus 1.5 mem 150"]
    );
    assert!(!world.agent.is_recovering(), "all are back");
    let task = &world.agent.subscription().tasks[0];
    assert_eq!(
        (task.task_id.value.as_str(), task.state),
        ("t2", TaskState::Running)
    );

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
        [
            "record t2 TASK_LOST",
            "send t2 TASK_LOST REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
            "send exited E -1"
        ]
    );
}

#[test]
fn what_does_not_checkpoint_does_not_outlive_the_agent() {
    let mut before = World::of(framework(false, false), agent(false));
    assert_eq!(
        before.run(custom_task("t1")),
        [
            "record framework",
            "record executor",
            "launch E cpus 1.5 mem 150"
        ]
    );
    before.subscribe(7);
    assert_eq!(
        before.update(status("t1", TaskState::Running, 1)),
        ["event 7 ACKNOWLEDGED", "send t1 TASK_RUNNING"]
    );
    let (drain, frameworks) = replay(&before.records, |_| RecoveredRun::Alive { pid: 4242 });
    let mut world = World {
        agent: agent(false),
        at: Duration::from_secs(1),
        records: vec![],
        framework: framework(false, false),
    };
    world.agent.agent_id = Some("S0".into());
    let effects = world.agent.recover(world.now(), drain, frameworks);
    assert_eq!(world.done(effects), ["destroy"]);
    assert!(world.agent.subscription().tasks.is_empty());
    assert_eq!(
        world.ended(None),
        [
            "send exited E -1",
            "record executor done",
            "record framework done"
        ]
    );
}

/// Nothing of the last boot is alive; its tasks are gone, and nobody is waited for.
#[test]
fn a_reboot_recovers_nothing() {
    for (partition_aware, state) in [(true, "TASK_GONE"), (false, "TASK_LOST")] {
        let mut before = World::of(framework(true, partition_aware), agent(false));
        before.run(custom_task("t1"));
        before.subscribe(7);
        before.update(status("t1", TaskState::Running, 1));
        before.ack("t1", &[1; 16]);
        let (drain, frameworks) = replay(&before.records, |_| RecoveredRun::Rebooted);
        let mut world = World {
            agent: agent(false),
            at: Duration::from_secs(1),
            records: vec![],
            framework: framework(true, partition_aware),
        };
        world.agent.agent_id = Some("S0".into());
        let effects = world.agent.recover(world.now(), drain, frameworks);
        let shown = world.done(effects);
        assert!(shown.contains(&format!("record t1 {state}")), "{shown:?}");
        assert!(!world.agent.is_recovering());
        let told = world.master(registered());
        assert_eq!(told[0], format!("send t1 {state} REASON_AGENT_RESTARTED"));
    }
}
