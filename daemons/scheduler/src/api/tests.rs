//! The service over an engine whose disk is in memory.

use super::*;
use crate::backups::Backups;
use crate::engine::tests::{create, parts, small};
use crate::engine::{Engine, EngineError, Start};
use crate::recovery::recover;
use crate::storage::sim::SimDisk;
use crate::storage::{Disk, LocalLog};
use aurora_api::service::arguments;
use aurora_daemon::lifecycle::Shutdown;
use tokio::task::JoinHandle;

/// A service, and the end of its engine.
struct Served {
    api: Api,
    disk: SimDisk,
    engine: JoinHandle<Result<(), EngineError>>,
    _backups: tempfile::TempDir,
}

impl Served {
    fn start() -> Served {
        let disk = SimDisk::default();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (start, wal) = Start::of(recover(&shared, small()).unwrap());
        let (parts, _calls) = parts(LocalLog::start(wal).unwrap(), shared);
        let (config, metrics) = (Arc::new(parts.config.clone()), parts.metrics.clone());
        let (engine, handle) = Engine::new(start, parts);
        let place = tempfile::tempdir().unwrap();
        let backups = Backups::new(place.path(), 1, 1, 0, metrics.clone()).unwrap();
        let clock = || 1_000_000;
        Served {
            api: Api {
                config,
                handle,
                metrics,
                server_info: ServerInfo::default(),
                recovery: Recovery::new(Arc::new(backups), clock),
                clock,
            },
            disk,
            engine: tokio::spawn(engine.run(Shutdown::new())),
            _backups: place,
        }
    }

    async fn answer(&self, call: impl Into<Call>) -> Response {
        let form = Form::Thrift(Protocol::Binary, 1);
        let body = self.api.perform(call.into(), "u".to_owned(), form).await;
        message::decode_reply(Protocol::Binary, &body.unwrap()).unwrap()
    }
}

/// What was promised can still be read; what would change something is refused with the code that clients try again after.
#[tokio::test(flavor = "current_thread")]
async fn a_scheduler_that_cannot_write_answers_error_transient() {
    let served = Served::start();
    let made = served.answer(create("one", 1)).await;
    assert_eq!(made.response_code, ResponseCode::Ok, "{made:?}");
    served.disk.fail_syncs();
    // The one that meets the failure, and those that find nobody there.
    for name in ["two", "three"] {
        let refused = served.answer(create(name, 1)).await;
        assert_eq!(refused.response_code, ResponseCode::ErrorTransient);
        let said: Vec<&str> = refused
            .details
            .iter()
            .filter_map(|part| part.message.as_deref())
            .collect();
        assert_eq!(said, ["the scheduler is ending"]);
    }
    let refused = served.answer(arguments::Snapshot {}).await;
    assert_eq!(refused.response_code, ResponseCode::ErrorTransient);
    let read = served.answer(arguments::GetRoleSummary {}).await;
    assert_eq!(read.response_code, ResponseCode::Ok);
    served.engine.await.unwrap().unwrap_err();
}

/// Every call, with nothing said and then about a job that is there: a result or a refusal, and never a warning.
#[tokio::test(flavor = "current_thread")]
async fn every_call_ends_in_a_result_or_a_refusal() {
    let served = Served::start();
    served.answer(create("one", 1)).await;
    let job = r#"{"role": "www-data", "environment": "devel", "name": "one"}"#;
    let about = format!(
        r#"{{"job": {job}, "jobKey": {job}, "ownerRole": "www-data", "role": "www-data", "query": {{"role": "www-data"}}}}"#
    );
    for method in Call::METHODS {
        for arguments in ["{}", &about] {
            let call = beta::call(method, arguments.as_bytes()).unwrap();
            let code = served.answer(call).await.response_code;
            let is_told = matches!(
                code,
                ResponseCode::Ok | ResponseCode::InvalidRequest | ResponseCode::Error
            );
            assert!(is_told, "{method} {arguments}: {code}");
        }
    }
}
