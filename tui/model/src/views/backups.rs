//! Backups of the scheduler's state, and where that state is kept.

use crate::state::State;
use crate::table::{Cell, Column, Row, Table};
use crate::theme::Scope;
use crate::told::{Answer, Backups, Question};

/// Names of the counts about the state and its log.
const OF_STORAGE: [&str; 6] = [
    "scheduler_log_",
    "scheduler_backup_",
    "snapshot_",
    "mem_storage_",
    "storage_",
    "task_store_",
];

fn known(state: &State) -> Option<&Backups> {
    match state.store.answers.get(&Question::Backups) {
        Some(Answer::Backups(known)) => Some(known),
        _ => None,
    }
}

/// The backups that there are.
pub(super) fn backups(state: &State) -> Table {
    let names = known(state).into_iter().flat_map(|known| &known.names);
    let rows = names.map(|name| Row {
        id: name.clone(),
        cells: vec![Cell::text(name)],
        ..Row::default()
    });
    Table::new(vec![Column::text("backup", 0)], rows.collect())
}

/// What is staged: labels and values.
pub(super) fn staged(state: &State) -> Vec<(&'static str, Cell)> {
    let Some(known) = known(state) else {
        return Vec::new();
    };
    let Some(staged) = &known.staged else {
        return vec![("staged", Cell::text("no backup").scope(Scope::Dim))];
    };
    let tasks: usize = staged.values().map(|tasks| tasks.len()).sum();
    let summary = format!("a backup of {tasks} task(s) of {} job(s)", staged.len());
    let jobs = staged.iter();
    let jobs: Vec<String> = jobs
        .map(|(job, tasks)| format!("{job} {}", tasks.len()))
        .collect();
    vec![
        ("staged", Cell::text(&summary).scope(Scope::Warn)),
        ("tasks", Cell::text(&jobs.join(", "))),
    ]
}

/// What is counted about the state and its log.
pub(super) fn storage(state: &State) -> Table {
    let mut table = super::figures::metrics(state);
    let is_of_storage = |name: &str| OF_STORAGE.iter().any(|begin| name.starts_with(begin));
    table.rows.retain(|row| is_of_storage(&row.id));
    (table.total, table.shown) = (table.rows.len(), table.rows.len());
    table
}
