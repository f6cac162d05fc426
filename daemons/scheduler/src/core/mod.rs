//! The scheduler's decisions: no clock, no sockets, no files, no randomness but a seeded generator.
//!
//! [`Core::step`] takes what happened and the time, changes the state and gives back the [`Op`]s that changed it with the
//! [`Effect`]s that rest on them. Whoever drives it makes the ops durable before an effect leaves. Everything that waits is a
//! deadline ([`Core::next_deadline`]).
//!
//! Start with [`op`] for what the log holds, [`store`] for the state.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aurora_api::model::{JobKey, Response};
use aurora_api::service::Call;
use aurora_mesos::v1::{
    AgentId, ExecutorId, InverseOffer, Offer, OfferId, TaskId as MesosTaskId, TaskStatus,
};

mod agents;
mod audit;
mod blueprint;
mod cache;
mod classes;
pub mod codec;
pub mod config;
mod counters;
pub mod cron;
mod executor;
mod filter;
mod frames;
mod history;
mod join;
mod launch;
mod lots;
mod machine;
mod maintenance;
mod mesos;
mod offers;
pub mod op;
mod plan;
mod preempt;
mod primitives;
mod quota;
mod random;
mod reconcile;
mod reserve;
mod resources;
mod schedule;
mod search;
mod show;
pub mod sla;
mod slots;
pub mod store;
mod tasks;
mod timers;
pub(crate) mod updates;
pub mod validate;
mod victims;
mod why;
mod writes;

pub use blueprint::Launch;
pub use config::{Config, Millis, NamePattern, OfferOrder, Tier, Tiers};
pub use cron::{Zone, next_run, next_runs};
pub use maintenance::countdowns;
pub use op::{AuditRecord, CronOutcome, InstanceAct, Op};
pub use quota::consumption;
pub use show::WaitingGroup;
pub use store::{Change, Changes, Store, View};
pub use why::{NearHost, Weighed};

use agents::Agents;
use cron::Crons;
use offers::Offers;
use preempt::Preemption;
use random::Random;
use reconcile::Reconciliation;
use reserve::Reservations;
use schedule::{ByConfig, Group, Permits};
use search::{Candidates, Nearest};
use sla::{CoordinatorAnswer, CoordinatorCall, Coordinators, Tracker};
use tasks::Entry;
use timers::{Timer, Timers};
use updates::Updates;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A changing call, authenticated.
    Write {
        /// Names the reply.
        id: u64,
        /// The caller for audit messages; `UNSECURE` when nobody was asked.
        user: String,
        /// The call.
        call: Call,
    },
    /// News from Mesos.
    Mesos(MesosEvent),
    /// What became of a question to a coordinator, [`Effect::AskCoordinator`].
    Coordinator {
        /// The question's id.
        id: u64,
        /// The answer.
        answer: CoordinatorAnswer,
    },
    /// The deadline has come.
    Timer,
}

/// News from Mesos.
#[derive(Clone, Debug)]
pub enum MesosEvent {
    /// The subscription stands. All earlier offers are void.
    Registered {
        /// The framework's id.
        framework_id: String,
        /// The master, for the log.
        master: String,
    },
    /// The subscription is lost.
    Disconnected,
    /// New offers.
    Offers(Vec<Offer>),
    /// An offer is void.
    Rescinded(OfferId),
    /// Mesos wants machines back.
    InverseOffers(Vec<InverseOffer>),
    /// Statuses of tasks.
    Status(Vec<TaskStatus>),
    /// An agent is gone, or an executor ended.
    Failure {
        /// The agent.
        agent_id: Option<AgentId>,
        /// The executor; an agent alone is gone as a whole.
        executor_id: Option<ExecutorId>,
        /// The executor's exit status.
        status: Option<i32>,
    },
}

/// What a step did and what is to be done.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Changes of the state, already applied in memory.
    pub ops: Vec<Op>,
    /// What the ops changed.
    pub changes: Changes,
    /// What may leave once the ops are durable, in order.
    pub effects: Vec<Effect>,
}

impl Step {
    /// Makes room for what so many launches add.
    fn make_room(&mut self, launches: usize) {
        self.ops.reserve(launches);
        self.changes.reserve(launches);
        self.effects.reserve(launches);
    }
}

/// Something that the world can see.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The answer to a write.
    Reply {
        /// The write's id.
        id: u64,
        /// The answer; the server's description is not in it. In a box, since a step with a hundred launches has none.
        response: Box<Response>,
    },
    /// A call to Mesos.
    Mesos(MesosCall),
    /// A question to a job's coordinator. What becomes of it is told by [`Input::Coordinator`], always.
    AskCoordinator(CoordinatorCall),
}

/// A call to Mesos.
#[derive(Clone, Debug, PartialEq)]
pub enum MesosCall {
    /// ACCEPT with one LAUNCH.
    Launch {
        /// The offers.
        offer_ids: Vec<OfferId>,
        /// The task.
        task: Box<Launch>,
        /// How long the rest of the offer is not wanted, in seconds.
        refuse_seconds: f64,
    },
    /// DECLINE.
    Decline {
        /// The offers.
        offer_ids: Vec<OfferId>,
        /// How long their resources are not wanted, in seconds.
        refuse_seconds: f64,
    },
    /// ACCEPT_INVERSE_OFFERS, with the default filter.
    AcceptInverseOffers {
        /// The inverse offers.
        offer_ids: Vec<OfferId>,
    },
    /// KILL.
    Kill {
        /// The task.
        task_id: MesosTaskId,
        /// Its agent, when known.
        agent_id: Option<AgentId>,
    },
    /// ACKNOWLEDGE.
    Acknowledge {
        /// The agent of the status.
        agent_id: AgentId,
        /// The task.
        task_id: MesosTaskId,
        /// The status' uuid.
        uuid: bytes::Bytes,
    },
    /// RECONCILE; without tasks Mesos tells all it knows.
    Reconcile {
        /// Tasks and their agents.
        tasks: Vec<(MesosTaskId, Option<AgentId>)>,
    },
    /// REVIVE.
    Revive,
    /// SUPPRESS.
    Suppress,
}

/// The deciding part of the scheduler.
#[derive(Debug)]
pub struct Core {
    config: Config,
    store: Store,
    random: Random,
    timers: Timers,
    /// When throttled tasks become pending.
    throttled: BTreeMap<store::TaskId, Millis>,
    offers: Offers,
    groups: ByConfig<Group>,
    candidates: ByConfig<Candidates>,
    /// How many offers all candidates together remember.
    offers_kept: usize,
    nearest: ByConfig<Nearest>,
    permits: Permits,
    reservations: Reservations,
    preemption: Preemption,
    agents: Agents,
    reconciliation: Reconciliation,
    sla: Tracker,
    coordinators: Coordinators,
    crons: Crons,
    updates: Updates,
    /// When draining hosts are looked at next.
    next_poll: Option<Millis>,
    /// Whether the subscription stands.
    registered: bool,
    /// Whether it ever did.
    has_registered: bool,
    /// Jobs whose history is looked at when the step is done.
    crowded_jobs: BTreeSet<JobKey>,
    /// Jobs for which a timer waits that forgets their oldest ended task.
    prune_timers: BTreeSet<JobKey>,
    /// When this process took over.
    began: Millis,
    counters: BTreeMap<Cow<'static, str>, u64>,
    now: Millis,
    out: Step,
}

impl Core {
    /// A scheduler that has never run.
    pub fn new(config: Config) -> Core {
        Core::over(config, Store::default(), 0)
    }

    fn over(config: Config, store: Store, now: Millis) -> Core {
        Core {
            // The hour is mixed in so that a successor with the same seed does not make the same task ids again.
            random: Random::new(config.seed ^ (now as u64).rotate_left(32)),
            permits: Permits::full(config.max_schedule_attempts_per_sec, now),
            reservations: Reservations::new(&config),
            preemption: Preemption::new(&config),
            agents: Agents::default(),
            config,
            store,
            timers: Timers::default(),
            throttled: BTreeMap::new(),
            offers: Offers::default(),
            groups: ByConfig::default(),
            candidates: ByConfig::default(),
            offers_kept: 0,
            nearest: ByConfig::default(),
            reconciliation: Reconciliation::default(),
            sla: Tracker::default(),
            coordinators: Coordinators::default(),
            crons: Crons::default(),
            updates: Updates::default(),
            next_poll: None,
            registered: false,
            has_registered: false,
            crowded_jobs: BTreeSet::new(),
            prune_timers: BTreeSet::new(),
            began: now,
            counters: counters::from_zero(),
            now,
            out: Step::default(),
        }
    }

    /// A scheduler that takes over the state of an earlier one. Time-outs start again as if every task had just entered its
    /// state, except where the state's own times count: throttling, partitions, history.
    pub fn recover(config: Config, store: Store, now: Millis) -> (Core, Step) {
        let mut core = Core::over(config, store, now);
        core.sla = Tracker::of(core.store.read(), now);
        let view = core.store.read();
        // Places in the table, since a million ids would take more memory than the tasks do.
        let mut tasks: Vec<_> = view.slots().collect();
        tasks.sort_unstable_by(|(_, left), (_, right)| {
            let times = left.last_event_time().cmp(&right.last_event_time());
            times.then_with(|| left.cmp_ids(right))
        });
        let tasks: Vec<_> = tasks.iter().map(|(at, task)| (*at, task.status)).collect();
        core.sign();
        for (slot, status) in tasks {
            let Some(id) = core.store.read().task_at(slot).map(store::Task::id) else {
                continue;
            };
            core.note_whereabouts(&id);
            core.entered(&id, status, Entry::Recovered);
        }
        core.recover_crons();
        core.recover_maintenance();
        core.recover_updates();
        let step = core.finish();
        (core, step)
    }

    /// Decides. The ops are applied to the store before it returns. Time that goes backwards counts as standing still.
    pub fn step(&mut self, now: Millis, input: Input) -> Step {
        self.now = self.now.max(now);
        self.reservations.expire(self.now);
        self.preemption.slots.expire(self.now);
        self.sla.measure(self.store.read(), self.now, &self.config);
        self.sign();
        match input {
            Input::Write { id, user, call } => {
                let response = Box::new(self.write(&user, call));
                self.out.effects.push(Effect::Reply { id, response });
            }
            Input::Mesos(event) => self.mesos_event(event),
            Input::Coordinator { id, answer } => self.coordinator_answered(id, answer),
            Input::Timer => {
                while let Some(timer) = self.timers.due(self.now) {
                    self.timer(timer);
                }
            }
        }
        self.finish()
    }

    /// Puts this scheduler's name on the events to come.
    fn sign(&mut self) {
        if self.store.read().scheduler() != self.config.hostname {
            let host = self.config.hostname.clone();
            self.apply(Op::SaveScheduler { host });
        }
    }

    fn timer(&mut self, timer: Timer) {
        match timer {
            Timer::Group(config) => self.group_due(config),
            Timer::Permit => self.permit_due(),
            Timer::Throttled(id) => self.throttled_long_enough(&id),
            Timer::Transient(id, status, since) => self.transient_for_too_long(id, status, since),
            Timer::KillRetry(id, waited) => self.retry_kill(&id, waited),
            Timer::Partitioned(id, since) => self.partitioned_for_too_long(&id, since),
            Timer::Offer(sequence) => self.offer_held_long_enough(sequence),
            Timer::Prune(job) => self.kept_long_enough(&job),
            Timer::Cron(job, minute) => self.cron_due(&job, minute),
            Timer::CronFollowUp(job, waited) => self.cron_follow_up_due(job, waited),
            Timer::UpdateLook(job, instance) => self.update_look_due(&job, instance),
            Timer::UpdateKill(job, task, generation, waited) => {
                self.try_kill_again(job, task, generation, waited);
            }
            // They are made when the step ends.
            Timer::UpdateKills => {}
            Timer::UpdateHistory => self.update_history_due(),
            Timer::MaintenancePoll => self.maintenance_poll_due(),
            Timer::Coordinator(id) => self.coordinator_silent(id),
            Timer::Explicit => self.explicit_due(),
            Timer::ExplicitBatch => self.reconcile_batch_due(),
            Timer::Implicit => self.implicit_due(),
            Timer::SlotSearch => self.slot_search_due(),
            Timer::SlotSearchGoesOn => self.go_on_searching(),
        }
    }

    fn finish(&mut self) -> Step {
        self.attend_to_updates();
        self.thin_out_histories();
        let interval = self.config.sla_stat_refresh_interval.max(1);
        self.sla.arm(self.began, self.now, interval);
        std::mem::take(&mut self.out)
    }

    /// When the next [`Input::Timer`] is due.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.next().into_iter().chain(self.sla.next()).min()
    }

    /// The SLA metrics of the last window.
    pub fn sla_report(&self) -> Arc<sla::Report> {
        self.sla.report()
    }

    /// The state.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The flags.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many offers are held.
    pub fn offers_held(&self) -> usize {
        self.offers.len()
    }

    /// Upstream's counters by name, since this process began.
    pub fn counters(&self) -> &BTreeMap<Cow<'static, str>, u64> {
        &self.counters
    }
}

#[cfg(test)]
mod tests;
