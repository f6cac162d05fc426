//! Backups, and the way back to one (aurora: `Recovery.java`, `StorageBackup.java`).

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aurora_api::model::{
    ListBackupsResult, QueryRecoveryResult, Response, ResponseCode, Result as Payload, TaskQuery,
};
use aurora_api::service::Call;

use super::answer::{done, empty, error, ok};
use super::read::missing;
use crate::backups::Backups;
use crate::core::store::{TaskId, decode_snapshot, encode_snapshot};
use crate::core::{AuditRecord, Millis, Op, Store};
use crate::engine::Handle;

/// A backup that was loaded, to be looked at and changed before it becomes the state.
struct Staged {
    name: String,
    store: Store,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Recovery {
    backups: Arc<Backups>,
    staged: Arc<Mutex<Option<Staged>>>,
    clock: fn() -> Millis,
}

const NOTHING_LOADED: &str = "No backup loaded.";

impl Recovery {
    pub(crate) fn new(backups: Arc<Backups>, clock: fn() -> Millis) -> Recovery {
        Recovery {
            backups,
            staged: Arc::default(),
            clock,
        }
    }

    /// Answers a call about backups; gives back a call that is not.
    pub(super) async fn answer(
        &self,
        handle: &Handle,
        user: &str,
        call: Call,
    ) -> Result<Response, Box<Call>> {
        let this = self.clone();
        let durable = handle.durable();
        let work: Box<dyn FnOnce() -> Response + Send> = match call {
            Call::PerformBackup(_) => Box::new(move || {
                let saved = this.backups.save(&durable, (this.clock)());
                saved.map_or_else(|fault| error(fault.to_string()), |()| done())
            }),
            Call::ListBackups(_) => Box::new(move || this.list()),
            Call::StageRecovery(call) => {
                let name = call.backup_id.unwrap_or_default();
                Box::new(move || this.stage(name))
            }
            // A query that was left out is no query for everything.
            Call::QueryRecovery(call) => match call.query {
                Some(query) => Box::new(move || this.query(&query)),
                None => return Ok(missing("query")),
            },
            Call::DeleteRecoveryTasks(call) => match call.query {
                Some(query) => Box::new(move || this.delete(&query)),
                None => return Ok(missing("query")),
            },
            Call::CommitRecovery(_) => return Ok(self.commit(handle, user).await),
            Call::UnloadRecovery(_) => {
                *self.staged() = None;
                return Ok(done());
            }
            call => return Err(Box::new(call)),
        };
        // Files are read and written, and states made and taken apart.
        Ok(tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|fault| error(fault.to_string())))
    }

    fn staged(&self) -> MutexGuard<'_, Option<Staged>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Response {
        match self.backups.list() {
            Ok(backups) => ok(Payload::ListBackupsResult(ListBackupsResult { backups })),
            Err(fault) => error(fault.to_string()),
        }
    }

    fn stage(&self, name: String) -> Response {
        let path = self.backups.path(&name);
        let content = match self.backups.load(&name) {
            Ok(Some(content)) => content,
            Ok(None) => return error(format!("Backup {} does not exist.", path.display())),
            Err(fault) => return error(fault.to_string()),
        };
        let mut staged = self.staged();
        if staged.is_some() {
            return error("Another backup is already loaded.");
        }
        match decode_snapshot(&content) {
            Ok(store) => {
                *staged = Some(Staged { name, store });
                done()
            }
            Err(fault) => error(unreadable(&path, &fault)),
        }
    }

    fn query(&self, query: &TaskQuery) -> Response {
        let staged = self.staged();
        let Some(staged) = &*staged else {
            return error(NOTHING_LOADED);
        };
        let tasks = staged.store.read().tasks(query);
        let tasks = tasks.map(|task| task.to_thrift()).collect();
        ok(Payload::QueryRecoveryResult(QueryRecoveryResult { tasks }))
    }

    fn delete(&self, query: &TaskQuery) -> Response {
        let mut staged = self.staged();
        let Some(staged) = &mut *staged else {
            return error(NOTHING_LOADED);
        };
        let tasks = staged.store.read().tasks(query);
        let tasks: Vec<TaskId> = tasks.map(|task| task.id()).collect();
        match staged.store.apply(&Op::RemoveTasks { tasks }) {
            Ok(_) => done(),
            Err(fault) => error(fault.to_string()),
        }
    }

    /// Makes the staged backup the state. The scheduler ends afterwards and starts again from it.
    async fn commit(&self, handle: &Handle, user: &str) -> Response {
        let Some(Staged { name, mut store }) = self.staged().take() else {
            return error(NOTHING_LOADED);
        };
        let record = Arc::new(AuditRecord {
            time: (self.clock)(),
            user: user.to_owned(),
            method: "commitRecovery".to_owned(),
            target: "the whole state".to_owned(),
            detail: format!("from backup {name}"),
        });
        if let Err(fault) = store.apply(&Op::Audit { record }) {
            return error(fault.to_string());
        }
        match handle.restore(encode_snapshot(store.read())).await {
            Ok(Ok(())) => done(),
            Ok(Err(fault)) => error(fault),
            Err(ending) => empty(ResponseCode::ErrorTransient, ending.to_string()),
        }
    }
}

fn unreadable(path: &Path, fault: &dyn std::error::Error) -> String {
    format!("Backup {} cannot be read: {fault}", path.display())
}
