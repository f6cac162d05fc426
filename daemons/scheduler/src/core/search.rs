//! Looking for an offer for the tasks of one configuration.
//!
//! For each configuration the core remembers how far down the order of offers everything has been refused for good
//! ([`Candidates`]), so that trying again costs only what is new.

use std::collections::BTreeSet;

use super::Core;
use super::classes::Class;
use super::config::Millis;
use super::filter::{
    ForNow, LimitedPlace, Request, Spread, Standing, UNMET, Veto, Vetoes, dynamic_veto,
    insufficient, lacking,
};
use super::offers::{HeldOffer, OrderKey, Place};
use super::store::{ConfigId, FastMap};

/// What is known of the offers for one configuration.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Every offer up to here that came up to `seen` is in `kept` or refused for as long as it is held.
    cursor: Option<OrderKey>,
    /// Offers up to the cursor that nothing static speaks against.
    kept: BTreeSet<OrderKey>,
    /// The same where a limit is reached, by what it is reached at.
    parked: FastMap<LimitedPlace, Vec<OrderKey>>,
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
    /// Whether users can read it.
    is_shown: bool,
}

/// How long a nearest fit counts before any newer one takes its place (aurora: `NearestFit.EXPIRATION`).
const NEAREST_EXPIRES: Millis = 10 * 60 * 1000;

/// So many new offers are looked at one by one before anything else is tried.
const FEW_NEW: u64 = 64;

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
        request: &Request<'_>,
        candidates: &mut Candidates,
    ) -> Option<Place> {
        let id = request.config.id;
        let found = self.search(request, candidates, |search, known| search.run(known));
        // Everything may have been refused before, for a reason that was dropped when another task of the group went: find
        // it again, so that users can read it.
        if found.is_some() || self.offers.len() == 0 || self.nearest.contains_key(&id) {
            return found;
        }
        *candidates = Candidates::default();
        self.search(request, candidates, |search, known| search.run(known))
    }

    pub(super) fn search(
        &mut self,
        request: &Request<'_>,
        candidates: &mut Candidates,
        look: impl FnOnce(&mut Search<'_>, &mut Candidates) -> Option<Place>,
    ) -> Option<Place> {
        let mut search = Search {
            core: self,
            request,
            spread: std::mem::take(&mut candidates.spread),
            nearest: None,
            tally: Tally::default(),
        };
        if !request.limits.is_empty() {
            let job = &request.config.task.job;
            search.spread.refresh(self.store.read(), job);
        }
        let found = look(&mut search, candidates);
        let Search {
            spread,
            nearest,
            tally,
            ..
        } = search;
        candidates.spread = spread;
        if let Some(vetoes) = nearest {
            self.note_nearest(request.config.id, vetoes);
        }
        for (counter, count) in tally.counts() {
            self.count(counter, count);
        }
        found
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
                is_shown: false,
            };
            self.nearest.insert(id, nearest);
        }
    }

    /// Shows the nearest fit, when another one has come nearest.
    pub(super) fn show_reason(&mut self, id: ConfigId) {
        if let Some(nearest) = self.nearest.get_mut(&id)
            && !std::mem::replace(&mut nearest.is_shown, true)
        {
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

/// Kinds of vetoes that are counted apart.
#[derive(Clone, Copy, Debug)]
enum Counted {
    Dedicated,
    Maintenance,
    Constraint,
    Limit,
    Insufficient,
}

/// What one offer's vetoes come to.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    counted: Counted,
    vetoes: u64,
    score: i64,
}

impl Refusal {
    /// By one veto.
    fn one(counted: Counted, score: i64) -> Refusal {
        Refusal {
            counted,
            vetoes: 1,
            score,
        }
    }

    fn by_standing(veto: &Veto) -> Refusal {
        let counted = match veto {
            Veto::Dedicated => Counted::Dedicated,
            _ => Counted::Maintenance,
        };
        Refusal::one(counted, veto.score())
    }
}

/// What a search adds to the counters.
#[derive(Debug, Default)]
struct Tally {
    evaluated: u64,
    by_kind: [u64; 5],
    statics: u64,
    dynamics: u64,
}

impl Tally {
    /// So many offers are refused alike.
    fn add(&mut self, refusal: Refusal, offers: u64) {
        self.by_kind[refusal.counted as usize] += refusal.vetoes * offers;
        match refusal.counted {
            Counted::Limit => self.dynamics += offers,
            _ => self.statics += offers,
        }
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let [dedicated, maintenance, constraint, limit, insufficient] = self.by_kind;
        let all = [
            ("veto_evaluated_offers", self.evaluated),
            ("scheduling_veto_static", self.statics),
            ("scheduling_veto_dynamic", self.dynamics),
            ("scheduling_veto_dedicated_constraint_mismatch", dedicated),
            ("scheduling_veto_maintenance", maintenance),
            ("scheduling_veto_constraint_mismatch", constraint),
            ("scheduling_veto_limit_not_satisfied", limit),
            ("scheduling_veto_insufficient_resources", insufficient),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl Candidates {
    /// Every offer up to here was looked at.
    pub(super) fn cursor(&self) -> Option<OrderKey> {
        self.cursor
    }

    fn len(&self) -> usize {
        self.kept.len() + self.parked_count
    }

    fn park(&mut self, place: LimitedPlace, key: OrderKey) {
        self.parked.entry(place).or_default().push(key);
        self.parked_count += 1;
    }
}

impl<'a> Search<'a> {
    fn run(&mut self, candidates: &mut Candidates) -> Option<Place> {
        let core = self.core;
        let newer = core.offers.last_sequence().saturating_sub(candidates.seen);
        if candidates.cursor.is_some()
            && newer > FEW_NEW
            && let Some((found, anew)) = self.run_anew(newer as usize)
        {
            *candidates = anew;
            return Some(found);
        }
        match candidates.cursor {
            // Before the first search nothing is behind anything: all offers are still ahead.
            None if self.request.is_plain() && self.suits_no_class() => {
                candidates.cursor = core.offers.last();
            }
            None => {}
            Some(cursor) => {
                for held in core.offers.newer_than(candidates.seen) {
                    if held.key <= cursor && self.suits_for_good(held) {
                        candidates.kept.insert(held.key);
                    }
                }
            }
        }
        candidates.seen = core.offers.last_sequence();
        // Where no task of the job moved no limit leaves more room than before.
        if candidates.unparked != self.spread.version {
            candidates.unparked = self.spread.version;
            self.unpark(candidates);
        }
        self.first(candidates, usize::MAX)
    }

    /// A search that knows of no offer and looks at the first ones in order alone. Where many offers are new, one that suits
    /// is mostly among the first, and is found sooner so than by looking at all that is new. When there is none nothing is
    /// as if it had been looked for.
    fn run_anew(&mut self, most: usize) -> Option<(Place, Candidates)> {
        let mut anew = Candidates {
            seen: self.core.offers.last_sequence(),
            unparked: self.spread.version,
            ..Candidates::default()
        };
        let found = self.first(&mut anew, most);
        if found.is_none() {
            (self.tally, self.nearest) = (Tally::default(), None);
        }
        Some((found?, anew))
    }

    /// The first offer that suits of those that are kept and of so many behind the cursor.
    fn first(&mut self, candidates: &mut Candidates, most: usize) -> Option<Place> {
        let mut for_others = Vec::new();
        let found = self.first_for_all(candidates, most, &mut for_others);
        candidates.kept.extend(for_others);
        found
    }

    /// The same; puts aside those that would suit if their agents were not kept for others.
    fn first_for_all(
        &mut self,
        candidates: &mut Candidates,
        most: usize,
        for_others: &mut Vec<OrderKey>,
    ) -> Option<Place> {
        let core = self.core;
        let group = self.request.config.id;
        let mut take = |search: &mut Self, held: &HeldOffer, candidates: &mut Candidates| {
            if core.reservations.forbid(&held.agent, group) {
                for_others.push(held.key);
                return false;
            }
            match search.speaks_against(held) {
                None => return true,
                Some(ForNow::Limit {
                    place,
                    may_end: true,
                    ..
                }) => candidates.park(place, held.key),
                Some(ForNow::Limit { may_end: false, .. } | ForNow::Leaving) => {}
            }
            false
        };
        while let Some(key) = candidates.kept.pop_first() {
            if let Some(held) = core.offers.get(&key)
                && take(self, held, candidates)
            {
                return Some(key.place);
            }
        }
        for held in core.offers.behind(candidates.cursor).take(most) {
            candidates.cursor = Some(held.key);
            if self.suits_for_good(held) && take(self, held, candidates) {
                return Some(held.key.place);
            }
        }
        None
    }

    /// The offer of an agent, if it suits.
    pub(super) fn offer_of(&mut self, agent: &str) -> Option<Place> {
        let core = self.core;
        let place = core.agents.at(core.agents.find(agent)?).offer?;
        let held = core.offers.at(place)?;
        let suits = self.suits_for_good(held) && self.speaks_against(held).is_none();
        suits.then_some(place)
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
            if self.spread.has_room(view, self.request, place) {
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

    /// Whether no class of offers suits, so that none has to be looked at; then all are counted and the nearest is noted.
    fn suits_no_class(&mut self) -> bool {
        let offers = &self.core.offers;
        let mut refused = Vec::new();
        for (class, count) in offers.classes.iter().filter(|(class, _)| class.is_usable()) {
            match self.against_class(class) {
                Some(refusal) => refused.push((class, refusal, count as u64)),
                None => return false,
            }
        }
        let best = refused.iter().map(|(_, refusal, _)| refusal.score).min();
        for (_, refusal, count) in &refused {
            self.tally.evaluated += count;
            self.tally.add(*refusal, *count);
        }
        refused.retain(|(_, refusal, _)| Some(refusal.score) == best);
        let is_best = |class: &Class| refused.iter().any(|(other, _, _)| other.id == class.id);
        // Of those that are equally near the first in order is told.
        let nearest = match refused.as_slice() {
            [(only, ..)] => Some(*only),
            _ => {
                let mut classes = offers.behind(None).map(|held| &*held.class);
                classes.find(|class| is_best(class))
            }
        };
        self.nearest = nearest.zip(best).map(|(class, best)| {
            let standing = self.standing(class).map(|veto| vec![veto]);
            let (has, need) = (class.has(self.request.revocable), &self.request.need);
            (best, standing.unwrap_or_else(|| insufficient(has, need)))
        });
        true
    }

    /// What speaks against all offers of a class.
    fn against_class(&self, class: &Class) -> Option<Refusal> {
        let standing = self.standing(class);
        let by_standing = standing.as_ref().map(Refusal::by_standing);
        by_standing.or_else(|| self.against_room(class))
    }

    fn standing(&self, class: &Class) -> Option<Veto> {
        let standing = Standing {
            shunned: class.is_dedicated && self.request.shuns_dedicated(),
            mode: class.mode,
            unavailable_from: class.unavailable_from,
        };
        standing.veto(&self.core.config, self.core.now)
    }

    fn against_room(&self, class: &Class) -> Option<Refusal> {
        let (has, need) = (class.has(self.request.revocable), &self.request.need);
        if has.covers(need) {
            return None;
        }
        let none = Refusal {
            counted: Counted::Insufficient,
            vetoes: 0,
            score: 0,
        };
        let all = lacking(has, need).fold(none, |sum, (_, score)| Refusal {
            vetoes: sum.vetoes + 1,
            score: sum.score + score,
            ..sum
        });
        Some(all)
    }

    /// Whether nothing static speaks against the offer.
    fn suits_for_good(&mut self, held: &HeldOffer) -> bool {
        self.tally.evaluated += 1;
        let class = &held.class;
        if let Some(veto) = self.standing(class) {
            self.note(Refusal::by_standing(&veto), || vec![veto]);
            return false;
        }
        if let Some(name) = self.request.unmet(&held.host) {
            let refusal = Refusal::one(Counted::Constraint, UNMET);
            self.note(refusal, || vec![Veto::Constraint(name.to_owned())]);
            return false;
        }
        let Some(refusal) = self.against_room(class) else {
            return true;
        };
        // A limit is asked before the resources are, so it is what the user gets to read.
        if self.speaks_against(held).is_none() {
            let (has, need) = (class.has(self.request.revocable), &self.request.need);
            self.note(refusal, || insufficient(has, need));
        }
        false
    }

    /// What speaks against the offer at this moment.
    fn speaks_against(&mut self, held: &HeldOffer) -> Option<ForNow<'a>> {
        let core = self.core;
        let view = core.store.read();
        let spread = &mut self.spread;
        let unused = held.unused(self.request);
        let against = dynamic_veto(&core.config, &unused, self.request, view, spread, core.now);
        if let Some(against) = &against {
            let refusal = match against {
                ForNow::Limit { .. } => Refusal::one(Counted::Limit, UNMET),
                ForNow::Leaving => Refusal::by_standing(&Veto::Draining),
            };
            self.note(refusal, || vec![against.veto()]);
        }
        against
    }

    fn note(&mut self, refusal: Refusal, vetoes: impl FnOnce() -> Vetoes) {
        self.tally.add(refusal, 1);
        let is_nearer = |(best, _): &(i64, Vetoes)| refusal.score < *best;
        if self.nearest.as_ref().is_none_or(is_nearer) {
            self.nearest = Some((refusal.score, vetoes()));
        }
    }
}
