//! Getting around: back and forward, ranges of marks, what belongs to an object, and places that were kept.

use crate::event::{Effect, Keepsake};
use crate::place::Place;
use crate::state::{Level, State, View};
use crate::{text, views};

use super::{find, forget_text, go, logs, notice, panes};

/// Out: first the filter goes, then the view.
pub(super) fn back(state: &mut State) -> Result<(), String> {
    if !state.view.filter.text.is_empty() {
        state.view.filter = Default::default();
        if let Some(pane) = state.view.pane_mut() {
            pane.up = 0;
            pane.paused = false;
        }
        logs::sift(state);
        return Ok(());
    }
    if panes::is_pinned(state) {
        return Err("this pane keeps its place".to_owned());
    }
    let next = match state.back.pop() {
        Some(view) => view,
        None => match state.view.place.parent() {
            Some(parent) => View::new(parent),
            None => return Ok(()),
        },
    };
    let mut left = std::mem::replace(&mut state.view, next);
    state.previous = Some(left.place.clone());
    forget_text(&mut left);
    state.forward.push(left);
    Ok(())
}

/// To the view that `back` has left.
pub(super) fn forward(state: &mut State) -> Result<(), String> {
    let next = state.forward.pop();
    let next = next.ok_or("there is no view after this one; `back` has to lead away first")?;
    let mut left = std::mem::replace(&mut state.view, next);
    state.previous = Some(left.place.clone());
    forget_text(&mut left);
    state.back.push(left);
    Ok(())
}

/// Marks every row from the one that was marked last to the selected one.
pub(super) fn mark_range(state: &mut State) -> Result<(), String> {
    let table = views::table(state).ok_or("there are no rows here")?;
    let here = views::selected(state, &table).ok_or("there is nothing here to mark")?;
    let anchor = state.view.anchor.as_ref();
    let from = anchor.and_then(|id| table.rows.iter().position(|row| row.id == *id));
    let from = from.unwrap_or(here);
    let rows = &table.rows[from.min(here)..=from.max(here)];
    state
        .view
        .marks
        .extend(rows.iter().map(|row| row.id.clone()));
    state.view.anchor = Some(table.rows[here].id.clone());
    if rows.len() == 1 {
        notice(
            state,
            Level::Info,
            "the range begins here; go to its end and mark again",
        );
    }
    Ok(())
}

/// Goes to what belongs to the selected object, or to the one that is named.
pub(super) fn related(state: &mut State, words: &[String]) -> Result<(), String> {
    let (kind, name) = match words {
        [kind, name] => (kind.clone(), name.clone()),
        [one] => {
            return Err(format!(
                "`{one}` of what? write a kind and a name, such as job ROLE/ENVIRONMENT/NAME or task ROLE/ENVIRONMENT/NAME/TASK"
            ));
        }
        _ => subject(state)?,
    };
    if kind == "task" && !name.contains('/') {
        return Err(format!("`{name}` is not ROLE/ENVIRONMENT/NAME/TASK"));
    }
    if !views::KINDS.contains(&kind.as_str()) {
        return Err(format!(
            "`{kind}` is not a kind; kinds are {}",
            views::KINDS.join(", ")
        ));
    }
    go(state, Place::Related(kind, name));
    Ok(())
}

/// The kind and name of what is selected or shown.
fn subject(state: &State) -> Result<(String, String), String> {
    let of = |kind: &str, name: String| Ok((kind.to_owned(), name));
    match &state.view.place {
        Place::Hosts | Place::Maintenance => of("host", find::selected_id(state)?),
        Place::Roles | Place::Quotas => of("role", find::selected_id(state)?),
        Place::Host(name) => {
            let task = find::selected_id(state).ok();
            match task.and_then(|id| state.store.tasks.get(&id)) {
                Some(task) => of("task", format!("{}/{}", task.job, task.task_id)),
                None => of("host", name.clone()),
            }
        }
        Place::Related(kind, name) => of(kind, name.clone()),
        _ => match find::find_task(state, None) {
            Ok(task) => of("task", format!("{}/{}", task.job, task.task)),
            Err(_) => of("job", find::selected_job(state)?.to_string()),
        },
    }
}

/// Keeps the place on the screen under a name.
pub(super) fn bookmark(state: &mut State, name: Option<&str>) -> Vec<Effect> {
    let here = state.link_here().to_string();
    let name = match name {
        Some(name) => text::clean(name),
        None => here.splitn(4, '/').nth(3).unwrap_or("jobs").to_owned(),
    };
    let link = panes::link_of_screen(state).to_string();
    notice(state, Level::Good, &format!("kept as `{name}`"));
    state.bookmarks.insert(name, link);
    vec![Effect::Keep(Keepsake::Bookmarks(state.bookmarks.clone()))]
}

/// Forgets a place that was kept; the selected one when none is named.
pub(super) fn forget(state: &mut State, name: Option<&str>) -> Result<Vec<Effect>, String> {
    let name = match (name, &state.view.place) {
        (Some(name), _) => name.to_owned(),
        (None, Place::Bookmarks) => {
            let table = views::table(state).ok_or("there are no rows here")?;
            let at = views::selected(state, &table).ok_or("nothing is selected")?;
            table.rows[at].cells[0].text.clone()
        }
        (None, _) => return Err("which one? write its name".to_owned()),
    };
    match state.bookmarks.remove(&name) {
        Some(_) => Ok(vec![Effect::Keep(Keepsake::Bookmarks(
            state.bookmarks.clone(),
        ))]),
        None => Err(format!("nothing is kept as `{name}`")),
    }
}
