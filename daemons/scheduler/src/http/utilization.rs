//! `/utilization[/METRIC[/ROLE]]`: what active tasks ask for, in all, by role and by job (aurora: `Utilization.java`,
//! `ResourceCounter.java`).

use std::collections::BTreeMap;

use aurora_daemon::html::{self, Markup, table, text};
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use http::StatusCode;

use super::Routes;
use crate::core::View;
use crate::core::store::{Pool, Usage};

/// A sum over some pools, by upstream's name.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) pools: &'static [Pool],
}

/// Upstream's metrics.
pub(crate) const METRICS: [Metric; 4] = [
    Metric {
        name: "TOTAL_CONSUMED",
        pools: &[
            Pool::ProdShared,
            Pool::ProdDedicated,
            Pool::NonProdShared,
            Pool::NonProdDedicated,
        ],
    },
    Metric {
        name: "DEDICATED_CONSUMED",
        pools: &[Pool::ProdDedicated, Pool::NonProdDedicated],
    },
    Metric {
        name: "QUOTA_CONSUMED",
        pools: &[Pool::ProdShared],
    },
    Metric {
        name: "FREE_POOL_CONSUMED",
        pools: &[Pool::NonProdShared],
    },
];

impl Metric {
    /// What a role's active tasks ask for.
    pub(crate) fn of_role(&self, view: &View, role: &str) -> Usage {
        let pools = self.pools.iter().map(|pool| view.usage(role, *pool));
        pools.fold(Usage::default(), |sum, usage| sum.plus(&usage, 1))
    }

    /// What all active tasks ask for.
    pub(crate) fn total(&self, view: &View) -> Usage {
        let roles = view.roles().map(|(role, _)| self.of_role(view, role));
        roles.fold(Usage::default(), |sum, usage| sum.plus(&usage, 1))
    }

    fn by_job(&self, view: &View, role: &str) -> BTreeMap<String, Usage> {
        let mut jobs = BTreeMap::new();
        for job in view.jobs_of_role(role) {
            let tasks = view.active_tasks(job);
            let tasks = tasks.filter(|task| self.pools.contains(&task.config.pool));
            let sum = tasks.fold(Usage::default(), |sum, task| {
                sum.plus(&task.config.usage, 1)
            });
            if sum != Usage::default() {
                jobs.insert(job.key.to_string(), sum);
            }
        }
        jobs
    }
}

impl Routes {
    pub(super) fn utilization(&self, what: &[&str]) -> Response {
        let durable = self.api.handle.durable();
        let view = &durable.view;
        let metric = |name: &str| {
            let named = |metric: &&Metric| metric.name.eq_ignore_ascii_case(name);
            METRICS.iter().find(named)
        };
        let (title, rows): (String, BTreeMap<String, Usage>) = match what {
            [] => (
                "Utilization".to_owned(),
                METRICS
                    .iter()
                    .map(|metric| (metric.name.to_owned(), metric.total(view)))
                    .collect(),
            ),
            [name, rest @ ..] if rest.len() < 2 => {
                let Some(metric) = metric(name) else {
                    return reply::text(StatusCode::BAD_REQUEST, "Invalid metric type.");
                };
                match rest {
                    [role, ..] => (
                        format!("{} of {role}", metric.name),
                        metric.by_job(view, role),
                    ),
                    [] => {
                        let roles = view.roles().map(|(role, _)| role);
                        let used = roles.map(|role| (role.to_owned(), metric.of_role(view, role)));
                        (metric.name.to_owned(), used.collect())
                    }
                }
            }
            _ => return reply::text(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        };
        html::page(&title, None, &[usages(&rows)])
    }
}

fn usages(rows: &BTreeMap<String, Usage>) -> Markup {
    let row = |(name, usage): (&String, &Usage)| {
        let numbers = [
            usage.cpus().to_string(),
            usage.ram_mb.to_string(),
            usage.disk_mb.to_string(),
        ];
        let cells = [name.clone()].into_iter().chain(numbers);
        cells.map(|cell| text(&cell)).collect()
    };
    let rows: Vec<Vec<Markup>> = rows.iter().map(row).collect();
    table(&["Name", "CPU cores", "RAM MB", "Disk MB"], &rows)
}
