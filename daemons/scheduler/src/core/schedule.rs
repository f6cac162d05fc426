//! Which task gets which offer, and when it is tried (aurora: `TaskGroups`, `TaskSchedulerImpl`, `TaskAssignerImpl`).
//!
//! Pending tasks of one configuration are a group: one queue, one back-off.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::blueprint::Blueprint;
use super::config::Millis;
use super::filter::{Request, static_vetoes};
use super::offers::OrderKey;
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
    pub(super) due: Millis,
    /// Whether it has come and a permit is awaited.
    is_waiting: bool,
    /// How its tasks are launched, once one was.
    blueprint: Option<Arc<Blueprint>>,
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

/// How many groups may wait for an offer to wake those that it suits.
const MAX_WOKEN: usize = 64;

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

/// How long groups wait for their next turn (aurora: `TaskGroups.java`).
pub(crate) const PENALTY: [&str; 2] = [
    "scheduled_task_penalty_events",
    "scheduled_task_penalty_ms_total",
];

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
            blueprint: None,
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
    pub(crate) fn wake_groups(&mut self, offer: OrderKey) {
        if self.groups.is_empty() || self.groups.len() > MAX_WOKEN {
            return;
        }
        let held = self.offers.get(&offer);
        let Some(held) = held.filter(|held| held.class.is_usable()) else {
            return;
        };
        let soon = self.now.saturating_add(self.config.first_schedule_delay);
        let view = self.store.read();
        let suits = |id: &ConfigId| {
            view.config(*id).is_some_and(|stored| {
                let request = Request::new(&self.config, self.store.names(), stored);
                static_vetoes(&self.config, &held.unused(&request), &request, self.now).is_empty()
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
        self.sample(PENALTY, group.penalty);
        let (launched, unplaced) = self.place(&stored, &mut group.blueprint, ids);
        self.count("schedule_attempts_no_match", unplaced.len() as u64);
        for id in &unplaced {
            self.preempt_for(&stored, id);
        }
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
    fn place(
        &mut self,
        stored: &Arc<StoredConfig>,
        blueprint: &mut Option<Arc<Blueprint>>,
        ids: Vec<TaskId>,
    ) -> (usize, Vec<TaskId>) {
        let request = Request::new(&self.config, self.store.names(), stored);
        let mut candidates = self.take_candidates(stored.id);
        let next = candidates.cursor();
        let known = (&self.agents, self.store.read());
        self.offers.read_ahead(known, next, ids.len());
        self.out.make_room(ids.len());
        let mut launched = 0;
        let mut unplaced = Vec::new();
        // All tasks of a group need the same: where one finds nothing, the next finds nothing either.
        let mut is_exhausted = false;
        for id in ids {
            let kept_for = self.agent_kept_for(&id);
            let found = match &kept_for {
                Some(agent) => self.search(&request, &mut candidates, |search, _| {
                    search.offer_of(agent)
                }),
                None if is_exhausted => None,
                None => {
                    let found = self.find_offer(&request, &mut candidates);
                    is_exhausted = found.is_none();
                    found
                }
            };
            let mut held = found.and_then(|place| self.offers.remove(&mut self.agents, place));
            let is_launched = held.as_mut().is_some_and(|held| {
                let blueprint =
                    blueprint.get_or_insert_with(|| Blueprint::new(&self.config, stored).into());
                self.launch(&id, stored, blueprint, held)
            });
            match held.filter(|_| is_launched) {
                Some(held) => {
                    let view = self.store.read();
                    let job = &stored.task.job;
                    if !request.limits.is_empty() {
                        candidates.spread.placed(view, job, &held.host);
                    }
                    let task = kept_for.and_then(|_| view.task(&id));
                    if let Some(instance) = task.map(|task| task.instance) {
                        self.release_agent(job, instance);
                    }
                    launched += 1;
                }
                None => unplaced.push(id),
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

    /// The agent that is kept for a task's instance.
    fn agent_kept_for(&self, id: &TaskId) -> Option<Arc<str>> {
        if self.reservations.for_instances.len() == 0 {
            return None;
        }
        let task = self.store.read().task(id)?;
        self.reserved_agent(task.job(), task.instance)
    }

    /// Gives an offer back that has been held long enough.
    pub(crate) fn offer_held_long_enough(&mut self, sequence: u64) {
        if let Some(held) = self.offers.expire(&mut self.agents, sequence) {
            self.decline(vec![(&*held.id).into()]);
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
