//! Following the scheduler's event feed (`GET /ext/v1/events`), across lost connections and failovers.
//!
//! A [`Feed`] is a channel of [`Item`]s, fed by a task of its own:
//!
//! ```no_run
//! # async fn run(target: &aurora_client::directory::Target) {
//! use aurora_client::feed::{Feed, Item};
//! let mut feed = Feed::follow(target, "My Program;1.0", ["summary"]);
//! feed.set_topics(["summary", "job/www-data/prod/hello"]);
//! while let Some(item) = feed.next().await {
//!     match item {
//!         Item::Line(line) => { /* apply it */ }
//!         Item::Lost { why, .. } => { /* show that the picture is old */ }
//!         Item::Unsupported => break, // an Apache Aurora scheduler: poll `/api` instead
//!     }
//! }
//! # }
//! ```
//!
//! What a reader may rely on: lines arrive in the server's order. After a lost connection the feed goes on behind the last
//! position seen, so that nothing is missed or repeated; where that is not possible (a snapshot was not finished, the topics
//! changed meanwhile, the server answers `reset`) whole snapshots come again, each opened by `Snapshot { part: Begin }`,
//! which voids what was known of the topic. Each connection begins with a `Hello` line, and configurations
//! ([`Line::Config`]) are per connection: forget them at `Hello`.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aurora_api::feed::{Line, Seq, Snapshot, SnapshotPart};
use bytes::Bytes;
use futures_util::Stream;
use rand::RngExt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::directory::Target;
use crate::http::{HttpError, Outgoing, describe, transport_error};
use crate::place::{Address, Place};
use crate::stream::{Encoding, Lines};

/// A server is taken for lost after this long without a line; it sends a heartbeat every 5 s.
pub const SILENCE: Duration = Duration::from_secs(15);

/// The longest line that is read; a job of many thousand instances stays far below.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// How many items wait for a slow reader before the connection is not read any further.
const BUFFER: usize = 1024;

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// What comes out of a feed.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A line, heartbeats included.
    Line(Line),
    /// The connection is lost, or was never made; it is tried again by itself.
    Lost {
        /// Why, in words.
        why: String,
        /// After this long.
        retry_in: Duration,
        /// Whether the scheduler answers and does not let us in (401 or 403).
        refused: bool,
    },
    /// The server has no event feed (404): an Apache Aurora scheduler. The feed ends with this.
    Unsupported,
}

/// A running feed. Dropping it closes the connection.
#[derive(Debug)]
pub struct Feed {
    items: mpsc::Receiver<Item>,
    topics: watch::Sender<BTreeSet<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Feed {
    /// Starts to follow `topics` (such as `summary`, `job/ROLE/ENV/NAME`, `host/NAME`, `role/NAME`). Must be called inside
    /// a tokio runtime; returns at once.
    pub fn follow<T: Into<String>>(
        target: &Target,
        user_agent: &str,
        topics: impl IntoIterator<Item = T>,
    ) -> Feed {
        Feed::start(target, user_agent, topics, None, SILENCE)
    }

    /// The same, but tables of the summary that have more than `bound` rows are left out, and so are tasks of jobs that have
    /// more: the reader has them as pages ([`Line::Counts`] and [`Line::Counted`] say which).
    pub fn bounded<T: Into<String>>(
        target: &Target,
        user_agent: &str,
        topics: impl IntoIterator<Item = T>,
        bound: usize,
    ) -> Feed {
        Feed::start(target, user_agent, topics, Some(bound), SILENCE)
    }

    fn start<T: Into<String>>(
        target: &Target,
        user_agent: &str,
        topics: impl IntoIterator<Item = T>,
        bound: Option<usize>,
        silence: Duration,
    ) -> Feed {
        let (sender, items) = mpsc::channel(BUFFER);
        let wanted = topics.into_iter().map(Into::into).collect();
        let (topics, receiver) = watch::channel(wanted);
        let place = Place::of(target, user_agent);
        let follower = Follower {
            address: place.now(),
            place,
            items: sender,
            topics: receiver,
            position: Position::default(),
            bound,
            silence,
        };
        Feed {
            items,
            topics,
            task: tokio::spawn(follower.run()),
        }
    }

    /// The next item; `None` after [`Item::Unsupported`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }

    /// Changes the topics, on the running connection if there is one. A new topic begins with its snapshot.
    pub fn set_topics<T: Into<String>>(&self, topics: impl IntoIterator<Item = T>) {
        let wanted: BTreeSet<String> = topics.into_iter().map(Into::into).collect();
        self.topics.send_if_modified(|now| {
            let changed = *now != wanted;
            *now = wanted;
            changed
        });
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream for Feed {
    type Item = Item;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        self.items.poll_recv(context)
    }
}

/// How far the reader has come, and of what.
#[derive(Debug, Default)]
struct Position {
    /// Topics whose snapshots are whole.
    whole: BTreeSet<String>,
    /// Topics whose snapshots have begun since the topics were last changed: the end of one that began before says nothing
    /// of a topic that was dropped and taken up again meanwhile.
    begun: BTreeSet<String>,
    /// Whether a table of the summary was left out. Which are is settled anew where a feed begins, so that what is left out
    /// at one time and told at another cannot be missed.
    is_partial: bool,
    /// Topics of jobs whose tasks were counted; the same is true of them.
    counted: BTreeSet<String>,
    /// The newest position seen.
    last: Option<Seq>,
}

impl Position {
    fn note(&mut self, line: &Line) {
        let seq = match line {
            // Where the server is, not how far its lines have come.
            Line::Hello(_) | Line::Config(_) | Line::Denied(_) => return,
            Line::Reset { .. } => {
                *self = Position::default();
                return;
            }
            Line::Counted(counted) => {
                self.counted.insert(counted.topic.clone());
                return;
            }
            Line::Counts(counts) => {
                self.is_partial = counts.tables.values().any(|table| !table.told);
                return;
            }
            Line::Snapshot(Snapshot { topic, seq, part }) => {
                match part {
                    SnapshotPart::Begin => {
                        self.whole.remove(topic);
                        self.counted.remove(topic);
                        self.begun.insert(topic.clone());
                        return;
                    }
                    SnapshotPart::End => {
                        if self.begun.remove(topic) {
                            self.whole.insert(topic.clone());
                        }
                    }
                }
                *seq
            }
            Line::Job(record) => record.seq,
            Line::JobRemoved(record) => record.seq,
            Line::Host(record) => record.seq,
            Line::Quota(record) => record.seq,
            Line::Task(record) => record.seq,
            Line::TaskRemoved(record) => record.seq,
            Line::Update(record) => record.seq,
            Line::UpdateRemoved(record) => record.seq,
            Line::Maintenance(record) => record.seq,
            Line::Audit(record) => record.seq,
            Line::Heartbeat(heartbeat) => heartbeat.seq,
        };
        self.last = self.last.max(Some(seq));
    }

    /// Forgets topics that are not asked for any more.
    fn keep(&mut self, topics: &BTreeSet<String>) {
        self.whole.retain(|topic| topics.contains(topic));
        self.begun.retain(|topic| topics.contains(topic));
        self.counted.retain(|topic| topics.contains(topic));
    }

    /// From where a new connection with these topics can go on without a snapshot.
    fn resume(&self, topics: &BTreeSet<String>) -> Option<Seq> {
        let is_told = |topic: &String| self.whole.contains(topic) && !self.counted.contains(topic);
        if !self.is_partial && topics.iter().all(is_told) {
            self.last
        } else {
            None
        }
    }
}

/// How a connection ended.
enum End {
    /// Tried again after a while.
    Lost(String),
    /// The same: the scheduler answers, and does not let us in.
    Refused(String),
    /// Nobody reads any more, or there is no feed.
    Final,
}

struct Follower {
    place: Place,
    /// Where it is connected, or was last.
    address: Address,
    items: mpsc::Sender<Item>,
    topics: watch::Receiver<BTreeSet<String>>,
    position: Position,
    /// Rows of a table of the summary at most.
    bound: Option<usize>,
    silence: Duration,
}

impl Follower {
    async fn run(mut self) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let began = Instant::now();
            let (why, refused) = match self.connection().await {
                End::Lost(why) => (why, false),
                End::Refused(why) => (why, true),
                End::Final => return,
            };
            // A connection that lasted was a good one.
            if began.elapsed() > LAST_BACKOFF {
                backoff = FIRST_BACKOFF;
            }
            // Half of it is random, so that many watchers of one scheduler do not come back together.
            let retry_in = backoff.mul_f64(rand::rng().random_range(0.5..1.0));
            backoff = (backoff * 2).min(LAST_BACKOFF);
            tracing::debug!(%why, ?retry_in, "event feed lost");
            let lost = Item::Lost {
                why,
                retry_in,
                refused,
            };
            if self.items.send(lost).await.is_err() {
                return;
            }
            tokio::time::sleep(retry_in).await;
            self.place.look_again().await;
            self.address = self.place.now();
        }
    }

    async fn connection(&mut self) -> End {
        self.position.begun.clear();
        let mut asked = self.topics.borrow_and_update().clone();
        let url = match self.url(&asked) {
            Ok(url) => url,
            Err(error) => return End::Lost(error),
        };
        let mut request = Outgoing::get(url);
        request.headers = vec![
            (ACCEPT, HeaderValue::from_static("application/x-ndjson")),
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ];
        let deadline = Instant::now() + self.silence;
        let mut response = match timeout_at(deadline, self.address.http.send(request)).await {
            Err(_) => return End::Lost("the scheduler does not answer".to_owned()),
            Ok(Ok(response)) => response,
            Ok(Err(HttpError::Status { status: 404, .. })) => {
                // Nobody may be left to be told.
                let _ = self.items.send(Item::Unsupported).await;
                return End::Final;
            }
            Ok(Err(error @ HttpError::Refused { .. })) => return End::Refused(describe(&error)),
            Ok(Err(error)) => return End::Lost(describe(&error)),
        };
        let encoding = response.headers().get(CONTENT_ENCODING);
        let mut encoding = Encoding::named(encoding.map_or(b"", HeaderValue::as_bytes));
        let mut lines = Lines::new(MAX_LINE);
        let mut feed_id: Option<String> = None;
        let mut deadline = Instant::now() + self.silence;
        loop {
            tokio::select! {
                () = self.items.closed() => return End::Final,
                changed = self.topics.changed() => {
                    if changed.is_err() {
                        return End::Final;
                    }
                    if let Some(id) = &feed_id {
                        let wanted = self.topics.borrow_and_update().clone();
                        if let Err(error) = self.post_topics(id, &wanted).await {
                            return End::Lost(describe(&error));
                        }
                        asked = wanted;
                    }
                }
                chunk = timeout_at(deadline, response.chunk()) => {
                    match chunk {
                        Err(_) => {
                            return End::Lost(format!("nothing heard for {} s", self.silence.as_secs()));
                        }
                        Ok(Err(error)) => {
                            return End::Lost(describe(&transport_error(self.address.base.as_str(), &error)));
                        }
                        Ok(Ok(None)) => return End::Lost("the scheduler closed the feed".to_owned()),
                        Ok(Ok(Some(chunk))) => {
                            if let Err(error) = encoding.push(&chunk, &mut lines) {
                                return End::Lost(format!("the feed cannot be decoded: {error}"));
                            }
                        }
                    }
                    deadline = Instant::now() + self.silence;
                    loop {
                        let bytes = match lines.next() {
                            Ok(Some(bytes)) => bytes,
                            Ok(None) => break,
                            Err(_) => return End::Lost(format!("a line is longer than {MAX_LINE} bytes")),
                        };
                        let Some(line) = parse(&bytes) else {
                            continue;
                        };
                        if let Line::Hello(hello) = &line {
                            feed_id = Some(hello.feed.clone());
                        }
                        self.position.note(&line);
                        if self.items.send(Item::Line(line)).await.is_err() {
                            return End::Final;
                        }
                    }
                    // Topics that changed before the feed had said its id.
                    let wanted = self.topics.borrow().clone();
                    if let (Some(id), true) = (&feed_id, wanted != asked) {
                        if let Err(error) = self.post_topics(id, &wanted).await {
                            return End::Lost(describe(&error));
                        }
                        asked = wanted;
                    }
                }
            }
        }
    }

    fn url(&self, topics: &BTreeSet<String>) -> Result<Url, String> {
        let mut url = self
            .address
            .base
            .join("/ext/v1/events")
            .map_err(|error| error.to_string())?;
        let list: Vec<&str> = topics.iter().map(String::as_str).collect();
        let mut query = url.query_pairs_mut();
        query.append_pair("topics", &list.join(","));
        if let Some(bound) = self.bound {
            query.append_pair("tasks", &bound.to_string());
        }
        match (self.position.resume(topics), self.bound) {
            (Some(from), _) => _ = query.append_pair("from", &from.to_string()),
            (None, Some(bound)) => _ = query.append_pair("summary", &bound.to_string()),
            (None, None) => {}
        }
        drop(query);
        Ok(url)
    }

    /// Replaces the topics of the running feed: `POST /ext/v1/events/FEED/topics` with `{"topics": […]}`.
    async fn post_topics(
        &mut self,
        feed: &str,
        topics: &BTreeSet<String>,
    ) -> Result<(), HttpError> {
        let malformed = |why: String| HttpError::Malformed {
            url: self.address.base.to_string(),
            why,
        };
        let mut url = self.address.base.clone();
        url.path_segments_mut()
            .map_err(|()| malformed("not a base URL".to_owned()))?
            .clear()
            .extend(["ext", "v1", "events", feed, "topics"]);
        self.position.keep(topics);
        let body = serde_json::json!({ "topics": topics });
        let request = Outgoing {
            method: Method::POST,
            url,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(body.to_string()),
        };
        let sent = tokio::time::timeout(self.silence, self.address.http.send(request)).await;
        sent.map_err(|_| malformed("no answer to a change of topics".to_owned()))??;
        Ok(())
    }
}

/// A line of a kind that is not known here is passed over, as the format demands.
fn parse(bytes: &[u8]) -> Option<Line> {
    if bytes.is_empty() {
        return None;
    }
    match serde_json::from_slice(bytes) {
        Ok(line) => Some(line),
        Err(error) => {
            tracing::debug!(%error, "passed over a line of the event feed");
            None
        }
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
