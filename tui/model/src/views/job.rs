//! What is known of a job besides its instances: its schedule, the update that goes on.

use aurora_api::feed::CronRun;
use aurora_api::job_key::JobPath;

use crate::state::State;
use crate::table::Cell;
use crate::text;
use crate::theme::Scope;

use super::fleet::update_scope;

/// Labels and values that stand above a job's instances.
pub(super) fn fields(state: &State, job: &JobPath) -> Vec<(&'static str, Cell)> {
    let Some(record) = state.store.jobs.get(job) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    if let Some(schedule) = &record.cron_schedule {
        out.push(("schedule", Cell::text(schedule)));
        let run = record.cron_last.as_ref();
        out.push(("last", run.map_or_else(|| Cell::text("never"), last)));
        let next = run.map_or(&[][..], |run| &run.next_ms);
        let next: Vec<String> = next.iter().map(|at| text::utc_minute(*at)).collect();
        let next = match next.is_empty() {
            true => Cell::text("the scheduler does not tell").scope(Scope::Dim),
            false => Cell::text(&format!("{} UTC", next.join(", "))),
        };
        out.push(("next", next));
    }
    if let Some(update) = &record.update {
        let told = format!("{} {}", update.status.name(), update.id);
        let told = Cell::text(&told).scope(update_scope(update.status));
        out.push(("update", told));
    }
    out
}

/// What came of the last minute of the schedule that was decided.
fn last(run: &CronRun) -> Cell {
    match has_run(run) {
        true => outcome(run, &format!("{} UTC", text::utc_minute(run.minute_ms))),
        false => Cell::text("never"),
    }
}

/// Whether a minute of the schedule has come since the job was scheduled.
pub(super) fn has_run(run: &CronRun) -> bool {
    run.outcome != "scheduled"
}

/// The outcome after some words, in its colour.
pub(super) fn outcome(run: &CronRun, before: &str) -> Cell {
    let told = Cell::text(format!("{before} {}", run.outcome).trim_start());
    match run.outcome.as_str() {
        "missed" => told.scope(Scope::Bad),
        "skipped" => told.scope(Scope::Warn),
        _ => told,
    }
}
