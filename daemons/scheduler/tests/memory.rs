//! What a running task costs in memory, counted by the allocator, so that the machine's load does not matter.
//!
//! This is a program of its own with one test, because everything that its process allocates is counted.

#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written so"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use aurora_api::model::{JobKey, Range, ScheduleStatus, TaskConfig};
use aurora_scheduler::core::store::ConfigId;
use aurora_scheduler::core::{Change, Config, Core, Op, Store};

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

const TASKS_PER_JOB: i32 = 1_000;
const TASKS_PER_HOST: usize = 100;

/// A job of running tasks, spread over hosts.
fn run_job(store: &mut Store, number: usize) {
    let id = ConfigId(number as u64);
    let config = TaskConfig {
        job: JobKey::new("www-data", "prod", &format!("service-{number}")),
        is_service: true,
        ..TaskConfig::default()
    };
    let insert = Op::InsertTasks {
        config: id,
        instances: vec![Range {
            first: 0,
            last: TASKS_PER_JOB - 1,
        }],
        seed: number as u128,
        time: 1,
    };
    let add = Op::AddConfig {
        id,
        config: config.into(),
    };
    store.apply(&add).expect("the ops are in order");
    for (at, change) in store
        .apply(&insert)
        .expect("the ops are in order")
        .into_iter()
        .enumerate()
    {
        let Change::Task { id: task, .. } = change else {
            continue;
        };
        let host = (number * TASKS_PER_JOB as usize + at) / TASKS_PER_HOST;
        let status = |status| Op::SaveStatus {
            task: task.clone(),
            status,
            message: None,
            time: 3,
        };
        let ops = [
            Op::Assign {
                task: task.clone(),
                agent: format!("agent-{host}").into(),
                host: format!("host-{host}").into(),
                ports: Vec::new(),
                time: 2,
            },
            status(ScheduleStatus::Starting),
            status(ScheduleStatus::Running),
        ];
        for op in ops {
            store.apply(&op).expect("the ops are in order");
        }
    }
}

/// Bytes a task of a core that took over so many jobs.
fn bytes_per_task(jobs: usize) -> usize {
    let before = IN_USE.load(Ordering::Relaxed);
    let mut store = Store::default();
    for number in 0..jobs {
        run_job(&mut store, number);
    }
    let (core, step) = Core::recover(Config::default(), store, 4);
    drop(step);
    let tasks = core.store().read().task_count();
    assert_eq!(tasks, jobs * TASKS_PER_JOB as usize);
    (IN_USE.load(Ordering::Relaxed) - before) / tasks
}

#[test]
fn a_running_task_takes_no_more_than_256_bytes() {
    let (few, many) = (bytes_per_task(4), bytes_per_task(40));
    assert!(many <= 256, "{many} bytes a task");
    assert!(few <= 280, "{few} bytes a task with few tasks");
}
