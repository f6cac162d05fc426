//! Tables as data: columns, typed cells, filter, sort.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::filter::{Filter, Subject, Value};
use crate::theme::Scope;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in filters, `sort` and JSON; the title is the same in capitals.
    pub name: &'static str,
    /// Whether numbers stand at the right.
    pub right: bool,
    /// Whether a part of a value says nothing, or something else: such a column is drawn whole or not at all.
    pub whole: bool,
    /// How soon it goes when there is no room: the highest goes first; 0 never goes.
    pub spare: u8,
}

impl Column {
    /// A column of text.
    pub const fn text(name: &'static str, spare: u8) -> Column {
        Column {
            name,
            right: false,
            whole: false,
            spare,
        }
    }

    /// A column of times and the like.
    pub const fn whole(name: &'static str, spare: u8) -> Column {
        Column {
            whole: true,
            ..Column::text(name, spare)
        }
    }

    /// A column of numbers.
    pub const fn number(name: &'static str, spare: u8) -> Column {
        Column {
            name,
            right: true,
            whole: true,
            spare,
        }
    }
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What is shown; safe for a screen.
    pub text: String,
    /// What is compared.
    pub value: Value,
    /// Its style.
    pub scope: Scope,
    /// Of an age: when it began, by the server's clock. Its text is made when it is looked at, so that a table does not
    /// have to be computed again because time goes by.
    pub since_ms: Option<i64>,
}

/// A stretch of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It is over.
    Fixed(i64),
    /// It began at this time of the server's clock and goes on.
    Since(i64),
}

impl From<i64> for Age {
    fn from(milliseconds: i64) -> Age {
        Age::Fixed(milliseconds)
    }
}

impl Cell {
    /// Text, cleaned.
    pub fn text(text: &str) -> Cell {
        let text = crate::text::clean(text);
        Cell {
            value: Value::Text(text.clone()),
            text,
            ..Cell::default()
        }
    }

    /// A whole number.
    pub fn count(count: i64) -> Cell {
        Cell::number(count as f64, count.to_string())
    }

    /// A number shown in its own way.
    pub fn number(value: f64, text: String) -> Cell {
        Cell {
            text,
            value: Value::Number(value),
            ..Cell::default()
        }
    }

    /// A duration.
    pub fn age(age: impl Into<Age>) -> Cell {
        match age.into() {
            Age::Fixed(ms) => Cell::number(ms.max(0) as f64, crate::text::age(ms)),
            // The later it began, the younger it is.
            Age::Since(at_ms) => Cell {
                since_ms: Some(at_ms),
                ..Cell::number(-(at_ms as f64), String::new())
            },
        }
    }

    /// What is shown at a time of the server's clock.
    pub fn shown(&self, now_ms: i64) -> Cow<'_, str> {
        match self.since_ms {
            Some(since) => Cow::Owned(crate::text::age(now_ms - since)),
            None => Cow::Borrowed(&self.text),
        }
    }

    /// What is compared at a time of the server's clock.
    fn value_at(&self, now_ms: i64) -> Cow<'_, Value> {
        match self.since_ms {
            Some(since) => Cow::Owned(Value::Number((now_ms - since).max(0) as f64)),
            None => Cow::Borrowed(&self.value),
        }
    }

    /// A minute, in UTC and without its year, which filters and JSON have.
    pub fn minute(at_ms: i64) -> Cell {
        Cell {
            text: crate::text::utc_minute(at_ms),
            value: Value::Text(crate::text::utc(at_ms)),
            ..Cell::default()
        }
    }

    /// Bytes.
    pub fn bytes(count: u64) -> Cell {
        Cell::number(count as f64, crate::text::bytes(count))
    }

    /// Nothing.
    pub fn none() -> Cell {
        Cell::default()
    }

    /// The same in a style.
    pub fn scope(mut self, scope: Scope) -> Cell {
        self.scope = scope;
        self
    }

    /// Dim when it is a zero.
    pub fn dim_zero(self) -> Cell {
        let zero = self.value == Value::Number(0.0);
        if zero { self.scope(Scope::Dim) } else { self }
    }
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its identity: selection and marks hold on to it.
    pub id: String,
    /// One cell a column.
    pub cells: Vec<Cell>,
    /// Whether somebody should look at it.
    pub problem: bool,
    /// Attributes for `@NAME=VALUE`.
    pub attributes: Vec<(String, String)>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows that are shown, as far as they are here.
    pub rows: Vec<Arc<Row>>,
    /// How many stand before these: of a large table only some are here.
    pub offset: usize,
    /// How many are shown, here or not.
    pub shown: usize,
    /// How many there are without filter.
    pub total: usize,
}

struct RowSubject<'a> {
    columns: &'a [Column],
    row: &'a Row,
    /// Values of its ages at this moment, by column.
    ages: Vec<(usize, Value)>,
}

impl<'a> RowSubject<'a> {
    fn new(columns: &'a [Column], row: &'a Row, now_ms: i64) -> RowSubject<'a> {
        let ages = row.cells.iter().enumerate();
        let ages = ages
            .filter(|(_, cell)| cell.since_ms.is_some())
            .map(|(at, cell)| (at, cell.value_at(now_ms).into_owned()));
        RowSubject {
            columns,
            row,
            ages: ages.collect(),
        }
    }
}

impl Subject for RowSubject<'_> {
    fn texts(&self) -> Vec<&str> {
        self.row
            .cells
            .iter()
            .map(|cell| cell.text.as_str())
            .collect()
    }

    fn field(&self, name: &str) -> Option<&Value> {
        let at = self.columns.iter().position(|column| column.name == name)?;
        let age = self.ages.iter().find(|(column, _)| *column == at);
        match age {
            Some((_, value)) => Some(value),
            None => self.row.cells.get(at).map(|cell| &cell.value),
        }
    }

    fn attribute(&self, name: &str) -> Vec<&str> {
        self.row
            .attributes
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

/// An order: a column and its direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column's name.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

impl Sort {
    /// Reads `COLUMN` or `-COLUMN`.
    pub fn parse(text: &str, columns: &[Column]) -> Result<Sort, String> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        if columns.iter().any(|column| column.name == name) {
            return Ok(Sort {
                column: name.to_owned(),
                descending,
            });
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        Err(format!(
            "there is no column `{name}` here; columns are {}",
            names.join(", ")
        ))
    }

    /// The text that [`Sort::parse`] reads.
    pub fn show(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.column)
    }
}

impl Table {
    /// A table of these rows, all shown.
    pub fn new(columns: Vec<Column>, rows: Vec<Row>) -> Table {
        Table {
            total: rows.len(),
            shown: rows.len(),
            offset: 0,
            columns,
            rows: rows.into_iter().map(Arc::new).collect(),
        }
    }

    /// Names of the columns.
    pub fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// Only the rows that pass at a time of the server's clock, or were chosen elsewhere.
    pub fn filtered(
        mut self,
        filter: &Filter,
        problems: bool,
        now_ms: i64,
        is_chosen: impl Fn(&Row) -> bool,
    ) -> Table {
        let columns = &self.columns;
        self.rows.retain(|row| {
            if is_chosen(row) {
                return true;
            }
            (!problems || row.problem)
                && (filter.is_empty() || filter.matches(&RowSubject::new(columns, row, now_ms)))
        });
        self.shown = self.rows.len();
        self
    }

    /// Whether time alone changes what passes a filter: it compares an age.
    pub(crate) fn is_timed(&self, filter: &Filter) -> bool {
        filter.fields().any(|field| {
            let at = self.columns.iter().position(|column| column.name == field);
            at.is_some_and(|at| {
                let cells = self.rows.iter().filter_map(|row| row.cells.get(at));
                cells.into_iter().any(|cell| cell.since_ms.is_some())
            })
        })
    }

    /// In this order; rows that compare equal stay as they are.
    pub fn sorted(mut self, sort: &Sort) -> Table {
        if let Some(at) = self
            .columns
            .iter()
            .position(|column| column.name == sort.column)
        {
            self.rows.sort_by(|a, b| {
                let ordering = match (a.cells.get(at), b.cells.get(at)) {
                    (Some(a), Some(b)) => compare(&a.value, &b.value),
                    (a, b) => a.is_some().cmp(&b.is_some()),
                };
                if sort.descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            });
        }
        self
    }

    /// For `--snapshot json`: an object for each row, numbers as numbers, ages at a time of the server's clock.
    pub fn to_json(&self, now_ms: i64) -> Json {
        let rows: Vec<Json> = self
            .rows
            .iter()
            .map(|row| {
                let mut object = Map::new();
                object.insert("id".to_owned(), json!(row.id));
                for (column, cell) in self.columns.iter().zip(&row.cells) {
                    let value = match &*cell.value_at(now_ms) {
                        Value::None => Json::Null,
                        Value::Text(text) => json!(text),
                        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                            json!(*number as i64)
                        }
                        Value::Number(number) => json!(number),
                    };
                    object.insert(column.name.to_owned(), value);
                }
                Json::Object(object)
            })
            .collect();
        let mut table = json!({"columns": self.names(), "rows": rows, "shown": self.shown, "total": self.total});
        if self.rows.len() < self.shown {
            table["offset"] = json!(self.offset);
        }
        table
    }
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    let kind = |value: &Value| match value {
        Value::None => 0,
        Value::Number(_) => 1,
        Value::Text(_) => 2,
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => kind(a).cmp(&kind(b)),
    }
}
