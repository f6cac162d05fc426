//! What happened to the tasks of a job, or of one instance of it, one after the other.

use aurora_api::feed::{Event, TaskRecord};
use aurora_api::job_key::JobPath;

use crate::state::State;
use crate::table::{Age, Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;

use super::status_scope;

/// Events of all tasks that the scheduler still knows, newest first. Ids are the task's, then the event's number.
pub(super) fn timeline(state: &State, job: &JobPath, instance: Option<i32>) -> Table {
    let mut columns = vec![
        Column::whole("time", 0),
        Column::number("ago", 1),
        Column::text("event", 0),
        Column::text("host", 2),
        Column::text("message", 0),
        Column::text("task", 3),
    ];
    if instance.is_none() {
        columns.insert(2, Column::number("instance", 0));
    }
    let tasks = state.store.tasks_of(job);
    let tasks = tasks.filter(|task| instance.is_none_or(|wanted| task.instance == wanted));
    let mut events: Vec<(&TaskRecord, usize, &Event)> = tasks
        .flat_map(|task| {
            let events = task.events.iter().enumerate();
            events.map(move |(at, event)| (task, at, event))
        })
        .collect();
    // What happened in the same millisecond happened to the younger task last, and to one task in the order in which it was
    // told.
    let begun = |task: &TaskRecord| task.events.first().map_or(0, |first| first.time_ms);
    events.sort_by_key(|(task, at, event)| (-event.time_ms, -begun(task), usize::MAX - at));
    let rows = events.into_iter().map(|(task, at, event)| {
        let scope = status_scope(event.status);
        let mut cells = vec![
            Cell::text(&text::utc(event.time_ms)).scope(Scope::Dim),
            Cell::age(Age::Since(event.time_ms)),
            Cell::text(event.status.name()).scope(scope),
            // As long as it waited it was nowhere.
            match &task.host {
                Some(host) if scope != Scope::StateWaiting => Cell::text(host),
                _ => Cell::none(),
            },
            event.message.as_deref().map_or_else(Cell::none, Cell::text),
            Cell::text(&task.task_id).scope(Scope::Dim),
        ];
        if instance.is_none() {
            cells.insert(2, Cell::count(i64::from(task.instance)));
        }
        Row {
            id: format!("{} {at}", task.task_id),
            problem: scope == Scope::StateFailed,
            cells,
            attributes: Vec::new(),
        }
    });
    Table::new(columns, rows.collect())
}
