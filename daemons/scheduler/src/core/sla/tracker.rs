//! The figures behind metrics and policies, kept up a task's event at a time: no event looks at more than its own task.

use std::collections::HashMap;
use std::sync::Arc;

use aurora_api::model::{JobKey, ScheduleStatus};
use uuid::Uuid;

use super::platform::{Clock, Platform};
use super::policy::Standing;
use super::report::Report;
use crate::core::config::Millis;
use crate::core::op::Op;
use crate::core::store::{Event, FastMap, Slot, StoredConfig, Task, View};

/// Kinds of tasks that are measured apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) service: bool,
    pub(super) production: bool,
}

impl Class {
    fn of(config: &StoredConfig) -> Class {
        Class {
            service: config.task.is_service,
            production: config.task.production == Some(true),
        }
    }
}

/// The tasks of one job and class.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) class: Class,
    /// How many are stored.
    tasks: u32,
    /// Since when the running ones run, earliest first.
    pub(super) running: Vec<Millis>,
    instances: FastMap<i32, Instance>,
    pub(super) up: Clock,
    pub(super) down: Clock,
    /// Both clocks at the end of the last window.
    pub(super) measured: (Millis, Millis),
}

#[derive(Debug, Default)]
struct Instance {
    tasks: u32,
    state: Platform,
}

impl Group {
    fn new(class: Class) -> Group {
        Group {
            class,
            tasks: 0,
            running: Vec::new(),
            instances: FastMap::default(),
            up: Clock::default(),
            down: Clock::default(),
            measured: (0, 0),
        }
    }

    fn clock(&mut self, state: Platform) -> Option<&mut Clock> {
        match state {
            Platform::Removed => None,
            Platform::Down => Some(&mut self.down),
            Platform::Up => Some(&mut self.up),
        }
    }

    fn bring(&mut self, instance: i32, at: Millis, next: impl Fn(Platform) -> Platform) {
        let place = &mut self.instances.entry(instance).or_default().state;
        let old = *place;
        let new = next(old);
        *place = new;
        if old == new {
            return;
        }
        if let Some(clock) = self.clock(old) {
            clock.leave(at);
        }
        if let Some(clock) = self.clock(new) {
            clock.enter(at);
        }
    }

    fn add(&mut self, instance: i32) {
        self.tasks += 1;
        self.instances.entry(instance).or_default().tasks += 1;
    }

    fn runs_since(&mut self, since: Millis) {
        // Almost always the last.
        let place = self.running.partition_point(|other| *other <= since);
        self.running.insert(place, since);
    }

    fn ran_since(&mut self, since: Millis) {
        if let Ok(place) = self.running.binary_search(&since) {
            self.running.remove(place);
        }
    }
}

/// What is waited for, in the order of the metrics `mtta`, `mtts`, `mttr`.
pub(super) const AWAITED: [ScheduleStatus; 3] = [
    ScheduleStatus::Assigned,
    ScheduleStatus::Starting,
    ScheduleStatus::Running,
];

/// A task of a service came to a state after it was pending.
#[derive(Debug)]
pub(super) struct Wait {
    /// The task's place in the table, and what tells whether it is still the same.
    task: (Slot, Uuid),
    pub(super) job: Arc<JobKey>,
    pub(super) production: bool,
    pub(super) config: Arc<StoredConfig>,
    /// Place in [`AWAITED`].
    pub(super) awaited: usize,
    pub(super) span: Millis,
    at: Millis,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    jobs: FastMap<Arc<JobKey>, Vec<Group>>,
    /// Services' waits that ended in the current window.
    waits: Vec<Wait>,
    /// Services' tasks by production and size; see [`super::report`].
    pub(super) sizes: [super::report::Sizes; 2],
    /// When the current window ends, while there is something to measure.
    window_end: Option<Millis>,
    window_start: Millis,
    report: Arc<Report>,
}

impl Tracker {
    /// What the state that was taken over has.
    pub(crate) fn of(view: &View, now: Millis) -> Tracker {
        let mut tracker = Tracker {
            window_start: now,
            ..Tracker::default()
        };
        for job in view.jobs() {
            let mut histories: HashMap<(i32, bool), Vec<&Event>> = HashMap::new();
            let tasks = view.ended_tasks(job).chain(view.active_tasks(job));
            for task in tasks {
                let group = tracker.added(&job.key, &task.config, task.instance);
                if task.status == ScheduleStatus::Running {
                    group.runs_since(task.last_event_time());
                }
                let key = (task.instance, group.class.production);
                if group.class.service {
                    histories.entry(key).or_default().extend(&task.events);
                }
            }
            for ((instance, production), mut events) in histories {
                events.sort_by_key(|event| event.time);
                let class = Class {
                    service: true,
                    production,
                };
                let group = tracker.group(&job.key, class);
                for event in events {
                    group.bring(instance, event.time, |state| state.after(event.status));
                }
            }
        }
        tracker.mark(now);
        tracker
    }

    fn group(&mut self, job: &Arc<JobKey>, class: Class) -> &mut Group {
        let groups = self.jobs.entry(Arc::clone(job)).or_default();
        let place = groups.iter().position(|group| group.class == class);
        let place = place.unwrap_or_else(|| {
            groups.push(Group::new(class));
            groups.len() - 1
        });
        &mut groups[place]
    }

    fn added(&mut self, job: &Arc<JobKey>, config: &StoredConfig, instance: i32) -> &mut Group {
        let class = Class::of(config);
        if class.service {
            self.sizes[usize::from(class.production)].change(&config.amounts, 1);
        }
        let group = self.group(job, class);
        group.add(instance);
        group
    }

    /// Before an op is applied: what it takes away.
    pub(crate) fn before(&mut self, op: &Op, view: &View, now: Millis) {
        match op {
            Op::RemoveTasks { tasks } => {
                for task in tasks.iter().filter_map(|id| view.task(id)) {
                    self.removed(task, now);
                }
            }
            // The record may lose the event that says since when it ran.
            Op::SaveStatus {
                task,
                status: ScheduleStatus::Partitioned,
                ..
            } => {
                if let Some(task) = view.task(task)
                    && task.status == ScheduleStatus::Running
                    && let Some(job) = view.job(task.job())
                {
                    let group = self.group(&job.key, Class::of(&task.config));
                    group.ran_since(task.last_event_time());
                }
            }
            _ => {}
        }
    }

    /// After an op was applied: what it brought.
    pub(crate) fn after(&mut self, op: &Op, view: &View) {
        match op {
            Op::InsertTasks {
                config,
                instances,
                time,
                ..
            } => {
                let Some(config) = view.config(*config) else {
                    return;
                };
                let Some(job) = view.job(&config.task.job) else {
                    return;
                };
                for instance in instances.iter().flat_map(|range| range.first..=range.last) {
                    self.inserted(&job.key, config, instance, *time, ScheduleStatus::Pending);
                }
            }
            Op::InsertReplacement {
                ancestor,
                time,
                status,
                ..
            } => {
                let ancestor = view.task(ancestor);
                let Some((ancestor, job)) =
                    ancestor.and_then(|task| Some((task, view.job(task.job())?)))
                else {
                    return;
                };
                self.inserted(
                    &job.key,
                    &ancestor.config,
                    ancestor.instance,
                    *time,
                    *status,
                );
            }
            Op::SaveStatus { task, .. } | Op::Assign { task, .. } => {
                if let Some((slot, task)) = view.find(task)
                    && let Some(job) = view.job(task.job())
                {
                    self.entered(&job.key, slot, task);
                }
            }
            _ => {}
        }
    }

    fn inserted(
        &mut self,
        job: &Arc<JobKey>,
        config: &StoredConfig,
        instance: i32,
        time: Millis,
        status: ScheduleStatus,
    ) {
        let group = self.added(job, config, instance);
        if group.class.service {
            group.bring(instance, time, |state| state.after(status));
        }
    }

    /// The task's last event has just happened.
    fn entered(&mut self, job: &Arc<JobKey>, slot: Slot, task: &Task) {
        let [.., before, last] = &task.events[..] else {
            return;
        };
        let group = self.group(job, Class::of(&task.config));
        let is_parted = last.status == ScheduleStatus::Partitioned;
        if before.status == ScheduleStatus::Running && !is_parted {
            group.ran_since(before.time);
        }
        if last.status == ScheduleStatus::Running {
            group.runs_since(last.time);
        }
        if group.class.service {
            group.bring(task.instance, last.time, |state| state.after(last.status));
            self.waited(job, slot, task);
        }
    }

    /// Notes how long a task waited for the state that it is in now, the first time that it gets there in a window.
    fn waited(&mut self, job: &Arc<JobKey>, slot: Slot, task: &Task) {
        let Some((last, earlier)) = task.events.split_last() else {
            return;
        };
        let Some(awaited) = AWAITED.iter().position(|status| *status == last.status) else {
            return;
        };
        let start = self.window_start;
        let is_again = |event: &Event| event.status == last.status && event.time >= start;
        if earlier.iter().any(is_again) {
            return;
        }
        let pending = earlier
            .iter()
            .rev()
            .find(|event| event.status == ScheduleStatus::Pending);
        if let Some(pending) = pending {
            self.waits.push(Wait {
                task: (slot, task.uuid()),
                job: Arc::clone(job),
                production: Class::of(&task.config).production,
                config: Arc::clone(&task.config),
                awaited,
                span: last.time.saturating_sub(pending.time),
                at: last.time,
            });
        }
    }

    /// A task is forgotten. One that had not ended was taken back by a user before it ran: no event says so.
    fn removed(&mut self, task: &Task, now: Millis) {
        let class = Class::of(&task.config);
        if class.service {
            self.sizes[usize::from(class.production)].change(&task.config.amounts, -1);
        }
        let Some((job, _)) = self.jobs.get_key_value(task.job()) else {
            return;
        };
        let job = Arc::clone(job);
        let group = self.group(&job, class);
        if task.status == ScheduleStatus::Running {
            group.ran_since(task.last_event_time());
        }
        group.tasks -= 1;
        let instance = group.instances.get_mut(&task.instance);
        let is_last = instance.is_some_and(|instance| {
            instance.tasks -= 1;
            instance.tasks == 0
        });
        if is_last || task.status.is_active() {
            group.bring(task.instance, now, |_| Platform::Removed);
        }
        if is_last {
            group.instances.remove(&task.instance);
        }
        if group.tasks == 0 {
            let groups = self.jobs.get_mut(&job).map(|groups| {
                groups.retain(|group| group.tasks > 0);
                groups.len()
            });
            if groups == Some(0) {
                self.jobs.remove(&job);
            }
        }
    }

    /// How many instances of a job have been running since before a time.
    fn running_before(&self, job: &JobKey, time: Millis) -> i64 {
        let groups = self.jobs.get(job).into_iter().flatten();
        let counts = groups.map(|group| group.running.partition_point(|since| *since < time));
        i64::try_from(counts.sum::<usize>()).unwrap_or(i64::MAX)
    }

    /// How a job stands, counting instances that have been running since before a time.
    pub(crate) fn standing_at(&self, view: &View, job: &JobKey, before: Millis) -> Standing {
        let active = view.job(job).map_or(0, |job| job.active_count());
        Standing {
            active: i64::try_from(active).unwrap_or(i64::MAX),
            running: self.running_before(job, before),
        }
    }

    /// Sets the end of the window when there is something to measure. Windows follow each other from `began` on.
    pub(crate) fn arm(&mut self, began: Millis, now: Millis, interval: Millis) {
        let is_needed = self.sizes.iter().any(|sizes| !sizes.is_empty());
        if self.window_end.is_none() && is_needed {
            let start = began + (now - began).div_euclid(interval) * interval;
            self.window_start = start;
            self.window_end = Some(start.saturating_add(interval));
        }
    }

    /// When the window ends.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.window_end
    }

    /// Ends the window if its time has come: nothing in it can happen any more. When several have passed, in which nothing
    /// happened either, the last of them counts.
    pub(crate) fn measure(&mut self, view: &View, now: Millis, config: &crate::core::Config) {
        let Some(end) = self.window_end.filter(|end| *end <= now) else {
            return;
        };
        let interval = config.sla_stat_refresh_interval.max(1);
        let passed_over = (now - end).div_euclid(interval);
        let end = end + passed_over * interval;
        let start = end.saturating_sub(interval);
        if passed_over > 0 {
            self.mark(start);
        }
        let mut waits = std::mem::take(&mut self.waits);
        waits.retain(|wait| {
            let is_in = (start..end).contains(&wait.at);
            let (slot, uuid) = wait.task;
            let task = || view.task_at(slot).filter(|task| task.uuid() == uuid);
            is_in && task().is_some_and(|task| task.status.is_active())
        });
        self.report = Arc::new(Report::of(self, &waits, end, config));
        self.mark(end);
        self.window_start = end;
        let is_needed = self.sizes.iter().any(|sizes| !sizes.is_empty());
        self.window_end = is_needed.then(|| end.saturating_add(interval));
    }

    /// Reads the clocks; nothing has happened since.
    fn mark(&mut self, time: Millis) {
        for group in self.jobs.values_mut().flatten() {
            group.measured = (group.up.at(time), group.down.at(time));
        }
    }

    /// Services' groups of a production class.
    pub(super) fn services(
        &self,
        production: bool,
    ) -> impl Iterator<Item = (&Arc<JobKey>, &Group)> {
        let class = Class {
            service: true,
            production,
        };
        self.jobs
            .iter()
            .flat_map(|(job, groups)| groups.iter().map(move |group| (job, group)))
            .filter(move |(_, group)| group.class == class)
    }

    /// The metrics of the last window.
    pub(crate) fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report)
    }
}
