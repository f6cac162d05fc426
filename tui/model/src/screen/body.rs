//! The middle of a frame.

use std::sync::Arc;

use super::{Body, Segment, TableView, TextView, body_rows, is_empty_cluster, line_matches};
use crate::place::Place;
use crate::state::{Detail, LinkState, Pane, State};
use crate::table::Table;
use crate::theme::Scope;
use crate::{text, views};

fn table_view(state: &State, table: Arc<Table>, empty: String) -> TableView {
    let rows = table.rows.iter().enumerate();
    let rows = rows.skip(state.view.top).take(body_rows(state));
    TableView {
        selected: views::selected(state, &table),
        top: state.view.top,
        marked: rows
            .filter(|(_, row)| state.view.marks.contains(&row.id))
            .map(|(at, _)| at)
            .collect(),
        sort: views::sort(state, &table),
        empty,
        table,
    }
}

/// What the view shows.
pub(super) fn body(state: &State) -> Body {
    let waiting = || match (&state.link, state.waiting_for()) {
        (LinkState::Down(_, why), Some(_)) => Some(format!(
            "Not connected: {why}. It is tried again by itself."
        )),
        (_, Some(what)) => Some(format!("Waiting for {what} ...")),
        (_, None) => state.view.trouble.clone(),
    };
    match &state.view.detail {
        Detail::Logs(logs) => {
            let name = |at: usize| if at == 0 { "stdout" } else { "stderr" };
            let upper = body_rows(state) / 2;
            let heights = [upper, body_rows(state) - upper];
            let run = logs
                .run
                .map_or_else(String::new, |run| format!(" run {run}"));
            let panes = (0..2)
                .filter(|at| !logs.zoomed || logs.focus == *at)
                .map(|at| {
                    let rows = if logs.zoomed {
                        body_rows(state)
                    } else {
                        heights[at]
                    };
                    let missing = waiting().unwrap_or_else(|| nothing_here(state).to_owned());
                    text_view(
                        state,
                        &logs.panes[at],
                        format!("{}{run}", name(at)),
                        rows,
                        logs.focus == at,
                        missing,
                    )
                });
            Body::Text(panes.collect())
        }
        Detail::File(pane) => {
            let missing = waiting().unwrap_or_else(|| nothing_here(state).to_owned());
            Body::Text(vec![text_view(
                state,
                pane,
                "file".to_owned(),
                body_rows(state),
                true,
                missing,
            )])
        }
        Detail::None | Detail::Directory(_) | Detail::Why(_) => {
            let Some(table) = views::table(state) else {
                return Body::Words(Vec::new());
            };
            if let Some(words) = gone(state) {
                return Body::Words(words);
            }
            let hidden = table.total > 0;
            let empty = waiting().unwrap_or_else(|| {
                if hidden {
                    "Nothing matches; esc drops the filter.".to_owned()
                } else {
                    nothing_here(state).to_owned()
                }
            });
            if is_empty_cluster(state) {
                return Body::Words(welcome(state));
            }
            let view = table_view(state, table, empty);
            match state.view.place {
                Place::Task(_) => Body::Task(views::fields(state), view, views::events(state)),
                _ => Body::Table(view),
            }
        }
    }
}

fn nothing_here(state: &State) -> &'static str {
    let task = state
        .view
        .place
        .task()
        .and_then(|place| state.store.tasks.get(&place.task));
    if task.is_some_and(|task| task.host.is_none()) {
        return "The task has no host yet.";
    }
    match state.view.place {
        Place::Hosts => "No host has offered anything yet.",
        Place::Quotas => "No role has a quota.",
        Place::Journal => "Nothing was changed from here yet.",
        Place::Instances(_) => "This job has no tasks.",
        Place::Task(_) => "No process has begun; the events below tell how far the task is.",
        Place::Sandbox(..) => "The directory is empty.",
        Place::File(..) => "The file is empty.",
        Place::Logs(..) => "Nothing was written yet.",
        Place::Host(_) => "No task is on this host.",
        Place::Crons => "There are no cron jobs.",
        Place::Updates => "No job was updated as far as the scheduler remembers.",
        Place::Maintenance => "No host is in maintenance.",
        Place::Audit => "Nobody has changed anything as far as the scheduler remembers.",
        _ => "Nothing here.",
    }
}

/// What is said when the object of a view does not exist (any more).
fn gone(state: &State) -> Option<Vec<Vec<Segment>>> {
    if !state.is_told() {
        let text = format!(
            "This scheduler's event feed does not tell about {}.",
            state.view.place.view()
        );
        return Some(vec![vec![Segment::new(text, Scope::Warn)]]);
    }
    let job = state.view.place.job()?;
    if !state.store.is_whole(&crate::store::job_topic(job)) {
        return None;
    }
    let line = |text: String, scope| vec![Segment::new(text::clean(&text), scope)];
    if let Some(task) = state.view.place.task() {
        if state.store.tasks.contains_key(&task.task) {
            return None;
        }
        return Some(vec![
            line(
                format!("The scheduler no longer knows the task {}.", task.task),
                Scope::Warn,
            ),
            line("esc leads back to its job.".to_owned(), Scope::Dim),
        ]);
    }
    if state.store.jobs.contains_key(job) || state.store.tasks_of(job).next().is_some() {
        return None;
    }
    Some(vec![
        line(
            format!("There is no job {job} on {}.", state.setup.cluster),
            Scope::Warn,
        ),
        line("esc leads back to the jobs.".to_owned(), Scope::Dim),
    ])
}

fn welcome(state: &State) -> Vec<Vec<Segment>> {
    let key = |line: &str| {
        state
            .setup
            .keymap
            .keys_for("jobs", line)
            .unwrap_or_else(|| format!(":{line}"))
    };
    let choice = |line: &str, what: &str| {
        vec![
            Segment::new(format!("  {:<4}", key(line)), Scope::HintKey),
            Segment::new(what.to_owned(), Scope::None),
        ]
    };
    let mut out = vec![
        vec![Segment::new(
            format!("The cluster {} has no jobs yet.", state.setup.cluster),
            Scope::Crumb,
        )],
        Vec::new(),
    ];
    if state.setup.read_only {
        out.push(vec![Segment::new(
            "  (read-only: the examples cannot be launched from here)",
            Scope::Dim,
        )]);
    } else if state.launching {
        out.push(vec![Segment::new(
            "  launching the examples ...",
            Scope::Info,
        )]);
    } else {
        out.push(choice("examples", "launch the examples"));
    }
    out.push(choice("copy cli", "copy this line for another terminal:"));
    let line = state
        .create_line
        .as_deref()
        .unwrap_or("(looking for an example)");
    out.push(vec![Segment::new(
        format!("      {}", text::clean(line)),
        Scope::Label,
    )]);
    out.push(choice("help", "help"));
    out
}

fn text_view(
    state: &State,
    pane: &Pane,
    title: String,
    rows: usize,
    focused: bool,
    missing: String,
) -> TextView {
    let rows = rows.saturating_sub(1);
    let filter = &state.view.filter.filter;
    let hides = !pane.search && !filter.is_empty();
    let length = pane.buffer.len();
    // From the end backwards, so that a long buffer costs no more than a short one unless a filter hides most of it.
    let mut indexes: Vec<usize> = (0..length)
        .rev()
        .filter(|at| !hides || line_matches(pane, *at, filter))
        .skip(pane.up)
        .take(rows)
        .collect();
    indexes.reverse();
    let mut remarks: Vec<String> = Vec::new();
    if pane.paused {
        remarks.push(match pane.unseen {
            0 => "paused".to_owned(),
            unseen => format!("paused, {unseen} new"),
        });
    } else if pane.read && pane.rest == 0 {
        remarks.push("following".to_owned());
    }
    if hides {
        let shown = (0..length)
            .filter(|at| line_matches(pane, *at, filter))
            .count();
        remarks.push(format!("{shown}/{length} lines shown"));
    } else if pane.search {
        remarks.push("searching".to_owned());
    }
    if pane.skipped > 0 {
        remarks.push(format!(
            "{} before this not read",
            text::bytes(pane.skipped)
        ));
    }
    if pane.rest > 0 {
        remarks.push(format!("{} after this not read", text::bytes(pane.rest)));
    }
    if pane.buffer.dropped() > 0 {
        remarks.push(format!("{} lines dropped", pane.buffer.dropped()));
    }
    if pane.left > 0 {
        remarks.push(format!("from column {}", pane.left + 1));
    }
    if let Some(trouble) = &pane.trouble {
        remarks.push(trouble.clone());
    }
    TextView {
        title,
        remarks: remarks.join(", "),
        focused,
        lines: indexes
            .into_iter()
            .filter_map(|at| {
                let found = pane.search && !filter.is_empty() && line_matches(pane, at, filter);
                pane.buffer.line(at).map(|line| (line.clone(), found))
            })
            .collect(),
        left: pane.left,
        empty: if length > 0 {
            "No line matches.".to_owned()
        } else {
            pane.trouble.clone().unwrap_or(missing)
        },
    }
}
