//! Tables as data: columns, typed cells, filter, sort.

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
    /// How soon it goes when there is no room: the highest goes first; 0 never goes.
    pub spare: u8,
}

impl Column {
    /// A column of text.
    pub const fn text(name: &'static str, spare: u8) -> Column {
        Column {
            name,
            right: false,
            spare,
        }
    }

    /// A column of numbers.
    pub const fn number(name: &'static str, spare: u8) -> Column {
        Column {
            name,
            right: true,
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
}

impl Cell {
    /// Text, cleaned.
    pub fn text(text: &str) -> Cell {
        let text = crate::text::clean(text);
        Cell {
            value: Value::Text(text.clone()),
            text,
            scope: Scope::None,
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
            scope: Scope::None,
        }
    }

    /// A duration.
    pub fn age(milliseconds: i64) -> Cell {
        Cell::number(milliseconds.max(0) as f64, crate::text::age(milliseconds))
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
    /// Rows that are shown.
    pub rows: Vec<Row>,
    /// How many there are without filter.
    pub total: usize,
}

struct RowSubject<'a> {
    columns: &'a [Column],
    row: &'a Row,
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
        self.row.cells.get(at).map(|cell| &cell.value)
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
            columns,
            rows,
        }
    }

    /// Names of the columns.
    pub fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// Only the rows that pass.
    pub fn filtered(mut self, filter: &Filter, problems: bool) -> Table {
        let columns = &self.columns;
        self.rows.retain(|row| {
            (!problems || row.problem) && filter.matches(&RowSubject { columns, row })
        });
        self
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

    /// For `--snapshot json`: an object for each row, numbers as numbers.
    pub fn to_json(&self) -> Json {
        let rows: Vec<Json> = self
            .rows
            .iter()
            .map(|row| {
                let mut object = Map::new();
                object.insert("id".to_owned(), json!(row.id));
                for (column, cell) in self.columns.iter().zip(&row.cells) {
                    let value = match &cell.value {
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
        json!({"columns": self.names(), "rows": rows, "shown": self.rows.len(), "total": self.total})
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
