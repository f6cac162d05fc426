//! Checkpoint records of the executor (aurora: `api/src/main/thrift/org/apache/thermos/thermos_internal.thrift`).

use std::collections::BTreeMap;

use crate::tables::{enumeration, r#struct, union};
use crate::wire::Double;

enumeration! {
    /// A process run's state.
    ProcessState {
        Waiting = 0 as "WAITING",
        Forked = 1 as "FORKED",
        Running = 2 as "RUNNING",
        Success = 3 as "SUCCESS",
        Killed = 4 as "KILLED",
        Failed = 5 as "FAILED",
        Lost = 6 as "LOST",
    }
}

enumeration! {
    /// A task's state on its machine.
    TaskState {
        Active = 0 as "ACTIVE",
        Success = 1 as "SUCCESS",
        Failed = 2 as "FAILED",
        Killed = 3 as "KILLED",
        Lost = 4 as "LOST",
        Cleaning = 5 as "CLEANING",
        Finalizing = 6 as "FINALIZING",
    }
}

r#struct! {
    /// One transition of a process run: only the fields of that transition are set. Times are seconds since 1970.
    ProcessStatus {
        1 => seq: Option<i64> as "seq",
        3 => process: Option<String> as "process",
        5 => state: Option<ProcessState> as "state",
        6 => start_time: Option<Double> as "start_time",
        7 => pid: Option<i32> as "pid",
        8 => stop_time: Option<Double> as "stop_time",
        9 => return_code: Option<i32> as "return_code",
        10 => coordinator_pid: Option<i32> as "coordinator_pid",
        11 => fork_time: Option<Double> as "fork_time",
    }
}

r#struct! {
    /// A change of the task's state.
    TaskStatus {
        1 => state: Option<TaskState> as "state",
        2 => timestamp_ms: Option<i64> as "timestamp_ms",
        3 => runner_pid: Option<i32> as "runner_pid",
        4 => runner_uid: Option<i32> as "runner_uid",
    }
}

r#struct! {
    /// Where and as whom a task runs.
    RunnerHeader {
        1 => task_id: Option<String> as "task_id",
        2 => launch_time_ms: Option<i64> as "launch_time_ms",
        3 => sandbox: Option<String> as "sandbox",
        4 => hostname: Option<String> as "hostname",
        5 => user: Option<String> as "user",
        6 => ports: Option<BTreeMap<String, i64>> as "ports",
        7 => log_dir: Option<String> as "log_dir",
        8 => uid: Option<i32> as "uid",
    }
}

union! {
    /// One record of a checkpoint stream.
    RunnerCkpt {
        1 => RunnerHeader(RunnerHeader) as "runner_header",
        2 => ProcessStatus(ProcessStatus) as "process_status",
        3 => TaskStatus(TaskStatus) as "task_status",
    }
}

r#struct! {
    /// What a whole stream adds up to.
    RunnerState {
        1 => header: Option<RunnerHeader> as "header",
        2 => statuses: Vec<TaskStatus> as "statuses",
        3 => processes: BTreeMap<String, Vec<ProcessStatus>> as "processes",
    }
}
