//! Global find on a cluster whose tables are too large to be held: the scheduler looks for the words in them.
//!
//! Of each such table the first rows are here that pass, as the scheduler chose them, and how many there are. All else is
//! looked through here.

use std::collections::BTreeMap;

use aurora_filter::{Filter, Subject, Value, words};

use crate::pages::{Anchor, Page, Query};
use crate::place::Place;
use crate::state::State;
use crate::table::{Row, Table};

/// A kind of objects that may be too many: its word in the view, its table, the column of its name, the table of the summary
/// in whose place that stands.
struct Kind {
    word: &'static str,
    table: &'static str,
    name: &'static str,
    summary: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        word: "job",
        table: "jobs",
        name: "job",
        summary: "jobs",
    },
    Kind {
        word: "role",
        table: "roles",
        name: "role",
        summary: "jobs",
    },
    Kind {
        word: "host",
        table: "hosts",
        name: "host",
        summary: "hosts",
    },
];

/// What the scheduler found in a table.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    query: Query,
    /// Identities of the first rows.
    ids: Vec<String>,
    shown: usize,
    total: usize,
}

/// What it found, by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finds(BTreeMap<String, Found>);

/// A word that says what kind an object is.
struct Word(Value);

impl Subject for Word {
    fn texts(&self) -> Vec<&str> {
        Vec::new()
    }
    fn field(&self, _name: &str) -> Option<&Value> {
        Some(&self.0)
    }
    fn attribute(&self, _name: &str) -> Vec<&str> {
        Vec::new()
    }
}

impl Kind {
    /// The view's filter as this table understands it; none: it can let no row of it pass, or says what only rows here tell.
    fn filter(&self, state: &State) -> Option<String> {
        let mut wanted = Vec::new();
        for (_, word) in words(&state.view.filter.text).ok()? {
            let term = Filter::parse(&word, &["kind", "name", "about"]).ok()?;
            let field = term.fields().next().map(str::to_owned);
            match field.as_deref() {
                None => wanted.push(word),
                Some("kind") => {
                    let of_kind = Word(Value::Text(self.word.to_owned()));
                    term.matches(&of_kind).then_some(())?;
                }
                Some("name") => wanted.push(word.replacen("name", self.name, 1)),
                Some(_) => return None,
            }
        }
        if state.view.problems {
            wanted.push("problem=yes".to_owned());
        }
        Some(wanted.join(" "))
    }

    fn query(&self, state: &State) -> Option<Query> {
        let sort = state.view.sort.as_ref();
        let descending = sort.is_some_and(|sort| sort.column == "name" && sort.descending);
        Some(Query {
            table: self.table.to_owned(),
            filter: self.filter(state)?,
            sort: format!("{}{}", if descending { "-" } else { "" }, self.name),
            anchor: Anchor::Start,
        })
    }
}

fn asked(state: &State) -> impl Iterator<Item = &'static Kind> {
    let is_here = state.view.place == Place::Find && state.looking.is_none();
    KINDS
        .iter()
        .filter(move |kind| is_here && state.store.is_paged(kind.summary))
}

/// What is asked for the view on the screen.
pub(crate) fn queries(state: &State) -> impl Iterator<Item = Query> {
    asked(state).filter_map(|kind| kind.query(state))
}

/// Whether something of that is still to come.
pub(crate) fn is_loading(state: &State) -> bool {
    let finds = &state.view.paging.finds.0;
    queries(state).any(|wanted| {
        finds
            .get(&wanted.table)
            .is_none_or(|found| found.query != wanted)
    })
}

/// Takes in what was found.
pub(crate) fn take(state: &mut State, query: &Query, page: Page) {
    let found = Found {
        query: query.clone(),
        shown: page.shown,
        total: page.total,
        ids: state.store.keep(page.records),
    };
    let finds = &mut state.view.paging.finds.0;
    finds.insert(query.table.clone(), found);
}

/// The objects of a kind that the scheduler found; none: all of them are here.
pub(crate) fn ids(state: &State, word: &str) -> Option<Vec<String>> {
    let kind = asked(state).find(|kind| kind.word == word)?;
    let found = state.view.paging.finds.0.get(kind.table);
    Some(found.map_or_else(Vec::new, |found| found.ids.clone()))
}

/// All rows that were found and are to be kept.
pub(crate) fn needed(state: &State) -> impl Iterator<Item = &String> {
    let finds = state.view.paging.finds.0.values();
    finds.flat_map(|found| &found.ids)
}

/// Which rows the scheduler has chosen, so that they pass.
pub(crate) fn chosen(state: &State) -> impl Fn(&Row) -> bool + use<> {
    let kinds = asked(state).filter(|kind| kind.query(state).is_some());
    let words: Vec<&str> = kinds.map(|kind| kind.word).collect();
    move |row| {
        let word = row.cells.first().map(|cell| cell.text.as_str());
        word.is_some_and(|word| words.contains(&word))
    }
}

/// What a filter does not reach, in words.
pub(crate) fn remark(state: &State) -> Option<&'static str> {
    let is_beyond = |kind: &Kind| kind.query(state).is_none();
    let compares = state
        .view
        .filter
        .filter
        .fields()
        .any(|field| field == "about");
    let remark = "`about` is compared with what is here only";
    (compares && asked(state).any(is_beyond)).then_some(remark)
}

/// Counts the rows that are not here.
pub(crate) fn count(state: &State, table: &mut Table) {
    for kind in asked(state) {
        let Some(found) = state.view.paging.finds.0.get(kind.table) else {
            continue;
        };
        table.total += found.total.saturating_sub(found.ids.len());
        if kind.query(state).is_some() {
            table.shown += found.shown.saturating_sub(found.ids.len());
        }
    }
}
