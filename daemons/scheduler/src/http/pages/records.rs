//! The tables that pages are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurora_api::brief::{Brief, kind};
use aurora_api::feed::{QuotaRecord, RoleRecord, Seq};
use aurora_api::model::{JobKey, MaintenanceMode, ResourceAggregate, ScheduleStatus};
use aurora_filter::Value;

use super::table::{Column, Record};
use crate::core::cron::Zone;
use crate::core::store::{Cron, Host, Job, Pool, Update, Usage};
use crate::core::{CronOutcome, Millis, View, consumption, next_runs};
use crate::feed::render::{
    host as host_record, instances_of, job_keys, job_record, outcome, quota_record, tasks_on,
};

/// What a page shows: one state, at one time.
pub(super) struct Moment {
    pub(super) view: View,
    pub(super) seq: Seq,
    pub(super) now: Millis,
    pub(super) zone: Zone,
    /// The job that a table of instances is about.
    pub(super) job: Option<JobKey>,
}

const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

pub(super) fn maybe(value: Option<&str>) -> Value {
    value.map_or(Value::None, text)
}

pub(super) fn number(value: impl TryInto<i64>) -> Value {
    Value::Number(value.try_into().unwrap_or(i64::MAX) as f64)
}

fn time(value: Option<Millis>) -> Value {
    value.map_or(Value::None, number)
}

/// Amounts of memory and disk are bytes here, so that `ram>=4GiB` means what it says.
pub(super) fn mebibytes(value: i64) -> Value {
    Value::Number(value as f64 * MIB)
}

pub(super) fn yes(value: bool) -> Value {
    text(if value { "yes" } else { "no" })
}

/// Columns by name and what they show.
macro_rules! columns {
    ($($name:literal => $cell:expr,)*) => {
        &[$(Column { name: $name, cell: $cell },)*]
    };
}

pub(super) use columns;

/// A job: it has tasks, a schedule, or both.
pub(super) struct JobRow {
    moment: Arc<Moment>,
    key: JobKey,
}

impl JobRow {
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = JobRow> + '_> {
        let keys = job_keys(&moment.view);
        Box::new(keys.map(|key| JobRow {
            moment: moment.clone(),
            key: key.clone(),
        }))
    }

    fn job(&self) -> Option<&Job> {
        self.moment.view.job(&self.key)
    }

    fn cron(&self) -> Option<&Cron> {
        self.moment.view.cron(&self.key)
    }

    fn count(&self, statuses: &[ScheduleStatus]) -> Value {
        let counts = statuses
            .iter()
            .map(|status| self.job().map_or(0, |job| job.count(*status)));
        number(counts.sum::<u32>())
    }

    fn brief(&self) -> Brief {
        let counts = ScheduleStatus::ALL.iter();
        Brief::of(counts.map(|status| (*status, self.job().map_or(0, |job| job.count(*status)))))
    }

    fn is_cron(&self) -> bool {
        self.cron().is_some()
    }

    fn config(&self) -> Option<&aurora_api::model::TaskConfig> {
        let view = &self.moment.view;
        let job = self.job();
        let active = job.and_then(|job| view.active_tasks(job).next());
        let task = active.or_else(|| job.and_then(|job| view.ended_tasks(job).last()));
        let template = self.cron().map(|cron| &cron.job.task_config);
        template.or_else(|| task.map(|task| &*task.config.task))
    }
}

impl Record for JobRow {
    const COLUMNS: &'static [Column<JobRow>] = columns! {
        "job" => |row| text(row.key.to_string()),
        "state" => |row| text(row.brief().word(row.is_cron()).0),
        "kind" => |row| {
            let is_service = row.config().is_some_and(|config| config.is_service);
            text(kind(row.is_cron(), is_service))
        },
        "tier" => |row| maybe(row.config().and_then(|config| config.tier.as_deref())),
        "role" => |row| text(&*row.key.role),
        "environment" => |row| text(&*row.key.environment),
        "name" => |row| text(&*row.key.name),
        "service" => |row| row.config().map_or(Value::None, |config| yes(config.is_service)),
        "waiting" => |row| number(row.brief().waiting),
        "ended" => |row| number(row.brief().ended),
        "problem" => |row| yes(row.brief().is_problem()),
        "active" => |row| number(row.job().map_or(0, Job::active_count)),
        "pending" => |row| row.count(&[ScheduleStatus::Pending, ScheduleStatus::Throttled]),
        "running" => |row| row.count(&[ScheduleStatus::Running]),
        "failed" => |row| row.count(&[ScheduleStatus::Failed, ScheduleStatus::Lost]),
        "finished" => |row| row.count(&[ScheduleStatus::Finished, ScheduleStatus::Killed]),
        "schedule" => |row| maybe(row.cron().and_then(|cron| cron.job.cron_schedule.as_deref())),
        "update" => |row| {
            let update = row.moment.view.active_update(&row.key);
            let status = update.and_then(Update::status);
            status.map_or(Value::None, |status| text(status.name()))
        },
        "changed_ms" => |row| time(row.job().map(|job| job.changed)),
        "age" => |row| time(row.job().map(|job| row.moment.now - job.changed)),
        "changed" => |row| time(row.job().map(|job| row.moment.now - job.changed)),
    };
    const WORDS: usize = 4;
    const AGES: &'static [(&'static str, &'static str)] =
        &[("age", "changed_ms"), ("changed", "changed_ms")];
    fn key(&self) -> String {
        self.key.to_string()
    }
    fn attribute(&self, name: &str) -> Vec<&str> {
        match name {
            "role" => vec![&self.key.role],
            "env" => vec![&self.key.environment],
            _ => Vec::new(),
        }
    }
    fn record(&self) -> Option<serde_json::Value> {
        let Moment {
            view, seq, zone, ..
        } = &*self.moment;
        plain(job_record(*seq, &self.key, view, zone)?)
    }
}

pub(super) fn plain(record: impl serde::Serialize) -> Option<serde_json::Value> {
    serde_json::to_value(record).ok()
}

pub(super) fn values_of<'a>(host: &'a Host, name: &str) -> Vec<&'a str> {
    let attributes = host.attributes.attributes.iter();
    let named = attributes.filter(|attribute| attribute.name == name);
    let values = named.flat_map(|attribute| &attribute.values);
    values.map(String::as_str).collect()
}

/// A host.
pub(super) struct HostRow {
    moment: Arc<Moment>,
    host: Host,
}

impl HostRow {
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = HostRow> + '_> {
        Box::new(moment.view.hosts().map(|host| HostRow {
            moment: moment.clone(),
            host: host.clone(),
        }))
    }
}

impl Record for HostRow {
    const COLUMNS: &'static [Column<HostRow>] = columns! {
        "host" => |row| text(&*row.host.attributes.host),
        "agent" => |row| maybe(row.host.attributes.slave_id.as_deref()),
        "mode" => |row| text(row.host.attributes.mode.unwrap_or(MaintenanceMode::None).name()),
        "tasks" => |row| number(tasks_on(&row.host.attributes.host, &row.moment.view)),
        "attributes" => |row| {
            let attributes = row.host.attributes.attributes.iter();
            let shown = attributes.map(|attribute| {
                let values: Vec<&str> = attribute.values.iter().map(String::as_str).collect();
                format!("{}={}", attribute.name, values.join("|"))
            });
            text(shown.collect::<Vec<String>>().join(" "))
        },
        "drain_asked_ms" => |row| {
            let request = row.moment.view.maintenance_request(&row.host.attributes.host);
            time(request.map(|request| request.created_timestamp_ms))
        },
        "problem" => |row| {
            let mode = row.host.attributes.mode.unwrap_or(MaintenanceMode::None);
            yes(mode != MaintenanceMode::None)
        },
    };
    const WORDS: usize = 5;
    fn key(&self) -> String {
        self.host.attributes.host.clone()
    }
    fn attribute(&self, name: &str) -> Vec<&str> {
        values_of(&self.host, name)
    }
    fn record(&self) -> Option<serde_json::Value> {
        let Moment { view, seq, .. } = &*self.moment;
        plain(host_record(*seq, &self.host.attributes.host, view)?)
    }
}

/// An update.
pub(super) struct UpdateRow {
    moment: Arc<Moment>,
    update: Update,
}

impl UpdateRow {
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = UpdateRow> + '_> {
        Box::new(moment.view.updates().map(|update| UpdateRow {
            moment: moment.clone(),
            update: update.clone(),
        }))
    }
}

impl Record for UpdateRow {
    const COLUMNS: &'static [Column<UpdateRow>] = columns! {
        "job" => |row| text(row.update.job().to_string()),
        "id" => |row| text(&*row.update.key().id),
        "role" => |row| text(&*row.update.job().role),
        "environment" => |row| text(&*row.update.job().environment),
        "name" => |row| text(&*row.update.job().name),
        "status" => |row| row.update.status().map_or(Value::None, |status| text(status.name())),
        "active" => |row| yes(row.update.is_active()),
        "user" => |row| maybe(row.update.update.summary.user.as_deref()),
        "instances" => |row| number(instances_of(&row.update)),
        "message" => |row| {
            let last = row.update.last_event();
            maybe(last.and_then(|event| event.message.as_deref()))
        },
        "created_ms" => |row| number(row.update.created()),
        "changed_ms" => |row| number(row.update.modified()),
        "age" => |row| number(row.moment.now - row.update.modified()),
    };
    const WORDS: usize = 10;
    const AGES: &'static [(&'static str, &'static str)] = &[("age", "changed_ms")];
    fn key(&self) -> String {
        format!("{} {}", self.update.job(), self.update.key().id)
    }
}

/// A cron job.
pub(super) struct CronRow {
    moment: Arc<Moment>,
    cron: Cron,
}

impl CronRow {
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = CronRow> + '_> {
        Box::new(moment.view.crons().map(|cron| CronRow {
            moment: moment.clone(),
            cron: cron.clone(),
        }))
    }
}

impl CronRow {
    fn job(&self) -> Option<&Job> {
        self.moment.view.job(&self.cron.job.key)
    }

    fn runs(&self, count: usize) -> Vec<Millis> {
        next_runs(&self.cron.job, &self.moment.zone, self.moment.now, count)
    }
}

impl Record for CronRow {
    const COLUMNS: &'static [Column<CronRow>] = columns! {
        "job" => |row| text(row.cron.job.key.to_string()),
        "role" => |row| text(&*row.cron.job.key.role),
        "environment" => |row| text(&*row.cron.job.key.environment),
        "name" => |row| text(&*row.cron.job.key.name),
        "schedule" => |row| maybe(row.cron.job.cron_schedule.as_deref()),
        "policy" => |row| {
            let policy = row.cron.job.cron_collision_policy;
            policy.map_or(Value::None, |policy| text(policy.name()))
        },
        "instances" => |row| number(row.cron.job.instance_count),
        "active" => |row| number(row.job().map_or(0, Job::active_count)),
        "outcome" => |row| row.cron.last.map_or(Value::None, |last| text(outcome(last.outcome))),
        "last_ms" => |row| time(row.cron.last.map(|last| last.minute)),
        "next_ms" => |row| time(row.runs(1).first().copied()),
        // Five of them, with spaces between.
        "next_runs_ms" => |row| {
            let runs: Vec<String> = row.runs(5).iter().map(Millis::to_string).collect();
            text(runs.join(" "))
        },
        // By the names of the workbench's columns.
        "last" => |row| time(row.cron.last.map(|last| last.minute)),
        "next" => |row| time(row.runs(1).first().copied()),
        "then" => |row| time(row.runs(2).get(1).copied()),
        "changed_ms" => |row| time(row.job().map(|job| job.changed)),
        "changed" => |row| time(row.job().map(|job| row.moment.now - job.changed)),
        "problem" => |row| {
            yes(row.cron.last.is_some_and(|last| last.outcome == CronOutcome::Missed))
        },
    };
    const WORDS: usize = 9;
    const AGES: &'static [(&'static str, &'static str)] = &[("changed", "changed_ms")];
    fn key(&self) -> String {
        self.cron.job.key.to_string()
    }
    fn attribute(&self, name: &str) -> Vec<&str> {
        match name {
            "role" => vec![&self.cron.job.key.role],
            _ => Vec::new(),
        }
    }
    fn record(&self) -> Option<serde_json::Value> {
        let Moment {
            view, seq, zone, ..
        } = &*self.moment;
        plain(job_record(*seq, &self.cron.job.key, view, zone)?)
    }
}

/// A role with a quota.
pub(super) struct QuotaRow {
    role: String,
    quota: Usage,
    used: [Usage; 4],
}

impl QuotaRow {
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = QuotaRow> + '_> {
        let view = &moment.view;
        let row = |(role, quota): (&String, &ResourceAggregate)| QuotaRow {
            role: role.clone(),
            quota: Usage::of(&quota.resources),
            used: POOLS.map(|pool| consumption(view, role, pool)),
        };
        Box::new(view.quotas().iter().map(row))
    }
}

const POOLS: [Pool; 4] = [
    Pool::ProdShared,
    Pool::NonProdShared,
    Pool::ProdDedicated,
    Pool::NonProdDedicated,
];

impl Record for QuotaRow {
    const COLUMNS: &'static [Column<QuotaRow>] = columns! {
        "role" => |row| text(&*row.role),
        "cpus" => |row| Value::Number(row.quota.cpus()),
        "ram" => |row| mebibytes(row.quota.ram_mb),
        "disk" => |row| mebibytes(row.quota.disk_mb),
        "used_cpus" => |row| Value::Number(row.used[0].cpus()),
        "used_ram" => |row| mebibytes(row.used[0].ram_mb),
        "used_disk" => |row| mebibytes(row.used[0].disk_mb),
        "other_cpus" => |row| Value::Number(row.used[1..].iter().map(Usage::cpus).sum()),
        "other_ram" => |row| mebibytes(row.used[1..].iter().map(|used| used.ram_mb).sum()),
        "other_disk" => |row| mebibytes(row.used[1..].iter().map(|used| used.disk_mb).sum()),
    };
    const WORDS: usize = 1;
    fn key(&self) -> String {
        self.role.clone()
    }
}

/// A role: it has jobs, a quota, or both.
pub(super) struct RoleRow {
    now: Millis,
    record: RoleRecord,
}

impl RoleRow {
    pub(super) fn all(moment: &Arc<Moment>) -> Box<dyn Iterator<Item = RoleRow> + '_> {
        let Moment {
            view,
            seq,
            now,
            zone,
            ..
        } = &**moment;
        let mut roles: BTreeMap<String, RoleRecord> = BTreeMap::new();
        for key in job_keys(view) {
            let Some(job) = job_record(*seq, key, view, zone) else {
                continue;
            };
            let role = roles.entry(key.role.clone());
            let role = role.or_insert_with(|| role_of(key.role.clone()));
            role.jobs += 1;
            role.active += job.active;
            role.problems += u32::from(Brief::of(job.states).is_problem());
            role.changed_ms = role.changed_ms.max(job.changed_ms);
        }
        for role in view.quotas().keys() {
            let known = roles.entry(role.clone());
            let known = known.or_insert_with(|| role_of(role.clone()));
            known.quota = Some(quota_record(*seq, role, view));
        }
        let now = *now;
        Box::new(
            roles
                .into_values()
                .map(move |record| RoleRow { now, record }),
        )
    }

    fn amount(&self, amount: fn(&QuotaRecord) -> Value) -> Value {
        self.record.quota.as_ref().map_or(Value::None, amount)
    }

    fn changed(&self) -> Option<Millis> {
        Some(self.record.changed_ms).filter(|changed| *changed > 0)
    }
}

fn role_of(role: String) -> RoleRecord {
    RoleRecord {
        role,
        jobs: 0,
        active: 0,
        problems: 0,
        quota: None,
        changed_ms: 0,
    }
}

impl Record for RoleRow {
    const COLUMNS: &'static [Column<RoleRow>] = columns! {
        "role" => |row| text(&*row.record.role),
        "jobs" => |row| number(row.record.jobs),
        "active" => |row| number(row.record.active),
        "problems" => |row| number(row.record.problems),
        "cpus" => |row| row.amount(|quota| Value::Number(quota.cpus)),
        "ram" => |row| row.amount(|quota| mebibytes(quota.ram_mb)),
        "disk" => |row| row.amount(|quota| mebibytes(quota.disk_mb)),
        "changed_ms" => |row| time(row.changed()),
        "changed" => |row| time(row.changed().map(|changed| row.now - changed)),
        "problem" => |row| yes(row.record.problems > 0),
    };
    const WORDS: usize = 1;
    const AGES: &'static [(&'static str, &'static str)] = &[("changed", "changed_ms")];
    fn key(&self) -> String {
        self.record.role.clone()
    }
    fn record(&self) -> Option<serde_json::Value> {
        plain(&self.record)
    }
}
