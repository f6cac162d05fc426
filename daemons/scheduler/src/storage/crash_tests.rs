//! Power is lost at every write, every sync and every change of a name; what is recovered is what was acknowledged.

use std::sync::Arc;

use super::sim::SimDisk;
use super::*;

/// The state of these tests: all payloads, in order.
type State = Vec<Vec<u8>>;

fn options() -> WalOptions {
    WalOptions {
        first_segment: 1024,
        segment: 2048,
        step: 700,
        spares: 1,
    }
}

fn payload(number: u64) -> Vec<u8> {
    // Lengths from 9 to a little more than a segment holds, so that records cross sectors and need own segments.
    let length = match number % 11 {
        7 => 2100,
        other => 1 + other as usize * 73,
    };
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend((0..length).map(|place| (place as u64 * 31 + number) as u8 | 1));
    bytes
}

fn encode(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in state {
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> State {
    let mut state = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (payload, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        state.push(payload.to_vec());
        bytes = rest;
    }
    state
}

fn recover(disk: &SimDisk) -> Result<(Wal, State), StorageError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut base = Vec::new();
    let mut tail = Vec::new();
    let wal = open(
        &disk,
        options(),
        |snapshot| {
            base = decode(&snapshot.content);
            assert_eq!(base.len() as u64, snapshot.index);
            Ok(())
        },
        |record| {
            tail.push((record.index, record.payload));
            Ok(())
        },
    )?;
    for (index, payload) in tail {
        assert_eq!(base.len() as u64 + 1, index, "entries come in order");
        base.push(payload);
    }
    Ok((wal, base))
}

/// Appends, prepares and takes snapshots until something fails; what was acknowledged is in `state`.
fn work(
    disk: &SimDisk,
    wal: &mut Wal,
    state: &mut State,
    entries: u64,
) -> Result<(), StorageError> {
    for _ in 0..entries {
        let payload = payload(state.len() as u64);
        let index = wal.append(&payload)?;
        state.push(payload);
        assert_eq!(index, state.len() as u64);
        wal.prepare()?;
        wal.prepare()?;
        if index.is_multiple_of(13) {
            let snapshot = Snapshot {
                index,
                term: wal.term(),
                stamp: 0,
                content: encode(state),
            };
            let unneeded = save_snapshot(disk, &snapshot)?;
            wal.release(unneeded)?;
        }
    }
    Ok(())
}

/// What a crash may leave: everything acknowledged, and perhaps the one entry that was under way.
fn check(found: &State, acknowledged: &State, context: &str) {
    let under_way = payload(acknowledged.len() as u64);
    let mut with_next = acknowledged.clone();
    with_next.push(under_way);
    assert!(
        found == acknowledged || *found == with_next,
        "{context}: {} entries found, {} acknowledged",
        found.len(),
        acknowledged.len()
    );
}

fn crash_run(seed: u64, crash_at: u64, second: u64) {
    let context = format!("seed {seed}, power lost at operations {crash_at} and {second}");
    let disk = SimDisk::default();
    disk.crash_at(crash_at);
    let mut state = State::new();
    if let Ok((mut wal, _)) = recover(&disk) {
        // Where it stops does not matter; `state` says what was acknowledged.
        work(&disk, &mut wal, &mut state, 60).ok();
    }

    // Power is lost once more, while recovering or soon after.
    let disk = disk.after_power_loss(seed);
    disk.crash_at(second);
    match recover(&disk) {
        Ok((mut wal, found)) => {
            check(&found, &state, &context);
            state = found;
            work(&disk, &mut wal, &mut state, 20).ok();
        }
        Err(StorageError::Io { .. }) => {}
        Err(other) => panic!("{context}: {other}"),
    }

    let disk = disk.after_power_loss(seed + 1);
    let (mut wal, found) = recover(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    check(&found, &state, &context);
    let mut state = found;
    work(&disk, &mut wal, &mut state, 20).unwrap_or_else(|error| panic!("{context}: {error}"));
    drop(wal);
    let (_, found) = recover(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(found, state, "{context}: a clean restart");
}

#[test]
fn replay_equals_what_was_acknowledged_wherever_power_is_lost() {
    let disk = SimDisk::default();
    let (mut wal, mut state) = recover(&disk).unwrap();
    work(&disk, &mut wal, &mut state, 60).unwrap();
    let operations = disk.operations();
    assert!(
        operations > 200,
        "{operations} operations are too few to test anything"
    );
    for crash_at in 0..operations {
        for seed in 0..3 {
            // The second crash walks through the operations of recovery and of the work after it.
            crash_run(
                seed * 1_000_003 + crash_at,
                crash_at,
                (crash_at + seed * 17) % 40,
            );
        }
    }
}

#[test]
fn old_segments_are_used_again_and_the_log_stays_small() {
    let disk = SimDisk::default();
    let (mut wal, mut state) = recover(&disk).unwrap();
    work(&disk, &mut wal, &mut state, 400).unwrap();
    // Snapshots stand at 377 and 390, so what is left starts in a segment that holds entry 378.
    assert!(wal.oldest() > 300, "oldest entry {}", wal.oldest());
    let names = disk.list().unwrap();
    assert!(names.len() < 40, "{names:?}");
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("snapshot-"))
            .count(),
        2,
        "{names:?}"
    );
}

#[test]
fn damage_inside_the_log_is_told_from_a_torn_end() {
    let disk = SimDisk::default();
    let (mut wal, _) = recover(&disk).unwrap();
    for number in 0..3 {
        wal.append(&payload(number)).unwrap();
    }
    drop(wal);
    // Entry 1 begins behind the header of 32 bytes; its payload behind 24 more.
    disk.flip("log-00000000000000000001", 32 + 24 + 2);
    let error = recover(&disk).err().expect("damage is seen");
    assert!(
        matches!(error, StorageError::Damaged { at: 32, .. }),
        "{error}"
    );
}

#[test]
fn a_damaged_newest_snapshot_is_passed_over() {
    let disk = SimDisk::default();
    let (mut wal, mut state) = recover(&disk).unwrap();
    work(&disk, &mut wal, &mut state, 30).unwrap();
    drop(wal);
    // Snapshots stand at 13 and 26.
    disk.flip("snapshot-00000000000000000026", 60);
    let (_, found) = recover(&disk).unwrap();
    assert_eq!(found, state);
    disk.flip("snapshot-00000000000000000013", 60);
    let error = recover(&disk).err();
    // The log from the beginning is there still, or it is said which snapshots are bad: never an empty state.
    match error {
        None => {}
        Some(StorageError::Snapshots(names)) => {
            assert!(names.contains("26") && names.contains("13"))
        }
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let disk = SimDisk::default();
    disk.set_capacity(9000);
    let (mut wal, mut state) = recover(&disk).unwrap();
    let error = work(&disk, &mut wal, &mut state, 60).unwrap_err();
    assert!(matches!(error, StorageError::Full { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("the disk is full") && !text.contains('\n'),
        "{text}"
    );
    drop(wal);
    disk.set_capacity(usize::MAX);
    let (_, found) = recover(&disk).unwrap();
    assert_eq!(found, state);
}

#[test]
fn a_failed_sync_is_not_acknowledged_and_ends_the_log() {
    let disk = SimDisk::default();
    let (wal, _) = recover(&disk).unwrap();
    let mut log = LocalLog::start(wal).unwrap();
    let mut committed = log.committed();
    disk.fail_syncs();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(log.propose(payload(0)).unwrap(), 1);
    let seen = runtime
        .block_on(committed.wait_for(|state| state.failure.is_some() || state.index > 0))
        .unwrap()
        .clone();
    assert_eq!(seen.index, 0);
    let failure = seen.failure.unwrap().to_string();
    assert!(failure.contains("cannot sync"), "{failure}");
}

#[test]
fn entries_become_durable_in_the_order_they_were_handed_over() {
    let disk = SimDisk::default();
    let (wal, _) = recover(&disk).unwrap();
    let mut log = LocalLog::start(wal).unwrap();
    let mut committed = log.committed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for number in 0..5 {
        let index = log.propose(payload(number)).unwrap();
        assert_eq!(index, number + 1);
        runtime
            .block_on(committed.wait_for(|state| state.index == index))
            .unwrap();
    }
    log.close();
    let (_, found) = recover(&disk).unwrap();
    assert_eq!(found, (0..5).map(payload).collect::<State>());
}

#[test]
fn a_second_scheduler_is_told_who_holds_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (held, _) = claim(directory.path()).unwrap();
    let error = claim(directory.path()).err().expect("it is taken");
    let text = error.to_string();
    assert!(
        text.contains(&format!("in use by process {}", std::process::id())),
        "{text}"
    );
    drop(held);
    // The file with the old pid in it is still there.
    assert!(directory.path().join("lock").exists());
    claim(directory.path()).unwrap();
}

#[test]
fn a_real_directory_is_recovered() {
    let directory = tempfile::tempdir().unwrap();
    let (_lock, disk) = claim(directory.path()).unwrap();
    let replayed = |disk: &Arc<dyn Disk>| {
        let mut found = Vec::new();
        let wal = open(
            disk,
            options(),
            |_| Ok(()),
            |record| {
                found.push(record.payload);
                Ok(())
            },
        )
        .unwrap();
        (wal, found)
    };
    let (mut wal, _) = replayed(&disk);
    for number in 0..30 {
        wal.append(&payload(number)).unwrap();
        wal.prepare().unwrap();
    }
    drop(wal);
    let (wal, found) = replayed(&disk);
    assert_eq!(found, (0..30).map(payload).collect::<State>());
    assert_eq!(wal.term(), 2, "a new process writes in a new term");
}
