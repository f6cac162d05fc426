//! Making room: tasks of lower standing are ended for those that have waited long enough (aurora: `PendingTaskProcessor.java`,
//! `Preemptor.java`).
//!
//! Two phases. A periodic search finds for each group of waiting tasks an agent and the tasks that would have to go there: a
//! [`Slot`]. When the group's turn comes and no offer suits, a slot is looked at again, its victims become PREEMPTING, and the
//! agent is kept for the group for a while.
//!
//! A group for which nothing was found is only asked about agents that changed since.

use std::collections::VecDeque;
use std::sync::Arc;

use aurora_api::model::ScheduleStatus::{Pending, Preempting};

use super::Core;
use super::agents::Row;
use super::cache::Cache;
use super::config::Config;
use super::filter::Request;
use super::schedule::ByConfig;
use super::store::{ConfigId, FastMap, StoredConfig, TaskId};
use super::timers::Timer;
use super::victims::{NoRoom, Victims};

/// Room that could be made on an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    agent: Arc<str>,
    victims: Vec<TaskId>,
}

/// What the search for room remembers.
#[derive(Debug)]
pub(crate) struct Preemption {
    /// Groups by the room that was found for them.
    pub(super) slots: Cache<Slot, ConfigId>,
    /// The groups whose turn in this search is still to come, with the number of their tasks.
    queue: VecDeque<(ConfigId, usize)>,
    /// Agents on which this search found room already.
    taken: FastMap<Row, ()>,
    /// Groups that were searched for in vain.
    fruitless: ByConfig<Fruitless>,
}

/// What a search in vain took into account.
#[derive(Debug, PartialEq, Eq)]
struct Fruitless {
    /// All changes of agents up to this one.
    change: u64,
    /// Where the job's tasks were; it matters to limits.
    placements: u64,
}

/// So many agents are looked at in one step; other inputs come between.
const PROBES: u64 = 50_000;

impl Preemption {
    pub(crate) fn new(config: &Config) -> Preemption {
        Preemption {
            slots: Cache::new(config.preemption_slot_hold_time),
            queue: VecDeque::new(),
            taken: FastMap::default(),
            fruitless: ByConfig::default(),
        }
    }
}

impl Core {
    /// Lets the periodic search begin, after registration.
    pub(crate) fn begin_slot_searches(&mut self) {
        if self.config.enable_preemptor {
            let delay = self.config.preemption_slot_search_initial_delay;
            self.timers
                .set(self.now.saturating_add(delay), Timer::SlotSearch);
        }
    }

    /// A new search; what is left of the last one is dropped.
    pub(crate) fn slot_search_due(&mut self) {
        let interval = self.config.preemption_slot_search_interval.max(1);
        self.timers
            .set(self.now.saturating_add(interval), Timer::SlotSearch);
        self.bump("preemptor_task_processor_runs");
        self.preemption.taken.clear();
        let groups = &self.groups;
        self.preemption
            .fruitless
            .retain(|id, _| groups.contains_key(id));
        self.preemption.queue = self.candidates_for_room();
        self.go_on_searching();
    }

    /// The groups with tasks that have waited long enough and no room yet, with how many those are. More than there are
    /// agents cannot be served.
    fn candidates_for_room(&self) -> VecDeque<(ConfigId, usize)> {
        let (view, names) = (self.store.read(), self.store.names());
        let waited = |id: &TaskId| {
            view.task(id).is_some_and(|task| {
                task.status == Pending
                    && self.now - task.last_event_time() >= self.config.preemption_delay
            })
        };
        let groups = self
            .groups
            .iter()
            .filter(|(id, _)| !self.preemption.slots.has_value(id));
        let counted = groups.map(|(id, group)| {
            let waiting = group.queue.iter().filter(|id| waited(id));
            let fruitless = self.preemption.fruitless.get(id);
            let is_known = fruitless.is_some_and(|known| known.change == self.agents.last_change());
            // Where nothing will be found it is enough to know that somebody waits.
            let is_futile = || {
                let config = view.config(*id);
                let request = config.map(|stored| Request::new(&self.config, names, stored));
                request.is_some_and(|request| request.suits_no_host())
            };
            let is_short = group.queue.len() <= self.config.preemption_reservation_max_batch_size;
            let most = match is_known || !is_short && is_futile() {
                true => 1,
                false => self.agents.len(),
            };
            (*id, waiting.take(most).count())
        });
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// Goes through the groups in turns.
    pub(crate) fn go_on_searching(&mut self) {
        let mut probes = 0;
        while let Some((id, count)) = self.preemption.queue.pop_front() {
            let batch = count.min(self.config.preemption_reservation_max_batch_size.max(1));
            if self.find_slots(id, batch, &mut probes) && count > batch {
                self.preemption.queue.push_back((id, count - batch));
            }
            if probes > PROBES && !self.preemption.queue.is_empty() {
                let soon = self.now.saturating_add(1);
                self.timers.set(soon, Timer::SlotSearchGoesOn);
                return;
            }
        }
    }

    /// Looks for room for so many tasks of a group; whether there may be more.
    fn find_slots(&mut self, id: ConfigId, count: usize, probes: &mut u64) -> bool {
        let Some(stored) = self.store.read().config(id).map(Arc::clone) else {
            return false;
        };
        let placements = self.store.read().placements(&stored.task.job).0;
        let request = Request::new(&self.config, self.store.names(), &stored);
        let is_limited = !request.limits.is_empty();
        let before = self.preemption.fruitless.remove(&id);
        let still_counts = before.filter(|before| !is_limited || before.placements == placements);
        let start = still_counts.map_or(0, |before| before.change);
        let mut change = start;
        self.note_fruitless(id, start, placements);
        let mut victims = Victims::new(self, &request);
        let mut search = Probe::default();
        for _ in 0..count {
            self.count_for(&SEARCH_ATTEMPTS, &stored, 1);
            let slot = self.next_slot(&mut victims, &mut change, &mut search);
            *probes += search.probes;
            self.count("preemptor_missing_attributes", search.unknown_hosts);
            self.count_for(&SEARCH_FAILED, &stored, search.failed());
            let Some((row, slot)) = slot else {
                self.bump("preemptor_unmatched_tasks");
                if !search.has_skipped {
                    self.note_fruitless(id, change, placements);
                }
                return false;
            };
            self.count_for(&SEARCH_SUCCESSFUL, &stored, 1);
            self.preemption.taken.insert(row, ());
            self.preemption.slots.put(self.now, slot, id);
            search = Probe {
                has_skipped: true,
                ..Probe::default()
            };
        }
        true
    }

    fn note_fruitless(&mut self, id: ConfigId, change: u64, placements: u64) {
        let fruitless = Fruitless { change, placements };
        self.preemption.fruitless.insert(id, fruitless);
    }

    /// The first agent after a change on which room can be made.
    fn next_slot(
        &self,
        victims: &mut Victims<'_>,
        change: &mut u64,
        search: &mut Probe,
    ) -> Option<(Row, Slot)> {
        if *change == 0 && self.preemption.taken.is_empty() && victims.request.suits_no_host() {
            // As if each had been asked.
            search.probes += self.agents.len() as u64;
            *change = self.agents.last_change();
            return None;
        }
        for (at, row, agent) in self.agents.changed_after(*change) {
            *change = at;
            if self.preemption.taken.contains_key(&row) {
                search.has_skipped = true;
                continue;
            }
            search.probes += 1;
            match victims.on(self, agent, None) {
                Ok(victims) => {
                    search.has_found = true;
                    let agent = Arc::clone(&agent.id);
                    return Some((row, Slot { agent, victims }));
                }
                Err(NoRoom::UnknownHost) => search.unknown_hosts += 1,
                Err(NoRoom::Unsuitable) => {}
            }
        }
        *change = self.agents.last_change();
        None
    }

    /// Makes room for a task that found no offer, if a slot of its group is still good, and keeps the agent for the group.
    pub(crate) fn preempt_for(&mut self, stored: &Arc<StoredConfig>, task: &TaskId) {
        if self.reservations.for_groups.has_value(&stored.id) {
            return;
        }
        let slots = self.preemption.slots.keys_of(&stored.id);
        let slots: Vec<Slot> = slots.cloned().collect();
        for slot in slots {
            self.preemption.slots.remove(&slot, &stored.id);
            let victims = self.victims_now(stored, &slot);
            let Ok(victims) = victims else {
                self.bump("preemptor_slot_validation_failed");
                self.bump_for("preemptor_slot_validation_failed_for_", stored);
                continue;
            };
            self.bump("preemptor_slot_validation_successful");
            self.bump_for("preemptor_slot_validation_successful_for_", stored);
            for victim in victims {
                self.preempt(&victim, stored, task);
            }
            let cache = &mut self.reservations.for_groups;
            cache.put(self.now, slot.agent, stored.id);
            return;
        }
    }

    /// The slot's victims that are still there and still needed.
    fn victims_now(&self, stored: &Arc<StoredConfig>, slot: &Slot) -> Result<Vec<TaskId>, NoRoom> {
        let agent = self.agents.get(&slot.agent).ok_or(NoRoom::Unsuitable)?;
        let request = Request::new(&self.config, self.store.names(), stored);
        Victims::new(self, &request).on(self, agent, Some(&slot.victims))
    }

    fn preempt(&mut self, victim: &TaskId, stored: &Arc<StoredConfig>, task: &TaskId) {
        let config = self.store.read().task(victim).map(|task| &task.config);
        let Some(config) = config.map(Arc::clone) else {
            return;
        };
        self.bump(match config.task.production {
            Some(true) => "preemptor_tasks_preempted_prod",
            Some(false) | None => "preemptor_tasks_preempted_non_prod",
        });
        self.bump_for("preemptor_tasks_preempted_", &config);
        self.bump_for("preemptor_task_preemptor_", stored);
        let message = format!("Preempting in favor of {task}");
        self.change_state(victim, None, Preempting, Some(message));
    }

    /// Counts something of a group's search, for all of its standing and for its job.
    fn count_for(&mut self, names: &SearchCounter, stored: &StoredConfig, by: u64) {
        if by == 0 {
            return;
        }
        let all = match stored.task.production {
            Some(true) => names.prod,
            Some(false) | None => names.non_prod,
        };
        self.count(all, by);
        self.count(format!("{}{}", names.job, stored.task.job), by);
    }

    fn bump_for(&mut self, prefix: &'static str, stored: &StoredConfig) {
        self.bump(format!("{prefix}{}", stored.task.job));
    }
}

/// What came of looking for one slot.
#[derive(Debug, Default)]
struct Probe {
    probes: u64,
    unknown_hosts: u64,
    has_found: bool,
    /// An agent was passed over that may be good another time.
    has_skipped: bool,
}

impl Probe {
    fn failed(&self) -> u64 {
        self.probes - u64::from(self.has_found)
    }
}

/// Upstream's names of one counter (aurora: `PreemptorMetrics.java`).
struct SearchCounter {
    prod: &'static str,
    non_prod: &'static str,
    /// What the job's key follows.
    job: &'static str,
}

const SEARCH_ATTEMPTS: SearchCounter = SearchCounter {
    prod: "preemptor_slot_search_attempts_for_prod",
    non_prod: "preemptor_slot_search_attempts_for_non_prod",
    // Upstream spells it so.
    job: "preemption_slot_search_attempts_for_",
};
const SEARCH_SUCCESSFUL: SearchCounter = SearchCounter {
    prod: "preemptor_slot_search_successful_for_prod",
    non_prod: "preemptor_slot_search_successful_for_non_prod",
    job: "preemptor_slot_search_successful_for_",
};
const SEARCH_FAILED: SearchCounter = SearchCounter {
    prod: "preemptor_slot_search_failed_for_prod",
    non_prod: "preemptor_slot_search_failed_for_non_prod",
    job: "preemptor_slot_search_failed_for_",
};
