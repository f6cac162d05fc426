//! Tasks from beginning to end.

use super::*;
use aurora_mesos::v1::TaskState;

fn kill(name: &str) -> arguments::KillTasks {
    arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", name)),
        ..arguments::KillTasks::default()
    }
}

#[test]
fn a_job_is_created_placed_run_and_killed() {
    let mut world = World::registered(config());
    assert_eq!(
        world.ops,
        [
            Op::SaveScheduler {
                host: "scheduler-1".to_owned()
            },
            Op::SaveFrameworkId {
                id: "F1".to_owned()
            }
        ]
    );
    world.create(job("hello", 1));
    assert_eq!(world.states("hello"), ["0 PENDING"]);
    assert_eq!(world.pass(10), []);
    world.offer(&host("a"));
    let launched = world.pass(2_000);
    let launched = launches(&launched);
    let [info] = &launched[..] else {
        panic!("{launched:?}");
    };
    let task = world.active("hello", 0);
    assert_eq!(task.status, ScheduleStatus::Assigned);
    assert_eq!((task.agent(), task.host()), (Some("agent-a"), Some("a")));
    assert!(task.id().starts_with("www-prod-hello-0-"));
    assert_eq!(info.task_id.value, *task.id());

    let acknowledged = world.status(&task.id(), TaskState::Starting);
    assert_eq!(
        acknowledged,
        [MesosCall::Acknowledge {
            agent_id: "agent-a".into(),
            task_id: (&*task.id()).into(),
            uuid: bytes::Bytes::from_static(b"uuid"),
        }]
    );
    world.status(&task.id(), TaskState::Running);
    assert_eq!(world.states("hello"), ["0 RUNNING"]);

    let (response, calls) = world.call(arguments::KillTasks {
        message: Some("enough".to_owned()),
        ..kill("hello")
    });
    assert_eq!(
        (response.response_code, response.details),
        (ResponseCode::Ok, vec![])
    );
    assert_eq!(
        calls,
        [MesosCall::Kill {
            task_id: (&*task.id()).into(),
            agent_id: Some("agent-a".into()),
        }]
    );
    assert_eq!(world.states("hello"), ["0 KILLING"]);
    world.status(&task.id(), TaskState::Killed);
    assert_eq!(world.states("hello"), ["0 KILLED"]);
    let ended = world.core.store().read().task(&task.id()).unwrap().clone();
    assert_eq!(
        history(&ended),
        [
            "PENDING",
            "ASSIGNED",
            "STARTING",
            "RUNNING",
            "KILLING Killed by tester.\nenough",
            "KILLED"
        ]
    );
    assert_eq!(
        ended.to_thrift().task_events[0].scheduler.as_deref(),
        Some("scheduler-1")
    );
}

#[test]
fn killing_what_waits_leaves_no_record() {
    let mut world = World::registered(config());
    world.create(job("hello", 3));
    let (response, calls) = world.call(kill("hello"));
    assert_eq!((response.response_code, calls), (ResponseCode::Ok, vec![]));
    assert!(world.states("hello").is_empty());
    assert_eq!(world.core.store().read().configs().count(), 0);
    assert_eq!(
        world.answer(kill("hello")),
        (ResponseCode::Ok, "No tasks to kill.".to_owned())
    );
    world.offer(&host("a"));
    assert_eq!(world.pass(60_000), []);
}

#[test]
fn a_service_that_ends_is_replaced_and_throttled_from_the_second_time_on() {
    let mut world = World::registered(config());
    let first = world.running(job("hello", 1));
    world.status(&first, TaskState::Finished);
    assert_eq!(world.states("hello"), ["0 FINISHED", "0 PENDING"]);
    let second = world.active("hello", 0);
    assert_eq!(second.ancestor().as_ref(), Some(&first));
    assert_eq!(history(&second), ["PENDING Rescheduled"]);
    assert!(second.host().is_none() && second.ports.is_empty());
    world.offer(&host("a"));
    world.pass(5_000);
    world.status(&second.id(), TaskState::Running);
    world.status(&second.id(), TaskState::Failed);
    let third = world.active("hello", 0);
    assert_eq!(
        (third.status, third.failure_count()),
        (ScheduleStatus::Throttled, 1)
    );
    let message = history(&third).remove(0);
    let penalty = message
        .strip_prefix("THROTTLED Rescheduled, penalized for ")
        .unwrap();
    let penalty: Millis = penalty
        .strip_suffix(" ms for flapping")
        .unwrap()
        .parse()
        .unwrap();
    // One ancestor flapped: 30 s and up to as much again.
    assert!((30_000..=60_000).contains(&penalty), "{penalty}");
    // The wait itself is reckoned anew and counts both ancestors: up to 120 s.
    world.pass(29_900);
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Throttled);
    world.pass(90_200);
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Pending);
}

#[test]
fn failures_count_until_they_are_too_many() {
    // (failures allowed, how often the task runs)
    for (allowed, runs) in [(0, 1), (1, 1), (2, 2), (3, 3)] {
        let mut world = World::registered(Config {
            flapping_task_threshold: 0,
            ..config()
        });
        let mut batch = job("batch", 1);
        batch.task_config.is_service = false;
        batch.task_config.max_task_failures = allowed;
        world.create(batch);
        for run in 1..=runs {
            world.offer(&host("a"));
            world.pass(120_000);
            let task = world.active("batch", 0);
            assert_eq!(
                (task.status, task.failure_count()),
                (ScheduleStatus::Assigned, run - 1),
                "{allowed}"
            );
            world.status(&task.id(), TaskState::Running);
            world.status(&task.id(), TaskState::Failed);
        }
        assert_eq!(
            world.states("batch"),
            vec!["0 FAILED"; runs as usize],
            "{allowed}"
        );
    }
}

#[test]
fn a_state_that_should_pass_times_out() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    world.offer(&host("a"));
    world.pass(2_000);
    let lost = world.active("hello", 0);
    let calls = world.pass(297_900);
    assert_eq!(kills(&calls), Vec::<&str>::new());
    let calls = world.pass(200);
    assert_eq!(kills(&calls), [&*lost.id()]);
    let ended = world.core.store().read().task(&lost.id()).unwrap().clone();
    assert_eq!(history(&ended).last().unwrap(), "LOST Task timed out");
    assert_eq!(world.states("hello"), ["0 LOST", "0 PENDING"]);
    assert_eq!(world.core.counters()["timed_out_tasks"], 1);
}

#[test]
fn time_outs_wait_while_nobody_is_subscribed() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.call(kill("hello"));
    world.mesos(MesosEvent::Disconnected);
    world.pass(400_000);
    assert_eq!(
        world.core.store().read().task(&id).unwrap().status,
        ScheduleStatus::Killing
    );
    world.mesos(MesosEvent::Registered {
        framework_id: "F1".to_owned(),
        master: "m".to_owned(),
    });
    world.pass(5_000);
    assert_eq!(
        world.core.store().read().task(&id).unwrap().status,
        ScheduleStatus::Lost
    );
}

#[test]
fn kills_are_repeated_until_they_are_heard() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.call(kill("hello"));
    // 15 to 30 s, then about twice that, and so on.
    let calls = world.pass(14_000);
    assert_eq!(kills(&calls), Vec::<&str>::new());
    let calls = world.pass(16_100);
    assert_eq!(kills(&calls), [&*id]);
    world.status(&id, TaskState::Killed);
    let calls = world.pass(600_000);
    assert_eq!(kills(&calls), Vec::<&str>::new());
}

#[test]
fn a_restart_brings_the_task_back() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    let restart = |shards: &[i32]| arguments::RestartShards {
        job: Some(JobKey::new("www", "prod", "hello")),
        shard_ids: shards.iter().copied().collect(),
    };
    let (response, calls) = world.call(restart(&[0]));
    assert_eq!(
        (response.response_code, kills(&calls)),
        (ResponseCode::Ok, vec![&*id])
    );
    assert_eq!(
        history(&world.active("hello", 0)).last().unwrap(),
        "RESTARTING Restarted by tester"
    );
    // A failure while it is being restarted is not counted as one.
    world.status(&id, TaskState::Failed);
    let next = world.active("hello", 0);
    assert_eq!(
        (next.status, next.failure_count()),
        (ScheduleStatus::Pending, 0)
    );
    assert_eq!(
        world.answer(restart(&[0, 1])),
        (
            ResponseCode::InvalidRequest,
            "Not all requested shards are active.".to_owned()
        )
    );
    assert_eq!(world.answer(restart(&[])).0, ResponseCode::Error);
}

#[test]
fn a_task_that_nobody_knows_is_killed_when_it_lives() {
    let mut world = World::registered(config());
    for (state, killed) in [
        (TaskState::Staging, true),
        (TaskState::Starting, true),
        (TaskState::Running, true),
        (TaskState::Finished, false),
        (TaskState::Lost, false),
        (TaskState::Unreachable, false),
    ] {
        let calls = world.status("nobodys", state);
        let expected: &[&str] = if killed { &["nobodys"] } else { &[] };
        assert_eq!(kills(&calls), expected, "{state}");
        if let Some(MesosCall::Kill { agent_id, .. }) = calls.first().filter(|_| killed) {
            assert_eq!(agent_id.as_ref().unwrap().value, "agent-a");
        }
        assert!(
            matches!(calls.last(), Some(MesosCall::Acknowledge { .. })),
            "{calls:?}"
        );
    }
}

#[test]
fn a_late_sign_of_life_kills_and_does_not_revive() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.status(&id, TaskState::Lost);
    let calls = world.status(&id, TaskState::Running);
    assert_eq!(kills(&calls), [&*id]);
    assert_eq!(
        world.core.store().read().task(&id).unwrap().status,
        ScheduleStatus::Lost
    );
}

#[test]
fn a_repeated_status_changes_nothing() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    let before = world.ops.len();
    let calls = world.status(&id, TaskState::Running);
    assert_eq!((world.ops.len(), calls.len()), (before, 1), "{calls:?}");
}

#[test]
fn messages_of_statuses_reach_the_user() {
    use v1::StatusReason::*;
    for (reason, message, shown) in [
        (None, Some("died"), "FAILED died"),
        (
            Some(ContainerLimitationMemory),
            None,
            "FAILED Task used more memory than requested.",
        ),
        (
            Some(ContainerLimitationDisk),
            None,
            "FAILED Task used more disk than requested.",
        ),
        (
            Some(ContainerLimitationMemory),
            Some("own words"),
            "FAILED own words",
        ),
        (
            Some(ExecutorUnregistered),
            Some("Unregistered executor"),
            "FAILED",
        ),
        (None, None, "FAILED"),
    ] {
        let mut world = World::registered(config());
        let id = world.running(job("hello", 1));
        world.mesos(MesosEvent::Status(vec![v1::TaskStatus {
            task_id: (&*id).into(),
            state: TaskState::Failed,
            reason,
            message: message.map(str::to_owned),
            ..v1::TaskStatus::default()
        }]));
        let task = world.core.store().read().task(&id).unwrap().clone();
        assert_eq!(history(&task).last().unwrap(), shown);
    }
}

#[test]
fn partitions_follow_the_policy() {
    // (policy, still partitioned after 30 s, lost after 61 s)
    let policy = |reschedule, delay_secs| {
        Some(PartitionPolicy {
            reschedule,
            delay_secs,
        })
    };
    for (policy, waits, lost) in [
        (None, false, true),
        (policy(true, None), false, true),
        (policy(true, Some(60)), true, true),
        (policy(false, Some(60)), true, false),
    ] {
        let mut world = World::registered(Config {
            partition_aware: true,
            ..config()
        });
        let mut hello = job("hello", 1);
        hello.task_config.partition_policy = policy.clone();
        let id = world.running(hello);
        world.status(&id, TaskState::Unreachable);
        world.pass(30_000);
        let status = |world: &World| world.core.store().read().task(&id).unwrap().status;
        assert_eq!(
            status(&world) == ScheduleStatus::Partitioned,
            waits,
            "{policy:?}"
        );
        world.pass(31_000);
        assert_eq!(status(&world) == ScheduleStatus::Lost, lost, "{policy:?}");
        if lost {
            let task = world.core.store().read().task(&id).unwrap().clone();
            assert_eq!(
                history(&task).last().unwrap(),
                "LOST Task partitioned for too long."
            );
            assert_eq!(task.times_partitioned(), 1);
        }
    }
}

#[test]
fn a_flaky_agent_does_not_grow_the_history() {
    let mut world = World::registered(config());
    let mut hello = job("hello", 1);
    hello.task_config.partition_policy = Some(PartitionPolicy {
        reschedule: false,
        delay_secs: None,
    });
    let id = world.running(hello);
    for _ in 0..10 {
        world.status(&id, TaskState::Unreachable);
        world.pass(1);
        world.status(&id, TaskState::Running);
        world.pass(1);
    }
    let task = world.core.store().read().task(&id).unwrap().clone();
    assert_eq!(
        history(&task).join(" "),
        "PENDING ASSIGNED STARTING RUNNING PARTITIONED RUNNING"
    );
    assert_eq!(task.times_partitioned(), 10);
}

#[test]
fn orders_for_a_partitioned_task_end_it_at_once() {
    let mut world = World::registered(config());
    let mut hello = job("hello", 1);
    hello.task_config.partition_policy = Some(PartitionPolicy {
        reschedule: false,
        delay_secs: None,
    });
    let id = world.running(hello);
    world.status(&id, TaskState::Unreachable);
    let (_, calls) = world.call(kill("hello"));
    assert_eq!(kills(&calls), Vec::<&str>::new());
    let task = world.core.store().read().task(&id).unwrap().clone();
    assert_eq!(
        history(&task)[4..],
        [
            "PARTITIONED",
            "KILLING Killed by tester",
            "LOST Action performed on partitioned task, marking as LOST."
        ]
    );
    assert_eq!(world.states("hello"), ["0 LOST"]);
}

#[test]
fn a_kill_that_meets_a_partition_is_final_and_sent_again() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.call(kill("hello"));
    let calls = world.status(&id, TaskState::Unreachable);
    assert_eq!(kills(&calls), [&*id]);
    assert_eq!(world.states("hello"), ["0 LOST"]);
}

#[test]
fn histories_are_thinned_out() {
    let mut world = World::registered(Config {
        history_max_per_job_threshold: 2,
        ..config()
    });
    let mut batch = job("batch", 6);
    batch.task_config.is_service = false;
    world.create(batch);
    let ids: Vec<_> = (0..6)
        .map(|instance| world.active("batch", instance).id())
        .collect();
    for id in &ids {
        let offer_host = host("a");
        world.offer(&offer_host);
        world.pass(200_000);
        assert_eq!(
            world.core.store().read().task(id).unwrap().status,
            ScheduleStatus::Assigned
        );
        world.status(id, TaskState::Running);
    }
    let kept = |world: &World| {
        ids.iter()
            .filter(|id| world.core.store().read().task(id).is_some())
            .count()
    };
    for id in &ids[..5] {
        world.status(id, TaskState::Finished);
        world.pass(1_000);
    }
    assert_eq!(kept(&world), 6, "all of them ended less than an hour ago");
    world.pass(3_596_500);
    // Two of the five ended an hour ago now; when the sixth ends, three are too many but only those may go.
    world.status(&ids[5], TaskState::Finished);
    assert_eq!(kept(&world), 4);
    assert!(world.core.store().read().task(&ids[2]).is_some());
    world.pass(48 * 3_600_000);
    assert_eq!(kept(&world), 0);
    assert!(world.core.store().read().jobs().next().is_none());
}
