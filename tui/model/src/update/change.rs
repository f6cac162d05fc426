//! From the wish to change something to its verified outcome.

use crate::actions::{Action, Change, Guard, Kind, Plan, Progress, Request, Subject};
use crate::event::{Call, Effect};
use crate::jobfile::Purpose;
use crate::journal::Entry;
use crate::notify::Occasion;
use crate::place::Place;
use crate::plan::allowed;
use crate::state::{Input, Level, Mode, State};
use crate::store::UPDATES;
use crate::told::Question;

use super::meant::{Aim, aim_here, aim_named, kinds_here};
use super::{go, notice, rounds, tell};

/// What could be done to what is selected: a letter, a command line and, where it is impossible, why.
pub(crate) fn menu(state: &State) -> Vec<(char, &'static str, String, Option<String>)> {
    let kinds = kinds_here(state);
    Action::ALL
        .iter()
        .filter(|(action, _)| kinds.contains(&action.kind()))
        .map(|(action, letter)| {
            let aim = aim_here(state, *action);
            let object = aim.as_ref().map_or_else(|_| String::new(), Aim::describe);
            let fault = aim.map_or_else(Some, |aim| against(state, *action, aim));
            (*letter, action.name(), object, fault)
        })
        .collect()
}

/// What is known to be against a change. Before the records have come that is nothing.
fn against(state: &State, action: Action, aim: Aim) -> Option<String> {
    if let Err(fault) = allowed(&state.setup, action) {
        return Some(fault);
    }
    let Aim::Wish(wish) = aim else {
        return None;
    };
    if !state.store.is_whole(&wish.topic(&state.store)) {
        return None;
    }
    let request = Request {
        action,
        wish,
        reason: String::new(),
    };
    Plan::resolve(&state.store, &state.setup, &request).err()
}

/// Asks for a change; the question appears as soon as what it is about is known.
pub(super) fn ask(
    state: &mut State,
    action: Action,
    words: &[String],
    reason: &str,
) -> Result<(), String> {
    if state.setup.read_only {
        return Err(format!(
            "cannot {}: this workbench is read-only (--read-only)",
            action.name()
        ));
    }
    allowed(&state.setup, action)?;
    let wish = match aim_named(state, action, words)? {
        Aim::Wish(wish) => wish,
        Aim::Form(form) => {
            state.mode = Mode::Form(form);
            return Ok(());
        }
    };
    let makes_jobs = matches!(action.kind(), Kind::File | Kind::CronFile);
    if let Some(job) = wish.job()
        && !makes_jobs
        && state.store.is_whole(crate::store::SUMMARY)
        && !state.store.is_paged("jobs")
        && !state.store.jobs.contains_key(job)
    {
        return Err(format!("there is no job {job} on {}", state.setup.cluster));
    }
    if wish.topic(&state.store) == UPDATES && state.store.version.is_some_and(|version| version < 2)
    {
        return Err("this scheduler's event feed does not tell about updates".to_owned());
    }
    state.awaiting = Some(Request {
        action,
        wish,
        reason: reason.to_owned(),
    });
    resume(state);
    Ok(())
}

/// Puts the question when what it needs has come.
pub(super) fn resume(state: &mut State) {
    let Some(request) = &state.awaiting else {
        return;
    };
    let topic = request.wish.topic(&state.store);
    if state.store.is_denied(&topic) {
        let text = format!("{topic} may not be read, so nothing can be verified");
        state.awaiting = None;
        notice(state, Level::Bad, &text);
        return;
    }
    if !state.store.is_whole(&topic) {
        return;
    }
    let questions = request.questions();
    let is_open = |question: &Question| state.store.answers.get(question).is_none();
    if request.rests_on_answers() && questions.iter().any(is_open) {
        return;
    }
    let plan = Plan::resolve(&state.store, &state.setup, request);
    // What cannot be done is refused at once; what can be waits until all is known that belongs to the question.
    if plan.is_ok() && questions.iter().any(is_open) {
        return;
    }
    state.awaiting = None;
    match plan {
        Ok(plan) => state.mode = Mode::Confirm(Box::new(plan), Input::default(), None),
        Err(fault) => notice(state, Level::Bad, &fault),
    }
}

/// The answer to the question is yes: sends what was asked, unless the cluster has moved on underneath.
pub(super) fn accept(state: &mut State, plan: Plan) -> Vec<Effect> {
    if let Some(drift) = plan.drift(&state.store) {
        let again = Plan::resolve(&state.store, &state.setup, &plan.request());
        match again {
            Ok(plan) => state.mode = Mode::Confirm(Box::new(plan), Input::default(), Some(drift)),
            Err(fault) => {
                state.mode = Mode::Normal;
                notice(state, Level::Bad, &fault);
            }
        }
        return Vec::new();
    }
    state.view.marks.clear();
    state.mode = Mode::Normal;
    if matches!(plan.subject, Subject::Rounds(_)) {
        return rounds::begin(state, &plan);
    }
    send(state, plan).1
}

/// Sends a change; its number and what is to be done for it.
pub(super) fn send(state: &mut State, plan: Plan) -> (u64, Vec<Effect>) {
    let id = state.next_id;
    state.next_id += 1;
    let change = Change {
        id,
        progress: Progress::Sent,
        sent_ms: state.now_ms,
        from: state.view.place.clone(),
        plan,
    };
    let call = Call {
        id,
        action: change.plan.action,
        subject: change.plan.subject.clone(),
        reason: change.plan.reason.clone(),
    };
    let entry = record(state, &change);
    notice(state, Level::Info, &change.describe());
    state.changes.push(change);
    // The journal comes first: what was tried must be on record even if the workbench dies in the call.
    (id, vec![Effect::Record(entry), Effect::Send(call)])
}

/// Whether the typed text is the one that the plan asks for.
pub(super) fn is_confirmed(plan: &Plan, typed: &str) -> bool {
    match plan.guard() {
        Guard::Yes => typed == "y",
        Guard::Type(text) => typed == text,
    }
}

fn record(state: &mut State, change: &Change) -> Entry {
    let entry = Entry {
        time_ms: state.now_ms,
        change: change.id,
        process: state.setup.process,
        who: state.setup.user.clone(),
        cluster: change.plan.cluster.clone(),
        action: change.plan.action.name().to_owned(),
        job: change.plan.object(),
        instances: change.plan.instances(),
        reason: change.plan.reason.clone(),
        outcome: change.progress.word().to_owned(),
        detail: change.progress.detail().to_owned(),
        cli: change.plan.cli(),
    };
    state.journal.push(entry.clone());
    state.touch();
    entry
}

/// The scheduler's answer.
pub(super) fn answer(state: &mut State, id: u64, progress: Progress) -> Vec<Effect> {
    let Some(at) = state.changes.iter().position(|change| change.id == id) else {
        return Vec::new();
    };
    if state.changes[at].progress.is_over() {
        return Vec::new();
    }
    state.changes[at].progress = progress;
    if state.changes[at].progress.is_over() {
        return finish(state, at);
    }
    let text = format!("{}; reading back", state.changes[at].describe());
    notice(state, Level::Info, &text);
    verify(state)
}

fn finish(state: &mut State, at: usize) -> Vec<Effect> {
    let change = state.changes[at].clone();
    let level = match change.progress {
        Progress::Confirmed => Level::Good,
        Progress::NotYet(_) | Progress::NoEffect(_) => Level::Warn,
        Progress::Refused(_) | Progress::Unknown(_) => Level::Bad,
        Progress::Sent | Progress::Accepted => Level::Info,
    };
    notice(state, level, &change.describe());
    if change.progress == Progress::Confirmed {
        lead_on(state, &change);
    }
    let mut effects = vec![Effect::Record(record(state, &change))];
    effects.extend(tell::tell(state, Occasion::Change, &change.describe()));
    effects.extend(rounds::after_change(state, change.id, &change.progress));
    effects
}

/// Shows what a change has made, to somebody who is still where it was asked for.
fn lead_on(state: &mut State, change: &Change) {
    let Subject::File(file) = &change.plan.subject else {
        return;
    };
    let update = file.update(&state.store).map(str::to_owned);
    if let Some(id) = &update {
        tell::follow(state, &file.aim.job, id);
    }
    if !matches!(state.mode, Mode::Normal) || state.view.place != change.from {
        return;
    }
    let job = file.aim.job.clone();
    match file.aim.purpose {
        Purpose::Create => go(state, Place::Instances(job)),
        Purpose::Update => {
            if let Some(id) = update {
                go(state, Place::Update(job, id));
            }
        }
        Purpose::Schedule => {}
    }
}

/// Looks for accepted changes whose outcome is there.
pub(super) fn verify(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for at in 0..state.changes.len() {
        let change = &state.changes[at];
        if change.progress == Progress::Accepted
            && state
                .store
                .is_whole(&change.plan.request().wish.topic(&state.store))
            && change.plan.missing(&state.store).is_none()
        {
            state.changes[at].progress = Progress::Confirmed;
            effects.extend(finish(state, at));
        }
    }
    effects
}

/// Gives up waiting for what takes too long; it is said so, and not taken for done.
pub(super) fn expire(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for at in 0..state.changes.len() {
        let change = &state.changes[at];
        let patience = change.plan.action.verify_ms();
        if change.progress != Progress::Accepted || state.now_ms - change.sent_ms < patience {
            continue;
        }
        let missing = change.plan.missing(&state.store).unwrap_or_default();
        state.changes[at].progress =
            Progress::NotYet(format!("after {} s {missing}", patience / 1000));
        effects.extend(finish(state, at));
    }
    effects
}
