//! What the scheduler counts, what changed, why a task failed, and rules of a cluster.

use super::fleet::cluster;
use super::*;
use crate::rules::Rules;

fn rows(bench: &Bench) -> Vec<String> {
    let table = crate::views::table(&bench.state).unwrap();
    let now_ms = bench.state.server_now_ms();
    let text = |row: &crate::table::Row| {
        let cells: Vec<_> = row.cells.iter().map(|cell| cell.shown(now_ms)).collect();
        cells.join("|")
    };
    table.rows.iter().map(|row| text(row)).collect()
}

fn counted(bench: &mut Bench, counts: &[(&str, f64)]) {
    let counts = counts
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value));
    let answer = Answer::Vars(counts.collect());
    bench.answer(|question| *question == Question::Vars, answer);
}

#[test]
fn counts_have_a_trend_and_levels_of_service_a_row_each() {
    let mut bench = cluster(2);
    bench.keys("g M");
    assert!(bench.state.waiting_for().is_some());
    for value in [1.0, 3.0, 8.0] {
        counted(&mut bench, &[("b_steady", 2.5), ("a_grows", value)]);
    }
    assert_eq!(rows(&bench), ["a_grows|8|+7|▂▄█", "b_steady|2.500|0|███"]);
    bench.keys("a");
    assert!(
        bench.dialog().contains("reconcile-implicit"),
        "{}",
        bench.dialog()
    );
    bench.keys("esc g s");
    counted(
        &mut bench,
        &[
            ("sla_cluster_mtta_ms", 1_500.0),
            ("sla_cluster_platform_uptime_percent", 99.5),
            ("sla_w/devel/hello_job_uptime_50.00_sec_nonprod", 60.0),
            ("uptime", 5.0),
        ],
    );
    assert_eq!(
        rows(&bench),
        [
            "cluster|production||||||99.50%|1s||",
            "w/devel/hello|other|1m||||||||"
        ]
    );
}

#[test]
fn what_changes_on_the_cluster_is_told_newest_first() {
    let mut bench = cluster(2);
    bench.keys("g e");
    assert_eq!(
        rows(&bench),
        [""; 0],
        "what a snapshot brings was there before"
    );
    let states = [(ScheduleStatus::Running, 2), (ScheduleStatus::Failed, 1)];
    bench.feed(job("w/devel/hello", &states));
    bench.feed(Line::JobRemoved(feed::JobRemoved {
        seq: seq(9),
        job: "x/prod/web".parse().unwrap(),
    }));
    assert_eq!(
        rows(&bench),
        [
            "01:46:40|0s|job|x/prod/web|is gone",
            "01:46:40|0s|job|w/devel/hello|RUNNING 3 -> 2, FAILED 0 -> 1"
        ]
    );
    bench.keys("p");
    assert_eq!(rows(&bench).len(), 1, "a failure is a problem");
    bench.keys("enter");
    let link = bench.state.link_here().to_string();
    assert_eq!(link, "aurora://dev/instances/w/devel/hello");
}

#[test]
fn a_failed_task_is_explained_with_ways_to_its_evidence() {
    let mut bench = cluster(2);
    bench.keys("enter");
    bench.feed_all(whole(
        "job/w/devel/hello",
        vec![task("w/devel/hello", 0, "b", ScheduleStatus::Failed)],
    ));
    bench.keys("w");
    let answer = serde_json::json!({
        "status": "FAILED",
        "since_ms": NOW - 5_000,
        "events": [{
            "time_ms": NOW - 5_000, "status": "FAILED",
            "message": "Memory limit exceeded: Requested: 64MB",
        }],
        "evidence": [{
            "task_id": "t0a", "status": "FAILED", "ended_ms": NOW - 60_000,
            "ran_for_ms": 2_000, "host": "h1", "message": null,
        }],
    });
    bench.answer(|_| true, Answer::Why(answer.clone()));
    let generation = bench.watch_of(|what| *what == WatchWhat::Task);
    let failed = Process {
        name: "main".to_owned(),
        state: "FAILED".to_owned(),
        run: 2,
        start_ms: Some(NOW - 9_000),
        stop_ms: Some(NOW - 5_000),
        return_code: Some(137),
        ..Process::default()
    };
    let again = Process {
        name: "again".to_owned(),
        state: "RUNNING".to_owned(),
        run: 7,
        ..Process::default()
    };
    let info = TaskInfo {
        processes: vec![failed, again],
        ..TaskInfo::default()
    };
    bench.event(Event::Seen(generation, Seen::Task(info)));
    assert_eq!(
        rows(&bench)[..7],
        [
            "status|FAILED for 5s",
            "exit|main: exit code 137 (signal 9) after 4s, run 2",
            "memory|Memory limit exceeded: Requested: 64MB",
            "output|what main wrote last",
            "restarts|again has ended 7 time(s) and was started again",
            "files|its sandbox",
            "earlier|FAILED 1m ago after 2s of running on h1",
        ]
    );
    for (keys, place) in [
        ("g g j enter", "logs/w/devel/hello/t0b/main"),
        ("g g j j j j enter", "logs/w/devel/hello/t0b/again"),
        ("g g j j j j j enter", "sandbox/w/devel/hello/t0b"),
        ("g g j j j j j j enter", "task/w/devel/hello/t0a"),
    ] {
        bench.keys(keys);
        assert_eq!(bench.state.view.place.path(), place, "{keys}");
        bench.keys("esc");
        bench.answer(|_| true, Answer::Why(answer.clone()));
    }
    bench.keys("g g enter");
    assert!(
        bench.bottom().contains("leads nowhere"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn settings_and_clusters_are_told() {
    let mut bench = cluster(2);
    let text = "[guard]\nforbid = [\"kill\"]\n";
    bench.state.setup.rules = Rules::default().over("tui.toml", text, "dev").0;
    bench.state.setup.facts = vec![("theme".to_owned(), "dark".to_owned())];
    bench.state.setup.clusters = vec![
        ("dev".to_owned(), "on this machine".to_owned()),
        ("west".to_owned(), "http://west:8081".to_owned()),
    ];
    bench.keys("g S");
    for row in [
        "cluster|dev",
        "read-only|no",
        "event feed|version 2",
        "theme|dark",
        "rule|kill may not be done here",
    ] {
        assert!(
            rows(&bench).contains(&row.to_owned()),
            "no {row} in {:?}",
            rows(&bench)
        );
    }
    bench.keys("g C");
    assert_eq!(
        rows(&bench),
        [
            "dev|not open||||||||on this machine  (this one)",
            "west|not open||||||||http://west:8081"
        ]
    );
    bench.keys("j enter");
    let turned = Effect::Cluster {
        name: "west".to_owned(),
        then: None,
    };
    assert!(bench.effects.contains(&turned));
}

#[test]
fn rules_forbid_and_ask_for_names() {
    let rules = |text: &str| Rules::default().over("tui.toml", text, "dev").0;
    let tried = |text: &str, line: &str| {
        let mut bench = cluster(2);
        bench.state.setup.rules = rules(text);
        bench.keys("enter");
        bench.hello_tasks();
        bench.event(Event::Run(line.to_owned()));
        format!("{}{}", bench.dialog(), bench.bottom())
    };
    for (text, line, part) in [
        ("", "kill w/devel/hello/0-1", "type 2 and enter"),
        (
            "[guard]\ntyped_above = 2\n",
            "kill w/devel/hello/0-1",
            "y does it",
        ),
        (
            "[guard]\ntyped_above = 1\n",
            "kill w/devel/hello/0-1",
            "type hello and enter",
        ),
        (
            "[cluster.dev]\nproduction = true\n",
            "kill w/devel/hello/0",
            "type hello and enter",
        ),
        (
            "[cluster.west]\nproduction = true\n",
            "kill w/devel/hello/0",
            "y does it",
        ),
        (
            "[guard]\nforbid = [\"kill\"]\n",
            "kill w/devel/hello/0",
            "the rules of dev forbid it",
        ),
        (
            "[guard]\nforbid = [\"kill\"]\n",
            "restart w/devel/hello/0",
            "y does it",
        ),
    ] {
        let said = tried(text, line);
        assert!(said.contains(part), "{text} {line}: {said}");
    }
    let mut bench = cluster(2);
    bench.state.setup.rules = rules("[cluster.dev]\nbanner = \"LIVE\"\n");
    let status: Vec<String> = screen(&bench.state)
        .status
        .into_iter()
        .map(|segment| format!("{}{}", segment.scope.name(), segment.text))
        .collect();
    assert_eq!(status[0], "ui.banner LIVE ");
    bench.keys("a");
    bench.state.setup.rules = rules("[guard]\nforbid = [\"kill\"]\n");
    assert!(bench.dialog().contains("forbid it"), "{}", bench.dialog());
}

#[test]
fn a_rule_asks_for_a_reason_that_goes_along() {
    let text = "[guard]\nreason = \"required\"\n[cluster.east]\nreason = \"optional\"\n";
    let rules = |cluster: &str| Rules::default().over("tui.toml", text, cluster).0;
    assert!(!rules("east").reason);
    let mut bench = cluster(2);
    bench.state.setup.rules = rules("dev");
    bench.keys("enter");
    bench.hello_tasks();
    bench.event(Event::Run("kill w/devel/hello/0".to_owned()));
    assert!(bench.dialog().contains("why?"), "{}", bench.dialog());
    bench.keys("enter");
    assert!(bench.dialog().contains("no change without a reason"));
    // Here y is a letter of the reason, not a yes.
    bench.keys("y space i t ' s enter");
    assert!(bench.sent().is_empty());
    let question = bench.dialog();
    for part in [
        "reason    y it's",
        "y does it",
        r"aurora job kill dev/w/devel/hello/0 --message='y it'\''s'",
    ] {
        assert!(question.contains(part), "no {part:?} in {question}");
    }
    bench.keys("y");
    assert_eq!(bench.sent()[0].reason, "y it's");
    assert_eq!(bench.state.journal[0].reason, "y it's");
    // One that came with the command is not asked for again.
    bench.event(Event::Run(
        "kill w/devel/hello/1 reason=\"old disk\"".to_owned(),
    ));
    assert!(bench.dialog().contains("y does it"), "{}", bench.dialog());
    bench.keys("esc");
    assert_eq!(bench.sent().len(), 1);
}

/// What was told to somebody who looks elsewhere.
fn told(bench: &Bench) -> Vec<&str> {
    let effects = bench.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Notify { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn failures_ends_of_updates_and_outcomes_are_told_where_that_is_wished() {
    use aurora_api::feed::ActiveUpdate;
    use aurora_api::model::JobUpdateStatus;
    let hello = |failed: u32, update: Option<&str>| {
        let states = [
            (ScheduleStatus::Running, 3),
            (ScheduleStatus::Failed, failed),
        ];
        let Line::Job(mut record) = job("w/devel/hello", &states) else {
            unreachable!("a job's line");
        };
        record.update = update.map(|id| ActiveUpdate {
            id: id.to_owned(),
            status: JobUpdateStatus::RollingForward,
        });
        Line::Job(record)
    };
    let steps = |text: &str| {
        let mut bench = cluster(2);
        bench.state.setup.rules = Rules::default().over("tui.toml", text, "dev").0;
        bench.feed(hello(0, Some("u1")));
        bench.event(Event::Run("update w/devel/hello u1".to_owned()));
        bench.feed(hello(1, Some("u1")));
        // Too soon after the other one.
        bench.feed(hello(2, Some("u1")));
        bench.event(Event::Run("jobs".to_owned()));
        bench.feed(hello(2, None));
        bench.feed(hello(2, None));
        bench.keys("enter");
        bench.hello_tasks();
        bench.event(Event::Run("kill w/devel/hello/0".to_owned()));
        bench.keys("y");
        let id = bench.sent()[0].id;
        bench.event(Event::Answer(id, Progress::Refused("no".to_owned())));
        bench
    };
    let failure = "dev: w/devel/hello FAILED 0 -> 1";
    let update = "dev: the update of w/devel/hello has ended";
    let change = "dev: kill w/devel/hello/0: refused: no";
    for (when, expected) in [
        ("", vec![]),
        ("when = [\"failure\"]", vec![failure]),
        (
            "when = [\"update\", \"change\"]\nhow = \"osc9\"",
            vec![update, change],
        ),
    ] {
        let bench = steps(&format!("[notify]\n{when}\n"));
        assert_eq!(told(&bench), expected, "{when}");
    }
}

#[test]
fn what_hosts_offer_is_listed_and_leads_to_the_host() {
    use crate::told::{Amounts, Offer};
    let mut bench = Bench::with_jobs();
    bench.keys("g O");
    let offer = |id: &str, host: &str, cpus: f64, revocable: bool| Offer {
        id: id.to_owned(),
        host: host.to_owned(),
        amounts: Amounts {
            cpus,
            ram: 2048.0 * 1024.0 * 1024.0,
            disk: 0.0,
        },
        ports: 11,
        revocable,
    };
    let answer = Answer::Offers(vec![
        offer("O2", "h2", 0.5, true),
        offer("O1", "h1", 3.5, false),
    ]);
    bench.answer(|question| *question == Question::Offers, answer);
    let shown = snapshot(&bench.state);
    let rows = shown["data"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let text = shown["data"].to_string();
    for part in ["h1", "3.5", "2147483648", "revocable"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    run_lines(&mut bench, "filter cpus>=1");
    assert_eq!(snapshot(&bench.state)["data"]["shown"], 1);
    bench.keys("enter");
    assert_eq!(bench.state.link_here().to_string(), "aurora://dev/host/h1");
}

fn run_lines(bench: &mut Bench, line: &str) {
    bench.event(Event::Run(line.to_owned()));
}
