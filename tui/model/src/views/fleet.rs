//! Views of roles, cron jobs, updates, maintenance and who changed what.

use std::collections::BTreeMap;

use aurora_api::feed::{CronRun, QuotaRecord, RoleRecord};
use aurora_api::model::{JobUpdateAction, JobUpdateStatus};

use crate::place::Place;
use crate::state::State;
use crate::table::{Age, Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;
use crate::told::{Answer, Question};

use super::job;
use super::why::leads_to;

#[derive(Default)]
struct RoleSums<'a> {
    jobs: u32,
    active: u32,
    problems: u32,
    changed_ms: i64,
    quota: Option<&'a QuotaRecord>,
}

fn of_record(record: &RoleRecord) -> (&str, RoleSums<'_>) {
    let sums = RoleSums {
        jobs: record.jobs,
        active: record.active,
        problems: record.problems,
        changed_ms: record.changed_ms,
        quota: record.quota.as_ref(),
    };
    (&record.role, sums)
}

fn of_jobs(state: &State) -> Vec<(&str, RoleSums<'_>)> {
    let mut sums: BTreeMap<&str, RoleSums<'_>> = BTreeMap::new();
    for job in state.store.jobs.values() {
        let sum = sums.entry(&job.job.0.role).or_default();
        sum.jobs += 1;
        sum.active += job.active;
        sum.problems += u32::from(super::cluster::is_problem(job));
        sum.changed_ms = sum.changed_ms.max(job.changed_ms);
    }
    for (role, quota) in &state.store.quotas {
        sums.entry(role).or_default().quota = Some(quota);
    }
    sums.into_iter().collect()
}

pub(super) fn roles(state: &State) -> Table {
    let columns = vec![
        Column::text("role", 0),
        Column::number("jobs", 0),
        Column::number("active", 0),
        Column::number("problems", 1),
        Column::number("cpus", 2),
        Column::number("ram", 3),
        Column::number("disk", 4),
        Column::number("changed", 2),
    ];
    let sums = match crate::pages::roles(state) {
        Some(told) => told.map(of_record).collect(),
        None => of_jobs(state),
    };
    let rows = sums
        .into_iter()
        .map(|(role, sum)| {
            let quota = sum.quota;
            let count = |count: u32| Cell::count(i64::from(count)).dim_zero();
            let problems = match sum.problems {
                0 => count(0),
                some => count(some).scope(Scope::StateFailed),
            };
            let amount = |mebibytes: i64| super::cluster::mebibytes(mebibytes);
            Row {
                id: role.to_owned(),
                problem: sum.problems > 0,
                cells: vec![
                    Cell::text(role),
                    count(sum.jobs),
                    count(sum.active),
                    problems,
                    quota.map_or_else(Cell::none, |quota| {
                        Cell::number(quota.cpus, quota.cpus.to_string())
                    }),
                    quota.map_or_else(Cell::none, |quota| amount(quota.ram_mb)),
                    quota.map_or_else(Cell::none, |quota| amount(quota.disk_mb)),
                    match sum.changed_ms {
                        0 => Cell::none(),
                        _ => Cell::age(Age::Since(sum.changed_ms)),
                    },
                ],
                attributes: Vec::new(),
            }
        })
        .collect();
    Table::new(columns, rows)
}

pub(super) fn crons(state: &State) -> Table {
    let columns = vec![
        Column::text("job", 0),
        Column::text("schedule", 0),
        Column::number("active", 3),
        Column::whole("last", 2),
        Column::text("outcome", 1),
        Column::whole("next", 0),
        Column::text("then", 5),
        Column::number("changed", 4),
    ];
    let rows = crate::pages::jobs(state)
        .filter_map(|job| Some((job, job.cron_schedule.as_deref()?)))
        .map(|(record, schedule)| {
            let run = record.cron_last.as_ref();
            let told = |of: fn(&CronRun) -> Cell| run.map_or_else(Cell::none, of);
            Row {
                id: record.job.to_string(),
                problem: run.is_some_and(|run| run.outcome == "missed"),
                cells: vec![
                    Cell::text(&record.job.to_string()),
                    Cell::text(schedule),
                    Cell::count(i64::from(record.active)).dim_zero(),
                    told(|run| match job::has_run(run) {
                        true => Cell::minute(run.minute_ms),
                        false => Cell::none(),
                    }),
                    told(|run| job::outcome(run, "")),
                    told(|run| {
                        let next = run.next_ms.first();
                        next.map_or_else(Cell::none, |next| Cell::minute(*next))
                    }),
                    told(|run| Cell::text(&later(&run.next_ms))),
                    super::cluster::age_of(record),
                ],
                attributes: vec![("role".to_owned(), record.job.0.role.clone())],
            }
        })
        .collect();
    Table::new(columns, rows)
}

/// The times after the next one.
fn later(times: &[i64]) -> String {
    let times = times.iter().skip(1).map(|time| text::utc_minute(*time));
    times.collect::<Vec<_>>().join(", ")
}

pub(super) fn update_scope(status: JobUpdateStatus) -> Scope {
    use JobUpdateStatus::*;
    match status {
        RollingForward => Scope::StateStarting,
        RollingBack => Scope::StateChanging,
        RolledForward => Scope::StateRunning,
        RolledBack | Aborted => Scope::StateEnded,
        Error | Failed => Scope::StateFailed,
        _ => Scope::StateWaiting,
    }
}

pub(super) fn updates(state: &State) -> Table {
    use JobUpdateAction::*;
    let columns = vec![
        Column::text("job", 0),
        Column::text("status", 0),
        Column::number("instances", 1),
        Column::number("done", 1),
        Column::number("failed", 2),
        Column::text("user", 4),
        Column::number("age", 5),
        Column::number("changed", 3),
        Column::text("message", 6),
        Column::text("id", 7),
    ];
    let rows = state
        .store
        .updates
        .values()
        .map(|update| {
            let count = |wanted: &[JobUpdateAction]| {
                let found = update
                    .actions
                    .iter()
                    .filter(|(action, _)| wanted.contains(action));
                Cell::count(found.map(|(_, count)| i64::from(*count)).sum()).dim_zero()
            };
            let scope = update_scope(update.status);
            let optional =
                |text: &Option<String>| text.as_deref().map_or_else(Cell::none, Cell::text);
            Row {
                id: format!("{} {}", update.job, update.id),
                problem: matches!(scope, Scope::StateFailed | Scope::StateChanging),
                cells: vec![
                    Cell::text(&update.job.to_string()),
                    Cell::text(update.status.name()).scope(scope),
                    Cell::count(i64::from(update.instances)),
                    count(&[InstanceUpdated, InstanceRolledBack]),
                    count(&[InstanceUpdateFailed, InstanceRollbackFailed]),
                    optional(&update.user),
                    Cell::age(Age::Since(update.created_ms)),
                    Cell::age(Age::Since(update.changed_ms)),
                    optional(&update.message),
                    Cell::text(&update.id).scope(Scope::Dim),
                ],
                attributes: vec![("role".to_owned(), update.job.0.role.clone())],
            }
        })
        .collect();
    Table::new(columns, rows)
}

pub(super) fn audit(state: &State) -> Table {
    let columns = vec![
        Column::whole("time", 0),
        Column::text("user", 0),
        Column::text("method", 0),
        Column::text("target", 0),
        Column::text("detail", 1),
    ];
    let rows = state
        .store
        .audit
        .iter()
        .enumerate()
        .rev()
        .map(|(at, record)| Row {
            id: format!("{} {at}", record.time_ms),
            problem: false,
            cells: vec![
                Cell::text(&text::utc(record.time_ms)),
                Cell::text(&record.user),
                Cell::text(&record.method),
                Cell::text(&record.target),
                Cell::text(&record.detail),
            ],
            attributes: leads_to(record.target.parse().ok().map(Place::Instances)),
        })
        .collect();
    Table::new(columns, rows)
}

/// What hosts offer and no task uses yet.
pub(super) fn offers(state: &State) -> Table {
    let offers = match state.store.answers.get(&Question::Offers) {
        Some(Answer::Offers(offers)) => offers.as_slice(),
        _ => &[],
    };
    super::host::table_of(offers, true)
}
