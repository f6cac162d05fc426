//! Which task gets which offer, and when it is tried (aurora: `TaskGroups`, `TaskSchedulerImpl`, `TaskAssignerImpl`).
//!
//! Pending tasks of one configuration are a group: one queue, one back-off. For each group the core remembers how far down
//! the order of offers everything has been refused for good ([`Candidates`]), so that trying again costs only what is new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::config::Millis;
use super::filter::{
    ForNow, LimitedPlace, Request, Spread, Veto, Vetoes, dynamic_veto, static_vetoes,
};
use super::offers::{HeldOffer, OrderKey};
use super::store::{ConfigId, StoredConfig, TaskId};
use super::tasks::Entry;
use super::timers::Timer;
use super::{Core, MesosCall};
use aurora_api::model::ScheduleStatus;

/// The pending tasks of one configuration.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(super) queue: VecDeque<TaskId>,
    /// The wait before the coming turn.
    pub(super) penalty: Millis,
    /// When that turn is.
    due: Millis,
    /// Whether it has come and a permit is awaited.
    is_waiting: bool,
}

/// What is known of the offers for one configuration.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Every offer up to here that came up to `seen` is in `kept` or refused for as long as it is held.
    cursor: Option<OrderKey>,
    /// Offers up to the cursor that nothing static speaks against.
    kept: BTreeSet<OrderKey>,
    /// The same where a limit is reached, by what it is reached at.
    parked: BTreeMap<LimitedPlace, Vec<OrderKey>>,
    /// How many offers are parked, some of which may be gone.
    parked_count: usize,
    /// Where the job's tasks are.
    spread: Spread,
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

/// Permits for attempts: a bucket that fills at a rate and holds one second's worth.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    available: f64,
    at: Millis,
    /// Groups whose turn has come, in order.
    waiting: VecDeque<ConfigId>,
    /// Whether a timer for the next permit is set.
    armed: bool,
}

/// How long a nearest fit counts before any newer one takes its place (aurora: `NearestFit.EXPIRATION`).
const NEAREST_EXPIRES: Millis = 10 * 60 * 1000;

/// How many groups may wait for an offer to wake those that it suits.
const MAX_WOKEN: usize = 64;

/// How many offers all [`Candidates`] together may keep.
const KEPT_LIMIT: usize = 2_000_000;

impl Permits {
    pub(crate) fn full(rate: f64, now: Millis) -> Permits {
        Permits {
            available: rate,
            at: now,
            ..Permits::default()
        }
    }

    fn take(&mut self, rate: f64, now: Millis) -> bool {
        let passed = (now.saturating_sub(self.at)).max(0) as f64 / 1000.0;
        self.available = (self.available + passed * rate).min(rate.max(1.0));
        self.at = self.at.max(now);
        if self.available >= 1.0 {
            self.available -= 1.0;
            return true;
        }
        false
    }

    fn next(&self, rate: f64) -> Millis {
        let missing = (1.0 - self.available).max(0.0);
        self.at
            .saturating_add(((missing / rate.max(1e-6) * 1000.0).ceil() as Millis).max(1))
    }
}

impl Core {
    /// Puts a pending task into its group.
    pub(crate) fn enqueue(
        &mut self,
        config: ConfigId,
        id: &TaskId,
        ancestor: Option<TaskId>,
        entry: Entry,
    ) {
        if let Some(group) = self.groups.get_mut(&config) {
            group.queue.push_back(Arc::clone(id));
            return;
        }
        let penalty = match entry {
            Entry::Transition => self.config.first_schedule_delay,
            Entry::Recovered => {
                let delay = self
                    .random
                    .below(self.config.max_reschedule_task_delay_on_startup);
                delay.saturating_add(self.flapping_penalty(ancestor))
            }
        };
        let group = Group {
            queue: VecDeque::from([Arc::clone(id)]),
            penalty,
            due: self.now.saturating_add(penalty),
            is_waiting: false,
        };
        self.timers.set(group.due, Timer::Group(config));
        self.groups.insert(config, group);
    }

    /// A group's turn has come, unless it was moved since the timer was set.
    pub(crate) fn group_due(&mut self, config: ConfigId) {
        let now = self.now;
        let group = self.groups.get_mut(&config);
        if let Some(group) = group.filter(|group| group.due <= now && !group.is_waiting) {
            group.is_waiting = true;
            self.permits.waiting.push_back(config);
            self.run_waiting_groups();
        }
    }

    /// An offer came: groups that back off and that it could serve are not left to wait any longer. Where many groups wait,
    /// asking each about every offer would cost more than the wait does, and the back-off alone decides.
    pub(crate) fn wake_groups(&mut self, sequence: u64) {
        if self.groups.len() > MAX_WOKEN {
            return;
        }
        let Some(held) = self.offers.newer_than(sequence.saturating_sub(1)).next() else {
            return;
        };
        let soon = self.now.saturating_add(self.config.first_schedule_delay);
        let view = self.store.read();
        let suits = |id: &ConfigId| {
            view.config(*id).is_some_and(|stored| {
                let request = Request::new(&self.config, stored);
                static_vetoes(&self.config, held, &request, self.now).is_empty()
            })
        };
        let late = self
            .groups
            .iter()
            .filter(|(_, group)| group.due > soon && !group.is_waiting);
        let woken: Vec<ConfigId> = late.map(|(id, _)| *id).filter(suits).collect();
        for id in woken {
            if let Some(group) = self.groups.get_mut(&id) {
                group.due = soon;
                self.timers.set(soon, Timer::Group(id));
            }
        }
    }

    /// A permit may be there again.
    pub(crate) fn permit_due(&mut self) {
        self.permits.armed = false;
        self.run_waiting_groups();
    }

    fn run_waiting_groups(&mut self) {
        let rate = self.config.max_schedule_attempts_per_sec;
        while let Some(config) = self.permits.waiting.front().copied() {
            if !self.permits.take(rate, self.now) {
                if !self.permits.armed {
                    self.bump("schedule_attempts_blocks");
                    self.permits.armed = true;
                    let at = self.permits.next(rate).max(self.now + 1);
                    self.timers.set(at, Timer::Permit);
                }
                return;
            }
            self.permits.waiting.pop_front();
            self.attempt(config);
        }
    }

    /// Tries to place the tasks at a group's head.
    fn attempt(&mut self, config: ConfigId) {
        let Some(mut group) = self.groups.remove(&config) else {
            return;
        };
        let view = self.store.read();
        let is_pending = |id: &TaskId| {
            view.task(id).is_some_and(|task| {
                task.status == ScheduleStatus::Pending && task.config.id == config
            })
        };
        // Tasks that left PENDING by other ways are passed over for good.
        let mut ids = Vec::new();
        while ids.len() < self.config.max_tasks_per_schedule_attempt.max(1) {
            match group.queue.pop_front() {
                Some(id) if is_pending(&id) => ids.push(id),
                Some(_) => {}
                None => break,
            }
        }
        let Some(stored) = view.config(config).map(Arc::clone) else {
            return;
        };
        if ids.is_empty() {
            return;
        }
        self.count("schedule_attempts_fired", ids.len() as u64);
        let (launched, unplaced) = self.place(&stored, ids);
        self.count("schedule_attempts_no_match", unplaced.len() as u64);
        for id in unplaced.into_iter().rev() {
            group.queue.push_front(id);
        }
        if group.queue.is_empty() {
            return;
        }
        group.penalty = if launched > 0 {
            self.config.first_schedule_delay
        } else {
            let (initial, max) = (
                self.config.initial_schedule_penalty,
                self.config.max_schedule_penalty,
            );
            // A turn that comes at once again would never let go.
            self.random.backoff(group.penalty, initial, max).max(1)
        };
        group.due = self.now.saturating_add(group.penalty);
        self.timers.set(group.due, Timer::Group(config));
        group.is_waiting = false;
        self.groups.insert(config, group);
    }

    /// Launches as many of the tasks as find an offer, one after the other, so that each is judged with the earlier ones in
    /// place. Gives back how many were launched and the others.
    fn place(&mut self, stored: &Arc<StoredConfig>, ids: Vec<TaskId>) -> (usize, Vec<TaskId>) {
        let mut candidates = self.take_candidates(stored.id);
        let expired = self
            .nearest
            .get(&stored.id)
            .is_some_and(|nearest| self.now - nearest.since >= NEAREST_EXPIRES);
        if expired {
            // Look at everything again, so that the reason is not older than that.
            self.nearest.remove(&stored.id);
            candidates = Candidates::default();
        }
        let mut launched = 0;
        let mut unplaced = Vec::new();
        for id in ids {
            // All tasks of a group need the same: where one finds nothing, the next finds nothing either.
            let found = if unplaced.is_empty() {
                self.find_offer(stored, &mut candidates)
            } else {
                None
            };
            let Some(key) = found else {
                unplaced.push(id);
                continue;
            };
            let Some(held) = self.offers.remove(key) else {
                unplaced.push(id);
                continue;
            };
            let attributes = held.attributes.clone();
            if self.launch(&id, stored, held) {
                let job = &stored.task.job;
                candidates
                    .spread
                    .placed(self.store.read(), job, &attributes);
                launched += 1;
            } else {
                unplaced.push(id);
            }
        }
        self.keep_candidates(stored.id, candidates);
        if launched > 0 {
            self.nearest.remove(&stored.id);
            self.store.set_reason(stored.id, None);
        }
        self.show_reason(stored.id);
        (launched, unplaced)
    }

    fn keep_candidates(&mut self, id: ConfigId, candidates: Candidates) {
        self.offers_kept += candidates.len();
        self.candidates.insert(id, candidates);
        if self.candidates.len() > 2 * self.groups.len() + 1024 {
            let view = self.store.read();
            self.candidates.retain(|id, _| view.config(*id).is_some());
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

    fn take_candidates(&mut self, id: ConfigId) -> Candidates {
        let candidates = self.candidates.remove(&id).unwrap_or_default();
        self.offers_kept = self.offers_kept.saturating_sub(candidates.len());
        candidates
    }

    /// The first offer in order that suits.
    fn find_offer(
        &mut self,
        stored: &StoredConfig,
        candidates: &mut Candidates,
    ) -> Option<OrderKey> {
        let found = self.search(stored, candidates);
        // Everything may have been refused before, for a reason that was dropped when another task of the group went: find
        // it again, so that users can read it.
        if found.is_some() || self.offers.len() == 0 || self.nearest.contains_key(&stored.id) {
            return found;
        }
        *candidates = Candidates::default();
        self.search(stored, candidates)
    }

    fn search(&mut self, stored: &StoredConfig, candidates: &mut Candidates) -> Option<OrderKey> {
        let request = Request::new(&self.config, stored);
        let mut search = Search {
            core: self,
            request: &request,
            spread: std::mem::take(&mut candidates.spread),
            nearest: None,
        };
        search.spread.refresh(self.store.read(), &stored.task.job);
        let found = search.run(candidates);
        let Search {
            spread, nearest, ..
        } = search;
        candidates.spread = spread;
        if let Some(vetoes) = nearest {
            self.note_nearest(stored.id, vetoes);
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
            };
            self.nearest.insert(id, nearest);
        }
    }

    fn show_reason(&mut self, id: ConfigId) {
        if let Some(nearest) = self.nearest.get(&id) {
            let reasons: Vec<String> = nearest.vetoes.iter().map(Veto::to_string).collect();
            self.store.set_reason(id, Some(reasons.join(",").into()));
        }
    }

    /// Gives an offer back that has been held long enough.
    pub(crate) fn offer_held_long_enough(&mut self, sequence: u64) {
        if let Some(held) = self.offers.expire(sequence) {
            self.decline(vec![held.offer.id]);
        }
    }

    pub(crate) fn decline(&mut self, offer_ids: Vec<aurora_mesos::v1::OfferId>) {
        let refuse_seconds = self.refuse_seconds();
        self.call_mesos(MesosCall::Decline {
            offer_ids,
            refuse_seconds,
        });
    }

    pub(crate) fn refuse_seconds(&self) -> f64 {
        self.config.offer_filter_duration as f64 / 1000.0
    }
}

/// One search for an offer.
struct Search<'a> {
    core: &'a Core,
    request: &'a Request<'a>,
    spread: Spread,
    nearest: Option<(i64, Vetoes)>,
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
        for held in core.offers.newer_than(candidates.seen) {
            let is_before_cursor = candidates.cursor.is_some_and(|cursor| held.key <= cursor);
            if is_before_cursor && self.suits_for_good(held) {
                candidates.kept.insert(held.key);
            }
        }
        candidates.seen = core.offers.last_sequence();
        self.unpark(candidates);
        while let Some(key) = candidates.kept.pop_first() {
            let Some(held) = core.offers.get(&key) else {
                continue;
            };
            match self.speaks_against(held) {
                None => return Some(key),
                Some(ForNow::Limit(place)) => candidates.park(place, key),
                Some(ForNow::Leaving) => {}
            }
        }
        for held in core.offers.behind(candidates.cursor) {
            candidates.cursor = Some(held.key);
            if !self.suits_for_good(held) {
                continue;
            }
            match self.speaks_against(held) {
                None => return Some(held.key),
                Some(ForNow::Limit(place)) => candidates.park(place, held.key),
                Some(ForNow::Leaving) => {}
            }
        }
        None
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
        let vetoes = static_vetoes(&core.config, held, self.request, core.now);
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
        let against = dynamic_veto(&core.config, held, self.request, view, spread, core.now);
        if let Some(against) = &against {
            self.note(vec![against.veto()]);
        }
        against
    }

    fn note(&mut self, vetoes: Vetoes) {
        let score = vetoes.iter().map(Veto::score).sum();
        if self.nearest.as_ref().is_none_or(|(best, _)| score < *best) {
            self.nearest = Some((score, vetoes));
        }
    }
}

/// Groups, candidates and nearest fits by configuration.
pub(crate) type ByConfig<T> = BTreeMap<ConfigId, T>;

#[cfg(test)]
impl Core {
    /// When a pending task's group has its next turn; `None` when no turn would ever come.
    pub(crate) fn next_turn(&self, config: ConfigId, id: &TaskId) -> Option<Millis> {
        let group = self.groups.get(&config)?;
        if !group.queue.contains(id) {
            return None;
        }
        if self.permits.waiting.contains(&config) {
            return self.permits.armed.then_some(self.now);
        }
        Some(group.due).filter(|due| *due >= self.now)
    }
}
