//! The agents in a dense table: which tasks are on each, how it described itself last, where its offer is.
//!
//! A row stays while an agent has tasks or an offer, and usually longer: agents come back, and what is known of one spares
//! work at its next offer. Rows of agents that have neither are given up when they are most of the table.

use std::sync::Arc;

use super::frames::Frame;
use super::offers::Place;
use super::store::{FastMap, Host, Slot};

/// A place in the table of agents.
pub(crate) type Row = u32;

/// The agents.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    rows: Vec<Agent>,
    by_id: FastMap<Arc<str>, Row>,
    free: Vec<Row>,
    /// Changes in order with the rows that changed; only a row's latest counts. The search for room looks only at what
    /// changed since it last looked.
    changed: Vec<(u64, Row)>,
    changes: u64,
    /// How many agents have tasks.
    busy: usize,
    /// How many have neither tasks nor an offer.
    idle: usize,
}

/// An agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) id: Arc<str>,
    pub(crate) host: Arc<str>,
    /// Places of its tasks in the task table. A task leaves its agent before it leaves the table.
    pub(crate) residents: Vec<Slot>,
    changed: u64,
    pub(crate) offer: Option<Place>,
    /// What its latest offer said besides its resources.
    pub(crate) frame: Option<Box<Frame>>,
    /// What the latest offer said of its host, as it is stored; `None` when that may be another now.
    pub(crate) described: Option<Arc<Host>>,
}

impl Agent {
    fn is_idle(&self) -> bool {
        self.residents.is_empty() && self.offer.is_none()
    }
}

/// Fewer idle rows than this are not worth a sweep.
const LEAST_SWEPT: usize = 1024;

impl Agents {
    /// How many agents have tasks.
    pub(crate) fn len(&self) -> usize {
        self.busy
    }

    /// The row of an agent.
    pub(crate) fn find(&self, agent: &str) -> Option<Row> {
        self.by_id.get(agent).copied()
    }

    pub(crate) fn at(&self, row: Row) -> &Agent {
        &self.rows[row as usize]
    }

    pub(crate) fn at_mut(&mut self, row: Row) -> &mut Agent {
        &mut self.rows[row as usize]
    }

    /// An agent that has tasks.
    pub(crate) fn get(&self, agent: &str) -> Option<&Agent> {
        let agent = self.at(self.find(agent)?);
        (!agent.residents.is_empty()).then_some(agent)
    }

    /// The row of an agent, made if there is none.
    pub(crate) fn row(&mut self, agent: &str) -> Row {
        if let Some(row) = self.find(agent) {
            return row;
        }
        if self.idle > LEAST_SWEPT && self.idle > self.rows.len() / 2 {
            self.sweep();
        }
        let id: Arc<str> = agent.into();
        let new = Agent {
            id: Arc::clone(&id),
            host: Arc::default(),
            residents: Vec::new(),
            changed: 0,
            offer: None,
            frame: None,
            described: None,
        };
        self.idle += 1;
        let row = match self.free.pop() {
            Some(row) => {
                self.rows[row as usize] = new;
                row
            }
            None => {
                self.rows.push(new);
                (self.rows.len() - 1) as Row
            }
        };
        self.by_id.insert(id, row);
        row
    }

    /// Gives up the rows of agents that have neither tasks nor an offer.
    fn sweep(&mut self) {
        let rows = &mut self.rows;
        let free = &mut self.free;
        self.by_id.retain(|_, row| {
            let agent = &mut rows[*row as usize];
            let is_idle = agent.is_idle();
            if is_idle {
                (agent.frame, agent.described, agent.changed) = (None, None, 0);
                free.push(*row);
            }
            !is_idle
        });
        // In an order that does not hang on the map's.
        free.sort_unstable_by(|left, right| right.cmp(left));
        self.idle = 0;
    }

    /// Its offer came, or went.
    pub(crate) fn set_offer(&mut self, row: Row, offer: Option<Place>) {
        let agent = &mut self.rows[row as usize];
        let before = agent.is_idle();
        agent.offer = offer;
        let after = agent.is_idle();
        self.idle = self.idle + usize::from(after) - usize::from(before);
    }

    /// The number of the latest change.
    pub(crate) fn last_change(&self) -> u64 {
        self.changes
    }

    /// The agents with tasks that changed after a change, in the order in which they did.
    pub(crate) fn changed_after(&self, change: u64) -> impl Iterator<Item = (u64, Row, &Agent)> {
        let start = self.changed.partition_point(|(at, _)| *at <= change);
        let changed = self.changed[start..].iter();
        let rows = changed.map(|(at, row)| (*at, *row, self.at(*row)));
        rows.filter(|(at, _, agent)| agent.changed == *at && !agent.residents.is_empty())
    }

    /// A task came to an agent.
    pub(crate) fn came(&mut self, row: Row, host: &Arc<str>, task: Slot) {
        let agent = &mut self.rows[row as usize];
        if agent.residents.is_empty() {
            self.busy += 1;
            self.idle -= usize::from(agent.is_idle());
            agent.host = Arc::clone(host);
        }
        agent.residents.push(task);
        self.touch(row);
    }

    /// A task left its agent. That alone makes no room that its offer does not show.
    pub(crate) fn left(&mut self, agent: &str, task: Slot) {
        let Some(row) = self.find(agent) else {
            return;
        };
        let agent = &mut self.rows[row as usize];
        let before = agent.residents.len();
        agent.residents.retain(|resident| *resident != task);
        if agent.residents.is_empty() && before > 0 {
            agent.changed = 0;
            self.busy -= 1;
            self.idle += usize::from(agent.is_idle());
        }
    }

    /// Something else changed on an agent: its offer, its host's attributes.
    pub(crate) fn touch(&mut self, row: Row) {
        let agent = &mut self.rows[row as usize];
        if agent.residents.is_empty() {
            return;
        }
        self.changes += 1;
        agent.changed = self.changes;
        self.changed.push((self.changes, row));
        if self.changed.len() > 2 * self.busy + LEAST_SWEPT {
            let rows = &self.rows;
            self.changed
                .retain(|(at, row)| rows[*row as usize].changed == *at);
        }
    }
}
