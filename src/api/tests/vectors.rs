//! Values that Apache Thrift's own library encoded (`data/make_vectors.py`), read and written again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aurora_api::message::{self, Protocol};
use aurora_api::wire::{DecodeError, Wire};
use aurora_api::{binary, model, simple, storage, thermos, tjson};
use base64::Engine;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("data/thrift.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(value.as_str().unwrap())
        .unwrap()
}

/// Checks one case against the type it names.
fn check<T: Wire + PartialEq + std::fmt::Debug>(case: &Value) {
    let name = case["type"].as_str().unwrap();
    let wire = bytes(&case["binary"]);
    let text = case["tjson"].as_str().unwrap();
    let from_binary: T = binary::decode(&wire).unwrap_or_else(|e| panic!("{name}: {e}"));
    let from_json: T = tjson::decode(text.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(from_binary, from_json, "{name}");
    assert_eq!(simple::to_json(&from_binary), case["json"], "{name}");
    assert_eq!(binary::encode(&from_binary), wire, "{name}: bytes");
    let ours: Value = serde_json::from_slice(&tjson::encode(&from_binary)).unwrap();
    let theirs: Value = serde_json::from_str(text).unwrap();
    assert_eq!(ours, theirs, "{name}: TJSON");
    // Shorter inputs are refused, wherever they are cut.
    for end in (0..wire.len()).step_by(1 + wire.len() / 100) {
        assert!(
            binary::decode::<T>(&wire[..end]).is_err(),
            "{name} cut at {end}"
        );
    }
    for end in (0..text.len()).step_by(1 + text.len() / 100) {
        let cut = &text.as_bytes()[..end];
        assert!(tjson::decode::<T>(cut).is_err(), "{name} cut at {end}");
    }
}

macro_rules! table {
    ($($module:ident: $($name:ident)*;)*) => {
        /// Runs the case; false when its type is not in the table.
        fn dispatch(case: &Value) -> bool {
            match case["type"].as_str().unwrap() {
                $($(concat!(table!(@label $module), ".", stringify!($name)) => check::<$module::$name>(case),)*)*
                _ => return false,
            }
            true
        }
    };
    (@label model) => { "api" };
    (@label storage) => { "storage" };
    (@label thermos) => { "thermos" };
}

table! {
    model: AppcImage AssignedTask Attribute BatchJobUpdateStrategy ConfigGroup ConfigSummary ConfigSummaryResult Constraint
        Container CoordinatorSlaPolicy CountSlaPolicy DockerContainer DockerImage DockerParameter DrainHostsResult
        EndMaintenanceResult ExecutorConfig ExplicitReconciliationSettings GetJobUpdateDetailsResult GetJobUpdateDiffResult
        GetJobUpdateSummariesResult GetJobsResult GetPendingReasonResult GetQuotaResult GetTierConfigResult HostAttributes
        HostMaintenanceRequest HostStatus Hosts Identity Image InstanceKey InstanceTaskConfig JobConfiguration
        JobInstanceUpdateEvent JobKey JobStats JobSummary JobSummaryResult JobUpdate JobUpdateDetails JobUpdateEvent
        JobUpdateInstructions JobUpdateKey JobUpdateQuery JobUpdateRequest JobUpdateSettings JobUpdateState JobUpdateStrategy
        JobUpdateSummary LimitConstraint ListBackupsResult Lock LockKey MaintenanceStatusResult MesosContainer MesosFetcherURI
        Metadata Package PartitionPolicy PendingReason PercentageSlaPolicy PopulateJobResult PulseJobUpdateResult
        QueryRecoveryResult QueueJobUpdateStrategy Range Resource ResourceAggregate Response ResponseDetail Result RoleSummary
        RoleSummaryResult ScheduleStatusResult ScheduledTask ServerInfo SlaPolicy StartJobUpdateResult StartMaintenanceResult
        TaskConfig TaskConstraint TaskEvent TaskQuery TierConfig ValueConstraint VariableBatchJobUpdateStrategy Volume;
    storage: DeduplicatedScheduledTask DeduplicatedSnapshot Frame FrameChunk FrameHeader LogEntry Op PruneJobUpdateHistory
        QuotaConfiguration RemoveHostMaintenanceRequest RemoveJob RemoveJobUpdates RemoveLock RemoveQuota RemoveTasks
        SaveCronJob SaveFrameworkId SaveHostAttributes SaveHostMaintenanceRequest SaveJobInstanceUpdateEvent SaveJobUpdate
        SaveJobUpdateEvent SaveLock SaveQuota SaveTasks SchedulerMetadata Snapshot StoredCronJob StoredJobUpdateDetails
        Transaction;
    thermos: ProcessStatus RunnerCkpt RunnerHeader RunnerState TaskStatus;
}

#[test]
fn every_type_reads_and_writes_as_thrift_does() {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().unwrap();
    let unknown: Vec<_> = cases
        .iter()
        .filter(|case| !dispatch(case))
        .map(|case| case["type"].clone())
        .collect();
    assert!(
        unknown.is_empty(),
        "types without a table entry: {unknown:?}"
    );
    assert_eq!(cases.len(), 177, "cases in the vectors");
}

#[test]
fn every_call_reads_and_writes_as_thrift_does() {
    let vectors = vectors();
    let calls = vectors["calls"].as_array().unwrap();
    let mut seen = Vec::new();
    for case in calls {
        let method = case["method"].as_str().unwrap();
        let wire = bytes(&case["binary"]);
        let text = case["tjson"].as_str().unwrap();
        let request = message::decode_call(Protocol::Binary, &wire).unwrap();
        let again = message::decode_call(Protocol::Json, text.as_bytes()).unwrap();
        assert_eq!(request, again, "{method}");
        assert_eq!((request.method.as_str(), request.sequence), (method, 7));
        let call = request.call.unwrap();
        assert_eq!(call.method(), method);
        assert_eq!(
            message::encode_call(Protocol::Binary, 7, &call),
            wire,
            "{method}"
        );
        let ours = message::encode_call(Protocol::Json, 7, &call);
        assert_eq!(
            serde_json::from_slice::<Value>(&ours).unwrap(),
            serde_json::from_str::<Value>(text).unwrap(),
            "{method}"
        );

        let reply = bytes(&case["reply_binary"]);
        let reply_text = case["reply_tjson"].as_str().unwrap();
        let response = message::decode_reply(Protocol::Binary, &reply).unwrap();
        assert_eq!(
            response.details[0].message.as_deref(),
            Some("m"),
            "{method}"
        );
        assert_eq!(
            response,
            message::decode_reply(Protocol::Json, reply_text.as_bytes()).unwrap()
        );
        assert_eq!(
            message::encode_reply(Protocol::Binary, method, 7, &response),
            reply,
            "{method}"
        );
        let ours = message::encode_reply(Protocol::Json, method, 7, &response);
        assert_eq!(
            serde_json::from_slice::<Value>(&ours).unwrap(),
            serde_json::from_str::<Value>(reply_text).unwrap(),
            "{method}"
        );
        seen.push(method.to_owned());
    }
    let mut all = aurora_api::service::Call::METHODS.to_vec();
    all.sort_unstable();
    assert_eq!(seen, all, "methods of upstream's service");
}

#[test]
fn an_unknown_method_is_told_from_a_broken_message() {
    // Strict header, name "noSuch", sequence 5, an empty argument struct; by hand.
    let wire = b"\x80\x01\x00\x01\x00\x00\x00\x06noSuch\x00\x00\x00\x05\x00";
    let request = message::decode_call(Protocol::Binary, wire).unwrap();
    assert_eq!(
        (request.method.as_str(), request.sequence, request.call),
        ("noSuch", 5, None)
    );
    let reply = message::encode_unknown_method(Protocol::Json, "noSuch", 5);
    assert_eq!(
        std::str::from_utf8(&reply).unwrap(),
        r#"[1,"noSuch",3,5,{"1":{"str":"Invalid method name: 'noSuch'"},"2":{"i32":1}}]"#
    );
    let refused = message::decode_reply(Protocol::Json, &reply);
    assert_eq!(
        refused,
        Err(DecodeError::Application(
            "Invalid method name: 'noSuch'".into()
        ))
    );
    for broken in [
        &b""[..],
        b"\x80\x02\x00\x01",
        b"[1,\"x\",9,1,{}]",
        b"[2,\"x\",1,1,{}]",
        b"{}",
    ] {
        assert!(
            message::decode_call(Protocol::Json, broken).is_err(),
            "{broken:?}"
        );
        assert!(
            message::decode_call(Protocol::Binary, broken).is_err(),
            "{broken:?}"
        );
    }
}

#[test]
fn counts_are_checked_before_memory_is_taken() {
    // ScheduleStatusResult.tasks (field 1, list) claims 2^31-1 structs in an input of a few bytes.
    let wire = b"\x0f\x00\x01\x0c\x7f\xff\xff\xff\x00";
    let result = binary::decode::<model::ScheduleStatusResult>(wire);
    assert!(
        matches!(
            result,
            Err(DecodeError::Length {
                length: 0x7fff_ffff,
                ..
            })
        ),
        "{result:?}"
    );
    let text = br#"{"1":{"lst":["rec",2147483647,{}]}}"#;
    let result = tjson::decode::<model::ScheduleStatusResult>(text);
    assert!(
        matches!(
            result,
            Err(DecodeError::Length {
                length: 0x7fff_ffff,
                ..
            })
        ),
        "{result:?}"
    );
}

#[test]
fn depth_is_bounded() {
    // An unknown field (id 99) of structs nested a hundred thousand deep has to be skipped without using up the stack.
    let wire = b"\x0c\x00\x63".repeat(100_000);
    assert_eq!(
        binary::decode::<model::JobKey>(&wire),
        Err(DecodeError::TooDeep)
    );
    let text = br#"{"99":{"rec":"#.repeat(100_000);
    assert_eq!(
        tjson::decode::<model::JobKey>(&text),
        Err(DecodeError::TooDeep)
    );
}

#[test]
fn old_and_unknown_fields_are_passed_over() {
    // TaskConfig of 0.19: 8 numCpus double, 9 ramMb i64, 21 requestedPorts set<string>, then 11 priority = 5.
    let mut wire = Vec::new();
    wire.extend_from_slice(b"\x04\x00\x08\x3f\xf0\x00\x00\x00\x00\x00\x00");
    wire.extend_from_slice(b"\x0a\x00\x09\x00\x00\x00\x00\x00\x00\x00\x80");
    wire.extend_from_slice(b"\x0e\x00\x15\x0b\x00\x00\x00\x01\x00\x00\x00\x04http");
    wire.extend_from_slice(b"\x08\x00\x0b\x00\x00\x00\x05\x00");
    let config: model::TaskConfig = binary::decode(&wire).unwrap();
    assert_eq!(
        config,
        model::TaskConfig {
            priority: 5,
            ..Default::default()
        }
    );
}

#[test]
fn unknown_enumeration_values_are_unset_where_they_may_be() {
    // HostStatus: 1 host "h", 2 mode 77.
    let wire = b"\x0b\x00\x01\x00\x00\x00\x01h\x08\x00\x02\x00\x00\x00\x4d\x00";
    let status: model::HostStatus = binary::decode(wire).unwrap();
    assert_eq!((status.host.as_str(), status.mode), ("h", None));
    // TaskEvent.status (2) cannot be unset.
    let wire = b"\x08\x00\x02\x00\x00\x00\x4d\x00";
    let event = binary::decode::<model::TaskEvent>(wire);
    assert!(
        matches!(
            event,
            Err(DecodeError::UnknownRequired {
                field: "status",
                ..
            })
        ),
        "{event:?}"
    );
}

#[test]
fn unset_is_empty_and_written_as_set_and_equal_members_are_one() {
    use aurora_api::model::{Resource, TaskConfig};
    use aurora_api::service::Call;
    let read = |config: serde_json::Value| -> TaskConfig {
        let serde_json::Value::Object(arguments) =
            serde_json::json!({"description": {"taskConfig": config}})
        else {
            unreachable!("it is an object")
        };
        match Call::from_json("populateJobConfig", arguments) {
            Some(Ok(Call::PopulateJobConfig(call))) => call.description.unwrap().task_config,
            other => panic!("{other:?}"),
        }
    };
    let unset = read(serde_json::json!({}));
    let empty = read(
        serde_json::json!({"priority": 0, "isService": false, "constraints": [], "taskLinks": {}}),
    );
    assert_eq!(unset, empty);
    let written = aurora_api::simple::to_json(&unset);
    for (field, value) in [
        ("priority", serde_json::json!(0)),
        ("isService", serde_json::json!(false)),
        ("constraints", serde_json::json!([])),
        ("taskLinks", serde_json::json!({})),
    ] {
        assert_eq!(written[field], value, "{field}");
    }
    assert_eq!(written.get("tier"), None, "a text that is unset stays so");
    let ports =
        read(serde_json::json!({"resources": [{"namedPort": "http"}, {"namedPort": "http"}]}));
    let http = Resource::NamedPort("http".to_owned());
    assert_eq!(ports.resources.into_iter().collect::<Vec<_>>(), [http]);
}
