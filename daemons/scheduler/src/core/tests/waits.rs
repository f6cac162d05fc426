//! What waits: throttled, transient and partitioned tasks, kills, reconciliation, history; after a failover too.

use super::*;
use aurora_mesos::v1::TaskState;

fn force(id: &str, status: ScheduleStatus) -> arguments::ForceTaskState {
    arguments::ForceTaskState {
        task_id: Some(id.to_owned()),
        status: Some(status),
    }
}

fn last(world: &World, id: &str) -> String {
    let task = world.core.store().read().task(id).unwrap().clone();
    history(&task).pop().unwrap()
}

/// Another scheduler takes over after a while and registers.
fn fail_over(world: &mut World, config: Config, after: Millis) {
    let snapshot = store::encode_snapshot(world.core.store().read());
    world.now += after;
    let store = store::decode_snapshot(&snapshot).unwrap();
    world.core = Core::recover(config, store, world.now).0;
    world.mesos(MesosEvent::Registered {
        framework_id: "F1".to_owned(),
        master: "m".to_owned(),
    });
}

#[test]
fn every_transient_state_times_out() {
    use ScheduleStatus::*;
    for status in [Preempting, Restarting, Draining, Killing] {
        let mut world = World::registered(config());
        let id = world.running(job("hello", 1));
        world.call(force(&id, status));
        world.pass(299_000);
        assert_eq!(
            last(&world, &id),
            format!("{status} Transition forced by tester")
        );
        world.pass(1_001);
        assert_eq!(last(&world, &id), "LOST Task timed out");
    }
}

#[test]
fn starting_never_times_out() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    world.offer(&host("a"));
    world.pass(2_000);
    let id = world.active("hello", 0).id();
    world.status(&id, TaskState::Starting);
    world.pass(86_400_000);
    assert_eq!(last(&world, &id), "STARTING");
}

#[test]
fn repeated_kills_are_counted() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.call(force(&id, ScheduleStatus::Killing));
    let sent = kills(&world.pass(250_000)).len() as u64;
    // 15 to 30 s apart at first, then twice as long.
    assert!((3..=5).contains(&sent), "{sent}");
    assert_eq!(world.core.counters()["task_kill_retries"], sent);
}

/// The penalty of a task whose ancestor went through some states, each after so many seconds.
fn penalty(config: Config, ancestor: &[(ScheduleStatus, i64)]) -> Millis {
    let mut world = World::registered(config);
    world.create(job("hello", 1));
    let id = world.active("hello", 0).id();
    let store = &mut world.core.store;
    let mut time = world.now;
    for (status, seconds) in ancestor {
        time += seconds * 1000;
        let op = Op::SaveStatus {
            task: id.clone(),
            status: *status,
            message: None,
            time,
        };
        store.apply(&op).unwrap();
    }
    world.core.flapping_penalty(Some(id))
}

#[test]
fn who_flapped() {
    use ScheduleStatus::*;
    for (ancestor, punished) in [
        (&[(Running, 1), (Failed, 299)][..], true),
        (&[(Running, 1), (Failed, 300)], false),
        (&[(Running, 1), (Finished, 10)], true),
        // Only since it was last active counts.
        (&[(Running, 1), (Starting, 1_000), (Failed, 10)], true),
        (&[(Running, 1), (Restarting, 1), (Killed, 1)], false),
        (&[(Running, 1), (Killing, 1), (Killed, 1)], false),
        (&[(Running, 1), (Draining, 1), (Killed, 1)], false),
        (&[(Running, 1), (Preempting, 1), (Killed, 1)], true),
    ] {
        let penalty = penalty(config(), ancestor);
        assert_eq!(penalty > 0, punished, "{ancestor:?}: {penalty}");
    }
}

#[test]
fn the_walk_over_ancestors_ends() {
    use ScheduleStatus::*;
    let flapping = [(Running, 1), (Failed, 1)];
    // At the maximum.
    let short = Config {
        max_flapping_task_delay: 30_000,
        ..config()
    };
    assert_eq!(penalty(short, &flapping), 30_000);
    // At one that is not stored any more.
    let mut world = World::registered(config());
    let first = world.running(job("hello", 1));
    world.status(&first, TaskState::Failed);
    let second = world.active("hello", 0);
    assert!(world.core.flapping_penalty(second.ancestor()) > 0);
    world.call(arguments::PruneTasks {
        query: Some(TaskQuery::default()),
    });
    assert_eq!(world.core.flapping_penalty(second.ancestor()), 0);
}

/// A task that was THROTTLED when another scheduler took over waits for what is left, by the same rule.
#[test]
fn a_throttled_task_is_recovered() {
    let mut world = World::registered(config());
    let first = world.running(job("hello", 1));
    world.status(&first, TaskState::Failed);
    world.offer(&host("a"));
    world.pass(2_000);
    let second = world.active("hello", 0).id();
    world.status(&second, TaskState::Running);
    world.status(&second, TaskState::Failed);
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Throttled);
    // Two ancestors flapped: at least 30 s, at most 120 s.
    fail_over(&mut world, config(), 20_000);
    world.pass(9_000);
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Throttled);
    world.pass(92_000);
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Pending);
}

fn partitioned(delay_secs: i64) -> (World, store::TaskId) {
    let mut world = World::registered(config());
    let mut hello = job("hello", 1);
    hello.task_config.partition_policy = Some(PartitionPolicy {
        reschedule: true,
        delay_secs: Some(delay_secs),
    });
    let id = world.running(hello);
    world.status(&id, TaskState::Unreachable);
    (world, id)
}

#[test]
fn coming_back_takes_the_deadline_away() {
    let (mut world, id) = partitioned(60);
    world.pass(40_000);
    world.status(&id, TaskState::Running);
    world.pass(10_000);
    // The delay begins anew.
    world.status(&id, TaskState::Unreachable);
    world.pass(59_900);
    assert_eq!(last(&world, &id), "PARTITIONED");
    world.pass(200);
    assert_eq!(last(&world, &id), "LOST Task partitioned for too long.");
}

#[test]
fn recovered_partitions_wait_for_the_rest() {
    let (mut world, id) = partitioned(60);
    fail_over(&mut world, config(), 50_000);
    world.pass(9_900);
    assert_eq!(last(&world, &id), "PARTITIONED");
    world.pass(200);
    assert_eq!(last(&world, &id), "LOST Task partitioned for too long.");
}

/// What is asked while nobody is subscribed is sent as soon as somebody is, once.
#[test]
fn a_reconciliation_waits_for_the_subscription() {
    let mut world = World::registered(config());
    world.running(job("hello", 1));
    world.mesos(MesosEvent::Disconnected);
    let explicit = || arguments::TriggerExplicitTaskReconciliation {
        settings: Some(ExplicitReconciliationSettings { batch_size: None }),
    };
    for _ in 0..2 {
        assert_eq!(world.call(explicit()).1, []);
        assert_eq!(
            world
                .call(arguments::TriggerImplicitTaskReconciliation {})
                .1,
            []
        );
    }
    let registered = || MesosEvent::Registered {
        framework_id: "F1".to_owned(),
        master: "m".to_owned(),
    };
    let sizes = |calls: Vec<MesosCall>| -> Vec<usize> {
        let sizes = calls.iter().map(|call| match call {
            MesosCall::Reconcile { tasks } => tasks.len(),
            other => panic!("{other:?}"),
        });
        sizes.collect()
    };
    assert_eq!(sizes(world.mesos(registered())), [0, 1]);
    assert_eq!(sizes(world.mesos(registered())), Vec::<usize>::new());
}

/// The age of a task that ended under an earlier scheduler counts from its end, but it stays for an hour at least.
#[test]
fn the_age_of_recovered_tasks_counts_from_their_end() {
    for (down, kept, gone) in [
        (10 * 3_600_000, 37 * 3_600_000, 39 * 3_600_000),
        (60 * 3_600_000, 3_500_000, 3_700_000),
    ] {
        let mut world = World::registered(config());
        let mut batch = job("batch", 1);
        batch.task_config.is_service = false;
        let id = world.running(batch);
        world.status(&id, TaskState::Finished);
        fail_over(&mut world, config(), down);
        world.pass(kept);
        assert!(world.core.store().read().task(&id).is_some(), "{down}");
        world.pass(gone - kept);
        assert!(world.core.store().read().task(&id).is_none(), "{down}");
        assert_eq!(world.core.counters()["tasks_pruned"], 1);
    }
}
