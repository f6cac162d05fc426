//! What is counted: `/vars`, `/vars.json`, `/metrics`, and the health of the leader.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::PoisonError;

use aurora_api::model::ScheduleStatus;
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use http::StatusCode;
use serde_json::Number;

use super::Routes;
use super::utilization::METRICS;
use crate::core::store::Usage;
use crate::core::{Core, View, countdowns};

impl Routes {
    async fn all_vars(&self) -> BTreeMap<String, Number> {
        let mut vars = self.api.metrics.all();
        let durable = self.api.handle.durable();
        of_state(&durable.view, &mut vars);
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        vars.extend(countdowns(&durable.view, (self.clock)()));
        let look = |core: &Core| (core.counters().clone(), core.gauges(), core.sla_report());
        let mut report = None;
        // While the scheduler is ending there is nothing to look at; the rest is still told.
        if let Ok((counters, gauges, sla)) = self.api.handle.look(look).await {
            report = Some(sla);
            for (name, value) in counters {
                vars.insert(name.into_owned(), number(value));
            }
            for (name, value) in gauges {
                vars.insert(name, number(value));
            }
        }
        vars.insert("scheduler_log_index".to_owned(), number(durable.index));
        let size = *self.log_size.lock().unwrap_or_else(PoisonError::into_inner);
        vars.insert("scheduler_log_size_bytes".to_owned(), number(size));
        let registration = self.registration.borrow().clone();
        let registered = registration.master.is_some();
        vars.insert("framework_registered".to_owned(), i64::from(registered));
        // This process serves once its state is recovered, and leads alone.
        let current = match registration.ever {
            true => "ACTIVE",
            false => "LEADER_AWAITING_REGISTRATION",
        };
        for state in LIFECYCLE {
            let name = format!("scheduler_lifecycle_{state}");
            vars.insert(name, i64::from(state == current));
        }
        vars.insert("event_feeds".to_owned(), number(self.hub.feeds() as u64));
        vars.insert("event_feed_lines".to_owned(), number(self.hub.lines()));
        let counts = vars
            .into_iter()
            .map(|(name, count)| (name, Number::from(count)));
        let figures = report.iter().flat_map(|report| report.metrics());
        let figures = figures.filter_map(|(name, figure)| Some((name, Number::from_f64(figure)?)));
        counts.chain(figures).collect()
    }

    /// `/vars`: sorted lines of name and value.
    pub(super) async fn vars(&self) -> Response {
        let mut text = String::new();
        for (name, value) in self.all_vars().await {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{} {value}", stat_name(&name));
        }
        reply::text(StatusCode::OK, text)
    }

    /// `/vars.json[?pretty=true]`.
    pub(super) async fn vars_json(&self, request: &Request) -> Response {
        let vars: BTreeMap<String, Number> = self
            .all_vars()
            .await
            .into_iter()
            .map(|(name, value)| (stat_name(&name), value))
            .collect();
        if request.parameter("pretty").as_deref() != Some("true") {
            return reply::json(StatusCode::OK, &vars);
        }
        match serde_json::to_vec_pretty(&vars) {
            Ok(body) => reply::bytes(StatusCode::OK, "application/json", body),
            Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    /// `/metrics`: the same for Prometheus.
    pub(super) async fn metrics(&self) -> Response {
        let mut text = String::new();
        let mut last = String::new();
        for (name, value) in self.all_vars().await {
            let name = prometheus_name(&name);
            if name == last {
                continue;
            }
            // Writing into a string cannot fail.
            let _ = writeln!(text, "# TYPE {name} untyped\n{name} {value}");
            last = name;
        }
        reply::bytes(StatusCode::OK, "text/plain; version=0.0.4", text)
    }

    /// `/leaderhealth` (aurora: `LeaderHealth.java`): 200 when this scheduler leads, 502 when nobody does. It leads once it is
    /// registered with Mesos.
    pub(super) fn leader_health(&self) -> Response {
        if self.registration.borrow().ever {
            reply::text(StatusCode::OK, "This scheduler is leading.\n")
        } else {
            reply::text(
                StatusCode::BAD_GATEWAY,
                "No scheduler is leading: this one waits to be registered with Mesos.\n",
            )
        }
    }
}

/// The states of a scheduler's life (aurora: `SchedulerLifecycle.java`).
const LIFECYCLE: [&str; 6] = [
    "IDLE",
    "PREPARING_STORAGE",
    "STORAGE_PREPARED",
    "LEADER_AWAITING_REGISTRATION",
    "ACTIVE",
    "DEAD",
];

/// What is asked for and allowed, in whole units as upstream has them (aurora: `ResourceCounter`, `StatCalculator`).
fn of_resources(view: &View, vars: &mut BTreeMap<String, i64>) {
    let mut set = |prefix: &str, usage: &Usage| {
        for (kind, value) in [
            ("cpu_cores", usage.micro_cpus / 1_000_000),
            ("ram_mb", usage.ram_mb),
            ("disk_mb", usage.disk_mb),
        ] {
            vars.insert(format!("{prefix}_{kind}").to_lowercase(), value);
        }
    };
    for metric in &METRICS {
        set(&format!("resources_{}", metric.name), &metric.total(view));
        for (role, _) in view.roles() {
            let prefix = format!("resources_per_role_{}_{role}", metric.name);
            set(&prefix, &metric.of_role(view, role));
        }
    }
    let mut allocated = Usage::default();
    for (role, quota) in view.quotas() {
        let quota = Usage::of(&quota.resources);
        set(&format!("quota_per_role_{role}"), &quota);
        allocated = allocated.plus(&quota, 1);
    }
    set("resources_allocated_quota", &allocated);
}

fn of_state(view: &View, vars: &mut BTreeMap<String, i64>) {
    let mut set = |name: &str, value: usize| {
        vars.insert(name.to_owned(), i64::try_from(value).unwrap_or(i64::MAX));
    };
    for status in ScheduleStatus::ALL {
        let tasks: u64 = view.jobs().map(|job| u64::from(job.count(*status))).sum();
        set(
            &format!("task_store_{status}"),
            usize::try_from(tasks).unwrap_or(usize::MAX),
        );
    }
    set("mem_storage_attribute_size", view.hosts().count());
    set("mem_storage_cron_size", view.crons().count());
    set("mem_storage_update_size", view.updates().count());
    set(
        "mem_storage_maintenance_size",
        view.maintenance_requests().count(),
    );
    set("mem_storage_quota_size", view.quotas().len());
    set("mem_storage_task_size", view.task_count());
    set("mem_storage_job_size", view.jobs().count());
    of_resources(view, vars);
}

/// Characters that names of stats have; others become `_` (aurora: `Stats.java`).
fn stat_name(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '/' | '.' | '-' => c,
            _ => '_',
        })
        .collect()
}

fn prometheus_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("aurora_{plain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stats() {
        assert_eq!(
            stat_name("tasks_LOST_www/prod/a b*"),
            "tasks_LOST_www/prod/a_b_"
        );
        assert_eq!(prometheus_name("a/b.c-d"), "aurora_a_b_c_d");
    }
}
