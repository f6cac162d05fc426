//! From the wish to change something to its verified outcome.

use aurora_api::instances;

use crate::actions::{Action, Change, Guard, Plan, Progress, VERIFY_MS};
use crate::command::{Target, target};
use crate::event::{Call, Effect};
use crate::journal::Entry;
use crate::place::Place;
use crate::state::{Input, Level, Mode, Request, State};
use crate::store::job_topic;
use crate::views;

use super::notice;

/// What could be done to what is selected: a letter, a command line and, where it is impossible, why.
pub(crate) fn menu(state: &State) -> Vec<(char, &'static str, String, Option<String>)> {
    [(Action::Kill, 'K'), (Action::Restart, 'R')]
        .into_iter()
        .map(|(action, letter)| {
            let (object, fault) = match here(state) {
                Ok((job, None)) => (job.to_string(), None),
                Ok((job, Some(instances))) => {
                    let fault =
                        Plan::resolve(&state.store, "", action, &job, Some(&instances), "").err();
                    (
                        format!("{job}/{}", instances::text(instances.iter().copied())),
                        fault,
                    )
                }
                Err(fault) => (String::new(), Some(fault)),
            };
            (letter, action.name(), object, fault)
        })
        .collect()
}

type Wish = (aurora_api::job_key::JobPath, Option<Vec<i32>>);

/// What is marked, else selected, else on the screen.
fn here(state: &State) -> Result<Wish, String> {
    if let Some(place) = state.view.place.task() {
        let task = state
            .store
            .tasks
            .get(&place.task)
            .ok_or_else(|| "this task is gone".to_owned())?;
        let current = state.store.current(&place.job, task.instance);
        if current.is_none_or(|current| current.task_id != place.task) {
            return Err(format!(
                "this task has ended; instance {} is another task now",
                task.instance
            ));
        }
        return Ok((place.job.clone(), Some(vec![task.instance])));
    }
    let table = views::table(state).ok_or("there is nothing here to change")?;
    let chosen: Vec<&str> = if state.view.marks.is_empty() {
        views::selected(state, &table)
            .map(|at| table.rows[at].id.as_str())
            .into_iter()
            .collect()
    } else {
        state.view.marks.iter().map(String::as_str).collect()
    };
    match (&state.view.place, chosen.as_slice()) {
        (_, []) => Err("nothing is selected".to_owned()),
        (Place::Jobs, [job]) => Ok((job.parse().map_err(|fault| format!("{fault}"))?, None)),
        (Place::Jobs, _) => {
            Err("several jobs are marked; jobs are changed one at a time".to_owned())
        }
        (Place::Instances(job), instances) => {
            let instances: Vec<i32> = instances.iter().filter_map(|id| id.parse().ok()).collect();
            Ok((job.clone(), Some(instances)))
        }
        _ => {
            Err("there is nothing here to change; go to a job, its instances or a task".to_owned())
        }
    }
}

/// Asks for a change; the question appears as soon as the job's tasks are known.
pub(super) fn ask(
    state: &mut State,
    action: Action,
    word: Option<&str>,
    reason: &str,
) -> Result<(), String> {
    if state.setup.read_only {
        return Err(format!(
            "cannot {}: this workbench is read-only (--read-only)",
            action.name()
        ));
    }
    let (job, instances) = match word {
        None => here(state)?,
        Some(word) => match target(word, &state.setup.cluster)? {
            Target::Job(job, instances) => (job, instances.map(|set| set.into_iter().collect())),
            Target::Task(id) => {
                let task = state.store.tasks.get(&id).ok_or_else(|| {
                    format!(
                        "the task `{id}` is not known here; write ROLE/ENVIRONMENT/NAME/INSTANCE"
                    )
                })?;
                (task.job.clone(), Some(vec![task.instance]))
            }
        },
    };
    if state.store.is_whole(crate::store::SUMMARY) && !state.store.jobs.contains_key(&job) {
        return Err(format!("there is no job {job} on {}", state.setup.cluster));
    }
    state.awaiting = Some(Request {
        action,
        job,
        instances,
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
    let topic = job_topic(&request.job);
    if state.store.is_denied(&topic) {
        let text = format!("the tasks of {} may not be read", request.job);
        state.awaiting = None;
        notice(state, Level::Bad, &text);
        return;
    }
    if !state.store.is_whole(&topic) {
        return;
    }
    let plan = Plan::resolve(
        &state.store,
        &state.setup.cluster,
        request.action,
        &request.job,
        request.instances.as_deref(),
        &request.reason,
    );
    state.awaiting = None;
    match plan {
        Ok(plan) => state.mode = Mode::Confirm(Box::new(plan), Input::default(), None),
        Err(fault) => notice(state, Level::Bad, &fault),
    }
}

/// The answer to the question is yes: sends what was asked, unless the cluster has moved on underneath.
pub(super) fn accept(state: &mut State, plan: Plan) -> Vec<Effect> {
    if let Some(drift) = plan.drift(&state.store) {
        let instances: Vec<i32> = plan.targets.iter().map(|target| target.instance).collect();
        let again = Plan::resolve(
            &state.store,
            &plan.cluster,
            plan.action,
            &plan.job,
            Some(&instances),
            &plan.reason,
        );
        match again {
            Ok(plan) => state.mode = Mode::Confirm(Box::new(plan), Input::default(), Some(drift)),
            Err(fault) => {
                state.mode = Mode::Normal;
                notice(state, Level::Bad, &fault);
            }
        }
        return Vec::new();
    }
    let id = state.next_id;
    state.next_id += 1;
    let change = Change {
        id,
        progress: Progress::Sent,
        sent_ms: state.now_ms,
        plan,
    };
    let call = Call {
        id,
        action: change.plan.action,
        job: change.plan.job.clone(),
        instances: change
            .plan
            .targets
            .iter()
            .map(|target| target.instance)
            .collect(),
        reason: change.plan.reason.clone(),
    };
    let entry = record(state, &change);
    notice(state, Level::Info, &change.describe());
    state.changes.push(change);
    state.view.marks.clear();
    state.mode = Mode::Normal;
    // The journal comes first: what was tried must be on record even if the workbench dies in the call.
    vec![Effect::Record(entry), Effect::Send(call)]
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
        job: change.plan.job.to_string(),
        instances: change.plan.instances(),
        reason: change.plan.reason.clone(),
        outcome: change.progress.word().to_owned(),
        detail: change.progress.detail().to_owned(),
        cli: change.plan.cli(),
    };
    state.journal.push(entry.clone());
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
        return vec![finish(state, at)];
    }
    let text = format!("{}; reading back", state.changes[at].describe());
    notice(state, Level::Info, &text);
    verify(state)
}

fn finish(state: &mut State, at: usize) -> Effect {
    let change = state.changes[at].clone();
    let level = match change.progress {
        Progress::Confirmed => Level::Good,
        Progress::NotYet(_) | Progress::NoEffect(_) => Level::Warn,
        Progress::Refused(_) | Progress::Unknown(_) => Level::Bad,
        Progress::Sent | Progress::Accepted => Level::Info,
    };
    notice(state, level, &change.describe());
    Effect::Record(record(state, &change))
}

/// Looks for accepted changes whose outcome is there.
pub(super) fn verify(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for at in 0..state.changes.len() {
        let change = &state.changes[at];
        let whole = state.store.is_whole(&job_topic(&change.plan.job));
        if change.progress == Progress::Accepted && whole && change.missing(&state.store).is_empty()
        {
            state.changes[at].progress = Progress::Confirmed;
            effects.push(finish(state, at));
        }
    }
    effects
}

/// Gives up waiting for what takes too long; it is said so, and not taken for done.
pub(super) fn expire(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for at in 0..state.changes.len() {
        let change = &state.changes[at];
        if change.progress != Progress::Accepted || state.now_ms - change.sent_ms < VERIFY_MS {
            continue;
        }
        let missing = instances::text(change.missing(&state.store));
        state.changes[at].progress = Progress::NotYet(format!(
            "after {} s instances {missing} are not where they should be",
            VERIFY_MS / 1000
        ));
        effects.push(finish(state, at));
    }
    effects
}
