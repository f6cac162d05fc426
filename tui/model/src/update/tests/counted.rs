//! A job of more tasks than are told: its instances as pages, and no more of its tasks than a view or a change needs.

use aurora_api::feed::Counted;

use super::*;
use crate::pages::{Anchor, Page, Query, Records};

const BIG: &str = "w/prod/big";
const TASKS: usize = 200_000;

/// The id that a scheduler of ours gives.
fn id(instance: i32) -> String {
    format!("w-prod-big-{instance}-0b1e")
}

fn record(instance: i32, status: ScheduleStatus) -> TaskRecord {
    match task(BIG, instance, "", status) {
        Line::Task(task) => TaskRecord {
            task_id: id(instance),
            ..task
        },
        other => unreachable!("{other:?}"),
    }
}

fn counted() -> Line {
    Line::Counted(Counted {
        topic: format!("job/{BIG}"),
        seq: seq(1),
        tasks: TASKS as u64,
    })
}

/// The topic of some instances with their tasks.
fn told(instances: &str, of: &[i32]) -> Vec<Line> {
    let tasks = of
        .iter()
        .map(|instance| record(*instance, ScheduleStatus::Running));
    whole(
        &format!("job/{BIG}/{instances}"),
        tasks.map(Line::Task).collect(),
    )
}

/// A cluster with a job of many tasks and one of three.
fn cluster() -> Bench {
    let mut bench = fleet::cluster(4);
    let count = u32::try_from(TASKS).unwrap();
    bench.feed(job(BIG, &[(ScheduleStatus::Running, count)]));
    bench
}

/// Turns to the job's instances, of which those from one on come as the first page.
fn opened() -> Bench {
    let mut bench = cluster();
    bench.event(Event::Run(format!("instances {BIG}")));
    bench.feed_all(whole(&format!("job/{BIG}"), vec![counted()]));
    page(&mut bench, 0..400);
    bench
}

fn asked(bench: &Bench) -> Option<(u64, Query)> {
    let mut watches = bench.state.watches.iter();
    watches.find_map(|(generation, watch)| match &watch.what {
        WatchWhat::Page(query) => Some((*generation, query.clone())),
        _ => None,
    })
}

/// Answers the page that is asked for.
fn page(bench: &mut Bench, instances: std::ops::Range<i32>) {
    let (generation, _) = asked(bench).expect("a page is asked for");
    let (first, last) = (instances.start, instances.end - 1);
    let end = i32::try_from(TASKS).unwrap();
    let page = Page {
        offset: usize::try_from(first).unwrap(),
        prev: (first > 0).then(|| first.to_string()),
        next: (last + 1 < end).then(|| last.to_string()),
        records: Records::Tasks(
            instances
                .map(|instance| record(instance, ScheduleStatus::Running))
                .collect(),
        ),
        total: TASKS,
        shown: TASKS,
    };
    bench.event(Event::Seen(generation, Seen::Page(page)));
    settle(&mut bench.state);
}

fn selected(bench: &Bench) -> &str {
    bench.state.view.selected.as_deref().unwrap_or_default()
}

fn followed(bench: &Bench) -> Vec<&str> {
    let topics = bench.state.topics.iter().map(String::as_str);
    topics.filter(|topic| *topic != "summary").collect()
}

#[test]
fn instances_are_read_as_windows_around_the_selected_one() {
    let mut bench = cluster();
    bench.event(Event::Run(format!("instances {BIG}")));
    let waiting = |bench: &Bench| bench.state.waiting_for().unwrap_or_default();
    assert_eq!(waiting(&bench), format!("the tasks of {BIG}"));
    bench.feed_all(whole(&format!("job/{BIG}"), vec![counted()]));
    assert_eq!(waiting(&bench), "these rows of the instances");
    page(&mut bench, 0..400);
    let data = snapshot(&bench.state)["data"].take();
    assert_eq!(
        (&data["total"], &data["rows"][399]["instance"]),
        (&TASKS.into(), &399.into())
    );

    // The last row, and another order and filter: the scheduler is asked, and what is selected stays so.
    bench.event(Event::Run("last".to_owned()));
    assert_eq!(asked(&bench).unwrap().1.anchor, Anchor::End);
    page(&mut bench, 199_600..200_000);
    assert_eq!(selected(&bench), "199999");
    bench.event(Event::Run(
        "sort -status; filter @rack=r1 failures>2; problems".to_owned(),
    ));
    let (_, query) = asked(&bench).unwrap();
    assert_eq!(
        (
            query.table.as_str(),
            query.sort.as_str(),
            query.filter.as_str()
        ),
        (
            "instances/w/prod/big",
            "-status,instance",
            "@rack=r1 failures>2 problem=yes"
        )
    );
    assert_eq!(query.anchor, Anchor::Row("199999".to_owned()));

    // No more is held than windows.
    bench.event(Event::Run("problems; filter x".to_owned()));
    for first in 0..50 {
        page(&mut bench, first * 400..(first + 1) * 400);
    }
    let held = bench.state.store.tasks.len();
    assert!(held <= 9 * 400, "{held} tasks are held");
}

#[test]
fn a_task_is_followed_alone_and_the_way_back_leads_to_its_row() {
    let mut bench = opened();
    bench.event(Event::Run("down".to_owned()));
    bench.keys("enter");
    assert!(matches!(&bench.state.view.place, Place::Task(task) if task.task == id(1)));
    assert_eq!(followed(&bench), ["job/w/prod/big/1"]);
    assert_eq!(bench.state.store.tasks.len(), 1, "the others are forgotten");
    bench.feed_all(told("1", &[1]));
    assert!(crate::screen::gone(&bench.state).is_none());
    bench.feed_all(whole("job/w/prod/big/1", Vec::new()));
    let gone = crate::screen::gone(&bench.state).unwrap_or_default();
    assert!(gone.contains("no longer knows"), "{gone}");

    bench.keys("esc");
    assert_eq!(followed(&bench), ["job/w/prod/big"]);
    assert!(
        bench.state.waiting_for().is_some(),
        "its rows are read anew"
    );
    bench.feed_all(whole(&format!("job/{BIG}"), vec![counted()]));
    assert_eq!(asked(&bench).unwrap().1.anchor, Anchor::Row("1".to_owned()));
    page(&mut bench, 0..400);
    assert_eq!(selected(&bench), "1");
}

#[test]
fn commands_about_an_instance_ask_for_its_task_first() {
    for (line, view) in [
        ("why w/prod/big/7", "why"),
        ("logs w/prod/big/7", "logs"),
        ("task w/prod/big/7", "task"),
        ("sandbox w/prod/big/7", "sandbox"),
        ("file w/prod/big/7 a/b", "file"),
        ("config w/prod/big/7", "config"),
    ] {
        let mut bench = cluster();
        bench.event(Event::Run(line.to_owned()));
        assert_eq!(followed(&bench), ["job/w/prod/big/7"], "{line}");
        assert!(bench.state.waiting_for().is_some(), "{line}");
        bench.feed_all(told("7", &[7]));
        assert_eq!(bench.state.view.place.view(), view, "{line}");
        assert!(!bench.state.is_seeking(), "{line}");
    }
    // There is none.
    let mut bench = cluster();
    bench.event(Event::Run("why w/prod/big/7".to_owned()));
    bench.feed_all(told("7", &[]));
    assert!(
        bench.bottom().contains("knows no task of w/prod/big/7"),
        "{}",
        bench.bottom()
    );
    // Somebody has gone elsewhere meanwhile.
    bench.event(Event::Run("why w/prod/big/8; down".to_owned()));
    bench.event(Event::Run("hosts".to_owned()));
    bench.feed_all(told("8", &[8]));
    assert_eq!(bench.state.view.place, Place::Hosts);
    assert!(followed(&bench).is_empty(), "{:?}", bench.state.topics);
    // An older scheduler of ours tells the job whole.
    let mut old = fleet::cluster(3);
    old.event(Event::Run("why w/devel/hello/0".to_owned()));
    assert_eq!(followed(&old), ["job/w/devel/hello"]);
    let hello = task("w/devel/hello", 0, "a", ScheduleStatus::Pending);
    old.feed_all(whole("job/w/devel/hello", vec![hello]));
    assert_eq!(old.state.view.place.view(), "why");
}

#[test]
fn views_of_a_large_job_follow_what_they_show() {
    for (line, topics) in [
        ("timeline w/prod/big/5", &["job/w/prod/big/5"][..]),
        ("tails w/prod/big/3-4,9", &["job/w/prod/big/3-4:9"]),
        (
            "tails w/prod/big",
            &["job/w/prod/big", "job/w/prod/big/0-7"],
        ),
        (
            "update w/prod/big u1",
            &["job/w/prod/big", "job/w/prod/big/0-399"],
        ),
        (
            "open aurora://dev/task/w/prod/big/w-prod-big-12-0b1e",
            &["job/w/prod/big/12"],
        ),
        (
            "related task w/prod/big/w-prod-big-12-0b1e",
            &["job/w/prod/big/12"],
        ),
        ("related job w/prod/big", &["job/w/prod/big"]),
    ] {
        let mut bench = opened();
        bench.event(Event::Run(line.to_owned()));
        assert_eq!(followed(&bench), topics, "{line}");
    }
    let mut bench = opened();
    bench.event(Event::Run("timeline w/prod/big".to_owned()));
    let said = crate::screen::gone(&bench.state).unwrap_or_default();
    assert!(
        said.contains("200000 tasks, too many for one timeline"),
        "{said}"
    );
    let mut bench = opened();
    bench.event(Event::Run("update w/prod/big u1".to_owned()));
    bench.state.view.selected = Some("1234".to_owned());
    bench.event(Event::Tick(NOW + 1));
    assert_eq!(
        followed(&bench),
        ["job/w/prod/big", "job/w/prod/big/1000-1599"]
    );
}

#[test]
fn a_job_that_is_told_stays_so_in_the_views_of_its_tasks() {
    let mut bench = cluster();
    bench.event(Event::Run("instances w/devel/hello".to_owned()));
    let tasks = (0..3).map(|at| task("w/devel/hello", at, "a", ScheduleStatus::Running));
    bench.feed_all(whole("job/w/devel/hello", tasks.collect()));
    for keys in ["enter", "l", "esc", "esc"] {
        bench.keys(keys);
        assert_eq!(followed(&bench), ["job/w/devel/hello"], "{keys}");
        assert_eq!(bench.state.store.tasks.len(), 3, "{keys}");
    }
    // It grows beyond what is told.
    let grown = Counted {
        topic: "job/w/devel/hello".to_owned(),
        seq: seq(9),
        tasks: 6_000,
    };
    bench.feed_all(whole("job/w/devel/hello", vec![Line::Counted(grown)]));
    assert!(bench.state.store.tasks.is_empty());
    assert_eq!(asked(&bench).unwrap().1.table, "instances/w/devel/hello");
}

#[test]
fn changes_are_of_the_marked_instances_and_never_of_those_that_are_here() {
    let mut bench = opened();
    bench.keys("space down down space");
    bench.event(Event::Run("last".to_owned()));
    page(&mut bench, 199_600..200_000);
    bench.keys("space");
    bench.event(Event::Run("restart".to_owned()));
    assert_eq!(
        followed(&bench),
        ["job/w/prod/big", "job/w/prod/big/0:3:199999"]
    );
    assert!(bench.sent().is_empty());
    bench.feed_all(told("0:3:199999", &[0, 3, 199_999]));
    let dialog = bench.dialog();
    assert!(
        dialog.contains("3 of 200000 active instances end and start again"),
        "{dialog}"
    );
    assert!(dialog.contains("0,3,199999"), "{dialog}");
    bench.keys("b i g enter");
    let sent = bench.sent();
    let Some(crate::actions::Subject::Instances(part)) = sent.first().map(|call| &call.subject)
    else {
        panic!("{sent:?} {}", bench.bottom());
    };
    let targets: Vec<i32> = part.targets.iter().map(|target| target.instance).collect();
    assert_eq!(targets, [0, 3, 199_999]);
    // They are followed until the new ones run, wherever one is then.
    bench.event(Event::Run("hosts".to_owned()));
    assert_eq!(followed(&bench), ["job/w/prod/big/0:3:199999"]);

    for (line, refusal) in [
        (
            "kill w/prod/big",
            "cannot kill all of w/prod/big: it has 200000 tasks",
        ),
        ("restart w/prod/big", "use `aurora job restart`"),
        (
            "prune w/prod/big",
            "cannot prune w/prod/big: it has 200000 tasks",
        ),
        (
            "kill w/prod/big/0-10000",
            "10001 instances are named, more than are followed",
        ),
    ] {
        let mut bench = opened();
        bench.event(Event::Run(line.to_owned()));
        let said = bench.bottom();
        let notice = bench
            .state
            .notice
            .as_ref()
            .map(|notice| notice.text.clone());
        assert!(
            notice.unwrap_or_default().contains(refusal),
            "{line}: {said}"
        );
        assert!(
            bench.sent().is_empty() && bench.state.awaiting.is_none(),
            "{line}"
        );
    }
}
