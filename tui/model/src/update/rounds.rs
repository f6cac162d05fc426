//! Steps of maintenance in rounds: each is a change that is sent and verified, or a command.

use aurora_api::model::MaintenanceMode;

use crate::actions::{Action, Plan, Progress, Request, Subject, Wish};
use crate::event::{Effect, Keepsake};
use crate::rounds::{Campaign, Claimed, Step, Waits};
use crate::state::{Level, State};

use super::{change, notice};

/// Begins rounds that somebody said yes to, unless another workbench goes on with some.
pub(super) fn begin(state: &mut State, plan: &Plan) -> Vec<Effect> {
    let Subject::Rounds(planned) = &plan.subject else {
        return Vec::new();
    };
    let campaign = Campaign::new(planned.rounds.clone(), plan.reason.clone(), &state.store);
    state.campaign = Some(campaign);
    claim(state, Claimed::Begin)
}

fn claim(state: &mut State, then: Claimed) -> Vec<Effect> {
    if let Some(campaign) = &mut state.campaign {
        campaign.waits = Waits::Claim(then);
    }
    state.touch();
    vec![Effect::Claim]
}

/// Nobody else can go on with rounds of this cluster, or somebody does.
pub(super) fn claimed(state: &mut State, outcome: Result<Option<String>, String>) -> Vec<Effect> {
    let Some(campaign) = &mut state.campaign else {
        return vec![Effect::Release];
    };
    let Waits::Claim(then) = campaign.waits else {
        return Vec::new();
    };
    campaign.waits = Waits::No;
    state.touch();
    match (then, outcome) {
        (Claimed::Begin, Err(who)) => refused(state, None, &who),
        (Claimed::Resume | Claimed::Forget, Err(who)) => {
            let kept = state.campaign.take().map(|campaign| Campaign {
                stopped: Some(who.clone()),
                ..campaign
            });
            refused(state, kept, &who)
        }
        (Claimed::Begin, Ok(Some(kept))) => {
            state.campaign = None;
            found(state, &kept, None);
            let why =
                "there are rounds that are not over; `rounds-resume` or `rounds-forget` first";
            notice(state, Level::Bad, why);
            vec![Effect::Release]
        }
        (Claimed::Begin, Ok(None)) => advance(state),
        (Claimed::Forget, Ok(_)) => forgotten(state),
        (Claimed::Resume, Ok(None)) => {
            state.campaign = None;
            notice(
                state,
                Level::Warn,
                "the rounds were ended by another workbench",
            );
            vec![Effect::Release]
        }
        // Another workbench may have gone on with them since they were read.
        (Claimed::Resume, Ok(Some(kept))) => match serde_json::from_str::<Campaign>(&kept) {
            Ok(kept) => {
                state.campaign = Some(Campaign {
                    stopped: None,
                    ..kept
                });
                advance(state)
            }
            Err(fault) => stand(state, &format!("they cannot be read: {fault}"), Level::Bad),
        },
    }
}

fn refused(state: &mut State, kept: Option<Campaign>, who: &str) -> Vec<Effect> {
    state.campaign = kept;
    notice(
        state,
        Level::Bad,
        &format!("the rounds are not taken: {who}"),
    );
    Vec::new()
}

/// Lets rounds that were stopped go on.
pub(super) fn go_on(state: &mut State) -> Result<Vec<Effect>, String> {
    let campaign = state.campaign.as_mut();
    let campaign = campaign.ok_or("there are no rounds to go on with")?;
    if campaign.is_free() {
        return Ok(claim(state, Claimed::Resume));
    }
    if campaign.stopped.take().is_none() {
        return Err("the rounds go on already".to_owned());
    }
    // A step that was begun goes on, and what comes after it follows by itself.
    Ok(keep(state))
}

/// Stops the rounds after the step that goes on.
pub(super) fn stop(state: &mut State) -> Result<Vec<Effect>, String> {
    let campaign = state
        .campaign
        .as_ref()
        .ok_or("there are no rounds to stop")?;
    if campaign.stopped.is_some() {
        return Err("the rounds stand still already".to_owned());
    }
    Ok(stand(
        state,
        "by hand; what was begun is not undone",
        Level::Info,
    ))
}

/// Forgets rounds that stand still.
pub(super) fn forget(state: &mut State) -> Result<Vec<Effect>, String> {
    match &state.campaign {
        Some(campaign) if campaign.is_free() => Ok(claim(state, Claimed::Forget)),
        Some(campaign) if campaign.stopped.is_some() => Ok(forgotten(state)),
        Some(_) => Err("the rounds go on; `rounds-stop` stops them".to_owned()),
        None => Err("there are no rounds to forget".to_owned()),
    }
}

fn forgotten(state: &mut State) -> Vec<Effect> {
    state.campaign = None;
    state.touch();
    notice(state, Level::Info, "the rounds are forgotten");
    keep(state)
}

/// A change was finished: the step that waited for it is over, or the rounds stand still.
pub(super) fn after_change(state: &mut State, id: u64, progress: &Progress) -> Vec<Effect> {
    let waits = state.campaign.as_ref().map(|campaign| &campaign.waits);
    if waits != Some(&Waits::Change(id)) {
        return Vec::new();
    }
    match progress {
        Progress::Confirmed | Progress::NoEffect(_) => over(state),
        other => {
            let why = format!("{}: {}", other.word(), other.detail());
            fail(state, &why)
        }
    }
}

/// A command has ended.
pub(super) fn after_command(
    state: &mut State,
    host: &str,
    outcome: Result<String, String>,
) -> Vec<Effect> {
    let waits = state.campaign.as_ref().map(|campaign| &campaign.waits);
    if waits != Some(&Waits::Command) {
        return Vec::new();
    }
    match outcome {
        Ok(_) => over(state),
        Err(why) => fail(state, &format!("the command for {host}: {why}")),
    }
}

fn over(state: &mut State) -> Vec<Effect> {
    if let Some(campaign) = &mut state.campaign {
        campaign.next();
    }
    advance(state)
}

/// The step has failed: it is begun again when the rounds go on.
fn fail(state: &mut State, why: &str) -> Vec<Effect> {
    if let Some(campaign) = &mut state.campaign {
        campaign.waits = Waits::No;
    }
    stand(state, why, Level::Bad)
}

fn stand(state: &mut State, why: &str, level: Level) -> Vec<Effect> {
    if let Some(campaign) = &mut state.campaign {
        campaign.stopped = Some(why.to_owned());
    }
    state.touch();
    notice(
        state,
        level,
        &format!("the rounds stopped: {why}; `rounds-resume` goes on"),
    );
    keep(state)
}

/// Begins what comes next, unless it stands still or has been begun.
fn advance(state: &mut State) -> Vec<Effect> {
    state.touch();
    let Some(campaign) = state.campaign.clone() else {
        return Vec::new();
    };
    if campaign.stopped.is_some() {
        return keep(state);
    }
    let Some(hosts) = campaign.hosts() else {
        state.campaign = None;
        notice(state, Level::Good, &campaign.describe());
        return keep(state);
    };
    let mut effects = match campaign.step {
        Step::Drain => moved(state, &campaign, Action::HostDrain, hosts, |mode, tasks| {
            mode == MaintenanceMode::Drained && tasks == 0
        }),
        Step::Activate => moved(state, &campaign, Action::HostActivate, hosts, |mode, _| {
            mode == MaintenanceMode::None
        }),
        Step::Command(at) => command(state, &campaign, &hosts[at.min(hosts.len() - 1)]),
    };
    effects.extend(keep(state));
    effects
}

/// Sends those hosts through a change for which it is not true yet.
fn moved(
    state: &mut State,
    campaign: &Campaign,
    action: Action,
    hosts: &[String],
    is_there: fn(MaintenanceMode, u32) -> bool,
) -> Vec<Effect> {
    let missing = hosts.iter().filter(|host| {
        let record = state.store.hosts.get(*host);
        !record.is_some_and(|record| is_there(record.mode, record.tasks))
    });
    let missing: Vec<String> = missing.cloned().collect();
    if missing.is_empty() {
        return over(state);
    }
    let request = Request {
        action,
        wish: Wish::Hosts(missing),
        reason: campaign.reason.clone(),
    };
    match Plan::resolve(&state.store, &state.setup, &request) {
        Ok(plan) => {
            let (id, effects) = change::send(state, plan);
            if let Some(campaign) = &mut state.campaign {
                campaign.waits = Waits::Change(id);
            }
            effects
        }
        Err(why) => fail(state, &why),
    }
}

fn command(state: &mut State, campaign: &Campaign, host: &str) -> Vec<Effect> {
    let Some(command) = &campaign.rounds.then else {
        return over(state);
    };
    if let Some(campaign) = &mut state.campaign {
        campaign.waits = Waits::Command;
    }
    notice(state, Level::Info, &format!("{command} {host}"));
    vec![Effect::Execute {
        host: host.to_owned(),
        command: command.clone(),
    }]
}

/// Has the rounds kept, so that another workbench can go on with them once they are over or stand still.
fn keep(state: &State) -> Vec<Effect> {
    // Plain data: it can always be written.
    let text = state
        .campaign
        .as_ref()
        .and_then(|campaign| serde_json::to_string(campaign).ok());
    let is_free = state.campaign.as_ref().is_none_or(Campaign::is_free);
    let mut effects = vec![Effect::Keep(Keepsake::Rounds(text))];
    effects.extend(is_free.then_some(Effect::Release));
    effects
}

/// Takes in rounds that are not over, as they were kept, and who goes on with them. They stand still here until somebody
/// lets them go on.
pub fn found(state: &mut State, text: &str, owner: Option<&str>) {
    match serde_json::from_str::<Campaign>(text) {
        Ok(mut campaign) => {
            match owner {
                Some(owner) => campaign.stopped = Some(owner.to_owned()),
                None => drop(
                    campaign
                        .stopped
                        .get_or_insert_with(|| "the workbench ended".to_owned()),
                ),
            }
            let text = format!("{}; `rounds-resume` goes on", campaign.describe());
            state.campaign = Some(campaign);
            notice(state, Level::Warn, &text);
        }
        Err(fault) => notice(
            state,
            Level::Warn,
            &format!("rounds of an earlier workbench cannot be read: {fault}"),
        ),
    }
}
