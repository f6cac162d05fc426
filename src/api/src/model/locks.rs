//! Locks: inert since Aurora 0.20, decoded so that old data can be read.

use super::*;

union! {
    /// What a lock is for (deprecated, inert).
    LockKey {
        1 => Job(JobKey) as "job",
    }
}

r#struct! {
    /// A lock (deprecated, inert).
    Lock {
        1 => key: Option<LockKey> as "key",
        2 => token: String as "token",
        3 => user: String as "user",
        4 => timestamp_ms: i64 as "timestampMs",
        5 => message: Option<String> as "message",
    }
}
