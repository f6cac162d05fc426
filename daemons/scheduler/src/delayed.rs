//! An engine whose log takes a given time for an entry, whatever the disk does: what batching earns, for benchmarks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aurora_daemon::lifecycle::Shutdown;
use aurora_mesos::v1::TaskStatus;
use tokio::sync::{mpsc, watch};

use crate::core::{Config, MesosCall, MesosEvent, Millis, Store};
use crate::engine::{Engine, Parts, Start};
use crate::feed::Hub;
use crate::storage::{Committed, Log, RealDisk, StorageError};
use crate::watch::Watch;

/// What it took to make statuses durable and visible.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    /// From the first status handed over to the last one acknowledged.
    pub took: Duration,
    /// Entries that the log got.
    pub entries: u64,
}

/// A log that keeps nothing and takes a time for each entry.
struct DelayedLog {
    delay: Duration,
    entries: Arc<AtomicU64>,
    committed: watch::Sender<Committed>,
}

impl Log for DelayedLog {
    fn propose(&mut self, _payload: Vec<u8>) -> Result<u64, StorageError> {
        let index = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        let (delay, committed) = (self.delay, self.committed.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            committed.send_modify(|state| state.index = index);
        });
        Ok(index)
    }

    fn committed(&self) -> watch::Receiver<Committed> {
        self.committed.subscribe()
    }

    fn release(&mut self, _index: u64) -> Result<(), StorageError> {
        Ok(())
    }

    fn term(&self) -> u64 {
        1
    }

    fn close(&mut self) {}
}

/// Hands statuses over one by one, as Mesos does, and waits until each is acknowledged, which it is once what it changed is
/// durable and published. Each has to have a uuid.
///
/// # Errors
/// The runtime could not be started, or the engine ended.
pub fn deliver(
    config: Config,
    store: Store,
    statuses: Vec<TaskStatus>,
    delay: Duration,
) -> io::Result<Delivered> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(delivered(config, store, statuses, delay))
}

async fn delivered(
    config: Config,
    store: Store,
    statuses: Vec<TaskStatus>,
    delay: Duration,
) -> io::Result<Delivered> {
    let (calls, mut heard) = mpsc::channel(2 * statuses.len() + 16);
    let entries = Arc::new(AtomicU64::new(0));
    let (committed, mut follower) = watch::channel(Committed::default());
    let parts = Parts {
        config,
        log: DelayedLog {
            delay,
            entries: Arc::clone(&entries),
            committed,
        },
        disk: Arc::new(RealDisk::open(&std::env::temp_dir())?),
        clock: Box::new(milliseconds),
        snapshot_interval: Duration::from_secs(86_400),
        log_size: Arc::default(),
        calls,
        questions: mpsc::channel(1).0,
        hub: Arc::new(Hub::new(store.view(), &[], 0)),
        metrics: Arc::default(),
        watch: Watch::new(Arc::default(), None),
        backups: None,
    };
    let start = Start {
        store,
        stamp: 0,
        index: 0,
    };
    let (engine, handle) = Engine::new(start, parts);
    let shutdown = Shutdown::new();
    let running = tokio::spawn(engine.run(shutdown.clone()));
    // What it writes when it begins is not counted.
    handle.look(|_| ()).await.map_err(io::Error::other)?;
    let before = entries.load(Ordering::Relaxed);
    let is_done = |state: &Committed| state.index >= before;
    follower.wait_for(is_done).await.map_err(io::Error::other)?;

    let (began, count) = (Instant::now(), statuses.len());
    for status in statuses {
        let event = MesosEvent::Status(vec![status]);
        handle.mesos(event).await.map_err(io::Error::other)?;
    }
    let mut acknowledged = 0;
    while acknowledged < count {
        let call = heard.recv().await;
        let call = call.ok_or_else(|| io::Error::other("the engine ended"))?;
        acknowledged += usize::from(matches!(call, MesosCall::Acknowledge { .. }));
    }
    let delivered = Delivered {
        took: began.elapsed(),
        entries: entries.load(Ordering::Relaxed) - before,
    };
    shutdown.trigger();
    let ended = running.await.map_err(io::Error::other)?;
    ended.map_err(io::Error::other)?;
    Ok(delivered)
}

fn milliseconds() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    })
}

#[cfg(test)]
mod tests {
    use aurora_api::model::{Range, ScheduleStatus};
    use aurora_mesos::v1::TaskState;

    use super::*;
    use crate::core::Op;
    use crate::core::store::ConfigId;
    use crate::engine::tests::job;

    /// What arrives while an entry is written makes the next one, however much it is.
    #[test]
    fn a_thousand_statuses_take_two_entries() {
        let mut store = Store::default();
        let mut apply = |op: Op| store.apply(&op).unwrap();
        apply(Op::AddConfig {
            id: ConfigId(0),
            config: job("many", 1_000).task_config.into(),
        });
        apply(Op::InsertTasks {
            config: ConfigId(0),
            instances: vec![Range {
                first: 0,
                last: 999,
            }],
            seed: 1,
            time: 1,
        });
        let view = store.view();
        let ids: Vec<_> = view.slots().map(|(_, task)| task.id()).collect();
        for task in &ids {
            store
                .apply(&Op::Assign {
                    task: Arc::clone(task),
                    agent: "agent".into(),
                    host: "host".into(),
                    ports: Vec::new(),
                    time: 2,
                })
                .unwrap();
            store
                .apply(&Op::SaveStatus {
                    task: Arc::clone(task),
                    status: ScheduleStatus::Starting,
                    message: None,
                    time: 3,
                })
                .unwrap();
        }
        let statuses = ids.iter().map(|id| TaskStatus {
            task_id: (&**id).into(),
            agent_id: Some("agent".into()),
            state: TaskState::Running,
            uuid: Some(vec![7; 16].into()),
            ..TaskStatus::default()
        });
        // Longer than a slow machine needs to decide on a thousand statuses.
        let delay = Duration::from_millis(500);
        let delivered = deliver(Config::default(), store, statuses.collect(), delay).unwrap();
        assert_eq!(delivered.entries, 2, "{delivered:?}");
        assert!(delivered.took >= 2 * delay, "{delivered:?}");
    }
}
