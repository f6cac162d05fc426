//! The core against a cluster that loses, delays, repeats and reorders messages, whose agents vanish and return, and whose
//! scheduler is killed: the invariants hold after every step, and once the faults stop everything that should run does.
//!
//! All chance comes from one seed. A failure names it: `AURORA_SIM_SEED=17 cargo test -p aurora-scheduler simulation`.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;
use crate::core::random::Random;

mod cluster;
mod invariants;
mod operations;
mod updates;
mod users;

use cluster::Cluster;
use invariants::Invariants;
use operations::Operations;
use updates::{Steer, Updates};
use users::Users;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;

/// How long faults happen, and how long everything may take to be as it should afterwards: an explicit reconciliation (5
/// minutes), a transient time-out (5 minutes) and the longest throttling (10 minutes) may follow each other.
const FAULTS: Millis = 40 * MINUTE;
const HEALING: Millis = 30 * MINUTE;

/// What may go wrong, in thousandths.
#[derive(Clone, Copy)]
struct Faults {
    lose: i64,
    repeat: i64,
    /// Offers that are taken back when they are used.
    snatch: i64,
    delay: Millis,
}

const HEALTHY: Faults = Faults {
    lose: 0,
    repeat: 0,
    snatch: 0,
    delay: 50,
};

/// Something that happens at a time.
#[derive(Debug)]
enum Event {
    ToMaster(MesosCall),
    ToScheduler(MesosEvent),
    /// The master makes offers; agents send statuses again that nobody acknowledged.
    Allocate,
    Resend,
    /// A task goes on by itself.
    Task(String, v1::TaskState),
    /// Something breaks.
    Break,
    AgentBack(usize),
    Subscribe,
    Quota,
    User,
    /// A call that a test makes.
    Call(Box<Call>),
    /// A coordinator answers a question.
    Answer(u64),
    /// Somebody steers an update.
    Steer(Steer),
    /// The scheduler dies.
    Die,
    /// A task ends by itself.
    TaskBreaks,
}

struct Simulation {
    seed: u64,
    core: Core,
    now: Millis,
    random: Random,
    queue: BTreeMap<(Millis, u64), Event>,
    count: u64,
    faults: Faults,
    cluster: Cluster,
    users: Users,
    invariants: Invariants,
    operations: Operations,
    updates: Updates,
    trace: DefaultHasher,
    writes: u64,
    config: Config,
    /// The scheduler dies after this step, before or after its effects leave.
    dies: Option<(u64, Death)>,
}

/// When a scheduler dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Death {
    BeforeEffects,
    AfterEffects,
}

/// Every other run knows partitions.
fn is_aware(seed: u64) -> bool {
    seed % 2 == 1
}

fn flags(run: u64, seed: u64) -> Config {
    Config {
        seed,
        partition_aware: is_aware(run),
        reconciliation_explicit_interval: 5 * MINUTE,
        reconciliation_implicit_interval: 5 * MINUTE,
        reconciliation_schedule_spread: MINUTE,
        history_max_per_job_threshold: 5,
        history_min_retention_threshold: MINUTE,
        history_prune_threshold: 10 * MINUTE,
        preemption_delay: 10 * SECOND,
        preemption_slot_search_initial_delay: 10 * SECOND,
        preemption_slot_search_interval: 10 * SECOND,
        ..config()
    }
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let mut random = Random::new(seed);
        let core_seed = random.next();
        let config = flags(seed, core_seed);
        let mut simulation = Simulation {
            seed,
            core: Core::new(config.clone()),
            now: START,
            queue: BTreeMap::new(),
            count: 0,
            faults: Faults {
                lose: random.below(150),
                repeat: random.below(100),
                snatch: random.below(100),
                delay: 1 + random.below(4_000),
            },
            random,
            cluster: Cluster::new(6, is_aware(seed)),
            users: Users::default(),
            invariants: Invariants::default(),
            operations: Operations::default(),
            updates: Updates::default(),
            trace: DefaultHasher::new(),
            writes: 0,
            config,
            dies: None,
        };
        for (delay, event) in [
            (0, Event::Subscribe),
            (1, Event::Quota),
            (1, Event::User),
            (2, Event::Allocate),
            (3, Event::Resend),
            (MINUTE, Event::Break),
        ] {
            simulation.at(delay, event);
        }
        simulation
    }

    fn at(&mut self, delay: Millis, event: Event) {
        self.count += 1;
        self.queue.insert((self.now + delay, self.count), event);
    }

    /// Sends a message through the network.
    fn send(&mut self, message: Event) {
        if self.random.below(1000) < self.faults.lose {
            return;
        }
        let delay = self.random.below(self.faults.delay);
        if self.random.below(1000) < self.faults.repeat {
            let copy = match &message {
                // Only statuses are ever repeated: everything else comes on one ordered stream.
                Event::ToScheduler(MesosEvent::Status(statuses)) => {
                    Some(MesosEvent::Status(statuses.clone()))
                }
                _ => None,
            };
            if let Some(copy) = copy {
                let later = self.random.below(self.faults.delay);
                self.at(later, Event::ToScheduler(copy));
            }
        }
        self.at(delay, message);
    }

    fn run_until(&mut self, end: Millis) {
        loop {
            let event = self.queue.keys().next().map(|(at, _)| *at);
            let deadline = self.core.next_deadline();
            let next = event.into_iter().chain(deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if deadline.is_some_and(|deadline| deadline <= self.now) {
                self.step(Input::Timer);
            } else if let Some((_, event)) = self.queue.pop_first() {
                self.happen(event);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToMaster(call) => self.master_hears(call),
            Event::ToScheduler(event) => {
                // What was sent to an earlier subscription is not heard.
                if self.cluster.subscribed {
                    self.step(Input::Mesos(event));
                }
            }
            Event::Allocate => {
                self.allocate();
                self.at(SECOND, Event::Allocate);
            }
            Event::Resend => {
                for status in self.cluster.unacknowledged() {
                    self.send(Event::ToScheduler(MesosEvent::Status(vec![status])));
                }
                self.at(10 * SECOND, Event::Resend);
            }
            Event::Task(id, state) => self.task_goes_on(&id, state),
            Event::Break => self.break_something(),
            Event::AgentBack(agent) => self.agent_returns(agent),
            Event::Subscribe => {
                self.cluster.subscribe();
                self.step(Input::Mesos(MesosEvent::Registered {
                    framework_id: "F1".to_owned(),
                    master: "m".to_owned(),
                }));
            }
            Event::Call(call) => self.write(*call),
            Event::Answer(id) => {
                let answer = self.operations.coordinator(&mut self.random);
                self.step(Input::Coordinator { id, answer });
            }
            Event::Steer(call) => self.steer(call),
            Event::Die => self.kill_scheduler(),
            Event::TaskBreaks => self.task_breaks(),
            Event::Quota => self.write(Users::quota()),
            Event::User => {
                let write = self.users.think_of_something(&mut self.random);
                self.write(write);
                let pause = self.random.below(60 * SECOND);
                self.at(pause, Event::User);
            }
        }
    }

    fn write(&mut self, call: Call) {
        self.writes += 1;
        let id = self.writes;
        let user = "tester".to_owned();
        self.step(Input::Write { id, user, call });
    }

    /// One step of the core: its ops are durable when it returns, its effects leave, the invariants are checked.
    fn step(&mut self, input: Input) {
        format!("{} {input:?}", self.now).hash(&mut self.trace);
        let call = match &input {
            Input::Write { call, .. } => Some(call.clone()),
            _ => None,
        };
        let step = self.core.step(self.now, input);
        format!("{:?} {:?}", step.ops, step.effects).hash(&mut self.trace);
        for effect in &step.effects {
            if let (Effect::Reply { response, .. }, Some(call)) = (effect, &call) {
                self.users.heard(call, response, &self.core);
            }
        }
        self.invariants
            .check(self.seed, self.now, &self.core, &step, &self.users);
        let number = self.invariants.steps;
        let at = format!("seed {}, step {number}, {} ms", self.seed, self.now - START);
        self.operations
            .check(&at, self.now, &self.core, &step, call.as_ref());
        self.updates.check(&at, self.now, &self.core, &step);
        let death = self
            .dies
            .filter(|(step, _)| *step == number)
            .map(|(_, death)| death);
        if death != Some(Death::BeforeEffects) {
            self.perform(step.effects);
        }
        if death.is_some() {
            self.kill_scheduler();
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Mesos(call) => self.send(Event::ToMaster(call)),
                Effect::AskCoordinator(question) => {
                    let delay = self.random.below(5 * SECOND);
                    self.at(delay, Event::Answer(question.id));
                }
                Effect::Reply { .. } => {}
            }
        }
    }

    fn break_something(&mut self) {
        match self.random.below(8) {
            0 => self.kill_scheduler(),
            1 => {
                self.cluster.subscribed = false;
                self.step(Input::Mesos(MesosEvent::Disconnected));
                let pause = self.random.below(MINUTE);
                self.at(pause, Event::Subscribe);
            }
            2..=4 => self.agent_vanishes(),
            _ => self.task_breaks(),
        }
        let pause = self.random.below(MINUTE);
        self.at(pause, Event::Break);
    }

    /// The process dies after its last step was durable; another one takes over from snapshot and log.
    fn kill_scheduler(&mut self) {
        let store = self.invariants.rebuilt();
        let seed = self.random.next();
        let config = Config {
            seed,
            ..self.config.clone()
        };
        let (core, step) = Core::recover(config, store, self.now);
        self.core = core;
        self.invariants
            .check(self.seed, self.now, &self.core, &step, &self.users);
        self.updates.died();
        self.updates
            .check("a new scheduler", self.now, &self.core, &step);
        self.operations.died();
        self.queue
            .retain(|_, event| !matches!(event, Event::Answer(_)));
        self.cluster.subscribed = false;
        let pause = self.random.below(30 * SECOND);
        self.at(pause, Event::Subscribe);
    }

    /// Ends all faults.
    fn heal(&mut self) {
        self.faults = HEALTHY;
        let last = self.now;
        self.queue.retain(|_, event| {
            !matches!(
                event,
                Event::Break | Event::User | Event::AgentBack(_) | Event::Subscribe
            )
        });
        for agent in 0..self.cluster.agents.len() {
            self.agent_returns(agent);
        }
        if !self.cluster.subscribed {
            self.happen(Event::Subscribe);
        }
        self.run_until(last + HEALING);
    }
}

/// The seeds to run: so many, unless the environment chooses.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    match number("AURORA_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("AURORA_SIM_SEEDS").unwrap_or(count),
    }
}

/// The steps after which a scheduler dies: forty of all, or every one with `AURORA_SIM_EVERY_STEP=1`.
fn sample(steps: u64) -> impl Iterator<Item = u64> {
    let stride = match std::env::var("AURORA_SIM_EVERY_STEP") {
        Ok(_) => 1,
        Err(_) => (steps / 40).max(1) as usize,
    };
    (1..steps).step_by(stride)
}

/// Runs one seed; the hash of all that went in and out, how many steps it took, and the states that tasks were in.
fn run(seed: u64) -> (u64, u64, BTreeSet<ScheduleStatus>) {
    let mut simulation = Simulation::new(seed);
    simulation.run_until(START + FAULTS);
    simulation.heal();
    simulation.invariants.liveness(
        seed,
        &simulation.core,
        &simulation.users,
        &simulation.cluster,
    );
    (
        simulation.trace.finish(),
        simulation.invariants.steps,
        simulation.invariants.seen,
    )
}

#[test]
fn simulation_holds_the_invariants() {
    let (mut steps, mut seen) = (0, BTreeSet::new());
    for seed in seeds(20) {
        let (_, taken, states) = run(seed);
        steps += taken;
        seen.extend(states);
    }
    assert!(
        steps > 1_000,
        "only {steps} steps: the simulation stood still"
    );
    // All that can happen without maintenance did.
    use ScheduleStatus::*;
    let all = [
        Pending,
        Starting,
        Running,
        Finished,
        Failed,
        Killed,
        Killing,
        Lost,
        Assigned,
        Restarting,
        Throttled,
        Partitioned,
        Preempting,
    ];
    assert_eq!(seen, BTreeSet::from(all), "{steps} steps");
}

#[test]
fn simulation_repeats_itself() {
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).0, run(4).0);
}
