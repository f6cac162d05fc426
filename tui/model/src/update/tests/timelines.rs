//! What happened to a job's tasks, one after the other.

use super::*;

fn with_events(instance: i32, generation: &str, events: &[(i64, ScheduleStatus)]) -> Line {
    let (_, last) = events[events.len() - 1];
    let Line::Task(mut record) = task("w/devel/hello", instance, generation, last) else {
        unreachable!("a task's line");
    };
    record.events = events
        .iter()
        .map(|(ago_ms, status)| feed::Event {
            time_ms: NOW - ago_ms,
            status: *status,
            message: (*status == ScheduleStatus::Failed).then(|| "exit 3".to_owned()),
        })
        .collect();
    Line::Task(record)
}

/// The columns of the table on the screen that are named, a row a text.
fn told(bench: &Bench, names: &[&str]) -> Vec<String> {
    let table = crate::views::table(&bench.state).unwrap();
    let cells = |row: &crate::table::Row| {
        let wanted = names.iter().map(|name| {
            let at = table.columns.iter().position(|column| column.name == *name);
            at.map_or_else(
                || "no such column".to_owned(),
                |at| row.cells[at].shown(NOW).into_owned(),
            )
        });
        wanted.collect::<Vec<_>>().join(" ")
    };
    table.rows.iter().map(|row| cells(row)).collect()
}

#[test]
fn a_timeline_tells_all_runs_newest_first() {
    use ScheduleStatus::{Failed, Pending, Running};
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    let tasks = || {
        whole(
            "job/w/devel/hello",
            vec![
                with_events(
                    0,
                    "a",
                    &[(90_000, Pending), (80_000, Running), (70_000, Failed)],
                ),
                // Two events of one millisecond stay in the order in which they were told.
                with_events(
                    0,
                    "b",
                    &[(70_000, Pending), (60_000, Pending), (60_000, Running)],
                ),
                with_events(1, "a", &[(75_000, Running)]),
            ],
        )
    };
    bench.feed_all(tasks());
    // Of the selected instance, all its runs.
    bench.keys("t");
    let mine = told(&bench, &["time", "ago", "event", "message", "task"]);
    assert_eq!(
        mine,
        [
            "2001-09-09 01:45:40 1m RUNNING  t0b",
            "2001-09-09 01:45:40 1m PENDING  t0b",
            // Of two tasks the younger one's came last.
            "2001-09-09 01:45:30 1m PENDING  t0b",
            "2001-09-09 01:45:30 1m FAILED exit 3 t0a",
            "2001-09-09 01:45:20 1m RUNNING  t0a",
            "2001-09-09 01:45:10 1m PENDING  t0a",
        ]
    );
    assert_eq!(
        told(&bench, &["event", "host"])[..2],
        ["RUNNING h1", "PENDING "]
    );
    let link = bench.state.link_here().to_string();
    assert_eq!(link, "aurora://dev/timeline/w/devel/hello/0");
    // Only what went wrong, and from there to its task.
    bench.keys("p");
    assert_eq!(told(&bench, &["event"]), ["FAILED"]);
    bench.keys("enter");
    assert_eq!(
        bench.state.link_here().to_string(),
        "aurora://dev/task/w/devel/hello/t0a"
    );
    // The same from the task; of the whole job from the list of jobs.
    bench.keys("t");
    assert_eq!(bench.state.link_here().to_string(), link);
    bench.keys("g j t");
    bench.feed_all(tasks());
    assert_eq!(
        told(&bench, &["instance", "event"])[..4],
        ["0 RUNNING", "0 PENDING", "0 PENDING", "0 FAILED"]
    );
    assert_eq!(told(&bench, &["instance"]).len(), 7);
    bench.event(Event::Run(
        "timeline w/devel/hello/1 event=RUNNING".to_owned(),
    ));
    assert_eq!(told(&bench, &["event", "task"]), ["RUNNING t1a"]);
    bench.event(Event::Run("timeline w/devel/hello/0-1".to_owned()));
    assert!(
        bench.bottom().contains("names several instances"),
        "{}",
        bench.bottom()
    );
}
