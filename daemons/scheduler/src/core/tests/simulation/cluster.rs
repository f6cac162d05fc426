//! A Mesos master with its agents, in as much as a scheduler can tell: offers, launches, statuses until they are
//! acknowledged, kills, reconciliation, agents that go and come back.

use std::collections::VecDeque;

use super::*;
use aurora_mesos::v1::TaskState;

const CPUS: f64 = 12.0;
const MEM: f64 = 16_384.0;
const DISK: f64 = 65_536.0;

pub(super) struct Agent {
    pub(super) up: bool,
    /// How often it came back with nothing and got a new id.
    life: u32,
}

pub(super) struct SimTask {
    agent: usize,
    pub(super) state: TaskState,
    used: [f64; 3],
    /// Statuses that were not acknowledged, oldest first; the first is sent until it is.
    statuses: VecDeque<(TaskState, u64)>,
}

pub(super) struct Cluster {
    pub(super) agents: Vec<Agent>,
    pub(super) tasks: BTreeMap<String, SimTask>,
    offers: BTreeMap<String, usize>,
    refused_until: BTreeMap<usize, Millis>,
    pub(super) subscribed: bool,
    /// Whether the framework knows partitions.
    aware: bool,
    count: u64,
}

impl Cluster {
    pub(super) fn new(agents: usize, aware: bool) -> Cluster {
        Cluster {
            agents: (0..agents).map(|_| Agent { up: true, life: 0 }).collect(),
            tasks: BTreeMap::new(),
            offers: BTreeMap::new(),
            refused_until: BTreeMap::new(),
            subscribed: false,
            aware,
            count: 0,
        }
    }

    fn agent_id(&self, agent: usize) -> String {
        format!("agent-{agent}-{}", self.agents[agent].life)
    }

    fn free(&self, agent: usize) -> [f64; 3] {
        let mut free = [CPUS, MEM, DISK];
        for task in self
            .tasks
            .values()
            .filter(|task| task.agent == agent && !task.state.is_terminal())
        {
            for (free, used) in free.iter_mut().zip(task.used) {
                *free -= used;
            }
        }
        free
    }

    pub(super) fn subscribe(&mut self) {
        self.subscribed = true;
        self.offers.clear();
        self.refused_until.clear();
    }

    /// What a framework hears of a task that is not there: the first word if it knows partitions.
    fn word(&self, aware: TaskState) -> TaskState {
        if self.aware { aware } else { TaskState::Lost }
    }

    /// The statuses that agents send again.
    pub(super) fn unacknowledged(&self) -> Vec<v1::TaskStatus> {
        let waiting = self
            .tasks
            .iter()
            .filter(|(_, task)| self.agents[task.agent].up);
        let statuses = waiting.filter_map(|(id, task)| {
            let (state, uuid) = *task.statuses.front()?;
            Some(self.status(id, Some(task.agent), state, Some(uuid)))
        });
        statuses.collect()
    }

    fn status(
        &self,
        id: &str,
        agent: Option<usize>,
        state: TaskState,
        uuid: Option<u64>,
    ) -> v1::TaskStatus {
        v1::TaskStatus {
            task_id: id.into(),
            state,
            agent_id: agent.map(|agent| self.agent_id(agent).into()),
            uuid: uuid.map(|uuid| uuid.to_be_bytes().to_vec().into()),
            ..v1::TaskStatus::default()
        }
    }
}

impl Simulation {
    pub(super) fn allocate(&mut self) {
        if !self.cluster.subscribed {
            return;
        }
        for agent in 0..self.cluster.agents.len() {
            let refused = self
                .cluster
                .refused_until
                .get(&agent)
                .is_some_and(|until| *until > self.now);
            let offered = self.cluster.offers.values().any(|other| *other == agent);
            let free = self.cluster.free(agent);
            if !self.cluster.agents[agent].up || refused || offered || free[0] < 0.01 {
                continue;
            }
            self.cluster.count += 1;
            let id = format!("O{}", self.cluster.count);
            let offer = v1::Offer {
                id: id.as_str().into(),
                framework_id: "F1".into(),
                agent_id: self.cluster.agent_id(agent).into(),
                hostname: format!("host-{agent}"),
                resources: vec![
                    scalar("cpus", free[0]),
                    scalar("mem", free[1]),
                    scalar("disk", free[2]),
                ],
                attributes: vec![
                    text_attribute("host", &format!("host-{agent}")),
                    text_attribute("rack", &format!("rack-{}", agent / 2)),
                ],
                ..v1::Offer::default()
            };
            self.cluster.offers.insert(id, agent);
            self.send(Event::ToScheduler(MesosEvent::Offers(vec![offer])));
        }
        // A lost offer, or a lost answer to one, must not bind an agent for ever.
        if self.random.below(40) == 0
            && let Some(id) = self.cluster.offers.keys().next().cloned()
        {
            self.rescind(&id);
        }
    }

    fn rescind(&mut self, id: &str) {
        self.cluster.offers.remove(id);
        self.send(Event::ToScheduler(MesosEvent::Rescinded(id.into())));
    }

    pub(super) fn master_hears(&mut self, call: MesosCall) {
        match call {
            MesosCall::Launch {
                offer_ids,
                task,
                refuse_seconds,
            } => self.launch(&offer_ids[0].value, task.info(), refuse_seconds),
            MesosCall::Decline {
                offer_ids,
                refuse_seconds,
            } => {
                for id in offer_ids {
                    self.refuse(&id.value, refuse_seconds);
                }
            }
            MesosCall::Kill { task_id, .. } => self.kill(&task_id.value),
            MesosCall::Acknowledge { task_id, uuid, .. } => {
                let Some(task) = self.cluster.tasks.get_mut(&task_id.value) else {
                    return;
                };
                let first = task.statuses.front().copied();
                if first.is_some_and(|(_, waiting)| waiting.to_be_bytes()[..] == uuid[..]) {
                    task.statuses.pop_front();
                    if task.statuses.is_empty() && task.state.is_terminal() {
                        self.cluster.tasks.remove(&task_id.value);
                    }
                }
            }
            MesosCall::Reconcile { tasks } => self.reconcile(tasks),
            MesosCall::AcceptInverseOffers { .. } | MesosCall::Revive | MesosCall::Suppress => {}
        }
    }

    fn refuse(&mut self, id: &str, seconds: f64) -> Option<usize> {
        let agent = self.cluster.offers.remove(id)?;
        self.cluster
            .refused_until
            .insert(agent, self.now + (seconds * 1000.0) as Millis);
        Some(agent)
    }

    fn launch(&mut self, offer: &str, task: v1::TaskInfo, seconds: f64) {
        let id = task.task_id.value.clone();
        // The offer is taken back in the moment in which it is used.
        if self.random.below(1000) < self.faults.snatch {
            self.rescind(offer);
        }
        let Some(agent) = self.refuse(offer, seconds) else {
            let state = self.cluster.word(TaskState::Dropped);
            self.tell(&id, None, state);
            return;
        };
        let executor = task
            .executor
            .as_ref()
            .map_or(&[][..], |executor| &executor.resources[..]);
        let sum = |name: &str| -> f64 {
            let all = task
                .resources
                .iter()
                .chain(executor)
                .filter(|resource| resource.name == name);
            all.filter_map(|resource| resource.scalar.as_ref())
                .map(|scalar| scalar.value)
                .sum()
        };
        let used = [sum("cpus"), sum("mem"), sum("disk")];
        let free = self.cluster.free(agent);
        for (used, free) in used.iter().zip(free) {
            assert!(
                *used <= free + 1e-9,
                "seed {}: capacity: {id} takes {used} of {free}",
                self.seed
            );
        }
        let launched = SimTask {
            agent,
            state: TaskState::Staging,
            used,
            statuses: VecDeque::new(),
        };
        let before = self.cluster.tasks.insert(id.clone(), launched);
        assert!(
            before.is_none(),
            "seed {}: lifecycle: {id} is launched twice",
            self.seed
        );
        let delay = 50 + self.random.below(450);
        self.at(delay, Event::Task(id.clone(), TaskState::Starting));
        let delay = delay + self.random.below(3 * SECOND);
        self.at(delay, Event::Task(id.clone(), TaskState::Running));
        let is_bad = task.data.as_deref().is_some_and(updates::is_bad);
        if is_bad {
            self.at(delay + 2 * SECOND, Event::Task(id, TaskState::Failed));
        }
    }

    fn kill(&mut self, id: &str) {
        let agent = self
            .cluster
            .tasks
            .get(id)
            .filter(|task| !task.state.is_terminal())
            .map(|task| task.agent);
        match agent {
            None => {
                let state = self.cluster.word(TaskState::Unknown);
                self.tell(id, None, state);
            }
            // The way to the agent is a network too.
            Some(agent) if self.cluster.agents[agent].up => {
                if self.random.below(1000) >= self.faults.lose {
                    let delay = self.random.below(2 * SECOND);
                    self.at(delay, Event::Task(id.to_owned(), TaskState::Killed));
                }
            }
            Some(_) => {}
        }
    }

    /// A status without uuid: sent once.
    fn tell(&mut self, id: &str, agent: Option<usize>, state: TaskState) {
        let status = self.cluster.status(id, agent, state, None);
        self.send(Event::ToScheduler(MesosEvent::Status(vec![status])));
    }

    fn reconcile(&mut self, tasks: Vec<(v1::TaskId, Option<v1::AgentId>)>) {
        let known = |cluster: &Cluster, id: &str| {
            let task = cluster
                .tasks
                .get(id)
                .filter(|task| cluster.agents[task.agent].up)?;
            Some((task.agent, task.state))
        };
        let ids: Vec<String> = if tasks.is_empty() {
            self.cluster.tasks.keys().cloned().collect()
        } else {
            tasks.into_iter().map(|(id, _)| id.value).collect()
        };
        for id in ids {
            match known(&self.cluster, &id) {
                Some((agent, state)) => self.tell(&id, Some(agent), state),
                None => {
                    let state = self.cluster.word(TaskState::Unknown);
                    self.tell(&id, None, state);
                }
            }
        }
    }

    /// A task enters a state on its agent.
    pub(super) fn task_goes_on(&mut self, id: &str, state: TaskState) {
        self.cluster.count += 1;
        let uuid = self.cluster.count;
        let Some(task) = self.cluster.tasks.get_mut(id) else {
            return;
        };
        let behind = state == TaskState::Starting && task.state == TaskState::Running;
        if task.state.is_terminal() || task.state == state || behind {
            return;
        }
        task.state = state;
        task.statuses.push_back((state, uuid));
        let (agent, first) = (task.agent, task.statuses.len() == 1);
        if first && self.cluster.agents[agent].up {
            let status = self.cluster.status(id, Some(agent), state, Some(uuid));
            self.send(Event::ToScheduler(MesosEvent::Status(vec![status])));
        }
    }

    pub(super) fn task_breaks(&mut self) {
        let ids: Vec<String> = self.cluster.tasks.keys().cloned().collect();
        if ids.is_empty() {
            return;
        }
        let id = &ids[self.random.below(ids.len() as i64) as usize];
        let end = [TaskState::Failed, TaskState::Finished, TaskState::Killed]
            [self.random.below(3) as usize];
        self.task_goes_on(id, end);
    }

    /// An agent is gone: its tasks are reported lost, once. Half of the time the machine itself died with all on it.
    pub(super) fn agent_vanishes(&mut self) {
        let agent = self.random.below(self.cluster.agents.len() as i64) as usize;
        if !self.cluster.agents[agent].up {
            return;
        }
        self.cluster.agents[agent].up = false;
        let offers: Vec<String> = self
            .cluster
            .offers
            .iter()
            .filter(|(_, on)| **on == agent)
            .map(|(id, _)| id.clone())
            .collect();
        for id in offers {
            self.rescind(&id);
        }
        let on_it: Vec<String> = self
            .cluster
            .tasks
            .iter()
            .filter(|(_, task)| task.agent == agent)
            .map(|(id, _)| id.clone())
            .collect();
        let dead = self.random.below(2) == 0;
        for id in on_it {
            let state = self.cluster.word(TaskState::Unreachable);
            self.tell(&id, Some(agent), state);
            if dead {
                self.cluster.tasks.remove(&id);
            }
        }
        if dead {
            self.cluster.agents[agent].life += 1;
        }
        self.send(Event::ToScheduler(MesosEvent::Failure {
            agent_id: Some(self.cluster.agent_id(agent).into()),
            executor_id: None,
            status: None,
        }));
        let pause = self.random.below(5 * MINUTE);
        self.at(pause, Event::AgentBack(agent));
    }

    /// An agent is there again. What still ran on it goes on if the framework knows partitions, and is killed otherwise.
    pub(super) fn agent_returns(&mut self, agent: usize) {
        if self.cluster.agents[agent].up {
            return;
        }
        self.cluster.agents[agent].up = true;
        let on_it: Vec<String> = self
            .cluster
            .tasks
            .iter()
            .filter(|(_, task)| task.agent == agent)
            .map(|(id, _)| id.clone())
            .collect();
        for id in on_it {
            let state = self.cluster.tasks[&id].state;
            if self.cluster.aware {
                self.tell(&id, Some(agent), state);
            } else {
                self.task_goes_on(&id, TaskState::Killed);
            }
        }
    }
}
