//! Watching things again and again, until stopped: by a host's observer, or by the scheduler.

mod ask;
mod backups;
mod configs;
mod job_file;
mod look;
mod page;
mod seek;
mod tail;

use std::time::Duration;

use aurora_client::http::{HttpError, describe};
use aurora_client::observer::{LogStream, Observer};
use aurora_tui_model::event::{Event, Seen, Stream, Watch, WatchWhat};
use tokio::time::Instant;

pub(crate) use self::ask::ask;
pub(crate) use self::job_file::{ask as ask_of_files, is_of_files};
use self::look::{look_at_directory, look_at_task};
use self::tail::{Tailed, TailedWhat, tail};
use crate::data::{Events, report};

const TASK_PERIOD: Duration = Duration::from_secs(1);
const HISTORY_PERIOD: Duration = Duration::from_secs(10);
const DIRECTORY_PERIOD: Duration = Duration::from_secs(2);
const TROUBLE_PERIOD: Duration = Duration::from_secs(1);
/// A pause is at least so many times as long as the look before it: whoever takes long to answer has much to do, or much to
/// tell.
const REST: u32 = 4;

/// Watches until nobody listens.
pub(crate) async fn watch(observer: Observer, generation: u64, watch: Watch, events: Events) {
    let Watch { task, what, .. } = watch;
    match what {
        // The scheduler is asked, not an observer.
        WatchWhat::Ask(_) | WatchWhat::Page(_) => {}
        WatchWhat::History => {
            poll(
                &Looked {
                    task,
                    at: LookedAt::History(observer),
                },
                generation,
                &events,
                HISTORY_PERIOD,
            )
            .await;
        }
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
    /// What it used.
    History(Observer),
}

/// Something that is looked at as a whole.
trait Look {
    fn look(&self) -> impl Future<Output = Result<Seen, String>> + Send;
}

impl Look for Looked {
    async fn look(&self) -> Result<Seen, String> {
        self.read().await.map_err(|error| describe(&error))
    }
}

impl Looked {
    async fn read(&self) -> Result<Seen, HttpError> {
        match &self.at {
            LookedAt::Task(observer) => look_at_task(observer, &self.task).await,
            LookedAt::Directory(observer, path) => {
                look_at_directory(observer, &self.task, path).await
            }
            LookedAt::History(observer) => Ok(match observer.history(&self.task).await? {
                Some(history) => Seen::History(history),
                None => Seen::Absent("This observer keeps no history.".to_owned()),
            }),
        }
    }
}

/// Looks again and again; what did not change is not reported again.
async fn poll(looked: &impl Look, generation: u64, events: &Events, period: Duration) {
    let mut last = None;
    loop {
        let begun = Instant::now();
        let (seen, pause) = match looked.look().await {
            Ok(seen) => (seen, period),
            Err(why) => (Seen::Trouble(why), TROUBLE_PERIOD),
        };
        let pause = pause.max(begun.elapsed() * REST);
        if last.as_ref() != Some(&seen) {
            if !report(events, Event::Seen(generation, seen.clone())).await {
                return;
            }
            last = Some(seen);
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::mpsc;

    use super::*;

    /// Answers after a time, and notes when it was asked.
    struct Slow {
        takes: Duration,
        begun: Instant,
        asked: Mutex<Vec<u64>>,
    }

    impl Look for Slow {
        async fn look(&self) -> Result<Seen, String> {
            self.asked
                .lock()
                .unwrap()
                .push(self.begun.elapsed().as_secs());
            tokio::time::advance(self.takes).await;
            Ok(Seen::Absent("nothing".to_owned()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_slowly_is_asked_seldom() {
        for (takes, expected) in [
            (0, [0, 5, 10, 15]),
            (1, [0, 6, 12, 18]),
            (10, [0, 50, 100, 150]),
        ] {
            let slow = Slow {
                takes: Duration::from_secs(takes),
                begun: Instant::now(),
                asked: Mutex::default(),
            };
            let (events, _heard) = mpsc::channel(4);
            let watched = poll(&slow, 0, &events, Duration::from_secs(5));
            let patience = Duration::from_secs(expected[3] + takes);
            assert!(tokio::time::timeout(patience, watched).await.is_err());
            assert_eq!(*slow.asked.lock().unwrap(), expected, "{takes}");
        }
    }
}
