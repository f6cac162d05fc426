//! Views of one task.

use aurora_api::observer::TaskSample;
use serde_json::Value as Json;

use crate::chart;
use crate::event::FileKind;
use crate::state::{Detail, State};
use crate::table::{Age, Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;

use super::status_scope;

fn process_scope(state: &str) -> Scope {
    match state {
        "WAITING" => Scope::StateWaiting,
        "FORKED" => Scope::StateStarting,
        "RUNNING" => Scope::StateRunning,
        "SUCCESS" | "KILLED" => Scope::StateEnded,
        "FAILED" | "LOST" => Scope::StateFailed,
        _ => Scope::State,
    }
}

/// The processes of the task on the screen.
pub(super) fn processes(state: &State) -> Table {
    let columns = vec![
        Column::text("process", 0),
        Column::text("state", 0),
        Column::number("run", 2),
        Column::number("for", 1),
        Column::number("code", 3),
        Column::number("cpu", 4),
        Column::number("ram", 5),
        Column::text("command", 6),
    ];
    let processes = state
        .view
        .task
        .as_ref()
        .map_or(&[][..], |task| &task.processes);
    let rows = processes
        .iter()
        .map(|process| {
            let since = match (process.start_ms, process.stop_ms) {
                (Some(start), Some(stop)) => Cell::age(stop - start),
                (Some(start), None) => Cell::age(Age::Since(start)),
                (None, _) => Cell::none(),
            };
            Row {
                id: process.name.clone(),
                problem: process_scope(&process.state) == Scope::StateFailed,
                cells: vec![
                    Cell::text(&process.name),
                    Cell::text(&process.state).scope(process_scope(&process.state)),
                    if process.run < 0 {
                        Cell::none()
                    } else {
                        Cell::count(process.run)
                    },
                    since,
                    process.return_code.map_or_else(Cell::none, Cell::count),
                    process.used.map_or_else(Cell::none, |used| {
                        Cell::number(used.cpu, format!("{:.2}", used.cpu))
                    }),
                    process
                        .used
                        .map_or_else(Cell::none, |used| Cell::bytes(used.ram)),
                    Cell::text(
                        &process
                            .cmdline
                            .split_whitespace()
                            .collect::<Vec<_>>()
                            .join(" "),
                    )
                    .scope(Scope::Dim),
                ],
                attributes: Vec::new(),
            }
        })
        .collect();
    Table::new(columns, rows)
}

/// The directory on the screen.
pub(super) fn directory(state: &State) -> Table {
    let columns = vec![
        Column::text("name", 0),
        Column::number("size", 0),
        Column::whole("modified", 1),
        Column::text("mode", 2),
    ];
    let Detail::Directory(Some(entries)) = &state.view.detail else {
        return Table::new(columns, Vec::new());
    };
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by(|a, b| {
        (a.kind != FileKind::Directory, &a.name).cmp(&(b.kind != FileKind::Directory, &b.name))
    });
    let rows = entries
        .into_iter()
        .map(|entry| {
            let (letter, suffix) = match entry.kind {
                FileKind::Directory => ('d', "/"),
                FileKind::File => ('-', ""),
                FileKind::Link => ('l', "@"),
                FileKind::Other => ('?', ""),
            };
            Row {
                id: entry.name.clone(),
                problem: false,
                cells: vec![
                    Cell::text(&format!("{}{suffix}", entry.name)),
                    if entry.kind == FileKind::Directory {
                        Cell::none()
                    } else {
                        Cell::bytes(entry.size)
                    },
                    Cell::text(&text::utc(entry.modified_ms)).scope(Scope::Dim),
                    Cell::text(&format!("{letter}{}", entry.permissions)).scope(Scope::Dim),
                ],
                attributes: Vec::new(),
            }
        })
        .collect();
    Table::new(columns, rows)
}

/// What is known of the task on the screen besides its processes: labels and values.
pub(crate) fn fields(state: &State) -> Vec<(&'static str, Cell)> {
    let Some(place) = state.view.place.task() else {
        return Vec::new();
    };
    let Some(task) = state.store.tasks.get(&place.task) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let last = task.events.last();
    let since = last.map_or_else(String::new, |event| {
        format!(" for {}", text::age(state.elapsed_ms(event.time_ms)))
    });
    let message = last
        .and_then(|event| event.message.as_deref())
        .map_or_else(String::new, |message| format!(": {message}"));
    out.push((
        "status",
        Cell::text(&format!("{}{since}{message}", task.status)).scope(status_scope(task.status)),
    ));
    let newer = state
        .store
        .current(&task.job, task.instance)
        .filter(|current| current.task_id != task.task_id);
    if let Some(newer) = newer {
        let key = state
            .setup
            .keymap
            .keys_for("task", "newest")
            .unwrap_or_default();
        out.push((
            "newer",
            Cell::text(&format!(
                "instance {} is now {} {} (key {key})",
                task.instance, newer.status, newer.task_id
            ))
            .scope(Scope::Warn),
        ));
    }
    if let Some(host) = &task.host {
        out.push(("host", Cell::text(host)));
    }
    if !task.ports.is_empty() {
        let texts: Vec<String> = task
            .ports
            .iter()
            .map(|(name, port)| format!("{name} {port}"))
            .collect();
        out.push(("ports", Cell::text(&texts.join(", "))));
    }
    let asked = state.store.config(task).map(resources);
    let used = state.view.task.as_ref().map(|info| info.used);
    match (asked, used) {
        (None, None) => {}
        (asked, used) => {
            let asked = asked
                .filter(|text| !text.is_empty())
                .map(|text| format!("asked {text}"));
            let used =
                used.map(|used| format!("used {:.2} cpus, {}", used.cpu, text::bytes(used.ram)));
            let texts: Vec<String> = [asked, used].into_iter().flatten().collect();
            out.push(("resources", Cell::text(&texts.join("; "))));
        }
    }
    out.extend(trends(state));
    if task.failure_count > 0 {
        out.push((
            "failures",
            Cell::count(i64::from(task.failure_count)).scope(Scope::StateFailed),
        ));
    }
    out.push(("task", Cell::text(&task.task_id).scope(Scope::Dim)));
    out
}

/// Columns of a line of what was used.
const TREND: usize = 40;

/// What the task used over the last hour: lines, and the most of each.
fn trends(state: &State) -> Vec<(&'static str, Cell)> {
    let samples = state
        .view
        .history
        .iter()
        .flat_map(|history| &history.samples);
    let samples: Vec<TaskSample> = samples.copied().collect();
    if samples.len() < 2 {
        return Vec::new();
    }
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let line = |values: &[f64], most: String| {
        let line = chart::line(values.iter().copied(), TREND);
        Cell::text(&format!("{line}  at most {most}"))
    };
    let cpus: Vec<f64> = samples.iter().map(|sample| sample.cpu).collect();
    let ram: Vec<f64> = samples.iter().map(|sample| sample.ram as f64).collect();
    vec![
        ("cpu", line(&cpus, format!("{:.2} cpus", most(&cpus)))),
        ("ram", line(&ram, super::bytes(most(&ram)))),
    ]
}

/// A configuration's resources in words.
fn resources(config: &Json) -> String {
    let mut texts: Vec<String> = Vec::new();
    let members = config
        .get("resources")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    for member in members.filter_map(Json::as_object).flatten() {
        let (name, value) = member;
        let mebibytes = || {
            value
                .as_u64()
                .map(|count| text::bytes(count.saturating_mul(1 << 20)))
        };
        match name.as_str() {
            "numCpus" => texts.extend(value.as_f64().map(|cpus| format!("{cpus} cpus"))),
            "ramMb" => texts.extend(mebibytes().map(|amount| format!("{amount} ram"))),
            "diskMb" => texts.extend(mebibytes().map(|amount| format!("{amount} disk"))),
            "numGpus" => texts.extend(value.as_u64().map(|gpus| format!("{gpus} gpus"))),
            _ => {}
        }
    }
    texts.join(", ")
}

/// The events of the task on the screen, newest first.
pub(crate) fn events(state: &State) -> Table {
    let columns = vec![
        Column::whole("time", 0),
        Column::text("event", 0),
        Column::number("ago", 1),
        Column::text("message", 0),
    ];
    let task = state
        .view
        .place
        .task()
        .and_then(|place| state.store.tasks.get(&place.task));
    let rows = task
        .iter()
        .flat_map(|task| task.events.iter().enumerate().rev())
        .map(|(at, event)| Row {
            id: at.to_string(),
            problem: false,
            cells: vec![
                Cell::text(&text::utc_time(event.time_ms)).scope(Scope::Dim),
                Cell::text(event.status.name()).scope(status_scope(event.status)),
                Cell::age(Age::Since(event.time_ms)),
                event.message.as_deref().map_or_else(Cell::none, Cell::text),
            ],
            attributes: Vec::new(),
        })
        .collect();
    Table::new(columns, rows)
}
