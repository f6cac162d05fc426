//! Waits for news of the runner.
#![allow(
    unsafe_code,
    reason = "tokio takes foreign descriptors through an unsafe function only"
)]

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use aurora_thermos::TaskRunner;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The runner's descriptor, known to the event loop.
pub(crate) struct Wake(AsyncFd<OwnedFd>);

impl Wake {
    pub(crate) fn new(runner: &mut TaskRunner) -> io::Result<Self> {
        let descriptor = runner.wake_fd().try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by the AsyncFd alone, which closes it only after it was taken off the event loop;
        // an OwnedFd names the same open descriptor all its life.
        let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        registered.map(Self).map_err(|error| error.into_parts().1)
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
