//! Why a task waits, told by what is held in memory: every offer with what speaks against it.
//!
//! Offers are looked at in portions, so that a question about a large cluster does not hold up decisions.

use std::collections::BTreeMap;

use super::Core;
use super::config::Millis;
use super::filter::{Request, Spread, Veto, dynamic_veto, static_vetoes};
use super::offers::{HeldOffer, OrderKey};
use super::resources::Bag;
use super::store::ConfigId;

/// How many offers are looked at in one portion.
const PORTION: usize = 2_000;
/// How many of the nearest hosts are told.
const NEAREST: usize = 5;

/// What the offers looked at so far say to a configuration.
#[derive(Clone, Debug, Default)]
pub struct Weighed {
    /// Offers looked at.
    pub offers: usize,
    /// Offers that nothing speaks against.
    pub suitable: usize,
    /// Offers that suit and are kept for others.
    pub kept_for_others: usize,
    /// Reasons with how many offers each excludes; one offer may have several.
    pub vetoes: BTreeMap<String, usize>,
    /// The hosts that come nearest, the nearest first.
    pub nearest: Vec<NearHost>,
    /// When the group's turn comes, and how long it waited before that.
    pub turn: Option<(Millis, Millis)>,
    next: Option<OrderKey>,
    is_done: bool,
}

/// A host that almost suits.
#[derive(Clone, Debug, PartialEq)]
pub struct NearHost {
    /// Its name.
    pub host: String,
    /// What speaks against it.
    pub vetoes: Vec<String>,
    /// How much of each kind is missing: cores, MiB, ports, GPUs.
    pub missing: BTreeMap<&'static str, f64>,
    score: i64,
}

impl Weighed {
    /// Whether all offers were looked at.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    fn add(&mut self, held: &HeldOffer, vetoes: &[Veto], missing: BTreeMap<&'static str, f64>) {
        for veto in vetoes {
            *self.vetoes.entry(veto.to_string()).or_default() += 1;
        }
        let score = vetoes.iter().map(Veto::score).sum();
        let at = self.nearest.partition_point(|near| near.score <= score);
        if at < NEAREST {
            let near = NearHost {
                host: held.host.name.to_string(),
                vetoes: vetoes.iter().map(Veto::to_string).collect(),
                missing,
                score,
            };
            self.nearest.insert(at, near);
            self.nearest.truncate(NEAREST);
        }
    }
}

impl Core {
    /// Looks at the next portion of the offers for a configuration. Where the configuration is gone, all is done.
    pub fn weigh(&self, id: ConfigId, weighed: &mut Weighed) {
        let view = self.store.read();
        let Some(stored) = view.config(id) else {
            weighed.is_done = true;
            return;
        };
        let group = self.groups.get(&id);
        weighed.turn = group.map(|group| (group.due, group.penalty));
        let request = Request::new(&self.config, self.store.names(), stored);
        let mut spread = Spread::default();
        spread.refresh(view, &stored.task.job);
        weighed.is_done = true;
        for (count, held) in self.offers.behind(weighed.next).enumerate() {
            if count == PORTION {
                weighed.is_done = false;
                break;
            }
            weighed.next = Some(held.key);
            weighed.offers += 1;
            let unused = held.unused(&request);
            let mut vetoes = static_vetoes(&self.config, &unused, &request, self.now);
            if vetoes.is_empty() {
                let now = self.now;
                let dynamic = dynamic_veto(&self.config, &unused, &request, view, &mut spread, now);
                vetoes.extend(dynamic.map(|against| against.veto()));
            }
            if !vetoes.is_empty() {
                weighed.add(held, &vetoes, missing(unused.has, &request.need));
            } else if self.reservations.forbid(&held.agent, id) {
                weighed.kept_for_others += 1;
            } else {
                weighed.suitable += 1;
            }
        }
    }

    /// When a throttled task becomes pending.
    pub fn throttled_until(&self, task: &str) -> Option<Millis> {
        self.throttled.get(task).copied()
    }
}

/// What a host lacks, in people's units.
fn missing(has: &Bag, need: &Bag) -> BTreeMap<&'static str, f64> {
    let kinds = [
        ("cpus", has.cpus, need.cpus, 1000.0),
        ("ram_mb", has.ram, need.ram, 1000.0),
        ("disk_mb", has.disk, need.disk, 1000.0),
        ("ports", has.ports, need.ports, 1.0),
        ("gpus", has.gpus, need.gpus, 1.0),
    ];
    let lacking = kinds.into_iter().filter(|(_, has, need, _)| has < need);
    lacking
        .map(|(name, has, need, unit)| (name, need.saturating_sub(has) as f64 / unit))
        .collect()
}
