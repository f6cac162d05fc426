//! Tables that are too large to be held: a view has a window of their rows, which the scheduler filters and puts in order.
//!
//! The window is some pages of the screen around the selected row. It moves when the selection comes near its end, and is
//! made anew when filter or order change. Selection and marks are of objects, so they stay.

use std::collections::BTreeSet;

use aurora_api::feed::{HostRecord, JobRecord, RoleRecord, TaskRecord};
use aurora_api::job_key::JobPath;
use serde::{Deserialize, Serialize};

use crate::found::{self, Finds};
use crate::place::Place;
use crate::state::{State, View};
use crate::store::{MOST_POLLED, Store};
use crate::views;

/// A table of more rows is read as pages, and so are the instances of a job of more tasks.
pub const BOUND: usize = 5_000;
/// Rows of a window.
pub const ROWS: usize = 400;
/// Rows of a window of a table that is read from its first row to its last one.
pub const STRIDE: usize = 1_000;
/// Of the rows of a window so many are at its anchor or before it.
pub const LEAD: usize = ROWS / 2;
/// How near to an end of its window the selection may come before the window moves.
const MARGIN: usize = ROWS / 4;
/// More records than this of tables that are read as pages are not kept.
const MOST_RECORDS: usize = 8 * ROWS;

/// Where a window stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Anchor {
    /// At the first row.
    #[default]
    Start,
    /// At the last row.
    End,
    /// At a place that the scheduler named.
    Cursor(String),
    /// Where the row of this identity is.
    Row(String),
    /// Behind a place that the scheduler named, with no row before it.
    After(String),
}

/// What is asked of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Query {
    /// The table: `jobs`, `hosts`, `roles`, `crons`, `instances/ROLE/ENVIRONMENT/NAME`.
    pub table: String,
    /// What its rows have to pass.
    pub filter: String,
    /// Its order, as `sort` takes it.
    pub sort: String,
    /// Where.
    pub anchor: Anchor,
}

/// Rows as records, by table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Records {
    /// Of `jobs` and `crons`.
    Jobs(Vec<JobRecord>),
    /// Of `hosts`.
    Hosts(Vec<HostRecord>),
    /// Of `roles`.
    Roles(Vec<RoleRecord>),
    /// Of `instances/…`: the task that stands for each.
    Tasks(Vec<TaskRecord>),
}

/// A part of a table, as the scheduler told it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Its rows in order.
    pub records: Records,
    /// Rows of the table.
    pub total: usize,
    /// Those that pass the filter.
    pub shown: usize,
    /// How many of those stand before the first one here.
    pub offset: usize,
    /// The place of the first row, when rows stand before it.
    pub prev: Option<String>,
    /// The place of the last row, when rows follow.
    pub next: Option<String>,
}

/// What is here of a large table.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    query: Query,
    /// Identities of its rows in order.
    ids: Vec<String>,
    /// How many rows stand before it.
    pub offset: usize,
    /// Rows that pass the filter.
    pub shown: usize,
    /// Rows of the table.
    pub total: usize,
    prev: Option<String>,
    next: Option<String>,
}

/// What a view knows of its large table.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    anchor: Anchor,
    /// The filter and order that the anchor belongs to.
    of: (String, String),
    /// Where the selection goes with the window that is waited for: to its last row, or its first.
    goal: Option<bool>,
    window: Option<Window>,
    /// Whether the table is read from its first row to its last one, whatever is selected.
    walks: bool,
    /// What a find has found.
    pub(crate) finds: Finds,
}

/// The page table that a view shows; none: all of its table is here.
fn table(state: &State) -> Option<String> {
    // And the table of the summary in whose place it stands.
    let (table, summary) = match &state.view.place {
        Place::Jobs => ("jobs", "jobs"),
        Place::Crons => ("crons", "jobs"),
        Place::Roles => ("roles", "jobs"),
        Place::Hosts => ("hosts", "hosts"),
        Place::Instances(job) => {
            state.store.counted(job)?;
            return Some(format!("instances/{job}"));
        }
        _ => return None,
    };
    state.store.is_paged(summary).then(|| table.to_owned())
}

/// Whether the view's table is read as pages.
pub fn is_paged(state: &State) -> bool {
    table(state).is_some()
}

fn filter_and_sort(state: &State) -> (String, String) {
    let view = &state.view;
    let mut filter = view.filter.text.clone();
    if view.problems {
        filter.push_str(" problem=yes");
    }
    let sort = view.sort.as_ref().map(crate::table::Sort::show);
    let sort = sort.or_else(|| views::default_sort(&view.place).map(str::to_owned));
    let mut sort = sort.unwrap_or_default();
    // Equal ones stay in the order of their numbers.
    if matches!(view.place, Place::Instances(_)) && sort.trim_start_matches('-') != "instance" {
        sort.push_str(",instance");
    }
    (filter.trim().to_owned(), sort)
}

/// What is asked for the view on the screen; none when all of its table is here.
pub fn query(state: &State) -> Option<Query> {
    let table = table(state).filter(|_| state.looking.is_none())?;
    let (filter, sort) = filter_and_sort(state);
    Some(Query {
        table,
        filter,
        sort,
        anchor: state.view.paging.anchor.clone(),
    })
}

/// What is asked for the host on the screen, when the table of all hosts is too large to be told.
fn query_of_host(state: &State) -> Option<Query> {
    let host = match &state.view.place {
        Place::Host(host) if state.store.is_paged("hosts") => host,
        _ => return None,
    };
    Some(Query {
        table: "hosts".to_owned(),
        filter: format!("host={host}"),
        sort: String::new(),
        anchor: Anchor::Start,
    })
}

/// All that is asked for the view on the screen as pages.
pub(crate) fn queries(state: &State) -> Vec<Query> {
    let of_table = query(state).or_else(|| query_of_host(state));
    of_table.into_iter().chain(found::queries(state)).collect()
}

/// What is not here and no page brings, in words.
pub(crate) fn remark(state: &State) -> Option<&'static str> {
    if let Place::Related(kind, name) = &state.view.place {
        let job = name.parse::<JobPath>().ok().filter(|_| kind == "job");
        let is_counted = job.is_some_and(|job| state.store.counted(&job).is_some());
        return is_counted.then_some("not the hosts of its tasks, which are too many");
    }
    let Some(job) = state.view.place.job() else {
        return found::remark(state);
    };
    if state.store.counted(job).is_some() {
        let is_update = matches!(state.view.place, Place::Update(..));
        return is_update.then_some("tasks of instances near the selected one only");
    }
    let record = state.store.jobs.get(job)?;
    let tasks: u32 = record.states.values().sum();
    let is_cut = state.store.version == Some(0) && tasks > u32::from(MOST_POLLED);
    is_cut.then_some("the first 20,000 tasks; this scheduler gives no pages")
}

/// What is here of the view's table, when it is read as pages.
pub fn window(state: &State) -> Option<&Window> {
    state
        .view
        .paging
        .window
        .as_ref()
        .filter(|_| is_paged(state))
}

/// Whether the rows that the view wants are still to come. Those on the screen are older ones meanwhile.
pub fn is_loading(state: &State) -> bool {
    if found::is_loading(state) {
        return true;
    }
    query(state).is_some_and(|wanted| window(state).is_none_or(|window| window.query != wanted))
}

/// Whether the table is read from its first row to its last one.
pub(crate) fn is_walking(state: &State) -> bool {
    state.view.paging.walks
}

/// The records of a view: those of its window in its order, or all there are.
pub(crate) fn jobs(state: &State) -> Box<dyn Iterator<Item = &JobRecord> + '_> {
    let known = &state.store.jobs;
    match ids(state) {
        None => Box::new(known.values()),
        Some(ids) => Box::new(ids.filter_map(|id| known.get(&id.parse().ok()?))),
    }
}

/// The same of hosts.
pub(crate) fn hosts(state: &State) -> Box<dyn Iterator<Item = &HostRecord> + '_> {
    let known = &state.store.hosts;
    match ids(state) {
        None => Box::new(known.values()),
        Some(ids) => Box::new(ids.filter_map(|id| known.get(id))),
    }
}

/// The same of roles; none: they are to be summed up from all jobs.
pub(crate) fn roles(state: &State) -> Option<impl Iterator<Item = &RoleRecord>> {
    let known = &state.store.roles;
    Some(ids(state)?.filter_map(|id| known.get(id)))
}

/// The tasks that stand for the instances of a job, likewise.
pub(crate) fn instances<'a>(state: &'a State, job: &JobPath) -> Vec<&'a TaskRecord> {
    let known = state.store.instances(job);
    match ids(state) {
        None => known.into_values().collect(),
        Some(ids) => ids
            .filter_map(|id| known.get(&id.parse().ok()?).copied())
            .collect(),
    }
}

fn ids(state: &State) -> Option<impl Iterator<Item = &String>> {
    is_paged(state).then(|| {
        let window = state.view.paging.window.iter();
        window.flat_map(|window| &window.ids)
    })
}

/// Brings the place that is asked for in line with filter, order and selection.
pub(crate) fn steer(state: &mut State) {
    if !is_paged(state) {
        return;
    }
    if state.view.paging.walks {
        return;
    }
    let of = filter_and_sort(state);
    let index = views::table(state).and_then(|table| views::selected(state, &table));
    let view = &mut state.view;
    let paging = &mut view.paging;
    if paging.of != of {
        paging.goal = None;
        paging.anchor = match &view.selected {
            Some(id) if paging.window.is_some() => Anchor::Row(id.clone()),
            _ => Anchor::Start,
        };
        paging.of = of;
        return;
    }
    let Some((window, index)) = paging.window.as_ref().zip(index) else {
        return;
    };
    if window.query.anchor != paging.anchor {
        return;
    }
    let towards = match index {
        index if index < MARGIN && window.prev.is_some() => &window.prev,
        index if index + MARGIN >= window.ids.len() => &window.next,
        _ => &None,
    };
    if let Some(cursor) = towards {
        paging.anchor = Anchor::Cursor(cursor.clone());
    }
}

/// Begins to read a table from its first row to its last one, a window after the other.
pub fn walk(state: &mut State) {
    let of = filter_and_sort(state);
    let paging = &mut state.view.paging;
    (paging.of, paging.goal) = (of, None);
    (paging.anchor, paging.walks) = (Anchor::Start, true);
}

/// Goes on behind the rows that are here; false when they are the last ones, and the selection is followed again.
pub fn walk_on(state: &mut State) -> bool {
    let next = window(state).and_then(|window| window.next.clone());
    let paging = &mut state.view.paging;
    paging.walks = next.is_some();
    paging.anchor = next.map_or(Anchor::Start, Anchor::After);
    paging.walks
}

/// Goes to the first row of a table or to its last one. Says whether that is not here yet.
pub(crate) fn leap(state: &mut State, to_end: bool) -> bool {
    let is_here = |window: &Window| match to_end {
        true => window.next.is_none(),
        false => window.prev.is_none(),
    };
    match window(state) {
        Some(window) if !is_here(window) => {}
        _ => return false,
    }
    state.view.paging.goal = Some(to_end);
    state.view.paging.anchor = match to_end {
        true => Anchor::End,
        false => Anchor::Start,
    };
    true
}

/// Takes in a part of the view's table; one that is not wanted any more is dropped.
pub(crate) fn take(state: &mut State, asked: &Query, page: Page) {
    if query_of_host(state).as_ref() == Some(asked) {
        state.store.keep(page.records);
        return state.touch();
    }
    if found::queries(state).any(|wanted| wanted == *asked) {
        found::take(state, asked, page);
        state.view.trouble = None;
        return state.touch();
    }
    if query(state).as_ref() != Some(asked) {
        return;
    }
    let ids = state.store.keep(page.records);
    let window = Window {
        query: asked.clone(),
        offset: page.offset,
        shown: page.shown,
        total: page.total,
        prev: page.prev,
        next: page.next,
        ids,
    };
    place(&mut state.view, window);
    state.view.trouble = None;
    state.touch();
}

/// Puts a window where another was: the selected row stays where it is on the screen.
fn place(view: &mut View, window: Window) {
    let last = window.ids.len().saturating_sub(1);
    let goal = view.paging.goal.take();
    let at = |id: &String| window.ids.iter().position(|known| known == id);
    let index = match (goal, &view.selected) {
        (Some(true), _) => last,
        (Some(false), _) => 0,
        (None, Some(id)) => at(id).unwrap_or_else(|| {
            let before = view
                .paging
                .window
                .as_ref()
                .map_or(0, |window| window.offset);
            (view.index + before)
                .saturating_sub(window.offset)
                .min(last)
        }),
        (None, None) => 0,
    };
    let below = view.index.saturating_sub(view.top);
    view.top = index.saturating_sub(below);
    view.index = index;
    if goal.is_some() {
        view.selected = window.ids.get(index).cloned();
    }
    view.paging.window = Some(window);
}

/// Forgets the rows of a view that is left: they are read anew around the selected one.
pub(crate) fn leave(view: &mut View) {
    if matches!(view.place, Place::Instances(_)) && view.paging.window.take().is_some() {
        let selected = view.selected.clone();
        view.paging.anchor = selected.map_or(Anchor::Start, Anchor::Row);
        view.paging.goal = None;
    }
}

/// The rows that a view needs: those of its window, those that are marked, and its host.
pub(crate) fn needed(state: &State) -> Vec<String> {
    if let Place::Instances(job) = &state.view.place {
        let here = ids(state).into_iter().flatten();
        return here.map(|id| format!("{job}/{id}")).collect();
    }
    let host = match &state.view.place {
        Place::Host(host) => Some(host),
        _ => None,
    };
    let marks = state.view.marks.iter().chain(host);
    let others = marks.chain(found::needed(state)).cloned();
    ids(state)
        .into_iter()
        .flatten()
        .cloned()
        .chain(others)
        .collect()
}

/// Forgets records that no view needs, when there are many.
pub(crate) fn prune(store: &mut Store, needed: &BTreeSet<String>) {
    if store.is_paged("jobs") && store.jobs.len() > MOST_RECORDS {
        store
            .jobs
            .retain(|job, _| needed.contains(&job.to_string()));
    }
    if store.is_paged("hosts") && store.hosts.len() > MOST_RECORDS {
        store.hosts.retain(|host, _| needed.contains(host));
    }
    store.prune_tasks(MOST_RECORDS, needed);
    if store.roles.len() > MOST_RECORDS {
        store.roles.retain(|role, _| needed.contains(role));
    }
}
