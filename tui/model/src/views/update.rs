//! One update: what it is, its instances batch by batch, and what became of it.

use std::collections::BTreeMap;

use aurora_api::job_key::JobPath;
use aurora_api::model::JobUpdateAction;

use crate::screen::{GridCell, GridLine};
use crate::state::State;
use crate::store::changed_ms;
use crate::table::{Age, Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;
use crate::told::{Answer, InstanceStep, Strategy, UpdateInfo};

use super::fleet::update_scope;
use super::status_scope;

/// The update on the screen, once it was told.
fn info(state: &State) -> Option<&UpdateInfo> {
    let question = state.view.place.questions().into_iter().next()?;
    match state.store.answers.get(&question) {
        Some(Answer::Update(info)) => Some(info),
        _ => None,
    }
}

/// How far an instance is, in a word and by its colour.
fn progress(step: Option<&InstanceStep>) -> (&'static str, Scope) {
    use JobUpdateAction::*;
    match step.map(|step| step.action) {
        None => ("WAITING", Scope::StateWaiting),
        Some(InstanceUpdating) => ("UPDATING", Scope::StateStarting),
        Some(InstanceUpdated) => ("UPDATED", Scope::StateRunning),
        Some(InstanceUpdateFailed) => ("FAILED", Scope::StateFailed),
        Some(InstanceRollingBack) => ("ROLLING BACK", Scope::StateChanging),
        Some(InstanceRolledBack) => ("ROLLED BACK", Scope::StateEnded),
        Some(InstanceRollbackFailed) => ("ROLLBACK FAILED", Scope::StateFailed),
    }
}

fn strategy(info: &UpdateInfo) -> String {
    match &info.strategy {
        Strategy::Queue(size) => format!("queue, {size} at a time"),
        Strategy::Batches { sizes, pauses } => {
            let texts: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            let pauses = if *pauses { ", pauses after each" } else { "" };
            let count = info.batches().len();
            format!("{count} batch(es) of {}{pauses}", texts.join(", "))
        }
    }
}

/// How many instances are how far, in words.
fn tally(info: &UpdateInfo) -> String {
    let steps = info.last_steps();
    let order = info.order();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in &order {
        let (word, _) = progress(steps.get(instance).copied());
        *counts.entry(word).or_default() += 1;
    }
    let texts: Vec<String> = counts
        .into_iter()
        .map(|(word, count)| format!("{count} {}", word.to_lowercase()))
        .collect();
    format!("{} instance(s): {}", order.len(), texts.join(", "))
}

/// Labels and values.
pub(crate) fn fields(state: &State) -> Vec<(&'static str, Cell)> {
    let Some(info) = info(state) else {
        return Vec::new();
    };
    let age = text::age(state.elapsed_ms(info.changed_ms));
    let status = format!("{} for {age}", info.status);
    let user = info.user.as_deref().unwrap_or("nobody known");
    let begun = format!("by {user} at {}", text::utc(info.created_ms));
    vec![
        (
            "status",
            Cell::text(&status).scope(update_scope(info.status)),
        ),
        ("progress", Cell::text(&tally(info))),
        ("strategy", Cell::text(&strategy(info))),
        ("limits", Cell::text(&info.limits.join("; "))),
        ("begun", Cell::text(&begun)),
    ]
}

/// Its instances in lines, a batch beginning with each label; the selected one stands out.
pub(crate) fn grid(state: &State) -> Vec<GridLine> {
    let Some(info) = info(state) else {
        return Vec::new();
    };
    let steps = info.last_steps();
    let batches = info.batches();
    let widest = batches
        .iter()
        .flatten()
        .max()
        .map_or(1, |most| most.to_string().len());
    let room = usize::from(state.size.0).saturating_sub(GridLine::LABEL + 2);
    let across = (room / (widest + 2)).max(1);
    let selected = state.view.selected.as_deref();
    let mut out = Vec::new();
    for (at, batch) in batches.iter().enumerate() {
        let name = match info.strategy {
            Strategy::Queue(_) => "queue".to_owned(),
            Strategy::Batches { .. } => format!("batch {}", at + 1),
        };
        for (row, instances) in batch.chunks(across).enumerate() {
            let label = if row == 0 { name.as_str() } else { "" };
            let cells = instances.iter().map(|instance| {
                let number = instance.to_string();
                GridCell {
                    scope: progress(steps.get(instance).copied()).1,
                    selected: selected == Some(number.as_str()),
                    text: format!("{number:<widest$}"),
                }
            });
            out.push(GridLine {
                label: label.to_owned(),
                cells: cells.collect(),
            });
        }
    }
    out
}

/// Its instances as rows.
pub(super) fn instances(state: &State, job: &JobPath) -> Table {
    let columns = vec![
        Column::number("instance", 0),
        Column::number("batch", 3),
        Column::text("progress", 0),
        Column::number("for", 2),
        Column::text("task", 0),
        Column::text("host", 4),
        Column::text("message", 5),
    ];
    let Some(info) = info(state) else {
        return Table::new(columns, Vec::new());
    };
    let steps = info.last_steps();
    let tasks = state.store.instances(job);
    let mut rows = Vec::new();
    for (at, batch) in info.batches().into_iter().enumerate() {
        for instance in batch {
            let step = steps.get(&instance).copied();
            let task = tasks.get(&instance);
            let (word, scope) = progress(step);
            let message = step.and_then(|step| step.message.as_deref());
            let said = task
                .and_then(|task| task.events.last())
                .and_then(|event| event.message.as_deref());
            let since = step
                .map(|step| step.time_ms)
                .or(task.map(|task| changed_ms(task)));
            rows.push(Row {
                id: instance.to_string(),
                problem: matches!(scope, Scope::StateFailed | Scope::StateChanging),
                cells: vec![
                    Cell::count(i64::from(instance)),
                    Cell::count(i64::try_from(at + 1).unwrap_or(i64::MAX)),
                    Cell::text(word).scope(scope),
                    since.map_or_else(Cell::none, |since| Cell::age(Age::Since(since))),
                    task.map_or_else(Cell::none, |task| {
                        Cell::text(task.status.name()).scope(status_scope(task.status))
                    }),
                    task.and_then(|task| task.host.as_deref())
                        .map_or_else(Cell::none, Cell::text),
                    message.or(said).map_or_else(Cell::none, Cell::text),
                ],
                attributes: Vec::new(),
            });
        }
    }
    Table::new(columns, rows)
}

/// What became of it, newest first.
pub(crate) fn steps(state: &State) -> Table {
    let columns = vec![
        Column::whole("time", 0),
        Column::text("event", 0),
        Column::text("who", 1),
        Column::text("message", 0),
    ];
    let steps = info(state).map_or(&[][..], |info| info.steps.as_slice());
    let rows = steps
        .iter()
        .enumerate()
        .rev()
        .map(|(at, step)| Row {
            id: at.to_string(),
            problem: false,
            cells: vec![
                Cell::text(&text::utc_time(step.time_ms)).scope(Scope::Dim),
                Cell::text(step.status.name()).scope(update_scope(step.status)),
                step.user.as_deref().map_or_else(Cell::none, Cell::text),
                step.message.as_deref().map_or_else(Cell::none, Cell::text),
            ],
            attributes: Vec::new(),
        })
        .collect();
    Table::new(columns, rows)
}
