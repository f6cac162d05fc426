//! How much of something may be in use at a time.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes are counted in units of this size, rounded up: a semaphore counts to 2^32 at a time.
const UNIT: usize = 1 << 10;

/// An amount of memory that is shared out; whoever takes some gives it back by dropping it.
pub(crate) struct Budget(Semaphore);

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Budget {
        Budget(Semaphore::new(
            (units(bytes) as usize).min(Semaphore::MAX_PERMITS),
        ))
    }

    /// Waits until there is so much, first come, first served. More than the whole is never given.
    pub(crate) async fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.0.acquire_many(units(bytes)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_shared_out_and_comes_back() {
        let budget = Budget::new(10 * UNIT);
        let large = budget.take(9 * UNIT).await;
        let small = budget.take(1).await;
        let waiting = budget.take(2 * UNIT);
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there is no room"),
            () = tokio::task::yield_now() => {}
        }
        drop(large);
        assert!(waiting.await.is_some());
        drop(small);
    }
}
