//! Who is offered what, what ends a refusal, and what is forgotten.

use super::*;
use crate::master::metrics::ends_by_reason;

/// Bound in offers and forgotten in lists (mesos: max_completed_tasks_per_framework, max_completed_frameworks).
#[test]
fn what_is_over_is_remembered_up_to_a_bound() {
    let mut world = ready();
    let offer = |told: &[String]| {
        let line = told.iter().find(|line| line.starts_with("2: OFFERS"));
        let line = line.unwrap_or_else(|| panic!("no offer in {told:?}"));
        line.split(' ').nth(2).expect("an id").to_owned()
    };
    let mut current = "M-O0".to_owned();
    for number in 0..1_002_u32 {
        let id = format!("t{number}");
        world.launch("M-0000", &[&current], 0.0, vec![task(&id, "cpus:1")]);
        world.update("M-S0", &id, TaskState::Finished, 1);
        world.acknowledge("M-S0", &id, 1);
        world
            .master
            .agent_call(world.now, &"M-S0".into(), link::Call::Pong);
        current = offer(&world.pass(2 * SECOND));
    }
    let completed = &world.master.frameworks[&"M-0000".into()].completed_tasks;
    let first = completed.iter().next().expect("some");
    assert_eq!(
        (completed.len(), first.task_id.value.as_str()),
        (1_000, "t2")
    );

    for number in 1..=52_u64 {
        world.framework(100 + number, &info(""));
        let id = format!("M-{number:04}");
        assert!(
            world
                .master
                .remove_framework(world.now, &id.as_str().into())
        );
        world.told();
    }
    assert_eq!(world.master.completed.len(), 50);
}

#[test]
fn gpus_are_for_those_who_know_them() {
    for (capabilities, offered) in [
        (PARTITION_AWARE, false),
        (r#""capabilities":[{"type":"GPU_RESOURCES"}]"#, true),
    ] {
        let mut world = World::new();
        world.agent(1, None, |subscribe| {
            subscribe.agent_info.resources =
                parse("cpus:4;mem:2048;gpus:1").expect("valid").to_refined();
        });
        let told = world.framework(2, &info(capabilities));
        let offers = told.iter().any(|line| line.contains("OFFERS"));
        assert_eq!(offers, offered, "{capabilities}: {told:?}");
    }
}

#[test]
fn an_agent_that_leaves_loses_its_tasks_for_everybody() {
    for more in [PARTITION_AWARE, ""] {
        let mut world = ready_with(more);
        world.launch("M-0000", &["M-O0"], 0.0, vec![task("t", "cpus:1")]);
        world.master.agent_call(
            world.now,
            &"M-S0".into(),
            link::Call::Unregister(link::Unregister {
                reason: "bye".into(),
            }),
        );
        let told = world.told();
        let lost: Vec<&String> = told.iter().filter(|line| line.contains(" t ")).collect();
        assert_eq!(lost.len(), 1, "{told:?}");
        assert_eq!(lost[0], "2: t TASK_LOST REASON_AGENT_REMOVED");
    }
}

#[test]
fn a_refusal_ends_when_the_agent_is_another_one() {
    let refuse = |world: &mut World| {
        let filters = Filters {
            refuse_seconds: 1e6,
        };
        world.master.decline(
            world.now,
            &"M-0000".into(),
            &["M-O0".into()],
            Some(&filters),
        );
        assert_eq!(world.pass(5 * SECOND), EMPTY);
    };
    // The same agent with more memory.
    let mut world = ready();
    refuse(&mut world);
    let told = world.agent(3, Some("M-S0"), |subscribe| {
        subscribe.agent_info.resources = parse("cpus:4;mem:4096").expect("valid").to_refined();
    });
    assert!(
        told.iter().any(|line| line.contains("mem:4096")),
        "{told:?}"
    );

    // A scheduler that takes over keeps the refusals, one that was away does not.
    let mut world = ready();
    refuse(&mut world);
    let same = info(r#""id":{"value":"M-0000"},"capabilities":[{"type":"PARTITION_AWARE"}]"#);
    let told = world.framework(4, &same);
    assert!(told.contains(&"2: closed".to_owned()), "{told:?}");
    assert_eq!(world.pass(3 * SECOND), EMPTY);
    world.master.framework_disconnected(world.now, 4);
    world.told();
    let mut told = world.framework(5, &same);
    told.extend(world.pass(2 * SECOND));
    assert!(told.iter().any(|line| line.contains("OFFERS")), "{told:?}");
}

#[test]
fn an_unknown_offer_does_not_spoil_a_decline() {
    let mut world = ready();
    let offers = ["M-O77".into(), "M-O0".into()];
    let filters = Filters {
        refuse_seconds: 0.0,
    };
    world
        .master
        .decline(world.now, &"M-0000".into(), &offers, Some(&filters));
    assert_eq!(
        world.pass(2 * SECOND),
        ["2: OFFERS M-O1 on M-S0: cpus:4; mem:2048; ports:[31000-31009]"]
    );
}

#[test]
fn offers_of_two_agents_do_not_go_together() {
    let mut world = ready();
    let mut told = world.agent(3, None, |subscribe| {
        subscribe.agent_info.hostname = "i".into()
    });
    told.extend(world.pass(2 * SECOND));
    assert!(
        told.iter().any(|line| line.contains("M-O1 on M-S1")),
        "{told:?}"
    );
    assert_eq!(
        world.launch("M-0000", &["M-O0", "M-O1"], 0.0, vec![task("t", "cpus:5")]),
        ["2: t TASK_DROPPED REASON_INVALID_OFFERS"]
    );
}

#[test]
fn ends_are_counted_by_state_source_and_reason() {
    let mut world = ready();
    let tasks = ["t", "u", "v"].map(|id| task(id, "cpus:1")).into();
    world.launch("M-0000", &["M-O0"], 0.0, tasks);
    let mut end = |task: &str, state, latest_state, uuid: u8| {
        let update = link::StatusUpdate {
            framework_id: "M-0000".into(),
            status: TaskStatus {
                task_id: task.into(),
                state,
                source: Some(StatusSource::Agent),
                reason: Some(StatusReason::ContainerLimitationMemory),
                agent_id: Some("M-S0".into()),
                uuid: Some(Bytes::copy_from_slice(&[uuid; 16])),
                ..Default::default()
            },
            latest_state,
        };
        let call = link::Call::StatusUpdate(update);
        world.master.agent_call(world.now, &"M-S0".into(), call);
    };
    // Told twice, it is one end; and the reason of an earlier status is not that of the end.
    end("t", TaskState::Failed, TaskState::Failed, 1);
    end("t", TaskState::Failed, TaskState::Failed, 1);
    end("u", TaskState::Running, TaskState::Finished, 2);
    world.pass(SECOND);
    world.launch("M-0000", &["M-O1"], 0.0, vec![task("x", "cpus:5")]);
    assert_eq!(world.master.mark_gone(world.now, &"M-S0".into()), Ok(()));
    let counted: Vec<_> = ends_by_reason(&world.master.counters).collect();
    let counted: Vec<_> = counted
        .iter()
        .map(|(name, count)| (&**name, *count))
        .collect();
    assert_eq!(
        counted,
        [
            (
                "master/task_failed/source_slave/reason_container_limitation_memory",
                1
            ),
            ("master/task_error/source_master/reason_task_invalid", 1),
            (
                "master/task_gone_by_operator/source_master/reason_slave_removed_by_operator",
                1
            ),
        ]
    );
    assert_eq!(world.master.counters.tasks_ended[&TaskState::Finished], 1);
}

/// The names are those of `getFrameworkMetricPrefix` and `FrameworkMetrics` (mesos: `src/master/metrics.cpp`).
#[test]
fn a_framework_has_metrics_of_its_own() {
    let name = r#","name":"by hand/1""#;
    let mut world = ready_with(&format!("{PARTITION_AWARE}{name}"));
    let id: FrameworkId = "M-0000".into();
    let tasks = ["t", "u"].map(|id| task(id, "cpus:1")).into();
    world.master.count_call(&id, scheduler::CallType::Accept);
    world.launch("M-0000", &["M-O0"], 0.0, tasks);
    world.update("M-S0", "t", TaskState::Running, 1);
    world.update("M-S0", "u", TaskState::Failed, 2);
    world.pass(SECOND);
    world.master.decline(world.now, &id, &["M-O1".into()], None);
    // Nobody has got this one, so it is no end of the framework's.
    world.launch("M-0000", &["bogus"], 0.0, vec![task("v", "cpus:1")]);
    let told = world.master.frameworks[&id].metrics();
    let not_zero: Vec<_> = told
        .iter()
        .filter(|(_, value)| *value != 0.0)
        .map(|(name, value)| {
            (
                name.trim_start_matches("master/frameworks/by%20hand%2F1/M-0000/"),
                *value,
            )
        })
        .collect();
    assert_eq!(
        not_zero,
        [
            ("subscribed", 1.0),
            ("calls", 2.0),
            ("calls/subscribe", 1.0),
            ("calls/accept", 1.0),
            ("offers/sent", 2.0),
            ("offers/accepted", 1.0),
            ("offers/declined", 1.0),
            ("tasks/active/task_running", 1.0),
            ("tasks/terminal/task_failed", 1.0),
        ]
    );
    // 17 kinds of calls and 14 states, with four ends of offers, all calls, and whether it is there.
    assert_eq!(told.len(), 17 + 14 + 4 + 2);
    // One core of four is in use by the one role.
    assert_eq!(world.master.role_shares(), [(0.25, "*".to_owned())]);
}
