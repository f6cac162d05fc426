//! A job of 200,000 instances: what is fetched of it, by a screen and without one. Rows are made when they are asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurora_api::feed::{Counted, Event as TaskEvent, Line, SnapshotPart, TaskRecord};
use aurora_api::model::ScheduleStatus;
use aurora_tui_model::event::Event;
use aurora_tui_model::state::State;
use aurora_tui_model::store::Tells;

use super::exec;
use super::fake::{NOW, job, mark, seq};
use super::link::Bench;
use super::pages::{data, hello, page_of};
use super::polling::target;
use super::scheduler::{Reply, Server};
use crate::args::Form;
use crate::cluster::Cluster;
use crate::crew::Crew;
use crate::headless::{self, Errand};
use crate::tests::member;

const TASKS: usize = 200_000;
/// More than are told, and several pages.
const MANY: usize = 12_000;
const BIG: &str = "www/prod/big";

/// A task as large as they are.
fn record(instance: usize) -> TaskRecord {
    let event = |status: ScheduleStatus| TaskEvent {
        time_ms: NOW,
        status,
        message: None,
    };
    let steps = [
        ScheduleStatus::Pending,
        ScheduleStatus::Assigned,
        ScheduleStatus::Starting,
        ScheduleStatus::Running,
    ];
    TaskRecord {
        seq: seq(5),
        task_id: format!("www-prod-big-{instance}-3c1fd1b8-6e3c-4e2c-9b8e-6f6f6d1f2a3b"),
        job: BIG.parse().unwrap(),
        instance: i32::try_from(instance).unwrap(),
        status: ScheduleStatus::Running,
        host: Some(format!("host-{instance}.example.org")),
        agent_id: Some("3c1fd1b8-6e3c-4e2c-9b8e-6f6f6d1f2a3b-S17".to_owned()),
        ports: [("http".to_owned(), 31_000)].into(),
        failure_count: 0,
        ancestor: None,
        config: "c1".to_owned(),
        events: steps.map(event).into(),
    }
}

/// What a topic begins with.
fn snapshot_of(topic: &str, count: usize) -> Vec<Line> {
    let tasks = u32::try_from(count).unwrap();
    let told = match Tells::of(topic) {
        Tells::Job(_) => vec![Line::Counted(Counted {
            topic: topic.to_owned(),
            seq: seq(5),
            tasks: count as u64,
        })],
        Tells::Instances(_, wanted) => {
            let wanted = wanted.into_iter().map(|at| usize::try_from(at).unwrap());
            wanted.map(|at| Line::Task(record(at))).collect()
        }
        _ => vec![job(BIG, &[(ScheduleStatus::Running, tasks)], 0)],
    };
    let marks = [SnapshotPart::Begin, SnapshotPart::End].map(|part| mark(topic, part));
    let [begin, end] = marks;
    [begin].into_iter().chain(told).chain([end]).collect()
}

/// A scheduler that counts the bytes that it sends. Topics come one list after the other.
fn large(sent: &Arc<AtomicUsize>, count: usize) -> Server {
    let sent = sent.clone();
    let (wanted, lists): (Sender<Vec<String>>, Receiver<Vec<String>>) = channel();
    let lists = Arc::new(Mutex::new(lists));
    Server::start(move |request| {
        let sent = sent.clone();
        if request
            .target
            .starts_with("/ext/v1/instances/www/prod/big?")
        {
            let body = match request.target.contains("unless=") {
                true => r#"{"seq":"5.0","unchanged":true}"#.to_owned(),
                false => page_of(request, count, |at| serde_json::json!(record(at))),
            };
            sent.fetch_add(body.len(), Ordering::SeqCst);
            return Reply::Full(200, Vec::new(), body.into_bytes());
        }
        if request.target.starts_with("/ext/v1/events/f/topics") {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let topics = serde_json::from_value(body["topics"].clone()).unwrap();
            wanted.send(topics).unwrap();
            return Reply::Full(200, Vec::new(), b"{}".to_vec());
        }
        if !request.target.starts_with("/ext/v1/events?") {
            return Reply::Full(404, Vec::new(), Vec::new());
        }
        assert!(request.target.contains("tasks=5000"), "{}", request.target);
        let url = reqwest::Url::parse(&format!("http://h{}", request.target)).unwrap();
        let mut pairs = url.query_pairs();
        let topics = pairs.find(|(name, _)| name == "topics").unwrap().1;
        let topics: Vec<String> = topics.split(',').map(str::to_owned).collect();
        wanted.send(topics).unwrap();
        let lists = lists.clone();
        Reply::Chunks(Box::new(move |write| {
            let mut told: Vec<String> = Vec::new();
            let mut tell = |line: &Line| {
                let text = serde_json::to_string(line).unwrap();
                sent.fetch_add(text.len(), Ordering::SeqCst);
                write(&format!("{text}\n"))
            };
            tell(&hello());
            while let Ok(topics) = lists.lock().unwrap().recv() {
                let new = topics.iter().filter(|topic| !told.contains(topic));
                if !new
                    .flat_map(|topic| snapshot_of(topic, count))
                    .all(|line| tell(&line))
                {
                    return;
                }
                told = topics;
            }
        }))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_many_instances_is_looked_through_without_being_fetched() {
    let sent = Arc::new(AtomicUsize::new(0));
    let server = large(&sent, TASKS);
    let mut bench = Bench::on(&server.url(), &server);
    let run = |line: &str| Event::Run(line.to_owned());
    let there = |state: &State| state.waiting_for().is_none();
    bench.until("jobs", there).await;

    bench.take(run(&format!("instances {BIG}")));
    bench.until("instances", there).await;
    let bytes = sent.load(Ordering::SeqCst);
    assert!(bytes < 1_000_000, "{bytes} bytes before the first rows");
    assert_eq!(data(&bench.state)["total"], TASKS);
    bench.take(run("last"));
    bench.until("the last rows", there).await;
    assert_eq!(bench.state.view.selected.as_deref(), Some("199999"));
    let held = bench.state.store.tasks.len();
    assert!(held <= 9 * 400, "{held} tasks are held");

    // Into a task and back, by one instance's tasks and a window.
    let before = sent.load(Ordering::SeqCst);
    bench.take(run("why"));
    let is_followed = |state: &State| state.store.is_whole("job/www/prod/big/199999");
    bench.until("the task", is_followed).await;
    bench.take(run("back"));
    bench.until("the rows again", there).await;
    assert_eq!(bench.state.view.selected.as_deref(), Some("199999"));
    let bytes = sent.load(Ordering::SeqCst) - before;
    assert!(bytes < 1_000_000, "{bytes} bytes for the way back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_job_of_many_instances_has_all_its_rows() {
    for (line, form) in [
        (format!("instances {BIG}"), Form::Json),
        (format!("instances {BIG}"), Form::Text),
        // Nothing but that instance is asked for.
        (format!("timeline {BIG}/11000"), Form::Json),
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let server = large(&sent, MANY);
        let crew = Crew::new(member(Arc::new(Cluster::new(target(&server))), NOW));
        let given = Errand {
            snapshot: Some(form),
            timeout: Duration::from_secs(60),
            ..exec(&line)
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = headless::run(crew, given, &mut out, &mut err)
            .await
            .unwrap();
        let (out, err) = (
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        );
        assert_eq!(code, 0, "{line}: {err}");
        if line.starts_with("timeline") {
            let json: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(json["data"]["total"], 4, "{json}");
            let bytes = sent.load(Ordering::SeqCst);
            assert!(bytes < 10_000, "{bytes} bytes for one instance");
            continue;
        }
        let mut rows = out
            .match_indices("www-prod-big-")
            .map(|(at, _)| &out[at + 13..]);
        let number = |text: &str| text.split('-').next().unwrap().parse::<usize>().unwrap();
        assert!(rows.by_ref().map(number).eq(0..MANY), "{line}");
    }
}
