//! Views of the whole cluster beyond its jobs, and changes of cron jobs, updates and hosts.

use aurora_api::feed::{AuditRecord, HostRecord, MaintenanceRecord, UpdateRecord};
use aurora_api::model::{JobUpdateAction, JobUpdateStatus, MaintenanceMode};

use super::*;

fn host(name: &str, mode: MaintenanceMode, tasks: u32) -> Line {
    Line::Host(HostRecord {
        seq: seq(4),
        host: name.to_owned(),
        agent_id: "a1".to_owned(),
        mode,
        attributes: BTreeMap::new(),
        tasks,
    })
}

pub(super) fn an_update(status: JobUpdateStatus) -> Line {
    Line::Update(UpdateRecord {
        seq: seq(5),
        job: "w/devel/hello".parse().unwrap(),
        id: "u1".to_owned(),
        user: Some("ann".to_owned()),
        status,
        created_ms: NOW - 60_000,
        changed_ms: NOW - 1_000,
        instances: 3,
        actions: [
            (JobUpdateAction::InstanceUpdated, 2),
            (JobUpdateAction::InstanceUpdateFailed, 1),
        ]
        .into(),
        message: None,
    })
}

fn cron(active: u32, changed_ms: i64, schedule: Option<&str>) -> Line {
    let Line::Job(mut record) = job("w/devel/report", &[]) else {
        unreachable!("a job's line");
    };
    record.cron_schedule = schedule.map(str::to_owned);
    record.changed_ms = changed_ms;
    record.active = active;
    Line::Job(record)
}

/// A cluster whose feed is of this version.
pub(super) fn cluster(version: u32) -> Bench {
    let mut bench = Bench::new(setup());
    bench.feed(Line::Hello(Hello {
        feed: "f".to_owned(),
        seq: seq(1),
        cluster: "dev".to_owned(),
        leader: "h0:1".to_owned(),
        server_time_ms: NOW,
        version,
        capabilities: Vec::new(),
    }));
    bench.feed_all(whole(
        "summary",
        vec![
            job("w/devel/hello", &[(ScheduleStatus::Running, 3)]),
            job("x/prod/web", &[(ScheduleStatus::Pending, 1)]),
            cron(0, NOW - 9_000, Some("* * * * *")),
            host("h1", MaintenanceMode::None, 3),
            host("h2", MaintenanceMode::Scheduled, 0),
        ],
    ));
    bench
}

fn rows(bench: &Bench) -> Vec<String> {
    let table = crate::views::table(&bench.state).unwrap();
    let text = |row: &crate::table::Row| {
        let cells: Vec<_> = row.cells.iter().map(|cell| cell.shown(NOW)).collect();
        cells.join("|")
    };
    table.rows.iter().map(|row| text(row)).collect()
}

#[test]
fn views_follow_their_topics_and_lead_further() {
    let mut bench = cluster(2);
    bench.keys("g r");
    assert_eq!(rows(&bench)[1], "x|1|1|1||||5s");
    bench.keys("enter");
    assert_eq!(rows(&bench).len(), 2, "the jobs of the role w");
    bench.keys("g n");
    assert_eq!(rows(&bench), ["w/devel/report|* * * * *|0|||||9s"]);
    let Line::Job(mut record) = cron(0, NOW - 9_000, Some("* * * * *")) else {
        unreachable!("a job's line");
    };
    // The minute in which it was scheduled is no run.
    for (outcome, last) in [("scheduled", ""), ("launched", "01-01 00:01")] {
        record.cron_last = Some(feed::CronRun {
            minute_ms: 60_000,
            outcome: outcome.to_owned(),
            next_ms: vec![120_000, 180_000, 240_000, 300_000, 86_400_000],
        });
        bench.feed(Line::Job(record.clone()));
        let then = "01-01 00:03, 01-01 00:04, 01-01 00:05, 01-02 00:00";
        assert_eq!(
            rows(&bench),
            [format!(
                "w/devel/report|* * * * *|0|{last}|{outcome}|01-01 00:02|{then}|9s"
            )]
        );
    }
    // Filters and JSON have the year.
    let data = snapshot(&bench.state);
    assert_eq!(data["data"]["rows"][0]["next"], "1970-01-01 00:02:00");
    bench.keys("enter");
    let Body::Table(view) = screen(&bench.state).body else {
        panic!("not a table");
    };
    let above = view.above.iter();
    let above: Vec<String> = above
        .map(|(name, cell)| format!("{name} {}", cell.text))
        .collect();
    assert_eq!(
        above,
        [
            "schedule * * * * *",
            "last 01-01 00:01 UTC launched",
            "next 01-01 00:02, 01-01 00:03, 01-01 00:04, 01-01 00:05, 01-02 00:00 UTC",
        ]
    );
    assert!(
        matches!(&bench.state.view.place, Place::Instances(job) if job.to_string() == "w/devel/report")
    );

    bench.keys("g u");
    assert_eq!(
        bench.state.waiting_for().as_deref(),
        Some("the updates of the cluster")
    );
    bench.feed_all(whole(
        "updates",
        vec![an_update(JobUpdateStatus::RollingForward)],
    ));
    assert_eq!(bench.state.waiting_for(), None);
    assert_eq!(
        rows(&bench),
        ["w/devel/hello|ROLLING_FORWARD|3|2|1|ann|1m|1s||u1"]
    );
    bench.feed(Line::UpdateRemoved(feed::UpdateRemoved {
        seq: seq(6),
        job: "w/devel/hello".parse().unwrap(),
        id: "u1".to_owned(),
    }));
    assert!(rows(&bench).is_empty());

    bench.keys("g m");
    assert!(bench.state.store.updates.is_empty() && bench.state.topics.contains("maintenance"));
    let in_maintenance = |host: &str, mode| {
        Line::Maintenance(MaintenanceRecord {
            seq: seq(6),
            host: host.to_owned(),
            mode,
            tasks: 1,
            request: None,
        })
    };
    bench.feed_all(whole(
        "maintenance",
        vec![
            in_maintenance("h1", MaintenanceMode::None),
            in_maintenance("h2", MaintenanceMode::Draining),
        ],
    ));
    assert_eq!(rows(&bench), ["h2|DRAINING|1|||||"]);

    bench.keys("g a");
    let audited = Line::Audit(AuditRecord {
        seq: seq(7),
        time_ms: 0,
        user: "eve".to_owned(),
        method: "killTasks".to_owned(),
        target: "w/devel/hello".to_owned(),
        detail: "1".to_owned(),
    });
    for _ in 0..2 {
        bench.feed_all(whole("audit", vec![audited.clone()]));
    }
    assert_eq!(
        rows(&bench),
        ["1970-01-01 00:00:00|eve|killTasks|w/devel/hello|1"]
    );

    // Of one second the later comes first.
    let Line::Audit(first) = audited.clone() else {
        unreachable!("a record of the audit");
    };
    let second = Line::Audit(AuditRecord {
        seq: seq(8),
        method: "pruneTasks".to_owned(),
        ..first
    });
    bench.feed(second);
    assert!(rows(&bench)[0].contains("pruneTasks"), "{:?}", rows(&bench));
    bench.keys("enter");
    let link = bench.state.link_here().to_string();
    assert_eq!(link, "aurora://dev/instances/w/devel/hello");

    bench.keys("g h enter");
    assert!(bench.state.topics.contains("host/h1"));
    bench.feed_all(whole(
        "host/h1",
        vec![task("w/devel/hello", 2, "a", ScheduleStatus::Running)],
    ));
    assert_eq!(rows(&bench), ["w/devel/hello|2|RUNNING|1m|0|t2a"]);
    bench.keys("enter");
    assert!(matches!(&bench.state.view.place, Place::Task(task) if task.task == "t2a"));
}

#[test]
fn what_a_scheduler_does_not_tell_cannot_be_reached() {
    let mut bench = cluster(1);
    for keys in ["g u", "g m", "g a"] {
        bench.keys(keys);
        assert_eq!(bench.state.view.place, Place::Jobs, "{keys}");
        assert!(
            bench.bottom().contains("does not tell about"),
            "{}",
            bench.bottom()
        );
    }
    bench.event(Event::Run("update-pause w/devel/hello".to_owned()));
    assert!(
        bench.bottom().contains("does not tell"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn a_waiting_task_is_explained() {
    let mut bench = cluster(2);
    bench.keys("enter");
    bench.feed_all(whole(
        "job/w/devel/hello",
        vec![task("w/devel/hello", 0, "a", ScheduleStatus::Pending)],
    ));
    bench.keys("w");
    assert_eq!(
        bench.state.waiting_for().as_deref(),
        Some("the scheduler's explanation")
    );
    let generation = bench.watch_of(|what| matches!(what, WatchWhat::Ask(_)));
    // As the scheduler's route answers.
    let answer = serde_json::json!({
        "status": "PENDING", "since_ms": NOW - 90_000, "vetoes": ["Insufficient: ram"],
        "asks": {"cpus": 1.5, "ram_mb": 999_999, "gpus": 0},
        "hosts": {"known": 7, "without_offer": 2, "looked_at": 5, "suitable": 0, "kept_for_others": 1,
            "excluded": {"Insufficient: ram": 5},
            "nearest": [{"host": "h9", "vetoes": ["Insufficient: ram"], "missing": {"ram_mb": 12.0}}]},
        "next_attempt_ms": NOW + 5_000, "quota": {"limits_this_task": false, "allowed": null, "used": {"cpus": 2.0}},
        "evidence": [{"status": "FAILED", "host": "h3", "ended_ms": NOW - 120_000, "ran_for_ms": 4_000, "message": "exit 1"}],
        "events": [{"time_ms": 0, "status": "PENDING", "message": null}],
    });
    bench.event(Event::Seen(
        generation,
        Seen::Answer(crate::told::Answer::Why(answer)),
    ));
    assert_eq!(
        rows(&bench),
        [
            "status|PENDING for 1m",
            "veto|Insufficient: ram",
            "hosts|7 known, 2 without offer, 5 looked at, 0 suitable, 1 kept for others",
            "excluded|5 host(s): Insufficient: ram",
            "nearest|h9: Insufficient: ram; missing ram mb 12.0",
            "asks|cpus 1.5, ram mb 999999",
            "quota|does not limit this task",
            "next try|in 5s",
            "earlier|FAILED 2m ago after 4s of running on h3 because exit 1",
            "event|1970-01-01 00:00:00 PENDING",
        ]
    );
    let old = &mut cluster(1);
    old.keys("enter");
    old.feed_all(whole(
        "job/w/devel/hello",
        vec![task("w/devel/hello", 0, "a", ScheduleStatus::Pending)],
    ));
    old.keys("w");
    assert!(
        old.bottom().contains("does not tell about why"),
        "{}",
        old.bottom()
    );
}

/// Asks, says yes, lets the scheduler accept, and gives the outcomes that were recorded before and after the news.
fn done(
    bench: &mut Bench,
    line: &str,
    answer: &str,
    news: Vec<Line>,
) -> (String, Vec<String>, Vec<String>) {
    bench.effects.clear();
    bench.event(Event::Run(line.to_owned()));
    if bench.state.awaiting.is_some() {
        bench.answer(|_| true, Answer::None("it was not told".to_owned()));
    }
    let question = bench.dialog();
    bench.keys(answer);
    let id = bench
        .sent()
        .first()
        .unwrap_or_else(|| panic!("{line}: {question}{}", bench.bottom()))
        .id;
    bench.event(Event::Answer(id, Progress::Accepted));
    let before = bench.outcomes();
    bench.feed_all(news);
    (question, before, bench.outcomes())
}

#[test]
fn changes_are_confirmed_by_what_the_cluster_then_is() {
    use JobUpdateStatus::*;
    use MaintenanceMode::*;
    for (line, answer, asked, news) in [
        (
            "cron-start w/devel/report",
            "y",
            "aurora cron start dev/w/devel/report",
            vec![cron(1, NOW, Some("* * * * *"))],
        ),
        (
            "cron-deschedule w/devel/report",
            "y",
            "aurora cron deschedule dev/w/devel/report",
            vec![cron(0, NOW, Option::None)],
        ),
        (
            "update-pause w/devel/hello",
            "y",
            "aurora update pause dev/w/devel/hello",
            vec![an_update(RollForwardPaused)],
        ),
        (
            "update-abort w/devel/hello",
            "y",
            "aurora update abort dev/w/devel/hello",
            vec![an_update(Aborted)],
        ),
        (
            "update-rollback w/devel/hello",
            "y",
            "aurora update rollback dev/w/devel/hello",
            vec![an_update(RollingBack)],
        ),
        (
            "host-maintenance h1",
            "y",
            "aurora_admin host_deactivate --hosts=h1 dev",
            vec![host("h1", Scheduled, 3)],
        ),
        (
            "host-activate h2",
            "y",
            "aurora_admin host_activate --hosts=h2 dev",
            vec![host("h2", None, 0)],
        ),
        (
            "host-drain h1",
            "h 1 enter",
            "3 task(s) on 1 host(s) are killed",
            vec![host("h1", Drained, 0)],
        ),
        (
            "host-drain h1 h2",
            "2 enter",
            "aurora_admin host_drain --hosts=h1,h2 dev",
            vec![host("h1", Drained, 0), host("h2", Drained, 0)],
        ),
    ] {
        let mut bench = cluster(2);
        bench.keys("g u");
        bench.feed_all(whole("updates", vec![an_update(RollingForward)]));
        let (question, before, after) = done(&mut bench, line, answer, news);
        assert!(question.contains(asked), "{line}: {question}");
        assert_eq!(
            (before.len(), after.len()),
            (1, 2),
            "{line}: {before:?} {after:?}"
        );
        assert_eq!(after[1], "confirmed", "{line}");
    }
}

#[test]
fn a_drain_is_over_when_no_task_remains() {
    let mut bench = cluster(2);
    let news = vec![host("h1", MaintenanceMode::Drained, 1)];
    let (_, _, after) = done(&mut bench, "host-drain h1", "h 1 enter", news);
    assert_eq!(after, ["sent"]);
    bench.event(Event::Tick(NOW + 29 * 60_000));
    assert_eq!(bench.outcomes(), ["sent"]);
    bench.event(Event::Tick(NOW + 31 * 60_000));
    assert_eq!(bench.outcomes(), ["sent", "not yet"]);
    assert!(
        bench.bottom().contains("h1 is DRAINED with 1 task(s)"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason() {
    for (line, reason) in [
        ("cron-start w/devel/hello", "it has no cron schedule"),
        ("cron-start w/devel/none", "there is no job"),
        (
            "update-resume w/devel/hello",
            "its update is ROLLING_FORWARD",
        ),
        ("update-pause x/prod/web", "no update of it goes on"),
        ("host-activate h1", "its mode is NONE"),
        ("host-drain h3", "there is no host h3"),
    ] {
        let mut bench = cluster(2);
        bench.keys("g u");
        bench.feed_all(whole(
            "updates",
            vec![an_update(JobUpdateStatus::RollingForward)],
        ));
        bench.event(Event::Run(line.to_owned()));
        assert!(
            bench.bottom().contains(reason),
            "{line}: {}",
            bench.bottom()
        );
        assert!(bench.sent().is_empty());
    }
    // A frozen list that no longer holds is asked about again.
    let mut bench = cluster(2);
    bench.event(Event::Run("host-maintenance h1".to_owned()));
    bench.feed(host("h1", MaintenanceMode::Draining, 3));
    bench.keys("y");
    assert!(
        bench.sent().is_empty() && bench.bottom().contains("its mode is DRAINING"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn marked_hosts_are_changed_together_from_the_list_of_actions() {
    let mut bench = cluster(2);
    bench.keys("g h");
    bench.feed(host("h2", MaintenanceMode::None, 0));
    bench.keys("space space a");
    assert!(
        bench.dialog().contains("host-drain h1, h2"),
        "{}",
        bench.dialog()
    );
    bench.keys("D");
    bench.answer(|_| true, Answer::None("it was not told".to_owned()));
    assert!(
        bench.dialog().contains("type 2 and enter"),
        "{}",
        bench.dialog()
    );
    let mut bench = cluster(2);
    bench.keys("g c a");
    assert!(
        bench.bottom().contains("nothing here to change"),
        "{}",
        bench.bottom()
    );
}
