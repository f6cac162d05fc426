//! A table that is filtered, sorted and cut into pages: no more of it is kept in memory than one page.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use aurora_filter::{Filter, Subject, Value};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, json};

/// A column: its name, and what it shows of a row.
pub(super) struct Column<T> {
    pub(super) name: &'static str,
    pub(super) cell: fn(&T) -> Value,
}

/// What a page's rows are made from.
pub(super) trait Record: Sized + 'static {
    /// Its columns, the ones that words of a filter look at first.
    const COLUMNS: &'static [Column<Self>];
    /// Names the row among all rows.
    fn key(&self) -> String;
    /// Values of an attribute, for `@NAME=VALUE`.
    fn attribute(&self, _name: &str) -> Vec<&str> {
        Vec::new()
    }
}

/// Why a request for a page is refused, and at which character (from 1) of which parameter.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) parameter: &'static str,
    pub(super) position: usize,
    pub(super) message: String,
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
    pub(super) columns: Option<String>,
}

/// Rows of a page when nothing else is said, and at most.
pub(super) const LIMIT: usize = 100;
pub(super) const MAX_LIMIT: usize = 1000;
const MAX_FILTER: usize = 4096;
const MAX_SORT: usize = 4;

/// A sorting column and whether the greatest comes first.
#[derive(Clone, Copy)]
struct Order {
    column: usize,
    descending: bool,
}

/// What is asked of a table.
pub(super) struct Query {
    filter: Filter,
    order: Vec<Order>,
    limit: usize,
    after: Option<Place>,
    columns: Vec<usize>,
    sort: String,
}

/// A row's place in the order: the cells that are sorted by, then its key.
#[derive(Clone, Debug)]
struct Place {
    cells: Vec<(Value, bool)>,
    key: String,
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
        let mut order = Vec::new();
        for (position, item) in list(&parameters.sort) {
            let (descending, name) = match item.strip_prefix('-') {
                Some(name) => (true, name),
                None => (false, item),
            };
            let column = column::<T>("sort", position, name)?;
            order.push(Order { column, descending });
            if order.len() > MAX_SORT {
                let message = format!("a page is sorted by at most {MAX_SORT} columns");
                return Err(fault("sort", position, message));
            }
        }
        let columns = match parameters.columns.as_deref() {
            None => (0..T::COLUMNS.len()).collect(),
            Some(text) => list(text)
                .map(|(position, name)| column::<T>("columns", position, name))
                .collect::<Result<Vec<usize>, Fault>>()?,
        };
        let limit = match parameters.limit.as_deref() {
            None => LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| {
                    let message = format!("a limit is a number from 1 to {MAX_LIMIT}");
                    fault("limit", 1, message)
                })?,
        };
        let sort = parameters.sort.clone();
        let after = match parameters.cursor.as_deref() {
            None => None,
            Some(text) => Some(place(text, &sort, &order).ok_or_else(|| {
                fault(
                    "cursor",
                    1,
                    "this is not a cursor of a page sorted in this way",
                )
            })?),
        };
        Ok(Query {
            filter,
            order,
            limit,
            after,
            columns,
            sort,
        })
    }

    fn cursor(&self, place: &Place) -> String {
        let cells = place.cells.iter().map(|(value, _)| json_of(value));
        let cells: Vec<serde_json::Value> = cells.collect();
        let text = json!([self.sort, cells, place.key]).to_string();
        URL_SAFE_NO_PAD.encode(text)
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
fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::None => serde_json::Value::Null,
        Value::Text(text) => json!(text),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            json!(*number as i64)
        }
        Value::Number(number) => json!(number),
    }
}

/// A row whose cells are made when they are looked at.
struct Row<T: Record> {
    record: T,
    cells: Vec<OnceCell<Value>>,
}

impl<T: Record> Row<T> {
    fn new(record: T) -> Row<T> {
        let cells = T::COLUMNS.iter().map(|_| OnceCell::new()).collect();
        Row { record, cells }
    }

    fn cell(&self, column: usize) -> &Value {
        self.cells[column].get_or_init(|| (T::COLUMNS[column].cell)(&self.record))
    }

    fn place(&self, order: &[Order]) -> Place {
        let cells = order
            .iter()
            .map(|order| (self.cell(order.column).clone(), order.descending));
        Place {
            cells: cells.collect(),
            key: self.record.key(),
        }
    }
}

impl<T: Record> Subject for Row<T> {
    fn texts(&self) -> Vec<&str> {
        let cells = (0..self.cells.len()).map(|column| self.cell(column));
        let texts = cells.filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Number(_) | Value::None => None,
        });
        texts.collect()
    }

    fn field(&self, name: &str) -> Option<&Value> {
        let column = T::COLUMNS.iter().position(|column| column.name == name)?;
        Some(self.cell(column))
    }

    fn attribute(&self, name: &str) -> Vec<&str> {
        self.record.attribute(name)
    }
}

/// A page of a table.
#[derive(Debug, serde::Serialize)]
pub(super) struct Page {
    /// Rows of the table.
    pub(super) total: usize,
    /// Rows that pass the filter.
    pub(super) shown: usize,
    pub(super) rows: Vec<Map<String, serde_json::Value>>,
    /// Where the next page begins; `None` on the last.
    pub(super) next: Option<String>,
}

/// The page of these records that is asked for. A cursor names the last row's place, so that rows that come and go between
/// two pages neither repeat nor hide others.
pub(super) fn page<T: Record>(records: impl IntoIterator<Item = T>, query: &Query) -> Page {
    let (mut total, mut shown) = (0, 0);
    let mut best: BTreeMap<Place, Row<T>> = BTreeMap::new();
    let mut is_more = false;
    for record in records {
        total += 1;
        let row = Row::new(record);
        if !query.filter.matches(&row) {
            continue;
        }
        shown += 1;
        let place = row.place(&query.order);
        if query.after.as_ref().is_some_and(|after| place <= *after) {
            continue;
        }
        let is_full = best.len() == query.limit;
        is_more |= is_full;
        if is_full && best.last_key_value().is_some_and(|(last, _)| *last < place) {
            continue;
        }
        best.insert(place, row);
        if best.len() > query.limit {
            best.pop_last();
        }
    }
    let next = best.last_key_value().filter(|_| is_more);
    let next = next.map(|(last, _)| query.cursor(last));
    let rows = best.values().map(|row| {
        let columns = query.columns.iter();
        let cells = columns.map(|column| {
            let name = T::COLUMNS[*column].name.to_owned();
            (name, json_of(row.cell(*column)))
        });
        cells.collect()
    });
    Page {
        total,
        shown,
        rows: rows.collect(),
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Dish(&'static str, f64, &'static str);

    impl Record for Dish {
        const COLUMNS: &'static [Column<Dish>] = &[
            Column {
                name: "name",
                cell: |dish| Value::Text(dish.0.to_owned()),
            },
            Column {
                name: "price",
                cell: |dish| Value::Number(dish.1),
            },
        ];
        fn key(&self) -> String {
            self.0.to_owned()
        }
        fn attribute(&self, name: &str) -> Vec<&str> {
            if name == "from" { vec![self.2] } else { vec![] }
        }
    }

    const MENU: [Dish; 5] = [
        Dish("soup", 3.0, "sea"),
        Dish("bread", 1.5, "field"),
        Dish("fish", 9.0, "sea"),
        Dish("cake", 3.0, "field"),
        Dish("tea", 2.0, "field"),
    ];

    fn parameters(filter: &str, sort: &str, limit: &str) -> Parameters {
        Parameters {
            filter: filter.to_owned(),
            sort: sort.to_owned(),
            limit: Some(limit.to_owned()),
            ..Parameters::default()
        }
    }

    fn names(page: &Page) -> Vec<&str> {
        let names = page.rows.iter().map(|row| row["name"].as_str().unwrap());
        names.collect()
    }

    fn ask(parameters: &Parameters, menu: &[Dish]) -> Page {
        let query = Query::parse::<Dish>(parameters).unwrap();
        page(menu.iter().cloned(), &query)
    }

    #[test]
    fn rows_are_filtered_sorted_and_counted() {
        for (filter, sort, expected) in [
            ("", "", &["bread", "cake", "fish", "soup", "tea"][..]),
            ("", "-price", &["fish", "cake", "soup", "tea", "bread"]),
            (
                "",
                "-price,-name",
                &["fish", "soup", "cake", "tea", "bread"],
            ),
            ("price>=3", "price", &["cake", "soup", "fish"]),
            ("@from=sea", "", &["fish", "soup"]),
            ("!@from=sea ea", "", &["bread", "tea"]),
        ] {
            let found = ask(&parameters(filter, sort, "10"), &MENU);
            assert_eq!(names(&found), expected, "{filter} {sort}");
            assert_eq!((found.total, found.shown), (5, expected.len()));
            assert_eq!(found.next, None);
        }
        let mut narrow = parameters("tea", "", "10");
        narrow.columns = Some("price".to_owned());
        let found = ask(&narrow, &MENU);
        assert_eq!(
            serde_json::to_value(&found.rows).unwrap(),
            json!([{"price": 2}])
        );
    }

    #[test]
    fn pages_neither_repeat_nor_leave_out_while_rows_come_and_go() {
        let mut asked = parameters("", "-price", "2");
        let first = ask(&asked, &MENU);
        assert_eq!(names(&first), ["fish", "cake"]);
        asked.cursor = first.next;
        // The last row of the page goes, one comes that would have been on it, and one that is still to come.
        let mut menu = MENU.to_vec();
        menu.retain(|dish| dish.0 != "cake");
        menu.push(Dish("crab", 12.0, "sea"));
        menu.push(Dish("roll", 2.5, "field"));
        let second = ask(&asked, &menu);
        assert_eq!(names(&second), ["soup", "roll"]);
        asked.cursor = second.next;
        let third = ask(&asked, &menu);
        assert_eq!(names(&third), ["tea", "bread"]);
        assert_eq!(
            third.next, None,
            "nothing follows a page that ends with the last row"
        );
    }

    #[test]
    fn faults_name_the_parameter_and_the_place() {
        let cursor = ask(&parameters("", "-price", "1"), &MENU).next;
        let with = |change: fn(&mut Parameters)| {
            let mut asked = Parameters::default();
            change(&mut asked);
            asked
        };
        for (asked, parameter, position) in [
            (parameters("tea moon=1", "", "1"), "filter", 5),
            (parameters("", "name,-moon", "1"), "sort", 6),
            (parameters("", "name,name,name,name,name", "1"), "sort", 21),
            (parameters("", "", "0"), "limit", 1),
            (parameters("", "", "1001"), "limit", 1),
            (
                with(|asked| asked.columns = Some("name,,moon".to_owned())),
                "columns",
                7,
            ),
            (
                with(|asked| asked.cursor = Some("x!".to_owned())),
                "cursor",
                1,
            ),
            (
                with(|asked| asked.filter = "x".repeat(5000)),
                "filter",
                4096,
            ),
        ] {
            let fault = Query::parse::<Dish>(&asked).err().expect(parameter);
            assert_eq!(
                (fault.parameter, fault.position),
                (parameter, position),
                "{fault:?}"
            );
        }
        let other_order = Parameters {
            cursor,
            ..parameters("", "price", "1")
        };
        assert_eq!(
            Query::parse::<Dish>(&other_order).err().unwrap().parameter,
            "cursor"
        );
    }
}
