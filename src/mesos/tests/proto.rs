//! Protobuf bodies, against bytes made by hand from the field numbers of Mesos, and against the JSON.

use aurora_mesos::message::{self, DecodeError, proto};
use aurora_mesos::v1::{self, scheduler};
use proptest::prelude::*;

#[test]
fn bytes_by_hand() {
    // type (field 2, varint) SUBSCRIBE = 1; subscribe (3) { framework_info (1) { user (1) "u", name (2) "n" } }
    let bytes = b"\x10\x01\x1a\x08\x0a\x06\x0a\x01u\x12\x01n";
    let call: scheduler::Call = proto::from_slice(bytes).expect("a call");
    assert_eq!(call.kind, Some(scheduler::CallType::Subscribe));
    let info = call.subscribe.expect("set").framework_info;
    assert_eq!(
        (info.user.as_str(), info.name.as_str(), info.checkpoint),
        ("u", "n", false)
    );

    // TASK_STARTING is 0 and must not be taken for absent: state (2) = 0 after task_id (1) { value (1) "t" }.
    let bytes = b"\x0a\x03\x0a\x01t\x10\x00";
    let status: v1::TaskStatus = proto::from_slice(bytes).expect("a status");
    assert_eq!(status.state, v1::TaskState::Starting);
    assert_eq!(proto::to_vec(&status), bytes);

    // A scalar: type (2) = SCALAR 0, scalar (3) { value (1) double 1.5 }, name (1) "cpus".
    let resource = v1::Resource {
        name: "cpus".into(),
        scalar: Some(v1::Scalar { value: 1.5 }),
        ..Default::default()
    };
    assert_eq!(
        proto::to_vec(&resource),
        b"\x0a\x04cpus\x10\x00\x1a\x09\x09\x00\x00\x00\x00\x00\x00\xf8\x3f"
    );

    // Repeated numbers, packed and not: statuses is field 4 of HTTPCheckInfo, port (1) required.
    for bytes in [
        &b"\x08\x50\x22\x03\xc8\x01\x05"[..],
        b"\x08\x50\x20\xc8\x01\x20\x05",
    ] {
        let check: v1::HttpCheckInfo = proto::from_slice(bytes).expect("a check");
        assert_eq!((check.port, check.statuses.as_slice()), (80, &[200, 5][..]));
    }

    // A negative int32 has ten bytes: status (3) of FAILURE.
    let failure = scheduler::Failure {
        status: Some(-1),
        ..Default::default()
    };
    let bytes = b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_eq!(proto::to_vec(&failure), bytes);
    assert_eq!(proto::from_slice(bytes), Ok(failure));

    // Unknown fields (15, varint; 14, fixed32) and unknown enum values are skipped.
    let bytes = b"\x78\x01\x75\x00\x00\x00\x00\x08\x63";
    assert_eq!(
        proto::from_slice(bytes),
        Ok(v1::FrameworkCapability::default())
    );
}

#[test]
fn what_is_no_message_is_refused() {
    for bytes in [
        &b"abc"[..],
        b"\x0a\xff",
        b"\x0a",
        b"\x10",
        b"\x0b",
        b"\x12\x02\xff\xfe",
    ] {
        let read: Result<scheduler::Call, _> = proto::from_slice(bytes);
        assert!(
            matches!(read, Err(DecodeError::Syntax(_))),
            "{bytes:?}: {read:?}"
        );
    }
    let missing: Result<v1::TaskId, _> = proto::from_slice(b"");
    assert_eq!(
        missing,
        Err(DecodeError::Convert(
            "Missing required fields: value".into()
        ))
    );
    // A container within itself, thousands of times.
    let mut nested = b"\x0a\x01x".to_vec();
    for _ in 0..3000 {
        let mut outer = vec![0x12];
        let mut length = nested.len();
        while length > 0x7f {
            outer.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend_from_slice(&nested);
        nested = outer;
    }
    assert!(proto::from_slice::<v1::ContainerId>(&nested).is_err());
}

#[test]
fn a_large_message_comes_back_as_it_was() {
    let json = br#"{"type":"ACCEPT","framework_id":{"value":"F"},"accept":{"offer_ids":[{"value":"O"}],
        "operations":[{"type":"LAUNCH","launch":{"task_infos":[{"name":"n","task_id":{"value":"t"},
        "agent_id":{"value":"S"},"data":"AAECAw==","limits":{"mem":{"value":"Infinity"},"cpus":{"value":2}},
        "resources":[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":18446744073709551615}]}}],
        "max_completion_time":{"nanoseconds":-9007199254740993},
        "command":{"shell":false,"arguments":["a",""],"uris":[{"value":"x","executable":true}]},
        "container":{"type":"MESOS","linux_info":{"share_cgroups":false}}}]}}],"filters":{"refuse_seconds":0.1}}}"#;
    let call: scheduler::Call = message::from_slice(json).expect("a call");
    assert_eq!(proto::from_slice(&proto::to_vec(&call)), Ok(call));
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let read: Result<scheduler::Call, _> = proto::from_slice(&bytes);
        if let Ok(call) = read {
            prop_assert_eq!(proto::from_slice(&proto::to_vec(&call)), Ok(call));
        }
    }
}
