//! Hosts in maintenance, and in rounds of it.

use std::collections::BTreeSet;

use aurora_api::model::MaintenanceMode;

use crate::chart;
use crate::state::State;
use crate::table::{Age, Cell, Column, Row, Table};
use crate::theme::Scope;

/// Columns of the bar that shows how empty a host is.
const BAR: usize = 8;

/// How far a host of the rounds is emptied: of the tasks that it had in the beginning.
fn emptied(began: Option<u32>, tasks: u32) -> Cell {
    let Some(began) = began else {
        return Cell::none();
    };
    let gone = f64::from(began.saturating_sub(tasks));
    let part = match began {
        0 => 1.0,
        _ => gone / f64::from(began),
    };
    Cell::number(part, chart::bar(part, BAR))
}

pub(super) fn maintenance(state: &State) -> Table {
    let columns = vec![
        Column::text("host", 0),
        Column::text("mode", 0),
        Column::number("tasks", 0),
        Column::text("emptied", 1),
        Column::number("round", 2),
        Column::text("step", 2),
        Column::number("asked", 3),
        Column::number("timeout", 4),
    ];
    let campaign = state.campaign.as_ref();
    let known = &state.store.maintenance;
    let in_maintenance = known
        .values()
        .filter(|host| host.mode != MaintenanceMode::None || host.request.is_some())
        .map(|host| host.host.clone());
    let in_rounds = campaign.map(|campaign| campaign.rounds.hosts());
    let names: BTreeSet<String> = in_maintenance
        .chain(in_rounds.into_iter().flatten())
        .collect();
    let rows = names.into_iter().map(|name| {
        let record = state.store.hosts.get(&name);
        let told = known.get(&name);
        let mode = told.map(|host| host.mode).or(record.map(|host| host.mode));
        let mode = mode.unwrap_or(MaintenanceMode::None);
        let tasks = told
            .map(|host| host.tasks)
            .or(record.map(|host| host.tasks));
        let tasks = tasks.unwrap_or(0);
        let request = told.and_then(|host| host.request.as_ref());
        let began = campaign.and_then(|campaign| campaign.began.get(&name).copied());
        let place = campaign.and_then(|campaign| campaign.state_of(&name));
        let stopped = campaign.is_some_and(|campaign| campaign.stopped.is_some());
        Row {
            id: name.clone(),
            problem: mode == MaintenanceMode::Draining,
            cells: vec![
                Cell::text(&name),
                Cell::text(mode.name()).scope(match mode {
                    MaintenanceMode::None => Scope::None,
                    MaintenanceMode::Drained => Scope::StateEnded,
                    _ => Scope::StateChanging,
                }),
                Cell::count(i64::from(tasks)).dim_zero(),
                emptied(began, tasks),
                place.map_or_else(Cell::none, |(at, _)| {
                    Cell::count(i64::try_from(at + 1).unwrap_or(i64::MAX))
                }),
                place.map_or_else(Cell::none, |(_, word)| match (word, stopped) {
                    ("done" | "waits", _) | (_, false) => Cell::text(word),
                    (_, true) => Cell::text("stopped").scope(Scope::Warn),
                }),
                request.map_or_else(Cell::none, |request| {
                    Cell::age(Age::Since(request.created_ms))
                }),
                request.map_or_else(Cell::none, |request| {
                    Cell::age(request.timeout_secs.saturating_mul(1000))
                }),
            ],
            attributes: Vec::new(),
        }
    });
    Table::new(columns, rows.collect())
}
