//! E5: restarts, and the records of a great many of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aurora_api::thermos::{ProcessState, ProcessStatus, RunnerCkpt, RunnerHeader};
use aurora_tests::figures::{Figures, rounded};
use aurora_thermos::checkpoint::Writer;
use aurora_thermos::core::Turn;
use aurora_thermos::isolation::Isolation;
use aurora_thermos::logs::LogDefaults;
use aurora_thermos::procs::{self, Exemptions};
use aurora_thermos::schema::Task;
use aurora_thermos::{Settings, TaskRunner, state};
use serde_json::json;

/// A process that ends after 10 ms and is started again at once, without the executor's limit of a hundred runs.
pub(crate) fn restarts(figures: &mut Figures, program: &Path) {
    let time = Duration::from_secs(if figures.smoke { 2 } else { 60 });
    let dir = tempfile::tempdir().unwrap();
    let sandbox = dir.path().join("sandbox");
    fs::create_dir(&sandbox).unwrap();
    let process = json!({
        "name": "p", "cmdline": "read -t 0.01 <> <(:)", "daemon": true, "min_duration": 0, "max_failures": 0,
    });
    let mut runner = TaskRunner::start(Settings {
        task: Task::from_json(&json!({"processes": [process]})).unwrap(),
        task_id: "task-1".into(),
        checkpoint_root: dir.path().join("checkpoints"),
        sandbox,
        log_dir: None,
        hostname: "h".into(),
        ports: BTreeMap::new(),
        user: None,
        isolation: Isolation::default(),
        image: None,
        preserve_environment: false,
        secrets: Vec::new(),
        logging: LogDefaults::default(),
        run_limit: u32::MAX,
        program: program.to_owned(),
        exemptions: Exemptions::default(),
    })
    .unwrap();
    let begin = Instant::now();
    while begin.elapsed() < time {
        turn(&mut runner, Duration::from_secs(1));
    }
    let runs = runner.state().processes["p"].len();
    runner.lose().unwrap();
    while turn(&mut runner, Duration::from_secs(1)) {}
    let stream = dir.path().join("checkpoints/checkpoints/task-1/runner");
    let bytes = fs::metadata(stream).unwrap().len();
    figures.line(&json!({
        "id": "E5", "input": format!("restarts of a process of 10 ms for {} s", time.as_secs()), "unit": "1/s",
        "value": rounded(runs as f64 / time.as_secs_f64()), "runs": runs, "syncs_per_restart": 0,
        "bytes_per_run": rounded(bytes as f64 / runs as f64),
        "bytes_at_the_limit_of_100_runs": (bytes as f64 / runs as f64 * 100.0).round(),
    }));
}

/// Whether the task goes on.
fn turn(runner: &mut TaskRunner, longest: Duration) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    match runner.turn().unwrap() {
        Turn::Over(_) => false,
        Turn::Wait(wait) => {
            let millis = u16::try_from(wait.min(longest).as_millis()).unwrap();
            let descriptor = PollFd::new(runner.wake_fd(), PollFlags::POLLIN);
            poll(&mut [descriptor], PollTimeout::from(millis)).unwrap();
            true
        }
    }
}

/// Reading a stream to its end, as everybody does who comes to know a task.
pub(crate) fn recovery(figures: &mut Figures) {
    let mut growth = Vec::new();
    for &megabytes in figures.sizes(&[1, 10, 100]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner");
        fill(&path, megabytes * 1_000_000);
        let mut samples = Vec::new();
        for _ in 0..3 {
            let begin = Instant::now();
            let (known, _) = state::read_stream(&path).unwrap();
            samples.push(begin.elapsed().as_secs_f64() * 1000.0);
            assert!(known.processes["p"].len() > 1000);
        }
        let what = format!("a stream of {megabytes} MB read to its end");
        growth.push((megabytes, figures.spread("E5", &what, "ms", samples)));
    }
    figures.growth("E5", "time against the length of a stream", &growth);
}

fn fill(path: &Path, bytes: usize) {
    let mut writer = Writer::lock(path).unwrap();
    let header = RunnerHeader {
        task_id: Some("task-1".into()),
        ..RunnerHeader::default()
    };
    writer.write(&RunnerCkpt::RunnerHeader(header)).unwrap();
    let me = std::process::id().cast_signed();
    assert!(procs::is_alive(me));
    let mut seq = 0;
    while writer.len().unwrap() < bytes as u64 {
        for state in [
            ProcessState::Waiting,
            ProcessState::Forked,
            ProcessState::Running,
            ProcessState::Success,
        ] {
            let status = ProcessStatus {
                seq: Some(seq),
                process: Some("p".into()),
                state: Some(state),
                pid: (state == ProcessState::Running).then_some(me),
                start_time: (state == ProcessState::Running).then(|| 1.7e9.into()),
                fork_time: (state == ProcessState::Forked).then(|| 1.7e9.into()),
                coordinator_pid: (state == ProcessState::Forked).then_some(me),
                stop_time: (state == ProcessState::Success).then(|| 1.7e9.into()),
                return_code: (state == ProcessState::Success).then_some(0),
            };
            seq += 1;
            writer.write(&RunnerCkpt::ProcessStatus(status)).unwrap();
        }
    }
}
