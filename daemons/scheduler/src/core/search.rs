//! Looking for an offer for the tasks of one configuration.
//!
//! For each configuration the core remembers how far down the order of offers everything has been refused for good
//! ([`Candidates`]), so that trying again costs only what is new.

use std::collections::{BTreeMap, BTreeSet};

use super::Core;
use super::config::Millis;
use super::filter::{
    ForNow, LimitedPlace, Request, Spread, Veto, Vetoes, dynamic_veto, static_vetoes,
};
use super::offers::{HeldOffer, OrderKey};
use super::store::{ConfigId, StoredConfig};

/// What is known of the offers for one configuration.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Every offer up to here that came up to `seen` is in `kept` or refused for as long as it is held.
    cursor: Option<OrderKey>,
    /// Offers up to the cursor that nothing static speaks against.
    kept: BTreeSet<OrderKey>,
    /// The same where a limit is reached, by what it is reached at.
    parked: BTreeMap<LimitedPlace, Vec<OrderKey>>,
    /// The state of the job's tasks when the parked ones were last looked at.
    unparked: (u64, u64),
    /// How many offers are parked, some of which may be gone.
    parked_count: usize,
    /// Where the job's tasks are.
    pub(super) spread: Spread,
    /// The newest offer that was looked at where it stands before the cursor.
    seen: u64,
}

/// The offer that came closest so far.
#[derive(Debug)]
pub(crate) struct Nearest {
    vetoes: Vetoes,
    score: i64,
    since: Millis,
}

/// How long a nearest fit counts before any newer one takes its place (aurora: `NearestFit.EXPIRATION`).
const NEAREST_EXPIRES: Millis = 10 * 60 * 1000;

/// How many offers all [`Candidates`] together may keep.
const KEPT_LIMIT: usize = 2_000_000;

impl Core {
    pub(super) fn keep_candidates(&mut self, id: ConfigId, candidates: Candidates) {
        self.offers_kept += candidates.len();
        self.candidates.insert(id, candidates);
        if self.candidates.len() > 2 * self.groups.len() + 1024 {
            let groups = &self.groups;
            self.candidates.retain(|id, _| groups.contains_key(id));
            self.offers_kept = self.candidates.values().map(Candidates::len).sum();
        }
        if self.offers_kept > KEPT_LIMIT {
            self.forget_candidates();
        }
    }

    /// Forgets what is known of the offers; it is found out again.
    pub(crate) fn forget_candidates(&mut self) {
        self.candidates.clear();
        self.offers_kept = 0;
    }

    /// What is known of the offers for a configuration; nothing when the nearest fit is so old that it has to be found again.
    pub(super) fn take_candidates(&mut self, id: ConfigId) -> Candidates {
        let candidates = self.candidates.remove(&id).unwrap_or_default();
        self.offers_kept = self.offers_kept.saturating_sub(candidates.len());
        let nearest = self.nearest.get(&id);
        if nearest.is_some_and(|nearest| self.now - nearest.since >= NEAREST_EXPIRES) {
            self.nearest.remove(&id);
            return Candidates::default();
        }
        candidates
    }

    /// The first offer in order that suits.
    pub(super) fn find_offer(
        &mut self,
        stored: &StoredConfig,
        candidates: &mut Candidates,
    ) -> Option<OrderKey> {
        let found = self.search(stored, candidates, |search, known| search.run(known));
        // Everything may have been refused before, for a reason that was dropped when another task of the group went: find
        // it again, so that users can read it.
        if found.is_some() || self.offers.len() == 0 || self.nearest.contains_key(&stored.id) {
            return found;
        }
        *candidates = Candidates::default();
        self.search(stored, candidates, |search, known| search.run(known))
    }

    pub(super) fn search(
        &mut self,
        stored: &StoredConfig,
        candidates: &mut Candidates,
        look: impl FnOnce(&mut Search<'_>, &mut Candidates) -> Option<OrderKey>,
    ) -> Option<OrderKey> {
        let request = Request::new(&self.config, stored);
        let mut search = Search {
            core: self,
            request: &request,
            spread: std::mem::take(&mut candidates.spread),
            nearest: None,
            tally: Tally::default(),
        };
        search.spread.refresh(self.store.read(), &stored.task.job);
        let found = look(&mut search, candidates);
        let Search {
            spread,
            nearest,
            tally,
            ..
        } = search;
        candidates.spread = spread;
        if let Some(vetoes) = nearest {
            self.note_nearest(stored.id, vetoes);
        }
        self.count_vetoes(tally);
        found
    }

    fn count_vetoes(&mut self, tally: Tally) {
        for (counter, count) in tally.counts {
            self.count(counter, count);
        }
    }

    fn note_nearest(&mut self, id: ConfigId, (score, vetoes): (i64, Vetoes)) {
        let better = self
            .nearest
            .get(&id)
            .is_none_or(|nearest| score < nearest.score);
        if better {
            let since = self
                .nearest
                .get(&id)
                .map_or(self.now, |nearest| nearest.since);
            let nearest = Nearest {
                vetoes,
                score,
                since,
            };
            self.nearest.insert(id, nearest);
        }
    }

    pub(super) fn show_reason(&mut self, id: ConfigId) {
        if let Some(nearest) = self.nearest.get(&id) {
            let reasons: Vec<String> = nearest.vetoes.iter().map(Veto::to_string).collect();
            self.store.set_reason(id, Some(reasons.join(",").into()));
        }
    }
}

/// One search for an offer.
pub(super) struct Search<'a> {
    core: &'a Core,
    request: &'a Request<'a>,
    spread: Spread,
    nearest: Option<(i64, Vetoes)>,
    tally: Tally,
}

/// What a search adds to which counter.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<&'static str, u64>,
}

impl Candidates {
    fn len(&self) -> usize {
        self.kept.len() + self.parked_count
    }

    fn park(&mut self, place: LimitedPlace, key: OrderKey) {
        self.parked.entry(place).or_default().push(key);
        self.parked_count += 1;
    }
}

impl Search<'_> {
    fn run(&mut self, candidates: &mut Candidates) -> Option<OrderKey> {
        let core = self.core;
        // Before the first search nothing is behind anything: all offers are still ahead.
        if let Some(cursor) = candidates.cursor {
            for held in core.offers.newer_than(candidates.seen) {
                if held.key <= cursor && self.suits_for_good(held) {
                    candidates.kept.insert(held.key);
                }
            }
        }
        candidates.seen = core.offers.last_sequence();
        // Where no task of the job moved no limit leaves more room than before.
        if candidates.unparked != self.spread.version {
            candidates.unparked = self.spread.version;
            self.unpark(candidates);
        }
        let mut for_others = Vec::new();
        let found = self.first(candidates, &mut for_others);
        candidates.kept.extend(for_others);
        found
    }

    /// The first offer that suits; puts aside those that would if their agents were not kept for others.
    fn first(
        &mut self,
        candidates: &mut Candidates,
        for_others: &mut Vec<OrderKey>,
    ) -> Option<OrderKey> {
        let core = self.core;
        let group = self.request.config.id;
        let mut take = |search: &mut Self, held: &HeldOffer, candidates: &mut Candidates| {
            if core.reservations.forbid(&held.agent, group) {
                for_others.push(held.key);
                return false;
            }
            match search.speaks_against(held) {
                None => return true,
                Some(ForNow::Limit(place)) => candidates.park(place, held.key),
                Some(ForNow::Leaving) => {}
            }
            false
        };
        while let Some(key) = candidates.kept.pop_first() {
            if let Some(held) = core.offers.get(&key)
                && take(self, held, candidates)
            {
                return Some(key);
            }
        }
        for held in core.offers.behind(candidates.cursor) {
            candidates.cursor = Some(held.key);
            if self.suits_for_good(held) && take(self, held, candidates) {
                return Some(held.key);
            }
        }
        None
    }

    /// The offer of an agent, if it suits.
    pub(super) fn offer_of(&mut self, agent: &str) -> Option<OrderKey> {
        let held = self.core.offers.of_agent(agent)?;
        let suits = self.suits_for_good(held) && self.speaks_against(held).is_none();
        suits.then_some(held.key)
    }

    /// Takes up again the offers whose limit leaves room now.
    fn unpark(&mut self, candidates: &mut Candidates) {
        let view = self.core.store.read();
        let offers = &self.core.offers;
        let parked = std::mem::take(&mut candidates.parked);
        // Offers that are gone are looked for now and then only.
        let is_crowded = candidates.parked_count > 2 * offers.len() + 64;
        candidates.parked_count = 0;
        for (place, mut keys) in parked {
            if self.spread.has_room(view, self.request, &place) {
                candidates.kept.extend(keys);
                continue;
            }
            if is_crowded {
                keys.retain(|key| offers.get(key).is_some());
            }
            candidates.parked_count += keys.len();
            if !keys.is_empty() {
                candidates.parked.insert(place, keys);
            }
        }
    }

    /// Whether nothing static speaks against the offer.
    fn suits_for_good(&mut self, held: &HeldOffer) -> bool {
        let core = self.core;
        *self
            .tally
            .counts
            .entry("veto_evaluated_offers")
            .or_default() += 1;
        let unused = held.unused(self.request);
        let vetoes = static_vetoes(&core.config, &unused, self.request, core.now);
        if vetoes.is_empty() {
            return true;
        }
        // A limit is asked before the resources are, so it is what the user gets to read.
        let only_resources = matches!(vetoes.first(), Some(Veto::Insufficient(..)));
        if !only_resources || self.speaks_against(held).is_none() {
            self.note(vetoes);
        }
        false
    }

    /// What speaks against the offer at this moment.
    fn speaks_against(&mut self, held: &HeldOffer) -> Option<ForNow> {
        let core = self.core;
        let view = core.store.read();
        let spread = &mut self.spread;
        let unused = held.unused(self.request);
        let against = dynamic_veto(&core.config, &unused, self.request, view, spread, core.now);
        if let Some(against) = &against {
            self.note(vec![against.veto()]);
        }
        against
    }

    fn note(&mut self, vetoes: Vetoes) {
        let counts = &mut self.tally.counts;
        let is_dynamic = vetoes.iter().any(Veto::is_dynamic);
        let group = if is_dynamic {
            "scheduling_veto_dynamic"
        } else {
            "scheduling_veto_static"
        };
        for counter in vetoes.iter().map(Veto::counter).chain([group]) {
            *counts.entry(counter).or_default() += 1;
        }
        let score = vetoes.iter().map(Veto::score).sum();
        if self.nearest.as_ref().is_none_or(|(best, _)| score < *best) {
            self.nearest = Some((score, vetoes));
        }
    }
}
