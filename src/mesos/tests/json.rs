//! The JSON dialect, against texts that Apache Mesos 1.12 gives.

use aurora_mesos::message::{self, DecodeError, Label, Message};
use aurora_mesos::v1::{self, scheduler};

fn call(body: &str) -> Result<scheduler::Call, DecodeError> {
    message::from_slice(body.as_bytes())
}

#[test]
fn refusals_name_what_is_wrong() {
    let convert = [
        ("[]", "Expecting a JSON object"),
        (
            r#"{"type":1}"#,
            "Not expecting a JSON number for field 'type'",
        ),
        (
            r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{}}}"#,
            "Missing required fields: subscribe.framework_info.user, subscribe.framework_info.name",
        ),
        (
            r#"{"acknowledge":{"uuid":"YWJjZGVmZ2hpamtsbW5vcA=="}}"#,
            "Missing required fields: acknowledge.agent_id, acknowledge.task_id",
        ),
        (
            r#"{"accept":{"operations":[{"launch":{"task_infos":[{"name":"a","task_id":{"value":"a"},"agent_id":{"value":"a"},"container":{}}]}}]}}"#,
            "Missing required fields: accept.operations[0].launch.task_infos[0].container.type",
        ),
        (
            r#"{"subscribe":{"framework_info":{"labels":{"labels":[{"key":"a"},{}]}}}}"#,
            "Missing required fields: subscribe.framework_info.user, subscribe.framework_info.name, subscribe.framework_info.labels.labels[1].key",
        ),
        (
            r#"{"subscribe":{"framework_info":{"user":"u","name":"x","checkpoint":1}}}"#,
            "Not expecting a JSON number for field 'checkpoint'",
        ),
        (
            r#"{"subscribe":{"framework_info":{"user":"u","name":"x","checkpoint":"False"}}}"#,
            "Failed to parse 'False' as a JSON boolean for field 'checkpoint'",
        ),
        (
            r#"{"subscribe":{"framework_info":{"user":"u","name":"x","failover_timeout":"abc"}}}"#,
            "Failed to parse 'abc' as a JSON number for field 'failover_timeout'",
        ),
        (
            r#"{"subscribe":{"framework_info":{"user":"u","name":["x"]}}}"#,
            "Not expecting a JSON array for field 'name'",
        ),
    ];
    for (body, expected) in convert {
        assert_eq!(
            call(body),
            Err(DecodeError::Convert(expected.to_owned())),
            "{body}"
        );
    }
    let required_enum: Result<v1::TaskStatus, _> =
        message::from_slice(br#"{"task_id":{"value":"t"},"state":"BOGUS"}"#);
    assert_eq!(
        required_enum,
        Err(DecodeError::Convert(
            "Failed to find enum for 'BOGUS'".into()
        ))
    );
    let base64: Result<v1::TaskStatus, _> = message::from_slice(br#"{"uuid":"!!!"}"#);
    let Err(DecodeError::Convert(text)) = base64 else {
        panic!("{base64:?}")
    };
    assert!(
        text.starts_with("Failed to base64 decode bytes field 'uuid': "),
        "{text}"
    );

    for body in ["", "{bad", "{/*c*/}", r#"{"type":NaN}"#] {
        assert!(matches!(call(body), Err(DecodeError::Syntax(_))), "{body}");
    }
    assert_eq!(
        call("{} x"),
        Err(DecodeError::Syntax(
            "Parsed JSON included non-whitespace trailing characters:  x".into()
        ))
    );
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(matches!(call(&deep), Err(DecodeError::Syntax(_))));
}

#[test]
fn lenient_readings() {
    let info = |fields: &str| -> v1::FrameworkInfo {
        let body = format!(r#"{{"user":"u","name":"x",{fields}}}"#);
        message::from_slice(body.as_bytes()).expect("accepted")
    };
    assert_eq!(info(r#""foo":1,"failoverTimeout":5"#).failover_timeout, 0.0);
    assert_eq!(
        info(r#""id":null,"capabilities":null,"capabilities":[null]"#).capabilities,
        []
    );
    assert!(info(r#""checkpoint":"true""#).checkpoint);
    assert_eq!(info(r#""failover_timeout":"0.5""#).failover_timeout, 0.5);
    assert_eq!(info(r#""failover_timeout":1"#).failover_timeout, 1.0);
    assert_eq!(
        info(r#""failover_timeout":"Infinity""#).failover_timeout,
        f64::INFINITY
    );
    assert_eq!(info(r#""roles":"a""#).roles, ["a"]);
    assert_eq!(
        info(r#""hostname":"a","hostname":"b""#).hostname.as_deref(),
        Some("b")
    );
    let capabilities =
        info(r#""capabilities":[{"type":"FOO"},{"type":"5"},{"type":"PARTITION_AWARE"}]"#);
    let kinds: Vec<_> = capabilities.capabilities.iter().map(|c| c.kind).collect();
    assert_eq!(
        kinds,
        [
            None,
            None,
            Some(v1::FrameworkCapabilityType::PartitionAware)
        ]
    );
    assert_eq!(call(r#" {"type":"BOGUS"} "#).expect("accepted").kind, None);
}

#[test]
fn defaults_are_written_and_empties_are_not() {
    let info = v1::FrameworkInfo {
        user: "u".into(),
        name: "n".into(),
        ..Default::default()
    };
    let text = String::from_utf8(message::to_vec(&info)).expect("UTF-8");
    assert_eq!(
        text,
        r#"{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}"#
    );
    let event = scheduler::Event {
        kind: Some(scheduler::EventType::Heartbeat),
        ..Default::default()
    };
    assert_eq!(message::to_vec(&event), br#"{"type":"HEARTBEAT"}"#);
    let command = v1::CommandInfo::default();
    assert_eq!(message::to_vec(&command), br#"{"shell":true}"#);
    let tasks = v1::master::GetTasks::default();
    assert_eq!(
        message::to_vec(&tasks),
        br#"{"tasks":[],"unreachable_tasks":[],"completed_tasks":[]}"#
    );
}

#[test]
fn numbers_keep_64_bits() {
    let text = br#"{"nanoseconds":9007199254740993}"#;
    let time: v1::TimeInfo = message::from_slice(text).expect("accepted");
    assert_eq!(time.nanoseconds, 9_007_199_254_740_993);
    assert_eq!(message::to_vec(&time), text);
    assert!(message::from_slice::<v1::Address>(br#"{"port":99999999999}"#).is_err());
}

/// Numbers of `mesos: include/mesos/v1/scheduler/scheduler.proto`, where they are easily mixed up.
#[test]
fn field_numbers_are_those_of_mesos() {
    let number = |fields: &[message::FieldInfo], name: &str| {
        fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| (field.number, field.label))
    };
    let call = scheduler::Call::FIELDS;
    assert_eq!(number(call, "framework_id"), Some((1, Label::Optional)));
    assert_eq!(number(call, "type"), Some((2, Label::Optional)));
    assert_eq!(number(call, "revive"), Some((15, Label::Optional)));
    assert_eq!(
        number(scheduler::Event::FIELDS, "offers"),
        Some((3, Label::Optional))
    );
    assert_eq!(
        number(v1::Resource::FIELDS, "set"),
        Some((5, Label::Optional))
    );
    assert_eq!(
        number(v1::Attribute::FIELDS, "text"),
        Some((5, Label::Optional))
    );
    assert_eq!(
        number(v1::TaskInfo::FIELDS, "resources"),
        Some((4, Label::Repeated))
    );
    use aurora_mesos::message::Enumeration as _;
    assert_eq!(v1::TaskState::Starting.number(), 0);
    assert_eq!(v1::TaskState::from_number(6), Some(v1::TaskState::Staging));
}
