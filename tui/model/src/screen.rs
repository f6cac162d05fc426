//! A frame as data: what the terminal, `--snapshot text` and `--snapshot json` draw.

mod body;
mod bottom;
mod dialog;
mod due;
mod lines;
mod status;

pub(crate) use dialog::detail_rows;
pub use due::due_ms;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::filter::Filter;
use crate::layout::Area;
use crate::logs::strip::Strip;
use crate::logs::{Line, sieve};
use crate::pages;
use crate::place::{Place, TaskRef};
use crate::state::{Detail, Pane, State};
use crate::store::SUMMARY;
use crate::table::{Cell, Sort, Table};
use crate::theme::Scope;
use crate::{text, views};

/// Heights at and below this have one line of chrome.
const COMPACT: u16 = 12;
/// For so long it is told that another scheduler leads.
pub(crate) const REDIRECTED_MS: i64 = 60_000;
/// A feed that was silent for longer than this is stale; the server sends a sign of life every five seconds.
pub const STALE_MS: i64 = 10_000;

/// A piece of text with a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The text; safe for a screen.
    pub text: String,
    /// Its meaning.
    pub scope: Scope,
}

impl Segment {
    pub(crate) fn new(text: impl Into<String>, scope: Scope) -> Segment {
        Segment {
            text: text.into(),
            scope,
        }
    }
}

/// A table as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct TableView {
    /// Labels and values above it.
    pub above: Vec<(&'static str, Cell)>,
    /// Columns and rows, filtered and in order.
    pub table: Arc<Table>,
    /// The selected row.
    pub selected: Option<usize>,
    /// The first row on the screen.
    pub top: usize,
    /// Which of the rows on the screen are marked.
    pub marked: BTreeSet<usize>,
    /// The order.
    pub sort: Option<Sort>,
    /// What stands there when there are no rows.
    pub empty: String,
}

/// A pane of text as it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextView {
    /// Its name.
    pub title: String,
    /// What is to be known about it: paused, hidden, dropped.
    pub remarks: String,
    /// Whether it has the keys.
    pub focused: bool,
    /// How many rows it has, its title included.
    pub rows: usize,
    /// How many lines there were when.
    pub strip: Option<Strip>,
    /// Lines that fit, and whether they match a search.
    pub lines: Vec<(Line, bool)>,
    /// Columns scrolled out at the left.
    pub left: usize,
    /// What stands there when there are no lines.
    pub empty: String,
}

/// An object in a grid: its state's sign and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridCell {
    /// Its name, padded to the widest.
    pub text: String,
    /// Its state.
    pub scope: Scope,
    /// Whether it is the selected one.
    pub selected: bool,
}

/// A line of a grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridLine {
    /// What begins here; empty: the line before goes on.
    pub label: String,
    /// Its objects.
    pub cells: Vec<GridCell>,
}

impl GridLine {
    /// Columns of the label.
    pub const LABEL: usize = 11;
}

/// What is in the middle.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A table.
    Table(TableView),
    /// A task: fields, processes, events.
    Task(Vec<(&'static str, Cell)>, TableView, Table),
    /// A host: fields, its tasks, what it offers.
    Host(Vec<(&'static str, Cell)>, TableView, Table),
    /// An update: fields, its instances batch by batch, the same as a table, what became of it.
    Update(Vec<(&'static str, Cell)>, Vec<GridLine>, TableView, Table),
    /// Panes of text, one above the other.
    Text(Vec<TextView>),
    /// Lines of words.
    Words(Vec<Vec<Segment>>),
}

/// A box over the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Its title.
    pub title: Segment,
    /// Its lines.
    pub lines: Vec<Vec<Segment>>,
    /// A text field after the last line, with its cursor in characters.
    pub input: Option<(String, usize)>,
}

/// The line at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bottom {
    /// Nothing.
    Nothing,
    /// A text field: its sign, its text, its cursor in characters, what is wrong.
    Input(char, String, usize, Option<String>),
    /// Words.
    Words(Vec<Segment>),
}

/// A pane among several: what it shows, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameView {
    /// Its place on the screen, its title's line included.
    pub area: Area,
    /// Where it is, and how much of that is shown.
    pub title: (String, String),
    /// Whether it has the keys.
    pub focused: bool,
    /// What it shows.
    pub body: Body,
}

/// A frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Screen {
    /// The line at the top.
    pub status: Vec<Segment>,
    /// Where one is, and how much of it is shown; none in compact mode.
    pub crumb: Option<(String, String)>,
    /// The middle: the pane that has the keys.
    pub body: Body,
    /// All panes, in place of the middle, when there are several.
    pub panes: Vec<FrameView>,
    /// Over it.
    pub dialog: Option<Dialog>,
    /// The line at the bottom.
    pub bottom: Bottom,
}

fn is_compact(state: &State) -> bool {
    state.size.1 <= COMPACT
}

/// What panes share when there are several: all between the first and the last line.
pub(crate) fn panes_area(state: &State) -> Area {
    Area {
        x: 0,
        y: 1,
        width: state.size.0,
        height: state.size.1.saturating_sub(2),
    }
}

fn areas(state: &State) -> Vec<(u32, Area)> {
    state.layout.areas(panes_area(state))
}

fn panes(state: &State) -> Vec<FrameView> {
    let focus = state.layout.focus();
    let panes = areas(state).into_iter().filter_map(|(id, area)| {
        if id == focus {
            return Some(frame_view(state, area, true));
        }
        let shown = state.layout.frames.get(&id)?.shown.as_deref()?;
        Some(FrameView {
            area,
            ..shown.clone()
        })
    });
    panes.collect()
}

/// The pane that has the keys as one of several.
pub(crate) fn frame_view(state: &State, area: Area, focused: bool) -> FrameView {
    let (path, counter) = crumb(state);
    let frame = state.layout.frames.get(&state.layout.focus());
    let sign = match frame {
        Some(frame) if frame.pinned => "pinned: ",
        Some(frame) if frame.linked => "linked: ",
        _ => "",
    };
    FrameView {
        area,
        title: (format!("{sign}{path}"), counter),
        focused,
        body: body::body(state),
    }
}

/// Rows of the pane that has the keys, without its title.
pub fn body_rows(state: &State) -> usize {
    let focus = state.layout.focus();
    if let Some((_, area)) = areas(state).into_iter().find(|(id, _)| *id == focus) {
        return usize::from(area.height.saturating_sub(1));
    }
    let chrome = if is_compact(state) { 2 } else { 3 };
    usize::from(state.size.1.saturating_sub(chrome))
}

/// Of the rows of a table's view, those of the fields above it.
pub fn above_rows(rows: usize, fields: usize) -> usize {
    fields.min(rows / 2)
}

/// Of the rows of a task's view, those of its fields and of its processes (title and header included); the rest is for
/// events.
pub fn task_split(rows: usize, fields: usize, processes: usize) -> (usize, usize) {
    let fields = fields.min(rows / 2);
    let wanted = processes.max(1) + 1;
    let processes = wanted
        .min((rows - fields).saturating_sub(3).max(2))
        .min(rows - fields);
    (fields, processes)
}

/// Of the rows of an update's view, those of its fields, of its grid and of its table (header included); the rest is for
/// what became of it.
pub fn update_split(rows: usize, fields: usize, grid: usize) -> (usize, usize, usize) {
    let fields = fields.min(rows / 3);
    let grid = grid.min((rows - fields) / 2);
    let below = rows - fields - grid;
    (fields, grid, below - (below / 4).min(6))
}

/// Of the rows of a host's view, those of its fields and of its tasks (header included); the rest is for its offers.
pub fn host_split(rows: usize, fields: usize, offers: usize) -> (usize, usize) {
    let fields = fields.min(rows / 2);
    let below = rows - fields;
    // A header alone says nothing.
    let offers = match (offers + 1).min(below / 3) {
        0 | 1 => 0,
        rows => rows,
    };
    (fields, below - offers)
}

/// Where the table that is moved in stands: rows above it, and its own without its header.
pub(crate) fn table_span(state: &State) -> (usize, usize) {
    let all = body_rows(state);
    let (above, rows) = match &state.view.place {
        Place::Task(_) => {
            let task = state.view.task.as_ref();
            let processes = task.map_or(0, |task| task.processes.len());
            task_split(all, views::fields(state).len(), processes)
        }
        Place::Host(host) => {
            let fields = views::host::fields(state, host).len();
            host_split(all, fields, views::host::offers(state, host).total)
        }
        Place::Update(..) => {
            let fields = views::update::fields(state).len();
            let grid = views::update::grid(state).len();
            let (fields, grid, rows) = update_split(all, fields, grid);
            (fields + grid, rows)
        }
        _ => {
            let above = above_rows(all, views::above(state).len());
            (above, all - above)
        }
    };
    (above, rows.saturating_sub(1))
}

/// Rows of the table that is moved in, without its header.
pub(crate) fn table_rows(state: &State) -> usize {
    table_span(state).1
}

/// Rows of the text pane that has the keys, without its title.
pub(crate) fn pane_rows(state: &State) -> usize {
    match &state.view.detail {
        Detail::Logs(logs) => {
            let layout = logs.layout(body_rows(state));
            let own = layout.iter().find(|(at, _)| *at == logs.focus);
            let rows = own.or(layout.first()).map_or(0, |(_, rows)| *rows);
            rows.saturating_sub(1 + usize::from(logs.strip))
        }
        _ => body_rows(state).saturating_sub(1),
    }
}

/// Whether a line of a pane matches; remarks always do.
pub(crate) fn line_matches(pane: &Pane, at: usize, filter: &Filter, names: &[String]) -> bool {
    pane.buffer.line(at).is_some_and(|line| {
        let source = names.get(usize::from(line.source));
        sieve::matches(filter, line, source.map_or("", String::as_str))
    })
}

/// Whether a pane on the screen tells how the clusters are.
pub(crate) fn shows_clusters(state: &State) -> bool {
    let frames = state.layout.visible().into_iter();
    let mut parked = frames.filter_map(|id| state.layout.frames.get(&id)?.parked.as_ref());
    state.view.place == Place::Clusters || parked.any(|parked| parked.view.place == Place::Clusters)
}

/// Whether this is a cluster on which nothing was ever created, as far as its summary tells.
pub(crate) fn is_empty_cluster(state: &State) -> bool {
    state.view.place == Place::Jobs
        && state.store.is_whole(SUMMARY)
        && state.store.jobs.is_empty()
        && !state.store.is_paged("jobs")
}

/// The frame of a state. Call [`crate::update::settle`] before.
pub fn screen(state: &State) -> Screen {
    Screen {
        status: status::status(state),
        crumb: (!is_compact(state) && areas(state).is_empty()).then(|| crumb(state)),
        body: body::body(state),
        panes: panes(state),
        dialog: dialog::dialog(state),
        bottom: bottom::bottom(state),
    }
}

fn crumb(state: &State) -> (String, String) {
    let place = &state.view.place;
    let instance = |task: &TaskRef| {
        state.store.tasks.get(&task.task).map_or_else(
            || format!("{} > {}", task.job, task.task),
            |record| format!("{}/{}", task.job, record.instance),
        )
    };
    let path = match place {
        Place::Instances(job) => format!("jobs > {job}"),
        Place::Task(task) => format!("jobs > {} > task", instance(task)),
        Place::Timeline(job, None) => format!("jobs > {job} > timeline"),
        Place::Timeline(job, Some(one)) => format!("jobs > {job}/{one} > timeline"),
        Place::Why(task) => format!("jobs > {} > why", instance(task)),
        Place::Sandbox(task, path) => format!("jobs > {} > sandbox /{path}", instance(task)),
        Place::File(task, path) => format!("jobs > {} > file /{path}", instance(task)),
        Place::Logs(task, _) => {
            let process = match &state.view.detail {
                Detail::Logs(logs) => logs.tails.first().and_then(|tail| tail.process.clone()),
                _ => None,
            };
            format!(
                "jobs > {} > logs {}",
                instance(task),
                process.unwrap_or_default()
            )
        }
        Place::Tails(job, wanted, process) => {
            let wanted = match wanted.is_empty() {
                true => String::new(),
                false => format!("/{}", crate::command::show_instances(wanted)),
            };
            format!(
                "jobs > {job}{wanted} > logs {}",
                process.as_deref().unwrap_or_default()
            )
        }
        Place::Config(job, None) => format!("jobs > {job} > config"),
        Place::Config(job, Some(task)) => {
            let (job, task) = (job.clone(), task.clone());
            format!("jobs > {} > config", instance(&TaskRef { job, task }))
        }
        Place::Diff(job, None) => format!("jobs > {job} > diff"),
        Place::Diff(job, Some(id)) => format!("updates > {job} > {id} > diff"),
        Place::Host(host) => format!("hosts > {host}"),
        Place::Update(job, id) => format!("updates > {job} > {id}"),
        Place::Help(view) => format!("help > {view}"),
        Place::Related(kind, name) => format!("related > {kind} {name}"),
        other => other.view().to_owned(),
    };
    let mut counter = String::new();
    if let Some(table) = views::table(state) {
        counter = if table.shown == table.total {
            format!("{}", table.total)
        } else {
            format!("{}/{} shown", table.shown, table.total)
        };
        if table.rows.len() < table.shown
            && !pages::is_walking(state)
            && let Some(at) = views::selected(state, &table)
        {
            counter = format!("row {} of {counter}", table.offset + at + 1);
        }
    }
    if pages::is_loading(state) {
        counter.push_str(" loading ...");
    }
    if let Some(why) = state
        .view
        .trouble
        .as_ref()
        .filter(|_| pages::is_paged(state) || state.view.place == Place::Find)
    {
        counter.push_str(&format!(" not current: {why}"));
    }
    if let Some(remark) = pages::remark(state) {
        counter.push_str(&format!(" ({remark})"));
    }
    if state.view.problems {
        counter.push_str(" problems only");
    }
    if !state.view.filter.text.is_empty() {
        counter.push_str(&format!(
            " filter: {}",
            text::clean(&state.view.filter.text)
        ));
    }
    if !state.view.marks.is_empty() {
        counter.push_str(&format!(" {} marked", state.view.marks.len()));
    }
    (text::clean(&path), counter)
}

/// What is said when the object of the view does not exist (any more), in one sentence.
pub fn gone(state: &State) -> Option<String> {
    let words = body::gone(state)?;
    let line = words.first()?;
    Some(line.iter().map(|segment| segment.text.as_str()).collect())
}

/// All lines of a text that was asked for as a whole, those that a filter hides excepted; none in other views.
pub fn sheet(state: &State) -> Vec<String> {
    let pane = state.view.pane().filter(|_| state.view.place.is_sheet());
    let lines = pane
        .into_iter()
        .flat_map(|pane| pane.shown().rev().map(|at| pane.buffer.line(at)));
    lines.flatten().map(Line::text).collect()
}

/// The view's data for `--snapshot json`; `version` changes when a member changes its meaning.
pub fn snapshot(state: &State) -> Json {
    let now_ms = state.server_now_ms();
    let named = |fields: Vec<(&str, Cell)>| -> serde_json::Map<String, Json> {
        let named = fields.into_iter();
        named
            .map(|(name, cell)| (name.to_owned(), json!(cell.text)))
            .collect()
    };
    let body = match body::body(state) {
        Body::Table(view) => {
            let mut table = view.table.to_json(now_ms);
            if !view.above.is_empty() {
                table["fields"] = json!(named(view.above));
            }
            table
        }
        Body::Task(fields, processes, events) => {
            json!({
                "fields": named(fields),
                "processes": processes.table.to_json(now_ms),
                "events": events.to_json(now_ms),
            })
        }
        Body::Host(fields, tasks, offers) => {
            let mut host = tasks.table.to_json(now_ms);
            host["fields"] = json!(named(fields));
            host["offers"] = offers.to_json(now_ms);
            host
        }
        Body::Update(fields, _, instances, steps) => {
            json!({
                "fields": named(fields),
                "instances": instances.table.to_json(now_ms),
                "steps": steps.to_json(now_ms),
            })
        }
        Body::Text(panes) if state.view.place.is_sheet() => {
            let titles: Vec<String> = panes.into_iter().map(|pane| pane.title).collect();
            json!({"title": titles.concat(), "lines": sheet(state)})
        }
        Body::Text(panes) => {
            let panes: Vec<Json> = panes
                .into_iter()
                .map(|pane| {
                    let lines: Vec<String> =
                        pane.lines.iter().map(|(line, _)| line.text()).collect();
                    json!({"title": pane.title, "remarks": pane.remarks, "lines": lines})
                })
                .collect();
            json!({"panes": panes})
        }
        Body::Words(lines) => {
            let lines: Vec<String> = lines
                .into_iter()
                .map(|line| line.into_iter().map(|segment| segment.text).collect())
                .collect();
            json!({"words": lines})
        }
    };
    json!({
        "version": 1,
        "cluster": state.setup.cluster,
        "link": status::link_words(state).text,
        "seq": state.store.seq,
        "view": state.view.place.view(),
        "address": state.link_here().to_string(),
        "waiting_for": state.waiting_for(),
        "notice": state.notice.as_ref().map(|notice| &notice.text),
        "data": body,
    })
}
