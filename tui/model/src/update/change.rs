//! From the wish to change something to its verified outcome.

use aurora_api::instances;

use crate::actions::{Action, Change, Guard, Kind, Plan, Progress, Request, Wish};
use crate::command::{Target, target};
use crate::event::{Call, Effect};
use crate::journal::Entry;
use crate::place::Place;
use crate::state::{Input, Level, Mode, State};
use crate::views;

use super::notice;

/// What could be done to what is selected: a letter, a command line and, where it is impossible, why.
pub(crate) fn menu(state: &State) -> Vec<(char, &'static str, String, Option<String>)> {
    let kinds = kinds_here(state);
    Action::ALL
        .iter()
        .filter(|(action, _)| kinds.contains(&action.kind()))
        .map(|(action, letter)| {
            let (object, fault) = match wish_here(state, action.kind()) {
                Ok(wish) => {
                    let object = described(&wish);
                    // Before the records have come nothing is known against it.
                    let known = state.store.is_whole(&wish.topic());
                    let request = Request {
                        action: *action,
                        wish,
                        reason: String::new(),
                    };
                    let fault = Plan::resolve(&state.store, "", &request).err();
                    (object, fault.filter(|_| known))
                }
                Err(fault) => (String::new(), Some(fault)),
            };
            (*letter, action.name(), object, fault)
        })
        .collect()
}

fn described(wish: &Wish) -> String {
    match wish {
        Wish::Instances(job, Some(some)) => {
            format!("{job}/{}", instances::text(some.iter().copied()))
        }
        Wish::Instances(job, None) | Wish::Cron(job) | Wish::Update(job) => job.to_string(),
        Wish::Hosts(hosts) => hosts.join(", "),
    }
}

/// What kinds of objects the view on the screen is about.
fn kinds_here(state: &State) -> Vec<Kind> {
    match &state.view.place {
        Place::Hosts | Place::Host(_) | Place::Maintenance => vec![Kind::Hosts],
        Place::Updates => vec![Kind::Update],
        Place::Crons => vec![Kind::Cron, Kind::Instances],
        Place::Jobs
        | Place::Instances(_)
        | Place::Task(_)
        | Place::Why(_)
        | Place::Sandbox(..)
        | Place::File(..)
        | Place::Logs(..) => {
            let mut kinds = vec![Kind::Instances];
            let record = super::run::selected_job(state)
                .ok()
                .and_then(|job| state.store.jobs.get(&job));
            if record.is_some_and(|record| record.cron_schedule.is_some()) {
                kinds.push(Kind::Cron);
            }
            if record.is_some_and(|record| record.update.is_some()) {
                kinds.push(Kind::Update);
            }
            kinds
        }
        _ => Vec::new(),
    }
}

/// What is marked, else selected.
fn chosen(state: &State) -> Vec<String> {
    if !state.view.marks.is_empty() {
        return state.view.marks.iter().cloned().collect();
    }
    let table = views::table(state);
    let selected = table.and_then(|table| {
        let at = views::selected(state, &table)?;
        Some(table.rows[at].id.clone())
    });
    selected.into_iter().collect()
}

/// What is marked, else selected, else on the screen.
fn wish_here(state: &State, kind: Kind) -> Result<Wish, String> {
    let place = &state.view.place;
    match kind {
        Kind::Instances => instances_here(state),
        Kind::Cron => super::run::selected_job(state).map(Wish::Cron),
        Kind::Update => super::run::selected_job(state).map(Wish::Update),
        Kind::Hosts => match place {
            Place::Host(host) => Ok(Wish::Hosts(vec![host.clone()])),
            Place::Hosts | Place::Maintenance => Ok(Wish::Hosts(chosen(state))),
            _ => Err("which hosts? name them, or mark them in the hosts' view".to_owned()),
        },
    }
}

fn instances_here(state: &State) -> Result<Wish, String> {
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
        return Ok(Wish::Instances(
            place.job.clone(),
            Some(vec![task.instance]),
        ));
    }
    let chosen = chosen(state);
    match (&state.view.place, chosen.as_slice()) {
        (_, []) => Err("nothing is selected".to_owned()),
        (Place::Jobs | Place::Crons, [job]) => Ok(Wish::Instances(
            job.parse().map_err(|fault| format!("{fault}"))?,
            None,
        )),
        (Place::Jobs | Place::Crons, _) => {
            Err("several jobs are marked; jobs are changed one at a time".to_owned())
        }
        (Place::Instances(job), instances) => {
            let instances: Vec<i32> = instances.iter().filter_map(|id| id.parse().ok()).collect();
            Ok(Wish::Instances(job.clone(), Some(instances)))
        }
        _ => {
            Err("there is nothing here to change; go to a job, its instances or a task".to_owned())
        }
    }
}

/// What the words after a command name.
fn wish_named(state: &State, kind: Kind, words: &[String]) -> Result<Wish, String> {
    let [word] = words else {
        return match kind {
            Kind::Hosts if !words.is_empty() => Ok(Wish::Hosts(words.to_vec())),
            _ => wish_here(state, kind),
        };
    };
    if kind == Kind::Hosts {
        return Ok(Wish::Hosts(words.to_vec()));
    }
    match (target(word, &state.setup.cluster)?, kind) {
        (Target::Job(job, instances), Kind::Instances) => Ok(Wish::Instances(
            job,
            instances.map(|set| set.into_iter().collect()),
        )),
        (Target::Job(job, None), Kind::Cron) => Ok(Wish::Cron(job)),
        (Target::Job(job, None), _) => Ok(Wish::Update(job)),
        (Target::Task(id), Kind::Instances) => {
            let task = state.store.tasks.get(&id).ok_or_else(|| {
                format!("the task `{id}` is not known here; write ROLE/ENVIRONMENT/NAME/INSTANCE")
            })?;
            Ok(Wish::Instances(task.job.clone(), Some(vec![task.instance])))
        }
        _ => Err(format!(
            "`{word}` is not a job; write ROLE/ENVIRONMENT/NAME"
        )),
    }
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
    let wish = wish_named(state, action.kind(), words)?;
    if let Some(job) = wish.job()
        && state.store.is_whole(crate::store::SUMMARY)
        && !state.store.jobs.contains_key(job)
    {
        return Err(format!("there is no job {job} on {}", state.setup.cluster));
    }
    if action.kind() == Kind::Update && state.store.version.is_some_and(|version| version < 2) {
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
    let topic = request.wish.topic();
    if state.store.is_denied(&topic) {
        let text = format!("{topic} may not be read, so nothing can be verified");
        state.awaiting = None;
        notice(state, Level::Bad, &text);
        return;
    }
    if !state.store.is_whole(&topic) {
        return;
    }
    let plan = Plan::resolve(&state.store, &state.setup.cluster, request);
    state.awaiting = None;
    match plan {
        Ok(plan) => state.mode = Mode::Confirm(Box::new(plan), Input::default(), None),
        Err(fault) => notice(state, Level::Bad, &fault),
    }
}

/// The answer to the question is yes: sends what was asked, unless the cluster has moved on underneath.
pub(super) fn accept(state: &mut State, plan: Plan) -> Vec<Effect> {
    if let Some(drift) = plan.drift(&state.store) {
        let again = Plan::resolve(&state.store, &plan.cluster, &plan.request());
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
        subject: change.plan.subject.clone(),
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
        if change.progress == Progress::Accepted
            && state.store.is_whole(&change.plan.request().wish.topic())
            && change.plan.missing(&state.store).is_none()
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
        let patience = change.plan.action.verify_ms();
        if change.progress != Progress::Accepted || state.now_ms - change.sent_ms < patience {
            continue;
        }
        let missing = change.plan.missing(&state.store).unwrap_or_default();
        state.changes[at].progress =
            Progress::NotYet(format!("after {} s {missing}", patience / 1000));
        effects.push(finish(state, at));
    }
    effects
}
