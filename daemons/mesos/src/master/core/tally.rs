//! What a framework calls for and gets, counted (mesos: `FrameworkMetrics`, `src/master/metrics.cpp`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aurora_mesos::message::Enumeration;
use aurora_mesos::v1::TaskState;
use aurora_mesos::v1::scheduler::CallType;

use super::state::Framework;

/// What becomes of offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OfferFate {
    Sent,
    Accepted,
    Declined,
    Rescinded,
}

/// Counts of one framework since this master knows it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    calls: BTreeMap<CallType, u64>,
    offers: BTreeMap<OfferFate, u64>,
    ends: BTreeMap<TaskState, u64>,
}

impl Tally {
    pub(super) fn call(&mut self, kind: CallType) {
        *self.calls.entry(kind).or_default() += 1;
    }

    pub(super) fn offers(&mut self, fate: OfferFate, count: usize) {
        *self.offers.entry(fate).or_default() += count as u64;
    }

    pub(super) fn end(&mut self, state: TaskState) {
        *self.ends.entry(state).or_default() += 1;
    }
}

/// Every value of an enumeration of the protocol but the unknown one.
fn every<E: Enumeration>() -> impl Iterator<Item = E> {
    // Far beyond the largest number in use.
    let numbers = (0..64).filter_map(E::from_number);
    numbers.filter(|value| value.name() != "UNKNOWN")
}

impl Framework {
    /// What is told of this framework alone, by the names of Mesos' metrics.
    pub(crate) fn metrics(&self) -> Vec<(String, f64)> {
        let mut told = vec![("subscribed".to_owned(), f64::from(self.stream.is_some()))];
        let Tally {
            calls,
            offers,
            ends,
        } = &self.tally;
        let of = |count: Option<&u64>| count.copied().unwrap_or(0) as f64;
        told.push(("calls".to_owned(), calls.values().sum::<u64>() as f64));
        for kind in every::<CallType>() {
            let name = format!("calls/{kind}").to_lowercase();
            told.push((name, of(calls.get(&kind))));
        }
        for (name, fate) in [
            ("sent", OfferFate::Sent),
            ("accepted", OfferFate::Accepted),
            ("declined", OfferFate::Declined),
            ("rescinded", OfferFate::Rescinded),
        ] {
            told.push((format!("offers/{name}"), of(offers.get(&fate))));
        }
        let tasks = self.tasks.values().map(|entry| &entry.task);
        let tasks: Vec<TaskState> = tasks
            .chain(self.unreachable_tasks.values())
            .map(|task| task.state)
            .collect();
        for state in every::<TaskState>() {
            let (kind, count) = if state.is_terminal() {
                ("terminal", of(ends.get(&state)))
            } else {
                let there = tasks.iter().filter(|&&other| other == state).count();
                ("active", there as f64)
            };
            told.push((format!("tasks/{kind}/{state}").to_lowercase(), count));
        }
        let prefix = format!("master/frameworks/{}/{}/", encode(&self.info.name), self.id);
        let named = told.into_iter();
        named
            .map(|(name, value)| (format!("{prefix}{name}"), value))
            .collect()
    }
}

/// A name as a part of a metric's (mesos: `http::encode`, `3rdparty/libprocess/src/http.cpp`).
fn encode(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        let is_plain =
            (0x20..=0x7f).contains(&byte) && !b"$&+,/:;=?@ \"<>#%{}|\\^~[]`".contains(&byte);
        match is_plain {
            true => text.push(char::from(byte)),
            // A text takes whatever is written to it.
            false => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}
