//! Scripts for the core on a machine that only takes notes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::procs::ProcessId;

/// Notes what it is told; coordinators live until the script or a sweep ends them.
#[derive(Debug, Default)]
struct Notes {
    lines: Vec<String>,
    live: BTreeSet<String>,
    refuse: BTreeSet<String>,
    strays: bool,
    full: bool,
}

impl Machine for Notes {
    fn record(&mut self, record: &RunnerCkpt) -> Result<(), WriteError> {
        if self.full {
            return Err(WriteError::TooLong { length: 0 });
        }
        self.lines.push(match record {
            RunnerCkpt::RunnerHeader(_) => "header".to_owned(),
            RunnerCkpt::TaskStatus(status) => status.state.unwrap().to_string(),
            RunnerCkpt::ProcessStatus(status) => {
                let code = status
                    .return_code
                    .map(|code| format!("({code})"))
                    .unwrap_or_default();
                format!(
                    "{}:{}{code}",
                    status.process.as_ref().unwrap(),
                    status.state.unwrap()
                )
            }
        });
        Ok(())
    }

    fn publish_task(&mut self) -> Result<(), WriteError> {
        self.lines.push("published".to_owned());
        Ok(())
    }

    fn finish_task(&mut self) {
        self.lines.push("finished".to_owned());
    }

    fn launch(&mut self, launch: Launch<'_>) -> Result<ProcessStatus, String> {
        let name = launch.process.name.clone();
        if self.refuse.contains(&name) {
            return Err("refused".to_owned());
        }
        self.live.insert(name.clone());
        Ok(ProcessStatus {
            seq: Some(launch.seq),
            process: Some(name),
            state: Some(ProcessState::Forked),
            fork_time: Some(launch.now.into()),
            coordinator_pid: Some(100),
            ..ProcessStatus::default()
        })
    }

    fn drain(&mut self, _: &str) -> Vec<ProcessStatus> {
        Vec::new()
    }

    fn is_live(&self, process: &str) -> bool {
        self.live.contains(process)
    }

    fn terminate(&mut self, process: &str, pid: ProcessId) {
        self.lines.push(format!("term {process} {pid}"));
    }

    fn terminate_strays(&mut self) {
        if self.strays {
            self.lines.push("term strays".to_owned());
        }
    }

    fn has_strays(&self) -> bool {
        self.strays
    }

    fn kill_strays(&mut self) {
        if std::mem::take(&mut self.strays) {
            self.lines.push("kill strays".to_owned());
        }
    }

    fn sweep(&mut self, process: &str, sweep: Sweep) -> bool {
        let alive = self.live.remove(process);
        if sweep == Sweep::Everything {
            self.lines.push(format!("kill {process}"));
        }
        alive
    }
}

const AT_0: Moment = Moment {
    wall: 0.0,
    steady: 0.0,
};

fn core(task: Value) -> Core<Notes> {
    let task = Task::from_json(&task).unwrap();
    let mut core = Core::new(task, 100, Identity { pid: 1, uid: 0 }, Notes::default()).unwrap();
    core.start(RunnerHeader::default(), AT_0).unwrap();
    core
}

/// Plays a script, one step a word: `@5` sets the clock and takes a turn, `p+` RUNNING, `p=0` and so on an end, `p!` a
/// coordinator gone, `p?` one that ended before it was heard of, `kill60`, `lose`, `set-9` the clock on the
/// wall, `stray`, `nostray`. Returns the notes, with the
/// answer of each turn in brackets, `[-]` when it waits for events alone.
fn play(core: &mut Core<Notes>, script: &str) -> String {
    core.machine.lines.clear();
    let mut now = AT_0;
    let mut set_by = 0.0;
    for word in script.split_whitespace() {
        if let Some(time) = word.strip_prefix('@') {
            now.steady = time.parse().unwrap();
            now.wall = now.steady + set_by;
            let turn = core.turn(now).unwrap();
            core.machine.lines.push(match turn {
                Turn::Wait(Duration::MAX) => "[-]".to_owned(),
                Turn::Wait(wait) => format!("[{}]", wait.as_secs_f64()),
                Turn::Over(state) => format!("[{state}]"),
            });
        } else if let Some(wait) = word.strip_prefix("kill") {
            core.kill(Duration::from_secs(wait.parse().unwrap()), now)
                .unwrap();
        } else if let Some(seconds) = word.strip_prefix("set") {
            set_by = seconds.parse().unwrap();
            now.wall = now.steady + set_by;
        } else if word == "lose" {
            core.lose(now).unwrap();
        } else if word == "stray" || word == "nostray" {
            core.machine.strays = word == "stray";
        } else if let Some(name) = word.strip_suffix('+') {
            let update = ProcessStatus {
                start_time: Some(now.wall.into()),
                pid: Some(7),
                ..status(core, name, ProcessState::Running)
            };
            core.observe(name, update, now).unwrap();
        } else if let Some(name) = word.strip_suffix('!') {
            core.machine.live.remove(name);
            core.coordinator_gone(name, now).unwrap();
        } else if let Some(name) = word.strip_suffix('?') {
            core.machine.live.remove(name);
        } else {
            let (name, code) = word.split_once('=').unwrap();
            let code: i32 = code.parse().unwrap();
            let state = match code {
                0 => ProcessState::Success,
                code if code < 0 => ProcessState::Killed,
                _ => ProcessState::Failed,
            };
            let update = ProcessStatus {
                stop_time: Some(now.wall.into()),
                return_code: Some(code),
                ..status(core, name, state)
            };
            core.observe(name, update, now).unwrap();
        }
    }
    core.machine.lines.join(" ")
}

fn status(core: &Core<Notes>, name: &str, state: ProcessState) -> ProcessStatus {
    ProcessStatus {
        seq: Some(core.state().sequence(name) + 1),
        process: Some(name.to_owned()),
        state: Some(state),
        ..ProcessStatus::default()
    }
}

fn process(name: &str) -> Value {
    json!({"name": name, "cmdline": "x"})
}

fn with(mut value: Value, key: &str, more: Value) -> Value {
    value[key] = more;
    value
}

fn one() -> Value {
    json!({"processes": [process("p")]})
}

#[test]
fn the_order_of_the_first_records() {
    let core = core(one());
    assert_eq!(core.machine.lines, ["ACTIVE", "published", "header"]);
}

#[test]
fn scripts() {
    let finalizer = || with(process("f"), "final", json!(true));
    let daemon = with(
        with(process("d"), "daemon", json!(true)),
        "min_duration",
        json!(3),
    );
    for (task, script, expected) in [
        (
            one(),
            "@0 p+ @1 p=0 @2",
            "p:WAITING p:FORKED [60] p:RUNNING [-] p:SUCCESS(0) CLEANING FINALIZING SUCCESS finished [SUCCESS]",
        ),
        (
            one(),
            "@0 p+ p=1 @2",
            "p:WAITING p:FORKED [60] p:RUNNING p:FAILED(1) CLEANING FINALIZING FAILED finished [FAILED]",
        ),
        // A signal is a loss: again after min_duration, which counts from the end.
        (
            one(),
            "@0 p+ @2 p=-9 @3 @7 p+ p=0 @8",
            "p:WAITING p:FORKED [60] p:RUNNING [-] p:KILLED(-9) [4] p:WAITING p:FORKED [60] p:RUNNING p:SUCCESS(0) CLEANING FINALIZING SUCCESS finished [SUCCESS]",
        ),
        // Nothing was heard for a minute; or the coordinator is gone.
        (
            one(),
            "@0 @50 @61 @66",
            "p:WAITING p:FORKED [60] [10] kill p p:LOST [5] p:WAITING p:FORKED [60]",
        ),
        (
            one(),
            "@0 p+ p! @1",
            "p:WAITING p:FORKED [60] p:RUNNING kill p p:LOST [4]",
        ),
        (
            with(
                with(one(), "processes", json!([daemon])),
                "max_failures",
                json!(0),
            ),
            "@0 d+ d=0 @1 @3 d+ d=2 @4",
            "d:WAITING d:FORKED [60] d:RUNNING d:SUCCESS(0) [2] d:WAITING d:FORKED [60] d:RUNNING d:FAILED(2) CLEANING FINALIZING SUCCESS finished [SUCCESS]",
        ),
        (
            json!({"processes": [process("a"), process("b")], "max_concurrency": 1}),
            "@0 a+ a=0 @1 b+ b=0 @2",
            "a:WAITING a:FORKED [60] a:RUNNING a:SUCCESS(0) b:WAITING b:FORKED [60] b:RUNNING b:SUCCESS(0) CLEANING FINALIZING SUCCESS finished [SUCCESS]",
        ),
        (
            json!({"processes": [process("p"), finalizer()]}),
            "@0 p+ p=0 @1 f+ f=1 @2",
            "p:WAITING p:FORKED [60] p:RUNNING p:SUCCESS(0) CLEANING FINALIZING f:WAITING f:FORKED [1] f:RUNNING f:FAILED(1) SUCCESS finished [SUCCESS]",
        ),
        // The whole end, finalizers included, has to fit into finalization_wait.
        (
            json!({"processes": [process("p"), finalizer()], "finalization_wait": 10}),
            "@0 p+ p=0 @1 f+ @10.5 @11",
            "p:WAITING p:FORKED [60] p:RUNNING p:SUCCESS(0) CLEANING FINALIZING f:WAITING f:FORKED [1] f:RUNNING [0.5] SUCCESS kill f f:KILLED(-1) finished [SUCCESS]",
        ),
    ] {
        assert_eq!(play(&mut core(task), script), expected, "{script}");
    }
}

#[test]
fn kills() {
    let pair = json!({"processes": [process("p"), with(process("f"), "final", json!(true))], "finalization_wait": 5});
    for (script, expected) in [
        // SIGTERM, the final plan, KILLED; the current state is on record once more.
        (
            "@0 p+ @1 kill60 @2 p=-15 @3 f+ f=0 @4",
            "p:WAITING p:FORKED [60] p:RUNNING [-] ACTIVE CLEANING term p 7 [1] p:KILLED(-15) FINALIZING f:WAITING f:FORKED [1] f:RUNNING f:SUCCESS(0) KILLED finished [KILLED]",
        ),
        // Its sixty seconds replace finalization_wait, and are its end without a final plan.
        (
            "@0 p+ @1 kill60 @30 @61",
            "p:WAITING p:FORKED [60] p:RUNNING [-] ACTIVE CLEANING term p 7 [1] KILLED kill p p:KILLED(-1) finished [KILLED]",
        ),
        // A second one changes nothing.
        (
            "@0 p+ @1 kill60 kill1 @3",
            "p:WAITING p:FORKED [60] p:RUNNING [-] ACTIVE CLEANING term p 7 [1]",
        ),
        (
            "@0 p+ @1 lose @1",
            "p:WAITING p:FORKED [60] p:RUNNING [-] ACTIVE CLEANING term p 7 LOST kill p p:KILLED(-1) finished [LOST]",
        ),
        // Who had no process yet gets its SIGTERM as soon as it has one.
        (
            "@0 kill60 @1 p+ p=-15 @2",
            "p:WAITING p:FORKED [60] ACTIVE CLEANING [1] p:RUNNING term p 7 p:KILLED(-15) FINALIZING f:WAITING f:FORKED [1]",
        ),
        // Final processes that run already go on, within the new time.
        (
            "@0 p+ p=0 @1 f+ kill60 @6 f=0 @7",
            "p:WAITING p:FORKED [60] p:RUNNING p:SUCCESS(0) CLEANING FINALIZING f:WAITING f:FORKED [1] f:RUNNING FINALIZING [1] f:SUCCESS(0) KILLED finished [KILLED]",
        ),
        // A run whose coordinator is not there any more when the end comes is lost.
        (
            "@0 p+ p? @1 lose @1",
            "p:WAITING p:FORKED [60] p:RUNNING [-] ACTIVE CLEANING term p 7 LOST kill p p:LOST finished [LOST]",
        ),
        // What left its session is told to end, and waited for, but not for long.
        (
            "@0 p+ stray kill60 p=-15 @1 @4 @5 f+ f=0 @6",
            "p:WAITING p:FORKED [60] p:RUNNING ACTIVE CLEANING term strays term p 7 p:KILLED(-15) [1] [1] FINALIZING f:WAITING f:FORKED [1] f:RUNNING f:SUCCESS(0) KILLED kill strays finished [KILLED]",
        ),
        (
            "@0 p+ stray kill60 p=-15 @1 nostray @2",
            "p:WAITING p:FORKED [60] p:RUNNING ACTIVE CLEANING term strays term p 7 p:KILLED(-15) [1] FINALIZING f:WAITING f:FORKED [1]",
        ),
    ] {
        assert_eq!(play(&mut core(pair.clone()), script), expected, "{script}");
    }
}

#[test]
fn failed_processes_end_the_task_at_the_limit() {
    let three = |limit: i64| json!({"processes": [process("a"), process("b"), process("c")], "max_failures": limit});
    let script = "@0 a+ b+ c+ a=1 @1 b=1 @2";
    let started = "a:WAITING a:FORKED b:WAITING b:FORKED c:WAITING c:FORKED [60] a:RUNNING b:RUNNING c:RUNNING a:FAILED(1)";
    for (limit, expected) in [
        (1, "CLEANING term b 7 term c 7 [1] b:FAILED(1) [1]"),
        (2, "[-] b:FAILED(1) CLEANING term c 7 [1]"),
        (0, "[-] b:FAILED(1) [-]"),
    ] {
        assert_eq!(
            play(&mut core(three(limit)), script),
            format!("{started} {expected}"),
            "max_failures {limit}"
        );
    }
}

#[test]
fn a_process_that_cannot_be_launched_has_failed() {
    let mut core = core(one());
    core.machine.refuse.insert("p".to_owned());
    assert_eq!(
        play(&mut core, "@0"),
        "p:WAITING p:FAILED CLEANING FINALIZING FAILED finished [FAILED]"
    );
}

#[test]
fn what_a_coordinator_may_not_write_changes_nothing() {
    let mut core = core(json!({"processes": [process("p"), process("q")]}));
    core.turn(AT_0).unwrap();
    let before = core.state().clone();
    let odd = [
        status(&core, "q", ProcessState::Running),
        status(&core, "p", ProcessState::Lost),
        status(&core, "p", ProcessState::Success),
        ProcessStatus {
            seq: Some(9),
            ..status(&core, "p", ProcessState::Running)
        },
        ProcessStatus {
            seq: Some(1),
            ..status(&core, "p", ProcessState::Running)
        },
        ProcessStatus::default(),
    ];
    for update in odd {
        core.observe("p", update.clone(), AT_0).unwrap();
        assert_eq!(*core.state(), before, "{update:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_not_a_panic() {
    let mut core = core(one());
    core.machine.full = true;
    assert!(matches!(core.turn(AT_0), Err(CoreError::Write(_))));
}

/// Whatever is done to the clock on the wall, waits take as long as they should; what it says goes on record.
#[test]
fn a_clock_that_is_set_changes_no_wait() {
    let task = json!({"processes": [process("p"), with(process("f"), "final", json!(true))], "finalization_wait": 10});
    let daemon = with(process("p"), "daemon", json!(true));
    let daemon = json!({"processes": [with(daemon, "min_duration", json!(3600))]});
    for (task, script) in [
        // After a loss, five seconds to the next run; after a kill, sixty to the end.
        (&task, "@0 p+ @2 p=-9 SET @3 @7 p+ p=0 @8 SET @9 @18"),
        (&task, "@0 p+ @1 kill60 SET @30 @61"),
        // A run that is never heard of, strays, and final processes that take too long.
        (&task, "@0 SET @50 @61"),
        (&task, "@0 p+ stray kill60 p=-15 @1 SET @4 @5"),
        (&task, "@0 p+ p=0 @1 f+ SET @10.5 @11"),
        // An hour between the runs of a daemon.
        (&daemon, "@0 p+ p=0 @1 SET @2 @3599 @3600 p+"),
    ] {
        let expected = play(&mut core(task.clone()), &script.replace("SET ", ""));
        for hours in [-24, -3, 3, 24] {
            let script = script.replace("SET", &format!("set{}", hours * 3600));
            assert_eq!(play(&mut core(task.clone()), &script), expected, "{script}");
        }
    }
    let mut core = core(one());
    play(&mut core, "@0 p+ set86400 @1 p=-9 lose @1");
    let ended = core.state().statuses.last().unwrap().timestamp_ms;
    assert_eq!(ended, Some(86_401_000));
}
