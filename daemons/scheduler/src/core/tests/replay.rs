//! The log's form, and that the state is what the log made of nothing.

use super::samples::{samples, samples_of_version_1, samples_of_version_2};
use super::*;
use crate::core::codec::{CodecError, decode_ops, encode_ops};
use crate::core::store::{ConfigId, decode_snapshot, encode_snapshot};

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(32).map(|line| {
        line.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

pub(super) fn after(ops: &[Op]) -> Store {
    let mut store = Store::default();
    for op in ops {
        store.apply(op).unwrap();
    }
    store
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// `golden/*-3.hex` change only together with the format's version.
#[test]
fn ops_and_snapshots_keep_their_form() {
    let ops = samples();
    let bytes = encode_ops(&ops);
    assert_eq!(decode_ops(&bytes).unwrap(), ops);
    assert_eq!(
        hex(&bytes),
        include_str!("golden/ops-3.hex"),
        "the form of ops changed"
    );
    let snapshot = encode_snapshot(after(&ops).read());
    assert_eq!(
        hex(&snapshot),
        include_str!("golden/snapshot-3.hex"),
        "the form of snapshots changed"
    );
    assert_eq!(
        encode_snapshot(decode_snapshot(&snapshot).unwrap().read()),
        snapshot
    );
}

/// What an earlier build wrote is read for ever.
#[test]
fn older_versions_are_read() {
    for (ops, log, snapshot) in [
        (
            samples_of_version_1(),
            include_str!("golden/ops-1.hex"),
            include_str!("golden/snapshot-1.hex"),
        ),
        (
            samples_of_version_2(),
            include_str!("golden/ops-2.hex"),
            include_str!("golden/snapshot-2.hex"),
        ),
    ] {
        assert_eq!(decode_ops(&unhex(log)).unwrap(), ops);
        let store = decode_snapshot(&unhex(snapshot)).unwrap();
        assert_eq!(
            encode_snapshot(store.read()),
            encode_snapshot(after(&ops).read())
        );
    }
}

/// Bytes put together by hand: version, count, tag, then the fields.
#[test]
fn ops_are_written_as_described() {
    let ops = [
        Op::SaveScheduler {
            host: "ab".to_owned(),
        },
        Op::SaveStatus {
            task: "t".into(),
            status: ScheduleStatus::Draining,
            message: None,
            time: -65,
        },
        Op::CountFailure { task: "t".into() },
        Op::Supersede {
            task: "t".into(),
            status: ScheduleStatus::Killed,
            message: Some("m".to_owned()),
            config: ConfigId(300),
            seed: 5,
            time: 1,
        },
    ];
    let begin = [
        3, 4, 2, 2, b'a', b'b', 6, 1, b't', 17, 0, 0x81, 0x01, 7, 1, b't',
    ];
    let superseded = [23, 1, b't', 5, 1, 1, b'm', 0xac, 0x02, 5];
    let (seed_rest, time) = ([0; 15], [2]);
    let bytes = [&begin[..], &superseded, &seed_rest, &time].concat();
    assert_eq!(encode_ops(&ops), bytes);
    assert_eq!(decode_ops(&bytes).unwrap(), ops);
}

#[test]
fn broken_bytes_are_refused() {
    let bytes = encode_ops(&samples());
    for end in 0..bytes.len() {
        assert!(decode_ops(&bytes[..end]).is_err(), "{end}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(
        decode_ops(&longer),
        Err(CodecError::Malformed { .. })
    ));
    assert_eq!(decode_ops(&[4, 0]), Err(CodecError::Version(4)));
    assert_eq!(decode_ops(&[0, 0]), Err(CodecError::Version(0)));
    assert_eq!(
        decode_ops(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        Err(CodecError::Truncated)
    );
    assert!(matches!(
        decode_ops(&[1, 1, 99]),
        Err(CodecError::Malformed { .. })
    ));
    let snapshot = encode_snapshot(after(&samples()).read());
    for end in 0..snapshot.len() {
        assert!(decode_snapshot(&snapshot[..end]).is_err(), "{end}");
    }
}

#[test]
fn an_op_that_does_not_fit_is_refused() {
    let ops = samples();
    let mut store = after(&ops[..4]);
    for (op, text) in [
        (&ops[2], "configuration 0 is there already"),
        (&ops[3], "task www-prod-hello-0-"),
        (
            &Op::CountFailure {
                task: "nobodys".into(),
            },
            "there is no task nobodys",
        ),
    ] {
        let error = store.apply(op).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
    let taken = Op::InsertTasks {
        config: ConfigId(0),
        instances: vec![Range { first: 1, last: 1 }],
        seed: 8,
        time: START,
    };
    let error = store.apply(&taken).unwrap_err().to_string();
    assert_eq!(
        error,
        "instance 1 of www/prod/hello has an active task already"
    );
}

#[test]
fn a_thousand_instances_cost_one_op_and_one_configuration() {
    let size = |instances| {
        let mut world = World::registered(config());
        let mut fat = job("fat", instances);
        fat.task_config.executor_config.as_mut().unwrap().data = Some("x".repeat(10_000));
        world.create(fat);
        (
            encode_ops(&world.ops).len(),
            encode_snapshot(world.core.store().read()).len(),
        )
    };
    let ((one_op, one), (many_op, many)) = (size(1), size(1000));
    // One more byte for the range, one more for its number, three more digits on the audit trail.
    assert!(many_op <= one_op + 5, "{one_op} {many_op}");
    assert!(many - one < 999 * 90, "{one} {many}");
}

/// From every point of a history: snapshot there, the rest of the ops through their bytes, and the same state.
#[test]
fn memory_is_snapshot_and_log() {
    let mut world = World::registered(config());
    let first = world.running(job("hello", 1));
    world.create(job("waiting", 20));
    world.status(&first, v1::TaskState::Failed);
    for name in ["a", "b", "c", "d"] {
        world.offer(&host(name));
        world.pass(3_000);
    }
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "waiting")),
        instances: Some((0..10).collect()),
        message: None,
    });
    world.pass(400_000);
    let end = encode_snapshot(world.core.store().read());
    assert!(world.ops.len() > 20, "{}", world.ops.len());
    for at in 0..=world.ops.len() {
        let snapshot = encode_snapshot(after(&world.ops[..at]).read());
        let mut store = decode_snapshot(&snapshot).unwrap();
        for op in decode_ops(&encode_ops(&world.ops[at..])).unwrap() {
            store.apply(&op).unwrap();
        }
        assert!(encode_snapshot(store.read()) == end, "after op {at}");
    }
}

#[test]
fn a_view_does_not_see_later_changes() {
    let mut world = World::registered(config());
    world.create(job("hello", 3));
    let view = world.core.store().view();
    let bytes = encode_snapshot(&view);
    world.create(job("other", 2));
    world.offer(&host("a"));
    world.pass(5_000);
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        ..arguments::KillTasks::default()
    });
    assert_eq!(encode_snapshot(&view), bytes);
    assert_eq!((view.task_count(), view.jobs().count()), (3, 1));
}

#[test]
fn queries_select_by_all_their_terms() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.create(job("waiting", 3));
    let mut other = job("waiting", 2);
    other.key.role = "ads".to_owned();
    other.task_config.job.role = "ads".to_owned();
    world.create(other);
    world.status(&id, v1::TaskState::Finished);
    let text = |text: &str| Some(text.to_owned());
    let all = TaskQuery::default;
    let key = |role: &str, name: &str| JobKey::new(role, "prod", name);
    let cases = [
        (all(), 7),
        (
            TaskQuery {
                role: text("www"),
                ..all()
            },
            5,
        ),
        (
            TaskQuery {
                role: text("  "),
                ..all()
            },
            7,
        ),
        (
            TaskQuery {
                role: text("nobody"),
                ..all()
            },
            0,
        ),
        (
            TaskQuery {
                role: text("www"),
                environment: text("prod"),
                job_name: text("waiting"),
                ..all()
            },
            3,
        ),
        (
            TaskQuery {
                job_name: text("waiting"),
                ..all()
            },
            5,
        ),
        (
            TaskQuery {
                environment: text("devel"),
                ..all()
            },
            0,
        ),
        (
            TaskQuery {
                statuses: Some([ScheduleStatus::Finished].into()),
                ..all()
            },
            1,
        ),
        (
            TaskQuery {
                statuses: Some([ScheduleStatus::Pending].into()),
                role: text("www"),
                ..all()
            },
            4,
        ),
        (
            TaskQuery {
                statuses: Some([].into()),
                ..all()
            },
            7,
        ),
        (
            TaskQuery {
                instance_ids: Some([0].into()),
                ..all()
            },
            4,
        ),
        (
            TaskQuery {
                slave_hosts: Some(["a".to_owned()].into()),
                ..all()
            },
            1,
        ),
        (
            TaskQuery {
                slave_hosts: Some(["a".to_owned()].into()),
                role: text("ads"),
                ..all()
            },
            0,
        ),
        (
            TaskQuery {
                task_ids: Some([id.to_string(), "x".to_owned()].into()),
                ..all()
            },
            1,
        ),
        (
            TaskQuery {
                task_ids: Some([id.to_string()].into()),
                role: text("ads"),
                ..all()
            },
            0,
        ),
        (
            TaskQuery {
                job_keys: Some([key("ads", "waiting"), key("www", "hello")].into()),
                ..all()
            },
            4,
        ),
        (
            TaskQuery {
                job_keys: Some([key("ads", "waiting")].into()),
                role: text("www"),
                ..all()
            },
            0,
        ),
    ];
    let view = world.core.store().read();
    for (query, count) in cases {
        assert_eq!(view.tasks(&query).count(), count, "{query:?}");
    }
    let mut roles: Vec<_> = view.roles().collect();
    roles.sort_unstable();
    assert_eq!(roles, [("ads", 1), ("www", 2)]);
}

proptest::proptest! {
    /// Whatever the bytes, decoding ends without a panic.
    #[test]
    fn any_bytes_are_decoded_or_refused(
        at in 0usize..700, value: u8, noise in proptest::collection::vec(proptest::num::u8::ANY, 0..200)
    ) {
        let ops = samples();
        let mut bytes = encode_ops(&ops);
        let place = at % bytes.len();
        bytes[place] = value;
        let decoded = decode_ops(&bytes);
        proptest::prop_assert!(decoded.is_err() || decoded.is_ok_and(|decoded| decoded.len() <= ops.len()));
        let mut bytes = encode_snapshot(after(&ops).read());
        let place = at % bytes.len();
        bytes[place] = value;
        if let Ok(store) = decode_snapshot(&bytes) {
            proptest::prop_assert!(store.read().task_count() <= 4);
        }
        let noisy: Vec<u8> = [1].into_iter().chain(noise).collect();
        proptest::prop_assert!(decode_ops(&noisy).is_err() || noisy.len() > 1);
        proptest::prop_assert!(decode_snapshot(&noisy).is_err() || noisy.len() > 1);
    }
}
