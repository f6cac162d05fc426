//! Times as upstream shows them, in whole seconds: those of tasks local, those of updates UTC.

use jiff::Timestamp;

/// `YYYY-MM-DD HH:MM:SS` in local time; the number itself when it is out of all bounds.
#[allow(
    unsafe_code,
    reason = "the C library alone knows the local time zone's rules"
)]
pub(crate) fn local(millis: i64) -> String {
    let seconds: libc::time_t = millis.div_euclid(1000);
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; all-zero bytes are a valid `tm` (integers and a null pointer).
    let done = unsafe { libc::localtime_r(&seconds, parts.as_mut_ptr()) };
    if done.is_null() {
        return millis.to_string();
    }
    // SAFETY: it was zeroed above and filled by a call that succeeded.
    let tm = unsafe { parts.assume_init() };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        i64::from(tm.tm_year) + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec
    )
}

/// `2009-02-13T23:31:30`: UTC, whole seconds; the number itself when it is out of all bounds.
pub(crate) fn utc(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(
        |_| millis.to_string(),
        |time| time.strftime("%FT%T").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_updates_are_utc() {
        // date -u -d @SECONDS +%FT%T
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00"),
            (1_234_567_890_999, "2009-02-13T23:31:30"),
            (951_782_400_000, "2000-02-29T00:00:00"),
            (4_107_542_399_000, "2100-02-28T23:59:59"),
            (4_107_542_400_000, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(utc(millis), expected);
        }
    }
}
