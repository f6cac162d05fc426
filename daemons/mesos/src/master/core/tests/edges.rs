//! What a master seldom meets.

use super::*;

use aurora_mesos::v1::scheduler::{ReconcileOperations, ReconcileOperationsOperation};

use crate::master::metrics::totals;

#[test]
fn an_agent_whose_connection_broke_has_ten_minutes() {
    let mut world = ready();
    world.launch("M-0000", &["M-O0"], 600.0, vec![task("t", "cpus:1")]);
    world.update("M-S0", "t", TaskState::Running, 1);
    world.master.agent_disconnected(world.now, 1);
    // Nobody is pinged, and nothing is known to be lost.
    assert_eq!(world.pass(599 * SECOND), EMPTY);
    assert_eq!(
        world.reconcile("t", Some("M-S0")),
        ["2: t TASK_RUNNING REASON_RECONCILIATION"]
    );
    let told = world.pass(2 * SECOND);
    assert!(
        told.contains(&"2: t TASK_UNREACHABLE REASON_AGENT_REMOVED".to_owned())
            && told.contains(&"2: FAILURE of M-S0".to_owned()),
        "{told:?}"
    );

    // One that is back a second before that keeps its tasks, and loses nothing later on.
    let mut world = ready();
    world.master.agent_disconnected(world.now, 1);
    world.pass(599 * SECOND);
    world.agent(5, Some("M-S0"), |_| {});
    world
        .master
        .agent_call(world.now, &"M-S0".into(), link::Call::Pong);
    let told = world.pass(10 * SECOND);
    assert!(
        !told.iter().any(|line| line.contains("FAILURE")),
        "{told:?}"
    );
    assert!(world.master.agents.contains_key(&"M-S0".into()));
}

#[test]
fn resources_that_take_a_capability_are_hidden() {
    let kinds = r#"[
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}},
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}, "revocable": {}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": 100}, "shared": {}},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": 10}, "reservations": [
            {"type": "STATIC", "role": "*"}, {"type": "DYNAMIC", "role": "*"}]}]"#;
    let kinds: Vec<serde_json::Value> = serde_json::from_str(kinds).expect("valid");
    let own: Vec<Resource> = kinds.iter().map(|kind| read(&kind.to_string())).collect();
    for (capability, seen) in [
        ("PARTITION_AWARE", [2, 0, 0]),
        ("REVOCABLE_RESOURCES", [2, 1, 0]),
        ("SHARED_RESOURCES", [2, 0, 1]),
    ] {
        let mut world = World::new();
        world.agent(1, None, |subscribe| {
            subscribe.agent_info.resources.clone_from(&own);
        });
        let capabilities = format!(r#""capabilities":[{{"type":"{capability}"}}]"#);
        world.framework(2, &info(&capabilities));
        let offers: Vec<_> = world.master.offers.values().collect();
        let offered = offers[0].resources.to_refined();
        let count = |is: fn(&Resource) -> bool| offered.iter().filter(|r| is(r)).count();
        let counted = [
            count(|r| r.revocable.is_none() && r.shared.is_none()),
            count(|r| r.revocable.is_some()),
            count(|r| r.shared.is_some()),
        ];
        assert_eq!(counted, seen, "{capability}: {offered:?}");
    }
}

#[test]
fn metrics_count_revocable_resources_for_themselves() {
    let kinds: [Resource; 2] = [
        r#"{"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}}"#,
        r#"{"name": "cpus", "type": "SCALAR", "scalar": {"value": 3}, "revocable": {}}"#,
    ]
    .map(read);
    let used = r#"{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.75}, "revocable": {}}"#;
    let all = totals(&Resources::of(&kinds), &Resources::of(&[read(used)]));
    let cpus = all.iter().filter(|(name, _)| name.starts_with("cpus"));
    let cpus: Vec<_> = cpus.map(|(name, value)| (&**name, *value)).collect();
    assert_eq!(
        cpus,
        [
            ("cpus_total", 4.0),
            ("cpus_used", 0.0),
            ("cpus_percent", 0.0),
            ("cpus_revocable_total", 3.0),
            ("cpus_revocable_used", 0.75),
            ("cpus_revocable_percent", 0.25),
        ]
    );
}

/// The states of operations that the framework was told, and why.
fn told_operations(world: &mut World) -> Vec<String> {
    let effects = world.master.take_effects();
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::ToFramework(_, event) => event.update_operation_status.as_ref(),
        _ => None,
    });
    told.map(|update| {
        let status = &update.status;
        let id = status.operation_id.as_ref().map(|id| id.value.as_str());
        let message = status.message.as_deref().unwrap_or_default();
        format!("{} {}: {message}", id.unwrap_or("none"), status.state)
    })
    .collect()
}

#[test]
fn operations_that_there_are_not_say_so() {
    for kind in [
        "RESERVE",
        "UNRESERVE",
        "CREATE",
        "DESTROY",
        "GROW_VOLUME",
        "SHRINK_VOLUME",
        "CREATE_DISK",
        "DESTROY_DISK",
    ] {
        for (id, told) in [
            (
                r#", "id": {"value": "op"}"#,
                vec![format!(
                    "op OPERATION_ERROR: Operation {kind} is not supported by this master"
                )],
            ),
            ("", vec![]),
        ] {
            let mut world = ready();
            let accept: Accept = read(&format!(
                r#"{{"offer_ids": [{{"value": "M-O0"}}], "operations": [{{"type": "{kind}"{id}}}]}}"#
            ));
            world.master.accept(world.now, &"M-0000".into(), accept);
            assert_eq!(told_operations(&mut world), told, "{kind}");
        }
    }
    let mut world = ready();
    let operations = ["a", "b"].map(|id| ReconcileOperationsOperation {
        operation_id: aurora_mesos::v1::OperationId::from(id),
        ..ReconcileOperationsOperation::default()
    });
    let operations = ReconcileOperations {
        operations: operations.to_vec(),
    };
    world
        .master
        .reconcile_operations(&"M-0000".into(), operations);
    assert_eq!(
        told_operations(&mut world),
        [
            "a OPERATION_UNKNOWN: Reconciliation: Operation is unknown",
            "b OPERATION_UNKNOWN: Reconciliation: Operation is unknown"
        ]
    );
}

#[test]
fn every_task_of_a_group_is_refused() {
    let mut world = ready();
    let task = |id: &str| {
        format!(
            r#"{{"name": "n", "task_id": {{"value": "{id}"}}, "agent_id": {{"value": "M-S0"}}}}"#
        )
    };
    let accept: Accept = read(&format!(
        r#"{{"offer_ids": [{{"value": "M-O0"}}], "operations": [{{"type": "LAUNCH_GROUP", "launch_group": {{
            "executor": {{"executor_id": {{"value": "x"}}, "type": "DEFAULT"}},
            "task_group": {{"tasks": [{}, {}]}}}}}}]}}"#,
        task("a"),
        task("b")
    ));
    world.master.accept(world.now, &"M-0000".into(), accept);
    assert_eq!(
        world.told(),
        [
            "2: a TASK_ERROR REASON_TASK_GROUP_INVALID",
            "2: b TASK_ERROR REASON_TASK_GROUP_INVALID"
        ]
    );
}

/// An offer that outlived its agent's connection, which a race alone could bring about.
#[test]
fn a_launch_on_an_agent_that_is_away_is_dropped() {
    for (capabilities, state) in [
        (PARTITION_AWARE, "TASK_DROPPED"),
        (r#""capabilities":[]"#, "TASK_LOST"),
    ] {
        let mut world = ready_with(capabilities);
        let agent = world.master.agents.get_mut(&"M-S0".into());
        agent.expect("registered").session = None;
        let told = world.launch("M-0000", &["M-O0"], 5.0, vec![task("t", "cpus:1")]);
        assert_eq!(told, [format!("2: t {state} REASON_AGENT_DISCONNECTED")]);
    }
}
