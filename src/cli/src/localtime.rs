//! Times as upstream shows them: local time, seconds.

#![allow(
    unsafe_code,
    reason = "the C library alone knows the local time zone's rules"
)]

/// `YYYY-MM-DD HH:MM:SS` in local time; the number itself when it is out of all bounds.
pub(crate) fn format(millis: i64) -> String {
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
