//! The engine with a log that the test commits by hand, and with a disk that loses power.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use aurora_api::model::{
    ExecutorConfig, JobConfiguration, JobKey, Range, Resource, ResponseCode, ScheduleStatus,
    TaskConfig, TaskQuery,
};
use aurora_api::service::Call;
use aurora_api::service::arguments::CreateJob;
use aurora_mesos::v1;

use super::*;
use crate::core::store::{ConfigId, TaskId, encode_snapshot};
use crate::core::{MesosEvent, Op, Store};
use crate::recovery::recover;
use crate::storage::sim::SimDisk;
use crate::storage::{LocalLog, WalOptions};

/// A log whose entries become durable when the test says so.
struct ManualLog {
    entries: Arc<Mutex<Vec<Vec<u8>>>>,
    committed: watch::Receiver<Committed>,
}

impl Log for ManualLog {
    fn propose(&mut self, payload: Vec<u8>) -> Result<u64, StorageError> {
        let mut entries = self.entries.lock().unwrap();
        entries.push(payload);
        Ok(entries.len() as u64)
    }
    fn committed(&self) -> watch::Receiver<Committed> {
        self.committed.clone()
    }
    fn release(&mut self, _index: u64) -> Result<(), StorageError> {
        Ok(())
    }
    fn term(&self) -> u64 {
        1
    }
    fn close(&mut self) {}
}

pub(crate) fn job(name: &str, instances: i32) -> JobConfiguration {
    let key = JobKey::new("www-data", "devel", name);
    JobConfiguration {
        key: key.clone(),
        instance_count: instances,
        task_config: TaskConfig {
            job: key,
            is_service: true,
            max_task_failures: 1,
            resources: [
                Resource::NumCpus(0.5.into()),
                Resource::RamMb(64),
                Resource::DiskMb(64),
            ]
            .into(),
            executor_config: Some(ExecutorConfig {
                name: Some("AuroraExecutor".to_owned()),
                data: Some("{}".to_owned()),
            }),
            ..TaskConfig::default()
        },
        ..JobConfiguration::default()
    }
}

pub(crate) fn create(name: &str, instances: i32) -> Call {
    CreateJob {
        description: Some(job(name, instances)),
    }
    .into()
}

pub(crate) fn parts<L: Log>(log: L, disk: Arc<dyn Disk>) -> (Parts<L>, mpsc::Receiver<MesosCall>) {
    let (calls, receiver) = mpsc::channel(1024);
    let time = AtomicI64::new(1_000_000);
    let parts = Parts {
        config: Config::default(),
        log,
        disk,
        clock: Box::new(move || time.fetch_add(1, Ordering::Relaxed)),
        snapshot_interval: Duration::from_secs(3600),
        log_size: Arc::default(),
        calls,
        questions: mpsc::channel(1).0,
        hub: Arc::new(Hub::new(Store::default().view(), &[], 0)),
        metrics: Arc::default(),
        watch: Watch::new(Arc::default(), None),
        backups: None,
    };
    (parts, receiver)
}

fn empty_start() -> Start {
    Start {
        store: Store::default(),
        stamp: 0,
        index: 0,
    }
}

fn tasks(handle: &Handle) -> usize {
    handle.durable().view.tasks(&TaskQuery::default()).count()
}

/// Lets every ready task run.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_is_visible_before_it_is_durable() {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let (commit, committed) = watch::channel(Committed::default());
    let log = ManualLog {
        entries: entries.clone(),
        committed,
    };
    let (parts, mut calls) = parts(log, Arc::new(SimDisk::default()));
    let hub = parts.hub.clone();
    let (engine, handle) = Engine::new(empty_start(), parts);
    let shutdown = Shutdown::new();
    let running = tokio::spawn(engine.run(shutdown.clone()));
    settle().await;
    // The core signs its name before anything else.
    let first = entries.lock().unwrap().len() as u64;
    let commit_up_to = |index| commit.send_modify(|state: &mut Committed| state.index = index);
    commit_up_to(first);
    settle().await;

    let writer = handle.clone();
    let one = tokio::spawn(async move { writer.write("u".into(), create("one", 2)).await });
    settle().await;
    assert_eq!(entries.lock().unwrap().len() as u64, first + 1);
    // While the entry is on its way, two more changes come in: they make one entry, not two.
    let (second, third) = (handle.clone(), handle.clone());
    let two = tokio::spawn(async move { second.write("u".into(), create("two", 1)).await });
    let three = tokio::spawn(async move { third.write("u".into(), create("three", 1)).await });
    let refused = handle.clone();
    let again = tokio::spawn(async move { refused.write("u".into(), create("one", 1)).await });
    settle().await;
    assert_eq!(
        entries.lock().unwrap().len() as u64,
        first + 1,
        "the next entry waits for the one under way"
    );
    assert!(!one.is_finished(), "no reply before the entry is durable");
    assert!(
        !again.is_finished(),
        "a refusal that rests on an entry waits for it too"
    );
    assert_eq!(tasks(&handle), 0, "readers see durable state alone");
    assert_eq!(hub.newest().1.index, first);
    assert!(calls.try_recv().is_err());

    commit_up_to(first + 1);
    let reply = one.await.unwrap().unwrap();
    assert_eq!(reply.response_code, ResponseCode::Ok, "{reply:?}");
    assert_eq!(
        tasks(&handle),
        2,
        "whoever has the reply can read the change"
    );
    settle().await;
    assert_eq!(
        entries.lock().unwrap().len() as u64,
        first + 2,
        "what came in meanwhile is one entry"
    );
    assert!(!two.is_finished() && !three.is_finished() && !again.is_finished());
    commit_up_to(first + 2);
    assert_eq!(two.await.unwrap().unwrap().response_code, ResponseCode::Ok);
    assert_eq!(
        three.await.unwrap().unwrap().response_code,
        ResponseCode::Ok
    );
    assert_eq!(
        again.await.unwrap().unwrap().response_code,
        ResponseCode::InvalidRequest
    );
    assert_eq!(tasks(&handle), 4);
    assert_eq!(hub.newest().1.index, first + 2);

    // The end: what was accepted is answered first.
    let last = handle.clone();
    let four = tokio::spawn(async move { last.write("u".into(), create("four", 1)).await });
    settle().await;
    shutdown.trigger();
    settle().await;
    assert!(!running.is_finished());
    commit_up_to(first + 3);
    assert_eq!(four.await.unwrap().unwrap().response_code, ResponseCode::Ok);
    running.await.unwrap().unwrap();
    assert!(handle.write("u".into(), create("five", 1)).await.is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn a_failed_log_ends_the_engine_without_a_reply() {
    let disk = SimDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let recovered = recover(&shared, small()).unwrap();
    let (start, wal) = Start::of(recovered);
    let (parts, _calls) = parts(LocalLog::start(wal).unwrap(), shared);
    let (engine, handle) = Engine::new(start, parts);
    let running = tokio::spawn(engine.run(Shutdown::new()));
    let reply = handle.write("u".into(), create("one", 1)).await.unwrap();
    assert_eq!(reply.response_code, ResponseCode::Ok);
    disk.fail_syncs();
    assert!(handle.write("u".into(), create("two", 1)).await.is_err());
    let error = running.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("cannot sync"), "{error}");
    assert_eq!(tasks(&handle), 1);
}

pub(crate) fn small() -> WalOptions {
    WalOptions {
        first_segment: 4096,
        segment: 8192,
        step: 4096,
        spares: 1,
    }
}

/// Creates jobs until power is lost; the number of acknowledged ones, and the last durable view's bytes.
fn live(disk: &SimDisk, first: usize, jobs: usize) -> (usize, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let Ok(recovered) = recover(&shared, small()) else {
            return (first, Vec::new());
        };
        let (start, wal) = Start::of(recovered);
        let (parts, _calls) = parts(LocalLog::start(wal).unwrap(), shared);
        let (engine, handle) = Engine::new(start, parts);
        let shutdown = Shutdown::new();
        let running = tokio::spawn(engine.run(shutdown.clone()));
        let mut acknowledged = first;
        for number in first..first + jobs {
            match handle
                .write("u".into(), create(&format!("job{number}"), 3))
                .await
            {
                Ok(response) => {
                    assert_eq!(response.response_code, ResponseCode::Ok, "{response:?}")
                }
                Err(Ending) => break,
            }
            acknowledged = number + 1;
            if number % 5 == 4 {
                // It may fail when power is lost in it; what counts is what is recovered.
                let _ = handle.snapshot().await;
            }
        }
        shutdown.trigger();
        // An error is what is expected when power was lost.
        let _ = running.await.unwrap();
        (acknowledged, encode_snapshot(&handle.durable().view))
    })
}

#[test]
fn acknowledged_jobs_survive_power_loss_and_memory_equals_snapshot_and_log() {
    let whole = SimDisk::default();
    let (acknowledged, memory) = live(&whole, 0, 12);
    assert_eq!(acknowledged, 12);
    let shared: Arc<dyn Disk> = Arc::new(whole.clone());
    let found = recover(&shared, small()).unwrap();
    assert_eq!(encode_snapshot(&found.store.view()), memory, "replay");
    let operations = whole.operations();
    assert!(operations > 40, "{operations}");

    for crash_at in 0..operations {
        let disk = SimDisk::default();
        disk.crash_at(crash_at);
        let (acknowledged, _) = live(&disk, 0, 12);
        let disk = disk.after_power_loss(crash_at);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let found = recover(&shared, small())
            .unwrap_or_else(|error| panic!("power lost at {crash_at}: {error}"));
        let view = found.store.view();
        let jobs = view.jobs().count();
        assert!(
            (acknowledged..=acknowledged + 1).contains(&jobs),
            "power lost at {crash_at}: {acknowledged} acknowledged, {jobs} found"
        );
        assert_eq!(view.task_count(), jobs * 3, "whole transactions alone");
        drop(found);
        let (after, memory) = live(&disk, jobs, 3);
        assert_eq!(after, jobs + 3, "power lost at {crash_at}");
        let again = recover(&shared, small()).unwrap();
        assert_eq!(
            encode_snapshot(&again.store.view()),
            memory,
            "power lost at {crash_at}: replay"
        );
    }
}

#[test]
fn time_never_goes_back() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::default());
    let recovered = recover(&disk, small()).unwrap();
    let (mut start, wal) = Start::of(recovered);
    start.stamp = 5_000_000;
    // The clock of these tests begins at 1,000,000.
    let (parts, _calls) = parts(LocalLog::start(wal).unwrap(), disk);
    let (mut engine, _handle) = Engine::new(start, parts);
    let now = engine.now();
    assert!((5_000_000..5_060_000).contains(&now), "{now}");
}

/// A state with one task, which runs; its id.
fn running() -> (Store, TaskId) {
    let mut store = Store::default();
    let mut apply = |op: Op| store.apply(&op).unwrap();
    apply(Op::AddConfig {
        id: ConfigId(0),
        config: job("one", 1).task_config.into(),
    });
    apply(Op::InsertTasks {
        config: ConfigId(0),
        instances: vec![Range { first: 0, last: 0 }],
        seed: 1,
        time: 1,
    });
    let all = TaskQuery::default();
    let id = store.read().tasks(&all).next().unwrap().id();
    let ops = [
        Op::Assign {
            task: id.clone(),
            agent: "agent".into(),
            host: "host".into(),
            ports: Vec::new(),
            time: 2,
        },
        Op::SaveStatus {
            task: id.clone(),
            status: ScheduleStatus::Running,
            message: None,
            time: 3,
        },
    ];
    for op in ops {
        store.apply(&op).unwrap();
    }
    (store, id)
}

#[tokio::test(flavor = "current_thread")]
async fn a_status_is_acknowledged_once_it_is_durable() {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let (commit, committed) = watch::channel(Committed::default());
    let log = ManualLog {
        entries: entries.clone(),
        committed,
    };
    let (parts, mut calls) = parts(log, Arc::new(SimDisk::default()));
    let (store, id) = running();
    let start = Start {
        store,
        ..empty_start()
    };
    let (engine, handle) = Engine::new(start, parts);
    let shutdown = Shutdown::new();
    let running = tokio::spawn(engine.run(shutdown.clone()));
    let durable = || {
        let index = entries.lock().unwrap().len() as u64;
        commit.send_modify(|state: &mut Committed| state.index = index);
    };
    settle().await;
    durable();
    settle().await;
    while calls.try_recv().is_ok() {}
    let status = v1::TaskStatus {
        task_id: (&*id).into(),
        agent_id: Some("agent".into()),
        state: v1::TaskState::Failed,
        uuid: Some(vec![7; 16].into()),
        ..v1::TaskStatus::default()
    };
    let before = entries.lock().unwrap().len();
    handle
        .mesos(MesosEvent::Status(vec![status]))
        .await
        .unwrap();
    settle().await;
    assert!(entries.lock().unwrap().len() > before, "nothing is written");
    let is_acknowledged = |calls: &mut mpsc::Receiver<MesosCall>| {
        std::iter::from_fn(|| calls.try_recv().ok())
            .any(|call| matches!(call, MesosCall::Acknowledge { .. }))
    };
    assert!(!is_acknowledged(&mut calls), "before it is durable");
    durable();
    settle().await;
    assert!(is_acknowledged(&mut calls), "once it is durable");
    shutdown.trigger();
    running.await.unwrap().unwrap();
}
