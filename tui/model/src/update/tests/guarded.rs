//! Changes that need an answer of the scheduler first, and forms.

use aurora_api::drain_plan::{DrainPlan, PlannedHost, PlannedJob, PlannedPolicy};
use aurora_api::feed::QuotaRecord;
use aurora_api::model::{JobUpdateAction, JobUpdateStatus, MaintenanceMode};

use super::fleet::{an_update, cluster};
use super::*;
use crate::actions::Subject;
use crate::told::{Amounts, InstanceStep, QuotaUse, Strategy, UpdateInfo, UpdateStep};

const MIB: f64 = 1024.0 * 1024.0;

fn quota(cpus: f64) -> Line {
    Line::Quota(QuotaRecord {
        seq: seq(6),
        role: "w".to_owned(),
        cpus,
        ram_mb: 2048,
        disk_mb: 4096,
    })
}

fn used(cpus: f64) -> Answer {
    let counted = Amounts {
        cpus,
        ram: 1024.0 * MIB,
        disk: 0.0,
    };
    let other = Amounts::default();
    Answer::Quotas([("w".to_owned(), QuotaUse { counted, other })].into())
}

/// The quotas' view with one role, `cpus` of its ten used.
fn quotas(cpus: f64) -> Bench {
    let mut bench = cluster(2);
    bench.feed(quota(10.0));
    bench.keys("g q");
    bench.answer(|question| *question == Question::Quotas, used(cpus));
    bench
}

pub(super) fn accepted(bench: &mut Bench) {
    let id = bench.sent().last().expect("nothing was sent").id;
    bench.event(Event::Answer(id, Progress::Accepted));
}

#[test]
fn a_quota_is_shown_against_what_is_used_and_edited_in_a_form() {
    let mut bench = quotas(9.5);
    let table = crate::views::table(&bench.state).unwrap();
    let texts: Vec<&str> = table.rows[0]
        .cells
        .iter()
        .map(|cell| cell.text.as_str())
        .collect();
    assert_eq!(
        texts[..5],
        ["w", "10", "     9.5 █████░", "2.0 GiB", " 1.0 GiB ███░░░"]
    );
    assert!(table.rows[0].problem, "nearly all cores are used");
    bench.keys("enter");
    let form = bench.dialog();
    for part in [
        "quota of w",
        "9.5 used, 0.5 left; at least 9.5",
        "1.0 GiB used",
    ] {
        assert!(form.contains(part), "no {part:?} in {form}");
    }
    bench.keys("ctrl-u 9 enter");
    assert!(
        bench.dialog().contains("cpus: 9.5 are used"),
        "{}",
        bench.dialog()
    );
    bench.keys("ctrl-u 1 2 tab ctrl-u 4 G i B enter");
    let question = bench.dialog();
    for part in [
        "cpus: 10 now, 12 then (9.5 used)",
        "ram: 2.0 GiB now, 4.0 GiB then (1.0 GiB used)",
        "aurora_admin set_quota dev w 12 4096MB 4096MB",
    ] {
        assert!(question.contains(part), "no {part:?} in {question}");
    }
    bench.keys("y");
    accepted(&mut bench);
    bench.feed(quota(11.0));
    assert_eq!(bench.outcomes(), ["sent"]);
    bench.feed(Line::Quota(QuotaRecord {
        seq: seq(7),
        role: "w".to_owned(),
        cpus: 12.0,
        ram_mb: 4096,
        disk_mb: 4096,
    }));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
}

#[test]
fn a_quota_below_what_is_used_is_refused() {
    let mut bench = quotas(9.5);
    for (line, said) in [
        ("quota-set w 9 2GiB 4GiB", "9.5 are used"),
        ("quota-set w 10 512MiB 4GiB", "1.0 GiB are used"),
        ("quota-set w 10 2GiB 4GiB", "quota already"),
        ("quota-set w 10 2048 4GiB", "with its unit"),
        ("quota-set w 10 2GiB", "CPUS RAM DISK"),
    ] {
        bench.event(Event::Run(line.to_owned()));
        assert!(bench.bottom().contains(said), "{line}: {}", bench.bottom());
        assert_eq!(bench.dialog(), "", "{line}");
    }
}

/// What becomes of two jobs when `h1` is drained.
pub(super) fn forecast() -> Answer {
    let lost = |job: &str, lost: Vec<i32>, blockers: Vec<String>| PlannedJob {
        job: job.parse().unwrap(),
        production: false,
        fits: 1,
        running_before: 3,
        running_after: 3 - u32::try_from(lost.len()).unwrap(),
        running_needed: Some(2),
        active: 3,
        at_once: 1,
        no_room: match lost.len() {
            1 => Vec::new(),
            _ => vec!["Insufficient: CPU".to_owned()],
        },
        lost,
        blockers,
        policy: PlannedPolicy::None("no policy".to_owned()),
        estimate_secs: Some(90),
    };
    Answer::Drain(DrainPlan {
        time_ms: NOW,
        hosts: vec![PlannedHost {
            host: "h1".to_owned(),
            mode: Some(MaintenanceMode::None),
            tasks: 3,
            held_up_by: Vec::new(),
        }],
        jobs: vec![
            lost("w/devel/hello", vec![0, 1], Vec::new()),
            lost(
                "x/prod/web",
                vec![0],
                vec!["its coordinator says no".to_owned()],
            ),
        ],
        estimate_secs: Some(90),
    })
}

#[test]
fn the_forecast_stands_in_front_of_a_drain() {
    let mut bench = cluster(2);
    bench.event(Event::Run("host-drain h1".to_owned()));
    assert_eq!(bench.dialog(), "", "the forecast has not come");
    assert!(bench.state.waiting_for().is_some());
    bench.answer(
        |question| matches!(question, Question::Drain(_)),
        forecast(),
    );
    let question = bench.dialog();
    let place = |part: &str| {
        question
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in {question}"))
    };
    let held = place(
        "x/prod/web loses instance 0: 3 run now, 2 then, 2 needed; HELD UP: its coordinator says no",
    );
    let other = place(
        "w/devel/hello loses instances 0-1: 3 run now, 1 then, 2 needed; \
         1 finds no room elsewhere now (Insufficient: CPU)",
    );
    assert!(held < other, "what holds it up comes first");
    place("It takes about 1m.");
    assert!(bench.sent().is_empty());
    bench.keys("h 1 enter");
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_drain_goes_on_without_a_forecast_and_says_so() {
    let mut bench = cluster(2);
    bench.event(Event::Run("host-drain h1".to_owned()));
    let asked = bench.watch_of(|what| matches!(what, WatchWhat::Ask(Question::Drain(_))));
    bench.event(Event::Seen(asked, Seen::Absent("no such route".to_owned())));
    assert!(
        bench.dialog().contains("No forecast: no such route"),
        "{}",
        bench.dialog()
    );
}

#[test]
fn a_state_is_forced_after_its_name_was_typed() {
    let mut bench = cluster(2);
    bench.keys("enter");
    bench.hello_tasks();
    bench.keys("j a F");
    assert!(
        bench.dialog().contains("state of t1a"),
        "{}",
        bench.dialog()
    );
    bench.keys("enter");
    let question = bench.dialog();
    for part in [
        "takes the task t1a for LOST; it is RUNNING now",
        "type LOST",
        "aurora-tui --cluster dev --exec 'task-force t1a LOST'",
    ] {
        assert!(question.contains(part), "no {part:?} in {question}");
    }
    bench.keys("L O S T enter");
    accepted(&mut bench);
    assert_eq!(
        bench.outcomes(),
        ["sent"],
        "an OK of the scheduler says nothing"
    );
    bench.feed(task("w/devel/hello", 1, "a", ScheduleStatus::Lost));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
}

#[test]
fn ended_tasks_are_pruned_by_their_ids() {
    let mut bench = cluster(2);
    bench.keys("enter");
    bench.hello_tasks();
    bench.event(Event::Run("prune".to_owned()));
    assert!(
        bench.bottom().contains("no ended task"),
        "{}",
        bench.bottom()
    );
    for generation in ["x", "y"] {
        bench.feed(task("w/devel/hello", 0, generation, ScheduleStatus::Failed));
    }
    bench.event(Event::Run("prune".to_owned()));
    bench.keys("2 enter");
    match &bench.sent()[0].subject {
        Subject::Ended(ended) => assert_eq!(ended.tasks, ["t0x", "t0y"]),
        other => panic!("{other:?}"),
    }
    accepted(&mut bench);
    for (id, outcomes) in [("t0x", 1), ("t0y", 2)] {
        bench.feed(Line::TaskRemoved(feed::TaskRemoved {
            seq: seq(9),
            task_id: id.to_owned(),
            job: "w/devel/hello".parse().unwrap(),
        }));
        assert_eq!(bench.outcomes().len(), outcomes);
    }
}

#[test]
fn a_reconciliation_is_seen_in_what_the_scheduler_counts() {
    let counted =
        |runs: f64| Answer::Vars([("reconciliation_implicit_runs".to_owned(), runs)].into());
    let mut bench = cluster(2);
    bench.event(Event::Run("reconcile-implicit".to_owned()));
    bench.answer(|question| *question == Question::Vars, counted(3.0));
    assert!(
        bench
            .dialog()
            .contains("aurora_admin reconcile_tasks --type=implicit dev"),
        "{}",
        bench.dialog()
    );
    bench.keys("y");
    accepted(&mut bench);
    bench.answer(|question| *question == Question::Vars, counted(3.0));
    assert_eq!(bench.outcomes(), ["sent"]);
    bench.answer(|question| *question == Question::Vars, counted(4.0));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
}

#[test]
fn an_update_that_waits_for_a_pulse_gets_one() {
    let mut bench = cluster(2);
    bench.keys("g u");
    let waiting = JobUpdateStatus::RollForwardAwaitingPulse;
    bench.feed_all(whole("updates", vec![an_update(waiting)]));
    bench.keys("a L y");
    accepted(&mut bench);
    assert_eq!(bench.outcomes(), ["sent"]);
    bench.feed(an_update(JobUpdateStatus::RollingForward));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
}

fn info(steps: &[(i32, JobUpdateAction)]) -> Answer {
    let step = |(instance, action): &(i32, JobUpdateAction)| InstanceStep {
        instance: *instance,
        time_ms: NOW - 1_000,
        action: *action,
        message: None,
    };
    Answer::Update(Box::new(UpdateInfo {
        status: JobUpdateStatus::RollingForward,
        user: Some("ann".to_owned()),
        created_ms: NOW - 9_000,
        changed_ms: NOW - 9_000,
        before: vec![0, 1, 2],
        after: vec![0, 1, 2],
        strategy: Strategy::Batches {
            sizes: vec![2],
            pauses: false,
        },
        limits: Vec::new(),
        steps: vec![UpdateStep {
            time_ms: NOW - 9_000,
            status: JobUpdateStatus::RollingForward,
            user: None,
            message: None,
        }],
        instances: steps.iter().map(step).collect(),
    }))
}

#[test]
fn one_update_is_followed_instance_by_instance() {
    use JobUpdateAction::*;
    let mut bench = cluster(2);
    bench.keys("g u");
    bench.feed_all(whole(
        "updates",
        vec![an_update(JobUpdateStatus::RollingForward)],
    ));
    bench.keys("enter");
    assert_eq!(
        bench.state.link_here().to_string(),
        "aurora://dev/update/w/devel/hello/u1"
    );
    bench.hello_tasks();
    let states = |bench: &Bench| match screen(&bench.state).body {
        Body::Update(_, grid, ..) => grid
            .iter()
            .map(|line| {
                let cells: Vec<String> = line
                    .cells
                    .iter()
                    .map(|cell| format!("{}:{}", cell.text, cell.scope.name()))
                    .collect();
                format!("{} {}", line.label, cells.join(" "))
            })
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let is_it = |question: &Question| matches!(question, Question::Update(..));
    bench.answer(is_it, info(&[(0, InstanceUpdating)]));
    assert_eq!(
        states(&bench),
        [
            "batch 1 0:state.starting 1:state.waiting",
            "batch 2 2:state.waiting"
        ]
    );
    bench.answer(
        is_it,
        info(&[
            (0, InstanceUpdating),
            (0, InstanceUpdated),
            (1, InstanceUpdateFailed),
        ]),
    );
    assert_eq!(
        states(&bench),
        [
            "batch 1 0:state.running 1:state.failed",
            "batch 2 2:state.waiting"
        ]
    );
    bench.keys("a P");
    bench.feed_all(whole(
        "updates",
        vec![an_update(JobUpdateStatus::RollingForward)],
    ));
    assert!(
        bench
            .dialog()
            .contains("aurora update pause dev/w/devel/hello"),
        "{}",
        bench.dialog()
    );
    bench.keys("esc j enter");
    match &bench.state.view.place {
        Place::Task(task) => assert_eq!(task.task, "t1a"),
        other => panic!("{other:?}"),
    }
    bench.keys("esc");
    assert_eq!(bench.state.view.place.view(), "update");
}
