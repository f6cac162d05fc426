//! The whole screen at a moment of the past hour.

use super::*;

fn jobs_failed(bench: &Bench) -> serde_json::Value {
    snapshot(&bench.state)["data"]["rows"][0]["failed"].clone()
}

fn at(seconds: i64) -> i64 {
    NOW + seconds * 1000
}

/// A job of which a task fails after 60 s, and another after 120 s.
fn with_history() -> Bench {
    let mut bench = Bench::with_jobs();
    for failed in 1..=2u32 {
        let line = job(
            "w/devel/hello",
            &[
                (ScheduleStatus::Running, 3),
                (ScheduleStatus::Failed, failed),
            ],
        );
        bench.event(Event::Feed(at(60 * i64::from(failed)), line));
    }
    bench.event(Event::Tick(at(180)));
    bench
}

#[test]
fn the_screen_goes_back_and_forth_in_time() {
    let mut bench = with_history();
    assert_eq!(jobs_failed(&bench), 2);
    bench.keys("<");
    assert_eq!(jobs_failed(&bench), 2);
    let status = |bench: &Bench| -> String {
        let status = screen(&bench.state).status.into_iter();
        status.map(|segment| segment.text).collect()
    };
    // NOW is 2001-09-09 01:46:40 UTC (`date -u -d @1000000000`).
    assert!(
        status(&bench).contains("at 01:49:30 UTC, 9s ago"),
        "{}",
        status(&bench)
    );
    assert!(status(&bench).contains("REPLAY"));
    bench.keys(": e a r l i e r space 9 0 s enter");
    assert_eq!(jobs_failed(&bench), 1);
    bench.keys("{");
    assert_eq!(jobs_failed(&bench), 0);
    bench.keys("<");
    assert!(
        bench.bottom().contains("the record begins at"),
        "{}",
        bench.bottom()
    );
    bench.keys(": m o m e n t space 0 1 : 4 7 : 4 5 enter");
    assert_eq!(jobs_failed(&bench), 1);
    // What comes meanwhile is not of then, and is there on return.
    let line = job("w/devel/hello", &[(ScheduleStatus::Failed, 9)]);
    bench.event(Event::Feed(at(181), line));
    assert_eq!(jobs_failed(&bench), 1);
    bench.keys("g .");
    assert_eq!(jobs_failed(&bench), 9);
    assert!(!status(&bench).contains("REPLAY"));
    bench.keys(">");
    assert!(bench.bottom().contains("this is now"));
}

#[test]
fn the_past_is_not_changed() {
    let mut bench = with_history();
    bench.keys("< a");
    assert!(
        bench
            .bottom()
            .contains("nothing is changed while looking back"),
        "{}",
        bench.bottom()
    );
    bench.event(Event::Run("kill w/devel/hello".to_owned()));
    assert!(
        bench
            .bottom()
            .contains("nothing is changed while looking back")
    );
    assert!(bench.state.awaiting.is_none() && bench.sent().is_empty());
    bench.event(Event::Run("moment now; kill w/devel/hello/0".to_owned()));
    assert!(bench.state.awaiting.is_some());
}

#[test]
fn links_carry_the_time_looked_at() {
    let mut bench = with_history();
    bench.keys("{");
    bench.keys(": m o m e n t space 0 1 : 4 8 : 0 0 enter y l");
    let link = "aurora://dev/jobs?at=2001-09-09T01%3A48%3A00Z";
    assert!(
        bench.effects.contains(&Effect::Copy(link.to_owned())),
        "{:?}",
        bench.effects.last()
    );
    bench.keys("g .");
    assert_eq!(jobs_failed(&bench), 2);
    bench.event(Event::Run(format!("open {link}")));
    assert_eq!(jobs_failed(&bench), 1);
    // A link without a time is of now.
    bench.event(Event::Run("open aurora://dev/jobs".to_owned()));
    assert_eq!(jobs_failed(&bench), 2);
}

#[test]
fn what_was_not_followed_is_said_not_to_be_recorded() {
    let mut bench = with_history();
    bench.keys("<");
    bench.keys("enter");
    let Body::Table(view) = screen(&bench.state).body else {
        panic!("{:?}", screen(&bench.state).body)
    };
    assert!(
        view.empty.contains("was not followed at that moment"),
        "{}",
        view.empty
    );
    // It is followed now, and found on return.
    bench.hello_tasks();
    bench.keys("g .");
    assert_eq!(snapshot(&bench.state)["data"]["total"], 3);
}
