//! What words name, and what is selected.

use aurora_api::job_key::JobPath;

use crate::command::{Target, target};
use crate::journal::Entry;
use crate::place::{Link, Place, TaskRef};
use crate::state::State;
use crate::views;

pub(super) fn selected_id(state: &State) -> Result<String, String> {
    let table = views::table(state).ok_or("there are no rows here")?;
    let at = views::selected(state, &table).ok_or("there is nothing here to select")?;
    Ok(table.rows[at].id.clone())
}

pub(super) fn selected_host(state: &State) -> Result<String, String> {
    match &state.view.place {
        Place::Hosts | Place::Maintenance => selected_id(state),
        place => {
            let task = place
                .task()
                .and_then(|task| state.store.tasks.get(&task.task));
            task.and_then(|task| task.host.clone())
                .ok_or_else(|| "which host? write its name".to_owned())
        }
    }
}

pub(super) fn selected_job(state: &State) -> Result<JobPath, String> {
    if let Some(job) = state.view.place.job() {
        return Ok(job.clone());
    }
    match &state.view.place {
        // An update's id comes after its job.
        Place::Jobs | Place::Crons | Place::Updates => {
            let id = selected_id(state)?;
            let job = id.split(' ').next().unwrap_or_default();
            job.parse().map_err(|fault| format!("{fault}"))
        }
        Place::Journal => {
            let entry = selected_entry(state)?;
            if entry.cluster != state.setup.cluster {
                return Err(format!("this was on the cluster {}", entry.cluster));
            }
            job_of(entry)
        }
        _ => Err("which job? write ROLE/ENVIRONMENT/NAME".to_owned()),
    }
}

/// The selected row of the journal.
fn selected_entry(state: &State) -> Result<&Entry, String> {
    let at = selected_id(state)?.parse().ok();
    let entry = at.and_then(|at: usize| state.journal.get(at));
    entry.ok_or_else(|| "no row is selected".to_owned())
}

/// The job of a row of the journal; an update's id comes after it.
fn job_of(entry: &Entry) -> Result<JobPath, String> {
    let job = entry.job.split(' ').next().unwrap_or_default();
    job.parse().map_err(|fault| format!("{fault}"))
}

/// Where the selected row of the journal leads: to its job on its cluster.
pub(super) fn link_of_entry(state: &State) -> Result<Link, String> {
    let entry = selected_entry(state)?;
    Ok(Link {
        cluster: entry.cluster.clone(),
        place: Place::Instances(job_of(entry)?),
        filter: String::new(),
        sort: String::new(),
        at_ms: None,
        layout: String::new(),
    })
}

/// The task that a word names; without one, the selected or shown one.
pub(super) fn find_task(state: &State, word: Option<&str>) -> Result<TaskRef, String> {
    let Some(word) = word else {
        if let Some(task) = state.view.place.task() {
            return Ok(task.clone());
        }
        if let Place::Instances(job) | Place::Update(job, _) = &state.view.place {
            let instance: i32 = selected_id(state)?
                .parse()
                .map_err(|_| "no instance is selected".to_owned())?;
            return current(state, job, instance);
        }
        if let Place::Timeline(job, _) = &state.view.place {
            // The number of an event comes after its task's id.
            let id = selected_id(state)?;
            let task = id.split(' ').next().unwrap_or_default().to_owned();
            let job = job.clone();
            return Ok(TaskRef { job, task });
        }
        return Err("which task? write ROLE/ENVIRONMENT/NAME/INSTANCE or a task id".to_owned());
    };
    match target(word, &state.setup.cluster)? {
        Target::Task(id) => match state.store.tasks.get(&id) {
            Some(task) => Ok(TaskRef {
                job: task.job.clone(),
                task: id,
            }),
            None => Err(format!(
                "the task `{id}` is not known here; write ROLE/ENVIRONMENT/NAME/INSTANCE, after `instances ROLE/ENVIRONMENT/NAME`"
            )),
        },
        Target::Job(job, Some(instances)) if instances.len() == 1 => {
            let instance = instances.first().copied().unwrap_or_default();
            current(state, &job, instance)
        }
        Target::Job(..) => Err(format!(
            "`{word}` names no single instance; write ROLE/ENVIRONMENT/NAME/INSTANCE"
        )),
    }
}

/// Whose timeline the word names: a job's or an instance's; without one those of the selected or shown task, else job.
pub(super) fn find_timeline(state: &State, word: Option<&str>) -> Result<Place, String> {
    let of_task = |task: TaskRef| {
        let known = state.store.tasks.get(&task.task);
        Place::Timeline(task.job, known.map(|task| task.instance))
    };
    let Some(word) = word else {
        return match find_task(state, None) {
            Ok(task) => Ok(of_task(task)),
            Err(_) => Ok(Place::Timeline(selected_job(state)?, None)),
        };
    };
    match target(word, &state.setup.cluster)? {
        Target::Job(job, None) => Ok(Place::Timeline(job, None)),
        // An instance may have none now, and have had tasks.
        Target::Job(job, Some(only)) if only.len() == 1 => {
            Ok(Place::Timeline(job, only.first().copied()))
        }
        Target::Job(..) => Err(format!(
            "`{word}` names several instances; a timeline is of a job or of one of them"
        )),
        Target::Task(_) => find_task(state, Some(word)).map(of_task),
    }
}

/// Whose configuration the word names: a job's or a task's; without one those of the selected or shown task, else job.
pub(super) fn find_config(state: &State, word: Option<&str>) -> Result<Place, String> {
    let of_task = |task: TaskRef| Place::Config(task.job, Some(task.task));
    let Some(word) = word else {
        return match find_task(state, None) {
            Ok(task) => Ok(of_task(task)),
            Err(_) => Ok(Place::Config(selected_job(state)?, None)),
        };
    };
    match target(word, &state.setup.cluster)? {
        Target::Job(job, None) => Ok(Place::Config(job, None)),
        _ => find_task(state, Some(word)).map(of_task),
    }
}

/// What the words compare: a job's instances, or an update's two sides; without words what is selected or shown.
pub(super) fn find_diff(
    state: &State,
    job: Option<&str>,
    id: Option<&str>,
) -> Result<Place, String> {
    let of_update = id.is_some()
        || (job.is_none() && matches!(state.view.place, Place::Updates | Place::Update(..)));
    if of_update {
        let shown = match (&state.view.place, id) {
            (Place::Update(_, shown), None) => Some(shown.as_str()),
            _ => id,
        };
        return match find_update(state, job, shown)? {
            Place::Update(job, id) => Ok(Place::Diff(job, Some(id))),
            other => Err(format!("{} is not an update", other.view())),
        };
    }
    let job = match job {
        None => selected_job(state)?,
        Some(word) => match target(word, &state.setup.cluster)? {
            Target::Job(job, None) => job,
            _ => {
                return Err(format!(
                    "`{word}` is not a job; write ROLE/ENVIRONMENT/NAME"
                ));
            }
        },
    };
    Ok(Place::Diff(job, None))
}

fn current(state: &State, job: &JobPath, instance: i32) -> Result<TaskRef, String> {
    let task = state
        .store
        .current(job, instance)
        .ok_or_else(|| format!("the scheduler knows no task of {job}/{instance}"))?;
    Ok(TaskRef {
        job: job.clone(),
        task: task.task_id.clone(),
    })
}

pub(super) fn newest(state: &State) -> Result<TaskRef, String> {
    let place = state.view.place.task().ok_or("this is not a task")?;
    let task = state
        .store
        .tasks
        .get(&place.task)
        .ok_or("this task is gone")?;
    let newest = current(state, &place.job, task.instance)?;
    if newest == *place {
        return Err("this is the newest task of its instance".to_owned());
    }
    Ok(newest)
}

/// The update that the words name; without an id the one that goes on, else the newest that is known.
pub(super) fn find_update(
    state: &State,
    job: Option<&str>,
    id: Option<&str>,
) -> Result<Place, String> {
    let job = match job {
        Some(word) => match target(word, &state.setup.cluster)? {
            Target::Job(job, None) => job,
            Target::Job(..) | Target::Task(_) => {
                return Err(format!(
                    "`{word}` is not a job; write ROLE/ENVIRONMENT/NAME"
                ));
            }
        },
        None => selected_job(state)?,
    };
    let selected = || match &state.view.place {
        Place::Updates => Some(selected_id(state).ok()?.split_once(' ')?.1.to_owned()),
        _ => None,
    };
    let active = || Some(state.store.jobs.get(&job)?.update.as_ref()?.id.clone());
    let newest = || {
        let known = state.store.updates.values();
        let of_job = known.filter(|update| update.job == job);
        Some(of_job.max_by_key(|update| update.created_ms)?.id.clone())
    };
    let id = id.map(str::to_owned);
    let id = id.or_else(selected).or_else(active).or_else(newest);
    let id =
        id.ok_or_else(|| format!("no update of {job} goes on; `updates` lists those that ended"))?;
    Ok(Place::Update(job, id))
}
