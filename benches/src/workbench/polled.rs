//! V1 against an Apache Aurora scheduler, which has neither a feed nor pages: all job summaries are asked for again and again.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use aurora_api::message::{Protocol, decode_call, encode_reply};
use aurora_api::model::{
    AssignedTask, ExecutorConfig, JobConfiguration, JobKey, JobStats, JobSummary, JobSummaryResult,
    Response, ResponseCode, Result as Answer, ScheduleStatus, ScheduleStatusResult, ScheduledTask,
    TaskConfig, TaskEvent,
};
use aurora_api::service::Call;

use super::start;
use crate::measure::{Figure, Suite};

/// Tasks of each job, and of the one that is looked into.
const TASKS: usize = 100;
/// Answers after which it is measured: the first one is held when the next one comes.
const POLLS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);

/// Jobs, the place that is opened, tasks of a job that is asked for.
const CLUSTERS: &[(&str, usize, &str, usize)] = &[
    ("1,000,000 tasks: 10,000 jobs", 10_000, "jobs", 0),
    (
        "1,000,000 tasks: 10,000 jobs, one of 4,000 tasks shown",
        10_000,
        "instances/role-0/prod/job-0000000",
        4_000,
    ),
    ("1,000,000 tasks: 100,000 jobs", 100_000, "jobs", 0),
    (
        "1,000,000 tasks: 10,000 jobs, all tasks of one job shown",
        10_000,
        "instances/role-0/prod/job-0000000",
        1_000_000,
    ),
];

/// What the program holds at most.
pub(crate) fn polled(suite: &Suite) -> Vec<Figure> {
    let Some(program) = start::program() else {
        return Vec::new();
    };
    let measure = |(what, jobs, place, tasks): &(&str, usize, &str, usize)| {
        let held = once(&program, *jobs, place, *tasks).unwrap_or_else(|error| {
            println!("V1    {what}: {error}");
            f64::NAN
        });
        let what = format!("Apache Aurora, {what}, at most resident");
        Figure::new("V1", what, "process").bytes(held)
    };
    suite.axis(CLUSTERS).iter().map(measure).collect()
}

fn once(program: &Path, jobs: usize, place: &str, tasks: usize) -> std::io::Result<f64> {
    let (asked, polls) = mpsc::sync_channel(2 * POLLS);
    let cluster = Cluster {
        summaries: reply(&Call::GetJobSummary(Default::default()), summaries(jobs)),
        tasks,
        asked,
    };
    let serve = move |stream: TcpStream| {
        // Whoever asks may be gone.
        let _ = cluster.serve(stream);
    };
    let open = format!("--open aurora://c/{place}");
    let (running, mut screen, _home) = start::run(program, Box::new(serve), &open)?;
    std::thread::spawn(move || std::io::copy(&mut screen, &mut std::io::sink()));
    for _ in 0..=POLLS {
        let late = |error| std::io::Error::other(format!("no further poll: {error}"));
        polls.recv_timeout(PATIENCE).map_err(late)?;
    }
    Ok(start::of_child(&running, "VmHWM:"))
}

struct Cluster {
    summaries: Vec<u8>,
    tasks: usize,
    /// Is told of every poll.
    asked: mpsc::SyncSender<()>,
}

impl Cluster {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend_from_slice(&byte);
        }
        let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
        if !text.starts_with("post /api") {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        }
        let length = text.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body)?;
        let call = decode_call(Protocol::Binary, &body)
            .ok()
            .and_then(|request| request.call);
        let made;
        let body = match &call {
            Some(call @ Call::GetTasksWithoutConfigs(asks)) => {
                let query = asks.query.clone().unwrap_or_default();
                let skipped = usize::try_from(query.offset.unwrap_or(0)).unwrap_or(0);
                let most = query
                    .limit
                    .map_or(self.tasks, |limit| usize::try_from(limit).unwrap_or(0));
                let range = skipped..self.tasks.min(skipped + most);
                made = reply(call, tasks(range));
                &made
            }
            _ => {
                // Once it was measured nobody counts.
                let _ = self.asked.try_send(());
                &self.summaries
            }
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)
    }
}

fn reply(call: &Call, result: Answer) -> Vec<u8> {
    let response = Response {
        response_code: ResponseCode::Ok,
        result: Some(result),
        ..Response::default()
    };
    encode_reply(Protocol::Binary, call.method(), 0, &response)
}

/// A job's configuration; that of every third one is fat.
fn config(at: usize) -> TaskConfig {
    let size = if at.is_multiple_of(3) { 10_000 } else { 1_500 };
    TaskConfig {
        job: JobKey {
            role: format!("role-{}", at % 50),
            environment: "prod".to_owned(),
            name: format!("job-{at:07}"),
        },
        is_service: true,
        tier: Some("preferred".to_owned()),
        executor_config: Some(ExecutorConfig {
            name: Some("AuroraExecutor".to_owned()),
            data: Some("x".repeat(size)),
        }),
        ..TaskConfig::default()
    }
}

fn summaries(jobs: usize) -> Answer {
    let summary = |at: usize| {
        let task_config = config(at);
        JobSummary {
            job: JobConfiguration {
                key: task_config.job.clone(),
                task_config,
                instance_count: 100,
                ..JobConfiguration::default()
            },
            stats: JobStats {
                active_task_count: i32::try_from(TASKS).unwrap_or(i32::MAX),
                ..JobStats::default()
            },
            next_cron_run_ms: None,
        }
    };
    Answer::JobSummaryResult(JobSummaryResult {
        summaries: (0..jobs).map(summary).collect(),
    })
}

fn tasks(range: std::ops::Range<usize>) -> Answer {
    let config = TaskConfig {
        executor_config: None,
        ..config(0)
    };
    let events = |at: i64| {
        use ScheduleStatus::{Assigned, Pending, Running, Starting};
        let event = |(age, status)| TaskEvent {
            timestamp: 1_767_323_045_000 + at + age,
            status,
            ..TaskEvent::default()
        };
        let states = [(0, Pending), (5, Assigned), (60, Starting), (900, Running)];
        states.map(event).to_vec()
    };
    let task = |at: usize| ScheduledTask {
        assigned_task: AssignedTask {
            task_id: format!("role-0-prod-job-0000000-{at}-9d8a7c3e-1111-4222-8333-444455556666"),
            slave_id: Some(format!("9d8a7c3e-1111-4222-8333-444455556666-S{at}")),
            slave_host: Some(format!("host-{:05}.example.com", at % 10_000)),
            task: config.clone(),
            assigned_ports: BTreeMap::from([("http".to_owned(), 31_000)]),
            instance_id: i32::try_from(at).unwrap_or(i32::MAX),
        },
        status: ScheduleStatus::Running,
        task_events: events(i64::try_from(at).unwrap_or(0)),
        ..ScheduledTask::default()
    };
    Answer::ScheduleStatusResult(ScheduleStatusResult {
        tasks: range.map(task).collect(),
    })
}
