//! Commands about an instance whose task is not here: the feed is asked for it, and they are run when it has told.

use aurora_api::job_key::JobPath;

use crate::actions::{Action, Kind};
use crate::command::{Command, Target, Verb, target};
use crate::event::Effect;
use crate::place::Place;
use crate::state::{Level, State};

use super::{notice, run};

/// Command lines that wait for the task of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Sought {
    pub(crate) job: JobPath,
    instance: i32,
    lines: String,
    /// The view that they are for.
    from: Place,
}

impl Sought {
    /// What is asked of the feed.
    pub(crate) fn topic(&self, state: &State) -> String {
        state.store.topic_of(&self.job, &[self.instance])
    }
}

/// The instance that a command is about, when its task has to be asked for first.
pub(super) fn needed(state: &State, command: &Command) -> Option<(JobPath, i32)> {
    let shows = matches!(
        command.spec.verb,
        Verb::Task
            | Verb::Why
            | Verb::Config
            | Verb::Logs
            | Verb::Sandbox
            | Verb::File
            | Verb::Shell
    );
    let changes =
        Action::named(command.spec.name).is_some_and(|action| action.kind() == Kind::Task);
    if state.looking.is_some() || !(shows || changes) {
        return None;
    }
    let (job, instance) = match target(command.words.first()?, &state.setup.cluster) {
        Ok(Target::Job(job, Some(only))) if only.len() == 1 => (job, only.first().copied()?),
        _ => return None,
    };
    let topic = state.store.topic_of(&job, &[instance]);
    let is_known = state.store.current(&job, instance).is_some()
        || state.store.is_whole(&topic)
        || state.store.is_denied(&topic);
    (!is_known).then_some((job, instance))
}

/// Asks for the task of an instance before these lines are run.
pub(super) fn begin(state: &mut State, (job, instance): (JobPath, i32), lines: String) {
    notice(state, Level::Info, &format!("asking for {job}/{instance}"));
    state.sought = Some(Sought {
        job,
        instance,
        lines,
        from: state.view.place.clone(),
    });
}

/// Runs what has waited, when that has come; whoever has gone elsewhere meanwhile stays there.
pub(super) fn resume(state: &mut State) -> Vec<Effect> {
    let Some(sought) = &state.sought else {
        return Vec::new();
    };
    let topic = sought.topic(state);
    if sought.from == state.view.place
        && !state.store.is_whole(&topic)
        && !state.store.is_denied(&topic)
    {
        return Vec::new();
    }
    match state.sought.take() {
        Some(sought) if sought.from == state.view.place => {
            state.notice = None;
            run::lines(state, &sought.lines)
        }
        _ => Vec::new(),
    }
}
