//! Views of the whole cluster and of a job.

use aurora_api::brief::{Brief, Group, kind};
use aurora_api::feed::{JobRecord, TaskRecord};
use aurora_api::job_key::JobPath;
use aurora_api::model::{MaintenanceMode, ScheduleStatus};

use crate::state::State;
use crate::store::changed_ms;
use crate::table::{Age, Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;

/// The scope of a task's state.
pub(crate) fn status_scope(status: ScheduleStatus) -> Scope {
    group_scope(Group::of(status))
}

fn group_scope(group: Group) -> Scope {
    match group {
        Group::Waiting => Scope::StateWaiting,
        Group::Starting => Scope::StateStarting,
        Group::Running => Scope::StateRunning,
        Group::Changing => Scope::StateChanging,
        Group::Ended => Scope::StateEnded,
        Group::Failed => Scope::StateFailed,
    }
}

/// A job's state as a cell.
pub(super) fn job_word(job: &JobRecord) -> Cell {
    let (word, scope) = job_state(job, &brief(job));
    Cell::text(word).scope(scope)
}

fn brief(job: &JobRecord) -> Brief {
    Brief::of(job.states.iter().map(|(status, count)| (*status, *count)))
}

fn job_state(job: &JobRecord, brief: &Brief) -> (&'static str, Scope) {
    let (word, group) = brief.word(job.cron_schedule.is_some());
    (word, group_scope(group))
}

/// How long ago a job changed; nothing where the scheduler does not tell.
pub(super) fn age_of(job: &JobRecord) -> Cell {
    match job.changed_ms {
        0 => Cell::none(),
        changed_ms => Cell::age(Age::Since(changed_ms)),
    }
}

/// Whether somebody should look at a job.
pub(crate) fn is_problem(job: &JobRecord) -> bool {
    brief(job).is_problem()
}

pub(super) fn jobs(state: &State) -> Table {
    let columns = vec![
        Column::text("job", 0),
        Column::text("state", 0),
        Column::number("active", 1),
        Column::number("running", 3),
        Column::number("waiting", 4),
        Column::number("failed", 2),
        Column::number("ended", 6),
        Column::text("kind", 5),
        Column::text("tier", 7),
        Column::number("changed", 2),
    ];
    let rows = crate::pages::jobs(state).map(job_row).collect();
    Table::new(columns, rows)
}

/// A job as a row.
pub(super) fn job_row(job: &JobRecord) -> Row {
    let counts = brief(job);
    let (word, scope) = job_state(job, &counts);
    let kind = kind(job.cron_schedule.is_some(), job.service);
    let count = |count: u32| Cell::count(i64::from(count)).dim_zero();
    Row {
        id: job.job.to_string(),
        problem: is_problem(job),
        cells: vec![
            Cell::text(&job.job.to_string()),
            Cell::text(word).scope(scope),
            count(job.active),
            count(counts.running),
            if counts.waiting > 0 {
                count(counts.waiting).scope(Scope::StateWaiting)
            } else {
                count(0)
            },
            if counts.failed > 0 {
                count(counts.failed).scope(Scope::StateFailed)
            } else {
                count(0)
            },
            count(counts.ended),
            Cell::text(kind),
            Cell::text(&job.tier),
            age_of(job),
        ],
        attributes: vec![
            ("role".to_owned(), job.job.0.role.clone()),
            ("env".to_owned(), job.job.0.environment.clone()),
        ],
    }
}

fn ports(task: &TaskRecord) -> String {
    let texts: Vec<String> = task
        .ports
        .iter()
        .map(|(name, port)| format!("{name}:{port}"))
        .collect();
    texts.join(" ")
}

pub(super) fn instances(state: &State, job: &JobPath) -> Table {
    let columns = vec![
        Column::number("instance", 0),
        Column::text("status", 0),
        Column::number("for", 1),
        Column::text("host", 2),
        Column::text("ports", 4),
        Column::number("failures", 3),
        Column::text("message", 5),
        Column::text("task", 6),
    ];
    let rows = crate::pages::instances(state, job)
        .into_iter()
        .map(|task| {
            let last = task.events.last();
            Row {
                id: task.instance.to_string(),
                problem: matches!(
                    status_scope(task.status),
                    Scope::StateWaiting | Scope::StateFailed | Scope::StateChanging
                ) || task.failure_count > 0,
                cells: vec![
                    Cell::count(i64::from(task.instance)),
                    Cell::text(task.status.name()).scope(status_scope(task.status)),
                    Cell::age(Age::Since(changed_ms(task))),
                    task.host.as_deref().map_or_else(Cell::none, Cell::text),
                    Cell::text(&ports(task)),
                    Cell::count(i64::from(task.failure_count)).dim_zero(),
                    last.and_then(|event| event.message.as_deref())
                        .map_or_else(Cell::none, Cell::text),
                    Cell::text(&task.task_id).scope(Scope::Dim),
                ],
                attributes: Vec::new(),
            }
        })
        .collect();
    Table::new(columns, rows)
}

/// A host's mode in words.
pub(super) fn mode_word(mode: MaintenanceMode) -> (&'static str, Scope) {
    match mode {
        MaintenanceMode::None => ("in service", Scope::None),
        mode => (mode.name(), Scope::StateChanging),
    }
}

pub(super) fn hosts(state: &State) -> Table {
    let columns = vec![
        Column::text("host", 0),
        Column::text("mode", 0),
        Column::number("tasks", 1),
        Column::text("attributes", 2),
        Column::text("agent", 3),
    ];
    let rows = crate::pages::hosts(state)
        .map(|host| {
            let attributes: Vec<(String, String)> = host
                .attributes
                .iter()
                .flat_map(|(name, values)| {
                    values
                        .iter()
                        .map(move |value| (name.clone(), value.clone()))
                })
                .collect();
            let texts: Vec<String> = attributes
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let (mode, scope) = mode_word(host.mode);
            Row {
                id: host.host.clone(),
                problem: host.mode != MaintenanceMode::None,
                cells: vec![
                    Cell::text(&host.host),
                    Cell::text(mode).scope(scope),
                    Cell::count(i64::from(host.tasks)).dim_zero(),
                    Cell::text(&texts.join(" ")),
                    Cell::text(&host.agent_id).scope(Scope::Dim),
                ],
                attributes,
            }
        })
        .collect();
    Table::new(columns, rows)
}

pub(super) fn mebibytes(count: i64) -> Cell {
    Cell::bytes(u64::try_from(count).unwrap_or(0).saturating_mul(1 << 20))
}

pub(super) fn journal(state: &State) -> Table {
    let columns = vec![
        Column::whole("time", 0),
        Column::text("outcome", 0),
        Column::text("action", 0),
        Column::text("cluster", 1),
        Column::text("object", 0),
        Column::text("instances", 1),
        Column::text("who", 3),
        Column::text("detail", 2),
        Column::text("reason", 4),
    ];
    let rows = state
        .journal
        .iter()
        .enumerate()
        // Of one second the later comes first, as of all.
        .rev()
        .map(|(at, entry)| {
            let scope = match entry.outcome.as_str() {
                "confirmed" => Scope::Good,
                "refused" | "unknown" => Scope::Bad,
                "not yet" | "no effect" => Scope::Warn,
                _ => Scope::None,
            };
            Row {
                id: at.to_string(),
                problem: matches!(scope, Scope::Bad | Scope::Warn),
                cells: vec![
                    Cell::text(&text::utc(entry.time_ms)),
                    Cell::text(&entry.outcome).scope(scope),
                    Cell::text(&entry.action),
                    Cell::text(&entry.cluster),
                    Cell::text(&entry.job),
                    Cell::text(&entry.instances),
                    Cell::text(&entry.who),
                    Cell::text(&entry.detail),
                    Cell::text(&entry.reason),
                ],
                attributes: Vec::new(),
            }
        })
        .collect();
    Table::new(columns, rows)
}
