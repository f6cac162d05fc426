//! A table that is filtered, sorted and cut into pages: no more of it is kept in memory than one page.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use aurora_filter::{Subject, Value};
use serde_json::Map;

use super::query::{Anchor, Order, Place, Query, RECORD, Shape, json_of};

/// A column: its name, and what it shows of a row.
pub(super) struct Column<T> {
    pub(super) name: &'static str,
    pub(super) cell: fn(&T) -> Value,
}

/// What a page's rows are made from.
pub(super) trait Record: Sized + 'static {
    /// Its columns.
    const COLUMNS: &'static [Column<Self>];
    /// How many columns, from the first, words of a filter look at.
    const WORDS: usize;
    /// Columns that grow while nothing changes, and the moments from which they do: an order by the one is kept as the
    /// other way around by the other, so that it is the same at any time.
    const AGES: &'static [(&'static str, &'static str)] = &[];
    /// Names the row among all rows.
    fn key(&self) -> String;
    /// Values of an attribute, for `@NAME=VALUE`.
    fn attribute(&self, _name: &str) -> Vec<&str> {
        Vec::new()
    }
    /// The record of the event feed that tells this row, for the column [`RECORD`].
    fn record(&self) -> Option<serde_json::Value> {
        None
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
        let cells = (0..T::WORDS).map(|column| self.cell(column));
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
    /// How many of those stand before the first one here.
    pub(super) offset: usize,
    pub(super) rows: Vec<Map<String, serde_json::Value>>,
    /// The place of the first row; `None` when no row stands before it.
    pub(super) prev: Option<String>,
    /// The place of the last row, where the next page begins; `None` when no row follows.
    pub(super) next: Option<String>,
}

/// Rows next to a place, no more of them than are wanted.
struct Nearest<T: Record> {
    rows: BTreeMap<Place, Row<T>>,
    most: usize,
    /// Whether those next to the place have the greatest places.
    greatest: bool,
}

impl<T: Record> Nearest<T> {
    fn new(most: usize, greatest: bool) -> Nearest<T> {
        Nearest {
            rows: BTreeMap::new(),
            most,
            greatest,
        }
    }

    fn offer(&mut self, place: Place, row: Row<T>) {
        if self.rows.len() == self.most {
            let is_farther = match self.greatest {
                true => self
                    .rows
                    .first_key_value()
                    .is_none_or(|(last, _)| place < *last),
                false => self
                    .rows
                    .last_key_value()
                    .is_none_or(|(last, _)| place > *last),
            };
            if is_farther {
                return;
            }
        }
        self.rows.insert(place, row);
        if self.rows.len() > self.most {
            match self.greatest {
                true => self.rows.pop_first(),
                false => self.rows.pop_last(),
            };
        }
    }
}

/// The page of these records that is asked for. A cursor names a row's place, so that rows that come and go between two
/// pages neither repeat nor hide others.
pub(super) fn page<T, I>(all: impl Fn() -> I, query: &Query) -> Page
where
    T: Record,
    I: Iterator<Item = T>,
{
    let found;
    let anchor = match &query.anchor {
        Anchor::Start => None,
        Anchor::Place(place) => Some(place),
        Anchor::Around(key) => {
            let row = all().map(Row::new).find(|row| row.record.key() == *key);
            found = row.map(|row| row.place(&query.order));
            found.as_ref()
        }
        Anchor::End => None,
    };
    let is_end = matches!(query.anchor, Anchor::End);
    let (mut total, mut shown, mut led) = (0, 0, 0);
    let mut before = Nearest::new(query.lead, true);
    let mut behind = Nearest::new(query.limit - query.lead, false);
    for record in all() {
        total += 1;
        let row = Row::new(record);
        if !query.filter.matches(&row) {
            continue;
        }
        shown += 1;
        let place = row.place(&query.order);
        if is_end || anchor.is_some_and(|anchor| place <= *anchor) {
            led += 1;
            before.offer(place, row);
        } else {
            behind.offer(place, row);
        }
    }
    // Every row before the anchor stands before the page, but those that are on it.
    let offset = led - before.rows.len();
    let rows: Vec<(Place, Row<T>)> = before.rows.into_iter().chain(behind.rows).collect();
    let prev = rows.first().filter(|_| offset > 0);
    let next = rows.last().filter(|_| offset + rows.len() < shown);
    Page {
        total,
        shown,
        offset,
        prev: prev.map(|(place, _)| query.cursor(place)),
        next: next.map(|(place, _)| query.cursor(place)),
        rows: rows
            .iter()
            .map(|(_, row)| shape(row, &query.shape))
            .collect(),
    }
}

fn shape<T: Record>(row: &Row<T>, shape: &Shape) -> Map<String, serde_json::Value> {
    match shape {
        Shape::Record => {
            let record = row.record.record().unwrap_or_default();
            [(RECORD.to_owned(), record)].into_iter().collect()
        }
        Shape::Columns(columns) => {
            let cells = columns.iter().map(|column| {
                let name = T::COLUMNS[*column].name.to_owned();
                (name, json_of(row.cell(*column)))
            });
            cells.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::query::Parameters;
    use super::*;

    #[derive(Clone)]
    struct Dish(&'static str, f64, &'static str);

    impl Record for Dish {
        const WORDS: usize = 2;
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
        page(|| menu.iter().cloned(), &query)
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
    fn a_page_stands_anywhere_and_says_where() {
        let ask = |lead: &str, change: fn(&mut Parameters)| {
            let mut asked = parameters("", "-price", "3");
            asked.lead = (!lead.is_empty()).then(|| lead.to_owned());
            change(&mut asked);
            ask(&asked, &MENU)
        };
        // By price from the dearest: fish, cake, soup, tea, bread.
        let end = ask("", |asked| asked.from = Some("end".to_owned()));
        assert_eq!(names(&end), ["soup", "tea", "bread"]);
        assert_eq!((end.offset, end.shown), (2, 5));
        assert!(end.prev.is_some() && end.next.is_none());
        let around = ask("2", |asked| asked.around = Some("soup".to_owned()));
        assert_eq!(names(&around), ["cake", "soup", "tea"]);
        assert_eq!(around.offset, 1);
        assert!(around.prev.is_some() && around.next.is_some());
        let unknown = ask("2", |asked| asked.around = Some("pie".to_owned()));
        assert_eq!((names(&unknown), unknown.offset), (vec!["fish"], 0));
        // On from the place of the first row, towards the first one of all.
        let mut back = parameters("", "-price", "3");
        (back.cursor, back.lead) = (end.prev, Some("3".to_owned()));
        let query = Query::parse::<Dish>(&back).unwrap();
        let back = page(|| MENU.into_iter(), &query);
        assert_eq!(names(&back), ["fish", "cake", "soup"]);
        assert_eq!((back.offset, back.prev), (0, None));
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
            (with(|asked| asked.lead = Some("101".to_owned())), "lead", 1),
            (
                with(|asked| asked.from = Some("middle".to_owned())),
                "from",
                1,
            ),
            (
                with(|asked| {
                    asked.from = Some("end".to_owned());
                    asked.around = Some("tea".to_owned());
                }),
                "cursor",
                1,
            ),
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
