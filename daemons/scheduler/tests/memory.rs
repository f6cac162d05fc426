//! What a running task costs in memory, counted by the allocator, so that the machine's load does not matter.
//!
//! This is a program of its own with one test, because everything that its process allocates is counted.

#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written so"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

#[path = "support/running.rs"]
mod running;

use running::{TASKS_PER_JOB, running};

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// What the allocator of the C library takes for so many bytes: 8 more, in steps of 16.
fn taken(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16)
}

// SAFETY: all work is the system's allocator's; a counter is no part of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(taken(layout), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(taken(layout), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes a task of a core that took over so many jobs.
fn bytes_per_task(jobs: usize) -> usize {
    let before = IN_USE.load(Ordering::Relaxed);
    let core = running(jobs);
    let tasks = core.store().read().task_count();
    assert_eq!(tasks, jobs * TASKS_PER_JOB);
    (IN_USE.load(Ordering::Relaxed) - before) / tasks
}

#[test]
fn a_running_task_takes_no_more_than_256_bytes() {
    let (few, many) = (bytes_per_task(4), bytes_per_task(40));
    assert!(many <= 256, "{many} bytes a task");
    assert!(few <= 280, "{few} bytes a task with few tasks");
}
