//! What the scheduler counts, and what its service levels are.

use std::collections::{BTreeMap, VecDeque};

use crate::chart;
use crate::state::State;
use crate::table::{Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;

/// Columns of a line of the last values.
const TREND: usize = 24;

fn number(value: f64) -> String {
    match value.fract() == 0.0 && value.abs() < 9e15 {
        true => format!("{value}"),
        false => format!("{value:.3}"),
    }
}

/// How much a count grew between the first and the last look.
fn growth(values: &VecDeque<f64>) -> Cell {
    match (values.front(), values.back()) {
        (Some(first), Some(last)) if values.len() > 1 => {
            let by = last - first;
            let sign = if by > 0.0 { "+" } else { "" };
            Cell::number(by, format!("{sign}{}", number(by))).dim_zero()
        }
        _ => Cell::none(),
    }
}

/// Every count with its last values.
pub(super) fn metrics(state: &State) -> Table {
    let columns = vec![
        Column::text("name", 0),
        Column::number("value", 0),
        Column::number("grew", 1),
        Column::text("trend", 2),
    ];
    let counts = state.store.answers.series.values.iter();
    let rows = counts.map(|(name, values)| {
        let last = values.back().copied().unwrap_or(0.0);
        let flat = values.iter().all(|value| *value == last);
        let trend = Cell::text(&chart::line(values.iter().copied(), TREND));
        Row {
            id: name.clone(),
            problem: false,
            cells: vec![
                Cell::text(name),
                Cell::number(last, number(last)),
                growth(values),
                if flat { trend.scope(Scope::Dim) } else { trend },
            ],
            attributes: Vec::new(),
        }
    });
    Table::new(columns, rows.collect())
}

/// Figures of a service level, as names end with them (aurora:
/// `src/main/java/org/apache/aurora/scheduler/sla/SlaAlgorithm.java`), and their columns.
const FIGURES: [(&str, &str); 9] = [
    ("_job_uptime_50.00_sec", "up50"),
    ("_job_uptime_75.00_sec", "up75"),
    ("_job_uptime_90.00_sec", "up90"),
    ("_job_uptime_95.00_sec", "up95"),
    ("_job_uptime_99.00_sec", "up99"),
    ("_platform_uptime_percent", "platform"),
    ("_mtta_ms", "assigned"),
    ("_mtts_ms", "started"),
    ("_mttr_ms", "running"),
];

fn shown(column: &str, value: f64) -> Cell {
    match column {
        "platform" => Cell::number(value, format!("{value:.2}%")),
        // The casts saturate.
        "assigned" | "started" | "running" => Cell::number(value, text::age(value as i64)),
        _ => Cell::number(value, text::age((value * 1000.0) as i64)),
    }
}

/// Service levels of the cluster, of sizes of tasks and of jobs, a row each: for how long that share of instances has been
/// up, and median times from PENDING on.
pub(super) fn sla(state: &State) -> Table {
    let mut columns = vec![Column::text("object", 0), Column::text("kind", 1)];
    columns.extend((0_u8..).zip(FIGURES).map(|(at, (_, name))| {
        // The middle of the uptimes goes first when there is no room.
        let spare = if matches!(name, "up75" | "up90") {
            9
        } else {
            at / 3
        };
        Column::number(name, spare)
    }));
    let mut rows: BTreeMap<(String, &str), Vec<Cell>> = BTreeMap::new();
    for (name, values) in &state.store.answers.series.values {
        let Some(name) = name.strip_prefix("sla_") else {
            continue;
        };
        let (name, kind) = match name.strip_suffix("_nonprod") {
            Some(name) => (name, "other"),
            None => (name, "production"),
        };
        let figure = FIGURES.iter().position(|(stem, _)| name.ends_with(stem));
        let (Some(at), Some(value)) = (figure, values.back()) else {
            continue;
        };
        let object = name[..name.len() - FIGURES[at].0.len()].to_owned();
        let cells = rows
            .entry((object, kind))
            .or_insert_with(|| vec![Cell::none(); FIGURES.len()]);
        cells[at] = shown(FIGURES[at].1, *value);
    }
    let rows = rows.into_iter().map(|((object, kind), figures)| {
        let head = [Cell::text(&object), Cell::text(kind).scope(Scope::Dim)];
        Row {
            id: format!("{object} {kind}"),
            problem: false,
            cells: head.into_iter().chain(figures).collect(),
            attributes: Vec::new(),
        }
    });
    Table::new(columns, rows.collect())
}
