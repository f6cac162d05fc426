//! Changing the cluster, from the key to the verified outcome.

use super::*;

/// Instances of the first change that was sent.
fn instances_of(bench: &Bench) -> Vec<i32> {
    match &bench.sent()[0].subject {
        crate::actions::Subject::Instances(instances) => instances
            .targets
            .iter()
            .map(|target| target.instance)
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn kill_asks_sends_verifies_and_records() {
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("j a K");
    let dialog = bench.dialog();
    for part in [
        "dev",
        "w/devel/hello",
        "1 on h1",
        "1 of 3 active instances end",
        "does not start them again",
        "aurora job kill dev/w/devel/hello/1",
    ] {
        assert!(dialog.contains(part), "no {part:?} in {dialog}");
    }
    bench.keys("enter");
    assert!(bench.sent().is_empty(), "the default is no");
    bench.keys("a K y");
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(instances_of(&bench), [1]);
    let at = |wanted: fn(&Effect) -> bool| bench.effects.iter().position(wanted);
    assert!(
        at(|effect| matches!(effect, Effect::Record(_)))
            < at(|effect| matches!(effect, Effect::Send(_))),
        "the journal comes before the call"
    );
    let id = bench.sent()[0].id;
    bench.event(Event::Answer(id, Progress::Accepted));
    assert_eq!(bench.outcomes(), ["sent"], "accepted is not done");
    bench.feed(task("w/devel/hello", 1, "a", ScheduleStatus::Killing));
    assert_eq!(bench.outcomes(), ["sent"]);
    bench.feed(task("w/devel/hello", 1, "a", ScheduleStatus::Killed));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
    assert!(bench.bottom().contains("confirmed"), "{}", bench.bottom());
}

#[test]
fn a_restart_is_done_when_the_new_task_runs() {
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("a R y");
    let id = bench.sent()[0].id;
    bench.event(Event::Answer(id, Progress::Accepted));
    bench.feed(task("w/devel/hello", 0, "a", ScheduleStatus::Killed));
    bench.feed(task("w/devel/hello", 0, "b", ScheduleStatus::Starting));
    assert_eq!(bench.outcomes(), ["sent"]);
    bench.feed(task("w/devel/hello", 0, "b", ScheduleStatus::Running));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
}

#[test]
fn what_is_not_seen_in_time_is_not_taken_for_done() {
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("a K y");
    let id = bench.sent()[0].id;
    bench.event(Event::Answer(id, Progress::Accepted));
    bench.event(Event::Tick(NOW + 60_000 - 1));
    assert_eq!(bench.outcomes(), ["sent"]);
    bench.event(Event::Tick(NOW + 60_000));
    assert_eq!(bench.outcomes(), ["sent", "not yet"]);
    for progress in [
        Progress::Refused("no".to_owned()),
        Progress::Unknown("?".to_owned()),
        Progress::NoEffect("none".to_owned()),
    ] {
        let mut bench = Bench::with_jobs();
        bench.keys("enter");
        bench.hello_tasks();
        bench.keys("a K y");
        let id = bench.sent()[0].id;
        bench.event(Event::Answer(id, progress.clone()));
        assert_eq!(bench.outcomes(), ["sent", progress.word()]);
    }
}

#[test]
fn many_and_production_take_a_typed_answer() {
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("space space a K y enter");
    assert!(bench.sent().is_empty());
    assert!(bench.dialog().contains("type 2"), "{}", bench.dialog());
    bench.keys("ctrl-u 2 enter");
    assert_eq!(instances_of(&bench), [0, 1]);

    let mut bench = Bench::with_jobs();
    bench.keys("j a K");
    assert_eq!(
        bench.state.waiting_for().as_deref(),
        Some("the tasks of w/prod/web")
    );
    bench.feed_all(whole(
        "job/w/prod/web",
        vec![task("w/prod/web", 0, "a", ScheduleStatus::Running)],
    ));
    assert!(bench.dialog().contains("production"), "{}", bench.dialog());
    assert!(
        bench.dialog().contains("The only active instance ends"),
        "{}",
        bench.dialog()
    );
    bench.keys("y enter");
    assert!(bench.sent().is_empty());
    bench.event(Event::Key(crate::key::Key::plain(
        crate::key::Code::Backspace,
    )));
    bench.event(Event::Paste("web".to_owned()));
    bench.keys("enter");
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_question_is_asked_again_when_the_cluster_moved_on() {
    let mut bench = Bench::with_jobs();
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("a K");
    bench.feed(task("w/devel/hello", 0, "a", ScheduleStatus::Failed));
    bench.feed(task("w/devel/hello", 0, "b", ScheduleStatus::Pending));
    bench.keys("y");
    assert!(bench.sent().is_empty());
    assert!(
        bench.dialog().contains("not what they were"),
        "{}",
        bench.dialog()
    );
    bench.keys("y");
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn read_only_has_no_actions() {
    let mut bench = Bench::with_jobs();
    bench.state.setup.read_only = true;
    bench.keys("a");
    assert!(bench.bottom().contains("read-only"));
    bench.event(Event::Run("kill w/devel/hello".to_owned()));
    assert!(bench.bottom().contains("read-only"));
    assert_eq!(bench.dialog(), "");
    assert!(!bench.topics_contain("job/w/devel/hello"));
    bench.keys("?");
    let table = crate::views::table(&bench.state).unwrap();
    assert!(!table.rows.iter().any(|row| row.id.contains("kill")));
}

impl Bench {
    fn topics_contain(&self, topic: &str) -> bool {
        self.state.topics.contains(topic)
    }
}
