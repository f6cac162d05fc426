//! Changes that a job file says.

use aurora_api::feed::QuotaRecord;
use aurora_api::model::JobUpdateStatus;

use super::fleet::{an_update, cluster};
use super::*;
use crate::actions::Subject;
use crate::jobfile::{Charge, Fate, FromFile, Group};
use crate::told::{Amounts, QuotaUse, Strategy};

fn group(fate: Fate, instances: &str, count: usize, lines: &[&str]) -> Group {
    Group {
        fate,
        instances: instances.to_owned(),
        count,
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

/// A service of four instances: two are changed, one is added, one stays.
fn service() -> FromFile {
    FromFile {
        configuration: "job".to_owned(),
        settings: Some("settings".to_owned()),
        schedule: None,
        instances: 4,
        strategy: Some(Strategy::Queue(2)),
        limits: vec!["then rolls back".to_owned()],
        wait_ms: 45_000,
        warnings: vec!["hello.aurora:3: old".to_owned()],
        groups: vec![
            group(Fate::Added, "3", 1, &[]),
            group(Fate::Changed, "0-1", 2, &["- old", "+ new"]),
            group(Fate::Kept, "2", 1, &[]),
        ],
        charge: Charge {
            before: cores(3.0),
            after: cores(4.0),
        },
    }
}

fn cores(cpus: f64) -> Amounts {
    Amounts {
        cpus,
        ..Amounts::default()
    }
}

fn scheduled(fate: Fate) -> FromFile {
    FromFile {
        schedule: Some("0 3 * * *".to_owned()),
        instances: 2,
        settings: None,
        strategy: None,
        limits: Vec::new(),
        groups: vec![group(fate, "0-1", 2, &[])],
        charge: Charge::default(),
        ..service()
    }
}

fn answer_file(bench: &mut Bench, found: FromFile) {
    bench.answer(
        |question| matches!(question, Question::JobFile(_)),
        Answer::JobFile(Box::new(found)),
    );
}

fn answer_quotas(bench: &mut Bench, used: f64) {
    let of_role = QuotaUse {
        counted: cores(used),
        other: Amounts::default(),
    };
    bench.answer(
        |question| *question == Question::Quotas,
        Answer::Quotas([("w".to_owned(), of_role)].into()),
    );
}

/// A cluster with its updates, asked for a change of a file.
fn asked(line: &str) -> Bench {
    let mut bench = cluster(2);
    bench.feed(Line::Quota(QuotaRecord {
        seq: seq(6),
        role: "w".to_owned(),
        cpus: 10.0,
        ram_mb: 0,
        disk_mb: 0,
    }));
    bench.event(Event::Run(line.to_owned()));
    bench.feed_all(whole("updates", Vec::new()));
    bench.feed_all(whole("job/w/devel/new", Vec::new()));
    bench.hello_tasks();
    bench
}

fn accepted(bench: &mut Bench) {
    let id = bench.sent().last().expect("nothing was sent").id;
    bench.event(Event::Answer(id, Progress::Accepted));
}

#[test]
fn an_update_is_started_from_a_file_and_its_grid_followed() {
    let mut bench = asked("update-start \"my jobs/hello.aurora\" w/devel/hello reason=release");
    assert_eq!(bench.dialog(), "", "the file is not read yet");
    answer_file(&mut bench, service());
    assert_eq!(
        bench.dialog(),
        "",
        "what is used of the quota is not known yet"
    );
    answer_quotas(&mut bench, 3.0);
    let question = bench.dialog();
    for part in [
        "dev",
        "Instances 3 are added.",
        "Instances 0-1 are changed.",
        "Instances 2 stay as they are.",
        // Three instances, two at a time.
        "2 instance(s) at a time; that takes 1m at least",
        "It then rolls back.",
        "Of w's quota 4 of 10 cpus",
        "hello.aurora:3: old",
        "- old\n+ new",
        "release",
        "aurora update start dev/w/devel/hello 'my jobs/hello.aurora'",
        "type 3 ",
    ] {
        assert!(question.contains(part), "no {part:?} in {question}");
    }
    bench.keys("3 enter");
    let call = bench.sent()[0].clone();
    assert!(
        matches!(&call.subject, Subject::File(file) if file.aim.path == "my jobs/hello.aurora")
    );
    assert_eq!(call.reason, "release");
    accepted(&mut bench);
    assert_eq!(bench.outcomes(), ["sent"], "an OK is not an update");
    bench.feed(an_update(JobUpdateStatus::RollingForward));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
    assert_eq!(
        bench.state.view.place,
        Place::Update("w/devel/hello".parse().unwrap(), "u1".to_owned())
    );
}

#[test]
fn somebody_who_went_elsewhere_stays_there() {
    let mut bench = asked("update-start hello.aurora w/devel/hello");
    answer_file(&mut bench, service());
    answer_quotas(&mut bench, 3.0);
    bench.keys("3 enter g h");
    accepted(&mut bench);
    bench.feed(an_update(JobUpdateStatus::RollingForward));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
    assert_eq!(bench.state.view.place, Place::Hosts);
}

#[test]
fn what_a_file_says_is_refused_where_it_does_not_fit() {
    for (line, found, said) in [
        (
            "update-start f w/devel/hello",
            scheduled(Fate::Changed),
            "`cron-schedule` takes it",
        ),
        (
            "update-start f w/devel/hello",
            FromFile {
                groups: vec![group(Fate::Kept, "0-2", 3, &[])],
                ..service()
            },
            "the cluster has it as the file says",
        ),
        (
            "cron-schedule f w/devel/report",
            service(),
            "the file gives it no cron schedule",
        ),
        (
            "cron-schedule f w/devel/report",
            scheduled(Fate::Kept),
            "the cluster has it as the file says",
        ),
        (
            "job-create f w/devel/hello",
            service(),
            "it has 3 active instance(s)",
        ),
    ] {
        let mut bench = asked(line);
        answer_file(&mut bench, found);
        answer_quotas(&mut bench, 0.0);
        assert!(bench.bottom().contains(said), "{line}: {}", bench.bottom());
        assert_eq!(bench.dialog(), "", "{line}");
    }
    let mut bench = asked("update-start f w/devel/hello");
    let reading = bench.watch_of(|what| matches!(what, WatchWhat::Ask(Question::JobFile(_))));
    let why = "f:3: name 'x' is not defined".to_owned();
    bench.event(Event::Seen(reading, Seen::Trouble(why.clone())));
    answer_quotas(&mut bench, 0.0);
    assert!(bench.bottom().contains(&why), "{}", bench.bottom());
    for (line, said) in [
        ("job-create f w/devel/x/0", "for the whole job"),
        ("cron-schedule f hello", "is not a job"),
    ] {
        bench.event(Event::Run(line.to_owned()));
        assert!(bench.bottom().contains(said), "{line}: {}", bench.bottom());
    }
    // One goes on already.
    let mut bench = cluster(2);
    bench.event(Event::Run("update-start f w/devel/hello".to_owned()));
    let going_on = an_update(JobUpdateStatus::RollingForward);
    bench.feed_all(whole("updates", vec![going_on]));
    answer_file(&mut bench, service());
    answer_quotas(&mut bench, 0.0);
    assert!(bench.bottom().contains("u1 goes on"), "{}", bench.bottom());
}

#[test]
fn a_quota_that_a_file_exceeds_is_said_before_the_yes() {
    let mut bench = asked("update-start f w/devel/hello");
    answer_file(&mut bench, service());
    // Other jobs use eight: with four instead of three it is eleven and one too many.
    answer_quotas(&mut bench, 10.0);
    let question = bench.dialog();
    assert!(
        question.contains("w's QUOTA IS EXCEEDED: 11 of 10 cpus would be used"),
        "{question}"
    );
}

#[test]
fn a_question_is_asked_again_when_the_job_has_changed_meanwhile() {
    let mut bench = asked("update-start f w/devel/hello");
    answer_file(&mut bench, service());
    answer_quotas(&mut bench, 3.0);
    let mut found = service();
    found.groups.pop();
    answer_file(&mut bench, found);
    bench.keys("3 enter");
    assert!(bench.sent().is_empty());
    assert!(
        bench
            .dialog()
            .contains("Asked again: the job on the cluster has changed"),
        "{}",
        bench.dialog()
    );
    bench.keys("3 enter");
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_cron_job_is_scheduled_when_the_scheduler_has_what_the_file_says() {
    let mut bench = asked("cron-schedule jobs/report.aurora w/devel/report");
    answer_file(&mut bench, scheduled(Fate::Changed));
    answer_quotas(&mut bench, 0.0);
    let question = bench.dialog();
    for part in [
        "It runs by `0 3 * * *` with 2 instance(s); what runs now goes on.",
        "aurora cron schedule dev/w/devel/report jobs/report.aurora",
    ] {
        assert!(question.contains(part), "no {part:?} in {question}");
    }
    bench.keys("y");
    accepted(&mut bench);
    answer_file(&mut bench, scheduled(Fate::Changed));
    assert_eq!(bench.outcomes(), ["sent"], "it is not there yet");
    answer_file(&mut bench, scheduled(Fate::Kept));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
}

#[test]
fn a_job_is_created_when_its_tasks_are_there() {
    let mut bench = asked("job-create f w/devel/new");
    answer_file(&mut bench, service());
    answer_quotas(&mut bench, 0.0);
    assert!(
        bench.dialog().contains("created with 4 instance(s)"),
        "{}",
        bench.dialog()
    );
    bench.keys("y");
    accepted(&mut bench);
    for at in 0..3 {
        bench.feed(task("w/devel/new", at, "n", ScheduleStatus::Pending));
    }
    assert_eq!(bench.outcomes(), ["sent"], "one is missing");
    // Short ones may have ended by then.
    bench.feed(task("w/devel/new", 3, "n", ScheduleStatus::Finished));
    assert_eq!(bench.outcomes(), ["sent", "confirmed"]);
    let job = "w/devel/new".parse().unwrap();
    assert_eq!(bench.state.view.place, Place::Instances(job));
}

#[test]
fn a_long_difference_is_scrolled_and_the_answer_stays_in_sight() {
    let mut bench = asked("update-start f w/devel/hello");
    let mut found = service();
    let lines: Vec<String> = (0..50).map(|at| format!("+ line {at}")).collect();
    found.groups[1].lines = lines;
    answer_file(&mut bench, found);
    answer_quotas(&mut bench, 0.0);
    let has = |bench: &Bench, part: &str| bench.dialog().contains(part);
    assert!(has(&bench, "+ line 0\n") && !has(&bench, "+ line 49"));
    bench.keys("pagedown pagedown pagedown pagedown pagedown");
    assert!(has(&bench, "+ line 49") && has(&bench, "of 50; up, down") && has(&bench, "type 3"));
    bench.keys("up");
    assert!(!has(&bench, "+ line 49"));
    bench.keys("3 enter");
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn files_and_their_jobs_are_completed() {
    let mut bench = cluster(2);
    let words = |words: &[&str]| Answer::Words(words.iter().map(|word| (*word).into()).collect());
    let paths = |directory: &'static str| {
        move |question: &Question| *question == Question::Paths(directory.to_owned())
    };
    let jobs = |question: &Question| matches!(question, Question::JobsOf(_));
    bench.keys(": u p d a t e - s t a r t space");
    bench.answer(paths(""), words(&["jobs/", "notes.json"]));
    bench.keys("j tab");
    assert_eq!(bench.bottom().trim_end(), ":update-start jobs/");
    bench.answer(
        paths("jobs/"),
        words(&["jobs/hello.aurora", "jobs/help.aurora"]),
    );
    bench.keys("tab");
    assert_eq!(bench.bottom().trim_end(), ":update-start jobs/hel");
    bench.keys("l tab space");
    bench.answer(jobs, words(&["w/devel/hello"]));
    bench.keys("tab");
    assert_eq!(
        bench.bottom().trim_end(),
        ":update-start jobs/hello.aurora w/devel/hello"
    );
    // The same in the form, which knows the job that is selected.
    bench.keys("esc a U");
    assert!(
        bench.dialog().contains("w/devel/hello"),
        "{}",
        bench.dialog()
    );
    bench.answer(paths(""), words(&["hello.aurora"]));
    bench.keys("h tab");
    assert!(
        bench.dialog().contains("hello.aurora"),
        "{}",
        bench.dialog()
    );
    bench.keys("down ctrl-u w /");
    bench.answer(jobs, words(&["w/devel/hello"]));
    bench.keys("tab enter");
    bench.feed_all(whole("updates", Vec::new()));
    answer_file(&mut bench, service());
    answer_quotas(&mut bench, 0.0);
    assert!(
        bench
            .dialog()
            .contains("aurora update start dev/w/devel/hello hello.aurora"),
        "{}",
        bench.dialog()
    );
}
