//! Tasks and executors from launch to end.

use super::*;

#[test]
fn a_task_from_launch_to_the_end_of_its_executor() {
    let mut world = World::new();
    assert_eq!(
        world.run(custom_task("t1")),
        [
            "record framework",
            "record executor",
            "record task t1",
            "launch E cpus 1.5 mem 150"
        ]
    );
    assert_eq!(
        world.subscribe(7),
        [
            "event 7 SUBSCRIBED",
            "limit cpus 1.5 mem 150",
            "event 7 LAUNCH t1"
        ]
    );
    assert_eq!(
        world.update(status("t1", TaskState::Running, 1)),
        [
            "record t1 TASK_RUNNING",
            "event 7 ACKNOWLEDGED",
            "send t1 TASK_RUNNING"
        ]
    );
    // Written down and acknowledged to the executor, but not sent before the first is acknowledged; and the container is
    // made smaller before anybody hears of the end.
    assert_eq!(
        world.update(status("t1", TaskState::Finished, 2)),
        [
            "record t1 TASK_FINISHED",
            "limit cpus 0.5 mem 50",
            "event 7 ACKNOWLEDGED"
        ]
    );
    assert_eq!(
        world.ack("t1", &[1; 16]),
        ["record ack t1", "send t1 TASK_FINISHED"]
    );
    assert_eq!(world.ack("t1", &[2; 16]), ["record ack t1"]);
    assert_eq!(
        world.ended(Some(0)),
        [
            "send exited E 0",
            "record executor done",
            "record framework done"
        ]
    );
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
        [
            "record t2 TASK_FAILED",
            "send t2 TASK_FAILED REASON_EXECUTOR_TERMINATED",
            "send exited E 256"
        ]
    );
    // The record of the executor stays until both are acknowledged, and takes no further task.
    assert_eq!(
        world.run(custom_task("t3")),
        ["send t3 TASK_LOST REASON_EXECUTOR_TERMINATED"]
    );
    assert_eq!(world.ack("t1", &[1; 16]), ["record ack t1"]);
    let subscription = world.agent.subscription();
    let named: Vec<String> = subscription
        .tasks
        .iter()
        .map(|task| task.task_id.to_string())
        .collect();
    assert_eq!(named, ["t2"]);
    assert!(subscription.executors.is_empty());
    let uuid = subscription.tasks[0].status_update_uuid.clone().unwrap();
    assert_eq!(
        world.ack("t2", &uuid),
        [
            "record ack t2",
            "record executor done",
            "record framework done"
        ]
    );
}

#[test]
fn an_executor_has_to_subscribe_in_time() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    assert!(world.wait(59).is_empty());
    assert_eq!(world.wait(1), ["destroy"]);
    assert_eq!(
        world.ended(Some(9)),
        [
            "record t1 TASK_FAILED",
            "send t1 TASK_FAILED REASON_EXECUTOR_REGISTRATION_TIMEOUT",
            "send exited E 9"
        ]
    );
}

#[test]
fn a_task_killed_before_its_delivery() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    let kill = link::Event::KillTask(link::KillTask {
        framework_id: "F".into(),
        task_id: "t1".into(),
        kill_policy: None,
    });
    assert_eq!(
        world.master(kill),
        [
            "record t1 TASK_KILLED",
            "limit cpus 0.5 mem 50",
            "send t1 TASK_KILLED REASON_TASK_KILLED_DURING_LAUNCH"
        ]
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
    let policy = KillPolicy {
        grace_period: Some(Duration::from_nanos(7).into()),
    };
    let kill = |task: &str| link::KillTask {
        framework_id: "F".into(),
        task_id: task.into(),
        kill_policy: Some(policy.clone()),
    };
    let effects = world
        .agent
        .on_master(world.now(), link::Event::KillTask(kill("t1")));
    let [
        Effect::Event {
            connection: 7,
            event,
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(
        event.kill.as_ref().unwrap().kill_policy,
        Some(policy.clone())
    );
    assert_eq!(
        world.master(link::Event::KillTask(kill("other"))),
        ["send other TASK_LOST REASON_EXECUTOR_TERMINATED"]
    );
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
    let shutdown = link::ShutdownExecutor {
        framework_id: "F".into(),
        executor_id: "E".into(),
    };
    assert_eq!(
        world.master(link::Event::ShutdownExecutor(shutdown)),
        ["event 7 SHUTDOWN"]
    );
    assert!(world.wait(1).is_empty());
    assert_eq!(world.wait(1), ["destroy"]);
}

#[test]
fn a_removed_framework_is_not_reported() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    let gone = link::Event::ShutdownFramework(link::ShutdownFramework {
        framework_id: "F".into(),
    });
    assert_eq!(world.master(gone), ["event 7 SHUTDOWN"]);
    assert!(world.update(status("t1", TaskState::Killed, 1)).is_empty());
    assert_eq!(
        world.ended(Some(9)),
        [
            "send exited E 9",
            "record executor done",
            "record framework done"
        ]
    );
    assert!(world.agent.subscription().tasks.is_empty());
}

#[test]
fn duplicates_and_strangers() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    world.update(status("t1", TaskState::Finished, 1));
    // A second end while the first waits; the same update again.
    for again in [
        status("t1", TaskState::Failed, 2),
        status("t1", TaskState::Finished, 1),
    ] {
        assert_eq!(world.update(again), ["event 7 ACKNOWLEDGED"]);
    }
    world.ack("t1", &[1; 16]);
    // Of a task that is settled, or was never here: passed on without an acknowledgement to the executor.
    assert_eq!(
        world.update(status("t1", TaskState::Running, 3)),
        ["send t1 TASK_RUNNING"]
    );
    assert_eq!(
        world.update(status("ghost", TaskState::Running, 4)),
        ["send ghost TASK_RUNNING"]
    );
    let wrong = TaskStatus {
        agent_id: Some("S9".into()),
        ..status("ghost", TaskState::Running, 5)
    };
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
    let lists = subscribe_call(
        vec![custom_task("t1")],
        vec![status("t1", TaskState::Running, 1)],
    );
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
    check(
        v1::Call {
            kind: None,
            ..base_call(v1::CallType::Update)
        },
        bad,
        &format!("{prefix}Expecting 'type' to be present"),
    );
    check(
        base_call(v1::CallType::Subscribe),
        bad,
        &format!("{prefix}Expecting 'subscribe' to be present"),
    );
    let update = |change: fn(&mut TaskStatus)| {
        let mut status = status("t1", TaskState::Running, 1);
        change(&mut status);
        update_call(status)
    };
    check(
        update(|status| status.uuid = None),
        bad,
        &format!("{prefix}Expecting 'uuid' to be present"),
    );
    check(
        update(|status| status.uuid = Some(Bytes::from_static(b"abc"))),
        bad,
        &format!("{prefix}Not a valid UUID"),
    );
    check(
        update(|status| status.source = None),
        bad,
        &format!(
            "{prefix}Received Call from executor E of framework F with invalid source, expecting 'SOURCE_EXECUTOR', got 'SOURCE_MASTER'"
        ),
    );
    let unknown = |executor: &str, framework: &str| v1::Call {
        executor_id: executor.into(),
        framework_id: framework.into(),
        ..subscribe_call(vec![], vec![])
    };
    check(unknown("E", "G"), bad, "Framework cannot be found");
    check(unknown("D", "F"), bad, "Executor cannot be found");
    check(
        update(|_| {}),
        StatusCode::FORBIDDEN,
        "Executor is not subscribed",
    );
}

#[test]
fn a_container_has_its_own_secret() {
    let mut world = World::of(framework(true, false), agent(true));
    world.run(custom_task("t1"));
    let secret = world
        .agent
        .frameworks
        .values()
        .next()
        .unwrap()
        .executors
        .values()
        .next()
        .unwrap()
        .secret
        .clone()
        .unwrap();
    assert!(secret.len() >= 40, "{secret}");
    for (wrong, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("x"), StatusCode::FORBIDDEN),
        (Some(&secret[1..]), StatusCode::FORBIDDEN),
    ] {
        let refusal = world
            .call_with(7, subscribe_call(vec![], vec![]), wrong)
            .unwrap_err();
        assert_eq!(refusal.status, status);
    }
    assert!(
        world
            .call_with(7, subscribe_call(vec![], vec![]), Some(&secret))
            .is_ok()
    );
}

#[test]
fn updates_wait_for_a_master_and_are_sent_again() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    world.agent.master_lost();
    assert_eq!(
        world.update(status("t1", TaskState::Running, 1)),
        ["record t1 TASK_RUNNING", "event 7 ACKNOWLEDGED"]
    );
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
    assert_eq!(
        world.run(custom_task("t2")),
        ["send t2 TASK_LOST REASON_AGENT_DISCONNECTED"]
    );
    assert_eq!(world.wait(5), ["destroy"]);
    assert_eq!(
        world.ended(Some(9)),
        [
            "record t1 TASK_LOST",
            "send t1 TASK_LOST REASON_AGENT_RESTARTED",
            "send exited E 9"
        ]
    );
    assert!(!world.agent.has_containers());
}

#[test]
fn a_command_task_gets_the_built_in_executor() {
    let mut world = World::new();
    let task = TaskInfo {
        command: Some(CommandInfo {
            value: Some("echo hello world".into()),
            user: Some("www".into()),
            ..CommandInfo::default()
        }),
        executor: None,
        ..custom_task("t1")
    };
    let run = link::RunTask {
        framework_info: world.framework.clone(),
        task,
        launch_executor: true,
    };
    let effects = world
        .agent
        .on_master(world.now(), link::Event::RunTask(run));
    let Some(Effect::Launch(launch)) = effects.last() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (launch.user.as_str(), launch.run.executor.as_ref()),
        ("www", "t1")
    );
    assert_eq!((launch.limits.cpus, launch.limits.memory >> 20), (1.1, 132));
    assert_eq!(launch.command.arguments, ["/agent", "command-executor"]);
    let executors = world.agent.get_executors().executors;
    let info = &executors[0].executor_info;
    assert_eq!(
        info.name.as_deref(),
        Some("Command Executor (Task: t1) (Command: sh -c 'echo hello w...')")
    );
    assert_eq!(info.source.as_deref(), Some("t1"));
    let subscription = world.agent.subscription();
    assert!(
        subscription.executors.is_empty(),
        "the master does not know it"
    );
    assert_eq!(subscription.tasks[0].executor_id, None);
    assert_eq!(
        world.ended(Some(0)),
        [
            "record t1 TASK_FAILED",
            "send t1 TASK_FAILED REASON_EXECUTOR_TERMINATED"
        ],
        "nor is its end told"
    );
}

#[test]
fn draining_is_remembered_and_colours_the_kills() {
    let mut world = World::new();
    world.run(custom_task("t1"));
    world.subscribe(7);
    let drain = link::Event::Drain(link::Drain {
        config: aurora_mesos::v1::DrainConfig::default(),
    });
    assert_eq!(world.master(drain), ["record drain true"]);
    assert_eq!(
        world.update(status("t1", TaskState::Killed, 1)),
        [
            "record t1 TASK_KILLED",
            "limit cpus 0.5 mem 50",
            "event 7 ACKNOWLEDGED",
            "send t1 TASK_KILLED REASON_AGENT_DRAINING"
        ]
    );
    assert_eq!(
        world.master(link::Event::Reactivate),
        ["record drain false"]
    );
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
    let run = link::RunTask {
        framework_info: world.framework.clone(),
        task,
        launch_executor: true,
    };
    let effects = world
        .agent
        .on_master(world.now(), link::Event::RunTask(run));
    let Some(Effect::Launch(launch)) = effects.last() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        launch.unsupported.as_deref(),
        Some("Docker containers are not supported by this agent")
    );
    assert_eq!(
        StatusReason::ContainerLaunchFailed.to_string(),
        "REASON_CONTAINER_LAUNCH_FAILED"
    );
}
