//! What of the feed a view needs: no more of a job's tasks than it shows, as far as the feed can tell less.

use aurora_api::job_key::JobPath;

use crate::logs::pane::MOST_TAILS;
use crate::place::Place;
use crate::state::State;
use crate::store::{Store, instance_in, instances_topic};

/// Of an update of a job whose tasks are counted, those of so many instances before and behind the selected one's block
/// are told, and those of the block.
const BLOCK: i32 = 200;

/// Of instances whose output is wanted so many are asked for.
const MOST_ASKED: usize = 400;

/// Topics besides the summary that the view on the screen needs.
pub(crate) fn topics(state: &State) -> Vec<String> {
    let (place, store) = (&state.view.place, &state.store);
    let Some(topic) = place.topic() else {
        return Vec::new();
    };
    if let Some((job, wanted)) = some_instances(store, place) {
        return vec![store.topic_of(&job, &wanted)];
    }
    let more = match place {
        Place::Update(job, _) if store.counted(job).is_some() => {
            let selected = state.view.selected.as_deref();
            let selected = selected.and_then(|id| id.parse().ok()).unwrap_or(0_i32);
            let block = selected - selected % BLOCK;
            let first = block.saturating_sub(BLOCK).max(0);
            let near: Vec<i32> = (first..block.saturating_add(2 * BLOCK)).collect();
            instances_topic(job, &near)
        }
        Place::Tails(job, ..) if store.counted(job).is_some() => {
            let first: Vec<i32> = (0..).take(MOST_TAILS).collect();
            instances_topic(job, &first)
        }
        _ => None,
    };
    [topic].into_iter().chain(more).collect()
}

/// The instances that a view is about, when they are known.
fn some_instances(store: &Store, place: &Place) -> Option<(JobPath, Vec<i32>)> {
    if let Some(task) = place.task() {
        return Some((
            task.job.clone(),
            vec![instance_of(store, &task.job, &task.task)?],
        ));
    }
    match place {
        Place::Timeline(job, Some(one)) => Some((job.clone(), vec![*one])),
        Place::Tails(job, wanted, _) if !wanted.is_empty() => {
            // No more of them are read than MOST_TAILS, those of them that are somewhere.
            let some = wanted.iter().take(MOST_ASKED).copied();
            Some((job.clone(), some.collect()))
        }
        Place::Related(kind, name) if kind == "task" => {
            let (job, task) = name.rsplit_once('/')?;
            let job: JobPath = job.parse().ok()?;
            let instance = instance_of(store, &job, task)?;
            Some((job, vec![instance]))
        }
        _ => None,
    }
}

/// The instance of a task.
pub(crate) fn instance_of(store: &Store, job: &JobPath, task: &str) -> Option<i32> {
    let known = store.tasks.get(task).map(|task| task.instance);
    known.or_else(|| instance_in(task, job))
}
