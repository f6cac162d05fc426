//! What operators look at (aurora: `docs/reference/scheduler-endpoints.md`).

use std::collections::BTreeMap;

use aurora_api::model::MaintenanceMode;
use aurora_api::resources::Amounts;
use aurora_daemon::html::{self, Markup, table, text};
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::v1::Offer;
use http::StatusCode;
use serde_json::{Value, json};

use super::Routes;
use crate::core::Core;

impl Routes {
    /// `/agents`: a table of hosts.
    pub(super) fn agents(&self) -> Response {
        let durable = self.api.handle.durable();
        let mut hosts: Vec<_> = durable.view.hosts().map(|host| &host.attributes).collect();
        hosts.sort_by(|a, b| a.host.cmp(&b.host));
        let rows = hosts.into_iter().map(|host| {
            let attributes: Vec<String> = host
                .attributes
                .iter()
                .map(|attribute| {
                    let values: Vec<&str> = attribute.values.iter().map(String::as_str).collect();
                    format!("{}=[{}]", attribute.name, values.join(","))
                })
                .collect();
            vec![
                text(&host.host),
                text(host.slave_id.as_deref().unwrap_or_default()),
                text(host.mode.unwrap_or(MaintenanceMode::None).name()),
                text(&attributes.join(", ")),
            ]
        });
        let rows: Vec<Vec<Markup>> = rows.collect();
        let head = ["Host", "Agent", "Mode", "Attributes"];
        html::page("Agents", None, &[table(&head, &rows)])
    }

    /// `/offers`: the offers that are held, as Mesos sent them; with `?host=NAME` those of one host.
    pub(super) async fn offers(&self, request: &Request) -> Response {
        let host = request.parameter("host");
        let look = move |core: &Core| -> Vec<Offer> {
            let is_wanted =
                |offer: &Offer| host.as_ref().is_none_or(|host| offer.hostname == *host);
            core.held_offers().filter(is_wanted).collect()
        };
        match self.api.handle.look(look).await {
            Ok(offers) => reply::json(StatusCode::OK, &offers),
            Err(ending) => reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{ending}\n")),
        }
    }

    /// `/pendingtasks`: the groups of pending tasks and why they wait.
    pub(super) async fn pending_tasks(&self) -> Response {
        let groups = match self.api.handle.look(Core::waiting_groups).await {
            Ok(groups) => groups,
            Err(ending) => {
                return reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{ending}\n"));
            }
        };
        let durable = self.api.handle.durable();
        let view = &durable.view;
        let shown: Vec<Value> = groups
            .iter()
            .filter_map(|group| {
                let config = view.config(group.config)?;
                // What is not durable yet is not shown.
                let tasks: Vec<&str> = group
                    .tasks
                    .iter()
                    .filter(|id| view.task(id).is_some())
                    .map(|id| &**id)
                    .collect();
                let reason = view.pending_reason(tasks.first()?);
                let reasons: Vec<&str> = reason.as_deref().unwrap_or("").split(',').collect();
                Some(json!({
                    "penaltyMs": group.penalty,
                    "taskIds": tasks,
                    "name": config.task.job.to_string(),
                    "reason": format!("[{}]", reasons.join(", ")),
                }))
            })
            .collect();
        reply::json(StatusCode::OK, &shown)
    }

    /// `/quotas[?role=]`.
    pub(super) fn quotas(&self, request: &Request) -> Response {
        let durable = self.api.handle.durable();
        let wanted = request.parameter("role");
        let quotas: BTreeMap<&String, Value> = durable
            .view
            .quotas()
            .iter()
            .filter(|(role, _)| wanted.as_ref().is_none_or(|wanted| wanted == *role))
            .map(|(role, quota)| {
                let amounts = Amounts::of(&quota.resources);
                let value = json!({
                    "cpu_cores": amounts.cpus,
                    "ram_mb": amounts.ram_mb,
                    "disk_mb": amounts.disk_mb,
                });
                (role, value)
            })
            .collect();
        reply::json(StatusCode::OK, &quotas)
    }

    /// `/tiers`.
    pub(super) fn tiers(&self) -> Response {
        let tiers = &self.api.config.tiers;
        let named: BTreeMap<&String, Value> = tiers
            .tiers
            .iter()
            .map(|(name, tier)| {
                let value = json!({"preemptible": tier.preemptible, "revocable": tier.revocable});
                (name, value)
            })
            .collect();
        reply::json(
            StatusCode::OK,
            &json!({"default": tiers.default, "tiers": named}),
        )
    }
}
