//! A master with agents that do at once what they are told, around a core whose time is counted.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use aurora_api::service::Call;
use aurora_mesos::v1::{OfferId, TaskInfo, TaskState};
use aurora_scheduler::core::{Core, Effect, Input, MesosCall, MesosEvent, Step};

use crate::fixtures::{CPUS, World};

/// What the core did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) steps: usize,
    /// Steps that wrote something: each is an entry of the log at the most.
    pub(crate) entries: usize,
    pub(crate) ops: usize,
    pub(crate) time: Duration,
}

/// See the module.
pub(crate) struct Cluster {
    pub(crate) world: World,
    /// Where tasks are, and their cores.
    tasks: HashMap<String, (usize, f64)>,
    free: Vec<f64>,
    offered: Vec<Option<OfferId>>,
    pub(crate) spent: Spent,
}

impl Cluster {
    /// So many hosts, all free.
    pub(crate) fn new(hosts: usize, world: World) -> Cluster {
        let mut cluster = Cluster {
            world,
            tasks: HashMap::new(),
            free: vec![CPUS; hosts],
            offered: vec![None; hosts],
            spent: Spent::default(),
        };
        for host in 0..hosts {
            cluster.offer(host);
        }
        cluster
    }

    /// Asks for something, and lets the cluster do what follows from it at once.
    pub(crate) fn write(&mut self, call: impl Into<Call>) {
        let began = Instant::now();
        let step = self.world.write(call);
        let effects = self.note(began, step);
        self.settle(effects);
    }

    /// Turns until something holds.
    ///
    /// # Panics
    /// It never does.
    pub(crate) fn until(&mut self, mut holds: impl FnMut(&Core) -> bool) {
        for _ in 0..10_000_000 {
            if holds(&self.world.core) {
                return;
            }
            let began = Instant::now();
            let step = self.world.turn();
            let effects = self.note(began, step);
            self.settle(effects);
        }
        panic!("the cluster stands still");
    }

    fn decide(&mut self, event: MesosEvent) -> Vec<Effect> {
        let began = Instant::now();
        let step = self.world.step(Input::Mesos(event));
        self.note(began, step)
    }

    fn note(&mut self, began: Instant, step: Step) -> Vec<Effect> {
        self.spent.time += began.elapsed();
        self.spent.steps += 1;
        self.spent.entries += usize::from(!step.ops.is_empty());
        self.spent.ops += step.ops.len();
        step.effects
    }

    fn settle(&mut self, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let follows = match effect {
                Effect::Mesos(MesosCall::Launch { task, .. }) => self.launch(&task.info()),
                Effect::Mesos(MesosCall::Kill { task_id, .. }) => self.kill(&task_id.value),
                _ => Vec::new(),
            };
            effects.extend(follows);
        }
    }

    fn launch(&mut self, task: &TaskInfo) -> Vec<Effect> {
        let (id, agent) = (&task.task_id.value, &task.agent_id.value);
        let host: usize = agent
            .trim_start_matches("slave-")
            .parse()
            .expect("a host of ours");
        let cpus = task
            .resources
            .iter()
            .filter(|resource| resource.name == "cpus");
        let cpus = cpus.filter_map(|resource| resource.scalar.as_ref());
        let cpus: f64 = cpus.map(|scalar| scalar.value).sum();
        self.tasks.insert(id.clone(), (host, cpus));
        self.free[host] -= cpus;
        self.offered[host] = None;
        let mut effects = Vec::new();
        for state in [TaskState::Starting, TaskState::Running] {
            effects.extend(self.status(id, host, state));
        }
        effects.extend(self.offer(host));
        effects
    }

    fn kill(&mut self, id: &str) -> Vec<Effect> {
        let Some((host, cpus)) = self.tasks.remove(id) else {
            return Vec::new();
        };
        self.free[host] += cpus;
        let mut effects = self.status(id, host, TaskState::Killed);
        effects.extend(self.offer(host));
        effects
    }

    fn status(&mut self, task: &str, host: usize, state: TaskState) -> Vec<Effect> {
        let began = Instant::now();
        let step = self.world.status(task, &format!("slave-{host}"), state);
        self.note(began, step)
    }

    /// Offers what a host has free, in the place of what was offered of it.
    fn offer(&mut self, host: usize) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(old) = self.offered[host].take() {
            effects.extend(self.decide(MesosEvent::Rescinded(old)));
        }
        if self.free[host] > 0.0 {
            let offer = self.world.make_offer(host, 2, self.free[host]);
            self.offered[host] = Some(offer.id.clone());
            effects.extend(self.decide(MesosEvent::Offers(vec![offer])));
        }
        effects
    }
}
