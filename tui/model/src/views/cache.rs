//! The table on the screen, computed again only when something that it is made of has changed.
//!
//! Time is not among it: ages are made when they are looked at. Neither is the selection, so that moving costs the same in
//! any table.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aurora_api::job_key::JobPath;

use crate::found;
use crate::pages;
use crate::place::Place;
use crate::state::State;
use crate::table::{Row, Sort, Table};

/// What was computed last. A copy of a state begins with nothing.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// All rows, and what they were made of.
    rows: Option<(Source, Arc<Table>)>,
    /// Those that are shown, and what chose them.
    shown: Option<(Choice, Arc<Table>)>,
    /// Where the selection is in it.
    spot: Option<(Arc<Table>, Option<String>, Option<usize>)>,
    work: Work,
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Rows were made from records.
    pub(crate) made: u64,
    /// Rows were filtered and sorted.
    pub(crate) chosen: u64,
    /// The selection was looked for from the first row on.
    pub(crate) searched: u64,
}

#[derive(PartialEq)]
struct Source {
    revision: u64,
    place: Place,
    /// How far the log of changed jobs had come; none where it does not tell all that changed.
    logged: Option<u64>,
}

struct Choice {
    source: u64,
    filter: String,
    problems: bool,
    sort: Option<Sort>,
    /// The second for which it was made, where the filter compares an age.
    second: Option<i64>,
}

impl Cache {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Whatever it holds, it is compared before it is used.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much was done so far.
    #[cfg(test)]
    pub(crate) fn work(&self) -> Work {
        self.kept().work
    }
}

impl Clone for Cache {
    fn clone(&self) -> Cache {
        Cache::default()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({:?})", self.kept().work)
    }
}

/// The rows of the view on the screen, filtered and in order; `None` for views of text.
pub(crate) fn table(state: &State) -> Option<Arc<Table>> {
    let mut kept = state.cache.kept();
    let all = all(state, &mut kept)?;
    let view = &state.view;
    let second = state.server_now_ms().div_euclid(1000);
    if let Some((choice, shown)) = &kept.shown
        && choice.source == kept.work.made
        && choice.filter == view.filter.text
        && choice.problems == view.problems
        && choice.sort == view.sort
        && choice.second.is_none_or(|at| at == second)
    {
        return Some(shown.clone());
    }
    let filter = &view.filter.filter;
    let choice = Choice {
        source: kept.work.made,
        filter: view.filter.text.clone(),
        problems: view.problems,
        sort: view.sort.clone(),
        second: all.is_timed(filter).then_some(second),
    };
    let mut table = Table::clone(&all);
    let shown = Arc::new(match (pages::window(state), super::sort(state, &table)) {
        // The scheduler has filtered and sorted them.
        (Some(window), _) => {
            (table.offset, table.shown, table.total) = (window.offset, window.shown, window.total);
            table
        }
        (None, sort) => {
            let now_ms = state.server_now_ms();
            let is_chosen = found::chosen(state);
            let mut table = table.filtered(filter, view.problems, now_ms, is_chosen);
            found::count(state, &mut table);
            match sort {
                Some(sort) => table.sorted(&sort),
                None => table,
            }
        }
    });
    kept.work.chosen += 1;
    kept.shown = Some((choice, shown.clone()));
    Some(shown)
}

/// Whether what the view on the screen shows changes with time alone, as its filter compares an age.
pub(crate) fn is_timed(state: &State) -> bool {
    let kept = state.cache.kept();
    kept.shown
        .as_ref()
        .is_some_and(|(choice, _)| choice.second.is_some())
}

fn all(state: &State, kept: &mut Kept) -> Option<Arc<Table>> {
    let place = &state.view.place;
    if let Some((source, rows)) = &kept.rows
        && source.revision == state.revision
        && source.place == *place
    {
        return Some(rows.clone());
    }
    let source = Source {
        revision: state.revision,
        place: place.clone(),
        logged: (state.looking.is_none() && !pages::is_paged(state))
            .then(|| state.store.job_log.position()),
    };
    let before = kept.rows.as_ref();
    let rows = before.and_then(|(before, rows)| patched(state, before, &source, rows));
    let rows = Arc::new(match rows {
        Some(rows) => rows,
        None => super::all(state)?,
    });
    kept.work.made += 1;
    kept.rows = Some((source, rows.clone()));
    Some(rows)
}

/// The table of jobs with the rows made anew that have changed; `None` when it is as well made from the beginning.
fn patched(state: &State, before: &Source, now: &Source, table: &Table) -> Option<Table> {
    let (Place::Jobs, Place::Jobs, Some(_)) = (&before.place, &now.place, now.logged) else {
        return None;
    };
    let changed: BTreeSet<&JobPath> = state.store.job_log.since(before.logged?)?.collect();
    if changed.len() * 4 > table.rows.len() {
        return None;
    }
    let mut rows = table.rows.clone();
    for job in changed {
        // They are in the order of the records.
        let order = |row: &Arc<Row>| {
            row.id
                .parse::<JobPath>()
                .map_or(Ordering::Less, |id| id.cmp(job))
        };
        let record = state.store.jobs.get(job);
        let row = record.map(|record| Arc::new(super::cluster::job_row(record)));
        match (rows.binary_search_by(order), row) {
            (Ok(at), Some(row)) => rows[at] = row,
            (Ok(at), None) => drop(rows.remove(at)),
            (Err(at), Some(row)) => rows.insert(at, row),
            (Err(_), None) => {}
        }
    }
    Some(Table {
        columns: table.columns.clone(),
        offset: 0,
        shown: rows.len(),
        total: rows.len(),
        rows,
    })
}

/// The place of the selected row: where its object is, else where it was.
pub(crate) fn selected(state: &State, table: &Arc<Table>) -> Option<usize> {
    let last = table.rows.len().checked_sub(1)?;
    let view = &state.view;
    let Some(id) = &view.selected else {
        return Some(view.index.min(last));
    };
    // Where it was is where it is, most of the time.
    if table.rows.get(view.index).is_some_and(|row| row.id == *id) {
        return Some(view.index);
    }
    let mut kept = state.cache.kept();
    let known = kept
        .spot
        .as_ref()
        .filter(|(of, wanted, _)| Arc::ptr_eq(of, table) && wanted.as_ref() == Some(id));
    let found = match known {
        Some((_, _, found)) => *found,
        None => {
            let found = table.rows.iter().position(|row| row.id == *id);
            kept.work.searched += 1;
            kept.spot = Some((table.clone(), Some(id.clone()), found));
            found
        }
    };
    Some(found.unwrap_or(view.index.min(last)))
}
