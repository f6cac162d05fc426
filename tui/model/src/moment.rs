//! Points in time as people type them.

use crate::logs::stamp::stamp;

/// Reads a point in time: `14:05`, `14:05:30`, `2026-01-02T03:04:05Z`, `10m` (so long ago), `+5m` or `-5m` (from `here_ms`),
/// `now`. Times without a zone are UTC, times of day of the last 24 hours.
///
/// # Errors
/// What can be written.
pub fn moment(text: &str, now_ms: i64, here_ms: i64) -> Result<i64, String> {
    let fault = || {
        format!(
            "`{text}` is not a time; write 14:05, 2026-01-02T14:05:00Z, 10m (ago), +5m, -5m or now"
        )
    };
    if text == "now" {
        return Ok(now_ms);
    }
    if let Some(ahead) = text.strip_prefix('+') {
        return Ok(here_ms.saturating_add(duration(ahead).ok_or_else(fault)?));
    }
    if let Some(back) = text.strip_prefix('-') {
        return Ok(here_ms.saturating_sub(duration(back).ok_or_else(fault)?));
    }
    if let Some(ago) = duration(text) {
        return Ok(now_ms.saturating_sub(ago));
    }
    let whole = match text.len() {
        5 => format!("{text}:00"),
        _ => text.to_owned(),
    };
    stamp(&whole, now_ms).ok_or_else(fault)
}

/// Reads a duration: a number with `s`, `m`, `h` or `d`, in milliseconds.
pub fn duration(text: &str) -> Option<i64> {
    let digits = text.strip_suffix(['s', 'm', 'h', 'd'])?;
    let unit = match text.as_bytes().last()? {
        b's' => 1000,
        b'm' => 60_000,
        b'h' => 3_600_000,
        _ => 86_400_000,
    };
    digits
        .parse::<u32>()
        .ok()
        .map(|count| i64::from(count) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        // `date -u -d '2026-01-02 03:04:05' +%s` prints 1767323045.
        let now = 1_767_323_045_000;
        let here = now - 600_000;
        for (text, expected) in [
            ("now", Some(now)),
            ("10m", Some(now - 600_000)),
            ("+90s", Some(here + 90_000)),
            ("-1h", Some(here - 3_600_000)),
            ("03:04", Some(now - 5_000)),
            ("03:00:05", Some(now - 240_000)),
            ("04:00", Some(now + 3_355_000 - 86_400_000)),
            ("2026-01-02T03:04:05Z", Some(now)),
            ("2026-01-01 03:04:05", Some(now - 86_400_000)),
            ("noon", None),
            ("5", None),
            ("+5", None),
            ("99999999999d", None),
            ("", None),
        ] {
            assert_eq!(moment(text, now, here).ok(), expected, "{text}");
        }
    }
}
