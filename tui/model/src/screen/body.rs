//! The middle of a frame.

use std::sync::Arc;

use super::{Body, Segment, TableView, body_rows, is_empty_cluster, lines};
use crate::follow;
use crate::place::Place;
use crate::state::{Detail, LinkState, State};
use crate::table::Table;
use crate::theme::Scope;
use crate::{text, views};

fn table_view(state: &State, table: Arc<Table>, empty: String) -> TableView {
    let rows = table.rows.iter().enumerate();
    let rows = rows.skip(state.view.top).take(body_rows(state));
    TableView {
        above: views::above(state),
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
        _ if state.looking.is_some() && !was_followed(state) => {
            Some("This was not followed at that moment, so nothing of it was recorded.".to_owned())
        }
        (LinkState::Unauthorised(_, why), Some(_)) => Some(format!(
            "The scheduler does not let this user in: {why}. It is tried again by itself."
        )),
        (LinkState::Down(_, why), Some(_)) => Some(format!(
            "Not connected: {why}. It is tried again by itself."
        )),
        (_, Some(what)) => Some(format!("Waiting for {what} ...")),
        // Of a host it is among its fields.
        (_, None) if matches!(state.view.place, Place::Host(_)) => None,
        (_, None) => state.view.trouble.clone(),
    };
    match &state.view.detail {
        Detail::Logs(logs) => {
            let missing = waiting().unwrap_or_else(|| nothing_here(state).to_owned());
            Body::Text(lines::logs(state, logs, &missing))
        }
        Detail::File(pane) => {
            let missing = waiting().unwrap_or_else(|| nothing_here(state).to_owned());
            Body::Text(vec![match state.view.place.is_sheet() {
                true => lines::sheet(state, pane, missing),
                false => lines::file(state, pane, missing),
            }])
        }
        Detail::None | Detail::Directory(_) => {
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
                Place::Host(ref host) => Body::Host(
                    views::host::fields(state, host),
                    view,
                    views::host::offers(state, host),
                ),
                Place::Update(..) => Body::Update(
                    views::update::fields(state),
                    views::update::grid(state),
                    view,
                    views::update::steps(state),
                ),
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
        Place::Offers => "No host offers anything at this moment.",
        Place::Quotas => "No role has a quota.",
        Place::Journal => "Nothing was changed from here yet.",
        Place::Instances(_) => "This job has no tasks.",
        Place::Timeline(..) => "The scheduler knows no task of this, so nothing of it is told.",
        Place::Task(_) => "No process has begun; the events below tell how far the task is.",
        Place::Sandbox(..) => "The directory is empty.",
        Place::File(..) => "The file is empty.",
        Place::Logs(..) | Place::Tails(..) => "Nothing was written yet.",
        Place::Host(_) => "No task is on this host.",
        Place::Bookmarks => "Nothing is kept yet; `bookmark` keeps the place on the screen.",
        Place::Roles => "No role has a job or a quota yet.",
        Place::Related(..) => "Nothing that belongs to it is known here.",
        Place::Help(_) => "No key and no command matches.",
        Place::Crons => "There are no cron jobs.",
        Place::Update(..) => "The scheduler no longer knows this update.",
        Place::Backups => "There is no backup yet; `backup-perform` makes one.",
        Place::Metrics | Place::Storage | Place::Sla => "The scheduler counts nothing of this.",
        Place::Events => "Nothing has changed since the workbench looks.",
        Place::Clusters => "No cluster is configured; this one is a local one.",
        Place::Updates => "No job was updated as far as the scheduler remembers.",
        Place::Maintenance => "No host is in maintenance.",
        Place::Audit => "Nobody has changed anything as far as the scheduler remembers.",
        _ => "Nothing here.",
    }
}

/// Whether the topic of the view was followed at the moment that is looked at.
fn was_followed(state: &State) -> bool {
    let topics = follow::topics(state);
    !crate::pages::is_paged(state)
        && state.store.is_whole(crate::store::SUMMARY)
        && topics.iter().all(|topic| state.store.is_whole(topic))
}

/// What is said when the object of a view does not exist (any more).
pub(super) fn gone(state: &State) -> Option<Vec<Vec<Segment>>> {
    if !state.is_told() {
        let text = format!(
            "This scheduler's event feed does not tell about {}.",
            state.view.place.view()
        );
        return Some(vec![vec![Segment::new(text, Scope::Warn)]]);
    }
    let job = state.view.place.job()?;
    let topics = follow::topics(state);
    if topics.is_empty() || !topics.iter().all(|topic| state.store.is_whole(topic)) {
        return None;
    }
    let line = |text: String, scope| vec![Segment::new(text::clean(&text), scope)];
    if let (Place::Timeline(_, None), Some(tasks)) = (&state.view.place, state.store.counted(job)) {
        return Some(vec![line(
            format!(
                "{job} has {tasks} tasks, too many for one timeline; `timeline {job}/INSTANCE` is of one instance."
            ),
            Scope::Warn,
        )]);
    }
    if state.store.is_paged("jobs") && state.view.place.task().is_none() {
        return None;
    }
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
