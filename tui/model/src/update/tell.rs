//! What is told to somebody who looks elsewhere.

use aurora_api::job_key::JobPath;

use crate::event::Effect;
use crate::notify::Occasion;
use crate::place::Place;
use crate::state::State;

use super::panes;

/// Failures are told at most this often.
const FAILURES_MS: i64 = 10_000;

/// An update whose end is told.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    job: JobPath,
    id: String,
    /// Whether the cluster has said that it goes on: before that its absence says nothing.
    seen: bool,
}

fn is_on(state: &State, occasion: Occasion) -> bool {
    state.setup.rules.notify.when.contains(&occasion)
}

/// Tells it on this occasion, if that is wished.
pub(super) fn tell(state: &State, occasion: Occasion, what: &str) -> Option<Effect> {
    is_on(state, occasion).then(|| Effect::Notify {
        how: state.setup.rules.notify.how.clone(),
        text: crate::text::clean(&format!("{}: {what}", state.setup.cluster)),
    })
}

/// From now on the end of this update is told.
pub(super) fn follow(state: &mut State, job: &JobPath, id: &str) {
    let is_known = |known: &Followed| known.job == *job && known.id == id;
    if is_on(state, Occasion::Update) && !state.followed.iter().any(is_known) {
        state.followed.push(Followed {
            job: job.clone(),
            id: id.to_owned(),
            seen: false,
        });
    }
}

/// The number of the newest news.
pub(super) fn newest(state: &State) -> u64 {
    state.store.news.back().map_or(0, |news| news.number)
}

/// Something was heard; `before` is the number of the newest news before it.
pub(super) fn heard(state: &mut State, before: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    effects.extend(failures(state, before));
    if is_on(state, Occasion::Update) {
        let shown = panes::each(state, |state| match &state.view.place {
            Place::Update(job, id) => Some((job.clone(), id.clone())),
            _ => None,
        });
        for (job, id) in shown.into_iter().flatten() {
            follow_if_active(state, &job, &id);
        }
        effects.extend(ends(state));
    }
    effects
}

/// One that has ended when it is opened is not followed.
fn follow_if_active(state: &mut State, job: &JobPath, id: &str) {
    if active(state, job) == Some(id) {
        follow(state, job, id);
    }
}

/// The update of a job that goes on.
fn active<'a>(state: &'a State, job: &JobPath) -> Option<&'a str> {
    let record = state.store.jobs.get(job)?;
    Some(record.update.as_ref()?.id.as_str())
}

fn failures(state: &mut State, before: u64) -> Option<Effect> {
    let news = state.store.news.iter().rev();
    let mut new = news.take_while(|news| news.number > before);
    let failed = new.find(|news| news.problem && news.kind == "job")?;
    let what = format!("{} {}", failed.object, failed.what);
    if state.now_ms - state.failure_told_ms < FAILURES_MS {
        return None;
    }
    let told = tell(state, Occasion::Failure, &what)?;
    state.failure_told_ms = state.now_ms;
    Some(told)
}

fn ends(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut followed = std::mem::take(&mut state.followed);
    followed.retain_mut(|update| {
        let goes_on = active(state, &update.job) == Some(&update.id);
        update.seen |= goes_on;
        let record = state.store.update(&update.job, &update.id);
        let status = record.map(|record| record.status);
        let is_over = status.is_some_and(|status| !status.is_active());
        let ended = !goes_on && (update.seen || is_over);
        if ended {
            let status = status.filter(|_| is_over);
            let status = status.map_or_else(String::new, |status| format!(": {status}"));
            let what = format!("the update of {} has ended{status}", update.job);
            effects.extend(tell(state, Occasion::Update, &what));
        }
        !ended
    });
    state.followed = followed;
    effects
}
