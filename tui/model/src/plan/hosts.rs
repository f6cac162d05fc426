//! Hosts into maintenance and out of it.

use std::cmp::Reverse;

use aurora_api::drain_plan::{DrainPlan, PlannedJob};
use aurora_api::instances;
use aurora_api::model::MaintenanceMode;

use super::{Planned, Wish};
use crate::actions::Action;
use crate::store::Store;
use crate::text;
use crate::told::{Answer, Question};

/// A host as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTarget {
    /// Its name.
    pub host: String,
    /// Its place in maintenance.
    pub mode: MaintenanceMode,
    /// Tasks on it that have not ended.
    pub tasks: u32,
}

/// Hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Hosts {
    /// They.
    pub hosts: Vec<HostTarget>,
    /// What a drain of them would do, or why that is not known; for drains only.
    pub forecast: Option<Result<DrainPlan, String>>,
}

impl Hosts {
    pub(super) fn resolve(
        store: &Store,
        action: Action,
        names: &[String],
    ) -> Result<Hosts, String> {
        let mut hosts = Vec::new();
        for name in names {
            let record = store
                .hosts
                .get(name)
                .ok_or_else(|| format!("there is no host {name}"))?;
            let fits = match action {
                Action::HostActivate => record.mode != MaintenanceMode::None,
                Action::HostDrain => record.mode != MaintenanceMode::Drained,
                _ => record.mode == MaintenanceMode::None,
            };
            if !fits {
                return Err(format!(
                    "cannot {} {name}: its mode is {}",
                    action.name(),
                    record.mode
                ));
            }
            hosts.push(HostTarget {
                host: name.clone(),
                mode: record.mode,
                tasks: record.tasks,
            });
        }
        if hosts.is_empty() {
            return Err("which hosts? name them, or mark them in the hosts' view".to_owned());
        }
        Ok(Hosts {
            forecast: (action == Action::HostDrain).then(|| forecast(store, names)),
            hosts,
        })
    }
}

pub(super) fn forecast(store: &Store, names: &[String]) -> Result<DrainPlan, String> {
    match store.answers.get(&Question::Drain(names.to_vec())) {
        Some(Answer::Drain(plan)) => Ok(plan.clone()),
        Some(Answer::None(why)) => Err(why.clone()),
        _ => Err("it was not asked for".to_owned()),
    }
}

impl Hosts {
    /// How many jobs hold a drain up, where that is known: it has to be seen in the least room.
    fn held_up(&self) -> String {
        let Some(Ok(plan)) = &self.forecast else {
            return String::new();
        };
        match plan
            .jobs
            .iter()
            .filter(|job| !job.blockers.is_empty())
            .count()
        {
            0 => String::new(),
            count => format!(" {count} job(s) hold it up."),
        }
    }
}

/// So many jobs of a forecast are told one by one.
const MOST_JOBS: usize = 8;

/// What a drain does to jobs: those that hold it up first, then those that lose most.
pub(super) fn told(plan: &DrainPlan) -> Vec<String> {
    let mut jobs: Vec<&PlannedJob> = plan.jobs.iter().collect();
    jobs.sort_by_key(|job| (job.blockers.is_empty(), Reverse(job.lost.len())));
    let mut out: Vec<String> = jobs.iter().take(MOST_JOBS).map(|job| of_job(job)).collect();
    if jobs.len() > MOST_JOBS {
        out.push(format!("and {} more job(s)", jobs.len() - MOST_JOBS));
    }
    if let [_, _, ..] = plan.hosts.as_slice() {
        let order: Vec<&str> = plan.hosts.iter().map(|host| host.host.as_str()).collect();
        out.push(format!("Best in this order: {}.", order.join(", ")));
    }
    out.push(match plan.estimate_secs {
        Some(seconds) => {
            let time = text::age(seconds.saturating_mul(1000));
            format!("It takes about {time}.")
        }
        None => "How long it takes depends on a job's coordinator.".to_owned(),
    });
    out
}

fn of_job(job: &PlannedJob) -> String {
    let lost = instances::text(job.lost.iter().copied());
    let noun = match job.lost.as_slice() {
        [_] => "instance",
        _ => "instances",
    };
    let needed = job
        .running_needed
        .map_or_else(String::new, |needed| format!(", {needed} needed"));
    let why = match job.no_room.as_slice() {
        [] => String::new(),
        reasons => format!(" ({})", reasons.join(", ")),
    };
    let homeless = match job.lost.len().saturating_sub(job.fits as usize) {
        0 => String::new(),
        1 => format!("; 1 finds no room elsewhere now{why}"),
        some => format!("; {some} find no room elsewhere now{why}"),
    };
    let held = match job.blockers.as_slice() {
        [] => String::new(),
        blockers => format!("; HELD UP: {}", blockers.join("; ")),
    };
    format!(
        "{} loses {noun} {lost}: {} run now, {} then{needed}{homeless}{held}",
        job.job, job.running_before, job.running_after
    )
}

/// What is missing on a host. A drain is over when no active task remains, not when it was accepted.
fn is_late(action: Action, store: &Store, host: &str) -> Option<String> {
    let Some(record) = store.hosts.get(host) else {
        return Some(format!("{host} is gone"));
    };
    let done = match action {
        Action::HostDrain => record.mode == MaintenanceMode::Drained && record.tasks == 0,
        Action::HostActivate => record.mode == MaintenanceMode::None,
        _ => record.mode != MaintenanceMode::None,
    };
    (!done).then(|| format!("{host} is {} with {} task(s)", record.mode, record.tasks))
}

impl Planned for Hosts {
    fn wish(&self) -> Wish {
        Wish::Hosts(self.hosts.iter().map(|host| host.host.clone()).collect())
    }

    fn object(&self) -> String {
        let names: Vec<&str> = self.hosts.iter().map(|host| host.host.as_str()).collect();
        names.join(",")
    }

    fn label(&self) -> &'static str {
        "hosts"
    }

    fn count(&self) -> usize {
        self.hosts.len()
    }

    fn always_typed(&self, action: Action) -> Option<String> {
        (action == Action::HostDrain).then(|| match self.hosts.as_slice() {
            [only] => only.host.clone(),
            several => several.len().to_string(),
        })
    }

    fn consequence(&self, action: Action) -> Vec<String> {
        let tasks: u32 = self.hosts.iter().map(|host| host.tasks).sum();
        let mut out = vec![match action {
            Action::HostDrain => format!(
                "{tasks} task(s) on {} host(s) are killed and placed elsewhere; no new ones come.{}",
                self.hosts.len(),
                self.held_up()
            ),
            Action::HostActivate => "The hosts take tasks again.".to_owned(),
            _ => format!(
                "The hosts take new tasks only where nothing else is free; {tasks} task(s) stay."
            ),
        }];
        match &self.forecast {
            Some(Ok(plan)) => out.extend(told(plan)),
            Some(Err(why)) => out.push(format!("No forecast: {why}")),
            None => {}
        }
        out
    }

    fn cli(&self, action: Action, cluster: &str) -> String {
        let verb = match action {
            Action::HostDrain => "host_drain",
            Action::HostActivate => "host_activate",
            _ => "host_deactivate",
        };
        format!("aurora_admin {verb} --hosts={} {cluster}", self.object())
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let changed = self
            .hosts
            .iter()
            .find(|host| store.hosts.get(&host.host).map(|now| now.mode) != Some(host.mode));
        changed.map(|host| format!("{} has another mode now", host.host))
    }

    fn missing(&self, action: Action, store: &Store) -> Option<String> {
        let late: Vec<String> = self
            .hosts
            .iter()
            .filter_map(|host| is_late(action, store, &host.host))
            .collect();
        (!late.is_empty()).then(|| late.join(", "))
    }
}
