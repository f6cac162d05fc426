//! Watching things again and again, until stopped: by a host's observer, or by the scheduler.

mod look;
mod tail;

use std::time::Duration;

use aurora_client::http::{HttpError, describe};
use aurora_client::observer::{LogStream, Observer};
use aurora_client::scheduler::Scheduler;
use aurora_tui_model::event::{Event, Seen, Stream, Watch, WatchWhat};

use self::look::{look_at_directory, look_at_task};
use self::tail::{Tailed, TailedWhat, tail};
use crate::data::{Events, report};

const TASK_PERIOD: Duration = Duration::from_secs(1);
const WHY_PERIOD: Duration = Duration::from_secs(2);
const DIRECTORY_PERIOD: Duration = Duration::from_secs(2);
const TROUBLE_PERIOD: Duration = Duration::from_secs(1);

/// Watches until nobody listens.
pub(crate) async fn watch(observer: Observer, generation: u64, watch: Watch, events: Events) {
    let Watch { task, what, .. } = watch;
    match what {
        // The scheduler explains, not an observer.
        WatchWhat::Why => {}
        WatchWhat::Task => {
            poll(
                &Looked {
                    task,
                    at: LookedAt::Task(observer),
                },
                generation,
                &events,
                TASK_PERIOD,
            )
            .await
        }
        WatchWhat::Directory(path) => {
            poll(
                &Looked {
                    task,
                    at: LookedAt::Directory(observer, path),
                },
                generation,
                &events,
                DIRECTORY_PERIOD,
            )
            .await;
        }
        WatchWhat::File { path, start } => {
            tail(
                &Tailed {
                    observer,
                    task,
                    what: TailedWhat::File(path),
                },
                start,
                generation,
                &events,
            )
            .await;
        }
        WatchWhat::Log {
            process,
            run,
            stream,
            start,
        } => {
            let stream = match stream {
                Stream::Stdout => LogStream::Stdout,
                Stream::Stderr => LogStream::Stderr,
            };
            tail(
                &Tailed {
                    observer,
                    task,
                    what: TailedWhat::Log(process, run, stream),
                },
                start,
                generation,
                &events,
            )
            .await;
        }
    }
}

/// Something of a task that is looked at as a whole.
struct Looked {
    task: String,
    at: LookedAt,
}

enum LookedAt {
    /// Its processes.
    Task(Observer),
    /// A directory of its sandbox.
    Directory(Observer, String),
    /// Why it is as it is.
    Why(Scheduler),
}

impl Looked {
    async fn look(&self) -> Result<Seen, HttpError> {
        match &self.at {
            LookedAt::Task(observer) => look_at_task(observer, &self.task).await,
            LookedAt::Directory(observer, path) => {
                look_at_directory(observer, &self.task, path).await
            }
            LookedAt::Why(scheduler) => Ok(match scheduler.explain(&self.task).await? {
                Some(answer) => Seen::Why(answer),
                None => Seen::Absent("The scheduler does not know this task.".to_owned()),
            }),
        }
    }
}

/// Asks the scheduler again and again why a task is as it is.
pub(crate) async fn explain(scheduler: Scheduler, generation: u64, task: String, events: Events) {
    let looked = Looked {
        task,
        at: LookedAt::Why(scheduler),
    };
    poll(&looked, generation, &events, WHY_PERIOD).await;
}

/// Looks again and again; what did not change is not reported again.
async fn poll(looked: &Looked, generation: u64, events: &Events, period: Duration) {
    let mut last = None;
    loop {
        let (seen, pause) = match looked.look().await {
            Ok(seen) => (seen, period),
            Err(error) => (Seen::Trouble(describe(&error)), TROUBLE_PERIOD),
        };
        if last.as_ref() != Some(&seen) {
            if !report(events, Event::Seen(generation, seen.clone())).await {
                return;
            }
            last = Some(seen);
        }
        tokio::time::sleep(pause).await;
    }
}
