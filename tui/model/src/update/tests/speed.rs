//! What is computed when: work is counted, not timed.

use super::*;
use crate::state::State;

fn work(state: &State) -> (u64, u64) {
    let work = state.cache.work();
    (work.made, work.chosen)
}

/// A workbench with many jobs, drawn once.
fn many(jobs: usize) -> Bench {
    let mut bench = Bench::new(setup());
    let jobs = (0..jobs).map(|at| {
        job(
            &format!("w/devel/j{at:06}"),
            &[(ScheduleStatus::Running, 1)],
        )
    });
    for line in whole("summary", jobs.collect()) {
        update(&mut bench.state, Event::Feed(NOW, line));
    }
    bench.event(Event::Tick(NOW));
    screen(&bench.state);
    bench
}

#[test]
fn tables_are_computed_again_only_when_something_changed() {
    let heartbeat = Line::Heartbeat(feed::Heartbeat { seq: seq(9) });
    let mut bench = many(300);
    for (what, events, made, chosen) in [
        ("a second", vec![Event::Tick(NOW + 1000)], 0, 0),
        ("a sign of life", vec![Event::Feed(NOW, heartbeat)], 0, 0),
        ("another size", vec![Event::Resize(200, 50)], 0, 0),
        (
            "moving",
            keys("j j j G g g ctrl-d ctrl-u space space"),
            0,
            0,
        ),
        ("typing a command", keys(": j o b s esc"), 0, 0),
        ("another order", keys("s"), 0, 1),
        ("turned around", keys("S"), 0, 1),
        ("problems and back", keys("p p"), 0, 2),
        // Each letter shows at once what it would find; escape gives back what was there.
        ("a filter", keys("/ j 1 esc"), 0, 3),
        (
            "a job",
            vec![Event::Feed(NOW, job("w/devel/j000001", &[]))],
            1,
            1,
        ),
    ] {
        let before = work(&bench.state);
        for event in events {
            bench.event(event);
            screen(&bench.state);
        }
        let after = work(&bench.state);
        assert_eq!(
            (after.0 - before.0, after.1 - before.1),
            (made, chosen),
            "{what}"
        );
    }
}

fn keys(keys: &str) -> Vec<Event> {
    let keys = parse_sequence(keys).unwrap();
    keys.into_iter().map(Event::Key).collect()
}

#[test]
fn what_is_selected_is_looked_for_once() {
    let mut bench = many(300);
    bench.keys("j j");
    let before = bench.state.cache.work().searched;
    // A job that comes in above moves the selected one.
    bench.feed(job("a/devel/first", &[]));
    screen(&bench.state);
    assert_eq!(bench.state.cache.work().searched, before + 1);
    for _ in 0..5 {
        bench.event(Event::Tick(NOW + 1000));
        screen(&bench.state);
    }
    assert_eq!(bench.state.cache.work().searched, before + 1);
    assert_eq!(
        bench.state.view.selected.as_deref(),
        Some("w/devel/j000002")
    );
    assert_eq!(bench.state.view.index, 3);
}

#[test]
fn a_filter_of_ages_goes_with_the_time() {
    let mut bench = many(3);
    bench.event(Event::Run("jobs changed<10s".to_owned()));
    let shown = |bench: &Bench| crate::views::table(&bench.state).unwrap().rows.len();
    // They changed five seconds ago.
    assert_eq!(shown(&bench), 3);
    bench.event(Event::Tick(NOW + 4_000));
    assert_eq!(shown(&bench), 3);
    let before = work(&bench.state);
    bench.event(Event::Tick(NOW + 6_000));
    assert_eq!(shown(&bench), 0);
    assert_eq!(work(&bench.state).0, before.0, "rows were made again");
}

#[test]
fn no_view_reads_the_clock_into_its_rows() {
    for place in [
        "jobs",
        "instances w/devel/hello",
        "hosts",
        "roles",
        "crons",
        "quotas",
        "updates",
        "maintenance",
        "audit",
        "journal",
        "help",
    ] {
        let mut bench = Bench::with_jobs();
        bench.event(Event::Run(place.to_owned()));
        bench.hello_tasks();
        let before = crate::views::table(&bench.state).unwrap();
        bench.event(Event::Tick(NOW + 3_600_000));
        bench.state.touch();
        let after = crate::views::table(&bench.state).unwrap();
        assert_eq!(before, after, "{place}");
    }
}

#[test]
fn nothing_wakes_up_before_something_on_the_screen_changes() {
    let due = |bench: &Bench| crate::screen::due_ms(&bench.state, &screen(&bench.state));
    let mut bench = Bench::with_jobs();
    // A job changed five seconds ago: in a second it is six.
    assert_eq!(due(&bench), 1000);
    bench.event(Event::Tick(NOW + 250));
    assert_eq!(due(&bench), 750);
    // Ages of minutes: only a sign of life that does not come would be news.
    bench.event(Event::Tick(NOW + 120_000));
    bench.feed(Line::Heartbeat(feed::Heartbeat { seq: seq(9) }));
    bench.state.heard_ms = bench.state.now_ms;
    assert_eq!(due(&bench), 10_000);
    bench.event(Event::Tick(NOW + 121_000));
    assert_eq!(due(&bench), 9_001);
    bench.keys("/");
    assert_eq!(due(&bench), 1000);
    bench.keys("esc");
    // Somebody else's pane has a younger age.
    bench.event(Event::Resize(120, 40));
    bench.keys("g h ctrl-w v g j ctrl-w h");
    bench.state.heard_ms = bench.state.now_ms;
    assert_eq!(due(&bench), 10_000);
    let now = bench.state.now_ms;
    bench.event(Event::Tick(NOW + 50_000));
    assert_eq!(due(&bench), 1000);
    assert!(now > bench.state.now_ms);
    bench.event(Event::Link(
        now,
        crate::event::LinkEvent::Lost("gone".to_owned()),
    ));
    bench.event(Event::Tick(now + 1_500));
    assert_eq!(due(&bench), 500);
}

#[test]
fn rows_of_changed_jobs_are_made_anew_and_the_others_kept() {
    let mut bench = Bench::new(setup());
    let name = |at: usize| format!("www/prod/job-{at:02}");
    let jobs = |range: std::ops::Range<usize>| {
        range.map(|at| job(&name(at), &[(ScheduleStatus::Running, 1)]))
    };
    bench.feed_all(whole("summary", jobs(0..40).collect()));
    let shown = |state: &State| views::table(state).expect("jobs are a table");
    let before = shown(&bench.state);
    for line in [
        job(&name(7), &[(ScheduleStatus::Failed, 1)]),
        // Before and behind all others, and with a name that stands elsewhere as a text than as a job.
        job("a/prod/first", &[(ScheduleStatus::Running, 1)]),
        job("www/prod-2/last", &[(ScheduleStatus::Running, 1)]),
        Line::JobRemoved(feed::JobRemoved {
            seq: seq(4),
            job: name(9).parse().unwrap(),
        }),
    ] {
        bench.feed(line);
        // A copy has nothing kept: it makes all rows.
        assert_eq!(*shown(&bench.state), *shown(&bench.state.clone()));
    }
    let after = shown(&bench.state);
    let row = |table: &crate::table::Table, at: usize| {
        let rows = table.rows.iter();
        rows.clone().find(|row| row.id == name(at)).cloned()
    };
    assert!(row(&after, 9).is_none());
    let is_kept = |at| {
        let rows = (row(&before, at).unwrap(), row(&after, at).unwrap());
        std::sync::Arc::ptr_eq(&rows.0, &rows.1)
    };
    assert!(is_kept(6) && !is_kept(7));
    // What a snapshot tells again is the same; what it does not tell is gone, however much that is.
    for (told, kept) in [(0..39, true), (0..38, true), (0..3, false)] {
        let before = shown(&bench.state);
        bench.feed_all(whole("summary", jobs(told.clone()).collect()));
        let after = shown(&bench.state);
        assert_eq!(after.rows.len(), told.len());
        assert_eq!(*after, *shown(&bench.state.clone()));
        let rows = (row(&before, 2).unwrap(), row(&after, 2).unwrap());
        assert_eq!(std::sync::Arc::ptr_eq(&rows.0, &rows.1), kept, "{told:?}");
    }
}
