//! Cron schedules as users write them (aurora: `CrontabEntry.java`).

use std::fmt;

use jiff::civil::Date;

/// One of the five fields: its name, its least and greatest value, and what values may be called instead.
struct Field {
    name: &'static str,
    least: u32,
    greatest: u32,
    names: &'static [&'static str],
}

const MINUTE: usize = 0;
const HOUR: usize = 1;
const DAY_OF_MONTH: usize = 2;
const MONTH: usize = 3;
const DAY_OF_WEEK: usize = 4;

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        least: 0,
        greatest: 59,
        names: &[],
    },
    Field {
        name: "hour",
        least: 0,
        greatest: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        least: 1,
        greatest: 31,
        names: &[],
    },
    Field {
        name: "month",
        least: 1,
        greatest: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    // Unlike in other crons, Sunday is 0 and never 7.
    Field {
        name: "day of week",
        least: 0,
        greatest: 6,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

/// Values of a field, a bit each.
type Values = u64;

/// When a cron job runs: the values of each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule([Values; FIELDS.len()]);

/// Why a text is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There are not exactly five fields, or there is space around them.
    #[error(
        "a schedule is five fields (minute, hour, day of month, month, day of week) with space between them and none around"
    )]
    Fields,
    /// An item of a field is not understood.
    #[error("{field}: `{item}` is not *, N, N-M, */STEP or N-M/STEP")]
    Item {
        /// The field's name.
        field: &'static str,
        /// The item.
        item: String,
    },
    /// An item has values that the field does not have, or none.
    #[error("{field}: `{item}` is not within {least}-{greatest}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// The item.
        item: String,
        /// The field's least value.
        least: u32,
        /// The field's greatest value.
        greatest: u32,
    },
    /// A step of zero, or one that is not smaller than the end of its range.
    #[error("{field}: the step of `{item}` is zero or too large")]
    Step {
        /// The field's name.
        field: &'static str,
        /// The item.
        item: String,
    },
    /// A field without items.
    #[error("{0} has no values")]
    Empty(&'static str),
    /// Both kinds of day are restricted.
    #[error("day of month and day of week cannot both be restricted")]
    BothDays,
}

impl Field {
    const fn all(&self) -> Values {
        span(self.least, self.greatest, 1)
    }

    fn parse(&self, text: &str) -> Result<Values, ScheduleError> {
        let mut values = 0;
        for item in text.split(',').filter(|item| !item.is_empty()) {
            values |= self.parse_item(item)?;
        }
        if values == 0 {
            return Err(ScheduleError::Empty(self.name));
        }
        Ok(values)
    }

    fn parse_item(&self, written: &str) -> Result<Values, ScheduleError> {
        let (field, item) = (self.name, written.to_owned());
        let plain = self.without_names(written);
        let (range, step) = match plain.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (&*plain, None),
        };
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u32>().ok(),
            false => None,
        };
        let bounds = match range.split_once('-') {
            Some((first, last)) => number(first).zip(number(last)),
            None if range == "*" => Some((self.least, self.greatest)),
            // A step needs a range to walk along.
            None if step.is_none() => number(range).map(|value| (value, value)),
            None => None,
        };
        let Some((first, last)) = bounds else {
            return Err(ScheduleError::Item { field, item });
        };
        if first > last || first < self.least || last > self.greatest {
            let (least, greatest) = (self.least, self.greatest);
            return Err(ScheduleError::Range {
                field,
                item,
                least,
                greatest,
            });
        }
        let Some(step) = step else {
            return Ok(span(first, last, 1));
        };
        match number(step) {
            Some(0) => Err(ScheduleError::Step { field, item }),
            Some(step) if range != "*" && step >= last => Err(ScheduleError::Step { field, item }),
            Some(step) => Ok(span(first, last, step)),
            None => Err(ScheduleError::Item { field, item }),
        }
    }

    /// Names are replaced wherever they stand, as upstream does.
    fn without_names(&self, item: &str) -> String {
        let mut plain = item.to_ascii_uppercase();
        for (place, name) in self.names.iter().enumerate() {
            plain = plain.replace(name, &(place as u32 + self.least).to_string());
        }
        plain
    }

    /// The values in their shortest form: `*`, or ranges that do not touch.
    fn show(&self, values: Values, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if values == self.all() {
            return f.write_str("*");
        }
        let has = |value: u32| values & (1 << value) != 0;
        let mut value = self.least;
        let mut separator = "";
        while value <= self.greatest {
            if !has(value) {
                value += 1;
                continue;
            }
            let first = value;
            while value < self.greatest && has(value + 1) {
                value += 1;
            }
            match first == value {
                true => write!(f, "{separator}{first}")?,
                false => write!(f, "{separator}{first}-{value}")?,
            }
            separator = ",";
            value += 1;
        }
        Ok(())
    }
}

const fn span(first: u32, last: u32, step: u32) -> Values {
    let (mut values, mut value) = (0, first);
    while value <= last {
        values |= 1 << value;
        value = value.saturating_add(step);
    }
    values
}

/// The least value that is not less than `from`.
fn next_value(values: Values, from: u32) -> Option<u32> {
    let rest = values.checked_shr(from).unwrap_or(0);
    (rest != 0).then(|| from + rest.trailing_zeros())
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// It is none; the error says why.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let is_space = |c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
        let fields: Vec<&str> = text.split(is_space).collect();
        let is_padded = fields.first().is_some_and(|first| first.is_empty())
            || fields.last().is_some_and(|last| last.is_empty());
        let fields: Vec<&str> = fields
            .into_iter()
            .filter(|field| !field.is_empty())
            .collect();
        if is_padded || fields.len() != FIELDS.len() {
            return Err(ScheduleError::Fields);
        }
        let mut values = [0; FIELDS.len()];
        for ((values, field), text) in values.iter_mut().zip(&FIELDS).zip(fields) {
            *values = field.parse(text)?;
        }
        let schedule = Schedule(values);
        if !schedule.has_all(DAY_OF_MONTH) && !schedule.has_all(DAY_OF_WEEK) {
            return Err(ScheduleError::BothDays);
        }
        Ok(schedule)
    }

    fn has_all(&self, field: usize) -> bool {
        self.0[field] == FIELDS[field].all()
    }

    fn has(&self, field: usize, value: u32) -> bool {
        self.0[field] & (1 << value) != 0
    }

    /// Whether it runs in every hour of its days.
    pub(super) fn is_hourly(&self) -> bool {
        self.has_all(HOUR)
    }

    /// Whether it runs on a day.
    pub(super) fn has_date(&self, date: Date) -> bool {
        let small = |value: i8| u32::from(value.unsigned_abs());
        self.has(MONTH, small(date.month()))
            && self.has(DAY_OF_MONTH, small(date.day()))
            && self.has(DAY_OF_WEEK, small(date.weekday().to_sunday_zero_offset()))
    }

    /// The first minute of a day, not before `from`, at which it runs.
    pub(super) fn next_in_day(&self, from: u32) -> Option<u32> {
        let (hour, minute) = (from / 60, from % 60);
        let in_hour = next_value(self.0[MINUTE], minute).filter(|_| self.has(HOUR, hour));
        if let Some(minute) = in_hour {
            return Some(hour * 60 + minute);
        }
        let hour = next_value(self.0[HOUR], hour + 1)?;
        Some(hour * 60 + next_value(self.0[MINUTE], 0)?)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (field, values)) in FIELDS.iter().zip(self.0).enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            field.show(values, f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From upstream's tests and description (aurora: `CrontabEntryTest.java`): what is written, and its shortest form.
    #[test]
    fn schedules_and_their_shortest_form() {
        for (text, expected) in [
            ("* * * * *", "* * * * *"),
            ("*\t*  *\n* *", "* * * * *"),
            ("0-59 0-23 1-31 1-12 0-6", "* * * * *"),
            ("*/1 */1 */1 */1 */1", "* * * * *"),
            ("5 4 3 2 *", "5 4 3 2 *"),
            ("*/7 * * * *", "0,7,14,21,28,35,42,49,56 * * * *"),
            ("0-30/10 * * * *", "0,10,20,30 * * * *"),
            ("1-2,3,10-12 * * * *", "1-3,10-12 * * * *"),
            ("3,1,2 * * * *", "1-3 * * * *"),
            (",,5,, * * * *", "5 * * * *"),
            ("* * * * mon-fri", "* * * * 1-5"),
            ("* * * * Sun,SAT", "* * * * 0,6"),
            ("* * * JAN-MAR,dec *", "* * * 1-3,12 *"),
            ("* * * feb-nov/3 *", "* * * 2,5,8,11 *"),
            ("* * 1-31 * 1", "* * * * 1"),
            ("* * 15 * 0-6", "* * 15 * *"),
            (
                "* * */2 * *",
                "* * 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * *",
            ),
            ("*/99 * * * *", "0 * * * *"),
            ("00 007 * * *", "0 7 * * *"),
            ("* * * * MONTUE", "error"),
            ("* * * JANFEB *", "* * * 12 *"),
        ] {
            let shown =
                Schedule::parse(text).map_or("error".to_owned(), |schedule| schedule.to_string());
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_schedule() {
        for text in [
            "",
            " ",
            "*",
            "* * * *",
            "* * * * * *",
            " * * * * *",
            "* * * * * ",
            "* * * * *\n",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 0 *",
            "* * * 13 *",
            "* * * * 7",
            "-1 * * * *",
            "1- * * * *",
            "-5 * * * *",
            "5-1 * * * *",
            "* * * * MON-SUN",
            "* * * MAR-JAN *",
            "*/0 * * * *",
            "5/2 * * * *",
            "1-10/10 * * * *",
            "1-10/0 * * * *",
            "a * * * *",
            "MON * * * *",
            "1.5 * * * *",
            "1--5 * * * *",
            "*-5 * * * *",
            "* * 1 * 1",
            "* * 2-31 * MON-SAT",
            ", * * * *",
            "99999999999 * * * *",
            "+1 * * * *",
            "@daily",
            "1-2-3 * * * *",
            "*/ * * * *",
            "/5 * * * *",
            "*/1/2 * * * *",
            "١ * * * *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn errors_name_field_and_item() {
        for (text, expected) in [
            ("61 * * * *", "minute: `61` is not within 0-59"),
            (
                "* * * * FRI-MON",
                "day of week: `FRI-MON` is not within 0-6",
            ),
            (
                "* 5/2 * * *",
                "hour: `5/2` is not *, N, N-M, */STEP or N-M/STEP",
            ),
            (
                "* * 1-4/4 * *",
                "day of month: the step of `1-4/4` is zero or too large",
            ),
        ] {
            let error = Schedule::parse(text).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }
}
