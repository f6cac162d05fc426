//! Which task gets which offer, and when it is tried (aurora: `TaskGroups`, `TaskSchedulerImpl`, `TaskAssignerImpl`).
//!
//! Pending tasks of one configuration are a group: one queue, one back-off. For each group the core remembers how far down
//! the order of offers everything has been refused for good ([`Candidates`]), so that trying again costs only what is new.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::config::Millis;
use super::filter::{Request, Spread, Veto, Vetoes, dynamic_veto, static_vetoes};
use super::offers::{HeldOffer, OrderKey};
use super::store::{ConfigId, StoredConfig, TaskId};
use super::tasks::Entry;
use super::timers::Timer;
use super::{Core, MesosCall};
use aurora_api::model::ScheduleStatus;

/// The pending tasks of one configuration.
#[derive(Debug, Default)]
pub(crate) struct Group {
    queue: VecDeque<TaskId>,
    /// The wait before the coming turn.
    penalty: Millis,
    /// When that turn is.
    due: Millis,
}

/// What is known of the offers for one configuration.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Every offer up to here that came up to `seen` is in `kept` or refused for as long as it is held.
    cursor: Option<OrderKey>,
    /// Offers up to the cursor that nothing static speaks against.
    kept: BTreeSet<OrderKey>,
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
        };
        self.timers.set(group.due, Timer::Group(config));
        self.groups.insert(config, group);
    }

    /// A group's turn has come.
    pub(crate) fn group_due(&mut self, config: ConfigId) {
        if self.groups.contains_key(&config) {
            self.permits.waiting.push_back(config);
            self.run_waiting_groups();
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
        self.groups.insert(config, group);
    }

    /// Launches as many of the tasks as find an offer, one after the other, so that each is judged with the earlier ones in
    /// place. Gives back how many were launched and the others.
    fn place(&mut self, stored: &Arc<StoredConfig>, ids: Vec<TaskId>) -> (usize, Vec<TaskId>) {
        let mut candidates = self.candidates.remove(&stored.id).unwrap_or_default();
        let expired = self
            .nearest
            .get(&stored.id)
            .is_some_and(|nearest| self.now - nearest.since >= NEAREST_EXPIRES);
        if expired {
            // Look at everything again, so that the reason is not older than that.
            self.nearest.remove(&stored.id);
            candidates = Candidates::default();
        }
        let mut spread = Spread::default();
        let mut launched = 0;
        let mut unplaced = Vec::new();
        for id in ids {
            // All tasks of a group need the same: where one finds nothing, the next finds nothing either.
            let found = if unplaced.is_empty() {
                self.find_offer(stored, &mut candidates, &mut spread)
            } else {
                None
            };
            let Some(key) = found else {
                unplaced.push(id);
                continue;
            };
            candidates.kept.remove(&key);
            let Some(held) = self.offers.remove(key) else {
                unplaced.push(id);
                continue;
            };
            let attributes = held.attributes.clone();
            if self.launch(&id, stored, held) {
                spread.placed(&attributes);
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
        let total: usize = candidates.kept.len()
            + self
                .candidates
                .values()
                .map(|other| other.kept.len())
                .sum::<usize>();
        if total > KEPT_LIMIT {
            self.candidates.clear();
        }
        if self.candidates.len() > 2 * self.groups.len() + 1024 {
            let view = self.store.read();
            self.candidates.retain(|id, _| view.config(*id).is_some());
        }
        self.candidates.insert(id, candidates);
    }

    /// The first offer in order that suits.
    fn find_offer(
        &mut self,
        stored: &StoredConfig,
        candidates: &mut Candidates,
        spread: &mut Spread,
    ) -> Option<OrderKey> {
        let request = Request::new(&self.config, stored);
        let mut search = Search {
            core: self,
            request: &request,
            spread,
            nearest: None,
        };
        let found = search.run(candidates);
        if let Some(vetoes) = search.nearest.take() {
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
    spread: &'a mut Spread,
    nearest: Option<(i64, Vetoes)>,
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
        let mut gone = Vec::new();
        let mut found = None;
        for key in &candidates.kept {
            match core.offers.get(key) {
                None => gone.push(*key),
                Some(held) if self.suits_now(held) => {
                    found = Some(*key);
                    break;
                }
                Some(_) => {}
            }
        }
        for key in gone {
            candidates.kept.remove(&key);
        }
        if found.is_some() {
            return found;
        }
        for held in core.offers.behind(candidates.cursor) {
            candidates.cursor = Some(held.key);
            if self.suits_for_good(held) {
                candidates.kept.insert(held.key);
                if self.suits_now(held) {
                    return Some(held.key);
                }
            }
        }
        None
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
        if !(only_resources && !self.suits_now(held)) {
            self.note(vetoes);
        }
        false
    }

    /// Whether nothing that changes speaks against the offer at this moment.
    fn suits_now(&mut self, held: &HeldOffer) -> bool {
        let core = self.core;
        let view = core.store.read();
        match dynamic_veto(
            &core.config,
            held,
            self.request,
            view,
            self.spread,
            core.now,
        ) {
            None => true,
            Some(veto) => {
                self.note(vec![veto]);
                false
            }
        }
    }

    fn note(&mut self, vetoes: Vetoes) {
        let score = vetoes.iter().map(Veto::score).sum();
        if self.nearest.as_ref().is_none_or(|(best, _)| score < *best) {
            self.nearest = Some((score, vetoes));
        }
    }
}

/// Groups, candidates and nearest fits by configuration.
pub(crate) type ByConfig<T> = HashMap<ConfigId, T>;

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
