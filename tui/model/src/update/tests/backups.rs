//! Backups of the scheduler's state, and the way back to one.

use std::collections::BTreeSet;

use super::fleet::cluster;
use super::guarded::accepted;
use super::*;
use crate::told::Backups;

const FIRST: &str = "scheduler-backup-2026-01-01-00-00";
const SECOND: &str = "scheduler-backup-2026-01-02-00-00";

fn told(bench: &mut Bench, names: &[&str], staged: Option<&[(&str, &[&str])]>) {
    let set = |of: &[&str]| -> BTreeSet<String> { of.iter().map(|id| (*id).to_owned()).collect() };
    let staged = staged.map(|jobs| {
        let jobs = jobs.iter();
        jobs.map(|(job, ids)| ((*job).to_owned(), set(ids)))
            .collect()
    });
    let names = set(names);
    bench.answer(
        |question| *question == Question::Backups,
        Answer::Backups(Backups { names, staged }),
    );
}

fn above(bench: &Bench) -> String {
    match screen(&bench.state).body {
        Body::Table(view) => {
            let above = view
                .above
                .iter()
                .map(|(name, cell)| format!("{name}: {}", cell.text));
            above.collect::<Vec<_>>().join("; ")
        }
        other => panic!("not a table: {other:?}"),
    }
}

#[test]
fn a_backup_is_made_staged_cut_and_committed() {
    let mut bench = cluster(2);
    bench.keys("g B");
    told(&mut bench, &[FIRST], None);
    assert_eq!(above(&bench), "staged: no backup");
    // What cannot be done is listed with the reason.
    bench.keys("a");
    let menu = bench.dialog();
    assert!(menu.contains("no backup is staged"), "{menu}");
    bench.keys("B");
    let question = bench.dialog();
    assert!(
        question.contains("aurora_admin scheduler_backup_now dev"),
        "{question}"
    );
    bench.keys("y");
    accepted(&mut bench);
    told(&mut bench, &[FIRST], None);
    assert_eq!(bench.outcomes(), ["sent"]);
    told(&mut bench, &[FIRST, SECOND], None);
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);

    // The newest is first; it is staged, and loses the tasks of a job.
    bench.keys("g g a S");
    assert!(bench.dialog().contains(SECOND), "{}", bench.dialog());
    bench.keys("y");
    accepted(&mut bench);
    let both: &[(&str, &[&str])] = &[("w/devel/a", &["t1", "t2"]), ("w/devel/b", &["t3"])];
    told(&mut bench, &[FIRST, SECOND], Some(both));
    assert_eq!(
        above(&bench),
        "staged: a backup of 3 task(s) of 2 job(s); tasks: w/devel/a 2, w/devel/b 1"
    );
    bench.event(Event::Run("backup-delete w/devel/none".to_owned()));
    assert!(
        bench.bottom().contains("has no tasks of w/devel/none"),
        "{}",
        bench.bottom()
    );
    bench.event(Event::Run("backup-delete w/devel/a".to_owned()));
    assert!(
        bench.dialog().contains("2 task(s) leave the staged backup"),
        "{}",
        bench.dialog()
    );
    bench.keys("y");
    accepted(&mut bench);
    let cut: &[(&str, &[&str])] = &[("w/devel/b", &["t3"])];
    told(&mut bench, &[FIRST, SECOND], Some(cut));
    assert_eq!(
        bench.outcomes().last().map(String::as_str),
        Some("confirmed")
    );

    // The way back takes the number of tasks, and is over when nothing is staged any more.
    bench.keys("a C y");
    let before = bench.sent().len();
    assert!(
        bench.dialog().contains("1 task(s) of 1 job(s)"),
        "{}",
        bench.dialog()
    );
    bench.keys("ctrl-u 1 enter");
    assert_eq!(bench.sent().len(), before + 1);
    accepted(&mut bench);
    assert_eq!(bench.outcomes().last().map(String::as_str), Some("sent"));
    told(&mut bench, &[FIRST, SECOND], None);
    assert_eq!(
        bench.outcomes().last().map(String::as_str),
        Some("confirmed")
    );
}

#[test]
fn what_is_staged_is_looked_at_again_before_it_is_committed() {
    let mut bench = cluster(2);
    bench.keys("g B");
    let one: &[(&str, &[&str])] = &[("w/devel/a", &["t1"])];
    told(&mut bench, &[FIRST], Some(one));
    bench.keys("a C");
    let other: &[(&str, &[&str])] = &[("w/devel/a", &["t1", "t2"])];
    told(&mut bench, &[FIRST], Some(other));
    bench.keys("1 enter");
    assert_eq!(bench.sent().len(), 0);
    assert!(
        bench.dialog().contains("what is staged has changed"),
        "{}",
        bench.dialog()
    );
    // Somebody who may not see backups is told so.
    let mut bench = cluster(2);
    bench.event(Event::Run("backup-perform".to_owned()));
    let asked = |what: &WatchWhat| matches!(what, WatchWhat::Ask(Question::Backups));
    let generation = bench.watch_of(asked);
    let refused = Seen::Trouble("listBackups: not authorized".to_owned());
    bench.event(Event::Seen(generation, refused));
    assert!(
        bench.bottom().contains("not authorized"),
        "{}",
        bench.bottom()
    );
}

#[test]
fn storage_is_what_is_counted_of_the_state_and_its_log() {
    let mut bench = cluster(2);
    bench.keys("g L");
    let counts = [
        ("scheduler_log_index", 124.0),
        ("uptime_secs", 3.0),
        ("mem_storage_task_size", 29.0),
    ];
    let counts = counts.map(|(name, value)| (name.to_owned(), value));
    bench.answer(
        |question| *question == Question::Vars,
        Answer::Vars(counts.into()),
    );
    let table = crate::views::table(&bench.state).unwrap();
    let names: Vec<&str> = table.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(names, ["mem_storage_task_size", "scheduler_log_index"]);
}
