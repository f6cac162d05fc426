//! How many lines there were when: a strip of columns, each with the gravest level of its lines.

use super::LogBuffer;
use super::severity::Severity;
use crate::text;

/// One column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Lines.
    pub lines: usize,
    /// The gravest level among them.
    pub gravest: Option<Severity>,
}

/// A strip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strip {
    /// The time at its beginning, milliseconds since 1970.
    pub from_ms: i64,
    /// The time at its end.
    pub to_ms: i64,
    /// Columns of equal spans of time.
    pub columns: Vec<Column>,
}

impl Strip {
    /// Counts the lines that are shown and have a time of their own or of a line before. None when there are none.
    pub fn of(buffer: &LogBuffer, width: usize) -> Option<Strip> {
        let lines = || {
            (0..buffer.len())
                .filter_map(|at| buffer.line(at))
                .filter(|line| line.shown && !line.notice)
        };
        let from_ms = lines().map(|line| line.time_ms).min()?;
        let to_ms = lines().map(|line| line.time_ms).max()?;
        let mut columns = vec![Column::default(); width.max(1)];
        // In 128 bits, because a line may claim any time.
        let span = i128::from(to_ms) - i128::from(from_ms) + 1;
        for line in lines() {
            let at =
                (i128::from(line.time_ms) - i128::from(from_ms)) * columns.len() as i128 / span;
            if let Some(column) = usize::try_from(at).ok().and_then(|at| columns.get_mut(at)) {
                column.lines += 1;
                column.gravest = column.gravest.max(line.severity);
            }
        }
        Some(Strip {
            from_ms,
            to_ms,
            columns,
        })
    }

    /// Each column's height, from 0 for nothing to `most`.
    pub fn heights(&self, most: usize) -> Vec<usize> {
        let highest = self.columns.iter().map(|column| column.lines).max();
        let highest = highest.unwrap_or(0).max(1);
        let columns = self.columns.iter();
        columns
            .map(|column| (column.lines * most).div_ceil(highest))
            .collect()
    }

    /// Its times and its highest count, in words.
    pub fn legend(&self) -> String {
        let highest = self.columns.iter().map(|column| column.lines).max();
        format!(
            "{} to {}, at most {} a column",
            text::utc_time(self.from_ms),
            text::utc_time(self.to_ms),
            highest.unwrap_or(0)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_over_time() {
        let mut buffer = LogBuffer::default();
        // A time of day is of today or yesterday.
        buffer.set_clock(1_767_323_045_000);
        assert_eq!(Strip::of(&buffer, 4), None);
        buffer.push(
            b"03:00:00 INFO a\n03:00:01 INFO b\n03:00:01 ERROR c\n  frame\n03:00:03 WARN d\n",
        );
        buffer.notice("not counted");
        let strip = Strip::of(&buffer, 4).unwrap();
        assert_eq!(strip.to_ms - strip.from_ms, 3_000);
        let seen: Vec<_> = strip
            .columns
            .iter()
            .map(|column| (column.lines, column.gravest))
            .collect();
        assert_eq!(
            seen,
            [
                (1, Some(Severity::Info)),
                (3, Some(Severity::Error)),
                (0, None),
                (1, Some(Severity::Warn))
            ]
        );
        assert_eq!(strip.heights(8), [3, 8, 0, 3]);
        assert_eq!(strip.legend(), "03:00:00 to 03:00:03, at most 3 a column");
        buffer.sift(0, |line| line.severity == Some(Severity::Warn));
        assert_eq!(Strip::of(&buffer, 2).unwrap().columns[0].lines, 1);
    }
}
