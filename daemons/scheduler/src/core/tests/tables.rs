//! What the tables hold after some ops.

use std::sync::Arc;

use super::replay::after;
use super::samples::samples;
use super::*;

#[test]
fn updates_are_listed_by_job_and_are_active_until_they_end() {
    let mut store = after(&samples());
    let job = JobKey::new("www", "prod", "hello");
    let update = store.read().active_update(&job).unwrap();
    assert_eq!(
        (update.created(), update.modified()),
        (START + 4, START + 7)
    );
    assert_eq!(store.read().active_updates_of_role("www").count(), 1);
    assert_eq!(store.read().active_updates_of_role("ww").count(), 0);
    let key = update.key().clone();
    let end = Op::UpdateEvent {
        key: key.clone(),
        event: JobUpdateEvent {
            status: JobUpdateStatus::Aborted,
            timestamp_ms: START + 9,
            user: None,
            message: None,
        },
    };
    store.apply(&end).unwrap();
    assert_eq!(store.read().active_updates().count(), 0);
    let state = store.read().update(&key).unwrap().state().unwrap();
    assert_eq!(state.status, JobUpdateStatus::Aborted);
    assert_eq!(state.last_modified_timestamp_ms, START + 9);
    let forget = Op::RemoveUpdates { keys: vec![key] };
    store.apply(&forget).unwrap();
    assert_eq!(store.read().updates().count(), 0);
    assert_eq!(
        store.apply(&forget).unwrap_err().to_string(),
        "there is no update u1"
    );
}

#[test]
fn a_new_template_keeps_what_was_decided() {
    let mut store = after(&samples());
    let key = JobKey::new("www", "prod", "nightly");
    let cron = store.read().cron(&key).unwrap().clone();
    assert_eq!(cron.last.unwrap().outcome, CronOutcome::Missed);
    let mut job = (*cron.job).clone();
    job.cron_schedule = Some("0 4 * * *".to_owned());
    store.apply(&Op::SaveCron { job: Arc::new(job) }).unwrap();
    let new = store.read().cron(&key).unwrap();
    assert_eq!(new.job.cron_schedule.as_deref(), Some("0 4 * * *"));
    assert_eq!(new.last, cron.last);
    assert_eq!(store.read().crons_of_role("www").count(), 1);
    assert_eq!(store.read().crons_of_role("www2").count(), 0);
}

#[test]
fn the_audit_trail_is_bounded() {
    let mut store = Store::default();
    for time in 0..1_500 {
        let record = AuditRecord {
            time,
            user: String::new(),
            method: String::new(),
            target: String::new(),
            detail: String::new(),
        };
        let record = Arc::new(record);
        store.apply(&Op::Audit { record }).unwrap();
    }
    let times: Vec<Millis> = store.read().audit().map(|record| record.time).collect();
    assert_eq!((times.len(), times[0], times[999]), (1_000, 500, 1_499));
}
