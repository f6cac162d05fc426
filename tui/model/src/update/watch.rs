//! What is followed and watched: exactly what is on the screen.

use std::collections::BTreeSet;

use crate::event::{Effect, Seen, Watch, WatchWhat};
use crate::follow;
use crate::pages;
use crate::place::Place;
use crate::state::{Detail, Mode, State};
use crate::store::SUMMARY;
use crate::told::{Answer, Question};

use super::{complete, logs, panes, sheet};

/// Starts and stops so that exactly what is needed is followed.
pub(super) fn reconcile(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut topics: BTreeSet<String> = [SUMMARY.to_owned()].into();
    let shown = panes::each(state, |state| {
        state.is_told().then(|| follow::topics(state))
    });
    topics.extend(shown.into_iter().flatten().flatten());
    topics.extend(state.sought.as_ref().map(|sought| sought.topic(state)));
    topics.extend(
        state
            .awaiting
            .as_ref()
            .map(|request| request.wish.topic(&state.store)),
    );
    topics.extend(
        state
            .changes
            .iter()
            .filter(|change| !change.progress.is_over())
            .map(|change| change.plan.request().wish.topic(&state.store)),
    );
    if let Mode::Confirm(plan, ..) = &state.mode {
        topics.insert(plan.request().wish.topic(&state.store));
    }
    if topics != state.topics {
        state.store.follow(&topics);
        state.touch();
        state.past.topics(state.now_ms, &topics);
        state.topics = topics.clone();
        effects.push(Effect::Topics(topics));
    }
    panes::each(state, logs::follow_instances);
    panes::each(state, pages::steer);
    panes::each(state, sheet::begin);
    let mut asked = questions(state);
    let of_views = panes::each(state, |state| match state.is_told() {
        true => state.view.place.questions(),
        false => Vec::new(),
    });
    asked.extend(of_views.into_iter().flatten());
    let of_panes = panes::each(state, |state| {
        let pane = state.layout.focus();
        of_view(state)
            .into_iter()
            .map(move |watch| (Some(pane), watch))
    });
    let wanted = asked
        .iter()
        .map(|question| (None, Watch::ask(question.clone())));
    let wanted: Vec<(Option<u32>, Watch)> = wanted.chain(of_panes.into_iter().flatten()).collect();
    let owners = &state.owners;
    let is_wanted = |generation: &u64, watch: &Watch| {
        let owner = owners.get(generation);
        wanted
            .iter()
            .any(|(pane, wanted)| pane.as_ref() == owner && wanted == watch)
    };
    let unwanted = state.watches.iter();
    let unwanted: Vec<u64> = unwanted
        .filter(|(generation, watch)| !is_wanted(generation, watch))
        .map(|(generation, _)| *generation)
        .collect();
    for generation in unwanted {
        state.watches.remove(&generation);
        state.owners.remove(&generation);
        effects.push(Effect::Stop(generation));
    }
    state
        .store
        .answers
        .keep(|question| asked.contains(question));
    for (pane, watch) in wanted {
        let mut running = state.watches.iter();
        if !running.any(|(generation, running)| {
            *running == watch && state.owners.get(generation) == pane.as_ref()
        }) {
            let generation = state.next_id;
            state.next_id += 1;
            state.owners.extend(pane.map(|pane| (generation, pane)));
            state.watches.insert(generation, watch.clone());
            effects.push(Effect::Start(generation, watch));
        }
    }
    effects
}

/// What has to be asked besides what the views need: for changes in preparation, and to verify those under way.
fn questions(state: &State) -> BTreeSet<Question> {
    let mut out: BTreeSet<Question> = complete::question(state).into_iter().collect();
    let confirmed = match &state.mode {
        Mode::Confirm(plan, ..) => Some(plan.request()),
        _ => None,
    };
    let under_way = state
        .changes
        .iter()
        .filter(|change| !change.progress.is_over())
        .map(|change| change.plan.request());
    let requests = under_way.chain(confirmed).chain(state.awaiting.clone());
    out.extend(requests.flat_map(|request| request.questions()));
    out
}

fn of_view(state: &State) -> Vec<Watch> {
    let queries = pages::queries(state);
    if !queries.is_empty() {
        let watch = |query| Watch {
            host: None,
            task: String::new(),
            what: WatchWhat::Page(query),
        };
        return queries.into_iter().map(watch).collect();
    }
    if let Detail::Logs(logs) = &state.view.detail {
        return logs::watches(state, logs);
    }
    let Some(place) = state.view.place.task() else {
        return Vec::new();
    };
    let Some(host) = state
        .store
        .tasks
        .get(&place.task)
        .and_then(|task| task.host.clone())
    else {
        return Vec::new();
    };
    let watch = |what: WatchWhat| Watch {
        host: Some(host.clone()),
        task: place.task.clone(),
        what,
    };
    match (&state.view.place, &state.view.detail) {
        (Place::Task(_), _) => vec![watch(WatchWhat::Task), watch(WatchWhat::History)],
        (Place::Why(_), _) => vec![watch(WatchWhat::Task)],
        (Place::Sandbox(_, path), _) => vec![watch(WatchWhat::Directory(path.clone()))],
        (Place::File(_, path), Detail::File(pane)) => vec![watch(WatchWhat::File {
            path: path.clone(),
            start: pane.start,
        })],
        _ => Vec::new(),
    }
}

/// Takes in what a watch found, for the pane that wants it; finds of watches that were stopped are dropped.
pub(super) fn seen(state: &mut State, generation: u64, seen: Seen) {
    if matches!(seen, Seen::Page(_)) {
        let needed = panes::each(state, |state| pages::needed(state));
        pages::prune(&mut state.store, &needed.into_iter().flatten().collect());
    }
    let home = state.layout.focus();
    if let Some(pane) = state.owners.get(&generation) {
        panes::focus(state, *pane);
    }
    take_in(state, generation, seen);
    panes::focus(state, home);
}

fn take_in(state: &mut State, generation: u64, seen: Seen) {
    let Some(watch) = state.watches.get(&generation).cloned() else {
        return;
    };
    match (&watch.what, seen) {
        (WatchWhat::Task, Seen::Task(info)) => {
            state.view.trouble = None;
            if let Detail::Logs(logs) = &mut state.view.detail {
                logs::seen_task(logs, &watch.task, &info);
            }
            state.view.task = Some(info);
        }
        (WatchWhat::Task, Seen::Absent(why) | Seen::Trouble(why)) => {
            state.view.trouble = Some(crate::text::clean(&why));
        }
        (WatchWhat::Ask(question), Seen::Answer(answer)) => {
            if state.view.place.questions().contains(question) {
                state.view.trouble = None;
            }
            let now_ms = state.now_ms;
            let is_sheet = matches!(answer, Answer::Sheet(_));
            state.store.answers.take(question.clone(), answer, now_ms);
            if is_sheet {
                panes::each(state, sheet::fill);
            }
        }
        (WatchWhat::Ask(question), Seen::Absent(why) | Seen::Trouble(why)) => {
            let why = crate::text::clean(&why);
            if state.view.place.questions().contains(question) {
                state.view.trouble = Some(why.clone());
            }
            // A change in preparation goes on without it, and says so.
            let awaited = state.awaiting.as_ref();
            if awaited.is_some_and(|request| request.questions().contains(question)) {
                let now_ms = state.now_ms;
                let answer = Answer::None(why);
                state.store.answers.take(question.clone(), answer, now_ms);
            }
        }
        (WatchWhat::Page(query), Seen::Page(page)) => pages::take(state, query, page),
        (WatchWhat::Page(_), Seen::Absent(why) | Seen::Trouble(why)) => {
            state.view.trouble = Some(crate::text::clean(&why));
        }
        (WatchWhat::History, Seen::History(history)) => state.view.history = Some(history),
        (WatchWhat::Directory(_), found) => match found {
            Seen::Directory(entries) => {
                state.view.trouble = None;
                state.view.detail = Detail::Directory(Some(entries));
            }
            Seen::Absent(why) | Seen::Trouble(why) => {
                state.view.trouble = Some(crate::text::clean(&why))
            }
            Seen::Task(_)
            | Seen::Answer(_)
            | Seen::Page(_)
            | Seen::History(_)
            | Seen::Bytes { .. }
            | Seen::Rest(_)
            | Seen::Missed(_)
            | Seen::Truncated => {}
        },
        (WatchWhat::File { .. } | WatchWhat::Log { .. }, found) => {
            logs::seen_text(state, &watch, found);
        }
        (WatchWhat::Task | WatchWhat::Ask(_) | WatchWhat::Page(_) | WatchWhat::History, _) => {}
    }
}
