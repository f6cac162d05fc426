//! The past hour of a cluster: what its event feed told, kept so that the picture of any moment can be made again.
//!
//! A base and the lines after it: the picture of a moment is the base with all lines up to then. Lines that are too old, or
//! too many, go into the base; the record then begins with the newest of them.

use std::collections::{BTreeSet, VecDeque};

use aurora_api::feed::{Line, SnapshotPart};

use crate::store::{SUMMARY, Store};

/// How long lines are kept.
pub const LONGEST_MS: i64 = 3_600_000;
/// How many are kept at most; some hundred bytes each.
pub const MOST_LINES: usize = 40_000;

/// What happened at a moment, by our clock.
#[derive(Clone, Debug)]
enum What {
    Line(Box<Line>),
    /// From here on these topics were followed.
    Topics(BTreeSet<String>),
}

/// The record.
#[derive(Clone, Debug, Default)]
pub struct Past {
    base: Store,
    begin_ms: Option<i64>,
    lines: VecDeque<(i64, What)>,
}

/// A moment that is looked at; the workbench's store is of then.
#[derive(Clone, Debug)]
pub struct Looking {
    /// The moment, our clock.
    pub at_ms: i64,
    /// What is known now.
    pub live: Box<Store>,
}

impl Past {
    /// Keeps a line of the feed.
    pub fn line(&mut self, at_ms: i64, line: &Line) {
        // Signs of life change nothing.
        if !matches!(line, Line::Heartbeat(_)) {
            self.keep(at_ms, What::Line(Box::new(line.clone())));
        }
        // A picture is one only when the summary is whole.
        if let Line::Snapshot(snapshot) = line
            && (snapshot.topic.as_str(), snapshot.part) == (SUMMARY, SnapshotPart::End)
        {
            self.begin_ms.get_or_insert(at_ms);
        }
    }

    /// Keeps what is followed from now on.
    pub fn topics(&mut self, at_ms: i64, topics: &BTreeSet<String>) {
        self.keep(at_ms, What::Topics(topics.clone()));
    }

    /// The first moment of which the picture can be made.
    pub fn begin_ms(&self) -> Option<i64> {
        self.begin_ms
    }

    /// The picture of a moment.
    pub fn at(&self, at_ms: i64) -> Store {
        let mut store = self.base.clone();
        for (then_ms, what) in &self.lines {
            if *then_ms > at_ms {
                break;
            }
            apply(&mut store, *then_ms, what.clone());
        }
        store
    }

    fn keep(&mut self, at_ms: i64, what: What) {
        // A clock that was set back must not put lines out of order.
        let at_ms = self
            .lines
            .back()
            .map_or(at_ms, |(last, _)| at_ms.max(*last));
        self.lines.push_back((at_ms, what));
        while self.lines.len() > MOST_LINES
            || self
                .lines
                .front()
                .is_some_and(|(first, _)| at_ms - first > LONGEST_MS)
        {
            let Some((then_ms, what)) = self.lines.pop_front() else {
                break;
            };
            apply(&mut self.base, then_ms, what);
            self.begin_ms = self.begin_ms.map(|begin| begin.max(then_ms));
        }
    }
}

fn apply(store: &mut Store, at_ms: i64, what: What) {
    match what {
        What::Line(line) => store.apply(*line, at_ms),
        What::Topics(topics) => store.follow(&topics),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::feed::{QuotaRecord, Seq, Snapshot};

    fn whole() -> Line {
        Line::Snapshot(Snapshot {
            topic: SUMMARY.to_owned(),
            seq: Seq::default(),
            part: SnapshotPart::End,
        })
    }

    fn quota(role: &str, ram_mb: i64) -> Line {
        Line::Quota(QuotaRecord {
            seq: Seq::default(),
            role: role.to_owned(),
            cpus: 1.0,
            ram_mb,
            disk_mb: 0,
        })
    }

    fn seen(past: &Past, at_ms: i64) -> Vec<(String, i64)> {
        let quotas = past.at(at_ms).quotas.into_values();
        quotas.map(|quota| (quota.role, quota.ram_mb)).collect()
    }

    #[test]
    fn any_moment_can_be_made_again() {
        let mut past = Past::default();
        past.line(5, &quota("a", 0));
        assert_eq!(past.begin_ms(), None);
        past.line(9, &whole());
        assert_eq!(past.begin_ms(), Some(9));
        for (at_ms, line) in [
            (10, quota("a", 1)),
            (20, quota("b", 2)),
            (30, quota("a", 3)),
        ] {
            past.line(at_ms, &line);
        }
        let of = |pairs: &[(&str, i64)]| -> Vec<(String, i64)> {
            pairs
                .iter()
                .map(|(role, ram)| ((*role).to_owned(), *ram))
                .collect()
        };
        for (at_ms, expected) in [
            (9, of(&[("a", 0)])),
            (10, of(&[("a", 1)])),
            (29, of(&[("a", 1), ("b", 2)])),
            (30, of(&[("a", 3), ("b", 2)])),
            (99, of(&[("a", 3), ("b", 2)])),
        ] {
            assert_eq!(seen(&past, at_ms), expected, "{at_ms}");
        }
        // An hour later the first two are the base, from which the record begins.
        past.line(20 + LONGEST_MS + 1, &quota("c", 4));
        assert_eq!(past.begin_ms(), Some(20));
        assert_eq!(seen(&past, 20), of(&[("a", 1), ("b", 2)]));
        assert_eq!(past.lines.len(), 2);
    }

    #[test]
    fn the_record_is_bounded() {
        let mut past = Past::default();
        past.line(0, &whole());
        for count in 0..MOST_LINES + 100 {
            past.line(
                i64::try_from(count).unwrap(),
                &quota("a", i64::try_from(count).unwrap()),
            );
        }
        assert_eq!(past.lines.len(), MOST_LINES);
        assert_eq!(past.begin_ms(), Some(99));
        assert_eq!(seen(&past, 99), [("a".to_owned(), 99)]);
        assert_eq!(seen(&past, 5_000), [("a".to_owned(), 5_000)]);
        // A clock that is set back keeps the order.
        past.line(7, &quota("a", -1));
        assert_eq!(seen(&past, i64::MAX), [("a".to_owned(), -1)]);
    }
}
