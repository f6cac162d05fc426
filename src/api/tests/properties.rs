//! Whatever the bytes, decoding ends without a panic; what was written is read back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::message::{self, Protocol};
use aurora_api::model::*;
use aurora_api::wire::Double;
use aurora_api::{binary, simple, tjson};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

fn resource() -> impl Strategy<Value = Resource> {
    prop_oneof![
        any::<f64>().prop_map(|x| Resource::NumCpus(Double(x))),
        any::<i64>().prop_map(Resource::RamMb),
        any::<i64>().prop_map(Resource::DiskMb),
        any::<String>().prop_map(Resource::NamedPort),
        any::<i64>().prop_map(Resource::NumGpus),
    ]
}

fn task_config() -> impl Strategy<Value = TaskConfig> {
    (
        any::<[String; 3]>(),
        any::<(bool, i32, i32)>(),
        option::of(any::<String>()),
        btree_set(resource(), 0..6),
        btree_map(any::<String>(), any::<String>(), 0..4),
        btree_set(
            (
                any::<String>(),
                any::<bool>(),
                btree_set(any::<String>(), 0..3),
            ),
            0..3,
        ),
    )
        .prop_map(
            |(
                [role, environment, name],
                (service, priority, failures),
                tier,
                resources,
                links,
                constraints,
            )| {
                TaskConfig {
                    job: JobKey {
                        role,
                        environment,
                        name,
                    },
                    is_service: service,
                    priority,
                    max_task_failures: failures,
                    tier,
                    resources,
                    task_links: links,
                    constraints: constraints
                        .into_iter()
                        .map(|(name, negated, values)| Constraint {
                            name,
                            constraint: Some(TaskConstraint::Value(ValueConstraint {
                                negated,
                                values,
                            })),
                        })
                        .collect::<BTreeSet<_>>(),
                    ..TaskConfig::default()
                }
            },
        )
}

fn tasks() -> impl Strategy<Value = ScheduleStatusResult> {
    vec(
        (
            task_config(),
            any::<(i32, i64)>(),
            0..ScheduleStatus::ALL.len(),
            any::<String>(),
        ),
        0..4,
    )
    .prop_map(|rows| ScheduleStatusResult {
        tasks: rows
            .into_iter()
            .map(
                |(task, (instance_id, timestamp), status, text)| ScheduledTask {
                    assigned_task: AssignedTask {
                        task,
                        instance_id,
                        task_id: text.clone(),
                        assigned_ports: BTreeMap::from([(text.clone(), instance_id)]),
                        ..AssignedTask::default()
                    },
                    status: ScheduleStatus::ALL[status],
                    task_events: vec![TaskEvent {
                        timestamp,
                        status: ScheduleStatus::ALL[status],
                        message: Some(text),
                        scheduler: None,
                    }],
                    ..ScheduledTask::default()
                },
            )
            .collect(),
    })
}

proptest! {
    #[test]
    fn tasks_survive_both_protocols(tasks in tasks()) {
        prop_assert_eq!(&binary::decode::<ScheduleStatusResult>(&binary::encode(&tasks)).unwrap(), &tasks);
        let text = tjson::encode(&tasks);
        prop_assert_eq!(&tjson::decode::<ScheduleStatusResult>(&text).unwrap(), &tasks);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        simple::to_json(&tasks);
    }

    #[test]
    fn any_bytes_end_in_a_value_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        for protocol in [Protocol::Binary, Protocol::Json] {
            drop(message::decode_call(protocol, &bytes));
            drop(message::decode_reply(protocol, &bytes));
        }
    }

    #[test]
    fn damaged_messages_end_in_a_value_or_an_error(tasks in tasks(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let response = Response { result: Some(Result::ScheduleStatusResult(tasks)), ..Response::default() };
        for protocol in [Protocol::Binary, Protocol::Json] {
            let mut bytes = message::encode_reply(protocol, "getTasksStatus", 1, &response);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            drop(message::decode_reply(protocol, &bytes));
        }
    }
}
