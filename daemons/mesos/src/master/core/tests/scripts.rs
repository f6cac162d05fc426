//! Scripts of calls, events and time, and what the master makes of them.

use super::*;

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
    let mut exit = |executor: &str, status: i32| {
        let exited = link::ExecutorExited {
            framework_id: "M-0000".into(),
            executor_id: ExecutorId::from(executor),
            status,
        };
        let call = link::Call::ExecutorExited(exited);
        world.master.agent_call(world.now, &"M-S0".into(), call);
        world.told()
    };
    assert_eq!(exit("x", 256), ["2: FAILURE x 256"]);
    // It ended while there was no master, so that the agent did not name it when it registered.
    assert_eq!(exit("y", -1), ["2: FAILURE y -1"]);
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
fn an_offer_that_nobody_answers_is_taken_back() {
    let mut world = World::new();
    world.master.config.offer_timeout = Some(5 * SECOND);
    world.agent(1, None, |_| {});
    world.framework(2, &info(""));
    assert_eq!(world.pass(Duration::from_millis(4900)), EMPTY);
    // Without a filter: offered again with the next batch.
    assert_eq!(
        world.pass(SECOND),
        [
            "2: RESCIND M-O0",
            "2: OFFERS M-O1 on M-S0: cpus:4; mem:2048; ports:[31000-31009]",
        ]
    );
}

#[test]
fn offers_follow_the_constraints_of_their_role() {
    let offered = |constraint: &str| {
        let mut world = World::new();
        world.agent(1, None, |subscribe| {
            subscribe.agent_info.attributes =
                aurora_mesos::resources::parse_attributes("rack:r1;weight:2").expect("valid");
        });
        let subscribe: Subscribe = read(&format!(
            r#"{{"framework_info":{{"user":"u","name":"n"}},"offer_constraints":{{"role_constraints":
            {{"*":{{"groups":[{{"attribute_constraints":[{constraint}]}}]}}}}}}}}"#
        ));
        let stream = FrameworkStream {
            key: 2,
            id: "s".into(),
        };
        world.master.subscribe(world.now, stream, subscribe);
        let told = world.told();
        match told.last().map(String::as_str) {
            Some(last) if last.contains("OFFERS") => Ok(true),
            Some(last) if last.contains("SUBSCRIBED") => Ok(false),
            other => Err(format!("{other:?}")),
        }
    };
    let rack = r#""selector":{"attribute_name":"rack"}"#;
    let weight = r#""selector":{"attribute_name":"weight"}"#;
    let none = r#""selector":{"attribute_name":"none"}"#;
    let host = r#""selector":{"pseudoattribute_type":"HOSTNAME"}"#;
    let cases = [
        (format!(r#"{{{rack},"predicate":{{"exists":{{}}}}}}"#), true),
        (
            format!(r#"{{{none},"predicate":{{"exists":{{}}}}}}"#),
            false,
        ),
        (
            format!(r#"{{{none},"predicate":{{"not_exists":{{}}}}}}"#),
            true,
        ),
        (
            format!(r#"{{{rack},"predicate":{{"text_equals":{{"value":"r1"}}}}}}"#),
            true,
        ),
        (
            format!(r#"{{{rack},"predicate":{{"text_equals":{{"value":"r"}}}}}}"#),
            false,
        ),
        (
            format!(r#"{{{rack},"predicate":{{"text_not_equals":{{"value":"r1"}}}}}}"#),
            false,
        ),
        (
            format!(r#"{{{none},"predicate":{{"text_not_equals":{{"value":"r1"}}}}}}"#),
            true,
        ),
        (
            format!(r#"{{{weight},"predicate":{{"text_equals":{{"value":"2"}}}}}}"#),
            false,
        ),
        (
            format!(r#"{{{rack},"predicate":{{"text_matches":{{"regex":"r[0-9]"}}}}}}"#),
            true,
        ),
        // The whole text has to match.
        (
            format!(r#"{{{rack},"predicate":{{"text_matches":{{"regex":"r"}}}}}}"#),
            false,
        ),
        (
            format!(r#"{{{rack},"predicate":{{"text_not_matches":{{"regex":"r.*"}}}}}}"#),
            false,
        ),
        (
            format!(r#"{{{host},"predicate":{{"text_equals":{{"value":"h"}}}}}}"#),
            true,
        ),
        // All of a group.
        (
            format!(
                r#"{{{rack},"predicate":{{"exists":{{}}}}}},{{{none},"predicate":{{"exists":{{}}}}}}"#
            ),
            false,
        ),
    ];
    for (constraint, expected) in cases {
        assert_eq!(offered(&constraint), Ok(expected), "{constraint}");
    }
    assert!(offered(r#"{"selector":{},"predicate":{"exists":{}}}"#).is_err());
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
