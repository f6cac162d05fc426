//! Waiting for conditions.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long a test waits for something that takes moments on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is `Ok`; after the deadline the last `Err` is in the panic.
///
/// # Panics
/// At the deadline.
pub fn until_within<T, E: Display>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) if Instant::now() >= deadline => {
                panic!("{what}: not within {patience:?}; last seen: {last}")
            }
            Err(_) => pause(),
        }
    }
}

/// [`until_within`] the usual patience.
pub fn until<T, E: Display>(what: &str, ask: impl FnMut() -> Result<T, E>) -> T {
    until_within(what, PATIENCE, ask)
}

/// Whether a condition holds before the deadline, for what must not panic.
pub fn holds_within(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause();
    }
}

/// Between two looks at a condition.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place where a test pauses: between two looks at a condition with a deadline"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20)); // poll
}
