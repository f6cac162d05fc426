//! Bars and lines of bars in text. Terminals without these characters get others ([`plain`]).

use std::borrow::Cow;

const FULL: char = '█';
const EMPTY: char = '░';
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar of so many columns, filled to this part (0 to 1, more is full).
pub fn bar(part: f64, columns: usize) -> String {
    let part = if part.is_finite() {
        part.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let filled = (part * columns as f64).round() as usize;
    // What is used at all can be seen, and what is left at all too.
    let filled = match part {
        0.0 => 0,
        1.0 => columns,
        _ => filled.clamp(1.min(columns), columns.saturating_sub(1).max(1)),
    };
    let full = std::iter::repeat_n(FULL, filled);
    full.chain(std::iter::repeat_n(EMPTY, columns.saturating_sub(filled)))
        .collect()
}

/// The last values, a column each, as high as they are between 0 (or the least, when that is below) and the largest.
pub fn line(values: impl DoubleEndedIterator<Item = f64>, columns: usize) -> String {
    let mut last: Vec<f64> = values.rev().take(columns).collect();
    last.reverse();
    let most = last.iter().copied().fold(0.0, f64::max);
    let least = last.iter().copied().fold(0.0, f64::min);
    let height = |value: f64| match most > least {
        true => ((value - least) / (most - least) * 7.0).round() as usize,
        false => 0,
    };
    last.iter()
        .map(|value| LEVELS[height(*value).min(7)])
        .collect()
}

/// The same where only ASCII can be shown; other text as it is.
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_chart = |c: char| c == EMPTY || LEVELS.contains(&c);
    match text.contains(is_chart) {
        true => Cow::Owned(text.chars().map(stand_in).collect()),
        false => Cow::Borrowed(text),
    }
}

fn stand_in(c: char) -> char {
    match c {
        FULL => '#',
        EMPTY => '.',
        '▁' => '_',
        '▂' => '.',
        '▃' => ':',
        '▄' => '-',
        '▅' => '=',
        '▆' => '+',
        '▇' => '*',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        for (part, text) in [
            (0.0, "░░░░"),
            (0.01, "█░░░"),
            (0.5, "██░░"),
            (0.99, "███░"),
            (1.0, "████"),
            (7.0, "████"),
            (f64::NAN, "░░░░"),
        ] {
            assert_eq!(bar(part, 4), text, "{part}");
        }
        assert_eq!(bar(0.5, 0), "");
    }

    #[test]
    fn lines() {
        for (values, text) in [
            (&[][..], ""),
            (&[0.0, 0.0], "▁▁"),
            (&[9.0, 0.0, 7.0, 3.5], "▁█▅"),
            (&[-7.0, 0.0, 7.0], "▁▅█"),
        ] {
            assert_eq!(line(values.iter().copied(), 3), text, "{values:?}");
        }
        assert_eq!(plain(&bar(0.5, 2)), "#.");
    }
}
