//! Scripts of agents that leave, return, are drained, and of masters that restart.

use super::*;

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
fn a_drain_with_mark_gone_ends_with_the_agent_gone() {
    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 0.0, vec![task("t", "cpus:1")]);
    world.pass(SECOND);
    let config = DrainConfig {
        max_grace_period: None,
        mark_gone: true,
    };
    let id = AgentId::from("M-S0");
    assert_eq!(world.master.drain_agent(world.now, &id, config), Ok(()));
    world.told();
    world.update("M-S0", "t", TaskState::Killed, 1);
    assert!(
        world.master.agents.contains_key(&id),
        "not before the acknowledgement"
    );
    let told = world.acknowledge("M-S0", "t", 1);
    assert!(
        told.contains(&"agent 1: exit: Agent has been marked gone".to_owned()),
        "{told:?}"
    );
    assert!(!world.master.agents.contains_key(&id));
    assert_eq!(
        world.reconcile("x", Some("M-S0")),
        ["2: x TASK_GONE_BY_OPERATOR REASON_RECONCILIATION"]
    );
}

#[test]
fn an_unreachable_agent_can_be_drained_and_marked_gone() {
    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 600.0, vec![task("t", "cpus:1")]);
    world.update("M-S0", "t", TaskState::Running, 1);
    world.pass(91 * SECOND);
    let id = AgentId::from("M-S0");
    assert!(!world.master.agents.contains_key(&id), "unreachable by now");
    let config = DrainConfig {
        max_grace_period: None,
        mark_gone: false,
    };
    assert_eq!(world.master.drain_agent(world.now, &id, config), Ok(()));
    assert_eq!(world.told(), ["persist"]);
    // Whoever comes back is drained at once.
    let mut running =
        world.master.frameworks[&"M-0000".into()].unreachable_tasks[&"t".into()].clone();
    running.state = TaskState::Running;
    let told = world.agent(5, Some("M-S0"), |subscribe| subscribe.tasks = vec![running]);
    assert!(told.iter().any(|line| line == "agent 5: drain"), "{told:?}");
    assert!(
        told.iter().any(|line| line.starts_with("agent 5: kill t")),
        "{told:?}"
    );

    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 600.0, vec![task("t", "cpus:1")]);
    world.update("M-S0", "t", TaskState::Running, 1);
    world.pass(91 * SECOND);
    assert_eq!(world.master.mark_gone(world.now, &id), Ok(()));
    let told = world.told();
    let expected = "2: t TASK_GONE_BY_OPERATOR REASON_AGENT_REMOVED_BY_OPERATOR";
    assert!(told.iter().any(|line| line == expected), "{told:?}");
    assert_eq!(
        world.reconcile("t", Some("M-S0")),
        ["2: t TASK_GONE_BY_OPERATOR REASON_RECONCILIATION"]
    );
}
