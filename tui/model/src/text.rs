//! Text from outside made safe for a screen, and numbers and times as people read them.

use jiff::Timestamp;
use unicode_width::UnicodeWidthChar;

/// Characters that move or hide what stands around them: bidirectional controls, invisible joiners and marks.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character may be shown as it is.
pub fn is_printable(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

/// One line of text without anything that a terminal could obey: control characters become blanks, invisible ones go.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text cut to `columns`, with `~` at the end when something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('~');
    }
    out
}

/// The end of a text cut to `columns`, with `~` at its beginning when something is missing.
pub fn fit_end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept: Vec<char> = Vec::new();
    let mut used = 0;
    for c in text.chars().rev() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        kept.push(c);
    }
    if columns > 0 {
        kept.push('~');
    }
    kept.iter().rev().collect()
}

/// A duration in whole units, the largest that fits: `7s`, `12m`, `3h`, `5d`. Negative ones count as zero.
pub fn age(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// In how many milliseconds the text of an age of so many milliseconds becomes another one.
pub fn age_changes_in(milliseconds: i64) -> i64 {
    if milliseconds < 0 {
        return 1000 - milliseconds;
    }
    let unit = match milliseconds / 1000 {
        ..60 => 1000,
        60..3_600 => 60_000,
        3_600..172_800 => 3_600_000,
        _ => 86_400_000,
    };
    unit - milliseconds % unit
}

/// Bytes in binary units with three digits: `512 B`, `1.5 KiB`, `12.0 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value >= 100.0 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// Reads an amount of bytes: `4096`, `20k`, `3M`, `2G`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" | "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Date and time of day in UTC: `2026-01-31 23:59:07`; the number itself when it is out of all bounds.
pub fn utc(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(
        |_| milliseconds.to_string(),
        |time| time.strftime("%F %T").to_string(),
    )
}

/// Month, day and minute in UTC: `01-31 23:59`.
pub fn utc_minute(milliseconds: i64) -> String {
    utc(milliseconds).chars().skip(5).take(11).collect()
}

/// Date and time in UTC as links have it: `2026-01-31T23:59:07Z`.
pub(crate) fn utc_link(milliseconds: i64) -> String {
    format!("{}Z", utc(milliseconds).replace(' ', "T"))
}

/// The time of day in UTC: `23:59:07`.
pub fn utc_time(milliseconds: i64) -> String {
    let rest = milliseconds.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// A word as a shell takes it for itself: in quotes where it has anything but plain characters.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:@%+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        for (word, expected) in [
            ("/srv/a-b_c.aurora", "/srv/a-b_c.aurora"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }

    #[test]
    fn hostile_text_is_cleaned() {
        assert_eq!(
            clean("a\u{1b}[31mb\nc\u{202e}d\u{200b}e\u{9b}1m"),
            "a [31mb cde 1m"
        );
        assert_eq!(clean("Grüße 日本"), "Grüße 日本");
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdef", 4), "abc~");
        assert_eq!(fit("日本語", 4), "日~");
        assert_eq!(fit("ab", 0), "");
        assert_eq!(fit_end("abcdef", 4), "~def");
    }

    #[test]
    fn ages_are_whole() {
        for (ms, text) in [
            (-5, "0s"),
            (999, "0s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (3_599_999, "59m"),
            (3_600_000, "1h"),
            (172_799_000, "47h"),
            (172_800_000, "2d"),
        ] {
            assert_eq!(age(ms), text, "{ms}");
        }
    }

    #[test]
    fn ages_change_when_they_are_said_to() {
        for ms in [
            -5,
            0,
            1,
            999,
            1000,
            59_999,
            60_000,
            3_599_999,
            3_600_000,
            172_799_999,
            172_800_001,
        ] {
            let due = age_changes_in(ms);
            assert_ne!(age(ms), age(ms + due), "{ms}");
            assert_eq!(age(ms), age(ms + due - 1), "{ms}");
        }
    }

    #[test]
    fn times_and_sizes() {
        // `date -u -d @951782400` prints Tue Feb 29 00:00:00 2000; @1767225599 is the last second of 2025.
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(utc(1_767_225_599_999), "2025-12-31 23:59:59");
        assert_eq!(utc_time(0), "00:00:00");
        assert_eq!(utc(-1), "1969-12-31 23:59:59");
        for (text, count) in [
            ("4096", Some(4096)),
            ("20k", Some(20_480)),
            ("3MiB", Some(3_145_728)),
            ("99999999999G", None),
            ("G", None),
            ("-1", None),
            ("1.5M", None),
        ] {
            assert_eq!(parse_bytes(text), count, "{text}");
        }
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (12 << 20, "12.0 MiB"),
            (200 << 30, "200 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
