//! Maintenance in rounds: group by group, hosts are drained, a command is run for each, and they take tasks again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::store::Store;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// Hosts that are drained together, in order.
    pub groups: Vec<Vec<String>>,
    /// The command line that is run for each drained host, with its name as last argument.
    pub then: Option<String>,
    /// Whether hosts take tasks again after that.
    pub activate: bool,
}

impl Rounds {
    /// Hosts in groups: by the value of an attribute where one is named, and of so many at the most.
    pub fn group(
        store: &Store,
        hosts: &[String],
        by: Option<&str>,
        size: usize,
    ) -> Vec<Vec<String>> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for host in hosts {
            let values = by
                .and_then(|name| store.hosts.get(host)?.attributes.get(name))
                .map_or_else(String::new, |values| values.join(","));
            groups.entry(values).or_default().push(host.clone());
        }
        let chunks = groups.values().flat_map(|hosts| hosts.chunks(size.max(1)));
        chunks.map(<[String]>::to_vec).collect()
    }

    /// All hosts, in order.
    pub fn hosts(&self) -> Vec<String> {
        self.groups.concat()
    }

    /// The words that make the same after the command.
    pub fn words(&self) -> String {
        let sizes = self.groups.iter().map(Vec::len);
        let mut out = self.hosts().join(" ");
        out.push_str(&format!(" size={}", sizes.max().unwrap_or(1)));
        if let Some(command) = &self.then {
            out.push_str(&format!(" then=\"{command}\""));
        }
        if !self.activate {
            out.push_str(" stay");
        }
        out
    }
}

/// What is done with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Its tasks leave.
    Drain,
    /// The command is run for the host at this place.
    Command(usize),
    /// Its hosts take tasks again.
    Activate,
}

/// What is done once no other workbench can go on with the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// They begin.
    Begin,
    /// They go on.
    Resume,
    /// They are forgotten.
    Forget,
}

/// What a step that was begun waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// Nothing: it is not begun.
    #[default]
    No,
    /// That no other workbench goes on with rounds of this cluster, in order to do this.
    Claim(Claimed),
    /// A change, by its number.
    Change(u64),
    /// A command.
    Command,
}

/// Rounds that go on, or were stopped and can go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// What is to be done.
    pub rounds: Rounds,
    /// Why, as the user said.
    pub reason: String,
    /// Tasks on each host in the beginning.
    pub began: BTreeMap<String, u32>,
    /// The group that is worked on.
    pub group: usize,
    /// What is done with it.
    pub step: Step,
    /// What that waits for; nothing after a restart.
    #[serde(skip)]
    pub waits: Waits,
    /// Why they stand still; nothing: they go on.
    pub stopped: Option<String>,
}

impl Campaign {
    /// Rounds at their beginning.
    pub fn new(rounds: Rounds, reason: String, store: &Store) -> Campaign {
        let tasks = |host: &String| store.hosts.get(host).map_or(0, |record| record.tasks);
        let hosts = rounds.hosts();
        Campaign {
            began: hosts
                .iter()
                .map(|host| (host.clone(), tasks(host)))
                .collect(),
            rounds,
            reason,
            group: 0,
            step: Step::Drain,
            waits: Waits::No,
            stopped: None,
        }
    }

    /// The hosts that are worked on; nothing: all is done.
    pub fn hosts(&self) -> Option<&[String]> {
        self.rounds.groups.get(self.group).map(Vec::as_slice)
    }

    /// Whether it is being found out whether another workbench goes on with them.
    pub fn is_claiming(&self) -> bool {
        matches!(self.waits, Waits::Claim(_))
    }

    /// Whether another workbench may take them over: they stand still, and no step of them goes on.
    pub fn is_free(&self) -> bool {
        self.stopped.is_some() && self.waits == Waits::No
    }

    /// To what comes after a step.
    pub(crate) fn next(&mut self) {
        self.waits = Waits::No;
        self.step = match self.step {
            Step::Drain if self.rounds.then.is_some() => Step::Command(0),
            Step::Command(at) if at + 1 < self.hosts().map_or(0, <[String]>::len) => {
                Step::Command(at + 1)
            }
            Step::Drain | Step::Command(_) if self.rounds.activate => Step::Activate,
            Step::Drain | Step::Command(_) | Step::Activate => {
                self.group += 1;
                Step::Drain
            }
        };
    }

    /// The group of a host, from 0, and how far that is, in a word.
    pub fn state_of(&self, host: &str) -> Option<(usize, &'static str)> {
        let mut groups = self.rounds.groups.iter();
        let at = groups.position(|group| group.iter().any(|known| known == host))?;
        let word = match at.cmp(&self.group) {
            std::cmp::Ordering::Less => "done",
            std::cmp::Ordering::Greater => "waits",
            std::cmp::Ordering::Equal => match self.step {
                Step::Drain => "drains",
                Step::Command(_) => "command",
                Step::Activate => "returns",
            },
        };
        Some((at, word))
    }

    /// How far they are, in words.
    pub fn describe(&self) -> String {
        let count = self.rounds.groups.len();
        let Some(hosts) = self.hosts() else {
            return format!("{count} round(s) done");
        };
        let what = match self.step {
            _ if self.waits == Waits::Claim(Claimed::Begin) => "beginning with",
            Step::Drain => "draining",
            Step::Command(_) => "running the command for",
            Step::Activate => "activating",
        };
        let stopped = self
            .stopped
            .as_ref()
            .map_or_else(String::new, |why| format!("; stopped: {why}"));
        let hosts = hosts.join(", ");
        format!(
            "round {} of {count}: {what} {hosts}{stopped}",
            self.group + 1
        )
    }
}
