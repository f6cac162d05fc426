//! Waits: for news of the runner, and for a time to pass.
#![allow(
    unsafe_code,
    reason = "tokio takes foreign descriptors through an unsafe function only"
)]

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use aurora_thermos::TaskRunner;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The runner's descriptor, known to the event loop.
pub(crate) struct Wake(AsyncFd<OwnedFd>);

impl Wake {
    pub(crate) fn new(runner: &mut TaskRunner) -> io::Result<Self> {
        listen(runner.wake_fd().try_clone_to_owned()?).map(Self)
    }

    /// Comes back when there is news, and after `longest` in any case.
    pub(crate) async fn wait(&self, longest: Duration) {
        match tokio::time::timeout(longest, self.0.readable()).await {
            // The runner's turn, which comes next, takes what is there.
            Ok(Ok(mut guard)) => guard.clear_ready(),
            Ok(Err(error)) => tracing::error!(%error, "cannot hear of the runner any more"),
            Err(_) => {}
        }
    }
}

/// Waits that long, and costs one wake-up however long that is. A timer of tokio wakes its thread up to four times on the way to
/// the next minute, once for each level of its wheel: in an executor whose task does nothing, nearly all wake-ups there are.
pub(crate) async fn pause(length: Duration) {
    if let Err(error) = alarm(length).await {
        tracing::debug!(%error, "no timer from the kernel");
        tokio::time::sleep(length).await;
    }
}

async fn alarm(length: Duration) -> io::Result<()> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
    // Nothing at all would turn it off.
    let length = TimeSpec::from_duration(length.max(Duration::from_nanos(1)));
    timer.set(Expiration::OneShot(length), TimerSetTimeFlags::empty())?;
    listen(timer.into())?.readable().await.map(drop)
}

/// Makes a descriptor known to the event loop.
fn listen(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the AsyncFd alone, which closes it only after it was taken off the event loop;
    // an OwnedFd names the same open descriptor all its life.
    let listening = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    listening.map_err(|error| error.into_parts().1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// How often this thread has waited for something.
    fn waits() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    #[tokio::test]
    async fn a_pause_is_one_wake_up() {
        pause(Duration::ZERO).await;
        let (length, before, begun) = (Duration::from_millis(101), waits(), Instant::now());
        for _ in 0..4 {
            pause(length).await;
        }
        assert!(begun.elapsed() >= 4 * length);
        // Timers of tokio need two for each, since a tenth of a second takes two levels of their wheel.
        let waited = waits() - before;
        assert!((4..7).contains(&waited), "{waited}");
    }
}
