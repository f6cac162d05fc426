//! A recorded session as a source: the workbench runs on it as on a cluster, at any speed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aurora_api::feed::Line;
use aurora_tui_model::actions::Progress;
use aurora_tui_model::event::{Call, Event, Launch, Seen, Watch};
use aurora_tui_model::store;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::data::{Events, Job, Source, report};
use crate::tape::{self, Head, Piece};

/// A session that is played.
#[derive(Clone)]
pub(crate) struct Replay {
    pieces: Arc<Vec<(i64, Piece)>>,
    head: Head,
    end_ms: i64,
    began: Instant,
    speed: f64,
}

impl Replay {
    /// Reads a session; `speed` 1 plays it as it was, 0 all at once. Must be made inside a tokio runtime.
    pub(crate) fn open(path: &Path, speed: f64) -> anyhow::Result<Replay> {
        let (head, pieces) = tape::read(path)?;
        let end_ms = pieces.last().map_or(head.begin_ms, |(at_ms, _)| *at_ms);
        Ok(Replay {
            pieces: Arc::new(pieces),
            head,
            end_ms,
            began: Instant::now(),
            speed,
        })
    }

    /// The cluster of which it is.
    pub(crate) fn cluster(&self) -> &str {
        &self.head.cluster
    }

    fn now(&self) -> i64 {
        if self.speed <= 0.0 {
            return self.end_ms;
        }
        let passed = self.began.elapsed().as_secs_f64() * self.speed * 1000.0;
        // The cast saturates, and what is behind the end is the end.
        self.head
            .begin_ms
            .saturating_add(passed as i64)
            .min(self.end_ms)
    }

    async fn until(&self, at_ms: i64) {
        let left = at_ms.saturating_sub(self.now());
        if left > 0 && self.speed > 0.0 {
            let seconds = left as f64 / 1000.0 / self.speed;
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
    }

    /// What was found by the latest watch of this kind that had begun, else by the first one that was to begin.
    fn finds(&self, wanted: &Watch) -> Option<(usize, u64)> {
        let now_ms = self.now();
        let starts = || {
            let pieces = self.pieces.iter().enumerate();
            pieces.filter_map(|(at, (at_ms, piece))| match piece {
                Piece::Start(generation, watch) if watch == wanted => {
                    Some((at, *at_ms, *generation))
                }
                _ => None,
            })
        };
        let begun = starts().take_while(|(_, at_ms, _)| *at_ms <= now_ms).last();
        let (at, _, generation) = begun.or_else(|| starts().next())?;
        Some((at, generation))
    }
}

/// The topic that a line is of; none: of the feed itself.
fn is_of(line: &Line, topic: &str) -> bool {
    match line {
        Line::Snapshot(snapshot) => snapshot.topic == topic,
        Line::Task(task) => store::Tells::of(topic).has(task),
        Line::Counted(counted) => counted.topic == topic,
        Line::TaskRemoved(task) => {
            store::job_topic(&task.job) == topic || topic.starts_with("host/")
        }
        Line::Update(_) | Line::UpdateRemoved(_) => topic == store::UPDATES,
        Line::Maintenance(_) => topic == store::MAINTENANCE,
        Line::Audit(_) => topic == store::AUDIT,
        Line::Denied(denied) => denied == topic,
        _ => topic == store::SUMMARY,
    }
}

impl Source for Replay {
    fn now_ms(&self) -> i64 {
        self.now()
    }

    fn follow(&self, mut topics: watch::Receiver<BTreeSet<String>>, events: Events) -> Job {
        let replay = self.clone();
        Box::pin(async move {
            let mut followed = topics.borrow_and_update().clone();
            let mut at = 0;
            while let Some((at_ms, piece)) = replay.pieces.get(at) {
                tokio::select! {
                    biased;
                    changed = topics.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let wanted = topics.borrow_and_update().clone();
                        for topic in wanted.difference(&followed) {
                            if !replay.again(topic, at, &events).await {
                                return;
                            }
                        }
                        followed = wanted;
                        continue;
                    }
                    () = replay.until(*at_ms) => {}
                }
                let event = match piece {
                    Piece::Feed(line) if followed.iter().any(|topic| is_of(line, topic)) => {
                        Some(Event::Feed(*at_ms, line.clone()))
                    }
                    Piece::Link(link) => Some(Event::Link(*at_ms, link.clone())),
                    Piece::Lost(count) => Some(Event::Notice(format!(
                        "{count} pieces are missing in the recorded session"
                    ))),
                    Piece::Feed(_) | Piece::Start(..) | Piece::Seen(..) => None,
                };
                if let Some(event) = event
                    && !report(&events, event).await
                {
                    return;
                }
                at += 1;
            }
            report(
                &events,
                Event::Notice("the recorded session ends here".to_owned()),
            )
            .await;
            // What is asked for later is told of what there was.
            while topics.changed().await.is_ok() {
                let wanted = topics.borrow_and_update().clone();
                for topic in wanted.difference(&followed) {
                    if !replay.again(topic, at, &events).await {
                        return;
                    }
                }
                followed = wanted;
            }
        })
    }

    fn watch(&self, generation: u64, watch: Watch, events: Events) -> Job {
        let replay = self.clone();
        Box::pin(async move {
            let Some((at, recorded)) = replay.finds(&watch) else {
                let nothing = "This was not looked at when the session was recorded.".to_owned();
                report(&events, Event::Seen(generation, Seen::Absent(nothing))).await;
                return;
            };
            for (at_ms, piece) in replay.pieces.iter().skip(at) {
                if let Piece::Seen(of, seen) = piece
                    && *of == recorded
                {
                    replay.until(*at_ms).await;
                    if !report(&events, Event::Seen(generation, seen.clone())).await {
                        return;
                    }
                }
            }
        })
    }

    fn send(&self, call: Call, events: Events) -> Job {
        Box::pin(async move {
            let why = Progress::Refused("a recorded session is not changed".to_owned());
            report(&events, Event::Answer(call.id, why)).await;
        })
    }

    fn launch(&self, events: Events) -> Job {
        Box::pin(async move {
            let why = Launch::Failed("a recorded session is not changed".to_owned());
            report(&events, Event::Launch(why)).await;
        })
    }

    fn suggest(&self, _events: Events) -> Job {
        Box::pin(async {})
    }
}

impl Replay {
    /// Tells a topic's lines up to a piece once more.
    async fn again(&self, topic: &str, until: usize, events: &Events) -> bool {
        for (at_ms, piece) in self.pieces.iter().take(until) {
            if let Piece::Feed(line) = piece
                && (is_of(line, topic) || matches!(line, Line::Config(_)))
                && !report(events, Event::Feed(*at_ms, line.clone())).await
            {
                return false;
            }
        }
        true
    }
}
