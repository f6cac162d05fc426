//! What a running task costs in memory, counted by the allocator, so that the machine's load does not matter.
//!
//! This is a program of its own with one test, because everything that its process allocates is counted.

#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written so"
)]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/running.rs"]
mod running;

use counting::in_use;
use running::{TASKS_PER_JOB, running};

/// Bytes a task of a core that took over so many jobs.
fn bytes_per_task(jobs: usize) -> usize {
    let before = in_use();
    let core = running(jobs);
    let tasks = core.store().read().task_count();
    assert_eq!(tasks, jobs * TASKS_PER_JOB);
    (in_use() - before) / tasks
}

#[test]
fn a_running_task_takes_no_more_than_256_bytes() {
    let (few, many) = (bytes_per_task(4), bytes_per_task(40));
    assert!(many <= 256, "{many} bytes a task");
    assert!(few <= 280, "{few} bytes a task with few tasks");
}
