//! Maintenance of many hosts, group by group.

use aurora_api::drain_plan::DrainPlan;
use aurora_api::model::MaintenanceMode;

use super::hosts::{forecast, told};
use super::{Planned, Wish, own_cli};
use crate::actions::Action;
use crate::rounds::Rounds;
use crate::store::Store;

/// So many groups are told one by one.
const MOST_GROUPS: usize = 6;

/// Rounds before they begin.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRounds {
    /// What is to be done.
    pub rounds: Rounds,
    /// Hosts in the order of the plan, and their modes.
    pub modes: Vec<(String, MaintenanceMode)>,
    /// Tasks on them that have not ended.
    pub tasks: u32,
    /// What a drain of them all would do, or why that is not known.
    pub forecast: Result<DrainPlan, String>,
}

impl PlannedRounds {
    pub(super) fn resolve(store: &Store, rounds: &Rounds) -> Result<PlannedRounds, String> {
        let mut modes = Vec::new();
        let mut tasks = 0;
        for host in rounds.hosts() {
            let record = store
                .hosts
                .get(&host)
                .ok_or_else(|| format!("there is no host {host}"))?;
            tasks += record.tasks;
            modes.push((host, record.mode));
        }
        if modes.is_empty() {
            return Err("which hosts? name them, mark them, or write @ATTRIBUTE=VALUE".to_owned());
        }
        Ok(PlannedRounds {
            forecast: forecast(store, &rounds.hosts()),
            rounds: rounds.clone(),
            modes,
            tasks,
        })
    }
}

impl Planned for PlannedRounds {
    fn wish(&self) -> Wish {
        Wish::Rounds(self.rounds.clone())
    }

    fn object(&self) -> String {
        self.rounds.hosts().join(",")
    }

    fn label(&self) -> &'static str {
        "hosts"
    }

    fn count(&self) -> usize {
        self.modes.len()
    }

    fn always_typed(&self, _action: Action) -> Option<String> {
        Some(self.modes.len().to_string())
    }

    fn consequence(&self, _action: Action) -> Vec<String> {
        let groups = &self.rounds.groups;
        let mut out = vec![format!(
            "{} host(s) with {} task(s) are drained in {} round(s).",
            self.modes.len(),
            self.tasks,
            groups.len()
        )];
        for (at, group) in groups.iter().take(MOST_GROUPS).enumerate() {
            out.push(format!("round {}: {}", at + 1, group.join(", ")));
        }
        if groups.len() > MOST_GROUPS {
            out.push(format!("and {} more round(s)", groups.len() - MOST_GROUPS));
        }
        if let Some(command) = &self.rounds.then {
            out.push(format!(
                "Then, for each host, on this machine: {command} HOST"
            ));
        }
        out.push(match self.rounds.activate {
            true => "Then the hosts of the round take tasks again.".to_owned(),
            false => "They stay drained.".to_owned(),
        });
        match &self.forecast {
            Ok(plan) => out.extend(told(plan)),
            Err(why) => out.push(format!("No forecast: {why}")),
        }
        out
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        own_cli(action, cluster, &self.rounds.words())
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let changed = self
            .modes
            .iter()
            .find(|(host, mode)| store.hosts.get(host).map(|now| now.mode) != Some(*mode));
        changed.map(|(host, _)| format!("{host} has another mode now"))
    }

    /// Every step is a change of its own, and verified as that.
    fn missing(&self, _action: Action, _store: &Store) -> Option<String> {
        None
    }
}
