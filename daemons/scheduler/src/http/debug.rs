//! Parts of the state as they are stored (aurora: `Cron.java`, `Maintenance.java`, `State.java`, `StructDump.java`,
//! `Services.java`).

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::{JobKey, MaintenanceMode};
use aurora_api::simple;
use aurora_daemon::html::{self, Markup, text};
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::Routes;
use crate::core::View;
use crate::core::cron::Schedule;
use crate::core::store::StoredConfig;

impl Routes {
    /// `/cron`: schedules in their shortest form.
    pub(super) fn cron(&self) -> Response {
        let durable = self.api.handle.durable();
        let crons = durable.view.crons().filter_map(|cron| {
            let text = cron.job.cron_schedule.as_deref()?;
            let shown = match Schedule::parse(text) {
                Ok(schedule) => schedule.to_string(),
                // It was good when it was stored; what is stored is shown.
                Err(_) => text.to_owned(),
            };
            Some((cron.job.key.to_string(), shown))
        });
        let scheduled: BTreeMap<String, String> = crons.collect();
        reply::json(StatusCode::OK, &json!({ "scheduled": scheduled }))
    }

    /// `/maintenance`: hosts by mode; those that are being drained with the tasks that are still on them.
    pub(super) fn maintenance(&self) -> Response {
        let durable = self.api.handle.durable();
        let view = &durable.view;
        let in_mode = |mode: MaintenanceMode| {
            let hosts = view.hosts().map(|host| &host.attributes);
            let hosts = hosts.filter(move |host| host.mode == Some(mode));
            hosts
                .map(|host| host.host.as_str())
                .collect::<BTreeSet<&str>>()
        };
        let draining: BTreeMap<&str, Vec<String>> = in_mode(MaintenanceMode::Draining)
            .into_iter()
            .map(|host| (host, tasks_on(view, host)))
            .filter(|(_, tasks)| !tasks.is_empty())
            .collect();
        reply::json(
            StatusCode::OK,
            &json!({
                "DRAINED": in_mode(MaintenanceMode::Drained),
                "SCHEDULED": in_mode(MaintenanceMode::Scheduled),
                "DRAINING": draining,
            }),
        )
    }

    /// `/state`: what runs where, each configuration once.
    pub(super) fn state(&self) -> Response {
        let durable = self.api.handle.durable();
        let view = &durable.view;
        let mut configs: BTreeMap<String, Value> = BTreeMap::new();
        let mut agents: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let tasks = view.jobs().flat_map(|job| view.active_tasks(job));
        for task in tasks.filter(|task| task.status.is_agent_assigned()) {
            let key = config_key(&task.config);
            configs
                .entry(key.clone())
                .or_insert_with(|| simple::to_json(&*task.config.task));
            let agent = task.agent().unwrap_or_default();
            agents.entry(agent).or_default().push(key);
        }
        reply::json(
            StatusCode::OK,
            &json!({"taskConfigs": configs, "agents": agents}),
        )
    }

    /// `/structdump/task/ID`, `/structdump/cron/ROLE/ENV/JOB`.
    pub(super) fn structdump(&self, what: &[&str]) -> Response {
        let durable = self.api.handle.durable();
        let view = &durable.view;
        let (title, found) = match what {
            ["task", id] => (
                format!("Task {id}"),
                view.task(id).map(|task| simple::to_json(&task.to_thrift())),
            ),
            ["cron", role, environment, name] => {
                let key = JobKey::new(role, environment, name);
                let cron = view.cron(&key);
                let title = format!("Cron job {key}");
                (title, cron.map(|cron| simple::to_json(&*cron.job)))
            }
            _ => {
                return reply::text(
                    StatusCode::BAD_REQUEST,
                    "Usage: /structdump/task/ID or /structdump/cron/ROLE/ENVIRONMENT/JOB\n",
                );
            }
        };
        let shown = match found {
            Some(found) => format!("{found:#}"),
            None => "Entity not found".to_owned(),
        };
        let shown = Markup(format!("<pre>{}</pre>\n", text(&shown).0));
        html::page(&title, None, &[shown])
    }

    /// `/services`: what this process is made of.
    pub(super) fn services(&self) -> Response {
        let mesos = match self.registration.borrow().master {
            Some(_) => "RUNNING",
            None => "STARTING",
        };
        let services = [("engine", "RUNNING"), ("log", "RUNNING"), ("mesos", mesos)];
        let services = services.map(|(name, state)| json!({"name": name, "state": state}));
        reply::json(StatusCode::OK, &services)
    }
}

fn tasks_on(view: &View, host: &str) -> Vec<String> {
    let tasks = view.tasks_on_host(host);
    let tasks = tasks.filter(|task| task.status.is_agent_assigned());
    tasks.map(|task| task.id().to_string()).collect()
}

fn config_key(config: &StoredConfig) -> String {
    format!("{}-{}", config.task.job, config.id.0)
}
