//! The metrics that dashboards of Mesos read.

use std::fs;

use aurora_mesos::resources::{Resources, from_thousandths};
use aurora_mesos::v1::{Metric, TaskState};

use super::core::{Counters, Framework, Master, Time};
use super::run::Info;

struct Snapshot(Vec<Metric>);

impl Snapshot {
    fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.push(Metric {
            name: name.into(),
            value: Some(value),
        });
    }

    fn count(&mut self, name: impl Into<String>, value: usize) {
        self.add(name, value as f64);
    }
}

/// All metrics by name.
pub(crate) fn of(master: &Master, now: Time, info: &Info) -> Vec<Metric> {
    let mut all = Snapshot(Vec::new());
    all.add("master/elected", 1.0);
    all.add(
        "master/uptime_secs",
        now.seconds() - master.started.seconds(),
    );
    resources(&mut all, master);
    agents(&mut all, master);
    frameworks(&mut all, master);
    tasks(&mut all, master);
    for (name, value) in master.frameworks.values().flat_map(Framework::metrics) {
        all.add(name, value);
    }
    for (share, role) in master.role_shares() {
        all.add(
            format!("allocator/mesos/roles/{role}/shares/dominant"),
            share,
        );
    }
    let counters = &master.counters;
    all.count("master/outstanding_offers", master.offers.len());
    all.add(
        "master/valid_status_updates",
        counters.valid_status_updates as f64,
    );
    all.add(
        "master/invalid_status_updates",
        counters.invalid_status_updates as f64,
    );
    all.add("master/dropped_messages", counters.dropped_messages as f64);
    // Calls are carried out at once: there is no queue.
    for queue in ["messages", "dispatches", "http_requests"] {
        all.add(format!("master/event_queue_{queue}"), 0.0);
    }
    all.add(
        "allocator/mesos/allocation_runs",
        counters.allocation_runs as f64,
    );
    all.add(
        "allocator/mesos/allocation_run_ms",
        info.timings.allocation_ms(),
    );
    all.add("registrar/state_store_ms", info.timings.store_ms());
    system(&mut all);
    all.0.sort_by(|a, b| a.name.cmp(&b.name));
    all.0
}

fn resources(all: &mut Snapshot, master: &Master) {
    let total = master.cluster_total();
    let mut used = Resources::default();
    let mut offered = Resources::default();
    for agent in master.agents.values() {
        used.add(&agent.used_sum.unreserved());
        offered.add(&agent.offered_sum.unreserved());
    }
    for (name, value) in totals(&total, &used) {
        all.add(format!("master/{name}"), value);
    }
    for name in SCALARS {
        let amount = |resources: &Resources| from_thousandths(resources.scalar(name));
        let (total, used, offered) = (amount(&total), amount(&used), amount(&offered));
        all.add(format!("allocator/mesos/resources/{name}/total"), total);
        all.add(
            format!("allocator/mesos/resources/{name}/offered_or_allocated"),
            used + offered,
        );
    }
}

const SCALARS: [&str; 4] = ["cpus", "gpus", "mem", "disk"];

/// What there is of each scalar, what of it is used, and its part, revocable ones for themselves.
pub(crate) fn totals(total: &Resources, used: &Resources) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    for (suffix, is_revocable) in [("", false), ("_revocable", true)] {
        let of = |all: &Resources| all.filtered(|one| one.revocable.is_some() == is_revocable);
        let (total, used) = (of(total), of(used));
        for name in SCALARS {
            let [total, used] = [&total, &used].map(|all| from_thousandths(all.scalar(name)));
            let percent = if total > 0.0 { used / total } else { 0.0 };
            values.push((format!("{name}{suffix}_total"), total));
            values.push((format!("{name}{suffix}_used"), used));
            values.push((format!("{name}{suffix}_percent"), percent));
        }
    }
    values
}

fn agents(all: &mut Snapshot, master: &Master) {
    let connected = master
        .agents
        .values()
        .filter(|agent| agent.session.is_some())
        .count();
    let active = master
        .agents
        .values()
        .filter(|agent| agent.is_offerable())
        .count();
    all.count("master/slaves_active", active);
    all.count("master/slaves_inactive", master.agents.len() - active);
    all.count("master/slaves_connected", connected);
    all.count(
        "master/slaves_disconnected",
        master.agents.len() - connected,
    );
    all.count(
        "master/slaves_unreachable",
        master.registry.unreachable.len(),
    );
    all.add(
        "master/slave_registrations",
        master.counters.agent_registrations as f64,
    );
    all.add(
        "master/slave_reregistrations",
        master.counters.agent_reregistrations as f64,
    );
    all.add(
        "master/slave_removals",
        master.counters.agent_removals as f64,
    );
}

fn frameworks(all: &mut Snapshot, master: &Master) {
    let connected = master
        .frameworks
        .values()
        .filter(|f| f.stream.is_some())
        .count();
    let others = master.frameworks.len() - connected;
    for (name, value) in [
        ("active", connected),
        ("inactive", others),
        ("connected", connected),
        ("disconnected", others),
    ] {
        all.count(format!("master/frameworks_{name}"), value);
    }
}

fn tasks(all: &mut Snapshot, master: &Master) {
    let live = |state: TaskState| {
        let frameworks = master.frameworks.values();
        frameworks
            .flat_map(|framework| framework.tasks.values())
            .filter(|entry| entry.task.state == state)
            .count()
    };
    for (name, state) in [
        ("staging", TaskState::Staging),
        ("starting", TaskState::Starting),
        ("running", TaskState::Running),
        ("killing", TaskState::Killing),
    ] {
        all.count(format!("master/tasks_{name}"), live(state));
    }
    let unreachable = master
        .frameworks
        .values()
        .map(|f| f.unreachable_tasks.len())
        .sum();
    all.count("master/tasks_unreachable", unreachable);
    for (name, state) in [
        ("finished", TaskState::Finished),
        ("failed", TaskState::Failed),
        ("killed", TaskState::Killed),
        ("lost", TaskState::Lost),
        ("error", TaskState::Error),
        ("dropped", TaskState::Dropped),
        ("gone", TaskState::Gone),
        ("gone_by_operator", TaskState::GoneByOperator),
    ] {
        let ended = master
            .counters
            .tasks_ended
            .get(&state)
            .copied()
            .unwrap_or(0);
        all.add(format!("master/tasks_{name}"), ended as f64);
    }
    for (name, count) in ends_by_reason(&master.counters) {
        all.add(name, count as f64);
    }
}

/// How many tasks ended like that, under the old names that the metrics of Mesos keep
/// (mesos: `Metrics::incrementTasksStates`, `src/master/metrics.cpp`).
pub(crate) fn ends_by_reason(counters: &Counters) -> impl Iterator<Item = (String, u64)> {
    counters
        .ends_by_reason
        .iter()
        .map(|((state, source, reason), count)| {
            let name = format!("master/{state}/{source}/{reason}").to_lowercase();
            (name.replace("agent", "slave"), *count)
        })
}

/// Load and memory of the machine; what cannot be read is left out.
pub(crate) fn machine() -> Vec<(&'static str, f64)> {
    let mut values = Vec::new();
    if let Ok(processors) = std::thread::available_parallelism() {
        values.push(("cpus_total", processors.get() as f64));
    }
    if let Ok(text) = fs::read_to_string("/proc/loadavg") {
        let names = ["load_1min", "load_5min", "load_15min"];
        let loads = text
            .split_whitespace()
            .filter_map(|field| field.parse().ok());
        values.extend(names.into_iter().zip(loads));
    }
    if let Ok(text) = fs::read_to_string("/proc/meminfo") {
        let kibibytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':')
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        };
        values.extend(kibibytes("MemTotal").map(|total| ("mem_total_bytes", total * 1024.0)));
        values.extend(kibibytes("MemFree").map(|free| ("mem_free_bytes", free * 1024.0)));
    }
    values
}

fn system(all: &mut Snapshot) {
    for (name, value) in machine() {
        all.add(format!("system/{name}"), value);
    }
}
