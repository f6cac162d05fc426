//! How an update takes a task down: at once, or when its policy allows it (aurora: `KillTaskHandler`, `SlaKillController.java`).

use std::sync::Arc;

use aurora_api::model::{JobKey, Resource, ScheduleStatus, SlaPolicy, TaskConfig};

use super::began;
use super::instance::is_killable;
use super::status::Direction;
use crate::core::Core;
use crate::core::config::Millis;
use crate::core::sla::{Permission, Purpose};
use crate::core::store::{TaskId, Update, Usage};
use crate::core::timers::Timer;

pub(super) const SLA_CHECK: &str = "Checking SLA before continuing.";
const SLA_PASSED: &str = "SLA check passed, continuing.";

/// A task whose policy is to be asked before it is killed.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) job: JobKey,
    pub(super) task: TaskId,
    /// The updater's.
    pub(super) generation: u64,
    /// The wait before it.
    pub(super) waited: Millis,
}

impl Core {
    /// Kills an instance's task, as soon as its policy allows it when the update keeps to policies.
    pub(super) fn kill_for_update(&mut self, job: &JobKey, instance: i32, generation: u64) {
        if self.policy_of(job, instance).is_none() {
            self.kill_now(job, instance);
            return;
        }
        self.announce_check(job, instance);
        if let Some(task) = self.store.read().active_task(job, instance) {
            self.updates.tries.push_back(Try {
                job: job.clone(),
                task: task.id(),
                generation,
                waited: 0,
            });
        }
    }

    /// Says, once in each direction, that a policy is asked.
    fn announce_check(&mut self, job: &JobKey, instance: i32) {
        let update = self.store.read().active_update(job);
        let (Some(updater), Some(key)) = (
            self.updates.rolling.get_mut(job),
            update.map(Update::key).cloned(),
        ) else {
            return;
        };
        if updater.checked.insert(instance) {
            let action = began(updater.direction);
            self.record(&key, instance, action, Some(SLA_CHECK));
        }
    }

    /// The time for another try has come: it is made when this step ends.
    pub(crate) fn try_kill_again(
        &mut self,
        job: JobKey,
        task: TaskId,
        generation: u64,
        waited: Millis,
    ) {
        self.updates.tries.push_back(Try {
            job,
            task,
            generation,
            waited,
        });
    }

    /// The policy that an update that keeps to policies keeps to for an instance: the new configuration's forwards, and
    /// backwards that of what the instance goes back to.
    fn policy_of(&self, job: &JobKey, instance: i32) -> Option<SlaPolicy> {
        let update = self.store.read().active_update(job)?;
        let instructions = &update.update.instructions;
        if instructions.settings.sla_aware != Some(true) {
            return None;
        }
        match self.updates.rolling.get(job)?.direction {
            Direction::Forward => instructions.desired_state.as_ref()?.task.sla_policy.clone(),
            Direction::Back => {
                let updater = self.updates.rolling.get(job)?;
                updater.target(instance)?.sla_policy.clone()
            }
        }
    }

    fn kill_now(&mut self, job: &JobKey, instance: i32) {
        let Some(task) = self.store.read().active_task(job, instance) else {
            return;
        };
        let (id, agent) = (
            task.id(),
            task.place().map(|place| Arc::clone(&place.agent)),
        );
        let Some(updater) = self.updates.rolling.get(job) else {
            return;
        };
        let message = format!("Killed for job update {}", updater.id);
        let fits = updater
            .target(instance)
            .is_some_and(|new| fits_in_place(&task.config.task, new));
        if let Some(agent) = agent.filter(|_| fits) {
            self.reserve_agent(job, instance, &agent);
        }
        self.change_state(&id, None, ScheduleStatus::Killing, Some(message));
    }

    /// Asks a task's policy and kills if it agrees. Otherwise it comes back later, since a denial is for now and a
    /// coordinator may not answer, for as long as the task is not on its way out.
    pub(super) fn try_kill(&mut self, attempt: Try) {
        let Try {
            job,
            task: id,
            generation,
            waited,
        } = attempt;
        let updater = self.updates.rolling.get(&job);
        if updater.is_none_or(|updater| updater.generation != generation) {
            return;
        }
        let task = self.store.read().task(&id);
        let Some(task) = task.filter(|task| is_killable(task.status)) else {
            return;
        };
        let Some(policy) = self.policy_of(&job, task.instance) else {
            return;
        };
        let has_place = task.status.is_agent_assigned();
        self.bump(format!("updates_sla_kill_attempt_{job}"));
        // What has no place yet keeps no promise.
        let permission = match has_place {
            true => self.check_sla(&id, &policy, Purpose::Update { generation }),
            false => Permission::Granted,
        };
        if permission == Permission::Granted {
            self.update_permitted(&id, generation);
            return;
        }
        let (initial, max) = (
            self.config.sla_aware_kill_retry_min_delay,
            self.config.sla_aware_kill_retry_max_delay,
        );
        let wait = self.random.backoff(waited, initial, max).max(1);
        let timer = Timer::UpdateKill(job, id, generation, wait);
        self.timers.set(self.now.saturating_add(wait), timer);
    }

    /// An update may kill a task. When a coordinator thought about it for so long that the update is elsewhere by now,
    /// nothing happens.
    pub(crate) fn update_permitted(&mut self, id: &TaskId, generation: u64) {
        let view = self.store.read();
        let Some(task) = view.task(id) else {
            return;
        };
        let (job, instance) = (task.job().clone(), task.instance);
        let updater = self.updates.rolling.get(&job);
        let Some(updater) = updater.filter(|updater| updater.generation == generation) else {
            return;
        };
        let is_theirs = updater.is_working_on(instance)
            && updater
                .see(instance, Some(task))
                .is_some_and(|seen| !seen.is_target)
            && is_killable(task.status);
        let (direction, key) = (updater.direction, view.active_update(&job).map(Update::key));
        if let Some(key) = key.filter(|_| is_theirs).cloned() {
            self.record(&key, instance, began(direction), Some(SLA_PASSED));
            self.kill_now(&job, instance);
            self.bump(format!("updates_sla_kill_success_{job}"));
        }
    }
}

/// Whether a new task surely fits where the old one ran: nothing of it is larger, and it may go to the same hosts.
fn fits_in_place(old: &TaskConfig, new: &TaskConfig) -> bool {
    let (has, needs) = (Usage::of(&old.resources), Usage::of(&new.resources));
    let others = |config: &TaskConfig| {
        let mut counts = (0, 0);
        for resource in &config.resources {
            match resource {
                Resource::NamedPort(_) => counts.0 += 1,
                Resource::NumGpus(gpus) => counts.1 += gpus,
                _ => {}
            }
        }
        counts
    };
    let ((ports, gpus), (new_ports, new_gpus)) = (others(old), others(new));
    old.constraints == new.constraints
        && has.micro_cpus >= needs.micro_cpus
        && has.ram_mb >= needs.ram_mb
        && has.disk_mb >= needs.disk_mb
        && ports >= new_ports
        && gpus >= new_gpus
}
