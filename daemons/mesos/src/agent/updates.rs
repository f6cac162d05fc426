//! Status update streams: every update of a task reaches the scheduler, once, in order, whatever restarts meanwhile.
//!
//! A task has one stream. Its head is with the master until the scheduler acknowledges it by its uuid; then the next one
//! goes. A head that stays unacknowledged is sent again after 10 s, 20 s, and so on up to 10 min, and at once when the agent
//! registers with a master (mesos: src/slave/task_status_update_manager.cpp). This module decides only; the caller writes
//! updates and acknowledgements to disk before it passes anything on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// First wait for an acknowledgement.
pub(crate) const RETRY_MIN: Duration = Duration::from_secs(10);
/// Longest wait for an acknowledgement.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(600);
/// How many uuids of acknowledged updates a stream remembers to recognise duplicates.
const REMEMBERED: usize = 4096;

/// The 16 bytes that name one update.
pub(crate) type UpdateId = [u8; 16];

/// One update waiting for its acknowledgement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pending<T> {
    pub(crate) id: UpdateId,
    pub(crate) terminal: bool,
    pub(crate) update: T,
}

#[derive(Debug)]
struct Stream<T> {
    queue: VecDeque<Pending<T>>,
    /// Uuids that were acknowledged, oldest first.
    acknowledged: VecDeque<UpdateId>,
    /// A terminal update is queued: nothing after it is taken until it is acknowledged.
    terminated: bool,
    retry_after: Duration,
    /// When the head is sent again; `None` while it was not sent (no master).
    deadline: Option<Duration>,
}

impl<T> Default for Stream<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            acknowledged: VecDeque::new(),
            terminated: false,
            retry_after: RETRY_MIN,
            deadline: None,
        }
    }
}

impl<T> Stream<T> {
    fn knows(&self, id: &UpdateId) -> bool {
        self.queue.iter().any(|pending| pending.id == *id) || self.acknowledged.contains(id)
    }

    fn sent(&mut self, now: Duration) {
        self.deadline = Some(now + self.retry_after);
    }
}

/// What became of an update that an executor (or the agent itself) handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// New: write it down, acknowledge it to the executor; send the head if `forward`.
    Accepted { forward: bool },
    /// Seen before, or made after a terminal one that still waits: acknowledge it to the executor, nothing else.
    Ignored,
}

/// What an acknowledgement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// No such update is at the head of that stream.
    Ignored,
    /// The head is done: write the acknowledgement down; send the next head if `forward`.
    Next { forward: bool },
    /// The terminal update is done; the stream is closed. `discarded` later updates went with it.
    Closed { discarded: usize },
}

/// The streams of one agent, by a key that names framework and task.
#[derive(Debug)]
pub(crate) struct Streams<K, T> {
    streams: BTreeMap<K, Stream<T>>,
    /// Whether there is a master to send to.
    paused: bool,
}

impl<K: Ord + Clone, T: Clone> Streams<K, T> {
    /// No streams, and no master yet.
    pub(crate) fn new() -> Self {
        Self {
            streams: BTreeMap::new(),
            paused: true,
        }
    }

    /// Takes an update. `Accepted { forward: true }` means that it is the head and is to be sent now.
    pub(crate) fn receive(&mut self, now: Duration, key: &K, pending: Pending<T>) -> Received {
        let paused = self.paused;
        let stream = self.streams.entry(key.clone()).or_default();
        if stream.knows(&pending.id) || stream.terminated {
            return Received::Ignored;
        }
        stream.terminated = pending.terminal;
        stream.queue.push_back(pending);
        let forward = !paused && stream.queue.len() == 1;
        if forward {
            stream.retry_after = RETRY_MIN;
            stream.sent(now);
        }
        Received::Accepted { forward }
    }

    /// Takes an acknowledgement of the scheduler.
    pub(crate) fn acknowledge(&mut self, now: Duration, key: &K, id: &UpdateId) -> Acknowledged {
        let paused = self.paused;
        let Some(stream) = self.streams.get_mut(key) else {
            return Acknowledged::Ignored;
        };
        if stream.queue.front().is_none_or(|head| head.id != *id) {
            return Acknowledged::Ignored;
        }
        let terminal = stream.queue.pop_front().is_some_and(|head| head.terminal);
        if terminal {
            let discarded = stream.queue.len();
            self.streams.remove(key);
            return Acknowledged::Closed { discarded };
        }
        stream.acknowledged.push_back(*id);
        if stream.acknowledged.len() > REMEMBERED {
            stream.acknowledged.pop_front();
        }
        stream.retry_after = RETRY_MIN;
        stream.deadline = None;
        let forward = !paused && !stream.queue.is_empty();
        if forward {
            stream.sent(now);
        }
        Acknowledged::Next { forward }
    }

    /// The update that is with the master, or goes there next.
    pub(crate) fn head(&self, key: &K) -> Option<&Pending<T>> {
        self.streams.get(key)?.queue.front()
    }

    /// Whether any update of this key still waits.
    pub(crate) fn is_pending(&self, key: &K) -> bool {
        self.head(key).is_some()
    }

    /// The master is gone: nothing is sent until [`Self::resume`].
    pub(crate) fn pause(&mut self) {
        self.paused = true;
        for stream in self.streams.values_mut() {
            stream.deadline = None;
        }
    }

    /// A master took the agent: the keys of every stream whose head is to be sent now.
    pub(crate) fn resume(&mut self, now: Duration) -> Vec<K> {
        self.paused = false;
        self.streams
            .iter_mut()
            .filter(|(_, stream)| !stream.queue.is_empty())
            .map(|(key, stream)| {
                stream.retry_after = RETRY_MIN;
                stream.sent(now);
                key.clone()
            })
            .collect()
    }

    /// The keys of the streams whose head has waited long enough; each then waits twice as long.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<K> {
        self.streams
            .iter_mut()
            .filter(|(_, stream)| stream.deadline.is_some_and(|deadline| deadline <= now))
            .map(|(key, stream)| {
                stream.retry_after = (stream.retry_after * 2).min(RETRY_MAX);
                stream.sent(now);
                key.clone()
            })
            .collect()
    }

    /// When [`Self::due`] next has something.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.streams
            .values()
            .filter_map(|stream| stream.deadline)
            .min()
    }

    /// Forgets a stream, for a framework that is gone.
    pub(crate) fn remove(&mut self, key: &K) {
        self.streams.remove(key);
    }

    /// Forgets every stream that `gone` picks.
    pub(crate) fn remove_where(&mut self, mut gone: impl FnMut(&K) -> bool) {
        self.streams.retain(|key, _| !gone(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn id(number: u8) -> UpdateId {
        [number; 16]
    }

    fn update(number: u8, terminal: bool) -> Pending<u8> {
        Pending {
            id: id(number),
            terminal,
            update: number,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn one_at_a_time_and_only_for_the_right_uuid() {
        let mut streams = Streams::new();
        assert!(streams.resume(START).is_empty());
        assert_eq!(
            streams.receive(START, &"t", update(1, false)),
            Received::Accepted { forward: true }
        );
        assert_eq!(
            streams.receive(START, &"t", update(2, false)),
            Received::Accepted { forward: false }
        );
        assert_eq!(
            streams.receive(START, &"t", update(2, false)),
            Received::Ignored
        );
        assert_eq!(
            streams.acknowledge(START, &"t", &id(9)),
            Acknowledged::Ignored
        );
        assert_eq!(
            streams.acknowledge(START, &"t", &id(2)),
            Acknowledged::Ignored
        );
        assert_eq!(
            streams.acknowledge(START, &"other", &id(1)),
            Acknowledged::Ignored
        );
        assert_eq!(
            streams.acknowledge(START, &"t", &id(1)),
            Acknowledged::Next { forward: true }
        );
        assert_eq!(
            streams.acknowledge(START, &"t", &id(1)),
            Acknowledged::Ignored
        );
        // Acknowledged before, and sent again by an executor that did not hear of it.
        assert_eq!(
            streams.receive(START, &"t", update(1, false)),
            Received::Ignored
        );
        assert_eq!(
            streams.acknowledge(START, &"t", &id(2)),
            Acknowledged::Next { forward: false }
        );
    }

    #[test]
    fn nothing_follows_a_terminal_update_until_it_is_acknowledged() {
        let mut streams = Streams::new();
        streams.resume(START);
        streams.receive(START, &"t", update(1, true));
        assert_eq!(
            streams.receive(START, &"t", update(2, true)),
            Received::Ignored
        );
        assert_eq!(
            streams.acknowledge(START, &"t", &id(1)),
            Acknowledged::Closed { discarded: 0 }
        );
        assert_eq!(
            streams.receive(START, &"t", update(3, false)),
            Received::Accepted { forward: true }
        );
    }

    #[test]
    fn retries_double_up_to_ten_minutes() {
        let mut streams = Streams::new();
        streams.resume(START);
        streams.receive(START, &"t", update(1, false));
        let mut at = 0;
        for wait in [10, 20, 40, 80, 160, 320, 600, 600] {
            at += wait;
            assert_eq!(streams.next_deadline(), Some(seconds(at)));
            assert!(streams.due(seconds(at - 1)).is_empty());
            assert_eq!(streams.due(seconds(at)), ["t"]);
        }
        streams.acknowledge(seconds(at), &"t", &id(1));
        assert_eq!(streams.next_deadline(), None);
        // The next head starts over.
        streams.receive(seconds(at), &"t", update(2, false));
        assert_eq!(streams.next_deadline(), Some(seconds(at + 10)));
    }

    #[test]
    fn without_a_master_updates_wait() {
        let mut streams = Streams::new();
        assert_eq!(
            streams.receive(START, &"t", update(1, false)),
            Received::Accepted { forward: false }
        );
        assert_eq!(streams.next_deadline(), None);
        assert_eq!(streams.resume(START), ["t"]);
        streams.pause();
        assert!(streams.due(seconds(100_000)).is_empty());
        assert_eq!(streams.resume(seconds(5)), ["t"]);
    }

    /// Any order of new updates, acknowledgements (right, wrong and late), lost transmissions, retries and restarts delivers
    /// the updates in order and leaves exactly the unacknowledged ones.
    #[test]
    fn every_history_delivers_exactly_the_queue_in_order() {
        for seed in 1..400_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut roll = |sides: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % sides
            };
            let mut streams: Streams<&str, u8> = Streams::new();
            let mut log: Vec<Result<u8, u8>> = Vec::new(); // what is on disk: Ok(update), Err(acknowledged)
            let mut delivered: Vec<u8> = Vec::new(); // first transmission of each
            let mut in_flight: Option<u8> = None;
            let mut made: u8 = 0;
            let mut now = START;
            let send = |streams: &Streams<&str, u8>,
                        delivered: &mut Vec<u8>,
                        in_flight: &mut Option<u8>| {
                let head = streams.head(&"t").unwrap().update;
                if !delivered.contains(&head) {
                    delivered.push(head);
                }
                *in_flight = Some(head);
            };
            for _ in 0..200 {
                now += Duration::from_secs(roll(8));
                match roll(7) {
                    0 | 1 if made < 100 => {
                        made += 1;
                        if let Received::Accepted { forward } =
                            streams.receive(now, &"t", update(made, false))
                        {
                            log.push(Ok(made));
                            if forward {
                                send(&streams, &mut delivered, &mut in_flight);
                            }
                        }
                    }
                    2 => {
                        if let Some(head) = in_flight {
                            let result = streams.acknowledge(now, &"t", &id(head));
                            if result != Acknowledged::Ignored {
                                log.push(Err(head));
                            }
                            if result == (Acknowledged::Next { forward: true }) {
                                send(&streams, &mut delivered, &mut in_flight);
                            }
                        }
                    }
                    3 => assert_eq!(
                        streams.acknowledge(now, &"t", &[250; 16]),
                        Acknowledged::Ignored
                    ),
                    4 => streams.pause(),
                    5 => {
                        for _ in streams.resume(now) {
                            send(&streams, &mut delivered, &mut in_flight);
                        }
                    }
                    _ => {
                        // kill -9 and a start from the log
                        streams = Streams::new();
                        for record in &log {
                            match record {
                                Ok(number) => {
                                    streams.receive(now, &"t", update(*number, false));
                                }
                                Err(number) => {
                                    streams.acknowledge(now, &"t", &id(*number));
                                }
                            }
                        }
                    }
                }
                for _ in streams.due(now) {
                    send(&streams, &mut delivered, &mut in_flight);
                }
            }
            let want: Vec<u8> = (1..=u8::try_from(delivered.len()).unwrap()).collect();
            assert_eq!(delivered, want, "seed {seed}");
            let acknowledged = log.iter().filter(|record| record.is_err()).count();
            assert_eq!(
                streams.head(&"t").map(|head| usize::from(head.update)),
                (acknowledged < usize::from(made)).then_some(acknowledged + 1),
                "seed {seed}"
            );
        }
    }
}
