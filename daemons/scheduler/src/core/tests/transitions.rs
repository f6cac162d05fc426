//! Statuses from Mesos and orders, and what one transition does in which order.

use super::*;
use crate::core::tasks::Outcome;
use aurora_mesos::v1::TaskState;

fn force(id: &str, status: ScheduleStatus) -> arguments::ForceTaskState {
    arguments::ForceTaskState {
        task_id: Some(id.to_owned()),
        status: Some(status),
    }
}

fn status_of(world: &World, id: &str) -> ScheduleStatus {
    world.core.store().read().task(id).unwrap().status
}

/// What became of a RUNNING task of a job when Mesos reported a state of it. PARTITIONED is left at once by default.
#[test]
fn each_state_of_mesos_is_one_status() {
    use ScheduleStatus::*;
    for (reported, expected) in [
        (TaskState::Staging, Running),
        (TaskState::Starting, Running),
        (TaskState::Running, Running),
        (TaskState::Finished, Finished),
        (TaskState::Failed, Failed),
        (TaskState::Killing, Killed),
        (TaskState::Killed, Killed),
        (TaskState::Lost, Lost),
        (TaskState::Error, Lost),
        (TaskState::Dropped, Lost),
        (TaskState::Gone, Lost),
        (TaskState::GoneByOperator, Lost),
        (TaskState::Unreachable, Partitioned),
        (TaskState::Unknown, Partitioned),
    ] {
        let mut world = World::registered(config());
        let id = world.running(job("hello", 1));
        world.status(&id, reported);
        assert_eq!(status_of(&world, &id), expected, "{reported}");
    }
    // The two that are on the way up, from below.
    for (reported, expected) in [
        (TaskState::Staging, Starting),
        (TaskState::Starting, Starting),
        (TaskState::Running, Running),
    ] {
        let mut world = World::registered(config());
        world.create(job("hello", 1));
        world.offer(&host("a"));
        world.pass(2_000);
        let id = world.active("hello", 0).id();
        world.status(&id, reported);
        assert_eq!(status_of(&world, &id), expected, "{reported}");
    }
}

#[test]
fn an_expected_state_that_does_not_hold_changes_nothing() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    use ScheduleStatus::*;
    let core = &mut world.core;
    for (id, expected, to) in [
        (&*id, Pending, Killing),
        (&*id, Starting, Lost),
        ("nobodys", Running, Lost),
        // Not even a kill, which the transition alone would mean.
        ("nobodys", Pending, Running),
    ] {
        let outcome = core.change_state(id, Some(expected), to, None);
        assert_eq!(outcome, Outcome::Unexpected, "{expected} {to}");
    }
    assert!(core.out.ops.is_empty() && core.out.effects.is_empty());
    assert_eq!(
        core.counters()["scheduler_illegal_task_state_transitions"],
        0
    );
}

#[test]
fn illegal_attempts_are_counted() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.status(&id, TaskState::Running);
    let counter = "scheduler_illegal_task_state_transitions";
    assert_eq!(world.core.counters()[counter], 0);
    world.call(force(&id, ScheduleStatus::Pending));
    world.status("nobodys", TaskState::Failed);
    world.status("nobodys", TaskState::Running);
    assert_eq!(world.core.counters()[counter], 3);
}

/// The ops and calls of one status or order, in the order in which they were made.
#[test]
fn effects_come_in_their_order() {
    use ScheduleStatus::*;
    // What happened before, the state that is entered, ops, calls to Mesos.
    let cases: &[(&[ScheduleStatus], ScheduleStatus, &str, &str)] = &[
        (&[Running], Failed, "count FAILED insert", ""),
        (&[Running], Finished, "FINISHED insert", ""),
        (&[], Lost, "LOST insert", "kill"),
        (&[Running], Killing, "KILLING", "kill"),
        (&[Running, Killing], Partitioned, "PARTITIONED LOST", "kill"),
        (
            &[Running, Restarting],
            Partitioned,
            "PARTITIONED LOST insert",
            "kill",
        ),
        (
            &[Running, Draining],
            Partitioned,
            "PARTITIONED LOST insert",
            "kill",
        ),
        (
            &[Running, Preempting],
            Partitioned,
            "PARTITIONED LOST insert",
            "kill",
        ),
        (&[Running, Partitioned], Killing, "KILLING LOST", ""),
        (
            &[Running, Partitioned],
            Restarting,
            "RESTARTING LOST insert",
            "kill",
        ),
        (
            &[Running, Partitioned],
            Draining,
            "DRAINING LOST insert",
            "kill",
        ),
        (
            &[Running, Partitioned],
            Preempting,
            "PREEMPTING LOST insert",
            "kill",
        ),
        (&[Running, Restarting], Killing, "KILLING", ""),
        (&[Running, Restarting], Failed, "FAILED insert", ""),
        (&[Running, Restarting], Lost, "LOST insert", "kill"),
        (&[Running, Restarting], Running, "", ""),
        (&[Running, Restarting], Starting, "", "kill"),
    ];
    for (before, to, ops, calls) in cases {
        let mut world = World::registered(config());
        let mut hello = job("hello", 1);
        hello.task_config.partition_policy = Some(PartitionPolicy {
            reschedule: false,
            delay_secs: None,
        });
        world.create(hello);
        world.offer(&host("a"));
        world.pass(2_000);
        let id = world.active("hello", 0).id();
        for status in *before {
            world.call(force(&id, *status));
        }
        let (from, to) = (status_of(&world, &id), *to);
        world.core.change_state(&id, None, to, None);
        let step = world.core.finish();
        let told = step.ops.iter().map(|op| match op {
            Op::CountFailure { .. } => "count".to_owned(),
            Op::SaveStatus { status, .. } => status.to_string(),
            Op::InsertReplacement { .. } => "insert".to_owned(),
            Op::RemoveTasks { .. } => "remove".to_owned(),
            other => format!("{other:?}"),
        });
        let told: Vec<String> = told.collect();
        if from == Restarting && to == Running {
            // A sign of life of a task that is to end.
            assert_eq!((told.len(), step.effects.len()), (0, 1));
            continue;
        }
        assert_eq!(told.join(" "), *ops, "{from} to {to}");
        let killed = step.effects.len();
        assert_eq!(
            if killed > 0 { "kill" } else { "" },
            *calls,
            "{from} to {to}"
        );
    }
}

/// A waiting task that is killed is forgotten and nothing else.
#[test]
fn a_removal_is_the_only_effect_on_what_waits() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    let id = world.active("hello", 0).id();
    world
        .core
        .change_state(&id, None, ScheduleStatus::Killing, None);
    let step = world.core.finish();
    assert!(matches!(&step.ops[..], [Op::RemoveTasks { tasks }] if *tasks == [id]));
    assert_eq!(step.effects, []);
}

#[test]
fn a_maximum_of_minus_one_failures_is_none() {
    let mut world = World::registered(Config {
        flapping_task_threshold: 0,
        ..config()
    });
    let mut batch = job("batch", 1);
    batch.task_config.is_service = false;
    batch.task_config.max_task_failures = -1;
    world.create(batch);
    for failures in 0..12 {
        world.offer(&host("a"));
        world.pass(120_000);
        let task = world.active("batch", 0);
        assert_eq!(task.failure_count(), failures);
        world.status(&task.id(), TaskState::Running);
        world.status(&task.id(), TaskState::Failed);
    }
    assert_eq!(world.active("batch", 0).status, ScheduleStatus::Pending);
}

/// What Mesos answers to a reconciliation has no uuid and is not acknowledged, though it is believed.
#[test]
fn statuses_without_a_uuid_are_not_acknowledged() {
    for uuid in [None, Some(bytes::Bytes::new())] {
        let mut world = World::registered(config());
        let id = world.running(job("hello", 1));
        let calls = world.mesos(MesosEvent::Status(vec![v1::TaskStatus {
            task_id: (&*id).into(),
            state: TaskState::Finished,
            agent_id: Some("agent-a".into()),
            uuid,
            ..v1::TaskStatus::default()
        }]));
        assert_eq!(calls, []);
        assert_eq!(status_of(&world, &id), ScheduleStatus::Finished);
    }
}

#[test]
fn statuses_are_counted_by_reason_and_result() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    for (id, state) in [
        (&*id, TaskState::Running),
        (&*id, TaskState::Failed),
        (&*id, TaskState::Finished),
        (&*id, TaskState::Running),
    ] {
        world.mesos(MesosEvent::Status(vec![v1::TaskStatus {
            task_id: id.into(),
            state,
            reason: Some(v1::StatusReason::CommandExecutorFailed),
            ..v1::TaskStatus::default()
        }]));
    }
    for result in ["NOOP", "SUCCESS", "ILLEGAL", "ILLEGAL_WITH_SIDE_EFFECTS"] {
        let counter = format!("status_update_REASON_COMMAND_EXECUTOR_FAILED_{result}");
        assert_eq!(world.core.counters().get(&*counter), Some(&1), "{result}");
    }
}
