//! What is asked of a table: a filter, an order, a place in it, and what is shown of a row.

use std::cmp::Ordering;

use aurora_filter::{Filter, Value};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::table::Record;

/// Instead of the names of columns: the whole record.
pub(super) const RECORD: &str = "record";

/// Why a request for a page is refused, and at which character (from 1) of which parameter.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) parameter: &'static str,
    pub(super) position: usize,
    pub(super) message: String,
}

impl Fault {
    /// Of a parameter that is wrong as a whole.
    pub(super) fn of(parameter: &'static str, error: impl std::fmt::Display) -> Fault {
        fault(parameter, 1, error.to_string())
    }
}

fn fault(parameter: &'static str, position: usize, message: impl Into<String>) -> Fault {
    Fault {
        parameter,
        position,
        message: message.into(),
    }
}

/// The parameters of a request as they came.
#[derive(Default)]
pub(super) struct Parameters {
    pub(super) filter: String,
    pub(super) sort: String,
    pub(super) limit: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) around: Option<String>,
    pub(super) from: Option<String>,
    pub(super) lead: Option<String>,
    pub(super) columns: Option<String>,
}

/// Rows of a page when nothing else is said, and at most.
const LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
const MAX_FILTER: usize = 4096;
const MAX_SORT: usize = 4;

/// A sorting column and whether the greatest comes first.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) column: usize,
    pub(super) descending: bool,
}

/// Where a page stands.
pub(super) enum Anchor {
    /// At the first row.
    Start,
    /// At a place, in a cursor or of the row that was named.
    Place(Place),
    /// Where the row of this key is; at the first row when there is none.
    Around(String),
    /// Behind the last row.
    End,
}

/// What is shown of a row.
pub(super) enum Shape {
    Columns(Vec<usize>),
    Record,
}

/// What is asked of a table.
pub(super) struct Query {
    pub(super) filter: Filter,
    pub(super) order: Vec<Order>,
    pub(super) limit: usize,
    /// How many of those rows are at the anchor or before it; the others are behind it.
    pub(super) lead: usize,
    pub(super) anchor: Anchor,
    pub(super) shape: Shape,
    sort: String,
}

/// A row's place in the order: the cells that are sorted by, then its key.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) cells: Vec<(Value, bool)>,
    pub(super) key: String,
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        let pairs = self.cells.iter().zip(&other.cells);
        let cells = pairs.map(|((left, descending), (right, _))| {
            let order = compare(left, right);
            if *descending { order.reverse() } else { order }
        });
        let by_cells = cells.fold(Ordering::Equal, Ordering::then);
        by_cells.then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

/// Nothing before numbers before texts.
fn compare(left: &Value, right: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::None => 0,
        Value::Number(_) => 1,
        Value::Text(_) => 2,
    };
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.total_cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Names of a list with their positions (from 1).
fn list(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 1;
    text.split(',')
        .map(move |item| {
            let position = at;
            at += item.chars().count() + 1;
            (position, item)
        })
        .filter(|(_, item)| !item.is_empty())
}

fn column<T: Record>(parameter: &'static str, position: usize, name: &str) -> Result<usize, Fault> {
    let found = T::COLUMNS.iter().position(|column| column.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = T::COLUMNS.iter().map(|column| column.name).collect();
        let known = known.join(", ");
        let message = format!("there is no column `{name}` here; columns are {known}");
        fault(parameter, position, message)
    })
}

impl Query {
    /// Understands the parameters.
    pub(super) fn parse<T: Record>(parameters: &Parameters) -> Result<Query, Fault> {
        if parameters.filter.len() > MAX_FILTER {
            let message = format!("a filter has at most {MAX_FILTER} bytes");
            return Err(fault("filter", MAX_FILTER, message));
        }
        let names: Vec<&str> = T::COLUMNS.iter().map(|column| column.name).collect();
        let filter = Filter::parse(&parameters.filter, &names)
            .map_err(|wrong| fault("filter", wrong.column, wrong.message))?;
        let order = order::<T>(&parameters.sort)?;
        let shape = match parameters.columns.as_deref() {
            None => Shape::Columns((0..T::COLUMNS.len()).collect()),
            Some(RECORD) => Shape::Record,
            Some(text) => {
                let columns =
                    list(text).map(|(position, name)| column::<T>("columns", position, name));
                Shape::Columns(columns.collect::<Result<Vec<usize>, Fault>>()?)
            }
        };
        let limit = match parameters.limit.as_deref() {
            None => LIMIT,
            Some(text) => count("limit", text, 1, MAX_LIMIT)?,
        };
        let anchor = anchor(parameters, &order)?;
        let lead = match (parameters.lead.as_deref(), &anchor) {
            (Some(text), _) => count("lead", text, 0, limit)?,
            (None, Anchor::End) => limit,
            (None, _) => 0,
        };
        Ok(Query {
            filter,
            order,
            limit,
            lead,
            anchor,
            shape,
            sort: parameters.sort.clone(),
        })
    }

    /// Names a place in this order.
    pub(super) fn cursor(&self, place: &Place) -> String {
        let cells = place.cells.iter().map(|(value, _)| json_of(value));
        let cells: Vec<serde_json::Value> = cells.collect();
        let text = json!([self.sort, cells, place.key]).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }
}

fn order<T: Record>(text: &str) -> Result<Vec<Order>, Fault> {
    let mut order = Vec::new();
    for (position, item) in list(text) {
        let (descending, name) = match item.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, item),
        };
        let age = T::AGES.iter().find(|(age, _)| *age == name);
        let (descending, name) = match age {
            Some((_, since)) => (!descending, *since),
            None => (descending, name),
        };
        let column = column::<T>("sort", position, name)?;
        order.push(Order { column, descending });
        if order.len() > MAX_SORT {
            let message = format!("a page is sorted by at most {MAX_SORT} columns");
            return Err(fault("sort", position, message));
        }
    }
    Ok(order)
}

fn count(parameter: &'static str, text: &str, least: usize, most: usize) -> Result<usize, Fault> {
    let count = text.parse().ok();
    let count = count.filter(|count| (least..=most).contains(count));
    count.ok_or_else(|| {
        let message = format!("this is a number from {least} to {most}");
        fault(parameter, 1, message)
    })
}

fn anchor(parameters: &Parameters, order: &[Order]) -> Result<Anchor, Fault> {
    let (cursor, around) = (&parameters.cursor, &parameters.around);
    match (cursor, around, parameters.from.as_deref()) {
        (None, None, None) => Ok(Anchor::Start),
        (Some(text), None, None) => {
            let place = place(text, &parameters.sort, order).ok_or_else(|| {
                let message = "this is not a cursor of a page sorted in this way";
                fault("cursor", 1, message)
            })?;
            Ok(Anchor::Place(place))
        }
        (None, Some(key), None) => Ok(Anchor::Around(key.clone())),
        (None, None, Some("end")) => Ok(Anchor::End),
        (None, None, Some(_)) => Err(fault(
            "from",
            1,
            "a page is read from its start or from `end`",
        )),
        (..) => {
            let message = "a page stands at one place: `cursor`, `around` or `from`";
            Err(fault("cursor", 1, message))
        }
    }
}

fn place(cursor: &str, sort: &str, order: &[Order]) -> Option<Place> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (of, cells, key): (String, Vec<serde_json::Value>, String) =
        serde_json::from_slice(&text).ok()?;
    if of != sort || cells.len() != order.len() {
        return None;
    }
    let cells = cells.into_iter().zip(order).map(|(cell, order)| {
        let value = match cell {
            serde_json::Value::String(text) => Value::Text(text),
            other => other.as_f64().map_or(Value::None, Value::Number),
        };
        (value, order.descending)
    });
    Some(Place {
        cells: cells.collect(),
        key,
    })
}

/// Whole numbers without a fraction, so that ids and counts look like what they are.
pub(super) fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::None => serde_json::Value::Null,
        Value::Text(text) => json!(text),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            json!(*number as i64)
        }
        Value::Number(number) => json!(number),
    }
}
